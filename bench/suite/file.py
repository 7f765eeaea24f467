"""Find, read and validate a suite file; every message names file, line and key."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from bench.suite.aliases import KEYS, OF_THESIS, plain, similar
from bench.suite.schema import Optimizer, SuiteFile
from bench.trials.layout import is_reserved
from wbc.errors import InputError, nearest
from wbc.files import plain_letters

_PACKAGE = Path(__file__).resolve().parent.parent
_SHIPPED = (_PACKAGE / "suites", _PACKAGE.parent / "suites")
"""In an installed package; in the repository."""

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]\[]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_.-])+)\s*=""")

Keys = Sequence[str | int]
"""Keys and list positions that lead to a value, such as `("matrix", 1, "backbone", 0)`."""


@dataclass(frozen=True)
class Source:
    """The file that a suite was read from, for messages."""

    path: Path
    text: str

    def error(self, keys: Keys, what: str, way_out: str = "") -> InputError:
        """An error about a key of the file."""
        line = line_of(self.text, keys)
        place = f"{self.path}, line {line}" if line else f"{self.path}"
        key = spelled(keys)
        return InputError(f"{place}: {key + ': ' if key else ''}{what}", way_out)

    def folder(self, keys: Keys, text: str | None) -> Path | None:
        """The folder that a key of the file names, which need not exist.

        Raises:
            InputError: The system does not accept it as a path.
        """
        if not text:
            return None
        try:
            return usable(Path(text).expanduser())
        except RuntimeError:
            raise self.error(keys, f"the folder {text} cannot be found", "There is no such user.") from None
        except InputError as error:
            raise self.error(keys, error.what, error.way_out) from None


MOST_KEYS = 16
"""Keys that a message lists; docs/suite.md has all."""


