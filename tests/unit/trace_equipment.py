"""Writes files as TensorFlow's profiler does, with what a test wants in them."""

from dataclasses import dataclass, field


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def number(field_number: int, value: int) -> bytes:
    return varint(field_number << 3) + varint(value)


def message(field_number: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return varint(field_number << 3 | 2) + varint(len(content)) + content


@dataclass
class TraceLine:
    """A line: (name, start, duration, statistics) of each event; times in nanoseconds."""

    name: str
    events: list[tuple]
    began_ns: int = 0


@dataclass
class TracePlane:
    """A plane, encoded as in OpenXLA's `xplane.proto`."""

    name: str
    lines: list[TraceLine]
    numbers: dict[str, int] = field(default_factory=dict)
    statistics: dict[str, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        lines = b"".join(message(3, self._line(line)) for line in self.lines)
        names = [(4, self.numbers), (5, self.statistics)]
        entries = b"".join(
            message(which, number(1, key) + message(2, number(1, key) + message(2, name)))
            for which, table in names
            for name, key in table.items()
        )
        return number(1, 7) + message(2, self.name) + lines + entries

    def _line(self, line: TraceLine) -> bytes:
        events = b"".join(message(4, self._event(*event)) for event in line.events)
        # A negative number of the thread, a length in full and a name to show: fields that are not needed.
        return number(1, -5) + message(2, line.name) + number(3, line.began_ns) + events + message(11, "x")

    def _event(self, name: str, start: float, duration: float, texts: dict[str, str] | None = None) -> bytes:
        encoded = number(1, self._number(self.numbers, name)) + number(2, int(start * 1000))
        encoded += number(3, int(duration * 1000))
        for index, (key, text) in enumerate((texts or {}).items()):
            # Texts stand there themselves, or as references to the names of statistics.
            value = message(5, text) if index % 2 else number(7, self._number(self.statistics, text))
            encoded += message(4, number(1, self._number(self.statistics, key)) + value)
        weight = varint(2 << 3 | 1) + bytes(8)  # a statistic that is a double
        return encoded + message(4, number(1, self._number(self.statistics, "weight")) + weight)

    @staticmethod
    def _number(table: dict[str, int], name: str) -> int:
        return table.setdefault(name, len(table) + 1)


def encode(*planes: TracePlane) -> bytes:
    """A whole file."""
    space = b"".join(message(1, plane.encode()) for plane in planes)
    return space + message(2, "an error that the profiler had") + message(4, "host")
