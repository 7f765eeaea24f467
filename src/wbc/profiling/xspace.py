"""Read a profiler's file: planes (a host, a GPU), lines (threads, streams) and events.

The files `*.xplane.pb` are protocol buffers whose schema has been stable for years (`XSpace` in OpenXLA's
`xplane.proto`). This module decodes the few fields that it needs. The generated classes would be no
alternative: whether TensorFlow has them, and where, depends on its version.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_SPACE_PLANES = 1
_PLANE_NAME, _PLANE_LINES, _PLANE_EVENTS, _PLANE_STATS = 2, 3, 4, 5
_LINE_NAME, _LINE_TIMESTAMP_NS, _LINE_EVENTS = 2, 3, 4
_EVENT_METADATA, _EVENT_OFFSET_PS, _EVENT_DURATION_PS, _EVENT_STATS = 1, 2, 3, 4
_STAT_METADATA, _STAT_TEXT, _STAT_REFERENCE = 1, 5, 7
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_METADATA_NAME = 2


class NotATraceError(ValueError):
    """The bytes are not an `XSpace`."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event with a duration; times in picoseconds."""

    name: str
    """Name of the event, such as an operation or a kernel."""
    start: int
    """Time since the profiler started."""
    duration: int
    """How long it took."""
    texts: dict[str, str] = field(default_factory=dict)
    """Name -> text of its textual statistics, such as `tf_op` of a kernel."""

    @property
    def end(self) -> int:
        """Time of its end, since the profiler started."""
        return self.start + self.duration


@dataclass(frozen=True)
class Line:
    """A thread of the host, or a stream of a GPU, with its events in the file's order."""

    name: str
    events: list[Event]


@dataclass(frozen=True)
class Plane:
    """A host or a device."""

    name: str
    lines: list[Line]


def read_trace(path: Path) -> list[Plane]:
    """The planes of an `xplane.pb` file. Texts of events are read for devices only, where they are few.

    Raises:
        NotATraceError: It is not a trace, or is incomplete.
        OSError: It cannot be read.
    """
    data = path.read_bytes()
    try:
        return [
            _plane(data, _place(value))
            for number, value in _fields(data, (0, len(data)))
            if number == _SPACE_PLANES
        ]
    except (IndexError, TypeError, UnicodeDecodeError) as error:
        raise NotATraceError(f"{path} is not a trace of the profiler, or is incomplete") from error


Place = tuple[int, int]
"""Where the bytes of a field begin and end."""


def _plane(data: bytes, place: Place) -> Plane:
    name = ""
    lines: list[Place] = []
    names: dict[int, str] = {}
    statistics: dict[int, str] = {}
    for number, value in _fields(data, place):
        if number == _PLANE_NAME:
            name = _text(data, value)
        elif number == _PLANE_LINES:
            lines.append(_place(value))
        elif number in (_PLANE_EVENTS, _PLANE_STATS):
            key, text = _named(data, _place(value))
            (names if number == _PLANE_EVENTS else statistics)[key] = text
    with_texts = statistics if name.startswith("/device:") else None
    return Plane(name, [_line(data, line, names, with_texts) for line in lines])


def _line(data: bytes, place: Place, names: dict[int, str], statistics: dict[int, str] | None) -> Line:
    name, began = "", 0
    places: list[Place] = []
    for number, value in _fields(data, place):
        if number == _LINE_NAME:
            name = _text(data, value)
        elif number == _LINE_TIMESTAMP_NS:
            began = _signed(value) * 1000
        elif number == _LINE_EVENTS:
            places.append(_place(value))
    return Line(name, [_event(data, event, began, names, statistics) for event in places])


def _event(
    data: bytes, place: Place, began: int, names: dict[int, str], statistics: dict[int, str] | None
) -> Event:
    kind = offset = duration = 0
    texts: dict[str, str] = {}
    for number, value in _fields(data, place):
        if number == _EVENT_METADATA:
            kind = _number(value)
        elif number == _EVENT_OFFSET_PS:
            offset = _signed(value)
        elif number == _EVENT_DURATION_PS:
            duration = _number(value)
        elif number == _EVENT_STATS and statistics is not None:
            texts.update(_statistic(data, _place(value), statistics))
    return Event(names.get(kind, ""), began + offset, duration, texts)


def _statistic(data: bytes, place: Place, statistics: dict[int, str]) -> dict[str, str]:
    key = 0
    text: str | None = None
    for number, value in _fields(data, place):
        if number == _STAT_METADATA:
            key = _number(value)
        elif number == _STAT_TEXT:
            text = _text(data, value)
        elif number == _STAT_REFERENCE:  # to a text that the file stores once for all events
            text = statistics.get(_number(value))
    return {} if text is None else {statistics.get(key, ""): text}


def _named(data: bytes, place: Place) -> tuple[int, str]:
    """An entry of a map from numbers to descriptions: the number and the name in the description."""
    key, name = 0, ""
    for number, value in _fields(data, place):
        if number == _ENTRY_KEY:
            key = _number(value)
        elif number == _ENTRY_VALUE:
            for inner, text in _fields(data, _place(value)):
                if inner == _METADATA_NAME:
                    name = _text(data, text)
    return key, name


def _text(data: bytes, value: int | Place) -> str:
    begin, end = _place(value)
    return data[begin:end].decode()


def _place(value: int | Place) -> Place:
    if isinstance(value, int):
        raise TypeError("a number where bytes should be")
    return value


def _number(value: int | Place) -> int:
    if not isinstance(value, int):
        raise TypeError("bytes where a number should be")
    return value


def _signed(value: int | Place) -> int:
    number = _number(value)
    return number - (1 << 64) if number >= 1 << 63 else number


def _fields(data: bytes, place: Place) -> Iterator[tuple[int, int | Place]]:
    """The fields of a message: each with its number, and its value or the place of its bytes."""
    position, end = place
    while position < end:
        key, position = _varint(data, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield key >> 3, value
        elif kind == _BYTES:
            length, position = _varint(data, position)
            if position + length > end:
                raise IndexError("a field is longer than its message")
            yield key >> 3, (position, position + length)
            position += length
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            raise IndexError("unknown kind of field")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position]
    if byte < 128:
        return byte, position + 1
    value, shift = byte & 127, 7
    while True:
        position += 1
        byte = data[position]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position + 1
        shift += 7
