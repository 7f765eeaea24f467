"""The deep-learning frameworks that Keras can compute with.

A fact that a framework does not report is a sentence that begins with `unavailable: `.
"""

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.worker import protocol
from bench.worker.environment import SetupError, granted_cores
from bench.worker.jsonl import Facts
from wbc.specification import Specification

_TITLES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
_AMPERE = (8, 0)
"""The first compute capability with TF32."""
_LOW_PRECISIONS = ("default", "fastest", "high", "tensorfloat32", "tf32_tf32_f32", "tf32_tf32_f32_x3")
"""Settings of JAX with which XLA may compute products of float32 numbers in TF32."""


def load_backend(specification: Specification) -> Facts:
    """Import Keras with the backend of an experiment, and make sure of the devices that the trial was given.

    Returns:
        `backend`, its version under its name, `keras`, `precision`, `gpus` (names), `cuda`, `cudnn`.

    Raises:
        SetupError: The backend does not see the GPUs that the trial was given, or cannot be imported.
    """
    name = specification.backend
    # Keras reads it once, at its import. The user's shell or keras.json must not change what a trial is.
    os.environ["KERAS_BACKEND"] = name
    _prepare(name, specification.deterministic)
    try:
        import keras

        # Before anything else of Keras, which fixes the policy at its first use; keras.json may have another.
        keras.config.set_floatx("float32")
        found = _LOADERS[name]()
    except ImportError as error:
        raise SetupError(f"Keras with {_TITLES[name]} cannot be imported: {error}") from error
    given = int(os.environ.get(protocol.REPLICAS, "1"))
    seen = len(found["gpus"])
    if os.environ.get(protocol.DEVICE_KIND) == "gpu" and seen < given:
        raise SetupError(
            f"the trial was given {'a GPU' if given == 1 else f'{given} GPUs'}, but {_TITLES[name]} sees "
            f"{seen or 'none'} (a CPU build, or a broken driver)"
        )
    # The first use of a device may take seconds. They belong to the startup, not to what is timed first.
    keras.ops.convert_to_numpy(keras.ops.ones(()))
    return {
        "backend": name,
        "keras": keras.__version__,
        "precision": _precision(keras, specification),
        **found,
    }


def tensorfloat32(allowed: bool, capabilities: Sequence[tuple[int, int] | None]) -> bool | str:
    """Whether products of float32 numbers are computed in TF32, or a sentence why that is not known.

    Args:
        allowed: TensorFlow's setting. It has no effect where no device has TF32.
        capabilities: Compute capability of each GPU, None where TensorFlow does not report it.
    """
    # NVIDIA's libraries obey this variable; TensorFlow does not know of it.
    if not allowed or not capabilities or os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
        return False
    having: set[bool] = set()
    for capability in capabilities:
        if capability is None:
            return "unavailable: TensorFlow does not report the compute capability of a GPU"
        having.add(capability >= _AMPERE)
    return having.pop() if len(having) == 1 else "unavailable: the GPUs differ"


def loaded_version(library: str, function: str, maps: Path = Path("/proc/self/maps")) -> str | None:
    """The version that a library of NVIDIA tells, if this process has loaded it; None where it has not.

    What a framework was built with is another version: the loader takes what is installed.

    Args:
        library: `libcudart` or `libcudnn`.
        function: `cudaRuntimeGetVersion`, which writes into an integer, or `cudnnGetVersion`, which returns one.
        maps: The files that the process has mapped.
    """
    try:
        paths = {line.split(maxsplit=5)[5] for line in maps.read_text().splitlines() if f"/{library}" in line}
        path = next(
            path for path in sorted(paths) if Path(path).name.startswith((f"{library}.so", f"{library}-"))
        )
        loaded = ctypes.CDLL(path)
        if library == "libcudart":
            number = ctypes.c_int()
            if loaded[function](ctypes.byref(number)):
                return None
            return f"{number.value // 1000}.{number.value % 1000 // 10}"
        loaded[function].restype = ctypes.c_size_t
        number_of_cudnn = int(loaded[function]())
    except (OSError, StopIteration, AttributeError):
        return None
    major = 10_000 if number_of_cudnn >= 90_000 else 1000  # since cuDNN 9
    return f"{number_of_cudnn // major}.{number_of_cudnn % major // 100}.{number_of_cudnn % 100}"


