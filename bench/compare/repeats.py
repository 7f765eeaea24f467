"""How many repeats it takes, planned from the noise of A against A, and when to stop."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench.compare.judge import counting, figures_of
from bench.compare.measurement import CellPairs
from bench.compare.metrics import METRICS, Values
from bench.compare.speed import spreads_of
from bench.compare.statistics.ratio import rank_test_from
from bench.compare.statistics.spread import Spread
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import CellVerdict, Speed, Status, Verdict

PLANNED_FOR = ("throughput", "train_cpu_time", "fit_time")
"""Metrics in which a change of the training step shows; the one that finds it first is planned for."""

CPU_SHARE = 0.85
"""Of the CPU time of training that its steps take; the rest is validation and what Keras does around epochs.
In the recorded pairs of `tests/evidence`, steps that took 10 % longer made it 8 to 10 % more."""

MOST = 200
"""More repeats are never asked for: such noise is to be removed, not averaged."""

GROWTH = 1.5
"""By so much a cell's pairs grow from look to look."""

CAUTION = 0.2
"""Repeats are planned for a noise that the true one exceeds in so many cases only."""


@dataclass(frozen=True)
class RepeatPlan:
    """What the noise asks for.

    Attributes:
        repeats: Pairs of every cell.
        wanted: Of `repeats`, before the limit `MOST`.
        metric: The metric that it was planned for; None if nothing is known of the noise.
        detectable: Metric -> the smallest change that so many pairs find.
        noise: Metric -> what a pair of A against A differs by, typically (one standard deviation, a share).
        basis: How many pairs of A against A that rests on.
    """

    repeats: int
    wanted: int
    metric: str | None
    detectable: Mapping[str, float] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)
    basis: int = 0

    def __str__(self) -> str:
        if self.metric is None:
            return f"Nothing is known of this machine's noise: {self.repeats} repeats to begin with."
        noise = ", ".join(f"{METRICS[name].title} {share:.1%}" for name, share in self.noise.items())
        finds = ", ".join(f"{METRICS[name].title} {share:.0%}" for name, share in self.detectable.items())
        capped = f" (it would take {self.wanted})" if self.wanted > self.repeats else ""
        return (
            f"A against A differs by (one standard deviation, {self.basis} pairs): {noise}. "
            f"That asks for {self.repeats} repeats{capped}. "
            f"They find, nine times in ten, changes of: {finds}."
        )


@dataclass(frozen=True)
class Next:
    """What to do after a look.

    Attributes:
        clear: Whether the verdict stands.
        wanted: Key of a cell -> pairs that count which it should have in all before the next look.
        why: One sentence.
    """

    clear: bool
    wanted: dict[str, int]
    why: str


def plan_repeats(
    noise: Sequence[CellPairs], cells: int, thresholds: Thresholds, most: int = MOST
) -> RepeatPlan:
    """How many pairs of each cell it takes to find a change of `thresholds.effect`.

    Args:
        noise: A against A, all cells.
        cells: How many configurations will be judged together.
        thresholds: What they will be judged by.
        most: The most that may be asked for.
    """
    return plan_from({cell.key: figures_of(cell) for cell in noise if cell.pairs}, cells, thresholds, most)


def plan_from(
    noise: Mapping[str, Mapping[str, Values]], cells: int, thresholds: Thresholds, most: int = MOST
) -> RepeatPlan:
    """As `plan_repeats`, from plain values."""
    spreads = {name: spread for name, spread in spreads_of({}, noise).items() if spread.degrees}
    tests = cells * max(1, len(spreads))
    shares = step_shares(noise)
    needed = {
        name: repeats_needed(
            spreads[name], tests, replace(thresholds, effect=thresholds.effect * shares[name])
        )
        for name in PLANNED_FOR
        if name in spreads
    }
    if not needed:
        return RepeatPlan(thresholds.minimum_pairs, thresholds.minimum_pairs, None)
    metric = min(needed, key=lambda name: needed[name])
    repeats = min(most, needed[metric])
    shown = [name for name in METRICS if name in spreads]
    return RepeatPlan(
        repeats=repeats,
        wanted=needed[metric],
        metric=metric,
        detectable={name: detectable(spreads[name], repeats, tests, thresholds) for name in shown},
        noise={name: math.expm1(math.sqrt(spreads[name].variance)) for name in shown},
        basis=sum(max(len(values.logs) for values in found.values()) for found in noise.values() if found),
    )


