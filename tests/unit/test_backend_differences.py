"""What differs between the backends of Keras, with stand-ins for those that are not installed and for GPUs."""

import sys
from types import SimpleNamespace

import pytest

from wbc import backends
from wbc.backends import (
    can_wait,
    has_gpu,
    make_deterministic,
    memory_in_use,
    out_of_memory,
    peak_memory,
    reset_peak_memory,
    runs_ahead,
    wait_for_device,
)


@pytest.fixture
def frameworks(monkeypatch):
    """TensorFlow, JAX and PyTorch on a GPU or on a processor; what was asked of them."""

    def install(gpu: bool, statistics: dict | None = None) -> list:
        asked: list = []
        tensorflow = SimpleNamespace(
            config=SimpleNamespace(
                list_logical_devices=lambda kind: {"GPU": ["one"] * gpu}[kind],
                experimental=SimpleNamespace(
                    get_memory_info=lambda device: {"GPU:0": {"current": 11, "peak": 99}}[device],
                    enable_op_determinism=lambda: asked.append("tensorflow"),
                ),
            )
        )
        jax = SimpleNamespace(
            default_backend=lambda: "gpu" if gpu else "cpu",
            local_devices=lambda: [SimpleNamespace(memory_stats=lambda: statistics), None],
        )
        cuda = SimpleNamespace(
            is_available=lambda: gpu,
            memory_allocated=lambda: 33,
            max_memory_allocated=lambda: 44,
            reset_peak_memory_stats=lambda: asked.append("reset"),
        )
        torch = SimpleNamespace(
            cuda=cuda, use_deterministic_algorithms=lambda whether: asked.append(("torch", whether))
        )
        for name, module in (("tensorflow", tensorflow), ("jax", jax), ("torch", torch)):
            monkeypatch.setitem(sys.modules, name, module)
        return asked

    return install


@pytest.mark.parametrize("gpu", [True, False])
def test_whether_there_is_a_gpu_and_the_host_runs_ahead(frameworks, gpu):
    frameworks(gpu)
    assert [has_gpu(name) for name in backends.BACKENDS] == [gpu] * 3
    assert [runs_ahead(name) for name in backends.BACKENDS] == [gpu, True, gpu]
    assert [can_wait(name) for name in backends.BACKENDS] == [True, False, True]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_each_backend_is_asked_for_its_own_gpu(frameworks, backend):
    frameworks(False)
    if backend == "jax":
        sys.modules["jax"].default_backend = lambda: "gpu"
    else:
        sys.modules["torch"].cuda.is_available = lambda: True
    assert [name for name in backends.BACKENDS if has_gpu(name)] == [backend]


@pytest.mark.parametrize(
    ("gpu", "statistics", "peaks", "used"),
    [
        (True, {"peak_bytes_in_use": 22, "bytes_in_use": 7}, [22, 44], [11, 7, 33]),
        (True, {}, [None, 44], [11, None, 33]),
        (True, None, [None, 44], [11, None, 33]),
        (False, None, [None, None], [None, None, None]),
    ],
)
def test_memory_of_the_first_gpu(frameworks, gpu, statistics, peaks, used):
    frameworks(gpu, statistics)
    assert [peak_memory(name) for name in ("jax", "torch")] == peaks
    assert [memory_in_use(name) for name in backends.BACKENDS] == used


@pytest.mark.parametrize("error", [ValueError, RuntimeError])
def test_an_allocator_without_statistics_tells_nothing(frameworks, monkeypatch, error):
    frameworks(True)

    def fails(device):
        raise error

    monkeypatch.setattr(sys.modules["tensorflow"].config.experimental, "get_memory_info", fails)
    assert memory_in_use("tensorflow") is None


@pytest.mark.parametrize(
    ("backend", "gpu", "reset"), [("torch", True, 1), ("torch", False, 0), ("jax", True, 0)]
)
def test_only_pytorch_forgets_a_peak(frameworks, backend, gpu, reset):
    asked = frameworks(gpu)
    reset_peak_memory(backend)
    assert asked == ["reset"] * reset


def test_what_each_is_asked_for_where_bits_are_to_repeat(frameworks):
    asked = frameworks(False)
    for backend in backends.BACKENDS:
        make_deterministic(backend)
    assert asked == ["tensorflow", ("torch", True)]


def test_waiting_for_the_device_reads_a_sum_back(monkeypatch):
    import keras

    read = []
    monkeypatch.setattr(keras.ops, "convert_to_numpy", lambda one: read.append(float(one)))
    wait_for_device()
    assert read == [2.0]


def test_a_typed_error_of_pytorch_is_a_full_device(monkeypatch):
    class OutOfMemoryError(RuntimeError):
        """PyTorch's."""

    torch = SimpleNamespace(cuda=SimpleNamespace(OutOfMemoryError=OutOfMemoryError))
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert out_of_memory(OutOfMemoryError("x")) == "device" and out_of_memory(RuntimeError("x")) is None
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert out_of_memory(OutOfMemoryError("x")) is None
