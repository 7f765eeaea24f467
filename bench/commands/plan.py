"""`plan SUITE`: what `run` would do with every trial, why, for how long, and what it takes."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import (
    DEFAULT_RESULTS,
    DataOption,
    DevicesOption,
    JsonOption,
    OnlyOption,
    ResultsOption,
    SuiteArgument,
    WeightsOption,
)
from bench.errors import ExitCode

if TYPE_CHECKING:
    from bench.commands.terminal import Terminal
    from bench.devices.device import Slot
    from bench.journal.results import SuiteResults
    from bench.plan.decide import PlannedTrial
    from bench.plan.predict import Predictor
    from bench.trials.trial import Trial


@dataclass(frozen=True)
class PlannedDocument:
    """What a run would do with one trial."""

    id: str
    status: str
    """See `bench.plan.decide.PlannedTrial`."""
    why: str
    predicted_s: float | None
    """None where it will not run, or where nothing is known."""
    basis: str | None
    """What the prediction rests on."""


@dataclass(frozen=True)
class PlanDocument:
    """What `plan --json` prints."""

    suite: str
    device: str
    slots: list[str]
    trials: list[PlannedDocument]
    total_s: float
    """Predicted time until all trials are done, on all slots."""
    work_s: float
    """Sum over trials."""
    memory_bytes: float
    disk_bytes: float
    warnings: list[str]
    errors: list[str]
    """Why a run would refuse it, with exit code 2; mostly empty."""


@dataclass(frozen=True)
class Needs:
    """What the trials that will run take."""

    waiting: list["PlannedTrial"]
    total_s: float
    work_s: float
    memory: float
    """Bytes of the trials that run at the same time."""
    features: float
    """Bytes of the largest features among them."""
    disk: float
    problems: list[str]


def plan(
    suite: SuiteArgument,
    data: DataOption = None,
    weights: WeightsOption = None,
    devices: DevicesOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    only: OnlyOption = None,
    why: Annotated[
        str | None,
        typer.Option("--why", metavar="TRIAL", help="Explain the trials whose id has this part."),
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Show what run would do with every trial, and why.

    It starts nothing and records nothing. Exit code 2 where run would refuse it, 5 where run could not write.
    """
    from bench.commands.output import print_document, print_error
    from bench.commands.target import find_target
    from bench.commands.terminal import Terminal
    from bench.journal.damage import warnings_of
    from bench.journal.results import SuiteResults
    from bench.journal.runs import other_file
    from bench.plan.decide import choose, make_plan
    from bench.plan.predict import Predictor
    from bench.suite.resolve import resolve_suite
    from bench.trials.layout import CACHE
    from bench.trials.pretrained import unavailable
    from bench.trials.runtime import backend_problems

    target = find_target(suite, results)
    results = target.results
    resolved = resolve_suite(target.require_suite(), results / CACHE, devices, data, weights, only)
    slots = resolved.devices.slots
    suite_results = SuiteResults(results, resolved.name)
    if why is None:
        suite_results.require_writable()
    predictor = Predictor(results, slots[0].kind)
    planned = predictor.predict(make_plan(resolved.chosen, suite_results, resolved.trials))
    if why is not None:
        wanted = {trial.id for trial in choose([one.trial for one in planned], why, "--why")}
        planned = [one for one in planned if one.trial.id in wanted]
    console = Terminal()
    if why is not None and not as_json:
        for one in planned:
            _explain(console, one, suite_results)
        return ExitCode.OK

    errors = [
        *backend_problems(resolved.chosen, slots[0].replicas, slots[0].kind),
        *unavailable(resolved.downloads),
    ]
    refused = ExitCode.WRONG_INPUT if errors else ExitCode.OK
    problems = [
        *resolved.warnings,
        *filter(None, [other_file(suite_results, resolved.path)]),
        *warnings_of(suite_results),
    ]
    needs = _needs(planned, slots, predictor)
    if as_json:
        found = [
            PlannedDocument(
                one.trial.id,
                one.status,
                one.why,
                one.seconds if one.prediction else None,
                one.prediction.basis if one.prediction else None,
            )
            for one in planned
        ]
        print_document(
            PlanDocument(
                resolved.name,
                slots[0].model,
                [slot.name for slot in slots],
                found,
                needs.total_s,
                needs.work_s,
                needs.memory,
                needs.disk,
                [*problems, *needs.problems],
                list(map(str, errors)),
            )
        )
        return refused
    _print_trials(console, resolved.name, planned, slots[0].model)
    if resolved.devices.note:
        console.print(resolved.devices.note, markup=False)
    for source in dict.fromkeys(dataset.source for dataset in resolved.datasets):
        sets = [dataset for dataset in resolved.datasets if dataset.source == source]
        ready = sum(dataset.ready for dataset in sets)
        console.print(f"Images: {source}, {len(sets)} set{'s' if len(sets) > 1 else ''}, {ready} prepared.")
    for folder in dict.fromkeys(one.external.images for one in resolved.datasets if one.external):
        console.print(f"External test: the images of {folder}.", markup=False)
    for problem in problems:
        console.print(problem, style="yellow", markup=False)
    if resolved.downloads and not errors:
        lacking = ", ".join(dict.fromkeys(one.network for one in resolved.downloads))
        console.print(f"Keras will download the ImageNet weights of {lacking}.", markup=False)
    _print_totals(console, planned, slots, needs, results)
    for error in errors:
        print_error(error.what, error.way_out)
    return refused


