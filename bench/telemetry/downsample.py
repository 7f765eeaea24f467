"""Samples thinned as a phase grows long: a file of hours must not grow without bound."""

from dataclasses import dataclass, field

LINES_A_WIDTH = 1000
"""After so many lines of one width the next hold twice as many samples: 100 s at 10 Hz are kept one by one,
and 12 h take 9,000 lines."""

DIGITS = 6


@dataclass
class Window:
    """Samples that become one line.

    Attributes:
        samples: How many there are.
        counters: Of the last sample.
    """

    samples: int = 0
    counters: dict[str, float] = field(default_factory=dict)
    _sums: dict[str, float] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _most: dict[str, float] = field(default_factory=dict)

    def add(self, counters: dict[str, float], gauges: dict[str, float]) -> None:
        """Take in a sample."""
        self.samples += 1
        self.counters = counters
        for name, value in gauges.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1
            self._most[name] = max(value, self._most.get(name, value))

    def line(self, names: list[str], counters: list[str]) -> dict[str, list[float | None] | int]:
        """`n` samples, `c` counters, `g` means of gauges; of more than one sample `m`, their maxima."""
        means = [_short(self._sums[n] / self._counts[n]) if n in self._counts else None for n in names]
        line: dict = {
            "n": self.samples,
            "c": _trimmed([_micro(self.counters.get(n)) for n in counters]),
            "g": _trimmed(means),
        }
        if self.samples > 1:
            line["m"] = _trimmed([_short(self._most.get(n)) for n in names])
        return line


class Thinning:
    """Decides how many samples make a line: one at first, and more in a phase that goes on and on."""

    def __init__(self, lines_a_width: int = LINES_A_WIDTH):
        self._limit = lines_a_width
        self.width = 1
        self._lines = 0

    def phase_changes(self) -> None:
        """Each phase begins with lines of one sample."""
        self.width, self._lines = 1, 0

    def closes(self, window: Window) -> bool:
        """Whether the next sample of the window is its last one."""
        return window.samples + 1 >= self.width

    def is_full(self, window: Window) -> bool:
        """Whether the window is to be written now."""
        if window.samples < self.width:
            return False
        self._lines += 1
        if self._lines >= self._limit:
            self.width, self._lines = 2 * self.width, 0
        return True


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _micro(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _trimmed(values: list) -> list:
    """Without the missing values at its end."""
    while values and values[-1] is None:
        values.pop()
    return values
