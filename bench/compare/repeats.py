"""How many repeats it takes, planned from the noise of A against A, and when to stop."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench.compare.judge import counting, figures_of
from bench.compare.measurement import TrialPairs
from bench.compare.metrics import METRICS, Values
from bench.compare.speed import spreads_of
from bench.compare.statistics.power import detectable, repeats_needed
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Speed, Status, TrialVerdict, Verdict

PLANNED_FOR = ("throughput", "train_cpu_time", "fit_time")
"""Metrics in which a change of the training step shows; the one that finds it first is planned for."""

CPU_SHARE = 0.85
"""Of the CPU time of training that its steps take; the rest is validation and what Keras does around epochs.
In the recorded pairs of `tests/evidence`, steps that took 10 % longer made it 8 to 10 % more."""

MOST = 200
"""More repeats are never asked for: such noise is to be removed, not averaged."""

GROWTH = 1.5
"""By so much a trial's pairs grow from look to look."""


@dataclass(frozen=True)
class RepeatPlan:
    """What the noise asks for.

    Attributes:
        repeats: Pairs of every trial.
        wanted: Of `repeats`, before the limit `MOST`.
        metric: The metric that it was planned for; None if nothing is known of the noise.
        detectable: Metric -> the smallest change that so many pairs find.
        noise: Metric -> what a pair of A against A differs by, typically (one standard deviation, a share).
        basis: How many pairs of A against A that rests on.
    """

    repeats: int
    wanted: int
    metric: str | None
    detectable: Mapping[str, float] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)
    basis: int = 0

    def __str__(self) -> str:
        if self.metric is None:
            return f"Nothing is known of this machine's noise: {self.repeats} repeats to begin with."
        noise = ", ".join(f"{METRICS[name].title} {share:.1%}" for name, share in self.noise.items())
        finds = ", ".join(f"{METRICS[name].title} {share:.0%}" for name, share in self.detectable.items())
        capped = f" (it would take {self.wanted})" if self.wanted > self.repeats else ""
        return (
            f"A against A differs by (one standard deviation, {self.basis} pairs): {noise}. "
            f"That asks for {self.repeats} repeats{capped}. "
            f"They find, nine times in ten, changes of: {finds}."
        )


@dataclass(frozen=True)
class Next:
    """What to do after a look.

    Attributes:
        clear: Whether the verdict stands.
        wanted: Key of a trial -> pairs that count which it should have in all before the next look.
        why: One sentence.
    """

    clear: bool
    wanted: dict[str, int]
    why: str


def plan_repeats(
    noise: Sequence[TrialPairs], trials: int, thresholds: Thresholds, most: int = MOST
) -> RepeatPlan:
    """How many pairs of each trial it takes to find a change of `thresholds.effect`.

    Args:
        noise: A against A, all trials.
        trials: How many configurations will be judged together.
        thresholds: What they will be judged by.
        most: The most that may be asked for.
    """
    return plan_from(
        {trial.key: figures_of(trial) for trial in noise if trial.pairs}, trials, thresholds, most
    )


def plan_from(
    noise: Mapping[str, Mapping[str, Values]], trials: int, thresholds: Thresholds, most: int = MOST
) -> RepeatPlan:
    """As `plan_repeats`, from plain values."""
    spreads = {name: spread for name, spread in spreads_of({}, noise).items() if spread.degrees}
    tests = trials * max(1, len(spreads))
    shares = step_shares(noise)
    needed = {
        name: repeats_needed(
            spreads[name], tests, replace(thresholds, effect=thresholds.effect * shares[name])
        )
        for name in PLANNED_FOR
        if name in spreads
    }
    if not needed:
        return RepeatPlan(thresholds.minimum_pairs, thresholds.minimum_pairs, None)
    metric = min(needed, key=lambda name: needed[name])
    repeats = min(most, needed[metric])
    shown = [name for name in METRICS if name in spreads]
    return RepeatPlan(
        repeats=repeats,
        wanted=needed[metric],
        metric=metric,
        detectable={name: detectable(spreads[name], repeats, tests, thresholds) for name in shown},
        noise={name: math.expm1(math.sqrt(spreads[name].variance)) for name in shown},
        basis=sum(max(len(values.logs) for values in found.values()) for found in noise.values() if found),
    )


def step_shares(noise: Mapping[str, Mapping[str, Values]]) -> dict[str, float]:
    """What share of each metric of `PLANNED_FOR` the training step has: so much of its change shows there.

    Fit time has the compilation, too; where it is all that is known, it is planned for as it is.
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
    of_fit = max(0.0, 1.0 - sum(compiled) / sum(fit)) if diluted else 1.0
    return {"throughput": 1.0, "train_cpu_time": CPU_SHARE, "fit_time": of_fit}


def next_look(verdict: Verdict, trials: Sequence[TrialPairs], most: int = MOST) -> Next:
    """Whether a verdict is clear, else how many pairs to have before the next look.

    Each look spends its share of the allowed false alarms (`Thresholds.look`, `Thresholds.looks_planned`),
    so that looking again does not add to them.

    Args:
        verdict: Of this look.
        trials: What it was made from.
        most: The most pairs that a trial may get.
    """
    if verdict.regressions:
        return Next(True, {}, "a regression is shown")
    unclear = {one.key: one for one in verdict.trials if one.status is Status.JUDGED and one.inconclusive}
    if not unclear:
        return Next(True, {}, "every trial is clear")
    helped = {key for key, one in unclear.items() if _more_pairs_help(one)}
    if not helped:
        return Next(
            False,
            {},
            f"learning of {len(unclear)} trials stays unclear, for repeats of the same seeds are the same "
            "training: give [suite] more seeds, or more test images",
        )
    thresholds = Thresholds(minimum_pairs=int(verdict.thresholds.get("minimum_pairs", 1)))
    # Those that count: on a machine that is never quiet, disturbed ones do, too.
    have = {trial.key: len(counting(trial, thresholds)) for trial in trials if trial.key in helped}
    wanted = {key: min(most, math.ceil(GROWTH * max(number, 2))) for key, number in have.items()}
    growing = {key: number for key, number in wanted.items() if number > have[key]}
    if not growing:
        return Next(False, {}, f"{len(unclear)} trials are inconclusive after {most} pairs")
    return Next(False, growing, f"{len(unclear)} trials are inconclusive")


def _more_pairs_help(trial: TrialVerdict) -> bool:
    """Whether what is unclear may become clear: times always may, learning if every pair trained its own
    networks. Deterministic repeats train one over and over."""
    if trial.speed is Speed.INCONCLUSIVE:
        return True
    return bool(trial.differences) and len(trial.differences[0].pairs) == trial.pairs
