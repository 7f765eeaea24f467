"""The search that neither a shift nor a rotation nor a mirror disturbs.

Within a round window the magnitude of an image's spectrum hardly depends on a shift; a rotation of the image
turns it, mirroring mirrors it. Sampled on rings, both become shifts along the angle, and the magnitudes of
the Fourier coefficients along the angle depend on neither (after Reddy and Chatterji, IEEE TIP 1996).
"""

import numpy as np

RADII = np.arange(3, 40, 1.5)
"""Radii of the rings, in cycles per frame."""
ANGLES = 90
"""Samples of a ring; they cover 180 degrees, the rest of a magnitude is the same again."""
ORDERS = 24
"""Fourier coefficients of a ring that describe it."""


def rings_of(texture: np.ndarray) -> np.ndarray:
    """The log-magnitude of a square texture's spectrum, ring by ring, without the mean of each ring.

    Args:
        texture: Shape (side, side).

    Returns:
        Shape (len(RADII), ANGLES).
    """
    from scipy import fft
    from scipy.ndimage import map_coordinates

    side = len(texture)
    axis = (np.arange(side) - (side - 1) / 2) / (side / 2)
    distance = np.hypot(axis[:, None], axis[None, :])
    window = np.where(distance < 1, 0.5 + 0.5 * np.cos(np.pi * distance), 0)
    magnitude = np.abs(fft.fftshift(fft.fft2(texture * window, s=(2 * side, 2 * side))))
    angles = np.arange(ANGLES) * np.pi / ANGLES
    down = side + 2 * RADII[:, None] * np.sin(angles)
    right = side + 2 * RADII[:, None] * np.cos(angles)
    rings = np.log1p(map_coordinates(magnitude, [down, right], order=1))
    return rings - rings.mean(axis=1, keepdims=True)


def descriptor_of(rings: np.ndarray) -> np.ndarray:
    """What stays of the rings whatever the rotation: float32 of norm 1, or all zero."""
    spectrum = np.abs(np.fft.rfft(rings, axis=1))[:, 1 : ORDERS + 1].ravel()
    return (spectrum / max(1e-6, np.linalg.norm(spectrum))).astype(np.float32)


def angles_between(first: np.ndarray, second: np.ndarray, tops: int = 2) -> list[tuple[float, bool, float]]:
    """By which angles one image may be turned against another.

    Args:
        first, second: Their rings.
        tops: Angles for each of mirrored and not.

    Returns:
        (correlation of the rings, mirrored, degrees), the best first. Degrees are known up to 180.
    """
    spectrum = np.fft.rfft(first, axis=1)
    norm = np.sqrt(float((first**2).sum()) * float((second**2).sum())) or 1.0
    found = []
    for mirrored in (False, True):
        other = second[:, -np.arange(ANGLES) % ANGLES] if mirrored else second
        product = (spectrum * np.conj(np.fft.rfft(other, axis=1))).sum(axis=0)
        match = np.fft.irfft(product, n=ANGLES) / norm
        taken: list[int] = []
        for top in map(int, np.argsort(-match)):
            if all(min((top - one) % ANGLES, (one - top) % ANGLES) > 2 for one in taken):
                taken.append(top)
                before, here, after = match[top - 1], match[top], match[(top + 1) % ANGLES]
                bend = before - 2 * here + after
                between = 0.5 * (before - after) / bend if bend else 0.0  # the vertex of a parabola
                found.append((float(here), mirrored, (top + between) * 180 / ANGLES))
            if len(taken) == tops:
                break
    return sorted(found, reverse=True)