def compiled_from_ptx(
    capabilities: Sequence[tuple[int, int] | None], built_for: Sequence[str]
) -> bool | None:
    """Whether a build has no code for some GPU, so that the driver compiles its kernels at their first use.

    Args:
        capabilities: Compute capability of each GPU.
        built_for: What TensorFlow's build has: `sm_80` (code, which runs on 8.x), `compute_90` (PTX).
    """
    codes = [name.removeprefix("sm_") for name in built_for if name.startswith("sm_")]
    if not codes or None in capabilities or not capabilities:
        return None
    known = {(int(code[:-1]), int(code[-1])) for code in codes if code.isdecimal()}
    return not all(
        any(major == one[0] and minor <= one[1] for major, minor in known) for one in capabilities if one
    )


def kernel_cache_bytes(variables: Mapping[str, str] = os.environ) -> int | None:
    """Bytes of the kernels that the driver has compiled and kept for this user; None where it keeps none."""
    if variables.get("CUDA_CACHE_DISABLE") == "1":
        return None
    folder = Path(variables.get("CUDA_CACHE_PATH") or Path.home() / ".nv" / "ComputeCache")
    try:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    except OSError:  # another process clears it, or it may not be read
        return None


def _of_loaded(build: str | None) -> dict[str, str]:
    """Versions of CUDA and cuDNN that are loaded, else those of the build, and said so."""
    cuda = loaded_version("libcudart", "cudaRuntimeGetVersion")
    cudnn = loaded_version("libcudnn", "cudnnGetVersion")
    unknown = "unavailable: it is not loaded" + (f"; built with {build}" if build else "")
    return {"cuda": cuda or unknown, "cudnn": cudnn or unknown}


def onednn() -> str:
    """Whether operations on the processor are oneDNN's: `on`, `off`."""
    try:
        # The only place that knows: the build decides, then TF_ENABLE_ONEDNN_OPTS.
        from tensorflow.python.util import _pywrap_util_port
    except ImportError:
        return "unavailable: this TensorFlow does not report it"
    return "on" if _pywrap_util_port.IsMklEnabled() else "off"


def _prepare(name: str, deterministic: bool) -> None:
    """Set the environment variables that a framework reads at its import.

    Where the driver compiles kernels at their first use, its cache must have room for those of a framework: the
    default of 256 MiB of older drivers is too small, and every trial would be a first one.

    TensorFlow needs none: `wbc` asks it for deterministic operations. On processors XLA's operations repeat
    to the last bit anyway, as long as the number of cores is the same.
    """
    os.environ.setdefault("CUDA_CACHE_MAXSIZE", str(4 << 30))
    if name == "jax":
        # Otherwise JAX takes three quarters of a GPU at once, and hides what the trial needs.
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        if deterministic:
            flags = os.environ.get("XLA_FLAGS", "").split()
            os.environ["XLA_FLAGS"] = " ".join([*flags, "--xla_gpu_exclude_nondeterministic_ops=true"])
    if name == "torch" and deterministic:
        # Without this workspace the order of cuBLAS' sums changes. `wbc` asks PyTorch for the rest.
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"


