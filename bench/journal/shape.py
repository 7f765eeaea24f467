"""What a record must look like to be read: a disk, or somebody with an editor, may have changed it."""

from collections.abc import Mapping
from typing import Any

STATUSES = ("done", "failed", "interrupted")

_NUMBER = int | float
_MAYBE_NUMBER = int | float | None
_MAYBE_TABLE = dict | None

_RECORD: dict[str, Any] = {
    **dict.fromkeys(("trial", "phases", "throughput"), dict),
    **dict.fromkeys(
        (
            *(
                "failure",
                "fit_time",
                "time_to_result",
                "test",
                "slot",
                "resumed",
                "last_epoch",
                "evaluations",
            ),
            *("model", "environment", "quiet", "provenance", "steady", "profile", "canary", "telemetry"),
            *("energy", "unavailable", "work", "memory", "utilisation"),
        ),
        _MAYBE_TABLE,
    ),
    "attempt": int,
    "started_at": str | None,
    "neighbours": list | None,
    "disturbed": list | None,
}

_TRIAL: dict[str, Any] = {"id": str, "key": str, "network": str, "settings": dict, "runtime": dict}
_SETTINGS: dict[str, Any] = {"mode": str, "epochs": int | None, "weights": dict}
_TEST: dict[str, Any] = {"accuracy": _MAYBE_NUMBER, "per_class_accuracy": dict}
_FAILURE: dict[str, Any] = {"kind": str, "message": str}
_SLOT: dict[str, Any] = {"kind": str, "model": str | None, "cores": list | None, "uuids": list | None}
_CLOCKS: dict[str, Any] = {"wall_s": _NUMBER, "cpu_s": _MAYBE_NUMBER}


def is_sound(record: Any) -> bool:
    """Whether everything that readers rely on is of its kind, where it is there; older formats lack much."""
    if not isinstance(record, dict) or record.get("status") not in STATUSES or not _fits(record, _RECORD):
        return False
    trial, slot = record.get("trial") or {}, record.get("slot") or {}
    phases = (record.get("phases") or {}).values()
    spans = [record[name] for name in ("fit_time", "time_to_result") if record.get(name) is not None]
    return (
        _fits(trial, _TRIAL)
        and _fits(trial.get("settings") or {}, _SETTINGS)
        and _fits(slot, _SLOT)
        and _fits(record.get("test") or {}, _TEST)
        and _fits(record.get("failure") or {}, _FAILURE)
        and all(isinstance(span, dict) and _fits(span, _CLOCKS) for span in (*phases, *spans))
        and all(isinstance(rate, _MAYBE_NUMBER) for rate in (record.get("throughput") or {}).values())
        and all(isinstance(reason, str) for reason in record.get("disturbed") or ())
    )


def _fits(table: Mapping[str, Any], shape: Mapping[str, Any]) -> bool:
    return all(isinstance(table[name], kind) for name, kind in shape.items() if name in table)
