"""Signals, kills and broken workers: every trial becomes a row, and the same command resumes."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from command import REPOSITORY, Bench, InProcess, tiny_suite

PATIENCE_S = 120


@pytest.fixture
def start() -> Iterator[Callable[[Bench, Path], subprocess.Popen]]:
    """Starts runs; those that still go on at the end of the test are killed, for their trials never end."""
    started = []

    def start(bench: Bench, suite: Path) -> subprocess.Popen:
        started.append(
            subprocess.Popen(
                bench.command("run", suite),
                cwd=REPOSITORY,
                env=bench.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_for_training(bench: Bench) -> int:
    """Wait until a worker trains; its pid."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for path in bench.results.glob("tiny/trials/*/attempt-*/events.jsonl"):
            if '"phase": "train"' in path.read_text():
                started = (path.parent / "runner.jsonl").read_text().splitlines()[0]
                return json.loads(started)["pid"]
        time.sleep(0.05)
    raise AssertionError("no worker began to train")


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.05)


def only_record(bench: Bench, attempt: int = 1) -> dict:
    (path,) = bench.results.glob(f"tiny/trials/*/attempt-{attempt}/result.json")
    return json.loads(path.read_text())


def test_a_signal_stops_the_worker_and_is_recorded(tmp_path: Path, start):
    bench = Bench(tmp_path, recorded=True)
    suite = tiny_suite(tmp_path, epochs="100000", modes='"scratch"')
    parent = start(bench, suite)
    worker = wait_for_training(bench)
    parent.send_signal(signal.SIGINT)
    output, _ = parent.communicate(timeout=PATIENCE_S)
    assert parent.returncode == 130, output
    assert "Traceback" not in output
    assert not psutil.pid_exists(worker)
    record = only_record(bench)
    assert record["status"] == "interrupted"
    assert record["failure"]["phase"] == "train"


def test_a_killed_parent_takes_its_worker_along_and_the_next_run_tidies_up(
    bench: Bench, inside: InProcess, tmp_path: Path, start
):
    suite = tiny_suite(tmp_path, epochs="100000", modes='"scratch"')
    parent = start(bench, suite)
    worker = wait_for_training(bench)
    parent.kill()
    parent.communicate(timeout=PATIENCE_S)
    wait_until_gone(worker)
    assert not list(bench.results.glob("tiny/trials/*/attempt-1/result.json"))

    plan = inside("plan", suite)
    assert "unfinished" in plan.stdout
    # The next run is stopped as soon as it has begun: by then it has tidied up.
    parent = start(bench, suite)
    deadline = time.monotonic() + PATIENCE_S
    while not list(bench.results.glob("tiny/trials/*/attempt-2/runner.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.send_signal(signal.SIGTERM)
    parent.communicate(timeout=PATIENCE_S)
    record = only_record(bench, attempt=1)
    assert record["status"] == "interrupted"
    assert "harness ended" in record["failure"]["message"]


def test_a_killed_worker_is_a_row_and_the_suite_ends_with_3(bench: Bench, tmp_path: Path, start):
    suite = tiny_suite(tmp_path, epochs="100000", modes='"scratch"', more="[limits]\nretries = 0\n")
    parent = start(bench, suite)
    os.kill(wait_for_training(bench), signal.SIGKILL)
    output, _ = parent.communicate(timeout=PATIENCE_S)
    assert parent.returncode == 3, output
    record = only_record(bench)
    assert (record["status"], record["failure"]["kind"]) == ("failed", "crashed")
    assert "signal 9" in record["failure"]["message"]
    assert "crashed" in output


def test_two_runs_at_once_do_not_share_a_results_folder(bench: Bench, tmp_path: Path, start):
    suite = tiny_suite(tmp_path, epochs="100000", modes='"scratch"')
    parent = start(bench, suite)
    worker = wait_for_training(bench)
    second = bench("run", suite)
    parent.send_signal(signal.SIGTERM)
    output, _ = parent.communicate(timeout=PATIENCE_S)
    assert second.returncode == 2
    assert f"in use by another run (process {parent.pid})" in second.stderr
    assert parent.returncode == 143, output
    assert "Traceback" not in output
    assert not psutil.pid_exists(worker)
    record = only_record(bench)
    assert (record["status"], record["failure"]["phase"]) == ("interrupted", "train")
