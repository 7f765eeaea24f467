"""How long a trial may take, and how often it is tried."""

from dataclasses import dataclass

RETRIED = frozenset({"host-oom", "crashed", "stalled"})
"""Kinds of failure that may pass; the others would happen again."""


@dataclass(frozen=True)
class Limits:
    """Limits of a suite, in seconds.

    Attributes:
        trial_s: Longest time of an attempt, from the start of its process; None for no limit.
        stall_s: Longest time without an event of the worker.
        retries: How often a trial is tried again within a run, where its failure may pass (`RETRIED`).
        grace_s: How long a worker that was asked to stop may take.
        checkpoint_s: A checkpoint at the end of an epoch when this long has passed; None: by epochs.
        checkpoint_epochs: A checkpoint every so many epochs; None: by time.
        quiet_s: With `exclusive`, how long to wait for a quiet machine before a trial.
    """

    trial_s: float | None = None
    stall_s: float = 15 * 60.0
    retries: int = 1
    grace_s: float = 5.0
    checkpoint_s: float | None = 5 * 60.0
    checkpoint_epochs: int | None = None
    quiet_s: float = 10 * 60.0
