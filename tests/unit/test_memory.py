"""Memory of a training step: the allocator's rules, steps worked out by hand, and one that TensorFlow
trained."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from wbc.memory import step as simulated
from wbc.memory.allocator import Allocator
from wbc.memory.graph import Node
from wbc.memory.step import step_memory

KB, MB = 1 << 10, 1 << 20


def test_the_door_of_the_memory_model_loads_no_framework():
    code = "import sys, wbc.memory; print(*{'keras', 'tensorflow'} & set(sys.modules), 'done')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["done"]


def test_a_piece_is_split_only_if_half_of_it_would_be_left():
    allocator = Allocator()
    whole = allocator.take(2 * MB)
    allocator.give_back(whole)
    assert allocator.used == 0
    address = allocator.take(MB + 256)
    assert (address, allocator.used) == (whole, 2 * MB), (
        "what is left would be smaller than what was asked for"
    )
    allocator.give_back(address)
    allocator.take(MB)
    assert allocator.used == MB


def test_free_neighbors_grow_together_and_the_smallest_piece_that_fits_is_taken():
    allocator = Allocator()
    pieces = [allocator.take(256 * KB) for _ in range(8)]
    assert pieces == [256 * KB * number for number in range(8)]
    for number in (0, 2, 3, 5):
        allocator.give_back(pieces[number])
    assert allocator.take(500 * KB) == pieces[2]
    assert allocator.take(100 * KB) == pieces[0]
    assert allocator.peak == 2 * MB


def test_sizes_are_aligned_and_small_requests_are_not_counted():
    allocator = Allocator(least=256 * KB)
    assert allocator.take(256 * KB - 1) is None
    allocator.give_back(None)
    assert allocator.used == 0
    small = Allocator()
    small.take(1)
    assert small.used == 256


def node(kind, inputs=(), size=0, stage="forward", after=(), seconds=1e-3):
    return Node(
        kind, tuple((number, 0) for number in inputs), tuple(after), (size,) if size else (), stage, seconds
    )


STEP = [
    node("Placeholder"),  # 0: a weight's handle
    node("ReadVariableOp", [0], 4 * MB),  # 1
    node("Placeholder", size=MB),  # 2: the batch
    node("Conv2D", [2, 1], 8 * MB),  # 3
    node("Relu", [3], 8 * MB),  # 4: over 3, which nobody else needs
    node("MatMul", [4], 2 * MB),  # 5: the loss, in short
    node("ReluGrad", [5, 4], 8 * MB, "backward"),  # 6
    node("Conv2DBackpropFilter", [2, 6], 4 * MB, "backward"),  # 7
    node("Mul", [7], 4 * MB, "update"),  # 8: over 7
    node("AssignSubVariableOp", [0, 8], stage="update"),  # 9
]
"""One layer, its gradient and its update."""


@pytest.mark.parametrize("threads", [1, 2])
def test_a_step_by_hand(threads: int):
    memory = step_memory(STEP, weights=[4 * MB], optimizer=[3 * MB], threads=threads)
    assert memory.kept_feature_maps == 8 * MB + 2 * MB, (
        "what ReLU made, and the loss; the batch is not counted"
    )
    # The gradient of the map is written over the map itself; the most is held when that of the weight joins
    # it.
    assert memory.figures() == {
        "weights": 4 * MB,
        "gradients": 4 * MB,
        "optimizer": 3 * MB,
        "feature_maps": 0,
        "workspace": 8 * MB,
        "allocated": memory.allocated,
        "kept_feature_maps": 10 * MB,
        "total": 19 * MB,
    }
    assert 19 * MB <= memory.allocated <= 1.5 * 19 * MB


def test_what_another_operation_still_needs_is_not_written_over():
    # The batch's statistics need the map as well, but later.
    later = [*STEP[:8], node("Sum", [4, 7], 4, "backward"), *STEP[8:]]
    later[9] = node("Mul", [7], 4 * MB, "update", after=[8])
    later[10] = node("AssignSubVariableOp", [0, 9], stage="update")
    memory = step_memory(later, [4 * MB], [3 * MB], threads=1)
    assert memory.feature_maps == 8 * MB
    assert memory.total == (4 + 3 + 8 + 8 + 4) * MB


def test_what_the_allocator_does_not_count_is_in_the_kinds_all_the_same():
    memory = step_memory(STEP, [4 * MB, KB], [3 * MB], threads=1, least_counted=256 * KB)
    assert memory.weights == 4 * MB + KB
    assert memory.allocated == step_memory(STEP, [4 * MB], [3 * MB], threads=1).allocated


def test_without_gradients_nothing_is_kept():
    forward = [one for one in STEP if one.stage == "forward"]
    memory = step_memory(forward, [4 * MB], [], threads=1)
    assert (memory.kept_feature_maps, memory.gradients, memory.feature_maps) == (0, 0, 0)
    assert memory.workspace == 10 * MB


def test_an_input_without_memory_hides_none_behind_it():
    """The batch, which is given, comes first among the inputs of gradient and update."""
    nodes = [node("Placeholder", size=MB), node("Relu", [0], MB), node("ReluGrad", [0, 1], MB, "backward")]
    kinds = simulated._kinds([*nodes, node("Mul", [0, 2], MB, "update")])
    assert kinds == {(1, 0): "feature_maps", (2, 0): "gradients"}


TRAINED = """
import json
import keras, numpy
from wbc.memory import Footprint
from wbc.networks.build import build_classifier

