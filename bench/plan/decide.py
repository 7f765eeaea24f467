"""What a run would do with every trial, and why."""

import fnmatch
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bench.errors import DamagedAttempt
from bench.journal.results import SuiteResults
from bench.trials.trial import Trial
from wbc.errors import InputError

MOST_CHANGES = 3
"""A trial that differs from every earlier one in more settings than these is new, not changed."""


@dataclass(frozen=True)
class Prediction:
    """How long a trial will take.

    Attributes:
        seconds: From the start of its process to its end.
        basis: What the figure rests on, in words.
    """

    seconds: float
    basis: str


@dataclass(frozen=True)
class PlannedTrial:
    """A trial with its fate.

    Attributes:
        trial: The trial.
        status: `done`, `new`, `changed` (an earlier trial differs in few settings), `failed`, `unfinished`
            (interrupted; it goes on where it has a checkpoint), or `again` (done, and asked for afresh).
            All but `done` are run.
        why: In words.
        afresh: It is run from its beginning, checkpoint or not.
        prediction: How long it will take; None for a trial that is not run.
    """

    trial: Trial
    status: str
    why: str
    afresh: bool = False
    prediction: Prediction | None = field(default=None, compare=False)

    @property
    def runs(self) -> bool:
        """Whether a run would start it."""
        return self.status != "done"

    @property
    def seconds(self) -> float:
        """Predicted seconds; 0 where none are known."""
        return self.prediction.seconds if self.prediction else 0.0


def make_plan(
    trials: list[Trial],
    results: SuiteResults,
    fresh: bool = False,
    only: str | None = None,
    predict: Callable[[Trial], Prediction] | None = None,
) -> list[PlannedTrial]:
    """Decide on every trial.

    Args:
        trials: The trials of the suite.
        results: Where earlier attempts are.
        fresh: Run every trial from its beginning, done or not, as new attempts.
        only: A pattern (`vgg*`, `*-scratch-*`) or a part of the trials' ids.
        predict: Predicts how long a trial takes.

    Raises:
        InputError: No trial matches the pattern.
    """
    chosen = choose(trials, only, "--only")
    earlier = _Earlier(results, {trial.id for trial in trials})
    plan = []
    for trial in chosen:
        status, why = _decide(trial, results, earlier)
        if fresh and status == "done":
            status, why = "again", f"done before ({why}), asked for afresh"
        prediction = predict(trial) if predict and status != "done" else None
        plan.append(PlannedTrial(trial, status, why, fresh, prediction))
    return plan


def choose(trials: list[Trial], pattern: str | None, option: str) -> list[Trial]:
    """The trials whose ids match a pattern or have it as a part.

    Raises:
        InputError: None does; names the option that the pattern came from.
    """
    chosen = [trial for trial in trials if pattern is None or matches(trial.id, pattern)]
    if not chosen:
        raise InputError(
            f"no trial matches {option} {pattern}",
            f"The first is {trials[0].id}; plan without {option} shows all.",
        )
    return chosen


def differences(new: Trial, old: Trial) -> list[str]:
    """How a trial differs from an earlier one: `optimizer.name Adam, was SGD`."""
    ours, theirs = new.flat(), old.flat()
    return [
        f"{key} {_short(ours.get(key, 'not set'))}, was {_short(theirs.get(key, 'not set'))}"
        for key in dict.fromkeys((*ours, *theirs))
        if ours.get(key) != theirs.get(key)
    ]


def matches(trial_id: str, pattern: str) -> bool:
    """Whether an id matches a pattern such as `vgg*`, or has it as a part."""
    return fnmatch.fnmatch(trial_id, pattern.lower()) or pattern.lower() in trial_id


def _decide(trial: Trial, results: SuiteResults, earlier: "_Earlier") -> tuple[str, str]:
    attempts = results.attempts(trial.id)
    records = [record for attempt in attempts if (record := attempt.record())]
    done = [record for record in records if record.done]
    if done:
        return "done", f"attempt {done[-1].attempt}"
    if not attempts:
        changes = earlier.nearest(trial)
        return ("changed", "; ".join(changes)) if changes else ("new", "never run")
    goes_on = "; goes on from its checkpoint" if results.checkpoint(trial.id).exists() else ""
    if not records or attempts[-1].record() is None:
        return "unfinished", f"an attempt has no result: running, or its harness was killed{goes_on}"
    failure = records[-1].failure
    assert failure is not None, "a record that is not done has a failure"
    if failure.kind == "interrupted":
        return "unfinished", f"{failure.message}{goes_on}"
    return "failed", f"{failure.kind}: {failure.message}{goes_on}"


class _Earlier:
    """Trials in the results folder that the suite does not ask for any more."""

    def __init__(self, results: SuiteResults, wanted: Iterable[str]):
        self._results, self._wanted = results, set(wanted)
        self._known: list[Trial] | None = None

    def nearest(self, trial: Trial) -> list[str]:
        """How a trial differs from the most similar earlier one; nothing if there is no similar one."""
        near = [
            changes
            for old in self._trials()
            if old.network == trial.network and old.settings.mode == trial.settings.mode
            if len(changes := differences(trial, old)) <= MOST_CHANGES
            # Another seed is another repeat, not a changed trial.
            if not any(change.split()[0].endswith("seed") for change in changes)
        ]
        return min(near, key=len, default=[])

    def _trials(self) -> list[Trial]:
        if self._known is None:
            folders = self._results.trials.iterdir() if self._results.trials.is_dir() else ()
            orphans = [folder.name for folder in folders if folder.name not in self._wanted]
            attempts = [
                attempts[-1] for name in sorted(orphans) if (attempts := self._results.attempts(name))
            ]
            self._known = []
            for attempt in attempts:
                try:
                    self._known.append(attempt.trial())
                except DamagedAttempt:
                    continue
        return self._known


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."
