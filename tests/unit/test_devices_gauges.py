"""What is asked of a GPU: each answer in the unit of its name, each question of the right counter."""

from types import SimpleNamespace

import pytest

from bench.devices import gauges, nvml
from bench.telemetry.gpu import COUNTED, INTEGRATED, GpuReader


class Binding:
    """Stands in for pynvml: answers whose numbers tell what was asked."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0
    NVML_PCIE_UTIL_TX_BYTES, NVML_PCIE_UTIL_RX_BYTES = 0, 1

    class NVMLError_FunctionNotFound(Exception):
        """As the binding's own."""

    def __init__(self, reasons: int = 0, old: bool = False):
        self.reasons, self.old = reasons, old

    def nvmlDeviceGetUtilizationRates(self, gpu):
        return SimpleNamespace(gpu=37, memory=99)

    def nvmlDeviceGetMemoryInfo(self, gpu):
        return SimpleNamespace(used=123, free=9, total=132)

    def nvmlDeviceGetPowerUsage(self, gpu):
        return 250_500

    def nvmlDeviceGetClockInfo(self, gpu, clock):
        return {1: 1410, 2: 2619}[clock]

    def nvmlDeviceGetTemperature(self, gpu, sensor):
        return {0: 61}[sensor]

    def nvmlDeviceGetPcieThroughput(self, gpu, direction):
        return {0: 3, 1: 5}[direction]

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu):
        return 7_500

    def nvmlDeviceGetViolationStatus(self, gpu, policy):
        return SimpleNamespace(violationTime=(policy + 1) * 1_500_000_000)

    def nvmlDeviceGetCurrentClocksEventReasons(self, gpu):
        if self.old:
            raise self.NVMLError_FunctionNotFound
        return self.reasons

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, gpu):
        assert self.old
        return self.reasons


def asked(questions: gauges.Questions, binding: Binding) -> dict[str, float]:
    return {
        name: value
        for names, question in questions.items()
        for name, value in zip(names, question(binding, object()), strict=True)
    }


def test_each_question_has_its_answer_in_its_unit():
    binding = Binding()
    assert asked(gauges.FAST, binding) == {
        "gpu_utilization": 0.37,
        "gpu_memory_bytes": 123,
        "power_w": 250.5,
        "sm_clock_mhz": 1410,
        "throttled": 0.0,
        "power_capped": 0.0,
    }
    assert asked(gauges.SLOW, binding) == {
        "temperature_c": 61,
        "memory_clock_mhz": 2619,
        "pcie_rx_bytes_s": 5000.0,
        "pcie_tx_bytes_s": 3000.0,
    }
    # Policies of NVML: power 0, thermal 1, board limit 3, reliability 5.
    assert asked(gauges.COUNTERS, binding) == {
        "energy_j": 7.5,
        "throttled_heat_s": 3.0,
        "throttled_board_s": 6.0,
        "throttled_reliability_s": 9.0,
        "power_capped_s": 1.5,
    }


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("bit", "throttled", "capped"),
    [
        (0x01, 0, 0),  # idle
        (0x02, 0, 0),  # clocks that an application asked for
        (0x04, 0, 1),  # at the power limit
        (0x08, 1, 0),  # hardware slowdown
        (0x10, 0, 0),  # sync boost
        (0x20, 1, 0),  # heat, by software
        (0x40, 1, 0),  # heat, by hardware
        (0x80, 1, 0),  # power brake
        (0x100, 0, 0),  # clocks of the display
        (0x24, 1, 1),
    ],
)
def test_which_reasons_for_a_low_clock_are_disturbances(old: bool, bit: int, throttled: int, capped: int):
    found = asked(gauges.FAST, Binding(bit, old))
    assert (found["throttled"], found["power_capped"]) == (throttled, capped)


LASTING = min(nvml._LASTING - {nvml.LOST})


class Session:
    """Stands in for an open session with the driver: answers with ones, or fails as it is told."""

    def __init__(self):
        self.fails: dict[str, str] = {}
        """Part of a GPU -> why."""
        self.listed: list = []
        self.asked = 0

    def ask(self, uuid, question):
        self.asked += 1
        for part, questions in (("fast", gauges.FAST), ("slow", gauges.SLOW), ("counted", gauges.COUNTERS)):
            for names, known in questions.items():
                if known is question:
                    if part in self.fails:
                        raise nvml.NvmlError(self.fails[part])
                    return (1.0,) * len(names)
        if "gpm" in self.fails:
            raise nvml.NvmlError(self.fails["gpm"])
        return {"sm_activity": 0.5}, {"sm_occupancy": "not here"}

    def processes(self, uuid):
        if "processes" in self.fails:
            raise nvml.NvmlError(self.fails["processes"])
        return self.listed


@pytest.mark.parametrize("reason", ["busy", LASTING])
@pytest.mark.parametrize("part", ["fast", "slow", "counted", "gpm", "processes"])
def test_what_fails_once_leaves_a_gap_and_what_is_not_supported_is_given_up(part: str, reason: str):
    session = Session()
    reader = GpuReader(session, "GPU-1")
    session.listed = [
        SimpleNamespace(pid=pid, memory_bytes=size) for pid, size in ((5, 30), (6, 12), (7, 1000))
    ]
    reads = {
        "fast": lambda: reader.fast(1.0),
        "slow": lambda: reader.slow([5, 6]),
        "counted": reader.counters,
        "gpm": reader.gpm,
        "processes": lambda: reader.process_memory([5, 6]),
    }
    before = reads[part]()
    assert before and reader.unavailable == ({"sm_occupancy": "not here"} if part == "gpm" else {})
    session.fails = {part: reason}
    missed = reads[part]()
    assert set(missed) == ({gauges.PROCESS_MEMORY} if part == "slow" else set())
    session.fails = {}
    lasting = reason == LASTING
    assert reads[part]() == (missed if lasting else before)
    assert (reason in reader.unavailable.values()) is lasting


