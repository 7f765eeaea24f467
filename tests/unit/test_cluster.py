"""What an attempt on another machine sends home, and how its worker is followed: without Ray, and without a cluster."""

import json
import random
import selectors
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from equipment.results.records import a_trial
from telemetry_equipment import CPU

from bench.errors import InputError
from bench.journal.results import Attempt
from bench.records.fold import fold
from bench.runner.cluster import node as on_node
from bench.runner.cluster.engine import Place, RayEngine, RayWorker
from bench.runner.cluster.inputs import STORE_TRIES
from bench.runner.cluster.transfer import CHECKPOINT, JOURNALS, LARGE, SMALL, Inbox, Outbox, Piece
from bench.runner.engine import QUEUED
from bench.trials.sampling import TelemetrySettings
from bench.worker.files import write_json
from bench.worker.jsonl import EventWriter
from wbc.files import file_sha256


def line(event: str, **content) -> bytes:
    return json.dumps({"t": 1, "event": event, **content}).encode() + b"\n"


def folders(place: Path) -> tuple[Path, Path]:
    """The folder of an attempt and that of its checkpoint."""
    attempt, checkpoint = place / "trial" / "attempt-1", place / "trial" / "checkpoint"
    attempt.mkdir(parents=True)
    checkpoint.mkdir()
    return attempt, checkpoint


