"""What is kept of this machine: its measured peaks, facts, versions, and where an attempt comes from."""

import hashlib
import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.devices.device import Device, Slot
from bench.devices.machine import Machine
from bench.devices.nvml import NvmlError
from bench.errors import InputError
from bench.machine import calibration, notes
from bench.machine.calibration import PRECISIONS, calibrate, device_key, fingerprint, load_peak
from bench.version import __version__

MACHINE = Machine("A processor", (0, 1))
WHOLE = Slot("cpu:0", (Device("cpu", "A processor"),), (0, 1))
GPUS = Slot("gpu:0+1", tuple(Device("gpu", "NVIDIA A100", f"GPU-{one}", one) for one in (7, 8)), (0,))
DONE = {
    "tensorflow": "2.21.0",
    "bandwidth": {"unavailable": "no room"},
    "reference_work": {"gflops": 90.0},
    "settings": {"onednn": "on"},
    **{f"matmul_{name}": {"best": 1e9 * number} for number, name in enumerate(PRECISIONS, 1)},
}


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(calibration.os, "cpu_count", lambda: 4)


def test_a_machine_is_its_processor_and_its_number_of_cores(four_cores):
    assert fingerprint(MACHINE) == hashlib.sha256(b'["A processor", 4]').hexdigest()[:12]
    assert device_key(WHOLE) == "cpu with 2 of 4 cores" and device_key(GPUS) == "GPU-7"


class Measuring:
    """Stands for the process that measures."""

    def __init__(self, monkeypatch, **done):
        self.calls = []
        self.done = {"returncode": 0, "stdout": f"a warning\n{json.dumps(DONE)}\n", "stderr": "", **done}
        monkeypatch.setattr(calibration.subprocess, "run", self)
        monkeypatch.setattr(calibration, "processor_noise", lambda: "somebody compiles")

    def __call__(self, command, **options):
        self.calls.append((command, options))
        if "raises" in self.done:
            raise self.done["raises"]
        return SimpleNamespace(**self.done)


def test_what_a_process_of_its_own_measures_is_kept(tmp_path, monkeypatch, four_cores):
    measuring = Measuring(monkeypatch)
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    peaks = calibrate(tmp_path, MACHINE, [WHOLE, GPUS], budget_s=0.125)
    assert [peak.device for peak in peaks] == ["A processor", "2 x NVIDIA A100"]
    (peak, _) = peaks
    assert peak.rates == {"float32": 1e9, "tensorfloat32": 2e9, "bfloat16": 3e9, "float16": 4e9}
    assert (peak.bandwidth, peak.unavailable, peak.settings) == (None, {}, {"onednn": "on"})
    assert (peak.disturbed, peak.reference_work_gflops) == ("somebody compiles", 90.0)
    assert peak.measured_at.endswith("+00:00") and len(peak.measured_at) == len("2026-01-01T00:00:00+00:00")
    (command, options), (_, others) = measuring.calls
    assert command[1:] == ["-P", "-m", "bench.worker.calibrate", "0.125"]
    assert (options["timeout"], options["check"]) == (300.0, False)
    environment = options["env"]
    assert (
        environment["CUDA_VISIBLE_DEVICES"] == "" and others["env"]["CUDA_VISIBLE_DEVICES"] == "GPU-7,GPU-8"
    )
    assert environment["TF_CPP_MIN_LOG_LEVEL"] == "3" and "PYTHONOPTIMIZE" not in environment
    file = tmp_path / "machine" / f"{fingerprint(MACHINE)}.json"
    assert json.loads(file.read_text())["processor"] == "A processor"
    assert load_peak(tmp_path, MACHINE, Slot("gpu:7", GPUS.devices[:1], (0,))).device == "NVIDIA A100"


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (
            {"returncode": 1, "stdout": "x\n", "stderr": "a\ncannot measure: no GPU\n"},
            "cannot measure: no GPU",
        ),
        ({"returncode": -9, "stdout": "x"}, "exit code -9"),
        ({"stdout": "", "stderr": "y"}, "exit code 0"),
    ],
)
def test_a_process_that_measures_nothing_says_why(tmp_path, monkeypatch, done, said):
    Measuring(monkeypatch, **done)
    with pytest.raises(InputError) as caught:
        calibrate(tmp_path, MACHINE, [WHOLE])
    assert str(caught.value) == f"cpu:0 could not be measured: {said}"


def test_a_measurement_is_not_waited_for_without_end(tmp_path, monkeypatch):
    Measuring(monkeypatch, raises=subprocess.TimeoutExpired("x", 300))
    with pytest.raises(InputError) as caught:
        calibrate(tmp_path, MACHINE, [WHOLE])
    assert caught.value.what == "cpu:0 could not be measured within 300 s"
    assert caught.value.way_out == "Is the machine busy? Try again later."


