"""How figures of a verdict are put into words, on both sides of each edge."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from xml.etree import ElementTree

import pytest
from rich.console import Console

from bench.compare.metrics import METRICS
from bench.compare.output import format as words
from bench.compare.output.files import junit, markdown
from bench.compare.output.page import _curves, _difference, _metric, _trial, dots
from bench.compare.trial_verdicts import reason_of
from bench.compare.verdict import (
    AccuracyTimeChange,
    Change,
    DifferenceVerdict,
    EpochChange,
    Learning,
    Memory,
    MetricVerdict,
    OperationChange,
    PhaseChange,
    Speed,
    Status,
    TrialVerdict,
    Verdict,
)

FIT = MetricVerdict("fit_time", Speed.SLOWER, 10.0, 11.0, 1.1, 1.05, 1.15, 0.01, 530.4, 400.0, (1.1,))
ACCURACY = DifferenceVerdict(
    "accuracy", Learning.WORSE, 0.9, 0.875, -0.025, -0.03, -0.02, 0.02, (-0.025,), "few images"
)
LOSS = replace(ACCURACY, metric="loss", difference=0.0604, low=0.05, high=0.07, bar=0.05, note="")
TIME = AccuracyTimeChange(0.9, 12.34, 24.68, 8, 7, 2.0, 1.5, 2.5, 0.95, 8)
CONV = OperationChange("conv", 1.234, 2.468, 2.0, 7, 8, True)
TRIAL = TrialVerdict("k", "a", Status.JUDGED, Speed.SAME, Memory.SAME, Learning.SAME, pairs=8)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (lambda: words.change(None), "—"),
        (lambda: words.change(FIT), "+10.0 % [+5.0, +15.0]"),
        (lambda: words.change(replace(FIT, low=None)), "+10.0 % […, +15.0]"),
        (lambda: words.change(replace(FIT, high=None)), "+10.0 % [+5.0, …]"),
        (lambda: words.change(replace(FIT, low=None, high=None)), "+10.0 %"),
        (lambda: words.difference(None), "—"),
        (lambda: words.difference(ACCURACY), "-2.5 points [-3.0, -2.0]"),
        (lambda: words.difference(LOSS), "+0.060 nats [+0.050, +0.070]"),
        (lambda: words.difference(replace(LOSS, low=None)), "+0.060 nats"),
        (lambda: words.difference(replace(LOSS, high=None)), "+0.060 nats"),
        (lambda: words.difference_needed(ACCURACY), "2.0 points"),
        (lambda: words.difference_needed(LOSS), "0.050 nats"),
        (lambda: words.difference_needed(replace(LOSS, bar=None)), "—"),
        (lambda: words.amount(3 * 2**20, "bytes"), "3 MiB"),
        (lambda: words.amount(0.0999, "s"), "99.9 ms"),
        (lambda: words.amount(0.1, "s"), "0.1 s"),
        (lambda: words.amount(99.94, "s"), "99.9 s"),
        (lambda: words.amount(100.4, "images/s"), "100 images/s"),
        (lambda: words.amount(0.05, "images/s"), "0.05 images/s"),
        (lambda: words.evidence(FIT), "530 of 400"),
        (lambda: words.evidence(replace(FIT, evidence=999.0)), "999 of 400"),
        (lambda: words.evidence(replace(FIT, evidence=1000.0)), "1e+03 of 400"),
        (lambda: words.pairs_of(TRIAL), "8"),
        (lambda: words.pairs_of(replace(TRIAL, disturbed=1)), "8 (1 disturbed)"),
        (lambda: words.pairs_of(replace(TRIAL, pairs=0)), "—"),
        (lambda: words.verdict_of(TRIAL), ("same", "same", "same")),
        (lambda: words.verdict_of(replace(TRIAL, memory=None)), ("same", "—", "same")),
        (lambda: words.verdict_of(replace(TRIAL, status=Status.GONE)), ("gone", "—", "—")),
        (
            lambda: words.time_row(TIME),
            ["90% of the baseline's best", "12.3 s", "24.7 s", "2.00 [1.50, 2.50]", "8 and 7 of 8"],
        ),
        (lambda: words.time_row(replace(TIME, coverage=0.75))[3], "2.00 [1.50, 2.50] (75%)"),
        (lambda: words.time_row(replace(TIME, low=None, high=None, coverage=None))[3], "2.00"),
        (lambda: words.time_row(replace(TIME, candidate="never", ratio="never", high="never"))[2:4],
         ["never", "never [1.50, never]"]),
        (lambda: words.operation_row(CONV), ["conv", "1.23", "2.47", "+100%", "7 of 8", "yes"]),
        (lambda: words.operation_row(replace(CONV, clear=False))[-1], "no"),
        (lambda: words.wrongs(replace(TRIAL, status=Status.FAILED, speed=Speed.SLOWER)), ["newly failing"]),
        (
            lambda: words.wrongs(
                replace(TRIAL, speed=Speed.SLOWER, memory=Memory.LARGER, learning=Learning.WORSE)
            ),
            ["slower", "larger", "worse"],
        ),
        (lambda: words.wrongs(replace(TRIAL, speed=Speed.FASTER)), []),
    ],
)  # fmt: skip
def test_figures_in_words(said: Callable[[], object], expected: object):
    assert said() == expected


def test_remarks_are_of_metrics_that_decide_and_name_those_that_share_one():
    metrics = tuple(
        replace(FIT, metric=name, note="few pairs") for name in ("fit_time", "throughput", "compile_time")
    )
    found = words.remarks(
        replace(TRIAL, reason="why", metrics=metrics, differences=(ACCURACY, LOSS), notes=("why",))
    )
    assert [METRICS[one.metric].decides_same for one in metrics] == [True, True, False]
    assert found == ["why", "fit time, training throughput: few pairs", "accuracy: few images"]


@pytest.mark.parametrize(
    ("trials", "outcome", "counts"),
    [
        ((TRIAL,), "No regression", "speed: 1 same; memory: 1 same; learning: 1 same"),
        (
            (TRIAL, replace(TRIAL, label="b", speed=Speed.INCONCLUSIVE, memory=None)),
            "Not enough evidence: 1 of 2 trials",
            "speed: 1 same, 1 inconclusive; memory: 1 same; learning: 2 same",
        ),
        ((replace(TRIAL, status=Status.NEW),), "Nothing was judged: no trial could be compared", "not judged: 1 new"),
        (
            (TRIAL, replace(TRIAL, label="b", speed=Speed.SLOWER, memory=Memory.LARGER, regression=True)),
            "Regression: b slower and larger",
            "speed: 1 same, 1 slower; memory: 1 same, 1 larger; learning: 2 same",
        ),
        (
            (TRIAL, replace(TRIAL, status=Status.FAILED)),
            "No regression, but trials failed that the baseline has not done either",
            "speed: 1 same; memory: 1 same; learning: 1 same; not judged: 1 failed",
        ),
        (
            (replace(TRIAL, speed=Speed.INCONCLUSIVE), replace(TRIAL, status=Status.FAILED)),
            "Not enough evidence: 1 of 2 trials; trials failed that the baseline has not done either",
            "speed: 1 inconclusive; memory: 1 same; learning: 1 same; not judged: 1 failed",
        ),
        (
            (replace(TRIAL, status=Status.FAILED), replace(TRIAL, status=Status.NEW)),
            "Nothing was judged: 1 of 2 trials failed",
            "not judged: 1 failed, 1 new",
        ),
    ],
)  # fmt: skip
def test_the_outcome_in_a_line(trials, outcome: str, counts: str):
    verdict = Verdict("old", "new", trials)
    assert (words.outcome(verdict), words.counts(verdict)) == (outcome, counts)


def test_what_else_is_said_below_the_table():
    trial = replace(
        TRIAL,
        operations=(CONV, replace(CONV, operation="relu", clear=False)),
        accuracy_times=(TIME, replace(TIME, of_best=0.95)),
    )
    verdict = Verdict("old", "new", (TRIAL, trial), thresholds={"power": 0.9}, detectable={"fit_time": 0.04})
    assert words.changed_operations(verdict) == ["a: conv 1.23 -> 2.47 ms (+100%)"]
    assert words.time_to_accuracy(verdict) == ["a: 12.3 s and 24.7 s, ratio 2.00 [1.50, 2.50]"]
    assert words.detectable(verdict) == "In 90% of runs so many pairs find a change of: fit time 4%."
    assert words.detectable(replace(verdict, detectable={})) == ""


def test_markdown_says_what_differs_and_where_the_time_went():
    none = "No difference between the software of the sides is recorded."
    plain = Verdict("old", "new", (TRIAL,))
    assert none in markdown(plain)
    assert not any(
        title in markdown(plain) for title in ("Where the time", "Operations", "Time to an accuracy")
    )
    phases = (PhaseChange("train", "steps", 1.0, 2.5), PhaseChange("data", "input", 2.0, 1.0))
    told = replace(TRIAL, phases=phases, operations=(CONV,), accuracy_times=(TIME,))
    other = replace(TRIAL, label="b", phases=phases[:1])
    text = markdown(replace(plain, trials=(told, other), changes=(Change("keras", "3.3", "3.4"),)))
    assert none not in text
    for row in (
        "| keras | 3.3 | 3.4 |",
        "| trial | steps | input |",
        "| a | +1.50 | -1.00 |",
        "| b | +1.50 | — |",
        "| a | conv | 1.23 | 2.47 | +100% | 7 of 8 | yes |",
        "| a | 90% of the baseline's best | 12.3 s | 24.7 s | 2.00 \\[1.50, 2.50\\] | 8 and 7 of 8 |",
    ):
        assert row in text.splitlines()


@pytest.mark.parametrize(
    ("differences", "reason"),
    [
        ((ACCURACY, replace(LOSS, verdict=Learning.SAME)), "accuracy -2.5 points"),
        ((replace(ACCURACY, verdict=Learning.INCONCLUSIVE), LOSS), "loss +0.060 nats"),
        ((replace(ACCURACY, verdict=Learning.BETTER, difference=0.03), LOSS), "accuracy +3.0 points; loss +0.060 nats"),
    ],
)  # fmt: skip
def test_the_reason_names_what_was_learned_better_or_worse(differences, reason: str):
    assert reason_of((), differences, ()) == reason


@pytest.mark.parametrize(("share", "named"), [(0.19, False), (0.21, True)])
def test_the_reason_names_a_phase_from_a_fifth_of_the_time_on(share: float, named: bool):
    phases = [PhaseChange("a", "one", 0.0, 1 - share, False), PhaseChange("b", "two", 0.0, share, True)]
    assert ("two" in reason_of((FIT,), (), phases)) is named
    faster = [replace(one, baseline_s=one.candidate_s, candidate_s=0.0) for one in phases]
    assert ("two" in reason_of((replace(FIT, verdict=Speed.FASTER),), (), faster)) is named
    assert "two" not in reason_of((FIT,), (), faster)


def test_the_places_of_dots():
    """An axis of 420 pixels less ten on either side reaches a tenth beyond the largest value."""
    found = dots([-5.0, 10.0, 0.0, 10.0], (-2.0, 4.0), 2.5, "%")
    assert (found.zero, found.estimate, found.interval) == (210, 255.5, (173.6, 282.7))
    assert found.dots == [(119.1, 10), (391.8, 15), (210, 20), (391.8, 10)]
    assert found.ticks == [(10, "start", "-11 %"), (210, "middle", "+0 %"), (410, "end", "+11 %")]
    assert found.label == "4 pairs, estimate +2.5 %"
    assert dots([0.1], None, 0.1, "points").ticks[2][2] == "+1.1 points"
    assert dots([0.001], None, 0.001, "nats").ticks[2][2] == "+0.011 nats"
    assert (
        dots([1.0], (-20.0, 1.0), 1.0, "%").ticks[2][2]
        == "+22 %"
        == dots([1.0], None, -20.0, "%").ticks[2][2]
    )
    assert dots([float("inf")], None, 1.0, "%") is None and dots([1.0], None, 1.0, "%").interval is None


@pytest.mark.parametrize(
    ("epochs", "shown"),
    [
        (1, [1]),
        (8, list(range(1, 9))),
        (9, [1, 3, 5, 7, 9]),
        (10, [1, 3, 5, 7, 9, 10]),
        (17, [1, 4, 7, 10, 13, 16, 17]),
    ],
)
def test_losses_are_told_of_some_epochs_and_of_the_last_one(epochs: int, shown: list[int]):
    curves = [
        EpochChange(number, {"loss": number / 8}, {"loss": number / 4}) for number in range(1, epochs + 1)
    ]
    head, *rows = _curves(curves)
    assert head == ["after epoch", "loss, baseline", "loss, candidate"]
    assert rows == [[str(number), f"{number / 8:.4f}", f"{number / 4:.4f}"] for number in shown]


def test_losses_that_one_side_lacks_are_not_told():
    both = EpochChange(1, {"loss": 1.0, "validation_loss": 2.0}, {"loss": 1.5, "validation_loss": 2.5})
    assert _curves([both])[1] == ["1", "1.0000", "1.5000", "2.0000", "2.5000"]
    assert _curves([both, EpochChange(2, {"loss": 1.0}, both.candidate)])[0][-1] == "loss, candidate"
    assert _curves([]) == _curves([EpochChange(1, {"loss": 1.0}, {})]) == []


def said(speed: Speed, memory: Memory, learning: Learning) -> dict:
    return {"speed": speed, "memory": memory, "learning": learning}


@pytest.mark.parametrize(
    ("changes", "results"),
    [
        ({}, ["ok", "ok", "ok"]),
        ({"memory": None}, ["ok", "ok"]),
        (said(Speed.SLOWER, Memory.LARGER, Learning.WORSE), ["failure"] * 3),
        (said(Speed.FASTER, Memory.SMALLER, Learning.BETTER), ["ok"] * 3),
        (said(Speed.INCONCLUSIVE, Memory.INCONCLUSIVE, Learning.INCONCLUSIVE), ["skipped"] * 3),
        (said(Speed.NOT_COMPARABLE, Memory.NOT_COMPARABLE, Learning.NOT_COMPARABLE), ["skipped"] * 3),
        ({"status": Status.NEW}, ["skipped"]),
        ({"status": Status.FAILED, "regression": False}, ["skipped"]),
        ({"status": Status.FAILED, "regression": True}, ["failure"]),
    ],
)  # fmt: skip
def test_what_ci_is_told(changes: dict, results: list[str]):
    root = ElementTree.fromstring(
        junit(Verdict("old", "new", (replace(TRIAL, reason="why", **changes),))).encode()
    )
    kinds = [
        next((one.tag for one in case if one.tag != "system-out"), "ok") for case in root.iter("testcase")
    ]
    assert kinds == results
    counted = {name: int(root.get(name)) for name in ("tests", "failures", "skipped", "errors")}
    assert counted == {
        "tests": len(results), "failures": kinds.count("failure"), "skipped": kinds.count("skipped"), "errors": 0
    }  # fmt: skip
    failed = root.find(".//failure")
    assert failed is None or failed.get("message").endswith(": why")


def test_ten_operations_are_told():
    operations = tuple(replace(CONV, operation=f"op{number}") for number in range(11))
    text = markdown(Verdict("old", "new", (replace(TRIAL, operations=operations),)))
    assert "op9" in text and "op10" not in text


def test_a_metric_and_what_was_learned_on_the_page():
    shown = _metric(replace(FIT, ratios=(1.1, 0.98)))
    assert shown.pairs == dots([10.0, -2.0], (5.0, 15.0), 10.0, "%")
    assert (shown.metric, shown.verdict, shown.baseline, shown.candidate) == (
        "fit time",
        "slower",
        "10 s",
        "11 s",
    )
    assert (shown.change, shown.evidence, shown.spread) == ("+10.0 % [+5.0, +15.0]", "530 of 400", "1.0%")
    for without in ({"low": None}, {"high": None}):
        assert _metric(replace(FIT, spread=None, **without)).pairs.interval is None
        assert _difference(replace(ACCURACY, **without)).pairs.interval is None
    assert _metric(replace(FIT, spread=None)).spread == "—"
    accuracy, loss = _difference(ACCURACY), _difference(replace(LOSS, pairs=(0.06, 0.07)))
    assert accuracy.pairs == dots([-2.5], (-3.0, -2.0), -2.5, "points")
    assert (accuracy.baseline, accuracy.candidate, accuracy.evidence) == (
        "90.0%",
        "87.5%",
        "it takes 2.0 points",
    )
    assert loss.pairs == dots([0.06, 0.07], (0.05, 0.07), 0.0604, "nats")
    assert (loss.baseline, loss.candidate, loss.spread) == ("0.900", "0.875", "—")
    assert _difference(replace(LOSS, bar=None)).evidence == "—"


def test_the_tables_of_a_trial_on_the_page():
    phases = (PhaseChange("train", "steps", 1.0, 2.5), PhaseChange("data", "input", 2.0, 1.0))
    told = replace(
        TRIAL, key="k" * 20, phases=phases, operations=(CONV,) * 11, metrics=(FIT,), notes=("own", "shared")
    )
    shown = _trial(told, ["fit_time", "throughput"], {"shared": ["a", "b"]})
    assert shown.anchor == f"trial-{'k' * 16}" and shown.remarks == ["own"]
    assert shown.phases == [["steps", "1.00", "2.50", "+1.50"], ["input", "2.00", "1.00", "-1.00"]]
    assert shown.overview == ["+10.0 % [+5.0, +15.0]", "—", "—", "8"] and len(shown.operations) == 10


def printed(width: int, *trials: TrialVerdict, **changes) -> list[str]:
    console = Console(file=StringIO(), width=width)
    words.print_verdict(console, replace(Verdict("old", "new", trials), **changes))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_narrow_terminal_gets_lines_in_place_of_a_table():
    """Below 70 columns, or below what labels and verdicts need."""
    label = "x" * 80
    trial = replace(TRIAL, label=label, differences=(ACCURACY,))
    lines = printed(69, trial)
    assert lines[:4] == [
        "old against new",
        label,
        "  speed same, memory same, learning same",
        "  accuracy -2.5 points [-3.0, -2.0], pairs 8",
    ]
    assert not any(line.startswith("  speed") for line in printed(70, trial))
    assert any(line.startswith("  speed") for line in printed(63, replace(trial, label="a")))
    assert not any(line.startswith("  speed") for line in printed(64, replace(trial, label="a")))


@pytest.mark.parametrize(("width", "metrics"), [(83, 0), (84, 1), (103, 1), (104, 2), (124, 3), (200, 3)])
def test_as_many_metrics_are_printed_as_there_is_room_for(width: int, metrics: int):
    """A label of one letter and the other columns take 64, each metric 20."""
    own = tuple(replace(FIT, metric=name) for name in ("fit_time", "time_to_result", "throughput"))
    text = "\n".join(printed(width, replace(TRIAL, metrics=own)))
    shown = [
        title
        for title in ("fit time", "training throughput", "time to result")
        if title in text.partition("────")[0]
    ]
    assert shown == ["fit time", "training throughput", "time to result"][:metrics]


def test_a_row_has_what_was_found_of_a_trial():
    fit = (replace(FIT, metric="fit_time"),)
    found = replace(TRIAL, metrics=fit, differences=(ACCURACY,), speed=Speed.SLOWER, memory=Memory.SMALLER)
    title, _, headings, _, row, intervals, *_ = printed(150, found)
    assert (title, headings.split()) == (
        "old against new",
        ["trial", "speed", "memory", "learning", "fit", "time", "accuracy", "pairs"],
    )
    assert row.split() == ["a", "slower", "smaller", "same", "+10.0", "%", "-2.5", "points", "8"]
    assert intervals.split() == ["[+5.0,", "+15.0]", "[-3.0,", "-2.0]"]


def test_what_is_said_below_a_printed_verdict():
    trial = replace(TRIAL, accuracy_times=(TIME,), operations=(CONV,), notes=("odd \x1b[31m",))
    lines = printed(
        200,
        trial,
        changes=(Change("keras", "3.3", "3.4"),),
        thresholds={"power": 0.9},
        detectable={"fit_time": 0.04},
        notes=("a note",),
    )
    for line in (
        "a: odd ?[31m",
        "Time to 90 % of the baseline's best validation accuracy: a: 12.3 s and 24.7 s, ratio 2.00 [1.50, 2.50].",
        "Operations of the training step that changed, in a step: a: conv 1.23 -> 2.47 ms (+100%).",
        "What differs: keras 3.3 -> 3.4.",
        "In 90% of runs so many pairs find a change of: fit time 4%.",
        "a note",
    ):
        assert line in lines
    assert lines[-1] == "No regression. speed: 1 same; memory: 1 same; learning: 1 same."
    bare = printed(200, TRIAL)
    assert not any(line.startswith(("Time to", "Operations", "What differs", "In ")) for line in bare)


def test_remarks_that_several_trials_share_are_said_once():
    one, other, third = (replace(TRIAL, label=name, notes=("shared",)) for name in "abc")
    own = replace(third, notes=("own",))
    assert words.notes_of(Verdict("old", "new", (one, other, third))) == ["all trials: shared"]
    assert words.notes_of(Verdict("old", "new", (one, other, own))) == ["c: own", "a, b: shared"]
    assert words.shared_remarks(Verdict("old", "new", (one, own))) == {}
