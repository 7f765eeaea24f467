"""Sentences of the report that depend on what was found, each beside a case in which it would be false."""

from types import SimpleNamespace

import pandas as pd
import pytest

from bench.report import cautions, page
from bench.report.figures import accuracy_time, outcomes, tradeoff
from bench.report.figures.figure import Colors
from bench.report.mistakes import HardImage
from bench.report.tables.costs import disturbed_note, shared_note
from bench.report.tables.summary import MOST_REASONS, disturbed_line, troubles


def frame(**columns) -> pd.DataFrame:
    return pd.DataFrame(columns)


def hard(wrong: int) -> HardImage:
    return HardImage("a.png", "A", wrong, 4, [("B", wrong)], None)


def omitted(count: int) -> str:
    trials = frame(trial=["t"] * count, status=["failed"] * count)
    return page._troubled(SimpleNamespace(trials=trials))[1]


def no_energy(*names: str, **columns) -> str:
    figures = {"price": [SimpleNamespace(name=name) for name in names]}
    return page._no_energy(SimpleNamespace(figures=figures, trials=frame(**columns)))


NOTHING = frame(trial=["t"])
WATCHED = frame(trial=["a", "b", "c"], disturbed=["Others.", None, "Others."])
FOUND = frame(features_found=[1.0, 0.0, 1.0], features_made_by=["x/attempt-1", None, "x/attempt-1"])
_TIMES = "Their times count what that took, as if each had {}, so their intervals do not show how much that varies. "

SENTENCES = {
    "none disturbed": (lambda: page.disturbed(0), ""),
    "one disturbed": (
        lambda: page.disturbed(1),
        "1 trial was disturbed while timed, so these times may not be their own: see Every trial.",
    ),
    "two disturbed": (
        lambda: page.disturbed(2),
        "2 trials were disturbed while timed, so these times may not be their own: see Every trial.",
    ),
    "no note of disturbance": (lambda: disturbed_note(NOTHING), []),
    "a note of disturbance": (
        lambda: disturbed_note(WATCHED),
        ["2 trials were disturbed: their times may not be their own. The report's table of trials says why."],
    ),
    "no line of disturbance": (lambda: disturbed_line(frame(disturbed=[None])), ""),
    "a line of disturbance": (
        lambda: disturbed_line(WATCHED.iloc[:2]),
        "1 of 2 trials was disturbed, so its times may not be its own; the report says why.",
    ),
    "most are wrong": (
        lambda: page._hard([hard(3), hard(2)]).title,
        "Possible label errors: misclassified by most configurations",
    ),
    "half are wrong": (
        lambda: page._hard([hard(2)]).title,
        "Misclassified most often, though by no more than half of the configurations",
    ),
    "only those that most got wrong": (lambda: page._hard([hard(3), hard(2)]).images, [hard(3)]),
    "all that failed are listed": (lambda: omitted(page.MOST_LISTED), ""),
    "more failed than are listed": (
        lambda: omitted(page.MOST_LISTED + 1),
        "60 of 61; all are in trials.csv.",
    ),
    "energy is drawn": (lambda: no_energy("accuracy-time", "accuracy-energy"), ""),
    "nothing is drawn": (lambda: no_energy(), ""),
    "energy is unknown": (lambda: no_energy("accuracy-time", trial=["t"]), "no record holds it"),
    "energy has a reason": (lambda: no_energy("accuracy-time", unavailable=["energy: no meter"]), "no meter"),
    "no features shared": (lambda: shared_note(NOTHING), []),
    "features shared": (
        lambda: shared_note(FOUND),
        [
            "2 trials used features that another trial had extracted (x). "
            + _TIMES.format("extracted its own")
            + "As run: what they took themselves."
        ],
    ),
    "training shared": (
        lambda: shared_note(frame(training_shared=[1.0])),
        [
            "1 trial began where a shorter training had ended. "
            + _TIMES.format("trained all its epochs")
            + "As run: what they took themselves."
        ],
    ),
    "done trials are no trouble": (lambda: troubles(frame(trial=["t"], status=["done"], reason=["odd"])), []),
    "a long reason is cut": (
        lambda: troubles(frame(trial=["t"], status=["failed"], reason=["x" * 400])),
        [f"t: {'x' * 297}..."],
    ),
    "more troubles": (
        lambda: troubles(frame(trial=["t"] * 22, status=["failed"] * 22, reason=["r"] * 22))[MOST_REASONS:],
        ["and 2 more; all are in the report"],
    ),
}


@pytest.mark.parametrize(("said", "expected"), SENTENCES.values(), ids=SENTENCES)
def test_a_sentence_fits_what_was_found(said, expected):
    assert said() == expected


@pytest.mark.parametrize(("count", "said"), [(2, ""), (3, "The 2 most accurate of 3 configurations.")])
def test_bars_that_are_left_out_are_said(count, said, monkeypatch):
    monkeypatch.setattr(outcomes, "MOST_BARS", 2)
    shown, caption = outcomes._most_accurate(frame(balanced_accuracy=[0.1, 0.9, 0.5][:count]))
    assert caption == said and (not said or shown["balanced_accuracy"].tolist() == [0.9, 0.5])


@pytest.mark.parametrize(("count", "said"), [(2, ""), (3, "The 2 fastest of 3 configurations.")])
def test_times_that_are_left_out_are_said(count, said, monkeypatch):
    monkeypatch.setattr(tradeoff, "MOST_BARS", 2)
    usual = {"network": "N", "weights": "none", "mode": "scratch", "epochs": 9, "replicates": 1}
    rows = [{**usual, "variant": str(number), "result_s": 9.0 - number} for number in range(count)]
    (figure,) = tradeoff.phases(pd.DataFrame(rows))
    assert figure.caption == said


@pytest.mark.parametrize(("count", "said"), [(2, ""), (3, "The 2 trained fastest of 3 configurations. ")])
def test_configurations_without_a_time_to_an_accuracy_are_said(count, said, monkeypatch):
    monkeypatch.setattr(accuracy_time, "MOST_ROWS", 2)
    usual = {
        "network": "N",
        "weights": "none",
        "mode": "scratch",
        "epochs": 9,
        "target": "90 %",
        "median_s": 5.0,
    }
    rows = [
        {**usual, "variant": str(number), "configuration": str(number), "trained_s": 9.0 + number}
        for number in range(count)
    ]
    figure = accuracy_time.to_accuracy(pd.DataFrame(rows), Colors(["N"]))
    assert figure.caption == f"{said}Medians over replicates. Hollow: never, at the end of training."


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ([], ""),
        ([None], ""),
        ([0.8, 0.9], ""),
        ([0.9, 0.5], "a plausible nucleus in only 50 % of the images"),
    ],
)
def test_implausible_segmentations_are_said(shares, said, monkeypatch):
    def attempt(results: object, row: dict) -> SimpleNamespace:
        features = SimpleNamespace(plausible=row["share"])
        return SimpleNamespace(record=lambda: SimpleNamespace(phases=SimpleNamespace(features=features)))

    monkeypatch.setattr(cautions, "attempt_of", attempt)
    trials = frame(mode=["classical"] * len(shares), status=["done"] * len(shares))
    trials["share"] = pd.Series(shares, dtype=object)
    found = cautions.cautions(None, trials)
    assert (said in found[0]) if said else found == []
