"""From the journals of a trial to what its record says of telemetry, energy and disturbances."""

from collections.abc import Sequence
from typing import Any

from bench.journal import history
from bench.records.contention import contention, seconds_of
from bench.records.disturbance import TIMED, disturbances
from bench.records.energy import energy_of, shares_missing
from bench.records.spans import spans_of
from bench.records.summary import OF_ALL_GPUS, Stretch, summarise
from bench.telemetry.trace import read_trace
from bench.worker.jsonl import read_events


def telemetry_of(record: dict[str, Any], stretches: Sequence[history.Stretch]) -> dict[str, Any]:
    """`telemetry`, `energy` and `disturbed` of a record, and what they add to `unavailable`.

    Args:
        record: What is folded already: `phases`, `test`, `neighbours`, `canary`.
        stretches: The attempts that the trial took, see `bench.journal.history`.
    """
    watched = [_watched(stretch, last=stretch is stretches[-1]) for stretch in stretches]
    traces = [one.trace for one in watched if one.trace is not None]
    telemetry = observed(watched)
    unavailable: dict[str, str] = {}
    if telemetry is None:
        unavailable["telemetry"] = _why_not(stretches[-1])
    else:
        own = telemetry["unavailable"].items()
        # What GPUs lack is said of each of them.
        unavailable |= {name: why for name, why in own if not (telemetry["devices"] and name in OF_ALL_GPUS)}
        for name, device in telemetry["devices"].items():
            unavailable |= {f"{name} {metric}": why for metric, why in device["unavailable"].items()}
    energy, reason = energy_of(record, telemetry, traces)
    unavailable |= {"energy": reason} if reason else shares_missing(record, energy)
    return {
        "telemetry": telemetry,
        "energy": energy,
        "disturbed": disturbances(record, telemetry),
        "unavailable": {**record.get("unavailable", {}), **unavailable},
    }


def observed(stretches: Sequence[Stretch]) -> dict[str, Any] | None:
    """`telemetry` of a record: the summary, and how each timed phase compares with its own calm times."""
    telemetry = summarise(stretches)
    return None if telemetry is None else {**telemetry, "contention": _contention(stretches)}


def _watched(stretch: history.Stretch, last: bool) -> Stretch:
    trace = read_trace(stretch.attempt.telemetry)
    if trace is not None and stretch.events:
        trace.begins_at_zero(stretch.events[0]["t"])
    # The last phase ends with the process; in an attempt that another goes on from, at its last event that
    # counts.
    runner = history.last_of_each(read_events(stretch.attempt.runner_events))
    until = runner["ended"]["t"] if last and "ended" in runner else None
    return Stretch(trace, spans_of(stretch.events, until))


def _contention(stretches: Sequence[Stretch]) -> dict[str, dict[str, float]]:
    found = {}
    for phase in TIMED:
        readings = [
            second
            for one in stretches
            if one.trace is not None
            for second in seconds_of(one.trace, one.spans.get(phase, []))
        ]
        if (compared := contention(readings)) is not None:
            found[phase] = {"calm": compared.calm, "share": compared.share}
    return found


def _why_not(stretch: history.Stretch) -> str:
    for event in reversed(read_events(stretch.attempt.runner_events)):
        if event["event"] == "telemetry":
            return str(event["off"])
    return "nothing was sampled, or the file is damaged" if stretch.events else "the worker never began"
