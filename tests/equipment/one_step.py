"""What every network must do at its smallest size."""

import keras
import numpy as np

from wbc.networks.build import build_classifier
from wbc.networks.catalog import find_network
from wbc.networks.preprocessing import preprocess


def train_one_step_and_predict(name: str) -> None:
    """A step of training changes the weights, and predictions are probabilities; else an AssertionError."""
    keras.utils.set_random_seed(0)
    size = find_network(name).min_size
    model = build_classifier(name, {}, size, 3)
    # Without a graph, whose tracing would take most of the time; a step too small to overflow.
    optimizer = keras.optimizers.RMSprop(1e-5)
    model.compile(optimizer, "categorical_crossentropy", run_eagerly=True)
    inputs = preprocess(np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8), name)
    before = [np.array(weight) for weight in model.trainable_weights]
    loss = model.train_on_batch(inputs, np.eye(3)[:2])
    assert np.isfinite(loss), loss
    changed = [
        (np.asarray(now) != then).any() for now, then in zip(model.trainable_weights, before, strict=True)
    ]
    assert np.mean(changed) > 0.3, np.mean(changed)
    probabilities = np.asarray(model(inputs, training=False))
    assert probabilities.shape == (2, 3), probabilities.shape
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    keras.utils.clear_session()
