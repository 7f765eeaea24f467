"""A candidate against a baseline that was recorded before: the same trials, but not in pairs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bench.compare.baseline import machine_of
from bench.compare.judge import judge
from bench.compare.matching import match
from bench.compare.reading import Side, in_order, measured
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Verdict
from bench.errors import InputError
from bench.journal.results import Attempt
from bench.plan.decide import Prediction
from bench.regress.comparison import Session
from bench.regress.evidence import configurations, shared_out
from bench.regress.execute import seconds_of
from bench.trials.trial import Trial

UNPAIRED = (
    "The baseline was recorded at another time: what changed on the machine since then is in the ratios too. "
    "For small changes measure both sides, in turn."
)
CUT_SHORT = "The budget was spent before every trial ran as often as was wanted."
_LEFT = 10**9
"""Stands for the runs of a trial that is left alone."""


def against_recorded(
    session: Session,
    baseline: Side,
    repeats: int | None,
    thresholds: Thresholds,
    say: Callable[[str], None],
) -> Verdict:
    """Run the candidate as often as the baseline was, and judge.

    Args:
        session: Ready to run.
        baseline: What was recorded.
        repeats: Runs of each configuration at most; None: as many as the baseline has.
        thresholds: What is judged by.
        say: Is told what cannot be compared.

    Raises:
        InputError: The baseline has none of the trials.
        InterruptedRun: A signal came; finished runs are kept.
    """
    known = Counter(one.key for one in baseline.measurements if one.done)
    trials = [trial for trial in session.comparison.trials if known[trial.key]]
    if not trials:
        raise InputError(
            f"{baseline.name} has none of the suite's trials",
            "Their settings, seeds and images must be the same; `compare` says what differs.",
        )
    left_out = len(session.comparison.trials) - len(trials)
    if left_out:
        say(f"{baseline.name} lacks {left_out} of the suite's trials; the candidate runs them once.")
    if few := too_few(trials, known, baseline.name, thresholds.minimum_pairs):
        say(few)
    cut_short = _run_missing(session, runs_wanted(session.comparison.trials, known, repeats))
    attempts = [one for found in _attempts(session).values() for one in found]
    candidate = Side("candidate", in_order(measured(attempts), session.comparison.folder))
    if baseline.machine:
        candidate = replace(candidate, machine=machine_of(candidate.measurements))
    keys = {trial.key for trial in session.comparison.trials}
    asked = replace(baseline, measurements=tuple(one for one in baseline.measurements if one.key in keys))
    return judge(
        match(asked, candidate),
        thresholds,
        baseline=baseline.name,
        candidate=session.comparison.sides["candidate"].label,
        notes=[UNPAIRED, *([CUT_SHORT] if cut_short else [])],
    )


def runs_wanted(trials: Sequence[Trial], known: Mapping[str, int], repeats: int | None) -> dict[str, int]:
    """Key of each trial -> runs of the candidate: as many as find a partner, once at least.

    Args:
        trials: All trials.
        known: Key of a trial -> runs that the baseline has.
        repeats: Runs of a configuration at most, shared out to its seeds and splits; None: any.
    """
    shares = known
    if repeats is not None:
        groups = configurations(trials)
        shares = shared_out(dict.fromkeys(groups, repeats), groups)
    return {trial.key: max(1, min(shares.get(trial.key, 0), known.get(trial.key, 0))) for trial in trials}


def too_few(trials: Sequence[Trial], known: Mapping[str, int], name: str, minimum: int) -> str:
    """Which configurations have too few recorded runs for a word on times: a sentence, or nothing.

    Args:
        trials: Those that the baseline has.
        known: Key of a trial -> runs that the baseline has.
        name: Of the baseline.
        minimum: Pairs without which no change of a time is claimed.
    """
    labels = {trial.key: trial.label for trial in trials}
    runs = {keys[0]: sum(known[key] for key in keys) for keys in configurations(trials).values()}
    few = [
        f"{number} run{'' if number == 1 else 's'} of {labels[key]}"
        for key, number in runs.items()
        if number < minimum
    ]
    if not few:
        return ""
    return (
        f"{name} has {', '.join(few)}: times need {minimum}. `run --fresh` its suite as often as it takes "
        "(and `baseline save --replace` it)."
    )


def _run_missing(session: Session, wanted: dict[str, int]) -> bool:
    """Run what is missing, every trial once before any of them twice.

    Trials without a run get one whatever the budget, and the others as far as it goes; a trial that failed is
    left alone.

    Returns:
        Whether the budget had no room for a run.
    """
    budget, runner, key = session.course.budget, session.runner, session.comparison.keys[1]
    took, done, cut_short = {}, {}, False
    for trial_key, attempts in _attempts(session).items():
        records = [record for one in attempts if (record := one.record_json() or {}).get("status") == "done"]
        done[trial_key] = len(records)
        took[trial_key] = seconds_of(records[-1]) if records else 0.0
    while todo := [trial for trial in session.comparison.trials if done[trial.key] < wanted[trial.key]]:
        todo.sort(key=lambda trial: done[trial.key])
        plan = {trial.key: runner.planned("candidate", trial, _expected(took[trial.key])) for trial in todo}
        session.course.listener.plan(list(plan.values()), runner.places, at_once=1)
        for trial in todo:
            if done[trial.key] and not budget.left_for(took[trial.key]):
                done[trial.key], cut_short = _LEFT, True
                continue
            ran = runner.run_one("candidate", trial, plan[trial.key].prediction)
            session.comparison.journal.append_run(key, ran)
            record = ran.of(session.comparison.results).record_json() or {}
            took[trial.key] = seconds_of(record)
            done[trial.key] = done[trial.key] + 1 if record.get("status") == "done" else _LEFT
    return cut_short


def _attempts(session: Session) -> dict[str, list[Attempt]]:
    """Key of a trial -> the attempts at it of this candidate, on this device."""
    comparison = session.comparison
    runs = comparison.journal.runs(comparison.keys[1], comparison.results, session.place)
    found = {}
    for trial in comparison.trials:
        own = session.runner.planned("candidate", trial, None).trial.id
        found[trial.key] = [run.of(comparison.results) for run in runs if run.trial_id == own]
    return found


def _expected(seconds: float) -> Prediction | None:
    return Prediction(seconds, "its earlier runs") if seconds else None