def driver(monkeypatch, **answers: str | NvmlError) -> None:
    """NVML as a test wants it; without answers there is no driver."""

    def answer(value):
        if isinstance(value, NvmlError):
            raise value
        return value

    @contextmanager
    def opened():
        yield SimpleNamespace(
            driver=lambda: answer(answers["driver"]), cuda_driver=lambda: answer(answers["cuda_driver"])
        )

    def refused():
        raise NvmlError("there is no NVIDIA driver")

    monkeypatch.setattr(notes, "open_nvml", opened if answers else refused)
    notes._driver.cache_clear()


def test_versions_of_the_driver_or_why_they_are_unknown(monkeypatch):
    driver(monkeypatch, driver="570.1", cuda_driver="12.8")
    assert notes.driver_versions() == {"driver": "570.1", "cuda_driver": "12.8"}
    driver(monkeypatch, driver=NvmlError("busy"), cuda_driver="12.8")
    assert notes.driver_versions() == {"driver": "unavailable: busy", "cuda_driver": "12.8"}
    driver(monkeypatch)
    missing = "unavailable: there is no NVIDIA driver"
    assert notes.driver_versions() == {"driver": missing, "cuda_driver": missing}


def test_an_attempt_says_where_it_comes_from(monkeypatch):
    monkeypatch.setattr(notes, "_commit", lambda: "abc-dirty")
    monkeypatch.setattr(notes.platform, "node", lambda: "host-1")
    driver(monkeypatch, driver="570.1", cuda_driver="12.8")
    assert notes.origin(gpu=False) == {"host": "host-1", "commit": "abc-dirty"}
    assert notes.origin(gpu=True) == {"host": "host-1", "commit": "abc-dirty", "driver": "570.1"}
    driver(monkeypatch)
    monkeypatch.setattr(notes, "_commit", lambda: None)
    monkeypatch.setattr(notes.platform, "node", lambda: "")
    assert notes.origin(gpu=True) == {}
    notes._driver.cache_clear()


def test_driver_and_commit_are_asked_for_once(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(notes, "driver_versions", lambda: asked.append(1) or {"driver": "570.1"})
    notes._driver.cache_clear()
    assert notes._driver() == notes._driver() == "570.1" and len(asked) == 1
    notes._driver.cache_clear()

    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(notes, "_SOURCE", tmp_path)
    monkeypatch.setattr(
        notes.subprocess,
        "run",
        lambda *command, **more: asked.append(more) or SimpleNamespace(stdout="abc\n"),
    )
    notes._commit.cache_clear()
    assert notes._commit() == notes._commit() == "abc" and len(asked) == 2
    assert (asked[1]["timeout"], asked[1]["check"]) == (5.0, True)
    notes._commit.cache_clear()


def test_the_commit_is_that_of_the_source_and_says_whether_files_differ(tmp_path, monkeypatch):
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=x", "-c", "user.email=x@x"]
        done = subprocess.run(
            ["git", "-C", tmp_path, *who, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    monkeypatch.setattr(notes, "_SOURCE", tmp_path)
    commit = notes._commit.__wrapped__
    assert commit() is None, "not a repository"
    git("init", "--quiet")
    assert commit() is None, "nothing is committed"
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "--quiet", "-m", "x")
    git("tag", "-a", "-m", "x", "v1")
    assert commit() == git("rev-parse", "HEAD")
    (tmp_path / "file").write_text("2")
    assert commit() == git("rev-parse", "HEAD") + "-dirty"
    monkeypatch.setenv("PATH", "")
    assert commit() is None, "no git"


def test_the_source_is_the_repository():
    assert Path(__file__).resolve().parents[2] == notes._SOURCE


def test_the_journal_of_an_attempt_keeps_machine_version_and_peak(tmp_path, monkeypatch, four_cores):
    driver(monkeypatch, driver="570.1", cuda_driver="12.8")
    made = notes.notes_of(tmp_path, MACHINE)
    found = made(WHOLE)
    assert found.keys() == {"machine"} and found["machine"]["leukobench"] == __version__
    facts = found["machine"]["machine"]
    assert (facts["processor"], facts["fingerprint"]) == ("A processor", fingerprint(MACHINE))
    assert (facts["driver"], facts["cuda_driver"], facts["cores"]) == ("570.1", "12.8", 4)
    Measuring(monkeypatch)
    calibrate(tmp_path, MACHINE, [WHOLE])
    assert made(WHOLE)["peak"]["rates"]["float16"] == 4e9 and made(GPUS).keys() == {"machine"}
