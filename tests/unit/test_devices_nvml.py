"""Discovery and figures through the real `pynvml`, against the stand-in for NVIDIA's library."""

from types import SimpleNamespace

import pynvml
import pytest
from equipment.nvml.stand_in import DRIVER_NOT_LOADED, GPU_IS_LOST, LIBRARY_MISMATCH, NOT_SUPPORTED, StandIn

from bench.devices.nvml import Nvml, NvmlError, open_nvml

CHOOSE = """
import json, sys
from dataclasses import asdict
from bench.devices.machine import choose_slots
from bench.devices.machine import find_machine
from wbc.errors import InputError
machine = find_machine()
try:
    choice = choose_slots(sys.argv[1], machine=machine)
    chosen = [[slot.name, slot.environment()["CUDA_VISIBLE_DEVICES"]] for slot in choice.slots]
except InputError as error:
    chosen = error.what
print(json.dumps({"gpus": [asdict(gpu) for gpu in machine.gpus], "unusable": dict(machine.unusable),
                  "reason": machine.reason, "chosen": chosen}))
"""

ASK = """
import json, sys
from bench.devices.nvml import NvmlError, open_nvml
with open_nvml() as nvml:
    try:
        memory = vars(nvml.memory(sys.argv[1]))
    except NvmlError as error:
        memory = error.reason
    try:
        processes = [[one.pid, one.kind, one.memory_bytes] for one in nvml.processes(sys.argv[1])]
    except NvmlError as error:
        processes = [error.reason, error.lost]
print(json.dumps({"memory": memory, "processes": processes}))
"""


def test_gpus_are_found_and_chosen_by_uuid(nvml):
    nvml.set(0, {"name": "NVIDIA Alpha", "memory.total": 8 * 2**30})
    found = nvml.python(CHOOSE, f"{StandIn.uuid(1)},gpu:0")
    assert found["gpus"][0] == {
        "kind": "gpu",
        "model": "NVIDIA Alpha",
        "uuid": StandIn.uuid(0),
        "index": 0,
        "memory_bytes": 8 * 2**30,
    }
    assert found["chosen"].startswith("devices GPU-00000001-57a4") and "different models" in found["chosen"]
    nvml.set(0, name=None)
    found = nvml.python(CHOOSE, f"{StandIn.uuid(1)},gpu:0")
    assert found["chosen"] == [["gpu:1", StandIn.uuid(1)], ["gpu:0", StandIn.uuid(0)]]


def test_cuda_visible_devices_hides_gpus(nvml):
    found = nvml.python(CHOOSE, "gpu:0", CUDA_VISIBLE_DEVICES=StandIn.uuid(1))
    assert [gpu["index"] for gpu in found["gpus"]] == [1]
    assert "device gpu:0 cannot be used: CUDA_VISIBLE_DEVICES=GPU-00000001" in found["chosen"]
    none = nvml.python(CHOOSE, "all", CUDA_VISIBLE_DEVICES="")
    assert none["chosen"] == [["cpu:0", ""]]


def test_a_lost_gpu_is_named_with_its_reason_and_the_other_one_stays(nvml):
    nvml.lose(0)
    found = nvml.python(CHOOSE, "gpu:1")
    assert found["chosen"] == [["gpu:1", StandIn.uuid(1)]]
    assert "the GPU is lost" in found["unusable"]["gpu:0"]
    assert "gpu:0 cannot be used: the GPU is lost" in nvml.python(CHOOSE, "gpu:0")["chosen"]


def test_a_partitioned_gpu_is_left_alone(nvml):
    nvml.set(1, mig=1)
    found = nvml.python(CHOOSE, "gpu:0")
    assert found["chosen"] == [["gpu:0", StandIn.uuid(0)]]
    assert "MIG" in found["unusable"]["gpu:1"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (DRIVER_NOT_LOADED, "the NVIDIA driver is not loaded"),
        (LIBRARY_MISMATCH, "no longer fits it"),
        (999, "the NVIDIA driver says"),
    ],
)
def test_a_driver_that_does_not_work_is_a_reason_and_no_crash(nvml, code, reason):
    nvml.fail("nvmlInit", code)
    found = nvml.python(CHOOSE, "all")
    assert found["chosen"] == [["cpu:0", ""]]
    assert reason in found["reason"]
    assert "no device gpu:0" in nvml.python(CHOOSE, "gpu:0")["chosen"]


def test_a_driver_without_gpus(nvml):
    nvml.set(count=0)
    assert nvml.python(CHOOSE, "all")["reason"] == "NVML shows no GPU"


