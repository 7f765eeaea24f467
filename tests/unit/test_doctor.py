"""`doctor`: what it finds on made-up machines, what it advises, and that it never fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace
from timing_equipment import Clock

from bench.commands.main import main
from bench.doctor.doctor import advice_of, weights_at_hand
from bench.doctor.noise import Noise, measure_noise
from bench.errors import command
from bench.machine import host
from bench.trials.origin import MachineFacts
from bench.worker.environment import compute_variables, installed_packages, peak_of_process

QUIET = Noise(mean=0.01, worst=0.1, pressure=0.0, steal=0.0)


def replace_of(**changed: float | None) -> Noise:
    """The quiet one, with a change."""
    return Noise(**{**vars(QUIET), **changed})


HOST = MachineFacts(governor="performance", quota_cores=None, usable_cores=4)


def advice(**changed) -> str:
    given = {
        "host": HOST,
        "noise": QUIET,
        "no_gpu": "",
        "calibrated": True,
        "backends": ["tensorflow"],
        "environment": {},
        **changed,
    }
    return "\n".join(advice_of(**given))


def test_nothing_is_to_be_changed_on_a_quiet_machine_that_was_measured():
    assert advice() == ""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"host": replace(HOST, governor="powersave")},
            "The cores' governor is powersave: clocks rise and fall with the load. As root: cpupower frequency-set "
            "--governor performance.",
        ),
        (
            {"host": replace(HOST, quota_cores=1.5)},
            "The container may use 1.5 cores' worth of time, but sees 4: TensorFlow starts a thread for each and is "
            "throttled. Pin the container to cores instead: docker run --cpuset-cpus.",
        ),
        (
            {"noise": Noise(0.3, 2.0, 0.4, 0.0)},
            "Processes waited for a core in 40% of the time: stop other programs, or set exclusive = true in "
            "[devices], which waits for a quiet machine.",
        ),
        (
            {"noise": Noise(0.3, 2.0, None, None)},
            "The same work took 30% longer than at its best, on average: times here need several replicates.",
        ),
        (
            {"noise": Noise(0.01, 0.1, 0.0, 0.05)},
            "The host of this virtual machine gave 5% of the cores' time to others: times will differ from day to "
            "day, and only trials that run at the same time are comparable.",
        ),
        ({"no_gpu": "no driver"}, "Trials run on the processor: no driver."),
        (
            {"calibrated": False},
            "Not every device here has a measured peak, so trials cannot report what share of it they used: "
            f"{command()} doctor --calibrate measures it in seconds.",
        ),
        (
            {"backends": [], "calibrated": False},  # without TensorFlow no peak can be measured
            "No framework is installed, so only classical methods run: pip install 'leukobench[cpu]' adds "
            "TensorFlow.",
        ),
        (
            {"environment": {"TF_ENABLE_ONEDNN_OPTS": "0"}},
            "TF_ENABLE_ONEDNN_OPTS=0 turns oneDNN off, which is slower on processors.",
        ),
        (
            {"environment": {"TF_FORCE_GPU_ALLOW_GROWTH": "False"}},
            "TF_FORCE_GPU_ALLOW_GROWTH=false hides how much of a GPU's memory a trial needs.",
        ),
        (
            {"foreign": ["process 7 of ada on gpu:0"]},
            "process 7 of ada on gpu:0 uses a GPU: trials there are slower, and are recorded as disturbed.",
        ),
        (
            {"free_memory": 1.25e9},
            "Only 1.2 GB of memory are free: large networks will not fit.",
        ),
        ({"free_memory": 1.35e9}, "Only 1.4 GB of memory are free: large networks will not fit."),
        ({"free_disk": 1.25e9}, "Only 1.2 GB of disk are free where results are kept."),
        ({"free_disk": 1.35e9}, "Only 1.4 GB of disk are free where results are kept."),
    ],
)
def test_each_trouble_has_one_sentence(changed: dict, said: str):
    assert advice(**changed) == said


@pytest.mark.parametrize(
    ("at", "beyond", "said"),
    [
        (*({"noise": replace_of(mean=0.05)}, {"noise": replace_of(mean=0.0501)}), "took 5% longer"),
        (*({"noise": replace_of(pressure=0.1)}, {"noise": replace_of(pressure=0.101)}), "in 10% of the time"),
        (*({"noise": replace_of(steal=0.01)}, {"noise": replace_of(steal=0.011)}), "1% of the cores' time"),
        (*({"free_memory": 4e9}, {"free_memory": 3.99e9}), "Only 4.0 GB of memory"),
        (*({"free_disk": 5e9}, {"free_disk": 4.99e9}), "Only 5.0 GB of disk"),
        (*({"host": replace(HOST, quota_cores=4.0)}, {"host": replace(HOST, quota_cores=3.9)}), "3.9 cores'"),
        (
            *({"host": replace(HOST, governor="unavailable: x")}, {"host": replace(HOST, governor="x")}),
            "governor is x:",
        ),
        (
            {"environment": {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "TF_ENABLE_ONEDNN_OPTS": "1"}},
            {"environment": {"TF_FORCE_GPU_ALLOW_GROWTH": "FALSE"}},
            "TF_FORCE_GPU_ALLOW_GROWTH=false hides",
        ),
        ({"calibrated": False, "backends": ["jax"]}, {"calibrated": False}, "Not every device"),
    ],
)
def test_from_where_on_it_is_said(at: dict, beyond: dict, said: str):
    assert advice(**at) == "" and said in advice(**beyond)


@pytest.mark.parametrize(
    "host", [replace(HOST, usable_cores=None, quota_cores=1.0), replace(HOST, governor=None)]
)
def test_what_is_unknown_is_no_trouble(host: MachineFacts):
    assert advice(host=host, noise=replace_of(pressure=None, steal=None)) == ""


def test_the_most_important_comes_first():
    found = advice(
        backends=[],
        no_gpu="x",
        noise=Noise(0.3, 2.0, 0.2, 0.5),
        foreign=["a", "b"],
        free_memory=1.0,
        free_disk=1.0,
        host=replace(HOST, governor="x", quota_cores=1.0),
        environment={"TF_ENABLE_ONEDNN_OPTS": "0"},
    ).splitlines()
    assert [line.split()[0] for line in found] == [
        *(
            "No",
            "Trials",
            "Processes",
            "The",
            "a",
            "b",
            "The",
            "The",
            "TF_ENABLE_ONEDNN_OPTS=0",
            "Only",
            "Only",
        )
    ]


@pytest.mark.parametrize(("seconds", "pieces"), [(1.0, 100), (99.5, 100), (100.0, 100), (100.5, 101)])
def test_noise_is_measured_for_so_long_and_by_a_hundred_pieces_at_least(monkeypatch, seconds, pieces):
    """Each piece takes a second; meanwhile a quarter of the time had pressure, and an eighth was stolen."""
    clock, worked = Clock(), []

    def work():
        worked.append(clock())
        clock.passes(1.0)

    monkeypatch.setattr("bench.doctor.noise._counters", lambda: (7 + clock() / 4, 9 + clock() / 8))
    assert measure_noise(seconds, clock, work) == Noise(0.0, 0.0, 0.25, 0.125)
    assert len(worked) == pieces
    monkeypatch.setattr("bench.doctor.noise._counters", lambda: (7 - clock() / 4, None))
    assert measure_noise(1.0, clock, work) == Noise(0.0, 0.0, 0.0, None)


def test_pressure_and_steal_are_those_of_the_kernel(tmp_path, monkeypatch):
    from bench.doctor import noise

    (tmp_path / "pressure").write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n")
    (tmp_path / "stat").write_text("cpu  0 0 0 0 0 0 0 600 0 0\ncpu0 0 0 0 0 0 0 0 600 0 0\n")
    monkeypatch.setattr(noise, "PRESSURE", tmp_path / "pressure")
    monkeypatch.setattr(noise, "STAT", tmp_path / "stat")
    monkeypatch.setattr(noise.os, "cpu_count", lambda: 4)
    pressure, steal = noise._counters()
    assert pressure == 2.5 and steal == 600 / os.sysconf("SC_CLK_TCK") / 4
    for damaged in ("", "some\n"):
        (tmp_path / "pressure").write_text(damaged)
        assert noise._counters() == (None, steal)
    (tmp_path / "stat").unlink()
    (tmp_path / "pressure").unlink()
    assert noise._counters() == (None, None)


def test_noise_is_held_against_the_best_piece():
    seconds = iter([0.0, *([1.0] * 50 + [3.0] * 49 + [11.0] * 1)])
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += next(seconds)
        return now

    noise = measure_noise(1.0, clock, work=lambda: None)
    assert noise.mean == pytest.approx((50 + 3 * 49 + 11) / 100 - 1)
    assert noise.worst == pytest.approx(10.0)


def test_the_machine_as_the_kernel_tells(tmp_path: Path):
    assert host.governor(tmp_path).startswith("unavailable")
    for core, said in enumerate(("powersave", "performance", "powersave")):
        (tmp_path / f"cpu{core}" / "cpufreq").mkdir(parents=True)
        (tmp_path / f"cpu{core}" / "cpufreq" / "scaling_governor").write_text(f"{said}\n")
    assert host.governor(tmp_path) == "performance, powersave"
    assert host.boost(tmp_path).startswith("unavailable")
    (tmp_path / "intel_pstate").mkdir()
    (tmp_path / "intel_pstate" / "no_turbo").write_text("1\n")
    assert host.boost(tmp_path) == "off"
    (tmp_path / "intel_pstate" / "no_turbo").write_text("0\n")
    assert host.boost(tmp_path) == "on"
    (tmp_path / "cpufreq").mkdir()
    for said, told in (("0", "off"), ("1", "on")):
        (tmp_path / "cpufreq" / "boost").write_text(said)
        assert host.boost(tmp_path) == told
    choice = tmp_path / "enabled"
    assert host._chosen(choice).startswith("unavailable: ")
    choice.write_text("always [madvise] never [x]\n")
    assert host._chosen(choice) == "madvise"


def test_a_container_and_a_virtual_machine(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("container", raising=False)
    assert not host.in_container(tmp_path)
    (tmp_path / ".dockerenv").touch()
    assert host.in_container(tmp_path)
    (tmp_path / "other" / "run").mkdir(parents=True)
    (tmp_path / "other" / "run" / ".containerenv").touch()
    assert host.in_container(tmp_path / "other")
    monkeypatch.setenv("container", "podman")
    assert host.in_container(tmp_path / "none")
    cpuinfo = tmp_path / "cpuinfo"
    assert host.is_virtual(cpuinfo) is None
    cpuinfo.write_text("model name : x\nflags : fpu sse\n")
    assert host.is_virtual(cpuinfo) is False
    cpuinfo.write_text("flags : fpu hypervisor\n")
    assert host.is_virtual(cpuinfo) is True


def test_variables_that_change_the_work_and_no_secrets():
    environment = {
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "OMP_NUM_THREADS": "2",
        "TF_VAR_password": "terraform",
        "TF_API_KEY": "secret",
        "CUDA_AUTH_TOKEN": "secret",
        "HOME": "/root",
        "XLA_FLAGS": "x" * 1000,
    }
    found = compute_variables(environment)
    assert list(found) == ["OMP_NUM_THREADS", "TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS"]
    assert len(found["XLA_FLAGS"]) == 500


def test_packages_by_the_names_of_their_folders(tmp_path: Path):
    for folder, name in (("a", "Some_Package-1.2"), ("a", "other-3"), ("b", "other-2"), ("b", "plain")):
        (tmp_path / folder / f"{name}{'' if name == 'plain' else '.dist-info'}").mkdir(parents=True)
    for name in ("no_package-5", "another-5.egg-info", ".dist-info", "nameless.dist-info"):
        (tmp_path / "b" / name).mkdir()
    found = installed_packages([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "none")])
    assert found == {"other": "3", "some-package": "1.2"}
    assert installed_packages()["numpy"]


def test_the_peak_of_this_process():
    now = psutil.Process().memory_info().rss
    assert 0.9 * now < peak_of_process() < psutil.virtual_memory().total


def test_weights_are_found_by_their_names(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    found, missing = weights_at_hand(tmp_path)
    assert found == {}
    assert "VGG16" in missing
    assert "LeNet5" not in missing, "nobody offers any"
    (tmp_path / "VGG16.weights.h5").touch()
    (tmp_path / "keras" / "models").mkdir(parents=True)
    name = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
    (tmp_path / "keras" / "models" / name).touch()
    found, missing = weights_at_hand(tmp_path)
    assert sorted(found) == ["VGG16", "VGG19"]
    assert not set(found) & set(missing)


def test_weights_of_variants_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras" / "models").mkdir(parents=True)
    narrow = tmp_path / "MobileNet-alpha0.25.weights.h5"
    cached = tmp_path / "keras" / "models" / "mobilenet_5_0_160_tf_no_top.h5"
    wide = tmp_path / "MobileNetV2-alpha1.4.weights.h5"
    for path in (narrow, cached, wide):
        path.touch()
    found, missing = weights_at_hand(tmp_path)
    assert found == {
        **{"MobileNet-alpha0.25": str(narrow), "MobileNet-alpha0.5": str(cached)},
        "MobileNetV2-alpha1.4": str(wide),
    }
    assert "MobileNet" not in missing and "VGG16" in missing


def test_the_command_says_all_of_it_and_ends_with_0(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr("bench.doctor.doctor.measure_noise", lambda seconds: QUIET)
    assert main(["doctor", "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for heading in (
        "Machine",
        "GPUs",
        "Versions",
        "Telemetry of processor",
        "Noise",
        "Measured peak",
        "change",
    ):
        assert heading in said
    assert "not measured" in said
    assert said.count("NVIDIA driver") <= 1, "each thing once"
    assert list(tmp_path.iterdir()) == [], "looking changes nothing"
    assert main(["doctor", "--results", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["host"]["usable_cores"] == len(os.sched_getaffinity(0))
    assert f" {found['host']['memory_bytes'] / 1024**3:.0f} GiB of memory" in said


_EXAMINE = """
import json, sys
from pathlib import Path
from bench.doctor import doctor
found = doctor.examine(Path(sys.argv[1]), noise_s=0.0)
assert not {"keras", "tensorflow"} & set(sys.modules)
print(json.dumps({"devices": found.devices, "versions": found.versions,
    "telemetry": [vars(sight) for sight in found.telemetry], "peaks": list(found.peaks)}))
