"""Trials that run out of memory: killed by the kernel, or refused by their device."""

import json
from pathlib import Path

import pytest
from equipment.results.records import a_trial
from training_equipment import Notes

from bench.devices.cgroup import killed_for_memory
from bench.journal.results import SuiteResults
from bench.records.fold import fold
from bench.worker import protocol
from bench.worker.process import explain
from wbc import experiment
from wbc.backends import is_out_of_memory, out_of_memory
from wbc.errors import InputError, OutOfMemoryError, TrainingDivergedError
from wbc.specification import Specification

TRIAL = a_trial("LeNet5", epochs=1)


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, Path]:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("0::/user/session\n")
    (proc / "vmstat").write_text("nr_free_pages 5\noom_kill 7\n")
    return proc, cgroups


def test_the_own_cgroup_goes_before_the_machine(machine):
    proc, cgroups = machine
    assert killed_for_memory(proc, cgroups) == 7
    (cgroups / "user" / "session").mkdir(parents=True)
    (cgroups / "user" / "session" / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")
    assert killed_for_memory(proc, cgroups) == 1


def test_where_nothing_is_told_nobody_was_killed(machine):
    proc, cgroups = machine
    (proc / "vmstat").unlink()
    assert killed_for_memory(proc, cgroups) == 0


@pytest.mark.parametrize(
    ("exit_code", "memory_kills", "log", "kind"),
    [
        (-9, 1, "", "host-oom"),
        (-9, 0, "", "crashed"),
        (-6, 0, "terminate called after throwing an instance of 'std::bad_alloc'\n", "host-oom"),
        (-11, 1, "", "crashed"),
    ],
)
def test_a_worker_that_went_for_memory_is_told_from_a_crash(tmp_path, exit_code, memory_kills, log, kind):
    attempt = SuiteResults(tmp_path, "suite").new_attempt(TRIAL)
    end = {"t": 1, "cpu": 1, "event": "ended", "exit_code": exit_code, "cpu_s": 1.0, "stopped": {}}
    attempt.runner_events.write_text(json.dumps({**end, "memory_kills": memory_kills}) + "\n")
    attempt.log.write_text(log)
    assert fold(attempt).failure.kind == kind


def test_a_device_without_memory_is_recognized_by_type():
    import tensorflow as tf

    assert is_out_of_memory(tf.errors.ResourceExhaustedError(None, None, "failed to allocate"))
    assert is_out_of_memory(RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")), "XLA"
    assert not is_out_of_memory(tf.errors.InvalidArgumentError(None, None, "failed to allocate"))

    class ResourceExhaustedError(Exception):
        """Has the name alone."""

    assert not is_out_of_memory(ResourceExhaustedError("no more coffee"))


@pytest.mark.parametrize(
    ("message", "memory"),
    [
        ("Dst tensor is not initialized.\n\t [[{{node IteratorGetNext}}]]", "device"),
        ("failed to allocate 2.00GiB: CUDA_ERROR_OUT_OF_MEMORY: out of memory", "device"),
        ("CUDA error: out of memory\nCUDA kernel errors might be reported at some other call", "device"),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "device"),
        *((f"a failure: {said}", "device") for said in ("cudaErrorMemoryAllocation", "CUFFT_ALLOC_FAILED")),
        *((f"a failure: {said}_ALLOC_FAILED", "device") for said in ("CUDNN_STATUS", "CUSOLVER_STATUS")),
        ("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes", "host"),
        ("OOM when allocating tensor with shape[64,256] on /device:GPU:0 by allocator GPU_0_bfc", None),
        ("OOM when allocating tensor with shape[9] on /job:a/device:CPU:0 by allocator cpu", "host"),
        ("RESOURCE_EXHAUSTED: OOM when allocating on /device:CPU:0 by allocator mklcpu", "host"),
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes", "host"),
        ("CUDA error: an illegal memory access was encountered", None),
        # The next three as an H100 brought them: JAX 0.11.2 while it compiled, PyTorch 2.11.0 twice.
        (
            "NOT_FOUND: All configs failed during profiling or were excluded from selection.\nFailures (19):\n"
            "EXECUTION FAILED: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 256.02GiB with "
            "allocator GPU_0_bfc on device 0. [tf-allocator-allocation-error='']",
            "device",
        ),
        (
            "CUDA out of memory. Tried to allocate 1024.00 MiB. GPU 0 has a total capacity of 79.18 GiB of "
            "which 298.19 MiB is free. Including non-PyTorch memory, this process has 78.88 GiB memory in use.",
            "device",
        ),
        (
            "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in NVIDIA's documentation for "
            "more information.\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n",
            "device",
        ),
    ],
)
def test_a_full_memory_is_recognized_by_what_libraries_say(message, memory):
    assert out_of_memory(RuntimeError(message)) == memory


def test_tensorflow_names_whose_memory_is_full():
    import tensorflow as tf

    def error(device):
        return tf.errors.ResourceExhaustedError(None, None, f"OOM when allocating on {device}")

    assert out_of_memory(error("/device:GPU:0 by allocator GPU_0_bfc")) == "device"
    assert out_of_memory(error("/device:CPU:0 by allocator cpu")) == "host"


def test_an_aborted_worker_on_a_gpu_that_was_full_is_told_from_a_crash(tmp_path):
    attempt = SuiteResults(tmp_path, "suite").new_attempt(TRIAL)
    slot = {"name": "gpu:0", "kind": "gpu", "model": "Stand-in"}
    common = {"t": 1, "cpu": 1}
    started = {**common, "event": "started", "pid": 1, "at": "2026-01-01", "slot": slot, "provenance": {}}
    end = {**common, "event": "ended", "exit_code": -6, "cpu_s": 1.0, "stopped": {}, "memory_kills": 0}
    attempt.runner_events.write_text(f"{json.dumps(started)}\n{json.dumps(end)}\n")
    attempt.log.write_text("F gpu.cc:1] failed to allocate: CUDA_ERROR_OUT_OF_MEMORY: out of memory\n")
    assert fold(attempt).failure.kind == "gpu-oom"


def test_an_experiment_reports_a_device_without_memory_as_one_class(tmp_path, monkeypatch):
    def fails(mode):
        raise RuntimeError("RESOURCE_EXHAUSTED: 8 GiB")

    monkeypatch.setattr(experiment, "load_trainer", fails)
    specification = Specification(tmp_path, tmp_path / "manifest.json", 32, "LeNet5", "scratch")
    with pytest.raises(OutOfMemoryError, match="8 GiB") as caught:
        experiment.run(specification, Notes())
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("error", "device", "kind"),
    [
        (OutOfMemoryError("no room"), "gpu", "gpu-oom"),
        (OutOfMemoryError("no room"), "cpu", "host-oom"),
        (OutOfMemoryError("no room", of_host=True), "gpu", "host-oom"),
        (MemoryError("no room"), "gpu", "host-oom"),
        (OSError(12, "Cannot allocate memory"), "gpu", "host-oom"),
        (TrainingDivergedError("the loss is nan"), "gpu", "nan-loss"),
        (InputError("no such weights"), "gpu", "setup"),
        (ZeroDivisionError("of the user's"), "gpu", "crashed"),
    ],
)
def test_the_worker_tells_failures_apart_by_type(error, device, kind, monkeypatch):
    monkeypatch.setenv(protocol.DEVICE_KIND, device)
    assert explain(error)[0] == kind


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OutOfMemoryError("x" * 301), "x" * 300),
        (ZeroDivisionError("x" * 301), f"ZeroDivisionError: {'x' * 300}"),
        (MemoryError(), "MemoryError: MemoryError"),
        (TrainingDivergedError("it is\n  nan"), "it is nan"),
        (InputError("x" * 301), "x" * 301),
    ],
)
def test_a_failure_is_told_in_one_line_of_some_length(error, message: str):
    assert explain(error)[1] == message
