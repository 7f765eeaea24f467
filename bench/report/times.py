"""Training time as the thesis reports it: of each network, and mean, fastest, slowest and total of a mode."""

from collections.abc import Callable, Iterable

import pandas as pd

from bench.report.columns import NAMES, Column
from bench.report.frame import CONFIGURATION
from bench.report.names import groups_of, labels
from bench.report.rows import PHASE
from bench.report.tables import Table
from bench.report.writers import durations, text
from wbc.observer import PHASES

CLOCKS = {
    "fit_s": "fit, wall",
    "fit_cpu_s": "fit, CPU",
    "result_s": "result, wall",
    "result_cpu_s": "result, CPU",
}
"""Times of a configuration, and what they are called."""

_EXPLAINED = (
    "Fit: first step and training with its validation, as the thesis timed it (in CPU seconds). Result: "
    "what a "
    "person waits, from the start of the process to the test metrics."
)


def time_tables(suite: str, trials: pd.DataFrame, configurations: pd.DataFrame) -> list[Table]:
    """Times of every configuration, their summary by mode and epoch count, and seconds a phase."""
    done = configurations[configurations["repeats"] > 0]
    if done.empty:
        return []
    each = done[[*CONFIGURATION, "repeats", *CLOCKS]]
    phases = [name for name in dict.fromkeys((*PHASES, *_phases(done))) if f"{PHASE}{name}" in done]
    by_phase = done[[*CONFIGURATION, *(f"{PHASE}{name}" for name in phases), "result_s"]]
    summary = summary_frame(done)
    tables = [
        Table(
            f"{suite}: training time",
            "training-time",
            each,
            NAMES | {name: Column(heading, writer_for=durations) for name, heading in CLOCKS.items()},
            notes=(_EXPLAINED, *_disturbed(trials)),
        ),
        Table(
            f"{suite}: training time by mode",
            "training-time-by-mode",
            summary,
            {
                **{name: NAMES[name] for name in ("mode", "epochs")},
                "clock": Column("time", text),
                "networks": Column("networks", text),
                "mean_s": Column("mean", writer_for=durations),
                "fastest": Column("fastest", sources=("fastest_s", "fastest"), writer_for=_named),
                "slowest": Column("slowest", sources=("slowest_s", "slowest"), writer_for=_named),
                "total_s": Column("total", writer_for=durations),
            },
            notes=("One pass over the networks; where there are repeats, of their means.",),
        ),
        Table(
            f"{suite}: wall time by phase",
            "time-by-phase",
            by_phase,
            NAMES
            | {f"{PHASE}{name}": Column(name, writer_for=durations) for name in phases}
            | {"result_s": Column("to result", writer_for=durations)},
        ),
    ]
    return tables


def summary_frame(done: pd.DataFrame) -> pd.DataFrame:
    """A row a mode, epoch count and clock.

    Columns: mode, epochs, clock (a key of `CLOCKS`, in words), networks (how many configurations), mean_s,
    fastest and fastest_s, slowest and slowest_s, total_s.
    """
    rows = []
    for (mode, epochs), group in groups_of(done):
        names = pd.Series(labels(group), index=group.index)
        for name, heading in CLOCKS.items():
            times = group[name].dropna()
            if times.empty:
                continue
            rows.append(
                {
                    "mode": mode,
                    "epochs": epochs,
                    "clock": heading,
                    "networks": len(times),
                    "mean_s": times.mean(),
                    "fastest": names[times.idxmin()],
                    "fastest_s": times.min(),
                    "slowest": names[times.idxmax()],
                    "slowest_s": times.max(),
                    "total_s": times.sum(),
                }
            )
    return pd.DataFrame(rows)


def _disturbed(trials: pd.DataFrame) -> list[str]:
    disturbed = trials["disturbed"].notna().sum() if "disturbed" in trials else 0
    if not disturbed:
        return []
    count = "1 trial was" if disturbed == 1 else f"{disturbed} trials were"
    return [f"{count} disturbed: their times may not be their own. Why stands with every trial."]


def _named(seconds: Iterable[float]) -> Callable[[float, str], str]:
    write = durations(seconds)
    return lambda value, name: f"{name}, {write(value)}"


def _phases(frame: pd.DataFrame) -> list[str]:
    return [name.removeprefix(PHASE) for name in frame if name.startswith(PHASE)]
