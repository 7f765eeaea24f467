"""Which pairs of a configuration count for its times, and the values of metrics in these pairs."""

from bench.compare.measurement import Pair, TrialPairs
from bench.compare.metrics import Values, metrics_for, values_of


def metric_values(trial: TrialPairs, disturbed: bool = False) -> dict[str, Values]:
    """Metric -> its values in the pairs that count, see `counting`; with `disturbed` also in those left out."""
    pairs = in_time(trial) if disturbed else counting(trial)
    found = {metric.name: values_of(metric, pairs) for metric in metrics_for(pairs)}
    return {name: values for name, values in found.items() if values is not None}


def in_time(trial: TrialPairs) -> tuple[Pair, ...]:
    """The pairs in the order of time. Times of a resumed run are sums over its interruptions and never count."""
    own = [pair for pair in trial.pairs if not pair.resumed]
    return tuple(sorted(own, key=lambda pair: max(side.record.started_at or "" for side in pair.sides)))


def counting(trial: TrialPairs) -> tuple[Pair, ...]:
    """The pairs whose times count, in the order of time.

    Undisturbed pairs count. A disturbed one counts if most pairs until then were disturbed: then the machine is
    like that. What is known at the time decides, and stays decided, so that no later look chooses anew.
    """
    counted, quiet = [], 0
    for number, pair in enumerate(in_time(trial), start=1):
        quiet += not pair.disturbed
        if not pair.disturbed or 2 * quiet < number:
            counted.append(pair)
    return tuple(counted)
