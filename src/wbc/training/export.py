"""Export a trained network to other formats, and ask what was exported. Loads Keras, and packages on demand.

What is exported takes uint8 images of the size that it was trained on; scaling is part of it.
"""

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from wbc.errors import InputError, reason_of
from wbc.files import whole_path
from wbc.observer import Figures, Json
from wbc.specification import LITERT_INT8, ONNX, Exporting

_TIMED_CALLS, _WARM_UP = 50, 3

_NEEDED = {ONNX: ("tf2onnx", "onnx", "onnxruntime"), LITERT_INT8: ("ai_edge_litert",)}
"""Format -> modules that make and run it, besides TensorFlow."""

_FILES = {ONNX: "model.onnx", LITERT_INT8: "model-int8.tflite"}

Answer = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From one image, shape (1, height, width, 3), to its probabilities."""


@dataclass(frozen=True)
class Images:
    """What an export needs of the data set."""

    calibration: NDArray[np.uint8]
    """Training images."""
    test: NDArray[np.uint8]
    labels: NDArray[np.int64]
    """Of the test images."""


def export(model: keras.Model, settings: Exporting, images: Images) -> Figures:
    """Export a model in every format that is asked for; what is missing becomes a reason.

    Args:
        model: From uint8 images of one size to probabilities.
        settings: The formats, and where files go.
        images: To calibrate and to test.

    Returns:
        `exports`: for each format its name and file, `bytes`, `latency_s` (median of one image), `accuracy` on the
        test images and `agreement` with the model; or `unavailable`, the reason.
    """
    said = np.asarray(model.predict(images.test, verbose=0)).argmax(axis=1)
    found: list[Json] = []
    for name in settings.formats:
        path = settings.folder / _FILES[name]
        try:
            _require(name)
            with whole_path(path) as partial:
                answer = _FORMATS[name](model, partial, images)
                figures = _asked(answer, images, said)
            found.append({"name": name, "file": path.name, "bytes": path.stat().st_size, **figures})
        except Exception as error:  # converters raise anything: no reason to lose the result
            found.append({"name": name, "unavailable": reason_of(error)})
    return {"exports": found}


def _require(name: str) -> None:
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"{name} is exported from TensorFlow, not from {keras.backend.backend()}")
    missing = [module for module in _NEEDED[name] if importlib.util.find_spec(module) is None]
    if missing:
        raise InputError(f"{', '.join(missing)} is not installed: pip install 'leukobench[export]'")


def _onnx(model: keras.Model, path: Path, images: Images) -> Answer:
    import onnxruntime

    model.export(str(path), format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: np.asarray(session.run(None, {name: image})[0])


def _litert_int8(model: keras.Model, path: Path, images: Images) -> Answer:
    """Weights and activations of 8 bits; scaling of pixels and probabilities stay as they are."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [tf.TensorSpec((1, *images.test.shape[1:]), tf.uint8)]
    traced = tf.function(lambda pixels: model(pixels, training=False), input_signature=signature)
    # The converter leaves variables of Keras 3 in place, and its calibration cannot read them.
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [convert_variables_to_constants_v2(traced.get_concrete_function())]
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images.calibration)
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
        tf.lite.OpsSet.TFLITE_BUILTINS,
    ]
    path.write_bytes(converter.convert())
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    first, last = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def answer(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        interpreter.set_tensor(first, image)
        interpreter.invoke()
        found: NDArray[np.float32] = interpreter.get_tensor(last)
        return found

    return answer


_FORMATS: dict[str, Callable[[keras.Model, Path, Images], Answer]] = {ONNX: _onnx, LITERT_INT8: _litert_int8}


def _asked(answer: Answer, images: Images, said: NDArray[Any]) -> dict[str, Json]:
    """Accuracy, agreement and latency of what was exported."""
    chosen = np.array([answer(image[None]).argmax() for image in images.test])
    seconds = []
    for number in range(_WARM_UP + _TIMED_CALLS):
        image = images.test[number % len(images.test)][None]
        began = time.perf_counter()
        answer(image)
        seconds.append(time.perf_counter() - began)
    return {
        "images": len(chosen),
        "accuracy": float((chosen == images.labels).mean()),
        "agreement": float((chosen == said).mean()),
        "latency_s": median(seconds[_WARM_UP:]),
    }
