"""Peaks of devices: how they are measured, kept and found again."""

import itertools
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from bench.devices.device import Device, Slot
from bench.devices.machine import Machine
from bench.errors import InputError
from bench.machine import calibration
from bench.machine.calibration import calibrate, device_key, fingerprint, load_peak
from bench.worker.calibrate import best_rate

MACHINE = Machine("A processor", (0, 1))
WHOLE = Slot("cpu:0", (Device("cpu", "A processor"),), (0, 1))
HALF = Slot("cpu:1", (Device("cpu", "A processor"),), (1,))
GPU = Slot("gpu:0", (Device("gpu", "NVIDIA A100", "GPU-1"),), (0, 1))

MEASURED = {
    "matmul_float32": {"best": 2e11},
    "matmul_bfloat16": {"unavailable": "no instructions"},
    "bandwidth": {"best": 4e10},
    "tensorflow": "2.21.0",
    "reference_work": {"gflops": 90.0, "rounds": 6, "size": 1024},
}


@pytest.fixture
def measured(monkeypatch):
    """What stands for a measurement in a process of its own: the rate tells how often."""
    slots = []

    def measure(slot, budget_s):
        assert budget_s == 0.4
        slots.append(slot)
        rate = {**MEASURED, "matmul_float32": {"best": 1e11 * len(slots)}}
        return json.dumps({"measured_at": "2026-01-01T00:00:00+00:00", **rate}).encode()

    monkeypatch.setattr(calibration, "_measure", measure)
    return slots


def test_the_best_of_many_runs_is_kept_and_the_first_is_not_timed():
    # Each call takes as many seconds as stand here; the first one traces.
    seconds = iter([100.0, 3.0, 2.0, 1.5, 3.5, 1000.0])
    now = 0.0

    def call():
        nonlocal now
        now += next(seconds)

    rate = best_rate(call, 8.0, budget_s=10.0, clock=lambda: now)
    assert rate == {"best": 8 / 1.5, "median": 4.0, "runs": 4}, "four calls take the ten seconds"


def test_a_budget_that_is_spent_still_makes_three_runs():
    clock = itertools.count()
    assert best_rate(lambda: None, 1.0, budget_s=0.0, clock=lambda: float(next(clock)))["runs"] == 3


def test_what_was_measured_is_found_again(tmp_path: Path, measured):
    assert load_peak(tmp_path, MACHINE, WHOLE) is None
    (peak,) = calibrate(tmp_path, MACHINE, [WHOLE, WHOLE])
    assert measured == [WHOLE], "slots that are alike are measured once"
    assert load_peak(tmp_path, MACHINE, WHOLE) == peak
    assert peak.rates == {"float32": 1e11}
    assert peak.unavailable == {"bfloat16": "no instructions"}
    assert peak.bandwidth == 4e10
    assert peak.disturbed == ""
    assert peak.reference_work_gflops == 90.0
    assert msgspec.to_builtins(peak)["tensorflow"] == "2.21.0"
    (later,) = calibrate(tmp_path, MACHINE, [HALF, WHOLE])[1:]
    assert load_peak(tmp_path, MACHINE, WHOLE) == later and later.rates == {"float32": 3e11}


def test_fewer_cores_other_devices_and_other_machines_have_figures_of_their_own(tmp_path: Path, measured):
    calibrate(tmp_path, MACHINE, [WHOLE])
    assert load_peak(tmp_path, MACHINE, HALF) is None
    assert load_peak(tmp_path, MACHINE, GPU) is None
    assert load_peak(tmp_path, Machine("Another", (0, 1)), WHOLE) is None
    calibrate(tmp_path, MACHINE, [HALF, GPU])
    rates = [load_peak(tmp_path, MACHINE, slot).rates["float32"] for slot in (WHOLE, HALF, GPU)]
    assert rates == [1e11, 2e11, 3e11], "what was known stays"
    assert device_key(GPU) == "GPU-1"


