"""What NVML tells of a GPU under load: each figure a question of its own, so that one may fail without the
others.

A question takes the binding and a handle and answers one value for each of its names. Units are in the names.
"""

from collections.abc import Callable
from typing import Any

Question = Callable[[Any, Any], tuple[float, ...]]
Questions = dict[tuple[str, ...], Question]

HELD_BACK = 0x08 | 0x20 | 0x40 | 0x80
"""Bits of the reasons for a lower clock: hardware slowdown, heat (by software, by hardware), power brake."""

POWER_CAPPED = 0x04
"""The bit of a GPU at its power limit. Many run so whenever they are busy: it is recorded, and no
disturbance."""

_POWER, _THERMAL, _BOARD_LIMIT, _RELIABILITY = 0, 1, 3, 5  # policies of nvmlDeviceGetViolationStatus


def _throttling(binding, handle) -> tuple[float, float]:
    try:
        reasons = binding.nvmlDeviceGetCurrentClocksEventReasons(handle)
    except binding.NVMLError_FunctionNotFound:  # drivers before 535 know it by its old name
        reasons = binding.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    return float(bool(reasons & HELD_BACK)), float(bool(reasons & POWER_CAPPED))


def _violation_s(policy: int) -> Question:
    """Seconds in which a policy held the clock back."""
    return lambda nvml, gpu: (nvml.nvmlDeviceGetViolationStatus(gpu, policy).violationTime / 1e9,)


def _pcie(binding, handle, direction: int) -> tuple[float]:
    return (binding.nvmlDeviceGetPcieThroughput(handle, direction) * 1000.0,)


FAST: Questions = {
    ("gpu_utilisation",): lambda nvml, gpu: (nvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100,),
    ("gpu_memory_bytes",): lambda nvml, gpu: (nvml.nvmlDeviceGetMemoryInfo(gpu).used,),
    ("power_w",): lambda nvml, gpu: (nvml.nvmlDeviceGetPowerUsage(gpu) / 1000,),
    ("sm_clock_mhz",): lambda nvml, gpu: (nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM),),
    ("throttled", "power_capped"): _throttling,
}
"""Answered at once; asked at every sample."""

SLOW: Questions = {
    ("temperature_c",): lambda nvml, gpu: (nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),),
    ("memory_clock_mhz",): lambda nvml, gpu: (nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM),),
    ("pcie_rx_bytes_s",): lambda nvml, gpu: _pcie(nvml, gpu, nvml.NVML_PCIE_UTIL_RX_BYTES),
    ("pcie_tx_bytes_s",): lambda nvml, gpu: _pcie(nvml, gpu, nvml.NVML_PCIE_UTIL_TX_BYTES),
}
"""Asked once a second: NVML measures the bus for 20 ms before it answers, and heat is slow."""

COUNTERS: Questions = {
    ("energy_j",): lambda nvml, gpu: (nvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1000,),
    ("throttled_heat_s",): _violation_s(_THERMAL),
    ("throttled_board_s",): _violation_s(_BOARD_LIMIT),
    ("throttled_reliability_s",): _violation_s(_RELIABILITY),
    ("power_capped_s",): _violation_s(_POWER),
}
"""Cumulative; read once a second and at the edges of phases. Seconds of several policies overlap."""

PROCESS_MEMORY = "gpu_process_memory_bytes"
