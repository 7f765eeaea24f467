"""`compare A B`: is B worse than A, in speed or in learning?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import (
    DEFAULT_CHANGE,
    DEFAULT_MARGIN,
    DEFAULT_RESULTS,
    ChangeOption,
    JsonOption,
    MarginOption,
    OnlyOption,
    OutputOption,
    ResultsOption,
)
from bench.errors import ExitCode, InputError

if TYPE_CHECKING:
    from bench.compare.thresholds import Thresholds
    from bench.compare.two_trials import TwoTrials
    from bench.compare.verdict import Verdict
    from bench.journal.results import Attempt, SuiteResults
    from bench.trials.record import Record

SHOWN_TRIALS = 8
"""Ids that a message lists."""

_SIDE = "Results of a suite, its file or name, baseline:NAME, or mlflow:EXPERIMENT; or a trial."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same; what may be worse.")],
    results: ResultsOption = DEFAULT_RESULTS,
    only: OnlyOption = None,
    change: ChangeOption = DEFAULT_CHANGE,
    margin: MarginOption = DEFAULT_MARGIN,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> int:
    """Judge B against A. Trials match if they were asked for alike.

    Two trials of a suite, named by parts of their ids, are compared by the same test images, with exit code 0.
    By default, files go to compare/A-vs-B in the results folder. Exit codes: 0, 1 a regression, 3 trials
    failed that the baseline has not done either, 4 not enough evidence.
    """
    from bench.commands.target import short_name
    from bench.compare.compare import compare_sides
    from bench.trials.layout import COMPARISONS

    thresholds = thresholds_of(change, margin)
    if trials := _two_trials(a, b, results):
        return _show_trials(trials, as_json)
    folder = output or results / COMPARISONS / f"{short_name(a)}-vs-{short_name(b)}"
    verdict = compare_sides(side_of(a, results), side_of(b, results), results, thresholds, only, folder)
    return show(verdict, folder, as_json)


def _two_trials(a: str, b: str, results: Path) -> "TwoTrials | None":
    """Both as trials; None if neither names one.

    Raises:
        InputError: Only one of them names a trial, or one names several, or a trial that is not done.
    """
    from bench.compare.two_trials import compare_trials

    named = [_trials_of(text, results) for text in (a, b)]
    if not any(named):
        return None
    found = []
    for text, other, trials in zip((a, b), (b, a), named, strict=True):
        if trials is None:
            raise InputError(
                f"{other} names a trial, but {text} names results", "Compare two trials, or two results."
            )
        if not trials:
            known = [trial_id for one in named for trial_id in one or ()]
            raise InputError(f"no id of a trial has the part {text}", f"Ids look like {known[0]}.")
        if len(trials) > 1:
            shown = [*list(trials)[:SHOWN_TRIALS], *(["..."] if len(trials) > SHOWN_TRIALS else [])]
            raise InputError(
                f"{text} is a part of {len(trials)} trials' ids", "\n".join(["Name one:", *shown])
            )
        ((trial_id, suite),) = trials.items()
        found.append(_done(suite, trial_id))
    return compare_trials(*found)


def _trials_of(text: str, results: Path) -> "dict[str, SuiteResults] | None":
    """The trials that a text may mean, each with its suite; None where it names results."""
    from bench.journal.results import SuiteResults
    from bench.plan.decide import matches

    folder = Path(text).resolve()
    if folder.is_dir() and folder.parent.name == "trials":
        return {folder.name: SuiteResults(folder.parents[2], folder.parents[1].name)}
    try:
        side_of(text, results)
    except InputError:
        suites = [SuiteResults(results, one.parent.name) for one in sorted(results.glob("*/trials"))]
        found: dict[str, SuiteResults] = {}
        for suite in suites:
            for one in suite.trial_ids():
                # The same trial may be in several suites: one in which it is done can be compared.
                if matches(one, text) and (one not in found or not found[one].is_done(one)):
                    found[one] = suite
        return found
    return None


def _done(results: "SuiteResults", trial_id: str) -> "tuple[Attempt, Record]":
    latest = results.latest(trial_id)
    if latest is None or latest[1].status != "done":
        raise InputError(f"{trial_id} is not done", "Compare trials that are done.")
    return latest


def _show_trials(found: "TwoTrials", as_json: bool) -> ExitCode:
    from bench.commands.output import print_document
    from bench.commands.terminal import Terminal, print_rows
    from bench.report.tables.formats import duration

    if as_json:
        print_document(found)
        return ExitCode.OK
    first, second = found.first, found.second
    rows = [
        [
            "balanced accuracy %",
            f"{first.balanced_accuracy * 100:.1f}",
            f"{second.balanced_accuracy * 100:.1f}",
        ],
        ["accuracy %", f"{first.accuracy * 100:.1f}", f"{second.accuracy * 100:.1f}"],
        ["images that it alone predicts right", str(found.only_first), str(found.only_second)],
    ]
    times = (
        ("time to result", first.result_s, second.result_s),
        ("fit time", first.fit_s, second.fit_s),
    )
    rows += [[name, duration(one), duration(other)] for name, one, other in times if one and other]
    rows += [[name, one, other] for name, one, other in found.differ]
    console = Terminal()
    print_rows(console, ("", first.trial, second.trial), rows)
    lines = [found.sentence]
    if found.p is not None:
        lines.append(f"McNemar's exact test: p = {found.p:.3g}.")
    else:
        lines.append(f"The images have {found.sources} sources, so the interval is over sources, not images.")
    if found.left_out:
        lines.append(f"{found.left_out} test images of one that the other was not tested on are left out.")
    if found.other_device:
        lines.append(f"Their times are not compared: {found.other_device}.")
    elif first.result_s and second.result_s:
        lines.append(
            f"The second takes {second.result_s / first.result_s:.2f} times as long to its result; once each."
        )
    lines += [
        f"{one.trial} was disturbed: {' '.join(one.disturbed)}" for one in (first, second) if one.disturbed
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return ExitCode.OK


def side_of(text: str, results: Path) -> str:
    """One side as `bench.compare.compare.read_side` takes it; a suite's file or name become its results.

    Raises:
        InputError: There is nothing of that name.
    """
    from bench.commands.target import find_target
    from bench.compare.baseline import saved
    from bench.compare.reading import BASELINE, MLFLOW

    if text.startswith((BASELINE, MLFLOW)) or Path(text).is_dir():
        return text
    try:
        return str(find_target(text, results).folder)
    except InputError as error:
        if text in (one.name for one in saved(results)):
            raise InputError(error.what, f"did you mean {BASELINE}{text}?") from None
        raise


def thresholds_of(change: float, margin: float) -> "Thresholds":
    """The thresholds of a verdict.

    Args:
        change: `--change`, percent.
        margin: `--margin`, percentage points.

    Raises:
        InputError: One of them is out of range.
    """
    from bench.compare.thresholds import Thresholds

    for value, option in ((change, "--change"), (margin, "--margin")):
        if not 0 < value < 100:
            raise InputError(f"{option} is {value:g}", "Give a number between 0 and 100.")
    return Thresholds(change=change / 100, margin=margin / 100)


def show(verdict: "Verdict", folder: Path, as_json: bool) -> ExitCode:
    """Print a verdict and write its files; its exit code.

    Args:
        verdict: Of `compare` or `regress`.
        folder: Where its files go.
        as_json: Print the document that `regression.json` holds as well, see `bench.compare.output.files.document`.
    """
    from bench.commands.output import print_document
    from bench.commands.terminal import Terminal, messages
    from bench.compare.output.files import document, write_verdict
    from bench.compare.output.format import print_verdict

    # Printed first: it must be seen even where nothing can be written.
    if as_json:
        print_document(document(verdict))
    else:
        print_verdict(Terminal(), verdict)
    messages().say(f"Written: {', '.join(map(str, write_verdict(verdict, folder)))}")
    return verdict.exit_code
