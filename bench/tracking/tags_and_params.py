"""Tags, parameters and data set of the run that a record becomes in MLflow. Pure functions, without MLflow."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

import msgspec

from bench.journal.history import Stretch
from bench.trials.origin import Environment
from bench.trials.readable import network_in_words
from bench.trials.record import Record

Value = TypeVar("Value")

ATTEMPT_TAG = "leukobench.attempt"
"""`<trial id>/<attempt>`, for people: copies of a results folder count their attempts alike."""

DIGEST_TAG = "leukobench.digest"
"""See `bench.tracking.markers.digest_of`: by this tag the run of an attempt is found again."""

RESULTS_TAG = "leukobench.results"
"""The results folder, see `bench.tracking.store.results_identity`: two machines may have a trial in common."""

STATES = {"done": "FINISHED", "failed": "FAILED", "interrupted": "KILLED", "running": "RUNNING"}
"""Status of an attempt, or of a suite's run -> status of a run in MLflow."""

LONGEST_TAG, LONGEST_PARAM, LONGEST_KEY, LONGEST_DIGEST = 5000, 6000, 250, 36
"""Characters that MLflow accepts. It accepts 8000 in tags, but no browser shows that many."""

VERSIONS = {
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "jax": "JAX",
    "torch": "PyTorch",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "python": "Python",
}
"""Version in a worker's environment -> its name in a note."""

_ABSENT = ("none: ", "unavailable: ")


def tags_of(record: Record, suite: str) -> dict[str, str]:
    """Tags of the run of an attempt."""
    trial, slot, provenance = record.trial, record.slot, record.provenance
    versions = trial.runtime.versions() | _versions(record.environment)
    first = record.attempt == 1
    tags: dict[str, str | None] = {
        ATTEMPT_TAG: f"{trial.id}/{record.attempt}",
        "leukobench.suite": suite,
        "leukobench.trial": trial.id,
        "leukobench.key": trial.key,
        "mlflow.runName": trial.id if first else f"{trial.id}-{record.attempt}",
        "mlflow.source.name": "leukobench",
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": note_of(record),
        **{f"version.{name}": version for name, version in versions.items()},
        "version.driver": provenance.driver,
        "host": provenance.host,
        "mlflow.source.git.commit": provenance.commit,
        "disturbed": " ".join(record.disturbed),
        "note": record.note,
    }
    if slot:
        tags |= {"device": slot.model, "device.slot": slot.name, "device.uuid": ",".join(slot.uuids)}
    if record.failure:
        tags |= {"failure.kind": record.failure.kind, "failure.message": record.failure.message}
    if record.resumed:
        tags["leukobench.resumed_from_epoch"] = str(record.resumed.from_epoch)
    if record.phases.features and record.phases.features.made_by:
        tags["leukobench.features_made_by"] = record.phases.features.made_by
    tags["unavailable"] = unavailable_of(record)
    return {name: value[:LONGEST_TAG] for name, value in tags.items() if value}


def unavailable_of(record: Record) -> str:
    """Why metrics are missing, a line for each reason; empty where none is. A missing metric is not sent."""
    reasons: dict[str, list[str]] = {}
    for name, reason in record.unavailable.items():
        reasons.setdefault(reason, []).append(name)
    return "\n".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())


def note_of(record: Record) -> str:
    """A few lines for people: the trial, its result, its device. Markdown."""
    trial, test, failure = record.trial, record.test, record.failure
    epochs = trial.settings.epochs
    network = network_in_words(trial.network, trial.settings)
    what = f"{network}, {trial.settings.mode}{f', {epochs} epochs' if epochs else ''}: "
    if test:
        balanced = (
            "" if test.balanced_accuracy is None else f", {test.balanced_accuracy:.1%} balanced accuracy"
        )
        lines = [f"{what}{test.accuracy:.1%} of {test.images} test images right{balanced}"]
    elif failure:
        where = f" in {failure.phase}" if failure.phase else ""
        lines = [f"{what}**{failure.kind}**{where}: {failure.message[:300]}"]
    else:
        lines = [f"{what}{record.status}"]
    if record.fit_time and record.time_to_result:
        fit, whole = record.fit_time.wall_s, record.time_to_result.wall_s
        lines.append(f"Fit {fit:.1f} s, result after {whole:.1f} s")
    versions = [
        f"{VERSIONS[name]} {version}"
        for name, version in _versions(record.environment).items()
        if not version.startswith(_ABSENT)
    ]
    model = record.slot.model if record.slot else None
    place = " of ".join(filter(None, [model, record.provenance.host]))
    if place or versions:
        lines.append("; ".join(filter(None, [place, ", ".join(versions)])))
    return "\n\n".join(lines)


def params_of(record: Record) -> dict[str, str]:
    """The resolved settings, flat: `optimizer.learning_rate`; those that are not set are left out."""
    settings = {name: value for name, value in record.trial.settings.flat().items() if value is not None}
    return {name: str(value)[:LONGEST_PARAM] for name, value in plain_keys(settings)}


def dataset_of(record: Record) -> dict[str, str] | None:
    """The arguments of MLflow's `Dataset`, with the digest of the manifest; None without a data set."""
    settings, phase = record.trial.settings.data, record.phases.data
    # A trial that never read its images has only the digest of its settings.
    digest = (phase.data_digest if phase else None) or settings.digest
    if not digest:
        return None
    counted = {}
    if phase:
        counted = {
            name: images
            for name in ("train_images", "validation_images", "test_images")
            if (images := getattr(phase, name)) is not None
        }
    return {
        "name": settings.source,
        "digest": digest[:LONGEST_DIGEST],
        "source_type": "local",
        "source": json.dumps(msgspec.to_builtins(settings), sort_keys=True),
        "profile": json.dumps(counted, sort_keys=True),
    }


def span_of(stretches: Sequence[Stretch]) -> tuple[int, int]:
    """Start and end of an attempt, in ms since 1970."""
    own = stretches[-1]
    began = milliseconds(own.started_at)
    return began, moment(own, own.events[-1].t) if own.events else began


def moment(stretch: Stretch, t: int) -> int:
    """When something happened, in ms since 1970; the clock of an attempt starts with its first event."""
    return milliseconds(stretch.started_at) + (t - stretch.events[0].t) // 1_000_000


def milliseconds(iso: str | None) -> int:
    """A time in ISO 8601 as ms since 1970; 0 where it is unknown or no time."""
    try:
        return int(datetime.fromisoformat(iso).timestamp() * 1000) if iso else 0
    except ValueError:
        return 0


def plain_keys(named: Mapping[str, Value]) -> Iterator[tuple[str, Value]]:
    """Names and values, the names in the characters that MLflow accepts; names of classes may hold any.

    Where that makes names equal, the changed ones end in a hash: two classes must not share a metric.
    """
    plain = {
        name: "".join(char if char.isalnum() or char in "_-. /" else "_" for char in name)[:LONGEST_KEY]
        for name in named
    }
    uses = Counter(plain.values())
    for name, value in named.items():
        key = plain[name]
        if uses[key] > 1 and key != name:
            key = f"{key[: LONGEST_KEY - 9]}-{sha256(name.encode()).hexdigest()[:8]}"
        yield key, value


def _versions(environment: Environment | None) -> dict[str, str]:
    """Versions that a worker told, in the order of `VERSIONS`."""

    def told() -> Iterator[tuple[str, str]]:
        for name in VERSIONS:
            if version := getattr(environment, name):
                yield name, version

    return dict(told()) if environment else {}
