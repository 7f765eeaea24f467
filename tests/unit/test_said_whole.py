"""Sentences and headings of comparisons and reports, whole, where other tests look at a part of them."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from comparison_equipment import add, record, trial
from equipment.results.records import a_runtime, a_trial

from bench.commands.baseline import list_baselines
from bench.commands.predict import _warn_of_unlike
from bench.compare.output import files, page
from bench.compare.output import format as words
from bench.compare.output import history as histories
from bench.compare.reading import read_attempts
from bench.compare.verdict import Change, Learning, Status, Verdict
from bench.errors import InputError, command
from bench.journal.results import SuiteResults
from bench.plan.decide import Prediction
from bench.regress import stopping
from bench.regress.schedule import expected
from bench.regress.verdict import CUT_SHORT, UNPAIRED, too_few
from bench.report import cautions, gather, names
from bench.report.figures import tradeoff
from bench.report.figures.figure import Colors
from bench.report.overview import suite_lines
from bench.report.pareto import Candidate
from bench.report.report import _checked
from bench.report.selection import select_folder
from bench.suite.values import weights_of_classes


def refused(function: Callable[..., Any], *given: Any) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        function(*given)
    return caught.value.what, caught.value.way_out


def test_headings_of_tables_of_a_comparison(monkeypatch):
    assert (
        *("time to", "baseline", "candidate", "candidate / baseline", "reached in pairs"),
    ) == words.TIME_HEADINGS
    assert (
        *("operation", "baseline ms a step", "candidate ms a step", "change", "longer in pairs", "shown"),
    ) == words.OPERATION_HEADINGS
    assert (
        *(
            "between",
            "configuration",
            "verdict",
            "metric",
            "change, 95 % interval",
            "evidence",
            "what changed",
        ),
    ) == histories.STEP_HEADINGS
    assert histories.ENDS == ("fit_time", "throughput", "peak_memory", "accuracy")
    red, green = ("slower", "larger", "worse", "failed"), ("faster", "smaller", "better")
    assert {
        **dict.fromkeys(red, "bold red"),
        **dict.fromkeys(green, "green"),
        "inconclusive": "yellow",
    } == words.STYLES
    monkeypatch.setattr(page, "render", lambda template, **shown: {"template": template, **shown})
    shown = page.page(Verdict("old", "new", ()))
    assert (shown["template"], shown["title"]) == ("comparison", "old against new")
    assert shown["overview_headings"] == ["trial", "speed", "memory", "learning", "accuracy", "pairs"]
    assert shown["change_headings"] == [
        *(
            "metric",
            "verdict",
            "baseline",
            "candidate",
            "change, 95 % interval",
            "pairs",
            "evidence",
            "varies by",
        ),
    ]
    assert shown["phase_headings"] == ["where the time goes", "baseline s", "candidate s", "difference s"]


def test_what_differs_and_what_long_names_are_on_an_axis(monkeypatch):
    verdict = Verdict("old", "new", (), changes=(Change("keras", "3.3", "3|4"),))
    assert files._changed(verdict) == [
        "<details><summary>What differs between the sides (1)</summary>",
        "",
        "| what | baseline | candidate |",
        "| --- | --- | --- |",
        "| keras | 3.3 | 3\\|4 |",
        "",
        "</details>",
        "",
    ]
    assert files._changed(Verdict("old", "new", ()))[0] == (
        "No difference between the software of the sides is recorded."
    )
    monkeypatch.setattr(histories, "LONGEST_NAME", 4)
    assert [histories._fitting(name) for name in ("abcd", "abcde", "abcdef")] == ["abcd", "…cde", "…def"]
    assert histories._shortened(("tf==2.1.*", "tf==2.20")) == {"tf==2.1.*": "2.1", "tf==2.20": "2.20"}


def test_a_damaged_attempt_is_left_out_and_the_way_out_told(tmp_path: Path):
    results, of = SuiteResults(tmp_path, "s"), trial()
    whole, torn = (add(results, of, record(of)) for _ in range(2))
    torn.result.write_text("{")
    rest = ". The attempt is left out; running its suite again makes the record anew."
    (warning,) = read_attempts([whole, torn], "old").warnings
    assert str(torn.result) in warning and warning.endswith(rest)
    what, _ = refused(read_attempts, [torn], "old")
    assert what.startswith("old has no attempt that can be read: ") and what.endswith(rest)


def test_what_a_saved_baseline_lacks():
    of = trial()
    assert too_few([of], {of.key: 2}, "old", 7) == (
        f"old has 2 runs of {of.label}: times need 7. Run its suite with `run --fresh` as often as it takes (and save "
        "it with `baseline save --replace`)."
    )
    assert UNPAIRED == (
        "The baseline was recorded at another time: what changed on the machine since then is in the ratios, too. For "
        "small changes, measure both sides in turn."
    )
    assert CUT_SHORT == "The budget was spent before every trial ran as often as was wanted."


def test_why_no_more_pairs_run(monkeypatch):
    monkeypatch.setattr(stopping, "_more_pairs_help", lambda one: False)
    unclear = SimpleNamespace(
        key="k", status=Status.JUDGED, inconclusive=True, learning=Learning.INCONCLUSIVE
    )
    assert stopping.next_look(SimpleNamespace(regressions=(), trials=[unclear])).why == (
        "learning of 1 trials stays inconclusive, because more pairs of the same seeds are the same training: give "
        "[suite] more seeds, or more test images"
    )
    assert expected(10.0) == Prediction(10.0, "its earlier runs") and expected(0.0) is None


def test_folders_that_are_no_results_or_no_report(tmp_path: Path):
    assert refused(suite_lines, tmp_path) == (
        f"{tmp_path} holds no results of a suite",
        "Run a suite first, or name another --results.",
    )
    nothing = f"{tmp_path} holds no trials, so it is no results folder of a suite"
    assert refused(select_folder, tmp_path) == (
        nothing,
        "Name a suite file, or a folder such as results/demo.",
    )
    for name in ("b", "a"):
        (tmp_path / name / "trials").mkdir(parents=True)
    assert refused(select_folder, tmp_path) == (nothing, "It holds results of a, b: name one of them.")
    assert refused(select_folder, tmp_path / "a") == (
        f"{tmp_path}/a holds no attempt at any trial",
        "Run its suite first.",
    )
    assert refused(_checked, tmp_path) == (
        f"{tmp_path} exists and is not a report",
        "Name a new folder, or that of a report.",
    )


@pytest.mark.parametrize(("older", "said"), [(1, "1 older trial"), (2, "2 older trials")])
def test_older_trials_of_the_same_settings_are_counted(tmp_path: Path, older: int, said: str):
    results = SuiteResults(tmp_path, "s")
    for number in range(older + 1):
        of = a_trial(runtime=a_runtime(keras=f"3.{number}"))
        add(results, of, record(of))
    assert select_folder(tmp_path / "s").notes == (
        f"{said} with the same settings, run by other versions or devices, omitted.",
    )


@pytest.mark.parametrize(("shares", "said"), [((0.5, 0.123), "12 %"), ((0.5, None), ""), ((), "")])
def test_classical_methods_that_find_no_nuclei(monkeypatch, shares: tuple, said: str):
    found = iter(shares)
    features = lambda: SimpleNamespace(features=SimpleNamespace(plausible=next(found)))  # noqa: E731
    attempt = SimpleNamespace(record=lambda: SimpleNamespace(phases=features()))
    monkeypatch.setattr(cautions, "attempt_of", lambda results, row: attempt)
    monkeypatch.setattr(cautions, "PLAUSIBLE", 0.5)
    frame = pd.DataFrame({"mode": ["classical"] * len(shares), "status": ["done"] * len(shares)})
    assert cautions._implausible(None, frame) == (
        [
            f"Classical methods found a plausible nucleus in only {said} of the images, so they say little here. "
            'Features that need none: backbone = { name = "RandomForest", features = "hog" }, or "color" or "pixels".'
        ]
        if said
        else []
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("data.max_images_per_class", 9, "pilot of 9 images per class"),
        ("data.folds", 5, "5 folds"),
        ("data.name", "cells", "images of cells"),
        ("data.name", None, ""),
    ],
)
def test_data_in_the_name_of_a_variant(name: str, value: Any, said: str):
    assert names._words(name, {name: value}, {}) == said


def test_a_second_optimizer_in_the_name_of_a_variant():
    own = {"finetune_optimizer.name": "Adam", "finetune_optimizer.learning_rate": 1e-3}
    name = "finetune_optimizer.name"
    assert names._words(name, own, {"finetune_optimizer": ()}) == "fine-tuned with Adam 1e-3"


@pytest.mark.parametrize(
    ("cost", "name", "title", "heading", "x"),
    [
        ("seconds", "accuracy-time", "Balanced accuracy against time to result", "time to result (s)", 60.0),
        ("joules", "accuracy-energy", "Balanced accuracy against energy", "energy (kJ)", 2.5),
    ],
)
def test_accuracy_against_its_cost(cost: str, name: str, title: str, heading: str, x: float):
    one = Candidate("VGG16", "VGG16", "transfer", "transfer", 0.9, None, None, 60.0, 2500.0, 1, "key")
    figure = tradeoff.against_cost([one], cost, Colors(["VGG16"]))
    assert (figure.name, figure.title) == (name, title)
    assert figure.layout["xaxis"]["title"]["text"] == heading and figure.data[0]["x"] == [x]


def test_pictures_of_an_attempt_and_their_titles():
    assert gather.LOOKS == {
        "filters.png": "Filters of the first convolution",
        "maps-first.png": "First feature maps",
        "maps-middle.png": "Feature maps in the middle",
        "maps-last.png": "Last feature maps",
    }


def test_images_of_another_kind(capsys):
    _warn_of_unlike(3, 9, 0.0123, True)
    assert " ".join(capsys.readouterr().err.split()) == (
        "warning: 3 of 9 images are not like the training images (another stain, camera, size or subject?); of images "
        "like them 1.2% would be marked. Do not trust the count."
    )
    _warn_of_unlike(3, 9, None, False)
    assert " ".join(capsys.readouterr().err.split()) == (
        "note: it is not known what the training images look like, so none is marked as unlike"
    )


def test_where_there_are_no_baselines(tmp_path: Path, capsys):
    list_baselines(tmp_path)
    assert " ".join(capsys.readouterr().err.split()) == (
        f"{tmp_path} has no baselines; `{command()} baseline save NAME SUITE` saves one."
    )


def test_weights_of_classes_that_are_none():
    said = '5 is not "balanced", false or a table such as { EOSINOPHIL = 2.0 }'
    assert refused(weights_of_classes, 5)[0] == said
