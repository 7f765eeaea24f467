"""Steps in a history of versions, from verdicts that are made up."""

import math
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from bench.compare.betting import confidence_sequence
from bench.compare.output import history as output
from bench.compare.steps import Level, Line, among, chain_interval, find_steps, make_history
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import (
    Change,
    DifferenceVerdict,
    Learning,
    Memory,
    MetricVerdict,
    Speed,
    Status,
    TrialVerdict,
    Verdict,
)
from bench.errors import ExitCode

BAR = 1 / (0.8 * 0.03)
"""Evidence that a single comparison of a single trial takes for `slower`."""


def metric(name: str, ratio: float, evidence: float) -> MetricVerdict:
    return MetricVerdict(
        name, Speed.INCONCLUSIVE, 1.0, ratio, ratio, None, None, 0.01, evidence, BAR, (ratio,) * 8, ""
    )


def verdict(number: int, evidence: dict[str, float], *metrics: MetricVerdict, **changes) -> Verdict:
    trial = TrialVerdict("k", "a trial", Status.JUDGED, Speed.SAME, Memory.SAME, pairs=8)
    trial = replace(trial, metrics=metrics, evidence=evidence, **changes)
    return Verdict(f"2.{number}", f"2.{number + 1}", (trial,))


QUIET = {"slower": 1.0, "faster": 1.0}


def test_a_step_names_the_metrics_that_show_it():
    shown = (
        metric("fit_time", 1.2, 90.0),
        metric("time_to_result", 1.1, 30.0),
        metric("throughput", 0.99, 90.0),
    )
    (step,) = find_steps([verdict(1, {"slower": 50.0, "faster": 1.0}, *shown)], Thresholds())
    assert (step.verdict, step.baseline, step.candidate, step.metrics) == (
        "slower",
        "2.1",
        "2.2",
        ("fit_time",),
    )
    assert (step.change, step.needed) == (pytest.approx(0.2), pytest.approx(BAR))


@pytest.mark.parametrize(("evidence", "found"), [(1.9 * BAR, 0), (2.1 * BAR, 1)])
def test_over_two_comparisons_a_step_takes_twice_the_evidence(evidence: float, found: int):
    both = [
        verdict(1, {"slower": evidence, "faster": 1.0}, metric("fit_time", 1.2, 1000.0)),
        verdict(2, QUIET, metric("fit_time", 1.0, 1.0)),
    ]
    assert len(find_steps(both, Thresholds())) == found


def test_the_error_rates_are_shared_by_the_comparisons():
    shared = among(Thresholds(), 4)
    assert (shared.alpha_speed, shared.alpha_memory, shared.alpha_learning) == (0.0075, 0.0025, 0.0025)
    assert shared.alpha_same == Thresholds().alpha_same


SLOWER = verdict(1, {"slower": 1000.0, "faster": 1.0}, metric("fit_time", 1.2, 1000.0))
FASTER = verdict(1, {"slower": 1.0, "faster": 1000.0}, metric("fit_time", 0.8, 1000.0))


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([FASTER], ExitCode.OK),
        ([FASTER, SLOWER], ExitCode.REGRESSION),
        ([verdict(1, QUIET, speed=Speed.INCONCLUSIVE)], ExitCode.NOT_ENOUGH_EVIDENCE),
        # Enough for one comparison, not for the whole history.
        ([verdict(1, QUIET, regression=True)], ExitCode.NOT_ENOUGH_EVIDENCE),
        ([FASTER, verdict(1, QUIET, status=Status.FAILED)], ExitCode.TRIALS_FAILED),
        ([verdict(1, QUIET, status=Status.FAILED)], ExitCode.NOT_ENOUGH_EVIDENCE),
        ([], ExitCode.NOT_ENOUGH_EVIDENCE),
    ],
)
def test_exit_codes_of_a_history(verdicts: list[Verdict], code: ExitCode):
    assert make_history("s", verdicts, Thresholds()).exit_code is code


BARS = {
    "slower": 1 / (0.8 * 0.03),
    "faster": 1 / (0.2 * 0.03),
    "larger": 1 / (0.8 * 0.01),
    "smaller": 1 / (0.2 * 0.01),
}


