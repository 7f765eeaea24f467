"""What the worker measured beside the times of its phases, as a record holds it."""

from collections.abc import Sequence
from typing import Any

from bench.journal.history import Event, Stretch
from bench.records.pace import pace_of

NO_WAITS = "the trace does not show in which part of a step its batch is got"


def figures_of(stretches: Sequence[Stretch]) -> dict[str, Any]:
    """The figures of an attempt.

    Args:
        stretches: Its history, see `bench.journal.history`.

    Returns:
        `steady` (None, or `bench.records.pace.pace_of`), `profile` (None, or
        `wbc.profiling.summary.summarise` with `trace`, the file in the attempt's folder), `canary` (None, or
        `before_gflops`, `after_gflops`, `reference_gflops`), and `unavailable`: name -> why it is None, for
        those that were to be there.
    """
    own = stretches[-1].events
    steady, no_steady = pace_of(stretches)
    profile, no_profile = _profile(own)
    reasons = {"steady": no_steady, "profile": no_profile}
    if profile and profile.get("input_stall") is None:
        reasons["input_stall"] = NO_WAITS
    silent = [figures["unavailable"] for figures in _figures(own, "canary") if "unavailable" in figures]
    reasons["canary"] = "; ".join(dict.fromkeys(silent))
    return {
        "steady": steady,
        "profile": profile,
        "canary": _canary(own),
        "unavailable": {name: reason for name, reason in reasons.items() if reason},
    }


def _profile(events: Sequence[Event]) -> tuple[dict[str, Any] | None, str]:
    """What was traced, and why it was not; neither where nothing was to be."""
    ended = _figures(events, "profile")
    if not ended:
        return None, ""
    if "unavailable" in ended[-1]:
        return None, ended[-1]["unavailable"]
    return ended[-1], ""


def _canary(events: Sequence[Event]) -> dict[str, Any] | None:
    """The canary before and after; what was not reached is None."""
    before, after, *_ = [figures.get("gflops") for figures in _figures(events, "canary")] + [None, None]
    if before is None and after is None:
        return None
    return {"before_gflops": before, "after_gflops": after, "reference_gflops": None}


def _figures(events: Sequence[Event], phase: str) -> list[dict[str, Any]]:
    """The figures of a phase, each time that it ended."""
    return [event["figures"] for event in events if _ends(event, phase)]


def _ends(event: Event, phase: str) -> bool:
    return event["event"] == "phase_ended" and event["phase"] == phase
