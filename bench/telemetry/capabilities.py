"""What telemetry can see on a slot, and why not the rest."""

import os

from bench.devices.device import Slot
from bench.devices.nvml import NvmlError, open_nvml
from bench.telemetry import gpu as gpus
from bench.telemetry import host as hosts


def capabilities(slot: Slot) -> dict[str, str]:
    """Metric or counter -> an empty string where it can be read, else why not; some dozen milliseconds.

    Those of GPUs are called as `gpu:0/power_w`.
    """
    names = (*hosts.FAST, *hosts.SLOW, *hosts.FAST_COUNTERS, *hosts.SLOW_COUNTERS)
    reader = hosts.HostReader(os.getpid(), os.getpid(), set(slot.cores))
    found = {name: reader.unavailable.get(name, "") for name in names}
    uuids = {device.name: device.uuid for device in slot.devices if device.kind == "gpu"}
    of_a_gpu = (*gpus.GAUGES, *gpus.COUNTER_NAMES)
    if not uuids:
        return found
    try:
        with open_nvml() as nvml:
            for name, uuid in uuids.items():
                lacking = gpus.GpuReader(nvml, uuid).unavailable
                found |= {f"{name}/{metric}": lacking.get(metric, "") for metric in of_a_gpu}
    except NvmlError as error:
        found |= {f"{name}/{metric}": error.reason for name in uuids for metric in of_a_gpu}
    return found
