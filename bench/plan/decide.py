"""What a run would do with every trial, and why."""

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.errors import DamagedAttempt
from bench.journal.results import SuiteResults, latest_of
from bench.trials.trial import Trial
from wbc.errors import InputError

MOST_CHANGES = 3
"""A trial that differs from every earlier one in more settings is new, not changed."""


@dataclass(frozen=True)
class Prediction:
    """How long a trial will take."""

    seconds: float
    """From the start of its process to its end."""
    basis: str
    """What the prediction rests on, in words."""


@dataclass(frozen=True)
class PlannedTrial:
    """A trial, and what a run does with it."""

    trial: Trial
    status: str
    """`done`; or one that is run: `new`, `changed` (an earlier trial differs in few settings), `failed`,
    `unfinished` (interrupted; it resumes if it has a checkpoint), `again` (done, but `--fresh` was given)."""
    why: str
    """The reason, in words."""
    fresh: bool = False
    """Run it from its beginning, even if it has a checkpoint."""
    prediction: Prediction | None = field(default=None, compare=False)
    """How long it will take; None for a trial that is not run."""

    @property
    def runs(self) -> bool:
        """Whether a run would start it."""
        return self.status != "done"

    @property
    def seconds(self) -> float:
        """Predicted seconds; 0 if there is no prediction."""
        return self.prediction.seconds if self.prediction else 0.0


def make_plan(
    chosen: Sequence[Trial],
    results: SuiteResults,
    suite: Sequence[Trial] | None = None,
    fresh: bool = False,
) -> list[PlannedTrial]:
    """Decide on trials.

    Args:
        chosen: The trials to decide on.
        results: Where earlier attempts are.
        suite: All trials of the suite; None: the chosen ones are all.
        fresh: Run every trial from its beginning as a new attempt, even if it is done.
    """
    earlier = _Earlier(results, {trial.id for trial in (chosen if suite is None else suite)})
    plan = []
    for trial in chosen:
        status, why = _decide(trial, results, earlier)
        if fresh and status == "done":
            status, why = "again", f"done before ({why}), but --fresh was given"
        plan.append(PlannedTrial(trial, status, why, fresh))
    return plan


def choose(trials: Sequence[Trial], pattern: str | None, option: str) -> list[Trial]:
    """The trials whose ids match a pattern (`vgg*`, `*-scratch-*`) or contain it; all without one.

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
    if not attempts:
        changes = earlier.nearest(trial)
        return ("changed", "; ".join(changes)) if changes else ("new", "never run")
    latest = latest_of(attempts)
    if latest is not None and latest[1].done:
        return "done", f"attempt {latest[0].number}"
    if latest is None and (damage := attempts[-1].damage()):
        return (
            "unfinished",
            f"the record of attempt {attempts[-1].number} is damaged ({damage}); a run makes it again",
        )
    resumes = "; resumes from its checkpoint" if results.checkpoint(trial.id).exists() else ""
    if latest is None or latest[0] != attempts[-1] or latest[1].failure is None:
        return "unfinished", f"an attempt has no result: it runs, or its harness was killed{resumes}"
    failure = latest[1].failure
    if failure.kind == "interrupted":
        return "unfinished", f"{failure.message}{resumes}"
    return "failed", f"{failure.kind}: {failure.message}{resumes}"


class _Earlier:
    """Trials in the results folder that the suite no longer asks for."""

    def __init__(self, results: SuiteResults, wanted: Iterable[str]) -> None:
        self._results, self._wanted = results, set(wanted)
        self._known: list[Trial] | None = None

    def nearest(self, trial: Trial) -> list[str]:
        """How a trial differs from the most similar earlier one; empty if none is similar."""
        near = [
            changes
            for old in self._trials()
            if old.network == trial.network and old.settings.mode == trial.settings.mode
            if len(changes := differences(trial, old)) <= MOST_CHANGES
            # With another seed it is a replicate, not a changed trial.
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


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."
