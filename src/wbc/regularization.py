"""Settings against overfitting that are more than a number. Free of Keras."""

from dataclasses import dataclass

MONITORS = ("validation_loss", "validation_accuracy", "loss", "accuracy")
"""What early stopping may watch."""


@dataclass(frozen=True)
class EarlyStopping:
    """Training ends when it has not become better for a while.

    Attributes:
        patience: Epochs without a better value after which training stops.
        monitor: One of `MONITORS`.
        restore_best: Go back to the weights of the best epoch, also where training was not stopped.
    """

    patience: int = 10
    monitor: str = "validation_loss"
    restore_best: bool = True


@dataclass(frozen=True)
class Augmentation:
    """Random changes of each training image, anew in every epoch. What is not named stays as it is.

    Attributes:
        rotation: Largest angle, degrees, either way.
        shift: Largest shift, as a share of the side, either way and in both directions.
        zoom: Largest change of scale, as a share, either way.
        flip_horizontal: Turn left and right round, with probability one half.
        flip_vertical: Turn top and bottom round, with probability one half.
        brightness: Largest change, as a share of the full scale, either way.
        contrast: Largest change about the image's mean grey, as a share, either way.
        saturation: Largest change, as a share, either way.
    """

    rotation: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    flip_horizontal: bool = False
    flip_vertical: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0


USUAL_AUGMENTATION = Augmentation(
    rotation=20.0,
    shift=0.1,
    flip_horizontal=True,
    flip_vertical=True,
    brightness=0.08,
    contrast=0.12,
    saturation=0.15,
)
"""What `augmentation = true` means: the changes that the thesis made of its images beforehand (section 5.2),
those of colour as small as those of `wbc.data.augmentation`."""
