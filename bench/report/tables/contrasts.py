"""Contrasts: pretrained networks against training from scratch, few epochs against many."""

import pandas as pd

from bench.report.frame import CONFIGURATION, share_of
from bench.report.rows import Row
from bench.report.tables.formats import durations, number, points, share_or_bounds, text
from bench.report.tables.table import NAMES, Column, Table
from wbc.evaluation.intervals import difference_interval

_NOTE = (
    "Only configurations that differ in nothing else. "
    "In brackets: 95 % intervals, over replicates and test images together, else of the one test split. "
    "Differences are computed as if the two had different test images; with the same images their intervals "
    "are somewhat too wide."
)


def contrast_tables(suite: str, configurations: pd.DataFrame) -> list[Table]:
    """Each pretrained mode against scratch; the fewest epochs against more."""
    done = configurations[configurations["replicates"] > 0]
    rows = done.to_dict("records")
    tables = []
    for mode in [name for name in done["mode"].unique() if name not in ("scratch", "classical")]:
        frame = _against_scratch(rows, mode)
        if len(frame):
            title, file = f"{suite}: {mode} against scratch", f"{mode}-against-scratch"
            tables.append(Table(title, file, frame, _columns(mode, "scratch"), notes=(_NOTE,)))
    frame = _by_epochs(rows)
    if len(frame):
        columns = _columns("fewer", "more", first_name="from", second_name="to")
        columns["points_per_hour"] = Column("points an hour more", number("{:+.2f}", 100))
        tables.append(
            Table(f"{suite}: few epochs against many", "epochs-compared", frame, columns, notes=(_NOTE,))
        )
    return tables


def _against_scratch(rows: list[Row], mode: str) -> pd.DataFrame:
    scratch = {_but(row, "mode"): row for row in rows if row["mode"] == "scratch"}
    pairs = []
    for row in rows:
        other = scratch.get(_but(row, "mode"))
        if row["mode"] == mode and other:
            names = {name: row[name] for name in ("network", "weights", "epochs", "variant", "device")}
            pairs.append(names | _pair(row, other))
    return pd.DataFrame(pairs)


def _by_epochs(rows: list[Row]) -> pd.DataFrame:
    alike: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        alike.setdefault(_but(row, "epochs"), []).append(row)
    pairs = []
    for group in alike.values():
        fewest, *more = sorted(group, key=lambda row: row["epochs"])
        for row in more:
            head: Row = {name: row[name] for name in ("network", "weights", "mode", "variant", "device")}
            pair = _pair(row, fewest)
            pair = {_OTHER_WAY.get(name, name): value for name, value in pair.items()}
            extra = (row["fit_s"] - fewest["fit_s"]) / 3600
            per_hour = pair["difference"] / extra if extra > 1 / 60 else float("nan")
            epochs = {"from": fewest["epochs"], "to": row["epochs"]}
            pairs.append(head | epochs | pair | {"points_per_hour": per_hour})
    return pd.DataFrame(pairs)


def _but(row: Row, name: str) -> tuple[object, ...]:
    """What two configurations must share so that they differ in mode or epochs alone."""
    names = ("network", "epochs") if name == "mode" else ("network", "mode", "weights")
    return (*(row[one] for one in names), row[f"but_{name}"])


_OTHER_WAY = {
    f"{which}_{what}": f"{other}_{what}"
    for which, other in (("first", "second"), ("second", "first"))
    for what in ("accuracy", "low", "high", "fit_s")
}


def _pair(first: Row, second: Row) -> Row:
    """`first - second`; the times as a ratio."""
    pair: Row = {}
    first_share, second_share = share_of(first), share_of(second)
    for which, row, share in (("first", first, first_share), ("second", second, second_share)):
        low, high = share[1:] if share else (float("nan"), float("nan"))
        pair |= {f"{which}_accuracy": row["balanced_accuracy"], f"{which}_low": low, f"{which}_high": high}
    pair["difference"] = first["balanced_accuracy"] - second["balanced_accuracy"]
    interval = difference_interval(first_share, second_share) if first_share and second_share else None
    pair["difference_low"] = interval.low if interval else float("nan")
    pair["difference_high"] = interval.high if interval else float("nan")
    pair["told_apart"] = "" if not interval else "yes" if interval.low > 0 or interval.high < 0 else "no"
    pair |= {"first_fit_s": first["fit_s"], "second_fit_s": second["fit_s"]}
    pair["times_longer"] = first["fit_s"] / second["fit_s"] if second["fit_s"] else float("nan")
    return pair


def _columns(first: str, second: str, first_name: str = "", second_name: str = "") -> dict[str, Column]:
    columns = {name: NAMES[name] for name in CONFIGURATION}
    for name in filter(None, (first_name, second_name)):
        columns[name] = Column(name, number("{:.0f}"))
    for which, heading in (("first", first), ("second", second)):
        sources = (f"{which}_accuracy", f"{which}_low", f"{which}_high")
        columns[f"{which}_accuracy"] = Column(f"{heading}: balanced %", share_or_bounds, sources)
    return columns | {
        "difference": Column("difference", points, ("difference", "difference_low", "difference_high")),
        "told_apart": Column("told apart", text),
        "first_fit_s": Column(f"{first}: fit", writer_for=durations),
        "second_fit_s": Column(f"{second}: fit", writer_for=durations),
        "times_longer": Column("times as long", number("{:.2f}")),
    }