def test_a_damaged_file_is_no_measurement(tmp_path: Path, measured):
    calibrate(tmp_path, MACHINE, [WHOLE])
    path = tmp_path / "machine" / f"{fingerprint(MACHINE)}.json"
    for content in ("", "[]", '{"devices": []}', json.dumps({"devices": {device_key(WHOLE): {}}})):
        path.write_text(content)
        assert load_peak(tmp_path, MACHINE, WHOLE) is None
    calibrate(tmp_path, MACHINE, [WHOLE])
    assert load_peak(tmp_path, MACHINE, WHOLE) is not None


def test_what_cannot_be_measured_says_why(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(InputError, match=r"cpu:0 could not be measured: exit code 1"):
        calibrate(tmp_path, MACHINE, [WHOLE])
    assert not (tmp_path / "machine").exists()


@pytest.mark.parametrize(
    ("code", "out", "err", "reason"),
    [
        (0, 'told before\n{"kind": "cpu"}\n', "a warning", None),
        (0, "\n", "a warning", "exit code 0"),
        (3, "", "deep inside\nno room\n", "no room"),
        (3, "out", "", "exit code 3"),
    ],
)
def test_a_device_is_measured_in_a_process_of_its_own(monkeypatch, code, out, err, reason):
    def run(command, env, **options):
        assert command == [sys.executable, "-P", "-m", "bench.worker.calibrate", "0.25"]
        assert options == {"capture_output": True, "text": True, "timeout": 300.0, "check": False}
        assert (env["TF_CPP_MIN_LOG_LEVEL"], env["LEUKOBENCH_CORES"]) == ("3", "1")
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    monkeypatch.setattr(calibration, "processor_noise", lambda: "a build")
    monkeypatch.setattr(calibration.subprocess, "run", run)
    if reason is None:
        found = json.loads(calibration._measure(HALF, 0.25))
        assert datetime.fromisoformat(found.pop("measured_at")).utcoffset() == timedelta(0)
        assert found == {"disturbed": "a build", "kind": "cpu"}
        return
    with pytest.raises(InputError) as caught:
        calibration._measure(HALF, 0.25)
    assert caught.value.what == f"cpu:1 could not be measured: {reason}"


def test_a_measurement_that_takes_too_long_is_given_up(monkeypatch):
    def run(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(calibration.subprocess, "run", run)
    with pytest.raises(InputError) as caught:
        calibration._measure(WHOLE, 0.25)
    assert caught.value.what == "cpu:0 could not be measured within 300 s"
    assert caught.value.way_out == "Is the machine busy? Try again later."


def test_a_device_goes_by_its_uuid_and_a_processor_by_its_cores(monkeypatch):
    monkeypatch.setattr(calibration.os, "cpu_count", lambda: 8)
    assert [device_key(slot) for slot in (GPU, WHOLE, HALF)] == [
        "GPU-1",
        "cpu with 2 of 8 cores",
        "cpu with 1 of 8 cores",
    ]


def test_the_fingerprint_is_the_same_when_the_kernel_keeps_more_memory_for_itself(monkeypatch):
    import psutil

    before = fingerprint(MACHINE)
    monkeypatch.setattr(
        psutil, "virtual_memory", lambda: pytest.fail("the memory says nothing of the machine")
    )
    assert fingerprint(MACHINE) == before
    assert fingerprint(Machine("Another processor", (0, 1))) != before


def test_devices_are_not_calibrated_while_a_trial_may_run_there(tmp_path: Path, monkeypatch, measured):
    from bench.commands.main import main
    from bench.devices import lease, machine

    gpus = tuple(Device("gpu", "NVIDIA A100", f"GPU-{number}", number) for number in (0, 1))
    found = Machine("A processor", (0, 1), gpus)
    monkeypatch.setattr(machine, "find_machine", lambda: found)
    monkeypatch.setenv(lease.FOLDER, str(tmp_path / "leases"))
    choice = machine.choose_slots("gpu:0", machine=found)
    with lease.lease(choice, tmp_path, "thesis"):
        said = main(["doctor", "--calibrate", "--devices", "gpu:0", "--results", str(tmp_path)])
    assert (said, measured) == (2, [])
    with lease.lease(choice, tmp_path, "thesis"):
        assert main(["doctor", "--calibrate", "--devices", "all", "--results", str(tmp_path)]) == 0
    assert [slot.name for slot in measured] == ["gpu:1"]
