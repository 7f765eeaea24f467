"""Augmented copies: small changes of an image that leave the kind of its cell as it is."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MAX_ROTATION = 20.0
"""Degrees, either way."""
MAX_SHIFT = 0.1
"""Of the height and of the width, either way."""
FILL_MODES = ("nearest", "constant", "reflect", "wrap")
"""What stands where the image was turned or shifted away, in SciPy's terms."""
MAX_BRIGHTNESS = 0.08
"""Of the full scale, either way."""
MAX_CONTRAST = 0.12
"""Of the contrast about the image's mean grey, either way."""
MAX_SATURATION = 0.15
"""Of the saturation, either way."""

_GREY = (0.299, 0.587, 0.114)  # weights of the channels, ITU-R BT.601


def augment(pixels: "np.ndarray", rng: "np.random.Generator") -> "np.ndarray":
    """Turn, shift, flip and tint an image at random.

    Rotation up to 20 degrees and shift up to 10 % in one step of bilinear interpolation, each flip with
    probability one half, one of four fill modes (`constant` fills with the mean colour of the image's
    border, so that no black corner tells a copy from an original), small changes of brightness, contrast
    and saturation.

    Args:
        pixels: uint8, shape (height, width, 3).
        rng: Source of every choice: the same state gives the same copy.

    Returns:
        uint8, the same shape; the argument is left as it is.
    """
    import numpy as np
    from scipy.ndimage import affine_transform

    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"pixels must be uint8 (height, width, 3), not {pixels.dtype} {pixels.shape}")
    size = np.array(pixels.shape[:2])
    angle = np.deg2rad(rng.uniform(-MAX_ROTATION, MAX_ROTATION))
    shift = rng.uniform(-MAX_SHIFT, MAX_SHIFT, size=2) * size
    flips = rng.random(2) < 0.5
    mode = FILL_MODES[rng.integers(len(FILL_MODES))]
    brightness = rng.uniform(-MAX_BRIGHTNESS, MAX_BRIGHTNESS) * 255
    contrast = 1 + rng.uniform(-MAX_CONTRAST, MAX_CONTRAST)
    saturation = 1 + rng.uniform(-MAX_SATURATION, MAX_SATURATION)

    image = pixels.astype(np.float32)
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]).mean(axis=0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = (size - 1) / 2
    offset = centre - turn @ (centre + shift)
    moved = np.stack(
        [
            affine_transform(
                image[..., channel],
                turn,
                offset,
                order=1,
                # SciPy's plain `wrap` and `constant` interpolate across the border in a way of their own
                mode={"wrap": "grid-wrap", "constant": "grid-constant"}.get(mode, mode),
                cval=float(border[channel]),
            )
            for channel in range(3)
        ],
        axis=2,
    )
    moved = moved[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    grey = (moved @ np.array(_GREY, np.float32))[..., None]
    tinted = grey + saturation * (moved - grey)
    mean = grey.mean()
    tinted = mean + contrast * (tinted - mean) + brightness
    return np.clip(np.rint(tinted), 0, 255).astype(np.uint8)
