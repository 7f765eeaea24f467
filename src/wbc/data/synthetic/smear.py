"""A field of a stained blood smear: dyes on glass, red cells, platelets and one white cell."""

from dataclasses import dataclass

import numpy as np

from wbc.data.synthetic.shapes import Floats, Noise, Outline, coverage, union
from wbc.data.synthetic.white_cell import Specks, WhiteCell

DYES = {
    "hemoglobin": (0.10, 0.30, 0.31),
    "eosin": (0.08, 0.78, 0.66),
    "azure": (0.62, 0.42, 0.08),
    "violet": (0.80, 1.34, 0.26),
}
"""Dye -> optical density of its typical amount in red, green and blue; estimated from Wright's stain."""


class Field:
    """The amounts of dye on a square of glass."""

    pixel: float
    """Side of a pixel in micrometers."""
    axis: Floats
    """Centers of the pixels along a side, relative to the middle of the field; shape (size,)."""
    dyes: dict[str, Floats]
    """Dye -> amounts; shape (size, size)."""

    def __init__(self, size: int, width: float) -> None:
        """Make an empty field of `size` x `size` pixels and `width` micrometers along a side."""
        self.pixel = width / size
        self.axis = (np.arange(size, dtype=np.float64) + 0.5) * self.pixel - width / 2
        self.dyes = {dye: np.zeros((size, size)) for dye in DYES}

    def window(self, center: complex, reach: float) -> tuple[slice, slice]:
        """Rows and columns of the square of half width `reach` around `center`; empty outside the field."""
        rows, columns = (
            slice(*np.searchsorted(self.axis, [middle - reach, middle + reach]))
            for middle in (center.imag, center.real)
        )
        return rows, columns

    def softness(self, sharpest: float) -> float:
        """Width of an edge: `sharpest` micrometers, or the smallest width that pixels can show."""
        return max(sharpest, 1.5 * self.pixel)


@dataclass(frozen=True)
class RedCell:
    """A red cell: a disc that is thin, and therefore pale, in its middle."""

    center: complex
    """Position in the field, x + iy, in micrometers."""
    outline: Outline
    amount: float
    """Amount of hemoglobin; 1 is typical."""
    pallor: float
    """How much thinner the middle is, 0 to 1."""
    pallor_size: float
    """Size of the pale middle, relative to the radius."""

    def draw(self, field: Field) -> None:
        """Add its hemoglobin."""
        window = rows, columns = field.window(self.center, self.outline.radius * 1.5)
        x, y = field.axis[columns][None, :] - self.center.real, field.axis[rows][:, None] - self.center.imag
        if x.size == 0 or y.size == 0:
            return
        distance = self.outline.distance(x, y)
        depth = np.clip(-distance / self.outline.radius, 0.0, 1.0)
        hollow = coverage(self.pallor_size - depth, 0.5)
        rim = 0.12 * np.exp(-(((depth - 0.16) / 0.12) ** 2))
        thickness = (1.0 - self.pallor * hollow + rim) * coverage(distance, field.softness(0.28))
        field.dyes["hemoglobin"][window] += self.amount * thickness


def sample_red_cells(
    rng: np.random.Generator, width: float, keep_clear: complex, clearance: float
) -> list[RedCell]:
    """Red cells scattered over a field; they may overlap each other, but hardly touch the white cell.

    Args:
        rng: Source of randomness.
        width: Side of the field.
        keep_clear: Center of the white cell.
        clearance: Radius of the white cell.
    """
    count = int(rng.integers(3, 20))
    candidates = 48
    reach = width / 2 + 3.0
    centers = rng.uniform(-reach, reach, candidates) + 1j * rng.uniform(-reach, reach, candidates)
    radii = rng.normal(3.55, 0.22) * rng.normal(1.0, 0.06, candidates)
    closeness = rng.uniform(0.5, 1.05, candidates)
    pallor, amount = rng.uniform(0.25, 0.85), rng.uniform(0.8, 1.3)
    shapes = rng.spawn(1)[0]
    cells: list[RedCell] = []
    for center, radius, close in zip(centers, radii, closeness, strict=True):
        if len(cells) == count:
            break
        crowded = any(abs(center - cell.center) < close * (radius + cell.outline.radius) for cell in cells)
        if crowded or abs(center - keep_clear) < clearance + radius * (close - 0.05):
            continue
        outline = Outline.sample(shapes, radius, abs(shapes.normal(0, 0.07)), 0.035)
        hollow = np.clip(pallor + shapes.normal(0, 0.12), 0.05, 0.95)
        thickness = amount * shapes.uniform(0.88, 1.12)
        cells.append(RedCell(center, outline, thickness, hollow, shapes.uniform(0.45, 0.62)))
    return cells


