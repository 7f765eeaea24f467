"""The keys of a suite file.

In `data`, `training` and `matrix` a list where a scalar is expected is a sweep. A key that a file leaves out is
None here; the defaults are in `bench.suite.combination`.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    model_validator,
)

from bench.suite.aliases import known_keys, moved
from bench.suite.values import (
    Amount,
    Duration,
    Fraction,
    NotNegative,
    Pixels,
    PositiveInt,
    Seed,
    Share,
    SuiteName,
    Sweep,
    Text,
    among,
    as_list,
    composed_classes,
    named,
    one_of,
    rate_or_search,
    switch,
    weights_of_classes,
)
from bench.trials.limits import Limits
from bench.trials.sampling import TelemetrySettings
from bench.trials.settings import LARGEST
from wbc.backends import BACKENDS
from wbc.data import BACKGROUNDS
from wbc.data.layout import FolderOptions
from wbc.data.reading import FITS, PLAIN, PROJECTIONS, Reading
from wbc.errors import InputError
from wbc.networks.users import BUILD
from wbc.optimizer import LEARNING_RATE, LEARNING_RATES, OPTIMIZERS, OptimizerSpecification
from wbc.optimizer_presets import PRESETS, preset
from wbc.protocols import CLOCKS, EVALUATIONS, LOSSES, PREPROCESSINGS, PROTOCOLS
from wbc.specification import (
    BEST,
    EXPLANATIONS,
    FORMATS,
    LOOPS,
    MODES,
    MONITORS,
    PRECISIONS,
    USUAL_AUGMENTATION,
    Augmentation,
    EarlyStopping,
)

SOURCES = ("synthetic", "bccd", "folder")
"""Where images come from."""


class Table(BaseModel):
    """A table of the file: unknown keys are errors, and nothing is converted. Keys may have other names."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _by_other_names(cls, keys: Any) -> Any:
        return known_keys(keys, cls.model_fields) if isinstance(keys, dict) else keys


class Optimizer(Table):
    """`optimizer = "Adam"` or `{ name = "RMSprop", learning_rate = 1e-5 }`, or a preset's name.

    `wbc.optimizer.ARGUMENTS` says which arguments belong to which optimizer.
    """

    name: Annotated[str, among(*OPTIMIZERS, *PRESETS)] = OptimizerSpecification.name
    learning_rate: Annotated[PositiveFloat | Literal["search"], rate_or_search()] | None = None
    learning_rate_decay: NotNegative | None = None
    weight_decay: NotNegative | None = None
    momentum: Fraction | None = None
    nesterov: bool | None = None
    rho: Fraction | None = None
    beta_1: Fraction | None = None
    beta_2: Fraction | None = None
    epsilon: PositiveFloat | None = None
    epsilon_outside: bool | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "Optimizer":
        if self.name not in PRESETS:
            self._spelled().check()
        elif others := self.model_fields_set - {"name"}:
            raise InputError(
                f"the preset {self.name!r} takes no {', '.join(sorted(others))}",
                f'Write optimizer = "{self.name}", or write the optimizer out.',
            )
        return self

    def specification(self, network: str) -> OptimizerSpecification:
        """The optimizer for a network; InputError if the preset has none for it."""
        if self.name in PRESETS:
            return preset(self.name, network)
        return self._spelled()

    def _spelled(self) -> OptimizerSpecification:
        """The thesis' optimizer if the table is empty; else Keras' learning rate for it, and no decay."""
        if not self.model_fields_set:
            return OptimizerSpecification()
        given = self.model_dump(exclude_none=True)
        decay = given.pop("learning_rate_decay", 0.0)
        usual: dict[str, Any] = {
            "learning_rate": LEARNING_RATES.get(self.name, LEARNING_RATE),
            "decay": decay,
        }
        return OptimizerSpecification(**(usual | given))


class EarlyStoppingTable(Table):
    """`early_stopping = true` or `{ patience = 10, monitor = "validation_loss", restore_best = true }`."""

    patience: PositiveInt = EarlyStopping.patience
    monitor: Annotated[str, among(*MONITORS)] = EarlyStopping.monitor
    restore_best: bool = EarlyStopping.restore_best


class AugmentationTable(Table):
    """`augmentation = true` or `{ rotation = 20, flip_vertical = true }`."""

    rotation: Annotated[float, Field(ge=0, le=180)] = Augmentation.rotation
    shift: Annotated[float, Field(ge=0, le=0.5)] = Augmentation.shift
    zoom: Annotated[float, Field(ge=0, le=0.5)] = Augmentation.zoom
    flip_horizontal: bool = Augmentation.flip_horizontal
    flip_vertical: bool = Augmentation.flip_vertical
    brightness: Annotated[float, Field(ge=0, le=1)] = Augmentation.brightness
    contrast: Annotated[float, Field(ge=0, le=1)] = Augmentation.contrast
    saturation: Annotated[float, Field(ge=0, le=1)] = Augmentation.saturation


