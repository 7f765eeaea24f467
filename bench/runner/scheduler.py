"""Gives trials to slots, longest first, and sees each through to its record."""

import contextlib
import math
import selectors
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from signal import Signals
from typing import Any, Protocol

from bench.devices.device import Slot
from bench.journal.results import Attempt, SuiteResults
from bench.plan.decide import PlannedTrial
from bench.records.fold import finish
from bench.runner.engine import Engine, Running
from bench.runner.signals import Interruption
from bench.trials.limits import RETRIED, Limits

NEIGHBOURS_S = 10.0
"""How often the other users of a trial's devices are looked for."""


class Watcher(Protocol):
    """Is told how a run goes on."""

    def trial_started(self, planned: PlannedTrial, slot: Slot) -> None:
        """A trial starts on a slot."""

    def event(self, planned: PlannedTrial, slot: Slot, event: dict[str, Any]) -> None:
        """The worker reports something."""

    def trial_ended(self, planned: PlannedTrial, slot: Slot, record: dict[str, Any], again: bool) -> None:
        """An attempt is over; `again`: the trial will be tried once more."""


class Recording(Protocol):
    """Sends records somewhere else while trials run, and never fails or delays them."""

    def filenos(self) -> list[int]:
        """Descriptors that become readable when it has something to say."""

    def pump(self) -> list[dict[str, Any]]:
        """What it did since the last call: events for the journals of the trials that ran beside it."""

    def send(self, attempt: Attempt) -> None:
        """Record an attempt that is over, some time soon."""

    def settle(self, interrupted: int) -> None:
        """Wait until everything given to it is done or given up, or this descriptor becomes readable."""


class Surroundings(Protocol):
    """What else goes on on the machine."""

    def neighbours(self, slot: Slot) -> dict[str, Any] | None:
        """Other users of the slot's devices, for the journal; None where there is nothing to say."""

    def wait_until_quiet(self, slot: Slot, sleep: Callable[[float], None]) -> dict[str, Any]:
        """Wait for a quiet machine; what came of it, for the journal."""


@dataclass(eq=False)
class _Work:
    """An attempt on its slot."""

    planned: PlannedTrial
    attempt: Attempt
    slot: Slot
    running: Running
    started: float
    last_event: float
    neighbours_due: float
    neighbours: dict[str, Any] | None = None
    kill_at: float = math.inf
    stopping: bool = False


