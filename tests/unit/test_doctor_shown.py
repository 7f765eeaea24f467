"""What `doctor` calibrates, hands over and shows of a machine."""

import json
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from bench.commands import doctor
from bench.commands.main import main
from bench.commands.terminal import Terminal
from bench.doctor.noise import Noise


def test_doctor_calibrates_what_it_holds(folder: Path, capsys, monkeypatch):
    done = []

    @contextmanager
    def lease(chosen, results, who):
        done.append(("lease", chosen.slots, results, who))
        yield SimpleNamespace(note="Waits for a run.", slots="leased")

    monkeypatch.setattr("bench.devices.machine.find_machine", lambda: "the machine")
    monkeypatch.setattr(
        "bench.devices.machine.choose_slots",
        lambda *given: done.append(given) or SimpleNamespace(slots="slots"),
    )
    monkeypatch.setattr("bench.devices.lease.lease", lease)
    monkeypatch.setattr("bench.machine.calibration.calibrate", lambda *given: done.append(given))
    monkeypatch.setattr(
        "bench.doctor.doctor.examine", lambda *given: done.append(given) or {"found": given[1]}
    )
    given = ["--calibrate", "--devices", "cpu", "--weights", "w", "--results", "there"]
    assert main(["doctor", *given, "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "Measuring the peak of each device: some seconds ...\nWaits for a run.\n"
    assert json.loads(printed.out) == {"found": "w"}
    there = Path("there")
    assert done == [
        ("cpu", 1, "the machine"),
        ("lease", "slots", there, "doctor --calibrate"),
        (there, "the machine", "leased"),
        (there, Path("w"), "slots", "the machine"),
    ]
    done.clear()
    assert main(["doctor", "--json"]) == 0
    assert done == [("all", 1, "the machine"), (Path("results"), None, "slots", "the machine")]


def examination(**changes) -> SimpleNamespace:
    host = {
        "processor": "A processor",
        "cores": 8,
        "usable_cores": 4,
        "memory_bytes": 16 * 2**30,
        "kernel": "6.1",
    }
    host |= {
        "virtual": True,
        "container": False,
        "quota_cores": None,
        "governor": "performance",
        "boost": "on",
    }
    host |= {"huge_pages": "madvise", "fingerprint": "abc", **changes.pop("host", {})}
    unseen = {"a": "no counter", "b": "no right", "c": "no counter"}
    usual = {
        "devices": ["gpu:0: A100"],
        "versions": {"tensorflow": "2.21.0", "jax": "", "driver": "unavailable: no driver"},
        "variables": {"TF_X": "1"},
        "telemetry": [SimpleNamespace(of="processor", seen=["cpu_s", "rss_bytes"], unseen=unseen)],
        "weights": {"VGG16": "/w/vgg16"},
        "without_weights": ["x"] * 5,
        "noise": Noise(0.01, 0.1, None, 0.0),
        "peaks": {"cpu:0": None},
        "advice": [],
    }
    return SimpleNamespace(host=SimpleNamespace(**host), **{**usual, **changes})


def test_lines_of_doctor_are_neither_colored_word_by_word_nor_broken(capsys, monkeypatch):
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "40"}.items():
        monkeypatch.setenv(name, value)
    advice = "Give it 2.5 cores [more] of its own, so that its times are its own."
    doctor._show(Terminal(), examination(advice=[advice]))
    said = capsys.readouterr().out
    assert "\n  A processor, 8 cores (4 for this process), 16 GiB of memory, Linux 6.1\n" in said
    assert f"\n  {advice}\n" in said


def test_what_doctor_shows(capsys):
    doctor._show(Terminal(), examination())
    assert capsys.readouterr().out.splitlines() == [
        "Machine",
        "  A processor, 8 cores (4 for this process), 16 GiB of memory, Linux 6.1",
        "  virtual machine: yes, container: no, no quota of processor time",
        "  governor: performance; boost: on; huge pages: madvise",
        "  fingerprint: abc",
        "GPUs",
        "  gpu:0: A100",
        "Versions",
        "  tensorflow 2.21.0, jax not installed",
        "Set in the environment",
        "  TF_X=1",
        "Telemetry of processor",
        "  measures cpu_s, rss_bytes",
        "  cannot measure a, c: no counter",
        "  cannot measure b: no right",
        "Pretrained weights",
        "  VGG16: /w/vgg16",
        "  Keras downloads those of the other 5 networks when a suite needs them",
        "Noise",
        *(f"  {line}" for line in doctor._noise(Noise(0.01, 0.1, None, 0.0))),
        "Measured peak",
        "  cpu:0: not measured",
        "What to change",
        "  nothing",
    ]
    blind = [SimpleNamespace(of="gpu:0", seen=[], unseen={})]
    host = {"quota_cores": 1.5, "virtual": None, "memory_bytes": None}
    other = examination(host=host, variables={}, weights={}, telemetry=blind, advice=["Do this."])
    doctor._show(Terminal(), other)
    lines = capsys.readouterr().out.splitlines()
    assert "  A processor, 8 cores (4 for this process), 0 GiB of memory, Linux 6.1" in lines
    assert "  virtual machine: unknown, container: no, quota: 1.5 cores" in lines
    assert "  measures nothing" in lines and "Set in the environment" not in lines
    assert "  none here: Keras downloads them when a suite needs them" in lines and lines[-1] == "  Do this."
