"""`regress SUITE`: is the candidate slower than the baseline, or does it learn worse?"""

import re
from pathlib import Path
from typing import Annotated

import typer

from bench.commands.options import (
    DEFAULT_RESULTS,
    DataOption,
    DevicesOption,
    OnlyOption,
    ResultsOption,
    SuiteArgument,
    WeightsOption,
)


def _asked(side: str, meaning: str):
    return Annotated[str | None, typer.Option(f"--{side}", metavar="REQUIREMENT", help=meaning)]


BaselineOption = _asked(
    "baseline", "The old side, such as tensorflow==2.20.0; or baseline:NAME, a result that was kept."
)
CandidateOption = _asked("candidate", "The new side, such as tensorflow==2.21.0.")


def regress(
    suite: SuiteArgument,
    baseline: BaselineOption = None,
    candidate: CandidateOption = None,
    baseline_with: Annotated[
        list[str] | None,
        typer.Option("--baseline-with", metavar="REQUIREMENT", help="Beside it: keras==3.3.3. Repeatable."),
    ] = None,
    candidate_with: Annotated[
        list[str] | None,
        typer.Option("--candidate-with", metavar="REQUIREMENT", help="As --baseline-with."),
    ] = None,
    baseline_python: Annotated[
        Path | None,
        typer.Option("--baseline-python", metavar="PATH", help="An existing interpreter instead."),
    ] = None,
    candidate_python: Annotated[
        Path | None,
        typer.Option("--candidate-python", metavar="PATH", help="An existing interpreter instead."),
    ] = None,
    baseline_revision: Annotated[
        str | None,
        typer.Option("--baseline-revision", metavar="REV", help="Leukobench's code at a git revision."),
    ] = None,
    candidate_revision: Annotated[
        str | None,
        typer.Option("--candidate-revision", metavar="REV", help="Leukobench's code at a git revision."),
    ] = None,
    baseline_results: Annotated[
        Path | None,
        typer.Option("--baseline-results", metavar="DIR", help="Results that are there already."),
    ] = None,
    repeats: Annotated[
        str,
        typer.Option(
            "--repeats", metavar="N|auto", help="Pairs of a trial, seeds together; auto: until clear."
        ),
    ] = "auto",
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="TIME", help="The longest that runs may take; 30m with auto."),
    ] = None,
    change: Annotated[
        float, typer.Option("--change", metavar="PERCENT", help="Smallest change of a time that counts.")
    ] = 5.0,
    margin: Annotated[
        float, typer.Option("--margin", metavar="POINTS", help="Accuracies that close are the same.")
    ] = 2.0,
    envs: Annotated[
        Path | None,
        typer.Option("--envs", metavar="DIR", help="Where environments are kept; RESULTS/environments."),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option("--python", metavar="VERSION", help="Python of the environments; the one that runs."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Of the comparison: RESULTS/regress/NAME.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Pairs that ran before do not count.")] = False,
    data: DataOption = None,
    weights: WeightsOption = None,
    devices: DevicesOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    only: OnlyOption = None,
) -> int:
    """Run a suite in two environments and judge what changed.

    Speed and learning of every trial are judged. Exit codes: 0, 1 a regression, 3 trials failed that had not
    been done before, 4 not enough evidence.
    """
    from bench.commands.progress import Progress
    from bench.commands.terminal import Terminal
    from bench.commands.verdicts import show, thresholds_of
    from bench.regress.comparison import RegressOptions
    from bench.regress.run import run_regress
    from bench.regress.side_request import Ask

    count = _count(repeats)
    seconds = (1800.0 if count is None else None) if budget is None else _seconds(budget)
    asks = {
        "baseline": Ask(baseline, tuple(baseline_with or ()), baseline_python, baseline_revision),
        "candidate": Ask(candidate, tuple(candidate_with or ()), candidate_python, candidate_revision),
    }
    options = RegressOptions(envs, python, name, count, seconds, fresh, devices, data, weights, only)
    thresholds = thresholds_of(change, margin)
    recorded = None if baseline_results is None else str(baseline_results)
    console = Terminal()
    with Progress(console) as progress:
        outcome = run_regress(suite, asks, results, progress, options, thresholds, recorded)
    return show(console, outcome.verdict, outcome.folder)


def _count(text: str) -> int | None:
    """Pairs of each trial, or None for `auto`."""
    from bench.errors import InputError

    if text == "auto":
        return None
    if not text.isdecimal() or not 0 < int(text) <= 10_000:
        raise InputError(f"--repeats {text} is no number of pairs", "Give 1 or more, or auto.")
    return int(text)


def _seconds(text: str) -> float:
    from bench.errors import InputError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", text.strip())
    if match is None or not float(match[1]):
        raise InputError(f"--budget {text} is no time to run in", "Write 30m, 2h or 90s.")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
