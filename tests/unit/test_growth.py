"""Growth of memory while training: a leak is found, and none where there is none."""

from pathlib import Path

import numpy as np
import pytest
from comparison_equipment import measurement, record, trial
from msgspec.structs import replace

from bench.compare.judging import judge
from bench.compare.measurement import Pair, TrialPairs
from bench.compare.verdict import Memory as MemoryVerdict
from bench.compare.verdict import Speed
from bench.errors import ExitCode
from bench.journal.events import Epoch, Heartbeat, PhaseEnded, PhaseStarted
from bench.journal.history import Stretch
from bench.journal.results import Attempt
from bench.records.growth import growth, growth_of
from bench.trials.measured import Growth, Memory

MB = 10**6


def course(leak: float, seed: int, epochs: int = 40, kind: str = "wanders") -> list[tuple[int, int]]:
    """Memory after each epoch of 50 steps, with a warm-up of 60 MB and so many MB of leak in 1,000 steps."""
    rng = np.random.default_rng(seed)
    steps = 50 * np.arange(1, epochs + 1)
    size = 500 + 60 * (1 - np.exp(-np.arange(epochs) / 3)) + leak * steps / 1000
    if kind == "wanders":
        size = size + np.cumsum(rng.normal(0, 0.3, epochs))
    elif kind == "scatters":
        size = size + rng.normal(0, 3, epochs)
    elif kind == "jumps":
        size = size + 20 * (np.arange(epochs) > rng.integers(16, 34))
    return [(int(at), int(one * MB)) for at, one in zip(steps, size, strict=True)]


@pytest.mark.parametrize("kind", ["wanders", "scatters"])
def test_a_leak_is_found_and_its_interval_holds_it(kind: str):
    found = [growth(course(50.0, seed, kind=kind)) for seed in range(200)]
    assert all(one.low > 0 for one in found)
    assert sum(one.low <= 50.0 <= one.high for one in found) >= 186
    assert np.median([one.mb_per_1000_steps for one in found]) == pytest.approx(50, rel=0.05)


@pytest.mark.parametrize("kind", ["wanders", "scatters", "jumps", "flat"])
def test_none_is_none(kind: str):
    found = [growth(course(0.0, seed, kind=kind)) for seed in range(200)]
    # Within 0.1 MB: the warm-up fades out.
    assert sum(one.low <= 0.1 and one.high >= -0.1 for one in found) >= 188, "5 % may lie outside"
    assert sum(one.low > 0.1 for one in found) <= 6


def test_a_jump_is_no_leak_and_the_warm_up_does_not_count():
    jumped = growth(course(0.0, 1, kind="jumps"))
    assert jumped.low < 0 < jumped.mb_per_1000_steps
    flat = growth(course(0.0, 0, kind="flat"))
    assert abs(flat.mb_per_1000_steps) < 0.5, "60 MB came in the first epochs"
    assert flat.base_bytes == pytest.approx(560 * MB, rel=0.01)


def test_a_line_by_hand():
    """42 readings, of which 14 are the warm-up: 50 MB in 1,000 steps, to the byte."""
    line = [(30 * number, 500 * MB + 1_500_000 * number) for number in range(42)]
    found = growth(line)
    assert (found.mb_per_1000_steps, found.low, found.high) == pytest.approx((50, 50, 50), rel=1e-12)
    assert (found.readings, found.steps) == (28, 30 * 27)
    assert found.factor == pytest.approx(1 + 50 / 523.25)
    assert found.base_bytes == 500 * MB + 1_500_000 * 15.5  # the middle of the first section of four
    wavy = growth([(at, size + 10**6 * (number // 4 % 2)) for number, (at, size) in enumerate(line, start=2)])
    rises = np.array([1.5 * 4 + (1 if number % 2 else -1) for number in range(6)])
    half = 2.570582 * 1.2 * rises.std(ddof=1) / np.sqrt(6)  # t, 5 degrees
    assert (wavy.high - wavy.low) / 2 == pytest.approx(half * 1000 / 120, rel=1e-6)


def test_too_few_readings_are_none():
    assert growth(course(50.0, 0, epochs=19)) is None
    assert growth(course(50.0, 0, epochs=20)) is not None
    assert growth([(7, MB)] * 30) is None


def stretch(events: list) -> Stretch:
    return Stretch(Attempt(Path("attempt-1")), None, events)


def test_readings_are_those_of_epochs_or_where_these_are_few_of_heartbeats():
    leaking = course(50.0, 0)
    epochs = [
        Epoch(t=0, epoch=number, metrics={}, steps=50, resident=size, device=2 * size)
        for number, (_, size) in enumerate(leaking, start=1)
    ]
    host, device, reason = growth_of(stretch(epochs))
    assert host == growth(leaking) and reason == ""
    assert device.mb_per_1000_steps == pytest.approx(2 * host.mb_per_1000_steps)
    beats = [Heartbeat(t=0, done=at, total=9999, resident=size) for at, size in leaking]
    other = [Heartbeat(t=0, done=7, total=9, resident=MB)] * 30
    inside = [PhaseStarted(t=0, phase="train"), *beats, *epochs[:2], PhaseEnded(t=0, phase="train")]
    host, device, _ = growth_of(stretch([*other, *inside, *other]))
    assert host == growth(leaking) and device is None
    none, _, reason = growth_of(stretch(epochs[:5]))
    assert none is None and "too few readings" in reason


def grown(mb: float) -> Memory:
    one = Growth(mb_per_1000_steps=mb, low=mb - 1, high=mb + 1, base_bytes=500 * MB, steps=1000, readings=30)
    return Memory(process_peak=10**9, host_growth=one)


def test_a_leak_is_judged_as_memory_where_both_sides_have_it():
    of, rng = trial("VGG16"), np.random.default_rng(0)

    def side(leak: float, known: bool = True):
        memory = grown(leak + rng.normal(0, 2)) if known else Memory(process_peak=10**9)
        return measurement(of, replace(record(of, 10 * rng.lognormal(sigma=0.02)), memory=memory))

    def judged(leak: float, known: bool = True):
        pairs = tuple(Pair(side(0.0), side(leak, known)) for _ in range(14))
        return judge([TrialPairs(of.key, "a trial", of.settings, pairs)])

    leaking = judged(60.0)
    (found,) = leaking.trials
    assert leaking.exit_code is ExitCode.REGRESSION
    assert found.memory is MemoryVerdict.LARGER and found.speed is not Speed.SLOWER
    assert "growth of memory in 1,000 steps +" in found.reason
    (alike,) = judged(0.0).trials
    assert alike.memory is not MemoryVerdict.LARGER
    (unknown,) = judged(60.0, known=False).trials
    assert "memory_growth" not in {one.metric for one in unknown.metrics}
