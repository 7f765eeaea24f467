"""Steps in a history of versions, from verdicts that are made up."""

import math
from dataclasses import replace

import numpy as np
import pytest
from steps_equipment import BAR, FASTER, QUIET, SLOWER, metric, times, verdict

from bench.compare.betting import confidence_sequence
from bench.compare.steps import among, chain_interval, find_steps, make_history
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import (
    Change,
    DifferenceVerdict,
    Learning,
    Speed,
    Status,
    Verdict,
)
from bench.errors import ExitCode


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
