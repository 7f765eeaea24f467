"""A trained model as it is kept: it takes raw pixels, and consists of Keras' own layers. Loads Keras.

Size and scaling of pixels are layers of it, so that nobody needs to know them. Layers of ours are replaced by
layers of Keras that compute the same, so that it loads where this package is not installed.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from wbc.data.reading import PLAIN
from wbc.errors import InputError
from wbc.networks.resize import resizing_model

Scale = Callable[[NDArray[Any]], NDArray[np.float32]]
"""From pixels, shape (images, height, width, 3), values 0 to 255, to the input of a network."""

_TOLERANCE = 1e-6
"""Largest difference between a scaling and its layers, as a share of the largest scaled value."""


def raw_pixel_model(
    model: keras.Model, scale: Scale, image_size: int, fit: str = PLAIN.fit, any_size: bool = True
) -> keras.Model:
    """A model from uint8 images to what `model` makes of them once they are resized and scaled.

    Args:
        model: From scaled pixels to probabilities.
        scale: The scaling that it was trained with.
        image_size: Height and width of its images in pixels.
        fit: How images that are not square become square, one of `wbc.data.reading.FITS`.
        any_size: Whether it resizes images, as a trial reads files; else it takes those of `image_size` only.

    Raises:
        InputError: No layers of Keras compute the scaling.
    """
    if any_size:
        pixels = keras.Input((None, None, 3), dtype="uint8", name="pixels")
        tensor = resizing_model(image_size, fit)(pixels)
    else:
        pixels = keras.Input((image_size, image_size, 3), dtype="uint8", name="pixels")
        tensor = layers.Rescaling(1.0, name="as_numbers")(pixels)
    for layer in scaling_layers(scale, image_size):
        tensor = layer(tensor)
    return keras.Model(pixels, with_stock_layers(model)(tensor), name=f"{model.name}_of_pixels")


def scaling_layers(scale: Scale, image_size: int) -> list[keras.layers.Layer]:
    """Layers that compute a scaling: the colors mixed or reordered if need be, then factor and offset of each.

    Raises:
        InputError: The scaling is not the same linear function of the colors at every pixel.
    """
    colors = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    plain = np.broadcast_to(colors[:, None, None], (4, image_size, image_size, 3))
    ends = scale(np.ascontiguousarray(plain))[:, 0, 0].astype(np.float64)
    offset = ends[0]
    mixed = (ends[1:] - offset) / 255
    noise = np.random.default_rng(0).integers(0, 256, (2, image_size, image_size, 3), np.uint8)
    wanted = scale(noise)
    # Written so that NaN is no agreement.
    if not np.abs(noise @ mixed + offset - wanted).max() <= _TOLERANCE * max(1.0, np.abs(wanted).max()):
        raise InputError(
            "the scaling of pixels is not the same linear function of the colors at every pixel",
            "Scale pixels by constants, or put the scaling into the network's own layers.",
        )
    found: list[keras.layers.Layer] = []
    factors = np.diag(mixed)
    if np.count_nonzero(mixed - np.diag(factors)):
        factors = mixed.sum(axis=0) if (np.count_nonzero(mixed, axis=0) == 1).all() else np.ones(3)
        kernel = (mixed / factors).astype(np.float32)
        found.append(layers.Dense(3, use_bias=False, trainable=False, name="order_of_colors"))
        found[0].build((None, None, None, 3))
        found[0].set_weights([kernel])
    if not (np.all(factors == 1) and np.all(offset == 0)):
        found.append(layers.Rescaling(_short(factors), _short(offset), name="scale"))
    return found


def _short(values: NDArray[np.float64]) -> float | list[float]:
    return float(values[0]) if np.all(values == values[0]) else [float(value) for value in values]


def with_stock_layers(model: keras.Model) -> keras.Model:
    """The same model, with layers of ours replaced by those of Keras; for predictions, not for training.

    Weights are shared, as far as layers stay. A layer of a user's stays as it is, and so does a model that is
    no graph of layers.
    """
    if not any(_is_ours(layer) for layer in model._flatten_layers(include_self=False)):
        return model

    def replaced(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.Model):
            return with_stock_layers(layer)
        return _stock(layer) if _is_ours(layer) else layer

    return keras.models.clone_model(model, clone_function=replaced)


def _is_ours(layer: keras.layers.Layer) -> bool:
    parts = (type(layer), getattr(layer, "activation", None), type(getattr(layer, "kernel_constraint", None)))
    return any(str(getattr(part, "__module__", "")).startswith("wbc.") for part in parts)


def _stock(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Layers of Keras for one of ours, with its weights."""
    kind, weights = type(layer).__name__, layer.get_weights()
    if kind == "Subsampling":
        coefficient, bias = weights
        conv = layers.DepthwiseConv2D(1)
        kernel = 4 * coefficient.reshape(1, 1, -1, 1)
        return _chain(layer, [layers.AveragePooling2D(2), conv, *_squash()], conv, [kernel, bias])
    if kind == "PartialConvolution":
        kernel, bias = weights
        conv = layers.Conv2D(len(layer.sources), 5)
        return _chain(
            layer, [conv, *_squash()], conv, [(kernel @ layer.place).reshape(layer.kernel_shape), bias]
        )
    if kind == "LocalResponseNormalization":
        return _normalization(layer)
    if kind == "ResidualDrop":
        return layers.Rescaling(layer.survival, name=layer.name)
    if kind == "ColumnChoice":  # nothing reads it outside training
        return layers.GlobalAveragePooling2D(name=layer.name)
    if kind == "Join":
        branches = [keras.Input(tensor.shape[1:]) for tensor in layer.input[1:]]
        mean = layers.Average()(branches) if len(branches) > 1 else layers.Identity()(branches[0])
        return keras.Model([keras.Input((3,)), *branches], mean, name=layer.name)
    if isinstance(layer, layers.Conv2D | layers.Dense):
        config = {**layer.get_config(), "kernel_constraint": None}
        squashed = _is_squash(layer.activation)
        if squashed:
            config["activation"] = "linear"
        plain = (layers.Conv2D if isinstance(layer, layers.Conv2D) else layers.Dense).from_config(config)
        return _chain(layer, [plain, *(_squash() if squashed else [])], plain, weights)
    return layer


def _is_squash(activation: Callable[..., Any]) -> bool:
    return activation.__module__.startswith("wbc.") and activation.__name__ == "squash"


def _squash() -> list[keras.layers.Layer]:
    """`wbc.networks.papers.lenet.squash`."""
    return [layers.Rescaling(2 / 3), layers.Activation("tanh"), layers.Rescaling(1.7159)]


def _chain(
    layer: keras.layers.Layer,
    parts: list[keras.layers.Layer],
    weighted: keras.layers.Layer,
    weights: list[NDArray[Any]],
) -> keras.Model:
    chain = keras.Sequential([keras.Input(layer.input.shape[1:]), *parts], name=layer.name)
    weighted.set_weights(weights)
    return chain


def _normalization(layer: keras.layers.Layer) -> keras.Model:
    """`wbc.networks.papers.layers.LocalResponseNormalization`."""
    maps = keras.Input(layer.input.shape[1:])
    sums = layers.Conv2D(maps.shape[-1], 1)
    norm = ops.power(sums(ops.square(maps)), layer.beta)
    kernel, k = layer.alpha * layer.adjacent[None, None], np.full(maps.shape[-1], layer.k, np.float32)
    sums.set_weights([kernel, k])
    return keras.Model(maps, maps / norm, name=layer.name)
