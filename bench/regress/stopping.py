"""When to stop: how many pairs it takes, which one runs next, and when the verdict is clear.

All such rules are in this module.
"""

import math
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from bench.compare.compare import counting, metric_values
from bench.compare.measurement import TrialPairs
from bench.compare.metrics import METRICS
from bench.compare.ratio import detectable, pairs_needed
from bench.compare.speed import MetricValues, spreads_of
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Speed, Status, TrialVerdict, Verdict
from bench.devices.device import Slot
from bench.plan.decide import PlannedTrial, Prediction
from bench.regress.pairs import Kind, PairedRuns, PairRunner
from bench.trials.trial import Trial

NOISE_PAIRS = 8
"""Pairs of A against A, over all trials, on which the number of pairs is planned; at least two for each
configuration."""

FIRST_PAIRS = 2
"""Pairs that each configuration gets whatever the budget: A B B A."""

STEP = 2
"""Pairs of a trial that run one after the other, so that each side runs first equally often."""

MOST_FAILURES = 1
"""Failed pairs of a trial within a run, after which it is not tried again; each attempt was retried before."""

MOST = 200
"""More pairs of a trial are never asked for: so much noise must be removed, not averaged."""

GROWTH = 1.5
"""By this factor the pairs of a trial grow from look to look."""

PLANNED_FOR = ("throughput", "train_cpu_time", "fit_time")
"""Metrics that show a change of the training step. Pairs are planned for the one that finds it first."""

CPU_SHARE = 0.85
"""Share of the steps in the CPU time of training; the rest is validation and Keras' work between epochs.
In the recorded pairs of `tests/evidence`, steps that took 10 % longer made it 8 to 10 % longer."""

Configurations = Mapping[str, Sequence[str]]
"""Key of a configuration -> keys of its trials, which differ in seed or split only."""


class Listener(Protocol):
    """Shows messages, and is told what will run."""

    def say(self, message: str, /) -> None:
        """Show a message."""

    def plan(self, planned: list[PlannedTrial], slots: Sequence[Slot], at_once: int | None = None) -> None:
        """What will run next, where, and how many at a time."""


@dataclass
class Budget:
    """Time that may be spent."""

    seconds: float | None
    """None: any."""
    clock: Callable[[], float] = time.monotonic
    """Seconds."""
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def has_room_for(self, seconds: float) -> bool:
        """Whether there is time left for something that takes so long."""
        return self.seconds is None or self.clock() - self._began + seconds <= self.seconds


@dataclass(frozen=True)
class PairPlan:
    """How many pairs the noise asks for."""

    pairs: int
    """Of every configuration."""
    wanted: int
    """The same before the limit `MOST`."""
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
            return f"The noise of this machine is not known: {self.pairs} pairs to begin with."
        noise = ", ".join(f"{METRICS[name].title} {share:.1%}" for name, share in self.noise.items())
        finds = ", ".join(f"{METRICS[name].title} {share:.0%}" for name, share in self.detectable.items())
        capped = f" (it would take {self.wanted})" if self.wanted > self.pairs else ""
        return (
            f"A against A differs by (one standard deviation, {self.basis} pairs): {noise}. "
            f"That asks for {self.pairs} pairs{capped}. "
            f"Nine times in ten, they find changes of: {finds}."
        )


@dataclass(frozen=True)
class Next:
    """What to do after a look at the verdict."""

    clear: bool
    """Whether the verdict stands."""
    wanted: Mapping[str, int]
    """Key of a configuration -> pairs that it should have before the next look; empty to stop."""
    why: str
    """One clause."""


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


def runs_wanted(trials: Sequence[Trial], known: Mapping[str, int], pairs: int | None) -> dict[str, int]:
    """Runs of a candidate against a saved baseline: as many as find a partner, at least one of each trial.

    Args:
        trials: All trials.
        known: Key of a trial -> runs that the baseline has.
        pairs: Most runs of a configuration, shared by its seeds and splits; None: any number.
    """
    shares = known
    if pairs is not None:
        groups = configurations(trials)
        shares = shared_out(dict.fromkeys(groups, pairs), groups)
    return {trial.key: max(1, min(shares.get(trial.key, 0), known.get(trial.key, 0))) for trial in trials}


