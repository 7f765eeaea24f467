"""Promises about times and memory: false alarms, "the same" at the margin, power, and minutes to a verdict."""

import math
from collections.abc import Iterator

import numpy as np
from evidence.result import Result
from evidence.situations import (
    THRESHOLDS,
    WEIGHTS,
    Array,
    Noise,
    bimodal,
    dealt,
    heavy,
    normal,
    runs_of,
    slower_step,
    timed,
)

from bench.compare.speed import judge_speed, metric_evidence
from bench.compare.thresholds import Dimension
from bench.compare.verdict import Speed
from bench.regress.planning import plan_from

PAIRS = (4, 6, 10, 20)
NOISES: dict[str, Noise] = {"normal": normal, "Student's t, 3 degrees": heavy, "two modes": bimodal}
DURATIONS = (10.0, 13.0, 17.0, 21.0, 26.0, 32.0)
"""Seconds of a run of each of six trials of different length."""


def alarms(values: Array, dimension: Dimension) -> Array:
    """Whether a change was shown at any look up to each pair, in any trial; shape (runs, pairs).

    Args:
        values: Log ratios; shape (runs, trials, metrics, pairs).
        dimension: Of the metrics.
    """
    trials, weights = values.shape[1], WEIGHTS if dimension == "speed" else [1.0]
    worse, better = (
        np.average(one, axis=2, weights=weights) for one in metric_evidence(values, THRESHOLDS.change)[:2]
    )
    shown = (worse >= THRESHOLDS.bar(dimension, trials)) | (
        better >= THRESHOLDS.bar(dimension, trials, worse=False)
    )
    ever: Array = np.maximum.accumulate(shown, axis=-1).any(axis=1)
    return ever


def false_alarms(scale: float) -> Iterator[Result]:
    """Slower or faster, where nothing differs: at any look up to each number of pairs."""
    rng, runs = np.random.default_rng(1), max(50, round(2000 * scale))
    published = np.array([0.026, 0.04, 0.06, 0.08, 0.11, 0.15])
    one_noisy = np.r_[0.18, np.full(5, 0.06)]
    situations: list[tuple[str, Array, Noise, bool]] = [
        ("six trials, noise 6 % each", np.full(6, 0.06), normal, False),
        ("one of six twice as noisy", np.r_[0.12, np.full(5, 0.06)], normal, False),
        ("one of six three times", one_noisy, normal, False),
        ("noise of 2.6 to 15 %", published, normal, False),
        ("noise twice that of A against A", np.full(6, 0.08), normal, False),
        *(
            (f"one of six three times, {name}, growing", one_noisy, noise, True)
            for name, noise in NOISES.items()
        ),
        *(
            (f"{trials} trials, {name}, growing", np.full(trials, 0.06), noise, True)
            for trials in (1, 3, 12)
            for name, noise in NOISES.items()
        ),
    ]
    for situation, sds, noise, drift in situations:
        shown = alarms(runs_of(rng, noise, (runs, len(sds), max(PAIRS)), sds, drift), "speed")
        for pairs in PAIRS:
            yield Result(
                "no false alarm of speed", f"{situation}; every look up to {pairs} pairs",
                int(shown[:, pairs - 1].sum()), runs, most=THRESHOLDS.alpha_speed,
            )  # fmt: skip


def memory_alarms(scale: float) -> Iterator[Result]:
    """Larger or smaller, where nothing differs: memory hardly varies, or in steps."""
    rng, runs = np.random.default_rng(11), max(50, round(2000 * scale))

    def side(shape: tuple[int, ...], mode: float, noise: float, step: float) -> Array:
        level = 1.0 + mode * (rng.random(shape) < 0.5) + noise * rng.standard_normal(shape)
        return np.round(level / step) * step if step else level

    situations = {
        "always the same": (0.0, 0.0, 0.0),
        "normal, 0.3 %": (0.0, 0.003, 0.0),
        "whole pages, most pairs alike": (0.0, 0.0005, 0.0025),
        "two modes, 8 % apart, whole pages": (0.08, 0.0005, 0.0025),
    }
    for name, (mode, noise, step) in situations.items():
        for trials in (1, 6):
            shape = (runs, trials, 1, max(PAIRS))
            grown = np.linspace(1.0, 1.5, max(PAIRS)) if noise and not step else 1.0
            values = np.log(side(shape, mode, noise, step) / side(shape, mode, noise, step)) * grown
            shown = alarms(values, "memory")
            for pairs in PAIRS:
                yield Result(
                    "no false alarm of memory", f"{trials} trials, {name}; every look up to {pairs} pairs",
                    int(shown[:, pairs - 1].sum()), runs, most=THRESHOLDS.alpha_memory,
                )  # fmt: skip


