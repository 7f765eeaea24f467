"""Configurations with their accuracy and cost, and which of them are on the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench.report.frame import share_of
from bench.report.names import group_name, labels
from bench.report.tables.formats import missing


@dataclass(frozen=True)
class Candidate:
    """A configuration with its accuracy and its costs."""

    label: str
    """What it is called."""
    network: str
    mode: str
    group: str
    """Mode and epochs, in words."""
    accuracy: float
    """Balanced, 0 to 1; the mean over replicates."""
    low: float | None
    """Bounds of its 95 % interval: `low` and `high`."""
    high: float | None
    seconds: float
    """Time to result."""
    joules: float | None
    replicates: int
    configuration: str = ""
    """Its key."""
    device: str = ""
    """What it trained on: times are compared on one kind only."""

    @property
    def name(self) -> str:
        """Label and group."""
        return f"{self.label}, {self.group}"


def candidates(configurations: pd.DataFrame) -> list[Candidate]:
    """Every configuration with an accuracy and a time, in the suite's order."""
    done = configurations[configurations["replicates"] > 0]
    if done.empty:
        return []
    found = []
    for row, label in zip(done.to_dict("records"), labels(done), strict=True):
        if missing(row["balanced_accuracy"]) or missing(row["result_s"]):
            continue
        share, joules = share_of(row), row.get("energy_j")
        found.append(
            Candidate(
                label,
                row["network"],
                row["mode"],
                group_name(row["mode"], row["epochs"]),
                row["balanced_accuracy"],
                share[1] if share else None,
                share[2] if share else None,
                row["result_s"],
                None if missing(joules) else joules,
                int(row["replicates"]),
                str(row.get("configuration", "")),
                str(row["device"]),
            )
        )
    return found


def front(found: Sequence[Candidate], cost: str = "seconds") -> list[Candidate]:
    """The Pareto front, cheapest first: more accuracy always costs more. None of it where devices differ.

    Args:
        found: Candidates.
        cost: `seconds` or `joules`; those without a value are no candidates.
    """
    if on_several_devices(found):
        return []
    priced = [one for one in found if getattr(one, cost) is not None]
    best, kept = -1.0, []
    for one in sorted(priced, key=lambda one: (getattr(one, cost), -one.accuracy)):
        if one.accuracy > best:
            best = one.accuracy
            kept.append(one)
    return kept


def on_several_devices(found: Sequence[Candidate]) -> bool:
    """Whether times, and energy, of some candidates are those of several kinds of device."""
    return len({one.device for one in found}) > 1


def best_of(found: Sequence[Candidate]) -> Candidate | None:
    """The most accurate; among equals the fastest."""
    return max(found, key=lambda one: (one.accuracy, -one.seconds), default=None)
