"""The host of an attempt on its node: which commands it obeys, and what it reports when."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from telemetry_equipment import CPU

from bench.runner.cluster import node as on_node
from bench.runner.cluster.node import Kill, Note, Order, Stop, TrialHost, node_folder
from bench.runner.cluster.transfer import Piece
from bench.trials.origin import Neighbors
from bench.trials.sampling import TelemetrySettings

PIECE = Piece("worker.log", 0, b"x")


class Beside:
    """A worker, what is to be sent, and the other users, as a test wants them."""

    def __init__(self, host: TrialHost):
        self.done: list[tuple] = []
        self.said: list[list[str]] = []
        self.gone_after = 99
        self.reaped = 0
        self.empty = False
        self.asked = 0
        host._worker, host._outbox, host._users, host._slot = self, self, self, CPU

    def note(self, event: str, **content) -> None:
        self.done.append(("note", event, content))

    def stop(self, why: str, message: str) -> None:
        self.done.append(("stop", why, message))

    def kill(self) -> None:
        self.done.append(("kill",))

    def reap(self) -> bool:
        self.reaped += 1
        return self.reaped > self.gone_after

    def events(self) -> list[dict]:
        return [{"event": name} for name in (self.said.pop(0) if self.said else ())]

    def take(self, over: bool, resumable: bool) -> list[Piece]:
        self.done.append(("take", over, resumable))
        return [PIECE]

    def neighbors(self, slot) -> Neighbors:
        self.asked += 1
        return Neighbors(unknown={"gpu:0": self.asked})


@pytest.fixture
def host(tmp_path: Path, monkeypatch) -> TrialHost:
    monkeypatch.setenv(on_node.FOLDER, str(tmp_path / "node"))
    return TrialHost(Order("a-trial", 3, b"{}", CPU, TelemetrySettings(), "suite"))


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """The clock of the node, and how long it slept."""
    passed = [1000.0]
    clock = SimpleNamespace(monotonic=lambda: passed[0], sleep=passed.append)
    monkeypatch.setattr(on_node, "time", clock)
    return passed


def test_commands_are_obeyed_in_their_order_until_the_worker_is_gone(host: TrialHost, now):
    beside = Beside(host)
    beside.gone_after = 1
    for command in (Note("quiet", b'{"noise": []}'), Stop("timeout", "long"), Kill()):
        host.tell(command)
    assert (host.attempt.number, host.attempt.trial_id) == (3, "a-trial")
    report = host.pull(0)
    assert (report.number, report.pieces, report.ended, report.over) == (1, [PIECE], False, False)
    commands = [("note", "quiet", {"noise": []}), ("stop", "timeout", "long"), ("kill",)]
    assert beside.done == [*commands, ("take", False, True)]
    assert host.pull(0) is report and now[1:] == [1.0], "it did not arrive; nothing is asked of the worker"
    assert host.pull(1).ended
    host.tell(Kill())
    host.pull(2)
    assert beside.done.count(("kill",)) == 1


def test_an_attempt_is_over_when_the_worker_is_gone_and_all_is_sent(host: TrialHost, now):
    beside = Beside(host)
    beside.gone_after, beside.said = 1, [["failed"], []]
    states = []
    for number, empty in enumerate((False, True, False, True)):
        host._wait = lambda: beside.done.append(("wait",))
        beside.take = lambda over, resumable, empty=empty: (
            setattr(beside, "empty", empty) or beside.done.append(over) or []
        )
        report = host.pull(number)
        states.append((report.number, report.ended, report.over, beside.empty))
    assert states == [
        (1, False, False, False),
        (2, True, False, False),  # what is left is asked for at once
        (3, True, False, False),
        (4, True, True, True),
    ]
    assert beside.done == [False, False, True, True]
    host.close()
    assert not host.trial_folder.parent.exists()


@pytest.mark.parametrize(
    ("said", "followed", "resumable"),
    [
        ([], False, True),
        (["epoch"], False, True),
        (["closed"], False, False),
        (["failed", "closed"], False, True),
        (["closed"], True, True),
    ],
)
def test_a_checkpoint_is_sent_while_another_attempt_may_need_it(
    host: TrialHost, now, said, followed, resumable
):
    beside = Beside(host)
    beside.said, host._followed = [said], followed
    host.pull(0)
    host.pull(1)
    assert beside.done == [("take", False, resumable)] * 2


def test_other_users_are_looked_for_every_ten_seconds_and_at_the_end(host: TrialHost, now):
    beside, seen = Beside(host), []
    beside.gone_after = 5
    for number, at in enumerate((1000.0, 1009.9, 1010.0, 1015.0, 1020.0, 1021.0)):
        now[0] = at
        seen.append(host.pull(number).neighbors.unknown["gpu:0"])
    assert seen == [1, 1, 2, 2, 3, 4]


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"LEUKOBENCH_NODE_FOLDER": "/a/b", "XDG_CACHE_HOME": "/c"}, "/a/b"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/leukobench/node"),
        ({"LEUKOBENCH_NODE_FOLDER": "", "HOME": "/home/me"}, "/home/me/.cache/leukobench/node"),
    ],
)
def test_where_a_node_keeps_what_it_gets(monkeypatch, variables: dict[str, str], place: str):
    for name in ("LEUKOBENCH_NODE_FOLDER", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert node_folder() == Path(place)


@pytest.mark.parametrize(
    ("preloads", "kept"),
    [
        (b"/x/ray/core/jemalloc.so", {}),
        (b":/x/ray/core/jemalloc.so:/lib/own.so:/lib/two.so", {"LD_PRELOAD": "/lib/own.so:/lib/two.so"}),
    ],
)
def test_a_worker_gets_the_variables_with_which_the_node_was_started(monkeypatch, preloads: bytes, kept):
    environment = {"OMP_NUM_THREADS": "1", "A": "0"}
    told = {f"/proc/{os.getppid()}/environ": b"A=1\0B=x=y\0torn\0LD_PRELOAD=" + preloads + b"\0"}
    with monkeypatch.context() as patched:
        patched.setattr(on_node.os, "environ", environment)
        patched.setattr(on_node, "Path", lambda place: SimpleNamespace(read_bytes=lambda: told[place]))
        on_node._forget_ray()
    assert environment == {"A": "1", "B": "x=y", **kept}


def test_what_a_killed_host_left_is_removed_and_what_runs_elsewhere_stays(tmp_path: Path):
    system = on_node._this_system()
    names = [f"{system}-999999999", f"{system}-{os.getpid()}", "another-4026531836-999999999", "x"]
    for name in names:
        (tmp_path / name).mkdir()
    on_node._remove_abandoned(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
    on_node._remove_abandoned(tmp_path / "none")


@pytest.mark.parametrize("over", [True, False])
def test_it_waits_for_its_worker_while_that_is_there_and_not_too_often(
    host: TrialHost, now, monkeypatch, over
):
    host._worker, host._over, host._asked = SimpleNamespace(filenos=lambda: [7, 8]), over, 1000.0
    host._ear, tell = os.pipe()
    os.set_blocking(host._ear, False)
    os.write(tell, b"x" * 600)
    waited = []
    monkeypatch.setattr(on_node.select, "select", lambda *given: waited.append(given))
    host._wait()
    assert waited == [([host._ear, *([] if over else [7, 8])], [], [], 5.0)]
    assert now[1:] == [pytest.approx(0.2)] and host._asked == 1000.0
    with pytest.raises(BlockingIOError):
        os.read(host._ear, 1)
    os.close(tell)
    os.close(host._ear)