class Scheduler:
    """Runs the trials of a plan; each gets a record, whatever becomes of it.

    One thread waits for all workers at once and sleeps between their events: what is measured must not share
    its cores with what measures.

    Args:
        results: Where attempts are recorded; locked by the caller.
        engine: Starts the workers.
        slots: Where they run, one a slot.
        limits: How long they may take.
        watcher: Is told how it goes.
        recording: Gets each attempt once its record is written.
        surroundings: What else goes on on the machine.
        interruption: Signals that ask to stop.
        exclusive: One trial at a time, on a quiet machine, with nothing of the harness beside it.
        clock: Seconds.
    """

    def __init__(
        self,
        results: SuiteResults,
        engine: Engine,
        slots: Sequence[Slot],
        limits: Limits,
        watcher: Watcher,
        recording: Recording,
        surroundings: Surroundings,
        interruption: Interruption,
        exclusive: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.results, self.engine, self.limits = results, engine, limits
        self.watcher, self.recording, self.surroundings = watcher, recording, surroundings
        self.interruption, self.exclusive, self.clock = interruption, exclusive, clock
        self._free = list(slots[:1] if exclusive else slots)
        self._waiting: list[PlannedTrial] = []
        self._active: list[_Work] = []
        self._tries: Counter[str] = Counter()

    def run(self, plan: Sequence[PlannedTrial]) -> None:
        """Run every trial of the plan that is not done.

        Raises:
            InterruptedRun: A signal came; the attempts under way are recorded as interrupted.
            OSError: A record cannot be written; the workers are stopped.
        """
        todo = [planned for planned in plan if planned.runs]
        self._waiting = sorted(todo, key=lambda planned: -planned.seconds)
        with self.interruption.held():
            try:
                while self._active or (self._waiting and not self.interruption.count):
                    self._fill()
                    self._wait()
                    self._collect()
            except BaseException:
                self._abandon()
                raise

    def _fill(self) -> None:
        """Start trials while slots are free."""
        while self._free and self._waiting and not self.interruption.count:
            planned, slot = self._waiting.pop(0), self._free.pop(0)
            quiet = None
            if self.exclusive:
                self.recording.settle(self.interruption.fileno())
                quiet = self.surroundings.wait_until_quiet(slot, self._sleep)
            self._start(planned, slot, quiet)

    def _start(self, planned: PlannedTrial, slot: Slot, quiet: dict[str, Any] | None) -> None:
        if planned.afresh and not self._tries[planned.trial.id]:
            self.results.discard_checkpoint(planned.trial.id)
        self._tries[planned.trial.id] += 1
        attempt = self.results.new_attempt(planned.trial, self._checkpointing(planned.trial.id))
        running = self.engine.start(attempt, slot)
        now = self.clock()
        work = _Work(planned, attempt, slot, running, now, now, now)
        self._active.append(work)
        if quiet is not None:
            running.note("quiet", **quiet)
        self.watcher.trial_started(planned, slot)

    def _checkpointing(self, trial_id: str) -> dict[str, Any]:
        return {
            "folder": str(self.results.checkpoint(trial_id).resolve()),
            "every_epochs": self.limits.checkpoint_epochs,
            "every_s": self.limits.checkpoint_s,
        }

    def _wait(self) -> None:
        """Sleep until a worker, the recording or a signal has something to say, or until something is due."""
        with selectors.DefaultSelector() as selector:
            waited = [self.interruption.fileno(), *self.recording.filenos()]
            waited += [fileno for work in self._active for fileno in work.running.filenos()]
            for fileno in waited:
                selector.register(fileno, selectors.EVENT_READ)
            due = min((self._due(work) for work in self._active), default=math.inf)
            selector.select(None if math.isinf(due) else max(0.0, due - self.clock()))
        self.interruption.clear()

    def _due(self, work: _Work) -> float:
        if work.stopping:
            return work.kill_at
        limit = work.started + (self.limits.trial_s or math.inf)
        return min(limit, work.last_event + self.limits.stall_s, work.neighbours_due)

    def _collect(self) -> None:
        """Take in what happened: events, ends, signals, limits."""
        for message in self.recording.pump():
            for work in self._active:
                work.running.note(**message)
        for work in list(self._active):
            over = work.running.is_over()  # asked first, so that the last events are not missed
            for event in work.running.events():
                work.last_event = self.clock()
                self.watcher.event(work.planned, work.slot, event)
            if over:
                self._end(work)
            elif self.interruption.count:
                self._interrupt(work)
            else:
                self._check(work)

    def _check(self, work: _Work) -> None:
        """Hold a trial to its limits, and look who else is there."""
        now = self.clock()
        if work.stopping:
            if now >= work.kill_at:
                work.running.kill()
                work.kill_at = math.inf
        elif self.limits.trial_s and now - work.started >= self.limits.trial_s:
            self._stop(work, "timeout", f"it took longer than {self.limits.trial_s:g} s ([limits] trial)")
        elif now - work.last_event >= self.limits.stall_s:
            message = f"no sign of life for {self.limits.stall_s:g} s ([limits] stall)"
            self._stop(work, "stalled", message)
        elif now >= work.neighbours_due:
            work.neighbours_due = now + NEIGHBOURS_S
            neighbours = self.surroundings.neighbours(work.slot)
            if neighbours != work.neighbours:
                work.neighbours = neighbours
                work.running.note("neighbors", neighbors=neighbours)

    def _interrupt(self, work: _Work) -> None:
        """The first signal asks the worker to stop; the second, or its slowness, ends it."""
        assert self.interruption.number is not None
        if not work.stopping:
            self._stop(work, "interrupted", f"stopped by {Signals(self.interruption.number).name}")
        if self.interruption.count > 1 or self.clock() >= work.kill_at:
            work.running.kill()
            work.kill_at = math.inf

    def _stop(self, work: _Work, why: str, message: str) -> None:
        work.stopping, work.kill_at = True, self.clock() + self.limits.grace_s
        work.running.stop(why, message)

    def _end(self, work: _Work) -> None:
        """Write the record of an attempt that is over, free its slot, try again where that may help."""
        record = finish(work.attempt)
        self._active.remove(work)
        self._free.append(work.slot)
        if record.done:
            self.results.discard_checkpoint(work.attempt.trial_id)
        failure = record.failure
        tried = self._tries[work.attempt.trial_id]
        again = failure is not None and failure.kind in RETRIED and tried <= self.limits.retries
        again = again and not self.interruption.count
        if again:
            self._waiting.append(work.planned)
            self._waiting.sort(key=lambda planned: -planned.seconds)
        self.watcher.trial_ended(work.planned, work.slot, record, again)
        self.recording.send(work.attempt)

    def _abandon(self) -> None:
        """After a failure of our own: no worker may go on unseen."""
        for work in self._active:
            with contextlib.suppress(OSError):
                work.running.stop("interrupted", "the harness failed")
                work.running.kill()
        deadline = time.monotonic() + self.limits.grace_s
        for work in self._active:
            with contextlib.suppress(OSError):
                while not work.running.is_over() and time.monotonic() < deadline:
                    time.sleep(0.01)
                finish(work.attempt)

    def _sleep(self, seconds: float) -> None:
        """Sleep, but not through a signal; nothing runs that would have to be stopped with care."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.interruption.fileno(), selectors.EVENT_READ)
            selector.select(seconds)
        self.interruption.raise_if_asked()
