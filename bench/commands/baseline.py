"""`baseline save|list|show`: results kept to compare with later."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import (
    DEFAULT_RESULTS,
    JsonOption,
    OnlyOption,
    ResultsOption,
    SuiteArgument,
    add_verb,
)

if TYPE_CHECKING:
    from bench.compare.baseline import Baseline
    from bench.compare.differences import Fingerprint
    from bench.compare.measurement import Measurement

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Save results to compare with later.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the baseline.")]


@dataclass(frozen=True)
class BaselineDocument:
    """A saved baseline; `baseline list --json` prints a list of these."""

    name: str
    suite: str
    folder: Path
    attempts: int
    saved_at: str
    """UTC, ISO 8601."""
    refusal: str | None
    """Why times measured on this machine are not compared with its times; None where they are."""


@dataclass(frozen=True)
class ConfigurationDocument:
    """A configuration of a baseline."""

    label: str
    done: int
    """Attempts that have a result."""
    attempts: int
    fit_s: list[float]
    """Of each attempt that is done, in seconds."""
    accuracy: list[float]
    """Shares of the test images."""


@dataclass(frozen=True)
class ShownDocument:
    """What `baseline show --json` prints."""

    baseline: BaselineDocument
    machine: "Fingerprint"
    """Of the machine that measured it; unknown if another machine saved it."""
    configurations: list[ConfigurationDocument]


def save(
    name: NameArgument,
    suite: SuiteArgument,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the baseline that has this name.")
    ] = False,
    results: ResultsOption = DEFAULT_RESULTS,
    only: OnlyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save the records and predictions of a suite, without images.

    The fingerprint of this machine is saved too.
    """
    from bench.commands.output import print_document
    from bench.commands.target import find_target
    from bench.commands.terminal import Terminal, messages, warn
    from bench.compare import baseline

    saved = baseline.save(results, name, find_target(suite, results).folder, replace, only)
    warn(saved.warnings)
    if as_json:
        print_document(_document(saved))
    else:
        Terminal().say(
            f"Saved {saved.attempts} attempts of {saved.suite} as {saved.name} in {saved.folder}. "
            f"Compare with it as baseline:{saved.name}."
        )
    if not saved.machine:
        messages().say(
            "warning: another machine made these records, so runs of this machine are compared with them in "
            "learning only",
            style="yellow",
        )


def list_baselines(results: ResultsOption = DEFAULT_RESULTS, as_json: JsonOption = False) -> None:
    """List the saved baselines.

    Say also whether times measured on this machine may be compared with them.
    """
    from bench.commands.output import print_document
    from bench.commands.terminal import Terminal, messages, print_rows, warn
    from bench.compare.baseline import saved, unreadable
    from bench.errors import command

    found = [_document(one) for one in saved(results)]
    warn(filter(None, [unreadable(results)]))
    if as_json:
        print_document(found)
    elif not found:
        messages().say(f"{results} has no baselines; `{command()} baseline save NAME SUITE` saves one.")
    else:
        rows = [
            (one.name, one.suite, str(one.attempts), one.saved_at, one.refusal or "comparable here")
            for one in found
        ]
        print_rows(Terminal(), ("baseline", "suite", "attempts", "saved", "times"), rows, whole=4)


def show(name: NameArgument, results: ResultsOption = DEFAULT_RESULTS, as_json: JsonOption = False) -> None:
    """Show a baseline: its machine and its configurations."""
    import msgspec

    from bench.commands.output import print_document
    from bench.commands.terminal import Terminal, print_rows, warn
    from bench.compare.baseline import find, refusal
    from bench.compare.matching import configuration_of
    from bench.compare.reading import read_folder

    baseline = find(results, name)
    grouped: dict[str, list[Measurement]] = {}
    side = read_folder(baseline.folder)
    warn(side.warnings)
    for one in side.measurements:
        grouped.setdefault(configuration_of(one), []).append(one)
    configurations = []
    for group in grouped.values():
        done = [one.record for one in group if one.done]
        fit = [record.fit_time.wall_s for record in done if record.fit_time]
        right = [record.test.accuracy for record in done if record.test]
        label = group[0].record.trial.label
        configurations.append(ConfigurationDocument(label, len(done), len(group), fit, right))
    if as_json:
        print_document(ShownDocument(_document(baseline), baseline.machine, configurations))
        return
    console = Terminal()
    fingerprint = msgspec.to_builtins(baseline.machine)
    machine = ", ".join(f"{key} {_plain(value)}" for key, value in fingerprint.items()) or "another one"
    console.print(f"{baseline.name}: {baseline.suite}, saved {baseline.saved_at}", markup=False)
    console.print(f"Machine: {machine}", markup=False, highlight=False)
    if why := refusal(baseline):
        console.print(f"Times are not compared with this machine's: {why}", style="yellow", markup=False)
    rows = [
        (
            one.label,
            str(one.done),
            str(one.attempts),
            _mean(one.fit_s, 1),
            _mean([100 * value for value in one.accuracy], 1),
        )
        for one in configurations
    ]
    print_rows(console, ("trial", "done", "of", "fit s", "accuracy %"), rows, whole=5)


for verb, name in ((save, "save"), (list_baselines, "list"), (show, "show")):
    add_verb(app, verb, name)


def _document(baseline: "Baseline") -> BaselineDocument:
    from bench.compare.baseline import refusal

    why = refusal(baseline) if baseline.machine else "measured on another machine"
    return BaselineDocument(
        baseline.name, baseline.suite, baseline.folder, baseline.attempts, baseline.saved_at, why or None
    )


def _mean(values: list[float], digits: int) -> str:
    """`12.1 [11.8–12.4]`: the mean, with the 95 % interval over attempts where there are several."""
    from wbc.evaluation.intervals import t_interval

    if not values:
        return "—"
    mean, interval = f"{sum(values) / len(values):.{digits}f}", t_interval(values)
    return f"{mean} [{interval.low:.{digits}f}–{interval.high:.{digits}f}]" if interval else mean


def _plain(value: object) -> str:
    return (", ".join(map(str, value)) or "none") if isinstance(value, list | tuple) else str(value)
