"""The plain description of one experiment, which a harness passes as JSON. Free of Keras."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wbc.backends import ONLY_TENSORFLOW
from wbc.errors import InputError
from wbc.optimizer import OptimizerSpecification
from wbc.protocols import ProtocolSettings

MODES = ("transfer", "scratch", "finetune", "features", "classical")
"""`transfer`: features of a frozen backbone, extracted once, and a head trained on them.
`scratch`: the whole network, from random weights.
`finetune`: a head on a frozen backbone, then both together.
`features`: features of a frozen backbone, extracted once, and a method of scikit-learn on them.
`classical`: features measured on the leukocyte, and a method of scikit-learn."""

PRETRAINED_MODES = frozenset({"transfer", "finetune", "features"})
"""Modes that start from the weights of a backbone."""

KERAS_FREE_MODES: frozenset[str] = frozenset({"classical"})
"""Modes that load no deep-learning framework."""

FITTED_MODES = KERAS_FREE_MODES | {"features"}
"""Modes whose classifier is fitted by scikit-learn, in no epochs. It is no network, so no model is kept."""

BEST: Literal["best"] = "best"
"""Models are saved, and the harness removes those that nobody will use."""

LOOPS = ("fit", "compiled")
"""How the head of transfer learning is trained. `fit`: Keras' own loop. `compiled`: an epoch over features that
stay on the device, in one compiled call (`wbc.training.compiled`)."""

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
"""Keras' policies. With the mixed ones layers compute in half precision; weights stay in float32."""

HEAD_UNITS = 256
"""Units of the dense layer in the head on a backbone: appendix F of the thesis."""

MONITORS = ("validation_loss", "validation_accuracy", "loss", "accuracy")
"""The values that early stopping can monitor."""


@dataclass(frozen=True)
class EarlyStopping:
    """Training stops when a monitored value no longer improves."""

    patience: int = 10
    """Training stops after this many epochs without improvement."""
    monitor: str = "validation_loss"
    """One of `MONITORS`."""
    restore_best: bool = True
    """Restore the weights of the best epoch, even if training ran to its last epoch."""


@dataclass(frozen=True)
class Augmentation:
    """Random changes of each training image, drawn again in every epoch. The defaults change nothing."""

    rotation: float = 0.0
    """Largest angle in degrees, in both directions."""
    shift: float = 0.0
    """Largest shift as a fraction of the side, in both directions of both axes."""
    zoom: float = 0.0
    """Largest change of scale as a fraction, up or down."""
    flip_horizontal: bool = False
    """Mirror left and right with a probability of one half."""
    flip_vertical: bool = False
    """Mirror top and bottom with a probability of one half."""
    brightness: float = 0.0
    """Largest change as a fraction of the full scale, up or down."""
    contrast: float = 0.0
    """Largest change around the image's mean gray as a fraction, up or down."""
    saturation: float = 0.0
    """Largest change as a fraction, up or down."""


USUAL_AUGMENTATION = Augmentation(
    rotation=20.0,
    shift=0.1,
    flip_horizontal=True,
    flip_vertical=True,
    brightness=0.08,
    contrast=0.12,
    saturation=0.15,
)
"""The meaning of `augmentation = true`: the changes that the thesis made to its images beforehand (section
5.2). Its color changes are as small as those of `wbc.data.pipeline.augmentation`."""


@dataclass(frozen=True)
class WeightsSource:
    """Where the weights of one backbone are."""

    kind: str
    """Which of five:

    - `random`: random weights, no file
    - `folder`: a file in the weights folder
    - `keras-cache`: a file that Keras downloaded earlier
    - `file`: a file of the user's
    - `download`: not on this machine yet
    """
    path: Path | None = None
    """The file. For `download` the file that Keras would write; None for `random`."""
    url: str | None = None
    """Where Keras downloads the file from; None for a file of the user's."""
    sha256: str | None = None
    """Hash of the file's bytes; None without a file."""
    searched: tuple[Path, ...] = ()
    """The files that were looked for, in order."""


@dataclass(frozen=True)
class FittedClassifier:
    """The method of scikit-learn on the features of a network."""

    name: str = "SVM"
    """Of a method of `wbc.classical.catalog`."""
    options: dict[str, Any] = field(default_factory=dict)
    """Its options, such as `C`."""


