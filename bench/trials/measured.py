"""What was measured of an attempt besides its times. What could not be measured is None, never 0."""

from typing import Final, Literal

from msgspec import Struct

Never = Literal["never"]
"""The time of what did not happen: a value of its own, neither missing nor a number."""

NEVER: Final[Never] = "never"


class Steady(Struct, frozen=True, kw_only=True, gc=False):
    """Training once its pace is steady, see `bench.records.steady`."""

    images_per_s: float
    """Images of the whole window over its time: slow stretches count."""
    low: float
    """Bounds of its 95 % interval within this run: `low` and `high`. Other runs may differ by more."""
    high: float
    median_images_per_s: float | None = None
    """Median over groups of neighboring steps: slow stretches hardly count."""
    outcome: Literal["steady", "no steady state"] = "steady"
    reason: str = ""
    """Why there is no steady state."""
    effective_blocks: float | None = None
    """Independent blocks that would tell as much about the rate."""
    step_s: float
    """Median seconds of a step."""
    steps: int
    settled_s: float
    """When the steady window began, seconds after training did."""
    settled_step: int
    blocks: int
    """In the window."""
    data_wait_s: float
    data_wait_share: float
    compile_s: float | None = None
    """The first step."""


class TimeToAccuracy(Struct, frozen=True, kw_only=True, gc=False):
    """When the validation accuracy reached a target for good, see `bench.records.accuracy_time`.

    Never: after the last epoch it was below the target.
    """

    accuracy: float
    """The target, a share of 1."""
    of_best: float | None
    """Its share of the trial's best validation accuracy; None for an accuracy that was asked for."""
    epoch: int | Never
    """From 1."""
    fit_s: float | Never
    """From the first step to the end of that epoch, its validation included, without checkpoints."""
    work_s: float | Never
    """The same and the extraction of features."""
    joules: float | Never | None
    """Of all GPUs, idle power included, from the start of that work; None: not known."""

    @property
    def target(self) -> str:
        """The target in words: `90 % of best`, or `accuracy 90 %`."""
        if self.of_best is not None:
            return f"{self.of_best:.0%}".replace("%", " % of best")
        return f"accuracy {100 * self.accuracy:.6g} %"


class Latency(Struct, frozen=True, kw_only=True, gc=False):
    """Calls of the trained classifier with one number of images, see `wbc.evaluation.latency`."""

    batch: int
    """Images of a call."""
    calls: int
    p50_s: float
    """Median seconds of a call, from uint8 pixels to probabilities."""
    p95_s: float | None = None
    """None: fewer than 20 calls."""
    p99_s: float | None = None
    """None: fewer than 100 calls."""
    images_per_s: float
    """Images over the time of all calls."""
    first_call_s: float
    """Of the first call, which traces and compiles."""


class Operation(Struct, frozen=True, kw_only=True, gc=False):
    """An operation in a trace."""

    op: str
    self_s: float
    share: float


class Profile(Struct, frozen=True, kw_only=True):
    """What traced training steps consist of, see `wbc.profiling.summary`."""

    steps: int
    wall_s: float
    input_stall: float | None
    """Share of the steps' time in which they waited for their batches."""
    kinds: dict[str, float]
    """Kind of operation -> share of all operations' own time."""
    top: tuple[Operation, ...]
    """The operations that take longest."""
    kernel_busy: float | None
    """Share of the time with at least one active kernel, mean over GPUs; None without GPUs."""
    copies_s: float | None
    trace: str
    """The file, below the attempt's folder."""


class ReferenceWork(Struct, frozen=True, kw_only=True, gc=False):
    """The same matrix product before and after training: a slow machine shows there."""

    before_gflops: float | None = None
    after_gflops: float | None = None
    reference_gflops: float | None = None
    """What it reached when the device was measured, with the same TensorFlow and settings."""
    before_clock_mhz: float | None = None
    """The GPU's highest SM clock meanwhile; None on a processor, and where it was not sampled."""
    after_clock_mhz: float | None = None


class Work(Struct, frozen=True, kw_only=True, gc=False):
    """What a network computes."""

    parameters: int | None = None
    trainable_parameters: int | None = None
    layers: int | None = None
    forward_macs: int | None = None
    """Multiply-accumulates of one image, forward."""
    forward_flops: int | None = None
    trained_forward_flops: int | None = None
    """Of one image in the part that is trained, forward: what validation computes."""
    training_flops: int | None = None
    """Of one image in a training step."""


