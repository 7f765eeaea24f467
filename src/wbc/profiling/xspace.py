"""What a profiler's file holds: planes (a host, a GPU), lines (threads, streams) and events.

The files `*.xplane.pb` are messages of protocol buffers, of a schema that has been the same for years
(`XSpace` in OpenXLA's `xplane.proto`). The few fields that are needed are taken from the encoding itself:
where the generated classes lie, and whether they are there at all, changes with TensorFlow's versions.
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
    """The bytes are no `XSpace`."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that took a while; times in picoseconds.

    Attributes:
        name: What it was.
        start: Since the profiler started.
        duration: How long it took.
        texts: Its statistics that are texts, by their names, such as `tf_op` of a kernel.
    """

    name: str
    start: int
    duration: int
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """When it was over."""
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
    """The planes of an `xplane.pb` file; texts of events are read for devices only, where they are few.

    Raises:
        NotATraceError: It is something else, or it was cut off.
        OSError: It cannot be read.
    """
    data = path.read_bytes()
    try:
        return [
            _plane(data, *value) for number, value in _fields(data, 0, len(data)) if number == _SPACE_PLANES
        ]
    except (IndexError, TypeError, UnicodeDecodeError) as error:
        raise NotATraceError(f"{path} is no trace of a profiler, or was cut off") from error


def _plane(data: bytes, start: int, end: int) -> Plane:
    name, lines, names, statistics = "", [], {}, {}
    for number, value in _fields(data, start, end):
        if number == _PLANE_NAME:
            name = _text(data, value)
        elif number == _PLANE_LINES:
            lines.append(value)
        elif number in (_PLANE_EVENTS, _PLANE_STATS):
            key, text = _named(data, *value)
            (names if number == _PLANE_EVENTS else statistics)[key] = text
    with_texts = statistics if name.startswith("/device:") else None
    return Plane(name, [_line(data, *line, names, with_texts) for line in lines])


def _line(
    data: bytes, start: int, end: int, names: dict[int, str], statistics: dict[int, str] | None
) -> Line:
    name, began, places = "", 0, []
    for number, value in _fields(data, start, end):
        if number == _LINE_NAME:
            name = _text(data, value)
        elif number == _LINE_TIMESTAMP_NS:
            began = _signed(value) * 1000
        elif number == _LINE_EVENTS:
            places.append(value)
    return Line(name, [_event(data, *place, began, names, statistics) for place in places])


def _event(
    data: bytes, start: int, end: int, began: int, names: dict[int, str], statistics: dict[int, str] | None
) -> Event:
    kind = offset = duration = 0
    texts = {}
    for number, value in _fields(data, start, end):
        if number == _EVENT_METADATA:
            kind = value
        elif number == _EVENT_OFFSET_PS:
            offset = _signed(value)
        elif number == _EVENT_DURATION_PS:
            duration = value
        elif number == _EVENT_STATS and statistics is not None:
            texts.update(_statistic(data, *value, statistics))
    return Event(names.get(kind, ""), began + offset, duration, texts)


def _statistic(data: bytes, start: int, end: int, statistics: dict[int, str]) -> dict[str, str]:
    key, text = 0, None
    for number, value in _fields(data, start, end):
        if number == _STAT_METADATA:
            key = value
        elif number == _STAT_TEXT:
            text = _text(data, value)
        elif number == _STAT_REFERENCE:  # to a text that is kept once for all events
            text = statistics.get(value)
    return {} if text is None else {statistics.get(key, ""): text}


def _named(data: bytes, start: int, end: int) -> tuple[int, str]:
    """An entry of a map from numbers to descriptions: the number and the description's name."""
    key, name = 0, ""
    for number, value in _fields(data, start, end):
        if number == _ENTRY_KEY:
            key = value
        elif number == _ENTRY_VALUE:
            for inner, place in _fields(data, *value):
                if inner == _METADATA_NAME:
                    name = _text(data, place)
    return key, name


def _text(data: bytes, place: tuple[int, int]) -> str:
    return data[place[0] : place[1]].decode()


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _fields(data: bytes, place: int, end: int) -> Iterator[tuple[int, int | tuple[int, int]]]:
    """The fields of a message: their numbers, and numbers or the places of their bytes."""
    while place < end:
        key, place = _varint(data, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
        elif kind == _BYTES:
            length, place = _varint(data, place)
            if place + length > end:
                raise IndexError("a field is longer than what it is in")
            yield key >> 3, (place, place + length)
            place += length
        elif kind in (_FIXED64, _FIXED32):
            place += 8 if kind == _FIXED64 else 4
        else:
            raise IndexError("no such kind of field")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    byte = data[place]
    if byte < 128:
        return byte, place + 1
    value, shift = byte & 127, 7
    while True:
        place += 1
        byte = data[place]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place + 1
        shift += 7
