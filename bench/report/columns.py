"""Columns of printed tables: their headings, and how values are written."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.report.frame import CLASS, HIGH, LOW


@dataclass(frozen=True)
class Column:
    """A column of a printed table.

    Attributes:
        heading: What stands above it.
        write: From values of a row to text.
        sources: The columns of the frame that `write` takes; without any, the one of the column's own name.
    """

    heading: str
    write: Callable[..., str]
    sources: tuple[str, ...] = ()

    def cells(self, frame: pd.DataFrame, name: str) -> list[str]:
        """The text of every row."""
        sources = [frame[source] for source in self.sources or (name,)]
        return [self.write(*values) for values in zip(*sources, strict=True)]


def _text(value: Any) -> str:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def _number(pattern: str, scale: float = 1.0):
    def write(value: Any) -> str:
        return "" if not _text(value) else pattern.format(value * scale)

    return write


def _range(low: float, high: float) -> str:
    return f"{low * 100:.1f}–{high * 100:.1f}" if _text(low) else ""


def _with_range(share: float, low: float, high: float) -> str:
    return f"{share * 100:.1f} [{low * 100:.0f}–{high * 100:.0f}]" if _text(share) and _text(low) else ""


def _parameters(value: Any) -> str:
    if not _text(value):
        return ""
    return f"{value / 1e6:.2f} M" if value >= 10_000 else f"{value:.0f}"


def _epochs(value: Any) -> str:
    """Classical methods know no epochs."""
    return f"{value:.0f}" if _text(value) and value else ""


NAMES = {
    "network": Column("network", _text),
    "weights": Column("weights", _text),
    "mode": Column("mode", _text),
    "epochs": Column("epochs", _epochs),
    "variant": Column("variant", _text),
    "seeds": Column("seeds", _text),
    "repeats": Column("repeats", _number("{:.0f}")),
}
"""Columns that say which row it is."""

_BEFORE_CLASSES = {
    "failed": Column("failed", _number("{:.0f}")),
    "status": Column("status", _text),
    "reason": Column("reason", _text),
    "test_accuracy": Column("accuracy %", _number("{:.1f}", 100)),
    "balanced_accuracy": Column("balanced %", _number("{:.1f}", 100)),
    "aligned_accuracy": Column("aligned %", _number("{:.1f}", 100)),
    "shuffled_accuracy": Column("shuffled %", _number("{:.1f}", 100)),
    "validation_accuracy": Column("val. %", _number("{:.1f}", 100)),
    "validation_binary_accuracy": Column("binary %", _number("{:.1f}", 100)),
    "accuracy_low": Column("low bal. %", _number("{:.1f}", 100)),
    "accuracy_high": Column("high bal. %", _number("{:.1f}", 100)),
    "balanced_accuracy_t95_low": Column(
        "95 % (t)", _range, ("balanced_accuracy_t95_low", "balanced_accuracy_t95_high")
    ),
    "test_loss": Column("loss", _number("{:.3f}")),
}
_AFTER_CLASSES = {
    "fit_s": Column("fit s", _number("{:.1f}")),
    "clock": Column("clock", _text),
    "clocked_fit_s": Column("timed s", _number("{:.1f}")),
    "fit_cpu_s": Column("fit CPU s", _number("{:.1f}")),
    "result_s": Column("result s", _number("{:.1f}")),
    "train_images_per_s": Column("images/s", _number("{:.0f}")),
    "feature_images_per_s": Column("features/s", _number("{:.0f}")),
    "parameters": Column("parameters", _parameters),
}

_EVALUATION = {
    "balanced_accuracy": Column("balanced %", _number("{:.1f}", 100)),
    "macro_precision": Column("precision %", _number("{:.1f}", 100)),
    "macro_recall": Column("recall %", _number("{:.1f}", 100)),
    "macro_f1": Column("F1 %", _number("{:.1f}", 100)),
    "macro_auc": Column("AUC", _number("{:.3f}")),
    "test_loss": Column("log loss", _number("{:.3f}")),
    "calibration_error": Column("ECE", _number("{:.3f}")),
    "model_mb": Column("MB", _number("{:.2f}")),
    "inference_ms": Column("ms/image", _number("{:.2f}")),
    "inference_batch_size": Column("in batches of", _number("{:.0f}")),
}


def overview_columns(frame: pd.DataFrame) -> dict[str, Column]:
    """What a table of accuracy and times shows; classes too, where no table of the evaluation has them."""
    classes = {
        f"{CLASS}{name}": Column(f"{name} %", _number("{:.1f}", 100))
        for name in _classes(frame)
        if "cell" not in frame or f"{LOW}{name}" not in frame
    }
    return NAMES | _BEFORE_CLASSES | classes | _AFTER_CLASSES


def evaluation_columns(frame: pd.DataFrame) -> dict[str, Column]:
    """What a table of the evaluation shows."""
    classes = {
        f"{CLASS}{name}": Column(
            f"{name} %", _with_range, (f"{CLASS}{name}", f"{LOW}{name}", f"{HIGH}{name}")
        )
        for name in _classes(frame)
        if f"{LOW}{name}" in frame
    }
    return NAMES | _EVALUATION | classes


def _classes(frame: pd.DataFrame) -> list[str]:
    return [name.removeprefix(CLASS) for name in frame.columns if name.startswith(CLASS)]
