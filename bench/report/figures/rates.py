"""The range tests that found learning rates: loss against rate."""

from collections.abc import Sequence

from bench.report.figures.figure import Figure, Trace, axis, numbers, plain
from bench.trials.phases import SearchPhase


def rate_searches(searches: Sequence[tuple[str, str, SearchPhase]]) -> Figure | None:
    """One curve for each trial, with a mark at the rate that was taken; None where none was searched.

    Args:
        searches: Name, color and phase of each trial.
    """
    data: list[Trace] = []
    for name, color, found in searches:
        if found.learning_rate is None or not found.curve:
            continue
        rates, losses = (numbers(values) for values in zip(*found.curve, strict=True))
        nearest = min(found.curve, key=lambda point: abs(point[0] / (found.learning_rate or 1.0) - 1))
        line = {"color": color, "width": 1.4}
        data.append(
            {"type": "scatter", "mode": "lines", "name": plain(name), "x": rates, "y": losses, "line": line}
        )
        mark = {"color": color, "size": 10, "symbol": "diamond"}
        label = f"{plain(name)}: {found.learning_rate:g}"
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label,
                "x": [found.learning_rate],
                "y": [nearest[1]],
                "marker": mark,
            }
        )
    if not data:
        return None
    layout = {
        "xaxis": axis("learning rate", type="log"),
        "yaxis": axis("loss of the step (nats)", rangemode="tozero"),
    }
    caption = (
        "Each step has a higher rate than the one before. "
        "The mark is the rate that was taken: a tenth of the one with the lowest loss."
    )
    return Figure("rate-search", "Search for the learning rate", data, layout, caption)
