"""The schedule of pairs: in turns, resumed, run again where disturbed, within a budget."""

import pytest
from regress_equipment import SEEDS, TRIALS, Listener, Runner, a_pair

from bench.regress import schedule
from bench.regress.schedule import Budget, PairSchedule


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
    assert [(seed, number) for _, seed, number in runner.ran] == [(0, 0), (0, 1), (1, 0), (1, 1)]


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


def test_what_ends_with_the_budget_has_room():
    now = [5.0]
    budget = Budget(60.0, lambda: now[0])
    now[0] = 45.0
    assert [budget.has_room_for(seconds) for seconds in (20.0, 20.001)] == [True, False]
    assert Budget(None).has_room_for(1e9)


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
    schedule.bring_to("ab", wanted(3))
    assert schedule.listener.seconds == [10.0] * 4, "half of a pair"
    assert runner.seconds == [None, 10.0, None, 10.0, 10.0, 10.0]
    assert runner.announced == ["baseline", "candidate"] * 4
    schedule.bring_to("aa", {TRIALS[0].key: 1})
    assert runner.announced[8:] == ["baseline"] * 2


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
