"""Who else is on a GPU, and waiting for a quiet machine."""

import json
import os
import subprocess
import sys

import psutil
import pytest
from equipment.nvml.stand_in import NOT_SUPPORTED, StandIn
from msgspec.structs import replace

from bench.devices import other_users
from bench.devices.device import Device, Slot
from bench.devices.nvml import LOST, GpuProcess, NvmlError
from bench.devices.other_users import neighbors, processor_noise, wait_until_quiet
from bench.runner import local
from bench.trials.origin import ForeignProcess, Neighbors

BOTH = Slot("gpu:0+1", tuple(Device("gpu", "NVIDIA", StandIn.uuid(index), index) for index in (0, 1)), (0,))
CPU = Slot("cpu:0", (Device("cpu", "a processor"),), (0,))

WATCH = """
import json, msgspec, sys
from bench.devices.device import Device, Slot
from bench.devices.other_users import neighbors
from bench.devices.nvml import open_nvml
harness, hosts_pids, *uuids = json.loads(sys.argv[1])
gpus = tuple(Device("gpu", "NVIDIA", uuid, index) for index, uuid in enumerate(uuids))
with open_nvml() as nvml:
    print(json.dumps(msgspec.to_builtins(neighbors(Slot("gpu:0+1", gpus, (0,)), nvml, harness, hosts_pids))))
"""


def watch(nvml: StandIn, harness: int | None = None, hosts_pids: bool = True) -> dict:
    """What a harness sees; without a number the watching process itself is the harness."""
    uuids = [gpu.uuid for gpu in BOTH.devices]
    return nvml.python(WATCH, json.dumps([harness, hosts_pids, *uuids]))


