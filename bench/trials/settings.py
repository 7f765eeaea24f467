"""The settings of a trial, resolved, and what runs it."""

import hashlib
import json
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from wbc.backends import BACKENDS
from wbc.options import OptionValue
from wbc.specification import FITTED_MODES, KERAS_FREE_MODES, Specification

REPLICATE_SETTINGS = ("seed", "data.split_seed", "data.data_seed", "data.fold", "data.digest")
"""Settings, by their flat names, in which replicates of one configuration differ. The digest of the images
follows from the seeds of the data."""


LARGEST: Literal["largest"] = "largest"
"""A `batch_size`: as many images as fit the device, see `bench.plan.batches`."""

_SHOWN = {f"{table}.decay": f"{table}.learning_rate_decay" for table in ("optimizer", "finetune_optimizer")}
"""Names in records -> names that people read."""


UNKEYED = ("data.name", "data.test_name")
"""Settings that are part of no key: a folder may be renamed, its images are known by their digest."""


class DataSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The images of a trial. None or unset: the source of the images has no such setting."""

    source: Literal["synthetic", "bccd", "folder"]
    digest: str
    """Of what the data set is made from."""
    name: str | None = None
    """Of the user's folder; not part of the key, because a folder may be renamed."""
    test_name: str | None = None
    """Of the folder of an external test; not part of the key either."""
    test_digest: str | None = None
    """Of the images of an external test."""
    reading: dict[str, int | float | str] | None = None
    """How the user's files become pixels, as far as that is not plain."""
    max_images_per_class: int | None = None
    """Of a pilot; None: all."""
    groups: dict[str, tuple[str, ...]] | None = None
    """New class -> the classes that it joins."""
    image_size: int | None = None
    split_seed: int | None = None
    folds: int | None = None
    """Of a cross-validation."""
    fold: int | None = None
    """The one that is the test, from 1."""
    data_seed: int | None = None
    train_images_per_class: int | UnsetType | None = UNSET
    """None: as many as the largest class has."""
    validation_images_per_class: int | None = None
    test_images_per_class: int | None = None
    margin: float | None = None
    background: str | None = None
    test_cells_per_class: int | UnsetType | None = UNSET
    """None: all."""
    test_copies: int | None = None
    basophils: bool | None = None
    """Whether they are a fifth class of BCCD; None: they are left out."""


class WeightsSettings(Struct, frozen=True, kw_only=True):
    """The weights that a network starts from."""

    name: str
    """`imagenet`, `random`, `none`, or the name of a file."""
    sha256: str | None = None
    """None where there is no file."""


class OptimizerSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An optimizer with every argument of its own spelled out, see `wbc.optimizer`."""

    name: str
    learning_rate: float | Literal["search"]
    decay: float
    """Of the learning rate, each step: `learning_rate_decay` of a suite. Keys of trials go by this name."""
    weight_decay: float | None = None
    momentum: float | None = None
    nesterov: bool | None = None
    rho: float | None = None
    beta_1: float | None = None
    beta_2: float | None = None
    epsilon: float | None = None
    epsilon_outside: bool | None = None
    """Whether it is added outside the root, as Keras 2 did; None: as Keras does."""


class EarlyStoppingSettings(Struct, frozen=True, kw_only=True):
    """When training stops before its last epoch, see `wbc.specification.EarlyStopping`."""

    patience: int
    monitor: str
    restore_best: bool


class AugmentationSettings(Struct, frozen=True, kw_only=True):
    """How training images change in every epoch, see `wbc.specification.Augmentation`."""

    rotation: float
    shift: float
    zoom: float
    flip_horizontal: bool
    flip_vertical: bool
    brightness: float
    contrast: float
    saturation: float


class ClassifierSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The method that is fitted to the features of a network, see `wbc.classical.catalog`."""

    name: str
    options: dict[str, OptionValue] = {}
    """As far as they were given."""


