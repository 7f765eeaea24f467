"""What each metric is read from, which pairs have it, and in which phases and operations time went."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from comparison_equipment import (
    SLOT,
    measurement,
    noisy,
    record,
    steady,
    trial,
)
from equipment.results.records import phases

from bench.compare.judging import judge
from bench.compare.measurement import Measurement, Pair, TrialPairs
from bench.compare.metrics import METRICS, PHASES, metrics_for, phase_changes, phase_seconds, values_of
from bench.compare.operations import operation_changes
from bench.compare.output.files import write_verdict
from bench.compare.output.format import changed_operations
from bench.trials import measured

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


def test_what_is_shown_comes_before_larger_changes_that_are_not():
    """Six pairs: a tenth of a millisecond each time, and two milliseconds up and down."""
    of = trial()
    sides = [
        [
            {"Wild": 10.0, "Steady": 5.0, "Small": 1.0},
            {"Wild": 10.0 + up, "Steady": 5.1 + n / 1e4, "Small": 1.3},
        ]
        for n, up in enumerate((6.0, -2.0, 5.0, -1.0, 6.0, -2.0))
    ]
    found = operation_changes([Pair(*(traced(of, one) for one in both)) for both in sides])
    assert [(one.operation, one.clear) for one in found] == [
        ("Small", True),
        ("Steady", True),
        ("Wild", False),
    ]
    assert abs(found[-1].difference_ms) > found[0].difference_ms > found[1].difference_ms > 0


def test_an_operation_that_took_no_time_of_its_own_is_none():
    of = trial()
    found = operation_changes([Pair(*(traced(of, {"A": 5.0, "B": own}) for own in (0.0, 3.0)))])
    assert [one.operation for one in found] == ["A"]


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


def test_each_metric_has_its_title_and_its_unit():
    seconds = {"fit_time": "fit time", "time_to_result": "time to result", "compile_time": "compile time"}
    seconds |= {"train_cpu_time": "CPU time of training", "latency_1": "latency of 1 image"}
    seconds |= {f"latency_{batch}": f"latency of {batch} images" for batch in (16, 64)}
    assert {name: one.title for name, one in METRICS.items() if one.unit == "s"} == seconds
    assert {name: (one.title, one.unit) for name, one in METRICS.items() if one.unit != "s"} == {
        "throughput": ("training throughput", "images/s"),
        "feature_throughput": ("feature throughput", "images/s"),
        "peak_memory": ("peak memory", "bytes"),
        "memory_growth": ("growth of memory in 1,000 steps", "x"),
        "device_memory_growth": ("growth of GPU memory in 1,000 steps", "x"),
    }
    assert PHASES == {
        **{
            "startup": "import",
            "reference_work": "reference work",
            "data": "input",
            "build": "building the network",
        },
        **{"features": "feature extraction", "search": "search for the learning rate"},
        **{"compile": "tracing and first step", "train": "steps", "waiting": "steps waiting for input"},
        **{"validation": "validation", "checkpoint": "checkpoints", "evaluate": "evaluation"},
        **{"save": "saving the model", "profile": "profile"},
    }
