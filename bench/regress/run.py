"""The whole of `python -m bench regress`: run, judge, write down."""

from dataclasses import dataclass
from pathlib import Path

from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Verdict
from bench.regress.ask import Ask
from bench.regress.comparison import RegressOptions, Speaker, session
from bench.regress.sides import SideName
from bench.regress.verdict import regression


@dataclass(frozen=True)
class Outcome:
    """What a comparison comes to.

    Attributes:
        verdict: What is said.
        folder: Where runs and reports lie.
    """

    verdict: Verdict
    folder: Path


def run_regress(
    path: Path,
    asks: dict[SideName, Ask],
    results_folder: Path,
    speaker: Speaker,
    options: RegressOptions,
    thresholds: Thresholds,
) -> Outcome:
    """Compare two environments; see `bench.regress.comparison.session` for what it raises."""
    with session(path, asks, results_folder, speaker, options) as ready:
        verdict = regression(ready, options.repeats, thresholds, speaker.say)
        return Outcome(verdict, ready.comparison.folder)