class StepMemory(Struct, frozen=True, kw_only=True, gc=False):
    """Memory of a training step, computed from its graph, bytes; see `wbc.memory.step`."""

    weights: int
    gradients: int
    optimizer: int
    feature_maps: int
    workspace: int
    allocated: int
    kept_feature_maps: int
    total: int


class Growth(Struct, frozen=True, kw_only=True, gc=False):
    """How memory grew while training, see `bench.records.growth`."""

    mb_per_1000_steps: float
    """Of 10^6 bytes."""
    low: float
    """Bounds of its 95 % interval: `low` and `high`."""
    high: float
    base_bytes: int
    """The level that it grew from, after the warm-up."""
    steps: int
    """From the first reading that counts to the last one."""
    readings: int

    @property
    def factor(self) -> float:
        """The level after 1,000 steps over the one before."""
        return 1 + self.mb_per_1000_steps * 1e6 / self.base_bytes


class Memory(Struct, frozen=True, kw_only=True, gc=False):
    """Memory of training, bytes."""

    analytic: StepMemory | None = None
    allocator_peak: int | None = None
    process_peak: int | None = None
    device_peak: float | None = None
    """Of all GPUs of the slot."""
    residual: int | None = None
    """What the allocator counted beyond `analytic.allocated`."""
    host_growth: Growth | None = None
    """Of the resident memory of the process."""
    device_growth: Growth | None = None
    """Of what the framework's allocator had in use on the first GPU."""


class Utilization(Struct, frozen=True, kw_only=True, gc=False):
    """How much of what its device can do a trial used, see `bench.records.utilization`."""

    model_flops_per_s: float | None = None
    of_measured_peak: float | None = None
    measured_precision: str | None = None
    of_datasheet_peak_busy: float | None = None
    datasheet_precision: str | None = None
    of_measured_bandwidth: float | None = None
    """Of transfer learning: bytes that the optimizer must move in a step."""
    gpm_fp32: float | None = None
    gpm_tensor: float | None = None


class Energy(Struct, frozen=True, kw_only=True, gc=False):
    """Energy of all GPUs of the slot, joules, idle power included; see `bench.records.energy`."""

    trial_j: float | None = None
    train_j: float | None = None
    image_j: float | None = None
    """Of the phase `train`, for each image trained on."""
    method: str | None = None


class Summary(Struct, frozen=True, kw_only=True, gc=False):
    """A metric of telemetry in one phase."""

    mean: float | None = None
    p95: float | None = None
    max: float | None = None
    samples: int = 0


class DeviceTelemetry(Struct, frozen=True, kw_only=True):
    """Telemetry of one GPU."""

    phases: dict[str, dict[str, Summary]] = {}
    """Phase -> metric -> its summary."""
    counters: dict[str, dict[str, float]] = {}
    """Phase -> counter -> its growth."""
    unavailable: dict[str, str] = {}
    """Metric -> why it is missing."""
    methods: dict[str, str] = {}
    """Metric -> how it was measured."""


class Sampler(Struct, frozen=True, kw_only=True, gc=False):
    """What sampling itself cost."""

    cpu_s: float | None
    samples: int
    complete: bool
    """Whether every sampler lived to its end."""


class Contention(Struct, frozen=True, kw_only=True, gc=False):
    """Waiting for cores in one phase, against the phase's own calm times; see `bench.records.contention`."""

    calm: float
    """Share of waiting in calm times."""
    share: float
    """Share of the phase in which others had the cores."""


class Telemetry(Struct, frozen=True, kw_only=True):
    """What was sampled while a trial ran."""

    interval_s: float
    cores: int
    """Cores of the slot."""
    longest_line_s: float
    """Longest time that one line of samples stands for."""
    phases: dict[str, dict[str, Summary]] = {}
    """Phase -> metric -> its summary; of the host."""
    counters: dict[str, dict[str, float]] = {}
    unavailable: dict[str, str] = {}
    devices: dict[str, DeviceTelemetry] = {}
    """GPU -> its telemetry."""
    sampler: Sampler
    contention: dict[str, Contention] = {}
    """Phase -> how much others took."""
