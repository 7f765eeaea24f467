"""Pairs of runs that were never made, to judge the judging by."""

from collections.abc import Callable

import numpy as np
from evidence.judging import Figures, Trial

from bench.compare.metrics import Values


def simulated(
    trials: int, pairs: int, noise: Callable[[np.random.Generator, int], np.ndarray], seed: int
) -> list[Trial]:
    """Trials as `read_trials` gives them, of runs that were never made.

    Args:
        trials: How many.
        pairs: Of each kind.
        noise: Logarithms of the times of runs, relative to their typical one; from a generator and a number.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)

    def figures(slower: float) -> Figures:
        def side(factor: float) -> dict[str, np.ndarray]:
            common = noise(rng, pairs)
            seconds = 10 * factor * np.exp(common + rng.normal(0, 0.004, pairs))
            return {
                "fit_time": seconds,
                "time_to_result": seconds + 9 * np.exp(noise(rng, pairs)),
                "throughput": 4000 / (seconds * np.exp(rng.normal(0, 0.004, pairs))),
                "compile_time": 1.5 * np.exp(noise(rng, pairs)),
            }

        old, new = side(1.0), side(1 + slower)
        return {name: Values(old[name], new[name]) for name in old}

    return [Trial(f"trial {number}", figures(0.0), figures(0.1)) for number in range(trials)]
