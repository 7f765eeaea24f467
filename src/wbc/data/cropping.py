"""Boxes round white cells, and the square crops made of them."""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

WHITE_CELL = "WBC"
"""Name of a white cell in the annotations."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def read_white_box(annotation: Path) -> Box | str:
    """The box of the one white cell in a VOC annotation, in pixels, or why there is none."""
    if not annotation.is_file():
        return "no annotation"
    try:
        boxes = [
            tuple(float(found.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax"))
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
    """The part of a box that lies within an image, or None."""
    left, top, right, bottom = box
    inside = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
    return inside if inside[0] < inside[2] and inside[1] < inside[3] else None


def square_crop(pixels: np.ndarray, box: Box, margin: float) -> np.ndarray:
    """Cut a box with a margin out of an image, as a square.

    The square is moved into the image where it juts out, so that every pixel is a real one and a cell at the
    edge stands out of the middle; a square larger than the image is filled up by mirroring at the edge.

    Args:
        pixels: Shape (height, width, channels).
        box: Left, top, right, bottom in pixels, inside the image.
        margin: Added on each side, as a fraction of the longer side of the box.
    """
    left, top, right, bottom = box
    side = max(1, math.ceil(max(right - left, bottom - top) * (1 + 2 * margin)))
    spans, padding = [], []
    for centre, size in (((top + bottom) / 2, pixels.shape[0]), ((left + right) / 2, pixels.shape[1])):
        start = math.floor(centre - side / 2)
        if side <= size:
            start = min(max(start, 0), size - side)
        spans.append(slice(max(start, 0), start + side))
        padding.append((max(-start, 0), max(start + side - size, 0)))
    return np.pad(pixels[spans[0], spans[1]], [*padding, (0, 0)], mode="symmetric")
