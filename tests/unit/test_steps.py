"""Steps in a history of versions, from verdicts that are made up."""

from dataclasses import replace

import pytest

from bench.compare.steps import among, find_steps, make_history
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Memory, MetricVerdict, Speed, Status, TrialVerdict, Verdict
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
        ([verdict(1, QUIET, status=Status.FAILED)], ExitCode.TRIALS_FAILED),
        ([], ExitCode.NOT_ENOUGH_EVIDENCE),
    ],
)
def test_exit_codes_of_a_history(verdicts: list[Verdict], code: ExitCode):
    assert make_history("s", verdicts, Thresholds()).exit_code is code