def _needs(planned: Sequence["PlannedTrial"], slots: Sequence["Slot"], predictor: "Predictor") -> Needs:
    """What the trials that will run take, and which of them are too large."""
    from bench.plan.needs import most_at_once, needs_of, too_large
    from bench.plan.predict import makespan

    waiting = [one for one in planned if one.runs]
    needs = [
        needs_of(one.trial, predictor.images(one.trial), slots[0].kind, slots[0].replicas) for one in waiting
    ]
    trials = [one.trial for one in waiting]
    return Needs(
        waiting,
        makespan([one.seconds for one in waiting], len(slots)) if waiting else 0.0,
        sum(one.seconds for one in waiting),
        most_at_once(needs, len(slots)) if waiting else 0.0,
        max((one.features for one in needs), default=0.0),
        sum(one.disk for one in needs),
        list(too_large(zip(trials, needs, strict=True), slots[0])) if waiting else [],
    )


def _print_trials(console: "Terminal", name: str, planned: Sequence["PlannedTrial"], model: str) -> None:
    from bench.commands.progress import duration
    from bench.commands.terminal import print_rows
    from bench.devices.machine import plural

    rows = []
    for one in planned:
        takes = duration(one.seconds) if one.prediction else ""
        lacks = "; its weights are not here" if one.runs and _lacks_weights(one.trial) else ""
        rows.append((one.trial.id, one.status, takes, one.why + lacks))
    title = f"{name}: {plural(len(planned), 'trial')} on {model}"
    print_rows(console, ("trial", "status", "takes", "why"), rows, title, whole=3)
    weights = Counter(one.trial.settings.weights.name for one in planned)
    said = ", ".join(f"{name} {count}" for name, count in weights.items())
    console.print(f"Weights that trials start from: {said}.", markup=False)


def _lacks_weights(trial: "Trial") -> bool:
    return (trial.specification.get("weights") or {}).get("kind") == "download"


def _print_totals(
    console: "Terminal",
    planned: Sequence["PlannedTrial"],
    slots: Sequence["Slot"],
    needs: Needs,
    results: Path,
) -> None:
    """How long all of it takes, until when, and what it needs."""
    from bench.commands.progress import duration
    from bench.plan.needs import free_disk, free_memory

    waiting = needs.waiting
    console.print(f"{len(waiting)} to run, {len(planned) - len(waiting)} done.")
    if not waiting:
        return
    day = "%A" if needs.total_s < 6 * 86400 else "%A %-d %B %Y"
    until = time.strftime(f"{day} %H:%M", time.localtime(time.time() + needs.total_s))
    console.print(
        f"About {duration(needs.total_s)} on {', '.join(slot.name for slot in slots)}, until {until}; "
        f"{duration(needs.work_s)} of work. Predicted from: {_bases(waiting)}.",
        markup=False,
    )
    features = f" ({needs.features / 1e9:.1f} GB of it features)" if needs.features > 1e8 else ""
    console.print(
        f"Memory: {needs.memory / 1e9:.1f} GB{features}, {free_memory() / 1e9:.1f} GB are free. "
        f"Disk: {needs.disk / 1e9:.1f} GB, {free_disk(results) / 1e9:.1f} GB are free.",
        markup=False,
    )
    for sentence in needs.problems:
        console.print(sentence, style="yellow", markup=False)
    if needs.memory > free_memory():
        console.print("There is less memory free than that: use fewer slots or images.", style="yellow")
    if needs.disk > free_disk(results):
        console.print("There is less disk space free than that.", style="yellow")


def _bases(waiting: Sequence["PlannedTrial"]) -> str:
    bases = list(dict.fromkeys(one.prediction.basis for one in waiting if one.prediction))
    return "; ".join(bases)


def _explain(console: "Terminal", one: "PlannedTrial", results: "SuiteResults") -> None:
    """Everything that decides on one trial."""
    from rich.table import Table

    from bench.commands.progress import duration

    console.print(f"{one.trial.id}: {one.status}, {one.why}", markup=False)
    if one.prediction:
        console.print(f"predicted to take {duration(one.seconds)}, from {one.prediction.basis}", markup=False)
    for attempt in results.attempts(one.trial.id):
        record = attempt.record()
        said: str = "no result" if record is None else record.status
        if record and record.failure:
            phase = f" in {record.failure.phase}" if record.failure.phase else ""
            said += f", {record.failure.kind}{phase}: {record.failure.message}"
        console.print(f"attempt {attempt.number}: {said} ({attempt.folder})", markup=False)
    table = Table("what it depends on", "value", title_justify="left")
    for key, value in {"key": one.trial.key, **one.trial.flat()}.items():
        table.add_row(key, "not set" if value is None else str(value))
    console.print(table)
