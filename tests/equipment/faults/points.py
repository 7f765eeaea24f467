"""One call that fails, or that a process dies after, somewhere in the run of a small suite; and what must hold then."""

import errno
import hashlib
import os
import random
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from equipment.faults.forked import Forked
from equipment.suites import FEW_CELLS

from bench.journal.results import SuiteResults
from bench.records.fold import fold

ROLES = ("harness", "worker", "sampler", "recorder")
CALLS = ("write", "fsync", "rename", "open", "mkdir")
ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EINTR": errno.EINTR, "end": 0}
FULL = "full"
"""An error, too: the call fails, and from then on everything that takes room."""
STARTS = ("empty", "used")
"""Where the run begins: in no results folder, or in one with prepared images and the store of an earlier suite."""

RELIED = ("result.json", "trial.json", "predictions.csv", "model.keras", "packages.txt", "baseline.json")
"""Files that users rely on: after a loss of power they are whole or not there."""

SUITE = (
    FEW_CELLS
    + """
[suite]
name = "{name}"

[telemetry]
reference_work = false
latency = false

[limits]
retries = 0

[[matrix]]
mode = "classical"
backbone = {networks}
"""
)


class Point(NamedTuple):
    """Which call does not go well, and how."""

    start: str
    role: str
    call: str
    number: int
    """Counted from 1, over all processes of the role."""
    error: str

    @property
    def aim(self) -> str:
        """As the shim takes it."""
        places = ROLES.index(self.role), CALLS.index(self.call)
        return f"{places[0]}:{places[1]}:{self.number}:{ERRORS.get(self.error, -errno.ENOSPC)}"


class Call(NamedTuple):
    """A call that the shim saw."""

    role: str
    process: int
    call: str
    result: int
    path: str
    other: str
    """New path of a rename."""


def build(folder: Path) -> Path:
    """Compile the shim."""
    library = folder / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-w", "-o", library, source, "-ldl"], check=True)
    return library


Kind = tuple[str, str, str]
"""Start, role and call."""


def all_points(counts: dict[Kind, int], seed: int) -> Iterator[Point]:
    """Every point with every error, in a random order that takes each kind in turn, so that any beginning of it is a
    fair sample: the thousands of writes with which MLflow makes its store do not crowd out the others.

    Of the kinds that begin with no results folder, which takes longest, one comes for all others.
    """
    chosen = random.Random(seed)
    kinds = {
        kind: [(number, error) for number in range(1, count + 1) for error in ERRORS]
        for kind, count in sorted(counts.items())
    }
    for places in kinds.values():
        chosen.shuffle(places)
    from_empty = [kind for kind in kinds if kind[0] == "empty"]
    while kinds:
        chosen.shuffle(from_empty)
        for kind in list(kinds):
            if kind in from_empty[1:]:
                continue
            yield Point(*kind, *kinds[kind].pop())
            if not kinds[kind]:
                del kinds[kind]
                if kind in from_empty:
                    from_empty.remove(kind)


