"""Records as a data frame, a row a cell."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from bench.journal.results import SuiteResults
from wbc.evaluation.intervals import t_interval
from wbc.protocols import PROTOCOL_KEYS, PROTOCOLS, settings_of

T_INTERVALS = ("test_accuracy", "balanced_accuracy", "macro_f1", "test_loss", "fit_s")
"""Figures whose mean over repeats gets an interval."""

CONFIGURATION = ["network", "weights", "mode", "epochs", "variant"]
"""Columns that together name what is compared; rows that agree in them are repeats."""

CLASS, LOW, HIGH = "accuracy of ", "low of ", "high of "
"""Columns of a class begin so: its accuracy, and the bounds of the 95 % interval of that."""

REPEAT_KEYS = {"seed": "seed", "split_seed": "split", "data_seed": "data"}
"""Settings that only repeat a configuration, and how a table calls them."""


def latest_record(results: SuiteResults, cell_id: str) -> dict[str, Any] | None:
    """The last attempt that is done; where none is, the last that is over; else None."""
    records = [record for attempt in results.attempts(cell_id) if (record := attempt.record())]
    done = [record for record in records if record["status"] == "done"]
    return (done or records or [None])[-1]


def cells_frame(results: SuiteResults, cell_ids: Iterable[str]) -> pd.DataFrame:
    """One row a cell, in the order given; a cell without a record is a row that says so.

    Columns: cell, network, weights, mode, epochs, variant (settings that differ within the suite, beyond the
    columns before; where protocols differ, what they imply is left to their names), seeds (those that
    differ), status, reason; test_accuracy, balanced_accuracy, test_loss, a column `accuracy of CLASS` for
    every class (shares of 1); aligned_accuracy and shuffled_accuracy (balanced, of the same predictions);
    validation_accuracy and validation_binary_accuracy after the last epoch; fit_s, fit_cpu_s, result_s
    (seconds), clock (which of them the protocol goes by) and clocked_fit_s; train_images_per_s,
    feature_images_per_s; parameters. What is missing is NaN.

    Of the evaluation (`wbc.evaluation.metrics.score`): images, sources, macro_precision, macro_recall,
    macro_f1, macro_auc, calibration_error; `low of CLASS` and `high of CLASS`, the 95 % interval of its
    accuracy, interval_method; `precision of CLASS`, `f1 of CLASS`, `auc of CLASS`. Of its use: model_mb (of
    10^6 bytes), inference_ms (an image) and inference_batch_size.
    """
    records = {cell_id: latest_record(results, cell_id) for cell_id in cell_ids}
    flat = {cell_id: _flat(record["cell"]["settings"]) for cell_id, record in records.items() if record}
    repeated = [key for key in _differing(list(flat.values())) if _is_repeat(key)]
    varying = _varying(list(flat.values()))
    rows = []
    for cell_id, record in records.items():
        if record is None:
            rows.append({"cell": cell_id, "status": "not run"})
            continue
        settings = flat[cell_id]
        by_protocol = "protocol" in varying
        shown = [key for key in varying if key in settings and not (by_protocol and _implied(key, settings))]
        variant = ", ".join(f"{key} {settings[key]}" for key in shown)
        seeds = ", ".join(
            f"{REPEAT_KEYS[key.rpartition('.')[2]]} {settings[key]}" for key in repeated if key in settings
        )
        rows.append({**_row(cell_id, record), "variant": variant, "seeds": seeds})
    return pd.DataFrame(rows)


def repeats_frame(cells: pd.DataFrame) -> pd.DataFrame:
    """Means over repeats: a row a configuration with the number of repeats and of failures.

    `accuracy_low` and `accuracy_high` are the lowest and highest balanced accuracy among the repeats. From
    two repeats on, `_t95_low` and `_t95_high` bound the 95 % interval of a mean by Student's t.
    """
    if "network" not in cells:  # nothing ran yet
        return pd.DataFrame(columns=[*CONFIGURATION, "repeats", "failed"])
    rows = []
    known = cells[cells["status"] != "not run"]
    for names, group in known.groupby(CONFIGURATION, sort=False, dropna=False):
        done = group[group["status"] == "done"]
        # The interval of a single test part has no mean.
        single = [name for name in done if name.startswith((LOW, HIGH))]
        numbers = done.select_dtypes("number").drop(columns=["epochs", *single], errors="ignore")
        rows.append(
            {
                **dict(zip(CONFIGURATION, names, strict=True)),
                "repeats": len(done),
                "failed": len(group) - len(done),
                **numbers.mean().to_dict(),
                "accuracy_low": done["balanced_accuracy"].min(),
                "accuracy_high": done["balanced_accuracy"].max(),
                **_t_intervals(done),
            }
        )
    return pd.DataFrame(rows)


def _t_intervals(done: pd.DataFrame) -> dict[str, float]:
    bounds = {}
    for name in T_INTERVALS:
        values = done[name].dropna().to_numpy(float) if name in done else []
        interval = t_interval(values)
        low, high = (interval.low, interval.high) if interval else (np.nan, np.nan)
        # Shares and losses have bounds of their own; None is a bound that isn't there.
        most = 1.0 if name.endswith(("accuracy", "f1")) else None
        low, high = (float(np.clip(bound, 0.0, most)) for bound in (low, high))
        bounds |= {f"{name}_t95_low": low, f"{name}_t95_high": high}
    return bounds


def _row(cell_id: str, record: dict[str, Any]) -> dict[str, Any]:
    cell, test, nan = record["cell"], record["test"] or {}, float("nan")
    failure = record["failure"]
    fit, result = record["fit_time"] or {}, record["time_to_result"] or {}
    row = {
        "cell": cell_id,
        "network": cell["network"],
        "weights": cell["settings"]["weights"]["name"],
        "mode": cell["settings"]["mode"],
        "epochs": cell["settings"]["epochs"],
        "status": record["status"],
        "reason": f"{failure['kind']}: {failure['message']}" if failure else "",
        "test_accuracy": test.get("accuracy", nan),
        "balanced_accuracy": test.get("balanced_accuracy", nan),
        "test_loss": test.get("loss", nan),
        **_evaluations(record),
    }
    row |= {f"{CLASS}{name}": value for name, value in test.get("per_class_accuracy", {}).items()}
    row |= {
        "fit_s": fit.get("wall_s", nan),
        "fit_cpu_s": fit.get("cpu_s", nan),
        "result_s": result.get("wall_s", nan),
        "clock": (clock := cell["settings"].get("clock", "wall")),
        "clocked_fit_s": fit.get("cpu_s" if clock == "process" else "wall_s", nan),
    }
    row |= {name: nan if rate is None else rate for name, rate in record["throughput"].items()}
    parameters = record["phases"].get("build", {}).get("parameters")
    row["parameters"] = parameters
    row |= _evaluation(test) | _use(record["phases"].get("evaluate", {}))
    return {name: nan if value is None else value for name, value in row.items()}


def _evaluation(test: dict[str, Any]) -> dict[str, Any]:
    """The further figures of a test part; none for records that were made before there were any."""
    if "intervals" not in test:
        return {}
    names = ("precision", "recall", "f1", "auc")
    row = {name: test[name] for name in ("images", "sources", "calibration_error")}
    row |= {f"macro_{name}": test[f"macro_{name}"] for name in names}
    intervals = test["intervals"]["per_class_accuracy"]
    methods = {interval["method"] for interval in intervals.values() if interval}
    row["interval_method"] = ", ".join(sorted(methods))
    for name, interval in intervals.items():
        interval = interval or {"low": None, "high": None}
        row |= {f"{LOW}{name}": interval["low"], f"{HIGH}{name}": interval["high"]}
        row |= {f"{figure} of {name}": test[figure][name] for figure in ("precision", "f1", "auc")}
    return row


def _use(figures: dict[str, Any]) -> dict[str, Any]:
    """Size and speed of what was trained."""
    if "model_bytes" not in figures:
        return {}
    return {
        "model_mb": figures["model_bytes"] / 1e6,
        "inference_ms": figures["inference_s"] * 1e3,
        "inference_batch_size": figures["inference_batch_size"],
    }


def _evaluations(record: dict[str, Any]) -> dict[str, float]:
    """How good the same predictions look aligned and shuffled, and Keras' own metrics beside them."""
    nan, last = float("nan"), record.get("last_epoch") or {}
    evaluations = record.get("evaluations") or {"aligned": record["test"] or {}}
    return {
        "aligned_accuracy": evaluations.get("aligned", {}).get("balanced_accuracy", nan),
        "shuffled_accuracy": evaluations.get("shuffled", {}).get("balanced_accuracy", nan),
        "validation_accuracy": last.get("validation_accuracy", nan),
        "validation_binary_accuracy": last.get("validation_binary_accuracy", nan),
    }


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _differing(settings: list[dict[str, Any]]) -> list[str]:
    """Keys whose values differ between cells."""
    keys = dict.fromkeys(key for one in settings for key in one)
    return [key for key in keys if len({str(one.get(key)) for one in settings}) > 1]


def _varying(settings: list[dict[str, Any]]) -> list[str]:
    """Keys that tell cells apart which the columns show as the same configuration."""
    alike: dict[tuple, list[dict[str, Any]]] = {}
    for one in settings:
        shown = (one["network"], one["mode"], one["epochs"], one["weights.name"])
        alike.setdefault(
            (*shown, *(value for key, value in one.items() if key.startswith("options."))), []
        ).append(one)
    keys = dict.fromkeys(key for group in alike.values() for key in _differing(group))
    # The digest follows from what made the data set, and the data set's size is the network's.
    implied = ("data.digest", "data.image_size")
    return [key for key in keys if key not in implied and not _is_repeat(key)]


def _implied(key: str, settings: dict[str, Any]) -> bool:
    """Whether the cell's protocol says it already."""
    if key not in PROTOCOL_KEYS or settings.get("protocol") not in PROTOCOLS:
        return False
    return settings[key] == settings_of(settings["protocol"], settings["mode"])[key]


def _is_repeat(key: str) -> bool:
    return key.rpartition(".")[2] in REPEAT_KEYS