@dataclass(frozen=True)
class Checkpointing:
    """Where and how often training writes a checkpoint to resume from."""

    folder: Path
    """Folder of the checkpoint. Each new one replaces the last."""
    every_epochs: int | None = None
    """Write one after this many epochs, or None."""
    every_s: float | None = None
    """Write one at the first end of an epoch after this many seconds, or None."""
    at_end: bool = False
    """Write one after the last epoch too: an experiment with more epochs goes on from it."""
    tag: str = ""
    """Name of the attempt that writes. A later attempt that resumes reports it."""


@dataclass(frozen=True)
class Profiling:
    """Training steps that TensorFlow's profiler traces after the evaluation."""

    folder: Path
    """Folder of the trace, laid out for TensorBoard."""
    steps: int
    """How many steps."""


GRAD_CAM, FILTERS = "grad-cam", "filters"
EXPLANATIONS = (GRAD_CAM, FILTERS)
"""`grad-cam`: where the network looks, for misclassified test images. `filters`: its first filters, and maps."""


def picture_of(file: str) -> str:
    """Name of the picture of a test image: files of one name may lie in several folders."""
    return f"{hashlib.sha256(file.encode()).hexdigest()[:16]}.png"


@dataclass(frozen=True)
class Explaining:
    """Pictures of what a network looks at, made after the evaluation."""

    folder: Path
    """Gets the pictures."""
    what: tuple[str, ...]
    """Some of `EXPLANATIONS`."""


ONNX, LITERT_INT8 = "onnx", "litert-int8"
FORMATS = (ONNX, LITERT_INT8)
"""Formats that networks can be exported to."""


@dataclass(frozen=True)
class Exporting:
    """Other formats of the trained network, made after the evaluation."""

    folder: Path
    """Gets the files."""
    formats: tuple[str, ...]
    """Some of `FORMATS`."""


@dataclass(frozen=True)
class FeatureCache:
    """Where features of frozen backbones are kept, so that other trials need not extract them again; and pixels."""

    folder: Path
    """Gets a folder for each set of features."""
    limit_bytes: int
    """What it may take in all."""
    tag: str = ""
    """Name of the attempt that uses it."""
    made_on: Mapping[str, Any] = field(default_factory=dict)
    """What runs the experiment, as JSON values: features that were made on anything else are others."""
    features: bool = True
    """Whether features are kept."""
    pixels: bool = False
    """Whether decoded pixels are."""


