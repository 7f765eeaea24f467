"""Two real processes that take turns and only pretend to train: crashes, signals, retries, A against A."""

import json
import os
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from equipment.turns import one_at_a_time, turns_of
from regress_equipment import a_trial

from bench.devices.device import Device, Slot
from bench.errors import InterruptedRun, ResultsError
from bench.journal.results import SuiteResults
from bench.regress import pair_runner
from bench.regress.pair_runner import AGAIN, PairRunner
from bench.regress.pairs import PairJournal
from bench.regress.side_links import SideLinks
from bench.regress.sides import NAMES, Code, Side
from bench.runner.local import LocalOtherUsers
from bench.runner.signals import interruptible
from bench.trials.limits import Limits
from bench.trials.sampling import TelemetrySettings
from bench.worker.jsonl import read_lines
from bench.worker.turns import OVER

REPOSITORY = Path(__file__).resolve().parents[2]
SLOT = Slot("cpu:0", (Device("cpu", "A processor"),), (0,))
EPOCHS = 4
WORKER = """#!{python} -SE
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {repository!r})
from bench.worker import turns
from bench.worker.jsonl import EventWriter

turns.TURN_S, turns.SHORT_TURN_S = 0.0, {{}}
folder = Path(sys.argv[-1])
events = EventWriter(folder / "events.jsonl", int(os.environ["LEUKOBENCH_EVENT_FD"]))
turn = os.environ.get("LEUKOBENCH_TURN_FD")
own = turns.TurnTaker(events, int(turn)) if turn else None
events.write("phase_started", phase="train")
for epoch in range(1, {epochs} + 1):
    if own:
        own.pass_on("train")
    if {act!r} == "crashes" and epoch == 3 or {act!r} == "crashes beside another" and own and epoch == 3:
        os._exit(3)
    if {act!r} == "hangs" and epoch == 3 or {act!r} == "hangs beside another" and own and epoch == 3:
        signal.pause()
    events.write("epoch", epoch=epoch, metrics={{"loss": 1.0}})
events.write("phase_ended", phase="train", figures={{}})
events.write("evaluated", metrics={{"accuracy": 1.0, "images": 16}})
(folder / "predictions.csv").write_text("")
events.write("memory", process_peak=10**9)
events.write("closed")
events.close()
"""


@dataclass
class Watcher:
    """Remembers who worked, and may do something at an event."""

    heard: list[tuple[str, str]] = field(default_factory=list)
    when: dict[tuple[str, int], object] = field(default_factory=dict)
    """Event and how often it was heard -> what to do then."""

    said: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)

    def say(self, message):
        self.said.append(message)

    def trial_started(self, planned, slot):
        self._hear(slot, "started")

    def event(self, planned, slot, event):
        self._hear(slot, event["event"])

    def trial_ended(self, planned, slot, record, again):
        self.again.append("again" if again else "")
        self._hear(slot, "ended")

    def _hear(self, slot, what):
        label = slot.name.partition(",")[0]
        self.heard.append((label, what))
        if act := self.when.get((what, sum(event == what for _, event in self.heard))):
            act(label)


class Bed:
    """A comparison of two scripts."""

    def __init__(self, folder: Path, old: str = "works", new: str = "works", **limits):
        self.folder, self.watcher = folder, Watcher()
        self.limits = Limits(**{"retries": 0, "grace_s": 5.0, **limits})
        self.sides = {
            name: Side(name, name, self._script(name, act), Code(REPOSITORY, "", "0" * 16), "3.11", {})
            for name, act in zip(NAMES, (old, new), strict=True)
        }
        self.results = {name: SuiteResults(folder, name) for name in NAMES}
        self.journal = PairJournal(folder)
        self.trial = a_trial()
        self.quiet_asked = 0

    def _script(self, name: str, act: str) -> Path:
        path = self.folder / f"{name}-python"
        path.write_text(
            WORKER.format(python=sys.executable, repository=str(REPOSITORY), epochs=EPOCHS, act=act)
        )
        path.chmod(0o755)
        return path

    @contextmanager
    def runner(self):
        users = LocalOtherUsers(None, 0, print)
        users.wait_until_quiet = self._quiet
        with interruptible() as interruption:
            yield PairRunner(
                sides=self.sides,
                results=self.results,
                links=(
                    SideLinks(self.folder, self.sides.values()),
                    SideLinks(self.folder, self.sides.values(), 2),
                ),
                journal=self.journal,
                slot=SLOT,
                limits=self.limits,
                telemetry=TelemetrySettings(enabled=False),
                watcher=self.watcher,
                other_users=users,
                interruption=interruption,
            )

    def _quiet(self, slot, sleep):
        self.quiet_asked += 1
        return {"noise": [], "waited_s": 0.0}

    def run(self, kind="ab", number=0):
        with self.runner() as runner:
            return runner.run_pair(kind, self.trial, number)

    def attempts(self) -> list[Path]:
        return sorted(self.folder.glob("*/trials/*/attempt-*"))

    def statuses(self) -> list[str]:
        return [json.loads((one / "result.json").read_text())["status"] for one in self.attempts()]

    def nothing_is_left(self) -> bool:
        started = [line for one in self.attempts() for line in read_lines(one / "runner.jsonl")[:1]]
        pids = [line["pid"] for line in started]
        return not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.parametrize("number", [0, 1])