def load_suite(path: Path) -> tuple[SuiteFile, Source]:
    """Read a suite file, or a suite that comes with leukobench by its name.

    Raises:
        InputError: There is no such file, it is not TOML, or a key or value is wrong.
    """
    path = find_shipped(path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors put a mark before the text
    except FileNotFoundError:
        raise _missing(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", "A suite is a TOML file in UTF-8.") from None
    source = Source(path, text)
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise InputError(f"{path} is nested too deeply", "A suite has tables in tables, no deeper.") from None
    except ValueError as error:  # of TOML, or an integer with thousands of digits
        raise InputError(
            f"{path} is not valid TOML: {error}", "See https://toml.io for the format."
        ) from None
    try:
        return SuiteFile.model_validate(content), source
    except ValidationError as error:
        raise _explain(error, source, content) from None


def name_of(suite: SuiteFile, file: Source) -> str:
    """The suite's name, which is a folder in the results; the file's if it has none of its own.

    Raises:
        InputError: The results folder uses this name itself.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", plain_letters(file.path.stem)).strip("-._")
    name = suite.suite.name or stem or "suite"
    if is_reserved(name):
        raise file.error(
            ("suite", "name"),
            f"{name!r} is a name that the results folder uses itself",
            "Give [suite] another name.",
        )
    return name


def usable(path: Path, option: str = "") -> Path:
    """A path, whether it exists or not, that the system accepts.

    Args:
        path: The path.
        option: The option that gave it.

    Raises:
        InputError: It is too long, contains a zero byte, or the like.
    """
    try:
        path.stat()
    except FileNotFoundError:
        pass  # reported where it is needed
    except (OSError, ValueError) as error:
        shown = str(path) if len(str(path)) <= 60 else f"{str(path)[:60]}..."
        reason = error.strerror if isinstance(error, OSError) else str(error)
        what = f"the folder {shown!r} cannot be used: {reason}"
        raise InputError(f"{option}: {what}" if option else what) from None
    return path


def shipped_suites() -> dict[str, Path]:
    """The suites that come with leukobench: name -> file, in alphabetical order."""
    folder = next((folder for folder in _SHIPPED if folder.is_dir()), None)
    return {file.stem: file for file in sorted(folder.glob("*.toml"))} if folder else {}


def find_shipped(path: Path) -> Path:
    """The file of a suite that is given by its bare name, such as `demo`.

    Args:
        path: A path, or the name of a suite. A file of that name in the current folder takes precedence.

    Returns:
        The shipped suite if `path` is its name and no file; else `path` itself.
    """
    if path.name != str(path) or path.suffix or path.is_file():
        return path
    return shipped_suites().get(path.name, path)


def line_of(text: str, path: Keys) -> int | None:
    """The line (from 1) of the deepest key of `path` that a TOML text has; `tomllib` keeps no positions.

    A key inside an inline table, or in a list over several lines, is found as the key that holds it.
    """
    best: tuple[int, int] | None = None
    table: tuple[str | int, ...] = ()
    blocks: dict[str, int] = {}
    wanted = tuple(map(_comparable, path))
    ways = {wanted}
    if wanted == ("suite", "seeds"):
        ways.add(("training", "seeds"))
    if "thesis" in wanted and path[-1] in OF_THESIS:  # where they stood before
        ways.add(tuple("training" if key == "thesis" else key for key in wanted if path[0] == "thesis"))
        ways.add(tuple(key for key in wanted if key != "thesis"))
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _split_key(header[2])
            if header[1] == "[[":
                index = blocks[header[2]] = blocks.get(header[2], -1) + 1
                table = (*table, index)
            elif table[0] in blocks:  # a table of the last block
                table = (table[0], blocks[str(table[0])], *table[1:])
            found = table
        elif key := _KEY.match(line):
            found = (*table, *_split_key(key[1]))
        else:
            continue
        depth, typed = len(found), tuple(map(_comparable, found))
        if any(way[:depth] == typed for way in ways) and (best is None or depth > best[0]):
            best = (depth, number)
    return best[1] if best else None


def _comparable(key: str | int) -> str | int:
    """A key without the freedom that a file has in spelling it."""
    return plain(KEYS.get(key.lower().replace("-", "_"), key)) or key if isinstance(key, str) else key


def spelled(keys: Keys) -> str:
    """A path of keys as a person writes it: `matrix[1].backbone`."""
    text = ""
    for key in keys:
        text += f"[{key + 1}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def _split_key(name: str) -> tuple[str | int, ...]:
    return tuple(word.strip().strip("\"'") for word in name.split("."))


def _missing(path: Path) -> InputError:
    # Compared by name alone: with folder and suffix, which they share, any two files would look similar.
    others = {other.stem: str(other) for other in sorted(path.parent.glob("*.toml"))}
    shipped = {name: name for name in shipped_suites()} if path.name == str(path) else {}
    near = nearest(path.stem, [*others, *shipped])
    hint = f"did you mean {(shipped | others)[near]}?" if near else ""
    return InputError(
        f"there is no suite {path}",
        hint or f"Suites that come with leukobench: {', '.join(shipped_suites())}.",
    )


def _explain(error: ValidationError, source: Source, content: dict[str, Any]) -> InputError:
    """The first problem in words; the others are counted."""
    # Where a value may be false or a table, only the problem of the table is of use.
    # A key that is not known comes first: others may be missing because of it.
    first, *others = sorted(
        (one for one in error.errors() if "literal[False]" not in one["loc"]),
        key=lambda one: one["type"] != "extra_forbidden",
    )
    keys = [key for key in first["loc"] if not (isinstance(key, str) and key.endswith("Table"))]
    kind, given, cause = first["type"], first.get("input"), first.get("ctx", {}).get("error")
    if kind == "extra_forbidden":
        known = _known_keys(keys[:-1])
        what = "there is no such table" if isinstance(given, dict) else "there is no such key"
        guess = similar(str(keys[-1]), known)
        more = f" and {len(known) - MOST_KEYS} more" if len(known) > MOST_KEYS else ""
        listed = f"Known here: {', '.join(known[:MOST_KEYS])}{more}."
        place = "" if isinstance(given, dict) else _place_of(str(keys[-1]))
        way_out = place or (f"Did you mean {guess}?" if guess else listed)
    elif kind == "missing":
        what, way_out = "is missing", ""
        if keys == ["matrix"]:
            way_out = 'A suite needs at least one [[matrix]] block, with backbone = "VGG16" for example.'
    elif kind == "too_short":
        what, way_out = "is empty", "Give at least one value."
    elif isinstance(cause, InputError):  # of our own validators
        what, way_out = cause.what, cause.way_out
    elif kind == "list_type" and keys == ["matrix"]:
        what, way_out = "must be a list of blocks", "Write [[matrix]] with two brackets."
    else:
        what, way_out = f"{first['msg'][0].lower() + first['msg'][1:]}, not {given!r}", ""
    if others:
        more = "There is 1 more problem." if len(others) == 1 else f"There are {len(others)} more problems."
        way_out = f"{way_out} {more}".strip()
    return source.error(_typed(keys, content), what, way_out)


def _typed(keys: Keys, content: Any) -> list[str | int]:
    """Keys without positions in lists that the file does not have: there a scalar stands for a list of one."""
    found: list[str | int] = []
    for key in keys:
        if isinstance(key, str):
            own = content.items() if isinstance(content, dict) else ()
            content = next((value for name, value in own if _comparable(name) == _comparable(key)), None)
        elif isinstance(content, list):
            content = content[key]
        else:
            continue
        found.append(key)
    return found


def _place_of(name: str) -> str:
    """Where a key belongs that stands in the wrong table; empty if it belongs nowhere."""
    key = KEYS.get(name, name)
    for table, field in SuiteFile.model_fields.items():
        model = _model_within(field.annotation)
        if model and key in model.model_fields and (table != "matrix" or key == "backbone"):
            return f"{key} belongs in [[{table}]]." if table == "matrix" else f"{key} belongs in [{table}]."
    if key in Optimizer.model_fields:
        return f'{key} belongs in the optimizer: optimizer = {{ name = "Adam", {key} = ... }}.'
    return ""


def _known_keys(keys: Keys) -> list[str]:
    """The keys that the table at `keys` may have."""
    model: type[BaseModel] = SuiteFile
    for key in keys:
        if field := model.model_fields.get(str(key)):
            model = _model_within(field.annotation) or model
    return list(model.model_fields)


def _model_within(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is not None or isinstance(annotation, UnionType):
        for argument in get_args(annotation):
            if found := _model_within(argument):
                return found
    return None
