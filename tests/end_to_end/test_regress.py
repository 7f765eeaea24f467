"""`bench regress` with real processes: sides that crash or cannot be had, and one that is stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command import REPOSITORY, Bench
from equipment.planted.interpreter import plant
from equipment.suites import FEW_CELLS
from equipment.turns import one_at_a_time, turns_of

SUITE = (
    FEW_CELLS
    + """
[suite]
name = "small"

[[matrix]]
{trials}

[limits]
retries = 0

[telemetry]
enabled = false
reference_work = false
latency = false
"""
)
"""Without telemetry and reference work no pair is found disturbed and run again, however busy the machine is."""


KNN = 'mode = "classical"\nbackbone = "KNN"'
THREE = 'mode = "classical"\nbackbone = ["KNN", "DecisionTree", "SVM"]'
OF_TENSORFLOW = 'mode = "transfer"\nbackbone = "LeNet5"\nweights = "random"\nepochs = 1'
FROM_SCRATCH = 'mode = "scratch"\nbackbone = "LeNet5"\nepochs = 3'
PARTS = ("steps_s", "data_wait_s", "validation_s", "checkpoint_s", "recompile_s", "ending_s", "between_s")


def write_suite(folder: Path, trials: str = KNN) -> Path:
    path = folder / "small.toml"
    path.write_text(SUITE.format(trials=trials))
    return path


def pairs_of(bench: Bench, name: str) -> list[dict]:
    journal = bench.results / "regress" / name / "pairs.jsonl"
    return [
        event for line in journal.read_text().splitlines() if (event := json.loads(line))["event"] == "pair"
    ]


def test_a_crash_is_a_row_and_the_other_trials_are_judged(tmp_path: Path):
    bench, suite = Bench(tmp_path), write_suite(tmp_path, THREE)
    old = plant(tmp_path / "old-python", crash="SVM")
    new = plant(tmp_path / "new-python", crash="DecisionTree")
    done = bench(
        "regress", suite, "--baseline-python", old, "--candidate-python", new, "--pairs", "1", "--name", "x"
    )
    assert done.returncode == 1, done.stdout + done.stderr
    verdict = json.loads((bench.results / "regress" / "x" / "regression.json").read_text())
    trials = {trial["label"].split("-")[0]: trial for trial in verdict["trials"]}
    assert trials["decisiontree"]["status"] == "failed" and trials["decisiontree"]["regression"]
    assert (
        "exit code 3" in trials["decisiontree"]["reason"]
        and "done before" in trials["decisiontree"]["reason"]
    )
    assert trials["svm"]["status"] == "new" and not trials["svm"]["regression"]
    assert "the baseline failed: crashed" in trials["svm"]["reason"]
    assert trials["knn"]["status"] == "judged"
    assert trials["knn"]["learning"] in ("same", "inconclusive")
    for file in ("junit.xml", "summary.md", "regression.html", "sides.json"):
        assert (bench.results / "regress" / "x" / file).is_file()
    assert {pair["status"] for pair in pairs_of(bench, "x")} == {"done", "failed"}


def test_both_sides_of_a_pair_take_turns(tmp_path: Path):
    bench, suite = Bench(tmp_path), write_suite(tmp_path, FROM_SCRATCH)
    done = bench("regress", suite, "--candidate-python", sys.executable, "--pairs", "1", "--name", "x")
    assert done.returncode in (0, 4), done.stdout + done.stderr
    assert [pair["status"] for pair in pairs_of(bench, "x")] == ["done"]
    one, other = (bench.results / "regress" / "x").glob("*/trials/*/attempt-*")
    turns = [turns_of(one), turns_of(other)]
    assert min(map(len, turns)) > 1, "each passed its turn on, and went on later"
    assert one_at_a_time([one, other])
    for attempt, own in zip((one, other), turns, strict=True):
        phases = json.loads((attempt / "result.json").read_text())["phases"]
        worked = sum(ended - began for began, ended in own) / 1e9
        recorded = sum(phase["wall_s"] for name, phase in phases.items() if name != "teardown")
        assert 0.7 * worked < recorded < worked, "the other's turns do not count"
        train = phases["train"]
        parts = sum(train[part] for part in PARTS)
        assert parts == pytest.approx(train["wall_s"], rel=0.02, abs=0.02), "nor in a part of training"


def stopped(bench: Bench, command: tuple, starts: int, number: signal.Signals) -> int:
    """Start a comparison and stop it when so many runs have started; its exit code."""
    process = subprocess.Popen(
        bench.command(*command),
        cwd=REPOSITORY,
        env=bench.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in process.stdout:
        starts -= "starts" in line
        if not starts:
            break
    os.kill(process.pid, number)
    return process.wait(timeout=60)


def test_it_goes_on_where_it_was_stopped(tmp_path: Path):
    bench, suite = Bench(tmp_path), write_suite(tmp_path)
    command = ("regress", suite, "--candidate-python", sys.executable)
    command = (*command, "--pairs", "2", "--name", "x")

    assert stopped(bench, command, 3, signal.SIGINT) == 130
    (first,) = pairs_of(bench, "x")
    assert stopped(bench, command, 1, signal.SIGKILL) == -signal.SIGKILL
    assert pairs_of(bench, "x") == [first]

    done = bench(*command)
    assert done.returncode in (0, 4), done.stdout + done.stderr
    assert pairs_of(bench, "x")[0] == first and len(pairs_of(bench, "x")) == 2
    for result in (bench.results / "regress" / "x").rglob("attempt-*/result.json"):
        provenance = json.loads(result.read_text())["provenance"]
        assert provenance["machine"]["fingerprint"] and provenance["leukobench"]
    assert not list((bench.results / "regress" / "x").rglob("*.partial"))
    again = bench(*command)
    assert "starts" not in again.stderr, "everything is there"
    assert again.returncode == done.returncode


def test_a_side_that_cannot_be_installed_ends_before_anything_runs(tmp_path: Path):
    bench, suite = Bench(tmp_path), write_suite(tmp_path, OF_TENSORFLOW)
    environment = {
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(tmp_path),
        "UV_CACHE_DIR": str(tmp_path / "nothing"),  # else it builds from what was installed before
        "PIP_FIND_LINKS": "",
    }
    done = bench("regress", suite, "--candidate", "tensorflow==2.21.0", **environment)
    assert done.returncode == 2
    assert "the environment of the candidate cannot be made; uv says:" in done.stderr
    assert "tensorflow-cpu" in done.stderr and "Traceback" not in done.stderr
    assert not list(bench.results.rglob("attempt-*"))


def test_an_interpreter_without_tensorflow_ends_before_anything_runs(tmp_path: Path):
    bench, suite = Bench(tmp_path), write_suite(tmp_path, OF_TENSORFLOW)
    empty = tmp_path / "empty"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", empty], check=True)
    done = bench("regress", suite, "--baseline-python", empty / "bin" / "python")
    assert done.returncode == 2
    assert "tensorflow cannot be imported: ModuleNotFoundError" in done.stderr
    assert not list(bench.results.rglob("attempt-*"))


def test_against_a_recorded_baseline_the_candidate_alone_runs_within_its_budget(tmp_path: Path):
    bench, suite = Bench(tmp_path), write_suite(tmp_path)
    only = ("--only", "*classical*")
    assert bench("run", suite, *only).returncode == 0
    (first,) = (bench.results / "small").glob("trials/*/attempt-1")
    for number in (2, 3):  # as `run --fresh` leaves them
        copy = first.with_name(f"attempt-{number}")
        shutil.copytree(first, copy)
        record = json.loads((copy / "result.json").read_text())
        (copy / "result.json").write_text(json.dumps({**record, "attempt": number}))
    assert bench("baseline", "save", "old", bench.results / "small").returncode == 0
    command = ("regress", suite, *only, "--baseline", "baseline:old", "--name", "x")
    done = bench(*command, "--pairs", "3", "--budget", "1s")
    assert done.returncode in (0, 4), done.stdout + done.stderr
    assert "baseline:old has 3 runs of knn-classical: times need 7." in done.stderr
    verdict = json.loads((bench.results / "regress" / "x" / "regression.json").read_text())
    (trial,) = verdict["trials"]
    assert (trial["status"], trial["learning"] in ("same", "inconclusive")) == ("judged", True)
    assert "The budget was spent before every trial ran as often as was wanted." in verdict["notes"]
    runs = list((bench.results / "regress" / "x").glob("**/attempt-*/result.json"))
    assert len(runs) == 1, "each trial runs once, whatever the budget"
