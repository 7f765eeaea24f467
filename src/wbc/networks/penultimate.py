"""What a model has made of images before its last layer with weights. Loads Keras."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


def features_and_outputs(
    model: keras.Model, batch: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """What enters the last layer with weights that the model calls, and what the model says.

    Maps are averaged over their places. It works for any model that can be called, also one within another.

    Args:
        model: The model.
        batch: Its input.

    Returns:
        Features, shape (images, features), and outputs.
    """
    with _tapped(model) as seen:
        outputs = np.asarray(keras.ops.convert_to_numpy(model(batch, training=False)), np.float32)
    (features,) = seen
    values = np.asarray(keras.ops.convert_to_numpy(features), np.float64)
    return values.mean(axis=tuple(range(1, values.ndim - 1))) if values.ndim > 2 else values, outputs


@contextmanager
def _tapped(model: keras.Model) -> Iterator[list[Any]]:
    """While it lasts, a list of one: the input of the layer with weights that was called last."""
    seen: list[Any] = []
    tapped = [layer for layer in model._flatten_layers(include_self=False) if _is_weighted_leaf(layer)]

    def tap(layer: keras.layers.Layer) -> None:
        call = layer.call

        def tapping(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            seen[:] = [inputs[0] if isinstance(inputs, list | tuple) else inputs]
            return call(inputs, *args, **kwargs)

        layer.call = tapping

    for layer in tapped:
        tap(layer)
    try:
        yield seen
    finally:
        for layer in tapped:
            del layer.call


def _is_weighted_leaf(layer: keras.layers.Layer) -> bool:
    return bool(layer.weights) and not list(layer._flatten_layers(include_self=False))
