"""How rates of a device are measured, with a stand-in for TensorFlow that computes with NumPy."""

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.worker import backends, calibrate, protocol
from bench.worker.environment import SetupError
from wbc import reference_work


class Tensor(np.ndarray):
    def numpy(self) -> np.ndarray:
        return np.asarray(self)


class OpError(Exception):
    """TensorFlow's."""


class OfTensorFlow:
    """TensorFlow, as far as it is used here; `drawn` has the values of random numbers."""

    __version__ = "2.99"

    def __init__(self, gpus: tuple[str, ...] = (), capability: tuple[int, int] | None = None):
        self.asked, self.tf32, self.grown = [], [], []
        self.drawn = iter(())
        details = {"device_name": "A card", **({"compute_capability": capability} if capability else {})}
        self.errors = SimpleNamespace(OpError=OpError)
        self.random = SimpleNamespace(normal=lambda shape: np.full(shape, next(self.drawn), float))
        self.config = SimpleNamespace(
            threading=SimpleNamespace(set_intra_op_parallelism_threads=self.asked.append),
            list_physical_devices=lambda kind: {"GPU": list(gpus)}[kind],
            experimental=SimpleNamespace(
                set_memory_growth=lambda gpu, grows: self.grown.append((gpu, grows)),
                get_device_details={"gpu 0": details}.get,
                enable_tensor_float_32_execution=self.tf32.append,
            ),
        )

    def device(self, name: str):
        self.asked.append(name)
        return nullcontext()

    def cast(self, array, dtype: str):
        self.asked.append(dtype)
        return array

    def matmul(self, left, right):
        return left @ right

    def function(self, function, jit_compile: bool):
        assert jit_compile is False, "XLA would merge the chain"
        return lambda first, second: np.asarray(function(first, second)).view(Tensor)


@pytest.mark.parametrize(
    ("rates", "size"),
    [
        ([1000.0, 1030.0, 2000.0], 4),
        ([1000.0, 1029.9], 1),
        ([1000.0, 1030.0, 1060.0], 2),
        ([63.9], 1),  # the next size would take more than four times the budget: 256 / 63.9 s
        ([64.0, 600.0, 10.0], 2),
        ([64.0, 511.0], 2),
    ],
)
def test_matrices_grow_until_that_gains_nothing_or_takes_too_long(monkeypatch, rates, size):
    tf, works, answers = OfTensorFlow(), [], []

    def best(call, work, budget_s):
        assert budget_s == 1.0
        works.append(work)
        answers.append(call())
        return {"best": rates[len(works) - 1]}

    monkeypatch.setattr(calibrate, "best_rate", best)
    tf.drawn = iter([3.0, 5.0, 3.0, 5.0, 3.0, 5.0])
    found = calibrate.matmul_rate(tf, "/CPU:0", "bfloat16", (1, 2, 4), 1.0)
    assert found == {"best": rates[{1: 0, 2: 1, 4: 2}[size]], "size": size}
    assert works == [8.0, 64.0, 512.0][: len(rates)], "four products of 2 n^3 operations"
    assert tf.asked == ["/CPU:0", "bfloat16", "bfloat16"] * len(rates)
    # 3 x 5^4 for a size of 1: each of four products has the result of the one before.
    assert answers[0].tolist() == [[3.0 * 5**4]] and answers[0].shape == (1, 1)
    if len(rates) > 1:
        assert answers[1].tolist() == pytest.approx(np.array([[3.0 * (2 * 5 / 2**0.5) ** 4]]))


def test_sums_and_products_take_turns_and_move_three_vectors_each(monkeypatch):
    tf, seen = OfTensorFlow(), []
    tf.drawn = iter([2.0, 3.0])

    def best(call, work, budget_s):
        seen.append((float(call()), work, budget_s))
        return {"best": 1.0}

    monkeypatch.setattr(calibrate, "best_rate", best)
    assert calibrate.bandwidth(tf, "/GPU:0", 400, 0.5) == {"best": 1.0}
    assert seen == [(((2 + 3) * 3 + 3) * 3, 3.0 * 400 * 4, 0.5)] and tf.asked == ["/GPU:0"]


OLD = "GPUs have it since Ampere (compute capability 8.0); this one has {}"
OLDER = "GPUs have tensor cores for it since Volta (compute capability 7.0)"
ON_PROCESSORS = {
    "matmul_tensorfloat32": "a format of NVIDIA's tensor cores",
    "matmul_float16": "not measured on processors",
}
NO_BF16 = "the processor has no instructions for it (avx512_bf16 or amx_bf16)"


@pytest.mark.parametrize(
    ("kind", "capability", "flags", "missing"),
    [
        ("gpu", None, False, {}),
        ("gpu", (8, 0), False, {}),
        ("gpu", (7, 5), False, dict.fromkeys(["matmul_tensorfloat32", "matmul_bfloat16"], OLD.format(7.5))),
        ("gpu", (7, 0), False, dict.fromkeys(["matmul_tensorfloat32", "matmul_bfloat16"], OLD.format(7.0))),
        (
            *("gpu", (6, 1), False),
            dict.fromkeys(["matmul_tensorfloat32", "matmul_bfloat16"], OLD.format(6.1))
            | {"matmul_float16": OLDER},
        ),
        ("cpu", None, True, ON_PROCESSORS),
        ("cpu", None, False, {**ON_PROCESSORS, "matmul_bfloat16": NO_BF16}),
    ],
)
def test_what_a_device_does_not_have(monkeypatch, kind, capability, flags, missing):
    monkeypatch.setattr(calibrate, "_processor_has", lambda names: flags)
    assert calibrate._missing(kind, capability) == missing


