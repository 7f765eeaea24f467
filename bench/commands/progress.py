"""Progress: live lines for each device and a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from bench.commands.output import is_verbose
from bench.devices.device import Slot
from bench.plan.decide import PlannedTrial
from bench.plan.predict import makespan
from bench.trials.record import Record
from bench.trials.settings import LARGEST, images_of
from bench.worker.jsonl import RawEvent

_MORE_LINES = 3
"""Of a terminal, besides those of devices."""


@dataclass
class _Line:
    """What a slot is doing."""

    planned: PlannedTrial
    began: float
    phase: str = "starting"
    epoch: str = ""
    step: tuple[float, int] | None = None
    images_per_s: float | None = None
    remaining_s: float | None = None

    def take(self, event: RawEvent, now: float) -> None:
        """Update from an event of the worker."""
        settings = self.planned.trial.settings
        if event["event"] == "phase_started":
            self.phase, self.step, self.images_per_s = event["phase"], None, None
        elif event["event"] == "epoch":
            accuracy = event["metrics"].get("validation_accuracy")
            shown = "" if accuracy is None else f", validation {accuracy:.0%}"
            self.epoch = f"epoch {event['epoch']}/{self.planned.trial.epochs}{shown}"
        elif event["event"] == "heartbeat":
            if self.step is not None and event["done"] > self.step[1] and now > self.step[0]:
                steps_per_s = (event["done"] - self.step[1]) / (now - self.step[0])
                if settings.batch_size != LARGEST:
                    self.images_per_s = steps_per_s * (images_of(settings.batch_size) or 1)
                self.remaining_s = (event["total"] - event["done"]) / steps_per_s
            self.step = (now, event["done"])

    def left(self, now: float, expected_s: float) -> float:
        """Seconds until the trial is over: from its pace in training, else from `expected_s`, its whole time."""
        predicted = max(0.0, expected_s - (now - self.began))
        return self.remaining_s if self.phase == "train" and self.remaining_s is not None else predicted


class Progress:
    """A `bench.runner.scheduler.Watcher` that shows progress to people.

    Args:
        console: Where.
        clock: Seconds.
        needed: Modules that the end of a run needs; they are loaded while a model is saved and nothing is timed.
    """

    def __init__(
        self, console: Console, clock: Callable[[], float] = time.monotonic, needed: Sequence[str] = ()
    ):
        self.console, self.clock, self.needed = console, clock, needed
        self._lines: dict[str, _Line] = {}
        self._waiting: list[PlannedTrial] = []
        self._slots: list[Slot] = []
        self._at_once = 1
        self._took_s, self._done = 0.0, 0
        self._paced_s = self._predicted_s = 0.0
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[eta]}"),
            console=console,
        )
        self._task = self._bar.add_task("trials", total=0, eta="", visible=False)
        self._live = Live(
            console=console,
            transient=True,
            get_renderable=self._render,
            refresh_per_second=2,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def say(self, message: str) -> None:
        """Print a line above the live ones."""
        self.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def plan(self, planned: list[PlannedTrial], slots: Sequence[Slot], at_once: int | None = None) -> None:
        """Learn what will run next, and where: at most `at_once` trials at a time, one per slot by default."""
        self._waiting = [one for one in planned if one.runs]
        self._slots, self._at_once = list(slots), at_once or len(slots)
        done = self._bar.tasks[0].completed
        self._bar.update(self._task, total=done + len(self._waiting), visible=bool(self._waiting))

    def trial_started(self, planned: PlannedTrial, slot: Slot) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        for place, one in enumerate(self._waiting):
            if one.trial.id == planned.trial.id:  # a comparison may have predicted it anew since
                del self._waiting[place]
                break
        else:  # a run of a pair that went well, but whose other run did not
            self._bar.update(self._task, total=(self._bar.tasks[0].total or 0) + 1)
        self._lines[slot.name] = _Line(planned, self.clock())
        if all(slot.name != one.name for one in self._slots):
            self._slots.append(slot)
        if not self.console.is_terminal:
            expected = f", about {duration(self._expected(planned))}" if planned.prediction else ""
            self.say(f"{slot.name}: {planned.trial.id} starts{expected}")

    def event(self, planned: PlannedTrial, slot: Slot, event: RawEvent) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        self._lines[slot.name].take(event, self.clock())
        if is_verbose() and event["event"] == "phase_started":
            self.say(f"{slot.name}: {planned.trial.id}: {event['phase']}")
        saves = event["event"] == "phase_started" and event["phase"] == "save"
        if saves and len(self._lines) == 1 and not planned.trial.measures_after_save:
            self._load()

    def _load(self) -> None:
        for name in self.needed:
            with suppress(Exception):  # the report will say it
                import_module(name)

    def trial_ended(self, planned: PlannedTrial, slot: Slot, record: Record, again: bool) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        line = self._lines.pop(slot.name)
        if record.failure is None:
            outcome = f"test accuracy {record.test.accuracy:.1%}" if record.test else "done"
            if not record.resumed:
                took = self.clock() - line.began
                self._took_s, self._done = self._took_s + took, self._done + 1
                if planned.prediction:
                    self._paced_s += took
                    self._predicted_s += planned.seconds
        else:
            kind, message = record.failure.kind, record.failure.message
            outcome = f"{message}" if kind == "interrupted" else f"failed, {kind}: {message}"
        if record.resumed:
            whose = f" of {record.resumed.trial}" if record.resumed.trial else ""
            outcome += f", resumed from epoch {record.resumed.from_epoch}{whose}"
        if again:
            self._waiting.append(planned)
            outcome += "; will be tried again"
        else:
            self._bar.advance(self._task)
        done = self._bar.tasks[0]
        place = f"{done.completed:.0f}/{done.total:.0f}"
        interrupted = record.status == "interrupted"
        eta = "" if self.console.is_terminal or interrupted else self._eta()
        self.say(
            f"{place} {planned.trial.id} on {slot.name}: {outcome}, {duration(self.clock() - line.began)}"
            + (f"; {eta}" if eta else "")
        )

    def _expected(self, planned: PlannedTrial) -> float:
        """Predicted seconds, at the pace of this run; without a prediction, the mean of its trials so far."""
        if planned.prediction is None:
            return self._took_s / self._done if self._done else 0.0
        return planned.seconds * (self._paced_s / self._predicted_s if self._predicted_s else 1.0)

    def _eta(self) -> str:
        if not self._waiting and not self._lines:
            return ""
        now = self.clock()
        busy = [line.left(now, self._expected(line.planned)) for line in self._lines.values()]
        if len(busy) > self._at_once:  # they take turns
            busy = [sum(busy)]
        slots = max(1, self._at_once)
        waiting = [self._expected(one) for one in self._waiting]
        if not all(waiting):
            return ""  # the time of one is unknown: no estimate is better than one that is too short
        return f"about {duration(makespan(waiting, slots, busy))} left"

    def _render(self) -> Group:
        now = self.clock()
        table = Table.grid(padding=(0, 2))
        # What does not fit would be cut off, and takes long to draw: a cluster may have hundreds.
        shown = self._slots[: max(1, self.console.height - _MORE_LINES)]
        for slot in shown:
            line = self._lines.get(slot.name)
            if line is None:
                table.add_row(slot.name, Text("free", style="dim"))
                continue
            rate = f"{line.images_per_s:.0f} images/s" if line.images_per_s else ""
            left = ""
            if line.planned.prediction or line.remaining_s:
                left = f"{duration(line.left(now, self._expected(line.planned)))} left"
            table.add_row(slot.name, Text(line.planned.trial.id), line.phase, line.epoch, rate, left)
        if len(shown) < len(self._slots):
            table.add_row(Text(f"and {len(self._slots) - len(shown)} more", style="dim"))
        self._bar.update(self._task, eta=self._eta())
        return Group(table, self._bar)


def duration(seconds: float) -> str:
    """A time for people: `40 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
