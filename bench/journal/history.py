"""What the journals of an attempt say, together with those of the attempts that it continues."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import dropwhile
from typing import Any

import msgspec

from bench.errors import DamagedAttempt
from bench.journal.events import (
    Checkpointed,
    Closed,
    Ended,
    Epoch,
    PhaseEnded,
    PhaseStarted,
    ResumedFrom,
    RunnerEvent,
    Started,
    WorkerEvent,
    every,
    last,
    runner_events,
    worker_events,
)
from bench.journal.results import Attempt
from bench.trials.decode import field_of
from bench.trials.phases import Phases

_ADDED = {
    *("wall_s", "cpu_s", "images", "steps", "as_run_s", "as_run_cpu_s"),
    *(
        "steps_s",
        "data_wait_s",
        "validation_s",
        "checkpoint_s",
        "checkpoint_cpu_s",
        "recompile_s",
        "between_s",
        "ending_s",
    ),
}
"""Figures of a phase that add up over stretches."""

_Content = dict[str, dict[str, Any]]
"""Phase -> its times and figures, before they are checked."""


NO_PHASES = Phases()


@dataclass(frozen=True)
class Stretch:
    """What one attempt contributes: all of it, or what its last used checkpoint kept."""

    attempt: Attempt
    started_at: str | None
    """UTC, ISO 8601; None if the harness was killed before it could say."""
    events: Sequence[WorkerEvent]
    """The worker's events that count, in their order."""
    phases: Phases = NO_PHASES
    """A phase cut short by the end of the attempt counts up to the checkpoint."""
    lost_s: float = 0.0
    """Seconds of work after the checkpoint, done again by the attempt that resumed."""
    runner: Sequence[RunnerEvent] = ()
    """The harness' events."""
    of_another: bool = False
    """Whether it is an attempt at another trial, whose training is continued: `share_prefix`. Of its phases only
    `train` counts, and events begin with `compile`, for what comes before is in the own attempt as well."""

    @cached_property
    def epochs(self) -> tuple[Epoch, ...]:
        """Its epochs that count."""
        return tuple(every(self.events, Epoch))


def history(attempt: Attempt) -> list[Stretch]:
    """The stretches that lead to the end of an attempt, the oldest first; one where nothing was resumed.

    Raises:
        DamagedAttempt: A journal makes no sense.
    """
    events, runner = worker_events(attempt.events), runner_events(attempt.runner_events)
    phases = _phases(attempt, events, last(runner, Ended))
    return [
        *_before(attempt, events, attempt.trial_id),
        Stretch(attempt, _started_at(runner), events, phases, runner=runner),
    ]


def open_phase(events: Sequence[WorkerEvent]) -> str | None:
    """The phase that began and did not end."""
    begun: dict[str, None] = {}
    for event in events:
        if isinstance(event, PhaseStarted):
            begun[event.phase] = None
        elif isinstance(event, PhaseEnded):
            begun.pop(event.phase, None)
    return next(reversed(begun), None)


def summed(stretches: Sequence[Stretch]) -> Phases:
    """The phases of all stretches: seconds, images and steps add up; other figures are those of the last stretch."""
    total: _Content = {}
    for stretch in stretches:
        for name, phase in msgspec.to_builtins(stretch.phases).items():
            known = total.get(name, {})
            added = {key: known[key] + phase[key] for key in _ADDED & known.keys() & phase.keys()}
            total[name] = {**known, **phase, **added}
    return msgspec.convert(total, Phases)


def _before(attempt: Attempt, events: Sequence[WorkerEvent], trial_id: str) -> list[Stretch]:
    """The stretches that an attempt continues, for the history of a trial."""
    resumed = last(events, ResumedFrom)
    if resumed is None:
        return []
    earlier = attempt.tagged(resumed.tag)
    everything = worker_events(earlier.events)
    kept = _until_checkpoint(everything, resumed.epoch)
    runner = runner_events(earlier.runner_events)
    lost = (everything[-1].t - kept[-1].t) / 1e9 if kept else 0.0
    phases = _phases(earlier, kept, None, cut=True)
    of_another = earlier.trial_id != trial_id
    if of_another:
        lost, phases = 0.0, Phases(train=phases.train)
        kept = list(dropwhile(lambda event: not _starts(event, "compile"), kept))
    stretch = Stretch(earlier, _started_at(runner), kept, phases, lost, runner, of_another)
    return [*_before(earlier, everything, trial_id), stretch]


def _starts(event: WorkerEvent, phase: str) -> bool:
    return isinstance(event, PhaseStarted) and event.phase == phase


