"""`python -m gpu_check.head BACKEND`: a step of the head of the thesis, through `fit` and, with JAX, in an epoch that
is compiled as a whole over features that stay on the GPU."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_check.loads import bytes_per_second
from gpu_check.tools import scaled

BATCH_SIZE, STEPS, EPOCHS = 16, 100, 5
SHAPE = (7, 7, scaled(512))
"""Of the features that VGG16 makes of an image of 224 pixels."""

PASSES = 7
"""How often a step reads or writes as many bytes as the first layer's weights have: the products read them and
write their gradient; RMSprop reads the weights, the gradient and its mean, and writes the weights and the mean."""


def main(backend: str) -> None:
    """Print microseconds a step, bytes a step, and the rate at which the GPU moves bytes."""
    from bench.worker.backends import load_backend
    from wbc.specification import Specification

    load_backend(Specification(Path(), Path(), 224, "VGG16", "transfer", 1, backend=backend))
    features = np.random.default_rng(0).random((STEPS * BATCH_SIZE, *SHAPE), np.float32)
    targets = np.eye(4, dtype=np.float32)[np.arange(len(features)) % 4]
    model = compiled_head()
    start = model.get_weights()
    losses = [fit(model, features, targets)]  # compiles
    began = time.monotonic()
    losses += [fit(model, features, targets) for _ in range(EPOCHS)]
    passed = time.monotonic() - began
    told: dict[str, Any] = {
        "fit_us": passed / EPOCHS / STEPS * 1e6,
        "bytes": PASSES * 4 * start[0].size,
        "bytes_per_second": bytes_per_second(backend),
    }
    if backend == "jax":
        model = compiled_head()
        model.set_weights(start)
        told["loop_us"], in_loop = loop(model, features, targets)
        told["loop_gap"] = float(np.abs(np.subtract(losses, in_loop)).max())
    print(json.dumps(told))


def compiled_head() -> Any:
    """The head without dropout, so that two ways of training it agree."""
    from wbc.training.transfer import build_head

    model = build_head(SHAPE, 4, 0.0)
    model.compile("rmsprop", "categorical_crossentropy")
    model.optimizer.learning_rate = 1e-5
    return model


def fit(model: Any, features: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Train one epoch, and wait for its loss."""
    history = model.fit(features, targets, BATCH_SIZE, 1, shuffle=False, verbose=0)
    return float(history.history["loss"][0])


def loop(
    model: Any, features: NDArray[np.float32], targets: NDArray[np.float32]
) -> tuple[float, list[float]]:
    """Microseconds a step where XLA has the whole epoch, and the loss of each epoch."""
    import jax
    import keras

    model.optimizer.build(model.trainable_variables)
    on_device = jax.device_put((features, targets))

    def loss_of(trained: Any, fixed: Any, images: Any, wanted: Any) -> Any:
        found, fixed = model.stateless_call(trained, fixed, images, training=True)
        return keras.ops.mean(keras.losses.categorical_crossentropy(wanted, found)), fixed

    gradients = jax.value_and_grad(loss_of, has_aux=True)

    @jax.jit
    def epoch(state: Any, images: Any, wanted: Any) -> Any:
        def step(number: Any, carried: Any) -> Any:
            (trained, fixed, optimizer), total = carried
            begin = number * BATCH_SIZE
            batch = jax.lax.dynamic_slice_in_dim(images, begin, BATCH_SIZE)
            labels = jax.lax.dynamic_slice_in_dim(wanted, begin, BATCH_SIZE)
            (loss, fixed), slopes = gradients(trained, fixed, batch, labels)
            trained, optimizer = model.optimizer.stateless_apply(optimizer, slopes, trained)
            return (trained, fixed, optimizer), total + loss

        return jax.lax.fori_loop(0, STEPS, step, (state, 0.0))

    state = tuple(
        [variable.value for variable in group]
        for group in (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
    )
    losses = []
    state, total = epoch(state, *on_device)  # compiles
    losses.append(float(total) / STEPS)
    began = time.monotonic()
    for _ in range(EPOCHS):
        state, total = epoch(state, *on_device)
        losses.append(float(total) / STEPS)
    return (time.monotonic() - began) / EPOCHS / STEPS * 1e6, losses


if __name__ == "__main__":
    main(sys.argv[1])
