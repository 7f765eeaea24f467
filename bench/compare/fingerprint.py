"""On what a measurement was taken: whether times of two may be compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bench.compare.measurement import Measurement
from bench.devices.device import Slot
from bench.devices.machine import Machine, find_machine

NAMES = {
    "kind": "kind of device",
    "model": "device",
    "replicas": "number of devices",
    "cores": "number of cores",
    "gpus": "GPUs",
    "memory_gb": "memory in GB",
    "host": "machine",
}
"""Part of a fingerprint -> what people call it."""


def of_machine() -> dict[str, Any]:
    """Fingerprint of this machine, kept with a baseline."""
    import psutil

    machine = find_machine()
    return {
        "model": machine.processor,
        "cores": len(machine.cores),
        "gpus": sorted(gpu.model for gpu in machine.gpus),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
    }


def of_slot(slot: Slot, machine: Machine) -> dict[str, Any]:
    """Fingerprint of where a trial runs."""
    from bench.machine.calibration import fingerprint

    return {**_of_slot(msgspec.to_builtins(slot.description())), "host": fingerprint(machine)}


def of_measurement(measurement: Measurement) -> dict[str, Any]:
    """Fingerprint of where a trial ran; empty for records that don't say."""
    return of_record(measurement.record)


def of_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Fingerprint of where an attempt ran; empty for records that don't say."""
    slot = record.get("slot")
    found = _of_slot(slot) if slot else {}
    host = (record.get("provenance") or {}).get("machine")
    if isinstance(host, dict):
        host = host.get("fingerprint")
    return {**found, **({"host": host} if host else {})}


def difference(baseline: Mapping[str, Any], candidate: Mapping[str, Any]) -> str:
    """In what two fingerprints differ, in words; empty if in nothing that both know."""
    return ", ".join(
        f"{NAMES.get(name, name)} {_text(baseline[name])} and {_text(candidate[name])}"
        for name in baseline
        if name in candidate and baseline[name] != candidate[name]
    )


def difference_of(baseline: Sequence[Measurement], candidate: Sequence[Measurement]) -> str:
    """In what the devices of two groups of measurements differ; empty if in nothing."""
    for old in baseline:
        for new in candidate:
            if found := difference(of_measurement(old), of_measurement(new)):
                return found
    return ""


def _of_slot(slot: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": slot.get("kind"),
        "model": slot.get("model"),
        "replicas": slot.get("replicas"),
        "cores": len(slot.get("cores") or ()),
    }


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
