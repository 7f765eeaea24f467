"""What the microscope's camera makes of a stained field: light, stain of the slide, focus, noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wbc.data.synthetic.shapes import Floats, Noise
from wbc.data.synthetic.smear import DYES, Field


@dataclass(frozen=True)
class Microscope:
    """The conditions of one photograph."""

    light: Floats
    """Brightness of empty glass in red, green and blue, 0 to 1; shape (3,)."""
    absorption: dict[str, Floats]
    """Dye -> optical density in red, green and blue on this slide; shape (3,)."""
    slope: Floats
    """Relative change of the light across the field along x and y; shape (2,)."""
    vignette: float
    """Relative loss of light in the corners."""
    haze: Noise
    """Uneven plasma on the glass."""
    haze_density: Floats
    """Optical density of the haze in red, green and blue; shape (3,)."""
    blur: float
    """Standard deviation of the focus blur in micrometers."""
    noise: float
    """Standard deviation of the sensor's noise, as a fraction of the full scale."""

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Microscope":
        """Sample the conditions of a slide and of a photograph of it."""
        light = rng.uniform(0.78, 0.93) * np.array([1.0, 1.0, 0.965]) * rng.normal(1.0, 0.02, 3)
        strength = rng.uniform(0.82, 1.2)
        # An acid stain favors eosin over the blue dyes, an alkaline one the opposite.
        acidity = rng.normal(0.0, 0.10)
        favor = {"hemoglobin": 0.6 * acidity, "eosin": acidity, "azure": -acidity, "violet": -0.4 * acidity}
        absorption = {
            dye: strength * np.exp(favor[dye]) * np.array(density) * rng.normal(1.0, 0.06, 3)
            for dye, density in DYES.items()
        }
        return cls(
            light=np.minimum(light, 0.97),
            absorption=absorption,
            slope=rng.normal(0.0, 0.05, 2),
            vignette=rng.uniform(0.0, 0.14),
            haze=Noise.sample(rng, 6.0, lattice=12),
            haze_density=rng.uniform(0.0, 0.02, 3),
            blur=rng.uniform(0.03, 0.17),
            noise=rng.uniform(0.006, 0.018),
        )

    def photograph(self, field: Field, image_size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Photograph a field.

        Args:
            field: The field; its side is a multiple of `image_size` pixels.
            image_size: Side of the photograph in pixels.
            rng: Source of the sensor's noise.

        Returns:
            Pixels, uint8, shape (image_size, image_size, 3).
        """
        from scipy.ndimage import gaussian_filter

        size, half = len(field.axis), field.axis[-1]
        place = field.axis / half
        lamp = 1.0 + self.slope[0] * place[None, :] + self.slope[1] * place[:, None]
        lamp = lamp - self.vignette * (place[None, :] ** 2 + place[:, None] ** 2) / 2
        haze = 1.0 + self.haze.on(field.axis, field.axis)
        factor = size // image_size
        channels = []
        for channel in range(3):
            # Beer and Lambert: densities add up, light decreases exponentially.
            density = self.haze_density[channel] * haze
            for dye, amount in field.dyes.items():
                density = density + self.absorption[dye][channel] * amount
            image = gaussian_filter(
                self.light[channel] * lamp * np.exp(-density),
                self.blur / field.pixel,
                mode="nearest",
                truncate=3,
            )
            channels.append(image.reshape(image_size, factor, image_size, factor).mean(axis=(1, 3)))
        pixels = np.stack(channels, axis=-1) + self.noise * rng.standard_normal((image_size, image_size, 3))
        return np.rint(255 * np.clip(pixels, 0.0, 1.0)).astype(np.uint8)
