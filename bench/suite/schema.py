"""The keys of a suite file.

In `data`, `training` and `matrix` a list where a scalar is expected is an axis. What a file leaves out
is None here; `bench.suite.matrix` holds the defaults.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    StringConstraints,
    model_validator,
)

from bench.suite.values import (
    Axis,
    Duration,
    NotNegative,
    Pixels,
    PositiveInt,
    Seed,
    Share,
    as_list,
    named,
    one_of,
    switch,
)
from bench.trials.limits import Limits
from bench.trials.sampling import TelemetrySettings
from wbc.backends import BACKENDS
from wbc.data import BACKGROUNDS
from wbc.errors import InputError
from wbc.networks.users import BUILD
from wbc.optimizer import LEARNING_RATE, LEARNING_RATES, OPTIMIZERS, OptimizerSpecification
from wbc.protocols import CLOCKS, EVALUATIONS, LOSSES, PREPROCESSINGS, PROTOCOLS
from wbc.recipes import PRESETS, preset
from wbc.specification import MODES, MONITORS, USUAL_AUGMENTATION, Augmentation, EarlyStopping


class Table(BaseModel):
    """A table of the file: unknown keys are errors, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Optimizer(Table):
    """`optimizer = "Adam"` or `{ name = "RMSprop", learning_rate = 1e-5, decay = 1e-3 }`, or a preset's name.

    Which arguments belong to which optimiser: `wbc.optimizer.ARGUMENTS`.
    """

    name: Literal[(*OPTIMIZERS, *PRESETS)] = OptimizerSpecification.name
    learning_rate: PositiveFloat | None = None
    decay: NotNegative | None = None
    weight_decay: NotNegative | None = None
    momentum: Share | None = None
    nesterov: bool | None = None
    rho: Share | None = None
    beta_1: Share | None = None
    beta_2: Share | None = None
    epsilon: PositiveFloat | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "Optimizer":
        if self.name not in PRESETS:
            self._spelled().check()
        elif others := self.model_fields_set - {"name"}:
            raise InputError(
                f"the preset {self.name!r} takes no {', '.join(sorted(others))}",
                f'Write optimizer = "{self.name}", or spell the optimiser out.',
            )
        return self

    def specification(self, network: str) -> OptimizerSpecification:
        """The optimiser for a network; InputError where a preset has none for it."""
        if self.name in PRESETS:
            return preset(self.name, network)
        return self._spelled()

    def _spelled(self) -> OptimizerSpecification:
        """The thesis' where a suite names none; who names one gets Keras' rate for it, and no decay."""
        if not self.model_fields_set:
            return OptimizerSpecification()
        usual = {"learning_rate": LEARNING_RATES.get(self.name, LEARNING_RATE), "decay": 0.0}
        return OptimizerSpecification(**(usual | self.model_dump(exclude_none=True)))


class EarlyStoppingTable(Table):
    """`early_stopping = true` or `{ patience = 10, monitor = "validation_loss", restore_best = true }`."""

    patience: PositiveInt = EarlyStopping.patience
    monitor: Literal[MONITORS] = EarlyStopping.monitor
    restore_best: bool = EarlyStopping.restore_best


class AugmentationTable(Table):
    """`augmentation = true` or `{ rotation = 20, flip_vertical = true }`; what is not named stays."""

    rotation: Annotated[float, Field(ge=0, le=180)] = Augmentation.rotation
    shift: Annotated[float, Field(ge=0, le=0.5)] = Augmentation.shift
    zoom: Annotated[float, Field(ge=0, le=0.5)] = Augmentation.zoom
    flip_horizontal: bool = Augmentation.flip_horizontal
    flip_vertical: bool = Augmentation.flip_vertical
    brightness: Annotated[float, Field(ge=0, le=1)] = Augmentation.brightness
    contrast: Annotated[float, Field(ge=0, le=1)] = Augmentation.contrast
    saturation: Annotated[float, Field(ge=0, le=1)] = Augmentation.saturation


class Backbone(BaseModel):
    """`backbone = "VGG16"` or `{ name = "MobileNet", alpha = 0.5 }`; options are the network's own.

    `{ build = "package.module:function" }` is a network of the user's, called as its function unless it has
    a name; see `wbc.networks.users`.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    name: str

    @model_validator(mode="before")
    @classmethod
    def _called_as_its_function(cls, keys: Any) -> Any:
        if isinstance(keys, dict) and "name" not in keys and isinstance(keys.get(BUILD), str):
            return {"name": keys[BUILD].rpartition(":")[2], **keys}
        return keys

    @property
    def options(self) -> dict:
        """The network's keyword arguments."""
        return dict(self.model_extra or {})


