"""An engine, a clock and other users for tests of the scheduler: no process is started."""

import itertools
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

from equipment.results.records import a_trial

from bench.devices.device import Device, Slot
from bench.journal.results import SuiteResults
from bench.plan.decide import PlannedTrial, Prediction
from bench.runner.scheduler import Scheduler
from bench.runner.signals import interruptible
from bench.trials.limits import Limits
from bench.trials.origin import Neighbors
from bench.worker.jsonl import EventWriter

SLOTS = [
    Slot(f"gpu:{number}", (Device("gpu", "Stand-in", f"GPU-{number}", number),), (0,)) for number in (0, 1)
]
SOON = 1e-9
NO_LIMITS = Limits(stall_s=1e12)


def planned(name: str, seconds: float = 1.0, **script) -> PlannedTrial:
    trial = a_trial(name, specification=script, epochs=1)
    return PlannedTrial(trial, "new", "", prediction=Prediction(seconds, "the test"))


class Clock:
    """Goes on only when the scheduler sleeps."""

    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class ScriptedEngine:
    """Attempts that last as long as their trial says, on the clock of the test.

    A trial's settings say what becomes of it: `ends` (a list, one entry an attempt): `done`, the kind of a
    failure that the worker reports, or an exit code; `takes` seconds; `hears` (whether SIGTERM ends it); `says`,
    pairs of a time and the event that it reports then.
    """

    def __init__(self, clock: Clock, other_users):
        self.clock, self.slots, self.other_users = clock, SLOTS, other_users
        self.running: list[ScriptedWorker] = []
        self.placed: list[tuple[str, str]] = []
        self.most: dict[str, int] = {}

    def start(self, attempt, slot):
        running = ScriptedWorker(self, attempt, slot)
        self.running.append(running)
        self.placed.append((attempt.trial().network, slot.name))
        at_once = sum(other.slot is slot for other in self.running)
        self.most[slot.name] = max(at_once, self.most.get(slot.name, 0))
        return running


class ScriptedWorker:
    def __init__(self, engine, attempt, slot):
        self.engine, self.attempt, self.slot = engine, attempt, slot
        settings = attempt.trial().specification
        ends = settings.get("ends", ["done"])
        self.outcome = ends[min(attempt.number, len(ends)) - 1]
        self.ends_at = engine.clock.now + settings.get("takes", 1.0)
        self.speaks_at = itertools.count(engine.clock.now, settings.get("speaks_every", 1e9))
        self.says = [*settings.get("says", ())]
        self.next_word = self.says[0][0] if self.says else next(self.speaks_at)
        self.saves_at = engine.clock.now + settings.get("saves_after", float("inf"))
        self.hears = settings.get("hears", True)
        self.lingers = settings.get("lingers", False)
        self.closes_at = self.ends_at if self.lingers else float("inf")
        if self.lingers:
            self.ends_at = float("inf")
        self.stopped, self.killed, self.over = {}, False, False
        self.journal = EventWriter(attempt.runner_events)

    def filenos(self):
        return []

    def events(self):
        events = []
        while self.says and self.says[0][0] <= self.engine.clock.now:
            events.append({"event": self.says.pop(0)[1]})
            self.next_word = self.says[0][0] if self.says else next(self.speaks_at)
        while not self.says and self.next_word <= self.engine.clock.now:
            events.append({"event": "heartbeat", "done": 1, "total": 2})
            self.next_word = next(self.speaks_at)
        if self.saves_at <= self.engine.clock.now:
            self.saves_at = float("inf")
            events.append({"event": "phase_started", "phase": "save"})
        if self.closes_at <= self.engine.clock.now:
            self.closes_at = float("inf")
            worker = EventWriter(self.attempt.events)
            if self.outcome == "done":
                worker.write("evaluated", metrics={"accuracy": 1.0, "images": 1})
                self.attempt.predictions.write_text("")
            else:
                worker.write("failed", kind=self.outcome, message="as scripted")
            worker.write("closed")
            worker.close()
            events.append({"event": "closed"})
        return events

    def note(self, event, **content):
        self.journal.write(event, **content)

    def stop(self, why, message):
        self.stopped = self.stopped or {"why": why, "message": message}
        self.ends_at = self.engine.clock.now if self.hears else self.ends_at

    def kill(self):
        self.killed, self.ends_at = True, self.engine.clock.now

    def reap(self):
        asked = self.killed or (self.stopped and self.hears)
        if not asked and self.engine.clock.now < self.ends_at:
            return self.over
        if self.over:
            return True
        self.over = True
        worker = EventWriter(self.attempt.events)
        code = -9 if self.killed else -15 if asked else self.outcome if isinstance(self.outcome, int) else 0
        if not asked and self.outcome == "done":
            worker.write("evaluated", metrics={"accuracy": 1.0, "images": 1})
            self.attempt.predictions.write_text("")
        elif not asked and isinstance(self.outcome, str):
            worker.write("failed", kind=self.outcome, message="as scripted")
            code = 1
        worker.close()
        self.note("ended", exit_code=code, cpu_s=0.0, stopped=self.stopped, memory_kills=0)
        self.journal.close()
        self.engine.running.remove(self)
        return True


