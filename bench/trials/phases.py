"""How long each phase of an attempt took, and what it reports beside its times."""

from collections.abc import Iterator

from msgspec import Struct


class Times(Struct, frozen=True, kw_only=True):
    """Seconds by two clocks."""

    wall_s: float
    cpu_s: float
    """Processor time of the worker, all threads together."""


class Phase(Times, frozen=True, kw_only=True, omit_defaults=True):
    """A phase that reports nothing but its times."""


class SharedPhase(Phase, frozen=True, kw_only=True, omit_defaults=True):
    """A phase whose work trials may share: `features`, or `data`."""

    as_run_s: float | None = None
    """What the phase took in this trial, by the wall. Of a trial that may use the work of others, `wall_s` and `cpu_s`
    are what that took when it was done: as if every trial had done its own. None: they are its own."""
    as_run_cpu_s: float | None = None
    made_by: str | None = None
    """The attempt that did it, where it was another one: its trial and its number."""
    not_shared: str | None = None
    """Why it is not in the cache, where it should be."""


class DataPhase(SharedPhase, frozen=True, kw_only=True, omit_defaults=True):
    """Reading the images."""

    train_images: int | None = None
    validation_images: int | None = None
    test_images: int | None = None
    data_digest: str | None = None
    """Of the manifest that was read."""


class BuildPhase(Phase, frozen=True, kw_only=True, omit_defaults=True):
    """Building the network."""

    parameters: int | None = None
    trainable_parameters: int | None = None
    layers: int | None = None
    forward_macs: int | None = None
    forward_flops: int | None = None
    trained_forward_flops: int | None = None
    training_flops: int | None = None
    work_unavailable: str | None = None
    """Why the work is not known."""


class FeaturesPhase(SharedPhase, frozen=True, kw_only=True, omit_defaults=True):
    """Extracting features with a frozen backbone, or measuring them for a classical method."""

    images: int | None = None
    bytes: int | None = None
    """Size of all features."""
    plausible: float | None = None
    """Classical methods on cells: share of the images in which a nucleus may have been found."""


class SearchPhase(Phase, frozen=True, kw_only=True, omit_defaults=True):
    """A range test for the learning rate."""

    learning_rate: float | None = None
    """The one that is taken."""
    steps: int | None = None
    curve: tuple[tuple[float, float], ...] = ()
    """Learning rate and loss of each step."""


class CompilePhase(Phase, frozen=True, kw_only=True, omit_defaults=True):
    """Compiling the model, up to the end of its first step."""

    batch_size: int | None = None
    """Images per step; with `batch_size = "largest"` what that came to."""
    jit_compile: bool | None = None
    steps_per_execution: int | None = None
    """Steps in one call; as many as divide the steps of an epoch, and no more than were asked for."""
    asynchronous_callbacks: bool | None = None
    first_step_s: float | None = None


class TrainPhase(Phase, frozen=True, kw_only=True, omit_defaults=True):
    """Training after the first step. The parts in seconds add up to the phase."""

    images: int | None = None
    """Trained on, each epoch anew."""
    steps: int | None = None
    steps_s: float | None = None
    """Steps, without waiting for their batches."""
    data_wait_s: float | None = None
    validation_s: float | None = None
    checkpoint_s: float | None = None
    checkpoint_cpu_s: float | None = None
    """Processor time of checkpoints; no part of the seconds above and below."""
    recompile_s: float | None = None
    """First steps of later stages."""
    between_s: float | None = None
    """Between steps, validation and checkpoints."""
    ending_s: float | None = None
    best_epoch: int | None = None
    """With early stopping; counted from 1."""
    stopped_early: bool | None = None


class EvaluatePhase(Phase, frozen=True, kw_only=True, omit_defaults=True):
    """Predicting the test split and computing its metrics."""

    images: int | None = None
    model_bytes: int | None = None
    inference_s: float | None = None
    """Seconds an image, median over batches."""
    inference_batch_size: int | None = None
    inference_batches: int | None = None


class ExplainPhase(Phase, frozen=True, kw_only=True, omit_defaults=True):
    """Making pictures of what the network looks at."""

    images: int | None = None
    """Pictures that were made."""
    unavailable: str | None = None


class Exported(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The trained network in another format, and what it says of the test images."""

    name: str
    """The format."""
    file: str | None = None
    """In the folder of the attempt."""
    bytes: int | None = None
    images: int | None = None
    """Test images that it was asked about, one at a time."""
    accuracy: float | None = None
    agreement: float | None = None
    """Share of the test images of which it says what the network says."""
    latency_s: float | None = None
    """Seconds for one image, median."""
    unavailable: str | None = None
    """Why there is none."""


class ExportPhase(Phase, frozen=True, kw_only=True, omit_defaults=True):
    """Exporting the network to other formats."""

    exports: tuple[Exported, ...] = ()
    unavailable: str | None = None


class ReferencePhase(Phase, frozen=True, kw_only=True, omit_defaults=True):
    """Measuring the reference work, before and after."""

    gflops: float | None = None
    rounds: int | None = None
    size: int | None = None
    unavailable: str | None = None


class Phases(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The phases that an attempt reached, in the order in which they run; None: not reached, or none."""

    startup: Phase | None = None
    reference_work: ReferencePhase | None = None
    data: DataPhase | None = None
    build: BuildPhase | None = None
    features: FeaturesPhase | None = None
    search: SearchPhase | None = None
    compile: CompilePhase | None = None
    train: TrainPhase | None = None
    evaluate: EvaluatePhase | None = None
    latency: Phase | None = None
    explain: ExplainPhase | None = None
    save: Phase | None = None
    export: ExportPhase | None = None
    profile: Phase | None = None
    teardown: Phase | None = None

    def items(self) -> Iterator[tuple[str, Phase]]:
        """Name and phase of those that were reached."""
        for name in self.__struct_fields__:
            phase: Phase | None = getattr(self, name)
            if phase is not None:
                yield name, phase

    def shared(self) -> dict[str, SharedPhase]:
        """Those that were reached and whose work trials may share."""
        return {name: phase for name, phase in self.items() if isinstance(phase, SharedPhase)}

    def names(self) -> tuple[str, ...]:
        """The phases that were reached."""
        return tuple(name for name, _ in self.items())

    def get(self, name: str) -> Phase | None:
        """A phase by its name; None where it was not reached, or no phase is called so."""
        return getattr(self, name) if name in self.__struct_fields__ else None