def test_both_work_in_turns_and_whoever_is_first_begins(tmp_path: Path, number: int):
    bed = Bed(tmp_path)
    pair = bed.run(number=number)
    assert pair.done and bed.statuses() == ["done", "done"]
    assert bed.watcher.heard[0] == (pair.first, "started")
    assert one_at_a_time(bed.attempts())
    assert [len(turns_of(one)) for one in bed.attempts()] == [EPOCHS + 1] * 2
    assert bed.journal.path.exists() and bed.nothing_is_left()


def test_over_two_pairs_each_side_is_first_once(tmp_path: Path):
    bed = Bed(tmp_path)
    assert {bed.run(number=number).first for number in (0, 1)} == set(NAMES)


def test_a_against_a_are_two_attempts_of_one_trial(tmp_path: Path):
    bed = Bed(tmp_path)
    pair = bed.run("aa")
    assert {run.attempt for run in pair.runs} == {1, 2} and {run.side for run in pair.runs} == {"baseline"}
    assert {label for label, _ in bed.watcher.heard} == {"baseline", AGAIN}
    assert one_at_a_time(bed.attempts()) and bed.statuses() == ["done", "done"]


def test_a_crash_leaves_the_other_one_alone(tmp_path: Path):
    bed = Bed(tmp_path, new="crashes")
    pair = bed.run()
    assert pair.status == "failed" and sorted(bed.statuses()) == ["done", "failed"]
    assert one_at_a_time(bed.attempts())


def test_what_fails_beside_another_is_tried_again_one_after_the_other(tmp_path: Path):
    bed = Bed(tmp_path, new="crashes beside another", retries=1)
    assert bed.run().done
    assert sorted(bed.statuses()) == ["done", "done", "failed", "interrupted"]
    assert one_at_a_time(bed.attempts())
    assert [len(turns_of(one)) for one in bed.attempts() if one.name == "attempt-2"] == [1, 1]
    assert bed.watcher.again == ["again", "again", "", ""]
    assert bed.watcher.said[-1].endswith("crashed; the pair is run again, one after the other.")


@pytest.mark.parametrize("number", [0, 1])
def test_whose_other_run_dies_is_stopped_at_once_whoever_has_the_turn(tmp_path: Path, number: int):
    bed = Bed(tmp_path, old="hangs beside another", retries=1)

    def kill(label):
        (attempt,) = bed.folder.glob("candidate/trials/*/attempt-1")
        os.kill(read_lines(attempt / "runner.jsonl")[0]["pid"], signal.SIGKILL)

    bed.watcher.when[OVER, 4] = kill
    assert bed.run(number=number).done
    assert sorted(bed.statuses()) == ["done", "done", "failed", "interrupted"]
    stopped = [
        one
        for one in bed.attempts()
        if one.name == "attempt-1" and one.parent.parent.parent.name == "baseline"
    ]
    failure = json.loads((stopped[0] / "result.json").read_text())["failure"]
    assert failure["message"] == "its pair is run again, because the other run failed"


def test_what_always_crashes_is_tried_twice(tmp_path: Path):
    bed = Bed(tmp_path, new="crashes", retries=1)
    assert bed.run().status == "failed"
    assert sorted(bed.statuses()) == ["done", "failed", "failed", "interrupted"]


def test_who_hangs_is_stopped_and_the_other_one_goes_on(tmp_path: Path):
    bed = Bed(tmp_path, new="hangs", stall_s=0.5)
    assert bed.run().status == "failed"
    failures = [json.loads((one / "result.json").read_text())["failure"] for one in bed.attempts()]
    assert [failure and failure["kind"] for failure in failures] == [None, "stalled"]


