"""A field of a stained blood smear: dyes on glass, red cells, platelets and one white cell."""

from dataclasses import dataclass

import numpy as np

from wbc.data.synthetic.shapes import Noise, Outline, coverage, union
from wbc.data.synthetic.white_cell import Specks, WhiteCell

DYES = {
    "haemoglobin": (0.10, 0.30, 0.31),
    "eosin": (0.08, 0.78, 0.66),
    "azure": (0.62, 0.42, 0.08),
    "violet": (0.80, 1.34, 0.26),
}
"""Dye -> optical density of its typical amount in red, green and blue light, by eye from Wright's stain."""


class Field:
    """The amounts of dye on a square of glass.

    Args:
        size: Pixels along a side.
        width: The side's length in micrometres.

    Attributes:
        axis: Pixel centres along a side, from the middle of the field, shape (size,).
        pixel: Side of a pixel in micrometres.
        dyes: Dye -> amounts, shape (size, size).
    """

    def __init__(self, size: int, width: float):
        self.pixel = width / size
        self.axis = (np.arange(size) + 0.5) * self.pixel - width / 2
        self.dyes = {dye: np.zeros((size, size)) for dye in DYES}

    def window(self, centre: complex, reach: float) -> tuple[slice, slice]:
        """Rows and columns of the square of half width `reach` around `centre`; empty outside the field."""
        rows, columns = (
            slice(*np.searchsorted(self.axis, [middle - reach, middle + reach]))
            for middle in (centre.imag, centre.real)
        )
        return rows, columns

    def softness(self, sharpest: float) -> float:
        """Width of an edge that is `sharpest` micrometres wide, or as wide as pixels can show."""
        return max(sharpest, 1.5 * self.pixel)


@dataclass(frozen=True)
class RedCell:
    """A red cell: a disc that is thin, and so pale, in its middle."""

    centre: complex
    outline: Outline
    amount: float
    pallor: float
    pallor_size: float

    def draw(self, field: Field) -> None:
        """Add its haemoglobin."""
        window = rows, columns = field.window(self.centre, self.outline.radius * 1.5)
        x, y = field.axis[columns][None, :] - self.centre.real, field.axis[rows][:, None] - self.centre.imag
        if x.size == 0 or y.size == 0:
            return
        distance = self.outline.distance(x, y)
        depth = np.clip(-distance / self.outline.radius, 0.0, 1.0)
        hollow = coverage(self.pallor_size - depth, 0.5)
        rim = 0.12 * np.exp(-(((depth - 0.16) / 0.12) ** 2))
        thickness = (1.0 - self.pallor * hollow + rim) * coverage(distance, field.softness(0.28))
        field.dyes["haemoglobin"][window] += self.amount * thickness


def red_cells(rng: np.random.Generator, width: float, keep_clear: complex, clearance: float) -> list[RedCell]:
    """Red cells scattered over a field; they may overlap one another, and hardly touch the white cell.

    Args:
        rng: Source of randomness.
        width: Side of the field.
        keep_clear: Centre of the white cell.
        clearance: Radius of the white cell.
    """
    count = int(rng.integers(3, 20))
    candidates = 48
    reach = width / 2 + 3.0
    centres = rng.uniform(-reach, reach, candidates) + 1j * rng.uniform(-reach, reach, candidates)
    radii = rng.normal(3.55, 0.22) * rng.normal(1.0, 0.06, candidates)
    closeness = rng.uniform(0.5, 1.05, candidates)
    pallor, amount = rng.uniform(0.25, 0.85), rng.uniform(0.8, 1.3)
    shapes = rng.spawn(1)[0]
    cells: list[RedCell] = []
    for centre, radius, close in zip(centres, radii, closeness, strict=True):
        if len(cells) == count:
            break
        crowded = any(abs(centre - cell.centre) < close * (radius + cell.outline.radius) for cell in cells)
        if crowded or abs(centre - keep_clear) < clearance + radius * (close - 0.05):
            continue
        outline = Outline.draw(shapes, radius, abs(shapes.normal(0, 0.07)), 0.035)
        hollow = np.clip(pallor + shapes.normal(0, 0.12), 0.05, 0.95)
        thickness = amount * shapes.uniform(0.88, 1.12)
        cells.append(RedCell(centre, outline, thickness, hollow, shapes.uniform(0.45, 0.62)))
    return cells


def draw_platelets(
    rng: np.random.Generator, field: Field, width: float, keep_clear: complex, clearance: float
):
    """Draw none to three platelets: small, violet, grainy."""
    for _ in range(rng.choice(4, p=[0.5, 0.28, 0.15, 0.07])):
        centre = complex(*rng.uniform(-width / 2, width / 2, 2))
        outline = Outline.draw(rng, rng.uniform(0.7, 1.35), rng.uniform(0, 0.25), 0.12)
        grain, amount = Noise.draw(rng, 0.35), rng.uniform(0.25, 0.5)
        if abs(centre - keep_clear) < clearance + outline.radius:
            continue
        window = rows, columns = field.window(centre, outline.radius * 2)
        x, y = field.axis[columns] - centre.real, field.axis[rows] - centre.imag
        if x.size and y.size:
            body = coverage(outline.distance(x[None, :], y[:, None]), field.softness(0.5))
            body *= np.clip(1 + 0.4 * grain.on(x, y), 0.1, None)
            field.dyes["violet"][window] += amount * body
            field.dyes["azure"][window] += 0.35 * body


def _stamp(specks: Specks, axis_x: np.ndarray, axis_y: np.ndarray, pixel: float) -> np.ndarray:
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


def draw_white_cell(cell: WhiteCell, field: Field, centre: complex) -> None:
    """Draw a white cell over what lies below it."""
    window = rows, columns = field.window(centre, cell.outline.radius * 1.45 + 0.5)
    x, y = field.axis[columns] - centre.real, field.axis[rows] - centre.imag
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

    field.dyes["haemoglobin"][window] *= 1.0 - 0.85 * inside
    field.dyes["eosin"][window] += cell.eosin * plasma + (1.0 - cell.granule_violet) * granules
    field.dyes["azure"][window] += cell.azure * plasma * edge
    field.dyes["violet"][window] += nucleus * (0.45 + 0.55 * filled) + cell.granule_violet * granules
