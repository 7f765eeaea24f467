"""Backends: what a trial's id says of them, what is refused, and what happens where one is missing."""

import ctypes
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_runtime

from bench.commands.main import main
from bench.devices.device import Device, Slot
from bench.suite.resolve import resolve_suite
from bench.trials import runtime as backends
from bench.trials.settings import Runtime
from bench.worker.backends import compiled_from_ptx, kernel_cache_bytes, loaded_version, tensorfloat32
from wbc.backends import BACKENDS, can_wait, runs_ahead
from wbc.errors import InputError
from wbc.specification import Specification

RUNTIME = Runtime(wbc="w", tensorflow="2.21.0", keras="3.15.1", device="cpu", jax="0.10.2", torch="")
SUITE = """
[data]
image_size = 32
[training]
weights = "random"
epochs = 1
[[matrix]]
backbone = "LeNet5"
backend = {backend}
"""


def trials_of(folder: Path, text: str, runtime: Runtime = RUNTIME):
    path = folder / "suite.toml"
    path.write_text(text)
    return resolve_suite(path, folder / "cache", runtime=runtime).trials


def test_both_packages_know_the_same_backends_and_tensorflow_is_the_default(tmp_path):
    assert tuple(backends.BACKENDS) == BACKENDS
    (trial,) = trials_of(tmp_path, SUITE.replace("backend = {backend}\n", ""))
    assert trial.settings.backend == trial.specification["backend"] == "tensorflow"
    assert trial.runtime.versions() == {
        "wbc": "w",
        "tensorflow": "2.21.0",
        "keras": "3.15.1",
        "device": "cpu",
    }


def test_a_trials_id_depends_on_its_own_backend_alone(tmp_path):
    text = SUITE.format(backend='["tensorflow", "jax"]')
    tensorflow, jax = trials_of(tmp_path, text)
    assert tensorflow.key != jax.key
    assert jax.runtime.versions() == {"wbc": "w", "jax": "0.10.2", "keras": "3.15.1", "device": "cpu"}
    newer = Runtime(wbc="w", tensorflow="2.21.0", keras="3.15.1", device="cpu", jax="0.11.0")
    tensorflow_later, jax_later = trials_of(tmp_path, text, newer)
    assert tensorflow_later.id == tensorflow.id
    assert (jax_later.key == jax.key, jax_later.id == jax.id) == (True, False)


def test_methods_without_keras_have_no_backend(tmp_path):
    text = SUITE.format(backend='"torch"') + '[[matrix]]\nmode = "classical"\nbackbone = "SVM"\n'
    network, trial = trials_of(tmp_path, text)
    assert (network.settings.backend, trial.settings.backend) == ("torch", None)
    assert not set(trial.runtime.versions()) & set(BACKENDS)
    assert backends.backend_problems([trial]) == []


@pytest.fixture
def without_torch(monkeypatch):
    found = backends.version_of
    monkeypatch.setattr(backends, "version_of", lambda name: None if name == "torch" else found(name))


def test_a_missing_backend_is_told_by_plan_and_ends_run_before_anything_starts(
    tmp_path, capsys, monkeypatch, without_torch
):
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "suite.toml"
    path.write_text(SUITE.format(backend='["tensorflow", "torch"]'))
    assert main(["plan", str(path)]) == 2
    planned = capsys.readouterr().err
    assert main(["run", str(path)]) == 2
    refused = capsys.readouterr().err
    for said in (planned, refused):
        assert 'PyTorch is not installed, and 1 of 2 trials have backend = "torch"' in said
        assert "pip install torch" in said
    assert list(tmp_path.iterdir()) == [path], "nothing may be written"


def test_trials_that_were_not_asked_for_need_no_backend(tmp_path, without_torch):
    runtime = Runtime(wbc="w", tensorflow="2.21.0", keras="3.15.1", device="cpu")
    tensorflow, torch = trials_of(tmp_path, SUITE.format(backend='["tensorflow", "torch"]'), runtime)
    backends.require_backends([tensorflow])
    with pytest.raises(InputError, match="PyTorch is not installed"):
        backends.require_backends([tensorflow, torch])


