"""Which pair runs next, and when enough have run."""

from regress_equipment import Listener, Runner, a_pair, a_trial

from bench.regress.pair_schedule import Budget, Course

TRIALS = [a_trial(seed) for seed in (0, 1)]


def a_course(runner: Runner, earlier=(), seconds: float | None = None) -> Course:
    return Course(runner, earlier, Listener(), Budget(seconds, runner.clock), TRIALS)


def wanted(number: int) -> dict[str, int]:
    return {trial.key: number for trial in TRIALS}


def test_each_trial_gets_two_pairs_in_turn():
    runner = Runner()
    a_course(runner).bring_to("ab", wanted(4), TRIALS)
    assert [(seed, number) for _, seed, number in runner.ran] == [
        (0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3),
    ]  # fmt: skip


def test_it_goes_on_where_it_stopped():
    runner = Runner()
    earlier = [a_pair(trial_key=TRIALS[0].key, number=number) for number in range(3)]
    a_course(runner, earlier).bring_to("ab", wanted(4), TRIALS)
    assert [(seed, number) for _, seed, number in runner.ran] == [(0, 3), (1, 0), (1, 1), (1, 2), (1, 3)]


def test_enough_is_enough():
    runner = Runner()
    earlier = [a_pair(trial_key=trial.key, number=number) for trial in TRIALS for number in range(3)]
    a_course(runner, earlier).bring_to("ab", wanted(2), TRIALS)
    assert runner.ran == []


def test_pairs_of_a_with_a_do_not_count_for_a_with_b():
    runner = Runner()
    earlier = [a_pair("aa", trial.key, number) for trial in TRIALS for number in range(2)]
    a_course(runner, earlier).bring_to("ab", wanted(2), TRIALS)
    assert len(runner.ran) == 4


def test_a_disturbed_pair_is_run_again_and_kept():
    runner = Runner(lambda trial, number: {"disturbed": ("noise",)} if number == 1 else {})
    course = a_course(runner)
    course.bring_to("ab", {TRIALS[0].key: 2}, TRIALS)
    assert [number for _, _, number in runner.ran] == [0, 1, 2]
    assert sum(bool(pair.disturbed) for pair in course.pairs) == 1
    assert course.listener.said == ["Disturbed: noise"]


def test_on_a_machine_that_is_always_disturbed_pairs_are_taken_as_they_are():
    runner = Runner(lambda trial, number: {"disturbed": ("noise",)})
    a_course(runner).bring_to("ab", {TRIALS[0].key: 3}, TRIALS)
    assert len(runner.ran) == 3


def test_on_a_machine_that_is_often_disturbed_it_comes_to_an_end():
    runner = Runner(lambda trial, number: {"disturbed": ("noise",)} if number % 2 else {})
    a_course(runner).bring_to("ab", {TRIALS[0].key: 8}, TRIALS)
    assert 8 < len(runner.ran) <= 16, "at most twice as many as were wanted"


def test_a_trial_that_fails_is_left_alone_and_the_others_go_on():
    runner = Runner(lambda trial, number: {"status": "failed"} if trial is TRIALS[0] else {})
    a_course(runner).bring_to("ab", wanted(4), TRIALS)
    assert [seed for _, seed, _ in runner.ran] == [0, 1, 1, 1, 1]


def test_what_failed_in_an_earlier_run_is_tried_again():
    runner = Runner()
    earlier = [a_pair(trial_key=TRIALS[0].key, status="failed")]
    a_course(runner, earlier).bring_to("ab", {TRIALS[0].key: 1}, TRIALS)
    assert len(runner.ran) == 1


def test_it_stops_before_a_pair_that_would_pass_the_budget():
    runner = Runner()
    course = a_course(runner, seconds=70.0)
    course.bring_to("ab", wanted(4), TRIALS)
    assert len(runner.ran) == 3 and course.cut_short, "pairs take 20 s each"


def test_first_pairs_run_whatever_the_budget():
    runner = Runner()
    course = a_course(runner, seconds=1.0)
    course.bring_to("ab", wanted(2), TRIALS, within=False)
    assert len(runner.ran) == 4 and not course.cut_short


def test_it_announces_what_will_run():
    runner = Runner()
    course = a_course(runner)
    course.bring_to("ab", wanted(2), TRIALS)
    assert course.listener.plans == [8], "two trials, two pairs, two sides"


def test_whether_most_are_disturbed_is_asked_of_all_seeds():
    runner = Runner(
        lambda trial, number: {"disturbed": ("noise",)} if trial is TRIALS[0] and number < 2 else {}
    )
    a_course(runner).bring_to("ab", wanted(2), TRIALS)
    assert [seed for _, seed, _ in runner.ran] == [0, 0, 1, 1, 0, 0], "the disturbed ones are run again"


def test_a_trial_that_the_budget_has_no_room_for_does_not_keep_the_others():
    runner = Runner()
    long = [a_pair(trial_key=TRIALS[0].key, seconds=1000.0)]
    course = a_course(runner, long, seconds=100.0)
    course.bring_to("ab", wanted(4), TRIALS)
    assert [seed for _, seed, _ in runner.ran] == [1, 1, 1, 1]
    assert course.cut_short and not course.fits(TRIALS[0].key) and course.fits(TRIALS[1].key)


def test_noise_that_was_cut_short_does_not_cut_the_comparison_short():
    there = [a_pair(trial_key=trial.key, number=number) for trial in TRIALS for number in range(2)]
    course = a_course(Runner(), there, seconds=1.0)
    course.bring_to("aa", wanted(2), TRIALS)
    assert course.cut_short
    course.bring_to("ab", wanted(2), TRIALS)
    assert not course.cut_short
