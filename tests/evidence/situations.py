"""Situations that users are in: noise of machines, pairs that were never made, and comparisons that deal them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.compare.metrics import METRICS, Values
from bench.compare.speed import Standing, standing
from bench.compare.thresholds import Thresholds
from bench.regress.planning import FIRST_PAIRS
from bench.regress.stopping import Contender, chosen

Array = np.ndarray
Noise = Callable[[np.random.Generator, tuple[int, ...]], Array]

THRESHOLDS = Thresholds()

STEP_SHARES = {
    "fit_time": 0.9,
    "train_cpu_time": 0.85,
    "throughput": 1.0,
    "time_to_result": 0.5,
    "compile_time": 0.0,
    "latency_1": 0.0,
    "latency_16": 0.0,
    "latency_64": 0.0,
}
"""Correlated metrics of a trial, whose noise has half of its variance in common -> the share of a slower training step
that shows there."""

WEIGHTS = np.array([METRICS[name].weight for name in STEP_SHARES])


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Normal noise."""
    return rng.standard_normal(shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Student's t with three degrees of freedom."""
    return rng.standard_t(3, shape) / math.sqrt(3)


def bimodal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Two modes, such as a processor with and without its turbo."""
    return 2 * (rng.random(shape) < 0.5) - 1 + 0.2 * rng.standard_normal(shape)


def runs_of(
    rng: np.random.Generator, noise: Noise, shape: tuple[int, int, int], sds: Array, drift: bool
) -> Array:
    """Log ratios of pairs; shape (runs, trials, metrics, pairs). A positive value is a change for the worse.

    Args:
        rng: Of the draws.
        noise: Of one side.
        shape: Runs, trials and pairs.
        sds: Of a pair's log ratio, of each trial.
        drift: Whether the noise grows by half from the first pair to the last.
    """
    runs, trials, pairs = shape
    common = noise(rng, (runs, trials, 1, pairs)) - noise(rng, (runs, trials, 1, pairs))
    own = noise(rng, (runs, trials, len(STEP_SHARES), pairs)) - noise(
        rng, (runs, trials, len(STEP_SHARES), pairs)
    )
    grown = np.linspace(1.0, 1.5, pairs) if drift else 1.0
    return (common + own) / 2 * sds[None, :, None, None] * grown


def slower_step(share: float) -> Array:
    """Log ratios of all metrics where a training step takes longer by a share; shape (metrics, 1)."""
    return np.log1p(share * np.array(list(STEP_SHARES.values())))[:, None]


def timed(values: Array) -> dict[str, Values]:
    """The metrics of `STEP_SHARES` of a trial, from log ratios of shape (metrics, pairs)."""
    ones = np.ones(values.shape[-1])
    return {
        name: Values(ones, np.exp(-one if name == "throughput" else one))
        for name, one in zip(STEP_SHARES, values, strict=True)
    }


@dataclass(frozen=True)
class Course:
    """How a comparison of several trials went, pair by pair, as `auto` deals them."""

    slower: str | None
    """The trial that was called slower; None where none was."""
    faster: bool
    pairs: int
    seconds: float


def up_to(found: Standing, pairs: int) -> Standing:
    """What was found after so many pairs."""
    return replace(
        found,
        **{name: getattr(found, name)[:pairs] for name in ("worse", "better", "same", "changes")},
    )


def dealt(values: Array, pair_s: Sequence[float], budget_s: float, noise_s: float = 0.0) -> Course:
    """Deal pairs as `bench.regress` does, until a regression is shown, all is decided, or the time is over.

    Args:
        values: Log ratios; shape (trials, metrics, pairs).
        pair_s: Seconds of a pair of each trial.
        budget_s: Seconds.
        noise_s: Seconds that A against A took.
    """
    trials, _, most = values.shape
    have, spent = [FIRST_PAIRS] * trials, noise_s + FIRST_PAIRS * sum(pair_s)
    # Evidence rests on earlier pairs only, so that of fewer pairs is a part of that of all.
    whole = [standing(timed(one), "speed", THRESHOLDS, trials) for one in values]
    while True:
        cached = {number: up_to(one, have[number]) for number, one in enumerate(whole) if one is not None}
        worst = next((str(n) for n, one in cached.items() if one.worst >= one.bar), None)
        faster = any(one.better.max() >= one.bar_better for one in cached.values())
        able = [
            Contender(str(n), one, None, False)
            for n, one in cached.items()
            if have[n] < most and spent + pair_s[n] <= budget_s
        ]
        after = chosen(able)
        if worst is not None or after is None:
            return Course(worst, faster, sum(have), spent)
        number = int(after.key)
        have[number] += 1
        spent += pair_s[number]
