"""Which pair runs next, and when enough have run."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from comparison_equipment import noisy, trial, trial_pairs
from equipment.results.records import a_record
from regress_equipment import Listener, Runner, a_pair, a_trial

from bench.compare.judging import judge
from bench.compare.matching import configuration_of, group
from bench.compare.measurement import Measurement
from bench.compare.speed import Standing
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import DifferenceVerdict, Learning, Memory, Speed, Status, TrialVerdict, Verdict
from bench.regress import schedule
from bench.regress.planning import configurations, runs_wanted, shared_out
from bench.regress.schedule import Budget, PairSchedule
from bench.regress.stopping import Contender, after_look, chosen, next_look, next_trial
from bench.trials.trial import Trial

SEEDS = [a_trial(seed) for seed in (0, 1, 2)]
TRIALS = SEEDS[:2]


def a_schedule(runner: Runner, earlier=(), seconds: float | None = None) -> PairSchedule:
    return PairSchedule(runner, earlier, Listener(), Budget(seconds, runner.clock), TRIALS)


def wanted(number: int) -> dict[str, int]:
    return {trial.key: number for trial in TRIALS}


def test_each_trial_gets_two_pairs_in_turn():
    runner = Runner()
    a_schedule(runner).bring_to("ab", wanted(4))
    assert [(seed, number) for _, seed, number in runner.ran] == [
        (0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3),
    ]  # fmt: skip


def test_it_goes_on_where_it_stopped():
    runner = Runner()
    earlier = [a_pair(trial_key=TRIALS[0].key, number=number) for number in range(3)]
    a_schedule(runner, earlier).bring_to("ab", wanted(4))
    assert [(seed, number) for _, seed, number in runner.ran] == [(0, 3), (1, 0), (1, 1), (1, 2), (1, 3)]


def test_a_run_is_expected_to_take_half_of_the_median_pair():
    runner, told = Runner(), []
    runner.run_pair = lambda kind, trial, number, expected=None: (
        told.append(expected) or a_pair(trial_key=trial.key)
    )
    earlier = [
        a_pair(trial_key=TRIALS[0].key, number=number, seconds=one) for number, one in enumerate((5, 7, 99))
    ]
    schedule = a_schedule(runner, earlier)
    for one in TRIALS:
        schedule.run("ab", one)
    assert [one and one.seconds for one in told] == [3.5, None]


def test_enough_is_enough():
    runner = Runner()
    earlier = [a_pair(trial_key=trial.key, number=number) for trial in TRIALS for number in range(3)]
    a_schedule(runner, earlier).bring_to("ab", wanted(2))
    assert runner.ran == []


def test_pairs_of_a_with_a_do_not_count_for_a_with_b():
    runner = Runner()
    earlier = [a_pair("aa", trial.key, number) for trial in TRIALS for number in range(2)]
    a_schedule(runner, earlier).bring_to("ab", wanted(2))
    assert len(runner.ran) == 4


def test_a_disturbed_pair_is_run_again_and_kept():
    runner = Runner(lambda trial, number: {"disturbed": ("noise",)} if number == 1 else {})
    schedule = a_schedule(runner)
    schedule.bring_to("ab", {TRIALS[0].key: 2})
    assert [number for _, _, number in runner.ran] == [0, 1, 2]
    assert sum(bool(pair.disturbed) for pair in schedule.pairs) == 1
    assert schedule.listener.said == ["Disturbed: noise"]


def test_on_a_machine_that_is_always_disturbed_pairs_are_taken_as_they_are():
    runner = Runner(lambda trial, number: {"disturbed": ("noise",)})
    a_schedule(runner).bring_to("ab", {TRIALS[0].key: 3})
    assert len(runner.ran) == 3


def test_on_a_machine_that_is_often_disturbed_it_comes_to_an_end():
    runner = Runner(lambda trial, number: {"disturbed": ("noise",)} if number % 2 else {})
    a_schedule(runner).bring_to("ab", {TRIALS[0].key: 8})
    assert 8 < len(runner.ran) <= 16, "at most twice as many as were wanted"


def test_a_seed_that_is_always_disturbed_runs_at_most_twice_as_often_as_wanted():
    runner = Runner(lambda trial, number: {"disturbed": ("noise",)} if trial is SEEDS[0] else {})
    schedule = PairSchedule(runner, (), Listener(), Budget(None, runner.clock), SEEDS)
    schedule.bring_to("ab", {trial.key: 4 for trial in SEEDS})
    assert [seed for _, seed, _ in runner.ran].count(0) == 8


def test_a_trial_that_fails_is_left_alone_and_the_others_go_on():
    runner = Runner(lambda trial, number: {"status": "failed"} if trial is TRIALS[0] else {})
    a_schedule(runner).bring_to("ab", wanted(4))
    assert [seed for _, seed, _ in runner.ran] == [0, 1, 1, 1, 1]


def test_what_failed_in_an_earlier_run_is_tried_again():
    runner = Runner()
    earlier = [a_pair(trial_key=TRIALS[0].key, status="failed")]
    a_schedule(runner, earlier).bring_to("ab", {TRIALS[0].key: 1})
    assert len(runner.ran) == 1


def test_it_stops_before_a_pair_that_would_pass_the_budget():
    runner = Runner()
    schedule = a_schedule(runner, seconds=70.0)
    schedule.bring_to("ab", wanted(4))
    assert len(runner.ran) == 3 and schedule.cut_short, "pairs take 20 s each"


def test_first_pairs_run_whatever_the_budget():
    runner = Runner()
    schedule = a_schedule(runner, seconds=1.0)
    schedule.bring_to("ab", wanted(2), within=False)
    assert len(runner.ran) == 4 and not schedule.cut_short


def test_it_announces_what_will_run():
    runner = Runner()
    schedule = a_schedule(runner)
    schedule.bring_to("ab", wanted(2))
    assert schedule.listener.plans == [8], "two trials, two pairs, two sides"


def test_whether_most_are_disturbed_is_asked_of_all_seeds():
    runner = Runner(
        lambda trial, number: {"disturbed": ("noise",)} if trial is TRIALS[0] and number < 2 else {}
    )
    a_schedule(runner).bring_to("ab", wanted(2))
    assert [seed for _, seed, _ in runner.ran] == [0, 0, 1, 1, 0, 0], "the disturbed ones are run again"


def test_a_trial_that_the_budget_has_no_room_for_does_not_keep_the_others():
    runner = Runner()
    long = [a_pair(trial_key=TRIALS[0].key, seconds=1000.0)]
    schedule = a_schedule(runner, long, seconds=100.0)
    schedule.bring_to("ab", wanted(4))
    assert [seed for _, seed, _ in runner.ran] == [1, 1, 1, 1]
    assert schedule.cut_short and not schedule.fits(TRIALS[0].key) and schedule.fits(TRIALS[1].key)


def test_noise_that_was_cut_short_does_not_cut_the_comparison_short():
    there = [a_pair(trial_key=trial.key, number=number) for trial in TRIALS for number in range(2)]
    schedule = a_schedule(Runner(), there, seconds=1.0)
    schedule.bring_to("aa", wanted(2))
    assert schedule.cut_short
    schedule.bring_to("ab", wanted(2))
    assert not schedule.cut_short


def test_seeds_are_one_configuration_as_the_verdict_has_it():
    (found,) = configurations(SEEDS).items()
    assert found[1] == [trial.key for trial in SEEDS]
    assert found[0] == configuration_of(Measurement(a_record(SEEDS[1])))


def test_seeds_share_the_pairs_of_their_configuration():
    groups = configurations(SEEDS)
    (key,) = groups
    assert list(shared_out({key: 7}, groups).values()) == [3, 2, 2]
    assert list(shared_out({key: 2}, groups).values()) == [1, 1, 0]


@pytest.mark.parametrize(
    ("runs", "pairs", "number"),
    [
        ((2, 1), None, [2, 1]),
        ((5, 5), 4, [2, 2]),
        ((1, 1), 8, [1, 1]),
        ((3, 0), None, [3, 1]),
        ((4, 4), 1, [1, 1]),
    ],
)
def test_the_candidate_runs_as_often_as_it_finds_partners(runs, pairs, number):
    there = {of.key: number for of, number in zip(TRIALS, runs, strict=True)}
    assert list(runs_wanted(TRIALS, there, pairs).values()) == number


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


def test_seeds_get_their_pairs_in_turn():
    runner = Runner()
    schedule = a_schedule(runner, [a_pair(trial_key=TRIALS[0].key, number=0)])
    (key,) = schedule.groups
    for _ in range(3):
        schedule.run_next(schedule.next_of(key))
    assert [(seed, number) for _, seed, number in runner.ran] == [(1, 0), (0, 1), (1, 1)]
    assert schedule.listener.plans == [2, 2, 2]


def test_noise_takes_at_most_a_sixth_of_the_budget():
    runner = Runner()
    there = [a_pair(trial_key=of.key, number=0) for of in TRIALS]  # of 20 s each
    schedule = a_schedule(runner, there, seconds=400.0)
    schedule.measure_noise(wanted(4))
    assert [(kind, seed) for kind, seed, _ in runner.ran] == [("aa", 0), ("aa", 1), ("aa", 0)]
    assert not schedule.cut_short
    schedule.measure_noise(wanted(4))
    assert len(runner.ran) == 3, "what ran before counts"
    free = Runner()
    a_schedule(free, there).measure_noise(wanted(4))
    assert len(free.ran) == 8


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


@pytest.mark.parametrize(
    ("passed", "takes", "room"), [(0, 70, True), (0, 70.1, False), (50, 20, True), (50, 21, False)]
)
def test_a_budget_may_be_spent_to_the_last_second(passed: float, takes: float, room: bool):
    now = [1000.0]
    budget = Budget(70.0, lambda: now[0])
    now[0] += passed
    assert budget.has_room_for(takes) is room and Budget(None, lambda: now[0]).has_room_for(1e9)


@pytest.mark.parametrize(("disturbed", "counts"), [("", 4), ("d", 3), ("dd", 2), ("ddd", 4), ("dddd", 4)])
def test_disturbed_pairs_count_where_most_are_disturbed(disturbed: str, counts: int):
    key, sides = TRIALS[0].key, 4 * "."
    marks = [("noise",) if mark == "d" else () for mark in disturbed + sides[len(disturbed) :]]
    there = [a_pair(trial_key=key, number=number, disturbed=mark) for number, mark in enumerate(marks)]
    there += [a_pair(trial_key=key, number=9, status="failed"), a_pair("aa", key, 10)]
    assert a_schedule(Runner(), there).have("ab", key) == counts


def test_a_configuration_gets_no_more_than_the_most_pairs(monkeypatch):
    monkeypatch.setattr(schedule, "MOST", 3)
    runner = Runner()
    there = [a_pair(trial_key=one.key, number=0) for one in TRIALS]
    made = a_schedule(runner, there)
    (key,) = made.groups
    assert made.next_of(key) is TRIALS[0]
    made.run_next(TRIALS[0])
    assert made.next_of(key) is None and made.next_of("unknown") is None and not made.cut_short
