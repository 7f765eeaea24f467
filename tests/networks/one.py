"""`python tests/networks/one.py [--graph] NAME...`: build, train a step, predict; a line of JSON for each."""

import gc
import json
import sys
import time

import keras
import numpy as np
from published import PUBLISHED

from wbc.networks.build import build_classifier
from wbc.networks.catalog import find_network
from wbc.networks.preprocessing import preprocess

IMAGES = 2
RATE = 1e-5
"""A step so small that it cannot overflow: at the smallest sizes the last maps are single pixels, and batch
normalization over two of them has enormous gradients."""


def check(name: str, graph: bool) -> dict:
    """What became of one network, at the smallest size that it accepts.

    Args:
        name: Name of the network.
        graph: Trace step and prediction as `fit` does, which takes most of the time; else run them directly.
    """
    network, published = find_network(name), PUBLISHED[name]
    size, classes = network.min_size, published.classes
    keras.utils.set_random_seed(0)
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, size, size, 3), dtype=np.uint8)
    inputs, targets = preprocess(pixels, name), np.eye(classes, dtype="float32")[:IMAGES]

    began = time.monotonic()
    model = build_classifier(name, {}, size, classes)
    built = time.monotonic()
    optimizer = keras.optimizers.RMSprop(RATE)
    model.compile(optimizer, "categorical_crossentropy", run_eagerly=not graph)
    head = model.layers[-1].weights or model.trainable_weights
    before = [np.array(weight) for weight in head]
    loss = float(model.train_on_batch(inputs, targets))
    stepped = time.monotonic()
    probabilities = np.asarray(model.predict_on_batch(inputs))
    predicted = time.monotonic()

    wrong = []
    if not np.isfinite(loss):
        wrong.append(f"loss {loss}")
    if not any((np.asarray(now) != then).any() for now, then in zip(head, before, strict=True)):
        wrong.append("no weight changed")
    if probabilities.shape != (IMAGES, classes) or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
        wrong.append(f"predictions of shape {probabilities.shape} with sums {probabilities.sum(axis=1)}")
    counts = _counts(model)
    if any(isinstance(layer, keras.layers.Flatten) for layer in model.layers):
        del model
        keras.utils.clear_session()
        counts = _counts(build_classifier(name, {}, network.native_size, classes))
    counted = counts["trainable" if published.trainable else "all"]
    if abs(counted - published.parameters) > published.within:
        wrong.append(f"{counted:,} parameters, not {published.parameters:,}")
    return {
        "size": size,
        "parameters": counted,
        "build_s": round(built - began, 1),
        "step_s": round(stepped - built, 1),
        "predict_s": round(predicted - stepped, 1),
        "wrong": wrong,
    }


def _counts(model: keras.Model) -> dict[str, int]:
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return {"all": model.count_params(), "trainable": trainable}


def main(arguments: list[str]) -> None:
    """Check networks one after another; one that raises is a row, too."""
    graph = "--graph" in arguments
    for name in arguments:
        if name == "--graph":
            continue
        try:
            row = check(name, graph)
        except Exception as error:  # whatever a network raises is the finding
            row = {"wrong": [" ".join(f"{type(error).__name__}: {error}".split())[:300]]}
        print(json.dumps({"network": name, **row}), flush=True)
        keras.utils.clear_session()
        gc.collect()


if __name__ == "__main__":
    main(sys.argv[1:])
