"""Shapes and textures of a synthetic cell as functions of the plane. Lengths are in micrometers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

# Standard deviation of independent unit values after the cubic B-spline smoothing below, in two dimensions.
_SPLINE_DEVIATION = 0.479


def coverage(distance: Floats, softness: float) -> Floats:
    """How far a point is inside an edge: 1 inside, 0 outside, smooth over `softness` across the edge.

    Args:
        distance: Signed distances to the edge, negative inside; any shape.
        softness: Width of the transition.

    Returns:
        The same shape.
    """
    ramp = np.clip(0.5 - distance / softness, 0.0, 1.0)
    return ramp * ramp * (3.0 - 2.0 * ramp)


def union(first: Floats, second: Floats, blend: float) -> Floats:
    """Signed distance to the union of two shapes with a fillet of size `blend` at the joint."""
    overlap = np.clip(blend - np.abs(first - second), 0.0, None) / blend
    return np.minimum(first, second) - overlap * overlap * (blend / 4.0)


@dataclass(frozen=True)
class Noise:
    """A smooth random texture with mean 0 and standard deviation 1, the same at every resolution."""

    values: Floats
    """Random values on a square lattice, repeated periodically; shape (lattice, lattice)."""
    grain: float
    """Distance between lattice points, which is the size of the details."""

    @classmethod
    def sample(cls, rng: np.random.Generator, grain: float, lattice: int = 40) -> "Noise":
        """Sample a texture with details of size `grain`."""
        return cls(rng.standard_normal((lattice, lattice)), grain)

    def on(self, x: Floats, y: Floats) -> Floats:
        """Values on a lattice of pixels.

        Args:
            x: Columns, shape (width,).
            y: Rows, shape (height,).

        Returns:
            Shape (height, width).
        """
        return self._along(self._along(self.values, y).T, x).T / _SPLINE_DEVIATION

    def _along(self, values: Floats, positions: Floats) -> Floats:
        """The values between the rows of `values`, by uniform cubic B-splines; shape (positions, columns)."""
        scaled = positions / self.grain
        knots = np.floor(scaled).astype(int)
        t = (scaled - knots)[:, None]
        taps = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
        # Sums in a fixed order: a matrix product would depend on its library and on the number of threads.
        total = np.zeros((len(positions), values.shape[1]))
        for step, tap in enumerate(taps):
            total = total + tap * values[(knots + step) % len(values)]
        return total / 6.0


@dataclass(frozen=True)
class Outline:
    """A closed, roughly round outline: an ellipse with a few waves along its edge."""

    radius: float
    """Mean radius."""
    waves: Complexes
    """Amplitudes of the waves 2, 3, ... relative to the radius; wave 2 is the ellipse. Shape (waves,)."""

    @classmethod
    def sample(
        cls, rng: np.random.Generator, radius: float, ellipticity: float, roughness: float, waves: int = 4
    ) -> "Outline":
        """Sample an outline; `ellipticity` and `roughness` are relative amplitudes."""
        phases = np.exp(1j * rng.uniform(0, 2 * np.pi, waves))
        heights = roughness * rng.normal(size=waves) / np.arange(1, waves + 1)
        heights[0] = ellipticity
        return cls(radius, heights * phases)

    def distance(self, x: Floats, y: Floats) -> Floats:
        """Signed distance to the outline around the origin (first order in the waves), negative inside.

        Args:
            x: Positions; any shape.
            y: Positions; a shape that can be broadcast with that of `x`.
        """
        # A shift far below a pixel defines the direction of the origin.
        position = x + 1j * y + 1e-9
        length = np.abs(position)
        direction = position / length
        power = direction
        reach = np.ones_like(length)
        for wave in self.waves:
            power = power * direction
            reach += (power * np.conj(wave)).real
        return length - self.radius * reach


@dataclass(frozen=True)
class Strand:
    """A chain of rounded bars, blended into one body: the form of a cell's nucleus."""

    starts: Complexes
    """One end of each bar; shape (bars,)."""
    ends: Complexes
    """The other end; shape (bars,)."""
    start_radii: Floats
    """Half the width of each bar at its start; shape (bars,)."""
    end_radii: Floats
    """The same at its end."""
    blend: float
    """Size of the fillets where bars meet."""

    def distance(self, x: Floats, y: Floats) -> Floats:
        """Signed distance to the edge of the body, negative inside; see `Outline.distance`."""
        distance: Floats | None = None
        bars = zip(self.starts, self.ends, self.start_radii, self.end_radii, strict=True)
        for start, end, start_radius, end_radius in bars:
            along, run_x, run_y = end - start, x - start.real, y - start.imag
            span = max(abs(along) ** 2, 1e-12)
            share = np.clip((run_x * along.real + run_y * along.imag) / span, 0.0, 1.0)
            gap = np.sqrt((run_x - share * along.real) ** 2 + (run_y - share * along.imag) ** 2)
            bar = gap - (start_radius + (end_radius - start_radius) * share)
            distance = bar if distance is None else union(distance, bar, self.blend)
        assert distance is not None, "a strand has at least one bar"
        return distance
