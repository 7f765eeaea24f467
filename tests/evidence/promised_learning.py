"""Promises about what was learned: worse, better, the same, and worth its time; and about all of it together."""

from collections.abc import Iterator

import numpy as np
from evidence.learners import losses, rights
from evidence.promised_speed import PAIRS
from evidence.result import Result
from evidence.situations import THRESHOLDS, Array, heavy, runs_of, timed

from bench.compare.discordance import Clusters
from bench.compare.learning import Compared, judge_learning, learning_of
from bench.compare.noninferiority import fastest_non_inferior, non_inferior
from bench.compare.speed import judge_speed
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Learning, Memory, Speed
from bench.report.answer import SameImages, decide
from bench.report.pareto import Candidate

SEEDS = (1, 2, 3, 5)
CHANGED = (Learning.WORSE, Learning.BETTER)


def compared(values: Array, seeds: int) -> Compared:
    """What `bench.compare.learning.compared` finds of two configurations after some seeds.

    Args:
        values: Of each image; shape (2, seeds, images).
        seeds: The first so many count.
    """
    old, new = values[0, :seeds], values[1, :seeds]
    by_image = (new - old).mean(axis=0)
    clusters = Clusters(by_image, np.ones(len(by_image), np.int64))
    return Compared(old.mean(axis=1), new.mean(axis=1), clusters, identical=False)


def learned(rng: np.random.Generator, images: int, worse: float, worse_loss: float, seeds: int) -> list[dict]:
    """Accuracy and loss of two networks that were never trained, after one seed, after two, and so on."""
    right = rights(rng, [0.0, worse], seeds, images)
    lost = losses(rng, [0.0, worse_loss], seeds, images)
    return [
        {"accuracy": compared(right, number), "loss": compared(lost, number)}
        for number in range(1, seeds + 1)
    ]


def learning(scale: float) -> Iterator[Result]:
    """The same at the margin, and worse or better without cause; at once, and at all looks together."""
    rng, margin = np.random.default_rng(3), THRESHOLDS.margin
    for images in (300, 1000, 4000):
        runs = max(20, round((600 if images < 4000 else 300) * scale))
        for metric, truth, promise, most in (
            ("accuracy", (margin, 0.0), "not called the same in accuracy", THRESHOLDS.alpha_same),
            (
                "loss",
                (0.0, THRESHOLDS.loss_margin),
                "not called the same in test loss",
                THRESHOLDS.alpha_same,
            ),
            ("", (0.0, 0.0), "no false alarm of learning", THRESHOLDS.alpha_learning),
        ):
            alone, ever = dict.fromkeys(SEEDS, 0), 0
            for _ in range(runs):
                found = learned(rng, images, *truth, max(SEEDS))
                hit = False
                for look, number in enumerate(SEEDS, 1):
                    alone[number] += wrong(found[number - 1], metric, THRESHOLDS)
                    hit |= wrong(found[number - 1], metric, Thresholds(look=look))
                ever += hit
            worse = {"accuracy": "2 points worse", "loss": "0.05 nats worse"}.get(metric, "nothing differs")
            for number in SEEDS:
                yield Result(
                    promise, f"{worse}, {images} test images, {number} seeds", alone[number], runs, most=most
                )
            yield Result(
                promise, f"{worse}, {images} test images, four looks at 1 to 5 seeds", ever, runs, most=most
            )


def wrong(found: dict, metric: str, thresholds: Thresholds) -> bool:
    """Whether a metric was called the same; without a name, whether the trial was called worse or better."""
    differences = judge_learning({"a": found}, thresholds)["a"]
    if not metric:
        return learning_of(differences) in CHANGED
    return next(one.verdict for one in differences if one.metric == metric) is Learning.SAME


def worth_its_time(scale: float) -> Iterator[Result]:
    """The fastest of three is shown to be as good, though it is worse by more than the margin."""
    rng = np.random.default_rng(4)
    for images in (90, 300, 1000):
        for seeds in SEEDS:
            runs, found = max(20, round(300 * scale)), 0
            for _ in range(runs):
                right = {str(n): one for n, one in enumerate(rights(rng, [0.021, 0.0, 0.0], seeds, images))}
                tests = non_inferior(right, [str(n) for n in range(images)])
                found += fastest_non_inferior({"0": 1, "1": 2, "2": 3}, tests) == "0"
            yield Result(
                "not shown to be as good", f"the fastest, 2.1 points worse, {seeds} seeds, {images} test images",
                found, runs, most=0.05,
            )  # fmt: skip


def named_by_the_page(scale: float) -> Iterator[Result]:
    """The page names a fast network as worth its time that is 5 points worse than a slow one."""
    rng = np.random.default_rng(8)
    for images in (90, 300, 1000):
        for seeds in SEEDS:
            runs, found = max(20, round(300 * scale)), 0
            for _ in range(runs):
                right = dict(zip("fs", rights(rng, [0.05, 0.0], seeds, images), strict=True))
                table = [
                    Candidate(
                        name, name, "", "", float(right[name].mean()), None, None, seconds, None, seeds, name
                    )
                    for name, seconds in (("f", 10.0), ("s", 600.0))
                ]
                decision = decide(table, SameImages(right, [str(n) for n in range(images)]))
                found += decision is not None and decision.named.label == "f" and decision.shown is not None
            yield Result(
                "not worth its time on the page", f"a fast one, 5 points worse, {seeds} seeds, {images} test images",
                found, runs, most=0.05,
            )  # fmt: skip


def everything(scale: float) -> Iterator[Result]:
    """Any alarm of a comparison of three trials that is raised to more pairs, and seeds, again and again."""
    rng, runs, trials = np.random.default_rng(9), max(10, round(300 * scale)), 3
    hits = 0
    for _ in range(runs):
        times = runs_of(rng, heavy, (1, trials, max(PAIRS)), np.array([0.09, 0.06, 0.03]), True)[0]
        memory = runs_of(rng, heavy, (1, trials, max(PAIRS)), np.full(trials, 0.003), True)[0, :, 0]
        found = [learned(rng, 300, 0.0, 0.0, max(SEEDS)) for _ in range(trials)]
        hits += any(
            alarmed(times[..., :pairs], memory[..., :pairs], [one[seeds - 1] for one in found], look)
            for look, (pairs, seeds) in enumerate(zip(PAIRS, SEEDS, strict=True), 1)
        )
    yield Result(
        "no false alarm at all", "three trials, growing noise with heavy tails; 4, 6, 10, 20 pairs, 1 to 5 seeds",
        hits, runs, most=THRESHOLDS.alpha,
    )  # fmt: skip


def alarmed(times: Array, memory: Array, found: list[dict], look: int) -> bool:
    """Whether the verdict claims any change: speed, memory or learning of any trial."""
    values = {}
    for number, (own, size) in enumerate(zip(times, memory, strict=True)):
        metrics = timed(own)
        values[str(number)] = metrics | {"peak_memory": timed(np.stack([size] * len(times[0])))["fit_time"]}
    judged = judge_speed(values, THRESHOLDS, with_intervals=False).values()
    differences = judge_learning(dict(enumerate(found)), Thresholds(look=look)).values()
    return (
        any(one.speed in (Speed.SLOWER, Speed.FASTER) for one in judged)
        or any(one.memory in (Memory.LARGER, Memory.SMALLER) for one in judged)
        or any(learning_of(one) in CHANGED for one in differences)
    )


PROMISES = (learning, worth_its_time, named_by_the_page, everything)