@pytest.mark.parametrize("over", [True, False])
@pytest.mark.parametrize(
    ("word", "name", "ratio", "regression"),
    [
        ("slower", "fit_time", 2.0, True),
        ("slower", "throughput", 0.5, True),
        ("faster", "fit_time", 0.5, False),
        ("faster", "throughput", 2.0, False),
        ("larger", "peak_memory", 2.0, True),
        ("smaller", "peak_memory", 0.5, False),
    ],
)
def test_each_direction_has_its_bar_and_its_sign(
    word: str, name: str, ratio: float, regression: bool, over: bool
):
    """A change of exactly as much as counts, and evidence on either side of the bar."""
    evidence = BARS[word] * (1.001 if over else 0.999)
    shown = verdict(1, {word: evidence}, metric(name, ratio, 1e6), metric("compile_time", 1.0, 1e6))
    found = find_steps([shown], Thresholds(change=1.0))
    assert len(found) == over
    for step in found:
        assert (step.verdict, step.regression, step.metrics) == (word, regression, (name,))
        assert (step.change, step.low, step.high) == (ratio - 1, None, None)
        assert (step.evidence, step.needed) == pytest.approx((evidence, BARS[word]))
    for less in (
        replace(shown.trials[0].metrics[0], ratio=1 + (ratio - 1) * 0.99),
        metric(name, ratio, BARS[word] / 2),
    ):
        assert find_steps([verdict(1, {word: evidence}, less)], Thresholds(change=1.0)) == ()


def test_of_the_metrics_of_a_step_that_with_most_evidence_is_first_and_then_the_larger_change():
    shown = (
        metric("fit_time", 1.2, 100.0),
        metric("time_to_result", 1.3, 103.0),
        metric("compile_time", 1.1, 1e4),
    )
    bounded = replace(shown[2], low=1.05, high=1.25)
    (step,) = find_steps([verdict(1, {"slower": 60.0}, *shown[:2], bounded)], Thresholds())
    assert step.metrics == ("compile_time", "time_to_result", "fit_time")
    assert (step.change, step.low, step.high) == pytest.approx((0.1, 0.05, 0.25))


def test_steps_are_in_the_order_of_versions_and_hold_what_else_changed():
    changes = (Change("keras", "3.3", "3.4"),)
    both = [
        replace(
            verdict(
                number,
                {"slower": 1e3, "faster": 1e3},
                metric("fit_time", 1.2, 1e3),
                metric("compile_time", 0.5, 1e3),
            ),
            changes=changes,
        )
        for number in (1, 2)
    ]
    found = find_steps(both, Thresholds())
    assert [(one.verdict, one.candidate) for one in found] == [
        ("slower", "2.2"),
        ("faster", "2.2"),
        ("slower", "2.3"),
        ("faster", "2.3"),
    ]
    assert {one.changes for one in found} == {changes} and {(one.trial, one.label) for one in found} == {
        ("k", "a trial")
    }


def learned(
    verdict: Learning, difference: float = -0.1, low: float | None = -0.13, high: float | None = -0.06
) -> DifferenceVerdict:
    return DifferenceVerdict(
        "accuracy", verdict, 0.9, 0.9 + difference, difference, low, high, 0.02, (difference,) * 3
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"differences": (learned(Learning.WORSE),)}, [("worse", True, ("accuracy",), -0.1, -0.13, -0.06)]),
        (
            {"differences": (learned(Learning.BETTER, 0.1, 0.06, 0.13),)},
            [("better", False, ("accuracy",), 0.1, 0.06, 0.13)],
        ),
        ({"differences": (learned(Learning.SAME), learned(Learning.INCONCLUSIVE))}, []),
        ({"status": Status.FAILED, "regression": True}, [("failed", True, (), None, None, None)]),
        ({"status": Status.FAILED}, []),
        ({"regression": True}, []),
    ],
)  # fmt: skip
def test_what_was_learned_and_what_newly_fails_are_steps(changes: dict, expected: list):
    found = find_steps([verdict(1, QUIET, **changes)], Thresholds())
    assert [
        (one.verdict, one.regression, one.metrics, one.change, one.low, one.high) for one in found
    ] == expected
    assert all(one.evidence is one.needed is None for one in found)


def times(ratios: list[float]) -> MetricVerdict:
    return replace(metric("fit_time", float(np.median(ratios)), 1.0), ratios=tuple(ratios))


