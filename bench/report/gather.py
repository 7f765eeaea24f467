"""What a report holds, gathered from a suite's records, journals and predictions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bench.compare.noninferiority import MARGIN
from bench.journal.results import Attempt, SuiteResults, latest_of
from bench.report.answer import Decision, decide, same_images
from bench.report.cautions import cautions
from bench.report.figures import accuracy_time, learning, machine, outcomes, rates, tradeoff
from bench.report.figures.figure import Colors, Figure
from bench.report.frame import attempt_of, configurations_frame, trials_frame
from bench.report.mistakes import (
    HardImage,
    Mistake,
    Pictures,
    data_folder,
    explained,
    hardest,
    mistakes_of,
    predictions_of,
)
from bench.report.names import group_name, labels
from bench.report.pareto import Candidate, candidates
from bench.report.rows import Row
from bench.report.sections import Images, images_of
from bench.report.tables.accuracy import accuracy_tables, classification_table
from bench.report.tables.accuracy_time import accuracy_time_table, accuracy_times
from bench.report.tables.contrasts import contrast_tables
from bench.report.tables.costs import cost_table, memory_table, overhead_table, time_tables
from bench.report.tables.departures import departures_table
from bench.report.tables.exported import exported_table
from bench.report.tables.external import external_table
from bench.report.tables.latency import latency_table
from bench.report.tables.published import published_table
from bench.report.tables.reference import BLOODMNIST, THESIS, reference_tables
from bench.report.tables.summary import trial_tables
from bench.report.tables.table import Table
from bench.report.winner import Winner, winner_of
from bench.trials.phases import SearchPhase
from bench.trials.record import Record
from wbc.evaluation.predictions import Predictions

MOST_DETAILS = 24
"""Configurations with a confusion matrix, and with telemetry over time."""

MOST_JUDGED = 48
"""Configurations whose predictions are searched for the hardest images."""

LOOKS = {
    "filters.png": "Filters of the first convolution",
    "maps-first.png": "First feature maps",
    "maps-middle.png": "Feature maps in the middle",
    "maps-last.png": "Last feature maps",
}
"""Picture of an attempt -> its title."""

MOST_NETWORKS, MISTAKES_EACH, HARDEST = 12, 8, 12


@dataclass(frozen=True)
class NetworkMistakes:
    """The mistakes of the most accurate configuration of a network."""

    name: str
    """Of the configuration."""
    mistakes: list[Mistake]
    """Those with the highest predicted probability."""
    count: int
    """How many it made."""
    images: int
    """Test images in all."""
    looks: list[tuple[str, str]] = field(default_factory=list)
    """Title and picture of its filters and maps, if they were asked for."""


@dataclass
class Contents:
    """What a report holds, before it is written."""

    suite: str
    description: str
    """What the suite is for; may be empty."""
    trials: pd.DataFrame
    """See `bench.report.frame.trials_frame`."""
    configurations: pd.DataFrame
    """See `bench.report.frame.configurations_frame`."""
    tables: dict[str, Table]
    """By the names of their files."""
    found: list[Candidate]
    """Candidates for the answer."""
    decision: Decision | None = None
    """The answer; None where nothing is done."""
    winner: Winner | None = None
    """The configuration that the answer names."""
    majority: float | None = None
    """Share of the largest class among the test images."""
    classes: int = 0
    """How many the test images have."""
    figures: dict[str, list[Figure]] = field(default_factory=dict)
    """By their kinds."""
    mistakes: list[NetworkMistakes] = field(default_factory=list)
    images: Images | None = None
    """What is known of the images."""
    hard: list[HardImage] = field(default_factory=list)
    pictures_missing: int = 0
    """Images among them that are gone, or not the same any more."""
    origin: Record | None = None
    """Of one trial that is done: where it ran, and on which images."""
    logs: dict[str, Sequence[str]] = field(default_factory=dict)
    """Trial that failed -> the end of its log."""
    notes: list[str] = field(default_factory=list)
    """Sentences about what is omitted."""
    damaged: dict[Path, str] = field(default_factory=dict)
    """Predictions that are there and cannot be read, with the reason."""
    command: str = ""
    """The command that made the report."""


def gather(
    results: SuiteResults,
    trial_ids: Iterable[str],
    reference: str | None = None,
    description: str = "",
    notes: Sequence[str] = (),
    command: str = "",
    pictures: bool = True,
    margin: float = MARGIN,
) -> Contents:
    """Read a suite's results: every record once, and the journals and predictions that figures need.

    Args:
        results: Of the suite.
        trial_ids: Its trials, in the order of tables.
        reference: Published results to compare with.
        description: Of the suite.
        notes: Sentences for the page.
        command: The command that asked for it.
        pictures: Gather what only the page shows. False: tables only.
        margin: Accuracies that differ by less count as equal in the answer, a share.
    """
    trials = trials_frame(results, trial_ids)
    configurations = configurations_frame(trials)
    tables = all_tables(results.suite, trials, configurations, reference)
    if reference == THESIS:
        over = (latest_of(results.attempts(trial)) for trial in trials["trial"]) if len(trials) else ()
        tables.append(departures_table(results.suite, [found[1].trial for found in over if found]))
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
    contents.notes += cautions(results, trials)
    if pictures:
        _answer(results, contents, margin)
        _draw(results, contents)
        _look_closer(results, contents)
    if contents.damaged:
        (first, reason), *others = sorted(contents.damaged.items())
        more = f" and {len(others)} more files of predictions are" if others else " is"
        contents.notes.append(
            f"{first} ({reason}){more} damaged. Mistakes, and tests on the same images, are shown without what they "
            "hold."
        )
    return contents


def _answer(results: SuiteResults, contents: Contents, margin: float) -> None:
    """Decide which configuration is worth its time, and describe it."""
    found, trials = contents.found, contents.trials
    same = same_images(results, trials, found, contents.damaged)
    decision = contents.decision = decide(found, same, margin)
    if decision is None:
        return
    own = trials[(trials["configuration"] == decision.named.configuration) & (trials["status"] == "done")]
    attempts = [attempt_of(results, row) for row in own.head(MOST_DETAILS).to_dict("records")]
    records = [record for attempt in attempts if (record := attempt.record()) is not None]
    if not records:
        return
    folder, model = data_folder(attempts[0]), attempts[0].folder / "model.keras"
    contents.winner = winner_of(records, contents.suite, folder, str(model) if model.is_file() else "")
    if (test := records[0].test) is not None and test.support:
        contents.majority = max(test.support.values()) / sum(test.support.values())
        contents.classes = sum(count > 0 for count in test.support.values())


def all_tables(
    suite: str, trials: pd.DataFrame, configurations: pd.DataFrame, reference: str | None = None
) -> list[Table]:
    """The tables of a suite, those that a run prints first.

    Args:
        suite: Its name.
        trials: See `bench.report.frame.trials_frame`.
        configurations: See `bench.report.frame.configurations_frame`.
        reference: Published results to compare with, one of `bench.report.tables.reference.REFERENCES`.
    """
    tables = trial_tables(suite, trials, configurations)
    if not len(configurations):
        return tables
    tables += accuracy_tables(suite, configurations)
    classification = classification_table(suite, configurations)
    tables += [classification] if classification else []
    tables += time_tables(suite, trials, configurations)
    others = (
        accuracy_time_table(suite, trials),
        external_table(suite, configurations),
        exported_table(suite, trials),
        cost_table(suite, trials, configurations),
        latency_table(suite, trials, configurations),
        memory_table(suite, configurations),
        overhead_table(suite, trials),
    )
    tables += [table for table in others if table is not None]
    tables += contrast_tables(suite, configurations)
    if reference == BLOODMNIST:
        tables.append(published_table(suite, configurations))
    if reference == THESIS:
        tables += reference_tables(suite, trials, configurations)
    return tables


def _draw(results: SuiteResults, contents: Contents) -> None:
    configurations, found = contents.configurations, contents.found
    networks = contents.trials["network"].dropna() if "network" in contents.trials else []
    colors = Colors(networks)
    groups, left_out = learning.read_groups(results, contents.trials)
    if left_out:
        contents.notes.append(f"Curves of {left_out} more modes and epoch counts are omitted.")
    shown = contents.figures
    shown["price"] = [
        one for cost in ("seconds", "joules") if (one := tradeoff.against_cost(found, cost, colors))
    ]
    timed = accuracy_time.to_accuracy(accuracy_times(contents.trials), colors)
    shown["price"] += [timed] if timed else []
    if len(configurations):
        shown["phases"] = tradeoff.phases(configurations)
        shown["classes"] = outcomes.classes(configurations, colors)
        shown["side by side"] = outcomes.side_by_side(configurations, colors)
    curves = learning.together(groups, colors)
    shown["curves"] = [curves] if curves else []
    shown["means"] = learning.means(groups)
    shown["all networks"] = learning.all_networks(groups, colors)
    shown["modes"] = learning.modes_against_each_other(groups, colors)
    each = learning.each_network(groups, colors)
    shown["each network"] = each[: 2 * MOST_DETAILS]
    if len(each) > 2 * MOST_DETAILS:
        contents.notes.append(
            f"Training against validation is drawn for {2 * MOST_DETAILS} of {len(each)} configurations."
        )


def _look_closer(results: SuiteResults, contents: Contents) -> None:
    """Add what needs whole records, predictions and telemetry, for some trials only."""
    trials = contents.trials
    _failures(results, contents)
    if "variant" not in trials or not (trials["status"] == "done").any():
        return
    done = trials[trials["status"] == "done"].copy()
    done["label"] = labels(done)
    firsts = done.drop_duplicates("configuration")
    rows = _best_first(firsts, MOST_DETAILS).to_dict("records")
    if len(rows) < len(firsts):
        contents.notes.append(
            f"Confusion matrices and the machine over time are drawn for {len(rows)} of {len(firsts)} "
            "configurations: each network's most accurate ones."
        )
    colors = Colors(trials["network"].dropna())
    named = contents.decision.named.configuration if contents.decision else ""
    searches: list[tuple[str, str, SearchPhase]] = []
    for number, row in enumerate(rows):
        attempt = attempt_of(results, row)
        record = attempt.record()
        name, color = f"{row['label']}, {group_name(row['mode'], row['epochs'])}", colors[row["network"]]
        if record is not None and record.test is not None and record.test.confusion_matrix:
            figure = outcomes.confusion(f"confusion-{number}", name, record.test, color)
            shown = contents.figures.setdefault("confusion", [])
            shown.insert(0 if row["configuration"] == named else len(shown), figure)
        samples = machine.read_samples(attempt)
        drawn = samples and machine.over_time(f"machine-{number}", name, samples, color)
        if drawn:
            contents.figures.setdefault("machine", []).append(drawn)
        if record is not None and record.phases.search is not None:
            searches.append((name, color, record.phases.search))
        contents.origin = contents.origin or record
    if searched := rates.rate_searches(searches):
        contents.figures["rate search"] = [searched]
    _mistakes(results, contents, firsts)


def _mistakes(results: SuiteResults, contents: Contents, firsts: pd.DataFrame) -> None:
    pictures = Pictures()
    judged: list[tuple[Attempt, Predictions]] = []
    seen: set[str] = set()
    rows = _best_first(firsts, MOST_JUDGED, keep_order=False).to_dict("records")
    for row in _named_first(contents, rows):
        attempt = attempt_of(results, row)
        predictions = predictions_of(attempt, contents.damaged)
        if predictions is None:
            continue
        judged.append((attempt, predictions))
        if row["network"] in seen or len(seen) >= MOST_NETWORKS:
            continue
        seen.add(row["network"])
        found, count = mistakes_of(attempt, predictions, pictures, MISTAKES_EACH)
        name = f"{row['label']}, {group_name(row['mode'], row['epochs'])}"
        looks = [
            (title, shown)
            for file, title in LOOKS.items()
            if (shown := explained(attempt, file, small=False)) is not None
        ]
        contents.mistakes.append(NetworkMistakes(name, found, count, len(predictions.files), looks))
    contents.hard = hardest(judged, pictures, HARDEST)
    contents.pictures_missing = len(pictures.missing)
    # After the count: an example that is gone is no test image.
    attempts = [attempt_of(results, row) for row in firsts.head(1).to_dict("records")]
    contents.images = images_of(attempts[0], pictures) if attempts else None


def _named_first(contents: Contents, rows: list[Row]) -> list[Row]:
    """The same rows, those of the configuration that the answer names in front."""
    named = contents.decision.named.configuration if contents.decision else ""
    return sorted(rows, key=lambda row: row["configuration"] != named)


def _failures(results: SuiteResults, contents: Contents, most: int = 20) -> None:
    trials = contents.trials
    failed = trials[trials["status"].isin(("failed", "interrupted"))].head(most)
    for row in failed.to_dict("records"):
        record = attempt_of(results, row).record()
        if record is not None and record.failure is not None and record.failure.log:
            contents.logs[row["trial"]] = record.failure.log


def _best_first(rows: pd.DataFrame, most: int, keep_order: bool = True) -> pd.DataFrame:
    """Some rows: each network's most accurate, then each network's second, and so on."""
    ranked = rows.sort_values("balanced_accuracy", ascending=False, kind="stable")
    turn = ranked.groupby("network", sort=False).cumcount()
    chosen = turn.sort_values(kind="stable").index[:most]
    return rows.loc[sorted(chosen)] if keep_order else rows.loc[chosen]
