"""`plan SUITE`: what `run` would do with every trial, why, for how long, and what it takes."""

import time
from collections import Counter
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


def plan(
    suite: SuiteArgument,
    data: DataOption = None,
    weights: WeightsOption = None,
    devices: DevicesOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    only: OnlyOption = None,
    why: Annotated[
        str | None, typer.Option("--why", metavar="TRIAL", help="Explain one trial, by a part of its id.")
    ] = None,
) -> None:
    """Show what run would do with every trial, and why. Starts nothing, records nothing."""
    from bench.commands.terminal import Terminal
    from bench.journal.results import SuiteResults
    from bench.plan.decide import choose, make_plan
    from bench.plan.predict import Predictor
    from bench.suite.open import open_suite
    from bench.trials.backends import backend_problems
    from bench.trials.pretrained import explain_missing

    opened = open_suite(suite, results / "cache", devices, data, weights)
    resolved, slots = opened.resolved, opened.devices.slots
    predictor = Predictor(results, slots[0].kind)
    suite_results = SuiteResults(results, resolved.name)
    planned = make_plan(resolved.trials, suite_results, only=only, predict=predictor)
    console = Terminal()
    if why is not None:
        wanted = {trial.id for trial in choose([one.trial for one in planned], why, "--why")}
        for one in planned:
            if one.trial.id in wanted:
                _explain(console, one, suite_results)
        return

    _print_trials(console, resolved.name, planned, slots[0].model)
    if opened.devices.note:
        console.print(opened.devices.note, markup=False)
    for source in dict.fromkeys(dataset.source for dataset in resolved.datasets):
        sets = [dataset for dataset in resolved.datasets if dataset.source == source]
        ready = sum(dataset.ready for dataset in sets)
        console.print(f"Images: {source}, {len(sets)} set{'s' if len(sets) > 1 else ''}, {ready} prepared.")
    for error in backend_problems([one.trial for one in planned], slots[0].replicas):
        console.print(str(error), style="yellow", markup=False)
    for problem in (*resolved.warnings, *explain_missing(resolved.downloads)):
        console.print(problem, style="yellow", markup=False)
    _print_totals(console, planned, slots, predictor, results)


def _print_trials(console, name: str, planned, model: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from bench.commands.progress import duration
    from bench.devices.machine import plural

    title = f"{name}: {plural(len(planned), 'trial')} on {model}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("trial", "status", "takes"):  # whole: people copy the first
        table.add_column(heading, no_wrap=True)
    table.add_column("why", overflow="fold")
    for one in planned:
        takes = duration(one.seconds) if one.prediction else ""
        lacks = "; its weights are not here" if one.runs and _lacks_weights(one.trial) else ""
        table.add_row(one.trial.id, one.status, takes, one.why + lacks)
    console.print(table)
    weights = Counter(one.trial.settings.weights.name for one in planned)
    said = ", ".join(f"{name} {count}" for name, count in weights.items())
    console.print(f"Weights that trials start from: {said}.", markup=False)


def _lacks_weights(trial) -> bool:
    return (trial.specification.get("weights") or {}).get("kind") == "download"


def _print_totals(console, planned, slots, predictor, results) -> None:
    """How long all of it takes, until when, and what it needs."""
    from bench.commands.progress import duration
    from bench.plan.needs import free_disk, free_memory, most_at_once, needs_of, too_large
    from bench.plan.schedule import makespan

    waiting = [one for one in planned if one.runs]
    console.print(f"{len(waiting)} to run, {len(planned) - len(waiting)} done.")
    if not waiting:
        return
    whole = makespan([one.seconds for one in waiting], len(slots))
    day = "%A" if whole < 6 * 86400 else "%A %-d %B %Y"
    until = time.strftime(f"{day} %H:%M", time.localtime(time.time() + whole))
    work = sum(one.seconds for one in waiting)
    console.print(
        f"About {duration(whole)} on {', '.join(slot.name for slot in slots)}, until {until}; "
        f"{duration(work)} of work. Rests on: {_bases(waiting)}.",
        markup=False,
    )
    needs = [
        needs_of(one.trial, predictor.images(one.trial), slots[0].kind, slots[0].replicas) for one in waiting
    ]
    memory, disk = most_at_once(needs, len(slots)), sum(one.disk for one in needs)
    largest = max(one.features for one in needs)
    features = f" ({largest / 1e9:.1f} GB of it features)" if largest > 1e8 else ""
    console.print(
        f"Memory: {memory / 1e9:.1f} GB{features}, {free_memory() / 1e9:.1f} GB are free. "
        f"Disk: {disk / 1e9:.1f} GB, {free_disk(results) / 1e9:.1f} GB are free.",
        markup=False,
    )
    trials = [one.trial for one in waiting]
    for sentence in too_large(zip(trials, needs, strict=True), slots[0]):
        console.print(sentence, style="yellow", markup=False)
    if memory > free_memory():
        console.print("That is more memory than there is free: fewer slots, or fewer images.", style="yellow")
    if disk > free_disk(results):
        console.print("That is more disk than there is free.", style="yellow")


def _bases(waiting) -> str:
    bases = list(dict.fromkeys(one.prediction.basis for one in waiting))
    return "; ".join(bases)


def _explain(console, one, results) -> None:
    """Everything that decides on one trial."""
    from rich.table import Table

    from bench.commands.progress import duration

    console.print(f"{one.trial.id}: {one.status}, {one.why}", markup=False)
    if one.prediction:
        console.print(
            f"takes about {duration(one.seconds)}, which rests on {one.prediction.basis}", markup=False
        )
    for attempt in results.attempts(one.trial.id):
        record = attempt.record_json()
        said = "no result" if record is None else record["status"]
        if record and record["failure"]:
            failure = record["failure"]
            said += f", {failure['kind']} in {failure['phase']}: {failure['message']}"
        console.print(f"attempt {attempt.number}: {said} ({attempt.folder})", markup=False)
    table = Table("what it depends on", "value", title_justify="left")
    for key, value in {"key": one.trial.key, **one.trial.flat()}.items():
        table.add_row(key, str(value))
    console.print(table)