def test_a_line_sums_up_its_links_and_begins_anew_behind_a_gap():
    rng = np.random.default_rng(0)
    links = [np.exp(rng.normal(0.1, 0.02, pairs)).tolist() for pairs in (20, 16, 18, 17)]
    own = [
        verdict(number, QUIET, times(one), differences=(learned(Learning.SAME),))
        for number, one in enumerate(links)
    ]
    gap = verdict(2, QUIET)
    history = make_history("s", [*own[:2], gap, own[3]], Thresholds(), ["a note"])
    assert (history.suite, history.notes) == ("s", ("a note",))
    assert history.versions == ("2.0", "2.1", "2.2", "2.3", "2.4")
    assert [(one.baseline, one.candidate, one.pairs) for one in history.neighbors] == [
        ("2.0", "2.1", 8), ("2.1", "2.2", 8), ("2.2", "2.3", 8), ("2.3", "2.4", 8)
    ]  # fmt: skip
    first, second, accuracy, later = history.lines
    assert [one.metric for one in history.lines] == ["fit_time", "fit_time", "accuracy", "accuracy"]
    assert [level.version for level in first.levels] == ["2.0", "2.1", "2.2"]
    assert [level.version for level in second.levels] == ["2.3", "2.4"]
    start, one, two = first.levels
    assert (start.change, start.low, start.high, start.pairs) == (0, 0, 0, 0)
    logs = [np.log(link) for link in links]
    for level, expected, pairs in ((one, logs[0], 20), (two, logs[0][:16] + logs[1], 16)):
        low, high = np.expm1(confidence_sequence(expected))
        assert (min(low, level.change), level.high) == pytest.approx(
            (level.low, high)
        ) and level.pairs == pairs
    assert two.change == pytest.approx(np.median(links[0]) * np.median(links[1]) - 1)
    # Half widths of 3 and 4 points each, in squares.
    assert [(one.change, one.low, one.high, one.pairs) for one in accuracy.levels] == [
        (0, 0, 0, 0),
        pytest.approx((-0.1, -0.13, -0.06, 3)),
        pytest.approx((-0.2, -0.2 - 0.03 * math.sqrt(2), -0.2 + 0.04 * math.sqrt(2), 3)),
    ]
    assert [one.version for one in later.levels] == ["2.3", "2.4"]


def test_an_open_bound_stays_open_over_the_whole_line():
    few = times([1.1, 1.1, 1.1])
    open_ = learned(Learning.SAME, -0.1, None, None)
    both = [
        verdict(0, QUIET, few, differences=(learned(Learning.SAME),)),
        verdict(1, QUIET, few, differences=(open_,)),
    ]
    fit, accuracy = make_history("s", both, Thresholds()).lines
    assert [(one.low, one.high) for one in fit.levels[1:]] == [(None, None)] * 2
    last = accuracy.levels[-1]
    assert (last.change, last.low, last.high, last.pairs) == (pytest.approx(-0.2), None, None, 3)


def test_the_estimate_is_never_outside_of_its_interval():
    """It rests on all pairs, the interval on as many as the shortest link has."""
    many = times([1.0] * 12 + [2.0] * 30)
    far = [verdict(0, QUIET, many), verdict(1, QUIET, times([1.0] * 12))]
    for turned in (False, True):
        if turned:
            far = [verdict(0, QUIET, times([1.0] * 12 + [0.5] * 30)), far[1]]
        level = make_history("s", far, Thresholds()).lines[0].levels[-1]
        assert level.low <= level.change <= level.high and level.change == pytest.approx(
            -0.5 if turned else 1.0
        )


def test_the_chains_of_an_interval_are_as_many_as_the_shortest_link_has():
    links = [np.array([0.1, 0.12, 0.08] * 5), np.array([0.2, 0.19, 0.21] * 4)]
    assert chain_interval(links) == confidence_sequence(links[0][:12] + links[1])
    assert chain_interval(links, 0.8) == confidence_sequence(links[0][:12] + links[1], 0.8)


