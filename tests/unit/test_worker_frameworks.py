"""What a worker tells of the frameworks that it loads, with stand-ins where there is no GPU."""

import ctypes
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.worker import backends, protocol
from bench.worker.backends import load_backend, loaded_version, onednn
from bench.worker.environment import SetupError
from wbc.specification import Specification


@pytest.fixture
def variables(monkeypatch):
    """No variable of the user's, and none that stays behind."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    monkeypatch.setattr(os, "environ", kept)
    return kept


def specification(backend: str = "tensorflow", **more) -> Specification:
    return Specification(Path(), Path(), 32, "LeNet5", "scratch", backend=backend, **more)


@pytest.mark.parametrize(
    ("kind", "given", "gpus", "said"),
    [
        ("gpu", None, [], "the trial was given a GPU, but TensorFlow sees none"),
        ("gpu", "1", ["A100"], None),
        ("gpu", "2", ["A100"], "the trial was given 2 GPUs, but TensorFlow sees 1"),
        ("gpu", "2", ["A100", "A100"], None),
        ("gpu", "2", ["A100"] * 3, None),
        ("cpu", "2", [], None),
        (None, None, [], None),
    ],
)
def test_a_trial_has_the_gpus_that_it_was_given(monkeypatch, variables, kind, given, gpus, said):
    monkeypatch.setitem(backends._LOADERS, "tensorflow", lambda: {"gpus": gpus, "cuda": "x"})
    variables |= {protocol.DEVICE_KIND: kind} if kind else {}
    variables |= {protocol.REPLICAS: given} if given else {}
    if said:
        with pytest.raises(SetupError) as caught:
            load_backend(specification())
        assert str(caught.value) == f"{said} (a CPU build, or a broken driver)"
        return
    import keras

    facts = {"backend": "tensorflow", "keras": keras.__version__, "precision": "mixed_float16"}
    assert load_backend(specification(precision="mixed_float16")) == {**facts, "gpus": gpus, "cuda": "x"}
    assert variables["KERAS_BACKEND"] == "tensorflow"


def test_a_framework_that_cannot_be_imported_is_a_wrong_setup(monkeypatch, variables):
    def fails():
        raise ImportError("libcudart.so.12 is missing")

    monkeypatch.setitem(backends._LOADERS, "tensorflow", fails)
    with pytest.raises(SetupError) as caught:
        load_backend(specification())
    assert str(caught.value) == "Keras with TensorFlow cannot be imported: libcudart.so.12 is missing"


@pytest.mark.parametrize(
    ("backend", "deterministic", "before", "after"),
    [
        ("tensorflow", True, {}, {}),
        ("tensorflow", False, {"CUDA_CACHE_MAXSIZE": "9"}, {}),
        ("jax", False, {}, {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}),
        (
            "jax",
            True,
            {"XLA_FLAGS": "--a  --b"},
            {
                "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
                "XLA_FLAGS": "--a --b --xla_gpu_exclude_nondeterministic_ops=true",
            },
        ),
        ("torch", False, {}, {}),
        ("torch", True, {}, {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}),
    ],
)
def test_what_frameworks_read_at_their_import(variables, backend, deterministic, before, after):
    variables.clear()
    variables |= before
    backends._prepare(backend, deterministic)
    assert variables == {"CUDA_CACHE_MAXSIZE": "4294967296", **before, **after}


class OfTensorFlow:
    """TensorFlow with GPUs, or without."""

    def __init__(self, *capabilities: tuple[int, int] | None, **build: object):
        self.grown, self.logical, self.threads = [], [], {}
        gpus = [f"gpu {number}" for number in range(len(capabilities))]
        details = [
            {"device_name": f"Card {number}", **({"compute_capability": one} if one else {})}
            for number, one in enumerate(capabilities)
        ]
        self.__version__ = "2.99"
        self.sysconfig = SimpleNamespace(get_build_info=lambda: build)
        threads = SimpleNamespace(
            set_intra_op_parallelism_threads=lambda count: self.threads.__setitem__("intra", count),
            set_inter_op_parallelism_threads=lambda count: self.threads.__setitem__("inter", count),
            get_intra_op_parallelism_threads=lambda: self.threads["intra"],
            get_inter_op_parallelism_threads=lambda: self.threads["inter"],
        )
        experimental = SimpleNamespace(
            set_memory_growth=lambda gpu, grows: self.grown.append((gpu, grows)),
            get_device_details=lambda gpu: details[gpus.index(gpu)],
            tensor_float_32_execution_enabled=lambda: True,
        )
        self.config = SimpleNamespace(
            threading=threads,
            experimental=experimental,
            list_physical_devices=lambda kind: gpus if kind == "GPU" else ["cpu"],
            LogicalDeviceConfiguration=object,
            set_logical_device_configuration=lambda device, made: self.logical.append((device, len(made))),
        )


def loaded(monkeypatch, tf: OfTensorFlow) -> dict:
    monkeypatch.setitem(sys.modules, "tensorflow", tf)
    monkeypatch.setattr(backends, "onednn", lambda: "on")
    monkeypatch.setattr(backends, "granted_cores", lambda: 3)
    monkeypatch.setattr(backends, "kernel_cache_bytes", lambda: 77)
    monkeypatch.setattr(
        backends, "loaded_version", lambda library, function: "9.1" if "dnn" in library else None
    )
    return backends._load_tensorflow()


CPU_FACTS = {
    "tensorflow": "2.99",
    "replicas": 1,
    "gpus": [],
    "cuda": "none: a CPU build",
    "cudnn": "none: a CPU build",
    "compiled_from_ptx": None,
    "kernel_cache_bytes": None,
    "intra_op_threads": 3,
    "inter_op_threads": 3,
    "compute_capabilities": [],
    "tensorfloat32": False,
    "onednn": "on",
    "allocator": "default",
}


def test_tensorflow_on_a_processor(monkeypatch, variables):
    tf = OfTensorFlow()
    assert loaded(monkeypatch, tf) == CPU_FACTS and tf.logical == []
    tf = OfTensorFlow(cuda_version="12")
    idle = dict.fromkeys(("cuda", "cudnn"), "none: no GPU is in use")
    variables |= {protocol.REPLICAS: "2", "TF_GPU_ALLOCATOR": "cuda_malloc_async"}
    assert loaded(monkeypatch, tf) == {**CPU_FACTS, **idle, "replicas": 2, "allocator": "cuda_malloc_async"}
    assert tf.logical == [("cpu", 2)]


def test_tensorflow_on_gpus(monkeypatch, variables):
    variables[protocol.REPLICAS] = "2"
    tf = OfTensorFlow(
        (8, 0), (8, 6), cuda_version="12.5", cudnn_version="9", cuda_compute_capabilities=["sm_80"]
    )
    assert loaded(monkeypatch, tf) == {
        **CPU_FACTS,
        "replicas": 2,
        "gpus": ["Card 0", "Card 1"],
        "cuda": "unavailable: it is not loaded; built with CUDA 12.5, cuDNN 9",
        "cudnn": "9.1",
        "compiled_from_ptx": False,
        "kernel_cache_bytes": 77,
        "compute_capabilities": ["8.0", "8.6"],
        "tensorfloat32": True,
        "allocator": "default, growing",
    }
    assert tf.grown == [("gpu 0", True), ("gpu 1", True)] and tf.logical == []
    found = loaded(monkeypatch, OfTensorFlow(None))
    assert found["cuda"] == "unavailable: it is not loaded; built with CUDA ?, cuDNN ?"
    assert found["compute_capabilities"] == ["unavailable"] and found["compiled_from_ptx"] is None


@pytest.mark.parametrize(
    ("precision", "tf32"),
    [(None, True), ("TensorFloat32", True), ("high", True), ("highest", False), ("float32", False)],
)
def test_jax_on_a_gpu(monkeypatch, variables, precision, tf32):
    devices = [
        SimpleNamespace(platform="cpu", device_kind="x"),
        SimpleNamespace(platform="gpu", device_kind="NVIDIA H100", compute_capability="9.0"),
    ]
    config = SimpleNamespace(jax_default_matmul_precision=precision)
    jax = SimpleNamespace(__version__="0.9", devices=lambda: devices, config=config)
    monkeypatch.setitem(sys.modules, "jax", jax)
    monkeypatch.setattr(backends, "loaded_version", lambda library, function: None)
    missing = "unavailable: it is not loaded"
    found = {"jax": "0.9", "gpus": ["NVIDIA H100"], "cuda": missing, "cudnn": missing}
    found |= {"compute_capabilities": ["9.0"], "tensorfloat32": tf32}
    assert backends._load_jax() == found
    del devices[1].compute_capability
    assert backends._load_jax()["compute_capabilities"] == ["unavailable"]
    devices.pop()
    none = "none: no GPU is in use"
    assert backends._load_jax() == {
        **{"jax": "0.9", "gpus": [], "cuda": none, "cudnn": none},
        **{"compute_capabilities": [], "tensorfloat32": False},
    }


def test_a_device_that_jax_cannot_use_is_a_wrong_setup(monkeypatch):
    def devices():
        raise RuntimeError("no platform\n  'cuda'")

    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(devices=devices))
    with pytest.raises(SetupError) as caught:
        backends._load_jax()
    assert str(caught.value) == "JAX cannot use the device of the trial: no platform 'cuda'"


@pytest.mark.parametrize(
    ("products", "convolutions", "told"),
    [
        (True, True, True),
        (False, False, False),
        (False, True, "unavailable: convolutions are computed in TF32, other products are not"),
        (True, False, "unavailable: convolutions are not computed in TF32, other products are"),
    ],
)
def test_torch_on_gpus(monkeypatch, variables, products, convolutions, told):
    threads = []
    cuda = SimpleNamespace(
        is_available=lambda: True,
        device_count=lambda: 2,
        get_device_capability=lambda gpu: [8, gpu],
        get_device_name=lambda gpu: f"Card {gpu}",
    )
    torch = SimpleNamespace(
        __version__="2.9",
        set_num_threads=threads.append,
        cuda=cuda,
        version=SimpleNamespace(cuda="12.8"),
        backends=SimpleNamespace(
            cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=products)),
            cudnn=SimpleNamespace(allow_tf32=convolutions),
        ),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(backends, "granted_cores", lambda: 3)
    monkeypatch.setattr(backends, "loaded_version", lambda library, function: None)
    built = "unavailable: it is not loaded; built with 12.8"
    assert backends._load_torch() == {
        **{"torch": "2.9", "gpus": ["Card 0", "Card 1"], "cuda": built, "cudnn": built},
        **{"compute_capabilities": ["8.0", "8.1"], "tensorfloat32": told},
    }
    assert threads == [3]
    cuda.is_available = lambda: False
    idle = backends._load_torch()
    assert (idle["gpus"], idle["cuda"], idle["tensorfloat32"]) == ([], "none: no GPU is in use", False)
    torch.version.cuda = None
    assert backends._load_torch()["cudnn"] == "none: a CPU build"


class Function:
    """A function of a library that returns a number."""

    restype: object = None

    def __init__(self, number: int):
        self.number = number

    def __call__(self) -> int:
        assert self.restype is ctypes.c_size_t
        return self.number


@pytest.mark.parametrize(
    ("library", "number", "told"),
    [
        ("libcudart", 12090, "12.9"),
        ("libcudart", 11080, "11.8"),
        ("libcudart", 13000, "13.0"),
        ("libcudnn", 8907, "8.9.7"),
        ("libcudnn", 90000, "9.0.0"),
        ("libcudnn", 90899, "9.8.99"),
        ("libcudnn", 91002, "9.10.2"),
    ],
)
@pytest.mark.parametrize("name", ["{}.so.12", "{}-d0da41ae.so.11.0"])
def test_a_library_tells_its_version(tmp_path, monkeypatch, library, number, told, name):
    function = "cudaRuntimeGetVersion" if library == "libcudart" else "cudnnGetVersion"
    maps, opened = tmp_path / "maps", []
    lines = [
        f"7f00-7f01 r-xp 0 08:01 9 /a/{library}_static.so",
        f"7f00-7f01 r-xp 0 08:01 9 /opt/with a space/{name.format(library)}",
        "7f00-7f01 r-xp 0 08:01 9 /b/libother.so",
        "7f00-7f01 rw-p 0 00:00 0",
    ]
    maps.write_text("\n".join(lines))

    def cuda(pointer) -> int:
        pointer._obj.value = number
        return failed

    answer = cuda if library == "libcudart" else Function(number)
    monkeypatch.setattr(ctypes, "CDLL", lambda path: opened.append(path) or {function: answer})
    failed = 0
    assert loaded_version(library, function, maps) == told
    assert opened == [f"/opt/with a space/{name.format(library)}"]
    failed = 35
    if library == "libcudart":
        assert loaded_version(library, function, maps) is None


@pytest.mark.parametrize("error", [OSError("gone"), AttributeError("no such function")])
def test_a_library_that_cannot_be_asked_tells_nothing(tmp_path, monkeypatch, error):
    def opens(path):
        raise error

    (tmp_path / "maps").write_text("7f00-7f01 r-xp 0 08:01 9 /a/libcudnn.so.9\n")
    monkeypatch.setattr(ctypes, "CDLL", opens)
    assert loaded_version("libcudnn", "cudnnGetVersion", tmp_path / "maps") is None
    (tmp_path / "maps").write_text("")
    assert loaded_version("libcudnn", "cudnnGetVersion", tmp_path / "maps") is None


@pytest.mark.parametrize(("enabled", "told"), [(True, "on"), (False, "off")])
def test_whether_operations_are_onednns(monkeypatch, enabled, told):
    util = SimpleNamespace(_pywrap_util_port=SimpleNamespace(IsMklEnabled=lambda: enabled))
    monkeypatch.setitem(sys.modules, "tensorflow.python.util", util)
    assert onednn() == told
    monkeypatch.setitem(sys.modules, "tensorflow.python.util", SimpleNamespace())
    assert onednn() == "unavailable: this TensorFlow does not report it"


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (SimpleNamespace(dtype_policy=lambda: SimpleNamespace(name="float32")), "float32"),
        (SimpleNamespace(dtype_policy=lambda: "float64"), "float64"),
        (SimpleNamespace(floatx=lambda: "float16"), "float16"),
    ],
)
def test_the_precision_where_none_is_asked_for(config, told):
    assert backends._precision(SimpleNamespace(config=config), specification()) == told
    assert backends._precision(SimpleNamespace(config=config), SimpleNamespace()) == told
