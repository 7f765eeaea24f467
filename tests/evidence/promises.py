"""Every promise of docs/verdicts.md beside what simulations make of it: `make promises`.

`python tests/evidence/promises.py [--scale 1.0] [--only TEXT]` prints a row for each promise and situation, with the
exact interval of the result (Clopper and Pearson), and ends with 1 where a promise is broken: where the
interval excludes it.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "src"), str(HERE.parent)]

from evidence.learners import rights  # noqa: E402

from bench.compare.discordance import Clusters  # noqa: E402
from bench.compare.learning import Compared, judge_learning  # noqa: E402
from bench.compare.metrics import Values  # noqa: E402
from bench.compare.noninferiority import fastest_non_inferior, non_inferior  # noqa: E402
from bench.compare.speed import Standing, judge_speed, metric_evidence, standing  # noqa: E402
from bench.compare.steps import Step, among, chain_interval, find_steps  # noqa: E402
from bench.compare.thresholds import Thresholds  # noqa: E402
from bench.compare.verdict import Learning, Speed, Status, TrialVerdict, Verdict  # noqa: E402
from bench.regress.planning import FIRST_PAIRS, plan_from  # noqa: E402
from bench.regress.stopping import Contender, chosen  # noqa: E402

Array = np.ndarray
Noise = Callable[[np.random.Generator, tuple[int, ...]], Array]

THRESHOLDS = Thresholds()
PAIRS = (4, 6, 10, 20)
METRICS = 4
"""Correlated metrics of a trial: their noise has half of its variance in common."""


@dataclass(frozen=True)
class Result:
    """How often something happened, beside what is promised."""

    promise: str
    situation: str
    hits: int
    runs: int
    most: float | None = None
    """Promised: at most this share; or, where it is None, at least `least`."""
    least: float = 0.0
    goal: bool = False
    """Aimed at, not promised: a miss is said, and breaks nothing. It is met where the share itself is reached."""

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 % interval of the share (Clopper and Pearson)."""
        from scipy.stats import beta

        hits, runs = self.hits, self.runs
        low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, runs - hits + 1))
        high = 1.0 if hits == runs else float(beta.ppf(0.975, hits + 1, runs - hits))
        return low, high

    @property
    def kept(self) -> bool:
        """Whether the result does not contradict the promise."""
        low, high = self.interval
        return low <= self.most if self.most is not None else high >= self.least

    def row(self) -> str:
        """As a row of the table."""
        low, high = self.interval
        promised = f"≤ {self.most:.0%}" if self.most is not None else f"≥ {self.least:.0%}"
        share = f"{self.hits / self.runs:.1%} [{low:.1%}, {high:.1%}]"
        kept = "kept" if self.kept else "BROKEN"
        if self.goal:
            kept = "goal met" if self.hits >= self.least * self.runs else "goal missed"
        return f"| {self.promise} | {self.situation} | {promised} | {share} of {self.runs} | {kept} |"


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
    own = noise(rng, (runs, trials, METRICS, pairs)) - noise(rng, (runs, trials, METRICS, pairs))
    grown = np.linspace(1.0, 1.5, pairs) if drift else 1.0
    return (common + own) / 2 * sds[None, :, None, None] * grown


def verdicts(values: Array, trials: int) -> tuple[Array, Array]:
    """Whether a change was shown at any look up to each pair, for worse and better; shape (runs, trials, pairs)."""
    worse, better, _ = metric_evidence(values, THRESHOLDS.change)
    bar = THRESHOLDS.bar("speed", trials)
    return tuple(np.maximum.accumulate(one.mean(axis=2) >= bar, axis=-1) for one in (worse, better))


def false_alarms(scale: float) -> Iterator[Result]:
    """Slower or faster, where nothing differs: at any look up to each number of pairs."""
    rng, runs = np.random.default_rng(1), max(50, round(2000 * scale))
    published = np.array([0.026, 0.04, 0.06, 0.08, 0.11, 0.15])
    situations: list[tuple[str, Array, Noise, bool]] = [
        ("six trials, noise 6 % each", np.full(6, 0.06), normal, False),
        ("one of six twice as noisy", np.r_[0.12, np.full(5, 0.06)], normal, False),
        ("one of six three times", np.r_[0.18, np.full(5, 0.06)], normal, False),
        ("noise of 2.6 to 15 %", published, normal, False),
        ("noise twice that of A against A", np.full(6, 0.08), normal, False),
        ("noise grows by half", np.r_[0.18, np.full(5, 0.06)], normal, True),
        ("Student's t, 3 degrees, growing", np.r_[0.18, np.full(5, 0.06)], heavy, True),
        ("two modes, growing", np.r_[0.18, np.full(5, 0.06)], bimodal, True),
        *((f"{n} trials, growing", np.full(n, 0.06), normal, True) for n in (1, 3, 12)),
    ]
    for situation, sds, noise, drift in situations:
        values = runs_of(rng, noise, (runs, len(sds), max(PAIRS)), sds, drift)
        worse, better = verdicts(values, len(sds))
        for pairs in PAIRS:
            alarms = (worse | better)[..., pairs - 1].any(axis=-1)
            yield Result(
                "no false alarm of speed", f"{situation}; every look up to {pairs} pairs",
                int(alarms.sum()), runs, most=THRESHOLDS.alpha_speed,
            )  # fmt: skip


