"""Gives trials to slots, longest first, and sees each through to its record."""

import contextlib
import math
import selectors
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from signal import Signals
from types import MappingProxyType
from typing import Protocol

import msgspec

from bench.devices.device import Slot
from bench.devices.machine import plural
from bench.journal.results import Attempt, SuiteResults
from bench.plan.batches import sized, smaller, taken
from bench.plan.decide import PlannedTrial
from bench.records.fold import finish
from bench.runner.engine import QUEUED, Engine, Worker
from bench.runner.signals import Interruption
from bench.trials.limits import RETRIED, Limits
from bench.trials.origin import Neighbors
from bench.trials.record import Record
from bench.worker.jsonl import EventWriter, Facts, RawEvent
from bench.worker.turns import OVER

LINGER_S = 10.0
"""How long a process may take to end once its journal is complete; threads of a user's network may go on."""

NEIGHBORS_S = 10.0
"""How often the other users of a trial's devices are looked for."""


class Watcher(Protocol):
    """Is told how a run progresses."""

    def say(self, message: str, /) -> None:
        """A sentence for people: a device is lost."""

    def trial_started(self, planned: PlannedTrial, slot: Slot) -> None:
        """A trial starts on a slot."""

    def event(self, planned: PlannedTrial, slot: Slot, event: RawEvent) -> None:
        """The worker reports something."""

    def trial_ended(self, planned: PlannedTrial, slot: Slot, record: Record, again: bool) -> None:
        """An attempt is over; `again`: the trial will be retried."""


class Recording(Protocol):
    """Sends records somewhere else while trials run, and never fails or delays them."""

    def filenos(self) -> list[int]:
        """Descriptors that become readable when it has something to report."""

    def pump(self) -> list[RawEvent]:
        """What it did since the last call: events for the journals of the trials that ran beside it."""

    def prepare(self) -> None:
        """Get ready: an attempt is about to be over."""

    def send(self, attempt: Attempt) -> None:
        """Record an attempt that is over, some time soon."""

    def settle(self, interrupted: int) -> None:
        """Wait until everything is recorded or given up, or until this descriptor becomes readable."""


@dataclass(eq=False)
class _Active:
    """An attempt under way. Times are on the scheduler's clock, in seconds."""

    planned: PlannedTrial
    attempt: Attempt
    slot: Slot
    worker: Worker
    started: float
    last_event: float = field(init=False)
    neighbors_due: float = field(init=False)
    neighbors: Neighbors | None = None
    stopping: bool = False
    kill_at: float = math.inf
    linger_until: float = math.inf
    """Set once the journal is complete."""
    turn_over: float | None = None
    """Since when it is another worker's turn; no limit counts then."""

    def turn_begins(self, now: float) -> None:
        """The limits count again, if they did not."""
        if self.turn_over is not None:
            self.started += now - self.turn_over
            self.last_event, self.turn_over = now, None

    def __post_init__(self) -> None:
        self.last_event = self.neighbors_due = self.started


