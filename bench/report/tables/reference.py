"""Our results beside the published ones, and what so few test cells can show at all.

The thesis tested on 440 images, but they are augmented from 40 cells, eleven images each. Images of one cell
do not fail independently of one another: at worst they count as one. So a difference is judged twice, as if
every image counted and as if every cell counted once, and only what exceeds the second is said to exceed.
"""

from collections.abc import Callable, Iterable

import pandas as pd

from bench.errors import InputError
from bench.report.frame import CONFIGURATION
from bench.report.rows import CLASS, HIGH, LOW, Row
from bench.report.tables.costs import CLOCKS, summary_frame
from bench.report.tables.formats import durations, missing, number, points, share_or_bounds, text
from bench.report.tables.table import NAMES, Column, Table
from wbc.errors import did_you_mean
from wbc.evaluation.intervals import Interval, Share, difference_interval, mean_interval, wilson
from wbc.reference import confusion_matrix, test_accuracies, thesis

THESIS, BLOODMNIST = "thesis-2018", "bloodmnist"
REFERENCES = (THESIS, BLOODMNIST)

YES, PERHAPS, NO = "yes", "only if images counted", "no"

_MEAN = "mean of classes"


def require_reference(name: str | None) -> None:
    """Raise InputError where a reference is unknown."""
    if name is not None and name not in REFERENCES:
        hint = did_you_mean(name, list(REFERENCES)) or f"Known: {', '.join(REFERENCES)}."
        raise InputError(f"there are no published results {name!r}", hint)


def reference_tables(suite: str, trials: pd.DataFrame, configurations: pd.DataFrame) -> list[Table]:
    """Accuracy and training time beside those of the thesis (2018).

    Args:
        suite: Its name.
        trials: See `bench.report.frame.trials_frame`.
        configurations: See `bench.report.frame.configurations_frame`.
    """
    frame = accuracies_beside(trials)
    note = (
        "Theirs: Tables 5.1 and 5.2 and appendix D of the thesis, 440 test images augmented from 40 cells, "
        "eleven images each, ten cells per class. Exceeds: the 95 % interval of the difference excludes 0 "
        "even if each of their cells counts once; 'only if images counted': it does if the eleven images of "
        "a cell were independent of one another. Our own interval is that of our test split, by its sources."
    )
    scratch = (
        "The published accuracies from scratch compare shuffled predictions with files in directory order "
        "(appendix G). They are at chance level whatever the networks learned, so a difference from them says "
        "nothing about the networks."
    )
    columns = {name: NAMES[name] for name in (*CONFIGURATION, "replicates")}
    columns |= {
        "class": Column("class", text),
        "ours": Column("ours %", share_or_bounds, ("ours", "ours_low", "ours_high")),
        "theirs": Column("theirs %", share_or_bounds, ("theirs", "theirs_low", "theirs_high")),
        "difference": Column("difference", points, ("difference", "difference_low", "difference_high")),
        "exceeds": Column("exceeds", text),
    }
    if frame.empty:
        why = (
            "No configuration that is done has a counterpart in the thesis: its networks, with 100 or 5000 "
            "epochs, and its classes."
        )
        return [Table(f"{suite}: beside the thesis of 2018", "reference", frame, columns, notes=(why,))]
    notes = (note, scratch) if (frame["mode"] == "scratch").any() else (note,)
    title = f"{suite}: accuracy beside the thesis of 2018"
    whole, classes = frame[frame["class"] == _MEAN], frame[frame["class"] != _MEAN]
    whole = _with_means(whole).drop(columns="class")
    tables = [
        Table(f"{title}, mean of the classes", "reference", whole, columns, notes=notes),
        Table(f"{title}, each class", "reference-classes", classes, columns, notes=notes),
    ]
    times = times_beside(configurations)
    if len(times):
        tables.append(
            Table(
                f"{suite}: training time beside the thesis of 2018",
                "reference-time",
                times,
                {
                    **{name: NAMES[name] for name in ("mode", "epochs", "device")},
                    "metric": Column("metric", text),
                    "ours_s": Column("ours", sources=("ours_s", "ours_network"), writer_for=_of_network),
                    "theirs_s": Column(
                        "theirs", sources=("theirs_s", "theirs_network"), writer_for=_of_network
                    ),
                    "times": Column("theirs / ours", number("{:.1f}")),
                },
                notes=(_times_note(),),
            )
        )
    return tables


def accuracies_beside(trials: pd.DataFrame) -> pd.DataFrame:
    """A row per configuration and class, and one for the mean of the classes, where the thesis has them.

    Columns: those of `CONFIGURATION`, replicates, class; ours and theirs, each with `_low` and
    `_high`; difference with `_low` and `_high` (each of their cells counted once), difference_images_low and
    difference_images_high (every image counted); exceeds (`yes`, `no`, `only if images counted`).
    """
    if "variant" not in trials:
        return pd.DataFrame()
    names = {name.upper(): name for name in thesis()["classes"]}
    own = {
        names[name.removeprefix(CLASS).upper()]: name.removeprefix(CLASS)
        for name in trials
        if name.startswith(CLASS) and name.removeprefix(CLASS).upper() in names
    }
    classes = [name.removeprefix(CLASS) for name in trials if name.startswith(CLASS)]
    if len(own) < len(names) or len(classes) != len(names):
        return pd.DataFrame()
    rows: list[Row] = []
    done = trials[trials["status"] == "done"]
    published: dict[tuple[str, str, float], dict[str, float] | None] = {}
    for _, group in done.groupby("configuration", sort=False):
        head: Row = group.iloc[0][CONFIGURATION].to_dict() | {"replicates": len(group)}
        network, mode, epochs = head["network"], head["mode"], head["epochs"]
        if (network, mode, epochs) not in published:
            published[network, mode, epochs] = _published(network, mode, epochs)
        theirs = published[network, mode, epochs]
        if theirs is None:
            continue
        ours = {name: share for name in theirs if (share := _ours(group, own[name])) is not None}
        by_cell = {name: _theirs(share, _CELLS_PER_CLASS) for name, share in theirs.items()}
        by_image = {name: _theirs(share, _images_per_class()) for name, share in theirs.items()}
        if len(ours) == len(theirs):
            for one in (ours, by_cell, by_image):
                one[_MEAN] = _mean_of([one[name] for name in theirs])
        for name in (_MEAN, *theirs):
            if name in ours:
                judged = _judged(ours[name], by_cell[name], by_image[name])
                rows.append(head | {"class": own.get(name, name)} | judged)
    return pd.DataFrame(rows)