def same_at_the_margin(scale: float) -> Iterator[Result]:
    """Called the same at any look up to 20 pairs, where the truth lies at the smallest change that counts."""
    rng, runs = np.random.default_rng(2), max(50, round(2000 * scale))
    for noise in (normal, heavy, bimodal):
        for sd in (0.02, 0.06):
            values = runs_of(rng, noise, (runs, 1, 20), np.array([sd]), True) + math.log1p(THRESHOLDS.change)
            same = metric_evidence(values[:, :, :2], THRESHOLDS.change)[2].min(axis=2)
            found = int((same[:, 0, -1] >= THRESHOLDS.bar_same).sum())
            yield Result(
                "not called the same in speed", f"truly 5 % slower, noise {sd:.0%}, {noise.__name__}; 20 looks",
                found, runs, most=THRESHOLDS.alpha_same,
            )  # fmt: skip


def learned(right: Array, seeds: int) -> dict[str, Compared]:
    """What `compared` finds of two configurations after some seeds."""
    old, new = right[0, :seeds], right[1, :seeds]
    by_image = (new - old).mean(axis=0)
    clusters = Clusters(by_image, np.ones(len(by_image), np.int64))
    found = Compared(old.mean(axis=1), new.mean(axis=1), clusters, identical=False)
    return {"accuracy": found, "loss": found}


def learning(scale: float) -> Iterator[Result]:
    """Accuracy: the same at the margin, and worse or better without cause; at once and over all looks."""
    rng, seeds = np.random.default_rng(3), (1, 2, 3, 5)
    for images in (300, 1000, 4000):
        runs = max(20, round((600 if images < 4000 else 300) * scale))
        for truth, wrong, most, promise in (
            (0.02, (Learning.SAME,), THRESHOLDS.alpha_same, "not called the same in learning"),
            (0.0, (Learning.WORSE, Learning.BETTER), THRESHOLDS.alpha_learning, "no false alarm of learning"),
        ):
            alone, ever = dict.fromkeys(seeds, 0), 0
            for _ in range(runs):
                right = rights(rng, [0.0, truth], max(seeds), images)
                hit = False
                for look, number in enumerate(seeds, 1):
                    trial = {"a": learned(right, number)}
                    first = judge_learning(trial, THRESHOLDS)["a"][0].verdict
                    alone[number] += first in wrong
                    hit |= judge_learning(trial, Thresholds(look=look))["a"][0].verdict in wrong
                ever += hit
            situation = f"{'2 points worse' if truth else 'nothing differs'}, {images} test images"
            for number in seeds:
                yield Result(promise, f"{situation}, {number} seeds", alone[number], runs, most=most)
            yield Result(promise, f"{situation}, four looks at 1 to 5 seeds", ever, runs, most=most)


def worth_its_time(scale: float) -> Iterator[Result]:
    """The fastest of three is chosen, though it is worse by more than the margin."""
    rng = np.random.default_rng(4)
    for images in (90, 300, 1000):
        for seeds in (1, 2, 3, 5):
            runs, chosen_ = max(20, round(300 * scale)), 0
            for _ in range(runs):
                right = {str(n): one for n, one in enumerate(rights(rng, [0.021, 0.0, 0.0], seeds, images))}
                found = non_inferior(right, [str(n) for n in range(images)])
                chosen_ += fastest_non_inferior({"0": 1, "1": 2, "2": 3}, found) == "0"
            yield Result(
                "not worth its time", f"2.1 points worse, {seeds} seeds, {images} test images",
                chosen_, runs, most=0.05,
            )  # fmt: skip


