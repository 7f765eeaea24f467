"""Twenty-four trials on three nodes of one core: in peace, on one machine, and while nodes and driver are killed."""

import csv
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from equipment.ray_cluster import Cluster
from equipment.suites import SOME_CELLS

from bench.journal.results import SuiteResults

SEEDS = 8
TRIALS = 3 * SEEDS
PATIENCE_S = 600

SUITE = (
    SOME_CELLS
    + f"""
[suite]
name = "many"
seeds = {list(range(SEEDS))}

[[matrix]]
mode = "classical"
backbone = ["KNN", "SVM", "RandomForest"]

[telemetry]
reference_work = false
latency = false
"""
)


def done(results: SuiteResults) -> dict[str, int]:
    """Trial -> how many attempts at it are done."""
    return {
        trial: sum(bool((record := one.record()) and record.done) for one in results.attempts(trial))
        for trial in results.trial_ids()
    }


def wait_for(results: SuiteResults, number: int, process: subprocess.Popen) -> None:
    """Until so many trials are done."""
    deadline = time.monotonic() + PATIENCE_S
    while sum(done(results).values()) < number:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(1)


ALONE = 12
"""Trials that also run on one machine: half of all, because each of them adds its time to the target."""


@pytest.fixture(scope="module")
def predicted() -> dict[str, list[list[str]]]:
    """Trial -> its predictions, from the run in peace."""
    return {}


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "many.toml"
    path.write_text(SUITE)
    return path


def test_every_trial_is_recorded_once_as_on_one_machine(
    cluster: Cluster, start, suite: Path, tmp_path: Path, predicted: dict
):
    there, here = SuiteResults(tmp_path / "cluster", "many"), SuiteResults(tmp_path / "here", "many")
    assert start(cluster, suite, there.results).wait(PATIENCE_S) == 0
    assert done(there) == dict.fromkeys(there.trial_ids(), 1) and len(there.trial_ids()) == TRIALS
    predicted |= {trial: rows(there.latest(trial)[0].predictions) for trial in there.trial_ids()}
    report(there, slots=3)

    assert start(None, suite, here.results, "--only", "*-s[0-3]-*").wait(PATIENCE_S) == 0
    assert len(here.trial_ids()) == ALONE and set(here.trial_ids()) < set(there.trial_ids())
    for trial in here.trial_ids():
        ((one, ours), (_, theirs)) = here.latest(trial), there.latest(trial)
        assert rows(one.predictions) == predicted[trial], trial
        assert ours.test == theirs.test
        assert theirs.slot.name.startswith("node-") and theirs.telemetry.sampler.complete
        assert ours.environment.variables == theirs.environment.variables
    assert not list(cluster.folder.glob("node-*/attempts/*")), "nothing is left on the nodes"


def test_two_nodes_and_the_driver_are_killed_and_nothing_is_lost_or_there_twice(
    cluster: Cluster, start, suite: Path, tmp_path: Path, predicted: dict
):
    results = SuiteResults(tmp_path / "killed", "many")
    driver = start(cluster, suite, results.results)
    for number, enough in ((0, 4), (1, 8)):
        wait_for(results, enough, driver)
        cluster.kill(number)
    wait_for(results, 11, driver)
    workers = [process for process in cluster.processes(2) if "bench.worker" in " ".join(process.cmdline())]
    driver.kill()
    driver.wait()
    _gone, left = psutil.wait_procs(workers, timeout=30)
    assert not left, "a worker outlives its driver"
    before = done(results)
    cluster.add()
    cluster.add()
    assert start(cluster, suite, results.results).wait(PATIENCE_S) == 0
    assert done(results) == dict.fromkeys(results.trial_ids(), 1) and len(results.trial_ids()) == TRIALS
    assert {trial: rows(results.latest(trial)[0].predictions) for trial in results.trial_ids()} == predicted
    again = [trial for trial, number in before.items() if number and len(results.attempts(trial)) > 1]
    failures = [
        record.failure for one in results.all_attempts() if (record := one.record()) and record.failure
    ]
    assert len([one for one in failures if "the cluster lost node-" in one.message]) >= 1
    assert {one.kind for one in failures} <= {"crashed", "interrupted"}
    print(f"\n{len(failures)} attempts were cut short: {sorted(one.message for one in failures)}; {again=}")


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def report(results: SuiteResults, slots: int) -> None:
    """Print how well the slots were used."""
    spans, busy = [], 0.0
    for attempt in results.all_attempts():
        record = attempt.record()
        assert record is not None and record.time_to_result is not None
        taken = (
            attempt.result.stat().st_mtime_ns - attempt.folder.joinpath("trial.json").stat().st_mtime_ns
        ) / 1e9
        busy += taken
        spans.append(
            (attempt.folder.joinpath("trial.json").stat().st_mtime_ns, attempt.result.stat().st_mtime_ns)
        )
    makespan = (max(end for _, end in spans) - min(begin for begin, _ in spans)) / 1e9
    longest = max((end - begin) / 1e9 for begin, end in spans)
    bound = max(longest, busy / slots)
    print(
        f"\n{len(spans)} trials on {slots} slots: busy {busy:.1f} s of {slots * makespan:.1f} s slot time "
        f"({busy / (slots * makespan):.0%}); makespan {makespan:.1f} s, lower bound {bound:.1f} s"
    )