def test_a_machine_without_the_library(monkeypatch):
    import pynvml

    def missing(*_):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    with pytest.raises(NvmlError, match="there is no NVIDIA driver"), open_nvml():
        pass


def test_memory_and_processes(nvml):
    uuid = StandIn.uuid(1)
    nvml.set(1, {"memory.total": 1000, "memory.used": 400})
    nvml.run_on(1, compute={11: 300, 12: None}, graphics={12: 5, 13: 6})
    seen = nvml.python(ASK, uuid)
    assert seen["memory"] == {"total": 1000, "used": 400, "free": 600}
    assert seen["processes"] == [[11, "compute", 300], [12, "compute", None], [13, "graphics", 6]]
    assert nvml.python(ASK, StandIn.uuid(0))["processes"] == []


def test_what_a_gpu_does_not_tell_is_a_reason(nvml):
    nvml.fail("nvmlDeviceGetMemoryInfo", NOT_SUPPORTED, gpu="*")
    nvml.fail("nvmlDeviceGetGraphicsRunningProcesses", NOT_SUPPORTED)
    seen = nvml.python(ASK, StandIn.uuid(0))
    assert "does not support it" in seen["memory"]
    assert seen["processes"] == []
    assert nvml.python(CHOOSE, "gpu:0")["gpus"][0]["memory_bytes"] is None
    nvml.fail("nvmlDeviceGetComputeRunningProcesses", NOT_SUPPORTED, gpu=0)
    assert nvml.python(ASK, StandIn.uuid(0))["processes"] == [
        "this GPU or its driver does not support it",
        False,
    ]
    nvml.fail("nvmlDeviceGetComputeRunningProcesses", GPU_IS_LOST, gpu=0)
    assert nvml.python(ASK, StandIn.uuid(0))["processes"][1] is True


TELEMETRY = """
import json, time, pynvml
pynvml.nvmlInit()
gpu, other = (pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(2))
def code(question, *arguments):
    try:
        return question(*arguments)
    except pynvml.NVMLError as error:
        return f"error {error.value}"
before = pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
time.sleep(0.05)
rates = pynvml.nvmlDeviceGetUtilizationRates(gpu)
fields = pynvml.nvmlDeviceGetFieldValues(gpu, [82, 83])
request = pynvml.c_nvmlGpmMetricsGet_t()
request.version, request.numMetrics = pynvml.NVML_GPM_METRICS_GET_VERSION, 1
request.metrics[0].metricId = 2
request.sample1, request.sample2 = pynvml.nvmlGpmSampleAlloc(), pynvml.nvmlGpmSampleAlloc()
for sample in (request.sample1, request.sample2):
    pynvml.nvmlGpmSampleGet(gpu, sample)
pynvml.nvmlGpmMetricsGet(request)
print(json.dumps({
    "power": pynvml.nvmlDeviceGetPowerUsage(gpu),
    "other": code(pynvml.nvmlDeviceGetPowerUsage, other),
    "energy": pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu) - before,
    "rates": [rates.gpu, rates.memory],
    "temperature": pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU),
    "clock": pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM),
    "reasons": pynvml.nvmlDeviceGetCurrentClocksEventReasons(gpu),
    "violation": pynvml.nvmlDeviceGetViolationStatus(gpu, pynvml.NVML_PERF_POLICY_THERMAL).violationTime,
    "pcie": [pynvml.nvmlDeviceGetPcieThroughput(gpu, counter) for counter in (0, 1)],
    "shares": [[one.pid, one.smUtil, one.memUtil] for one in pynvml.nvmlDeviceGetProcessUtilization(gpu, 0)],
    "no shares": code(pynvml.nvmlDeviceGetProcessUtilization, other, 0),
    "capability": pynvml.nvmlDeviceGetCudaComputeCapability(gpu),
    "memory": pynvml.nvmlDeviceGetMemoryInfo(gpu, version=pynvml.nvmlMemory_v2).total,
    "versions": [pynvml.nvmlSystemGetDriverVersion(), pynvml.nvmlSystemGetCudaDriverVersion()],
    "bus": pynvml.nvmlDeviceGetPciInfo(other).busId,
    "fields": [[field.nvmlReturn, field.value.ullVal] for field in fields],
    "gpm": [pynvml.nvmlGpmQueryDeviceSupport(gpu).isSupportedDevice, request.metrics[0].value],
    "unknown uuid": code(pynvml.nvmlDeviceGetHandleByUUID, b"GPU-none"),
}))
pynvml.nvmlShutdown()
"""


