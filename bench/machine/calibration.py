"""What the devices of this machine can do at most, as `doctor --calibrate` measured it.

There is one file per machine, `<results>/machine/<fingerprint>.json`, so that machines may share a results
folder. A device is a GPU, by its UUID, or a number of the processor's cores: a trial on half of the cores is
compared with the peak of half of them.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.devices.device import Slot
from bench.devices.machine import Machine
from bench.devices.other_users import processor_noise
from bench.errors import InputError
from bench.trials.layout import MACHINE
from bench.worker.files import write_text
from bench.worker.startup import child_environment

PRECISIONS = ("float32", "tensorfloat32", "bfloat16", "float16")
BUDGET_S = 0.4
"""Seconds for each size of each rate."""

_TIMEOUT_S = 300.0


class Peak(msgspec.Struct, frozen=True):
    """What one device can do at most."""

    device: str
    """Its name."""
    measured_at: str
    """UTC, ISO 8601."""
    tensorflow: str
    """The version that it was measured with."""
    rates: dict[str, float]
    """Precision -> floating-point operations per second in matrix products."""
    unavailable: dict[str, str]
    """Precision -> why it was not measured."""
    bandwidth: float | None
    """Bytes per second read from and written to its memory."""
    reference_work_gflops: float | None = None
    """The best that a trial's reference work reached with TensorFlow; None where that was not measured."""
    disturbed: str = ""
    """Why the machine was not quiet just before; empty where it was."""
    settings: dict[str, bool | str] = {}
    """How TensorFlow computed, as in an environment: `onednn`, `tensorfloat32`."""


class _Rate(msgspec.Struct, frozen=True):
    """One rate, as `bench.worker.calibrate` measures it."""

    best: float | None = None
    unavailable: str | None = None


class _ReferenceWork(msgspec.Struct, frozen=True):
    gflops: float | None = None


class _Measured(msgspec.Struct, frozen=True):
    """One device, as the file keeps it."""

    measured_at: str
    tensorflow: str
    bandwidth: _Rate
    matmul_float32: _Rate = _Rate()
    matmul_tensorfloat32: _Rate = _Rate()
    matmul_bfloat16: _Rate = _Rate()
    matmul_float16: _Rate = _Rate()
    reference_work: _ReferenceWork = _ReferenceWork()
    disturbed: str = ""
    settings: dict[str, bool | str] = {}


class _File(msgspec.Struct, frozen=True):
    processor: str
    devices: dict[str, msgspec.Raw]
    """By name; each is decoded on its own, so that one that is damaged costs no other."""


def fingerprint(machine: Machine) -> str:
    """Twelve digits that differ between machines of different models.

    They hash the processor and its number of cores. The host's name is left out: a container gets a new one each
    time. So is the size of the memory: what the kernel keeps for itself changes with its version and settings.
    """
    content = json.dumps([machine.processor, os.cpu_count()])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def load_peak(results: Path, machine: Machine, slot: Slot) -> Peak | None:
    """What was measured of a slot's devices; None where nothing was.

    For several GPUs it is the first one's: they are of one model.
    """
    try:
        raw = _load(_file(results, machine)).devices[device_key(slot)]
        measured = msgspec.json.decode(raw, type=_Measured)
    except (OSError, ValueError, KeyError):  # msgspec's errors are ValueErrors
        return None
    rates = {name: getattr(measured, f"matmul_{name}") for name in PRECISIONS}
    return Peak(
        slot.model,
        measured.measured_at,
        measured.tensorflow,
        {name: rate.best for name, rate in rates.items() if rate.best is not None},
        {name: rate.unavailable for name, rate in rates.items() if rate.unavailable is not None},
        measured.bandwidth.best,
        measured.reference_work.gflops,
        measured.disturbed,
        measured.settings,
    )


def device_key(slot: Slot) -> str:
    """The name of a slot's device in the file."""
    device = slot.devices[0]
    return device.uuid if device.kind == "gpu" else f"cpu with {len(slot.cores)} of {os.cpu_count()} cores"


def calibrate(
    results: Path, machine: Machine, slots: Sequence[Slot], budget_s: float = BUDGET_S
) -> list[Peak]:
    """Measure devices, one after the other, and add the results to what is known of others.

    Args:
        results: The results folder.
        machine: This machine.
        slots: What to measure; equal slots are measured once.
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
        known = _load(path).devices
    except (OSError, ValueError):
        known = {}
    kept = {**known, **{key: msgspec.Raw(content) for key, content in measured.items()}}
    write_text(
        path,
        msgspec.json.format(msgspec.json.encode(_File(machine.processor, kept)), indent=1).decode() + "\n",
    )
    peaks = [load_peak(results, machine, slot) for slot in different.values()]
    return [peak for peak in peaks if peak is not None]


def _measure(slot: Slot, budget_s: float) -> bytes:
    """What a process of its own measured, as the file keeps it."""
    disturbed = processor_noise()
    command = [sys.executable, "-P", "-m", "bench.worker.calibrate", str(budget_s)]
    environment = {**child_environment(), **slot.environment(), "TF_CPP_MIN_LOG_LEVEL": "3"}
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
    return json.dumps({"measured_at": now, "disturbed": disturbed, **json.loads(lines[-1])}).encode()


def _load(path: Path) -> _File:
    return msgspec.json.decode(path.read_bytes(), type=_File)


def _file(results: Path, machine: Machine) -> Path:
    return results / MACHINE / f"{fingerprint(machine)}.json"
