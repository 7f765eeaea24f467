"""The record of an attempt: all that is known of it once it is over, `result.json`.

A record is folded from the journals of its attempt (`bench.records.fold`) and holds nothing else, so it can
be made again at any time. `decode_record` is the only way in: it checks every field.

Formats:
    1: the first one that carries its number.

A later version may add fields that have a default without a new number: unknown keys are ignored. Any other
change of a field makes a new format, and other formats are refused.
"""

from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from bench.errors import DamagedAttempt, InputError
from bench.trials.decode import decode_file
from bench.trials.measured import (
    Energy,
    Latency,
    Memory,
    Profile,
    ReferenceWork,
    Steady,
    Telemetry,
    TimeToAccuracy,
    Utilization,
    Work,
)
from bench.trials.metrics import Metrics
from bench.trials.origin import Environment, Neighbors, Provenance, Quiet, SlotDescription
from bench.trials.phases import Phases, Times
from bench.trials.trial import Trial

FORMAT: Final = 1

Status = Literal["done", "failed", "interrupted"]


class Failure(Struct, frozen=True, kw_only=True):
    """Why an attempt is not done."""

    kind: str
    """`setup`, `gpu-oom`, `gpu-lost`, `host-oom`, `nan-loss`, `stalled`, `timeout`, `crashed`, `interrupted` ..."""
    message: str
    phase: str | None
    """The phase that did not end."""
    epoch: int
    """Epochs that were done."""
    log: tuple[str, ...]
    """Last lines of the worker's output."""
    folder: str
    """Of the attempt."""


class Resumed(Struct, frozen=True, kw_only=True):
    """What an attempt continued from."""

    from_epoch: int
    attempts: tuple[int, ...]
    """Numbers of all attempts at the trial that led to the result, this one included."""
    lost_s: float
    """Work after the last checkpoint that was done twice."""
    trial: str | None = None
    """Another trial whose training it went on with: `share_prefix`."""
    shared_s: float = 0.0
    """What that training took."""


class Throughput(Struct, frozen=True, kw_only=True, gc=False):
    """Images a second; None for what the mode does not do."""

    train_images_per_s: float | None
    """Without first steps, validation and checkpoints; what Keras does around epochs counts."""
    feature_images_per_s: float | None


class TensorShape(Struct, frozen=True, kw_only=True):
    """Input or output of a model."""

    shape: tuple[int, ...]
    """-1 for the number of images."""
    dtype: str


class KeptModel(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The model that was saved beside the record, or the reason why it was not."""

    bytes: int | None = None
    seconds: float | None = None
    """To write it."""
    input: TensorShape | None = None
    output: TensorShape | None = None
    reason: str | None = None


class Record(Struct, frozen=True, kw_only=True):
    """One attempt that is over. Times are in seconds; a metric that is missing is None, never 0."""

    format: Literal[1]
    trial: Trial
    """Without its specification, which is in `trial.json`."""
    attempt: int
    """Counted from 1."""
    status: Status
    failure: Failure | None
    """None where the attempt is done."""
    started_at: str | None
    """UTC, ISO 8601."""
    slot: SlotDescription | None
    resumed: Resumed | None
    phases: Phases
    """Over all attempts that a resumed one continued from."""
    fit_time: Times | None
    """First step and training with its validation, without checkpoints: what the thesis timed."""
    time_to_result: Times | None
    """What a person waits: from the start of the process to the metrics, without the reference work.

    With features or pixels that are shared it is as if the trial had made its own; see `result_as_run_s`.
    """
    throughput: Throughput
    epochs: int
    """Epochs that were done."""
    last_epoch: dict[str, float] | None
    """Keras' metrics after it: `loss`, `accuracy`, `validation_loss` ... May be NaN."""
    test: Metrics | None
    evaluations: dict[str, Metrics] | None
    """`aligned` and `shuffled`, where the predictions were evaluated in both ways."""
    model: KeptModel | None
    """None where no model was to be kept."""
    environment: Environment | None
    provenance: Provenance
    neighbors: tuple[Neighbors | None, ...]
    """Other users of the slot's GPUs, each time that they changed."""
    quiet: Quiet | None
    """None where nobody waited for a quiet machine."""
    steady: Steady | None
    profile: Profile | None
    reference_work: ReferenceWork | None
    telemetry: Telemetry | None
    energy: Energy
    disturbed: tuple[str, ...]
    """Reasons why its times may not be its own, as sentences."""
    unavailable: dict[str, str]
    """Metric -> why it is missing."""
    work: Work | None
    memory: Memory | None
    utilization: Utilization
    time_to_accuracy: tuple[TimeToAccuracy, ...] = ()
    """To 80, 90 and 95 % of the best validation accuracy, then to the accuracies that were asked for; empty
    where training has no validation or did not end."""
    external: Metrics | None = None
    """Of the external test (`test_path`), where there is one."""
    latency: tuple[Latency, ...] = ()
    """By the number of images that are asked for at once; empty where it was not measured."""
    note: str | None = None
    """How its process ended, where the result was complete and the process did not end by itself."""

    def latency_of(self, batch: int) -> Latency | None:
        """The latency of so many images at once; None where it was not measured."""
        return next((one for one in self.latency if one.batch == batch), None)

    @property
    def found(self) -> tuple[str, ...]:
        """The phases, `features` or `data`, whose work another attempt had done: times of them are not its own."""
        return tuple(name for name, phase in self.phases.shared().items() if phase.made_by is not None)

    @property
    def shared_training_s(self) -> float:
        """Seconds of its training that another trial did; 0 where it did all itself."""
        return self.resumed.shared_s if self.resumed else 0.0

    @property
    def result_as_run_s(self) -> float | None:
        """Its time to result as it was; None where it may share nothing, and `time_to_result` says it."""
        seconds, shared = self.time_to_result, self.phases.shared().values()
        saved = [phase.wall_s - phase.as_run_s for phase in shared if phase.as_run_s is not None]
        if seconds is None or not (saved or self.shared_training_s):
            return None
        return seconds.wall_s - sum(saved) - self.shared_training_s

    @property
    def done(self) -> bool:
        """Whether the attempt came to its end."""
        return self.status == "done"


_DECODER = msgspec.json.Decoder(Record)


class _Format(Struct):
    format: Any = None


def decode_record(content: bytes, path: Path) -> Record:
    """The record in the content of a file.

    Args:
        content: The bytes of `result.json`.
        path: The file, for messages.

    Raises:
        DamagedAttempt: It is truncated, or a field is missing or of another type. The message names the file
            and the field.
        InputError: It has another format.
    """
    try:
        return decode_file(_DECODER, content, path)
    except DamagedAttempt:
        _refuse_other_format(content, path)
        raise


def record_to_json(record: Record) -> dict[str, Any]:
    """The record as plain JSON values, in the order of its fields."""
    content: dict[str, Any] = msgspec.to_builtins(record)
    return content


def _refuse_other_format(content: bytes, path: Path) -> None:
    try:
        found = msgspec.json.decode(content, type=_Format).format
    except (ValueError, RecursionError):
        return
    if type(found) is int and found != FORMAT:
        raise InputError(
            f"{path} has format {found}; this version of leukobench reads format {FORMAT} only",
            "Read it with the version that wrote it, or run the trial again into another --results folder.",
        )