def step_shares(noise: Mapping[str, Mapping[str, Values]]) -> dict[str, float]:
    """What share of each metric of `PLANNED_FOR` the training step has: so much of its change shows there.

    Fit time has the compilation, too; where it is all that is known, it is planned for as it is.
    """
    known = {name for found in noise.values() for name in found}
    fit, compiled = (
        [
            np.median(found[name].baseline)
            for found in noise.values()
            if {"fit_time", "compile_time"} <= set(found)
        ]
        for name in ("fit_time", "compile_time")
    )
    diluted = bool(fit) and known & {"throughput", "train_cpu_time"}
    of_fit = max(0.0, 1.0 - sum(compiled) / sum(fit)) if diluted else 1.0
    return {"throughput": 1.0, "train_cpu_time": CPU_SHARE, "fit_time": of_fit}


def repeats_needed(spread: Spread, tests: int, thresholds: Thresholds) -> int:
    """Pairs that find a change of `thresholds.effect` with `thresholds.power`, if noise is not far larger.

    Args:
        spread: Of log ratios of A against A.
        tests: Hypotheses that are judged together.
        thresholds: What they are judged by.
    """
    from scipy.special import chdtri

    cautious = spread
    if not math.isinf(spread.degrees):
        low = float(chdtri(spread.degrees, 1 - CAUTION))
        cautious = replace(spread, variance=spread.variance * spread.degrees / low)
    n = thresholds.minimum_pairs
    while detectable(cautious, n, tests, thresholds) > thresholds.effect and n < 100_000:
        n += 1 if n < 100 else n // 20
    return n


def detectable(spread: Spread, n: int, tests: int, thresholds: Thresholds) -> float:
    """The smallest change, as a share, that n pairs find with `thresholds.power`.

    It must be significant in the worst place of Holm's order, and look as large as a change that counts.

    Args:
        spread: Of log ratios.
        n: Pairs.
        tests: Hypotheses that are judged together.
        thresholds: What they are judged by.
    """
    from scipy.special import ndtri, stdtrit

    level = thresholds.alpha_now / tests
    error = math.sqrt(spread.variance / n)
    if n >= rank_test_from(level):
        critical = -float(ndtri(level / 2))
        error *= math.sqrt(math.pi / 3)  # the signed-rank test's efficiency under normal noise
    else:
        critical = -float(stdtrit(n - 1 + spread.degrees, level / 2))
    needed = max(critical * error, math.log1p(thresholds.change)) + float(ndtri(thresholds.power)) * error
    return math.expm1(needed)


def next_look(verdict: Verdict, cells: Sequence[CellPairs], most: int = MOST) -> Next:
    """Whether a verdict is clear, else how many pairs to have before the next look.

    Each look spends its share of the allowed false alarms (`Thresholds.look`, `Thresholds.looks_planned`),
    so that looking again does not add to them.

    Args:
        verdict: Of this look.
        cells: What it was made from.
        most: The most pairs that a cell may get.
    """
    if verdict.regressions:
        return Next(True, {}, "a regression is shown")
    unclear = {one.key: one for one in verdict.cells if one.status is Status.JUDGED and one.inconclusive}
    if not unclear:
        return Next(True, {}, "every cell is clear")
    helped = {key for key, one in unclear.items() if _more_pairs_help(one)}
    if not helped:
        return Next(
            False,
            {},
            f"learning of {len(unclear)} cells stays unclear, for repeats of the same seeds are the same "
            "training: give [suite] more seeds, or more test images",
        )
    thresholds = Thresholds(minimum_pairs=int(verdict.thresholds.get("minimum_pairs", 1)))
    # Those that count: on a machine that is never quiet, disturbed ones do, too.
    have = {cell.key: len(counting(cell, thresholds)) for cell in cells if cell.key in helped}
    wanted = {key: min(most, math.ceil(GROWTH * max(number, 2))) for key, number in have.items()}
    growing = {key: number for key, number in wanted.items() if number > have[key]}
    if not growing:
        return Next(False, {}, f"{len(unclear)} cells are inconclusive after {most} pairs")
    return Next(False, growing, f"{len(unclear)} cells are inconclusive")


def _more_pairs_help(cell: CellVerdict) -> bool:
    """Whether what is unclear may become clear: times always may, learning if every pair trained its own
    networks. Deterministic repeats train one over and over."""
    if cell.speed is Speed.INCONCLUSIVE:
        return True
    return bool(cell.differences) and len(cell.differences[0].pairs) == cell.pairs
