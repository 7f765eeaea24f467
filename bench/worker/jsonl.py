"""Journals as JSON lines: one event per line, appended and never changed. Standard library only."""

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

Facts = dict[str, Any]
"""A table as JSON has it: what a journal keeps of something."""

RawEvent = Facts
"""One line of a journal."""


class EventWriter:
    """Appends events to a file, each stamped with the monotonic clock and the process' CPU time.

    Attributes:
        left_out_ns: Nanoseconds that the clock of the stamps leaves out, see `bench.worker.turns`.

    Args:
        path: The file; created if missing.
        stream: File descriptor of a pipe that gets a copy of short events, or None. A copy that does not fit
            is dropped: the file has all events, and a slow reader must not delay what is measured.
    """

    def __init__(self, path: Path, stream: int | None = None) -> None:
        # Open as long as the process lives, so that an event costs one write.
        self._file = path.open("ab", buffering=0)
        self._stream = stream
        self.left_out_ns = 0
        if stream is not None:
            os.set_blocking(stream, False)
            os.set_inheritable(stream, False)

    def write(self, event: str, **content: Any) -> bool:
        """Append an event; give `t` and `cpu` (nanoseconds) if it happened earlier.

        Returns:
            Whether the pipe has a copy.
        """
        now = time.monotonic_ns() - self.left_out_ns
        stamped = {"t": now, "cpu": time.process_time_ns(), "event": event, **content}
        line = (json.dumps(stamped) + "\n").encode()
        self._file.write(line)
        if self._stream is not None and len(line) <= 4096:  # longer writes to a pipe are not atomic
            with contextlib.suppress(OSError):
                return os.write(self._stream, line) == len(line)
        return False

    def close(self) -> None:
        """Make sure that the events are on the disk, and close the file."""
        os.fsync(self._file.fileno())
        self._file.close()


def read_lines(path: Path) -> list[RawEvent]:
    """The objects of a file, none if it is missing; an incomplete last line and whatever is no object are left out."""
    try:
        lines = path.read_bytes().split(b"\n")
    except (FileNotFoundError, IsADirectoryError):
        return []
    objects: list[RawEvent] = []
    for line in lines[:-1]:
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            objects.append(content)
    return objects
