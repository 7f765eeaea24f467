"""The plain description of one experiment: what a harness hands over as JSON."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from wbc.errors import InputError
from wbc.networks.weights import WeightsSource
from wbc.optimizer import OptimizerSpecification
from wbc.regularization import Augmentation, EarlyStopping

MODES = ("transfer", "scratch", "finetune", "classical")
"""`transfer`: a frozen backbone, its features once, then a head. `scratch`: the whole network.
`finetune`: a head on a frozen backbone, then both.
`classical`: features measured on the cell, and a method of scikit-learn."""

PRETRAINED_MODES = frozenset({"transfer", "finetune"})
"""Modes that start from the weights of a backbone."""

KERAS_FREE_MODES: frozenset[str] = frozenset({"classical"})
"""Modes that no deep-learning framework is loaded for."""

PREPROCESSINGS = ("network", "rescale")
"""`network`: each network's own scaling. `rescale`: 1/255 for all, as the thesis did."""


@dataclass(frozen=True)
class Checkpointing:
    """Where and how often training writes down its state, so that it can go on from there.

    Attributes:
        folder: Folder of the checkpoint; the newest one replaces the one before.
        every_epochs: Write after this many epochs, or None.
        every_s: Write at the end of an epoch when this many seconds have passed since the last one, or None.
        tag: Names the attempt that writes; whoever goes on from the checkpoint is told it.
    """

    folder: Path
    every_epochs: int | None = None
    every_s: float | None = None
    tag: str = ""


@dataclass(frozen=True)
class Profiling:
    """Steps of training that are traced by TensorFlow's profiler after evaluation.

    Attributes:
        folder: Folder of the trace, in the layout of TensorBoard.
        steps: How many.
    """

    folder: Path
    steps: int


BACKENDS = ("tensorflow", "jax", "torch")
"""What Keras computes with. All is built for TensorFlow; the others run the same code through Keras."""


ONLY_TENSORFLOW = {
    "jit_compile": (
        "auto",
        "whether XLA compiles is a choice with TensorFlow only: JAX always compiles, PyTorch has no XLA",
    ),
    "replicas": (1, "one model on several devices at once goes through TensorFlow's MirroredStrategy"),
}
"""Setting that only TensorFlow knows -> the value that leaves it alone, and the reason."""


@dataclass(frozen=True)
class Specification:
    """One experiment.

    Attributes:
        data_folder: Folder below which the images of the manifest lie.
        manifest: Path of the data set's manifest.
        image_size: Height and width of the network's input, in pixels.
        network: Name of a network or method, see `wbc.backbones`.
        options: Its own keyword arguments, such as `alpha`.
        mode: One of `MODES`.
        weights: Where the backbone's weights are; None for random ones.
            Transfer and fine-tuning only.
        epochs: Passes over the training part; 0 where the mode knows none. With fine-tuning those of the
            second stage.
        preprocessing: One of `PREPROCESSINGS`.
        batch_size: Images a step.
        optimizer: The optimiser and its rate.
        seed: Seeds initial weights, dropout and the order of the images.
        loss: One of `wbc.protocols.LOSSES`.
        binary_accuracy: Report binary accuracy beside the categorical one: the share of all (image, class)
            pairs on whose side of 1/2 the probability lies.
        evaluation: One of `wbc.protocols.EVALUATIONS`.
        l1: Factor of the sum of the absolute values of all trained kernels, added to the loss.
        l2: Factor of the sum of their squares.
        dropout: Rate of the dropout in the head of transfer learning and fine-tuning.
        early_stopping: When to stop before the last epoch; None: never.
        augmentation: How training images are changed anew in every epoch; None: not at all.
        head_epochs: Fine-tuning: epochs of the first stage, in which the backbone is frozen.
        unfreeze: Fine-tuning: how many layers of the backbone are trained in the second stage, or `all`.
        freeze_batch_norm: Fine-tuning: batch normalisation stays as it was pretrained.
        finetune_optimizer: Of the second stage; None: the same at a tenth of its rate.
        deterministic: Ask the backend for operations whose results repeat to the last bit.
        jit_compile: Whether XLA compiles the training step; `auto` leaves it to Keras, which has it off on
            processors and with replicas. What came of it is a figure of the phase `compile`.
        replicas: On how many devices at once; every batch is shared out among them.
        backend: One of `BACKENDS`; Keras must have been loaded with it.
        checkpoint: How training inside this experiment can be resumed; None: not at all.
        save_model: Hand the trained model over, to be kept.
        canary: Time the same small piece of work before and after (`wbc.canary`).
        profile: Which steps to trace when all else is done; None: none.
    """

    data_folder: Path
    manifest: Path
    image_size: int
    network: str
    mode: str
    epochs: int = 0
    preprocessing: str = "network"
    options: dict = field(default_factory=dict)
    weights: WeightsSource | None = None
    batch_size: int = 16
    optimizer: OptimizerSpecification = field(default_factory=OptimizerSpecification)
    seed: int = 0
    loss: str = "categorical_crossentropy"
    binary_accuracy: bool = False
    evaluation: str = "aligned"
    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.5
    early_stopping: EarlyStopping | None = None
    augmentation: Augmentation | None = None
    head_epochs: int = 10
    unfreeze: int | Literal["all"] = "all"
    freeze_batch_norm: bool = True
    finetune_optimizer: OptimizerSpecification | None = None
    deterministic: bool = False
    jit_compile: bool | Literal["auto"] = "auto"
    replicas: int = 1
    backend: str = "tensorflow"
    checkpoint: Checkpointing | None = None
    save_model: bool = False
    canary: bool = False
    profile: Profiling | None = None

    def check_backend(self) -> None:
        """Raise InputError if a backend other than TensorFlow is asked for what only TensorFlow can do."""
        for name, (harmless, reason) in ONLY_TENSORFLOW.items():
            if self.backend != "tensorflow" and getattr(self, name) != harmless:
                raise InputError(
                    f"{name} = {getattr(self, name)} is not for backend = {self.backend!r}: {reason}",
                    f'Leave {name} out, or set backend = "tensorflow".',
                )

    @property
    def uses_keras(self) -> bool:
        """Whether the experiment needs Keras and its backend at all."""
        return self.mode not in KERAS_FREE_MODES

    @property
    def second_optimizer(self) -> OptimizerSpecification:
        """The optimiser of the second stage of fine-tuning."""
        return self.finetune_optimizer or self.optimizer.slower()

    @classmethod
    def from_json(cls, content: dict) -> "Specification":
        """Build a specification from what `json.load` returns; unknown keys are a TypeError."""
        content = dict(content)
        content["data_folder"] = Path(content["data_folder"])
        content["manifest"] = Path(content["manifest"])
        if content.get("weights") is not None:
            source = content["weights"]
            content["weights"] = WeightsSource(source["kind"], Path(source["path"]))
        for key, kind in _TABLES.items():
            if content.get(key) is not None:
                content[key] = kind(**content[key])
        if content.get("checkpoint") is not None:
            settings = content["checkpoint"]
            content["checkpoint"] = Checkpointing(**{**settings, "folder": Path(settings["folder"])})
        if content.get("profile") is not None:
            settings = content["profile"]
            content["profile"] = Profiling(Path(settings["folder"]), settings["steps"])
        return cls(**content)


_TABLES = {
    "optimizer": OptimizerSpecification,
    "finetune_optimizer": OptimizerSpecification,
    "early_stopping": EarlyStopping,
    "augmentation": Augmentation,
}
