"""To whom the next pair goes, and when enough have run."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from comparison_equipment import noisy, trial, trial_pairs
from regress_equipment import Listener, Runner, a_pair

from bench.compare.judging import judge
from bench.compare.matching import group
from bench.compare.speed import Standing
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import DifferenceVerdict, Learning, Memory, Speed, Status, TrialVerdict, Verdict
from bench.regress import stopping
from bench.regress.schedule import Budget, PairSchedule
from bench.regress.stopping import Contender, after_look, chosen, next_look, next_trial
from bench.trials.trial import Trial


@pytest.mark.parametrize(
    ("seen", "seconds", "helped"),
    [
        (-1, None, True),
        (6, None, False),  # nothing ran since the last look
        (-1, 1.0, False),  # the budget has no room
    ],
)
def test_looking_goes_on_while_pairs_can_run_and_help(seen: int, seconds: float | None, helped: bool):
    of = trial()
    trials = group(trial_pairs(of, noisy(10, 6, 0, 0.2), noisy(10, 6, 1, 0.2)).pairs)
    ran = [a_pair(trial_key=of.key, number=number) for number in range(6)]
    runner = Runner()
    schedule = PairSchedule(runner, ran, Listener(), Budget(seconds, runner.clock), [of])
    after = after_look(judge(trials), schedule, seen)
    assert bool(after.helped) is helped
    assert schedule.cut_short == (seconds is not None)


def dealt(sides: dict[Trial, tuple[list[float], list[float]]], runner: Runner, **schedule) -> Trial | None:
    """Who gets the next pair, where these times were measured."""
    trials = list(sides)
    pairs = [trial_pairs(of, *times) for of, times in sides.items()]
    ran = [a_pair(trial_key=of.key, number=n) for of, (old, _) in sides.items() for n in range(len(old))]
    made = PairSchedule(runner, ran, Listener(), Budget(schedule.get("seconds"), runner.clock), trials)
    every = dict.fromkeys((one.key for one in map(configuration, trials)), False)
    found = [trial_pairs_of(of, one) for of, one in zip(trials, pairs, strict=True)]
    suspects_only = schedule.get("suspects_only", False)
    return next_trial(found, schedule.get("helped", every), made, Thresholds(), suspects_only)


@dataclass(frozen=True)
class Keyed:
    key: str


def configuration(of: Trial) -> Keyed:
    return Keyed(of.settings.configuration_key)


def trial_pairs_of(of: Trial, pairs):
    return replace(pairs, key=configuration(of).key)


QUIET, NOISY, SLOW = (trial(epochs=epochs) for epochs in (2, 3, 4))


def test_the_next_pair_goes_to_a_suspected_regression():
    sides = {
        QUIET: (noisy(10, 4, 0), noisy(10, 4, 1)),
        SLOW: (noisy(10, 4, 2), noisy(11, 4, 3)),
        NOISY: (noisy(10, 4, 4, 0.3), noisy(10, 4, 5, 0.3)),
    }
    assert dealt(sides, Runner()) is SLOW


def test_of_equal_suspicions_the_larger_change_gets_it():
    sides = {of: ([10.0], [seconds]) for of, seconds in ((QUIET, 10.1), (SLOW, 11.0), (NOISY, 10.3))}
    assert dealt(sides, Runner()) is SLOW
    assert dealt(sides, Runner(), suspects_only=True) is SLOW
    faster = {of: ([10.0], [9.0]) for of in sides}
    assert dealt(faster, Runner(), suspects_only=True) is None and dealt(faster, Runner()) is not None


def test_then_to_what_is_nearest_to_a_verdict():
    sides = {
        QUIET: (noisy(10, 5, 0, 0.003), noisy(10.01, 5, 0, 0.003)),
        NOISY: ([10.0, 10.0, 10.0, 10.0], [12.0, 8.0, 8.1, 11.0]),
    }
    assert dealt(sides, Runner()) is QUIET


def test_what_is_decided_gets_no_more_pairs():
    decided = (noisy(10, 12, 0, 0.003), noisy(10, 12, 1, 0.003))
    sides = {QUIET: decided, NOISY: ([10.0, 10.0], [12.0, 8.0])}
    assert dealt(sides, Runner()) is NOISY
    assert dealt({QUIET: decided}, Runner()) is None
    learning = {configuration(QUIET).key: True}
    assert dealt({QUIET: decided}, Runner(), helped=learning) is QUIET, "more trainings are wanted"


def test_a_regression_that_is_shown_ends_the_dealing():
    sides = {SLOW: (noisy(10, 12, 0), noisy(12, 12, 1)), NOISY: ([10.0, 10.0], [12.0, 8.0])}
    assert dealt(sides, Runner()) is None


def test_a_pair_that_does_not_fit_goes_to_nobody():
    sides = {NOISY: ([10.0, 10.0], [12.0, 8.0])}
    assert dealt(sides, Runner(), seconds=1000.0) is NOISY
    assert dealt(sides, Runner(), seconds=10.0) is None, "a pair takes 20 s"


def standing(worse: float = 1.0, same: float = 1.0, change: float = 0.0) -> Standing:
    """With bars of 100, 400 and 20."""
    found = (np.array([one]) for one in (worse, 1.0, same))
    return Standing(*found, {}, np.array([change]), 100.0, 400.0, 20.0)


def contender(speed: Standing | None, memory: Standing | None = None, learning: bool = False) -> Contender:
    return Contender("key", speed, memory, learning)


@pytest.mark.parametrize(
    ("found", "open_", "suspected", "change", "nearness"),
    [
        (contender(standing()), True, 0, 0.0, 0.0),
        (contender(standing(worse=1.1, change=0.3)), True, 1, 0.15, np.log(1.1) / np.log(100)),
        (contender(standing(worse=1.09, change=0.3)), True, 0, 0.0, np.log(1.09) / np.log(100)),
        (contender(standing(worse=100.0, change=0.3)), False, 0, 0.0, 0.0),
        (contender(standing(worse=2.0, same=20.0, change=0.3)), False, 0, 0.0, 0.0),
        (contender(standing(same=20.0), standing(worse=10.0, change=0.4)), True, 1, 0.2, 0.5),
        (contender(standing(worse=10.0, change=0.1), standing(worse=2.0, change=0.4)), True, 2, 0.2, 0.5),
        (contender(standing(same=20.0), None), False, 0, 0.0, 0.0),
        (contender(standing(same=20.0), None, True), True, 0, 0.0, 0.0),
        (contender(None, None), False, 0, 0.0, 0.0),
        (contender(None, None, True), True, 0, 0.0, 0.0),
        (contender(standing(worse=1.5, change=-0.2)), True, 1, -0.1, np.log(1.5) / np.log(100)),
    ],
)
def test_what_may_still_be_decided_of_a_trial(found, open_, suspected, change, nearness):
    assert (found.open, len(found.suspected)) == (open_, suspected)
    assert (found.change, found.nearness) == pytest.approx((change, nearness))


def test_who_is_chosen():
    decided, near = contender(standing(same=20.0)), contender(standing(same=10.0))
    little, much = (contender(standing(worse=5.0 - change, change=change)) for change in (0.1, 0.4))
    assert chosen([]) is None and chosen([decided]) is None
    assert chosen([decided, contender(standing()), near]) is near
    assert chosen([near, little, much]) is much and chosen([near, much, little]) is much


def judged_as(**changes) -> TrialVerdict:
    learned = DifferenceVerdict(
        "accuracy", Learning.INCONCLUSIVE, 0.9, 0.9, 0.0, None, None, None, (0.0,) * 8
    )
    usual = TrialVerdict("k", "a", Status.JUDGED, Speed.SAME, Memory.SAME, Learning.SAME, pairs=8)
    return replace(usual, differences=(learned,), **changes)


@pytest.mark.parametrize(
    ("trials", "helped", "why"),
    [
        ([judged_as()], {}, "every trial is clear"),
        ([judged_as(speed=Speed.INCONCLUSIVE, regression=True)], {}, "a regression is shown"),
        ([judged_as(speed=Speed.INCONCLUSIVE)], {"k": False}, "1 trials are inconclusive"),
        ([judged_as(memory=Memory.INCONCLUSIVE)], {"k": False}, "1 trials are inconclusive"),
        ([judged_as(learning=Learning.INCONCLUSIVE)], {"k": True}, "1 trials are inconclusive"),
        ([judged_as(learning=Learning.INCONCLUSIVE, pairs=9)], {}, "learning of 1 trials stays inconclusive"),
        (
            [judged_as(learning=Learning.INCONCLUSIVE, speed=Speed.INCONCLUSIVE, pairs=9)],
            {"k": False},
            "1 trials",
        ),
        ([judged_as(speed=Speed.INCONCLUSIVE, status=Status.FAILED)], {}, "every trial is clear"),
        (
            [
                judged_as(speed=Speed.INCONCLUSIVE),
                judged_as(key="l", learning=Learning.INCONCLUSIVE, pairs=9),
            ],
            {"k": False},
            "2 trials are inconclusive",
        ),
    ],
)
def test_what_more_pairs_can_make_clear(trials, helped, why):
    found = next_look(Verdict("old", "new", tuple(trials)))
    assert found.helped == helped and found.why.startswith(why)


@pytest.mark.parametrize("dimension", ["speed", "memory"])
@pytest.mark.parametrize(("worst", "found"), [(4.999, "trial of k"), (5.0, None), (5.001, None)])
def test_evidence_that_reaches_the_bar_is_judged_before_another_pair(monkeypatch, dimension, worst, found):
    reached = SimpleNamespace(worst=worst, bar=5.0)
    monkeypatch.setattr(stopping, "metric_values", lambda trial: "values")
    monkeypatch.setattr(stopping, "standing", lambda own, of, *given: reached if of == dimension else None)
    monkeypatch.setattr(stopping, "chosen", lambda contenders: contenders[0])
    schedule = SimpleNamespace(next_of=lambda key: f"trial of {key}")
    trials = [SimpleNamespace(key="k", pairs=("a pair",))]
    assert stopping.next_trial(trials, {"k": False}, schedule, Thresholds()) == found
