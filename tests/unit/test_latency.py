"""Latency of predictions: how it is timed, what a record and the tables say, and how two sides are judged."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from comparison_equipment import SLOT, measurement, record, trial
from equipment.results.records import a_record
from msgspec.structs import replace
from timing_equipment import Clock
from training_equipment import Notes

from bench.compare.judging import judge
from bench.compare.measurement import Pair, TrialPairs
from bench.compare.verdict import Speed, Verdict
from bench.errors import DamagedAttempt, ExitCode
from bench.journal.events import PhaseEnded
from bench.records.measured import latency_of
from bench.report.frame import configurations_frame
from bench.report.rows import row_of
from bench.report.tables.latency import latency_table
from bench.trials.measured import Latency
from wbc import experiment
from wbc.evaluation.latency import BATCHES, LEAST_CALLS, _calls, in_turns, measure_latency
from wbc.specification import Specification

EXAMPLES = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)


class Answering:
    """A classifier whose first call of each size takes a second longer, and every tenth call twice as long."""

    def __init__(self, clock: Clock, seconds: dict[int, float]):
        self.clock, self.seconds = clock, seconds
        self.asked: list[int] = []

    def __call__(self, images: np.ndarray) -> None:
        size = len(images)
        before = self.asked.count(size)
        self.asked.append(size)
        self.clock.passes(self.seconds[size] * (2 if before % 10 == 9 else 1) + (before == 0))


def test_calls_are_timed_after_warm_up_and_in_turns():
    clock = Clock()
    answering = Answering(clock, {1: 0.003, 16: 0.015, 64: 0.030})
    found, left_out = measure_latency(answering, EXAMPLES, clock)
    assert [one.batch for one in found] == list(BATCHES) and left_out == {}
    one, sixteen, most = found
    assert (one.calls, sixteen.calls, most.calls) == (100, 20, 20)
    assert one.p50_s == pytest.approx(0.003) and one.p99_s == pytest.approx(0.006)
    assert one.first_call_s == pytest.approx(1.003), "it is not among the calls"
    assert sixteen.p50_s == pytest.approx(0.015) and sixteen.p99_s is None, "20 calls have no 99th percentile"
    assert sixteen.p95_s == pytest.approx(0.030, rel=0.1)
    assert one.images_per_s == pytest.approx(100 / (90 * 0.003 + 10 * 0.006))
    timed = answering.asked[9:]
    assert Counter(timed) == {1: 100, 16: 20, 64: 20}
    halves = Counter(timed[:70]), Counter(timed[70:])
    assert all(abs(halves[0][size] - halves[1][size]) <= 2 for size in BATCHES), "spread over the whole"


def test_what_is_slow_is_called_less_often_and_what_is_too_slow_not_at_all():
    clock = Clock()
    found, left_out = measure_latency(Answering(clock, {1: 0.4, 16: 0.49, 64: 7.0}), EXAMPLES, clock)
    assert [(one.batch, one.calls) for one in found] == [(1, LEAST_CALLS), (16, LEAST_CALLS)]
    assert found[0].p95_s is None
    assert left_out == {64: "a call takes 7.0 s, more than 0.5 s"}
    assert clock.now < 5 * 0.49 + 5 * 0.4 + 2 * 7.0 + 4


@pytest.mark.parametrize(
    ("size", "seconds", "calls"),
    [
        (1, 0.01, 100),
        (1, 0.0101, 29),
        (16, 0.05, 20),
        (64, 0.0501, 5),
        (16, 0.09, 3),
        (16, 0.2, 3),
        (1, 0.001, 300),
        (64, 0.0005, 400),
        (64, 0.0, 400),
    ],
)
def test_how_often_a_size_is_called(size: int, seconds: float, calls: int):
    """As often as fits into 0.3 s, or as percentiles want where that takes a second at most."""
    assert _calls(size, seconds) == calls


@pytest.mark.parametrize(("seconds", "first"), [(0.0999, 3), (0.1001, 2), (0.4999, 2)])
def test_a_third_call_warms_up_where_it_takes_a_third_of_the_budget_at_most(seconds: float, first: int):
    clock = Clock()
    answering = Answering(clock, dict.fromkeys(BATCHES, seconds))
    found, left_out = measure_latency(answering, EXAMPLES, clock)
    assert answering.asked[:first] == [1] * first and answering.asked[first] == 16 and not left_out
    assert [one.calls for one in found] == [answering.asked.count(size) - first for size in BATCHES]


def test_a_size_is_left_out_from_half_a_second_on():
    clock = Clock()
    _, left_out = measure_latency(Answering(clock, {1: 0.5, 16: 0.501, 64: 0.1}), EXAMPLES, clock)
    assert list(left_out) == [16]


def test_a_size_that_fails_costs_itself_only():
    clock = Clock()

    def full(images: np.ndarray) -> None:
        clock.passes(0.01)
        if len(images) == 64:
            raise MemoryError("no memory left")

    found, left_out = measure_latency(full, EXAMPLES, clock)
    assert [one.batch for one in found] == [1, 16]
    assert "no memory left" in left_out[64]


def test_no_size_is_always_the_first_of_a_round():
    rounds = list(in_turns({1: 6, 16: 6, 64: 6}))
    assert [rounds[3 * number] for number in range(3)] == [1, 16, 64]
    assert list(in_turns({})) == []


@pytest.mark.parametrize("mode", ["transfer", "scratch"])
def test_a_trained_network_answers_as_it_predicts(noisy_images, mode):
    class Kept(Notes):
        def finished(self, trained):
            self.trained = trained

    notes = Kept()
    specification = Specification(
        noisy_images, noisy_images / "manifest.json", 32, "LeNet5", mode, epochs=1, batch_size=4, latency=True
    )
    experiment.run(specification, notes)
    measured = notes.phases["latency"]
    assert [one["batch"] for one in measured["batches"]] == list(BATCHES)
    assert all(0 < one["p50_s"] < 1 for one in measured["batches"])
    assert notes.trained.examples.dtype == np.uint8 and len(notes.trained.examples) == 5
    np.testing.assert_allclose(notes.trained.answer(notes.trained.examples), notes.probabilities, atol=1e-5)


def test_the_record_has_it_or_the_reason():
    batch = {
        "batch": 1,
        "calls": 100,
        "p50_s": 0.01,
        "p95_s": 0.02,
        "p99_s": None,
        "images_per_s": 90.0,
        "first_call_s": 1.0,
    }
    ended = PhaseEnded(
        t=0, phase="latency", figures={"batches": [batch], "left_out": {"batch of 64": "too slow"}}
    )
    found, missing = latency_of([ended])
    assert found == (Latency(**batch),) and missing == {"latency of a batch of 64": "too slow"}
    assert latency_of([PhaseEnded(t=0, phase="latency", figures={"unavailable": "full"})]) == (
        (),
        {"latency": "full"},
    )
    assert latency_of([]) == ((), {})
    failed = PhaseEnded(t=0, phase="latency", figures={"unavailable": "full"})
    assert latency_of([failed, ended])[0] == found and latency_of([ended, failed])[0] == ()
    assert latency_of([PhaseEnded(t=0, phase="latency", figures={"x": 1})]) == ((), {})
    broken = PhaseEnded(t=0, phase="latency", figures={"batches": [{**batch, "calls": None}]})
    with pytest.raises(DamagedAttempt, match=r"the figures of the phase latency are damaged: .*calls"):
        latency_of([broken])


def latency(batch: int, p50_s: float) -> Latency:
    return Latency(
        batch=batch, calls=100, p50_s=p50_s, p95_s=2 * p50_s, images_per_s=batch / p50_s, first_call_s=1.0
    )


def test_the_report_has_a_table_with_the_interval_between_runs():
    runs = [
        a_record(latency=(latency(1, seconds), latency(64, 10 * seconds)))
        for seconds in (0.010, 0.012, 0.014)
    ]
    trials = pd.DataFrame([{**row_of(str(n), run), "variant": ""} for n, run in enumerate(runs)])
    frame = configurations_frame(trials)
    headings, rows = latency_table("mine", trials, frame).written()
    row = dict(zip(headings, rows[0], strict=True))
    assert row["1 image: p50"] == "12.0 ms [7.03 ms – 17.0 ms]"
    assert row["64 images: images/s"].startswith("543 [")
    assert "16 images: p50" not in row and "1 image: p99" not in row
    none = frame[[name for name in frame if not name.startswith("latency")]]
    assert latency_table("mine", trials, none) is None


def compared(slower: float, seed: int, pairs: int) -> Verdict:
    """Pairs of runs that vary by 4 % from run to run and by 3 % from one size to the next; each run's times
    are planted, the rest is the way of every comparison."""
    rng = np.random.default_rng(seed)
    of = trial("VGG16")

    def side(factor: float):
        run = rng.lognormal(sigma=0.04)
        known = tuple(
            latency(batch, seconds * factor * run * rng.lognormal(sigma=0.03))
            for batch, seconds in ((1, 0.003), (16, 0.02), (64, 0.06))
        )
        return measurement(of, replace(record(of, 10 * rng.lognormal(sigma=0.04)), slot=SLOT, latency=known))

    made = tuple(Pair(side(1.0), side(slower)) for _ in range(pairs))
    return judge([TrialPairs(of.key, "a trial", of.settings, made)])


def test_a_predict_that_is_slower_by_a_tenth_is_a_regression():
    found = [compared(1.10, seed, pairs=20) for seed in range(20)]
    assert sum(one.exit_code is ExitCode.REGRESSION for one in found) >= 18
    (judged,) = found[0].trials
    assert judged.speed is Speed.SLOWER and "latency of" in judged.reason and "fit time" not in judged.reason


def test_the_same_predict_is_none_in_forty_comparisons():
    found = [compared(1.0, seed, pairs) for seed in range(20) for pairs in (12, 20)]
    assert not any(one.exit_code is ExitCode.REGRESSION for one in found)
