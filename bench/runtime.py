"""What runs the cells: versions and the kind of device, found without loading TensorFlow."""

import os
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from bench.datasets import source_digest
from wbc.errors import InputError


@dataclass(frozen=True)
class Device:
    """Where a cell runs.

    Attributes:
        kind: `gpu` or `cpu`.
        model: Name of the GPU or of the processor.
        uuid: The GPU's UUID; empty for a processor.
    """

    kind: str
    model: str
    uuid: str = ""


@dataclass(frozen=True)
class Runtime:
    """What a cell's result depends on besides its settings; half of the cell's id."""

    wbc: str
    tensorflow: str
    keras: str
    device: str

    def to_json(self) -> dict[str, str]:
        """As kept with the cell."""
        return asdict(self)


def find_runtime(device: Device) -> Runtime:
    """Versions of this environment.

    Raises:
        InputError: TensorFlow is not installed.
    """
    tensorflow = _version("tensorflow") or _version("tensorflow-cpu")
    if tensorflow is None:
        raise InputError("TensorFlow is not installed", "Run: make run, or pip install 'leukobench[cpu]'")
    return Runtime(
        wbc=source_digest()[:16], tensorflow=tensorflow, keras=_version("keras") or "", device=device.model
    )


def find_device() -> Device:
    """The first GPU that NVML shows, where a TensorFlow with CUDA is installed; else the processor.

    `CUDA_VISIBLE_DEVICES` with a UUID or a number chooses another GPU, and the empty one none.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if _version("tensorflow") is not None and visible not in ("", "-1"):
        gpus = _gpus()
        chosen = (visible or "0").split(",")[0]
        for number, gpu in enumerate(gpus):
            if chosen in (str(number), gpu.uuid):
                return gpu
    return Device("cpu", _processor())


def _gpus() -> list[Device]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
        return [
            Device("gpu", pynvml.nvmlDeviceGetName(handle), pynvml.nvmlDeviceGetUUID(handle))
            for handle in handles
        ]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
