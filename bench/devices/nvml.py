"""GPUs through NVML, NVIDIA's management library; the only module that calls `pynvml`, which has no types.

Every failure becomes an `NvmlError` with a reason for people: no driver, a driver that was updated under the
running system, a GPU that is lost, a metric that this GPU does not have.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from bench.devices.device import Device

T = TypeVar("T")

LOST = "the GPU is lost: the driver cannot reach it any more; restart the machine"
_REASONS = {
    "NVML_ERROR_LIBRARY_NOT_FOUND": "there is no NVIDIA driver",
    "NVML_ERROR_DRIVER_NOT_LOADED": "the NVIDIA driver is not loaded",
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": (
        "the NVIDIA driver was updated and its library no longer fits it; restart the machine"
    ),
    "NVML_ERROR_NO_PERMISSION": "the NVIDIA driver does not permit it",
    "NVML_ERROR_GPU_IS_LOST": LOST,
    "NVML_ERROR_RESET_REQUIRED": LOST,
    "NVML_ERROR_NOT_SUPPORTED": "this GPU or its driver does not support it",
    "NVML_ERROR_FUNCTION_NOT_FOUND": "the NVIDIA driver is too old for it",
}

_LASTING = set(_REASONS.values())


class NvmlError(Exception):
    """NVML cannot answer."""

    def __init__(self, reason: str, code: int | None = None):
        super().__init__(reason)
        self.reason = reason
        """Why, for people."""
        self.code = code
        """NVML's own number; None where there is none."""
        self.lost = reason == LOST
        """The GPU is gone; there is no use in asking again."""
        self.passing = reason not in _LASTING
        """The next try may succeed."""


@dataclass(frozen=True)
class GpuProcess:
    """A process on a GPU."""

    pid: int
    """As the driver knows it; in a container that may be the host's."""
    kind: Literal["compute", "graphics"]
    """`compute` (CUDA), or `graphics` (a desktop)."""
    memory_bytes: int | None
    """Of the GPU; None where that is unknown."""


@dataclass(frozen=True)
class Memory:
    """Memory of a GPU, in bytes."""

    total: int
    used: int
    free: int


@dataclass(frozen=True)
class Listing:
    """The GPUs that NVML lists."""

    gpus: tuple[Device, ...]
    """Those that answer, in the order of the PCI bus."""
    unusable: dict[str, str]
    """Names of those that cannot be used, such as `gpu:1`, and why."""


