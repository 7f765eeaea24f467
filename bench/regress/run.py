"""The whole of `python -m bench regress` but what is printed: run and judge."""

from dataclasses import dataclass, replace
from pathlib import Path

from bench.compare.compare import read_side
from bench.compare.reading import BASELINE
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Verdict
from bench.errors import InputError
from bench.regress.comparison import RegressOptions, Speaker, session
from bench.regress.recorded import against_recorded
from bench.regress.side_request import Ask
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
    recorded: str | None = None,
) -> Outcome:
    """Compare two environments; see `bench.regress.comparison.session` for what it raises.

    Args:
        path: The suite file.
        asks: What the sides are; the baseline may be `baseline:NAME`, which was recorded before.
        results_folder: Where results are kept.
        speaker: Is told how it goes.
        options: Of the command line.
        thresholds: What is judged by.
        recorded: Results to take as the baseline, as `compare` takes them; None: the baseline is run.
    """
    named = asks["baseline"].requirement or ""
    if named.startswith(BASELINE):
        if recorded is not None:
            raise InputError(
                f"the baseline is given twice, as {named} and as --baseline-results {recorded}",
                "Leave one of the two out.",
            )
        recorded, asks = named, {**asks, "baseline": replace(asks["baseline"], requirement=None)}
    if recorded is None:
        with session(path, asks, results_folder, speaker, options) as ready:
            verdict = regression(ready, options.repeats, thresholds, speaker.say)
            return Outcome(verdict, ready.comparison.folder)
    if asks["baseline"].says_something or asks["baseline"].beside:
        raise InputError(
            f"the baseline is {recorded}, so nothing else can be asked of it",
            "Leave out --baseline-with, --baseline-python and --baseline-revision, or the recorded results.",
        )
    baseline = read_side(recorded, results_folder)
    with session(path, {"candidate": asks["candidate"]}, results_folder, speaker, options) as ready:
        verdict = against_recorded(ready, baseline, options.repeats, thresholds, speaker.say)
        return Outcome(verdict, ready.comparison.folder)
