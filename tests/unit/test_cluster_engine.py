"""What the driver asks of Ray for an attempt, and what becomes of an attempt whose host is gone: without Ray."""

import json
from pathlib import Path

import pytest
from ray_equipment import Host, RayStandIn, ray_stand_in
from telemetry_equipment import CPU

from bench.journal.results import Attempt
from bench.runner.cluster.engine import Place, RayEngine, RayWorker, _alive
from bench.runner.cluster.inputs import STORE_TRIES, Depot
from bench.runner.cluster.node import Kill, Note, Report, Stop, TrialHost, wait_until_quiet
from bench.runner.cluster.transfer import Piece
from bench.runner.engine import QUEUED
from bench.trials.origin import Neighbors
from bench.trials.sampling import TelemetrySettings

TELEMETRY = TelemetrySettings(enabled=False)


@pytest.fixture
def ray(monkeypatch) -> RayStandIn:
    return ray_stand_in(monkeypatch)


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    made = Attempt(tmp_path / "trials" / "a-trial" / "attempt-2")
    made.folder.mkdir(parents=True)
    (made.folder / "trial.json").write_text('{"a": 1}')
    return made


@pytest.fixture
def engine() -> RayEngine:
    return RayEngine([CPU], {CPU.name: Place("node-1", "id-1", 2.5, 3)}, TELEMETRY, "suite", 7.0)


@pytest.fixture
def worker(engine: RayEngine, attempt: Attempt) -> RayWorker:
    return RayWorker(engine, attempt, CPU, Host())


def answer(worker: RayWorker, pieces: list[Piece] = (), **told) -> None:
    """The last question for a report is answered."""
    name, (seen,), last = worker._host.calls[-1]
    assert name == "pull"
    report = Report(seen + 1, list(pieces), **{"neighbors": None, "ended": False, "over": False, **told})
    last.set_result(report)


def test_an_attempt_is_started_on_its_node_and_gets_files_from_the_drivers(
    engine: RayEngine, attempt: Attempt, ray: RayStandIn, monkeypatch
):
    monkeypatch.setattr("bench.runner.cluster.engine.RayWorker", lambda *given: given)
    engine.seen[CPU.name] = Neighbors(alone=True)
    started = engine.start(attempt, CPU)
    depot, host = ray.asked
    assert started == (engine, attempt, CPU, host)
    assert (depot.what, depot.node, depot.arguments) == (Depot, "driver", ())
    assert depot.options == {"num_cpus": 0, "max_concurrency": 4, "max_restarts": -1, "max_task_retries": -1}
    assert (host.what, host.node) == (TrialHost, "id-1")
    assert host.options == {"num_cpus": 2.5, "num_gpus": 3, "max_concurrency": 2, "max_restarts": 0}
    (order,) = host.arguments
    assert (order.trial_id, order.number, order.trial, order.slot) == ("a-trial", 2, b'{"a": 1}', CPU)
    assert (order.telemetry, order.suite, order.depot) == (TELEMETRY, "suite", depot)
    assert engine.neighbors(CPU) is None, "of the last attempt"
    engine.start(attempt, CPU)
    assert [one.what for one in ray.asked] == [Depot, TrialHost, TrialHost] and engine.other_users is engine


def test_the_driver_waits_until_a_node_is_quiet(engine: RayEngine, ray: RayStandIn):
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            ray.asked[0].answer.set_result((["a build"], 4.5))

    assert engine.wait_until_quiet(CPU, sleep) == {"noise": ["a build"], "waited_s": 4.5}
    (asked,) = ray.asked
    assert (asked.what, asked.node, asked.arguments) == (wait_until_quiet, "id-1", (CPU, 7.0))
    assert asked.options == {"num_cpus": 0} and slept == [0.5] * 3


def test_a_node_that_is_lost_is_told_as_its_slot_s_lost_device(engine: RayEngine):
    engine.lost.add("id-2")
    engine.seen[CPU.name] = Neighbors(alone=True)
    assert engine.neighbors(CPU) == Neighbors(alone=True)
    engine.lost.add("id-1")
    assert engine.neighbors(CPU) == Neighbors(unreadable={"node-1": "the node is lost"}, lost=("node-1",))


def test_reports_are_asked_for_one_after_another_and_lines_may_come_in_parts(worker: RayWorker):
    host, folder = worker._host, worker.attempt.folder
    assert host.told("here", "pull") == [("here",), ("pull", 0)] and worker.attempt.log.is_file()
    assert worker.events() == [{"event": QUEUED}]
    host.calls[0][2].set_result(None)
    events = b'{"event": "a"}\nno event\n{"event": '
    others = Neighbors(alone=True)
    answer(worker, [Piece("events.jsonl", 0, events), Piece("worker.log", 0, b"{}\n")], neighbors=others)
    assert not worker.reap() and worker.engine.seen == {CPU.name: others}
    assert worker.events() == [{"event": "a"}, {"event": QUEUED}] and worker.events() == []
    answer(worker, [Piece("events.jsonl", len(events), b'"b"}\n')])
    assert not worker.reap() and worker.events() == [{"event": "b"}]
    assert (folder / "events.jsonl").read_bytes() == events + b'"b"}\n'
    answer(worker, ended=True)
    assert not worker.reap()
    answer(worker, ended=True, over=True)
    assert worker.reap() and worker.reap()
    assert host.told("pull", "close") == [*(("pull", number) for number in range(4)), ("close",)]
    assert not worker.attempt.runner_events.exists(), "its host wrote the end"


