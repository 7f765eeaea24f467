"""What is asked of a GPU: each answer in the unit of its name, each question of the right counter."""

from types import SimpleNamespace

import pytest

from bench.devices import gauges


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
