"""What runs the cells: versions and the kind of device, found without loading TensorFlow."""

from dataclasses import asdict, dataclass
from importlib import metadata

from bench.datasets import source_digest
from bench.devices.choose import default_device as find_device
from bench.devices.device import Device
from wbc.errors import InputError

__all__ = ["Device", "Runtime", "find_device", "find_runtime"]


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


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
