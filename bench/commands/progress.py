"""Progress on the terminal: a live line where there is one, plain lines elsewhere."""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from bench.plan import PlannedCell


class Progress:
    """A `bench.runner.scheduler.Watcher` that people look at."""

    def __init__(self, console: Console):
        self.console = console
        self._live = console.is_terminal
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}"),
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._task: TaskID | None = None
        self._started = 0.0
        self._place = ""

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, *error) -> None:
        self._bar.stop()

    def say(self, message: str) -> None:
        """Print a line above the live one."""
        self.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def cell_started(self, planned: PlannedCell, number: int, total: int) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        if self._task is None:
            self._task = self._bar.add_task("cells", total=total, now="")
        self._started = time.monotonic()
        self._place = f"{number}/{total} {planned.cell.id}"
        self._show("starting")

    def event(self, planned: PlannedCell, event: dict) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        if event["event"] == "phase_started":
            self._show(event["phase"])
        elif event["event"] == "epoch":
            epochs = planned.cell.settings["epochs"]
            accuracy = event["metrics"].get("validation_accuracy", float("nan"))
            self._show(f"epoch {event['epoch']}/{epochs}, validation accuracy {accuracy:.2f}")
        elif event["event"] == "heartbeat":
            self._show(f"{event['done']}/{event['total']}")

    def cell_ended(self, planned: PlannedCell, record: dict) -> None:
        """See `bench.runner.scheduler.Watcher`."""
        seconds = time.monotonic() - self._started
        if record["status"] == "done":
            outcome = f"test accuracy {record['test']['accuracy']:.1%}"
        else:
            outcome = f"{record['status']}, {record['failure']['kind']}: {record['failure']['message']}"
        self.say(f"{self._place}: {outcome}, {seconds:.0f} s")
        if self._task is not None:
            self._bar.advance(self._task)

    def _show(self, now: str) -> None:
        if self._task is not None:
            self._bar.update(self._task, now=f"{self._place}: {now}")