@dataclass
class Bed:
    """Runs the suite in a results folder of its own, with and without a fault."""

    folder: Path
    forked: Forked
    networks: str = '["KNN"]'
    recorded: bool = True
    """Whether MLflow is written to."""

    def __post_init__(self) -> None:
        self.results = SuiteResults(self.folder / "results", "small")
        self.used = self.folder / "used"
        self.log, self.shared = self.folder / "calls.log", self.folder / "counts"

    def begin(self, start: str) -> None:
        """Lay out what a run begins with."""
        shutil.rmtree(self.results.results, ignore_errors=True)
        if start == "used":
            if not self.used.exists():
                made = self.run(suite="earlier")
                assert made.returncode == 0, made.stderr
                self.results.results.replace(self.used)
            shutil.copytree(self.used, self.results.results)

    def run(
        self, aim: str = "", shim: bool = False, suite: str = "small", report: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run the suite; with the shim where a point is aimed at, without a report where nothing of it is."""
        file = self.folder / f"{suite}.toml"
        file.write_text(SUITE.format(name=suite, networks=self.networks))
        kept = {
            name: text for name, text in os.environ.items() if not name.startswith(("MLFLOW_", "FAULTS_"))
        }
        kept |= {"LEUKOBENCH_LEASES": str(self.folder / "leases"), "COLUMNS": "400"}
        if not self.recorded:
            kept |= {"PLANTED_UNRECORDED": "1"}
        if aim or shim:
            self.log.unlink(missing_ok=True)
            self.shared.write_bytes(bytes(8 * (len(ROLES) * len(CALLS) + 1)))
            kept |= {"FAULTS_ROOT": str(self.results.results)}
            kept |= {"FAULTS_COUNTS": str(self.shared), "FAULTS_LOG": str(self.log)}
            kept |= {"FAULTS_AIM": aim} if aim else {}
        return self.forked.run(["run", str(file), "--results", str(self.results.results)], kept, report)

    def calls(self) -> list[Call]:
        """What the shim saw of the last run with it."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            role, process, call, result, path, other = line.split("\t")
            found.append(Call(ROLES[int(role)], int(process), CALLS[int(call)], int(result), path, other))
        return found

    def was_reached(self, point: Point) -> bool:
        """Whether the last run came as far as the call."""
        counts = memoryview(self.shared.read_bytes()).cast("L")
        return counts[ROLES.index(point.role) * len(CALLS) + CALLS.index(point.call)] >= point.number

    def tried(self, point: Point, expected: dict[str, str]) -> list[str] | None:
        """What goes wrong at a point; None where the run does not come as far.

        Args:
            point: The point.
            expected: `state` of the undisturbed run.
        """
        self.begin(point.start)
        try:
            ended = self.run(point.aim, report=point.role == "harness")
            if not self.was_reached(point):
                return None
            found = self.problems(ended, point)
            if ended.returncode == 0 and self.state() != expected:
                found.append(f"exit code 0, but it has {self.state()}")
            again = self.run()
        except subprocess.TimeoutExpired:
            return ["no end"]
        if again.returncode != 0 or "Traceback" in again.stderr:
            found.append(f"then exit code {again.returncode}: {(again.stderr or again.stdout)[-600:]}")
        return found + self.losses(expected)

    def problems(self, ended: subprocess.CompletedProcess[str], point: Point) -> list[str]:
        """What is wrong with how the run with a fault ended."""
        killed = point.role == "harness" and point.error == "end"
        if ended.returncode not in ((-9,) if killed else (0, 3, 5)):
            return [f"exit code {ended.returncode}: {ended.stderr[-300:]}"]
        return [f"a traceback: {ended.stderr[-600:]}"] if "Traceback" in ended.stderr else []

    def losses(self, expected: dict[str, str]) -> list[str]:
        """What differs from the undisturbed result, once the same command has run without the shim."""
        found = [f"left: {path}" for path in self.results.results.rglob("*.partial*")]
        leases = self.folder / "leases"
        found += [f"left: {path}" for path in leases.rglob("*") if path.is_file() and leases.exists()]
        found += [strays] if (strays := self.results.strays()) else []
        if not (self.results.report / "report.html").exists():
            found.append("no report")
        if (state := self.state()) != expected:
            found.append(f"other results: {state}")
        for attempt in self.results.all_attempts():
            record = attempt.record()
            if record is None:
                found.append(f"{attempt.folder} has no record")
            elif fold(attempt) != record:
                found.append(f"{attempt.folder} has another record than its journals say")
        done = Counter(one.trial_id for one in self.results.all_attempts() if (r := one.record()) and r.done)
        found += [f"{trial} is done {count} times" for trial, count in done.items() if count != 1]
        if self.recorded and (sent := self.sent()) != (kept := self.kept()):
            found.append(f"MLflow has {sent}, the journals {kept}")
        return found

    def state(self) -> dict[str, str]:
        """Trial -> hash of its predictions, or its status."""
        told = {}
        for trial_id in self.results.trial_ids():
            latest = self.results.latest(trial_id)
            done = latest is not None and latest[1].done and latest[0].predictions.is_file()
            content = latest[0].predictions.read_bytes() if latest and done else b""
            told[trial_id] = hashlib.sha256(content).hexdigest() if done else "not done"
        return told

    def kept(self) -> dict[str, str]:
        """Attempt -> its status, in MLflow's words, by the journals."""
        words = {"done": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
        records = ((one, one.record()) for one in self.results.all_attempts())
        return {
            f"{one.trial_id}/{one.number} {count}": words[record.status]
            for one, record in records
            if record is not None
            for count in (1,)
        }

    def sent(self) -> dict[str, str]:
        """Attempt and number of runs that it has in MLflow -> status."""
        if not (self.results.results / "mlflow.db").exists():
            return {}
        with closing(sqlite3.connect(self.results.results / "mlflow.db")) as connection:
            rows = connection.execute(
                "select tags.value, runs.status from runs join tags using (run_uuid) "
                "join experiments using (experiment_id) where tags.key = 'leukobench.attempt' "
                "and runs.lifecycle_stage = 'active' and experiments.name = 'small'"
            ).fetchall()
        counts = Counter(name for name, _ in rows)
        return {f"{name} {counts[name]}": status for name, status in rows}


def counted(start: str, calls: list[Call]) -> dict[Kind, int]:
    """Start, role and call -> how many."""
    return dict(Counter((start, call.role, call.call) for call in calls))


def unsafe_renames(calls: list[Call]) -> list[str]:
    """Replay calls with unsynced writes dropped: what a loss of power would leave under a name users rely on.

    A renamed file is whole only if everything was synced before. Its name lasts only if its folder was synced after.
    """
    dirty: set[str] = set()
    found, waiting = [], {}
    for call in calls:
        if call.result < 0:
            continue
        if call.call in ("write", "open"):
            dirty.add(call.path)
        elif call.call == "fsync":
            dirty.discard(call.path)
            for name in [name for name in waiting if str(Path(name).parent) == call.path]:
                del waiting[name]
        elif call.call == "rename":
            inside = [path for path in dirty if path == call.path or path.startswith(f"{call.path}/")]
            relied = Path(call.other).name in RELIED or any(Path(path).name in RELIED for path in inside)
            if inside and relied:
                found.append(f"{call.other} was renamed before {Path(inside[0]).name} was synced")
            dirty.difference_update(inside)
            if relied:
                waiting[call.other] = call.process
    return found + [f"the folder of {name} was never synced" for name in waiting]