def test_memory_is_that_of_the_trials_own_processes_and_all_of_it():
    session = Session()
    reader = GpuReader(session, "GPU-1")
    session.listed = [
        SimpleNamespace(pid=pid, memory_bytes=size) for pid, size in ((5, 30), (6, None), (7, 9))
    ]
    assert reader.process_memory([5, 7]) == {gauges.PROCESS_MEMORY: 39.0}
    assert reader.process_memory([8]) == reader.process_memory([5, 6]) == {} == reader.unavailable
    assert reader.process_memory([6]) == {} and gauges.PROCESS_MEMORY in reader.unavailable


def test_a_gpu_that_is_lost_is_not_asked_again():
    session = Session()
    reader = GpuReader(session, "GPU-1")
    session.fails = {"fast": nvml.LOST}
    assert reader.fast(1.0) == {} and reader.lost
    asked = session.asked
    assert (reader.fast(2.0), reader.slow([5]), reader.counters(), reader.gpm()) == ({}, {}, {}, {})
    assert session.asked == asked and set(reader.unavailable.values()) == {nvml.LOST}


def test_without_a_counter_energy_is_power_over_time(monkeypatch):
    session = Session()
    session.fails = {"counted": LASTING}
    reader = GpuReader(session, "GPU-1")
    assert reader.energy_method == INTEGRATED and "energy_j" not in reader.unavailable
    watts = iter([100.0, 200.0, 200.0])
    monkeypatch.setattr(
        reader,
        "_ask",
        lambda questions, probing=False: {"power_w": next(watts)} if ("power_w",) in questions else {},
    )
    for now in (1.0, 3.0, 4.0):
        reader.fast(now)
    assert reader.counters() == {"energy_j": 2 * 150.0 + 200.0}
    assert GpuReader(Session(), "GPU-1").energy_method == COUNTED


def test_metrics_of_gpm_have_the_numbers_of_nvml():
    import pynvml

    assert gauges.GPM_METRICS == {
        "sm_activity": pynvml.NVML_GPM_METRIC_SM_UTIL,
        "sm_occupancy": pynvml.NVML_GPM_METRIC_SM_OCCUPANCY,
        "tensor_activity": pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL,
        "dram_activity": pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL,
        "fp32_activity": pynvml.NVML_GPM_METRIC_FP32_UTIL,
        "fp16_activity": pynvml.NVML_GPM_METRIC_FP16_UTIL,
    }


class OfGpm:
    """A binding with GPM's samples, which remembers which are held."""

    NVML_SUCCESS, NVML_GPM_METRICS_GET_VERSION = 0, 1

    class NVMLError(Exception):
        """As the binding's own."""

    def __init__(self, supported: bool = True):
        self.supported, self.held, self.taken = supported, [], 0
        self.fails = False

    def nvmlGpmQueryDeviceSupport(self, gpu):
        return SimpleNamespace(isSupportedDevice=int(self.supported))

    def nvmlGpmSampleAlloc(self):
        self.taken += 1
        self.held.append(self.taken)
        return self.taken

    def nvmlGpmSampleGet(self, gpu, sample):
        if self.fails:
            raise self.NVMLError("busy")

    def nvmlGpmSampleFree(self, sample):
        self.held.remove(sample)

    def c_nvmlGpmMetricsGet_t(self):
        return SimpleNamespace(metrics=[SimpleNamespace(metricId=0, value=0, nvmlReturn=0) for _ in range(9)])

    def nvmlGpmMetricsGet(self, request):
        assert (request.version, request.numMetrics) == (1, len(gauges.GPM_METRICS))
        self.compared = request.sample1, request.sample2
        for metric in request.metrics:
            metric.value, metric.nvmlReturn = 10.0 * metric.metricId, 3 * (metric.metricId == 12)


class OpenSession:
    """Stands for an open session with NVML."""

    def __init__(self, binding):
        self.binding = binding

    def ask(self, uuid, question):
        return question(self.binding, "handle")


def test_gpm_compares_each_sample_with_the_one_before_and_frees_that():
    binding = OfGpm()
    gpm = gauges.Gpm(OpenSession(binding), "GPU-1")
    for number in (2, 3):
        read, missing = gpm.read()
        assert binding.compared == (number - 1, number) and binding.held == [number]
        assert read == {
            **{"sm_activity": 0.2, "sm_occupancy": 0.3, "tensor_activity": 0.5, "dram_activity": 1.0},
            "fp16_activity": 1.3,
        }
        assert missing == {"fp32_activity": "the NVIDIA driver says: 3"}
    binding.fails = True
    with pytest.raises(OfGpm.NVMLError, match="busy"):
        gpm.read()
    assert binding.held == [3], "what could not be filled is freed"
    with pytest.raises(nvml.NvmlError, match="no such counters"):
        gauges.Gpm(OpenSession(OfGpm(supported=False)), "GPU-1")
