"""Signals that ask the harness to stop become an exception in the main thread."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from bench.errors import InterruptedRun


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it, SIGINT and SIGTERM raise InterruptedRun."""

    def interrupt(number: int, frame) -> None:
        raise InterruptedRun(number)

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
