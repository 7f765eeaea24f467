"""Metrics of a GPU under load, from NVML. Each is a question of its own, so that one may fail without the others.

A question takes the binding and a handle, and answers one value for each of its names. Units are in the names.
"""

from collections.abc import Callable
from typing import Any

from bench.devices.nvml import Nvml, NvmlError

Question = Callable[[Any, Any], tuple[float, ...]]
Questions = dict[tuple[str, ...], Question]

HELD_BACK = 0x08 | 0x20 | 0x40 | 0x80
"""Bits of the reasons for a lower clock: hardware slowdown, heat (by software, by hardware), power brake."""

POWER_CAPPED = 0x04
"""The bit of a GPU at its power limit. Many run so whenever they are busy: it is recorded, and no
disturbance."""

_POWER, _THERMAL, _BOARD_LIMIT, _RELIABILITY = 0, 1, 3, 5  # policies of nvmlDeviceGetViolationStatus


def _throttling(binding: Any, handle: Any) -> tuple[float, float]:
    try:
        reasons = binding.nvmlDeviceGetCurrentClocksEventReasons(handle)
    except binding.NVMLError_FunctionNotFound:  # drivers before 535 know it by its old name
        reasons = binding.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    return float(bool(reasons & HELD_BACK)), float(bool(reasons & POWER_CAPPED))


def _violation_s(policy: int) -> Question:
    """Seconds in which a policy held the clock back."""
    return lambda nvml, gpu: (nvml.nvmlDeviceGetViolationStatus(gpu, policy).violationTime / 1e9,)


def _pcie(binding: Any, handle: Any, direction: int) -> tuple[float]:
    return (binding.nvmlDeviceGetPcieThroughput(handle, direction) * 1000.0,)


FAST: Questions = {
    ("gpu_utilization",): lambda nvml, gpu: (nvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100,),
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

GPM_METRICS = {
    "sm_activity": 2,
    "sm_occupancy": 3,
    "tensor_activity": 5,
    "dram_activity": 10,
    "fp32_activity": 12,
    "fp16_activity": 13,
}
"""Metric of GPM -> its number in NVML, which gives percent of the time or of the peak."""

GPM_INTERVAL_S = 0.25
"""Samples must lie more than 0.1 s apart; more than four in a second cost time of the GPU."""


class Gpm:
    """Reads GPM, the finer counters of Hopper and later GPUs: what each part of the chip did between samples.

    Args:
        nvml: An open session.
        uuid: The GPU.

    Raises:
        NvmlError: The GPU has no such counters, or does not give them.
    """

    def __init__(self, nvml: Nvml, uuid: str):
        self._nvml, self._uuid = nvml, uuid
        if not nvml.ask(uuid, _is_supported):
            raise NvmlError("this GPU has no such counters (GPM: Hopper and later)")
        self._before = nvml.ask(uuid, _take)

    def read(self) -> tuple[dict[str, float], dict[str, str]]:
        """Metric -> share (0 to 1) since the last call, and metric -> why it is missing.

        Raises:
            NvmlError: The GPU cannot answer now.
        """
        sample = self._nvml.ask(self._uuid, _take)
        before, self._before = self._before, sample
        try:
            return self._nvml.ask(self._uuid, lambda binding, _: _compare(binding, before, sample))
        finally:
            self._nvml.ask(self._uuid, lambda binding, _: binding.nvmlGpmSampleFree(before))


def _is_supported(binding: Any, handle: Any) -> bool:
    return bool(binding.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice)


def _take(binding: Any, handle: Any) -> Any:
    sample = binding.nvmlGpmSampleAlloc()
    try:
        binding.nvmlGpmSampleGet(handle, sample)
    except binding.NVMLError:
        binding.nvmlGpmSampleFree(sample)
        raise
    return sample


def _compare(binding: Any, before: Any, after: Any) -> tuple[dict[str, float], dict[str, str]]:
    request = binding.c_nvmlGpmMetricsGet_t()
    request.version, request.numMetrics = binding.NVML_GPM_METRICS_GET_VERSION, len(GPM_METRICS)
    request.sample1, request.sample2 = before, after
    for position, number in enumerate(GPM_METRICS.values()):
        request.metrics[position].metricId = number
    binding.nvmlGpmMetricsGet(request)
    values, missing = {}, {}
    for name, metric in zip(GPM_METRICS, request.metrics, strict=False):
        if metric.nvmlReturn == binding.NVML_SUCCESS:
            values[name] = metric.value / 100
        else:
            missing[name] = f"the NVIDIA driver says: {binding.NVMLError(metric.nvmlReturn)}"
    return values, missing