@dataclass(frozen=True)
class Specification:
    """One experiment."""

    data_folder: Path
    """Folder that the files of the manifest are relative to."""
    manifest: Path
    """The manifest of the data set."""
    image_size: int
    """Height and width of the network's input in pixels."""
    network: str
    """Name of a network or method, see `wbc.backbones`."""
    mode: str
    """One of `MODES`."""
    epochs: int = 0
    """Passes over the training split; 0 for modes without epochs. For fine-tuning, those of the second
    stage."""
    preprocessing: str = ProtocolSettings.preprocessing
    """One of `wbc.protocols.PREPROCESSINGS`."""
    options: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the network, such as `alpha`."""
    weights: WeightsSource | None = None
    """Weights of the backbone, for transfer learning and fine-tuning; None for random ones."""
    batch_size: int = 16
    """Images per step."""
    optimizer: OptimizerSpecification = field(default_factory=OptimizerSpecification)
    """The optimizer and its learning rate."""
    seed: int = 0
    """Seeds the initial weights, dropout and the order of the images."""
    loss: str = ProtocolSettings.loss
    """One of `wbc.protocols.LOSSES`."""
    binary_accuracy: bool = ProtocolSettings.binary_accuracy
    """Report binary accuracy as well: the fraction of all (image, class) pairs whose probability is on the
    right side of 1/2."""
    evaluation: str = ProtocolSettings.evaluation
    """One of `wbc.protocols.EVALUATIONS`."""
    l1: float = 0.0
    """Factor of the L1 penalty: the sum of the absolute values of all trained kernels."""
    l2: float = 0.0
    """Factor of the L2 penalty: the sum of the squares of all trained kernels."""
    dropout: float = 0.5
    """Dropout rate in the head of transfer learning and fine-tuning."""
    class_weight: Literal["balanced"] | dict[str, float] | None = None
    """How much training images of each class count in the loss; None: all the same. `balanced`: classes count
    the same, however many images they have. A table names classes; those that it does not name weigh 1."""
    classifier: FittedClassifier | None = None
    """In mode `features`, the method that is fitted."""
    early_stopping: EarlyStopping | None = None
    """When to stop before the last epoch; None: never."""
    augmentation: Augmentation | None = None
    """How training images change in every epoch; None: not at all."""
    head_epochs: int = 10
    """Fine-tuning: epochs of the first stage, with a frozen backbone."""
    unfreeze: int | Literal["all"] = "all"
    """Fine-tuning: how many layers of the backbone the second stage trains, or `all`."""
    freeze_batch_norm: bool = True
    """Fine-tuning: keep batch normalization as it was pretrained."""
    finetune_optimizer: OptimizerSpecification | None = None
    """Optimizer of the second stage; None: the first one at a tenth of its learning rate."""
    deterministic: bool = False
    """Ask the backend for operations that give the same bits in every run."""
    jit_compile: bool | Literal["auto"] = "auto"
    """Whether XLA compiles the training step. With `auto` Keras decides: off on CPUs and with replicas. The
    phase `compile` reports the outcome."""
    precision: str = "float32"
    """One of `PRECISIONS`."""
    steps_per_execution: int = 1
    """Most steps of training in one call of the backend. As many are taken as divide the steps of an epoch."""
    loop: Literal["fit", "compiled"] = "fit"
    """Of transfer learning, one of `LOOPS`."""
    replicas: int = 1
    """Number of devices that share each batch."""
    backend: str = "tensorflow"
    """One of `wbc.backends.BACKENDS`. Keras must have been loaded with it."""
    checkpoint: Checkpointing | None = None
    """How this training can be resumed; None: not at all."""
    save_model: bool | Literal["best"] = False
    """Hand over the trained model, so that it can be saved; `BEST` means the same here."""
    reference_work: bool = False
    """Time the same small work before and after the experiment (`wbc.reference_work`)."""
    external_folder: Path | None = None
    """Folder of the images of an external test; None: there is none."""
    external_manifest: Path | None = None
    """The manifest of the external test; its images are those of its test split."""
    latency: bool = False
    """Time predictions of single images and of batches after the evaluation (`wbc.evaluation.latency`)."""
    targets: Sequence[float] | None = None
    """Validation accuracies whose time is asked for, shares of 1. Nothing in training depends on them."""
    explain: Explaining | None = None
    """Which pictures of what it looks at are made; None: none."""
    export: Exporting | None = None
    """To which formats it is exported; None: to none."""
    profile: Profiling | None = None
    """The steps to trace at the end; None: none."""
    feature_cache: FeatureCache | None = None
    """Where features of a frozen backbone, and pixels, are shared; None: each trial makes its own."""

    def check_backend(self) -> None:
        """Raise InputError if another backend is asked for something that only TensorFlow supports."""
        for name, (harmless, reason) in ONLY_TENSORFLOW.items():
            if self.backend != "tensorflow" and getattr(self, name) != harmless:
                setting = f"{name} = {getattr(self, name)}"
                raise InputError(
                    f"{setting} is not supported by backend = {self.backend!r}: {reason}",
                    f'Remove {name}, or set backend = "tensorflow".',
                )

    @property
    def uses_keras(self) -> bool:
        """Whether the experiment needs Keras and its backend."""
        return self.mode not in KERAS_FREE_MODES

    @property
    def second_optimizer(self) -> OptimizerSpecification:
        """The optimizer of the second stage of fine-tuning."""
        return self.finetune_optimizer or self.optimizer.slower()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Specification":
        """Build a specification from what `json.load` returns; an unknown key is a TypeError."""
        values = dict(content)
        values["data_folder"] = Path(values["data_folder"])
        values["manifest"] = Path(values["manifest"])
        for key in ("external_folder", "external_manifest"):
            if values.get(key) is not None:
                values[key] = Path(values[key])
        if (source := values.get("weights")) is not None:
            values["weights"] = WeightsSource(source["kind"], Path(source["path"]))
        for key, kind in _TABLES.items():
            if values.get(key) is not None:
                values[key] = kind(**values[key])
        for key, kind in _TABLES_WITH_A_FOLDER.items():
            if (table := values.get(key)) is not None:
                values[key] = kind(**{**table, "folder": Path(table["folder"])})
        return cls(**values)


_TABLES = {
    "optimizer": OptimizerSpecification,
    "finetune_optimizer": OptimizerSpecification,
    "classifier": FittedClassifier,
    "early_stopping": EarlyStopping,
    "augmentation": Augmentation,
}
_TABLES_WITH_A_FOLDER = {
    "checkpoint": Checkpointing,
    "feature_cache": FeatureCache,
    "profile": Profiling,
    "explain": Explaining,
    "export": Exporting,
}
