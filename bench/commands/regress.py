"""`regress SUITE`: is the candidate slower than the baseline, or does it learn worse?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import (
    DEFAULT_CHANGE,
    DEFAULT_MARGIN,
    DEFAULT_RESULTS,
    ChangeOption,
    DataOption,
    DevicesOption,
    FreshOption,
    JsonOption,
    MarginOption,
    OnlyOption,
    OutputOption,
    ResultsOption,
    SuiteArgument,
    WeightsOption,
)

if TYPE_CHECKING:
    from bench.regress.session import RegressRequest


def regress(
    suite: SuiteArgument,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="REQUIREMENT",
            help="The old side, such as 2.20 (of TensorFlow), keras==3.3.3, or baseline:NAME, saved before.",
        ),
    ] = None,
    candidate: Annotated[
        str | None,
        typer.Option("--candidate", metavar="REQUIREMENT", help="The new side, such as 2.21."),
    ] = None,
    baseline_with: Annotated[
        list[str] | None,
        typer.Option(
            "--baseline-with",
            metavar="REQUIREMENT",
            help="Also install this package for the baseline, such as keras==3.3.3; can be given several "
            "times.",
        ),
    ] = None,
    candidate_with: Annotated[
        list[str] | None,
        typer.Option(
            "--candidate-with",
            metavar="REQUIREMENT",
            help="Also install this package for the candidate; can be given several times.",
        ),
    ] = None,
    baseline_python: Annotated[
        Path | None,
        typer.Option(
            "--baseline-python",
            metavar="PATH",
            help="Run the baseline with this interpreter, in whose environment nothing is installed.",
        ),
    ] = None,
    candidate_python: Annotated[
        Path | None,
        typer.Option(
            "--candidate-python",
            metavar="PATH",
            help="Run the candidate with this interpreter, in whose environment nothing is installed.",
        ),
    ] = None,
    baseline_revision: Annotated[
        str | None,
        typer.Option(
            "--baseline-revision",
            metavar="REV",
            help="Run the baseline with leukobench's code at this git revision.",
        ),
    ] = None,
    candidate_revision: Annotated[
        str | None,
        typer.Option(
            "--candidate-revision",
            metavar="REV",
            help="Run the candidate with leukobench's code at this git revision.",
        ),
    ] = None,
    versions: Annotated[
        list[str] | None,
        typer.Option(
            "--versions",
            metavar="VERSIONS",
            help="Compare each of these with the one before it, oldest first, in place of two sides: 2.20 2.21 (of "
            "TensorFlow), keras==3.10, 'tensorflow==2.19 keras==3.9', a folder, a wheel, an interpreter, "
            "revision:REV.",
        ),
    ] = None,
    baseline_results: Annotated[
        str | None,
        typer.Option(
            "--baseline-results", metavar="DIR", help="Compare with these results; only the candidate runs."
        ),
    ] = None,
    pairs: Annotated[
        str,
        typer.Option(
            "--pairs",
            metavar="N|auto",
            help="Pairs of each trial, all seeds together; auto runs pairs until the verdict is clear.",
        ),
    ] = "auto",
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="TIME",
            help="Longest time that runs may take; 30m by default with auto. With --versions, of each two.",
        ),
    ] = None,
    change: ChangeOption = DEFAULT_CHANGE,
    margin: MarginOption = DEFAULT_MARGIN,
    environments: Annotated[
        Path | None,
        typer.Option(
            "--environments",
            metavar="DIR",
            help="Folder of environments, kept for later comparisons; environments in the results folder "
            "by default.",
        ),
    ] = None,
    python_version: Annotated[
        str | None,
        typer.Option(
            "--python-version",
            metavar="VERSION",
            help="Python of the environments that are made; by default that of leukobench.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Name of the comparison, a folder below regress in the results folder; with --versions, of the "
            "history.",
        ),
    ] = None,
    fresh: FreshOption = False,
    data: DataOption = None,
    weights: WeightsOption = None,
    devices: DevicesOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    only: OnlyOption = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run a suite in two or more environments, and judge what changed.

    Speed and learning of every trial are judged. By default, files go to regress/NAME in the results folder.
    Exit codes: 0, 1 a regression, 3 trials failed that the baseline has not done either, 4 not enough evidence.
    """
    from bench.commands.compare import show, side_of, thresholds_of
    from bench.commands.progress import Progress
    from bench.commands.target import find_target
    from bench.commands.terminal import messages
    from bench.regress.session import RegressRequest
    from bench.regress.side_request import SideRequest
    from bench.regress.verdict import run_regress

    count = _count(pairs)
    target = find_target(suite, results)
    request = RegressRequest(
        suite=target.require_suite(),
        baseline=SideRequest(baseline, tuple(baseline_with or ()), baseline_python, baseline_revision),
        candidate=SideRequest(candidate, tuple(candidate_with or ()), candidate_python, candidate_revision),
        baseline_results=None if baseline_results is None else side_of(baseline_results, results),
        results=target.results,
        name=name,
        pairs=count,
        budget_s=_seconds(budget) if budget is not None else 1800.0 if count is None else None,
        fresh=fresh,
        thresholds=thresholds_of(change, margin),
        devices=devices,
        data=data,
        weights=weights,
        only=only,
        environments=environments,
        python=python_version,
    )
    if versions:
        return _versions(request, versions, output, as_json)
    with Progress(messages()) as progress:
        outcome = run_regress(request, progress)
    return show(outcome.verdict, output or outcome.folder, as_json)


def _versions(request: "RegressRequest", versions: list[str], output: Path | None, as_json: bool) -> int:
    """Compare versions in turn, and show their history; its exit code."""
    from bench.commands.history import show
    from bench.commands.progress import Progress
    from bench.commands.terminal import messages
    from bench.errors import InputError
    from bench.regress.versions import run_versions

    if request.baseline.asks_something or request.candidate.asks_something or request.recorded:
        raise InputError(
            "--versions names all sides, so --baseline... and --candidate... say nothing",
            "Leave them out, or leave out --versions.",
        )
    with Progress(messages()) as progress:
        outcome = run_versions(request, versions, progress)
    return show([(outcome.history, output or outcome.folder)], as_json)


def _count(text: str) -> int | None:
    """Pairs of each trial, or None for `auto`."""
    from bench.errors import InputError

    if text == "auto":
        return None
    if not text.isdecimal() or not 0 < int(text) <= 10_000:
        raise InputError(f"--pairs {text} is not a number of pairs", "Give 1 or more, or auto.")
    return int(text)


def _seconds(text: str) -> float:
    from bench.errors import InputError
    from bench.trials.limits import seconds_of

    try:
        found = seconds_of(text)
    except InputError as error:
        raise InputError(f"--budget: {error.what}", error.way_out) from None
    if not found:
        raise InputError(f"--budget is {text}", "Give a time such as 30m, 2h or 90s.")
    return found
