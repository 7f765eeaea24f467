"""Augmented copies: small changes of an image that do not change the kind of its cell."""

import numpy as np
from numpy.typing import NDArray

MAX_ROTATION = 20.0
"""Degrees, in either direction."""
MAX_SHIFT = 0.1
"""Fraction of the height and of the width, in either direction."""
FILL_MODES = ("nearest", "constant", "reflect", "wrap")
"""How the area is filled that a rotation or shift left empty, in SciPy's terms."""
MAX_BRIGHTNESS = 0.08
"""Fraction of the full scale, in either direction."""
MAX_CONTRAST = 0.12
"""Fraction of the contrast around the image's mean gray, in either direction."""
MAX_SATURATION = 0.15
"""Fraction of the saturation, in either direction."""

_GRAY = (0.299, 0.587, 0.114)  # weights of the channels, ITU-R BT.601


def augment(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Rotate, shift, flip and tint an image at random.

    Rotation (up to 20 degrees) and shift (up to 10 %) are one step of bilinear interpolation. Each flip has
    the probability one half. The empty area is filled by one of four modes. `constant` uses the mean color of
    the image's border, so that no black corner distinguishes a copy from an original. Brightness, contrast
    and saturation change a little.

    Args:
        pixels: uint8, shape (height, width, 3); not changed.
        rng: Source of every choice: the same state gives the same copy.

    Returns:
        uint8, the same shape.

    Raises:
        ValueError: Another shape or type.
    """
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
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    center = (size - 1) / 2
    offset = center - rotation @ (center + shift)
    moved = np.stack(
        [
            affine_transform(
                image[..., channel],
                rotation,
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
    gray = (moved @ np.array(_GRAY, np.float32))[..., None]
    tinted = gray + saturation * (moved - gray)
    mean = gray.mean()
    tinted = mean + contrast * (tinted - mean) + brightness
    changed: NDArray[np.uint8] = np.clip(np.rint(tinted), 0, 255).astype(np.uint8)
    return changed
