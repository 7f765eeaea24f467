"""False alarms and power of the verdict, and of others' rules, over resamples of recorded pairs.

`python tests/evidence/judging.py [--resamples 1000] [FILE ...]` prints the tables of docs/verdicts.md. A
file of pairs (`tests/evidence/pairs/*.json`) is a list of `{"label", "kind": "aa" or "slow10", "pairs":
[{"baseline": {metric: value}, "candidate": {...}, "disturbed": [...]}]}`; `aa` is the same software twice, in
`slow10` the candidate's training step takes a tenth longer.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "src"), str(HERE.parent)]

from evidence.others import Judged, asv, overlap, pyperf  # noqa: E402

from bench.compare.metrics import METRICS, Values  # noqa: E402
from bench.compare.speed import judge_speed  # noqa: E402
from bench.compare.thresholds import Thresholds  # noqa: E402
from bench.compare.verdict import Speed  # noqa: E402
from bench.regress.planning import plan_from  # noqa: E402
from bench.regress.stopping import GROWTH  # noqa: E402

KEPT = sorted((HERE / "pairs").glob("lenet5-*.json"))
NOISE_PAIRS = 8
"""Pairs of A against A over all trials, as `bench regress` measures them before it plans."""
LOOKS, LEAST = 2, 20
"""Looks that `--pairs auto` is followed for; undisturbed pairs that are worth a table of their own."""

RULES = (asv, pyperf, overlap)
SCOPES = ("throughput", "all figures")

Figures = dict[str, Values]


@dataclass(frozen=True)
class Trial:
    """Recorded pairs of a trial.

    Attributes:
        label: Its name.
        same: A against A.
        slower: A against A whose training step takes a tenth longer; None where that was not recorded.
    """

    label: str
    same: Figures
    slower: Figures | None


@dataclass(frozen=True)
class Drawing:
    """How runs are made of recorded pairs.

    Attributes:
        swapping: Which of the two runs of an A/A pair counts as the candidate's is drawn, too: both are the
            same software, so nothing tells them apart, and what sixty pairs happen to differ by on the
            average is no change that could rightly be found.
        again: A pair may be drawn more than once, even where there are enough.
    """

    swapping: bool = True
    again: bool = False

    def pairs(self, figures: Figures, number: int, rng: np.random.Generator, same: bool) -> Figures:
        """Pairs in a random order; all metrics of a pair stay together."""
        there = len(next(iter(figures.values())).logs)
        chosen = (
            rng.integers(0, there, number)
            if self.again or number > there
            else rng.permutation(there)[:number]
        )
        swap = rng.random(number) < 0.5 if same and self.swapping else np.zeros(number, bool)
        return {
            name: Values(
                np.where(swap, one.candidate[chosen], one.baseline[chosen]),
                np.where(swap, one.baseline[chosen], one.candidate[chosen]),
            )
            for name, one in figures.items()
        }


@dataclass
class Tally:
    """What a rule did over the resamples.

    Attributes:
        false: Runs without any change in which it called a trial slower or faster.
        regressions: Those of them in which it called one slower.
        found: Runs with a planted change in which it called that trial slower.
        runs: Of either kind.
        pairs: Pairs of a trial that it asked for, a run each.
    """

    false: int = 0
    regressions: int = 0
    found: int = 0
    runs: int = 0
    pairs: list[int] = field(default_factory=list)

    def row(self, title: str) -> str:
        """As a row of the table."""
        low, middle, high = (
            np.percentile(self.pairs, [10, 50, 90]).round().astype(int) if self.pairs else ("", "", "")
        )
        pairs = f"{middle} ({low}–{high})" if self.pairs else ""
        share = [f"{count / self.runs:.1%}" for count in (self.false, self.regressions)]
        return f"| {title} | {pairs} | {share[0]} | {share[1]} | {1 - self.found / self.runs:.1%} |"


def read_trials(files: Iterable[Path], calm: bool) -> list[Trial]:
    """Read recorded pairs.

    Args:
        files: See above.
        calm: Leave out pairs that were marked as disturbed.
    """
    kinds: dict[str, dict[str, Figures]] = {}
    for file in files:
        for one in json.loads(file.read_text()):
            pairs = [pair for pair in one["pairs"] if not (calm and pair.get("disturbed"))]
            if pairs:
                kinds.setdefault(one["label"], {})[one["kind"]] = figures_of(pairs)
    return [Trial(label, kind["aa"], kind.get("slow10")) for label, kind in kinds.items() if "aa" in kind]


def figures_of(pairs: Sequence[dict]) -> Figures:
    """Metric -> values of all pairs, for metrics that every pair has on both sides."""
    found = {}
    for name in METRICS:
        if all(name in pair[side] for pair in pairs for side in ("baseline", "candidate")):
            both = [[pair[side][name] for pair in pairs] for side in ("baseline", "candidate")]
            found[name] = Values(*(np.array(side, float) for side in both))
    return found


def resampled(
    trials: Sequence[Trial],
    resamples: int,
    drawing: Drawing | None = None,
    seed: int = 0,
    rules: Sequence[Callable[[np.ndarray, np.ndarray], Judged]] = RULES,
) -> dict[str, Tally]:
    """Tallies of every rule.

    A resample is a run of the tool: noise is measured, pairs are planned, pairs are drawn from those that
    were recorded, and all trials are judged together; once without any change, once with one trial (each in its
    turn) made slower. The others' rules get the runs of the first look, as two samples.

    Args:
        trials: Recorded.
        resamples: How many.
        drawing: How pairs are drawn.
        seed: Of the draws.
        rules: Others' rules.
    """
    rng, drawing = np.random.default_rng(seed), drawing or Drawing()
    names = [f"{rule.__name__}, {scope}" for rule, scope in product(rules, SCOPES)]
    tallies = {name: Tally() for name in ("ours, planned pairs", "ours, auto", *names)}
    planted = [trial.label for trial in trials if trial.slower is not None]
    for number in range(resamples):
        each = max(2, -(-NOISE_PAIRS // len(trials)))
        noise = {trial.label: drawing.pairs(trial.same, each, rng, True) for trial in trials}
        plan = plan_from(noise, len(trials), Thresholds())
        slow = planted[number % len(planted)]
        for kind in ("same", "slow"):
            most = int(np.ceil(plan.pairs * GROWTH ** (LOOKS - 1))) + LOOKS
            drawn = {
                trial.label: drawing.pairs(trial.slower, most, rng, False)
                if kind == "slow" and trial.label == slow
                else drawing.pairs(trial.same, most, rng, True)
                for trial in trials
            }
            looks = follow(drawn, plan.pairs)
            _count(tallies["ours, planned pairs"], looks[:1], kind, slow, plan.pairs)
            _count(tallies["ours, auto"], looks, kind, slow, looks[-1][1])
            for rule, scope in product(rules, SCOPES):
                said = {
                    label: judged_by(rule, first(figures, plan.pairs), scope == "throughput")
                    for label, figures in drawn.items()
                }
                tally = tallies[f"{rule.__name__}, {scope}"]
                _count(tally, [(said, plan.pairs)], kind, slow, plan.pairs)
    return tallies


def follow(drawn: dict[str, Figures], pairs: int) -> list[tuple[dict[str, Speed], int]]:
    """Looks of a run until one shows a change: the verdict of every trial, and pairs.

    A run also ends when all trials are shown to be the same; not asking for that can only add false alarms.
    """
    looks = []
    for _ in range(LOOKS):
        seen = {label: first(figures, pairs) for label, figures in drawn.items()}
        verdicts = judge_speed(seen, Thresholds(), with_intervals=False)
        said = {label: judged.speed for label, judged in verdicts.items()}
        looks.append((said, pairs))
        if {Speed.SLOWER, Speed.FASTER} & set(said.values()):
            break
        pairs = int(np.ceil(GROWTH * pairs))
    return looks


def judged_by(rule: Callable[[np.ndarray, np.ndarray], Judged], figures: Figures, alone: bool) -> Speed:
    """A trial by another tool's rule, with our smallest change that counts."""
    said = set()
    for name, values in figures.items():
        if alone and name != "throughput":
            continue
        judged = rule(values.baseline, values.candidate)
        if judged.significant and abs(np.log(judged.ratio)) >= np.log1p(Thresholds().change):
            said.add(Speed.SLOWER if (judged.ratio > 1) == METRICS[name].more_is_worse else Speed.FASTER)
    return next((one for one in (Speed.SLOWER, Speed.FASTER) if one in said), Speed.INCONCLUSIVE)


