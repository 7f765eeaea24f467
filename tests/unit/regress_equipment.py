"""A comparison without processes: trials that take no time, and what became of them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from equipment.results import records

from bench.plan.decide import PlannedTrial
from bench.regress.pairs import PairedRuns, Run, first_side
from bench.trials.trial import Trial

SIDES = ("old", "new")


def a_trial(seed: int = 0) -> Trial:
    return records.a_trial("LeNet5", epochs=1, seed=seed)


def a_pair(
    kind="ab", trial_key="key", number=0, status="done", disturbed=(), sides=SIDES, seconds=20.0
) -> PairedRuns:
    sides = (sides[0], sides[0]) if kind == "aa" else sides
    other = "baseline" if kind == "aa" else "candidate"
    runs = Run("baseline", "trial", 2 * number + 1), Run(other, "trial", 2 * number + 2)
    return PairedRuns(kind, trial_key, sides, first_side(number), *runs, seconds, status, tuple(disturbed))


@dataclass
class Runner:
    """Stands in for `bench.regress.pair_runner.PairRunner`; `outcome` says what becomes of a pair."""

    outcome: Callable[[Trial, int], dict] = lambda trial, number: {}
    ran: list[tuple[str, int, int]] = field(default_factory=list)
    now: float = 0.0
    places: list = field(default_factory=list)
    seconds: list[float | None] = field(default_factory=list)
    """Expected of a run of each pair."""
    announced: list[str] = field(default_factory=list)
    """Sides of the runs that were planned."""

    def run_pair(self, kind, trial, number, expected=None) -> PairedRuns:
        self.seconds.append(expected and expected.seconds)
        self.ran.append((kind, trial.settings.seed, number))
        self.now += 20.0
        return a_pair(kind, trial.key, number, **self.outcome(trial, number))

    def planned(self, name, trial, expected) -> PlannedTrial:
        self.announced.append(name)
        return PlannedTrial(trial, "again", "", True, expected)

    def clock(self) -> float:
        return self.now


@dataclass
class Listener:
    said: list[str] = field(default_factory=list)
    plans: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """Predicted, of each run of the last plan."""

    def say(self, message: str) -> None:
        self.said.append(message)

    def plan(self, planned, slots, at_once=None) -> None:
        assert at_once == 1, "sides take turns"
        self.plans.append(len(planned))
        self.seconds = [one.seconds for one in planned]


SEEDS = [a_trial(seed) for seed in (0, 1, 2)]
TRIALS = SEEDS[:2]