def draw_platelets(
    rng: np.random.Generator, field: Field, width: float, keep_clear: complex, clearance: float
) -> None:
    """Draw up to three platelets: small, violet, grainy. For the arguments see `sample_red_cells`."""
    for _ in range(rng.choice(4, p=[0.5, 0.28, 0.15, 0.07])):
        center = complex(*rng.uniform(-width / 2, width / 2, 2))
        outline = Outline.sample(rng, rng.uniform(0.7, 1.35), rng.uniform(0, 0.25), 0.12)
        grain, amount = Noise.sample(rng, 0.35), rng.uniform(0.25, 0.5)
        if abs(center - keep_clear) < clearance + outline.radius:
            continue
        window = rows, columns = field.window(center, outline.radius * 2)
        x, y = field.axis[columns] - center.real, field.axis[rows] - center.imag
        if x.size and y.size:
            body = coverage(outline.distance(x[None, :], y[:, None]), field.softness(0.5))
            body *= np.clip(1 + 0.4 * grain.on(x, y), 0.1, None)
            field.dyes["violet"][window] += amount * body
            field.dyes["azure"][window] += 0.35 * body


def _stamp(specks: Specks, axis_x: Floats, axis_y: Floats, pixel: float) -> Floats:
    """The strongest speck at every pixel, shape (height, width)."""
    stamped = np.zeros((len(axis_y), len(axis_x)))
    if not len(specks.positions):
        return stamped
    reach = int(np.ceil(specks.radii.max() * 1.4 / pixel + 1))
    offsets = np.arange(-reach, reach + 1)
    columns = np.floor((specks.positions.real - axis_x[0]) / pixel + 0.5).astype(int)[:, None] + offsets
    rows = np.floor((specks.positions.imag - axis_y[0]) / pixel + 0.5).astype(int)[:, None] + offsets
    away_x = axis_x[0] + columns * pixel - specks.positions.real[:, None]
    away_y = axis_y[0] + rows * pixel - specks.positions.imag[:, None]
    distance = np.sqrt(away_x[:, None, :] ** 2 + away_y[:, :, None] ** 2) - specks.radii[:, None, None]
    values = specks.strengths[:, None, None] * coverage(distance, max(0.22, 1.5 * pixel))
    rows, columns = np.broadcast_arrays(rows[:, :, None], columns[:, None, :])
    seen = (rows >= 0) & (rows < len(axis_y)) & (columns >= 0) & (columns < len(axis_x))
    np.maximum.at(stamped, (rows[seen], columns[seen]), values[seen])
    return stamped


def draw_white_cell(cell: WhiteCell, field: Field, center: complex) -> None:
    """Draw a white cell over what is below it."""
    window = rows, columns = field.window(center, cell.outline.radius * 1.45 + 0.5)
    x, y = field.axis[columns] - center.real, field.axis[rows] - center.imag
    nucleus_distance = cell.nucleus.distance(x, y)
    distance = union(cell.outline.distance(x[None, :], y[:, None]), nucleus_distance - 0.3, 0.5)
    inside = coverage(distance, field.softness(0.3))
    nucleus = cell.nucleus.stain(nucleus_distance, x, y, field.softness(0.25))
    above_nucleus = 1.0 - 0.75 * coverage(nucleus_distance, field.softness(0.25))

    filled = 1.0 - _stamp(cell.vacuoles, x, y, field.pixel)
    edge = 1.0 + cell.rim * np.exp(-(((distance + 0.4) / 0.7) ** 2))
    plasma = inside * above_nucleus * filled
    plasma *= np.clip(1.0 + cell.mottling * cell.texture.on(x, y), 0.2, None)
    granules = _stamp(cell.granules, x, y, field.pixel) * inside * (0.35 + 0.65 * above_nucleus)

    field.dyes["hemoglobin"][window] *= 1.0 - 0.85 * inside
    field.dyes["eosin"][window] += cell.eosin * plasma + (1.0 - cell.granule_violet) * granules
    field.dyes["azure"][window] += cell.azure * plasma * edge
    field.dyes["violet"][window] += nucleus * (0.45 + 0.55 * filled) + cell.granule_violet * granules
