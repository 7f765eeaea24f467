"""Nuclei of the four kinds of white blood cells: lobes on filaments, kidneys, round bodies."""

from dataclasses import dataclass

import numpy as np

from wbc.data.synthetic.shapes import Complexes, Floats, Noise, Strand, coverage


@dataclass(frozen=True)
class Nucleus:
    """A nucleus, centered on its cell."""

    body: Strand
    """Its form."""
    density: float
    """Amount of nuclear stain; 1 is typical."""
    clumping: float
    """Contrast of the chromatin, relative to the density."""
    chromatin: tuple[Noise, Noise]
    """Texture of the chromatin, coarse and fine."""
    wobble: tuple[Noise, Noise]
    """Displacement of the edge along x and y."""
    wobble_height: float
    """Amplitude of the displacement in micrometers."""

    def distance(self, x: Floats, y: Floats) -> Floats:
        """Signed distance of a lattice of pixels to the edge.

        Args:
            x: Columns, shape (width,).
            y: Rows, shape (height,).

        Returns:
            Shape (height, width).
        """
        shift_x, shift_y = (self.wobble_height * noise.on(x, y) for noise in self.wobble)
        return self.body.distance(x[None, :] + shift_x, y[:, None] + shift_y)

    def stain(self, distance: Floats, x: Floats, y: Floats, softness: float) -> Floats:
        """Amount of nuclear stain on the pixels with this `distance`; see there for the shapes."""
        coarse, fine = (noise.on(x, y) for noise in self.chromatin)
        texture = 1.0 + self.clumping * (0.75 * np.tanh(1.2 * coarse) + 0.35 * fine)
        # The body is thinner towards its edge, where the membrane in turn stains darker.
        thickness = 0.86 + 0.14 * np.clip(-distance / 1.2, 0.0, 1.0)
        membrane = 0.14 * np.exp(-(((distance + 0.25) / 0.22) ** 2))
        return (
            self.density * coverage(distance, softness) * np.clip(texture * thickness + membrane, 0.1, None)
        )


def _rotated(points: Complexes, rng: np.random.Generator) -> Complexes:
    """The points, rotated around the origin by a random angle."""
    rotated: Complexes = points * np.exp(1j * rng.uniform(0, 2 * np.pi))
    return rotated


def lobed(rng: np.random.Generator, cell_radius: float, lobes: int, lobe_size: float) -> Strand:
    """Lobes on thin filaments, along a horseshoe or a zigzag.

    Args:
        rng: Source of randomness.
        cell_radius: Radius of the cell.
        lobes: Number of lobes, 2 or more.
        lobe_size: Mean half width of a lobe, relative to the cell's radius.
    """
    zigzag = lobes > 2 and rng.random() < 0.35
    steps = np.arange(lobes) - (lobes - 1) / 2
    if zigzag:
        side = np.where(np.arange(lobes) % 2 == 0, 1, -1) * rng.uniform(0.18, 0.34)
        centers = steps * rng.uniform(0.36, 0.48) * (4.4 / (lobes + 1.4)) + 1j * side
        tangents = np.exp(1j * (side * rng.uniform(0.5, 4.0) + rng.normal(0, 0.5, lobes)))
    else:
        stride = np.radians(rng.uniform(62, 92)) * (1.75 if lobes == 2 else 1.0)
        stride = min(stride, np.radians(310) / lobes)
        angles = steps * stride + rng.normal(0, 0.10, lobes)
        centers = rng.uniform(0.40, 0.56) * np.exp(1j * angles) * (1 + rng.normal(0, 0.12, lobes))
        tangents = 1j * np.exp(1j * (angles + rng.normal(0, 0.35, lobes)))
    radii = lobe_size * rng.uniform(0.82, 1.18, lobes)
    half_lengths = radii * rng.uniform(0.25, 0.85, lobes)
    centers = centers - 0.75 * centers.mean()
    heads, tails = centers - tangents * half_lengths, centers + tangents * half_lengths
    waist = rng.uniform(0.35, 0.75) * radii.min() if rng.random() < 0.35 else rng.uniform(0.04, 0.09)
    starts = np.concatenate([heads, tails[:-1]])
    ends = np.concatenate([tails, heads[1:]])
    start_radii = np.concatenate([radii, np.full(lobes - 1, waist)])
    end_radii = np.concatenate([radii * rng.uniform(0.8, 1.1, lobes), np.full(lobes - 1, waist)])
    rotated = _rotated(np.stack([starts, ends]), rng) * cell_radius
    return Strand(
        rotated[0], rotated[1], start_radii * cell_radius, end_radii * cell_radius, 0.07 * cell_radius
    )


def bent(rng: np.random.Generator, cell_radius: float, bend: float, thickness: float, reach: float) -> Strand:
    """One bent band: a bean, a kidney or a horseshoe.

    Args:
        rng: Source of randomness.
        cell_radius: Radius of the cell.
        bend: Angle over which the band runs, in radians.
        thickness: Half width of the band, relative to the cell's radius.
        reach: Length of the band along its middle, relative to the cell's radius.
    """
    joints = 6
    angles = np.linspace(-bend / 2, bend / 2, joints)
    points = (reach / bend) * np.exp(1j * angles)
    points = points - (0.5 * points.mean() + 0.5 * points[joints // 2])
    points = points + 0.035 * (rng.normal(size=joints) + 1j * rng.normal(size=joints))
    pinch = rng.uniform(0.0, 0.22) * np.cos(np.linspace(-np.pi / 2, np.pi / 2, joints))
    radii = thickness * (1 - pinch + rng.normal(0, 0.06, joints))
    points, radii = _rotated(points, rng) * cell_radius, radii * cell_radius
    return Strand(points[:-1], points[1:], radii[:-1], radii[1:], 0.12 * cell_radius)


def rounded(rng: np.random.Generator, cell_radius: float, size: float, notch: float) -> Strand:
    """A round or oval body, with a shallow notch.

    Args:
        rng: Source of randomness.
        cell_radius: Radius of the cell.
        size: Radius of the nucleus, relative to the cell's.
        notch: How deep the notch is, 0 (none) to 1.
    """
    stretch = rng.uniform(0.04, 0.16) + 0.28 * notch
    bow = 0.42 * notch * size
    points = size * stretch * np.array([-1.0, 0.0, 1.0]) + 1j * np.array([-bow, 0.0, -bow]) / 2
    radii = size * (1 - stretch * 0.75) * np.array([rng.uniform(0.94, 1.04), 1 - 0.12 * notch, 1.0])
    drift = (1 - size) * rng.uniform(0, 0.8)
    points, radii = (
        (_rotated(points, rng) + _rotated(np.array(drift), rng)) * cell_radius,
        radii * cell_radius,
    )
    return Strand(points[:-1], points[1:], radii[:-1], radii[1:], 0.1 * cell_radius)
