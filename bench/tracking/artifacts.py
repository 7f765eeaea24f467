"""What lies beside a run in MLflow: the journals and what can be made of them."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.journal.history import history
from bench.journal.results import Attempt
from bench.tracking.figures import figures_html
from bench.tracking.model import write_flavour
from bench.worker.artifacts import MODEL_FILE, SIGNATURE_FILE

_ELSEWHERE = (MODEL_FILE, SIGNATURE_FILE)
"""Files of an attempt that are laid out anew, see `bench.tracking.model`."""


@contextmanager
def staged(attempt: Attempt, record: dict[str, Any]) -> Iterator[Path]:
    """A folder with everything that is sent of an attempt; its large files are links.

    The files of the attempt's folder, and: `confusion_matrix.csv`, `classification_report.csv`,
    `figures.html`, and `model/` in MLflow's layout where the model was kept.
    """
    with TemporaryDirectory(prefix="leukobench-") as temporary:
        folder = Path(temporary)
        for path in sorted(attempt.folder.rglob("*")):
            relative = path.relative_to(attempt.folder)
            if path.is_file() and str(relative) not in _ELSEWHERE and path.suffix != ".partial":
                link = folder / relative
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path.resolve())
        if test := record["test"]:
            _write_csv(folder / "confusion_matrix.csv", confusion_rows(test))
            _write_csv(folder / "classification_report.csv", report_rows(test))
        epochs = [
            event for stretch in history(attempt) for event in stretch.events if event["event"] == "epoch"
        ]
        if record["test"] or epochs:
            (folder / "figures.html").write_text(figures_html(record, epochs))
        if (attempt.folder / MODEL_FILE).is_file():
            write_flavour(attempt, folder / "model")
        yield folder


def confusion_rows(test: dict[str, Any]) -> list[list[Any]]:
    """Rows the true, columns the predicted classes."""
    header = ["true \\ predicted", *test["classes"]]
    return [
        header,
        *([name, *row] for name, row in zip(test["classes"], test["confusion_matrix"], strict=True)),
    ]


def report_rows(test: dict[str, Any]) -> list[list[Any]]:
    """A row a class, as in scikit-learn's classification report, then the means; empty: undefined."""
    rows: list[list[Any]] = [["class", "precision", "recall", "f1", "auc", "support"]]
    for name in test["classes"]:
        figures = ("precision", "per_class_accuracy", "f1", "auc", "support")
        rows.append([name, *(_blank(test.get(figure, {}).get(name)) for figure in figures)])
    means = ("macro_precision", "macro_recall", "macro_f1", "macro_auc")
    rows.append(["macro mean", *(_blank(test.get(figure)) for figure in means), test["images"]])
    rows.append(["accuracy", "", test["accuracy"], "", "", test["images"]])
    return rows


def _blank(value: Any) -> Any:
    return "" if value is None else value


def _write_csv(path: Path, rows: list[list[Any]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
