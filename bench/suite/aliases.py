"""Other names of a suite's keys and words: as Keras has them, and where keys stood before.

This is the one table of them. Whatever a file says, records and tables show the names of `bench.suite.schema`.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from wbc.errors import InputError, nearest

KEYS = {
    "seed": "seeds",
    "lr": "learning_rate",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "class_name": "name",
    "restore_best_weights": "restore_best",
    "horizontal_flip": "flip_horizontal",
    "vertical_flip": "flip_vertical",
    "rotation_range": "rotation",
    "width_shift_range": "shift",
    "height_shift_range": "shift",
    "zoom_range": "zoom",
    "data_augmentation": "augmentation",
    "class_weights": "class_weight",
    "dropout_rate": "dropout",
    "img_size": "image_size",
    "directory": "path",
    "model": "backbone",
}
"""Another name -> the key; each holds in every table that has the key."""

WORDS = {
    "valloss": "validation_loss",
    "valaccuracy": "validation_accuracy",
    "valacc": "validation_accuracy",
    "acc": "accuracy",
    "pytorch": "torch",
    "tf": "tensorflow",
    "finetuning": "finetune",
    "transferlearning": "transfer",
    "fromscratch": "scratch",
}
"""Another word for a value -> the word, both without capitals and marks."""

OF_THESIS = ("protocol", "loss", "binary_accuracy", "evaluation", "clock")
"""Keys of `[thesis]`, which were keys of `[training]` once."""

TWO_MEANINGS = {
    "decay": (
        "may mean two things",
        "Write learning_rate_decay for a rate that falls with every step, or weight_decay for smaller weights.",
    )
}
"""A name that is not taken, because people mean different things by it -> what is wrong, and what to write."""


def plain(word: str) -> str:
    """A word without capitals and marks: two spellings of one word are equal."""
    return re.sub(r"[^a-z0-9]", "", word.lower())


def key_of(name: str, known: Collection[str]) -> str:
    """The key of a table that a name stands for; the name itself if it stands for none."""
    if name in known:
        return name
    meant = KEYS.get(name.lower().replace("-", "_"), name)
    return next((key for key in known if plain(key) == plain(meant)), name)


def word_of(value: object, known: Iterable[str]) -> object:
    """The word that a value stands for; the value itself if it stands for none."""
    if not isinstance(value, str):
        return value
    words = list(known)
    if value in words:
        return value
    meant = WORDS.get(plain(value), value)
    return next((word for word in words if plain(word) == plain(meant)), value)


def known_keys(content: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """A table of the file under the names of its keys.

    Raises:
        InputError: Two names of one key have different values, or a name has two meanings.
    """
    found: dict[str, Any] = {}
    typed: dict[str, str] = {}
    for name, value in content.items():
        if name in TWO_MEANINGS and name not in known and f"learning_rate_{name}" in known:
            what, way_out = TWO_MEANINGS[name]
            raise InputError(f"{name} {what}", way_out)
        key = key_of(name, known)
        if key in found and found[key] != value:
            raise InputError(f"{typed[key]} and {name} are the same setting", "Remove one of them.")
        found[key], typed[key] = value, name
    return found


def moved(content: Mapping[str, Any]) -> dict[str, Any]:
    """The whole file with keys at their places of today.

    Keys of the thesis go from `[training]` and blocks into `[thesis]` and the block's own, and `seed` of
    `[training]` to `[suite]`.

    Raises:
        InputError: A key stands at both places, with different values.
    """
    training = content.get("training")
    found = dict(content)
    if isinstance(training, dict):
        rest = {name: value for name, value in training.items() if name not in ("seed", "seeds")}
        seeds = {name: training[name] for name in training if name not in rest}
        if seeds and isinstance(found.get("suite", {}), dict):
            found["suite"] = _joined(seeds, found.get("suite", {}))
            training = rest
        own, found["training"] = _apart(training)
        if own and isinstance(found.get("thesis", {}), dict):
            found["thesis"] = _joined(own, found.get("thesis", {}))
    if isinstance(found.get("matrix"), list):
        found["matrix"] = [_block(one) for one in found["matrix"]]
    return found


def _block(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    own, rest = _apart(block)
    table = rest.get("thesis", {})
    return {**rest, "thesis": _joined(own, table)} if own and isinstance(table, dict) else rest


def _joined(former: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """A table with keys that stood elsewhere; InputError if it has one of them with another value."""
    for name in former.keys() & table.keys():
        if former[name] != table[name]:
            raise InputError(f"{name} stands in two tables, with different values", "Remove one of them.")
    return {**former, **table}


def _apart(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys of the thesis, and the others."""
    own = {name: value for name, value in table.items() if name in OF_THESIS}
    return own, {name: value for name, value in table.items() if name not in own}


def similar(name: str, known: Collection[str]) -> str | None:
    """The key that a wrong name resembles most, by its own names and by others; None if it resembles none."""
    others = {other: key for other, key in KEYS.items() if key in known}
    found = nearest(name, [*known, *others])
    return others.get(found, found) if found else None
