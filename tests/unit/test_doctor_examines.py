"""What `doctor` puts together from what others find: devices, telemetry, peaks and what follows from them."""

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from timing_equipment import Clock

from bench.devices.device import Device, Slot
from bench.devices.gauges import GPM_INTERVAL_S, PROCESS_MEMORY
from bench.devices.machine import Machine
from bench.devices.nvml import NvmlError
from bench.doctor import doctor
from bench.doctor.noise import Noise
from bench.telemetry.gpu import COUNTER_NAMES, GAUGES
from bench.trials.origin import ForeignProcess, MachineFacts, Neighbors

HOST = MachineFacts(governor="performance", usable_cores=4)
GPU = Device("gpu", "NVIDIA A100", "GPU-1", 0)
CPU_SLOT, GPU_SLOT = Slot("cpu:0", (Device("cpu", "P"),), (0,)), Slot("gpu:0", (GPU,), (0,))
WITH_GPU = Machine("P", (0, 1), (GPU,))


def process(kind: str, pid: int) -> ForeignProcess:
    return ForeignProcess(gpu="gpu:0", pid=pid, name="x", kind=kind, memory_bytes=None)


@pytest.fixture
def examined(monkeypatch, tmp_path: Path):
    """Examine a machine whose parts say what the test wants; what the advice is made of, and what is found."""

    def examine(
        machine: Machine, slots=(CPU_SLOT, GPU_SLOT), backends=("tensorflow",), driver: bool = True, peaks=()
    ):
        given: list[tuple] = []

        @contextmanager
        def opened():
            if not driver:
                raise NvmlError("no driver")
            yield "session"

        def others(slot: Slot, nvml: str) -> Neighbors:
            given.append(("neighbors", slot.name, nvml))
            return Neighbors(foreign=(process("compute", 7), process("graphics", 8)))

        for name, value in {
            "facts_of": lambda machine: HOST,
            "open_nvml": opened,
            "neighbors": others,
            "_sight_of_host": lambda machine: "host",
            "_sight_of_gpu": lambda nvml, gpu: (nvml, gpu.name),
            "installed_backends": lambda: list(backends),
            "weights_at_hand": lambda folder: ({"VGG16": str(folder)}, ["VGG19"]),
            "measure_noise": lambda seconds: Noise(seconds, 0.0, None, None),
            "load_peak": lambda results, machine, slot: "a peak" if slot.name in peaks else None,
            "compute_variables": lambda: {"TF_X": "1"},
            "free_memory": lambda: 3.0,
            "free_disk": lambda folder: 4.0 if folder == tmp_path else None,
            "advice_of": lambda *parts: given.append(parts) or ["advice"],
        }.items():
            monkeypatch.setattr(doctor, name, value)
        return doctor.examine(tmp_path, Path("w"), slots, machine, 0.5), given

    return examine


def test_what_is_found_is_what_the_advice_is_made_of(examined):
    found, (asked, advice) = examined(WITH_GPU, peaks=("cpu:0",))
    assert asked == ("neighbors", "gpu:0", "session"), "nobody is looked for on a processor"
    foreign = str(process("compute", 7))
    noise = Noise(0.5, 0.0, None, None)
    assert advice == (HOST, noise, "", False, ["tensorflow"], {"TF_X": "1"}, [foreign], 3.0, 4.0)
    assert found.telemetry == ["host", ("session", "gpu:0")] and found.peaks == {
        "cpu:0": "a peak",
        "gpu:0": None,
    }
    assert (found.host, found.noise, found.variables, found.advice) == (
        HOST,
        noise,
        {"TF_X": "1"},
        ["advice"],
    )
    assert (found.weights, found.without_weights) == ({"VGG16": "w"}, ["VGG19"])
    assert list(found.versions) == [
        *("leukobench", "python", "tensorflow", "jax", "torch", "keras", "numpy", "scikit-learn", "mlflow"),
        *("nvidia-ml-py", "driver", "cuda_driver"),
    ]
    assert examined(WITH_GPU, peaks=("cpu:0", "gpu:0"))[1][-1][3] is True
    found, ((*_, foreign, _, _),) = examined(WITH_GPU, driver=False)
    assert found.telemetry == ["host"] and foreign == []


BLIND = {"tensorflow": "built for the processor", "jax": "no plugin"}


@pytest.mark.parametrize(
    ("machine", "backends", "advised", "shown"),
    [
        (Machine("P", (0,), reason="no driver"), ["jax"], "", "no driver"),
        (Machine("P", (0,), (), {"gpu:0": "lost"}, "gpu:0: lost"), ["jax"], "gpu:0: lost", None),
        (Machine("P", (0,), (GPU,), blind=BLIND), ["tensorflow", "jax"], BLIND["tensorflow"], BLIND["tensorflow"]),
        (Machine("P", (0,), (GPU,), blind=BLIND), ["jax", "torch"], "", None),
        (Machine("P", (0,), (GPU,), blind=BLIND), [], "", None),
    ],
)  # fmt: skip
def test_why_trials_run_on_the_processor(examined, machine, backends, advised: str, shown: str | None):
    found, given = examined(machine, slots=(), backends=backends)
    assert given[-1][2] == advised
    said = [one for one in found.devices if one.startswith("none for trials, which run on the processor: ")]
    assert [one.partition("processor: ")[2] for one in said] == ([] if shown is None else [shown])


