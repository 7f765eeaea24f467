"""A device, and the slot in which one trial at a time has devices to itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.worker import protocol

if TYPE_CHECKING:
    from bench.trials.origin import SlotDescription

Kind = Literal["gpu", "cpu"]


@dataclass(frozen=True)
class Device:
    """A GPU, or (a part of) the processor."""

    kind: Kind
    model: str
    """Name of the GPU or of the processor."""
    uuid: str = ""
    """The GPU's UUID; empty for a processor."""
    index: int = 0
    """The GPU's number in NVML, which is `nvidia-smi`'s; a processor's logical device."""
    memory_bytes: int | None = None
    """The GPU's memory; None where that is unknown, and for a processor."""

    @property
    def name(self) -> str:
        """As `--devices` spells it: `gpu:0`."""
        return f"{self.kind}:{self.index}"


@dataclass(frozen=True)
class Slot:
    """A place where one trial runs at a time."""

    name: str
    """`gpu:0`, `gpu:0+1` (one trial on two GPUs), `cpu:0`."""
    devices: tuple[Device, ...]
    """What the trial trains on, all of one kind and model; on a processor a logical device for each replica."""
    cores: tuple[int, ...]
    """The processor's cores that the trial may use.

    GPU slots share all cores: nobody knows how many a GPU needs to be fed, and a fixed share would slow down
    the trial that runs last, alone.
    """

    @property
    def kind(self) -> Kind:
        """`gpu` or `cpu`."""
        return self.devices[0].kind

    @property
    def replicas(self) -> int:
        """The number of devices that train the trial together."""
        return len(self.devices)

    @property
    def model(self) -> str:
        """What it trains on, in words: `2 x NVIDIA A100`, or the processor's name."""
        model = self.devices[0].model
        return f"{self.replicas} x {model}" if self.kind == "gpu" and self.replicas > 1 else model

    def description(self) -> "SlotDescription":
        """As a record keeps it."""
        from bench.trials.origin import SlotDescription  # here: the sampler of telemetry needs no msgspec

        return SlotDescription(
            name=self.name,
            kind=self.kind,
            model=self.model,
            uuids=tuple(device.uuid for device in self.devices if device.uuid),
            replicas=self.replicas,
            cores=self.cores,
        )

    def environment(self) -> dict[str, str]:
        """The environment variables that confine a worker to this slot."""
        uuids = [device.uuid for device in self.devices if device.kind == "gpu"]
        return {
            "CUDA_VISIBLE_DEVICES": ",".join(uuids),
            # JAX's CUDA plugin fails where no GPU is visible. With names, JAX never falls back to another device.
            # Keras and callbacks of JAX need the processor beside a GPU.
            "JAX_PLATFORMS": "cuda,cpu" if self.kind == "gpu" else "cpu",
            protocol.DEVICE_KIND: self.kind,
            protocol.CORES: ",".join(map(str, self.cores)),
            protocol.REPLICAS: str(self.replicas),
        }
