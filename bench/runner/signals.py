"""Signals that ask the harness to stop."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from bench.errors import InterruptedRun


class Interruption:
    """SIGINT and SIGTERM, as an exception or as something to wait for.

    Outside `held`, a signal raises InterruptedRun in the main thread at once. Within `held`, where workers must be
    stopped with care, it is only noted.
    """

    number: int | None
    """The first signal that came."""
    count: int
    """How many came."""

    def __init__(self) -> None:
        self.number = None
        self.count = 0
        self._held = False
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)

    def fileno(self) -> int:
        """A descriptor that becomes readable when a signal comes."""
        return self._read_end

    def clear(self) -> None:
        """Make the descriptor unreadable again."""
        try:
            while os.read(self._read_end, 512):
                pass
        except BlockingIOError:
            pass

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within it, signals do not raise; one that came raises at its end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self.raise_if_asked()

    def raise_if_asked(self) -> None:
        """Raise InterruptedRun if a signal came."""
        if self.number is not None:
            raise InterruptedRun(self.number)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number
        self.count += 1
        if not self._held:
            raise InterruptedRun(self.number)

    def _close(self) -> None:
        os.close(self._read_end)
        os.close(self._write_end)


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Within it, SIGINT and SIGTERM are an `Interruption`."""
    interruption = Interruption()
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, interruption._receive) for number in numbers}
    wakeup = signal.set_wakeup_fd(interruption._write_end, warn_on_full_buffer=False)
    try:
        yield interruption
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in previous.items():
            signal.signal(number, handler)
        interruption._close()