def test_the_stand_in_answers_what_telemetry_asks(nvml):
    """Of the equipment itself: the layouts of its structures are those of the binding."""
    nvml.count_energy(0, power_mw=200_000)
    nvml.fail("nvmlDeviceGetPowerUsage", NOT_SUPPORTED, gpu=1)
    nvml.set(0, {"utilization.gpu": 90, "utilization.memory": 40, "clock.sm": 1980, "clock_reasons": "0x20"})
    nvml.set(0, {"violation.1": 7, "pcie.tx": 3, "pcie.rx": 4, "field.82": 55, "gpm": 1, "gpm.2": 0.25})
    nvml.set(0, {"shares": "10:80:20 11:5:1", "compute_capability": "9.0", "memory.total": 80 * 2**30})
    nvml.set(driver="560.35.03", cuda=12060)
    seen = nvml.python(TELEMETRY)
    # 200 W over at least 50 ms are 10 J; counters are in millijoules.
    assert seen.pop("energy") >= 10_000
    assert seen == {
        "power": 200_000,
        "other": "error 3",
        "rates": [90, 40],
        "temperature": 40,
        "clock": 1980,
        "reasons": 0x20,
        "violation": 7,
        "pcie": [3, 4],
        "shares": [[10, 80, 20], [11, 5, 1]],
        "no shares": "error 6",
        "capability": [9, 0],
        "memory": 80 * 2**30,
        "versions": ["560.35.03", 12060],
        "bus": "00000000:02:00.0",
        "fields": [[0, 55], [3, 0]],
        "gpm": [1, 0.25],
        "unknown uuid": "error 6",
    }


@pytest.mark.parametrize(("number", "version"), [(13000, "13.0"), (12040, "12.4"), (11080, "11.8")])
def test_the_newest_cuda_of_a_driver(number: int, version: str):
    binding = SimpleNamespace(nvmlSystemGetCudaDriverVersion=lambda: number)
    assert Nvml(binding).cuda_driver() == version


DRIVER = "the NVIDIA driver"
GONE = "the GPU is lost: the driver cannot reach it any more; restart the machine"


@pytest.mark.parametrize(
    ("name", "reason", "lost", "passing"),
    [
        ("LIBRARY_NOT_FOUND", "there is no NVIDIA driver", False, False),
        ("DRIVER_NOT_LOADED", f"{DRIVER} is not loaded", False, False),
        (
            "LIB_RM_VERSION_MISMATCH",
            f"{DRIVER} was updated and its library no longer fits it; restart the machine",
            *(False, False),
        ),
        ("NO_PERMISSION", f"{DRIVER} does not permit it", False, False),
        ("GPU_IS_LOST", GONE, True, False),
        ("RESET_REQUIRED", GONE, True, False),
        ("NOT_SUPPORTED", "this GPU or its driver does not support it", False, False),
        ("FUNCTION_NOT_FOUND", f"{DRIVER} is too old for it", False, False),
        ("TIMEOUT", f"{DRIVER} says: Timeout", False, True),
    ],
)
def test_every_error_has_a_reason_for_people(name: str, reason: str, lost: bool, passing: bool):
    code = getattr(pynvml, f"NVML_ERROR_{name}")

    def fails(*given):
        raise pynvml.NVMLError(code)

    with pytest.raises(NvmlError) as caught:
        Nvml(SimpleNamespace(nvmlSystemGetDriverVersion=fails)).driver()
    found = caught.value
    assert (found.reason, found.lost, found.passing, found.code) == (reason, lost, passing, code)


def test_a_gpu_that_is_found_no_more_is_lost_and_one_found_is_asked_for_once():
    asked = []

    def by_uuid(uuid: bytes) -> str:
        asked.append(uuid)
        if uuid == b"GPU-gone":
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        if uuid == b"GPU-busy":
            raise pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT)
        return "handle"

    nvml = Nvml(
        SimpleNamespace(nvmlDeviceGetHandleByUUID=by_uuid, NVML_ERROR_NOT_FOUND=pynvml.NVML_ERROR_NOT_FOUND)
    )
    for uuid, lost in (("GPU-gone", True), ("GPU-busy", False)):
        with pytest.raises(NvmlError) as caught:
            nvml.ask(uuid, lambda binding, handle: handle)
        assert caught.value.lost is lost
    assert [nvml.ask("GPU-1", lambda binding, handle: handle) for _ in range(2)] == ["handle"] * 2
    assert asked == [b"GPU-gone", b"GPU-busy", b"GPU-1"]


def test_a_binding_without_a_function_is_too_old():
    def fails():
        raise pynvml.NVMLLibraryMismatchError("x")

    with pytest.raises(NvmlError) as caught:
        Nvml(SimpleNamespace(nvmlSystemGetDriverVersion=fails)).driver()
    assert caught.value.reason == f"{DRIVER} is too old for it"