class Scheduler:
    """Runs the trials of a plan. Each gets a record, whatever happens to it.

    One thread waits for all workers at once and sleeps between their events: the harness must not share the
    cores of what it measures.

    Args:
        results: Where attempts are recorded; locked by the caller.
        engine: Starts the workers, on its slots.
        limits: How long they may take, and whether each needs the machine for itself.
        watcher: Is told how the run progresses.
        recording: Gets each attempt once its record is written.
        interruption: Signals that ask to stop.
        clock: Seconds.
        successors: Trial -> the one that goes on from its last epoch, see `bench.plan.prefixes`.
    """

    def __init__(
        self,
        results: SuiteResults,
        engine: Engine,
        limits: Limits,
        watcher: Watcher,
        recording: Recording,
        interruption: Interruption,
        clock: Callable[[], float] = time.monotonic,
        successors: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.results, self.engine, self.limits = results, engine, limits
        self.watcher, self.recording = watcher, recording
        self.interruption, self.clock, self.successors = interruption, clock, successors
        self._free = list(engine.slots[:1] if limits.exclusive else engine.slots)
        self._waiting: list[PlannedTrial] = []
        self._active: list[_Active] = []
        self._tries: Counter[str] = Counter()

    def run(self, plan: Sequence[PlannedTrial]) -> None:
        """Run every trial of the plan that is not done.

        Raises:
            InterruptedRun: A signal came; the attempts under way are recorded as interrupted.
            OSError: A record cannot be written; the workers are stopped.
        """
        with self.interruption.held(), contextlib.closing(self.rounds(plan)) as rounds:
            for _ in rounds:
                self._wait()

    def rounds(self, plan: Sequence[PlannedTrial]) -> Generator[None, None, None]:
        """The same in pieces: after each one there is nothing to do until something happens, see `wait_for`.

        Closed before its end, or left by an error, it ends every worker.
        """
        todo = [planned for planned in plan if planned.runs]
        for planned in todo:
            if planned.fresh:
                self.results.discard_checkpoint(planned.trial.id)
        self._waiting = sorted(todo, key=lambda planned: -planned.seconds)
        try:
            while self._active or (self._waiting and self._free and not self.interruption.count):
                self._fill()
                yield
                self._collect()
        except BaseException:
            self._abandon()
            raise

    def _fill(self) -> None:
        """Start trials while slots are free."""
        while self._free and (ready := self._ready()) and not self.interruption.count:
            planned, slot = ready[0], self._free.pop(0)
            self._waiting.remove(planned)
            quiet = None
            if self.limits.exclusive:
                self.recording.settle(self.interruption.fileno())
                quiet = self.engine.other_users.wait_until_quiet(slot, self._sleep)
            self._start(planned, slot, quiet)

    def _ready(self) -> list[PlannedTrial]:
        """The waiting trials but those that go on from another one, while that is not over."""
        if not self.successors:
            return self._waiting
        ahead = [*self._waiting, *(active.planned for active in self._active)]
        held = {self.successors.get(planned.trial.id) for planned in ahead}
        return [planned for planned in self._waiting if planned.trial.id not in held]

    def _start(self, planned: PlannedTrial, slot: Slot, quiet: Facts | None) -> None:
        self._tries[planned.trial.id] += 1
        trial = sized(planned.trial, self.results.attempts(planned.trial.id), slot)
        attempt = self.results.new_attempt(trial, self._checkpointing(trial.id))
        worker = self.engine.start(attempt, slot)
        self._active.append(_Active(planned, attempt, slot, worker, self.clock()))
        if quiet is not None:
            worker.note("quiet", **quiet)
        self.watcher.trial_started(planned, slot)

    def _checkpointing(self, trial_id: str) -> Facts:
        return {
            "folder": str(self.results.checkpoint(trial_id).resolve()),
            "every_epochs": self.limits.checkpoint_epochs,
            "every_s": self.limits.checkpoint_s,
            # Only where it is needed: an older `wbc` does not know it.
            **({"at_end": True} if trial_id in self.successors else {}),
        }

    def _wait(self) -> None:
        wait_for(self.interruption, self)

    def filenos(self) -> list[int]:
        """Descriptors that become readable when a worker or the recording reports something."""
        workers = [fileno for active in self._active for fileno in active.worker.filenos()]
        return [*self.recording.filenos(), *workers]

    def turn_begins(self) -> None:
        """It is the turn of its workers, whether they say so or not."""
        for active in self._active:
            active.turn_begins(self.clock())

    def stop(self, message: str) -> None:
        """Ask what is under way to stop, and start nothing more; its record has the message."""
        self._waiting.clear()
        for active in self._active:
            if not active.stopping:
                self._stop(active, "interrupted", message)

    def idle_s(self) -> float:
        """Seconds until something is due; infinity where nothing is."""
        due = min((self._due(active) for active in self._active), default=math.inf)
        return max(0.0, due - self.clock())

    def _due(self, active: _Active) -> float:
        if active.stopping:
            return active.kill_at
        if not math.isinf(active.linger_until):
            return active.linger_until
        if active.turn_over is not None:
            return math.inf
        limit = active.started + (self.limits.trial_s or math.inf)
        return min(limit, active.last_event + self.limits.stall_s, active.neighbors_due)

    def _collect(self) -> None:
        """Handle what happened: events, ends, signals, limits."""
        for message in self.recording.pump():
            for active in self._active:
                active.worker.note(**message)
        for active in list(self._active):
            ended = active.worker.reap()  # first, so that the last events are not missed
            for event in active.worker.events():
                active.last_event = self.clock()
                if event.get("event") == QUEUED:
                    active.started = active.last_event
                    continue
                if event.get("event") == "closed":
                    active.linger_until = active.last_event + LINGER_S
                saves = event.get("event") == "phase_started" and event.get("phase") == "save"
                if saves and not active.planned.trial.measures_after_save:
                    self.recording.prepare()
                if event.get("event") == OVER:
                    active.turn_over = active.last_event
                else:
                    active.turn_begins(active.last_event)
                self.watcher.event(active.planned, active.slot, event)
            if ended:
                self._end(active)
            elif self.interruption.count:
                self._interrupt(active)
            else:
                self._check(active)

    def _check(self, active: _Active) -> None:
        """Hold a trial to its limits, and look for other users."""
        now = self.clock()
        if active.stopping:
            if now >= active.kill_at:
                active.worker.kill()
                active.kill_at = math.inf
        elif not math.isinf(active.linger_until):  # its result is there: no limit counts any more
            if now >= active.linger_until:
                message = f"it was still there {LINGER_S:g} s after its last event (a thread that goes on?)"
                self._stop(active, "lingered", message)
        elif active.turn_over is not None:
            return
        elif self.limits.trial_s and now - active.started >= self.limits.trial_s:
            self._stop(active, "timeout", f"it took longer than {self.limits.trial_s:g} s ([limits] trial)")
        elif now - active.last_event >= self.limits.stall_s:
            message = f"no event for {self.limits.stall_s:g} s ([limits] stall)"
            self._stop(active, "stalled", message)
        elif now >= active.neighbors_due:
            active.neighbors_due = now + NEIGHBORS_S
            neighbors = self.engine.other_users.neighbors(active.slot)
            if neighbors != active.neighbors:
                active.neighbors = neighbors
                active.worker.note("neighbors", neighbors=msgspec.to_builtins(neighbors))

    def _interrupt(self, active: _Active) -> None:
        """The first signal asks the worker to stop. The second one, or the end of its grace period, kills it."""
        assert self.interruption.number is not None
        if not active.stopping:
            self._stop(active, "interrupted", f"stopped by {Signals(self.interruption.number).name}")
        if self.interruption.count > 1 or self.clock() >= active.kill_at:
            active.worker.kill()
            active.kill_at = math.inf

    def _stop(self, active: _Active, why: str, message: str) -> None:
        active.stopping, active.kill_at = True, self.clock() + self.limits.grace_s
        active.worker.stop(why, message)

    def _end(self, active: _Active) -> None:
        """Write the record of an attempt that is over, free its slot, and retry where that may help.

        A slot whose GPU is lost is used no more. Its trial did not fail by itself, so it goes to another slot.
        """
        lost = self._lost(active)
        record = finish(active.attempt)
        self._active.remove(active)
        if not lost:
            self._free.append(active.slot)
        if record.done:
            self._done(active.attempt.trial_id)
        again = not self.interruption.count and record.failure is not None
        if again and lost:
            self._tries[active.attempt.trial_id] -= 1
            again = bool(self._free or self._active)
        elif again and (size := smaller(active.attempt, record)):
            self._tries[active.attempt.trial_id] -= 1
            self.watcher.say(
                f"{active.attempt.trial_id}: no room for batches of {taken(active.attempt)} images; {size} are tried."
            )
        elif again and record.failure is not None:
            tried = self._tries[active.attempt.trial_id]
            again = record.failure.kind in RETRIED and tried <= self.limits.retries
        if again:
            self._waiting.append(active.planned)
            self._waiting.sort(key=lambda planned: -planned.seconds)
        self.watcher.trial_ended(active.planned, active.slot, record, again)
        self.recording.send(active.attempt)
        if lost:
            left = len(self._free) + len(self._active)
            self.watcher.say(
                f"{', '.join(lost)} is lost: no further trial runs there, {plural(left, 'slot')} left."
                + (
                    ""
                    if left or not self._waiting
                    else f" {plural(len(self._waiting), 'trial')} not started."
                )
            )

    def _done(self, trial_id: str) -> None:
        """A trial needs its checkpoint no more; the trial that follows it may."""
        successor = self.successors.get(trial_id)
        if successor and any(planned.trial.id == successor for planned in self._waiting):
            self.results.hand_over_checkpoint(trial_id, successor)
        self.results.discard_checkpoint(trial_id)

    def _lost(self, active: _Active) -> tuple[str, ...]:
        """The GPUs of a slot that are lost. The journal is told before the record is made from it."""
        neighbors = self.engine.other_users.neighbors(active.slot)
        if neighbors is None or not neighbors.lost:
            return ()
        if neighbors != active.neighbors:
            journal = EventWriter(active.attempt.runner_events)
            journal.write("neighbors", neighbors=msgspec.to_builtins(neighbors))
            journal.close()
        return neighbors.lost

    def _abandon(self) -> None:
        """After a failure of our own: end every worker."""
        for active in self._active:
            with contextlib.suppress(OSError):
                active.worker.stop("interrupted", "the harness failed")
                active.worker.kill()
        deadline = time.monotonic() + self.limits.grace_s
        for active in self._active:
            with contextlib.suppress(OSError):
                while not active.worker.reap() and time.monotonic() < deadline:
                    time.sleep(0.01)
                finish(active.attempt)

    def _sleep(self, seconds: float) -> None:
        """Sleep, unless a signal comes first; no worker is running."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.interruption.fileno(), selectors.EVENT_READ)
            selector.select(seconds)
        self.interruption.raise_if_asked()


def wait_for(interruption: Interruption, *schedulers: Scheduler) -> None:
    """Sleep until a worker, a recording or a signal reports something, or until something is due."""
    with selectors.DefaultSelector() as selector:
        selector.register(interruption.fileno(), selectors.EVENT_READ)
        for fileno in (fileno for one in schedulers for fileno in one.filenos()):
            selector.register(fileno, selectors.EVENT_READ)
        idle_s = min((one.idle_s() for one in schedulers), default=math.inf)
        selector.select(None if math.isinf(idle_s) else idle_s)
    interruption.clear()