def power(scale: float) -> Iterator[Result]:
    """A 10 % slower step in one of three trials, with as many pairs as A against A asks for."""
    rng, runs = np.random.default_rng(5), max(8, round(150 * scale))
    for name, sds in (("short, noise 9 %", 0), ("middle, noise 6 %", 1), ("long, noise 3 %", 2)):
        found, asked = 0, []
        for _ in range(runs):
            spread = np.array([0.09, 0.06, 0.03])
            noise = {
                str(n): timed(runs_of(rng, normal, (1, 1, 3), spread[n : n + 1], False)[0, 0])
                for n in range(3)
            }
            pairs = plan_from(noise, 3, THRESHOLDS).pairs
            asked.append(pairs)
            values = runs_of(rng, normal, (1, 1, pairs), spread[sds : sds + 1], False)[0, 0] + math.log(1.1)
            judged = judge_speed({"slow": timed(values), "b": {}, "c": {}}, THRESHOLDS, with_intervals=False)
            found += judged["slow"].speed is Speed.SLOWER
        yield Result(
            "power at the pairs asked for", f"10 % slower, {name}; {np.median(asked):.0f} pairs in the median",
            found, runs, least=0.9,
        )  # fmt: skip


def timed(values: Array) -> dict[str, Values]:
    """Four metrics of a trial from log ratios of shape (metrics, pairs)."""
    ones = np.ones(values.shape[-1])
    names = ("fit_time", "train_cpu_time", "time_to_result", "throughput")
    return {
        name: Values(ones, np.exp(-one if name == "throughput" else one))
        for name, one in zip(names, values, strict=True)
    }


@dataclass(frozen=True)
class Course:
    """How a comparison of several trials went, pair by pair, as `auto` deals them."""

    slower: str | None
    """The trial that was called slower; None where none was."""
    faster: bool
    pairs: int
    seconds: float


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
    cached: dict[int, Standing] = {}
    while True:
        for number in range(trials):
            if number not in cached:
                found = standing(timed(values[number, :, : have[number]]), "speed", THRESHOLDS, trials)
                assert found is not None
                cached[number] = found
        worst = next((str(n) for n, one in cached.items() if one.worst >= one.bar), None)
        faster = any(one.better.max() >= one.bar for one in cached.values())
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
        del cached[number]


def auto(scale: float) -> Iterator[Result]:
    """False alarms of `auto`, which deals pairs by what it has seen."""
    rng, runs = np.random.default_rng(6), max(3, round(200 * scale))
    for name, noise in (("normal", normal), ("Student's t", heavy), ("two modes", bimodal)):
        sds, alarms = np.r_[0.18, np.full(5, 0.06)], 0
        for _ in range(runs):
            values = runs_of(rng, noise, (1, 6, 40), sds, True)[0]
            course = dealt(values, [20.0] * 6, 60 * 20.0)
            alarms += course.slower is not None or course.faster
        yield Result(
            "no false alarm of speed", f"auto deals 60 pairs to six trials, {name}, growing", alarms, runs,
            most=THRESHOLDS.alpha_speed,
        )  # fmt: skip


def minutes(scale: float) -> Iterator[Result]:
    """A 10 % slower step in any of six trials is found within 15 minutes of runs of 20 s."""
    rng, runs = np.random.default_rng(7), max(6, round(150 * scale))
    for sd in (0.03, 0.06):
        found = 0
        for number in range(runs):
            values = runs_of(rng, normal, (1, 6, 40), np.full(6, sd), False)[0]
            values[number % 6] += math.log(1.1)
            found += dealt(values, [40.0] * 6, 15 * 60.0).slower == str(number % 6)
        yield Result(
            "found within 15 minutes", f"a step 10 % slower in any of six trials, runs of 20 s, noise {sd:.0%}",
            found, runs, least=0.9, goal=True,
        )  # fmt: skip


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
    for name, noise in (("normal", normal), ("Student's t", heavy), ("two modes", bimodal)):
        alarms = others = found = 0
        for number in range(runs):
            values = runs_of(rng, noise, (5, 3, 14), np.array([0.03, 0.06, 0.06]), True)
            alarms += bool(steps_in(values))
            place = number % 5
            values[place, 0] += math.log(1.2)
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


PROMISES = (false_alarms, same_at_the_margin, learning, worth_its_time, power, auto, minutes, histories)


def main() -> int:
    """Print the table; 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of simulated comparisons")
    parser.add_argument("--only", default="", help="promises whose function has this in its name")
    wanted = parser.parse_args()
    print("| promise | situation | promised | result [95 %] | |\n| --- | --- | --- | --- | --- |")
    broken = 0
    for promise in PROMISES:
        if wanted.only in promise.__name__:
            for result in promise(wanted.scale):
                print(result.row(), flush=True)
                broken += not result.kept and not result.goal
    print(f"\n{broken} promises are broken." if broken else "\nEvery promise is kept.")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
