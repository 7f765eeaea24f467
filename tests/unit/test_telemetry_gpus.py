"""The sampler beside GPUs of the stand-in for NVIDIA's library, through the real binding."""

import json
from pathlib import Path

import pytest
from equipment.nvml.stand_in import NOT_SUPPORTED, StandIn
from telemetry_equipment import CORES, Watched, sleeper

from bench.devices.device import Device, Slot
from bench.records.summary import Stretch, spans_of, summarize
from bench.telemetry.trace import Trace


@pytest.fixture
def beside_gpus(nvml: StandIn, monkeypatch) -> StandIn:
    for name, value in nvml.environment.items():
        monkeypatch.setenv(name, value)
    # Short phases for a fast test: the stand-in, unlike NVML, averages nothing.
    monkeypatch.setattr("bench.records.summary.LEAST_S", 0.0)
    return nvml


def gpu_slot(*numbers: int) -> Slot:
    devices = tuple(Device("gpu", "Stand-In", StandIn.uuid(number), number) for number in numbers)
    return Slot("gpu:" + "+".join(map(str, numbers)), devices, CORES)


def of_gpu(trace: Trace, events: list[dict], gpu: str) -> dict:
    return summarize([Stretch(trace, spans_of(events))]).devices[gpu]


def test_loads_of_two_gpus_go_to_their_own_trials(tmp_path, beside_gpus: StandIn):
    loads = {0: (90, 300_000, 8), 1: (20, 60_000, 2)}
    folders = {number: tmp_path / str(number) for number in loads}
    watched = {}
    for number, (busy, power, memory) in loads.items():
        folders[number].mkdir()
        worker = sleeper()
        beside_gpus.set(
            number, {"utilization.gpu": busy, "memory.used": memory * 2**30, "gpm": 1, "gpm.5": busy}
        )
        beside_gpus.set(number, {"violation.1": 0, "pcie.rx": 5})
        beside_gpus.run_on(number, compute={worker.pid: memory * 2**30, 999_999_999: 2**20})
        beside_gpus.count_energy(number, power)
        watched[number] = Watched(folders[number], worker, gpu_slot(number))
    for one in watched.values():
        one.wait_for(lambda lines: any("g" in line for line in lines))
        one.tell("phase_started", "train")
    for one in watched.values():
        one.wait_for_samples(12)
        one.tell("phase_ended", "train")
        one.wait_for(lambda lines: sum(line.get("event") == "edge" for line in lines) == 2)
    for number, (busy, power, memory) in loads.items():
        one = watched[number]
        trace = one.end()
        device = of_gpu(trace, one.events, f"gpu:{number}")
        train = device.phases["train"]
        assert train["gpu_utilization"].mean == pytest.approx(busy / 100)
        assert train["power_w"].mean == power / 1000
        assert train["gpu_memory_bytes"].max == pytest.approx(memory * 2**30, rel=1e-5)
        assert train["tensor_activity"].mean == pytest.approx(busy / 100)
        assert "sm_activity" in device.unavailable, "the stand-in gives one GPM metric only"
        (began, ended) = spans_of(one.events)["train"][0]
        joules = device.counters["train"]["energy_j"]
        assert joules == pytest.approx(power / 1000 * (ended - began) / 1e9, rel=0.05)
        assert device.methods == {"energy_j": "the GPU's energy counter"}
        assert trace.header.gpus == (f"gpu:{number}",), "the other GPU is no concern of this trial"
        assert train["gpu_process_memory_bytes"].max == pytest.approx(memory * 2**30, rel=1e-5)


def test_without_an_energy_counter_power_is_integrated_and_that_is_recorded(tmp_path, beside_gpus: StandIn):
    beside_gpus.set(0, power=120_000)
    beside_gpus.fail("nvmlDeviceGetTotalEnergyConsumption", NOT_SUPPORTED)
    watched = Watched(tmp_path, sleeper(), gpu_slot(0))
    watched.wait_for(lambda lines: any("g" in line for line in lines))
    watched.tell("phase_started", "train")
    watched.wait_for_samples(12)
    watched.tell("phase_ended", "train")
    watched.wait_for(lambda lines: sum(line.get("event") == "edge" for line in lines) == 2)
    device = of_gpu(watched.end(), watched.events, "gpu:0")
    (began, ended) = spans_of(watched.events)["train"][0]
    assert device.counters["train"]["energy_j"] == pytest.approx(120 * (ended - began) / 1e9, rel=0.05)
    assert device.methods == {"energy_j": "power integrated over samples"}


