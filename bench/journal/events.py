"""The events of an attempt's journals, as types: what the worker writes, and what the harness writes.

A torn last line, text that is no event, and events of a kind that is not listed here are passed over: another
version may know more kinds. An event of a known kind that lacks what belongs to it makes the journal damaged.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Struct

from bench.errors import DamagedAttempt
from bench.trials.decode import decode_value, field_of
from bench.trials.measured import StepMemory
from bench.trials.metrics import Metrics
from bench.trials.origin import Environment, MachineFacts, Neighbors, SlotDescription
from bench.trials.record import TensorShape

T = TypeVar("T")


class Event(Struct, frozen=True, kw_only=True, tag_field="event"):
    """Something that happened."""

    t: int
    """Nanoseconds of the monotonic clock."""
    cpu: int = 0
    """Processor time of the writing process, nanoseconds."""


class PhaseStarted(Event, frozen=True, kw_only=True, tag="phase_started"):
    """A phase of `wbc.observer.PHASES` began."""

    phase: str


class PhaseEnded(Event, frozen=True, kw_only=True, tag="phase_ended"):
    """A phase ended."""

    phase: str
    figures: dict[str, Any] = {}
    """What it reports, see `bench.trials.phases`."""


class Epoch(Event, frozen=True, kw_only=True, tag="epoch"):
    """An epoch of training ended."""

    epoch: int
    """Counted from 1."""
    metrics: dict[str, float]
    validation_s: float = 0.0
    stage: int | None = None
    """Stage of training, see `wbc.observer.Observer.epoch_ended`."""
    steps: int = 0
    """Without the first step of a stage."""
    images: int = 0
    steps_s: float = 0.0
    """Seconds of these steps, waiting included."""
    data_wait_s: float = 0.0
    resident: int | None = None
    """Memory of the process at the end of the epoch, bytes."""
    device: int | None = None
    """Memory in use on the first GPU, by the framework's allocator."""


class Blocks(Event, frozen=True, kw_only=True, tag="blocks"):
    """The steps of a stage, in blocks."""

    stage: int
    blocks: tuple[tuple[float, int, int, int, float, float], ...]
    """Start (s), first step, steps, images, seconds, seconds of waiting."""


class ResumedFrom(Event, frozen=True, kw_only=True, tag="resumed"):
    """Training continued from a checkpoint."""

    epoch: int
    tag: str
    """Number of the attempt that wrote it."""


class Checkpointed(Event, frozen=True, kw_only=True, tag="checkpointed"):
    """The state after an epoch is on the disk."""

    epoch: int
    seconds: float
    cpu_s: float = 0.0


class Heartbeat(Event, frozen=True, kw_only=True, tag="heartbeat"):
    """Progress inside a phase."""

    done: int
    total: int
    resident: int | None = None
    """Memory of the process, bytes."""


class EnvironmentTold(Event, frozen=True, kw_only=True, tag="environment"):
    """What the worker says of itself."""

    environment: Environment


class Evaluated(Event, frozen=True, kw_only=True, tag="evaluated"):
    """The metrics of the test split."""

    metrics: Metrics
    evaluations: dict[str, Metrics] = {}
    """Each evaluation of the same predictions, `metrics` among them."""


class ExternallyEvaluated(Event, frozen=True, kw_only=True, tag="externally_evaluated"):
    """The metrics of the external test."""

    metrics: Metrics


class ModelSaved(Event, frozen=True, kw_only=True, tag="model_saved"):
    """The model is on the disk."""

    bytes: int
    seconds: float
    input: TensorShape | None = None
    output: TensorShape | None = None


class ModelNotSaved(Event, frozen=True, kw_only=True, tag="model_not_saved"):
    """The model could not be written."""

    reason: str


class MemoryTold(Event, frozen=True, kw_only=True, tag="memory"):
    """What training took of memory, bytes."""

    analytic: StepMemory | None = None
    allocator_peak: int | None = None
    process_peak: int | None = None
    unavailable: str = ""
    """Why the first two are not known."""


class Failed(Event, frozen=True, kw_only=True, tag="failed"):
    """The worker says why it fails."""

    kind: str
    message: str


class Closed(Event, frozen=True, kw_only=True, tag="closed"):
    """The journal is complete: nothing is left but the end of the process."""


WorkerEvent = (
    PhaseStarted
    | PhaseEnded
    | Epoch
    | Blocks
    | ResumedFrom
    | Checkpointed
    | Heartbeat
    | EnvironmentTold
    | Evaluated
    | ExternallyEvaluated
    | ModelSaved
    | ModelNotSaved
    | MemoryTold
    | Failed
    | Closed
)
"""What a worker writes into `events.jsonl`."""