def _load_tensorflow() -> Facts:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(granted_cores())
    tf.config.threading.set_inter_op_parallelism_threads(granted_cores())
    gpus = tf.config.list_physical_devices("GPU")
    replicas = int(os.environ.get(protocol.REPLICAS, "1"))
    if replicas > 1 and not gpus:
        (processor,) = tf.config.list_physical_devices("CPU")
        logical = [tf.config.LogicalDeviceConfiguration() for _ in range(replicas)]
        tf.config.set_logical_device_configuration(processor, logical)
    for gpu in gpus:
        # Otherwise TensorFlow takes all memory at once, and hides what the trial needs.
        tf.config.experimental.set_memory_growth(gpu, True)
    build = tf.sysconfig.get_build_info()
    without = "none: no GPU is in use" if "cuda_version" in build else "none: a CPU build"
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    capabilities = [one.get("compute_capability") for one in details]
    allowed = tf.config.experimental.tensor_float_32_execution_enabled()
    return {
        "tensorflow": tf.__version__,
        "replicas": replicas,
        "gpus": [one.get("device_name", "") for one in details],
        **(_of_loaded(_built_with(build)) if gpus else {"cuda": without, "cudnn": without}),
        "compiled_from_ptx": compiled_from_ptx(capabilities, build.get("cuda_compute_capabilities", ())),
        "kernel_cache_bytes": kernel_cache_bytes() if gpus else None,
        "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "compute_capabilities": [_dotted(one) for one in capabilities],
        "tensorfloat32": tensorfloat32(allowed, capabilities),
        "onednn": onednn(),
        "allocator": os.environ.get("TF_GPU_ALLOCATOR", "default") + (", growing" if gpus else ""),
    }


def _load_jax() -> Facts:
    import jax

    try:
        devices = [device for device in jax.devices() if device.platform == "gpu"]
    except RuntimeError as error:  # JAX_PLATFORMS names what it cannot use
        raise SetupError(f"JAX cannot use the device of the trial: {' '.join(str(error).split())}") from error
    without = "none: no GPU is in use"
    capabilities = [_capability(getattr(device, "compute_capability", None)) for device in devices]
    # XLA computes products in TF32 unless more precision is asked for.
    precision = str(jax.config.jax_default_matmul_precision or "default").lower()
    return {
        "jax": jax.__version__,
        "gpus": [device.device_kind for device in devices],
        **(_of_loaded(None) if devices else {"cuda": without, "cudnn": without}),
        "compute_capabilities": [_dotted(one) for one in capabilities],
        "tensorfloat32": tensorfloat32(precision in _LOW_PRECISIONS, capabilities),
    }


def _load_torch() -> Facts:
    import torch

    torch.set_num_threads(granted_cores())
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    without = "none: a CPU build" if torch.version.cuda is None else "none: no GPU is in use"
    capabilities = [tuple(torch.cuda.get_device_capability(gpu)) for gpu in gpus]
    products, convolutions = (
        tensorfloat32(allowed, capabilities)
        for allowed in (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
    )
    return {
        "torch": torch.__version__,
        "gpus": [torch.cuda.get_device_name(gpu) for gpu in gpus],
        **(_of_loaded(torch.version.cuda) if gpus else {"cuda": without, "cudnn": without}),
        "compute_capabilities": [_dotted(one) for one in capabilities],
        "tensorfloat32": products
        if products == convolutions
        else "unavailable: convolutions are computed in TF32, other products are not"
        if convolutions is True
        else "unavailable: convolutions are not computed in TF32, other products are",
    }


def _built_with(build: Mapping[str, Any]) -> str:
    return f"CUDA {build.get('cuda_version', '?')}, cuDNN {build.get('cudnn_version', '?')}"


def _capability(dotted: object) -> tuple[int, int] | None:
    major, _, minor = str(dotted).partition(".")
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None


def _dotted(capability: tuple[int, int] | None) -> str:
    return ".".join(map(str, capability)) if capability else "unavailable"


_LOADERS: dict[str, Callable[[], Facts]] = {
    "tensorflow": _load_tensorflow,
    "jax": _load_jax,
    "torch": _load_torch,
}


def _precision(keras: Any, specification: "Specification") -> str:
    """The policy of the trial's layers; of an older `wbc`, which cannot be asked for one, that of Keras."""
    if (asked := getattr(specification, "precision", "float32")) != "float32":
        return str(asked)
    policy = getattr(keras.config, "dtype_policy", None)
    return str(getattr(policy(), "name", policy())) if policy else str(keras.config.floatx())
