"""How trials are sampled, and which run without a sampler."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bench.trials.trial import Trial


@dataclass(frozen=True)
class TelemetrySettings:
    """`[telemetry]` of a suite."""

    interval_s: float = 0.1
    """Time between samples, in seconds."""
    enabled: bool = True
    """Whether there is any telemetry."""
    off_every: int | None = None
    """Run every n-th replicate of a configuration without it, to see what telemetry costs; None: none."""
    without: frozenset[str] = frozenset()
    """Ids of these replicates."""

    def for_trials(self, trials: Iterable[Trial]) -> "TelemetrySettings":
        """The settings with the replicates that run without telemetry chosen.

        The choice depends only on the order of the suite, so a resumed run makes the same.
        """
        return replace(self, without=trials_without(trials, self.off_every))

    def reason_off(self, trial_id: str) -> str:
        """Why a trial runs without telemetry; empty if it runs with it."""
        if not self.enabled:
            return "it is switched off ([telemetry] enabled = false)"
        if trial_id in self.without:
            return f"this replicate shows what telemetry costs ([telemetry] off_every = {self.off_every})"
        return ""


def trials_without(trials: Iterable[Trial], off_every: int | None) -> frozenset[str]:
    """Ids of every n-th replicate of each configuration, in the order of the suite."""
    if off_every is None:
        return frozenset()
    chosen, seen = set[str](), Counter[str]()
    for trial in trials:
        seen[trial.configuration_key] += 1
        if seen[trial.configuration_key] % off_every == 0:
            chosen.add(trial.id)
    return frozenset(chosen)
