"""What the journal of each attempt keeps of the machine and of leukobench's source.

The worker reports itself what it knows (frameworks, threads, packages), see `bench.worker.environment`.
"""

import platform
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import msgspec

from bench.devices.device import Slot
from bench.devices.machine import Machine
from bench.devices.nvml import NvmlError, open_nvml
from bench.machine.calibration import fingerprint, load_peak
from bench.machine.host import describe_host
from bench.trials.origin import MachineFacts
from bench.version import __version__

Notes = Callable[[Slot], Mapping[str, Mapping[str, object]]]
"""From a slot to events for the journal of an attempt that starts there: name -> content."""

_SOURCE = Path(__file__).resolve().parent.parent.parent
_PATIENCE_S = 5.0


def notes_of(results: Path, machine: Machine) -> Notes:
    """What the journal of each attempt keeps of the machine; looked up once for a run.

    Args:
        results: The results folder, which holds the measured peaks.
        machine: This machine.

    Returns:
        A function that gives the event `machine` (`bench.trials.origin.MachineFacts` and the version of
        leukobench) and, if the slot's device was measured, `peak` (`bench.machine.calibration.Peak`).
    """
    described: dict[str, object] = {
        "machine": msgspec.to_builtins(facts_of(machine)),
        "leukobench": __version__,
    }

    def notes(slot: Slot) -> dict[str, Mapping[str, object]]:
        peak = load_peak(results, machine, slot)
        return {"machine": described, **({"peak": msgspec.to_builtins(peak)} if peak else {})}

    return notes


def facts_of(machine: Machine) -> MachineFacts:
    """What is the same for all attempts of a run."""
    driver = driver_versions()
    return msgspec.structs.replace(
        describe_host(machine.processor),
        fingerprint=fingerprint(machine),
        driver=driver["driver"],
        cuda_driver=driver["cuda_driver"],
    )


def driver_versions() -> dict[str, str]:
    """Versions of the NVIDIA `driver`, and of the newest CUDA that it supports (`cuda_driver`).

    A version that is not known is a sentence, `unavailable: reason`.
    """
    said = {}
    try:
        with open_nvml() as nvml:
            for name, question in (("driver", nvml.driver), ("cuda_driver", nvml.cuda_driver)):
                try:
                    said[name] = question()
                except NvmlError as error:
                    said[name] = f"unavailable: {error.reason}"
    except NvmlError as error:
        said = dict.fromkeys(("driver", "cuda_driver"), f"unavailable: {error.reason}")
    return said


def origin(gpu: bool) -> dict[str, str]:
    """Where an attempt comes from; a fact that is not known is left out.

    Args:
        gpu: Whether the attempt runs on a GPU.

    Returns:
        `host`, `commit` (ends in `-dirty` where files differ from it), `driver` (NVIDIA's version).
    """
    found = {"host": platform.node() or None, "commit": _commit(), "driver": _driver() if gpu else None}
    return {name: value for name, value in found.items() if value}


@cache
def _commit() -> str | None:
    """The commit of leukobench's own source; None where it is not run from its repository."""
    if not (_SOURCE / ".git").exists():
        return None
    command = ["git", "-C", str(_SOURCE), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip()


@cache
def _driver() -> str | None:
    said = driver_versions()["driver"]
    return None if said.startswith("unavailable") else said
