"""Read and validate a suite file; every message names file, line and key."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from bench.suite.locate import line_of
from bench.suite.schema import SuiteFile
from bench.suite.shipped import find_shipped, shipped_suites
from wbc.errors import InputError, did_you_mean, nearest


@dataclass(frozen=True)
class Source:
    """The file a suite was read from, for messages."""

    path: Path
    text: str

    def error(self, keys: Sequence[str | int], what: str, way_out: str = "") -> InputError:
        """An error about a key of the file."""
        line = line_of(self.text, keys)
        place = f"{self.path}, line {line}" if line else f"{self.path}"
        key = spelled(keys)
        return InputError(f"{place}: {key + ': ' if key else ''}{what}", way_out)


def load_suite(path: Path) -> tuple[SuiteFile, Source]:
    """Read a suite file, or a suite that comes with leukobench by its name.

    Raises:
        InputError: There is no such file, it is not TOML, or a key or value is wrong.
    """
    path = find_shipped(path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors put a mark before the text
    except FileNotFoundError:
        # By the name alone: folder and ending, alike in all, would make any two look near.
        others = {other.stem: other for other in sorted(path.parent.glob("*.toml"))}
        shipped = {name: name for name in shipped_suites()} if path.name == str(path) else {}
        near = nearest(path.stem, [*others, *shipped])
        hint = f"did you mean {(shipped | others)[near]}?" if near else ""
        raise InputError(
            f"there is no suite {path}",
            hint or f"Suites that come with leukobench: {', '.join(shipped_suites())}.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", "A suite is a TOML file in UTF-8.") from None
    source = Source(path, text)
    try:
        content = tomllib.loads(text)
    except ValueError as error:  # of TOML, or a number of thousands of digits
        raise InputError(
            f"{path} is not valid TOML: {error}", "See https://toml.io for the format."
        ) from None
    try:
        return SuiteFile.model_validate(content), source
    except ValidationError as error:
        raise _explain(error, source) from None


def spelled(keys: Sequence[str | int]) -> str:
    """A path of keys as a person writes it: `matrix[0].backbone`."""
    text = ""
    for key in keys:
        text += f"[{key + 1}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def _explain(error: ValidationError, source: Source) -> InputError:
    """The first thing that is wrong, in words; the rest is counted."""
    # Of `false or a table` only what is wrong with the table says something.
    first, *others = [one for one in error.errors() if "literal[False]" not in one["loc"]]
    first["loc"] = tuple(key for key in first["loc"] if not (isinstance(key, str) and key.endswith("Table")))
    keys, kind, context = list(first["loc"]), first["type"], first.get("ctx", {})
    given = first.get("input")
    if kind == "extra_forbidden":
        known = _known_keys(keys[:-1])
        what = "there is no such key"
        way_out = _sentence(did_you_mean(str(keys[-1]), known)) or f"Known here: {', '.join(known)}."
    elif kind == "missing":
        what, way_out = "is missing", ""
        if keys == ["matrix"]:
            way_out = 'A suite needs at least one [[matrix]] block, with backbone = "VGG16" for one.'
    elif kind == "too_short":
        what, way_out = "is empty", "Give at least one value."
    elif kind == "literal_error":
        allowed = context["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        what = f"{given!r} is not one of {', '.join(allowed)}"
        way_out = _sentence(did_you_mean(str(given), allowed))
    elif isinstance(context.get("error"), InputError):  # of a validator of ours
        what, way_out = context["error"].what, context["error"].way_out
    elif kind == "list_type" and keys == ["matrix"]:
        what, way_out = "must be a list of blocks", "Write [[matrix]] with two brackets."
    else:
        what = f"{first['msg'][0].lower() + first['msg'][1:]}, not {given!r}"
        way_out = ""
    if others:
        more = "1 more problem follows." if len(others) == 1 else f"{len(others)} more problems follow."
        way_out = f"{way_out} {more}".strip()
    # A list position that only stands for a scalar tells the reader nothing.
    if keys and isinstance(keys[-1], int) and len(keys) > 2:
        keys = keys[:-1]
    return source.error(keys, what, way_out)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _known_keys(keys: Sequence[str | int]) -> list[str]:
    """The keys that the table at `keys` may have."""
    model: type[BaseModel] = SuiteFile
    for key in keys:
        if isinstance(key, str) and key in model.model_fields:
            nested = _model_within(model.model_fields[key].annotation)
            model = nested or model
    return list(model.model_fields)


def _model_within(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is not None or isinstance(annotation, UnionType):
        for argument in get_args(annotation):
            if found := _model_within(argument):
                return found
    return None
