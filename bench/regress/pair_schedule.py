"""The course of a comparison: which pair runs next, and when enough have run."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.devices.device import Slot
from bench.plan.decide import PlannedTrial, Prediction
from bench.regress.evidence import configurations
from bench.regress.execute import PairRunner
from bench.regress.pairs import Kind, PairedRuns
from bench.trials.trial import Trial

STEP = 2
"""Pairs of a trial that run one after the other, so that each side goes first equally often."""

MOST_FAILURES = 1
"""Failed pairs of a trial within a run, after which it is left alone; each attempt was retried before."""


class Listener(Protocol):
    """Is told what will run."""

    say: Callable[[str], None]

    def plan(self, planned: list[PlannedTrial], slots: Sequence[Slot], at_once: int | None = None) -> None:
        """What will run next, where, and how many at a time."""


@dataclass
class Budget:
    """Time that may be spent.

    Attributes:
        seconds: How much; None: any.
        clock: Seconds.
    """

    seconds: float | None
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def left_for(self, seconds: float) -> bool:
        """Whether something that takes so long still fits."""
        return self.seconds is None or self.clock() - self._began + seconds <= self.seconds


class Course:
    """Runs pairs of trials in turn, two of each at a time.

    A pair beside which something went on is run again, at most as often as pairs were wanted. Where most of a
    configuration's pairs are disturbed the machine is like that, and they are taken as they are. All are kept
    and counted. A trial whose next pair does not fit into the budget is left; the others go on.

    Args:
        runner: Runs them.
        earlier: Pairs of these sides that are there already.
        listener: Is told how it goes.
        budget: Of time, for what comes after each trial's first pairs.
        trials: All trials, whose seeds and splits make configurations.
    """

    def __init__(
        self,
        runner: PairRunner,
        earlier: Iterable[PairedRuns],
        listener: Listener,
        budget: Budget,
        trials: Iterable[Trial],
    ):
        self.runner, self.listener, self.budget = runner, listener, budget
        self.pairs = list(earlier)
        self.failures: Counter[tuple[Kind, str]] = Counter()
        self.cut_short = False
        self._alike = {key: keys for keys in configurations(trials).values() for key in keys}

    def bring_to(
        self, kind: Kind, wanted: dict[str, int], trials: Sequence[Trial], within: bool = True
    ) -> None:
        """Run pairs until every trial has as many as wanted that count (`have`).

        Args:
            kind: Of which sides.
            wanted: Key of a trial -> pairs; trials that are not named get none.
            trials: All trials.
            within: Leave trials whose pairs the budget has no room for; `cut_short` then says so.

        Raises:
            InterruptedRun: A signal came; finished pairs are kept.
        """
        allowed = {key: 2 * max(0, number - self.have(kind, key)) for key, number in wanted.items()}
        started: Counter[str] = Counter()
        self.cut_short = False
        left: set[str] = set()
        while True:
            missing = {
                trial.key: min(
                    wanted.get(trial.key, 0) - self.have(kind, trial.key),
                    allowed.get(trial.key, 0) - started[trial.key],
                )
                for trial in trials
            }
            todo = [
                trial
                for trial in trials
                if missing[trial.key] > 0 and trial.key not in left and not self.given_up(kind, trial.key)
            ]
            if not todo:
                return
            self._announce(kind, todo, missing)
            for trial in todo:
                for _ in range(min(STEP, missing[trial.key])):
                    if self.given_up(kind, trial.key):
                        break
                    if within and not self.fits(trial.key):
                        self.cut_short = True
                        left.add(trial.key)
                        break
                    self.run(kind, trial)
                    started[trial.key] += 1

    def fits(self, key: str) -> bool:
        """Whether the budget has room for one more pair of a trial, by those that ran."""
        return self.budget.left_for(self._pair_s(key))

    def given_up(self, kind: Kind, key: str) -> bool:
        """Whether a trial failed often enough in this run."""
        return self.failures[kind, key] >= MOST_FAILURES

    def run(self, kind: Kind, trial: Trial) -> PairedRuns:
        """Run one more pair of a trial."""
        number = sum(one.kind == kind and one.trial_key == trial.key for one in self.pairs)
        pair = self.runner.run_pair(kind, trial, number, self._expected(trial.key))
        self.pairs.append(pair)
        if pair.status != "done":
            self.failures[kind, trial.key] += 1
        for reason in pair.disturbed:
            self.listener.say(f"Disturbed: {reason}")
        return pair

    def have(self, kind: Kind, key: str) -> int:
        """Pairs of a trial that count: the calm ones, or all where most of its configuration are disturbed."""
        done = [one for one in self.pairs if (one.kind, one.status) == (kind, "done")]
        alike = [not one.disturbed for one in done if one.trial_key in self._alike.get(key, [key])]
        own = [not one.disturbed for one in done if one.trial_key == key]
        return sum(own) if 2 * sum(alike) >= len(alike) else len(own)

    def _announce(self, kind: Kind, todo: Sequence[Trial], missing: dict[str, int]) -> None:
        upcoming: list[PlannedTrial] = []
        for trial in todo:
            for name in ("baseline", "baseline" if kind == "aa" else "candidate"):
                planned = self.runner.planned(name, trial, self._expected(trial.key))
                upcoming += [planned] * min(STEP, missing[trial.key])
        self.listener.plan(upcoming, self.runner.places, at_once=1)

    def _expected(self, key: str) -> Prediction | None:
        seconds = self._pair_s(key) / 2
        return Prediction(seconds, "its earlier runs") if seconds else None

    def _pair_s(self, key: str) -> float:
        """What a pair of a trial takes, by those that ran; 0 while none has."""
        known = [one.seconds for one in self.pairs if one.trial_key == key and one.seconds]
        return statistics.median(known) if known else 0.0
