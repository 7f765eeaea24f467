"""GPM, the finer counters of Hopper and later GPUs: what each part of the chip did between two samples."""

from typing import Any

from bench.devices.nvml import Nvml, NvmlError

METRICS = {
    "sm_activity": 2,
    "sm_occupancy": 3,
    "tensor_activity": 5,
    "dram_activity": 10,
    "fp32_activity": 12,
    "fp16_activity": 13,
}
"""Name -> NVML's number of it; all are shares of the time or of the peak, in percent as NVML gives them."""

INTERVAL_S = 0.25
"""Samples must lie more than 0.1 s apart, and four a second are all that the driver gives without cost."""


class Gpm:
    """Reads the counters of one GPU.

    Args:
        nvml: An open session.
        uuid: The GPU.

    Raises:
        NvmlError: It has none, or does not give them.
    """

    def __init__(self, nvml: Nvml, uuid: str):
        self._nvml, self._uuid = nvml, uuid
        if not nvml.ask(uuid, _is_supported):
            raise NvmlError("this GPU has no such counters (GPM: Hopper and later)")
        self._before = nvml.ask(uuid, _take)

    def read(self) -> tuple[dict[str, float], dict[str, str]]:
        """Shares (0 to 1) since the last call, and why others are missing.

        Raises:
            NvmlError: It cannot answer now.
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
    request.version, request.numMetrics = binding.NVML_GPM_METRICS_GET_VERSION, len(METRICS)
    request.sample1, request.sample2 = before, after
    for position, number in enumerate(METRICS.values()):
        request.metrics[position].metricId = number
    binding.nvmlGpmMetricsGet(request)
    values, missing = {}, {}
    for name, metric in zip(METRICS, request.metrics, strict=False):
        if metric.nvmlReturn == binding.NVML_SUCCESS:
            values[name] = metric.value / 100
        else:
            missing[name] = f"the NVIDIA driver says: {binding.NVMLError(metric.nvmlReturn)}"
    return values, missing
