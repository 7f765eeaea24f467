"""Which pair runs next, and when enough have run."""

import pytest
from comparison_equipment import noisy, trial, trial_pairs
from equipment.results.records import a_record
from regress_equipment import Listener, Runner, a_pair, a_trial

from bench.compare.compare import judge
from bench.compare.matching import configuration_of, group
from bench.compare.measurement import Measurement
from bench.regress.stopping import Budget, PairSchedule, after_look, configurations, runs_wanted, shared_out

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
    ("seen", "seconds", "pairs"),
    [
        (-1, None, [9]),
        (6, None, []),  # nothing ran since the last look
        (-1, 1.0, []),  # the budget has no room
    ],
)
def test_looking_goes_on_while_pairs_can_run_and_help(seen: int, seconds: float | None, pairs: list[int]):
    of = trial()
    trials = group(trial_pairs(of, noisy(10, 6, 0, 0.2), noisy(10, 6, 1, 0.2)).pairs)
    ran = [a_pair(trial_key=of.key, number=number) for number in range(6)]
    runner = Runner()
    schedule = PairSchedule(runner, ran, Listener(), Budget(seconds, runner.clock), [of])
    schedule.bring_to("ab", {of.key: 6 if seconds is None else 7})
    after = after_look(judge(trials), trials, schedule, seen)
    assert (after.clear, list(after.wanted.values())) == (False, pairs)
