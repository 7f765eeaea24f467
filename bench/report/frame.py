"""Records as a data frame: a row per trial, and a row per configuration with the means of its replicates."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from bench.journal.results import Attempt, SuiteResults, latest_of
from bench.report.names import APART, FlatSettings, apart_from, flat, variants
from bench.report.rows import (
    CLASS,
    ENERGY_TO,
    EPOCH_TO,
    HIGH,
    LOW,
    TIME_TO,
    Row,
    row_of,
    unfinished_row,
)
from wbc.evaluation.intervals import CONFIDENCE, Share, shared_training
from wbc.evaluation.latency import BATCHES

CONFIGURATION = ["network", "weights", "mode", "epochs", "variant", "device"]
"""Columns that name a configuration for people. The column `configuration` identifies it."""

T_INTERVALS = (
    *("test_accuracy", "balanced_accuracy", "external_balanced_accuracy", "macro_f1", "test_loss"),
    *("fit_s", "fit_cpu_s", "result_s", "result_cpu_s"),
    *("steady_images_per_s", "train_images_per_s", "feature_images_per_s", "energy_j"),
    *("growth_mb", "device_growth_mb"),
    *(f"latency_{batch}_{what}" for batch in BATCHES for what in ("p50_s", "images_per_s")),
)
"""Metrics whose mean over replicates gets an interval."""

T_LOW, T_HIGH = "t95 low of ", "t95 high of "
"""Prefixes of the columns of a class: bounds of the 95 % interval of its mean accuracy over replicates."""

BOTH_LOW, BOTH_HIGH = "both low of ", "both high of "
"""The same with what the choice of test images adds."""

_NO_MEANS = (LOW, HIGH, TIME_TO, EPOCH_TO, ENERGY_TO)
"""Prefixes of columns of which a mean says nothing: bounds, and times that may be `never`."""

NOT_OVER = ("not run", "unfinished")
"""Statuses of trials without a record."""


def trials_frame(results: SuiteResults, trial_ids: Iterable[str]) -> pd.DataFrame:
    """One row per trial, in the order given; also for a trial without a record.

    Every record is read once and released again, so that ten thousand fit into memory.

    Columns: trial, network, weights, mode, epochs, configuration (its key: `Settings.configuration_key`),
    replicate (its seeds, in words),
    variant (see `bench.report.names.variants`), seeds (those that differ), status, reason; test_accuracy,
    balanced_accuracy, test_loss, a column `accuracy of CLASS` for every class (shares of 1); split_low and
    split_high (95 % interval of the balanced accuracy, from one test split); aligned_accuracy and
    shuffled_accuracy (balanced, of the same predictions); validation_accuracy and validation_binary_accuracy
    after the last epoch; epochs_run (epochs that were done);
    fit_s, fit_cpu_s, result_s, result_cpu_s (seconds), clock (the one that the protocol
    uses) and clocked_fit_s; cores (where a processor trains); result_as_run_s, features_found and pixels_found (1
    or 0), features_made_by, training_shared (1) and not_shared (why work is not), where work is shared;
    `seconds of PHASE`; train_images_per_s, feature_images_per_s; parameters; attempt, key, started_at, runtime,
    device (its model), slot (on a cluster with its node); `seconds to TARGET`, `epoch of TARGET` and
    `joules to TARGET`, where `never` is a value (`bench.records.accuracy_time`); those of `bench.report.rows.cost_of`.
    What is missing is NaN.

    Of the evaluation (`wbc.evaluation.metrics.score`): images, sources, macro_precision, macro_recall,
    macro_f1, macro_auc, calibration_error; `low of CLASS` and `high of CLASS`, the 95 % interval of its
    accuracy, interval_method; `precision of CLASS`, `f1 of CLASS`, `auc of CLASS`, `images of CLASS`. Of an
    external test: external_images, external_accuracy, external_balanced_accuracy with external_low and
    external_high, `external accuracy of CLASS`. Of its
    use: model_mb (of 10^6 bytes), inference_ms (per image) and inference_batch_size.
    """
    rows: list[Row] = []
    over: list[int] = []
    settings: list[FlatSettings] = []
    for trial_id in trial_ids:
        attempts = results.attempts(trial_id)
        if (found := latest_of(attempts)) is not None:
            over.append(len(rows))
            settings.append(flat(found[1].trial.settings))
            rows.append(row_of(trial_id, found[1]))
        elif attempts:
            rows.append(unfinished_row(attempts[-1]))
        else:
            rows.append({"trial": trial_id, "status": "not run"})
    for number, (variant, seeds), own in zip(over, variants(settings), settings, strict=True):
        rows[number] |= {"variant": variant, "seeds": seeds, **apart_from(own)}
    if len({rows[number]["device"] for number in over}) > 1:
        for number in over:
            _set_apart(rows[number])
    return pd.DataFrame(rows)


def _set_apart(row: Row) -> None:
    """Make the device part of the configuration: neither means nor contrasts are over several kinds."""
    for name in ("configuration", *APART):
        row[name] = f"{row[name]} on {row['device']}"


def attempt_of(results: SuiteResults, row: Row) -> Attempt:
    """The attempt that a row of the frame of trials describes."""
    return results.attempt(row["trial"], int(row["attempt"]))


def configurations_frame(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per configuration: means over its replicates, how many are done and how many failed.

    Columns: configuration (its key), those of `CONFIGURATION`, replicates, failed, and the numbers of
    `trials_frame`. `accuracy_low`
    and `accuracy_high` are the lowest and highest balanced accuracy among the replicates. From two replicates
    on, `_t95_low` and `_t95_high` bound the 95 % interval of a mean by Student's t; those of classes are
    called `t95 low of CLASS` and `t95 high of CLASS`. `balanced_accuracy_low` and `_high`, and `both low of CLASS`
    and `both high of CLASS`, are wider: other test images would change the mean as well.
    """
    if "variant" not in trials:  # nothing is over yet
        return pd.DataFrame(columns=["configuration", *CONFIGURATION, "replicates", "failed"])
    known = trials[~trials["status"].isin(NOT_OVER)]
    done = known["status"] == "done"
    numbers = [name for name in known.select_dtypes("number") if not name.startswith(_NO_MEANS)]
    numbers = [name for name in numbers if name not in ("epochs", "attempt")]
    naming = [*CONFIGURATION, *(name for name in APART if name in known)]
    names = known.drop_duplicates("configuration").set_index("configuration")[naming]
    counts = done.groupby(known["configuration"], sort=False).agg(["sum", "size"]).astype(int)
    values = known.loc[done].groupby("configuration", sort=False)
    means = values[numbers].mean().reindex(counts.index)
    balanced = values["balanced_accuracy"].agg(["min", "max"]).reindex(counts.index)
    frame = pd.concat(
        [
            names,
            counts["sum"].rename("replicates"),
            (counts["size"] - counts["sum"]).rename("failed"),
            means,
            balanced.rename(columns={"min": "accuracy_low", "max": "accuracy_high"}),
            _t_intervals(
                values,
                [name for name in numbers if name in T_INTERVALS or name.startswith(CLASS)],
                _shared(known.loc[done]),
            ),
        ],
        axis=1,
    )
    both = {}
    for name in ("balanced_accuracy", *(name for name in numbers if name.startswith(CLASS))):
        of_class = name.removeprefix(CLASS)
        if of_class == name:
            t_bounds, images = [f"{name}_t95_low", f"{name}_t95_high"], ["split_low", "split_high"]
            ends = [f"{name}_low", f"{name}_high"]
        else:
            t_bounds, images = (
                [f"{T_LOW}{of_class}", f"{T_HIGH}{of_class}"],
                [f"{LOW}{of_class}", f"{HIGH}{of_class}"],
            )
            ends = [f"{BOTH_LOW}{of_class}", f"{BOTH_HIGH}{of_class}"]
        for t_bound, image, end in zip(t_bounds, images, ends, strict=True):
            by_seed = frame[t_bound] - frame[name]
            by_image = (values[image].mean() - frame[name]).fillna(0.0) if image in known else 0.0
            half = np.hypot(by_seed, by_image) * (1 if end == ends[1] else -1)
            both[end] = (frame[name] + half).clip(0.0, 1.0)
    frame = pd.concat([frame, pd.DataFrame(both)], axis=1)
    return frame.reset_index(names="configuration")


