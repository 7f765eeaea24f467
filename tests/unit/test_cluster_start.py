"""How the host of an attempt starts its worker on a node: what it gets, holds, writes and notes; without Ray."""

import json
import os
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray_equipment import RayStandIn, ray_stand_in
from telemetry_equipment import CPU

from bench.devices.device import Device, Slot
from bench.devices.machine import Machine
from bench.errors import InputError
from bench.runner.cluster import inputs, node
from bench.runner.cluster.inputs import STORE_TRIES
from bench.runner.cluster.node import Order, TrialHost
from bench.trials.sampling import TelemetrySettings

TELEMETRY = TelemetrySettings(off_every=3)
HERE = Machine("P", (0, 1), (Device("gpu", "A100", "GPU-7", 7),))
GPU = Slot("node-1", (Device("gpu", "A100", "elsewhere", 0),), (0,))


@pytest.fixture
def started(tmp_path: Path, monkeypatch):
    """Start an attempt on a node that is a stand-in: what was asked, and the host."""
    monkeypatch.setenv(node.FOLDER, str(tmp_path / "node"))
    asked: list[tuple] = []

    def noting(name: str, answer: object = None):
        return lambda *given, **more: asked.append((name, *given, *more.values())) or answer

    @contextmanager
    def held(name, *given):
        asked.append((name, *given))
        yield f"{name} is held"
        asked.append((f"{name} is given back",))

    class Engine:
        def __init__(self, slots, users, telemetry, notes):
            asked.append(("engine", slots, users, telemetry, notes))

        def start(self, attempt, slot):
            asked.append(("start", attempt.number, slot))
            return SimpleNamespace(note=noting("note"))

    class Received:
        received = 7

        def __init__(self, folder, needs, read):
            asked.append(("inputs", folder, needs, read))

        def place(self, specification):
            return {**specification, "placed": True}

    for name, value in {
        "find_machine": lambda: HERE,
        "check_modules": noting("modules"),
        "_forget_ray": noting("forget"),
        "lease": lambda choice, *more: held("lease", choice.slots, choice.named, *more),
        "local_other_users": lambda slots, quiet_s, say: held("users", slots, quiet_s),
        "asked": lambda method: method,
        "fetch": noting("fetch"),
        "Inputs": Received,
        "Outbox": noting("outbox", "outbox"),
        "notes_of": lambda folder, machine: (folder, machine),
        "LocalEngine": Engine,
    }.items():
        monkeypatch.setattr(node, name, value)

    def start(slot: Slot = CPU, depot: object = None, **specification) -> tuple[list[tuple], TrialHost]:
        trial = {"settings": {"sources": {"mine": "0123"}}, "specification": {"a": 1, **specification}}
        order = Order("a-trial", 3, json.dumps(trial).encode(), slot, TELEMETRY, "suite", depot)
        host = TrialHost(order)
        host._start()
        return asked, host

    return start


def test_a_worker_starts_once_all_is_held(started, tmp_path: Path):
    asked, host = started(checkpoint={"folder": "drivers", "at_end": True})
    folder, checkpoint = tmp_path / "node", host.trial_folder / "checkpoint"
    assert asked == [
        ("modules", {"mine": "0123"}),
        ("forget",),
        ("lease", (CPU,), True, Path("a cluster"), "suite"),
        ("users", [CPU], 0.0),
        ("outbox", host.attempt.folder, checkpoint),
        ("engine", [CPU], "users is held", TELEMETRY, (folder, HERE)),
        ("start", 3, CPU),
    ]
    written = json.loads((host.attempt.folder / "trial.json").read_text())
    assert written["specification"] == {"a": 1, "checkpoint": {"folder": str(checkpoint), "at_end": True}}
    assert host._followed and host._slot is CPU and not os.get_blocking(host._ear)
    host.close()
    assert asked[-2:] == [("users is given back",), ("lease is given back",)]


def test_what_the_node_lacks_is_sent_to_it_and_noted(started, tmp_path: Path):
    depot = SimpleNamespace(needs="needs", read="read", files=lambda folder: f"files of {folder}")
    asked, host = started(depot=depot, checkpoint={"folder": "drivers"})
    checkpoint = host.trial_folder / "checkpoint"
    assert ("inputs", tmp_path / "node", "needs", "read") in asked
    assert ("fetch", "files of drivers", checkpoint, "read") in asked
    name, event, received, seconds = asked[-1]
    assert (name, event, received) == ("note", "received", 7) and seconds >= 0
    written = json.loads((host.attempt.folder / "trial.json").read_text())
    assert written["specification"]["placed"] and not host._followed


def test_a_slot_of_gpus_has_those_that_ray_gave_it(started):
    asked, host = started(GPU)
    assert host._slot.devices == HERE.gpus and host._slot.name == "node-1"
    assert ("users", [host._slot], 0.0) in asked


def test_modules_of_the_users_are_those_of_the_driver(tmp_path: Path, monkeypatch):
    file = tmp_path / "mine.py"
    file.write_text("x = 1")
    monkeypatch.setattr(node, "Reference", lambda module, name: SimpleNamespace(source=lambda: file))
    node.check_modules({"mine": node.file_sha256(file)})
    with pytest.raises(InputError) as caught:
        node.check_modules({"mine": "0123"})
    assert caught.value.what == f"the module mine on the node, {file}, is not that of the driver's machine"


def test_a_node_describes_itself_and_waits_until_it_is_quiet(monkeypatch):
    @contextmanager
    def users(slots, quiet_s, say):
        yield SimpleNamespace(
            wait_until_quiet=lambda slot, sleep: {"noise": [slot.name, quiet_s, slots], "waited_s": 4.5}
        )

    monkeypatch.setattr(node, "local_other_users", users)
    assert node.wait_until_quiet(CPU, 7.0) == ([CPU.name, 7.0, [CPU]], 4.5)
    monkeypatch.setattr(node, "find_machine", lambda: HERE)
    monkeypatch.setattr(node, "find_runtime", lambda device: f"runtime {device!r}")
    monkeypatch.setattr(node, "time", SimpleNamespace(time=lambda: 12.5))
    found = node.describe_node()
    assert (found.machine, found.runtime, found.time_s) == (HERE, "runtime ''", 12.5)
    assert found.leukobench == node.__version__


@pytest.mark.parametrize("kind", ["ObjectStoreFullError", "OutOfDiskError"])
@pytest.mark.parametrize(("full", "answers"), [(0, True), (STORE_TRIES - 1, True), (STORE_TRIES, False)])
def test_a_store_that_is_full_is_asked_again(monkeypatch, kind: str, full: int, answers: bool):
    ray: RayStandIn = ray_stand_in(monkeypatch)
    error, slept, left = getattr(ray.exceptions, kind), [], [full]

    def get(asked):
        if left[0]:
            left[0] -= 1
            raise error("full")
        return asked

    monkeypatch.setattr(inputs, "time", SimpleNamespace(sleep=slept.append))
    ray.get = get
    ask = inputs.asked(SimpleNamespace(remote=lambda *given: given))
    if answers:
        assert ask(1, "a") == (1, "a")
    else:
        with pytest.raises(error):
            ask(1, "a")
    assert slept == [1.0] * min(full, STORE_TRIES - 1)
