"""`python tests/memory/one.py NAME [SIZE]`: work and memory of one network as the harness trains it; a line
of JSON."""

import json
import sys
import time

import keras
import numpy as np

from wbc.memory import Footprint
from wbc.networks.build import build_classifier
from wbc.networks.catalog import find_network
from wbc.networks.complexity import maps_of, work_of

BATCH, STEPS, CLASSES = 16, 6, 4
OPTIMIZER = "RMSprop"
"""The thesis'."""


def macs(name: str, size: int) -> int:
    """Multiply-accumulates with the top for ImageNet, as publications count them."""
    count = work_of(build_classifier(name, {}, size, 1000)).macs
    keras.utils.clear_session()
    return count


def tensorflow_flops(model: keras.Model, size: int) -> int:
    """TensorFlow's own count for one image's way forward: every operation that it has a rule for."""
    import tensorflow as tf

    signature = tf.TensorSpec((1, size, size, 3), tf.float32)
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(signature).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder(
        tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    )
    counted = tf.compat.v1.profiler.profile(graph, cmd="op", options=options.with_empty_output().build())
    return counted.total_float_ops


def measure(name: str, size: int | None = None) -> dict:
    """Train some steps at a size (the smallest, if none is given) and compare."""
    network = find_network(name)
    size = size or network.min_size
    began = time.monotonic()
    row = {"network": name, "size": size, "batch": BATCH, "macs": macs(name, network.native_size)}
    model = build_classifier(name, {}, size, CLASSES)
    work = work_of(model)
    row |= {"forward_flops": work.forward_flops, "training_flops": work.training_flops}
    row["tensorflow_flops"] = tensorflow_flops(model, size)
    row["planned_maps"] = 4 * BATCH * maps_of(model).kept
    model.compile(keras.optimizers.get(OPTIMIZER), "categorical_crossentropy", jit_compile=False)
    footprint = Footprint(model, BATCH)
    random = np.random.default_rng(0)

    def batches():
        while True:
            images = random.random((BATCH, size, size, 3), dtype="float32")
            yield images, np.eye(CLASSES, dtype="float32")[random.integers(0, CLASSES, BATCH)]

    model.fit(batches(), steps_per_epoch=STEPS, verbose=0, callbacks=[footprint.callback()])
    trained = time.monotonic()
    row |= footprint.figures()
    return {**row, "seconds": round(trained - began, 1), "analysis_s": round(time.monotonic() - trained, 1)}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], *map(int, sys.argv[2:]))), flush=True)