def share_of(configuration: Row) -> Share | None:
    """The balanced accuracy of a configuration with its interval.

    Over replicates and test images together where there are several replicates, else of one test split.
    """
    for low, high in (
        ("balanced_accuracy_low", "balanced_accuracy_high"),
        ("split_low", "split_high"),
    ):
        if not pd.isna(configuration.get(low, np.nan)):
            return configuration["balanced_accuracy"], configuration[low], configuration[high]
    return None


def _shared(trials: pd.DataFrame) -> pd.Series:
    """Configuration -> how much its folds share, see `wbc.evaluation.intervals.shared_training`; 0 without folds."""
    folds = trials.groupby("configuration", sort=False)["replicate"].first().astype(str)
    counts = pd.to_numeric(folds.str.extract(r" fold \d+ of (\d+)$")[0])
    return counts.map(shared_training, na_action="ignore").fillna(0.0)


def _t_intervals(groups: Any, names: list[str], shared: pd.Series) -> pd.DataFrame:
    """Bounds of the 95 % intervals of the means of groups, see `wbc.evaluation.intervals.t_interval`."""
    from scipy.special import stdtrit

    if not names:
        return pd.DataFrame()
    selected = groups[names]
    counts, means, deviations = selected.count(), selected.mean(), selected.std(ddof=1)
    several = counts.where(counts > 1)
    half = stdtrit(several - 1, (1 + CONFIDENCE) / 2) * deviations.mul(
        np.sqrt((1 / several).add(shared, axis=0))
    )
    bounds = {}
    for name in names:
        # Shares are bounded by 1; losses and times have no upper bound.
        most = 1.0 if name.endswith(("accuracy", "f1")) or name.startswith(CLASS) else None
        of_class = name.removeprefix(CLASS)
        low, high = (
            (f"{T_LOW}{of_class}", f"{T_HIGH}{of_class}")
            if name.startswith(CLASS)
            else (f"{name}_t95_low", f"{name}_t95_high")
        )
        bounds[low] = (means[name] - half[name]).clip(0.0, most)
        bounds[high] = (means[name] + half[name]).clip(0.0, most)
    return pd.DataFrame(bounds)
