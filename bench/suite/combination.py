"""A combination of settings, and which settings have a meaning in which mode."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Literal

from bench.suite.file import Keys, Source
from bench.suite.schema import AugmentationTable, Backbone, EarlyStoppingTable, Optimizer
from wbc.backbones import check_classifier
from wbc.errors import InputError
from wbc.optimizer import OptimizerSpecification
from wbc.protocols import ProtocolSettings
from wbc.specification import FITTED_MODES, KERAS_FREE_MODES, MODES, FittedClassifier, Specification

OF_SOME_NETWORKS = {
    "dropout": frozenset({"transfer", "finetune"}),
    "loop": frozenset({"transfer"}),
    "classifier": frozenset({"features"}),
    "head_epochs": frozenset({"finetune"}),
    "unfreeze": frozenset({"finetune"}),
    "freeze_batch_norm": frozenset({"finetune"}),
    "finetune_optimizer": frozenset({"finetune"}),
}
"""Settings that have a meaning in some modes of networks only. In `scratch` a network keeps its own top."""

OF_EXTRACTION = frozenset(
    {
        "weights",
        "batch_size",
        "precision",
        "deterministic",
        "backend",
        "protocol",
        "preprocessing",
        "evaluation",
        "clock",
    }
)
"""Settings that have a meaning wherever a network extracts features; all others are about its training."""

UNSAID = ("precision", "steps_per_execution", "loop")
"""Settings that are left out where they have their defaults: such a trial is the one that earlier versions know."""

DataValue = int | float | str

_THESIS_OPTIMIZER = Optimizer()
_USUAL_CLASSIFIER = Backbone(name=FittedClassifier.name)


@dataclass(frozen=True, kw_only=True)
class Combination:
    """One point of the matrix, before its data and weights are looked up.

    The defaults apply where neither the block nor the suite gives a value. They are the thesis' (section 5.4), as
    far as `Specification` does not have them already. Those of the protocol override them.
    """

    block: int
    """Position of its block in the file, from 0."""
    source: str
    """`synthetic`, `bccd` or `folder`."""
    data: dict[str, DataValue]
    """The keys that belong to the source, as far as the suite gives them."""
    backbone: Backbone
    """The network and its options."""
    seed: int
    """Seeds the weights, dropout and the order of the images."""
    image_size: int = 224
    mode: str = "transfer"
    epochs: int = 100
    weights: str = "imagenet"
    """`imagenet`, `random`, or the path of a file."""
    batch_size: int | Literal["largest"] = Specification.batch_size
    optimizer: Optimizer = _THESIS_OPTIMIZER
    l1: float = Specification.l1
    l2: float = Specification.l2
    dropout: float = Specification.dropout
    class_weight: Literal[False, "balanced"] | dict[str, float] = False
    classifier: Backbone = _USUAL_CLASSIFIER
    early_stopping: Literal[False] | EarlyStoppingTable = False
    augmentation: Literal[False] | AugmentationTable = False
    head_epochs: int = Specification.head_epochs
    unfreeze: int | Literal["all"] = Specification.unfreeze
    freeze_batch_norm: bool = Specification.freeze_batch_norm
    finetune_optimizer: Optimizer | None = None
    """None: the first one at a tenth of its learning rate."""
    deterministic: bool = Specification.deterministic
    jit_compile: bool | Literal["auto"] = Specification.jit_compile
    backend: str = Specification.backend
    precision: str = Specification.precision
    steps_per_execution: int = Specification.steps_per_execution
    loop: Literal["fit", "compiled"] = Specification.loop
    protocol: str = "corrected"
    preprocessing: str = Specification.preprocessing
    loss: str = Specification.loss
    binary_accuracy: bool = Specification.binary_accuracy
    evaluation: str = Specification.evaluation
    clock: str = ProtocolSettings.clock
    places: Mapping[str, Keys] = field(default_factory=dict)
    """Where each setting that is given stands in the file."""

    def place(self, key: str) -> Keys:
        """Where a setting stands in the file; where its block could have it if it is a default."""
        return self.places.get(key, ("matrix", self.block, key))

    def spelled_out(self, file: Source, replicas: int) -> dict[str, object]:
        """The settings that have a meaning in its mode, with presets and defaults spelled out.

        Without this, sweeps of `[training]` that mean nothing in a mode would make trials that are equal except
        for their ids. The `epochs` of a method of scikit-learn are 0.

        Args:
            file: The suite's file, for messages.
            replicas: The number of devices that train a network together.

        Returns:
            Fields of `bench.trials.settings.Settings`, as JSON has them.

        Raises:
            InputError: A preset has no optimizer for the network, or the classifier is wrong.
        """
        found = {key: getattr(self, key) for key in DEFAULTS if self.mode in modes_of(key)}
        for key in UNSAID:
            if found.get(key) == DEFAULTS[key]:
                del found[key]
        if self.mode in KERAS_FREE_MODES:
            return {**found, "epochs": 0}
        if self.mode in FITTED_MODES:
            return {**found, "epochs": 0, "replicas": replicas, "classifier": self._classifier(file)}
        optimizer = self._optimizer("optimizer", self.optimizer, file)
        found |= {"optimizer": optimizer.resolved(), "replicas": replicas}
        if not self.class_weight:
            del found["class_weight"]  # a trial without it is the one that earlier versions know
        for name in ("early_stopping", "augmentation"):
            found[name] = found[name].model_dump() if found[name] else None
        if self.mode == "finetune":
            own = self.finetune_optimizer
            second = self._optimizer("finetune_optimizer", own, file) if own else optimizer.slower()
            found["finetune_optimizer"] = second.resolved()
        return found

    def _classifier(self, file: Source) -> dict[str, object]:
        name = self.classifier.name
        try:
            return {"name": name, "options": check_classifier(name, self.classifier.options)}
        except InputError as error:
            raise file.error(self.place("classifier"), error.what, error.way_out) from None

    def _optimizer(self, key: str, table: Optimizer, file: Source) -> OptimizerSpecification:
        try:
            return table.specification(self.backbone.name).under(self.protocol)
        except InputError as error:
            raise file.error(self.place(key), error.what, error.way_out) from None


DEFAULTS: dict[str, object] = {
    one.name: one.default for one in fields(Combination) if one.default is not MISSING
}
"""The settings of a combination that have a default, with it."""


def modes_of(key: str) -> frozenset[str]:
    """The modes in which a setting has a meaning."""
    if key in ("mode", "image_size"):
        return frozenset(MODES)
    without = KERAS_FREE_MODES if key in OF_EXTRACTION else FITTED_MODES
    return OF_SOME_NETWORKS.get(key, frozenset(MODES) - without)
