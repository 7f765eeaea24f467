"""Published results for comparison: those of the thesis, and of MedMNIST's BloodMNIST. Free of Keras.

Those of the thesis are facts copied from Beato (2018). `notes` in the file says where print and arithmetic disagree.
"""

import json
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

THESIS, BLOODMNIST = "thesis-2018.json", "bloodmnist.json"

TABLES = {
    "scratch": "table_5_1_scratch_100_per_class_percent",
    "transfer": "table_5_2_transfer_100_per_class_percent",
}
"""Mode -> the table with its accuracy per class after 100 epochs."""


@cache
def thesis() -> dict[str, Any]:
    """All published values, as in the JSON file. The result is shared, so do not change it."""
    content: dict[str, Any] = json.loads((resources.files(__name__) / THESIS).read_text(encoding="utf-8"))
    return content


@cache
def bloodmnist() -> dict[str, Any]:
    """All published values, as in the JSON file. The result is shared, so do not change it."""
    path = resources.files(__name__) / BLOODMNIST
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_accuracies(mode: str) -> dict[str, dict[str, float]]:
    """The published accuracies on the test images, 110 per class, after 100 epochs.

    Args:
        mode: `scratch` (its Table 5.1) or `transfer` (its Table 5.2).

    Returns:
        Network -> class -> share of the class' images that were predicted right, 0 to 1.
    """
    published = thesis()
    return {
        network: {name: value / 100 for name, value in zip(published["classes"], row, strict=True)}
        for network, row in published[TABLES[mode]].items()
    }


def confusion_matrix(network: str, epochs: int) -> NDArray[np.int64]:
    """A confusion matrix of its appendix D (transfer). Rows: true class; columns: predicted class.

    Args:
        network: Name of the network.
        epochs: 100 or 5000.

    Returns:
        Shape (4, 4), in the order of `thesis()["classes"]`.

    Raises:
        KeyError: The thesis did not print it.
    """
    for entry in thesis()["appendix_d_transfer"]:
        if (entry["backbone"], entry["epochs"]) == (network, epochs):
            return np.array(entry["confusion_matrix"], np.int64)
    raise KeyError((network, epochs))
