"""`bench compare` and `bench baseline` over results of suites that never ran, by command."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from command import Bench, InProcess
from comparison_equipment import add, noisy, record, suite, trial, write_epochs

from bench.journal.results import SuiteResults

RIGHT = np.random.default_rng(0).random(1500) < 0.95


@pytest.fixture
def bench(tmp_path: Path) -> InProcess:
    return InProcess(tmp_path)


def sides(bench: Bench, new=None, **more) -> tuple[Path, Path]:
    """Two suites of ten attempts; the candidate with other times or predictions."""
    of = trial()
    old = suite(bench.folder / "a" / "s", [(of, noisy(10, 10, 0))], RIGHT)
    times, right = new or (noisy(10, 10, 1), RIGHT)
    return old, suite(bench.folder / "b" / "s", [(of, times)], right, **more)


def document(bench: Bench) -> dict:
    (path,) = bench.results.glob("compare/*/regression.json")
    return json.loads(path.read_text())


def test_no_regression(bench: Bench):
    done = bench("compare", *sides(bench))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No regression" in done.stdout
    (found,) = document(bench)["trials"]
    assert (found["speed"], found["learning"], found["pairs"]) == ("same", "same", 10)
    assert {path.name for path in bench.results.glob("compare/*/*")} == {
        "regression.json",
        "regression.html",
        "junit.xml",
        "summary.md",
    }


def test_slower_is_1(bench: Bench):
    process = Bench(bench.folder)  # of its own: its exit code is what counts
    done = process("compare", *sides(bench, (noisy(11, 10, 1), RIGHT)))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "slower" in done.stdout and "steps" in done.stdout


def test_worse_is_1(bench: Bench):
    fewer = RIGHT & (np.random.default_rng(1).random(len(RIGHT)) < 0.75)
    done = bench("compare", *sides(bench, (noisy(10, 10, 1), fewer)))
    assert done.returncode == 1
    assert document(bench)["trials"][0]["learning"] == "worse"
    assert document(bench)["thresholds"]["look"] == 1
    add(SuiteResults(bench.folder / "a", "s"), trial(), record(trial()), RIGHT)
    add(SuiteResults(bench.folder / "b", "s"), trial(), record(trial()), RIGHT[::-1])
    for look in (2, 2):  # what was learned has changed; looking at the same again is no other look
        assert bench("compare", bench.folder / "a" / "s", bench.folder / "b" / "s").returncode == 1
        assert document(bench)["thresholds"]["look"] == look


def test_not_enough_evidence_is_4(bench: Bench):
    done = bench("compare", *sides(bench, (noisy(10, 2, 1), RIGHT)), "--output", bench.folder / "here")
    assert done.returncode == 4
    assert json.loads((bench.folder / "here/regression.json").read_text())["exit_code"] == 4


def test_newly_failing_is_1_and_failing_on_both_sides_3(bench: Bench):
    of, other = trial(), trial("VGG19")
    old, new = SuiteResults(bench.folder / "a", "s"), SuiteResults(bench.folder / "b", "s")
    for results, seed in ((old, 0), (new, 1)):
        for seconds in noisy(10, 10, seed):
            write_epochs(add(results, of, record(of, seconds), RIGHT), [1.0, 0.5])
        add(results, other, record(other, failure=("crashed", "a signal")))
    done = bench("compare", old.folder, new.folder)
    assert done.returncode == 3
    assert len(document(bench)["trials"][0]["curves"]) == 2
    add(old, other, record(other), RIGHT)
    done = bench("compare", old.folder, new.folder)
    assert done.returncode == 1
    assert "newly failing" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare", "nowhere", "nowhere"), "there is neither a folder nor a suite nowhere"),
        (("compare", "baseline:gone", "baseline:gone"), "there is no baseline gone"),
        (("compare", "mlflow:gone", "mlflow:gone"), "has no MLflow store"),
        (("compare", "a", "b", "--change", "0"), "--change is 0"),
        (("baseline", "save", "../x", "demo"), "cannot be called"),
        (("baseline", "show", "gone"), "there is no baseline gone"),
    ],
)
def test_wrong_input_is_2(bench: Bench, arguments, said: str):
    done = bench(*arguments)
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr


def test_a_baseline_is_kept_whole_and_compared_with(bench: Bench):
    old, new = sides(bench)
    (old / "trials" / "stray.txt").write_text("no attempt")
    next(old.glob("trials/*/attempt-1")).joinpath("image.png").write_bytes(b"no record")
    assert bench("baseline", "save", "v1", old).returncode == 0
    kept = bench.results / "baselines" / "v1"
    assert len(list(kept.glob("trials/*/attempt-*/predictions.csv"))) == 10
    assert not list(kept.rglob("*.png"))
    again = bench("baseline", "save", "v1", old)
    assert again.returncode == 2 and "there is a baseline v1 already" in again.stderr
    assert bench("baseline", "save", "v1", old, "--replace").returncode == 0
    assert [path.name for path in kept.parent.iterdir()] == ["v1"]
    assert "v1" in bench("baseline", "list").stdout
    assert "vgg16-scratch-3e" in bench("baseline", "show", "v1").stdout
    done = bench("compare", "baseline:v1", new)
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_machines_baseline_is_for_learning_only(bench: Bench):
    old, new = sides(bench, (noisy(20, 10, 1), RIGHT))
    bench("baseline", "save", "theirs", old)
    file = bench.results / "baselines" / "theirs" / "baseline.json"
    content = json.loads(file.read_text())
    assert content["machine"] == {}  # its records name a processor that this machine has not
    there = {"model": "A processor", "cores": 64}
    file.write_text(json.dumps({**content, "machine": there}))
    bench("baseline", "save", "ours", new)
    own = bench.results / "baselines" / "ours" / "baseline.json"
    own.write_text(json.dumps({**content, "machine": {**there, "cores": 2}}))
    done = bench("compare", "baseline:theirs", "baseline:ours")
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = document(bench)["trials"]
    assert (found["speed"], found["learning"]) == ("not comparable", "same")
    assert "number of cores 64 and 2" in " ".join(found["notes"])


def test_damaged_predictions_are_named(bench: Bench):
    old, new = sides(bench)
    (damaged,) = new.glob("trials/*/attempt-3/predictions.csv")
    damaged.write_text("no,predictions\n")
    done = bench("compare", old, new)
    assert done.returncode == 0, "two other pairs of the trial are there"
    assert str(damaged) in "".join(done.stdout.split()), "lines are wrapped"
    assert "Traceback" not in done.stderr


def test_damaged_records_are_named_with_their_field(bench: Bench):
    old, new = sides(bench)
    (damaged,) = new.glob("trials/*/attempt-3/result.json")
    content = json.loads(damaged.read_text())
    content["test"]["accuracy"] = "high"
    damaged.write_text(json.dumps(content))
    done = bench("compare", old, new)
    assert done.returncode == 0, done.stdout + done.stderr  # it costs its attempt, not the comparison
    said = "".join((done.stdout + done.stderr).split())  # lines are wrapped
    assert f"{damaged}isdamaged:test.accuracy" in said and "Traceback" not in done.stderr


def test_trials_are_chosen_by_their_names(bench: Bench):
    old, new = sides(bench)
    assert bench("compare", old, new, "--only", "vgg*").returncode == 0
    done = bench("compare", old, new, "--only", "xception*")
    assert done.returncode == 2
    assert "matches --only xception*" in done.stderr and "The first is vgg16-scratch-3e" in done.stderr
    assert bench("baseline", "save", "v1", old, "--only", "xception*").returncode == 2
    assert bench("baseline", "save", "v1", old, "--only", "vgg*").returncode == 0
