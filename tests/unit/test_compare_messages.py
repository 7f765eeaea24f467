"""What comparisons refuse and note, to the word."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from equipment.results.records import a_record, a_trial

from bench.compare import baseline, learning, measurement, reading, two_trials
from bench.compare.matching import shared_runs
from bench.compare.measurement import Measurement
from bench.compare.reading import Side
from bench.errors import InputError, command
from bench.journal.results import SuiteResults
from bench.plan.decide import make_plan


def said(call, *given, **more) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        call(*given, **more)
    return caught.value.what, caught.value.way_out


@pytest.mark.parametrize("name", ["", ".a", "a b", "a/b", "a.partial"])
def test_names_that_no_baseline_can_have(tmp_path: Path, name: str):
    assert said(baseline.find, tmp_path, name) == (
        f"a baseline cannot be called {name!r}",
        "Use letters, digits, dots, + and - for its name.",
    )


def test_baselines_that_are_not_there_or_damaged(tmp_path: Path, monkeypatch):
    place = tmp_path / "baselines"
    assert said(baseline.find, tmp_path, "v1") == (
        f"there is no baseline v1 in {place}",
        f"Save one with `{command()} baseline save NAME SUITE`.",
    )
    monkeypatch.setattr(
        baseline, "saved", lambda results: [SimpleNamespace(name=name) for name in ("old", "new")]
    )
    assert said(baseline.find, tmp_path, "v1")[1] == "There are old, new."
    assert said(baseline.find, tmp_path, "olds")[1] == "did you mean old?"
    (place / "v1").mkdir(parents=True)
    (place / "v1" / "baseline.json").write_text("torn")
    assert said(baseline.find, tmp_path, "v1") == (
        f"{place}/v1/baseline.json is damaged",
        "Save the baseline again, with --replace.",
    )
    assert said(baseline.save, tmp_path, "v1", tmp_path) == (
        "there is a baseline v1 already",
        "Choose another name, or give --replace.",
    )
    assert said(baseline.save, tmp_path, "v1", tmp_path, True) == (
        f"{place}/v1 is not a saved baseline, so it is not replaced",
        "Choose another name, or move it away.",
    )


def test_folders_that_are_no_results(tmp_path: Path, monkeypatch):
    assert said(reading.suite_folder, tmp_path / "none") == (
        f"there is no results folder {tmp_path}/none",
        "Name the results of a suite, such as results/demo, or baseline:NAME, or mlflow:EXPERIMENT.",
    )
    (tmp_path / "demos").mkdir()
    assert said(reading.suite_folder, tmp_path / "demos") == (
        f"{tmp_path}/demos has no trials/: it is not the results of a suite",
        "",
    )
    (tmp_path / "demo" / "trials").mkdir(parents=True)
    assert said(reading.suite_folder, tmp_path / "demos")[1] == "did you mean demo?"
    assert reading.suite_folder(tmp_path) == tmp_path / "demo" == reading.suite_folder(tmp_path / "demo")
    (tmp_path / "more" / "trials").mkdir(parents=True)
    assert said(reading.suite_folder, tmp_path) == (
        f"{tmp_path} has the results of several suites",
        f"Name one of {tmp_path}/demo, {tmp_path}/more.",
    )
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert said(reading.read_experiment, "mlflow:x", tmp_path / "demo") == (
        f"{tmp_path}/demo has no MLflow store",
        "Give --results the folder of the run, or set MLFLOW_TRACKING_URI.",
    )


ROWS = "file,source,true,predicted,p_a,p_b\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{ROWS}1.png,s,a,b,0.9,0.1\n", "line 2: the probabilities of 1.png contradict its predicted class"),
        (f"{ROWS}1.png,s,a,a,1.1,0.0\n", "line 2: '1.1' is no probability"),
        (f"{ROWS}1.png,s,a,a,0.5,-0.1\n", "line 2: '-0.1' is no probability"),
        (f"{ROWS}1.png,s,a,a,1,0\n2.png,s,a,a,1,nan\n", "line 3: 'nan' is no probability"),
        (f"{ROWS}1.png,s,a,a,inf,0\n", "line 2: 'inf' is no probability"),
        (f"{ROWS}1.png,s,a,c,1,0\n", "line 2: there is no class 'c'"),
        (f"{ROWS}1.png,s,c,a,1,0\n", "line 2: there is no class 'c'"),
        (f"{ROWS}1.png,s\n", "line 2: it has 2 values, and 6 columns"),
        (f'{ROWS}"{"x" * 140_000}', "line 2: field larger than field limit (131072)"),
        (ROWS, "it has no rows"),
        ("a,b\n1,2\n", "line 1: it begins with 'a,b'"),
        (None, "No such file or directory"),
    ],
)
def test_predictions_that_cannot_be_read(tmp_path: Path, text: str | None, reason: str):
    path = tmp_path / "predictions.csv"
    if text is not None:
        path.write_text(text)
    assert said(measurement.read_images, path) == (
        f"{path} cannot be read: {reason}",
        "Evaluating the trial again writes it.",
    )


def test_predictions_at_the_edges_of_what_may_be(tmp_path: Path):
    path = tmp_path / "predictions.csv"
    path.write_text(f"{ROWS}1.png,s,a,a,1.0009,0\n2.png,t,b,a,0.5,0.5\n")
    found = measurement.read_images(path)
    assert (found.files, found.sources, found.truth) == (("1.png", "2.png"), ("s", "t"), ("a", "b"))


def side(name: str, *seeds: int, attempt: int = 1) -> Side:
    made = (Measurement(a_record(a_trial(seed=seed), attempt=attempt)) for seed in seeds)
    return Side(name, tuple(made))


def test_runs_that_are_on_both_sides():
    assert shared_runs(side("a", 0, 1), side("b", 2)) == ""
    assert shared_runs(side("a", 0, 1), side("b", 0, 1)) == (
        "Both sides are the same runs: each is compared with itself, which shows nothing."
    )
    assert shared_runs(side("a", 0, 1), side("b", 1, 2, 3)) == (
        "1 of 3 runs of b are runs of a, too. A run that is compared with itself shows nothing."
    )
    assert shared_runs(side("a", 0, 1), side("b", 1)).startswith("1 of 1 runs of b")


@pytest.mark.parametrize(
    ("metric", "mean", "needed", "images", "said_"),
    [
        (
            *("accuracy", 0.5, 10, 100),
            "these networks differ, but networks of the same side might differ as much; more seeds would tell",
        ),
        (
            "accuracy",
            0.1,
            101,
            100,
            "100 test images are too few for a margin of 2 points; it takes about 101",
        ),
        ("loss", 0.1, 101, 100, "100 test images are too few for a margin of 0.02 nats; it takes about 101"),
        (
            *("accuracy", -0.25, 100, 100),
            "neither a difference nor equivalence within 2 points is shown; more seeds would help",
        ),
    ],
)
def test_why_learning_is_inconclusive(monkeypatch, metric, mean: float, needed: int, images: int, said_: str):
    """Half of the interval over images is 0.25."""
    monkeypatch.setattr(learning, "images_needed", lambda clusters, margin, resolution: needed)
    clusters = SimpleNamespace(mean=mean, images=images, half=lambda level, resolution: {0.95: 0.25}[level])
    assert learning._why_inconclusive(metric, SimpleNamespace(clusters=clusters), 0.02) == said_


def test_trials_without_common_images(tmp_path: Path, monkeypatch):
    attempt = SimpleNamespace(predictions=tmp_path / "none.csv")
    record = a_record()
    assert said(two_trials._predictions, (attempt, record)) == (
        f"{record.trial.id} has no predictions that can be read ({tmp_path}/none.csv: No such file or directory)",
        "Run it again.",
    )


def test_a_trial_that_is_done_is_run_again_with_fresh(tmp_path: Path, monkeypatch):
    decide = import_module("bench.plan.decide")  # by a name, `bench.plan` is a function
    monkeypatch.setattr(decide, "_decide", lambda trial, results, earlier: ("done", "as it was"))
    results, trial = SuiteResults(tmp_path, "s"), a_trial()
    (plain,), (fresh,) = (make_plan([trial], results, fresh=one) for one in (False, True))
    assert (plain.status, plain.why, plain.fresh) == ("done", "as it was", False)
    assert (fresh.status, fresh.why, fresh.fresh) == (
        "again",
        "done before (as it was), but --fresh was given",
        True,
    )
