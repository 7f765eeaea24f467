"""`regression.json`; docs/regression.md describes every key."""

import math
from dataclasses import asdict
from typing import Any

from bench.compare.metrics import METRICS
from bench.compare.output.words import outcome
from bench.compare.verdict import CellVerdict, Verdict

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
            "cells": [_cell(cell) for cell in verdict.cells],
            "notes": list(verdict.notes),
        }
    )


def _cell(cell: CellVerdict) -> dict[str, Any]:
    content = asdict(cell)
    for metric in content["metrics"]:
        known = METRICS[metric["metric"]]
        metric["unit"], metric["more_is_worse"] = known.unit, known.more_is_worse
    for phase, change in zip(content["phases"], cell.phases, strict=True):
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