def plan_pairs(noise: Sequence[TrialPairs], trials: int, thresholds: Thresholds) -> PairPlan:
    """How many pairs of each configuration it takes to find a change of `thresholds.effect`.

    Args:
        noise: A against A, all trials.
        trials: How many configurations will be judged together.
        thresholds: What they will be judged by.
    """
    return plan_from({trial.key: metric_values(trial) for trial in noise if trial.pairs}, trials, thresholds)


def plan_from(noise: Mapping[str, MetricValues], trials: int, thresholds: Thresholds) -> PairPlan:
    """The same as `plan_pairs`, from plain values."""
    spreads = {name: spread for name, spread in spreads_of({}, noise).items() if spread.degrees}
    tests = trials * max(1, len(spreads))
    shares = step_shares(noise)
    needed = {
        name: pairs_needed(spreads[name], tests, replace(thresholds, effect=thresholds.effect * shares[name]))
        for name in PLANNED_FOR
        if name in spreads
    }
    if not needed:
        return PairPlan(thresholds.minimum_pairs, thresholds.minimum_pairs, None)
    metric = min(needed, key=lambda name: needed[name])
    pairs = min(MOST, needed[metric])
    shown = [name for name in METRICS if name in spreads]
    return PairPlan(
        pairs=pairs,
        wanted=needed[metric],
        metric=metric,
        detectable={name: detectable(spreads[name], pairs, tests, thresholds) for name in shown},
        noise={name: math.expm1(math.sqrt(spreads[name].variance)) for name in shown},
        basis=sum(max(len(values.logs) for values in found.values()) for found in noise.values() if found),
    )


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


