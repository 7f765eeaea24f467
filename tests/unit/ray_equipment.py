"""TEST EQUIPMENT: what the driver asks of Ray, answered without Ray."""

import sys
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest


class Asked:
    """Something that Ray runs on a node: what it is, with which options and arguments, and its answer."""

    def __init__(self, what: Any, node: str, options: dict[str, Any], arguments: tuple[Any, ...]):
        self.what, self.node, self.options, self.arguments = what, node, options, arguments
        self.answer: Future = Future()

    def future(self) -> Future:
        return self.answer


class RayStandIn:
    """Ray's package: it keeps what is asked, what is killed, and how it was started."""

    def __init__(self):
        self.asked: list[Asked] = []
        self.killed: list[Any] = []
        self.started: list[tuple[Any, dict[str, Any]]] = []
        self.stopped = 0
        self.listed: list[dict[str, Any]] = []
        self.refuses: Exception | None = None
        names = ("ObjectStoreFullError", "OutOfDiskError", "OutOfMemoryError", "ActorDiedError")
        base = type("RayError", (Exception,), {})
        kinds = {name: type(name, (base,), {}) for name in names}
        self.exceptions = SimpleNamespace(RayError=base, **kinds)

    def remote(self, what: Any) -> Any:
        def options(scheduling_strategy: Any, **own: Any) -> Any:
            node, soft = scheduling_strategy
            assert soft is False, "on this node and no other"

            def start(*arguments: Any) -> Asked:
                self.asked.append(Asked(what, node, own, arguments))
                return self.asked[-1]

            return SimpleNamespace(remote=start)

        return SimpleNamespace(options=options)

    def kill(self, host: Any) -> None:
        self.killed.append(host)

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "driver")

    def nodes(self) -> list[dict[str, Any]]:
        return self.listed

    def get(self, asked: Asked, timeout: float) -> Any:
        assert timeout == 120.0
        return asked.answer.result(timeout=0)

    def init(self, address: str, **options: Any) -> None:
        self.started.append((address, options))
        if self.refuses:
            raise self.refuses

    def shutdown(self) -> None:
        self.stopped += 1


def ray_stand_in(monkeypatch: pytest.MonkeyPatch) -> RayStandIn:
    """Let `import ray` find a stand-in."""
    ray = RayStandIn()
    strategies = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: (node, soft))
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.util", SimpleNamespace(scheduling_strategies=strategies))
    monkeypatch.setitem(sys.modules, "ray.util.scheduling_strategies", strategies)
    return ray


class Host:
    """The host of an attempt: calls of its methods, with their arguments and answers."""

    def __init__(self):
        self.calls: list[tuple[str, tuple[Any, ...], Future]] = []

    def __getattr__(self, name: str) -> Any:
        def remote(*arguments: Any) -> Any:
            self.calls.append((name, arguments, answer := Future()))
            return SimpleNamespace(future=lambda: answer)

        return SimpleNamespace(remote=remote)

    def told(self, *names: str) -> list[tuple[Any, ...]]:
        """The calls of some methods, without their answers."""
        return [(name, *arguments) for name, arguments, _ in self.calls if name in names]