def same_at_the_margin(scale: float) -> Iterator[Result]:
    """Called the same at any look up to 20 pairs, where the truth lies at the smallest change that counts."""
    rng, runs = np.random.default_rng(2), max(50, round(2000 * scale))
    band = math.log1p(THRESHOLDS.change)
    for name, noise in NOISES.items():
        for sd in (0.02, 0.06):
            for way, word in ((1, "slower"), (-1, "faster")):
                values = runs_of(rng, noise, (runs, 1, 20), np.array([sd]), True) + way * band
                same = metric_evidence(values[:, :, :2], THRESHOLDS.change)[2].min(axis=2)
                yield Result(
                    "not called the same in speed", f"truly 5 % {word}, noise {sd:.0%}, {name}, growing; 20 looks",
                    int((same[:, 0, -1] >= THRESHOLDS.bar_same).sum()), runs, most=THRESHOLDS.alpha_same,
                )  # fmt: skip
    for name, noise in NOISES.items():
        values = runs_of(rng, noise, (runs, 1, 20), np.array([0.003]), True)[:, :, :1] + band
        same = metric_evidence(values, THRESHOLDS.change)[2][:, 0, 0, -1]
        yield Result(
            "not called the same in memory", f"truly 5 % larger, noise 0.3 %, {name}, growing; 20 looks",
            int((same >= THRESHOLDS.bar_same).sum()), runs, most=THRESHOLDS.alpha_same,
        )  # fmt: skip


def power(scale: float) -> Iterator[Result]:
    """A 10 % slower step in one of three trials, with as many pairs as A against A asks for."""
    rng, runs = np.random.default_rng(5), max(8, round(150 * scale))
    spread = np.array([0.09, 0.06, 0.03])
    for number, name in enumerate(("short, noise 9 %", "middle, noise 6 %", "long, noise 3 %")):
        found, asked = 0, []
        for _ in range(runs):
            noise = {
                str(n): timed(runs_of(rng, normal, (1, 1, 3), spread[n : n + 1], False)[0, 0])
                for n in range(3)
            }
            pairs = plan_from(noise, 3, THRESHOLDS).pairs
            asked.append(pairs)
            values = runs_of(rng, normal, (1, 1, pairs), spread[number : number + 1], False)[0, 0]
            trials = {"slow": timed(values + slower_step(0.1)), "b": {}, "c": {}}
            found += judge_speed(trials, THRESHOLDS, with_intervals=False)["slow"].speed is Speed.SLOWER
        yield Result(
            "power at the pairs asked for", f"10 % slower, {name}; {np.median(asked):.0f} pairs in the median",
            found, runs, least=0.9,
        )  # fmt: skip


def auto(scale: float) -> Iterator[Result]:
    """False alarms of `auto`, which deals pairs by what it has seen."""
    rng, runs = np.random.default_rng(6), max(3, round(200 * scale))
    for name, noise in NOISES.items():
        sds, wrong = np.r_[0.18, np.full(5, 0.06)], 0
        for _ in range(runs):
            values = runs_of(rng, noise, (1, 6, 40), sds, True)[0]
            course = dealt(values, [20.0] * 6, 60 * 20.0)
            wrong += course.slower is not None or course.faster
        yield Result(
            "no false alarm of speed", f"auto deals 60 pairs to six trials, {name}, growing", wrong, runs,
            most=THRESHOLDS.alpha_speed,
        )  # fmt: skip


def minutes(scale: float) -> Iterator[Result]:
    """A 10 % slower step in any of six trials is found within 15 minutes."""
    rng, runs = np.random.default_rng(7), max(6, round(150 * scale))
    for name, seconds in (("runs of 20 s", [20.0] * 6), ("runs of 10 to 32 s", list(DURATIONS))):
        for sd in (0.03, 0.06):
            found = 0
            for number in range(runs):
                values = runs_of(rng, normal, (1, 6, 40), np.full(6, sd), False)[0]
                values[number % 6] += slower_step(0.1)
                course = dealt(values, [2 * each for each in seconds], 15 * 60.0)
                found += course.slower == str(number % 6)
            yield Result(
                "found within 15 minutes", f"a step 10 % slower in any of six trials, {name}, noise {sd:.0%}",
                found, runs, least=0.9, goal=True,
            )  # fmt: skip


PROMISES = (false_alarms, memory_alarms, same_at_the_margin, power, auto, minutes)
