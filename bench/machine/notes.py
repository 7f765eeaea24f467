"""What the journal of each trial says of the machine. The state of the source is in `bench.machine.origin`.

What the worker knows (frameworks, threads, packages) is its own to say: `bench.worker.environment`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.devices.device import Slot
from bench.devices.machine import Machine
from bench.devices.nvml import NvmlError, open_nvml
from bench.machine.calibration import fingerprint, load_peak
from bench.machine.host import describe_host
from bench.version import __version__

Notes = Callable[[Slot], dict[str, dict[str, Any]]]
"""From a slot to events for the journal of a trial that starts there: name -> content."""


def notes_of(results: Path, machine: Machine) -> Notes:
    """What the journal of each trial says of the machine; looked up once, for a run.

    Args:
        results: The results folder, which holds the measured peaks.
        machine: This machine.

    Returns:
        Gives the events `machine` (see `describe`) and, where the slot's device was measured, `peak` (see
        `bench.machine.calibration.Peak`).
    """
    described = describe(machine)

    def notes(slot: Slot) -> dict[str, dict[str, Any]]:
        peak = load_peak(results, machine, slot)
        return {"machine": described, **({"peak": peak.to_json()} if peak else {})}

    return notes


def describe(machine: Machine) -> dict[str, Any]:
    """What is the same for all trials of a run.

    Returns:
        `machine` (see `bench.machine.host.describe_host`, with `fingerprint` and the driver's versions) and
        `leukobench`.
    """
    host = {**describe_host(machine.processor), "fingerprint": fingerprint(machine), **driver_versions()}
    return {"machine": host, "leukobench": __version__}


def driver_versions() -> dict[str, str]:
    """`driver`, and `cuda_driver`, the newest CUDA that it can run; `unavailable: reason` where it does not
    tell."""
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
