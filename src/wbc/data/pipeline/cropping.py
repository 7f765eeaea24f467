"""Bounding boxes of white cells, and the square crops made from them."""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

WHITE_CELL = "WBC"
"""Name of a white cell in the annotations."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def read_white_box(annotation: Path) -> Box | str:
    """The box of the only white cell in a VOC annotation, in pixels; without such a box, the reason."""
    if not annotation.is_file():
        return "no annotation"
    try:
        boxes = [
            [float(found.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")]
            for found in ElementTree.parse(annotation).getroot().iter("object")
            if found.findtext("name", "").strip() == WHITE_CELL
        ]
    except (ElementTree.ParseError, ValueError, LookupError):
        return "annotation unreadable"
    if not boxes:
        return "no white-cell box"
    if len(boxes) > 1:
        return "more than one white-cell box"
    left, top, right, bottom = boxes[0]
    if not all(map(math.isfinite, boxes[0])):
        return "annotation unreadable"
    return (left, top, right, bottom) if left < right and top < bottom else "white-cell box is empty"


def clip_box(box: Box, width: int, height: int) -> Box | None:
    """The area of a box that is inside an image of `width` x `height` pixels, or None."""
    left, top, right, bottom = box
    inside = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
    return inside if inside[0] < inside[2] and inside[1] < inside[3] else None


def square_crop(pixels: NDArray[np.uint8], box: Box, margin: float) -> NDArray[np.uint8]:
    """Crop a box with a margin out of an image, as a square.

    A square that extends beyond the image is moved inside, so that every pixel is real. A cell at the edge is
    then off-center. A square larger than the image is filled by mirroring at the edges.

    Args:
        pixels: Shape (height, width, channels).
        box: Left, top, right, bottom in pixels, inside the image.
        margin: Added on each side, as a fraction of the longer side of the box.

    Returns:
        Shape (side, side, channels).
    """
    left, top, right, bottom = box
    side = max(1, math.ceil(max(right - left, bottom - top) * (1 + 2 * margin)))
    spans, padding = [], []
    for center, size in (((top + bottom) / 2, pixels.shape[0]), ((left + right) / 2, pixels.shape[1])):
        start = math.floor(center - side / 2)
        if side <= size:
            start = min(max(start, 0), size - side)
        spans.append(slice(max(start, 0), start + side))
        padding.append((max(-start, 0), max(start + side - size, 0)))
    return np.pad(pixels[spans[0], spans[1]], [*padding, (0, 0)], mode="symmetric")