def test_who_does_not_take_its_turn_is_stopped(tmp_path: Path):
    bed = Bed(tmp_path, stall_s=0.5, grace_s=0.2)

    def freeze(label):
        (attempt,) = bed.folder.glob(f"{label}/trials/*/attempt-*")
        os.kill(read_lines(attempt / "runner.jsonl")[0]["pid"], signal.SIGSTOP)

    bed.watcher.when[OVER, 2] = freeze
    assert bed.run().status == "failed"
    failures = [json.loads((one / "result.json").read_text())["failure"] for one in bed.attempts()]
    assert sorted(failure["kind"] if failure else "" for failure in failures) == ["", "stalled"]


@pytest.mark.parametrize("moment", [("started", 2), (OVER, 2), (OVER, 3)])
def test_a_signal_ends_both_while_one_sleeps(tmp_path: Path, moment):
    bed = Bed(tmp_path)
    bed.watcher.when[moment] = lambda label: os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(InterruptedRun):
        bed.run()
    assert bed.statuses() == ["interrupted", "interrupted"] and bed.nothing_is_left()
    assert not bed.journal.path.exists(), "the pair is not kept"


def test_a_signal_before_anything_runs_ends_it(tmp_path: Path, monkeypatch):
    bed = Bed(tmp_path)
    started = SideLinks.engine

    def engine(links, *arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return started(links, *arguments)

    monkeypatch.setattr(SideLinks, "engine", engine)
    with pytest.raises(InterruptedRun):
        bed.run()
    assert not bed.attempts()


def test_a_second_one_that_cannot_start_ends_the_first(tmp_path: Path):
    bed = Bed(tmp_path)
    bed.watcher.when["started", 1] = lambda first: next(
        path for path in tmp_path.glob("*-python") if not path.name.startswith(first)
    ).unlink()
    with pytest.raises(ResultsError) as caught:
        bed.run()
    second = next(name for name in NAMES if name != bed.watcher.heard[0][0])
    assert caught.value.what == f"the interpreter of the {second} is gone: {bed.sides[second].interpreter}"
    assert bed.nothing_is_left()


@pytest.mark.parametrize("first", ["aa", "ab"])
def test_two_that_do_not_fit_into_memory_together_follow_each_other(tmp_path: Path, first, monkeypatch):
    bed = Bed(tmp_path)
    free = []
    monkeypatch.setattr(pair_runner, "free_memory", lambda: free.pop(0))
    with bed.runner() as runner:
        for number, now in enumerate(
            (0, 2e9, 1.9e9, 9e9)
        ):  # nothing is known; just enough; too little; it stays so
            free[:] = [now]
            pair = runner.run_pair(first if number == 0 else "ab", bed.trial, number)
            assert pair.done
    assert [run.attempt for run in pair.runs] == ([4, 4] if first == "ab" else [5, 3])
    turns = [
        len(turns_of(one))
        for one in sorted(bed.attempts(), key=lambda one: (one / "runner.jsonl").stat().st_mtime)
    ]
    assert turns == [EPOCHS + 1] * 4 + [1] * 4
    assert bed.watcher.said == [
        f"{bed.trial.id}: the two runs of a pair take 2.0 GB of memory together, and 1.9 GB are free: "
        "they run one after the other."
    ]


def test_the_machine_is_waited_for_once_a_pair(tmp_path: Path):
    bed = Bed(tmp_path, exclusive=True)
    assert bed.run().done and bed.quiet_asked == 1


@pytest.mark.parametrize("kind", ["gpu", "old"])
def test_on_gpus_and_with_an_older_worker_runs_follow_each_other(tmp_path: Path, kind, monkeypatch):
    bed = Bed(tmp_path)
    if kind == "old":
        side = bed.sides["baseline"]
        code = Code(tmp_path, "", "0" * 16)
        bed.sides["baseline"] = Side(side.name, side.label, side.interpreter, code, "3.11", {})
    with bed.runner() as runner:
        if kind == "gpu":
            card = Slot("gpu:0", (Device("gpu", "A card", "GPU-0", 0),), (0,))
            object.__setattr__(runner, "slot", card)
        assert not runner.takes_turns
        pair = runner.run_pair("ab", bed.trial, 0)
    assert pair.done and [len(turns_of(one)) for one in bed.attempts()] == [1, 1]
