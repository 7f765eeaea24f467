"""Columns of printed tables: their headings, and how values are written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.report.rows import CLASS, HIGH, LOW
from bench.report.writers import bounds, epochs, number, parameters, share_with_bounds, text


@dataclass(frozen=True)
class Column:
    """A column of a printed table.

    Attributes:
        heading: What stands above it.
        write: From values of a row to text.
        sources: The columns of the frame that `write` takes; without any, the one of the column's own name.
        writer_for: From the whole first source to `write`, where values of a column share something: a unit.
    """

    heading: str
    write: Callable[..., str] = text
    sources: tuple[str, ...] = ()
    writer_for: Callable[[Iterable[Any]], Callable[..., str]] | None = None

    def trials(self, frame: pd.DataFrame, name: str) -> list[str]:
        """The text of every row."""
        sources = [frame[source] for source in self.sources or (name,)]
        write = self.writer_for(sources[0]) if self.writer_for else self.write
        return [write(*values) for values in zip(*sources, strict=True)]


NAMES = {
    "network": Column("network", text),
    "weights": Column("weights", text),
    "mode": Column("mode", text),
    "epochs": Column("epochs", epochs),
    "variant": Column("variant", text),
    "seeds": Column("seeds", text),
    "repeats": Column("repeats", number("{:.0f}")),
}
"""Columns that say which row it is."""

_BEFORE_CLASSES = {
    "failed": Column("failed", number("{:.0f}")),
    "status": Column("status", text),
    "reason": Column("reason", text),
    "test_accuracy": Column("accuracy %", number("{:.1f}", 100)),
    "balanced_accuracy": Column("balanced %", number("{:.1f}", 100)),
    "aligned_accuracy": Column("aligned %", number("{:.1f}", 100)),
    "shuffled_accuracy": Column("shuffled %", number("{:.1f}", 100)),
    "validation_accuracy": Column("val. %", number("{:.1f}", 100)),
    "validation_binary_accuracy": Column("binary %", number("{:.1f}", 100)),
    "accuracy_low": Column("low bal. %", number("{:.1f}", 100)),
    "accuracy_high": Column("high bal. %", number("{:.1f}", 100)),
    "balanced_accuracy_t95_low": Column(
        "95 % (t)", bounds, ("balanced_accuracy_t95_low", "balanced_accuracy_t95_high")
    ),
    "test_loss": Column("loss", number("{:.3f}")),
}
_AFTER_CLASSES = {
    "fit_s": Column("fit s", number("{:.1f}")),
    "clock": Column("clock", text),
    "clocked_fit_s": Column("timed s", number("{:.1f}")),
    "fit_cpu_s": Column("fit CPU s", number("{:.1f}")),
    "result_s": Column("result s", number("{:.1f}")),
    "train_images_per_s": Column("images/s", number("{:.0f}")),
    "feature_images_per_s": Column("features/s", number("{:.0f}")),
    "parameters": Column("parameters", parameters),
    "disturbed": Column("disturbed", text),
}

_EVALUATION = {
    "balanced_accuracy": Column("balanced %", number("{:.1f}", 100)),
    "macro_precision": Column("precision %", number("{:.1f}", 100)),
    "macro_recall": Column("recall %", number("{:.1f}", 100)),
    "macro_f1": Column("F1 %", number("{:.1f}", 100)),
    "macro_auc": Column("AUC", number("{:.3f}")),
    "test_loss": Column("log loss", number("{:.3f}")),
    "calibration_error": Column("ECE", number("{:.3f}")),
    "model_mb": Column("MB", number("{:.2f}")),
    "inference_ms": Column("ms/image", number("{:.2f}")),
    "inference_batch_size": Column("in batches of", number("{:.0f}")),
}


def overview_columns(frame: pd.DataFrame) -> dict[str, Column]:
    """What a table of accuracy and times shows; classes too, where no table of the evaluation has them."""
    classes = {
        f"{CLASS}{name}": Column(f"{name} %", number("{:.1f}", 100))
        for name in _classes(frame)
        if "trial" not in frame or f"{LOW}{name}" not in frame
    }
    return NAMES | _BEFORE_CLASSES | classes | _AFTER_CLASSES


def evaluation_columns(frame: pd.DataFrame) -> dict[str, Column]:
    """What a table of the evaluation shows."""
    classes = {
        f"{CLASS}{name}": Column(
            f"{name} %", share_with_bounds, (f"{CLASS}{name}", f"{LOW}{name}", f"{HIGH}{name}")
        )
        for name in _classes(frame)
        if f"{LOW}{name}" in frame
    }
    return NAMES | _EVALUATION | classes


def _classes(frame: pd.DataFrame) -> list[str]:
    return [name.removeprefix(CLASS) for name in frame.columns if name.startswith(CLASS)]
