"""What the worker measured besides the times of its phases: the trace, latencies, and the reference work."""

from collections.abc import Sequence
from typing import Any

import msgspec

from bench.errors import DamagedAttempt
from bench.journal.events import PeakTold, PhaseEnded, WorkerEvent
from bench.trials.decode import field_of
from bench.trials.measured import Latency, Profile, ReferenceWork
from bench.trials.origin import Environment

NO_WAITS = "the trace does not show in which part of a step its batch is got"


def profile_of(events: Sequence[WorkerEvent]) -> tuple[Profile | None, dict[str, str]]:
    """What was traced, or None; and metric -> why it is missing, if it was to be traced.

    Raises:
        DamagedAttempt: The journal tells something else.
    """
    ended = _figures(events, "profile")
    if not ended:
        return None, {}
    if "unavailable" in ended[-1]:
        return None, {"profile": str(ended[-1]["unavailable"])}
    try:
        profile = msgspec.convert(ended[-1], Profile)
    except msgspec.ValidationError as error:
        raise DamagedAttempt(f"the figures of the phase profile are damaged: {field_of(error)}") from None
    return profile, {"input_stall": NO_WAITS} if profile.input_stall is None else {}


def latency_of(events: Sequence[WorkerEvent]) -> tuple[tuple[Latency, ...], dict[str, str]]:
    """The latencies, and why one is missing, if they were to be measured.

    Raises:
        DamagedAttempt: The journal tells something else.
    """
    ended = _figures(events, "latency")
    if not ended:
        return (), {}
    if "unavailable" in ended[-1]:
        return (), {"latency": str(ended[-1]["unavailable"])}
    try:
        found = msgspec.convert(ended[-1].get("batches", ()), tuple[Latency, ...])
        left_out = msgspec.convert(ended[-1].get("left_out", {}), dict[str, str])
    except msgspec.ValidationError as error:
        raise DamagedAttempt(f"the figures of the phase latency are damaged: {field_of(error)}") from None
    return found, {f"latency of a {size}": why for size, why in left_out.items()}


def reference_work_of(
    events: Sequence[WorkerEvent],
    peak: PeakTold | None,
    environment: Environment | None,
    clocks: Sequence[float | None] = (),
) -> tuple[ReferenceWork | None, str]:
    """The reference work before and after the trial, and why a part of it is missing.

    Beside it stands what it reached when the device was measured, if that was with the same version and
    settings of TensorFlow, and on a quiet machine: others may be slower without being disturbed.

    Args:
        events: The worker's.
        peak: What was measured of the device; None where nothing was.
        environment: What the worker said of itself.
        clocks: The GPU's highest SM clock each time, MHz.
    """
    figures = _figures(events, "reference_work")
    reason = "; ".join(dict.fromkeys(str(one["unavailable"]) for one in figures if "unavailable" in one))
    before, after, *_ = [one.get("gflops") for one in figures] + [None, None]
    if before is None and after is None:
        return None, reason
    before_clock, after_clock, *_ = [*clocks, None, None]
    return ReferenceWork(
        before_clock_mhz=before_clock,
        after_clock_mhz=after_clock,
        before_gflops=before,
        after_gflops=after,
        reference_gflops=peak.reference_work_gflops if peak and _as_measured(peak, environment) else None,
    ), reason


def _as_measured(peak: PeakTold, environment: Environment | None) -> bool:
    if peak.disturbed or environment is None or environment.backend != "tensorflow":
        return False
    settings = msgspec.to_builtins(environment)
    return environment.tensorflow == peak.tensorflow and all(
        settings.get(name) == value for name, value in peak.settings.items()
    )


def _figures(events: Sequence[WorkerEvent], phase: str) -> list[dict[str, Any]]:
    """The figures of a phase, each time that it ended."""
    return [event.figures for event in events if isinstance(event, PhaseEnded) and event.phase == phase]
