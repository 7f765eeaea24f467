"""The values that keys of a suite take: how each kind is read, and what is said of one that it cannot be."""

import json
import math
import re
from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_core import to_jsonable_python

from bench.suite.aliases import word_of
from bench.trials.limits import bytes_of, seconds_of
from wbc.data.layout.names import composed
from wbc.errors import InputError, did_you_mean
from wbc.files import plain_letters
from wbc.optimizer import SEARCH
from wbc.specification import Augmentation, EarlyStopping

T = TypeVar("T")


def as_list(value: Any) -> Any:
    """A scalar as a list of one."""
    return value if isinstance(value, list) else [value]


def _each_once(values: list[T]) -> list[T]:
    """A sweep without equal values, which would make one trial where its author expects several."""
    shown = [json.dumps(to_jsonable_python(value, exclude_none=True), sort_keys=True) for value in values]
    numbers = [json.dumps(json.loads(text, parse_int=float)) for text in shown]  # 1 is 1.0
    times = Counter(numbers)
    if twice := next((text for text, number in zip(shown, numbers, strict=True) if times[number] > 1), None):
        raise InputError(f"has {twice} twice", "Each value makes trials of its own: give it once.")
    return values


def named(value: Any) -> Any:
    """A bare name as a table that holds nothing else."""
    return {"name": value} if isinstance(value, str) else value


def switch(table: type[BaseModel], usual: EarlyStopping | Augmentation) -> BeforeValidator:
    """`true` for the usual values. `false` stays as it is, because None means that the key is not given."""

    def read(value: Any) -> Any:
        if value is True:
            return table(**asdict(usual))
        if value is False or isinstance(value, dict | table):
            return value
        raise InputError(f"{value!r} is neither true, false nor a table of settings")

    return BeforeValidator(read)


def one_of(*words: str | bool, number: bool = False) -> BeforeValidator:
    """One of some values, or an integer of at least 1; pydantic alone would give a message for each."""

    def read(value: Any) -> Any:
        value = word_of(value, [word for word in words if isinstance(word, str)])
        if any(value is word or (isinstance(word, str) and value == word) for word in words):
            return value
        if number and type(value) is int and 1 <= value <= 10**9:
            return value
        spelled = [f'"{word}"' if isinstance(word, str) else str(word).lower() for word in words]
        *others, last = [*spelled, *(["an integer of at least 1"] if number else [])]
        raise InputError(f"{value!r} is not {', '.join(others)} or {last}")

    return BeforeValidator(read)


def rate_or_search() -> BeforeValidator:
    """A learning rate above 0, or `search`."""

    def read(value: Any) -> Any:
        value = word_of(value, [SEARCH])
        if value == SEARCH or (type(value) in (int, float) and 0 < value < math.inf):
            return value if isinstance(value, str) else float(value)
        raise InputError(f'{value!r} is neither a learning rate above 0 nor "{SEARCH}"')

    return BeforeValidator(read)


def weights_of_classes(value: Any) -> Any:
    """`balanced`, a table of numbers above 0, or `false`, which is the default."""
    if value is False or word_of(value, ["balanced"]) == "balanced":
        return value and "balanced"
    if not isinstance(value, dict) or not value:
        raise InputError(f'{value!r} is not "balanced", false or a table such as {{ EOSINOPHIL = 2.0 }}')
    for name, weight in value.items():
        if type(weight) not in (int, float) or not 0 < weight < math.inf:
            raise InputError(f"the weight of {name} is {weight!r}, not a number above 0")
    weights = {composed(name): float(weight) for name, weight in value.items()}
    if len(weights) < len(value):
        raise InputError("a class is named twice, in two Unicode forms", "Name each class once.")
    return weights


def among(*words: str) -> BeforeValidator:
    """One of some words."""

    def read(value: Any) -> Any:
        value = word_of(value, words)
        if value in words:
            return value
        guess = did_you_mean(str(value), words)
        raise InputError(f"{value!r} is not one of {', '.join(words)}", guess[:1].upper() + guess[1:])

    return BeforeValidator(read)


def _filled(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise InputError("is empty", "Give a value, or leave the key out.")
    return value


def _name_of_suite(value: Any) -> Any:
    """A name that is a folder on every file system, and an experiment of MLflow."""
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", value):
        fitting = re.sub(r"[^A-Za-z0-9._-]+", "-", plain_letters(value)).strip("-._")[:60].rstrip("-._")
        raise InputError(
            f"{value!r} cannot be the name of a folder of results",
            "It takes up to 60 letters without accents, digits, dots, hyphens and underscores, and begins with a "
            "letter or a digit" + (f", such as {fitting}." if fitting else "."),
        )
    return value


def composed_classes(groups: Any) -> Any:
    """Groups of classes with their names as folders are read: Macs write letters and accents apart."""
    if not isinstance(groups, dict):
        return groups
    return {
        name: [composed(one) if isinstance(one, str) else one for one in own]
        if isinstance(own, list)
        else own
        for name, own in groups.items()
    }


Text = Annotated[str, BeforeValidator(_filled)]
"""A text that is not empty."""

SuiteName = Annotated[str, BeforeValidator(_name_of_suite)]

Sweep = Annotated[list[T], BeforeValidator(as_list), Field(min_length=1), AfterValidator(_each_once)]
"""A value, or a list of different values that each make trials of their own."""

Duration = Annotated[float, BeforeValidator(lambda value: seconds_of(str(value))), Field(gt=0)]
"""A time such as "12h"; in seconds once it is read."""

Amount = Annotated[int, BeforeValidator(lambda value: bytes_of(str(value))), Field(gt=0)]
"""An amount of memory such as "20 GB"; in bytes once it is read."""

PositiveInt = Annotated[int, Field(gt=0, le=10**9)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Pixels = Annotated[int, Field(ge=8, le=4096)]
