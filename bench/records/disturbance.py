"""Why a trial's times may not be its own: rules on what was seen while it was timed.

Each threshold stands here once, with its reason. Trials of the same run on other slots, and the harness
itself, are co-tenants: what they use is recorded (`cotenant_cpu`), and marks nothing.
"""

from collections.abc import Iterable
from typing import Any

TIMED = ("train", "compile", "features", "evaluate")
"""Phases whose times are results."""

SHORTEST_S = 1.0
"""The kernel counts busy cores in ticks of 10 ms; in less than a second that is too coarse for a verdict.
Shorter phases are judged together."""

FOREIGN_SHARE = 0.05
"""Of the slot's cores. It is what a canary's drop is held to; on quiet trials here it stayed below 0.02."""

FOREIGN_CORES, SATURATED = 0.25, 0.9
"""On a machine of many cores a whole one is less than that share. It disturbs where no core is free: threads
that meet at every step wait for the slowest."""

CONTENDED_SHARE = 0.1
"""Of a phase in which threads waited beyond the trial's own measure, see `bench.records.contention`. A
single odd second in ten is not worth a mark."""

STEAL_SHARE = 0.02
"""Of the slot's cores, taken by other virtual machines. On quiet trials here it was below 0.002."""

THROTTLED_SHARE = 0.01
"""Of a phase in which heat, the board or a brake held a GPU back. A GPU at its power limit is not counted:
many run so whenever they are busy, and all their trials alike."""

_HELD_BACK = ("throttled_heat_s", "throttled_board_s", "throttled_reliability_s", "throttled_s")
"""Counters of it; the last one is of older traces."""

CANARY_DROP = 0.05
"""The same matrix product was so much slower than it can be."""


def disturbances(record: dict[str, Any], telemetry: dict[str, Any] | None) -> list[str]:
    """Reasons, as sentences; empty where nothing was seen.

    Args:
        record: With `phases`, `neighbours` and, where there is one, `canary`.
        telemetry: As `record["telemetry"]`; None without.
    """
    reasons = []
    if telemetry is not None:
        times = {name: phase["wall_s"] for name, phase in record["phases"].items() if name in TIMED}
        reasons += _foreign(telemetry, times)
        reasons += _contended(telemetry)
        reasons += _stolen(telemetry, times)
        for name, device in telemetry["devices"].items():
            reasons += _throttled(name, device, times)
    reasons += _foreign_on_gpus(record.get("neighbours") or [])
    return [*reasons, *_canary(record.get("canary") or {})]


def _foreign(telemetry: dict[str, Any], times: dict[str, float]) -> Iterable[str]:
    cores, found = telemetry["cores"], []
    for name, seconds, counters in _judged(telemetry, times):
        if "foreign_s" not in counters:
            continue
        used = counters["foreign_s"] / seconds
        busy = counters.get("slot_busy_s", 0.0) / seconds / cores
        if used / cores > FOREIGN_SHARE or (used > FOREIGN_CORES and busy > SATURATED):
            found.append(f"{used:.2f} of its {cores} cores during {name}")
    if found:
        yield f"Other processes used {', '.join(found)}."


def _contended(telemetry: dict[str, Any]) -> Iterable[str]:
    found = [
        f"{one['share']:.0%} of {name}"
        for name, one in telemetry.get("contention", {}).items()
        if name in TIMED and one["share"] > CONTENDED_SHARE
    ]
    if found:
        yield f"Its threads waited for cores longer than by themselves in {', '.join(found)}."


def _stolen(telemetry: dict[str, Any], times: dict[str, float]) -> Iterable[str]:
    for name, seconds, counters in _judged(telemetry, times):
        share = counters.get("steal_s", 0.0) / seconds / telemetry["cores"]
        if share > STEAL_SHARE:
            yield f"Other virtual machines took {share:.0%} of its cores during {name}."


def _throttled(gpu: str, device: dict[str, Any], times: dict[str, float]) -> Iterable[str]:
    for name, seconds in times.items():
        counters = device["counters"].get(name, {})
        # The policies' seconds overlap, so the largest counts; what samples saw counts beside them.
        held_back = max((counters.get(policy) or 0.0 for policy in _HELD_BACK), default=0.0)
        seen = device["phases"].get(name, {}).get("throttled", {}).get("mean") or 0.0
        share = max(held_back / seconds if seconds else 0.0, seen)
        if share > THROTTLED_SHARE:
            yield f"Heat or the board held back {gpu} in {min(1.0, share):.0%} of {name}."


def _foreign_on_gpus(neighbours: list[dict[str, Any]]) -> Iterable[str]:
    """Processes that compute there; a desktop that draws is recorded only."""
    seen = {
        (one["gpu"], one["pid"], one["name"])
        for state in neighbours
        if state
        for one in state.get("foreign", [])
        if one.get("kind") == "compute"
    }
    for gpu, pid, name in sorted(seen):
        yield f"Process {pid}{f' ({name})' if name else ''} computed on {gpu}."
    crowds: dict[str, int] = {}
    for state in neighbours:
        for gpu, number in ((state or {}).get("unknown") or {}).items():
            crowds[gpu] = max(number, crowds.get(gpu, 0))
    for gpu, number in crowds.items():
        if number > 1:  # one of them may be the trial's own
            yield f"{number} processes of unknown origin computed on {gpu}."


def _canary(canary: dict[str, Any]) -> Iterable[str]:
    figures = [canary[name] for name in ("before_gflops", "after_gflops") if canary.get(name)]
    best = max([*figures, canary.get("reference_gflops") or 0.0], default=0.0)
    if figures and min(figures) < (1 - CANARY_DROP) * best:
        drop, slowest = 1 - min(figures) / best, min(figures)
        yield f"The canary's matrix product was {drop:.0%} slower than it can be ({slowest:.0f} GFLOP/s)."


def _judged(
    telemetry: dict[str, Any], times: dict[str, float]
) -> Iterable[tuple[str, float, dict[str, float]]]:
    """Name, seconds and counters of what is judged: phases that are long enough, else all together."""
    counters = telemetry["counters"]
    watched = {name: seconds for name, seconds in times.items() if counters.get(name)}
    long = {name: seconds for name, seconds in watched.items() if seconds >= SHORTEST_S}
    if long:
        yield from ((name, seconds, counters[name]) for name, seconds in long.items())
    elif sum(watched.values()) > 0.5 * SHORTEST_S:
        names = set.intersection(*(set(counters[name]) for name in watched))
        together = {name: sum(counters[phase][name] for phase in watched) for name in names}
        yield " and ".join(watched), sum(watched.values()), together