def test_a_loop_that_nothing_compiles_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"matrix\[1\].loop: .*torch.*compiles no loop"):
        trials_of(tmp_path, SUITE.format(backend='"torch"') + 'loop = "compiled"\n')
    text = SUITE.format(backend='"tensorflow"') + 'loop = "compiled"\n[devices]\ngpus_per_trial = 2\n'
    with pytest.raises(InputError, match=r"matrix\[1\].loop: .*one device"):
        trials_of(tmp_path, text)


def test_the_loop_of_keras_is_no_setting_and_the_compiled_one_is(tmp_path):
    plain, kerass, compiled = (
        trials_of(tmp_path, SUITE.format(backend='"tensorflow"') + extra)[0]
        for extra in ("", 'loop = "fit"\n', 'loop = "compiled"\n')
    )
    assert plain.id == kerass.id != compiled.id
    assert "compiled" in compiled.id
    assert compiled.specification["loop"] == "compiled"


def test_what_only_tensorflow_can_do_is_refused_with_the_reason(tmp_path):
    with pytest.raises(InputError, match=r"line 10: matrix\[1\].jit_compile: .*JAX always compiles"):
        trials_of(tmp_path, SUITE.format(backend='"jax"') + "jit_compile = true\n")
    (trial,) = trials_of(tmp_path, SUITE.format(backend='"jax"'))
    with pytest.raises(InputError, match=r"not on 2: .*MirroredStrategy"):
        backends.require_backends([trial], replicas=2)


def test_an_experiment_is_not_run_with_another_backend_than_its_own():
    from wbc.training.session import open_session

    def specification(**settings) -> Specification:
        return Specification(Path(), Path(), 32, "LeNet5", "scratch", 1, **settings)

    with pytest.raises(InputError, match="is for Keras with jax, but Keras was loaded with tensorflow"):
        open_session(specification(backend="jax"))
    with pytest.raises(InputError, match="replicas = 2 is not supported by backend = 'jax'"):
        open_session(specification(backend="jax", replicas=2))


@pytest.mark.parametrize(
    ("allowed", "capabilities", "found"),
    [
        (True, [], False),
        (True, [(8, 0), (9, 0)], True),
        (True, [(7, 5)], False),
        (False, [(9, 0)], False),
        (True, [(8, 6), (7, 5)], "unavailable: the GPUs differ"),
        (True, [None], "unavailable: TensorFlow does not report the compute capability of a GPU"),
    ],
)
def test_whether_tf32_is_computed_in(monkeypatch, allowed: bool, capabilities: list, found: bool | str):
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    assert tensorfloat32(allowed, capabilities) == found
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert tensorfloat32(allowed, capabilities) is False, "NVIDIA's libraries have it off"


def test_several_gpus_for_a_trial_need_to_be_told_whether_xla_compiles(tmp_path):
    runtime = replace_runtime(RUNTIME, device="2 x NVIDIA")
    (undecided,) = trials_of(tmp_path, SUITE.format(backend='"tensorflow"'), runtime)
    with pytest.raises(InputError, match="means XLA on one GPU and no XLA on several"):
        backends.require_backends([undecided], replicas=2, kind="gpu")
    backends.require_backends([undecided], replicas=2, kind="cpu")
    backends.require_backends([undecided], replicas=1, kind="gpu")
    (decided,) = trials_of(tmp_path, SUITE.format(backend='"tensorflow"') + "jit_compile = false\n", runtime)
    backends.require_backends([decided], replicas=2, kind="gpu")


