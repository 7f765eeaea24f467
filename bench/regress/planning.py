"""How many pairs a comparison takes: what the noise of the machine asks for, and how seeds share them."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.compare.betting import detectable, pairs_needed
from bench.compare.counted_pairs import metric_values
from bench.compare.measurement import TrialPairs
from bench.compare.metrics import METRICS
from bench.compare.speed import MetricValues
from bench.compare.thresholds import Thresholds
from bench.trials.trial import Trial

NOISE_PAIRS = 8
"""Pairs of A against A, over all trials; at least two of each. They show the noise and plan the pairs; a verdict
does not need them."""

FIRST_PAIRS = 1
"""Pairs that each configuration gets whatever the budget."""

PRIOR = 4.0
"""Pairs of A against A that the noise of all trials is worth to one of them."""

MOST = 200
"""More pairs of a trial are never asked for: so much noise must be removed, not averaged."""

CAUTION = 0.2
"""Pairs are planned for a noise that the true one exceeds with this probability."""

PLANNED_FOR = ("throughput", "train_cpu_time", "fit_time")
"""Metrics that show a change of the training step. Pairs are planned for the one that finds it first."""

CPU_SHARE = 0.85
"""Share of the steps in the CPU time of training; the rest is validation and Keras' work between epochs.
In the recorded pairs of `tests/evidence`, steps that took 10 % longer made it 8 to 10 % longer."""

Configurations = Mapping[str, Sequence[str]]
"""Key of a configuration -> keys of its trials, which differ in seed or split only."""


@dataclass(frozen=True)
class PairPlan:
    """How many pairs the noise asks for."""

    pairs: int
    """Of every configuration; `MOST` at most."""
    metric: str | None
    """The metric that it was planned for; None if nothing is known of the noise."""
    detectable: Mapping[str, float] = field(default_factory=dict)
    """Metric -> the smallest change that so many pairs find."""
    noise: Mapping[str, float] = field(default_factory=dict)
    """Metric -> standard deviation in a pair of A against A, as a share."""
    basis: int = 0
    """Pairs of A against A that it rests on."""

    def __str__(self) -> str:
        if self.metric is None:
            return "The noise of this machine is not known: the pairs themselves will show it."
        noise = ", ".join(f"{METRICS[name].title} {share:.1%}" for name, share in self.noise.items())
        finds = ", ".join(f"{METRICS[name].title} {share:.0%}" for name, share in self.detectable.items())
        capped = " or more" if self.pairs >= MOST else ""
        return (
            f"A against A differs by (one standard deviation, {self.basis} pairs): {noise}. "
            f"That asks for {self.pairs} pairs{capped}. "
            f"Nine times in ten, they find changes of: {finds or 'no size'}."
        )


def configurations(trials: Iterable[Trial]) -> Configurations:
    """The configurations of trials; see `Configurations`."""
    found: dict[str, list[str]] = defaultdict(list)
    for trial in trials:
        found[trial.settings.configuration_key].append(trial.key)
    return dict(found)


def shared_out(wanted: Mapping[str, int], groups: Configurations) -> dict[str, int]:
    """Pairs of configurations as pairs of their trials: seeds and splits share them.

    Args:
        wanted: Key of a configuration -> pairs in all.
        groups: The configurations.
    """
    shares = {}
    for configuration, number in wanted.items():
        own = groups[configuration]
        for position, key in enumerate(own):
            shares[key] = number // len(own) + (position < number % len(own))
    return shares


def noise_wanted(groups: Configurations, known: Iterable[str]) -> dict[str, int]:
    """Pairs of A against A to measure the noise with: key of a trial -> number, for one of each configuration.

    Args:
        groups: The configurations.
        known: Keys of the trials of pairs that other comparisons have measured.
    """
    each, there = max(2, math.ceil(NOISE_PAIRS / len(groups))), Counter(known)
    return {key: each - there[key] for key, *_ in groups.values()}


def runs_wanted(trials: Sequence[Trial], known: Counter[str], pairs: int | None) -> dict[str, int]:
    """Runs of a candidate against a saved baseline: as many as find a partner, at least one of each trial.

    Args:
        trials: All trials.
        known: Key of a trial -> runs that the baseline has.
        pairs: Most runs of a configuration, shared by its seeds and splits; None: any number.
    """
    shares: Mapping[str, int] = known
    if pairs is not None:
        groups = configurations(trials)
        shares = shared_out(dict.fromkeys(groups, pairs), groups)
    return {trial.key: max(1, min(shares[trial.key], known[trial.key])) for trial in trials}


def plan_pairs(noise: Sequence[TrialPairs], trials: int, thresholds: Thresholds) -> PairPlan:
    """How many pairs of each configuration it takes to find a change of `thresholds.effect`.

    Args:
        noise: A against A, all trials.
        trials: How many configurations will be judged together.
        thresholds: What they will be judged by.
    """
    return plan_from({trial.key: metric_values(trial) for trial in noise}, trials, thresholds)


def plan_from(noise: Mapping[str, MetricValues], trials: int, thresholds: Thresholds) -> PairPlan:
    """The same as `plan_pairs`, from plain values.

    The noisiest trial counts. As if one metric alone showed the change, its evidence must reach the bar of the
    weighted mean over all metrics.
    """
    known = {name for values in noise.values() for name in values}
    shown = {name: spread for name in METRICS if name in known and (spread := _spread(name, noise, 1.0))}
    timed = sum(METRICS[name].weight for name in shown if METRICS[name].dimension == "speed")
    bar, shares = thresholds.bar("speed", trials), step_shares(noise)
    needed = {
        name: pairs_needed(
            round(spread, 4),
            thresholds.effect * shares[name],
            timed / METRICS[name].weight * bar,
            thresholds.power,
            MOST,
        )
        for name in PLANNED_FOR
        if name in shown and shares[name] and (spread := _spread(name, noise, CAUTION))
    }
    if not needed:
        return PairPlan(FIRST_PAIRS, None)
    metric = min(needed, key=lambda name: needed[name])
    pairs = needed[metric]
    finds = {
        name: math.expm1(max(size * spread, math.log1p(thresholds.change) + 1.3 * spread / pairs**0.5))
        for name, spread in shown.items()
        if (size := detectable(pairs, thresholds.bar(METRICS[name].dimension, trials), thresholds.power))
    }
    return PairPlan(
        pairs=pairs,
        metric=metric,
        detectable=finds,
        noise={name: math.expm1(spread) for name, spread in shown.items()},
        basis=sum(max(len(values.logs) for values in found.values()) for found in noise.values() if found),
    )


def _spread(name: str, noise: Mapping[str, MetricValues], caution: float) -> float:
    """Standard deviation of a metric in a pair of A against A, whose true mean is 0.

    Args:
        name: Of the metric.
        noise: A against A.
        caution: The true one exceeds that of the noisiest trial with this probability; 1: of all trials.
    """
    from scipy.special import chdtri

    squares = [np.square(values[name].logs) for values in noise.values() if name in values]
    common = float(np.concatenate(squares).mean())
    if caution == 1.0:
        return math.sqrt(common)
    cautious = [
        (own.sum() + PRIOR * common) / float(chdtri(len(own) + PRIOR, 1 - caution)) for own in squares
    ]
    return math.sqrt(max(cautious))


def step_shares(noise: Mapping[str, MetricValues]) -> dict[str, float]:
    """The share of the training step in each metric of `PLANNED_FOR`: so much of its change shows there.

    Fit time includes the compilation. Where no other metric is known, pairs are planned for it as it is.
    """
    known = {name for found in noise.values() for name in found}
    fit, compiled = (
        [
            np.median(found[name].baseline)
            for found in noise.values()
            if {"fit_time", "compile_time"} <= set(found)
        ]
        for name in ("fit_time", "compile_time")
    )
    diluted = bool(fit) and known & {"throughput", "train_cpu_time"}
    of_fit = max(0.0, 1.0 - float(sum(compiled) / sum(fit))) if diluted else 1.0
    return {"throughput": 1.0, "train_cpu_time": CPU_SHARE, "fit_time": of_fit}
