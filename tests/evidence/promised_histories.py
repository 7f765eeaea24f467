"""Promises about histories of versions: steps, and intervals against the first version."""

from collections.abc import Iterator

import numpy as np
from evidence.promised_speed import NOISES
from evidence.result import Result
from evidence.situations import THRESHOLDS, Array, runs_of, slower_step, timed

from bench.compare.speed import judge_speed
from bench.compare.steps import Step, among, chain_interval, find_steps
from bench.compare.verdict import Status, TrialVerdict, Verdict


def steps_in(values: Array) -> tuple[Step, ...]:
    """The steps of a history; values have the shape (neighbors, trials, metrics, pairs)."""
    shared = among(THRESHOLDS, len(values))
    verdicts = []
    for number, trials in enumerate(values):
        judged = judge_speed(
            {str(n): timed(one) for n, one in enumerate(trials)}, shared, with_intervals=False
        )
        found = [
            TrialVerdict(key, key, Status.JUDGED, metrics=one.metrics, evidence=one.evidence)
            for key, one in judged.items()
        ]
        verdicts.append(Verdict(str(number), str(number + 1), tuple(found)))
    return find_steps(verdicts, THRESHOLDS)


def histories(scale: float) -> Iterator[Result]:
    """Steps over six versions, and the intervals of versions against the first one."""
    rng, runs = np.random.default_rng(8), max(4, round(200 * scale))
    for name, noise in NOISES.items():
        alarms = others = found = 0
        for number in range(runs):
            values = runs_of(rng, noise, (5, 3, 14), np.array([0.03, 0.06, 0.06]), True)
            alarms += bool(steps_in(values))
            place = number % 5
            values[place, 0] += slower_step(0.2)
            steps = {(int(one.baseline), one.trial, one.verdict) for one in steps_in(values)}
            found += (place, "0", "slower") in steps
            others += bool(steps - {(place, "0", "slower")})
        where = f"six versions, three trials of 3 and 6 %, 14 pairs, {name}, growing"
        yield Result("no step without cause", where, alarms, runs, most=THRESHOLDS.alpha_speed)
        yield Result(
            "no other step than the true one",
            f"a step of 20 %, {where}",
            others,
            runs,
            most=THRESHOLDS.alpha_speed,
        )
        yield Result("the true step is found", f"a step of 20 %, {where}", found, runs, least=0.9)
        missed = 0
        for _ in range(5 * runs):
            links = runs_of(rng, noise, (5, 1, 14), np.full(1, 0.06), True)[:, 0, 0]
            low, high = chain_interval([one[: rng.integers(10, 15)] for one in links])
            missed += not (low is None or low <= 0) or not (high is None or high >= 0)
        yield Result(
            "interval against the first version", f"it misses the truth; 10 to 14 pairs, {name}, growing", missed,
            5 * runs, most=0.05,
        )  # fmt: skip


PROMISES = (histories,)
