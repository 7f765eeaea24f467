"""One call that fails, or that a process dies after, somewhere in the run of a small suite; and what must hold then."""

import errno
import hashlib
import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.journal.results import SuiteResults
from bench.records.fold import fold

REPOSITORY = Path(__file__).resolve().parents[3]
ROLES = ("harness", "worker", "sampler", "recorder")
CALLS = ("write", "fsync", "rename", "open", "mkdir")
ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EINTR": errno.EINTR, "end": 0}
PATIENCE_S = 600

RELIED = ("result.json", "trial.json", "predictions.csv", "model.keras", "packages.txt", "baseline.json")
"""Files that users rely on: after a loss of power they are whole or not there."""

SUITE = """
[suite]
name = "small"

[data]
source = "synthetic"
image_size = 32
train_images_per_class = 6
validation_images_per_class = 2
test_images_per_class = 4

[telemetry]
reference_work = false
latency = false

[[matrix]]
mode = "classical"
backbone = {networks}
"""


class Point(NamedTuple):
    """Which call does not go well, and how."""

    role: str
    call: str
    number: int
    """Counted from 1, over all processes of the role."""
    error: str

    @property
    def aim(self) -> str:
        """As the shim takes it."""
        places = ROLES.index(self.role), CALLS.index(self.call)
        return f"{places[0]}:{places[1]}:{self.number}:{ERRORS[self.error]}"


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


def all_points(counts: dict[tuple[str, str], int], seed: int) -> Iterator[Point]:
    """Every point in a random order that takes each kind of call of each role in turn, so that any beginning of it
    is a fair sample: the thousands of writes with which MLflow makes its store do not crowd out the others."""
    chosen = random.Random(seed)
    kinds = {kind: list(range(1, count + 1)) for kind, count in sorted(counts.items()) if count}
    for numbers in kinds.values():
        chosen.shuffle(numbers)
    errors = list(ERRORS)
    while kinds:
        for kind in list(kinds):
            yield Point(*kind, kinds[kind].pop(), errors[0])
            errors.append(errors.pop(0))
            if not kinds[kind]:
                del kinds[kind]
        chosen.shuffle(errors)


@dataclass
class Bed:
    """Runs the suite in a results folder of its own, with and without a fault."""

    folder: Path
    library: Path
    networks: str = '["KNN", "SVM"]'
    recorded: bool = True
    """Whether MLflow is written to."""

    def __post_init__(self) -> None:
        self.results = SuiteResults(self.folder / "results", "small")
        self.suite = self.folder / "small.toml"
        self.suite.write_text(SUITE.format(networks=self.networks))
        self.log, self.shared = self.folder / "calls.log", self.folder / "counts"

    def run(self, aim: str | None = None, shim: bool = False) -> subprocess.CompletedProcess[str]:
        """Run the suite; with the shim where a point is aimed at."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("MLFLOW_")}
        if not self.recorded:
            planted = str(REPOSITORY / "tests" / "equipment" / "planted")
            kept |= {"PLANTED_UNRECORDED": "1", "PYTHONPATH": planted}
        if aim is not None or shim:
            self.log.unlink(missing_ok=True)
            self.shared.write_bytes(bytes(8 * len(ROLES) * len(CALLS)))
            kept |= {"LD_PRELOAD": str(self.library), "FAULTS_ROOT": str(self.results.results)}
            kept |= {"FAULTS_COUNTS": str(self.shared), "FAULTS_LOG": str(self.log)}
            kept |= {"FAULTS_AIM": aim} if aim else {}
        return subprocess.run(
            [sys.executable, "-m", "bench", "run", self.suite, "--results", self.results.results],
            cwd=REPOSITORY,
            env=kept,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )

    def calls(self) -> list[Call]:
        """What the shim saw of the last run with it."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            role, process, call, result, path, other = line.split("\t")
            found.append(Call(ROLES[int(role)], int(process), CALLS[int(call)], int(result), path, other))
        return found

    def problems(self, ended: subprocess.CompletedProcess[str], point: Point) -> list[str]:
        """What is wrong with how the run with a fault ended."""
        killed = point.role == "harness" and point.error == "end"
        if ended.returncode not in ((-9,) if killed else (0, 3, 5)):
            return [f"exit code {ended.returncode}: {ended.stderr[-300:]}"]
        return [f"a traceback: {ended.stderr[-600:]}"] if "Traceback" in ended.stderr else []

    def losses(self, expected: dict[str, str]) -> list[str]:
        """What differs from the undisturbed result, once the same command has run without the shim.

        Args:
            expected: `state` of the undisturbed run.
        """
        found = [f"left: {path}" for path in self.results.results.rglob("*.partial*")]
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
                "where tags.key = 'leukobench.attempt' and runs.lifecycle_stage = 'active'"
            ).fetchall()
        counts = Counter(name for name, _ in rows)
        return {f"{name} {counts[name]}": status for name, status in rows}


def counted(calls: list[Call]) -> dict[tuple[str, str], int]:
    """Role and call -> how many."""
    return dict(Counter((call.role, call.call) for call in calls))


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