"""


def test_gpus_are_examined_one_by_one_and_what_one_lacks_has_a_reason(nvml, tmp_path: Path):
    nvml.fail("nvmlDeviceGetTotalEnergyConsumption", 3, gpu=0)
    nvml.fail("nvmlDeviceGetPcieThroughput", 3, gpu=0)
    found = nvml.python(_EXAMINE, tmp_path)
    assert [line.split(":")[:2] for line in found["devices"][:2]] == [["gpu", "0"], ["gpu", "1"]]
    assert not found["versions"]["driver"].startswith("unavailable")
    _, first, second = found["telemetry"]
    assert "pcie_rx_bytes_s" in first["unseen"]
    assert "pcie_rx_bytes_s" in second["seen"]
    assert "gpu_utilization" in first["seen"]


def test_it_works_where_no_framework_is_installed(tmp_path: Path):
    # A finder that hides the frameworks, as an environment without them would.
    program = (
        "import importlib.metadata as metadata, sys\n"
        "known = metadata.version\n"
        "def version(name):\n"
        "    if name.startswith(('tensorflow', 'keras', 'jax', 'torch')):\n"
        "        raise metadata.PackageNotFoundError(name)\n"
        "    return known(name)\n"
        "metadata.version = version\n"
        "from pathlib import Path\n"
        "from bench.doctor.doctor import examine\n"
        "print('\\n'.join(examine(Path(sys.argv[1]), noise_s=0.0).advice))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "No framework is installed" in done.stdout
