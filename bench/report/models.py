"""Which trained networks stay on the disk where a suite keeps the best: those that its answer rests on."""

from collections.abc import Sequence

import pandas as pd

from bench.compare.noninferiority import MARGIN
from bench.journal.results import SuiteResults
from bench.journal.runs import last_start
from bench.report.answer import Decision, decide, same_images
from bench.report.frame import configurations_frame, trials_frame
from bench.report.pareto import candidates
from bench.worker.artifacts import MODEL_FILE
from wbc.specification import BEST


def keep_best(results: SuiteResults, trial_ids: Sequence[str]) -> list[str]:
    """Remove the networks that were saved only until the answer was known.

    Two stay: the first replicates of the configuration that the answer names, and of the most accurate one.
    Networks of a suite that keeps all of them stay too.

    Args:
        results: Of the suite; the caller has just run it.
        trial_ids: Of the whole suite.

    Returns:
        The trials whose networks are kept for the answer.
    """
    trials = trials_frame(results, trial_ids)
    configurations = configurations_frame(trials)
    found = candidates(configurations) if len(configurations) else []
    start = last_start(results)
    margin = (start.margin if start else None) or MARGIN
    decision = decide(found, same_images(results, trials, found), margin)
    kept = _chosen(trials, decision)
    for trial_id in trial_ids:
        for attempt in results.attempts(trial_id):
            model = attempt.folder / MODEL_FILE
            if trial_id in kept or not model.is_file() or not attempt.is_over():
                continue
            if attempt.trial().specification.get("save_model") == BEST:
                model.unlink(missing_ok=True)
    return kept


def _chosen(trials: pd.DataFrame, decision: Decision | None) -> list[str]:
    if decision is None:
        return []
    done = trials[trials["status"] == "done"]
    wanted = dict.fromkeys((decision.named.configuration, decision.best.configuration))
    return [str(done.loc[done["configuration"] == one, "trial"].iloc[0]) for one in wanted]
