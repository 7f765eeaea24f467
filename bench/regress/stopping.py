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

from bench.compare.betting import detectable, pairs_needed
from bench.compare.compare import metric_values
from bench.compare.measurement import TrialPairs
from bench.compare.metrics import METRICS
from bench.compare.speed import MetricValues, Standing, standing
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Learning, Memory, Speed, Status, TrialVerdict, Verdict
from bench.devices.device import Slot
from bench.plan.decide import PlannedTrial, Prediction
from bench.regress.pairs import Kind, PairedRuns, PairRunner
from bench.trials.trial import Trial

NOISE_PAIRS = 8
"""Pairs of A against A, over all trials; at least two of each. They show the noise and plan the pairs; a verdict
does not need them."""

NOISE_SHARE = 1 / 6
"""Of the budget that A against A may take."""

FIRST_PAIRS = 1
"""Pairs that each configuration gets whatever the budget."""

SUSPECTED = 1.4
"""Evidence from which on a trial is suspected of a regression, and gets the next pair before all others. A single
pair can suffice: it is cheap to find out."""

PRIOR = 4.0
"""Pairs of A against A that the noise of all trials is worth to one of them."""

STEP = 2
"""Pairs of a trial that run one after the other, so that each side runs first equally often."""

MOST_FAILURES = 1
"""Failed pairs of a trial within a run, after which it is not tried again; each attempt was retried before."""

MOST = 200
"""More pairs of a trial are never asked for: so much noise must be removed, not averaged."""

GROWTH = 1.5
"""By this factor all pairs together grow until learning is looked at again. Times are looked at after each pair."""

CAUTION = 0.2
"""Pairs are planned for a noise that the true one exceeds with this probability."""

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


@dataclass(frozen=True)
class Next:
    """What to do after a look at the verdict."""

    clear: bool
    """Whether the verdict stands."""
    helped: Mapping[str, bool]
    """Key of a configuration that more pairs can make clear -> whether its learning is open; empty to stop."""
    why: str
    """One clause."""


@dataclass(frozen=True)
class Contender:
    """A configuration that the next pair may go to."""

    key: str
    speed: Standing | None
    memory: Standing | None
    learning_open: bool
    """Whether it needs more trainings."""

    @property
    def _known(self) -> list[Standing]:
        return [one for one in (self.speed, self.memory) if one is not None]

    @property
    def open(self) -> bool:
        """Whether more pairs may decide something."""
        return self.learning_open or not all(one.decided for one in self._known)

    @property
    def suspicion(self) -> float:
        """How near the evidence for a regression is to its bar by now; 0 where none is suspected."""
        return max(
            (
                math.log(one.suspicion) / math.log(one.bar)
                for one in self._known
                if not one.decided and one.suspicion >= SUSPECTED
            ),
            default=0.0,
        )

    @property
    def change(self) -> float:
        """The largest mean change for the worse."""
        return max((one.change for one in self._known), default=0.0)

    @property
    def nearness(self) -> float:
        """How near any of its open questions is to an answer."""
        return max((one.nearness for one in self._known if not one.decided), default=0.0)


