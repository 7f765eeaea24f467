"""Records as a data frame, a row a trial."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from bench.journal.plain import plain
from bench.journal.results import Attempt, SuiteResults, latest_of
from bench.report.rows import CLASS, HIGH, LOW, row_of, unfinished_row
from bench.report.variants import flat, names_of
from wbc.evaluation.intervals import CONFIDENCE

__all__ = ["CLASS", "CONFIGURATION", "HIGH", "LOW", "latest_record", "repeats_frame", "trials_frame"]

T_INTERVALS = ("test_accuracy", "balanced_accuracy", "macro_f1", "test_loss", "fit_s", "result_s")
"""Figures whose mean over repeats gets an interval."""

CONFIGURATION = ["network", "weights", "mode", "epochs", "variant"]
"""Columns that together name what is compared; rows that agree in them are repeats."""

NOT_OVER = ("not run", "unfinished")
"""Statuses of trials without a record."""

T_LOW, T_HIGH = "t95 low of ", "t95 high of "
"""Columns of a class begin so in means over repeats: the bounds of the 95 % interval of the mean accuracy."""


def latest_record(results: SuiteResults, trial_id: str) -> dict[str, Any] | None:
    """The record that stands for a trial, see `bench.journal.results.latest_of`; None where none is over."""
    return _latest(results.attempts(trial_id))


def _latest(attempts: list[Attempt]) -> dict[str, Any] | None:
    found = latest_of(attempts)
    return None if found is None else plain(found[1])


def trials_frame(results: SuiteResults, trial_ids: Iterable[str]) -> pd.DataFrame:
    """One row a trial, in the order given; a trial without a record is a row that says so.

    Every record is read once and let go again, so that ten thousand fit into memory.

    Columns: trial, network, weights, mode, epochs, variant (settings that differ within the suite, beyond the
    columns before; where protocols differ, what they imply is left to their names), seeds (those that
    differ), status, reason; test_accuracy, balanced_accuracy, test_loss, a column `accuracy of CLASS` for
    every class (shares of 1); part_low and part_high (95 % interval of the balanced accuracy, by one test
    part); aligned_accuracy and shuffled_accuracy (balanced, of the same predictions);
    validation_accuracy and validation_binary_accuracy after the last epoch; fit_s, fit_cpu_s, result_s,
    result_cpu_s (seconds), clock (which of them the protocol goes by) and clocked_fit_s; `seconds of PHASE`;
    train_images_per_s, feature_images_per_s; parameters; attempt, key, started_at, runtime; those of
    `bench.report.costs.cost_of`. What is missing is NaN.

    Of the evaluation (`wbc.evaluation.metrics.score`): images, sources, macro_precision, macro_recall,
    macro_f1, macro_auc, calibration_error; `low of CLASS` and `high of CLASS`, the 95 % interval of its
    accuracy, interval_method; `precision of CLASS`, `f1 of CLASS`, `auc of CLASS`, `images of CLASS`. Of its
    use: model_mb (of 10^6 bytes), inference_ms (an image) and inference_batch_size.
    """
    rows, over, settings = [], [], []
    for trial_id in trial_ids:
        attempts = results.attempts(trial_id)
        record = _latest(attempts)
        row = None if record is None else _row_of(trial_id, record)
        if row is not None:
            over.append(len(rows))
            settings.append(flat(record["trial"]["settings"]))
            rows.append(row)
        elif attempts:
            rows.append(unfinished_row(attempts[-1]))
        else:
            rows.append({"trial": trial_id, "status": "not run"})
    for number, (variant, seeds) in zip(over, names_of(settings), strict=True):
        rows[number] |= {"variant": variant, "seeds": seeds}
    return pd.DataFrame(rows)


def _row_of(trial_id: str, record: dict[str, Any]) -> dict[str, Any] | None:
    """Its row; None where the record lacks what a row is made of: somebody has changed it."""
    try:
        return row_of(trial_id, record)
    except (KeyError, TypeError, AttributeError):
        return None


def repeats_frame(trials: pd.DataFrame) -> pd.DataFrame:
    """Means over repeats: a row a configuration with the number of repeats and of failures.

    `accuracy_low` and `accuracy_high` are the lowest and highest balanced accuracy among the repeats. From
    two repeats on, `_t95_low` and `_t95_high` bound the 95 % interval of a mean by Student's t; those of
    classes are called `t95 low of CLASS` and `t95 high of CLASS`.
    """
    if "variant" not in trials:  # nothing is over yet
        return pd.DataFrame(columns=[*CONFIGURATION, "repeats", "failed"])
    known = trials[~trials["status"].isin(NOT_OVER)]
    done = known["status"] == "done"
    numbers = [name for name in known.select_dtypes("number") if not name.startswith((LOW, HIGH))]
    numbers = [name for name in numbers if name not in ("epochs", "attempt")]
    groups = (
        known[[*CONFIGURATION]].assign(done=done).groupby(CONFIGURATION, sort=False, dropna=False)["done"]
    )
    counts = groups.agg(repeats="sum", all="size").astype(int)
    values = known.loc[done].groupby(CONFIGURATION, sort=False, dropna=False)
    means = values[numbers].mean().reindex(counts.index)
    balanced = values["balanced_accuracy"].agg(["min", "max"]).reindex(counts.index)
    frame = pd.concat(
        [
            counts["repeats"],
            (counts["all"] - counts["repeats"]).rename("failed"),
            means,
            balanced.rename(columns={"min": "accuracy_low", "max": "accuracy_high"}),
            _t_intervals(values, [name for name in numbers if name in T_INTERVALS or name.startswith(CLASS)]),
        ],
        axis=1,
    )
    return frame.reset_index()


def _t_intervals(groups, names: list[str]) -> pd.DataFrame:
    """Bounds of the 95 % intervals of the means of groups, see `wbc.evaluation.intervals.t_interval`."""
    from scipy.special import stdtrit

    if not names:
        return pd.DataFrame()
    selected = groups[names]
    counts, means, deviations = selected.count(), selected.mean(), selected.std(ddof=1)
    several = counts.where(counts > 1)
    half = stdtrit(several - 1, (1 + CONFIDENCE) / 2) * deviations / np.sqrt(several)
    bounds = {}
    for name in names:
        # Shares and losses have bounds of their own; None is a bound that isn't there.
        most = 1.0 if name.endswith(("accuracy", "f1")) or name.startswith(CLASS) else None
        low, high = (means[name] + sign * half[name] for sign in (-1, 1))
        names_of_bounds = (f"{name}_t95_low", f"{name}_t95_high")
        if name.startswith(CLASS):
            names_of_bounds = tuple(prefix + name.removeprefix(CLASS) for prefix in (T_LOW, T_HIGH))
        for column, bound in zip(names_of_bounds, (low, high), strict=True):
            bounds[column] = bound.clip(0.0, most)
    return pd.DataFrame(bounds)
