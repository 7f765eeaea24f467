"""Our accuracy and AUC on BloodMNIST beside those that its authors published."""

import pandas as pd

from bench.report.rows import CLASS
from bench.report.tables.formats import number, text
from bench.report.tables.table import NAMES, Column, Table
from wbc.evaluation.intervals import wilson
from wbc.reference import bloodmnist

OURS = "ours"


def published_table(suite: str, configurations: pd.DataFrame) -> Table:
    """A row for each published method, then one for each of our configurations that is done.

    Args:
        suite: Its name.
        configurations: See `bench.report.frame.configurations_frame`.
    """
    published = bloodmnist()
    rows = [{**one, "by": "published", **_interval(one["accuracy"])} for one in published["results"]]
    notes = [
        f"Published: {published['source']}. Accuracy is the share of all {published['test_images']:,} test images, "
        "AUC the mean over classes of one against the rest. In brackets the 95 % interval of one test (Wilson).",
        f"{published['checked']}.",
    ]
    if _is_bloodmnist(configurations, published["classes"]):
        done = configurations[configurations["replicates"] > 0]
        for one in done.to_dict("records"):
            images = int(one["images"])
            own = {"accuracy": one["test_accuracy"], "auc": one["macro_auc"], "images": images}
            head = {"method": one["network"], "by": OURS, "mode": one["mode"], "epochs": one["epochs"]}
            rows.append({**head, **own, **_interval(one["test_accuracy"], images)})
            if images != published["test_images"]:
                notes.append(
                    f"{one['network']} was tested on {images:,} images, not on BloodMNIST's test split."
                )
    else:
        notes.append("No configuration that is done was trained on BloodMNIST: its eight classes.")
    columns = {
        "by": Column("by", text),
        "method": Column("method", text),
        "mode": NAMES["mode"],
        "epochs": NAMES["epochs"],
        "pixels": Column("pixels", number("{:.0f}")),
        "accuracy": Column("accuracy % [95 %]", _share, ("accuracy", "low", "high")),
        "auc": Column("AUC", number("{:.3f}")),
    }
    shown = [*columns, "low", "high"]
    frame = pd.DataFrame(rows).reindex(columns=shown)
    return Table(
        f"{suite}: beside the published results on BloodMNIST",
        "published",
        frame,
        columns,
        notes=tuple(dict.fromkeys(notes)),
    )


def _is_bloodmnist(configurations: pd.DataFrame, classes: list[str]) -> bool:
    ours = {name.removeprefix(CLASS) for name in configurations if str(name).startswith(CLASS)}
    return ours == set(classes)


def _interval(share: float, images: int | None = None) -> dict[str, float]:
    count = images or bloodmnist()["test_images"]
    found = wilson(share * count, count)
    return {"low": found.low, "high": found.high}


def _share(share: float, low: float, high: float) -> str:
    return f"{100 * share:.1f} [{100 * low:.1f} to {100 * high:.1f}]"