@pytest.mark.parametrize(
    ("capabilities", "built_for", "found"),
    [
        ([(6, 1)], ["sm_60", "sm_70", "sm_80", "sm_89", "compute_90"], False),
        ([(8, 6)], ["sm_60", "sm_80", "compute_90"], False),
        ([(9, 0)], ["sm_60", "sm_80", "sm_89", "compute_90"], True),
        ([(8, 0), (9, 0)], ["sm_80"], True),
        ([(5, 2)], ["sm_60"], True),
        ([None], ["sm_60"], None),
        ([(9, 0)], [], None),
        ([], ["sm_60"], None),
    ],
)
def test_whether_kernels_are_compiled_at_their_first_use(capabilities, built_for, found):
    assert compiled_from_ptx(capabilities, built_for) is found


def test_the_size_of_the_drivers_cache_of_kernels(tmp_path, monkeypatch):
    there = {"CUDA_CACHE_PATH": str(tmp_path)}
    assert kernel_cache_bytes(there) == kernel_cache_bytes({"CUDA_CACHE_PATH": str(tmp_path / "none")}) == 0
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "kernel").write_bytes(bytes(300))
    assert kernel_cache_bytes(there) == 300
    assert kernel_cache_bytes({**there, "CUDA_CACHE_DISABLE": "1"}) is None
    assert kernel_cache_bytes({**there, "CUDA_CACHE_DISABLE": "0"}) == 300
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".nv" / "ComputeCache").mkdir(parents=True)
    (tmp_path / "home" / ".nv" / "ComputeCache" / "kernel").write_bytes(bytes(7))
    assert kernel_cache_bytes({}) == kernel_cache_bytes({"CUDA_CACHE_PATH": ""}) == 7

    def cleared(folder, pattern):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "rglob", cleared)
    assert kernel_cache_bytes(there) is None


LIBRARIES = """
#include <stddef.h>
int cudaRuntimeGetVersion(int *version) { *version = 12090; return 0; }
size_t cudnnGetVersion(void) { return 91002; }
"""


def test_versions_are_those_of_the_libraries_that_are_loaded(gcc, tmp_path):
    assert loaded_version("libcudnn", "cudnnGetVersion", tmp_path / "no maps") is None
    source = tmp_path / "libraries.c"
    source.write_text(LIBRARIES)
    for name in ("libcudart.so.12", "libcudnn.so.9"):
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / name, source], check=True)
        ctypes.CDLL(str(tmp_path / name))
    mapped = Path("/proc/self/maps").read_text().splitlines()
    maps = tmp_path / "maps"
    maps.write_text("\n".join(line for line in mapped if str(tmp_path) in line))
    assert loaded_version("libcudart", "cudaRuntimeGetVersion", maps) == "12.9"
    assert loaded_version("libcudnn", "cudnnGetVersion", maps) == "9.10.2"


def test_which_backends_run_ahead_and_which_can_be_waited_for(monkeypatch):
    """JAX also does on processors, where its work is not in order."""
    for gpu, ahead in ((False, ["jax"]), (True, list(BACKENDS))):
        monkeypatch.setattr("wbc.backends.has_gpu", lambda backend, gpu=gpu: gpu)
        assert sorted(filter(runs_ahead, BACKENDS)) == sorted(ahead)
    assert list(filter(can_wait, BACKENDS)) == ["tensorflow", "torch"]


FACTS = """
import json, sys
from bench.worker.backends import load_backend
from pathlib import Path
from wbc.backends import peak_memory
from wbc.specification import Specification
backend = sys.argv[1]
facts = load_backend(Specification(Path(), Path(), 32, "LeNet5", "scratch", 1, backend=backend))
print(json.dumps([facts, peak_memory(backend)]))
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_what_other_backends_tell_on_a_processor(backend):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    kept = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", FACTS, backend],
        env={
            **kept,
            "PYTHONPATH": path,
            **Slot("cpu:0", (Device("cpu", "a processor"),), (0,)).environment(),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts, peak = json.loads(done.stdout)
    assert (facts["gpus"], facts["tensorfloat32"], peak) == ([], False, None)
    assert facts["cuda"].startswith("none: ") and facts["cudnn"].startswith("none: ")