def first(figures: Figures, pairs: int) -> Figures:
    """The first pairs of those that were drawn."""
    return {name: Values(one.baseline[:pairs], one.candidate[:pairs]) for name, one in figures.items()}


def _count(tally: Tally, looks: Sequence[tuple], kind: str, slow: str, pairs: int) -> None:
    said = [verdict for verdicts, *_ in looks for verdict in verdicts.values()]
    if kind == "same":
        tally.runs += 1
        tally.pairs.append(pairs)
        tally.false += Speed.SLOWER in said or Speed.FASTER in said
        tally.regressions += Speed.SLOWER in said
    else:
        tally.found += any(verdicts[slow] is Speed.SLOWER for verdicts, *_ in looks)


def table(tallies: dict[str, Tally]) -> str:
    """As Markdown."""
    lines = [
        "| rule | pairs (10–90 %) | false alarms | of these regressions | missed |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *(tally.row(name) for name, tally in tallies.items())])


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*", default=KEPT)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    for file in wanted.files:
        for calm in (False, True):
            trials = read_trials([file], calm)
            same = sum(_pairs(trial.same) for trial in trials)
            slower = sum(_pairs(trial.slower) for trial in trials)
            if not slower or (calm and slower < LEAST):
                continue
            which = "undisturbed pairs" if calm else "all pairs"
            print(f"\n{file.stem}, {which}: {same} A/A, {slower} slower\n")
            print(table(resampled(trials, wanted.resamples, Drawing(), wanted.seed)))
            print("\nThe same, as labelled and with replacement:\n")
            print(table(resampled(trials, wanted.resamples, Drawing(False, True), wanted.seed)))
    return 0


def _pairs(figures: Figures | None) -> int:
    return len(next(iter(figures.values())).logs) if figures else 0


if __name__ == "__main__":
    sys.exit(main())
