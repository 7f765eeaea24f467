"""Which trials a report is about."""

import json
from dataclasses import dataclass
from pathlib import Path

from bench.errors import DamagedAttempt, InputError
from bench.journal.results import Attempt, SuiteResults
from wbc.errors import nearest


@dataclass(frozen=True)
class Selection:
    """Trials to report on."""

    results: SuiteResults
    trial_ids: list[str]
    """In the order of tables."""
    description: str = ""
    """Of the suite."""
    notes: tuple[str, ...] = ()
    """Sentences about what is omitted."""


def select_folder(folder: Path) -> Selection:
    """Every trial of a results folder such as `results/demo`, without its suite file.

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
    latest: dict[str, tuple[tuple[bool, str], str, str]] = {}
    replaced = 0
    for path in results.trials.iterdir():
        attempts = results.attempts(path.name)
        if not attempts:
            continue
        key, rank, began = _looked_up(path.name, attempts)
        known = latest.get(key)
        replaced += known is not None
        if known is None or rank > known[0]:
            latest[key] = rank, path.name, began
    ids = [trial_id for _, trial_id, _ in sorted(latest.values(), key=lambda one: (one[2], one[1]))]
    if not ids:
        raise InputError(f"{folder} holds no attempt at any trial", "Run its suite first.")
    notes = []
    if replaced:
        trials = "1 older trial" if replaced == 1 else f"{replaced} older trials"
        notes.append(f"{trials} with the same settings, run by other versions or devices, omitted.")
    return Selection(results, ids, notes=tuple(notes))


def no_folder(folder: Path) -> InputError:
    """The error for a name that is neither a results folder nor a suite."""
    known = {other.stem: other for other in sorted(folder.parent.glob("*.toml"))}
    known |= {other.parent.name: other.parent for other in sorted(folder.parent.glob("*/trials"))}
    near = nearest(folder.name, list(known))
    hint = f"did you mean {known[near]}?" if near else ""
    return InputError(
        f"there is neither a folder nor a suite {folder}",
        hint or "Name a suite file, or a folder such as results/demo.",
    )


def _looked_up(trial_id: str, attempts: list[Attempt]) -> tuple[str, tuple[bool, str], str]:
    """The key of a trial; whether it is done, and when it last started; when it first started."""
    first, last = attempts[0], attempts[-1]
    try:
        key = last.trial().key
    except DamagedAttempt:
        key = trial_id
    done = any(b'"status": "done"' in _content(attempt.result) for attempt in attempts)
    return key, (done, _began(last.runner_events)), _began(first.runner_events)


def _content(path: Path) -> bytes:
    """The file; nothing where it is not there. It is not decoded: the records are read later, each once."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _began(path: Path) -> str:
    """When an attempt started, UTC; empty where its journal does not say."""
    try:
        with path.open() as file:
            return str(json.loads(file.readline()).get("at") or "")
    except (OSError, ValueError, AttributeError):
        return ""