def times_beside(configurations: pd.DataFrame) -> pd.DataFrame:
    """Mean, fastest, slowest and total CPU seconds by mode, epochs and device, where the thesis has them."""
    done = configurations[configurations["replicates"] > 0]
    networks = set(test_accuracies("transfer"))
    summary = summary_frame(done[done["network"].isin(networks)])
    rows = []
    for one in summary.to_dict("records"):
        epochs = 0 if missing(one["epochs"]) else int(one["epochs"])
        theirs = thesis()["training_time_s"].get(f"{one['mode']}_{epochs}")
        if theirs is None or one["clock"] != CLOCKS["fit_cpu_s"]:
            continue
        for metric in ("mean", "fastest", "slowest", "total"):
            if metric in theirs:
                value = theirs[metric]
                network, seconds = value if isinstance(value, list) else ("", value)
                ours = one[f"{metric}_s"]
                rows.append(
                    {"mode": one["mode"], "epochs": epochs, "device": one["device"], "metric": metric}
                    | {"ours_s": ours, "ours_network": one.get(metric, ""), "networks": one["networks"]}
                    | {
                        "theirs_s": seconds,
                        "theirs_network": network,
                        "times": seconds / ours if ours else float("nan"),
                    }
                )
    return pd.DataFrame(rows)


_CELLS_PER_CLASS = 10


def _times_note() -> str:
    machine = thesis()["machine"]
    return (
        "CPU seconds of first step and training, as the thesis timed them, on its machine "
        f"({machine['cpu']}, {' and '.join(machine['gpus'])}). Other machines, other times; mean and total "
        "compare only where the same eight networks ran."
    )


def _with_means(frame: pd.DataFrame) -> pd.DataFrame:
    """One more row for each mode and epoch count with several networks: their mean. It has no interval.

    The networks were tested on the same few cells, so their mean is hardly more certain than one of them.
    """
    rows = [frame]
    for (mode, epochs), group in frame.groupby(["mode", "epochs"], sort=False):
        if len(group) > 1:
            mean = {name: group[name].mean() for name in ("ours", "theirs", "difference")}
            head = {"network": f"mean of {len(group)}", "mode": mode, "epochs": epochs}
            rows.append(pd.DataFrame([head | mean]))
    return pd.concat(rows, ignore_index=True)


def _mean_of(shares: list[Share]) -> Share:
    """The mean of the classes, with its interval."""
    interval = mean_interval(shares)
    return sum(share for share, *_ in shares) / len(shares), interval.low, interval.high


def _images_per_class() -> int:
    images: int = thesis()["dataset"]["per_class_test_images"]
    return images


def _published(network: str, mode: str, epochs: float) -> dict[str, float] | None:
    """Class -> share that the thesis published; None where it has none."""
    if mode in ("transfer", "scratch") and epochs == 100:
        return test_accuracies(mode).get(network)
    if mode == "transfer":
        try:
            matrix = confusion_matrix(network, int(epochs))
        except KeyError:
            return None
        shares = matrix.diagonal() / matrix.sum(axis=1)
        return dict(zip(thesis()["classes"], map(float, shares), strict=True))
    return None


def _ours(group: pd.DataFrame, name: str) -> Share | None:
    """The mean over replicates of the accuracy of a class, and of its bounds from each test split."""
    if f"{LOW}{name}" not in group:
        return None
    share, low, high = (float(group[f"{prefix}{name}"].mean()) for prefix in (CLASS, LOW, HIGH))
    return None if missing(share) or missing(low) else (share, low, high)


def _theirs(share: float, count: int) -> Share:
    interval = wilson(share * count, count)
    return share, interval.low, interval.high


def _judged(ours: Share, by_cell: Share, by_image: Share) -> Row:
    strict, generous = difference_interval(ours, by_cell), difference_interval(ours, by_image)
    exceeds = YES if _excludes_0(strict) else PERHAPS if _excludes_0(generous) else NO
    return {
        **dict(zip(("ours", "ours_low", "ours_high"), ours, strict=True)),
        **dict(zip(("theirs", "theirs_low", "theirs_high"), by_cell, strict=True)),
        "difference": ours[0] - by_cell[0],
        "difference_low": strict.low,
        "difference_high": strict.high,
        "difference_images_low": generous.low,
        "difference_images_high": generous.high,
        "exceeds": exceeds,
    }


def _excludes_0(interval: Interval) -> bool:
    return interval.low > 0 or interval.high < 0


def _of_network(seconds: Iterable[float]) -> Callable[[float, str], str]:
    write = durations(seconds)
    return lambda value, network: f"{network}, {write(value)}" if network else write(value)
