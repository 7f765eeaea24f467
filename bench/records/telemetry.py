"""From the journals of an attempt to the telemetry of its record."""

from collections.abc import Sequence

from msgspec.structs import replace

from bench.journal import history
from bench.journal.events import Ended, TelemetryOff, last
from bench.records.contention import contention, seconds_of
from bench.records.disturbance import TIMED
from bench.records.summary import OF_ALL_GPUS, Stretch, spans_of, summarize
from bench.telemetry.trace import Trace, read_trace
from bench.trials.measured import Contention, Telemetry


def telemetry_of(stretches: Sequence[history.Stretch]) -> tuple[Telemetry | None, list[Trace]]:
    """The telemetry of an attempt, or None; and the traces that it comes from.

    Args:
        stretches: The attempts that the trial took, see `bench.journal.history`.
    """
    found = [_watched(stretch, final=stretch is stretches[-1]) for stretch in stretches]
    watched = [one for one in found if one is not None]
    return observed(watched, len(watched) < len(found)), [one.trace for one in watched]


def observed(watched: Sequence[Stretch], unwatched: bool = False) -> Telemetry | None:
    """The summary, and how each timed phase compares with its own calm times; see `summarize`."""
    telemetry = summarize(watched, unwatched)
    return None if telemetry is None else replace(telemetry, contention=_contention(watched))


def missing_of(telemetry: Telemetry | None, stretch: history.Stretch) -> dict[str, str]:
    """Metric -> why telemetry lacks it.

    Args:
        telemetry: Of the attempt.
        stretch: The attempt's own.
    """
    if telemetry is None:
        return {"telemetry": _why_not(stretch)}
    # What GPUs lack is said of each of them.
    own = telemetry.unavailable.items()
    missing = {name: why for name, why in own if not (telemetry.devices and name in OF_ALL_GPUS)}
    for name, device in telemetry.devices.items():
        missing |= {f"{name} {metric}": why for metric, why in device.unavailable.items()}
    return missing


def _watched(stretch: history.Stretch, final: bool) -> Stretch | None:
    trace = read_trace(stretch.attempt.telemetry)
    if trace is None:
        return None
    if stretch.events:
        trace.begins_at_zero(stretch.events[0].t)
    # The last phase ends with the process; in an attempt that another one continues, at its last event that
    # counts.
    ended = last(stretch.runner, Ended) if final else None
    return Stretch(trace, spans_of(stretch.events, ended.t if ended else None))


def _contention(stretches: Sequence[Stretch]) -> dict[str, Contention]:
    found = {}
    for phase in TIMED:
        readings = [second for one in stretches for second in seconds_of(one.trace, one.spans.get(phase, []))]
        if (compared := contention(readings)) is not None:
            found[phase] = compared
    return found


def _why_not(stretch: history.Stretch) -> str:
    if (told := last(stretch.runner, TelemetryOff)) is not None:
        return told.off
    return "nothing was sampled, or the file is damaged" if stretch.events else "the worker never began"
