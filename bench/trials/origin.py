"""Where an attempt ran and what it ran with, as its record keeps it."""

from typing import Literal

from msgspec import Struct


class SlotDescription(Struct, frozen=True, kw_only=True):
    """The device slot of an attempt, see `bench.devices.device.Slot`."""

    name: str
    """`gpu:0`, `gpu:0+1`, `cpu:0`."""
    kind: Literal["gpu", "cpu"]
    model: str
    """`2 x NVIDIA A100`, or the processor's name."""
    uuids: tuple[str, ...] = ()
    """Of the GPUs."""
    replicas: int = 1
    """Devices that train the model together."""
    cores: tuple[int, ...] = ()
    """Cores of the processor that the worker may use."""


class Environment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a worker says of itself. A field that its backend does not tell is None."""

    python: str | None = None
    kernel: str | None = None
    cores: int | None = None
    """Cores that the worker may use."""
    visible_gpus: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    """Environment variables that change how frameworks compute."""
    packages: dict[str, str] = {}
    """Installed package -> version."""
    backend: str | None = None
    keras: str | None = None
    precision: str | None = None
    """Keras' dtype policy."""
    tensorflow: str | None = None
    jax: str | None = None
    torch: str | None = None
    replicas: int | None = None
    gpus: tuple[str, ...] = ()
    """Names of the GPUs that the backend sees."""
    cuda: str | None = None
    cudnn: str | None = None
    intra_op_threads: int | None = None
    inter_op_threads: int | None = None
    compute_capabilities: tuple[str, ...] = ()
    tensorfloat32: bool | str | None = None
    """Whether float32 products are computed in TF32, or a sentence why that is not known."""
    onednn: str | None = None
    allocator: str | None = None
    compiled_from_ptx: bool | None = None
    """Whether TensorFlow's build has no code for the GPU: the driver compiles its kernels at their first use on
    this machine, so that the first trial is slower. None with other backends."""
    kernel_cache_bytes: int | None = None
    """Bytes of the kernels that the driver had compiled and kept before the trial; with TensorFlow on a GPU."""


class MachineFacts(Struct, frozen=True, kw_only=True):
    """What determines how fast a machine is. A fact that is hidden is a sentence, `unavailable: ...`."""

    processor: str | None = None
    cores: int | None = None
    usable_cores: int | None = None
    memory_bytes: int | None = None
    kernel: str | None = None
    governor: str | None = None
    boost: str | None = None
    virtual: bool | None = None
    container: bool | None = None
    quota_cores: float | None = None
    """None: no limit."""
    huge_pages: str | None = None
    fingerprint: str | None = None
    """See `bench.machine.calibration.fingerprint`."""
    driver: str | None = None
    cuda_driver: str | None = None
    """The newest CUDA that the driver supports."""


class Seeds(Struct, frozen=True, kw_only=True):
    """Every source of randomness; None where the trial has none."""

    seed: int | None = None
    split_seed: int | None = None
    data_seed: int | None = None
    deterministic: bool | None = None


class Provenance(Struct, frozen=True, kw_only=True):
    """Where a result comes from. The packages are in the environment."""

    host: str | None = None
    commit: str | None = None
    """Of the harness or of the revision that ran; ends in `-dirty` where files differ from it."""
    driver: str | None = None
    machine: MachineFacts | None = None
    leukobench: str | None = None
    packages_sha256: str | None = None
    data_digest: str | None = None
    weights_sha256: str | None = None
    seeds: Seeds = Seeds()


class ForeignProcess(Struct, frozen=True, kw_only=True, gc=False):
    """A process of somebody else on a GPU."""

    gpu: str
    pid: int
    name: str
    """Empty where it is hidden."""
    kind: str
    """`compute` or `graphics`."""
    memory_bytes: int | None
    """Of the GPU; None where that is unknown."""

    def __str__(self) -> str:
        return f"process {self.pid}{f' ({self.name})' if self.name else ''} on {self.gpu}"


class Neighbors(Struct, frozen=True, kw_only=True):
    """Who else was on the GPUs of the slot at one moment, see `bench.devices.other_users`."""

    alone: bool | None = None
    """None where that cannot be told."""
    foreign: tuple[ForeignProcess, ...] = ()
    unknown: dict[str, int] = {}
    """GPU -> computing processes of unknown origin."""
    unreadable: dict[str, str] = {}
    """GPU -> why its processes cannot be listed."""
    lost: tuple[str, ...] = ()
    """GPUs that failed for good."""


class Quiet(Struct, frozen=True, kw_only=True):
    """How waiting for a quiet machine ended."""

    noise: tuple[str, ...]
    """Why it is not quiet; empty where it is."""
    waited_s: float