def test_slots_are_those_of_a_run_where_none_are_named(examined):
    found, _ = examined(WITH_GPU, slots=None)
    assert list(found.peaks) == ["gpu:0"]


def test_what_telemetry_sees_of_the_processor(monkeypatch):
    reader = SimpleNamespace(unavailable={"cpu_pressure": "old kernel", "run_queue_wait_s": "a counter"})
    asked = []
    monkeypatch.setattr(doctor.host_telemetry, "HostReader", lambda *given: asked.append(given) or reader)
    monkeypatch.setattr(doctor.os, "getpid", lambda: 5)
    found = doctor._sight_of_host(Machine("P", (0, 1)))
    assert asked == [(5, 5, {0, 1})] and found.of == "processor"
    assert found.unseen == {"cpu_pressure": "old kernel", "energy_j": doctor.NO_GPU}
    assert found.seen == [
        *("cpu_percent", "rss_bytes", "machine_cpu", "steal", "run_queue_wait", "foreign_cpu", "cotenant_cpu")
    ]


@pytest.mark.parametrize("hosts", [True, False])
@pytest.mark.parametrize("told", [True, False])
def test_what_telemetry_sees_of_a_gpu(monkeypatch, hosts: bool, told: bool):
    """GPM's second sample is taken a quarter of a second after the first; what it lacks is known only then."""
    clock = Clock(0.0)
    unavailable = {"power_w": "no sensor", **({PROCESS_MEMORY: "not told"} if told else {})}
    reader = SimpleNamespace(
        unavailable=unavailable, gpm=lambda: unavailable.update(sm_activity=f"after {clock()} s")
    )
    monkeypatch.setattr(doctor.gpu_telemetry, "GpuReader", lambda nvml, uuid: reader)
    monkeypatch.setattr(doctor, "time", SimpleNamespace(sleep=clock.passes))
    monkeypatch.setattr(doctor, "sees_the_hosts_pids", lambda: hosts)
    found = doctor._sight_of_gpu("nvml", GPU)
    memory = "not told" if told else "a container does not see whose processes these are"
    expected = {"power_w": "no sensor", "sm_activity": f"after {GPM_INTERVAL_S} s"}
    assert found.of == "gpu:0" and found.unseen == expected | (
        {} if hosts and not told else {PROCESS_MEMORY: memory}
    )
    assert found.seen == [name for name in (*GAUGES, *COUNTER_NAMES) if name not in found.unseen]


def test_devices_in_sentences():
    gpus = (
        Device("gpu", "NVIDIA A100", "GPU-1", 0, 80 * 2**30),
        Device("gpu", "NVIDIA A100", "GPU-2", 1, 40 * 2**30 + 2**29 + 1),
        Device("gpu", "NVIDIA T4", "GPU-3", 2),
    )
    said = doctor._devices(Machine("x", (0,), gpus, {"gpu:3": "it is lost"}, "not told"), "not told")
    assert said == [
        "gpu:0: NVIDIA A100, 80 GiB, GPU-1",
        "gpu:1: NVIDIA A100, 41 GiB, GPU-2",
        "gpu:2: NVIDIA T4, GPU-3",
        "gpu:3: not usable, it is lost",
    ]
    assert doctor._devices(Machine("x", (0,)), "no driver") == [
        "none for trials, which run on the processor: no driver"
    ]
    assert doctor._devices(Machine("x", (0,), gpus[2:]), "") == ["gpu:2: NVIDIA T4, GPU-3"]


def test_an_examination_has_the_versions_of_the_driver(tmp_path, monkeypatch):
    facts = replace(HOST, driver="570.1", cuda_driver="12.8")
    monkeypatch.setattr(doctor, "measure_noise", lambda seconds: Noise(seconds, 0.0, None, None))
    for told in (facts, HOST):
        monkeypatch.setattr(doctor, "facts_of", lambda machine, told=told: told)
        found = doctor.examine(tmp_path, slots=[], machine=Machine("x", (0,), reason="none"))
        assert found.noise == Noise(2.0, 0.0, None, None), "two seconds where nothing is said"
        driver = ("570.1", "12.8") if told is facts else ("", "")
        assert (found.versions["driver"], found.versions["cuda_driver"]) == driver
        assert found.peaks == {} and found.devices == ["none for trials, which run on the processor: none"]
