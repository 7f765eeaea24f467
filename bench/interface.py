"""The public interface: what the command line does, from Python.

`from bench import load_suite, plan, run, load_results, compare, regress` gives these functions. `bench` imports
this module when the first of its names is used. Everything else in `bench` may change without notice.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

from bench.compare.compare import compare_sides
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Verdict
from bench.errors import InputError, InterruptedRun, ResultsError
from bench.journal.results import SuiteResults
from bench.plan.decide import PlannedTrial, make_plan
from bench.plan.predict import Predictor
from bench.regress.session import RegressRequest
from bench.regress.side_request import SideRequest
from bench.regress.verdict import run_regress
from bench.report.models import keep_best
from bench.report.selection import select_folder
from bench.runner.suite import RunOptions, run_suite
from bench.suite import file
from bench.suite.resolve import resolve_suite
from bench.suite.schema import SuiteFile
from bench.trials.layout import CACHE
from bench.trials.record import Record

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Choices",
    "InputError",
    "InterruptedRun",
    "PlannedTrial",
    "Record",
    "Results",
    "ResultsError",
    "Suite",
    "Thresholds",
    "Verdict",
    "compare",
    "load_results",
    "load_suite",
    "plan",
    "regress",
    "run",
]

AnyPath = str | PathLike[str]


class Choices(TypedDict, total=False):
    """Keywords of `plan`, `run` and `regress`: what the command line may say of a suite's trials."""

    results: AnyPath
    """The results folder; else `results`."""
    devices: str | None
    """Overrides `use` of `[devices]`, as `--devices` does; `regress` runs on the first slot."""
    data: AnyPath | None
    """A folder of images, overrides `path` of `[data]`."""
    weights: AnyPath | None
    """A folder of pretrained weights, overrides `path` of `[weights]`."""
    only: str | None
    """Only trials whose id matches this pattern or contains it."""
    engine: Literal["local", "ray"]
    """Where `run` runs trials, on this machine or on the nodes of a Ray cluster."""
    address: str | None
    """Host and port of the cluster's head node, with a colon between; without it one is started on this machine."""
    fresh: bool
    """Trials from their beginning, finished ones too; pairs of an earlier `regress` do not count."""


@dataclass(frozen=True)
class Suite:
    """A suite that has been read and validated."""

    path: Path
    """Its file."""
    name: str
    """Of its folder in the results."""
    description: str
    definition: SuiteFile
    """The tables of the file."""


@dataclass(frozen=True)
class Results:
    """What is recorded of a suite, or of some of its trials."""

    folder: Path
    """Such as `results/demo`."""
    trial_ids: tuple[str, ...]
    """In the order of the tables."""

    def record(self, trial_id: str) -> Record | None:
        """The record that stands for a trial; None if no attempt at it is over.

        It is that of the last attempt that is done. If none is, it is that of the last attempt that is over.
        """
        found = self._suite.latest(trial_id)
        return None if found is None else found[1]

    def records(self) -> Iterator[Record]:
        """The records of all trials that have one, read one after another."""
        return (record for trial_id in self.trial_ids if (record := self.record(trial_id)) is not None)

    @property
    def failed(self) -> tuple[str, ...]:
        """Ids of the trials that are not done."""
        done = {record.trial.id for record in self.records() if record.done}
        return tuple(trial_id for trial_id in self.trial_ids if trial_id not in done)

    def frame(self) -> "pd.DataFrame":
        """One row for each trial, as in `report/tables/trials.csv` before it is formatted.

        Columns are named in `bench.report.frame.trials_frame`. Accuracies are shares of 1, times are in seconds.
        """
        from bench.report.frame import trials_frame

        return trials_frame(self._suite, self.trial_ids)

    @property
    def _suite(self) -> SuiteResults:
        return SuiteResults(self.folder.parent, self.folder.name)


def load_suite(suite: AnyPath) -> Suite:
    """Read and validate a suite. Data, weights and devices are not looked for.

    Args:
        suite: A file, or the name of a suite that comes with Leukobench, such as `demo`.

    Raises:
        InputError: There is no such suite, or a key or value is wrong. The message names file, line and key.
    """
    definition, source = file.load_suite(Path(suite))
    table = definition.suite
    return Suite(source.path, table.name or source.path.stem, table.description, definition)


def plan(
    suite: Suite | AnyPath,
    **choices: Unpack[Choices],
) -> list[PlannedTrial]:
    """What `run` would do with every trial, why, and for how long. Starts nothing and writes nothing.

    Args:
        suite: A suite, its file, or its name.
        **choices: See `Choices`.

    Returns:
        Every chosen trial with `status`, `why` and `seconds`.

    Raises:
        InputError: The suite, the devices, the data or the weights are wrong, or no trial matches.
    """
    folder, chosen = _chosen(choices)
    resolved = resolve_suite(
        _file(suite), folder / CACHE, chosen.devices, chosen.data, chosen.weights, chosen.only
    )
    recorded = SuiteResults(folder, resolved.name)
    planned = make_plan(resolved.chosen, recorded, resolved.trials, chosen.fresh)
    return Predictor(folder, resolved.devices.slots[0].kind).predict(planned)


