"""What a harness that was killed left behind."""

import shutil

from bench.errors import DamagedAttempt
from bench.journal.results import Attempt, SuiteResults
from bench.records.fold import finish

_DAMAGED = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What the reading of journals raises where a disk, or somebody with an editor, has changed them."""


def tidy_up(results: SuiteResults) -> list[Attempt]:
    """Write the record of attempts whose harness was killed before it could; the caller holds the lock.

    Half-written files go, and so do checkpoints of trials that are done.
    """
    abandoned = [attempt for attempt in results.all_attempts() if attempt.record() is None]
    for attempt in abandoned:
        if not (attempt.folder / "trial.json").exists():  # killed while the folder was made: nothing ran
            shutil.rmtree(attempt.folder)
            continue
        try:
            attempt.trial()
            finish(attempt)
        except (DamagedAttempt, *_DAMAGED):  # kept for people to look at, and no attempt any more
            attempt.folder.replace(attempt.folder.with_name(f"damaged-{attempt.folder.name}"))
    for partial in results.partial_files():
        shutil.rmtree(partial) if partial.is_dir() else partial.unlink()
    for trial_id in results.checkpointed():
        latest = results.latest(trial_id)
        if latest is not None and latest[1].done:
            results.discard_checkpoint(trial_id)
    return abandoned