class Notes:
    """Watcher, recording and other users in one; remembers."""

    def __init__(self):
        self.ended: list[tuple[str, str, bool]] = []
        self.sent: list[str] = []
        self.prepared_at: list[float] = []
        self.settled: list[str] = []
        """What was sent each time that it was asked to settle."""
        self.quiet_asked = 0
        self.interrupted_by: list[object] = []
        """What ends the waits for records and for a quiet machine."""
        self.users: Neighbors | None = None
        self.lost: dict[str, float] = {}
        """Slot -> when its GPU is lost, seconds of the clock."""
        self.said: list[str] = []
        self.clock = lambda: 0.0

    def say(self, message):
        self.said.append(message)

    def trial_started(self, planned, slot): ...

    def event(self, planned, slot, event): ...

    def trial_ended(self, planned, slot, record, again):
        outcome = record.failure.kind if record.failure else "done"
        self.ended.append((planned.trial.network, outcome, again))

    def filenos(self):
        return []

    def pump(self):
        return []

    def prepare(self):
        self.prepared_at.append(self.clock())

    def send(self, attempt):
        self.sent.append(f"{attempt.trial().network}/{attempt.number}")

    def settle(self, interrupted):
        self.settled.append(" ".join(self.sent))
        self.interrupted_by.append(interrupted)

    def neighbors(self, slot):
        if self.clock() >= self.lost.get(slot.name, float("inf")):
            return Neighbors(unreadable={slot.name: "lost"}, lost=(slot.name,))
        return self.users

    def wait_until_quiet(self, slot, sleep):
        self.quiet_asked += 1
        self.interrupted_by.append(sleep)
        return {"noise": ["a neighbor"], "waited_s": 0.0}


class Bed:
    """A scheduler whose waiting is the clock's going on."""

    def __init__(self, folder: Path):
        self.clock, self.notes = Clock(), Notes()
        self.notes.clock = self.clock
        self.engine = ScriptedEngine(self.clock, self.notes)
        self.results = SuiteResults(folder, "suite")
        self.on_wait = lambda: None

    @contextmanager
    def scheduler(self, limits=NO_LIMITS, **more):
        with interruptible() as interruption:
            notes = self.notes
            scheduler = Scheduler(
                self.results, self.engine, limits, notes, notes, interruption, self.clock, **more
            )
            scheduler._wait = lambda: self._sleep(scheduler)
            yield scheduler

    def _sleep(self, scheduler):
        self.on_wait()
        ends = [min(running.ends_at, running.closes_at) for running in self.engine.running]
        words = [running.next_word for running in self.engine.running]
        due = [scheduler._due(work) for work in scheduler._active]
        self.clock.now = max(self.clock.now, min((*ends, *words, *due), default=0.0)) + SOON

    def run(self, plan, **options):
        with self.scheduler(**options) as scheduler:
            scheduler.run(plan)


def lower_bound(seconds: Sequence[float], slots: int) -> float:
    """No order is faster than the longest trial, or than all work shared equally."""
    return max(max(seconds, default=0.0), sum(seconds) / slots)