class Nvml:
    """An open session; see `open_nvml`."""

    def __init__(self, binding: Any):
        self._binding = binding
        self._handles: dict[str, Any] = {}

    def listing(self) -> Listing:
        """Every GPU of the machine.

        A GPU that is partitioned (MIG) is listed as unusable: for CUDA it is several devices with their own
        UUIDs, and leukobench measures whole GPUs.

        Raises:
            NvmlError: NVML does not say how many there are.
        """
        gpus: list[Device] = []
        unusable: dict[str, str] = {}
        for index in range(_asked(self._binding.nvmlDeviceGetCount)):
            try:
                handle = _asked(self._binding.nvmlDeviceGetHandleByIndex, index)
                gpu = Device(
                    "gpu",
                    _asked(self._binding.nvmlDeviceGetName, handle),
                    _asked(self._binding.nvmlDeviceGetUUID, handle),
                    index,
                    self._total_memory(handle),
                )
                if self._partitioned(handle):
                    unusable[gpu.name] = "it is partitioned (MIG), and trials need a whole GPU"
                else:
                    self._handles[gpu.uuid] = handle
                    gpus.append(gpu)
            except NvmlError as error:
                unusable[f"gpu:{index}"] = error.reason
        return Listing(tuple(gpus), unusable)

    def processes(self, uuid: str) -> list[GpuProcess]:
        """List the processes on a GPU. One that computes and draws is listed once, as one that computes.

        Raises:
            NvmlError: NVML cannot list those that compute. Those that draw are left out if it cannot list them.
        """
        handle = self._handle(uuid)
        listed = _asked(self._binding.nvmlDeviceGetComputeRunningProcesses, handle)
        found = {one.pid: GpuProcess(one.pid, "compute", one.usedGpuMemory) for one in listed}
        try:
            drawing = _asked(self._binding.nvmlDeviceGetGraphicsRunningProcesses, handle)
        except NvmlError as error:
            if error.lost:
                raise
            drawing = []
        for one in drawing:
            found.setdefault(one.pid, GpuProcess(one.pid, "graphics", one.usedGpuMemory))
        return list(found.values())

    def memory(self, uuid: str) -> Memory:
        """Memory of a GPU.

        Raises:
            NvmlError: The GPU shares the memory of the machine, or cannot be asked.
        """
        memory = _asked(self._binding.nvmlDeviceGetMemoryInfo, self._handle(uuid))
        return Memory(memory.total, memory.used, memory.free)

    def ask(self, uuid: str, question: Callable[[Any, Any], T]) -> T:
        """Ask a question about a GPU, such as those of `bench.devices.gauges`.

        Args:
            uuid: The GPU.
            question: Takes the binding and the GPU's handle.

        Raises:
            NvmlError: It cannot be answered.
        """
        return _asked(question, self._binding, self._handle(uuid))

    def cuda_driver(self) -> str:
        """The newest CUDA that the driver can run, such as `12.4`.

        Raises:
            NvmlError: It does not say.
        """
        version = _asked(self._binding.nvmlSystemGetCudaDriverVersion)
        return f"{version // 1000}.{version % 1000 // 10}"

    def driver(self) -> str:
        """Version of the driver.

        Raises:
            NvmlError: It cannot be asked.
        """
        return str(_asked(self._binding.nvmlSystemGetDriverVersion))

    def _handle(self, uuid: str) -> Any:
        if uuid not in self._handles:
            try:
                self._handles[uuid] = _asked(self._binding.nvmlDeviceGetHandleByUUID, uuid.encode())
            except NvmlError as error:
                if error.code == self._binding.NVML_ERROR_NOT_FOUND:  # it was there when slots were chosen
                    raise NvmlError(LOST) from None
                raise
        return self._handles[uuid]

    def _total_memory(self, handle: Any) -> int | None:
        try:
            return int(_asked(self._binding.nvmlDeviceGetMemoryInfo, handle).total)
        except NvmlError as error:
            if error.lost:
                raise
            return None

    def _partitioned(self, handle: Any) -> bool:
        try:
            current, _pending = _asked(self._binding.nvmlDeviceGetMigMode, handle)
        except NvmlError as error:
            if error.lost:
                raise
            return False  # most GPUs cannot be partitioned, and do not support the question
        return bool(current == self._binding.NVML_DEVICE_MIG_ENABLE)


@contextmanager
def open_nvml() -> Iterator[Nvml]:
    """Open a session with NVML, and keep it: that may take a second if no other program uses the driver.

    Raises:
        NvmlError: There is no NVIDIA driver, or it does not work.
    """
    import pynvml

    _asked(pynvml.nvmlInit)
    try:
        yield Nvml(pynvml)
    finally:
        with suppress(NvmlError):  # a lost GPU may make this fail too; nothing depends on it
            _asked(pynvml.nvmlShutdown)


def _asked(question: Callable[..., T], *arguments: Any) -> T:
    """Call NVML; every error of the binding becomes an `NvmlError`."""
    import pynvml

    try:
        return question(*arguments)
    except pynvml.NVMLError as error:
        for name, reason in _REASONS.items():
            if error.value == getattr(pynvml, name):
                raise NvmlError(reason, error.value) from None
        raise NvmlError(f"the NVIDIA driver says: {error}", error.value) from None
    except pynvml.NVMLLibraryMismatchError:
        raise NvmlError(_REASONS["NVML_ERROR_FUNCTION_NOT_FOUND"]) from None
