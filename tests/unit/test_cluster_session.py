"""How a run connects to a cluster, and how its nodes are asked what they have: without Ray."""

import logging
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray_equipment import RayStandIn, ray_stand_in
from telemetry_equipment import CPU

from bench.devices.machine import Choice, Machine
from bench.errors import InputError
from bench.runner.cluster import session
from bench.runner.cluster.node import NodeFacts, describe_node
from bench.runner.cluster.session import Node, RayCluster, connect, nodes
from bench.trials.sampling import TelemetrySettings
from bench.trials.settings import Runtime

VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_memory_monitor_refresh_ms": "0",
}
ON_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


@pytest.fixture
def ray(monkeypatch) -> RayStandIn:
    for name in (*VARIABLES, ON_LOOPBACK):  # so that they are taken back
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    return ray_stand_in(monkeypatch)


@pytest.mark.parametrize(
    ("address", "asked", "on_loopback"),
    [
        (None, "local", True),
        ("localhost:6379", "localhost:6379", True),
        ("127.0.0.1:6379", "127.0.0.1:6379", True),
        ("10.0.0.1:6379", "10.0.0.1:6379", False),
    ],
)
def test_a_cluster_is_started_or_found(ray: RayStandIn, address: str | None, asked: str, on_loopback: bool):
    with connect(address) as cluster:
        assert isinstance(cluster, RayCluster) and ray.stopped == 0
        assert {name: os.environ.get(name) for name in VARIABLES} == VARIABLES
        assert os.environ.get(ON_LOOPBACK) == ("0" if on_loopback else None)
    usual = {"logging_level": logging.ERROR, "log_to_driver": False}
    own = {
        "num_cpus": len(os.sched_getaffinity(0)),
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
    }
    assert ray.started == [(asked, usual if address else {**usual, **own})] and ray.stopped == 1


def test_what_is_set_already_stays(ray: RayStandIn, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    with pytest.raises(ZeroDivisionError), connect("10.0.0.1:1"):
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"
        raise ZeroDivisionError
    assert ray.stopped == 1


@pytest.mark.parametrize("error", [OSError, RuntimeError, ValueError, AssertionError])
@pytest.mark.parametrize(("address", "named"), [(None, "on this machine"), ("10.0.0.1:1", "10.0.0.1:1")])
def test_a_cluster_that_cannot_be_used_is_told_in_a_line(ray: RayStandIn, error, address, named: str):
    ray.refuses = error("no\n  answer " + "x" * 400)
    with pytest.raises(InputError) as caught, connect(address):
        pytest.fail("there is none")
    said = ("no answer " + "x" * 400)[:300]
    assert caught.value.what == f"the Ray cluster {named} cannot be used: {said}"
    assert caught.value.way_out.startswith("--address takes HOST:PORT of the head node")
    assert ray.stopped == 0


def test_what_ends_the_harness_stays_its_own(ray: RayStandIn):
    def own(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, own)
    try:
        ray.init = lambda *given, **more: signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with connect(None):
            assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def listed(name: str, number: str, host: str = "", alive: bool = True, **resources: float) -> dict:
    """A node as Ray lists it; without a name of its own it has that of its address."""
    return {
        **{"NodeName": name, "NodeID": number, "NodeManagerHostname": host, "NodeManagerAddress": "10.0.0.1"},
        **{"Alive": alive, "Resources": {"CPU": 2.0, **resources}},
    }


def facts(time_s: float = 100.0) -> NodeFacts:
    return NodeFacts(Machine("P", (0, 1)), Runtime(wbc="1", keras="3", device=""), "0.1", time_s)


def asked(ray: RayStandIn, monkeypatch, *answers: NodeFacts | Exception, now: float = 100.0) -> list[Node]:
    """The nodes, of which each answers in turn; the question is asked at 100 s."""
    times = iter([100.0, *[now] * 9])
    monkeypatch.setattr(session, "time", SimpleNamespace(time=lambda: next(times)))
    remote = ray.remote

    def answered(what):
        starts = remote(what)

        def options(**own):
            return SimpleNamespace(remote=lambda: settled(starts.options(**own).remote()))

        return SimpleNamespace(options=options)

    def settled(one):
        content = answers[len(ray.asked) - 1]
        if isinstance(content, Exception):
            one.answer.set_exception(content)
        else:
            one.answer.set_result(content)
        return one

    ray.remote = answered
    return list(nodes())


def test_nodes_are_asked_in_the_order_of_their_names(ray: RayStandIn, monkeypatch):
    ray.listed = [
        listed("10.0.0.1", "d", "host", GPU=2.0),
        listed("b", "c", CPU=1.0),
        listed("b", "a", CPU=7.9),
        listed("gone", "e", alive=False),
        listed("head", "f", CPU=0.0),
        listed("half", "g", CPU=0.99),
        {**listed("none", "h"), "Resources": {}},
    ]
    found = asked(ray, monkeypatch, facts(), facts(), facts())
    assert [(one.name, one.id, one.cpus, one.gpus) for one in found] == [
        ("b#1", "a", 7, 0),
        ("b#2", "c", 1, 0),
        ("host", "d", 2, 2),
    ]
    assert [(one.what, one.node, one.options) for one in ray.asked] == [
        (describe_node, node, {"num_cpus": 0}) for node in "acd"
    ]
    assert all(one.facts == facts() and one.clock_s == 0 for one in found)


@pytest.mark.parametrize(
    ("told", "ahead"), [(100.0, 0.0), (103.0, 0.0), (105.0, 0.0), (107.5, 2.5), (98.0, -2.0)]
)
def test_a_clock_may_be_anywhere_between_question_and_answer(ray, monkeypatch, told: float, ahead: float):
    ray.listed = [listed("a", "a")]
    (found,) = asked(ray, monkeypatch, facts(told), now=105.0)
    assert found.clock_s == ahead


@pytest.mark.parametrize(
    ("said", "told"),
    [("a stack\nno module bench\n", "no module bench"), ("", "OutOfMemoryError"), ("x" * 400, "x" * 300)],
)
def test_a_node_that_cannot_describe_itself_is_named(ray: RayStandIn, monkeypatch, said: str, told: str):
    ray.listed = [listed("a", "a"), listed("b", "b")]
    with pytest.raises(InputError) as caught:
        asked(ray, monkeypatch, facts(), ray.exceptions.OutOfMemoryError(said))
    assert caught.value.what == f"the node b cannot run trials: {told}"
    assert caught.value.way_out == "Install the same version of leukobench[cluster] there."


def test_a_cluster_holds_nothing_and_gives_its_engine_what_the_suite_asks_for():
    cluster = RayCluster()
    with cluster.hold(Choice((CPU,), named=True), Path("results"), "suite") as held:
        assert held.slots == (CPU,)
    chosen = TelemetrySettings(off_every=3)
    suite = SimpleNamespace(
        telemetry=SimpleNamespace(for_trials=lambda trials: (chosen, trials)),
        trials=["a"],
        name="cells",
        limits=SimpleNamespace(quiet_s=7.0),
    )
    with cluster.engine([CPU], suite, Path("results"), print) as engine:
        assert (engine.slots, engine.telemetry) == ([CPU], (chosen, ["a"]))
        assert (engine.suite, engine.quiet_s, engine.places) == ("cells", 7.0, {})
