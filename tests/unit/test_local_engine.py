"""This machine as a place where trials run: who else is there, what is held, and what its engine is given."""

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.devices.device import Device, Slot
from bench.devices.nvml import NvmlError
from bench.runner import local
from bench.runner.local import LocalOtherUsers, ThisMachine, local_other_users
from bench.trials.origin import ForeignProcess, Neighbors

CPU = Slot("cpu:0", (Device("cpu", "P"),), (0,))
GPU = Slot("gpu:0", (Device("gpu", "A100", "GPU-1"),), (0,))


def test_a_quiet_machine_is_waited_for_and_the_time_is_told(monkeypatch):
    asked, times = [], iter([10.0, 14.5])
    monkeypatch.setattr(local, "wait_until_quiet", lambda *given: asked.append(given) or ["a build"])
    monkeypatch.setattr(local.time, "monotonic", monotonic := lambda: next(times))
    users = LocalOtherUsers("nvml", 7.0, print)
    assert users.wait_until_quiet(GPU, repr) == {"noise": ["a build"], "waited_s": 4.5}
    assert asked == [([GPU], "nvml", 7.0, monotonic, repr, print)]


def foreign(memory_bytes: int = 1, **more) -> Neighbors:
    process = ForeignProcess(
        **{"gpu": "gpu:0", "pid": 9, "name": "x", "kind": "compute", **more}, memory_bytes=memory_bytes
    )
    return Neighbors(alone=False, foreign=(process,))


@pytest.mark.parametrize(
    ("now", "news"),
    [
        (foreign(2), False),
        (foreign(2, kind="graphics"), True),
        (foreign(2, gpu="gpu:1"), True),
        (foreign(2, pid=10), True),
        (Neighbors(alone=None, foreign=foreign().foreign, unknown={"gpu:0": 1}), True),
        (Neighbors(alone=None, foreign=foreign().foreign, unreadable={"gpu:0": "x"}), True),
        (Neighbors(alone=False, foreign=foreign().foreign, lost=("gpu:0",)), True),
    ],
)
def test_other_users_are_the_same_until_somebody_comes_or_goes(monkeypatch, now: Neighbors, news: bool):
    seen, asked = [foreign(1), now], []
    monkeypatch.setattr(local, "neighbors", lambda *given: asked.append(given) or seen.pop(0))
    users = LocalOtherUsers("nvml", 0.0, print)
    first, second = users.neighbors(GPU), users.neighbors(GPU)
    assert first == foreign(1) and second == (now if news else foreign(1))
    assert asked == [(GPU, "nvml")] * 2


def test_other_users_are_those_of_the_slot_and_a_desktop_is_one_though_the_harness_is_alone(monkeypatch):
    desktop = Neighbors(alone=True, foreign=foreign(kind="graphics").foreign)
    other = Slot("gpu:1", (Device("gpu", "A100", "GPU-2", 1),), (0,))
    found = {"gpu:0": foreign(1), "gpu:1": foreign(2)}
    monkeypatch.setattr(local, "neighbors", lambda slot, nvml: found[slot.name])
    users = LocalOtherUsers("nvml", 0.0, print)
    assert [users.neighbors(slot) for slot in (GPU, other, CPU)] == [foreign(1), foreign(2), None]
    found |= {"gpu:0": desktop, "gpu:1": Neighbors(alone=True)}
    assert [users.neighbors(slot) for slot in (GPU, other)] == [desktop, None]
    assert LocalOtherUsers(None, 0.0, print).neighbors(GPU) is None


@pytest.mark.parametrize(
    ("slots", "driver", "nvml", "said"),
    [
        ([CPU], True, None, []),
        ([CPU, GPU], True, "a session", []),
        ([GPU], False, None, ["Other users of the GPUs cannot be seen: no driver."]),
    ],
)
def test_the_driver_is_asked_where_there_are_gpus(
    monkeypatch, slots, driver: bool, nvml: str | None, said: list[str]
):
    opened, told = [], []

    @contextmanager
    def open_nvml():
        if not driver:
            raise NvmlError("no driver")
        opened.append("open")
        yield "a session"
        opened.append("closed")

    monkeypatch.setattr(local, "open_nvml", open_nvml)
    with local_other_users(slots, 7.0, told.append) as users:
        assert (users.nvml, users.quiet_s, users.say) == (nvml, 7.0, told.append)
        assert opened == (["open"] if nvml else [])
    assert opened == (["open", "closed"] if nvml else []) and told == said


def test_this_machine_is_asked_held_and_given_an_engine(monkeypatch):
    asked = []

    @contextmanager
    def users(*given):
        asked.append(("users", *given))
        yield "the others"

    def noting(name: str):
        return lambda *given, **more: asked.append((name, *given, *more.items())) or name

    for name in ("choose_slots", "lease", "find_machine", "notes_of", "LocalEngine"):
        monkeypatch.setattr(local, name, noting(name))
    monkeypatch.setattr(local, "local_other_users", users)
    here = ThisMachine()
    assert here.choose("all", 2, backends=["jax"], accelerator="A100") == "choose_slots"
    assert here.hold("choice", Path("results"), "cells") == "lease"
    suite = SimpleNamespace(
        telemetry=SimpleNamespace(for_trials=lambda trials: f"telemetry of {trials}"),
        trials="abc",
        limits=SimpleNamespace(quiet_s=9.0),
    )
    with here.engine([CPU], suite, Path("results"), print) as engine:
        assert engine == "LocalEngine"
    assert asked == [
        ("choose_slots", "all", 2, ("backends", ["jax"]), ("accelerator", "A100")),
        ("lease", "choice", Path("results"), "cells"),
        ("find_machine",),
        ("notes_of", Path("results"), "find_machine"),
        ("users", [CPU], 9.0, print),
        ("LocalEngine", [CPU], "the others", ("telemetry", "telemetry of abc"), ("notes", "notes_of")),
    ]
