"""The published figures of the thesis, to set ours beside. Free of Keras.

They are facts copied from Beato (2018); `notes` says where print and arithmetic disagree.
"""

import json
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

THESIS = "thesis-2018.json"

TABLES = {
    "scratch": "table_5_1_scratch_100_per_class_percent",
    "transfer": "table_5_2_transfer_100_per_class_percent",
}
"""Mode -> the table with its accuracy a class after 100 epochs."""


@cache
def thesis() -> dict[str, Any]:
    """Everything that is kept of the thesis; do not change it, it is shared."""
    return json.loads((resources.files(__name__) / THESIS).read_text(encoding="utf-8"))


def test_accuracies(mode: str) -> dict[str, dict[str, float]]:
    """What the thesis published of the test images, 110 a class, after 100 epochs.

    Args:
        mode: `scratch` (its Table 5.1) or `transfer` (its Table 5.2).

    Returns:
        network -> class -> share of the class' images that were predicted right, 0 to 1.
    """
    published = thesis()
    return {
        network: {name: value / 100 for name, value in zip(published["classes"], row, strict=True)}
        for network, row in published[TABLES[mode]].items()
    }


def confusion_matrix(network: str, epochs: int) -> np.ndarray:
    """A confusion matrix of its appendix D (transfer): rows the true, columns the predicted class.

    Args:
        network: Name of the network.
        epochs: 100 or 5000.

    Returns:
        Integer array of shape (4, 4), in the order of `thesis()["classes"]`.

    Raises:
        KeyError: The thesis did not print it.
    """
    for entry in thesis()["appendix_d_transfer"]:
        if (entry["backbone"], entry["epochs"]) == (network, epochs):
            return np.array(entry["confusion_matrix"])
    raise KeyError((network, epochs))
