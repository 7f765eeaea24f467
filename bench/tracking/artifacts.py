"""The files beside a run in MLflow: the journals, tables and charts made from them, and the kept model."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bench.journal.history import history
from bench.journal.results import Attempt
from bench.tracking.figures import figures_html
from bench.trials.metrics import Metrics
from bench.trials.record import Record
from bench.worker.artifacts import MODEL_FILE, SIGNATURE_FILE
from bench.worker.files import PARTIAL
from wbc.specification import BEST

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

_REARRANGED = (MODEL_FILE, SIGNATURE_FILE)
"""Files of an attempt that `write_flavor` arranges anew."""

_DATA = "data"

Row = list[str | int | float]


@contextmanager
def staged(attempt: Attempt, record: Record) -> Iterator[Path]:
    """A folder with everything that is sent of an attempt; its large files are links.

    It holds the files of the attempt's folder, `confusion_matrix.csv`, `classification_report.csv`,
    `figures.html`, and `model/` in MLflow's layout where the suite keeps every model.
    """
    with TemporaryDirectory(prefix="leukobench-") as temporary:
        folder = Path(temporary)
        for path in sorted(attempt.folder.rglob("*")):
            relative = path.relative_to(attempt.folder)
            if path.is_file() and str(relative) not in _REARRANGED and path.suffix != PARTIAL:
                link = folder / relative
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path.resolve())
        if record.test:
            _write_csv(folder / "confusion_matrix.csv", confusion_rows(record.test))
            _write_csv(folder / "classification_report.csv", report_rows(record.test))
        epochs = [epoch for stretch in history(attempt) for epoch in stretch.epochs]
        if record.test or epochs:
            (folder / "figures.html").write_text(figures_html(record, epochs))
        if (attempt.folder / MODEL_FILE).is_file() and attempt.trial().specification.get(
            "save_model"
        ) != BEST:
            write_flavor(attempt, folder / "model")
        yield folder


def confusion_rows(test: Metrics) -> list[Row]:
    """Rows are the true classes, columns the predicted ones."""
    rows: list[Row] = [["true \\ predicted", *test.classes]]
    for name, row in zip(test.classes, test.confusion_matrix, strict=True):
        rows.append([name, *row])
    return rows


def report_rows(test: Metrics) -> list[Row]:
    """A row for each class, as in scikit-learn's classification report, then the means; empty: undefined."""
    rows: list[Row] = [["class", "precision", "recall", "f1", "auc", "support"]]
    columns = (test.precision, test.per_class_accuracy, test.f1, test.auc, test.support)
    for name in test.classes:
        rows.append([name, *(_blank(column.get(name)) for column in columns)])
    means = (test.macro_precision, test.macro_recall, test.macro_f1, test.macro_auc)
    rows.append(["macro mean", *map(_blank, means), test.images])
    rows.append(["accuracy", "", test.accuracy, "", "", test.images])
    return rows


def write_flavor(attempt: Attempt, folder: Path) -> None:
    """Write a kept model in MLflow's layout, without loading TensorFlow.

    `MLmodel`, `requirements.txt` and `data/model.keras`, a link, are what MLflow's own flavor for Keras
    writes, so that `mlflow.keras.load_model("runs:/<run>/model")` loads it.
    """
    from mlflow.models import Model

    about = json.loads((attempt.folder / SIGNATURE_FILE).read_text())
    data = folder / _DATA
    data.mkdir(parents=True)
    (data / "model.keras").symlink_to((attempt.folder / MODEL_FILE).resolve())
    (data / "keras_module.txt").write_text("keras")
    model = Model(
        signature=_signature(about),
        metadata={name: about[name] for name in ("classes", "preprocessing", "network")},
    )
    model.add_flavor(
        "keras",
        data=_DATA,
        keras_version=about["keras"],
        keras_backend=about["backend"],
        save_exported_model=False,
    )
    model.add_flavor("python_function", loader_module="mlflow.keras", python_version=about["python"])
    model.save(str(folder / "MLmodel"))
    (folder / "requirements.txt").write_text("\n".join(about["requirements"]) + "\n")


def _signature(about: dict[str, Any]) -> "ModelSignature":
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def schema(name: str) -> Schema:
        tensor = about[name]
        return Schema([TensorSpec(np.dtype(tensor["dtype"]), tensor["shape"])])

    return ModelSignature(inputs=schema("input"), outputs=schema("output"))


def _blank(value: float | None) -> float | str:
    return "" if value is None else value


def _write_csv(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
