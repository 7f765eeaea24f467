"""The readable part of a trial's name: what differs from the defaults, as short words.

It follows from the settings of the trial alone. A sweep that is added later changes the name of no other trial.
"""

import re
from typing import Any

import msgspec

from bench.trials.settings import DataSettings, OptimizerSettings, Settings
from wbc.files import plain_letters
from wbc.optimizer import OptimizerSpecification
from wbc.protocols import PROTOCOL_KEYS, settings_of
from wbc.specification import PRETRAINED_MODES, USUAL_AUGMENTATION, Augmentation, EarlyStopping, Specification

LONGEST = 80
"""Characters of all words together; the hash tells names apart that are cut."""

IMAGE_SIZE = 224
"""Default of a suite."""

_NUMBERS = {
    "batch_size": "batch",
    "l1": "l1-",
    "l2": "l2-",
    "dropout": "dropout",
    "head_epochs": "head",
    "unfreeze": "unfreeze",
    "steps_per_execution": "execution",
}
"""Setting -> the word before its value, where it is not the default of `Specification`."""

_DATA = {
    "train_images_per_class": "train",
    "data_seed": "data",
    "margin": "margin",
    "max_images_per_class": "pilot",
}
_DATA_DEFAULTS = {"train_images_per_class": 60, "data_seed": 0, "margin": 0.1, "max_images_per_class": None}


def words_of(settings: Settings) -> list[str]:
    """What a name says of the settings, besides network, mode, epochs and seeds; in a fixed order."""
    words = [f"{settings.image_size}px"] if settings.image_size != IMAGE_SIZE else []
    words += _of_data(settings.data)
    if settings.mode in PRETRAINED_MODES and settings.weights.name != "imagenet":
        words.append(plain_letters(settings.weights.name.removesuffix(".h5").removesuffix(".weights")))
    if settings.optimizer is not None:
        words += _of_optimizer(settings.optimizer)
    for name, word in _NUMBERS.items():
        value = getattr(settings, name)
        if value is not None and value != getattr(Specification, name):
            words.append(f"{word}{short(value)}")
    words += _of_tables(settings)
    words += ["trains-batch-norm"] if settings.freeze_batch_norm is False else []
    words += ["deterministic"] if settings.deterministic else []
    if isinstance(settings.jit_compile, bool):
        words.append("xla" if settings.jit_compile else "no-xla")
    words += [settings.precision] if settings.precision else []
    words += [settings.loop] if settings.loop else []
    if settings.backend not in (None, Specification.backend):
        words.append(str(settings.backend))
    words += _of_protocol(settings)
    cut: list[str] = []
    for word in (re.sub(r"[^a-z0-9.+-]+", "-", one.lower()).strip("-") for one in words):
        if sum(map(len, cut)) + len(cut) + len(word) > LONGEST:
            break
        cut.append(word)
    return cut


def short(value: float | str) -> str:
    """A number as people write it: `1e-3`, `0.25`, `16`."""
    if not isinstance(value, float):
        return str(value)
    if value and abs(value) < 0.01:
        digits, _, exponent = f"{value:.3e}".partition("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:g}"


_METHODS = {"RandomForest": "random forest", "DecisionTree": "decision tree", "KNN": "nearest neighbors"}
_FEATURES = {"cell": "measures of the cell", "hog": "HOG features", "color": "colors", "pixels": "pixels"}


def network_in_words(network: str, settings: Settings) -> str:
    """What tables call a network: its label, but a classical method in words.

    Args:
        network: The label, such as `RandomForest-featureshog-trees100`.
        settings: Of the trial. Options that were not given are not named.
    """
    if settings.mode != "classical":
        return network
    options = dict(settings.options)
    features = str(options.pop("features", ""))
    said = [_METHODS.get(settings.network, settings.network)]
    said += [f"on {_FEATURES.get(features, features)}"] if features else []
    said += ["with"] if options else []
    more = [f"{name.replace('_', ' ')} {short(value)}" for name, value in options.items()]
    return " ".join([*said, ", ".join(more)]).strip()


def _of_data(data: DataSettings) -> list[str]:
    words = []
    for name, word in _DATA.items():
        value = getattr(data, name)
        if isinstance(value, int | float) and value != _DATA_DEFAULTS[name]:
            words.append(f"{word}{short(value)}")
    if data.background not in (None, "keep"):
        words.append(f"background-{data.background}")
    words += ["basophils"] if data.basophils else []
    words += [f"external-{data.test_digest[:6]}"] if data.test_digest else []
    return words


def _of_optimizer(table: OptimizerSettings) -> list[str]:
    plain = msgspec.to_builtins(table)
    plain.pop("epsilon_outside", None)  # follows from the protocol
    thesis = OptimizerSpecification().resolved()
    if all(thesis.get(name) == value for name, value in plain.items()):
        return []
    rate, decay = table.learning_rate, table.decay
    usual: dict[str, Any] = OptimizerSpecification(table.name, 1.0, 0.0).resolved()
    words = [f"{table.name}-{rate}" if isinstance(rate, str) else f"{table.name}{short(rate)}"]
    words += [f"decay{short(decay)}"] if decay else []
    for name, value in plain.items():
        if name in ("name", "learning_rate", "decay") or value == usual.get(name):
            continue
        words.append(
            (name if value else f"no-{name}")
            if isinstance(value, bool)
            else f"{name.replace('_', '')}{short(value)}"
        )
    return words


def _of_tables(settings: Settings) -> list[str]:
    words = []
    if settings.class_weight is not None:
        balanced = settings.class_weight == "balanced"
        words.append("balanced" if balanced else "weighted-classes")
    if stopping := settings.early_stopping:
        words.append(f"stop{stopping.patience}")
        words += [stopping.monitor] if stopping.monitor != EarlyStopping.monitor else []
        words += [] if stopping.restore_best else ["last"]
    if augmentation := settings.augmentation:
        table = msgspec.to_builtins(augmentation)
        usual, none = (
            {name: getattr(one, name) for name in table} for one in (USUAL_AUGMENTATION, Augmentation())
        )
        words.append("augmented")
        if table != usual:
            words += [
                name if value is True else f"{name}{short(value)}"
                for name, value in table.items()
                if value != none[name]
            ]
    return words


def _of_protocol(settings: Settings) -> list[str]:
    """The protocol, and what is not as it says."""
    if settings.protocol is None:
        return []
    words = [settings.protocol] if settings.protocol != "corrected" else []
    usual = settings_of(settings.protocol, settings.mode)
    for name in PROTOCOL_KEYS:
        value = getattr(settings, name)
        if value is not None and value != usual[name]:
            words.append(name if value is True else f"no-{name}" if value is False else str(value))
    return words
