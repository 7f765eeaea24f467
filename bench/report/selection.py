"""Which trials a report is about."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from bench.compare.noninferiority import MARGIN
from bench.errors import DamagedAttempt, InputError
from bench.journal.results import Attempt, SuiteResults
from bench.journal.runs import last_start
from bench.trials.settings import Runtime
from bench.trials.trial import Trial


@dataclass(frozen=True)
class Selection:
    """Trials to report on."""

    results: SuiteResults
    trial_ids: list[str]
    """In the order of tables."""
    description: str = ""
    """Of the suite."""
    margin: float = MARGIN
    """Accuracies that differ by less count as equal in the answer, a share."""
    notes: tuple[str, ...] = ()
    """Sentences about what is omitted."""


def select_folder(folder: Path) -> Selection:
    """Every trial of a results folder such as `results/demo`, without its suite file.

    Description and margin are those of the suite's last run.

    Trials with the same key differ only in what ran them, so they are no replicates. Of these the one that is
    done counts, and among several the one that started last.

    Raises:
        InputError: It is no results folder of a suite.
    """
    folder = folder.resolve()
    results = SuiteResults(folder.parent, folder.name)
    if not results.trials.is_dir():
        inside = sorted(path.parent.name for path in folder.glob("*/trials"))
        hint = f"It holds results of {', '.join(inside)}: name one of them." if inside else ""
        raise InputError(
            f"{folder} holds no trials, so it is no results folder of a suite",
            hint or "Name a suite file, or a folder such as results/demo.",
        )
    runs: dict[str, list[list[Attempt]]] = {}
    for path in results.trials.iterdir():
        if attempts := results.attempts(path.name):
            runs.setdefault(_key(attempts), []).append(attempts)
    chosen = [alike[0] if len(alike) == 1 else max(alike, key=_rank) for alike in runs.values()]
    replaced = sum(len(alike) - 1 for alike in runs.values())
    ids = [attempts[0].trial_id for attempts in sorted(chosen, key=_first_started)]
    if not ids:
        raise InputError(f"{folder} holds no attempt at any trial", "Run its suite first.")
    notes = []
    if replaced:
        trials = "1 older trial" if replaced == 1 else f"{replaced} older trials"
        notes.append(f"{trials} with the same settings, run by other versions or devices, omitted.")
    start = last_start(results)
    if start is None:
        return Selection(results, ids, notes=tuple(notes))
    return Selection(results, ids, start.description, start.margin or MARGIN, tuple(notes))


def recorded_ids(results: SuiteResults, trials: Sequence[Trial]) -> list[str]:
    """The ids of trials as they ran, for trials whose weights are not known here: without them an id is another.

    Args:
        results: Where they are recorded.
        trials: Of the suite. One that ran with no weights, or with known ones, keeps its id.
    """
    ran: dict[tuple[str, Runtime], str] = {}
    for trial_id in results.trial_ids():
        try:
            trial = results.attempts(trial_id)[-1].trial()
        except (DamagedAttempt, IndexError):
            continue
        unknown = replace(trial.settings, weights=replace(trial.settings.weights, sha256=None))
        ran[unknown.key, trial.runtime] = trial_id
    return [ran.get((trial.key, trial.runtime), trial.id) for trial in trials]


def _key(attempts: Sequence[Attempt]) -> str:
    """The key of a trial; its id where its file is damaged."""
    try:
        return attempts[-1].trial().key
    except DamagedAttempt:
        return attempts[-1].trial_id


def _rank(attempts: Sequence[Attempt]) -> tuple[bool, str, str]:
    """Of trials with the same key, the largest counts: whether it is done, and when it last started."""
    done = any(b'"status": "done"' in _content(attempt.result) for attempt in attempts)
    return done, _started(attempts[-1].runner_events), attempts[-1].trial_id


def _first_started(attempts: Sequence[Attempt]) -> tuple[str, str]:
    return _started(attempts[0].runner_events), attempts[0].trial_id


def _content(path: Path) -> bytes:
    """The file; nothing where it is not there. It is not decoded: the records are read later, each once."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _started(path: Path) -> str:
    """When an attempt started, UTC; empty where its journal does not say."""
    try:
        with path.open() as file:
            return str(json.loads(file.readline()).get("at") or "")
    except (OSError, ValueError, AttributeError):
        return ""