def test_a_neighbor_names_the_trials_that_are_inconclusive():
    both = verdict(1, QUIET)
    trials = (*both.trials, replace(both.trials[0], key="l", label="b", speed=Speed.INCONCLUSIVE, pairs=3))
    (found,) = make_history("s", [replace(both, trials=trials)], Thresholds()).neighbors
    assert (found.pairs, found.unclear) == (11, ("b",))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (output.change_of("fit_time", 0.094, 0.031, 0.13), "+9.4 % [+3.1, +13.0]"),
        (output.change_of("accuracy", -0.012, None, 0.01), "-1.2 points […, +1.0]"),
        (output.change_of("loss", 0.0604, 0.05, None), "+0.060 nats [+0.050, …]"),
        (output.change_of(None, 0.5, None, None), "+50.0 %"),
        (output.change_of("fit_time", None, None, None), "—"),
        (output.names_of(["/a/b/c/one", "/a/b/c/two"]), {"/a/b/c/one": "one", "/a/b/c/two": "two"}),
        (output.names_of(["2.19", "2.20"]), {"2.19": "2.19", "2.20": "2.20"}),
        (output._shortened(["keras==3.9.*", "keras==3.10.1"]), {"keras==3.9.*": "3.9", "keras==3.10.1": "3.10.1"}),
        (
            output._shortened(["123456789012", "x234567890123"]),
            {"123456789012": "123456789012", "x234567890123": "…34567890123"},
        ),
        (
            [output._nice(reach) for reach in (0.05, 0.0499, 0.02, 0.19, 0.1, 1.0, 7.0)],
            [0.05, 0.02, 0.02, 0.1, 0.1, 1.0, 5.0],
        ),
        (output.changes_in_words([]), "nothing that is recorded"),
        (
            output.changes_in_words([Change("a", "none", "1"), Change("b", "1", "2"), Change("c", "1", "none")], 2),
            "b 1 -> 2, a none -> 1, 1 more",
        ),
        (
            output.changes_in_words([Change(name, "1", "2") for name in "abcdef"]),
            ", ".join(f"{name} 1 -> 2" for name in "abcdef"),
        ),
    ],
)  # fmt: skip
def test_a_history_in_words(said, expected):
    assert said == expected


def both_of(first: Verdict, second: Verdict) -> Verdict:
    """Of two configurations."""
    return replace(first, trials=(*first.trials, replace(second.trials[0], key="l", label="b")))


def test_the_outcome_of_a_history():
    assert output.outcome(make_history("s", [FASTER], Thresholds())) == "A step at 2.1 -> 2.2"
    both = make_history("s", [FASTER, replace(SLOWER, baseline="2.2", candidate="2.3")], Thresholds())
    assert output.outcome(both) == "Steps at 2.1 -> 2.2, 2.2 -> 2.3"
    unclear = [verdict(1, QUIET, speed=Speed.INCONCLUSIVE), verdict(2, QUIET)]
    said = output.outcome(make_history("s", unclear, Thresholds()))
    assert said == "No step is shown; inconclusive comparisons: 1 of 2"
    clear = verdict(1, QUIET, learning=Learning.SAME)
    broken = verdict(2, QUIET, status=Status.FAILED, speed=None, memory=None, learning=None)
    elsewhere = verdict(3, QUIET, speed=Speed.NOT_COMPARABLE, learning=Learning.NOT_COMPARABLE)
    weak = verdict(1, QUIET, speed=Speed.SLOWER, regression=True)
    for verdicts, expected, code in (
        ([clear], "No step", ExitCode.OK),
        ([weak], "No step is shown; inconclusive comparisons: 1 of 1", ExitCode.NOT_ENOUGH_EVIDENCE),
        (
            [clear, broken],
            "No step is shown; inconclusive comparisons: 1 of 2; trials failed",
            ExitCode.TRIALS_FAILED,
        ),
        ([both_of(clear, broken)], "No step, but trials failed", ExitCode.TRIALS_FAILED),
        ([broken], "Nothing was judged: no trial could be compared", ExitCode.NOT_ENOUGH_EVIDENCE),
        ([elsewhere], "Nothing was judged: no trial could be compared", ExitCode.NOT_ENOUGH_EVIDENCE),
        (
            [clear, elsewhere],
            "No step is shown; inconclusive comparisons: 1 of 2",
            ExitCode.NOT_ENOUGH_EVIDENCE,
        ),
    ):
        history = make_history("s", verdicts, Thresholds())
        assert (output.outcome(history), history.exit_code) == (expected, code)


def test_a_step_as_a_row():
    (step,) = find_steps([SLOWER], Thresholds())
    names = {"2.1": "old", "2.2": "new"}
    row = [
        "old -> new",
        "a trial",
        "slower",
        "fit time",
        "+20.0 %",
        "1e+03 of 42",
        "nothing that is recorded",
    ]
    assert output.step_row(step, names) == row
    failed = replace(step, metrics=(), change=None, evidence=None)
    assert output.step_row(failed, names)[3:6] == ["—", "—", "—"]
    assert output.step_row(replace(step, metrics=("accuracy",), needed=None), names)[3:6] == [
        "accuracy",
        "+20.0 points",
        "—",
    ]