model = build_classifier("AlexNet", {}, 67, 4)
model.compile("adam", "categorical_crossentropy", jit_compile=False)
footprint = Footprint(model, images=8)
batch = numpy.zeros((8, 67, 67, 3), "float32"), numpy.eye(4, dtype="float32")[[0, 1, 2, 3] * 2]

def endless():
    while True:
        yield batch

model.fit(endless(), steps_per_epoch=6, verbose=0, callbacks=[footprint.callback()])
print(json.dumps([model.count_params(), footprint.figures()]))
"""
"""Trains a network of some megabytes for six steps, with Adam. In a process of its own: what other models leave in
an allocator changes its peak."""


@pytest.fixture(scope="module")
def trained() -> tuple[int, dict]:
    # One operation at a time: which gradients are there at once is chance otherwise.
    environment = {**os.environ, "TF_NUM_INTEROP_THREADS": "1"}
    command = [sys.executable, "-c", TRAINED]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    parameters, figures = json.loads(ran.stdout.splitlines()[-1])
    return parameters, figures


def test_the_allocators_peak_within_ten_percent(trained):
    parameters, figures = trained
    analytic = figures["analytic"]
    assert analytic["weights"] == pytest.approx(4 * parameters, abs=100), "and states of dropout"
    assert analytic["optimizer"] > 2 * 4 * parameters, "Adam remembers two numbers for each"
    assert analytic["total"] == sum(
        analytic[kind] for kind in ("weights", "gradients", "optimizer", "feature_maps", "workspace")
    )
    assert figures["allocator_peak"] == pytest.approx(analytic["allocated"], rel=0.1)


def test_a_single_step_is_no_training():
    import keras
    import numpy as np

    from wbc.memory import Footprint

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse", jit_compile=False)
    footprint = Footprint(model, images=1)
    model.fit(np.zeros((1, 2)), np.zeros((1, 2)), verbose=0, callbacks=[footprint.callback()])
    assert "only one step" in footprint.figures()["unavailable"]
    assert "single device" in Footprint(model, images=2, replicas=2).figures()["unavailable"]


def test_the_peak_is_counted_anew_after_the_first_epoch(monkeypatch):
    """XLA may compile until the end of the first epoch."""
    import keras

    from wbc.memory import Footprint

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse", jit_compile=False)
    footprint, begun = Footprint(model, 4), []
    monkeypatch.setattr(footprint, "begin", lambda: begun.append(len(begun)))
    for epochs in (1, 2):
        begun.clear()
        moments = footprint.callback()
        for epoch in range(epochs):
            moments.on_epoch_begin(epoch)
            for step in range(3):
                moments.on_train_batch_begin(step)
        assert len(begun) == epochs


@pytest.mark.parametrize(("before", "after", "told"), [(512, 512, None), (512, 900, 900), (None, None, None)])
def test_a_peak_of_jax_from_before_training_is_not_told(monkeypatch, before, after, told):
    """On an H100, LeNet5 had 512 MiB in each record: the peak of the reference work."""
    import keras

    from wbc.memory import Footprint, footprint

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    peaks = iter([before, after])
    monkeypatch.setattr(footprint, "peak_memory", lambda backend: next(peaks))
    watched = Footprint(None, 4)
    watched.end(steps=3)
    figures = watched.figures()
    assert figures.get("allocator_peak") == told
    assert ("before training" in figures["unavailable"]) == (before == after == 512)


def test_an_allocator_that_does_not_count_is_the_reason(monkeypatch):
    """At the beginning, or at the end; of a long message the first 200 characters."""
    import tensorflow as tf

    from wbc.memory import Footprint

    def fails(device):
        raise ValueError("no  statistics\n" + "x" * 300)

    said = "no statistics " + "x" * 186
    for name in ("reset_memory_stats", "get_memory_info"):
        watched = Footprint(SimpleNamespace(train_step=None), 4)
        with monkeypatch.context() as patch:
            patch.setattr(tf.config.experimental, name, fails)
            patch.setattr(
                tf.config.experimental,
                "reset_memory_stats",
                fails if "reset" in name else lambda device: None,
            )
            watched.begin()
            assert watched.reason == (said if "reset" in name else "")
            watched.end(steps=3)
        assert watched.reason == said and watched.peak is None


@pytest.mark.parametrize(
    ("steps", "reason", "peak"),
    [
        (0, "only one step was trained, and that one traces as well", None),
        (1, "", 7),
    ],
)
def test_one_step_after_the_first_is_enough(monkeypatch, steps, reason, peak):
    import tensorflow as tf

    from wbc.memory import Footprint, footprint

    monkeypatch.setattr(tf.config.experimental, "reset_memory_stats", lambda device: None)
    monkeypatch.setattr(
        tf.config.experimental, "get_memory_info", lambda device: {"CPU:0": {"peak": 7}}[device]
    )
    monkeypatch.setattr(footprint, "has_gpu", lambda backend: False)
    watched = Footprint(SimpleNamespace(train_step=None), 1)
    watched.begin()
    watched.end(steps)
    assert (watched.reason, watched.peak) == (reason, peak)
    assert watched.figures()["unavailable"] == (
        reason or "no step was traced: an earlier attempt trained all of them"
    )


def test_other_backends_count_anew_and_what_is_not_known_has_its_reason(monkeypatch):
    import keras

    from wbc.memory import Footprint, footprint

    assert Footprint(None, 1, replicas=2).figures() == {
        "unavailable": "the memory of a step is known for a single device only"
    }
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    asked, peaks = [], iter([5, 5])
    monkeypatch.setattr(footprint, "peak_memory", lambda backend: next(peaks))
    monkeypatch.setattr(footprint, "reset_peak_memory", asked.append)
    watched = Footprint(None, 1)
    watched.begin()
    assert asked == ["jax"]
    why = "the graph of a step is known for TensorFlow only, not for jax"
    assert watched.figures() == {"unavailable": why}
    watched.end(0)
    assert watched.figures() == {
        "unavailable": f"{why}; JAX's allocator had its peak before training, and cannot forget it"
    }


@pytest.mark.parametrize(("gpu", "least"), [(False, 256 << 10), (True, 0)])
def test_a_step_has_the_weights_of_its_model_and_of_the_one_beside_it(monkeypatch, gpu: bool, least: int):
    from wbc.memory import Footprint, footprint

    def holding(*shapes: int, remembered: int = 0) -> SimpleNamespace:
        variables, of_optimizer = (
            [SimpleNamespace(dtype="float32", shape=(one,)) for one in some]
            for some in (shapes, [remembered])
        )
        optimizer = SimpleNamespace(variables=of_optimizer)
        return SimpleNamespace(variables=variables, optimizer=optimizer, train_step=None)

    asked = []
    told = SimpleNamespace(figures=lambda: {"total": 1})
    monkeypatch.setattr(footprint, "read_graph", lambda *given: asked.append(given) or "nodes")
    monkeypatch.setattr(footprint, "step_memory", lambda *given: asked.append(given) or told)
    monkeypatch.setattr(footprint, "_threads", lambda: 3)
    monkeypatch.setattr(footprint, "has_gpu", lambda backend: gpu)
    for beside, weights in ((None, [8, 4]), (holding(5, remembered=6), [20, 8, 4])):
        watched = Footprint(holding(2, 1, remembered=3), 7, beside=beside)
        watched._graph, watched.peak = "graph", 9
        assert watched.figures() == {"analytic": {"total": 1}, "allocator_peak": 9}
        assert asked == [("graph", 7), ("nodes", weights, [12], 3, least)]
        asked.clear()


@pytest.mark.parametrize(
    ("kind", "size"),
    [("bfloat16", 12), ("string", 0), ("float32", 24), ("float16", 12), ("int64", 48), ("bool", 6)],
)
def test_bytes_of_a_variable(kind: str, size: int):
    from wbc.memory import footprint

    assert footprint._bytes(SimpleNamespace(dtype=kind, shape=(2, 3))) == size


def test_a_gpu_gets_its_operations_one_by_one(monkeypatch):
    import tensorflow as tf

    from wbc.memory import footprint

    for gpu, set_, threads in ((True, 5, 1), (False, 5, 5), (False, 0, 3)):
        monkeypatch.setattr(footprint, "has_gpu", lambda backend, gpu=gpu: gpu)
        monkeypatch.setattr(tf.config.threading, "get_inter_op_parallelism_threads", lambda set_=set_: set_)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
        assert footprint._threads() == threads
