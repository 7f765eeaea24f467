"""Two ways to train and judge, each a named set of settings. Free of Keras.

`corrected` is how it is done today. `thesis-2018` is how the appendices F and G of Beato (2018) do it:
networks from scratch are compiled with binary cross-entropy, for which the Keras of that year reported
binary accuracy; their test generator shuffles, and its predictions are compared with the names of the files
in directory order; every network gets 1/255; times are `time.process_time()`.
"""

from typing import Any

PROTOCOLS = ("corrected", "thesis-2018")

LOSSES = ("categorical_crossentropy", "binary_crossentropy")
"""Names of `keras.losses`; the binary one asks of each class on its own whether it is the right one."""

EVALUATIONS = ("aligned", "shuffled")
"""`aligned`: each prediction is compared with its own image. `shuffled`: with the image that stands at its
place in directory order, although the images were predicted in another one: says nothing of the model."""

CLOCKS = ("wall", "process")
"""Which fit time the tables take for the trial's; both are recorded. `process`: CPU seconds of the process."""

_CORRECTED = {
    "preprocessing": "network",
    "loss": "categorical_crossentropy",
    "binary_accuracy": False,
    "evaluation": "aligned",
    "clock": "wall",
}
_THESIS = {**_CORRECTED, "preprocessing": "rescale", "clock": "process"}
_THESIS_SCRATCH = {
    **_THESIS,
    "loss": "binary_crossentropy",
    "binary_accuracy": True,
    "evaluation": "shuffled",
}

PROTOCOL_KEYS = tuple(_CORRECTED)
"""The settings that a protocol gives; each may also be set by itself."""


def settings_of(protocol: str, mode: str) -> dict[str, Any]:
    """What a protocol sets for a mode.

    The thesis evaluates only its models from scratch on a shuffled generator (appendix G), and only they
    have the binary loss; pretrained ones were tested in order (appendix D). A mode that it does not have is
    treated as pretrained.
    """
    if protocol == "corrected":
        return dict(_CORRECTED)
    if protocol == "thesis-2018":
        return dict(_THESIS_SCRATCH if mode == "scratch" else _THESIS)
    raise ValueError(f"protocol is {protocol!r}, not one of {PROTOCOLS}")
