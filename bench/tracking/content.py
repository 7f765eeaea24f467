"""What a record looks like in MLflow: pure functions, no MLflow."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from bench.journal.history import Stretch
from bench.trials.settings import flatten

ATTEMPT_TAG = "leukobench.attempt"
"""`<trial id>/<attempt>`: by it and by `RESULTS_TAG` a run is found again."""

RESULTS_TAG = "leukobench.results"
"""The results folder, see `bench.tracking.store.results_identity`: two machines may have a trial in common."""

STATES = {"done": "FINISHED", "failed": "FAILED", "interrupted": "KILLED", "running": "RUNNING"}
"""State of an attempt, or of a suite's run -> status of a run in MLflow."""

LONGEST_TAG, LONGEST_PARAM, LONGEST_KEY, LONGEST_DIGEST = 5000, 6000, 250, 36
"""Characters that MLflow takes; of tags it takes 8000, but no browser shows as many."""

VERSIONS = {
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "jax": "JAX",
    "torch": "PyTorch",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "python": "Python",
}
"""Versions that a worker's environment tells -> as a note writes them."""

_ABSENT = ("none: ", "unavailable: ")


def tags_of(record: dict[str, Any], suite: str) -> dict[str, str]:
    """Tags of the run of an attempt."""
    trial, failure = record["trial"], record["failure"]
    environment, provenance = record.get("environment") or {}, record.get("provenance") or {}
    slot = record.get("slot") or {}
    versions = {**trial["runtime"], **{name: environment[name] for name in VERSIONS if name in environment}}
    tags = {
        ATTEMPT_TAG: f"{trial['id']}/{record['attempt']}",
        "leukobench.suite": suite,
        "leukobench.trial": trial["id"],
        "leukobench.key": trial["key"],
        "mlflow.runName": trial["id"] if record["attempt"] == 1 else f"{trial['id']}-{record['attempt']}",
        "mlflow.source.name": "leukobench",
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": note_of(record),
        **{f"version.{name}": value for name, value in versions.items()},
        "version.driver": provenance.get("driver"),
        "host": provenance.get("host"),
        "device": slot.get("model"),
        "device.slot": slot.get("name"),
        "device.uuid": ",".join(slot.get("uuids") or ()),
        "mlflow.source.git.commit": provenance.get("commit"),
    }
    if failure:
        tags["failure.kind"] = failure["kind"]
        tags["failure.message"] = failure["message"]
    if record.get("resumed"):
        tags["leukobench.resumed_from_epoch"] = str(record["resumed"]["from_epoch"])
    if record.get("disturbed"):
        tags["disturbed"] = " ".join(record["disturbed"])
    tags |= unavailable_of(record)
    return {name: str(value)[:LONGEST_TAG] for name, value in tags.items() if value}


def unavailable_of(record: dict[str, Any]) -> dict[str, str]:
    """Figures that could not be had -> why, as tags; a figure that is missing has no metric."""
    reasons = {f"unavailable.{name}": str(why) for name, why in (record.get("unavailable") or {}).items()}
    return dict(plain_keys(reasons))


def note_of(record: dict[str, Any]) -> str:
    """A few lines for people: what it was, what came of it, on what. Markdown."""
    trial, test, failure = record["trial"], record["test"], record["failure"]
    epochs = trial["settings"]["epochs"]
    what = f"{trial['network']}, {trial['settings']['mode']}{f', {epochs} epochs' if epochs else ''}: "
    if test:
        lines = [f"{what}{test['accuracy']:.1%} of {test['images']} test images right"]
    elif failure:
        where = f" in {failure['phase']}" if failure.get("phase") else ""
        lines = [f"{what}**{failure['kind']}**{where}: {failure['message'][:300]}"]
    else:
        lines = [f"{what}{record['status']}"]
    if record.get("fit_time") and record.get("time_to_result"):
        fit, whole = (record[name]["wall_s"] for name in ("fit_time", "time_to_result"))
        lines.append(f"Fit {fit:.1f} s, result after {whole:.1f} s")
    environment = record.get("environment") or {}
    versions = [
        f"{title} {environment[name]}"
        for name, title in VERSIONS.items()
        if environment.get(name) and not str(environment[name]).startswith(_ABSENT)
    ]
    slot, host = record.get("slot") or {}, (record.get("provenance") or {}).get("host")
    place = " of ".join(filter(None, [slot.get("model"), host]))
    if place or versions:
        lines.append("; ".join(filter(None, [place, ", ".join(versions)])))
    return "\n\n".join(lines)


def params_of(record: dict[str, Any]) -> dict[str, str]:
    """The resolved settings, flat: `optimizer.learning_rate`."""
    settings = flatten(record["trial"]["settings"])
    return {name: str(value)[:LONGEST_PARAM] for name, value in plain_keys(settings)}


def dataset_of(record: dict[str, Any]) -> dict[str, str] | None:
    """The data set as MLflow's `Dataset` takes it, with its manifest's digest; None: there is none."""
    data = record["trial"]["settings"].get("data") or {}
    figures = record["phases"].get("data", {})
    # Of a trial that never got to its images, what its data set is called in the settings.
    digest = figures.get("data_digest") or data.get("digest")
    if not digest:
        return None
    counted = {name: figures[name] for name in figures if name.endswith("_images")}
    return {
        "name": str(data.get("source") or "images"),
        "digest": digest[:LONGEST_DIGEST],
        "source_type": "local",
        "source": json.dumps(data, sort_keys=True),
        "profile": json.dumps(counted, sort_keys=True),
    }


def span_of(stretches: Sequence[Stretch]) -> tuple[int, int]:
    """Start and end of an attempt, in ms since 1970."""
    own = stretches[-1]
    began = milliseconds(own.started_at)
    return began, moment(own, own.events[-1]["t"]) if own.events else began


def moment(stretch: Stretch, t: int) -> int:
    """When something happened, in ms since 1970; each attempt's clock starts with its first event."""
    return milliseconds(stretch.started_at) + (t - stretch.events[0]["t"]) // 1_000_000


def milliseconds(iso: str | None) -> int:
    """A time in ISO 8601 as ms since 1970; 0 where it is not known."""
    return int(datetime.fromisoformat(iso).timestamp() * 1000) if iso else 0


def plain_keys(named: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Names and values, the names in the characters that MLflow takes; those of classes may hold any.

    Where that makes names alike, those that had to change end in a hash: two classes must not share a metric.
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
