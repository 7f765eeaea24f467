"""When the memory of training is looked at, and what JAX's allocator cannot forget; nothing is trained."""

from types import SimpleNamespace

import keras
import pytest

from wbc.memory import footprint
from wbc.memory.footprint import Footprint


@pytest.fixture
def on(monkeypatch):
    """Makes a footprint on a backend whose allocator tells some peaks, one after the other."""

    def make(backend: str, *peaks: int | None, replicas: int = 1) -> Footprint:
        left = iter(peaks)
        monkeypatch.setattr(keras.backend, "backend", lambda: backend)
        monkeypatch.setattr(footprint, "peak_memory", lambda asked: next(left) if asked == backend else 0)
        monkeypatch.setattr(footprint, "reset_peak_memory", lambda asked: resets.append(asked))
        return Footprint(SimpleNamespace(), 8, replicas)

    resets: list[str] = []
    make.resets = resets
    return make


REASON = "the graph of a step is known for TensorFlow only, not for {}"
KEPT = "; JAX's allocator had its peak before training, and cannot forget it"


@pytest.mark.parametrize(
    ("backend", "before", "after", "figures"),
    [
        ("jax", 100, 150, {"unavailable": REASON.format("jax"), "allocator_peak": 150}),
        ("jax", 100, 100, {"unavailable": REASON.format("jax") + KEPT}),
        ("jax", None, None, {"unavailable": REASON.format("jax")}),
        ("torch", 100, 100, {"unavailable": REASON.format("torch"), "allocator_peak": 100}),
    ],
)
def test_the_peak_of_another_backend_is_that_of_training(on, backend, before, after, figures):
    made = on(backend, before, after)
    made.begin()
    made.end(5)
    assert made.figures() == figures and on.resets == [backend]


@pytest.mark.parametrize(
    ("epochs", "began", "steps"),
    [([3], [(1, 2)], 2), ([3, 3, 3], [(1, 2), (2, 3)], 8), ([1], [], 0), ([1, 1], [(2, 1), (2, 2)], 1)],
)
def test_it_is_looked_at_after_the_first_step_and_after_the_first_epoch(on, epochs, began, steps):
    """`began`: in which epoch, and at which step of all, the peak was set back."""
    made, at, found = on("jax", 100), [0, 0], []
    made.begin = lambda: found.append(tuple(at))
    made.end = lambda number: found.append(number)
    callback = made.callback()
    for number, count in enumerate(epochs):
        at[0] += 1
        callback.on_epoch_begin(number)
        for step in range(count):
            at[1] += 1
            callback.on_train_batch_begin(step)
    callback.on_train_end()
    assert found == [*began, steps]


def test_without_a_traced_step_the_reason_is_told(on, monkeypatch):
    monkeypatch.setattr(Footprint, "_keep_graph", lambda self: None)
    made = on("tensorflow")
    assert made.figures() == {"unavailable": "no step was traced: an earlier attempt trained all of them"}
    assert on("tensorflow", replicas=2).figures() == {
        "unavailable": "the memory of a step is known for a single device only"
    }
