"""Mistakes and figures of accuracy, by hand: which images, which bars, which numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from equipment.results.records import some_metrics

from bench.journal.results import Attempt
from bench.report.figures import outcomes
from bench.report.figures.figure import Colors
from bench.report.figures.outcomes import confusion, side_by_side
from bench.report.mistakes import Pictures, hardest, mistakes_of
from bench.report.page import _front, _hard
from bench.report.pareto import Candidate
from wbc.evaluation.predictions import Predictions

ATTEMPT = Attempt(Path("nowhere/attempt-1"))
CLASSES = ["a", "b", "c"]


def predicted(*guesses: str, sure: float = 0.8) -> Predictions:
    """Of four images of the classes a, b, c, a."""
    files = [f"test/{number}.png" for number in range(4)]
    shares = np.full((len(guesses), 3), (1 - sure) / 2)
    for row, guess in enumerate(guesses):
        shares[row, CLASSES.index(guess)] = sure - 0.01 * row
    return Predictions(files, files, np.array([0, 1, 2, 0]), shares, CLASSES)


def test_the_hardest_images_are_those_that_most_got_wrong():
    judged = [(ATTEMPT, predicted(*guesses)) for guesses in ("bbca", "ccca", "bbbb", "bbba")]
    first, second = hardest(judged, Pictures(), 5)
    assert (first.file, first.true, first.wrong, first.of) == ("test/0.png", "a", 4, 4)
    assert first.taken_for == [("b", 3), ("c", 1)] and first.picture is None
    assert (second.file, second.true, second.wrong, second.taken_for) == ("test/2.png", "c", 2, [("b", 2)])
    assert [one.file for one in hardest(judged, Pictures(), 1)] == ["test/0.png"]


def test_an_image_counts_for_those_that_saw_it():
    """With folds, not every configuration saw it."""
    seen = predicted(*"bbca")
    other = Predictions(("x",) * 4, ("x",) * 4, seen.labels, seen.probabilities, CLASSES)
    (hard, *_) = hardest([(ATTEMPT, seen), (ATTEMPT, other), (ATTEMPT, seen)], Pictures(), 5)
    assert (hard.file, hard.wrong, hard.of) == ("test/0.png", 2, 2)


def test_an_image_that_one_configuration_got_wrong_is_not_hard():
    judged = [(ATTEMPT, predicted(*guesses)) for guesses in ("bbca", "abca", "abbb", "abca")]
    assert hardest(judged, Pictures(), 5) == []


@pytest.mark.parametrize(("wrong", "title"), [(3, "Possible label errors"), (2, "Misclassified most often")])
def test_more_than_half_may_be_a_wrong_label(wrong: int, title: str):
    judged = [(ATTEMPT, predicted(*("bbca" if number < wrong else "abca"))) for number in range(4)]
    found = _hard(hardest(judged, Pictures(), 5))
    assert found.title.startswith(title) and [one.wrong for one in found.images] == [wrong]


def test_mistakes_are_the_surest_with_their_classes_in_order():
    pictures = Pictures()
    found, count = mistakes_of(ATTEMPT, predicted(*"bcab"), pictures, 2)
    assert count == 4 and [one.file for one in found] == ["test/0.png", "test/1.png"]
    assert found[0].true == "a" and found[0].shares[0][0] == "b"
    assert [share for _, share in found[0].shares] == pytest.approx([0.8, 0.1, 0.1])
    assert (found[0].picture, found[0].seen) == (None, None)
    assert pictures.missing == {"test/0.png", "test/1.png"}


def configurations() -> pd.DataFrame:
    rows = [
        ("VGG16", "transfer", 40, 0.90, 0.85, 0.93, 1),
        ("LeNet5", "transfer", 40, 0.80, np.nan, np.nan, 1),
        ("VGG16", "scratch", 40, 0.60, 0.55, 0.70, 1),
        ("VGG16", "scratch", 40, 0.65, 0.60, 0.72, 1),
        ("VGG16", "scratch", 10, 0.50, 0.40, 0.60, 1),
        ("LeNet5", "classical", 0, 0.99, np.nan, np.nan, 1),
        ("LeNet5", "scratch", 40, 0.99, np.nan, np.nan, 0),
    ]
    names = ["network", "mode", "epochs", "balanced_accuracy", "split_low", "split_high", "replicates"]
    return pd.DataFrame(rows, columns=names)


def test_modes_and_epochs_stand_side_by_side():
    modes, epochs = side_by_side(configurations(), Colors(["VGG16", "LeNet5"]))
    assert not modes.small and not epochs.small
    assert (modes.name, epochs.name) == ("modes-40", "epochs-scratch")
    assert modes.title == "Balanced accuracy by mode: 40 epochs"
    assert epochs.title == "Balanced accuracy by epochs: scratch"
    assert [(one["name"], one["x"], one["y"]) for one in modes.data] == [
        ("transfer", ["VGG16", "LeNet5"], [90.0, 80.0]),
        ("scratch", ["VGG16"], [65.0]),
    ]
    bars = modes.data[0]["error_y"]
    assert (bars["array"], bars["arrayminus"]) == ([3.0, None], [5.0, None])
    assert [one["marker"]["pattern"]["shape"] for one in modes.data] == ["", "/"]
    assert [one["marker"]["opacity"] for one in modes.data] == [1, 0.62]
    assert modes.caption == "Bars: 95 % intervals. Of several variants of a network, the most accurate."
    assert [(one["name"], one["y"]) for one in epochs.data] == [("10 epochs", [50.0]), ("40 epochs", [65.0])]


def test_modes_and_epochs_come_in_the_order_of_their_first_configurations():
    cells = [("transfer", 40), ("scratch", 40), ("transfer", 10), ("scratch", 10)]
    frame = (
        configurations()
        .iloc[[0] * 4]
        .assign(mode=[mode for mode, _ in cells], epochs=[epochs for _, epochs in cells])
    )
    names = [figure.name for figure in side_by_side(frame, Colors(["VGG16"]))]
    assert names == ["modes-40", "modes-10", "epochs-transfer", "epochs-scratch"]


def test_of_many_the_most_accurate_are_drawn(monkeypatch):
    monkeypatch.setattr(outcomes, "MOST_BARS", 2)
    frame = pd.DataFrame({"balanced_accuracy": [0.1, 0.9, 0.5]})
    best, said = outcomes._most_accurate(frame)
    assert best["balanced_accuracy"].tolist() == [0.9, 0.5]
    assert said == "The 2 most accurate of 3 configurations."
    assert outcomes._most_accurate(frame.iloc[:2])[1] == ""


def test_methods_without_epochs_have_no_figure_of_none():
    frame = configurations().iloc[[0, 5]].assign(mode=["features", "classical"], epochs=0)
    assert side_by_side(frame, Colors(["VGG16", "LeNet5"])) == []


def test_without_intervals_and_variants_nothing_is_said_below():
    table = configurations().iloc[[0, 2]].assign(split_low=np.nan, split_high=np.nan)
    (figure,) = side_by_side(table, Colors(["VGG16"]))
    assert figure.caption == "" and not any("error_y" in one for one in figure.data)


def test_a_confusion_matrix_is_shaded_by_row():
    test = some_metrics(confusion_matrix=((3, 1, 0), (0, 0, 0), (2, 2, 4)), classes=("a", "b" * 15, "c"))
    figure = confusion("name", "title", test, "#123456")
    (heat,) = figure.data
    assert heat["z"] == [[75.0, 25.0, 0.0], [0.0, 0.0, 0.0], [25.0, 25.0, 50.0]]
    assert heat["text"] == [["3", "1", "0"], ["0", "0", "0"], ["2", "2", "4"]]
    assert figure.small and figure.height == 300 and (figure.name, figure.title) == ("name", "title")
    assert figure.layout["xaxis"]["ticktext"] == ["a", "b" * 12 + "…", "c"]
    assert heat["colorscale"] == [[0, "rgba(127,127,127,0.06)"], [1, "#123456"]]
    assert (heat["zmin"], heat["zmax"], heat["showscale"]) == (0, 100, False)
    assert figure.layout["yaxis"]["autorange"] == "reversed", "the first class is on top"


@pytest.mark.parametrize(("classes", "written"), [(12, "%{text}"), (13, "")])
def test_counts_are_written_into_a_confusion_matrix_of_few_classes(classes: int, written: str):
    names = tuple(chr(97 + number) for number in range(classes))
    test = some_metrics(confusion_matrix=((1,) * classes,) * classes, classes=names)
    assert confusion("name", "title", test, "#123456").data[0]["texttemplate"] == written


@pytest.mark.parametrize(("letters", "shown"), [(14, "b" * 14), (15, "b" * 12 + "…")])
def test_long_names_of_classes_are_cut(letters: int, shown: str):
    test = some_metrics(confusion_matrix=((1,),), classes=("b" * letters,))
    assert confusion("name", "title", test, "#123456").layout["yaxis"]["ticktext"] == [shown]


def candidate(name: str, accuracy: float, seconds: float, joules: float | None = None) -> Candidate:
    return Candidate(name, name, "scratch", "scratch, 3 epochs", accuracy, None, None, seconds, joules, 1)


def test_the_front_says_what_more_points_cost():
    every = [candidate("a", 0.8, 20.0), candidate("b", 0.9, 7300.0), candidate("c", 0.7, 30.0)]
    grid = _front(every)
    assert grid.headings == [
        "On the Pareto front",
        "balanced %",
        "95 %",
        "time to result",
        "points more",
        "for",
    ]
    assert [row[1:] for row in grid.rows] == [
        ["80.0", "", "20.0 s", "", ""],
        ["90.0", "", "7300 s", "+10.0", "+2.02 h"],
    ]
    with_joules = _front([candidate("a", 0.8, 20.0, 1000.0), candidate("b", 0.9, 50.0, 3000.0)])
    assert with_joules.headings[4] == "energy" and with_joules.rows[1][5:] == ["+10.0", "+30.0 s"]
