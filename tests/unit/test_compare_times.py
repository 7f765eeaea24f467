"""Verdicts on times and memory: which pairs count, and what is slower."""

from dataclasses import replace

import msgspec
from comparison_equipment import (
    measurement,
    noisy,
    only,
    record,
    steady,
    trial,
    trial_pairs,
    with_pairs,
)

from bench.compare.counted_pairs import counting
from bench.compare.judging import judge
from bench.compare.measurement import Pair, TrialPairs
from bench.compare.metrics import METRICS, values_of
from bench.compare.output.format import outcome
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Memory, Speed, Status
from bench.errors import ExitCode
from bench.regress.planning import MOST, plan_pairs
from bench.regress.stopping import next_look
from bench.trials import measured
from bench.trials.record import Resumed


def replace_disturbed(pair: Pair) -> Pair:
    content = msgspec.structs.replace(pair.candidate.record, disturbed=("another process took a core",))
    return replace(pair, candidate=replace(pair.candidate, record=content))


def test_ten_percent_more_time_is_slower_and_says_where():
    verdict = judge([trial_pairs(trial(), noisy(10, 10, 0), noisy(11, 10, 1))])
    found = only(verdict)
    assert (found.status, found.speed, found.regression) == (Status.JUDGED, Speed.SLOWER, True)
    assert verdict.exit_code == ExitCode.REGRESSION
    assert "steps (+0." in found.reason and "import" not in found.reason
    fit = found.metrics[0]
    assert fit.low < fit.ratio < fit.high
    assert 1.07 < fit.ratio < 1.11
    assert fit.evidence >= fit.bar and fit.spread < 0.02 and found.evidence["slower"] >= fit.bar
    faster = only(judge([trial_pairs(trial(), noisy(11, 10, 0), noisy(10, 10, 1))]))
    assert (faster.speed, faster.regression) == (Speed.FASTER, False)


def test_the_same_times_are_the_same():
    found = only(judge([trial_pairs(trial(), noisy(10, 8, 0), noisy(10, 8, 1))]))
    assert found.speed is Speed.SAME


def test_noise_is_inconclusive():
    trials = [trial_pairs(trial(), noisy(10, 6, 0, 0.2), noisy(10, 6, 1, 0.2))]
    verdict = judge(trials)
    assert only(verdict).speed is Speed.INCONCLUSIVE
    assert verdict.exit_code == ExitCode.NOT_ENOUGH_EVIDENCE
    after = next_look(verdict)
    assert after.helped == {trials[0].key: False}
    busy = [with_pairs(trials[0], [replace_disturbed(pair) for pair in trials[0].pairs])]
    assert next_look(judge(busy)).helped == {trials[0].key: False}


def test_a_change_that_does_not_count_is_no_regression():
    """Two percent, seen beyond doubt."""
    found = only(judge([trial_pairs(trial(), noisy(10, 12, 0, 0.002), noisy(10.2, 12, 1, 0.002))]))
    assert found.speed is Speed.SAME
    assert max(metric.evidence for metric in found.metrics) > 100


def test_few_pairs_claim_nothing():
    found = only(judge([trial_pairs(trial(), [10.0] * 5, [20.0] * 5)]))
    assert found.speed is Speed.INCONCLUSIVE
    assert "5 pairs: to show a change it takes 7 or more" in found.metrics[0].note
    assert only(judge([trial_pairs(trial(), [10.0] * 9, [20.0] * 9)])).speed is Speed.SLOWER


def test_disturbed_pairs_are_left_out_counted_and_run_again():
    calm = trial_pairs(trial(), noisy(10, 6, 0), noisy(10, 6, 1))
    bad = trial_pairs(trial(), [10.0] * 2, [40.0] * 2, disturbed=("another process took a core",))
    both = with_pairs(calm, [*calm.pairs, *bad.pairs])
    found = only(judge([both]))
    assert (found.pairs, found.disturbed, found.speed) == (8, 2, Speed.SAME)
    assert "with the disturbed pairs, which do not count: speed same" in found.notes
    never_quiet = with_pairs(calm, [replace_disturbed(pair) for pair in calm.pairs])
    verdict = judge([never_quiet])
    assert only(verdict).speed is Speed.SAME
    assert any("so all count" in note for note in only(verdict).notes)
    few = with_pairs(calm, [*bad.pairs, *calm.pairs[:2]])
    assert any("undisturbed" in note for note in only(judge([few])).notes)


def test_signs_that_the_software_under_test_has_a_share_in_leave_out_no_pair():
    """Whoever is slower waits longer, and its own reference work may be slower, too."""
    for reason, left_out in (
        ("Its threads waited for cores longer than by themselves in 30% of train.", 0),
        ("The reference work was 25% slower than its best: 150 of 200 GFLOP/s.", 0),
        ("Other processes used 0.50 of its 2 cores during train.", 2),
    ):
        marked = trial_pairs(trial(), [10.0] * 2, [40.0] * 2, disturbed=(reason,))
        calm = trial_pairs(trial(), noisy(10, 6, 0), noisy(10, 6, 1))
        found = only(judge([with_pairs(calm, [*calm.pairs, *marked.pairs])]))
        assert (found.pairs, found.disturbed) == (8, left_out)
        assert len(found.metrics[0].ratios) == 8 - left_out


