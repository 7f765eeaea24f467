"""`plan SUITE`: what `run` would do with every cell, and why."""

from bench.commands.options import (
    DEFAULT_RESULTS,
    DataOption,
    OnlyOption,
    ResultsOption,
    SuiteArgument,
    WeightsOption,
)


def plan(
    suite: SuiteArgument,
    data: DataOption = None,
    weights: WeightsOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    only: OnlyOption = None,
) -> None:
    """Show what run would do with every cell, and why. Starts and writes nothing."""
    from rich.console import Console
    from rich.table import Table

    from bench.journal.results import SuiteResults
    from bench.plan import make_plan
    from bench.pretrained import explain_missing
    from bench.runtime import find_device, find_runtime
    from bench.suite.resolve import resolve_suite

    device = find_device()
    resolved = resolve_suite(suite, find_runtime(device), results / "cache", data, weights)
    planned = make_plan(resolved.cells, SuiteResults(results, resolved.name), only=only)

    console = Console()
    table = Table(title=f"{resolved.name}: {len(planned)} cells on {device.model}", title_justify="left")
    for heading in ("cell", "weights", "will", "why"):
        table.add_column(heading, overflow="fold")
    for one in planned:
        table.add_row(one.cell.id, one.cell.settings["weights"]["name"], one.status, one.why)
    console.print(table)
    for dataset in resolved.datasets:
        state = "prepared" if dataset.ready else "will be prepared first"
        console.print(f"Images: {dataset.source} {dataset.digest[:16]}, {state}.")
    for problem in explain_missing(resolved.downloads):
        console.print(problem, style="yellow", markup=False)
    waiting = sum(one.status != "done" for one in planned)
    console.print(f"{waiting} to run, {len(planned) - waiting} done.")