def drawn(levels: list[tuple], versions: int, names: str = "v", **step) -> output.Chart:
    """A chart of the first versions of so many, with a step from the first to the second one."""
    known = [f"{names}{number}" for number in range(versions)]
    neighbors = [verdict(1, {"slower": 1000.0, "faster": 1.0}, metric("fit_time", 1.2, 1000.0))]
    history = make_history("s", neighbors, Thresholds())
    steps = tuple(replace(one, baseline=known[0], candidate=known[1], **step) for one in history.steps)
    line = Line(
        "k",
        "a trial",
        "fit_time",
        tuple(Level(name, *level) for name, level in zip(known, levels, strict=False)),
    )
    return output.chart(
        line, replace(history, versions=tuple(known), steps=steps), {name: name for name in known}
    )


def test_the_places_of_a_chart():
    """From 40 to 334 pixels for the versions; from 12 to 144 for what is largest, here 20 %."""
    found = drawn([(0.0, 0.0, 0.0, 0), (0.1, 0.05, 0.2, 9)], 2)
    assert [dot.x for dot in found.dots] == [40, 334]
    assert [(dot.y, dot.low, dot.high, dot.open) for dot in found.dots] == [
        (78, 78, 78, False),
        (45, 61.5, 12, False),
    ]
    assert found.path == "M40.0 78.0L334.0 45.0"
    assert found.ticks == [(12, "+20"), (78, "0"), (144, "-20")]
    assert [(mark.x, mark.good, mark.said) for mark in found.marks] == [(187, False, "slower since v1")]
    assert found.title == "fit time, %"
    assert found.said == "fit time: +10.0 % [+5.0, +20.0] at v1; slower since v1"
    assert found.rows == [["v0", "the beginning", "—"], ["v1", "+10.0 % [+5.0, +20.0]", "9"]]
    assert (found.width, found.height, found.left, found.right, found.bottom) == (360, 170, 40, 334, 144)


def test_a_small_change_is_drawn_small_and_an_open_end_reaches_farther():
    small = drawn([(0.0, 0.0, 0.0, 0), (0.01, 0.0, 0.02, 9)], 3)
    assert [dot.x for dot in small.dots] == [40, 187]
    assert small.dots[1].y == pytest.approx(78 - 66 * 0.01 / 0.05, abs=0.1) and small.ticks[0] == (12, "+5")
    for bounds in ((None, 0.2), (0.05, None)):
        found = drawn([(0.0, 0.0, 0.0, 0), (0.1, *bounds, 9)], 2)
        reach = 1.3 * (0.2 if bounds[1] else 0.1)
        ends = (-reach if bounds[0] is None else bounds[0], reach if bounds[1] is None else bounds[1])
        low, high = (78 - 66 * end / reach for end in ends)
        assert (found.dots[1].low, found.dots[1].high) == pytest.approx((low, high), abs=0.11) and found.dots[
            1
        ].open
        assert not found.dots[0].open


def test_names_below_a_chart_are_as_many_as_fit():
    """A name of 5 characters takes 39 pixels; 294 are shared by the distances between versions."""
    levels = [(0.0, 0.0, 0.0, 0)] * 20
    assert [dot.name for dot in drawn(levels, 8, "name").dots] == [f"name{number}" for number in range(8)]
    assert [dot.name for dot in drawn(levels, 9, "name").dots] == [
        "name0",
        "",
        "name2",
        "",
        "name4",
        "",
        "name6",
        "",
        "name8",
    ]


def test_where_versions_lie_is_noted_on_the_page_and_what_is_unclear_on_the_terminal():
    def made(old: str, new: str, **changes):
        return make_history(
            "s",
            [replace(verdict(1, QUIET, **changes), baseline=old, candidate=new)],
            Thresholds(),
            ["a note"],
        )

    there, plain = made("/a/b/one", "/a/b/two", speed=Speed.INCONCLUSIVE), made("2.19", "2.20")
    assert output._page(there)["notes"][:2] == ["Versions are in /a/b.", "a note"]
    assert output._page(there)["title"] == "s: one to two"
    assert output._page(there)["neighbors"] == [("one -> two", "8", "a trial", "nothing that is recorded")]
    assert output._page(plain)["notes"][0] == "a note" and output._page(plain)["neighbors"][0][2] == "—"
    for history, unclear in ((there, True), (plain, False)):
        console = Console(file=StringIO(), width=200)
        output.print_history(console, history)
        said = console.file.getvalue()
        assert ("one -> two: inconclusive for a trial." in said) is unclear
        assert "a note" in said and output.outcome(history) in said