@pytest.fixture
def neighbor():
    """A process that is none of the watcher's."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process.pid
    process.communicate(b"\n")


def test_an_empty_gpu_is_the_harness_own(nvml):
    assert watch(nvml) == {"alone": True, "foreign": [], "unknown": {}, "unreadable": {}, "lost": []}


def test_workers_are_no_strangers_and_others_are(nvml, neighbor):
    nvml.run_on(0, compute={neighbor: 2**20})
    nvml.run_on(1, graphics={neighbor: None})
    # This test's own process is the parent of the neighbor: to it, that is a worker.
    assert watch(nvml, harness=os.getpid())["alone"] is True
    seen = watch(nvml)
    assert seen["alone"] is False
    assert [(one["gpu"], one["pid"], one["kind"], one["memory_bytes"]) for one in seen["foreign"]] == [
        ("gpu:0", neighbor, "compute", 2**20),
        ("gpu:1", neighbor, "graphics", None),
    ]
    assert seen["foreign"][0]["name"].startswith("python")


def test_a_desktop_is_listed_but_does_not_count(nvml, neighbor):
    nvml.run_on(0, graphics={neighbor: 1})
    seen = watch(nvml)
    assert seen["alone"] is True
    assert len(seen["foreign"]) == 1


def test_a_process_that_has_just_ended_is_passed_over(nvml):
    ended = subprocess.Popen(["true"])
    ended.wait()
    nvml.run_on(0, compute={ended.pid: 1})
    assert watch(nvml)["foreign"] == []


def test_process_ids_of_another_namespace_are_unknown(nvml, neighbor):
    nvml.run_on(0, compute={neighbor: 1, 2**22 + 1: 5}, graphics={2**22 + 2: 5})
    seen = watch(nvml, hosts_pids=False)
    assert (seen["alone"], seen["foreign"], seen["unknown"]) == (None, [], {"gpu:0": 2})


def test_a_gpu_that_is_lost_during_a_trial_is_a_reason(nvml, neighbor):
    nvml.run_on(0, compute={neighbor: 1})
    nvml.lose(1)
    seen = watch(nvml)
    assert seen["lost"] == ["gpu:1"]
    assert "the GPU is lost" in seen["unreadable"]["gpu:1"]
    assert len(seen["foreign"]) == 1


def test_a_driver_that_lists_no_processes_leaves_it_open(nvml):
    nvml.fail("nvmlDeviceGetComputeRunningProcesses", NOT_SUPPORTED)
    seen = watch(nvml)
    assert seen["alone"] is None
    assert set(seen["unreadable"]) == {"gpu:0", "gpu:1"}


def test_on_a_processor_there_is_nobody_to_be_seen():
    assert neighbors(CPU, None) == Neighbors(alone=True)


STRANGER = ForeignProcess(gpu="gpu:0", pid=7, name="python", kind="compute", memory_bytes=None)


class Waiting:
    """A machine whose noise follows a list, with a clock that only sleeping moves."""

    def __init__(self, seen=(), noises=()):
        self.seen, self.noises = list(seen), list(noises)
        self.now = 100.0
        self.said: list[str] = []

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def wait(self, patience_s: float = 60) -> list[str]:
        return wait_until_quiet(
            [BOTH],
            None,
            patience_s,
            clock=lambda: self.now,
            sleep=self.sleep,
            say=self.said.append,
            look=lambda slot, nvml: self.seen.pop(0) if self.seen else Neighbors(),
            busy=lambda: self.noises.pop(0) if self.noises else "",
        )


def test_a_quiet_machine_is_not_waited_for():
    machine = Waiting()
    assert machine.wait() == []
    assert (machine.now, machine.said) == (100.0, [])


def test_strangers_and_load_are_waited_for_and_said_once():
    machine = Waiting([Neighbors(foreign=(STRANGER,))] * 3, ["", "", "", "the load is 3"])
    assert machine.wait() == []
    assert machine.now == 120.0
    assert machine.said == ["Waiting for a quiet machine, at most 60 s: process 7 (python) on gpu:0"]


def test_patience_ends_and_the_reasons_are_kept():
    machine = Waiting([Neighbors(foreign=(STRANGER,), unknown={"gpu:1": 2})] * 99, ["busy"] * 99)
    assert machine.wait(10.5) == [
        "process 7 (python) on gpu:0",
        "2 processes of unknown origin on gpu:1",
        "busy",
    ]
    assert machine.now == 110.5


def test_what_does_not_pass_is_not_waited_for():
    desktop = ForeignProcess(gpu="gpu:0", pid=8, name="compositor", kind="graphics", memory_bytes=None)
    machine = Waiting([Neighbors(foreign=(desktop,), unreadable={"gpu:1": "the GPU is lost"})] * 99)
    assert machine.wait() == ["gpu:1: the GPU is lost"]
    assert machine.now == 100.0


@pytest.mark.parametrize(
    ("avg10", "said"),
    [("0.00", ""), ("5.00", ""), ("5.01", "waited for a core in 5 %"), ("37.2", "waited for a core in 37 %")],
)
def test_pressure_tells_whether_the_processor_is_quiet(tmp_path, avg10, said):
    pressure = tmp_path / "cpu"
    pressure.write_text(f"some avg10={avg10} avg60=50.00 avg300=50.00 total=1\nfull avg10=90.00 total=1\n")
    assert said in processor_noise(pressure)
    assert bool(processor_noise(pressure)) == bool(said)


@pytest.mark.parametrize(("load", "said"), [(0.25, ""), (0.26, "the load is 0.26 processes a core")])
def test_without_pressure_the_load_tells(tmp_path, monkeypatch, load, said):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", lambda: (4 * load, 9, 9))
    for torn in (None, "full avg10=9.0", "some avg60=9.0", "some avg10=x"):
        if torn:
            (tmp_path / "cpu").write_text(torn)
        assert processor_noise(tmp_path / "cpu") == said


def test_in_a_container_nobody_knows_whether_the_harness_is_alone(nvml):
    """There the driver lists no process of other containers."""
    seen = watch(nvml, hosts_pids=False)
    assert (seen["alone"], seen["foreign"], seen["unknown"]) == (None, [], {})


def test_nor_is_a_processor_asked():
    assert neighbors(CPU, None, hosts_pids=False).alone is True


def stranger(
    memory: int | None = 1, pid: int = 7, kind: str = "compute", gpu: str = "gpu:0"
) -> ForeignProcess:
    return ForeignProcess(gpu=gpu, pid=pid, name="x", kind=kind, memory_bytes=memory)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (Neighbors(alone=True), False),
        (Neighbors(alone=True, foreign=(stranger(kind="graphics"),)), True),
        (Neighbors(alone=False), True),
        (Neighbors(alone=None), True),
        (Neighbors(alone=False, foreign=(stranger(),)), True),
    ],
)
def test_nobody_is_told_of_who_is_alone(monkeypatch, now: Neighbors, told: bool):
    monkeypatch.setattr(local, "neighbors", lambda slot, nvml: now)
    assert (local.LocalOtherUsers("nvml", 0.0, print).neighbors(BOTH) is now) is told
    assert local.LocalOtherUsers("nvml", 0.0, print).neighbors(CPU) is None
    assert local.LocalOtherUsers(None, 0.0, print).neighbors(BOTH) is None


@pytest.mark.parametrize(
    ("change", "news"),
    [
        ({"foreign": (stranger(memory=2),)}, False),
        ({"foreign": (stranger(pid=8),)}, True),
        ({"foreign": (stranger(kind="graphics"),)}, True),
        ({"foreign": (stranger(gpu="gpu:1"),)}, True),
        ({"foreign": ()}, True),
        ({"unknown": {"gpu:0": 2}}, True),
        ({"unreadable": {"gpu:0": "why"}}, True),
        ({"lost": ("gpu:0",)}, True),
    ],
)
def test_another_amount_of_memory_is_no_news(monkeypatch, change: dict, news: bool):
    before = Neighbors(alone=False, foreign=(stranger(),))
    seen = iter([before, replace(before, **change)])
    monkeypatch.setattr(local, "neighbors", lambda slot, nvml: next(seen))
    users = local.LocalOtherUsers("nvml", 0.0, print)
    first, second = users.neighbors(BOTH), users.neighbors(BOTH)
    assert first is before and (second is not before) is news


class Listed:
    """NVML that lists processes, or cannot."""

    def __init__(self, **processes: list[GpuProcess] | NvmlError):
        self.of = processes

    def processes(self, uuid: str) -> list[GpuProcess]:
        if isinstance(found := self.of[uuid], NvmlError):
            raise found
        return found


TWO = Slot("gpu:0+1", tuple(Device("gpu", "x", f"g{one}", one) for one in (0, 1)), (0,))


def test_who_else_is_on_the_gpus_of_a_slot(monkeypatch):
    own, stranger = os.getpid(), os.getppid()
    monkeypatch.setattr(
        other_users, "_name", lambda process: {1: "init", stranger: "shell", 5: None}[process.pid]
    )
    listed = Listed(
        g0=[
            GpuProcess(own, "compute", 7),
            GpuProcess(5, "compute", 9),
            GpuProcess(stranger, "graphics", None),
        ],
        g1=[GpuProcess(1, "compute", 8)],
    )
    found = neighbors(TWO, listed, hosts_pids=True)
    assert [(one.gpu, one.pid, one.name, one.kind, one.memory_bytes) for one in found.foreign] == [
        ("gpu:0", stranger, "shell", "graphics", None),
        ("gpu:1", 1, "init", "compute", 8),
    ]
    assert (found.alone, found.unknown, found.unreadable, found.lost) == (False, {}, {}, ())
    drawing = Listed(g0=[GpuProcess(stranger, "graphics", None)], g1=[])
    assert neighbors(TWO, drawing, hosts_pids=True).alone is True
    hidden = neighbors(TWO, listed, hosts_pids=False)
    assert (hidden.alone, hidden.foreign, hidden.unknown) == (None, (), {"gpu:0": 1, "gpu:1": 1})
    assert neighbors(TWO, Listed(g0=[], g1=[]), hosts_pids=False).alone is None
    assert neighbors(TWO, Listed(g0=[], g1=[]), harness=1, hosts_pids=True).alone is True


@pytest.mark.parametrize(("reason", "lost"), [(LOST, ("gpu:0",)), ("busy", ())])
def test_a_gpu_that_lists_nobody_does_not_hide_the_other(reason, lost):
    listed = Listed(g0=NvmlError(reason), g1=[GpuProcess(1, "compute", 8)])
    found = neighbors(TWO, listed, hosts_pids=True)
    assert (found.unreadable, found.lost, found.alone) == ({"gpu:0": reason}, lost, False)
    nobody = neighbors(TWO, Listed(g0=NvmlError(reason), g1=[]), hosts_pids=True)
    assert nobody.alone is None and neighbors(TWO, None, hosts_pids=True).alone is True


def test_whose_processes_are_the_harness_own(monkeypatch):
    assert other_users._belongs_to(os.getpid(), os.getpid()) and other_users._belongs_to(
        os.getppid(), os.getpid()
    )
    assert not other_users._belongs_to(os.getpid(), os.getppid())
    assert not other_users._belongs_to(os.getpid(), 2**22 + 1), "more than the kernel numbers processes"


@pytest.mark.parametrize(("error", "name"), [(None, ""), (ProcessLookupError, None), (PermissionError, "")])
def test_the_name_of_a_process_that_is_hidden_or_gone(monkeypatch, error, name):
    asked = []

    def ask(pid, signal):
        asked.append((pid, signal))
        if error:
            raise error

    monkeypatch.setattr(other_users.os, "kill", ask)
    assert other_users._name(GpuProcess(2**22 + 1, "compute", None)) == name
    assert asked == [(2**22 + 1, 0)], "signal 0 only asks"
    assert other_users._name(GpuProcess(os.getpid(), "compute", None)) == psutil.Process().name()


@pytest.mark.parametrize(
    ("link", "same"), [("pid:[4026531836]", True), ("pid:[4026531837]", False), (None, False)]
)
def test_whether_the_drivers_process_ids_are_ours(tmp_path, monkeypatch, link, same):
    if link:
        (tmp_path / "pid").symlink_to(link)
    monkeypatch.setattr(other_users, "_PID_NAMESPACE", tmp_path / "pid")
    assert other_users.sees_the_hosts_pids() is same


def test_where_the_kernel_tells_of_pressure_and_process_ids():
    assert str(other_users._PRESSURE) == "/proc/pressure/cpu"
    assert str(other_users._PID_NAMESPACE) == "/proc/self/ns/pid"
