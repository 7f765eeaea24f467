"""`run SUITE`: run every trial that is not done, record it, and print a short table."""

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from bench.commands.options import (
    DEFAULT_RESULTS,
    AddressOption,
    DataOption,
    DevicesOption,
    EngineOption,
    FreshOption,
    JsonOption,
    OnlyOption,
    ResultsOption,
    SuiteArgument,
    WeightsOption,
)


@dataclass(frozen=True)
class TrialDocument:
    """One trial of the suite."""

    id: str
    status: str
    """`done`, or why there is no result."""
    reason: str | None
    """Why it failed."""
    accuracy: float | None
    """Share of the test images that are classified correctly."""
    balanced_accuracy: float | None
    """Mean of the classes' accuracies."""
    loss: float | None
    """Mean cross-entropy of the test images, nats."""
    fit_s: float | None
    """Compile and train, with validation."""
    time_to_result_s: float | None
    """From the start of the process to its end."""


@dataclass(frozen=True)
class RunDocument:
    """What `run --json` prints."""

    suite: str
    folder: Path
    """Results of the suite."""
    page: Path | None
    """The report; None where it was not written."""
    answer: str | None
    """Which configuration is worth its time, in words; None where nothing is done, or no report was written."""
    trials: list[TrialDocument]
    """Those that were asked for."""
    failed: list[str]
    """Ids of those that are not done."""


def run(
    suite: SuiteArgument,
    data: DataOption = None,
    weights: WeightsOption = None,
    devices: DevicesOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    only: OnlyOption = None,
    fresh: FreshOption = False,
    engine: EngineOption = "local",
    address: AddressOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run every trial of a suite that is not done yet.

    Print a short table, and write tables and a report.
    """
    from bench.commands.output import print_document
    from bench.commands.progress import Progress
    from bench.commands.report import Brief, WrittenPage, print_brief, write_brief, write_page
    from bench.commands.target import find_target
    from bench.commands.terminal import Terminal, messages
    from bench.errors import ExitCode, command
    from bench.runner.suite import Outcome, RunOptions, run_suite

    target = find_target(suite, results)
    file = target.require_suite()
    notes = messages()
    made: list[tuple[Brief, WrittenPage | None]] = []

    def report(outcome: Outcome) -> None:
        from bench.report.models import keep_best

        brief = write_brief(outcome.results, outcome.suite_ids, outcome.trial_ids)
        made.append((brief, write_page(notes, outcome.results, outcome.suite_ids, file)))
        keep_best(outcome.results, outcome.suite_ids)

    needed = ("bench.report.report", "bench.report.models", "scipy.special")
    with Progress(notes, needed=needed) as progress:
        options = RunOptions(devices, data, weights, only, fresh, engine, address)
        outcome = run_suite(file, target.results, progress, options, report)
    ((brief, written),) = made
    page = written.path if written else None
    if as_json:
        found = [_trial(row) for row in brief.trials.to_dict("records")]
        print_document(
            RunDocument(
                outcome.results.suite,
                outcome.results.folder,
                page,
                (written.answer or None) if written else None,
                found,
                outcome.failed,
            )
        )
    else:
        console = Terminal()
        print_brief(console, brief)
        if written and written.answer:
            console.print(written.answer, markup=False, highlight=False, soft_wrap=True)
    for caution in (*outcome.cautions, *(written.cautions if written else ())):
        notes.say(f"warning: {caution}", style="yellow")
    if outcome.failed:
        count = f"{len(outcome.failed)} trial{'' if len(outcome.failed) == 1 else 's'}"
        notes.say(f"{count} failed; repeat the command to try again.", style="red")
    tables = outcome.results.report / "tables"
    into = "" if results == DEFAULT_RESULTS else f" --results {quote(str(results))}"
    notes.say(
        f"Report: {page}" if page else f"Tables: {tables}; for a report: {command()} report {suite}{into}"
    )
    return ExitCode.TRIALS_FAILED if outcome.failed else ExitCode.OK


def _trial(row: dict[str, object]) -> TrialDocument:
    """From a row of `bench.report.frame.trials_frame`."""

    def number(name: str) -> float | None:
        value = row.get(name)
        return value if isinstance(value, float) and value == value else None

    reason = row.get("reason")
    return TrialDocument(
        str(row["trial"]),
        str(row["status"]),
        reason if isinstance(reason, str) and reason else None,
        *map(number, ("test_accuracy", "balanced_accuracy", "test_loss", "fit_s", "result_s")),
    )
