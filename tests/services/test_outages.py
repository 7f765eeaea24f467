"""Servers that die in the middle of it: after `bench sync`, runs and points are the journals'."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from equipment.attempts import write_suite
from servers import REPOSITORY, MlflowServer, Postgres, environment
from team import login

from bench.journal.history import history
from bench.journal.results import SuiteResults
from bench.tracking.points import points_of, series_of
from bench.worker.jsonl import read_lines

TRIALS, EPOCHS, SAMPLES = 4, 500, 1500
SUITE = """
[suite]
name = "classical"

[data]
source = "synthetic"
image_size = 64
train_images_per_class = 6
validation_images_per_class = 2
test_images_per_class = 4

[devices]
use = "cpu:2"

[[matrix]]
mode = "classical"
backbone = ["SVM", "RandomForest", "KNN"]
"""


def start(server: MlflowServer, results: SuiteResults, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments, "--results", str(results.results)],
        cwd=REPOSITORY,
        env=environment(**login(server)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said_by(process: subprocess.Popen) -> str:
    return process.communicate(timeout=300)[0]


def until(holds: Callable[[], bool], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def points(cluster: Postgres, suite: str) -> int:
    question = (
        "select count(*) from metrics join runs using (run_uuid) join experiments using (experiment_id) "
        f"where experiments.name = '{suite}'"
    )
    return cluster.ask(question, "mlflow")[0][0]


def check_equal_to_journals(cluster: Postgres, results: SuiteResults, status: str = "FINISHED") -> None:
    attempts = results.all_attempts()
    expected = sum(
        len(points_of(one.record(), history(one), series_of(read_lines(one.telemetry)))) for one in attempts
    )
    assert points(cluster, results.suite) == expected
    runs = cluster.ask(
        "select status, count(*) from runs join experiments using (experiment_id) "
        f"where experiments.name = '{results.suite}' and runs.lifecycle_stage = 'active' group by 1",
        "mlflow",
    )
    assert runs == [(status, len(attempts) + 1)], "each attempt's and the suite's own"
    print(f"\n{results.suite}: {len(attempts)} + 1 runs and {expected} points, as in the journals")


@pytest.fixture
def ready(tmp_path: Path, request) -> SuiteResults:
    """Attempts that only wait for being sent; the suite is called as its test."""
    results = SuiteResults(tmp_path, request.node.name)
    write_suite(results, TRIALS, EPOCHS, SAMPLES)
    return results


def test_mlflow_killed_in_the_middle_of_a_sync(team: MlflowServer, cluster: Postgres, ready: SuiteResults):
    sync = start(team, ready, "sync")
    until(lambda: points(cluster, ready.suite) > 5000, sync)
    team.kill()
    said = said_by(sync)
    assert sync.returncode == 5, said
    assert "MLflow cannot be written to" in said and "Traceback" not in said
    team.start()
    assert f"{TRIALS} attempts" in said_by(start(team, ready, "sync"))
    check_equal_to_journals(cluster, ready)
    assert "none sent now" in said_by(start(team, ready, "sync"))
    check_equal_to_journals(cluster, ready)


def test_postgres_restarted_in_the_middle_of_a_sync(team, cluster: Postgres, ready: SuiteResults):
    sync = start(team, ready, "sync")
    until(lambda: points(cluster, ready.suite) > 5000, sync)
    cluster.stop()
    cluster.start()
    said_by(sync)  # it may have got through, for MLflow's server asks again
    again = start(team, ready, "sync")
    said = said_by(again)
    assert again.returncode == 0, said
    check_equal_to_journals(cluster, ready)


def test_mlflow_killed_in_the_middle_of_a_suite(team: MlflowServer, cluster: Postgres, tmp_path: Path):
    path = tmp_path / "classical.toml"
    path.write_text(SUITE)
    results = SuiteResults(tmp_path / "results", "classical")
    run = start(team, results, "run", str(path))
    until(lambda: points(cluster, results.suite) > 0, run)
    team.kill()
    until(lambda: sum(attempt.is_over() for attempt in results.all_attempts()) >= 2, run)
    team.start()
    said = said_by(run)
    assert run.returncode == 0, said
    sync = start(team, results, "sync")
    assert sync.wait(120) == 0, said_by(sync)
    check_equal_to_journals(cluster, results)
