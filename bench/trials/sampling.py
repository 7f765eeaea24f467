"""What a suite says of telemetry, and which trials run without."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bench.trials.trial import Trial


@dataclass(frozen=True)
class TelemetrySettings:
    """`[telemetry]` of a suite.

    Attributes:
        interval_s: Time between samples, in seconds.
        enabled: Whether there is any.
        off_every: Every so many repeats of a configuration one runs without, to see what telemetry costs;
            None: all run with it.
    """

    interval_s: float = 0.1
    enabled: bool = True
    off_every: int | None = None

    def reason_off(self, trial_id: str, without: frozenset[str]) -> str:
        """Why a trial runs without telemetry; empty where it runs with it."""
        if not self.enabled:
            return "it is switched off ([telemetry] enabled = false)"
        if trial_id in without:
            return f"this repeat shows what telemetry costs ([telemetry] off_every = {self.off_every})"
        return ""


def trials_without(trials: Iterable[Trial], off_every: int | None) -> frozenset[str]:
    """Ids of every n-th repeat of each configuration, in the order of the suite.

    It depends on the suite alone, so that a run that goes on chooses as the one before it.
    """
    chosen, seen = set[str](), Counter[str]()
    if off_every is None:
        return frozenset()
    for trial in trials:
        seen[trial.configuration_key] += 1
        if seen[trial.configuration_key] % off_every == 0:
            chosen.add(trial.id)
    return frozenset(chosen)
