"""A device, and the slot in which one trial at a time has devices to itself."""

from dataclasses import dataclass
from typing import Any

from bench.worker import protocol


@dataclass(frozen=True)
class Device:
    """A GPU, or (a part of) the processor.

    Attributes:
        kind: `gpu` or `cpu`.
        model: Name of the GPU or of the processor.
        uuid: The GPU's UUID; empty for a processor.
        index: The GPU's number in NVML, which is `nvidia-smi`'s; a processor's logical device.
        memory_bytes: The GPU's memory; None where that is unknown, and for a processor.
    """

    kind: str
    model: str
    uuid: str = ""
    index: int = 0
    memory_bytes: int | None = None

    @property
    def name(self) -> str:
        """As `--devices` spells it: `gpu:0`."""
        return f"{self.kind}:{self.index}"


@dataclass(frozen=True)
class Slot:
    """A place where one trial runs at a time.

    Attributes:
        name: `gpu:0`, `gpu:0+1` (one trial on two GPUs), `cpu:0`.
        devices: What the trial trains on, all of one kind and model; on a processor a logical device for each.
        cores: The processor's cores that the trial may use. GPU slots share all cores: to feed a GPU takes
            what it takes, and a fixed share would slow down the one trial that is left at the end.
    """

    name: str
    devices: tuple[Device, ...]
    cores: tuple[int, ...]

    @property
    def kind(self) -> str:
        """`gpu` or `cpu`."""
        return self.devices[0].kind

    @property
    def replicas(self) -> int:
        """On how many devices the trial is trained at once."""
        return len(self.devices)

    @property
    def model(self) -> str:
        """What it trains on, in words: `2 x NVIDIA A100`, or the processor's name."""
        model = self.devices[0].model
        return f"{self.replicas} x {model}" if self.kind == "gpu" and self.replicas > 1 else model

    def to_json(self) -> dict[str, Any]:
        """As the journal keeps it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "model": self.model,
            "uuids": [device.uuid for device in self.devices if device.uuid],
            "replicas": self.replicas,
            "cores": list(self.cores),
        }

    def environment(self) -> dict[str, str]:
        """The environment variables that confine a worker to this slot."""
        uuids = [device.uuid for device in self.devices if device.kind == "gpu"]
        return {
            "CUDA_VISIBLE_DEVICES": ",".join(uuids),
            protocol.DEVICE_KIND: self.kind,
            protocol.CORES: ",".join(map(str, self.cores)),
            protocol.REPLICAS: str(self.replicas),
        }
