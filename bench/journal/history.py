"""What the journals of an attempt say together with those of the attempts that it goes on from."""

from dataclasses import dataclass, field
from typing import Any

from bench.journal.results import Attempt
from bench.worker.jsonl import read_events

Event = dict[str, Any]

_ADDED = {
    *("wall_s", "cpu_s", "images", "steps"),
    *("steps_s", "data_wait_s", "validation_s", "checkpoint_s", "recompile_s", "between_s", "ending_s"),
}
"""Figures of a phase that add up over stretches."""


@dataclass(frozen=True)
class Stretch:
    """What one attempt contributes: all of it, or what its last used checkpoint kept.

    Attributes:
        attempt: The attempt.
        started_at: UTC, ISO 8601; None if the harness was killed before it could say.
        events: The worker's events that count, in their order.
        phases: Name -> wall and CPU seconds with the phase's figures; a phase cut short by the end of the
            attempt counts up to the checkpoint.
        lost_s: Seconds of work after the checkpoint, done again by the attempt that went on.
    """

    attempt: Attempt
    started_at: str | None
    events: list[Event]
    phases: dict[str, dict[str, Any]] = field(default_factory=dict)
    lost_s: float = 0.0


def history(attempt: Attempt) -> list[Stretch]:
    """The stretches that lead to the end of an attempt, the oldest first; one where nothing was resumed."""
    events = attempt.worker_events()
    runner = last_of_each(read_events(attempt.runner_events))
    own = Stretch(attempt, _started_at(runner), events, _phases(events, runner.get("ended", {})))
    return [*_before(attempt, events), own]


def open_phase(events: list[Event]) -> str | None:
    """The phase that began and did not end."""
    begun: dict[str, None] = {}
    for event in events:
        if event["event"] == "phase_started":
            begun[event["phase"]] = None
        elif event["event"] == "phase_ended":
            begun.pop(event["phase"], None)
    return next(reversed(begun), None)


def last_of_each(events: list[Event]) -> dict[str, Event]:
    """Kind of event -> the last one of it."""
    return {event["event"]: event for event in events}


def summed(stretches: list[Stretch]) -> dict[str, dict[str, Any]]:
    """The phases of all stretches: seconds, images and steps add up; other figures are the last ones."""
    total: dict[str, dict[str, Any]] = {}
    for stretch in stretches:
        for name, phase in stretch.phases.items():
            known = total.get(name, {})
            added = {key: known[key] + phase[key] for key in _ADDED & known.keys() & phase.keys()}
            total[name] = {**known, **phase, **added}
    return total


def _before(attempt: Attempt, events: list[Event]) -> list[Stretch]:
    """The stretches that an attempt goes on from."""
    resumed = last_of_each(events).get("resumed")
    if resumed is None:
        return []
    earlier = Attempt(attempt.folder.with_name(f"attempt-{resumed['tag']}"))
    everything = earlier.worker_events()
    kept = _until_checkpoint(everything, resumed["epoch"])
    runner = last_of_each(read_events(earlier.runner_events))
    lost = (everything[-1]["t"] - kept[-1]["t"]) / 1e9 if kept else 0.0
    stretch = Stretch(earlier, _started_at(runner), kept, _phases(kept, {}, cut=True), lost)
    return [*_before(earlier, everything), stretch]


def _until_checkpoint(events: list[Event], epoch: int) -> list[Event]:
    for index, event in enumerate(events):
        if event["event"] == "checkpointed" and event["epoch"] == epoch:
            return events[: index + 1]
    return []


def _started_at(runner: dict[str, Event]) -> str | None:
    return runner.get("started", {}).get("at")


def _phases(events: list[Event], ended: Event, cut: bool = False) -> dict[str, dict[str, Any]]:
    """Wall and CPU seconds of each phase that ended, or that the last event cuts, with its figures."""
    phases: dict[str, dict[str, Any]] = {}
    begun: dict[str, Event] = {}
    for event in events:
        if event["event"] == "phase_started":
            begun[event["phase"]] = event
        elif event["event"] == "phase_ended" and event["phase"] in begun:
            span = _span(begun.pop(event["phase"]), event)
            if before := phases.get(event["phase"]):  # one that comes twice
                span = {clock: span[clock] + before[clock] for clock in span}
            # The phase's own seconds go before a figure of that name: a trace has a `wall_s` as well.
            phases[event["phase"]] = {**event["figures"], **span}
    if "teardown" in begun and ended.get("exit_code") == 0:
        phases["teardown"] = _span(begun["teardown"], {"t": ended["t"], "cpu": ended["cpu_s"] * 1e9})
    if cut and "train" in begun:
        span = _span(begun["train"], events[-1])
        phases["train"] = {**span, **_figures_of_epochs(events, phases, span["wall_s"])}
    return phases


def _figures_of_epochs(
    events: list[Event], phases: dict[str, dict[str, Any]], wall_s: float
) -> dict[str, Any]:
    """What the `train` phase would have reported, had it ended at its last checkpoint."""
    epochs = [event for event in events if event["event"] == "epoch"]
    checkpoints = [event for event in events if event["event"] == "checkpointed"]
    # The images of the first step belong to `compile`; a batch in a whole epoch is not worth a guess.
    figures = {
        "images": len(epochs) * phases.get("data", {}).get("train_images", 0),
        "validation_s": sum(event["validation_s"] for event in epochs),
        "checkpoint_s": sum(event["seconds"] for event in checkpoints),
    }
    if any("steps_s" not in event for event in epochs):  # of an older version
        return figures
    wait = sum(event["data_wait_s"] for event in epochs)
    figures |= {
        "steps": sum(event["steps"] for event in epochs),
        "steps_s": sum(event["steps_s"] for event in epochs) - wait,
        "data_wait_s": wait,
        "recompile_s": _recompiled(events),
        "ending_s": 0.0,
    }
    parts = ("steps_s", "data_wait_s", "validation_s", "checkpoint_s", "recompile_s")
    return figures | {"between_s": max(0.0, wall_s - sum(figures[name] for name in parts))}


def _recompiled(events: list[Event]) -> float:
    """Seconds from the end of a stage until the first step of the next one is done."""
    seconds, stage, before = 0.0, None, 0
    for event in events:
        if event["event"] == "epoch":
            if stage is not None and event.get("stage") != stage:
                gap = (event["t"] - before) / 1e9
                seconds += max(0.0, gap - event["validation_s"] - event["steps_s"])
            stage = event.get("stage")
        if event["event"] in ("epoch", "checkpointed"):
            before = event["t"]
    return seconds


def _span(start: Event, end: Event) -> dict[str, float]:
    return {"wall_s": (end["t"] - start["t"]) / 1e9, "cpu_s": max(0, end["cpu"] - start["cpu"]) / 1e9}