def test_the_first_reason_to_stop_stays_and_who_is_done_is_only_interrupted(worker: RayWorker):
    host = worker._host
    worker.note("quiet", noise=[], waited_s=1.5)
    worker.stop("timeout", "too long")
    worker.stop("stalled", "silent")
    assert worker._stopped == {"why": "timeout", "message": "too long"}
    assert host.told("tell") == [
        ("tell", Note("quiet", b'{"noise": [], "waited_s": 1.5}')),
        ("tell", Stop("timeout", "too long")),
        ("tell", Stop("stalled", "silent")),
    ]


@pytest.mark.parametrize("why", ["timeout", "interrupted", "stalled"])
def test_what_a_worker_left_behind_may_take_its_time(worker: RayWorker, ray: RayStandIn, why: str):
    answer(worker, ended=True)
    worker.reap()
    worker.kill()
    assert ray.killed == [], "nobody asked it to stop"
    worker.stop(why, "now")
    assert worker._host.told("tell") == ([("tell", Stop(why, "now"))] if why == "interrupted" else [])
    worker.kill()
    assert ray.killed == [worker._host] * (why == "interrupted")
    assert ("tell", Kill()) not in worker._host.told("tell")


def test_a_worker_that_runs_is_ended_by_its_host_and_one_that_waits_with_it(
    worker: RayWorker, ray: RayStandIn
):
    worker.kill()
    assert ray.killed == [worker._host] and worker._host.told("tell") == []
    answer(worker)
    worker.reap()
    worker.kill()
    assert ray.killed == [worker._host] and worker._host.told("tell") == [("tell", Kill())]


@pytest.mark.parametrize(
    ("kind", "said", "why", "message"),
    [
        ("ActorDiedError", "a stack\n  it died  \n", "crashed", "on node-1: it died"),
        ("ActorDiedError", "x" * 400, "crashed", "on node-1: " + "x" * 300),
        ("ActorDiedError", "", "crashed", "on node-1: ActorDiedError('')"),
        ("ActorDiedError", "exit type: NODE_OUT_OF_MEMORY", "host-oom", "on node-1: exit type: NODE_OUT_OF_MEMORY"),
        ("OutOfMemoryError", "killed", "host-oom", "on node-1: killed"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("lost", [False, True])
def test_an_attempt_whose_host_died_gets_its_end_from_the_driver(
    worker: RayWorker, ray: RayStandIn, kind: str, said: str, why: str, message: str, lost: bool
):
    error = getattr(ray.exceptions, kind)(said)
    worker._host.calls[-1][2].set_exception(error)
    assert not worker.reap() and ray.killed == [worker._host]
    (asked,) = ray.asked
    assert (asked.what, asked.node, asked.options) == (_alive, "id-1", {"num_cpus": 0, "max_retries": 0})
    assert not worker.reap(), "whether the node is there is not known yet"
    if lost:
        asked.answer.set_exception(ray.exceptions.ActorDiedError("gone"))
    else:
        asked.answer.set_result(asked.what())
    assert worker.reap() and worker.engine.lost == ({"id-1"} if lost else set())
    (line,) = worker.attempt.runner_events.read_text().splitlines()
    end = json.loads(line)
    assert (end["event"], end["exit_code"], end["cpu_s"]) == ("ended", -9, 0.0)
    assert end["stopped"] == {"why": why, "message": message}


def test_one_that_was_stopped_ends_for_that_reason(worker: RayWorker, ray: RayStandIn):
    worker.stop("timeout", "too long")
    worker._host.calls[1][2].set_exception(ray.exceptions.ActorDiedError("it died"))
    worker.reap()
    ray.asked[0].answer.set_result(None)
    assert worker.reap()
    end = json.loads(worker.attempt.runner_events.read_text())
    assert end["stopped"] == {"why": "timeout", "message": "too long"}


@pytest.mark.parametrize("kind", ["ObjectStoreFullError", "OutOfDiskError"])
def test_a_store_that_stays_full_ends_an_attempt(worker: RayWorker, ray: RayStandIn, kind: str):
    for _ in range(STORE_TRIES):
        assert ray.killed == []
        worker._host.calls[-1][2].set_exception(getattr(ray.exceptions, kind)("full"))
        assert not worker.reap()
    assert ray.killed == [worker._host] and len(worker._host.told("pull")) == STORE_TRIES
    ray.asked[0].answer.set_result(None)
    assert worker.reap() and worker.engine.lost == set()
    end = json.loads(worker.attempt.runner_events.read_text())
    assert end["stopped"] == {"why": "crashed", "message": "Ray's object store on node-1 is full"}
