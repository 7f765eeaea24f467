"""Kinds of values in a suite file, and how they are read."""

import re
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field

from wbc.errors import InputError

T = TypeVar("T")


def as_list(value: Any) -> Any:
    """A scalar as a list of one."""
    return value if isinstance(value, list) else [value]


def named(value: Any) -> Any:
    """A bare name as a table that holds nothing else."""
    return {"name": value} if isinstance(value, str) else value


Axis = Annotated[list[T], BeforeValidator(as_list), Field(min_length=1)]
"""A value, or a list of values that each make trials of their own."""


def _seconds(value: Any) -> Any:
    """`"12h"`, `"90m"`, `"30s"` or `"100ms"` in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|[smhd])", str(value).strip())
    if match is None:
        raise InputError(f"{value!r} is not a time", 'Write "30s", "90m", "12h" or "2d".')
    return float(match[1]) * {"ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
"""A time, in seconds once it is read."""

PositiveInt = Annotated[int, Field(gt=0, le=10**9)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Pixels = Annotated[int, Field(ge=8, le=4096)]


def switch(table: type[BaseModel], usual: Any) -> BeforeValidator:
    """`true` for the usual values, `false` for none: the latter is kept, for None means not given."""

    def read(value: Any) -> Any:
        if value is True:
            return table(**asdict(usual))
        if value is False or isinstance(value, dict | table):
            return value
        raise InputError(f"{value!r} is neither true, false nor a table of settings")

    return BeforeValidator(read)


def one_of(*words: str | bool, number: bool = False) -> BeforeValidator:
    """One of some values, or a number from 1 on; said in one sentence, not one for each possibility."""

    def read(value: Any) -> Any:
        if any(value is word or (isinstance(word, str) and value == word) for word in words):
            return value
        if number and type(value) is int and 1 <= value <= 10**9:
            return value
        spelled = [f'"{word}"' if isinstance(word, str) else str(word).lower() for word in words]
        *others, last = [*spelled, *(["a number from 1 on"] if number else [])]
        raise InputError(f"{value!r} is not {', '.join(others)} or {last}")

    return BeforeValidator(read)
