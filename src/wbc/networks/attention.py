"""Where a network looks (Grad-CAM), its first filters and its feature maps. Loads Keras; needs TensorFlow.

Selvaraju et al., ICCV 2017: the maps of a convolutional layer, each weighted by the mean gradient of the score of a
class, as far as their sum is positive. The score is taken before softmax, whose gradient vanishes once a network is
sure.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wbc.errors import InputError

_LEAST_SIDE = 4
"""Of maps that show a place, if the network has such."""

_MOST_TILES = 32

Chain = Sequence[keras.Model]
"""Models that follow one another, from scaled pixels to probabilities."""


@dataclass(frozen=True)
class Call:
    """A layer that was called."""

    layer: keras.layers.Layer
    input: Any
    output: Any


def where_it_looks(chain: Chain, inputs: NDArray[np.float32], classes: Sequence[int]) -> NDArray[np.float32]:
    """Heat of each place for a class of each image.

    Args:
        chain: The models.
        inputs: Scaled pixels, shape (images, height, width, 3).
        classes: Index of the class for each image.

    Returns:
        From 0 to 1, shape (images, height, width); all 0 where nothing speaks for the class.

    Raises:
        InputError: Another backend than TensorFlow, or a network without maps.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"gradients of maps are taken with TensorFlow, not with {keras.backend.backend()}")
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tensor = tf.convert_to_tensor(inputs)
        tape.watch(tensor)
        calls, outputs = _called(chain, tensor)
        scores = tf.gather(_before_softmax(calls, outputs), list(classes), axis=1, batch_dims=1)
        maps = _last_maps(calls)
    gradients = tape.gradient(scores, maps)
    if gradients is None:
        raise InputError("the output does not depend on the last maps of the network")
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    heat = np.asarray(tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1)))
    largest = heat.max(axis=(1, 2), keepdims=True)
    heat = np.divide(heat, largest, out=np.zeros_like(heat), where=largest > 0)
    size = inputs.shape[2], inputs.shape[1]
    return np.stack(
        [np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BILINEAR)) for one in heat]
    )


def overlaid(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """An image in gray with its heat in color, from blue over green to red; shape (height, width, 3)."""
    gray = pixels.mean(axis=2, keepdims=True)
    color = 255 * np.clip(1.5 - np.abs(4 * heat[..., None] - np.array([3.0, 2.0, 1.0])), 0, 1)
    share = 0.15 + 0.5 * heat[..., None]
    mixed: NDArray[np.uint8] = ((1 - share) * gray + share * color).astype(np.uint8)
    return mixed


def filters_and_maps(chain: Chain, inputs: NDArray[np.float32]) -> dict[str, NDArray[np.uint8]]:
    """Pictures of the filters of the first convolution, and of the first, middle and last maps of one image.

    Args:
        chain: The models.
        inputs: One image, scaled; shape (1, height, width, 3).

    Returns:
        Name of each picture -> pixels.
    """
    calls, _ = _called(chain, keras.ops.convert_to_tensor(inputs))
    found: dict[str, NDArray[np.uint8]] = {}
    first = next((call.layer for call in calls if _is_first_convolution(call)), None)
    if first is not None:
        kernel = np.asarray(keras.ops.convert_to_numpy(first.kernel))
        found["filters"] = _tiles(list(np.moveaxis(kernel, -1, 0)), 24)
    drawn = [call for call in calls if _has_maps(call)]
    for name, position in (("first", 0), ("middle", len(drawn) // 2), ("last", len(drawn) - 1)):
        if drawn:
            maps = np.asarray(keras.ops.convert_to_numpy(drawn[position].output))[0]
            found[f"maps-{name}"] = _tiles([maps[..., [number]] for number in range(maps.shape[-1])], 48)
    return found


def _called(chain: Chain, tensor: Any) -> tuple[list[Call], Any]:
    """The layers that were called, in their order, and the output."""
    calls: list[Call] = []
    with _recorded(chain, calls.append):
        for model in chain:
            tensor = model(tensor, training=False)
    return calls, tensor


@contextmanager
def _recorded(chain: Chain, tell: Callable[[Call], None]) -> Iterator[None]:
    layers = [
        layer
        for model in chain
        for layer in model._flatten_layers(include_self=False)
        if not list(layer._flatten_layers(include_self=False))
        and not isinstance(layer, keras.layers.InputLayer)
    ]

    def tap(layer: keras.layers.Layer) -> None:
        call = layer.call

        def telling(*args: Any, **kwargs: Any) -> Any:
            output = call(*args, **kwargs)
            tell(Call(layer, args[0] if args else next(iter(kwargs.values())), output))
            return output

        layer.call = telling

    for layer in layers:
        tap(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _has_maps(call: Call) -> bool:
    shape = getattr(call.output, "shape", ())
    return len(shape) == 4 and min(shape[1:3]) > 1


def _is_first_convolution(call: Call) -> bool:
    return isinstance(call.layer, keras.layers.Conv2D) and call.layer.kernel.shape[2] == 3


def _last_maps(calls: Sequence[Call]) -> Any:
    """The last maps that still show a place."""
    outputs = [call.output for call in calls if _has_maps(call)]
    if not outputs:
        raise InputError("the network has no maps: no layer's output has height and width")
    large = [one for one in outputs if min(one.shape[1:3]) >= _LEAST_SIDE]
    return (large or outputs)[-1]


def _before_softmax(calls: Sequence[Call], outputs: Any) -> Any:
    """The scores that softmax makes probabilities of; their logarithm where it is no layer's."""
    last = calls[-1]
    if isinstance(last.layer, keras.layers.Softmax) or _is_softmax(last.layer):
        if isinstance(last.layer, keras.layers.Dense):
            return keras.ops.matmul(last.input, last.layer.kernel) + (
                last.layer.bias if last.layer.use_bias else 0.0
            )
        if len(last.input.shape) == 2:
            return last.input
    return keras.ops.log(outputs + 1e-12)


def _is_softmax(layer: keras.layers.Layer) -> bool:
    return getattr(getattr(layer, "activation", None), "__name__", "") == "softmax"


def _tiles(pictures: Sequence[NDArray[Any]], side: int) -> NDArray[np.uint8]:
    """Pictures of one or three channels side by side, each stretched from black to white."""
    shown = pictures[:_MOST_TILES]
    columns = min(8, len(shown))
    rows = -(-len(shown) // columns)
    sheet = np.full((rows * (side + 2), columns * (side + 2), 3), 255, np.uint8)
    for number, picture in enumerate(shown):
        low, high = float(picture.min()), float(picture.max())
        gray = ((picture - low) / ((high - low) or 1.0) * 255).astype(np.uint8)
        color = np.repeat(gray, 3, axis=2) if gray.shape[2] == 1 else gray
        resized = np.asarray(Image.fromarray(color).resize((side, side), Image.Resampling.NEAREST))
        top, left = number // columns * (side + 2) + 1, number % columns * (side + 2) + 1
        sheet[top : top + side, left : left + side] = resized
    return sheet
