"""Send what MLflow does not have: the work behind `python -m bench sync`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.errors import DamagedAttempt, InputError, ResultsError, command
from bench.journal.damage import warnings_of
from bench.journal.results import Attempt, SuiteResults
from bench.journal.runs import measures_alone, running_process, wait_for_end
from bench.plan.decide import matches
from bench.tracking.markers import unsent
from bench.tracking.store import copy_note, damage_note, why_unwritten


@dataclass(frozen=True)
class Synced:
    """What a sync came to.

    Attributes:
        suite: The suite.
        attempts: Attempts that are over.
        sent: How many of them were sent now.
        damaged: What is wrong with those that could not be read, a sentence each.
    """

    suite: str
    attempts: int
    sent: int
    damaged: tuple[str, ...] = ()


def sync(
    results: Path,
    suite: str | None = None,
    again: bool = False,
    say: Callable[[str], None] = print,
    progress: Callable[[str, int, int], None] = lambda suite, done, total: None,
    only: str | None = None,
) -> list[Synced]:
    """Send the attempts that the store lacks, and bring the runs of the suites up to date.

    Args:
        results: The results folder.
        suite: A suite's name; None: all.
        again: Ask the store for every attempt, instead of trusting the marks of what was sent.
        say: Tells the user what is waited for.
        progress: Told the suite, how many attempts of it are through, and of how many.
        only: A pattern for the ids of trials; None for all.

    Raises:
        InputError: There are no such results.
        ResultsError: MLflow cannot be written to; what was sent until then stays sent.
    """
    suites = [suite] if suite is not None else recorded_suites(results)
    if not suites:
        raise InputError(f"nothing is recorded in {results}", f"Run a suite first: {command()} run SUITE")
    for note in filter(None, (copy_note(results), damage_note(results))):
        say(note)
    done = []
    for name in suites:
        one = SuiteResults(results, name)
        if not one.trials.is_dir():
            known = ", ".join(recorded_suites(results)) or "none"
            raise InputError(f"{results} has no suite {name!r}", f"It has: {known}.")
        _wait_for_quiet(one, say)
        done.append(_sync_suite(one, again, progress, only))
    return done


def recorded_suites(results: Path) -> list[str]:
    """The names of the suites that a results folder has records of."""
    return sorted(path.parent.name for path in results.glob("*/trials") if path.is_dir())


def _sync_suite(
    results: SuiteResults, again: bool, progress: Callable[[str, int, int], None], only: str | None
) -> Synced:
    from bench.tracking.projection import Projection  # loads MLflow

    sent, damaged = 0, warnings_of(results)
    try:
        projection = Projection(results)
        attempts = [one for one in results.all_attempts() if one.is_over() and _is_asked(one, only)]
        missing = attempts if again else unsent(results, projection.store)
        missing = [one for one in missing if _is_asked(one, only)]
        for number, attempt in enumerate(missing, start=1):
            try:
                sent += projection.send(attempt, again)
            except DamagedAttempt as error:  # the others are sent all the same
                damaged.append(str(error))
            progress(results.suite, number, len(missing))
        projection.settle()
    except ResultsError:
        raise
    except OSError:
        raise
    except Exception as error:
        raise ResultsError(
            f"MLflow cannot be written to: {why_unwritten(error)}",
            f"Nothing is lost, the journals have all: `{command()} sync` sends the rest.",
        ) from None
    return Synced(results.suite, len(attempts), sent, tuple(damaged))


def _is_asked(attempt: Attempt, only: str | None) -> bool:
    return only is None or matches(attempt.trial_id, only)


def _wait_for_quiet(results: SuiteResults, say: Callable[[str], None]) -> None:
    """Nothing of ours may run beside a suite that asked to be alone."""
    process = running_process(results)
    if process is not None and measures_alone(results.results):
        say(f"A run measures exclusively (process {process}) and records its trials itself; waiting")
        wait_for_end(process)