def test_a_gpu_that_is_lost_ends_neither_the_sampler_nor_the_other_gpu(tmp_path, beside_gpus: StandIn):
    beside_gpus.set("*", {"utilization.gpu": 50})
    watched = Watched(tmp_path, sleeper(), gpu_slot(0, 1))
    watched.tell("phase_started", "train")
    watched.wait_for_samples()
    beside_gpus.lose(0)
    watched.wait_for(lambda lines: any(line.get("event") == "unavailable" for line in lines))
    watched.wait_for_samples()
    watched.tell("phase_ended", "train")
    watched.wait_for(lambda lines: sum(line.get("event") == "edge" for line in lines) == 2)
    trace = watched.end()
    assert trace.sampler_cpu_s is not None and not trace.failure
    lost, other = (of_gpu(trace, watched.events, f"gpu:{number}") for number in (0, 1))
    assert "the GPU is lost" in lost.unavailable["gpu_utilization"]
    assert lost.phases["train"]["gpu_utilization"].mean == 0.5, "as far as it went"
    assert "energy_j" not in lost.counters["train"]
    assert "gpu_utilization" not in other.unavailable
    assert other.phases["train"]["gpu_utilization"].samples > lost.phases["train"]["gpu_utilization"].samples


CALLS = {
    "nvmlDeviceGetUtilizationRates": {"gpu_utilization"},
    "nvmlDeviceGetMemoryInfo": {"gpu_memory_bytes"},
    "nvmlDeviceGetPowerUsage": {"power_w"},
    "nvmlDeviceGetClockInfo": {"sm_clock_mhz", "memory_clock_mhz"},
    "nvmlDeviceGetCurrentClocksEventReasons": {"throttled", "power_capped"},
    "nvmlDeviceGetTemperature": {"temperature_c"},
    "nvmlDeviceGetPcieThroughput": {"pcie_rx_bytes_s", "pcie_tx_bytes_s"},
    "nvmlDeviceGetTotalEnergyConsumption": set(),  # power is integrated instead
    "nvmlDeviceGetViolationStatus": {
        *("throttled_heat_s", "throttled_board_s", "throttled_reliability_s", "power_capped_s")
    },
    "nvmlDeviceGetComputeRunningProcesses": {"gpu_process_memory_bytes"},
    "nvmlDeviceGetGraphicsRunningProcesses": set(),
    "nvmlGpmQueryDeviceSupport": {"gpm"},
    "nvmlGpmSampleAlloc": {"gpm"},
    "nvmlGpmSampleGet": {"gpm"},
    "nvmlGpmMetricsGet": {"gpm"},
    "nvmlDeviceGetHandleByUUID": {"everything"},
}

EACH_IN_TURN = """
import json, os, sys
sys.path[:0] = json.loads(sys.argv[1])
from pathlib import Path
from equipment.nvml.stand_in import NOT_SUPPORTED, StandIn
from bench.devices.nvml import open_nvml
from bench.telemetry.gpu import GpuReader
file = Path(os.environ["LEUKOBENCH_NVML_STAND_IN"])
stand_in = StandIn(file.parent, file, gpus=1)
stand_in.set(0, {"utilization.gpu": 40, "gpm": 1, "compute": f"{os.getpid()}:1000",
                 **{f"gpm.{number}": 10 for number in (2, 3, 5, 10, 12, 13)}})
found = {}
for call in [None, *json.loads(sys.argv[2])]:
    if call:
        stand_in.fail(call, NOT_SUPPORTED)
    with open_nvml() as nvml:
        reader = GpuReader(nvml, StandIn.uuid(0))
        read = {}
        for now in (1.0, 2.0):
            read |= {**reader.fast(now), **reader.slow([os.getpid()]), **reader.counters(), **reader.gpm()}
        found[call or "none"] = {"read": read, "unavailable": reader.unavailable, "lost": reader.lost}
    if call:
        stand_in.fail(call, 0)
print(json.dumps(found))
"""


def test_what_each_call_in_turn_does_not_support_is_missing_with_its_reason(nvml: StandIn):
    path = json.dumps([str(Path(__file__).parents[1])])
    found = nvml.python(EACH_IN_TURN, path, json.dumps(list(CALLS)))
    everything = found.pop("none")
    assert everything["unavailable"] == {} and set(everything["read"]) > {
        "energy_j",
        "power_w",
        "fp32_activity",
    }
    finer = {name for name in everything["read"] if name.endswith(("_activity", "_occupancy"))}
    assert len(finer) == 6
    groups = {"gpm": finer, "everything": set(everything["read"])}
    for call, lacking in CALLS.items():
        lacking = set().union(*(groups.get(name, {name}) for name in lacking))
        one = found[call]
        assert set(one["unavailable"]) == lacking, call
        assert set(one["read"]) == set(everything["read"]) - lacking, call
        assert not one["lost"]
        assert all(reason for reason in one["unavailable"].values()), call


def test_without_a_driver_the_processor_is_sampled_all_the_same(tmp_path, beside_gpus: StandIn):
    beside_gpus.fail("nvmlInit", 9)
    watched = Watched(tmp_path, sleeper(), gpu_slot(0))
    watched.wait_for_samples()
    trace = watched.end()
    assert trace.unavailable["gpu:0/power_w"] == "the NVIDIA driver is not loaded"
    assert trace.samples[-1].mean["rss_bytes"] > 0