def chosen(contenders: Sequence[Contender]) -> Contender | None:
    """The configuration that gets the next pair; None where nothing is open.

    Suspected regressions come first, because one of them decides the exit code: the one with most evidence, and of
    equals the one that changed most. Then what is nearest to a verdict, whichever that is.
    """
    able = [one for one in contenders if one.open]
    suspects = [one for one in able if one.suspicion]
    if suspects:
        return max(suspects, key=lambda one: (round(one.suspicion, 6), one.change))
    return max(able, key=lambda one: one.nearness) if able else None


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
    """The same as `plan_pairs`, from plain values.

    The noisiest trial counts. As if one metric alone showed the change, its evidence must reach the bar of the
    mean over all metrics.
    """
    known = {name for values in noise.values() for name in values}
    shown = {name: spread for name in METRICS if name in known and (spread := _spread(name, noise, 1.0))}
    timed = sum(METRICS[name].dimension == "speed" for name in shown)
    bar, shares = thresholds.bar("speed", trials), step_shares(noise)
    needed = {
        name: pairs_needed(
            round(spread, 4), thresholds.effect * shares[name], timed * bar, thresholds.power, MOST
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
    if not squares:
        return 0.0
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


def next_look(verdict: Verdict) -> Next:
    """Whether a verdict is clear, and if not, what more pairs can make clear.

    Args:
        verdict: Of this look.
    """
    if verdict.regressions:
        return Next(True, {}, "a regression is shown")
    unclear = {one.key: one for one in verdict.trials if one.status is Status.JUDGED and one.inconclusive}
    if not unclear:
        return Next(True, {}, "every trial is clear")
    helped = {
        key: one.learning is Learning.INCONCLUSIVE and _trains_anew(one)
        for key, one in unclear.items()
        if _more_pairs_help(one)
    }
    if not helped:
        return Next(
            False,
            {},
            f"learning of {len(unclear)} trials stays inconclusive, because more pairs of the same seeds are the "
            "same training: give [suite] more seeds, or more test images",
        )
    return Next(False, helped, f"{len(unclear)} trials are inconclusive")


def after_look(verdict: Verdict, schedule: "PairSchedule", seen: int) -> Next:
    """As `next_look`, within the budget and what can still run.

    Args:
        verdict: Of this look.
        schedule: What ran.
        seen: Pairs of baseline and candidate at the look before this one.
    """
    after = next_look(verdict)
    able = {key: learning for key, learning in after.helped.items() if schedule.next_of(key) is not None}
    if after.clear or schedule.count("ab") == seen:
        return replace(after, helped={})
    return replace(after, helped=able)


def next_trial(
    trials: Sequence[TrialPairs],
    helped: Mapping[str, bool],
    schedule: "PairSchedule",
    thresholds: Thresholds,
    suspects_only: bool = False,
) -> Trial | None:
    """The trial that gets the next pair; None where it is time to judge again.

    Args:
        trials: All configurations, with their pairs so far.
        helped: See `Next.helped`.
        schedule: What ran.
        thresholds: What they will be judged by.
        suspects_only: Only a suspected regression gets one.
    """
    values = {trial.key: metric_values(trial) for trial in trials if trial.pairs}
    contenders = [
        Contender(
            key,
            standing(own, "speed", thresholds, len(values)),
            standing(own, "memory", thresholds, len(values)),
            helped.get(key, False),
        )
        for key, own in values.items()
    ]
    if any(one.worst >= one.bar for each in contenders for one in (each.speed, each.memory) if one):
        return None
    able = {
        one.key: trial for one in contenders if one.key in helped and (trial := schedule.next_of(one.key))
    }
    found = chosen([one for one in contenders if one.key in able])
    return None if found is None or (suspects_only and not found.suspicion) else able[found.key]


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

    def next_of(self, configuration: str) -> Trial | None:
        """The trial of a configuration that its next pair is of: the one with the fewest pairs.

        None where none can run: it failed, it has `MOST` pairs, or the budget has no room.
        """
        keys = self.groups.get(configuration, ())
        if sum(self.have("ab", key) for key in keys) >= MOST:
            return None
        able = [trial for trial in self.trials if trial.key in keys and not self.given_up("ab", trial.key)]
        fitting = [trial for trial in able if self.fits(trial.key)]
        self.cut_short = self.cut_short or len(fitting) < len(able)
        return min(fitting, key=lambda trial: self.have("ab", trial.key)) if fitting else None

    def run_next(self, trial: Trial) -> None:
        """Run one more pair of baseline and candidate, and announce it."""
        self._announce("ab", [trial], {trial.key: 1})
        self.run("ab", trial)

    def measure_noise(self, wanted: Mapping[str, int]) -> None:
        """Run A against A, one pair of each trial after the other, within `NOISE_SHARE` of the budget.

        Args:
            wanted: Key of a trial -> pairs, as far as there is room.
        """
        for number in range(1, max(wanted.values(), default=0) + 1):
            for key, most in wanted.items():
                if number <= most and self._noise_fits(key):
                    self.bring_to("aa", {key: number})
        self.cut_short = False

    def _noise_fits(self, key: str) -> bool:
        if self.budget.seconds is None:
            return True
        spent = sum(one.seconds for one in self.pairs if one.kind == "aa")
        return spent + self._pair_s(key) <= NOISE_SHARE * self.budget.seconds

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

    Times and memory can always become clear. Learning can if every pair trained its own networks.
    """
    return trial.speed is Speed.INCONCLUSIVE or trial.memory is Memory.INCONCLUSIVE or _trains_anew(trial)


def _trains_anew(trial: TrialVerdict) -> bool:
    """Whether every pair trained its own networks: deterministic pairs of the same seed are one training."""
    return bool(trial.differences) and len(trial.differences[0].pairs) == trial.pairs
