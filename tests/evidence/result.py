"""Results of simulations, as rows of a table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """How often something happened, beside what is promised."""

    promise: str
    situation: str
    hits: int
    runs: int
    most: float | None = None
    """Promised: at most this share; or, where it is None, at least `least`."""
    least: float = 0.0
    goal: bool = False
    """Aimed at, not promised: a miss is said, and breaks nothing. It is met where the share itself is reached."""

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 % interval of the share (Clopper and Pearson)."""
        from scipy.stats import beta

        hits, runs = self.hits, self.runs
        low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, runs - hits + 1))
        high = 1.0 if hits == runs else float(beta.ppf(0.975, hits + 1, runs - hits))
        return low, high

    @property
    def kept(self) -> bool:
        """Whether the result does not contradict the promise."""
        low, high = self.interval
        return low <= self.most if self.most is not None else high >= self.least

    @property
    def badness(self) -> float:
        """Larger where it is further from what is promised."""
        return (1 if self.most is not None else -1) * self.hits / self.runs

    def row(self) -> str:
        """As a row of the table."""
        low, high = self.interval
        promised = f"≤ {self.most:.0%}" if self.most is not None else f"≥ {self.least:.0%}"
        share = f"{self.hits / self.runs:.1%} [{low:.1%}, {high:.1%}]"
        kept = "kept" if self.kept else "BROKEN"
        if self.goal:
            kept = "goal met" if self.hits >= self.least * self.runs else "goal missed"
        return f"| {self.promise} | {self.situation} | {promised} | {share} of {self.runs} | {kept} |"


Promise = Callable[[float], Iterator[Result]]
"""From the scale of the numbers of simulated comparisons to results, one for each situation."""


def worst_of(results: list[Result]) -> list[Result]:
    """Of each promise the situation with the worst share, and every goal, in the order in which they came."""
    worst: dict[str, Result] = {}
    for one in results:
        key = f"{one.promise} {one.situation}" if one.goal else one.promise
        if key not in worst or one.badness > worst[key].badness:
            worst[key] = one
    return list(worst.values())