class Settings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the user asked for, resolved: presets and defaults are spelled out.

    A setting that has no meaning in the trial's mode is None or unset and is not part of the key.
    """

    data: DataSettings
    network: str
    options: dict[str, OptionValue]
    """The network's keyword arguments, as far as they were given."""
    weights: WeightsSettings
    seed: int
    """Of weights, dropout and the order of the images."""
    image_size: int
    mode: str
    """One of `wbc.specification.MODES`."""
    epochs: int
    """0 for methods of scikit-learn; with fine-tuning those of the second stage."""
    batch_size: int | str | None = None
    """Or `LARGEST`."""
    optimizer: OptimizerSettings | None = None
    l1: float | None = None
    l2: float | None = None
    dropout: float | None = None
    class_weight: Literal["balanced"] | dict[str, float] | None = None
    """None: all images count the same."""
    classifier: ClassifierSettings | None = None
    """Of mode `features`."""
    early_stopping: EarlyStoppingSettings | UnsetType | None = UNSET
    """None: never."""
    augmentation: AugmentationSettings | UnsetType | None = UNSET
    """None: not at all."""
    head_epochs: int | None = None
    unfreeze: int | str | None = None
    """Layers of the backbone, or `all`."""
    freeze_batch_norm: bool | None = None
    finetune_optimizer: OptimizerSettings | None = None
    deterministic: bool | None = None
    jit_compile: bool | str | None = None
    """Or `auto`."""
    backend: str | None = None
    """None for modes without Keras."""
    precision: str | None = None
    """A policy of Keras; None: float32."""
    steps_per_execution: int | None = None
    """None: 1."""
    loop: str | None = None
    """`compiled`; None: Keras' own."""
    protocol: str | None = None
    preprocessing: str | None = None
    loss: str | None = None
    binary_accuracy: bool | None = None
    evaluation: str | None = None
    clock: str | None = None
    replicas: int | None = None
    """Devices that train the model together."""
    sources: dict[str, str] | None = None
    """Module of a network of the user's -> SHA-256 of its file."""

    @property
    def key(self) -> str:
        """Hash of all settings but the names of the user's folders: their images are known by digests."""
        content = msgspec.to_builtins(self)
        for name in UNKEYED:
            content["data"].pop(name.removeprefix("data."), None)
        return digest_of(content)

    @property
    def configuration_key(self) -> str:
        """Hash of the settings that replicates have in common."""
        return digest_of(
            {
                name: value
                for name, value in flatten(msgspec.to_builtins(self)).items()
                if not is_of_replicate(name) and name not in UNKEYED
            }
        )

    @property
    def all_epochs(self) -> int:
        """Epochs of all stages together."""
        return self.epochs + (self.head_epochs or 0)

    def flat(self) -> dict[str, Any]:
        """As one table of plain values: `optimizer.name` and the like, by the names of a suite."""
        return {_SHOWN.get(name, name): value for name, value in flatten(msgspec.to_builtins(self)).items()}


class Runtime(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the result of a trial depends on besides its settings.

    A version is None where the trial does not use the package, and empty where it is not installed.
    """

    wbc: str
    """Hash of the source of `wbc`."""
    tensorflow: str | None = None
    keras: str | None = None
    device: str
    """Name of the GPU or of the processor."""
    scikit_learn: str | None = None
    jax: str | None = None
    torch: str | None = None

    def of(self, mode: str, backend: str | None) -> "Runtime":
        """What trials of a mode depend on; modes without Keras have no backend."""
        unused = {*BACKENDS} | ({"keras"} if mode in KERAS_FREE_MODES else set())
        unused |= set() if mode in FITTED_MODES else {"scikit_learn"}
        return msgspec.structs.replace(self, **dict.fromkeys(unused - {backend}))

    def versions(self) -> dict[str, str]:
        """Name -> version of what the trial uses; the device too."""
        content: dict[str, str] = msgspec.to_builtins(self)
        return content


def images_of(batch_size: int | str | None) -> int:
    """About how many images a batch has, before it is known what is the largest; 0 for modes without batches."""
    return Specification.batch_size if isinstance(batch_size, str) else batch_size or 0


def is_of_replicate(setting: str) -> bool:
    """Whether replicates of a configuration differ in a setting, given by its flat name."""
    return setting in REPLICATE_SETTINGS


def flatten(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, their keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def digest_of(content: Any) -> str:
    """SHA-256 of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
