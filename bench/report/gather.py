"""What a report holds, gathered from a suite's records, journals and predictions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bench.journal.results import Attempt, SuiteResults
from bench.report.every_table import every_table
from bench.report.figures import learning, machine, outcomes, tradeoff
from bench.report.figures.figure import Colours, Figure
from bench.report.figures.learning import attempt_of, read_groups
from bench.report.figures.machine import read_samples
from bench.report.frame import CONFIGURATION, repeats_frame, trials_frame
from bench.report.mistakes import Hard, Mistake, Pictures, hardest, mistakes_of, predictions_of
from bench.report.names import group_name, labels
from bench.report.pareto import Candidate, candidates
from bench.report.tables.table import Table

MOST_DETAILS = 24
"""Configurations with a confusion matrix, and with telemetry over time."""

MOST_JUDGED = 48
"""Configurations whose predictions are searched for the hardest images."""

MOST_NETWORKS, MISTAKES_EACH, HARDEST = 12, 8, 12


@dataclass(frozen=True)
class NetworkMistakes:
    """The mistakes of the most accurate configuration of a network.

    Attributes:
        name: Of the configuration.
        mistakes: Those that it was surest of.
        count: How many it made.
        images: Of so many.
    """

    name: str
    mistakes: list[Mistake]
    count: int
    images: int


@dataclass
class Contents:
    """A report before it is set.

    Attributes:
        suite: Its name.
        description: What it is for; may be empty.
        trials: See `bench.report.frame.trials_frame`.
        configurations: See `bench.report.frame.repeats_frame`.
        tables: By the names of their files.
        found: Candidates for the answer.
        figures: Kind -> figures.
        mistakes: Of each network.
        hard: Images that several configurations got wrong.
        pictures_missing: How many images of those are not in their data sets any more.
        environment: Of a trial that is done, or of any.
        logs: Trial -> the end of its log, for those that failed.
        notes: Sentences about what is left out.
        command: That made it.
    """

    suite: str
    description: str
    trials: pd.DataFrame
    configurations: pd.DataFrame
    tables: dict[str, Table]
    found: list[Candidate]
    figures: dict[str, list[Figure]] = field(default_factory=dict)
    mistakes: list[NetworkMistakes] = field(default_factory=list)
    hard: list[Hard] = field(default_factory=list)
    pictures_missing: int = 0
    environment: dict[str, Any] = field(default_factory=dict)
    slot: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    command: str = ""


def gather(
    results: SuiteResults,
    trial_ids: Iterable[str],
    reference: str | None = None,
    description: str = "",
    notes: Sequence[str] = (),
    command: str = "",
    pictures: bool = True,
) -> Contents:
    """Read a suite's results, every record once; journals and predictions only of what figures show.

    Args:
        results: Of the suite.
        trial_ids: Its trials, in the order of tables.
        reference: Published figures to set ours beside.
        description: Of the suite.
        notes: Sentences for the page.
        command: That asked for it.
        pictures: Gather what only the page shows; False: tables alone.
    """
    trials = trials_frame(results, trial_ids)
    configurations = repeats_frame(trials)
    tables = every_table(results.suite, trials, configurations, reference)
    contents = Contents(
        results.suite,
        description,
        trials,
        configurations,
        {table.file: table for table in tables},
        candidates(configurations) if len(configurations) else [],
        notes=list(notes),
        command=command,
    )
    if pictures:
        _draw(results, contents)
        _look_closer(results, contents)
    return contents


def _draw(results: SuiteResults, contents: Contents) -> None:
    configurations, found = contents.configurations, contents.found
    networks = contents.trials["network"].dropna() if "network" in contents.trials else []
    colours = Colours(networks)
    groups, left_out = read_groups(results, contents.trials)
    if left_out:
        contents.notes.append(f"Curves of {left_out} more modes and epoch counts are left out.")
    shown = contents.figures
    shown["price"] = [
        one for cost in ("seconds", "joules") if (one := tradeoff.against_cost(found, cost, colours))
    ]
    if len(configurations):
        shown["phases"] = tradeoff.phases(configurations)
        shown["classes"] = outcomes.classes(configurations, colours)
        shown["side by side"] = outcomes.side_by_side(configurations, colours)
    shown["means"] = learning.means(groups)
    shown["all networks"] = learning.all_networks(groups, colours)
    shown["modes"] = learning.modes_against_each_other(groups, colours)
    each = learning.each_network(groups, colours)
    shown["each network"] = each[: 2 * MOST_DETAILS]
    if len(each) > 2 * MOST_DETAILS:
        contents.notes.append(
            f"Training against validation is drawn for {2 * MOST_DETAILS} of {len(each)} configurations."
        )


def _look_closer(results: SuiteResults, contents: Contents) -> None:
    """What needs whole records, predictions and telemetry, of some trials only."""
    trials = contents.trials
    _failures(results, contents)
    if "variant" not in trials or not (trials["status"] == "done").any():
        return
    done = trials[trials["status"] == "done"].copy()
    done["label"] = labels(done)
    firsts = done.drop_duplicates(CONFIGURATION)
    rows = _best_first(firsts, MOST_DETAILS).to_dict("records")
    if len(rows) < len(firsts):
        contents.notes.append(
            f"Confusion matrices and the machine over time are drawn for {len(rows)} of {len(firsts)} "
            "configurations: "
            "each network's most accurate ones."
        )
    colours = Colours(trials["network"].dropna())
    for number, row in enumerate(rows):
        attempt = attempt_of(results, row)
        record = attempt.record_json() or {}
        name, colour = f"{row['label']}, {group_name(row['mode'], row['epochs'])}", colours[row["network"]]
        if (record.get("test") or {}).get("confusion_matrix"):
            figure = outcomes.confusion(f"confusion-{number}", name, record["test"], colour)
            contents.figures.setdefault("confusion", []).append(figure)
        samples = read_samples(attempt)
        drawn = samples and machine.over_time(f"machine-{number}", name, samples, colour)
        if drawn:
            contents.figures.setdefault("machine", []).append(drawn)
        if not contents.environment:
            contents.environment = record.get("environment") or {}
            contents.slot = record.get("slot") or {}
            contents.data = record.get("trial", {}).get("settings", {}).get("data") or {}
    _mistakes(results, contents, firsts)


def _mistakes(results: SuiteResults, contents: Contents, firsts: pd.DataFrame) -> None:
    pictures = Pictures()
    judged: list[tuple[Attempt, Any]] = []
    seen: set[str] = set()
    for row in _best_first(firsts, MOST_JUDGED, keep_order=False).to_dict("records"):
        attempt = attempt_of(results, row)
        predictions = predictions_of(attempt)
        if predictions is None:
            continue
        judged.append((attempt, predictions))
        if row["network"] in seen or len(seen) >= MOST_NETWORKS:
            continue
        seen.add(row["network"])
        found, count = mistakes_of(attempt, predictions, pictures, MISTAKES_EACH)
        name = f"{row['label']}, {group_name(row['mode'], row['epochs'])}"
        contents.mistakes.append(NetworkMistakes(name, found, count, len(predictions.files)))
    contents.hard = hardest(judged, pictures, HARDEST)
    contents.pictures_missing = len(pictures.missing)


def _failures(results: SuiteResults, contents: Contents, most: int = 20) -> None:
    trials = contents.trials
    failed = trials[trials["status"].isin(("failed", "interrupted"))].head(most)
    for row in failed.to_dict("records"):
        failure = (attempt_of(results, row).record_json() or {}).get("failure") or {}
        if failure.get("log"):
            contents.logs[row["trial"]] = failure["log"]


def _best_first(rows: pd.DataFrame, most: int, keep_order: bool = True) -> pd.DataFrame:
    """Some rows: each network's most accurate, then each network's second, and so on."""
    ranked = rows.sort_values("balanced_accuracy", ascending=False, kind="stable")
    turn = ranked.groupby("network", sort=False).cumcount()
    chosen = turn.sort_values(kind="stable").index[:most]
    return rows.loc[sorted(chosen)] if keep_order else rows.loc[chosen]