def run(
    suite: Suite | AnyPath,
    *,
    say: Callable[[str], None] | None = None,
    **choices: Unpack[Choices],
) -> Results:
    """Run every trial of a suite that is not done. A failed trial does not raise: see `Results.failed`.

    Call it in the main thread: while it runs, SIGINT and SIGTERM stop the trials and record them.

    Args:
        suite: A suite, its file, or its name.
        say: Is called with each message, such as `print`. Nothing is printed without it.
        **choices: See `Choices`.

    Returns:
        The trials that were asked for, those that were done before included.

    Raises:
        InputError: The input is wrong. Nothing was started.
        ResultsError: The results folder, or a device, cannot be used.
        InterruptedRun: A signal came. What ran is recorded; the same call resumes.
    """
    folder, options = _chosen(choices)
    outcome = run_suite(_file(suite), folder, _Listener(say), options)
    keep_best(outcome.results, outcome.suite_ids)
    return Results(outcome.results.folder, tuple(outcome.trial_ids))


def load_results(folder: AnyPath) -> Results:
    """What is recorded in the results folder of a suite, such as `results/demo`.

    Raises:
        InputError: There are no results of a suite.
    """
    selected = select_folder(Path(folder))
    return Results(selected.results.folder, tuple(selected.trial_ids))


def compare(
    baseline: Results | AnyPath,
    candidate: Results | AnyPath,
    *,
    results: AnyPath = "results",
    thresholds: Thresholds | None = None,
) -> Verdict:
    """Judge a candidate against a baseline, in speed and in learning. Nothing is run.

    Args:
        baseline: Results, their folder, `baseline:NAME`, or `mlflow:EXPERIMENT`.
        candidate: Likewise.
        results: The results folder that keeps baselines.
        thresholds: What counts as a change, and as the same; None: 5 % of time or memory, 2 points of accuracy.

    Returns:
        A verdict for each configuration; `exit_code` is that of the command line.

    Raises:
        InputError: A side cannot be read, or has nothing to compare.
    """
    return compare_sides(_side(baseline), _side(candidate), Path(results), thresholds or Thresholds())


def regress(
    suite: Suite | AnyPath,
    *,
    baseline: str | None = None,
    candidate: str | None = None,
    pairs: int | None = None,
    budget_s: float | None = 1800.0,
    name: str | None = None,
    thresholds: Thresholds | None = None,
    say: Callable[[str], None] | None = None,
    **choices: Unpack[Choices],
) -> Verdict:
    """Run a suite in two environments in turn, until the verdict is clear or the budget is spent.

    Call it in the main thread: while it runs, SIGINT and SIGTERM stop the trials and record them.

    Args:
        suite: A suite, its file, or its name.
        baseline: A requirement such as `tensorflow==2.20.0`, or `baseline:NAME`; None: the running environment.
        candidate: A requirement; None: the running environment.
        pairs: Of each configuration; None: until the verdict is clear.
        budget_s: The longest that the runs may take, in seconds; None: any time.
        name: Of the folder `regress/NAME` in the results; None: made from suite and sides.
        thresholds: What counts as a change, and as the same; None: 5 % of time or memory, 2 points of accuracy.
        say: Is called with each message, such as `print`. Nothing is printed without it.
        **choices: See `Choices`.

    Returns:
        A verdict for each configuration; `exit_code` is that of the command line.

    Raises:
        InputError: The input is wrong, or a side cannot be had. Nothing was started.
        ResultsError: The results folder, or a device, cannot be used.
        InterruptedRun: A signal came. Finished pairs are kept; the same call resumes.
    """
    folder, chosen = _chosen(choices)
    request = RegressRequest(
        _file(suite),
        SideRequest(baseline),
        SideRequest(candidate),
        results=folder,
        name=name,
        pairs=pairs,
        budget_s=budget_s,
        fresh=chosen.fresh,
        thresholds=thresholds or Thresholds(),
        devices=chosen.devices,
        data=chosen.data,
        weights=chosen.weights,
        only=chosen.only,
    )
    return run_regress(request, _Listener(say)).verdict


class _Listener:
    """Passes messages on, and ignores the rest of what a run reports."""

    def __init__(self, say: Callable[[str], None] | None):
        self.say: Callable[[str], None] = say or (lambda message: None)

    def _ignore(self, *args: object, **kwargs: object) -> None:
        pass

    plan = trial_started = event = trial_ended = _ignore


def _file(suite: Suite | AnyPath) -> Path:
    return suite.path if isinstance(suite, Suite) else Path(suite)


def _chosen(choices: Choices) -> tuple[Path, RunOptions]:
    """The results folder, and the rest as a run takes it.

    Raises:
        TypeError: There is no such keyword.
    """
    if unknown := choices.keys() - Choices.__annotations__.keys():
        raise TypeError(
            f"unexpected keyword {sorted(unknown)[0]!r}: known are {', '.join(Choices.__annotations__)}"
        )
    options = RunOptions(
        choices.get("devices"),
        _path(choices.get("data")),
        _path(choices.get("weights")),
        choices.get("only"),
        choices.get("fresh", False),
        choices.get("engine", "local"),
        choices.get("address"),
    )
    return Path(choices.get("results", "results")), options


def _path(path: AnyPath | None) -> Path | None:
    return None if path is None else Path(path)


def _side(side: Results | AnyPath) -> str:
    return str(side.folder if isinstance(side, Results) else side)