def next_look(verdict: Verdict, trials: Sequence[TrialPairs], most: int = MOST) -> Next:
    """Whether a verdict is clear, and if not, how many pairs to have before the next look.

    Each look spends its share of the allowed false alarms (`Thresholds.look`, `Thresholds.looks_planned`), so
    that looking again does not add to them.

    Args:
        verdict: Of this look.
        trials: What it was made from.
        most: The most pairs that a configuration may get.
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
            f"learning of {len(unclear)} trials stays inconclusive, because more pairs of the same seeds are the "
            "same training: give [suite] more seeds, or more test images",
        )
    thresholds = Thresholds(minimum_pairs=int(verdict.thresholds.get("minimum_pairs", 1)))
    # Pairs that count: on a machine that is never quiet, disturbed ones do, too.
    have = {trial.key: len(counting(trial, thresholds)) for trial in trials if trial.key in helped}
    wanted = {key: min(most, math.ceil(GROWTH * max(number, 2))) for key, number in have.items()}
    growing = {key: number for key, number in wanted.items() if number > have[key]}
    if not growing:
        return Next(False, {}, f"{len(unclear)} trials are inconclusive after {most} pairs")
    return Next(False, growing, f"{len(unclear)} trials are inconclusive")


def after_look(verdict: Verdict, trials: Sequence[TrialPairs], schedule: "PairSchedule", seen: int) -> Next:
    """As `next_look`, within the budget and what can still run.

    Args:
        verdict: Of this look.
        trials: What it was made from.
        schedule: What ran.
        seen: Pairs of baseline and candidate at the look before this one.
    """
    after = next_look(verdict, trials)
    ran, groups = schedule.count("ab"), schedule.groups
    more = [key for configuration in after.wanted for key in groups[configuration]]
    no_room = schedule.cut_short and not any(map(schedule.fits, more))
    if after.clear or no_room or ran == seen or ran >= MOST * len(groups):
        return replace(after, wanted={})
    # More pairs than there are, also where disturbed ones count.
    there = {key: sum(schedule.have("ab", trial) for trial in groups[key]) for key in after.wanted}
    return replace(
        after, wanted={key: max(n, math.ceil(GROWTH * there[key])) for key, n in after.wanted.items()}
    )


class PairSchedule:
    """Runs pairs of trials in turn, two of each at a time.

    A disturbed pair is run again, at most as often as pairs were wanted. Where most pairs of a configuration
    are disturbed, the machine is like that, and they count. All are kept. A trial whose next pair does not fit
    into the budget stops; the others continue.

    Args:
        runner: Runs them.
        earlier: Pairs of these sides that are there already.
        listener: Is told the progress.
        budget: Of time, for what comes after each trial's first pairs.
        trials: All trials.
    """

    def __init__(
        self,
        runner: PairRunner,
        earlier: Iterable[PairedRuns],
        listener: Listener,
        budget: Budget,
        trials: Sequence[Trial],
    ):
        self.runner, self.listener, self.budget, self.trials = runner, listener, budget, trials
        self.groups = configurations(trials)
        self.pairs = list(earlier)
        self.failures: Counter[tuple[Kind, str]] = Counter()
        self.cut_short = False
        """Whether the budget had no room for a pair."""
        self._alike = {key: keys for keys in self.groups.values() for key in keys}

    def bring_to(self, kind: Kind, wanted: Mapping[str, int], within: bool = True) -> None:
        """Run pairs until every trial has as many as wanted that count, see `have`.

        Args:
            kind: Of which sides.
            wanted: Key of a trial -> pairs; trials that are not named get none.
            within: Stop trials whose pairs the budget has no room for; `cut_short` then says so.

        Raises:
            InterruptedRun: A signal came; finished pairs are kept.
        """
        allowed = {key: 2 * max(0, number - self.have(kind, key)) for key, number in wanted.items()}
        started: Counter[str] = Counter()
        stopped: set[str] = set()
        self.cut_short = False
        while True:
            missing = {
                key: min(number - self.have(kind, key), allowed[key] - started[key])
                for key, number in wanted.items()
                if key not in stopped and not self.given_up(kind, key)
            }
            todo = [trial for trial in self.trials if missing.get(trial.key, 0) > 0]
            if not todo:
                return
            self._announce(kind, todo, missing)
            for trial in todo:
                for _ in range(min(STEP, missing[trial.key])):
                    if self.given_up(kind, trial.key):
                        break
                    if within and not self.fits(trial.key):
                        self.cut_short = True
                        stopped.add(trial.key)
                        break
                    self.run(kind, trial)
                    started[trial.key] += 1

    def fits(self, key: str) -> bool:
        """Whether the budget has room for one more pair of a trial, judging by those that ran."""
        return self.budget.has_room_for(self._pair_s(key))

    def given_up(self, kind: Kind, key: str) -> bool:
        """Whether a trial failed often enough in this run."""
        return self.failures[kind, key] >= MOST_FAILURES

    def run(self, kind: Kind, trial: Trial) -> PairedRuns:
        """Run one more pair of a trial."""
        number = sum(one.kind == kind and one.trial_key == trial.key for one in self.pairs)
        pair = self.runner.run_pair(kind, trial, number, expected(self._pair_s(trial.key) / 2))
        self.pairs.append(pair)
        if not pair.done:
            self.failures[kind, trial.key] += 1
        for reason in pair.disturbed:
            self.listener.say(f"Disturbed: {reason}")
        return pair

    def have(self, kind: Kind, key: str) -> int:
        """Pairs of a trial that count: undisturbed ones, or all where most of its configuration are disturbed."""
        done = [one for one in self.pairs if one.kind == kind and one.done]
        alike = [not one.disturbed for one in done if one.trial_key in self._alike.get(key, [key])]
        own = [not one.disturbed for one in done if one.trial_key == key]
        return sum(own) if 2 * sum(alike) >= len(alike) else len(own)

    def count(self, kind: Kind) -> int:
        """All pairs of a kind."""
        return sum(one.kind == kind for one in self.pairs)

    def _announce(self, kind: Kind, todo: Sequence[Trial], missing: Mapping[str, int]) -> None:
        upcoming: list[PlannedTrial] = []
        for trial in todo:
            for name in ("baseline", "baseline" if kind == "aa" else "candidate"):
                planned = self.runner.planned(name, trial, expected(self._pair_s(trial.key) / 2))
                upcoming += [planned] * min(STEP, missing[trial.key])
        self.listener.plan(upcoming, self.runner.places, at_once=1)

    def _pair_s(self, key: str) -> float:
        """What a pair of a trial takes, judging by those that ran; 0 while none has."""
        known = [one.seconds for one in self.pairs if one.trial_key == key and one.seconds]
        return statistics.median(known) if known else 0.0


def expected(seconds: float) -> Prediction | None:
    """How long a run will take; None where that is not known."""
    return Prediction(seconds, "its earlier runs") if seconds else None


def _more_pairs_help(trial: TrialVerdict) -> bool:
    """Whether more pairs can make a trial clear.

    Times can always become clear. Learning can if every pair trained its own networks: deterministic pairs of
    the same seed are one training.
    """
    if trial.speed is Speed.INCONCLUSIVE:
        return True
    return bool(trial.differences) and len(trial.differences[0].pairs) == trial.pairs
