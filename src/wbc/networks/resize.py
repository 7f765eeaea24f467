"""Resize images as `wbc.data.loading.read_image` does, to the bit, with operations of Keras. Loads Keras.

Pillow weighs pixels by a triangle, rounds the weights to fixed point and, after each of two passes, the sums to
whole numbers. The same integers are computed here in float64, which holds them exactly. JAX computes in float32:
there, one pixel in many may be one gray level off. Images of the right size never are.
"""

from dataclasses import dataclass
from functools import cache

import keras
import numpy as np
from keras import KerasTensor, ops
from PIL import Image

from wbc.data.reading import FITS

_BITS = 22
"""Of Pillow's weights behind the point, for pixels of 8 bits."""

_HEIGHT, _WIDTH = 1, 2


def resizing_model(side: int, fit: str) -> keras.Model:
    """From uint8 images of any size to squares.

    Args:
        side: Height and width of the result in pixels.
        fit: One of `FITS`: what happens to images that are not square.

    Returns:
        A model whose output is float32, whole numbers, shape (images, side, side, 3).
    """
    pixels = keras.Input((None, None, 3), dtype="uint8", name="pixels")
    return keras.Model(pixels, ops.cast(_resized(pixels, side, fit), "float32"), name="size")


def _resized(pixels: KerasTensor, side: int, fit: str) -> KerasTensor:
    places = {axis: _places(pixels, axis) for axis in (_HEIGHT, _WIDTH)}
    lengths = {axis: ops.max(place) + 1.0 for axis, place in places.items()}
    values = ops.cast(pixels, "float64")
    if fit == "squash":
        down, across = (_Pass(axis, side, lengths[axis], places[axis]) for axis in (_HEIGHT, _WIDTH))
        plain = down(across(values))
        if not _pillow_chooses_the_order():
            return plain
        tall = ops.logical_and(
            lengths[_HEIGHT] > float(side), 2.0 * lengths[_WIDTH] < lengths[_HEIGHT] + float(side)
        )
        return ops.where(tall, across(down(values)), plain)
    if fit not in FITS:
        raise ValueError(f"fit is {fit!r}, not one of {FITS}")
    for axis in (_WIDTH, _HEIGHT):
        length, place = lengths[axis], places[axis]
        if fit == "crop":
            whole = ops.minimum(*lengths.values())
            values = _Pass(axis, side, whole, place - ops.floor((length - whole) / 2.0))(values)
        else:
            whole = ops.maximum(*lengths.values())
            start = ops.floor((whole - length) / 2.0)
            every = _count(ops.concatenate([*places.values()]))  # as many as the square has, or more
            around = ops.logical_or(every < start, every >= start + length)
            values = _Pass(axis, side, whole, place + start, every, around)(values)
    return values


@dataclass(frozen=True)
class _Pass:
    """Resizes along one axis."""

    axis: int
    side: int
    whole: KerasTensor
    """Side of the square that becomes the result."""
    places: KerasTensor
    """Of the pixels on the axis of the square; those outside it do not count."""
    every: KerasTensor | None = None
    """All places of the square, if it has more than the image."""
    white: KerasTensor | None = None
    """Which of them are not in the image."""

    def __call__(self, values: KerasTensor) -> KerasTensor:
        every = self.places if self.every is None else self.every
        total = ops.sum(self._triangle(every), axis=1, keepdims=True)
        product = "nhwc,oh->nowc" if self.axis == _HEIGHT else "nhwc,ow->nhoc"
        sums = ops.einsum(product, values, self._fixed(self.places, total))
        if self.white is not None:
            edge = 255.0 * ops.sum(self._fixed(every, total) * ops.cast(self.white, "float64"), axis=1)
            sums = sums + ops.reshape(edge, [-1 if axis == self.axis else 1 for axis in range(4)])
        return ops.clip(ops.floor(sums / 2.0**_BITS + 0.5), 0.0, 255.0)

    def _triangle(self, places: KerasTensor) -> KerasTensor:
        """How much each place counts for each pixel of the result; shape (side, places)."""
        scale = self.whole / float(self.side)
        centers = ops.multiply(scale, np.arange(self.side, dtype=np.float64)[:, None] + 0.5)
        near = ops.relu(1.0 - ops.abs((places + 0.5 - centers) / ops.maximum(scale, 1.0)))
        return near * ops.cast(ops.logical_and(places >= 0.0, places < self.whole), "float64")

    def _fixed(self, places: KerasTensor, total: KerasTensor) -> KerasTensor:
        return ops.floor(self._triangle(places) / total * 2.0**_BITS + 0.5)


def _places(pixels: KerasTensor, axis: int) -> KerasTensor:
    """0, 1, 2 ... along an axis, whose length is only known once there is an image."""
    return _count(ops.max(pixels, axis=tuple(other for other in range(4) if other != axis)))


def _count(values: KerasTensor) -> KerasTensor:
    return ops.cumsum(ops.ones_like(ops.cast(values, "float64"))) - 1.0


@cache
def _pillow_chooses_the_order() -> bool:
    """Whether this Pillow resizes images that get much lower along the columns first, as Pillow 13 does."""
    pixels = np.random.default_rng(0).integers(0, 256, (62, 20), np.uint8)
    image, bilinear = Image.fromarray(pixels), Image.Resampling.BILINEAR
    rows_first = image.resize((24, 62), bilinear).resize((24, 24), bilinear)
    return image.resize((24, 24), bilinear).tobytes() != rows_first.tobytes()