@pytest.mark.parametrize(
    ("flags", "has"),
    [("fpu amx_bf16 sse", True), ("avx512_bf16", True), ("avx512_bf16x sse", False), (None, False)],
)
def test_what_the_processor_says_of_itself(monkeypatch, flags, has):
    def read(path: Path) -> str:
        assert str(path) == "/proc/cpuinfo"
        if flags is None:
            raise OSError
        return f"model name : x\nflags : {flags}\n"

    monkeypatch.setattr(Path, "read_text", read)
    assert calibrate._processor_has(calibrate._BF16_FLAGS) is has


@pytest.fixture
def measured(monkeypatch):
    """Measures with a stand-in; `rates` has a rate for each type of numbers, or an error."""

    def measure(tf: OfTensorFlow, kind: str = "", **rates: object) -> dict:
        def rate(own, place, dtype, sizes, budget_s):
            assert own is tf and budget_s == 0.25
            if isinstance(found := rates.get(dtype, {"best": 1.0}), Exception):
                raise found
            return {"place": place, "sizes": sizes, "tf32": tf.tf32[-1], **found}

        def vectors(own, place, size, budget_s):
            if isinstance(found := rates.get("bandwidth"), Exception):
                raise found
            return {"place": place, "bytes": size}

        monkeypatch.setitem(sys.modules, "tensorflow", tf)
        monkeypatch.setattr(calibrate, "matmul_rate", rate)
        monkeypatch.setattr(calibrate, "bandwidth", vectors)
        monkeypatch.setattr(calibrate, "granted_cores", lambda: 3)
        monkeypatch.setattr(calibrate, "_processor_has", lambda names: True)
        monkeypatch.setattr(backends, "onednn", lambda: "on")
        works = {"tensorflow": iter(reference_work.ReferenceWork(gflops, 1, 9) for gflops in (5.0, 6.0, 7.0))}
        monkeypatch.setattr(reference_work, "measure_reference_work", lambda backend: next(works[backend]))
        monkeypatch.setenv(protocol.DEVICE_KIND, kind)
        monkeypatch.setenv("KERAS_BACKEND", "jax")
        monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
        found = calibrate.measure(0.25)
        assert os.environ["KERAS_BACKEND"] == "tensorflow"
        return found

    return measure


def test_the_rates_of_a_processor(measured):
    tf = OfTensorFlow(gpus=("gpu 0",))
    rate = {"place": "/CPU:0", "sizes": (1024, 2048, 4096), "tf32": False, "best": 1.0}
    assert measured(tf) == {
        "kind": "cpu",
        "device": "",
        "cores": 3,
        "tensorflow": "2.99",
        "matmul_float32": rate,
        "matmul_bfloat16": rate,
        "matmul_float16": {"unavailable": "not measured on processors"},
        "matmul_tensorfloat32": {"unavailable": "a format of NVIDIA's tensor cores"},
        "bandwidth": {"place": "/CPU:0", "bytes": 268435456},
        "settings": {"onednn": "on", "tensorfloat32": False},
        "reference_work": {"gflops": 7.0, "rounds": 1, "size": 9},
    }
    assert tf.asked == [3] and tf.grown == [("gpu 0", True)]


def test_the_rates_of_a_gpu_and_why_one_is_missing(measured):
    tf = OfTensorFlow(("gpu 0",), (9, 0))
    full = OpError("no\n  memory " + 300 * "x")
    found = measured(tf, "gpu", float16=full, bandwidth=OpError("no\nroom " + 300 * "x"))
    rate = {"place": "/GPU:0", "sizes": (4096, 8192, 16384), "tf32": False, "best": 1.0}
    assert (found["kind"], found["device"]) == ("gpu", "A card")
    assert found["matmul_float32"] == found["matmul_bfloat16"] == rate
    assert found["matmul_tensorfloat32"] == {**rate, "tf32": True}
    assert found["matmul_float16"] == {"unavailable": "no memory " + 190 * "x"}
    assert found["bandwidth"] == {"unavailable": "no room " + 192 * "x"}
    assert found["settings"] == {"onednn": "on", "tensorfloat32": True}
    assert measured(OfTensorFlow(("gpu 0",), (9, 0)), "gpu")["bandwidth"]["bytes"] == 1073741824
    with pytest.raises(SetupError, match=r"^TensorFlow sees no GPU \(a CPU build, or a broken driver\)$"):
        measured(OfTensorFlow(), "gpu")


def test_it_prints_what_it_measured_or_ends_with_the_reason(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(calibrate, "keep_to_cores", lambda: asked.append("cores"))
    monkeypatch.setattr(calibrate, "measure", lambda budget_s: asked.append(budget_s) or {"kind": "cpu"})
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    assert calibrate.main(["0.125"]) is None and os.environ["TF_CPP_MIN_LOG_LEVEL"] == "1"
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    assert calibrate.main([]) is None and os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"
    assert asked == ["cores", 0.125, "cores", 0.4]
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"kind": "cpu"}] * 2
    for error in (SetupError("no\n GPU"), ImportError("no\n GPU")):

        def fails(budget_s, error=error):
            raise error

        monkeypatch.setattr(calibrate, "measure", fails)
        assert calibrate.main([]) == "cannot measure: no GPU"