def test_whether_a_disturbed_pair_counts_is_decided_once_and_for_all():
    """By what came before it: else a later look could choose among the pairs anew."""
    calm = trial_pairs(trial(), noisy(10, 6, 0), noisy(10, 6, 1)).pairs
    bad = [replace_disturbed(pair) for pair in calm]
    of = trial_pairs(trial(), [], [])
    pairs = [bad[0], bad[1], calm[2], calm[3], calm[4], bad[5]]
    for number in range(1, 7):
        counted = counting(with_pairs(of, pairs[:number]))
        assert counted == tuple(one for one in pairs[:number] if one is not bad[5])


def test_times_of_resumed_runs_never_count(tmp_path):
    of = trial()
    calm = trial_pairs(of, noisy(10, 8, 0), noisy(10, 8, 1))
    summed = Resumed(from_epoch=2, attempts=(1, 2), lost_s=3.0)
    bad = trial_pairs(of, [10.0] * 8, [40.0] * 8, resumed=summed)
    found = only(judge([with_pairs(calm, [*calm.pairs, *bad.pairs])]))
    assert (found.pairs, found.speed, len(found.metrics[0].ratios)) == (16, Speed.SAME, 8)
    assert any("8 pairs do not count: one of their runs resumed training" in note for note in found.notes)
    alone = only(judge([bad]))
    assert (alone.speed, alone.metrics, alone.phases) == (Speed.INCONCLUSIVE, (), ())


def test_pairs_are_judged_in_the_order_of_time():
    of = trial()
    pairs = trial_pairs(of, noisy(10, 4, 0), noisy(10, 4, 1)).pairs
    dated = [
        replace(
            pair,
            baseline=replace(
                pair.baseline, record=msgspec.structs.replace(pair.baseline.record, started_at=at)
            ),
        )
        for pair, at in zip(pairs, ("2026-02-04", "2026-02-02", "2026-02-03", "2026-02-05"), strict=True)
    ]
    assert counting(with_pairs(trial_pairs(of, [], []), dated)) == (dated[1], dated[2], dated[0], dated[3])


def test_figures_from_different_sources_are_not_mixed():
    of = trial()
    with_steady = measurement(of, record(of, 10, steady=steady(50.0)))
    without = measurement(of, record(of, 10))
    values = values_of(METRICS["throughput"], [Pair(with_steady, without)])
    assert values.baseline == values.candidate
    both = values_of(METRICS["throughput"], [Pair(with_steady, with_steady)])
    assert both.baseline == [50.0]
    assert values_of(METRICS["peak_memory"], [Pair(without, without)]) is None


def test_a_planned_number_of_pairs_finds_what_it_was_planned_for():
    thresholds = Thresholds()
    noise = [
        trial_pairs(trial(epochs=n), noisy(10, 3, n, 0.03), noisy(10, 3, n + 50, 0.03)) for n in range(1, 5)
    ]
    plan = plan_pairs(noise, 4, thresholds)
    assert 10 < plan.pairs < 40 and plan.basis == 12
    assert plan.detectable[plan.metric] <= 0.1
    assert "A against A differs" in str(plan)
    quiet = [trial_pairs(trial(), noisy(10, 3, 1, 0.002), noisy(10, 3, 2, 0.002))]
    assert plan_pairs(quiet, 4, thresholds).pairs < plan.pairs
    assert plan_pairs([], 4, thresholds).metric is None
    loud = [trial_pairs(trial(), noisy(10, 3, 1, 0.9), noisy(10, 3, 2, 0.9))]
    assert plan_pairs(loud, 4, thresholds).pairs == MOST
    assert f"{MOST} pairs or more" in str(plan_pairs(loud, 4, thresholds))


def test_more_memory_is_a_regression_and_less_is_not_faster():
    def pairs(old: int, new: int):
        of = trial()
        sides = [
            [
                measurement(of, record(of, seconds, memory=measured.Memory(process_peak=size)))
                for seconds in noisy(10, 12, seed)
            ]
            for seed, size in ((0, old), (1, new))
        ]
        return TrialPairs(of.key, "a trial", of.settings, tuple(map(Pair, *sides)))

    verdict = judge([pairs(1000, 1080)])
    found = only(verdict)
    assert (found.speed, found.memory, found.regression) == (Speed.SAME, Memory.LARGER, True)
    assert verdict.exit_code == ExitCode.REGRESSION and outcome(verdict) == "Regression: a trial larger"
    assert found.reason == "peak memory +8.0%"
    less = judge([pairs(1080, 1000)])
    assert (only(less).speed, only(less).memory) == (Speed.SAME, Memory.SMALLER)
    assert less.exit_code == ExitCode.OK
    assert only(judge([pairs(1000, 1000)])).memory is Memory.SAME
