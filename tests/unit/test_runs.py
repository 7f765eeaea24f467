"""The journal of a suite's runs: how the last one stands, whoever was killed."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bench.errors import InterruptedRun
from bench.journal.results import SuiteResults
from bench.journal.runs import (
    RunEnded,
    RunStarted,
    last_start,
    measures_alone,
    noted_run,
    other_file,
    run_events,
    running_process,
    runs_file,
    state_of_runs,
    suite_file_of,
    wait_for_end,
)

HOLD = """
import sys
from pathlib import Path
from bench.journal.results import SuiteResults
from bench.journal.runs import noted_run
results = SuiteResults(Path(sys.argv[1]), "suite")
with results.lock(), noted_run(results, ["a"], exclusive=True):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def results(tmp_path) -> SuiteResults:
    results = SuiteResults(tmp_path, "suite")
    results.folder.mkdir()
    return results


def test_ends(results):
    assert state_of_runs(results) is None
    with noted_run(results, ["a"], False):
        pass
    assert state_of_runs(results) == "done"
    with noted_run(results, ["a"], False) as note:
        note.failed = True
    assert state_of_runs(results) == "failed"
    with pytest.raises(InterruptedRun), noted_run(results, ["a"], False):
        raise InterruptedRun(signal.SIGTERM)
    assert state_of_runs(results) == "interrupted"
    with pytest.raises(OSError), noted_run(results, ["a"], False):
        raise OSError("disk full")
    assert state_of_runs(results) == "failed"
    with results.lock(), noted_run(results, ["a"], False):
        assert state_of_runs(results) == "running"
        assert running_process(results) == os.getpid()
    assert running_process(results) is None
    assert not measures_alone(results.results)


def test_a_run_that_was_killed_is_not_running(results):
    command = [sys.executable, "-c", HOLD, str(results.results)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as harness:
        assert harness.stdout.readline() == b"ready\n"
        assert running_process(results) == harness.pid
        assert state_of_runs(results) == "running"
        assert measures_alone(results.results)
        harness.kill()
        wait_for_end(harness.pid)
    assert running_process(results) is None
    assert state_of_runs(results) == "interrupted"
    wait_for_end(harness.pid)


def noted(results: SuiteResults, *events: RunStarted | RunEnded) -> None:
    runs_file(results).parent.mkdir(parents=True, exist_ok=True)
    runs_file(results).write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in events))


def began(**about) -> RunStarted:
    return RunStarted(t=0, **about)


DONE = RunEnded(t=1, at="2026-01-01T00:00:00.000+00:00", state="done")


def test_a_run_notes_what_was_asked_for_and_when(results):
    before = datetime.now(UTC)
    with noted_run(results, ["a", "b"], True, file="one.toml", description="of cells", margin=0.05):
        pass
    start, end = run_events(results)
    assert last_start(results) == start
    assert (start.pid, start.trials, start.exclusive) == (os.getpid(), ("a", "b"), True)
    assert (start.file, start.path, start.description, start.margin) == ("one.toml", "", "of cells", 0.05)
    times = [datetime.fromisoformat(one.at) for one in (start, end)]
    assert 0 <= (times[1] - times[0]).total_seconds() < 60
    assert abs((times[0] - before).total_seconds()) < 60 and len(start.at) == len(DONE.at)


def test_the_last_run_that_began_counts(results):
    assert last_start(results) is None and run_events(results) == []
    noted(results, began(pid=1), DONE, began(pid=2), DONE)
    assert last_start(results).pid == 2


@pytest.mark.parametrize(("away", "state"), [(0, "running"), (1, "interrupted"), (-1, "interrupted")])
def test_while_another_suite_runs_in_the_folder_this_one_does_not(results, away: int, state: str):
    noted(results, DONE, began(pid=os.getpid() + away))
    with results.lock():
        assert state_of_runs(results) == state


def test_the_process_of_another_user_runs_as_long_as_it_holds_the_lock(results, monkeypatch):
    def of_another_user(process: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr("bench.journal.runs.os.kill", of_another_user)
    with results.lock():
        assert running_process(results) == os.getpid()
    assert running_process(results) is None
    (results.results / ".lock").write_text("nobody")
    assert running_process(results) is None


@pytest.mark.parametrize(
    ("events", "alone"),
    [
        ((), False),
        ((began(exclusive=True),), True),
        ((began(exclusive=False),), False),
        ((began(exclusive=True), DONE), False),
        ((began(exclusive=False), DONE, began(exclusive=True)), True),
    ],
)
def test_only_a_run_that_has_not_ended_measures_alone(results, events, alone: bool):
    noted(SuiteResults(results.results, "a"), DONE)
    noted(results, *events)
    noted(SuiteResults(results.results, "z"), began(exclusive=False))
    assert measures_alone(results.results) is alone


def test_the_suite_file_is_the_one_of_the_last_run_that_named_one(results, tmp_path: Path):
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.touch()
    assert suite_file_of(results) is None
    noted(results, began(path=str(two)), DONE, began(path=str(one)), DONE, began())
    assert suite_file_of(results) == one
    noted(results, began(path=str(one)), DONE, began(path=str(two)))
    assert suite_file_of(results) is None, "it is gone"


def test_two_suite_files_of_one_name_are_told_of(results, tmp_path: Path, monkeypatch):
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.touch()
    said = f"{results.folder} also has the results of {one}. Give one of the two suites another name ([suite] name)."
    assert other_file(results, two) == ""
    noted(results, began(path=str(one)), DONE, began())
    assert other_file(results, two) == said, "the last run that named a file"
    monkeypatch.chdir(tmp_path)
    assert other_file(results, Path("one.toml")) == ""
    noted(results, began(path=str(one)), began(path=str(two)))
    assert other_file(results, one) == "", "that file is gone"
    two.touch()
    noted(results, began(path=str(one)), DONE, began(path=str(two)), DONE)
    assert other_file(results, two) == "", "it ran last, whatever ran before"
    assert other_file(results, tmp_path / "three.toml") == said.replace(str(one), str(two))
    two.unlink()
    assert other_file(results, tmp_path / "three.toml") == "", (
        "what ran before the file that is gone does not count"
    )
