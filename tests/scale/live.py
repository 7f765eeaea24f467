"""What a driver does while 500 hosts report: `make cluster-scale ARGS=live`. Ray itself is left out.

A thread plays the hosts: each reports as often as it may, as if its worker never stopped talking, or once a second.
Scheduler, journals and the display of progress are those of a run.
"""

import io
import tempfile
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from statistics import median
from types import SimpleNamespace

from equipment.results.records import a_trial
from rich.console import Console

from bench.commands.progress import Progress
from bench.devices.device import Device, Slot
from bench.journal.results import SuiteResults
from bench.plan.decide import PlannedTrial
from bench.runner.cluster.engine import Place, RayEngine, RayWorker
from bench.runner.cluster.node import BATCH_S, Report
from bench.runner.cluster.transfer import Piece
from bench.runner.scheduler import Scheduler
from bench.runner.signals import interruptible
from bench.trials.limits import Limits
from bench.trials.sampling import TelemetrySettings

HOSTS, SECONDS = 500, 10.0
SAMPLES = b'{"t": 123456789012345, "cpu": [12, 34], "memory": 123456789, "busy": [0.5, 0.5]}\n' * 2
"""Of a sampler, in a fifth of a second."""


class Host:
    """Answers when the thread says so."""

    def __init__(self) -> None:
        self.asked, self.due, self.number = None, 0.0, 0
        self.sent = {"events.jsonl": 0, "telemetry.jsonl": 0}

    def __getattr__(self, name):
        def remote(*_):
            answer = Future()
            if name == "pull":
                self.asked = answer
            else:
                answer.set_result(None)
            return SimpleNamespace(future=lambda: answer)

        return SimpleNamespace(remote=remote)

    def answer(self, over: bool) -> None:
        self.number, asked, self.asked = self.number + 1, self.asked, None
        line = '{"t": 1, "event": "heartbeat", "done": %d, "total": 9000, "sent": %f}\n'
        said = line % (self.number, time.monotonic())
        if over:
            said += '{"t": 2, "event": "failed", "kind": "setup", "message": "the end"}\n{"t": 2, "event": "closed"}\n'
        pieces = []
        for name, content in (("telemetry.jsonl", SAMPLES), ("events.jsonl", said.encode())):
            pieces.append(Piece(name, self.sent[name], content))
            self.sent[name] += len(content)
        asked.set_result(Report(self.number, pieces, None, ended=over, over=over))


class Feed(threading.Thread):
    """Plays all hosts for so many seconds, then lets their trials fail."""

    def __init__(self, every_s: float) -> None:
        super().__init__(daemon=True)
        self.every_s, self.hosts = every_s, []
        self.reports, self.late, self.driver_cpu_s = 0, [], 0.0

    def run(self) -> None:
        began, cpu_s, left = time.monotonic(), time.process_time(), list(self.hosts)
        while left and (now := time.monotonic()) < began + SECONDS:
            for host in left:
                if host.asked is not None and host.due <= now:
                    host.answer(over=False)
                    host.due = now + self.every_s
                    self.reports += 1
            time.sleep(0.01)
        self.driver_cpu_s = time.process_time() - cpu_s - time.thread_time()
        while left:
            for host in [one for one in left if one.asked is not None]:
                host.answer(over=True)
                left.remove(host)
            time.sleep(0.01)


class Watcher(Progress):
    """The display, on a terminal that nobody sees; notes how late each event is."""

    feed: Feed

    def event(self, planned, slot, event) -> None:
        super().event(planned, slot, event)
        if "sent" in event and not self.feed.driver_cpu_s:
            self.feed.late.append(time.monotonic() - event["sent"])


def measure(folder: Path, every_s: float) -> None:
    """Run a scheduler with so many hosts, and print what it took."""
    slots = [Slot(f"node-{n}/cpu:0", (Device("cpu", "a processor"),), (0,)) for n in range(HOSTS)]
    places = {slot.name: Place(slot.name, slot.name, 1, 0) for slot in slots}
    engine, feed = RayEngine(slots, places, TelemetrySettings(), "live", 0.0), Feed(every_s)

    def start(attempt, slot):
        feed.hosts.append(Host())
        worker = RayWorker(engine, attempt, slot, feed.hosts[-1])
        if len(feed.hosts) == HOSTS:
            feed.start()
        return worker

    engine.start = start
    nothing = SimpleNamespace(filenos=list, pump=list, send=lambda _: None, settle=lambda _: None)
    plan = [PlannedTrial(a_trial(seed=number), "new", "") for number in range(HOSTS)]
    results = SuiteResults(folder, "live")
    with Watcher(Console(file=io.StringIO(), force_terminal=True)) as watcher, interruptible() as asked:
        watcher.feed = feed
        watcher.plan(plan, slots)
        Scheduler(results, engine, Limits(retries=0), watcher, nothing, asked).run(plan)
    late = sorted(feed.late)
    print(
        f"{HOSTS} hosts, each every {every_s:g} s: {feed.reports / SECONDS:,.0f} reports a second, "
        f"{feed.driver_cpu_s / SECONDS:.0%} of a core, {1e6 * feed.driver_cpu_s / feed.reports:,.0f} us of CPU each; "
        f"{1e3 * median(late):.0f} ms late, {1e3 * late[-len(late) // 100]:.0f} ms one in a hundred",
        flush=True,
    )


def main() -> None:
    """Measure hosts that report as often as they may, and such as report once a second."""
    for every_s in (BATCH_S, 1.0):
        with tempfile.TemporaryDirectory() as temporary:
            measure(Path(temporary), every_s)
