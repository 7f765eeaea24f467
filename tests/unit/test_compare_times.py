"""Verdicts on times and memory: which pairs count, what is slower, and where."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from comparison_equipment import (
    SLOT,
    measurement,
    noisy,
    only,
    record,
    steady,
    trial,
    trial_pairs,
    with_pairs,
)
from equipment.results.records import phases

from bench.compare.counted_pairs import counting
from bench.compare.judging import judge
from bench.compare.measurement import Measurement, Pair, TrialPairs
from bench.compare.metrics import METRICS, metrics_for, phase_changes, phase_seconds, values_of
from bench.compare.operations import operation_changes
from bench.compare.output.files import write_verdict
from bench.compare.output.format import changed_operations, outcome
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


SHARES = {
    "fit_time": (1.0, True, False, False),
    "time_to_result": (0.5, False, False, True),
    "throughput": (1.0, True, False, False),
    "feature_throughput": (1.0, True, False, False),
    "compile_time": (0.5, False, False, False),
    "train_cpu_time": (1.0, False, True, False),
    **{f"latency_{batch}": (0.25, False, False, False) for batch in (1, 16, 64)},
    "peak_memory": (1.0, True, False, True),
    "memory_growth": (1.0, False, False, False),
    "device_memory_growth": (1.0, False, False, False),
}
"""Metric -> its weight; whether it decides that a trial is the same; means nothing on GPUs; has features in it."""


def test_what_each_metric_counts_for():
    assert {
        name: (one.weight, one.decides_same, one.processor_only, one.with_features)
        for name, one in METRICS.items()
    } == SHARES
    memory = [name for name, one in METRICS.items() if one.dimension == "memory"]
    assert memory == ["peak_memory", "memory_growth", "device_memory_growth"]
    assert [name for name, one in METRICS.items() if not one.more_is_worse] == [
        "throughput",
        "feature_throughput",
    ]


def test_every_metric_is_read_from_its_place_in_a_record():
    of = trial()
    latencies = tuple(
        measured.Latency(batch=batch, calls=9, p50_s=batch / 100, images_per_s=9.0, first_call_s=9.0)
        for batch in (1, 16, 64)
    )
    growth = [
        measured.Growth(mb_per_1000_steps=m, low=0, high=9, base_bytes=10**6, steps=9, readings=9)
        for m in (0.5, 2.0)
    ]
    memory = measured.Memory(
        process_peak=11, allocator_peak=12, device_peak=13.0, host_growth=growth[0], device_growth=growth[1]
    )
    content = record(of, 10.0, steady=steady(50.0, compile_s=0.75), latency=latencies, memory=memory)
    content = msgspec.structs.replace(
        content, throughput=msgspec.structs.replace(content.throughput, feature_images_per_s=70.0)
    )
    (pair,) = [Pair(measurement(of, content), measurement(of, content))]
    found = {name: values_of(metric, [pair]).baseline[0] for name, metric in METRICS.items()}
    expected = {
        **{"fit_time": 11.0, "time_to_result": 20.5, "throughput": 50.0, "feature_throughput": 70.0},
        **{
            "compile_time": 0.75,
            "train_cpu_time": 20.0,
            "latency_1": 0.01,
            "latency_16": 0.16,
            "latency_64": 0.64,
        },
        **{"peak_memory": 13.0, "memory_growth": growth[0].factor, "device_memory_growth": growth[1].factor},
    }
    assert found == pytest.approx(expected)
    bare = measurement(of, record(of, 10.0, memory=measured.Memory(process_peak=11)))
    known = {name: values_of(metric, [Pair(bare, bare)]) for name, metric in METRICS.items()}
    assert {name: values.baseline[0] for name, values in known.items() if values} == pytest.approx(
        {"fit_time": 11.0, "time_to_result": 20.5, "throughput": 1000 / 9, "compile_time": 1.0}
        | {"train_cpu_time": 20.0, "peak_memory": 11.0}
    )


def test_a_metric_is_of_pairs_that_have_it_on_both_sides_and_from_the_source_that_most_have():
    of = trial()
    paces = [(50.0, 60.0), (None, 60.0), (50.0, None), (0.0, 60.0), (50.0, 0.0), (70.0, 80.0)]
    told = {
        pace: pace if pace is None else msgspec.structs.replace(steady(1.0), images_per_s=pace)
        for pace in sum(paces, ())
    }
    sides = [[measurement(of, record(of, 10, steady=told[pace])) for pace in both] for both in paces]
    pairs = [Pair(*both) for both in sides]
    metric = replace(METRICS["throughput"], sources=METRICS["throughput"].sources[:1])
    values = values_of(metric, pairs)
    assert values.baseline.tolist() == [50.0, 70.0] and values.candidate.tolist() == [60.0, 80.0]
    assert values.pairs.tolist() == [0, 5] and values.last == 6
    assert values_of(metric, pairs[1:5]) is None
    every = values_of(METRICS["throughput"], pairs)
    assert every.pairs is None and every.last == 6 and every.baseline.tolist() == [1000 / 9] * 6
    whole = [pairs[0], pairs[5]]
    assert values_of(METRICS["throughput"], whole).baseline.tolist() == [50.0, 70.0], (
        "the better one of equals"
    )


@pytest.mark.parametrize(
    ("kinds", "counts"),
    [(("cpu", "cpu"), True), (("cpu", "gpu"), False), (("gpu", "gpu"), False), ((), True)],
)
def test_processor_time_is_compared_only_where_all_trained_on_processors(
    kinds: tuple[str, ...], counts: bool
):
    of = trial()
    sides = [measurement(of, record(of, slot=msgspec.structs.replace(SLOT, kind=kind))) for kind in kinds]
    names = [metric.name for metric in metrics_for([Pair(*sides)] if sides else [])]
    assert ("train_cpu_time" in names) is counts and len(names) == len(METRICS) - (not counts)
    nowhere = measurement(of, record(of, slot=None))
    assert "train_cpu_time" not in [metric.name for metric in metrics_for([Pair(nowhere, nowhere)])]


def test_phases_do_not_overlap():
    of = trial()
    content = record(of, 10, steady=steady(1.0, data_wait_share=0.25))
    seconds = phase_seconds(content)
    assert sum(seconds.values()) == pytest.approx(20.5)
    assert seconds["validation"] == pytest.approx(1.0)
    assert seconds["waiting"] == pytest.approx(9 / 4)


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


def test_a_phase_is_named_only_where_it_is_shown():
    """Of many phases some differ by two standard errors, whatever was changed: that is no news."""
    of = trial()
    names = ("startup", "reference_work", "data", "build", "features", "compile", "evaluate", "save")

    def pairs(seed: int, slower: float = 0.0):
        rng = np.random.default_rng(seed)
        sides = [
            [
                measurement(
                    of, record(of, phases=phases(**{n: 5 + rng.normal(0, 0.1) for n in names}, profile=more))
                )
                for more in 5 + extra + 0.1 * rng.standard_normal(4)
            ]
            for extra in (0.0, slower)
        ]
        return tuple(map(Pair, *sides))

    named = sum(any(one.clear for one in phase_changes(pairs(seed))) for seed in range(60))
    assert named <= 8  # of 3 that are expected
    assert next(one for one in phase_changes(pairs(1, 3.0)) if one.clear).phase == "profile"


@pytest.mark.parametrize(("noise", "clear"), [(0.52, True), (0.58, False)])
def test_a_phase_is_clear_from_an_error_of_5_percent_on(noise: float, clear: bool):
    """Four pairs: p is 0.045 and 0.058 (Student's t, three degrees of freedom)."""
    of = trial()
    pairs = [
        Pair(*(measurement(of, record(of, phases=phases(startup=5 + s))) for s in (0.0, 1 + sign * noise)))
        for sign in (1, -1, 1, -1)
    ]
    (found,) = phase_changes(pairs)
    assert found.difference_s == pytest.approx(1.0) and found.clear is clear


def traced(of, milliseconds: dict[str, float]) -> Measurement:
    """A measurement with a trace of ten steps."""
    top = tuple(
        measured.Operation(op=name, self_s=0.01 * value, share=0.1) for name, value in milliseconds.items()
    )
    profile = measured.Profile(
        steps=10, wall_s=1.0, input_stall=None, kinds={}, top=top, kernel_busy=None, copies_s=None, trace="x"
    )
    return measurement(of, record(of, 10.0, profile=profile))


def test_phases_are_means_over_the_pairs_that_have_them_the_largest_difference_first():
    of = trial()
    old = [{"startup": 1.0, "data": 5.0, "save": 2.0}, {"startup": 3.0, "data": 5.0}]
    new = [{"startup": 2.0, "data": 2.0, "save": 2.5}, {"startup": 4.0, "data": 2.0, "save": 9.0}]
    pairs = [
        Pair(*(measurement(of, record(of, phases=phases(**one))) for one in both))
        for both in zip(old, new, strict=True)
    ]
    found = phase_changes(pairs)
    assert [(one.phase, one.baseline_s, one.candidate_s) for one in found] == [
        ("data", 5.0, 2.0),
        ("startup", 2.0, 3.0),
        ("save", 2.0, 2.5),
    ]
    assert [one.clear for one in found] == [True, True, False], "one pair shows nothing"


def test_operations_are_those_of_half_of_the_pairs_and_of_a_hundredth_of_the_time():
    """Of four pairs; an operation of 1 % of 100 ms on either side is there."""
    of = trial()
    ms = [{"A": 98.0}, {"A": 97.0}]
    some = [{**one, "E": 3.0} for one in ms]
    pairs = [Pair(*(traced(of, one) for one in sides)) for sides in (some, some, ms, ms)]
    names = {one.operation for one in operation_changes(pairs)}
    assert names == {"A", "E"}
    assert "E" not in {
        one.operation for one in operation_changes([*pairs, Pair(*(traced(of, one) for one in ms))])
    }
    exact = [{"A": 99.0, "B": 1.0}, {"A": 99.5, "B": 0.5}]
    for sides, there in ((exact, True), (exact[::-1], True), ([exact[1], exact[1]], False)):
        found = operation_changes([Pair(*(traced(of, one) for one in sides))] * 2)
        assert ("B" in {one.operation for one in found}) is there
    (first, second) = operation_changes([Pair(*(traced(of, one) for one in exact))] * 2)
    assert (first.operation, first.baseline_ms, first.candidate_ms) == pytest.approx(("A", 99.0, 99.5))
    assert (first.up, second.up, first.pairs) == (2, 0, 2) and second.ratio == pytest.approx(0.5)
    untraced = measurement(of, record(of))
    assert (
        operation_changes([Pair(untraced, traced(of, exact[0])), Pair(traced(of, exact[0]), untraced)]) == ()
    )


def test_operations_that_take_longer_are_named(tmp_path):
    of, noise = trial(), noisy(1, 32, 3, 0.05)
    pairs = [
        Pair(
            traced(of, {"Conv2D": 5 * a, "Softmax": 3 * b, "Tiny": 0.001, "Old": 1.0}),
            traced(of, {"Conv2D": 5 * c, "Softmax": 4.5 * d, "Tiny": 0.002, "New": 1.0}),
        )
        for a, b, c, d in zip(*[iter(noise)] * 4, strict=True)
    ]
    verdict = judge([TrialPairs("key", "lenet", of.settings, tuple(pairs))])
    first, second = verdict.trials[0].operations
    assert (first.operation, first.clear, first.up, first.pairs) == ("Softmax", True, 8, 8)
    assert first.ratio == pytest.approx(1.5, rel=0.1) and first.difference_ms == pytest.approx(1.5, rel=0.2)
    assert (second.operation, second.clear) == ("Conv2D", False)
    files = {path.name: path.read_text() for path in write_verdict(verdict, tmp_path)}
    assert all("Softmax" in files[name] for name in ("summary.md", "regression.json", "regression.html"))
    assert changed_operations(verdict)[0].startswith("lenet: Softmax 3")
