"""Of which trials a verb writes, keeps and tells: those of the whole suite, or those that were asked for."""

import os
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from equipment.results.records import a_failure, a_record, a_trial, some_metrics, write_record
from equipment.results.suites import thesis_suite
from msgspec.structs import replace

from bench.commands import compare, report
from bench.commands.main import main
from bench.commands.progress import Progress
from bench.commands.report import Brief, WrittenPage, write_brief
from bench.commands.target import find_target
from bench.commands.terminal import Terminal
from bench.compare.baseline import Baseline
from bench.compare.differences import Fingerprint
from bench.devices.device import Device, Slot
from bench.errors import InputError
from bench.journal.results import SuiteResults
from bench.plan.decide import PlannedTrial, Prediction
from bench.report import gather
from bench.report.answer import Decision
from bench.report.frame import configurations_frame
from bench.runner.suite import Outcome

SLOTS = [Slot(f"cpu:{number}", (Device("cpu", "P"),), (number,)) for number in (0, 1)]


def test_a_run_writes_and_keeps_for_the_whole_suite_and_prints_what_was_asked_for(
    folder: Path, monkeypatch, capsys
):
    (folder / "mine.toml").write_text('[[matrix]]\nmode = "classical"\nbackbone = "KNN"\n')
    outcome = Outcome(SuiteResults(Path("results"), "mine"), ["a", "b"], ["b"], [], ("odd images",))
    calls: dict[str, tuple[Any, ...]] = {}

    def noting(name: str, answer: Any):
        return lambda *given: calls.update({name: given}) or answer

    def run_suite(file, results, progress, options, done) -> Outcome:
        done(outcome)
        return outcome

    brief = Brief(pd.DataFrame(), SimpleNamespace())
    page = WrittenPage(Path("report.html"), "an answer", ["few cells"])
    monkeypatch.setattr("bench.runner.suite.run_suite", run_suite)
    monkeypatch.setattr("bench.commands.report.write_brief", noting("brief", brief))
    monkeypatch.setattr("bench.commands.report.write_page", noting("page", page))
    monkeypatch.setattr("bench.commands.report.print_brief", noting("printed", None))
    monkeypatch.setattr("bench.report.models.keep_best", noting("kept", None))
    assert main(["run", "mine.toml"]) == 0
    assert calls["brief"] == (outcome.results, ["a", "b"], ["b"])
    assert calls["page"][1:] == (outcome.results, ["a", "b"], Path("mine.toml"))
    assert calls["kept"] == (outcome.results, ["a", "b"]) and calls["printed"][1] is brief
    said = capsys.readouterr()
    assert said.out == "an answer\n"
    assert said.err.splitlines() == ["warning: odd images", "warning: few cells", "Report: report.html"]


def test_the_tables_of_a_suite_have_all_trials_and_the_short_one_those_that_were_shown(tmp_path: Path):
    results, ids = thesis_suite(
        tmp_path,
        networks=("VGG16",),
        plan=(("transfer", 9), ("scratch", 9)),
        cells_a_class=2,
        telemetry=False,
    )
    for shown in (ids, ids[1:]):
        brief = write_brief(results, ids, shown)
        assert list(brief.trials["trial"]) == list(brief.table.frame["trial"]) == shown
        written = pd.read_csv(results.report / "tables" / "trials.csv")
        assert list(written["trial"]) == ids


def test_a_baseline_tells_what_of_the_results_is_damaged(folder: Path, monkeypatch, capsys):
    (folder / "old" / "trials").mkdir(parents=True)
    saved = Baseline(
        "v1", folder, "old", "now", Fingerprint(model="P"), 1, ("one is torn", "one is torn", "odd")
    )
    baselines = import_module("bench.compare.baseline")  # by a name, `bench.compare` is a function
    monkeypatch.setattr(baselines, "save", lambda *given: saved)
    assert main(["baseline", "save", "v1", "old"]) == 0
    assert capsys.readouterr().err == "warning: one is torn\nwarning: odd\n"


