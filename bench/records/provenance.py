"""Where a result comes from, as a record holds it: from the journals of parent and worker. Pure functions."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_STAMP = ("t", "cpu", "event")


def provenance_of(
    runner: Mapping[str, Mapping[str, Any]], environment: Mapping[str, Any] | None, trial: Mapping[str, Any]
) -> dict[str, Any]:
    """What the record holds.

    Args:
        runner: Kind of event -> the harness' last one.
        environment: What the worker said of itself.
        trial: The trial, as in `trial.json`.

    Returns:
        `host`, `commit`, `driver` (see `bench.machine.origin`), `machine` and `leukobench` (see
        `bench.machine.notes`; absent from older journals), `packages` (name -> version, of the worker's
        environment), `packages_sha256`, `data_digest`, `weights_sha256`, `seeds`; what is unknown is None.
    """
    settings = trial.get("settings", {})
    packages = (environment or {}).get("packages")
    data = settings.get("data") or {}
    noted = {name: value for name, value in runner.get("machine", {}).items() if name not in _STAMP}
    return {
        **(runner.get("started", {}).get("provenance") or {}),
        **noted,
        "packages": packages,
        "packages_sha256": _sha256(packages) if packages else None,
        "data_digest": data.get("digest"),
        "weights_sha256": (settings.get("weights") or {}).get("sha256"),
        "seeds": {
            "seed": settings.get("seed"),
            "split_seed": data.get("split_seed"),
            "data_seed": data.get("data_seed"),
            "deterministic": settings.get("deterministic"),
        },
    }


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
