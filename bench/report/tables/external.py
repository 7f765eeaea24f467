"""The external test beside the own one: how well a classifier does on images of another folder."""

import pandas as pd

from bench.report.frame import CONFIGURATION
from bench.report.rows import EXTERNAL
from bench.report.tables.formats import number, share_or_bounds
from bench.report.tables.table import NAMES, Column, Table


def external_table(suite: str, configurations: pd.DataFrame) -> Table | None:
    """Balanced accuracy on the own test split and on the external images, one row per configuration.

    Args:
        suite: Its name.
        configurations: See `bench.report.frame.configurations_frame`.

    Returns:
        None where no trial was tested on other images.
    """
    if "external_balanced_accuracy" not in configurations:
        return None
    frame = configurations[configurations["external_balanced_accuracy"].notna()].copy()
    if not len(frame):
        return None
    # Over replicates where there are several, else of one set of test images.
    for end in ("low", "high"):
        of_images = frame[f"external_{end}"] if f"external_{end}" in frame else float("nan")
        frame[f"shown_{end}"] = frame[f"external_balanced_accuracy_t95_{end}"].fillna(of_images)
        of_split = frame[f"split_{end}"] if f"split_{end}" in frame else float("nan")
        frame[f"own_{end}"] = frame[f"balanced_accuracy_{end}"].fillna(of_split)
    frame["change"] = frame["external_balanced_accuracy"] - frame["balanced_accuracy"]
    own = ("balanced_accuracy", "own_low", "own_high")
    external = ("external_balanced_accuracy", "shown_low", "shown_high")
    classes = [name for name in frame if str(name).startswith(EXTERNAL)]
    columns = {name: NAMES[name] for name in (*CONFIGURATION, "replicates")} | {
        "balanced_accuracy": Column("own test, balanced %", share_or_bounds, own),
        "external_balanced_accuracy": Column("external test, balanced %", share_or_bounds, external),
        "change": Column("points", number("{:+.1f}", 100)),
        "external_images": Column("external images", number("{:.0f}")),
        **{
            name: Column(f"{name.removeprefix(EXTERNAL)}, external %", number("{:.1f}", 100))
            for name in classes
        },
    }
    shown = dict.fromkeys([*columns, *own, *external])
    return Table(
        f"{suite}: own test and external test",
        "external-test",
        frame[list(shown)],
        columns,
        notes=("In brackets the 95 % interval: over replicates where there are several, else of one test.",),
    )