def test_only_trials_that_are_done_are_set_beside_each_other(tmp_path: Path):
    results = SuiteResults(tmp_path, "mine")
    for number, failure in enumerate((a_failure(), a_failure("interrupted"), None)):
        of = a_trial(seed=number)
        write_record(results.new_attempt(of), a_record(of, failure=failure))
        if failure is None:
            assert compare._done(results, of.id)[1].done
            continue
        with pytest.raises(InputError, match="is not done"):
            compare._done(results, of.id)


def test_a_link_to_results_leads_to_the_folder_that_has_them(folder: Path):
    """With another name it would be taken for another suite."""
    (folder / "kept" / "mine" / "trials").mkdir(parents=True)
    (folder / "latest").symlink_to(folder / "kept" / "mine")
    (folder / "linked").mkdir()
    (folder / "linked" / "mine").symlink_to(folder / "kept" / "mine")
    found = find_target("latest", Path("results"))
    assert (found.results, found.name, found.folder) == (folder / "kept", "mine", folder / "kept" / "mine")
    same = find_target("linked/mine", Path("results"))
    assert (same.results, same.name) == (Path("linked"), "mine")


def planned(seconds: float | None, name: str, seed: int = 0, **asked: Any) -> PlannedTrial:
    trial = a_trial(name, specification={"manifest": "nowhere", **asked}, seed=seed)
    prediction = None if seconds is None else Prediction(seconds, "the test")
    return PlannedTrial(trial, "new", "", prediction=prediction)


class Watched:
    """A progress with a clock of the test's."""

    def __init__(self, trials: list[PlannedTrial], monkeypatch, **more: Any):
        self.now = 0.0
        with Path(os.devnull).open("w") as nowhere:
            self.progress = Progress(Terminal(file=nowhere, quiet=True), lambda: self.now, **more)
        self.progress.plan(trials, SLOTS)


def test_a_trial_whose_time_was_not_predicted_says_nothing_of_the_pace(monkeypatch):
    known, unknown, waiting = planned(10.0, "VGG16"), planned(None, "LeNet5"), planned(100.0, "Xception")
    watched = Watched([known, unknown, waiting], monkeypatch)
    for one, seconds in ((known, 20.0), (unknown, 500.0)):
        watched.progress.trial_started(one, SLOTS[0])
        watched.now += seconds
        watched.progress.trial_ended(one, SLOTS[0], a_record(test=some_metrics()), again=False)
    assert watched.progress._expected(waiting) == 200.0, "twice what was predicted"


@pytest.mark.parametrize(
    ("others", "asked", "loaded"),
    [
        (0, {}, True),
        (1, {}, False),
        (0, {"export": {"formats": ["onnx"]}}, False),
        (0, {"profile": {"steps": 3}}, False),
    ],
)
def test_what_the_end_needs_is_not_loaded_while_anything_is_measured(
    monkeypatch, others: int, asked, loaded: bool
):
    trials = [planned(1.0, "VGG16", **asked), planned(1.0, "LeNet5")]
    watched = Watched(trials, monkeypatch)
    read: list[bool] = []
    monkeypatch.setattr(watched.progress, "_load", lambda: read.append(True))
    for one, slot in zip(trials[: 1 + others], SLOTS, strict=False):
        watched.progress.trial_started(one, slot)
    for phase in ("train", "save"):
        watched.progress.event(trials[0], SLOTS[0], {"event": "phase_started", "phase": phase})
    assert bool(read) == loaded


@pytest.fixture
def suite(tmp_path: Path) -> tuple[SuiteResults, list[str]]:
    """Two networks in two modes with two seeds, next to each other."""
    plan = (("transfer", 9), ("scratch", 9))
    return thesis_suite(
        tmp_path, networks=("VGG16", "ResNet50"), plan=plan, seeds=2, cells_a_class=2, telemetry=False
    )


