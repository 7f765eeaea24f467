"""`regression.json`; docs/regression.md describes every key."""

import math
from dataclasses import asdict
from typing import Any

from bench.compare.metrics import METRICS
from bench.compare.output.format import outcome
from bench.compare.verdict import TrialVerdict, Verdict

SCHEMA = "leukobench/regression"
VERSION = 1


def document(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON values; what is no finite number is None."""
    return _plain(
        {
            "schema": SCHEMA,
            "version": VERSION,
            "baseline": verdict.baseline,
            "candidate": verdict.candidate,
            "outcome": outcome(verdict),
            "exit_code": int(verdict.exit_code),
            "thresholds": verdict.thresholds,
            "detectable": verdict.detectable,
            "changes": [asdict(change) for change in verdict.changes],
            "trials": [_trial(trial) for trial in verdict.trials],
            "notes": list(verdict.notes),
        }
    )


def _trial(trial: TrialVerdict) -> dict[str, Any]:
    content = asdict(trial)
    for metric in content["metrics"]:
        known = METRICS[metric["metric"]]
        metric["unit"], metric["more_is_worse"] = known.unit, known.more_is_worse
    for phase, change in zip(content["phases"], trial.phases, strict=True):
        phase["difference_s"] = change.difference_s
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return str(value)  # enumerations, too
    return None if isinstance(value, float) and not math.isfinite(value) else value
