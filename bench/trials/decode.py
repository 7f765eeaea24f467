"""Checked decoding of the JSON files of an attempt: what does not fit its type is named with file and field."""

import json
import re
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.errors import DamagedFile

T = TypeVar("T")

_CONSTANTS = re.compile(rb"\b(NaN|Infinity)\b")
"""What Python writes for numbers that JSON does not have."""


def decode_file(decoder: msgspec.json.Decoder[T], content: bytes, path: Path) -> T:
    """The value in the content of a file.

    Args:
        decoder: Of the type that the file holds.
        content: Its bytes.
        path: The file, for messages.

    Raises:
        DamagedFile: It is truncated, or a field is missing or of another type.
    """
    try:
        return decode_value(decoder, content)
    except msgspec.ValidationError as error:
        raise DamagedFile(path, field_of(error)) from None
    except (ValueError, RecursionError):
        raise DamagedFile(path, "it is not whole JSON") from None


def field_of(error: msgspec.ValidationError) -> str:
    """A message of msgspec with the field first: `test.accuracy: expected float, got str`."""
    what, _, place = str(error).partition(" - at `")
    field = place.rstrip("`").removeprefix("$").removeprefix(".")
    if missing := re.search(r"missing required field `(\w+)`", what):
        return f"{'.'.join(filter(None, (field, missing[1])))} is missing"
    what = what.replace("`", "").replace("Expected", "expected", 1).replace(" | null", " or null")
    return f"{field}: {what}" if field else what


def decode_value(decoder: msgspec.json.Decoder[T], content: bytes) -> T:
    """The value in a piece of JSON; a ValidationError of msgspec, or another ValueError, where there is none."""
    try:
        return decoder.decode(content)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # A diverged loss is NaN, which Python writes and reads, and nobody else does.
        if _CONSTANTS.search(content) is None:
            raise
        return msgspec.convert(json.loads(content), decoder.type)
