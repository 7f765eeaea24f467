"""The journal of a suite's runs: how the last one stands, whoever was killed."""

import os
import signal
import subprocess
import sys

import pytest

from bench.errors import InterruptedRun
from bench.journal.results import SuiteResults
from bench.journal.runs import (
    measures_alone,
    noted_run,
    running_process,
    state_of_runs,
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
