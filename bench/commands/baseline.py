"""`baseline save|list|show`: results kept to compare with later."""

from pathlib import Path
from typing import Annotated

import typer

from bench.commands.options import DEFAULT_RESULTS, ResultsOption

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Results kept to compare with later.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the baseline.")]


@app.command()
def save(
    name: NameArgument,
    source: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="Results of a suite, such as results/demo.")
    ],
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite a baseline of this name.")] = False,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Keep the records and predictions of a suite.

    This machine's fingerprint is kept with them; images are not.
    """
    from bench.commands.terminal import Terminal
    from bench.compare import baseline

    saved = baseline.save(results, name, source, replace)
    console = Terminal()
    console.print(
        f"Kept {saved.attempts} attempts of {saved.suite} as {saved.name} in {saved.folder}. "
        f"Compare with it as baseline:{saved.name}.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if not saved.machine:
        console.print(
            "Its records are of another machine than this one: only learning will be compared with runs of "
            "this machine.",
            style="yellow",
        )


@app.command("list")
def list_baselines(results: ResultsOption = DEFAULT_RESULTS) -> None:
    """List what is kept.

    Says also whether times measured here may be compared with it.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from bench.commands.terminal import Terminal
    from bench.compare.baseline import refusal, saved

    console = Terminal()
    found = saved(results)
    if not found:
        console.print(
            f"{results} has no baselines; `bench baseline save NAME RESULTS` keeps one.", markup=False
        )
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("baseline", "suite", "attempts", "saved", "times"):
        table.add_column(heading, overflow="fold")
    for one in found:
        times = refusal(one) if one.machine else "measured on another machine"
        texts = (one.name, one.suite, str(one.attempts), one.saved_at, times or "comparable here")
        table.add_row(*map(Text, texts))
    console.print(table)


@app.command()
def show(name: NameArgument, results: ResultsOption = DEFAULT_RESULTS) -> None:
    """Show a baseline: its machine, and a row a configuration."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from bench.commands.terminal import Terminal
    from bench.compare.baseline import find, refusal
    from bench.compare.matching import configuration_of
    from bench.compare.reading import read_folder

    baseline = find(results, name)
    console = Terminal()
    machine = ", ".join(f"{key} {_plain(value)}" for key, value in baseline.machine.items()) or "another one"
    console.print(f"{baseline.name}: {baseline.suite}, saved {baseline.saved_at}", markup=False)
    console.print(f"Machine: {machine}", markup=False, highlight=False)
    if why := refusal(baseline):
        console.print(f"Times are not compared with this machine's: {why}", style="yellow", markup=False)
    configurations: dict[str, list] = {}
    for one in read_folder(baseline.folder):
        configurations.setdefault(configuration_of(one), []).append(one)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("trial", "done", "of", "fit s", "accuracy %"):
        table.add_column(heading, overflow="fold")
    for group in configurations.values():
        done = [one.record for one in group if one.done]
        fit = [record["fit_time"]["wall_s"] for record in done]
        right = [100 * record["test"]["accuracy"] for record in done if record.get("test")]
        texts = (group[0].label, str(len(done)), str(len(group)), _range(fit, 1), _range(right, 1))
        table.add_row(*map(Text, texts))
    console.print(table)


def _range(values: list[float], digits: int) -> str:
    """`12.1`, or `11.8–12.4`."""
    if not values:
        return "—"
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low}–{high}"


def _plain(value: object) -> str:
    return (", ".join(map(str, value)) or "none") if isinstance(value, list | tuple) else str(value)
