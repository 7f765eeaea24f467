"""Verdicts of neighboring versions that are made up, for tests of histories."""

from dataclasses import replace

import numpy as np

from bench.compare.verdict import Memory, MetricVerdict, Speed, Status, TrialVerdict, Verdict

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


SLOWER = verdict(1, {"slower": 1000.0, "faster": 1.0}, metric("fit_time", 1.2, 1000.0))
FASTER = verdict(1, {"slower": 1.0, "faster": 1000.0}, metric("fit_time", 0.8, 1000.0))


def times(ratios: list[float]) -> MetricVerdict:
    return replace(metric("fit_time", float(np.median(ratios)), 1.0), ratios=tuple(ratios))