def _started_at(runner: Sequence[RunnerEvent]) -> str | None:
    started = last(runner, Started)
    return started.at if started else None


def _until_checkpoint(events: list[WorkerEvent], epoch: int) -> list[WorkerEvent]:
    for index, event in enumerate(events):
        if isinstance(event, Checkpointed) and event.epoch == epoch:
            return events[: index + 1]
    return []


def _phases(
    attempt: Attempt, events: Sequence[WorkerEvent], ended: Ended | None, cut: bool = False
) -> Phases:
    """Wall and CPU seconds of each phase that ended, or that the last event cuts, with its figures."""
    phases: _Content = {}
    begun: dict[str, PhaseStarted] = {}
    for event in events:
        if isinstance(event, PhaseStarted):
            begun[event.phase] = event
        elif isinstance(event, PhaseEnded) and event.phase in begun:
            span = _span(begun.pop(event.phase), event.t, event.cpu)
            if before := phases.get(event.phase):  # one that comes twice
                span = {clock: span[clock] + before[clock] for clock in span}
            # The phase's own seconds override a figure of that name: a trace has a `wall_s` as well.
            phases[event.phase] = {**event.figures, **span, **_as_if_alone(event.figures, span)}
    closed = last(events, Closed)
    if ended is not None and ended.exit_code == 0 and "teardown" in begun:
        phases["teardown"] = _span(begun["teardown"], ended.t, round(ended.cpu_s * 1e9))
    elif closed is not None and "teardown" in begun:  # what followed is not the trial's
        phases["teardown"] = _span(begun["teardown"], closed.t, closed.cpu)
    if cut and "train" in begun:
        span = _span(begun["train"], events[-1].t, events[-1].cpu)
        images = phases.get("data", {}).get("train_images", 0)
        phases["train"] = {**span, **_figures_of_epochs(events, images, span["wall_s"])}
    try:
        return msgspec.convert(phases, Phases)
    except msgspec.ValidationError as error:
        raise DamagedAttempt(f"{attempt.events} is damaged: {field_of(error)}") from None


def _as_if_alone(figures: dict[str, Any], span: dict[str, float]) -> dict[str, float]:
    """Times of features or pixels that trials share: what making them took, and what the phase took in this trial."""
    if "extraction_s" not in figures:
        return {}
    return {
        "wall_s": figures["extraction_s"],
        "cpu_s": figures["extraction_cpu_s"],
        "as_run_s": span["wall_s"],
        "as_run_cpu_s": span["cpu_s"],
    }


def _figures_of_epochs(events: Sequence[WorkerEvent], images: int, wall_s: float) -> dict[str, float]:
    """What the `train` phase would have reported, had it ended at its last checkpoint."""
    epochs = every(events, Epoch)
    checkpoint_s = sum(event.seconds for event in every(events, Checkpointed))
    validation_s = sum(epoch.validation_s for epoch in epochs)
    data_wait_s = sum(epoch.data_wait_s for epoch in epochs)
    steps_s = sum(epoch.steps_s for epoch in epochs) - data_wait_s
    recompile_s = _recompiled(events)
    accounted = steps_s + data_wait_s + validation_s + checkpoint_s + recompile_s
    return {
        # The images of the first step belong to `compile`; a batch in a whole epoch is not worth a guess.
        "images": len(epochs) * images,
        "steps": sum(epoch.steps for epoch in epochs),
        "steps_s": steps_s,
        "data_wait_s": data_wait_s,
        "validation_s": validation_s,
        "checkpoint_s": checkpoint_s,
        "checkpoint_cpu_s": sum(event.cpu_s for event in every(events, Checkpointed)),
        "recompile_s": recompile_s,
        "between_s": max(0.0, wall_s - accounted),
        "ending_s": 0.0,
    }


def _recompiled(events: Sequence[WorkerEvent]) -> float:
    """Seconds from the end of a stage until the first step of the next one is done."""
    seconds, stage, before = 0.0, None, 0
    for event in events:
        if isinstance(event, Epoch):
            if stage is not None and event.stage != stage:
                gap = (event.t - before) / 1e9
                seconds += max(0.0, gap - event.validation_s - event.steps_s)
            stage = event.stage
        if isinstance(event, Epoch | Checkpointed):
            before = event.t
    return seconds


def _span(start: PhaseStarted, t: int, cpu: int) -> dict[str, float]:
    return {"wall_s": (t - start.t) / 1e9, "cpu_s": max(0, cpu - start.cpu) / 1e9}
