"""Runs pairs as they are dealt, within a budget of time, and counts those that are there."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.devices.device import Slot
from bench.plan.decide import PlannedTrial, Prediction
from bench.regress.pair_runner import PairRunner
from bench.regress.pairs import Kind, PairedRuns
from bench.regress.planning import MOST, configurations
from bench.trials.trial import Trial

NOISE_SHARE = 1 / 6
"""Of the budget that A against A may take."""

STEP = 2
"""Pairs of a trial that run one after the other, so that each side runs first equally often."""

MOST_FAILURES = 1
"""Failed pairs of a trial within a run, after which it is not tried again; each attempt was retried before."""


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
