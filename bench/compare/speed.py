"""Times and memory of all trials, judged together. Works on plain arrays, without records."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bench.compare.metrics import METRICS, Values
from bench.compare.ratio import Floats, Spread, common_spread, estimate, intervals, p_value, test_name
from bench.compare.thresholds import Thresholds, holm
from bench.compare.verdict import MetricVerdict, Speed

MetricValues = Mapping[str, Values]
"""Metric -> its values in the pairs of one trial."""


def judge_speed(
    trials: Mapping[str, MetricValues],
    thresholds: Thresholds,
    noise: Mapping[str, MetricValues] | None = None,
    with_intervals: bool = True,
) -> dict[str, list[MetricVerdict]]:
    """Judge every metric of every trial, with Holm's correction over all of them.

    A metric is slower (or faster) under two conditions: its change is significant in the family of all trials
    and metrics, and it is estimated to be at least `thresholds.change`. It is the same if its 90 % interval
    lies inside that change (two one-sided tests at 5 %; Schuirmann, J Pharmacokinet Biopharm 1987). Otherwise
    it is inconclusive.

    Args:
        trials: Name of a trial -> its metrics.
        thresholds: What to judge by.
        noise: Pairs of A against A on this machine, by the same names.
        with_intervals: Without intervals nothing is ever the same; enough to simulate false alarms and power.
    """
    tested = [(trial, name) for trial, values in trials.items() for name in values]
    level = thresholds.alpha_now / max(1, len(tested))
    spreads = {key: _known_spread(*key, trials, noise or {}) for key in tested}
    p = {key: _p(trials[key[0]][key[1]], spreads[key], level) for key in tested}
    adjusted = dict(zip(tested, holm([p[key] for key in tested]), strict=True))
    return {
        trial: [
            _judge(
                name,
                one,
                spreads[trial, name],
                p[trial, name],
                adjusted[trial, name],
                level,
                thresholds,
                with_intervals,
            )
            for name, one in values.items()
        ]
        for trial, values in trials.items()
    }


def speed_of(metrics: Sequence[MetricVerdict]) -> Speed:
    """The verdict of a trial: the worst of its metrics; the same if the metrics that decide on that are."""
    verdicts = {metric.verdict for metric in metrics}
    for verdict in (Speed.SLOWER, Speed.FASTER):
        if verdict in verdicts:
            return verdict
    deciding = [metric.verdict for metric in metrics if METRICS[metric.metric].decides_same]
    return Speed.SAME if deciding and set(deciding) == {Speed.SAME} else Speed.INCONCLUSIVE


def spreads_of(trials: Mapping[str, MetricValues], noise: Mapping[str, MetricValues]) -> dict[str, Spread]:
    """Metric -> what all trials, and A against A, say of its variance."""
    names = dict.fromkeys(name for values in (*trials.values(), *noise.values()) for name in values)
    return {
        name: common_spread(_logs(trials.values(), name), _logs(noise.values(), name), alone=math.inf)
        for name in names
    }


def _known_spread(
    trial: str, name: str, trials: Mapping[str, MetricValues], noise: Mapping[str, MetricValues]
) -> Spread:
    """What is known of a trial's variance without its own pairs, which must not count twice."""
    known, noisy = (_logs([each[one] for one in each if one != trial], name) for each in (trials, noise))
    others = common_spread(known, noisy)
    own = noise.get(trial, {}).get(name)
    return others if own is None else others.with_noise(own.logs)


def _logs(trials: Iterable[MetricValues], name: str) -> list[Floats]:
    return [values[name].logs for values in trials if name in values]


def _p(values: Values, spread: Spread, level: float) -> float | None:
    return p_value(values.logs, spread, level) if len(values.logs) > 1 else None


def _judge(
    name: str,
    values: Values,
    spread: Spread,
    p: float | None,
    adjusted: float | None,
    level: float,
    thresholds: Thresholds,
    with_intervals: bool,
) -> MetricVerdict:
    logs, metric = values.logs, METRICS[name]
    n, center = len(logs), float(estimate(logs))
    band = math.log1p(thresholds.change)
    wide = narrow = None
    if with_intervals:
        wide, narrow = intervals(logs, spread)
    note, verdict = "", Speed.INCONCLUSIVE
    significant = adjusted is not None and adjusted <= thresholds.alpha_now
    if n < thresholds.minimum_pairs:
        note = f"{n} pair{'' if n == 1 else 's'}: it takes {thresholds.minimum_pairs}"
    elif significant and abs(center) >= band:
        verdict = Speed.SLOWER if (center > 0) == metric.more_is_worse else Speed.FASTER
    elif narrow is not None and narrow.within(-band, band):
        verdict = Speed.SAME
    elif significant:
        note = f"there is a change, but it may be smaller than {thresholds.change:.0%}"
    else:
        note = f"neither a change nor the absence of one of {thresholds.change:.0%} is shown"
    return MetricVerdict(
        metric=name,
        verdict=verdict,
        baseline=float(np.median(values.baseline)),
        candidate=float(np.median(values.candidate)),
        ratio=math.exp(center),
        low=None if wide is None or wide.low is None else math.exp(wide.low),
        high=None if wide is None or wide.high is None else math.exp(wide.high),
        p=p,
        adjusted_p=adjusted,
        method=f"{test_name(n, level)}; {'bootstrap' if n >= 6 else 't'} interval",
        ratios=tuple(np.exp(logs).tolist()),
        note=note,
    )