class SuiteTable(Table):
    """`[suite]`: what the suite is called, the seeds of its repeats, and whether models are kept."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")] | None = None
    description: str = ""
    seeds: Axis[Seed] = [0]
    save_model: bool = False


class DataAxes(Table):
    """The keys of `[data]` that may be axes. Some belong to one source: see `bench.trials.datasets`."""

    source: Axis[Literal["synthetic", "bccd", "folder"]] | None = None
    image_size: Axis[Pixels] | None = None
    preprocessing: Axis[Literal[PREPROCESSINGS]] | None = None
    split_seed: Axis[Seed] | None = None
    data_seed: Axis[Seed] | None = None
    train_images_per_class: Axis[PositiveInt] | None = None
    validation_images_per_class: Axis[PositiveInt] | None = None
    test_images_per_class: Axis[PositiveInt] | None = None
    margin: Axis[Annotated[float, Field(ge=0, le=2)]] | None = None
    background: Axis[Literal[BACKGROUNDS]] | None = None
    test_cells_per_class: Axis[PositiveInt] | None = None
    test_copies: Axis[PositiveInt] | None = None


class DataTable(DataAxes):
    """`[data]`: the images."""

    path: str | None = None
    groups: dict[str, list[str]] | None = None


class TrainingAxes(Table):
    """The keys of `[training]`: what trials share unless their block says otherwise."""

    mode: Axis[Literal[MODES]] | None = None
    epochs: Axis[PositiveInt] | None = None
    weights: Axis[str] | None = None
    batch_size: Axis[PositiveInt] | None = None
    optimizer: Axis[Annotated[Optimizer, BeforeValidator(named)]] | None = None
    protocol: Axis[Literal[PROTOCOLS]] | None = None
    loss: Axis[Literal[LOSSES]] | None = None
    binary_accuracy: Axis[bool] | None = None
    evaluation: Axis[Literal[EVALUATIONS]] | None = None
    clock: Axis[Literal[CLOCKS]] | None = None
    l1: Axis[NotNegative] | None = None
    l2: Axis[NotNegative] | None = None
    dropout: Axis[Share] | None = None
    early_stopping: (
        Axis[Annotated[Literal[False] | EarlyStoppingTable, switch(EarlyStoppingTable, EarlyStopping())]]
        | None
    ) = None
    augmentation: (
        Axis[Annotated[Literal[False] | AugmentationTable, switch(AugmentationTable, USUAL_AUGMENTATION)]]
        | None
    ) = None
    head_epochs: Axis[Annotated[int, Field(ge=0)]] | None = None
    unfreeze: Axis[Annotated[PositiveInt | Literal["all"], one_of("all", number=True)]] | None = None
    freeze_batch_norm: Axis[bool] | None = None
    finetune_optimizer: Axis[Annotated[Optimizer, BeforeValidator(named)]] | None = None
    deterministic: Axis[bool] | None = None
    jit_compile: Axis[Annotated[bool | Literal["auto"], one_of(True, False, "auto")]] | None = None
    backend: Axis[Literal[BACKENDS]] | None = None


class WeightsTable(Table):
    """`[weights]`: the folder in which pretrained weights are looked for first."""

    path: str | None = None


class MatrixBlock(DataAxes, TrainingAxes):
    """`[[matrix]]`: a product of axes. Keys of `[data]` and `[training]` may stand here as well."""

    backbone: Axis[Annotated[Backbone, BeforeValidator(named)]]


class DevicesTable(Table):
    """`[devices]`: where trials run. `--devices` goes before `use`."""

    use: Annotated[list[str], BeforeValidator(as_list), Field(min_length=1)] = ["all"]
    gpus_per_trial: Annotated[int, Field(ge=1, le=16)] = 1
    exclusive: bool = False


class LimitsTable(Table):
    """`[limits]`: how long trials may take, and how often they are tried. No part of what a trial is."""

    trial: Duration | None = None
    stall: Duration = Limits.stall_s
    retries: Annotated[int, Field(ge=0, le=100)] = Limits.retries
    checkpoint: Duration = Limits.checkpoint_s
    checkpoint_epochs: PositiveInt | None = None
    quiet: Duration = Limits.quiet_s

    def limits(self) -> Limits:
        """As the scheduler takes them."""
        return Limits(
            trial_s=self.trial,
            stall_s=self.stall,
            retries=self.retries,
            checkpoint_s=None if self.checkpoint_epochs else self.checkpoint,
            checkpoint_epochs=self.checkpoint_epochs,
            quiet_s=self.quiet,
        )


class TelemetryTable(Table):
    """`[telemetry]`: how trials are sampled. No part of what a trial is."""

    enabled: bool = TelemetrySettings.enabled
    interval: Annotated[Duration, Field(ge=0.02, le=60)] = TelemetrySettings.interval_s
    off_every: Annotated[int, Field(ge=2, le=10**6)] | None = TelemetrySettings.off_every
    reference_work: bool = True

    def settings(self) -> TelemetrySettings:
        """As the engine takes them."""
        return TelemetrySettings(self.interval, self.enabled, self.off_every)


class ProfileTable(Table):
    """`[profile]`: steps of training that are traced after everything else. No part of what a trial is."""

    steps: Annotated[int, Field(ge=1, le=1000)] | None = None


class SuiteFile(Table):
    """A whole suite file. Every key has a default but `matrix`."""

    suite: SuiteTable = SuiteTable()
    data: DataTable = DataTable()
    training: TrainingAxes = TrainingAxes()
    weights: WeightsTable = WeightsTable()
    devices: DevicesTable = DevicesTable()
    limits: LimitsTable = LimitsTable()
    telemetry: TelemetryTable = TelemetryTable()
    profile: ProfileTable = ProfileTable()
    matrix: Annotated[list[MatrixBlock], Field(min_length=1)]
