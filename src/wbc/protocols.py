"""Two protocols of training and evaluation, each a named set of settings. Free of Keras.

`corrected` follows today's practice. `thesis-2018` follows appendices F and G of Beato (2018):

- Networks trained from scratch are compiled with binary cross-entropy, for which the Keras of that year
  reported binary accuracy.
- Their test generator shuffles, but its predictions are compared with the files in directory order.
- Every network gets pixels times 1/255.
- RMSprop adds its epsilon outside the root, as Keras 2 did.
- Times are `time.process_time()`.
"""

from dataclasses import asdict, dataclass, fields, replace

PROTOCOLS = ("corrected", "thesis-2018")

PREPROCESSINGS = ("network", "rescale")
"""`network`: each network's own scaling. `rescale`: 1/255 for all, as in the thesis."""

LOSSES = ("categorical_crossentropy", "binary_crossentropy")
"""Names in `keras.losses`. The binary one treats each class as a yes-or-no question of its own."""

EVALUATIONS = ("aligned", "shuffled")
"""`aligned`: each prediction is compared with its own image. `shuffled`: images are predicted in a random
order, but compared with the files in directory order. Such a result says nothing about the model."""

CLOCKS = ("wall", "process")
"""The fit time that tables show; both are recorded. `process`: CPU seconds of the process."""


@dataclass(frozen=True)
class ProtocolSettings:
    """The settings that a protocol defines; a suite may override each of them. The defaults: `corrected`."""

    preprocessing: str = "network"
    """One of `PREPROCESSINGS`."""
    loss: str = "categorical_crossentropy"
    """One of `LOSSES`."""
    binary_accuracy: bool = False
    """Report binary accuracy beside the categorical one."""
    evaluation: str = "aligned"
    """One of `EVALUATIONS`."""
    clock: str = "wall"
    """One of `CLOCKS`."""


_CORRECTED = ProtocolSettings()
_THESIS = ProtocolSettings(preprocessing="rescale", clock="process")
_THESIS_SCRATCH = replace(_THESIS, loss="binary_crossentropy", binary_accuracy=True, evaluation="shuffled")

PROTOCOL_KEYS = tuple(field.name for field in fields(ProtocolSettings))
"""The names of the settings that a protocol defines."""


def settings_of(protocol: str, mode: str) -> dict[str, str | bool]:
    """The settings that a protocol defines for a mode.

    The thesis evaluates only its models from scratch with a shuffling generator (appendix G), and only these
    have the binary loss. Its pretrained models are tested in order (appendix D). Modes that it does not have
    are treated as pretrained.
    """
    if protocol == "corrected":
        return asdict(_CORRECTED)
    if protocol == "thesis-2018":
        return asdict(_THESIS_SCRATCH if mode == "scratch" else _THESIS)
    raise ValueError(f"protocol is {protocol!r}, not one of {PROTOCOLS}")
