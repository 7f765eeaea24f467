"""Records without a run: what a test does not name is plausible, or missing as it may be."""

from typing import Any

import msgspec

from bench.journal.results import Attempt
from bench.trials.measured import DeviceTelemetry, Energy, Sampler, Summary, Telemetry, Utilization
from bench.trials.metrics import Metrics
from bench.trials.origin import Environment, Provenance, SlotDescription
from bench.trials.phases import Phase, Phases, Times
from bench.trials.record import FORMAT, Failure, Record, Throughput, record_to_json
from bench.trials.settings import Runtime, Settings
from bench.trials.trial import Trial
from bench.worker.files import write_json

NO_ENERGY = Energy(trial_j=None, train_j=None, image_j=None, method=None)
NO_UTILIZATION = Utilization(
    model_flops_per_s=None,
    of_measured_peak=None,
    measured_precision=None,
    of_datasheet_peak_busy=None,
    datasheet_precision=None,
    gpm_fp32=None,
    gpm_tensor=None,
)


def a_runtime(**changes: Any) -> Runtime:
    """What runs a trial on a GPU with TensorFlow."""
    usual = {
        "wbc": "0123456789abcdef",
        "tensorflow": "2.21.0",
        "keras": "3.15.1",
        "device": "NVIDIA GeForce RTX 4090",
    }
    return Runtime(**{**usual, **changes})


def some_settings(**changes: Any) -> Settings:
    """Settings of a trial with the whole network trained; changes of `data`, `weights` and `optimizer` are
    tables, and any value may be plain JSON."""
    usual: dict[str, Any] = {
        "data": {"source": "bccd", "digest": "d" * 64},
        "network": "VGG16",
        "options": {},
        "weights": {"name": "none", "sha256": None},
        "seed": 0,
        "image_size": 224,
        "mode": "scratch",
        "epochs": 3,
        "batch_size": 16,
        "optimizer": {"name": "RMSprop", "learning_rate": 1e-5, "decay": 1e-3},
        "protocol": "corrected",
        "preprocessing": "network",
        "loss": "categorical_crossentropy",
        "clock": "wall",
        "replicas": 1,
    }
    content = {**usual, **changes}
    for table in ("data", "weights", "optimizer"):
        if isinstance(changes.get(table), dict):
            content[table] = {**usual[table], **changes[table]}
    return msgspec.convert(msgspec.to_builtins(content), Settings)


def a_trial(
    network: str = "VGG16",
    runtime: Runtime | None = None,
    specification: dict[str, Any] | None = None,
    **settings: Any,
) -> Trial:
    """A trial of a network with `some_settings`."""
    content = some_settings(network=network, **settings)
    return Trial.of(network, content, runtime or a_runtime(), specification or {})


def some_metrics(accuracy: float = 0.9, images: int = 100, **changes: Any) -> Metrics:
    """Metrics of a test split of which nothing but the accuracy matters."""
    return Metrics(**{"images": images, "accuracy": accuracy, "balanced_accuracy": accuracy, **changes})


def times(wall_s: float, cpu_s: float | None = None) -> Times:
    """Wall seconds, and as many of the processor where nothing else is said."""
    return Times(wall_s=wall_s, cpu_s=wall_s if cpu_s is None else cpu_s)


def phases(**seconds: float | Phase) -> Phases:
    """Phases by their wall seconds, or as they are."""
    kinds = {field.name: field.type for field in msgspec.structs.fields(Phases)}
    content = {}
    for name, value in seconds.items():
        (kind,) = (one for one in kinds[name].__args__ if one is not type(None))
        content[name] = value if isinstance(value, Phase) else kind(wall_s=value, cpu_s=value)
    return Phases(**content)


def some_telemetry(
    phases: dict[str, dict[str, Summary]] | None = None,
    devices: dict[str, dict[str, dict[str, Summary]]] | None = None,
    **changes: Any,
) -> Telemetry:
    """Telemetry: phase -> metric -> summary, of the host and of each GPU."""
    usual = {
        "interval_s": 0.1,
        "cores": 2,
        "longest_line_s": 0.1,
        "phases": phases or {},
        "counters": {},
        "unavailable": {},
        "devices": {
            name: DeviceTelemetry(phases=own, counters={}, unavailable={}, methods={})
            for name, own in (devices or {}).items()
        },
        "sampler": Sampler(cpu_s=0.2, samples=9, complete=True),
        "contention": {},
    }
    return Telemetry(**{**usual, **changes})


def a_failure(kind: str = "crashed", message: str = "it broke", **changes: Any) -> Failure:
    """Why an attempt failed while it trained."""
    usual = {"phase": "train", "epoch": 1, "log": (), "folder": "/results"}
    return Failure(kind=kind, message=message, **{**usual, **changes})


def a_record(trial: Trial | None = None, **changes: Any) -> Record:
    """The record of an attempt that is done; one with a `failure` is not."""
    failure = changes.get("failure")
    done = failure is None
    usual = {
        "format": FORMAT,
        "trial": (trial or a_trial()).without_specification(),
        "attempt": 1,
        "status": "done" if done else "interrupted" if failure.kind == "interrupted" else "failed",
        "failure": None,
        "started_at": "2026-03-01T08:00:00.000+00:00",
        "slot": SlotDescription(
            name="gpu:0", kind="gpu", model="NVIDIA GeForce RTX 4090", uuids=("GPU-0",), cores=(0, 1)
        ),
        "resumed": None,
        "phases": phases(startup=9.0, data=3.0, build=1.0, compile=4.0, train=60.0, evaluate=2.0),
        "fit_time": times(64.0) if done else None,
        "time_to_result": times(79.0) if done else None,
        "throughput": Throughput(train_images_per_s=200.0, feature_images_per_s=None),
        "epochs": 3,
        "last_epoch": None,
        "test": some_metrics() if done else None,
        "evaluations": None,
        "model": None,
        "environment": Environment(backend="tensorflow", tensorflow="2.21.0", keras="3.15.1"),
        "provenance": Provenance(),
        "neighbors": (),
        "quiet": None,
        "steady": None,
        "profile": None,
        "reference_work": None,
        "telemetry": None,
        "energy": NO_ENERGY,
        "disturbed": (),
        "unavailable": {},
        "work": None,
        "memory": None,
        "utilization": NO_UTILIZATION,
    }
    return Record(**{**usual, **changes})


def write_record(attempt: Attempt, record: Record) -> Record:
    """Give an attempt a record, with the attempt's number and trial."""
    own = msgspec.structs.replace(record, attempt=attempt.number)
    if (attempt.folder / "trial.json").exists():
        own = msgspec.structs.replace(own, trial=attempt.trial().without_specification())
    write_json(attempt.result, record_to_json(own))
    return own