class Backbone(BaseModel):
    """`backbone = "VGG16"` or `{ name = "MobileNet", alpha = 0.5 }`; the options belong to the network.

    `{ build = "package.module:function" }` is a network of the user's own. Its name is the function's unless
    another is given; see `wbc.networks.users`. `classifier` has the same form.
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
    def options(self) -> dict[str, object]:
        """The network's keyword arguments."""
        return dict(self.model_extra or {})


class SuiteTable(Table):
    """`[suite]`: its name, the seeds of its replicates, what is kept and what is asked for of each trial."""

    name: SuiteName | None = None
    description: str = ""
    seeds: Sweep[Seed] = [0]
    export: Annotated[list[Annotated[str, among(*FORMATS)]], BeforeValidator(as_list)] = []
    explain: Annotated[list[Annotated[str, among(*EXPLANATIONS)]], BeforeValidator(as_list)] = []
    save_model: Annotated[bool | Literal["best"], one_of(True, False, BEST)] = BEST
    targets: Annotated[list[Share], BeforeValidator(as_list)] = []
    margin: Annotated[float, Field(gt=0, le=50)] = 2.0
    """Points of accuracy: in the answer of the report, smaller differences do not count."""


class DataKeys(Table):
    """The keys of `[data]` that may be sweeps. Some belong to one source: see `bench.suite.matrix`."""

    source: Sweep[Annotated[str, among(*SOURCES)]] | None = None
    image_size: Sweep[Pixels] | None = None
    preprocessing: Sweep[Annotated[str, among(*PREPROCESSINGS)]] | None = None
    split_seed: Sweep[Seed] | None = None
    data_seed: Sweep[Seed] | None = None
    train_images_per_class: Sweep[PositiveInt] | None = None
    validation_images_per_class: Sweep[PositiveInt] | None = None
    test_images_per_class: Sweep[PositiveInt] | None = None
    margin: Sweep[Annotated[float, Field(ge=0, le=2)]] | None = None
    background: Sweep[Annotated[str, among(*BACKGROUNDS)]] | None = None
    test_cells_per_class: Sweep[PositiveInt] | None = None
    test_copies: Sweep[PositiveInt] | None = None
    basophils: Sweep[bool] | None = None


class DataTable(DataKeys):
    """`[data]`: the images. Most keys are about the user's own folder: see `bench.suite.matrix.OF_ANY`."""

    path: Text | None = None
    test_path: Text | None = None
    max_images_per_class: PositiveInt | None = None
    groups: Annotated[dict[str, list[str]] | None, BeforeValidator(composed_classes)] = None
    white: PositiveFloat | None = None
    black: float | None = None
    pages: (
        Annotated[PositiveInt | Literal["max", "mean", "min"], one_of(*PROJECTIONS, number=True)] | None
    ) = None
    fit: Annotated[str, among(*FITS)] | None = None
    folds: Annotated[int, Field(ge=2, le=100)] | None = None
    group: Text | None = None
    labels: Text | None = None
    file_column: Text | None = None
    label_column: Text | None = None
    split_column: Text | None = None
    group_column: Text | None = None

    def options(self) -> FolderOptions:
        """What the folder does not say of itself.

        Raises:
            InputError: The keys contradict each other.
        """
        return FolderOptions(
            self.group, self.labels, self.file_column, self.label_column, self.split_column, self.group_column
        )

    def reading(self) -> Reading:
        """How its files become pixels.

        Raises:
            InputError: The keys contradict each other.
        """
        return Reading(self.white, self.black or 0.0, self.pages, self.fit or PLAIN.fit)


class TrainingTable(Table):
    """`[training]`: settings of all trials, unless a block overrides them."""

    mode: Sweep[Annotated[str, among(*MODES)]] | None = None
    epochs: Sweep[PositiveInt] | None = None
    weights: Sweep[Text] | None = None
    batch_size: Sweep[Annotated[PositiveInt | Literal["largest"], one_of(LARGEST, number=True)]] | None = None
    optimizer: Sweep[Annotated[Optimizer, BeforeValidator(named)]] | None = None
    l1: Sweep[NotNegative] | None = None
    l2: Sweep[NotNegative] | None = None
    dropout: Sweep[Fraction] | None = None
    class_weight: (
        Sweep[Annotated[Literal[False, "balanced"] | dict[str, float], BeforeValidator(weights_of_classes)]]
        | None
    ) = None
    classifier: Sweep[Annotated[Backbone, BeforeValidator(named)]] | None = None
    early_stopping: (
        Sweep[Annotated[Literal[False] | EarlyStoppingTable, switch(EarlyStoppingTable, EarlyStopping())]]
        | None
    ) = None
    augmentation: (
        Sweep[Annotated[Literal[False] | AugmentationTable, switch(AugmentationTable, USUAL_AUGMENTATION)]]
        | None
    ) = None
    head_epochs: Sweep[Annotated[int, Field(ge=0)]] | None = None
    unfreeze: Sweep[Annotated[PositiveInt | Literal["all"], one_of("all", number=True)]] | None = None
    freeze_batch_norm: Sweep[bool] | None = None
    finetune_optimizer: Sweep[Annotated[Optimizer, BeforeValidator(named)]] | None = None
    deterministic: Sweep[bool] | None = None
    jit_compile: Sweep[Annotated[bool | Literal["auto"], one_of(True, False, "auto")]] | None = None
    backend: Sweep[Annotated[str, among(*BACKENDS)]] | None = None
    precision: Sweep[Annotated[str, among(*PRECISIONS)]] | None = None
    steps_per_execution: Sweep[PositiveInt] | None = None
    loop: Sweep[Annotated[Literal["fit", "compiled"], among(*LOOPS)]] | None = None


