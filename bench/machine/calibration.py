"""What the devices of this machine can do at most, as `doctor --calibrate` measured it.

Kept a file a machine, `<results>/machine/<fingerprint>.json`, so that machines may share a results folder. A
device is a GPU, by its UUID, or a number of the processor's cores: trials on half of them are held against
half of them.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bench.devices.device import Slot
from bench.devices.machine import Machine
from bench.devices.quiet import processor_noise
from bench.errors import InputError
from bench.worker.files import write_json

PRECISIONS = ("float32", "tensorfloat32", "bfloat16", "float16")
BUDGET_S = 0.4
"""Seconds for each size of each rate."""

_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Peak:
    """What one device can do at most.

    Attributes:
        device: Its name.
        measured_at: UTC, ISO 8601.
        tensorflow: The version that it was measured with.
        rates: Precision -> floating-point operations a second in matrix products.
        unavailable: Precision -> why it was not measured.
        bandwidth: Bytes a second read from and written to its memory.
        reference_work_gflops: The best that a trial's reference work reached with TensorFlow; None where that was not
            measured.
        disturbed: Why the machine was not quiet just before; empty where it was.
        settings: How TensorFlow computed, as a trial's `environment` has it: `onednn`, `tensorfloat32`.
    """

    device: str
    measured_at: str
    tensorflow: str
    rates: dict[str, float]
    unavailable: dict[str, str]
    bandwidth: float | None
    reference_work_gflops: float | None = None
    disturbed: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As a journal keeps it."""
        return dict(vars(self))


def fingerprint(machine: Machine) -> str:
    """Twelve digits that tell this machine from those of another make.

    Of the processor, its number of cores and the memory. The name of the host is no part: a container has
    another each time.
    """
    memory = round(psutil.virtual_memory().total / 2**30)
    content = json.dumps([machine.processor, os.cpu_count(), memory])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def load_peak(results: Path, machine: Machine, slot: Slot) -> Peak | None:
    """What was measured of a slot's devices; None where nothing was.

    For several GPUs that of the first: they are of one model.
    """
    try:
        content = json.loads(_file(results, machine).read_text())
        measured = content["devices"][device_key(slot)]
        bandwidth = measured["bandwidth"].get("best")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    of_precision = {name: measured.get(f"matmul_{name}", {}) for name in PRECISIONS}
    return Peak(
        slot.model,
        measured["measured_at"],
        measured["tensorflow"],
        {name: rate["best"] for name, rate in of_precision.items() if "best" in rate},
        {name: rate["unavailable"] for name, rate in of_precision.items() if "unavailable" in rate},
        bandwidth,
        measured.get("reference_work", {}).get("gflops"),
        measured.get("disturbed", ""),
        measured.get("settings", {}),
    )


def device_key(slot: Slot) -> str:
    """The name of a slot's device in the file."""
    device = slot.devices[0]
    return device.uuid if device.kind == "gpu" else f"cpu with {len(slot.cores)} of {os.cpu_count()} cores"


def calibrate(
    results: Path, machine: Machine, slots: Sequence[Slot], budget_s: float = BUDGET_S
) -> list[Peak]:
    """Measure devices, one after the other, and keep what came of it beside what is known of others.

    Args:
        results: The results folder.
        machine: This machine.
        slots: What is to be measured; slots that are alike are measured once.
        budget_s: Seconds for each size of each rate.

    Raises:
        InputError: It cannot be measured: TensorFlow is not installed, or sees no GPU.
        ResultsError: The file cannot be written.
    """
    different = {device_key(slot): slot for slot in slots}
    measured = {key: _measure(slot, budget_s) for key, slot in different.items()}
    path = _file(results, machine)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        known = json.loads(path.read_text())["devices"]
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    write_json(path, {"processor": machine.processor, "devices": {**known, **measured}})
    peaks = [load_peak(results, machine, slot) for slot in different.values()]
    return [peak for peak in peaks if peak is not None]


def _measure(slot: Slot, budget_s: float) -> dict[str, Any]:
    disturbed = processor_noise()
    command = [sys.executable, "-P", "-m", "bench.worker.calibrate", str(budget_s)]
    environment = {**os.environ, **slot.environment(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{slot.name} could not be measured within {_TIMEOUT_S:g} s",
            "Is the machine busy? Try again later.",
        ) from None
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    if done.returncode or not lines:
        said = lines[-1] if lines else f"exit code {done.returncode}"
        raise InputError(f"{slot.name} could not be measured: {said}")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"measured_at": now, "disturbed": disturbed, **json.loads(lines[-1])}


def _file(results: Path, machine: Machine) -> Path:
    return results / "machine" / f"{fingerprint(machine)}.json"