def test_a_page_is_about_first_replicates_and_the_configuration_that_is_named(suite, monkeypatch):
    """Here one that is neither the most accurate one nor the first."""
    results, ids = suite
    decide = gather.decide
    asked: list[float] = []

    def named(found, same, margin) -> Decision:
        asked.append(margin)
        decided = decide(found, same, margin)
        return SimpleNamespace(**{**vars(decided), "named": found[-1]})

    read: list[str] = []
    predictions_of = gather.predictions_of
    monkeypatch.setattr(gather, "decide", named)
    monkeypatch.setattr(
        gather,
        "predictions_of",
        lambda attempt, torn: read.append(attempt.trial_id) or predictions_of(attempt, torn),
    )
    model = results.attempts(ids[6])[0].folder / "model.keras"
    model.touch()
    contents = gather.gather(results, ids, margin=0.04)
    assert asked == [0.04] and contents.winner.trial == ids[6] and contents.winner.model == str(model)
    assert read == [ids[6], ids[0], ids[2], ids[4]], (
        "that of the answer, then each network's most accurate ones"
    )
    assert contents.figures["confusion"][0].title == "ResNet50, scratch, 9 epochs"
    assert contents.origin.trial.id == ids[0]
    assert [one.name for one in contents.mistakes] == [
        "ResNet50, scratch, 9 epochs",
        "VGG16, transfer, 9 epochs",
    ]
    model.unlink()
    (results.attempts(ids[7])[0].folder / "model.keras").touch()
    assert gather.gather(results, ids).winner.model == "", "only the first replicate's is kept"


def test_settings_that_differ_from_the_thesis_are_those_of_all_trials_that_ended(suite, monkeypatch):
    results, ids = suite
    seen: list[list[str]] = []
    table = gather.departures_table
    monkeypatch.setattr(
        gather,
        "departures_table",
        lambda name, trials: seen.append([one.id for one in trials]) or table(name, trials),
    )
    attempt = results.attempts(ids[0])[0]
    write_record(attempt, replace(attempt.record(), status="failed", failure=a_failure(), test=None))
    never = a_trial(seed=99).id
    gather.gather(results, [*ids, never], reference="thesis-2018", pictures=False)
    assert seen == [ids]


def test_seeds_and_images_add_up_as_independent_errors_do():
    """The half width of both is the root of the sum of the squares: of 0.3 and 0.4, and of t for two seeds."""
    row = {
        **{"configuration": "a", "network": "VGG16", "weights": "none", "mode": "scratch", "epochs": 9},
        **{"variant": "", "device": "A100", "status": "done", "replicate": "seed 0", "attempt": 1},
    }
    values = [
        {"balanced_accuracy": value, "split_low": value - 0.04, "split_high": value + 0.03}
        for value in (0.5, 0.502)
    ]
    frame = configurations_frame(pd.DataFrame([{**row, **one} for one in values]))
    # Student's t of one degree of freedom: 12.706 * (0.002 / sqrt(2)) / sqrt(2).
    half = 12.7062 * 0.001
    (found,) = frame.to_dict("records")
    assert found["balanced_accuracy_t95_high"] - 0.501 == pytest.approx(half, abs=1e-6)
    assert found["balanced_accuracy_low"] == pytest.approx(0.501 - (half**2 + 0.04**2) ** 0.5, abs=1e-6)
    assert found["balanced_accuracy_high"] == pytest.approx(0.501 + (half**2 + 0.03**2) ** 0.5, abs=1e-6)


def test_a_report_hands_its_overrides_to_the_suite(folder: Path, monkeypatch):
    (folder / "mine.toml").write_text('[[matrix]]\nmode = "classical"\nbackbone = "KNN"\n')
    calls: list[tuple[Any, ...]] = []

    def resolve(*given: Any) -> None:
        calls.append(given)
        raise InputError("stopped here", "")

    monkeypatch.setattr("bench.suite.resolve.resolve_suite", resolve)
    given = ["--data", "d", "--weights", "w", "--devices", "cpu:2", "--results", "there", "--only", "knn"]
    for verb in ("report", "plan"):
        assert main([verb, "mine.toml", *given]) == 2
    places = (Path("mine.toml"), Path("there/cache"), "cpu:2", Path("d"), Path("w"))
    assert calls == [places, (*places, "knn")]
    assert report.QUICK_TRIALS == 200