class ThesisTable(Table):
    """`[thesis]`, and `thesis` of a block: what only a repetition of the thesis of 2018 needs."""

    protocol: Sweep[Annotated[str, among(*PROTOCOLS)]] | None = None
    loss: Sweep[Annotated[str, among(*LOSSES)]] | None = None
    binary_accuracy: Sweep[bool] | None = None
    evaluation: Sweep[Annotated[str, among(*EVALUATIONS)]] | None = None
    clock: Sweep[Annotated[str, among(*CLOCKS)]] | None = None


class WeightsTable(Table):
    """`[weights]`: the folder in which pretrained weights are looked for first."""

    path: Text | None = None


class MatrixBlock(DataKeys, TrainingTable):
    """`[[matrix]]`: a product of sweeps. Keys of `[data]` and `[training]` may stand here as well."""

    backbone: Sweep[Annotated[Backbone, BeforeValidator(named)]]
    thesis: ThesisTable = ThesisTable()


class DevicesTable(Table):
    """`[devices]`: where trials run. `--devices` overrides `use`."""

    use: Annotated[list[str], BeforeValidator(as_list), Field(min_length=1)] = ["all"]
    gpus_per_trial: Annotated[int, Field(ge=1, le=16)] = 1
    accelerator: Text | None = None
    exclusive: bool = False


class LimitsTable(Table):
    """`[limits]`: how long trials may take, and how often they are retried. Not part of a trial's identity."""

    trial: Duration | None = None
    stall: Duration = Limits.stall_s
    retries: Annotated[int, Field(ge=0, le=100)] = Limits.retries
    checkpoint: Duration | None = Limits.checkpoint_s
    checkpoint_epochs: PositiveInt | None = None
    quiet: Duration = Limits.quiet_s

    def limits(self, exclusive: bool) -> Limits:
        """As the scheduler takes them.

        Args:
            exclusive: Of `[devices]`.
        """
        return Limits(
            trial_s=self.trial,
            stall_s=self.stall,
            retries=self.retries,
            checkpoint_s=None if self.checkpoint_epochs else self.checkpoint,
            checkpoint_epochs=self.checkpoint_epochs,
            exclusive=exclusive,
            quiet_s=self.quiet,
        )


class TelemetryTable(Table):
    """`[telemetry]`: how trials are sampled. Not part of a trial's identity."""

    enabled: bool = TelemetrySettings.enabled
    interval: Annotated[Duration, Field(ge=0.02, le=60)] = TelemetrySettings.interval_s
    off_every: Annotated[int, Field(ge=2, le=10**6)] | None = TelemetrySettings.off_every
    reference_work: bool = True
    latency: bool = True

    def settings(self) -> TelemetrySettings:
        """As the engine takes them."""
        return TelemetrySettings(self.interval, self.enabled, self.off_every)


class ProfileTable(Table):
    """`[profile]`: training steps that are traced at the end. Not part of a trial's identity."""

    steps: Annotated[int, Field(ge=1, le=1000)] | None = None


class CacheTable(Table):
    """`[cache]`: what trials share, so that it is computed once. Not part of a trial's identity."""

    features: bool = False
    pixels: bool = False
    share_prefix: bool = False
    limit: Amount = 20 * 10**9
    path: Text | None = None


class SuiteFile(Table):
    """A whole suite file. Every key except `matrix` has a default."""

    suite: SuiteTable = SuiteTable()
    data: DataTable = DataTable()
    training: TrainingTable = TrainingTable()
    thesis: ThesisTable = ThesisTable()
    weights: WeightsTable = WeightsTable()
    devices: DevicesTable = DevicesTable()
    limits: LimitsTable = LimitsTable()
    telemetry: TelemetryTable = TelemetryTable()
    profile: ProfileTable = ProfileTable()
    cache: CacheTable = CacheTable()
    matrix: Annotated[list[MatrixBlock], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _at_their_places(cls, content: Any) -> Any:
        return moved(content) if isinstance(content, dict) else content