def test_everything_arrives_and_predictions_last(tmp_path):
    there, here = folders(tmp_path / "there"), folders(tmp_path / "here")
    outbox, inbox = Outbox(*there), Inbox(*here)
    chance = random.Random(1)
    sizes = {"trace/run.pb": LARGE + 3, "history.csv": 0, "model.keras": 2 * LARGE, "a.png": 9}
    for journal in JOURNALS:
        (there[0] / journal).write_bytes(b"")
    for _ in range(30):  # while it runs, only journals leave
        with (there[0] / chance.choice(JOURNALS)).open("ab") as file:
            file.write(chance.randbytes(chance.randrange(SMALL // 2)))
        for piece in outbox.take(over=False):
            assert piece.name in JOURNALS
            inbox.put(piece)
    for name, size in {**sizes, "predictions.csv": 7, "trial.json": 5}.items():
        (there[0] / name).parent.mkdir(exist_ok=True)
        (there[0] / name).write_bytes(chance.randbytes(size))
    while not outbox.empty or not outbox._whole:
        for piece in outbox.take(over=True):
            if (here[0] / "predictions.csv").exists():  # so the attempt is done, and lacks nothing
                assert all((here[0] / name).exists() for name in sizes)
            inbox.put(piece)
    assert outbox.take(over=True) == []
    for path in there[0].rglob("*"):
        if path.is_file() and path.name != "trial.json":
            assert (here[0] / path.relative_to(there[0])).read_bytes() == path.read_bytes(), path
    assert not list(tmp_path.rglob("here/**/*.partial")) and not (here[0] / "trial.json").exists()


def test_a_checkpoint_comes_after_the_events_that_lead_to_it_and_is_that_of_one_moment(tmp_path):
    there, here = folders(tmp_path / "there"), folders(tmp_path / "here")
    old = there[1] / "training.checkpoint"
    old.write_bytes(b"sent here for this attempt")
    outbox, inbox = Outbox(*there), Inbox(*here)
    assert outbox.take(over=False) == []
    for epoch in (1, 2):
        with (there[0] / "events.jsonl").open("ab") as file:
            file.write(line("epoch", epoch=epoch, metrics={}) * (3 * SMALL // 50))
        new = there[1] / "new"
        new.write_bytes(bytes([epoch]) * (LARGE + 1))
        new.replace(old)
        names = []
        while not (pieces := outbox.take(over=False)) or pieces[-1].name != CHECKPOINT + old.name:
            names += [piece.name for piece in pieces]
            for piece in pieces:
                inbox.put(piece)
        assert set(names) == {"events.jsonl"}
        (there[1] / "later").write_bytes(b"")
        (there[1] / "later").replace(old)  # in the middle of sending
        rest = outbox.take(over=False)
        for piece in (*pieces, *rest):
            inbox.put(piece)
        assert (here[1] / old.name).read_bytes() == bytes([epoch]) * (LARGE + 1)
        for piece in outbox.take(over=False):
            inbox.put(piece)
    assert outbox.take(over=True, resumable=False) == []


def test_a_line_that_was_cut_ends_with_the_attempt(tmp_path):
    attempt, checkpoint = folders(tmp_path)
    inbox = Inbox(attempt, checkpoint)
    inbox.put(Piece("runner.jsonl", 0, line("started") + b'{"t": 2, "ev'))
    inbox.close()
    with (attempt / "runner.jsonl").open("ab") as file:
        file.write(line("ended", exit_code=-9, cpu_s=0.0))
    lines = (attempt / "runner.jsonl").read_bytes().splitlines()
    assert [json.loads(one)["event"] for one in (lines[0], lines[2])] == ["started", "ended"]


def test_an_attempt_is_done_only_when_nothing_of_it_is_missing(tmp_path):
    """Its node is lost after any piece, between the end of the worker and the last report."""
    there = folders(tmp_path / "there")
    beats = line("heartbeat", done=1, total=2) * (2 * SMALL // 40)
    last = line("evaluated", metrics={"images": 1, "accuracy": 1.0}) + line("closed")
    ended = line("ended", exit_code=0, cpu_s=1.0)
    contents = {"events.jsonl": beats + last, "runner.jsonl": beats + ended, "worker.log": beats}
    for name in ("model.keras", "history.csv", "predictions.csv"):
        contents[name] = b"x"
    for name, content in contents.items():
        (there[0] / name).write_bytes(content)
    trial = {**a_trial().to_json(), "specification": {}}
    outbox, pieces = Outbox(*there), []
    while not outbox.empty:
        pieces += outbox.take(over=True, resumable=False)
    assert len(pieces) >= 12
    outcomes = []
    for number in range(len(pieces) + 1):
        here = folders(tmp_path / str(number))
        write_json(here[0] / "trial.json", trial)
        inbox = Inbox(*here)
        for piece in pieces[:number]:
            inbox.put(piece)
        inbox.close()
        journal = EventWriter(here[0] / "runner.jsonl")
        journal.write("ended", exit_code=-9, cpu_s=0.0, stopped={"why": "crashed", "message": "gone"})
        journal.close()
        failure = fold(Attempt(here[0])).failure
        outcomes.append(failure and failure.message)
    assert outcomes == ["gone"] * len(pieces) + [None]


class Handle:
    """Calls of a host in a thread, as an actor's handle makes them; every third report does not arrive at first."""

    def __init__(self, host):
        self.host, self.thread, self.pulls = host, ThreadPoolExecutor(1), 0

    def __getattr__(self, name):
        return Call(self, getattr(self.host, name))


class Call:
    def __init__(self, handle, method):
        self.handle, self.method = handle, method

    def remote(self, *arguments):
        self.answer = self.handle.thread.submit(self.again, *arguments)
        return self

    def again(self, *arguments):
        answer = self.method(*arguments)
        self.handle.pulls += 1
        return self.method(*arguments) if self.handle.pulls % 3 == 0 else answer

    def future(self):
        return self.answer


def test_an_attempt_on_a_node_is_recorded_as_on_one_machine(tmp_path, monkeypatch):
    """A worker whose specification is wrong: it starts and fails by itself."""
    monkeypatch.setenv(on_node.FOLDER, str(tmp_path / "node"))
    monkeypatch.setattr(on_node, "_forget_ray", lambda: None)
    monkeypatch.setattr(on_node, "AGAIN_S", 0.0)
    attempts = tmp_path / "node" / "attempts"
    abandoned, of_another = attempts / f"{on_node._this_system()}-999999999", attempts / "another-1-999999999"
    for folder in (abandoned, of_another):  # nodes may share a home
        folder.mkdir(parents=True)
    attempt = Attempt(tmp_path / "trials" / "a-trial" / "attempt-1")
    attempt.folder.mkdir(parents=True)
    write_json(attempt.folder / "trial.json", {**a_trial().to_json(), "specification": {}})
    place = {CPU.name: Place("node-1", "id", 1, 0)}
    engine = RayEngine([CPU], place, TelemetrySettings(enabled=False), "suite", 0.0)
    trial = (attempt.folder / "trial.json").read_bytes()
    order = on_node.Order("a-trial", 1, trial, CPU, engine.telemetry, "suite")
    worker = RayWorker(engine, attempt, CPU, Handle(on_node.TrialHost(order)))
    worker.note("quiet", noise=[], waited_s=1.5)
    events = []
    while not worker.reap():
        with selectors.DefaultSelector() as selector:
            selector.register(worker.filenos()[0], selectors.EVENT_READ)
            assert selector.select(60)
        events += worker.events()
    events += worker.events()
    kinds = [event["event"] for event in events if event["event"] != QUEUED]
    assert kinds == ["phase_started", "failed", "closed"]
    record = fold(attempt)
    assert record.failure.kind == "crashed" and "KeyError" in record.failure.log[-1]
    assert record.slot == CPU.description() and record.provenance.host
    assert record.quiet.waited_s == 1.5
    worker._host.thread.shutdown()
    assert list(attempts.iterdir()) == [of_another], "nothing else is left on the node"


class Silent:
    """A host that says nothing until it is told to; it keeps what was asked."""

    def __init__(self):
        self.asked: list[tuple[str, Future]] = []

    def __getattr__(self, name):
        def remote(*_):
            self.asked.append((name, Future()))
            return SimpleNamespace(future=lambda: self.asked[-1][1])

        return SimpleNamespace(remote=remote)


def silent(tmp_path) -> tuple[RayWorker, Silent]:
    attempt = Attempt(tmp_path / "trials" / "a-trial" / "attempt-1")
    attempt.folder.mkdir(parents=True)
    engine = RayEngine([CPU], {CPU.name: Place("node-1", "id", 1, 0)}, TelemetrySettings(), "suite", 0.0)
    return RayWorker(engine, attempt, CPU, host := Silent()), host


def test_a_trial_that_waits_for_a_node_is_not_stalled(tmp_path):
    """Another run has it. From when it is free on, silence counts."""
    worker, host = silent(tmp_path)
    (_, here), _ = host.asked
    assert [worker.events() for _ in range(3)] == [[{"event": QUEUED}]] * 3
    here.set_result(None)
    assert worker.events() == [{"event": QUEUED}] and worker.events() == []


def test_a_store_that_is_full_now_and_then_ends_no_trial(tmp_path, monkeypatch):
    """Twenty times in turn do, see `make cluster`."""
    full = type("ObjectStoreFullError", (Exception,), {})
    errors = SimpleNamespace(ObjectStoreFullError=full, OutOfDiskError=full)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(exceptions=errors))
    worker, host = silent(tmp_path)
    for number in range(1, 2 * STORE_TRIES):
        host.asked[-1][1].set_exception(full())
        assert not worker.reap()
        host.asked[-1][1].set_result(on_node.Report(number, [], None, ended=False, over=False))
        assert not worker.reap()
    assert [name for name, _ in host.asked] == ["here"] + ["pull"] * (4 * STORE_TRIES - 1)


def test_the_modules_of_a_users_network_are_those_of_the_driver(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_network_there.py").write_text("def small(): ...")
    sources = {"my_network_there": file_sha256(tmp_path / "my_network_there.py")}
    on_node.check_modules(sources)
    (tmp_path / "my_network_there.py").write_text("def small(): return 2")
    with pytest.raises(InputError, match=r"the module my_network_there on the node, .*, is not that of"):
        on_node.check_modules(sources)
    (tmp_path / "my_network_there.py").unlink()
    with pytest.raises(InputError, match="there is no module my_network_there"):
        on_node.check_modules(sources)


def test_a_node_that_is_lost_is_a_lost_device(tmp_path):
    engine = RayEngine([CPU], {CPU.name: Place("node-1", "id", 1, 0)}, TelemetrySettings(), "suite", 0.0)
    assert engine.neighbors(CPU) is None
    engine.lost.add("id")
    assert engine.neighbors(CPU).lost == ("node-1",)
