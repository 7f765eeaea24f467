"""How long a trial may take, and how often it is retried; how people write times and amounts."""

import re
from dataclasses import dataclass

from wbc.errors import InputError

RETRIED = frozenset({"host-oom", "crashed", "stalled"})
"""Kinds of failure that another attempt may avoid."""

_BYTES = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS = {"ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Limits:
    """Limits of the trials of a suite."""

    trial_s: float | None = None
    """Longest time of an attempt, from the start of its process; None: no limit."""
    stall_s: float = 15 * 60.0
    """Longest time without an event of the worker."""
    retries: int = 1
    """How often a run retries a trial whose failure may pass (`RETRIED`)."""
    grace_s: float = 5.0
    """How long a worker may take to stop after it was asked to."""
    checkpoint_s: float | None = 5 * 60.0
    """Write a checkpoint at the end of an epoch when this much time has passed; None: count epochs."""
    checkpoint_epochs: int | None = None
    """Write a checkpoint every so many epochs; None: go by time."""
    exclusive: bool = False
    """Run one trial at a time, on a quiet machine, with nothing of the harness beside it."""
    quiet_s: float = 10 * 60.0
    """How long an exclusive run waits for a quiet machine before each trial."""


def bytes_of(text: str) -> int:
    """An amount of memory such as `"20 GB"` or `"500 MB"`, in bytes; a GB has 10^9.

    Raises:
        InputError: It is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT])B", text.strip(), re.IGNORECASE)
    if match is None:
        raise InputError(f"{text!r} is not an amount of memory", 'Write "500 MB" or "20 GB".')
    return round(float(match[1]) * _BYTES[match[2].upper()])


def seconds_of(text: str) -> float:
    """A time such as `"12h"`, `"90m"`, `"30s"` or `"100ms"`, in seconds.

    Raises:
        InputError: It is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|[smhd])", text.strip())
    if match is None:
        raise InputError(f"{text!r} is not a time", 'Write "30s", "90m", "12h" or "2d".')
    return float(match[1]) * _UNITS[match[2]]