class Origin(Struct, frozen=True, kw_only=True):
    """See `bench.machine.notes.origin`."""

    host: str | None = None
    commit: str | None = None
    driver: str | None = None


class Started(Event, frozen=True, kw_only=True, tag="started"):
    """The worker was started."""

    at: str | None = None
    """UTC, ISO 8601."""
    pid: int = 0
    slot: SlotDescription | None = None
    provenance: Origin = Origin()


class Stopped(Struct, frozen=True, kw_only=True):
    """Why the harness stopped a worker; empty where it did not."""

    why: str = ""
    message: str = ""


class Ended(Event, frozen=True, kw_only=True, tag="ended"):
    """The worker is gone."""

    exit_code: int
    """Negative: killed by this signal."""
    cpu_s: float
    """Of the worker and its children."""
    stopped: Stopped = Stopped()
    memory_kills: int = 0
    """Processes that the kernel killed meanwhile because memory ran out."""


class QuietTold(Event, frozen=True, kw_only=True, tag="quiet"):
    """What waiting for a quiet machine came to."""

    noise: tuple[str, ...]
    waited_s: float


class NeighborsChanged(Event, frozen=True, kw_only=True, tag="neighbors"):
    """Other users of the slot's GPUs changed."""

    neighbors: Neighbors | None


class TelemetryOff(Event, frozen=True, kw_only=True, tag="telemetry"):
    """Why there is no telemetry."""

    off: str


class MachineTold(Event, frozen=True, kw_only=True, tag="machine"):
    """See `bench.machine.notes.describe`."""

    machine: MachineFacts | None = None
    leukobench: str | None = None
    commit: str | None = None
    """Of the code that runs, where that is not the harness' own."""


class PeakTold(Event, frozen=True, kw_only=True, tag="peak"):
    """What the slot's device can do at most, see `bench.machine.calibration.Peak`."""

    tensorflow: str
    rates: dict[str, float]
    """Precision -> floating-point operations a second."""
    unavailable: dict[str, str]
    """Precision -> why it was not measured."""
    bandwidth: float | None = None
    """Bytes a second read from and written to its memory."""
    reference_work_gflops: float | None = None
    settings: dict[str, bool | str] = {}
    """How TensorFlow computed, as in an environment."""
    disturbed: str = ""
    """Why the machine was not quiet when the device was measured."""


RunnerEvent = Started | Ended | QuietTold | NeighborsChanged | TelemetryOff | MachineTold | PeakTold
"""What the harness writes into `runner.jsonl`."""


class _Kind(Struct):
    event: str


_WORKER: msgspec.json.Decoder[WorkerEvent] = msgspec.json.Decoder(WorkerEvent)
_RUNNER: msgspec.json.Decoder[RunnerEvent] = msgspec.json.Decoder(RunnerEvent)


def worker_events(path: Path) -> list[WorkerEvent]:
    """The worker's events in their order; none where the file is not there.

    Raises:
        DamagedAttempt: An event lacks what belongs to it; the message names file, line and field.
    """
    return read_journal(_WORKER, path)


def runner_events(path: Path) -> list[RunnerEvent]:
    """The same of the harness' events."""
    return read_journal(_RUNNER, path)


def last(events: Sequence[object], kind: type[T]) -> T | None:
    """The last event of a kind."""
    return next((event for event in reversed(events) if isinstance(event, kind)), None)


def every(events: Iterable[object], kind: type[T]) -> list[T]:
    """All events of a kind."""
    return [event for event in events if isinstance(event, kind)]


def read_journal(decoder: msgspec.json.Decoder[T], path: Path) -> list[T]:
    """The events in a file, in their order; none where the file is not there.

    Args:
        decoder: Of a union of kinds of events.
        path: The file.

    Raises:
        DamagedAttempt: An event lacks what belongs to it; the message names file, line and field.
    """
    kinds = {str(kind.__struct_config__.tag) for kind in get_args(decoder.type)}
    try:
        *lines, _torn = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except IsADirectoryError:
        raise DamagedAttempt(f"{path} is damaged: it is a folder") from None
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(decode_value(decoder, line))
        except msgspec.ValidationError as error:
            if _kind(line) in kinds:
                raise DamagedAttempt(f"{path}, line {number} is damaged: {field_of(error)}") from None
        except (ValueError, RecursionError):  # no JSON
            continue
    return found


def _kind(line: bytes) -> str:
    try:
        return decode_value(msgspec.json.Decoder(_Kind), line).event
    except (ValueError, RecursionError):
        return ""
