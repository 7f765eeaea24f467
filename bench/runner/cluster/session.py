"""A Ray cluster as the place where a suite runs: connecting, its nodes, and their slots."""

import contextlib
import importlib.util
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.devices.device import Slot
from bench.devices.lease import Leased
from bench.devices.machine import Choice, Machine, choose_slots, plural
from bench.errors import InputError
from bench.runner.cluster.engine import Place, RayEngine, on_node
from bench.runner.cluster.node import NodeFacts, describe_node
from bench.suite.resolve import ResolvedSuite

LOOPBACK = "127.0.0.1"
ANSWER_S = 120.0
"""How long a node may take to describe itself; its first process imports Ray and Leukobench."""

CLOCK_S = 2.0
"""Clocks that differ by less are the same: those of one network differ by milliseconds."""

_VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # processes without a GPU see it: they describe the node
    "RAY_memory_monitor_refresh_ms": "0",  # the kernel decides, as on one machine
}


@dataclass(frozen=True)
class Node:
    """A node that offers cores."""

    name: str
    """Its host, with a number where several nodes are on one."""
    id: str
    """Ray's."""
    cpus: int
    gpus: int
    facts: NodeFacts
    clock_s: float = 0.0
    """How far its clock is ahead of ours, at least."""


@contextlib.contextmanager
def connect(address: str | None) -> "Iterator[RayCluster]":
    """Connect to a cluster, or start one on this machine and stop it at the end.

    Args:
        address: `HOST:PORT` of the head node; None starts a cluster.

    Raises:
        InputError: Ray is not installed, or there is no such cluster.
    """
    if importlib.util.find_spec("ray") is None:
        raise InputError("--engine ray needs Ray", "Install it: pip install 'leukobench[cluster]'.")
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    if address is None or address.rpartition(":")[0] in ("localhost", LOOPBACK):
        # Ray takes loopback for the machine's other address, where a cluster on loopback does not listen.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray

    cores = len(os.sched_getaffinity(0))
    local = {"num_cpus": cores, "include_dashboard": False, "_node_ip_address": LOOPBACK}
    handler = signal.getsignal(signal.SIGTERM)  # Ray sets its own
    try:
        ray.init(
            address or "local",
            logging_level=logging.ERROR,
            log_to_driver=False,
            **({} if address else local),
        )
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"the Ray cluster {address or 'on this machine'} cannot be used: {reason}",
            "--address takes HOST:PORT of the head node; this machine must be one of its nodes.",
        ) from None
    finally:
        signal.signal(signal.SIGTERM, handler)
    try:
        yield RayCluster()
    finally:
        ray.shutdown()


class RayCluster:
    """A `bench.runner.engine.Site`. Made by `connect`."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}

    def choose(
        self, wanted: str | Sequence[str], gpus_per_trial: int, *, backends: Collection[str], accelerator: str
    ) -> Choice:
        """The slots of all nodes, each chosen as on one machine; those of one kind of device.

        Raises:
            InputError: No node can be used; the message says why.
        """
        found, left_out = usable_nodes(list(nodes()), describe_node())
        slots: dict[str, list[Slot]] = {}
        for node in found:
            try:
                choice = choose_slots(wanted, gpus_per_trial, offered(node), backends, accelerator)
            except InputError as error:
                left_out[node.name] = error.what
                continue
            for slot in choice.slots:
                named = replace(slot, name=f"{node.name}/{slot.name}")
                gpus = slot.replicas if slot.kind == "gpu" else 0
                self._places[named.name] = Place(node.name, node.id, node.cpus / len(choice.slots), gpus)
                slots.setdefault(kind_of(slot), []).append(named)
        if not slots:
            reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
            raise InputError(f"no node of the cluster can run trials ({reasons or 'there is none'})")
        kind = best_kind(slots)
        for other in slots.keys() - {kind}:
            for slot in slots[other]:
                left_out[slot.name] = f"{other}; trials are comparable on equal devices only"
        note = f"The cluster has {plural(len(found), 'node')}. "
        note += "".join(f"{name} is left out: {why}. " for name, why in left_out.items())
        note += wrong_clocks(found)
        return Choice(tuple(slots[kind]), named=False, note=note.strip())

    @contextlib.contextmanager
    def hold(self, choice: Choice, results: Path, suite: str) -> Iterator[Leased]:
        """See `bench.runner.engine.Site`. Each GPU is leased on its node, while an attempt uses it."""
        yield Leased(choice.slots, {})

    @contextlib.contextmanager
    def engine(
        self, slots: Sequence[Slot], suite: ResolvedSuite, results: Path, say: object
    ) -> Iterator[RayEngine]:
        """See `bench.runner.engine.Site`."""
        telemetry = suite.telemetry.for_trials(suite.trials)
        yield RayEngine(slots, self._places, telemetry, suite.name, suite.limits.quiet_s)


def usable_nodes(found: Sequence[Node], here: NodeFacts) -> tuple[list[Node], dict[str, str]]:
    """The nodes that would run what this machine plans; and name -> why, for the others."""
    usable, refused = [], {}
    for node in found:
        if reason := difference(node.facts, here):
            refused[node.name] = reason
        else:
            usable.append(node)
    return usable, refused


def difference(node: NodeFacts, here: NodeFacts) -> str:
    """What trials on a node depend on and this machine has otherwise; empty where nothing differs."""
    there, ours = node.runtime.versions(), here.runtime.versions()
    pairs = {name: (there.get(name, ""), ours.get(name, "")) for name in sorted(there.keys() | ours.keys())}
    pairs["leukobench"] = node.leukobench, here.leukobench
    differing = [(name, one, two) for name, (one, two) in pairs.items() if one != two]
    return ", ".join(
        f"{'the code of wbc' if name == 'wbc' else name} is {one or 'missing'} there, {two or 'missing'} here"
        for name, one, two in differing
    )


def offered(node: Node) -> Machine:
    """What Ray offers of a node: as many cores and GPUs as it was started with."""
    machine = node.facts.machine
    reason = "" if node.gpus and machine.gpus else machine.reason or "Ray offers none of its GPUs"
    return replace(machine, cores=machine.cores[: node.cpus], gpus=machine.gpus[: node.gpus], reason=reason)


def kind_of(slot: Slot) -> str:
    """What slots must share so that times are comparable: the model; of a processor the number of cores, too."""
    return slot.model if slot.kind == "gpu" else f"{slot.model}, {plural(len(slot.cores), 'core')}"


def best_kind(slots: Mapping[str, Sequence[Slot]]) -> str:
    """The kind of device that a run uses: a GPU rather than a processor, the one with the most slots, then cores."""

    def rank(kind: str) -> tuple[bool, int, int, str]:
        first, *_ = slots[kind]
        return first.kind == "gpu", len(slots[kind]), len(first.cores), kind

    return max(slots, key=rank)


def wrong_clocks(found: Sequence[Node]) -> str:
    """A sentence where clocks of nodes are not ours: records, and MLflow, say when each trial began."""
    wrong = [
        f"{node.name}'s is {abs(node.clock_s):.0f} s {'ahead' if node.clock_s > 0 else 'behind'}"
        for node in found
        if abs(node.clock_s) > CLOCK_S
    ]
    return f"Clocks differ, so trials seem to begin at other times: {', '.join(wrong)}." if wrong else ""


def nodes() -> Iterator[Node]:
    """The nodes that offer cores, each asked what it has.

    Raises:
        InputError: A node cannot describe itself.
    """
    import ray
    from ray import exceptions

    listed = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    listed.sort(key=lambda node: (_name(node), str(node["NodeID"])))
    several = Counter(map(_name, listed))
    seen: Counter[str] = Counter()
    asked, began = [], time.time()
    for node in listed:
        host = _name(node)
        seen[host] += 1
        name = f"{host}#{seen[host]}" if several[host] > 1 else host
        asked.append((node, name, on_node(describe_node, node["NodeID"], num_cpus=0).remote()))
    for node, name, answer in asked:
        try:
            facts: NodeFacts = ray.get(answer, timeout=ANSWER_S)
        except exceptions.RayError as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise InputError(
                f"the node {name} cannot run trials: {reason[:300]}",
                "Install the same version of leukobench[cluster] there.",
            ) from None
        resources = node["Resources"]
        # It looked at its clock at some time between these two.
        ahead = max(0.0, facts.time_s - time.time()) + min(0.0, facts.time_s - began)
        cpus, gpus = int(resources["CPU"]), int(resources.get("GPU", 0))
        yield Node(name, node["NodeID"], cpus, gpus, facts, ahead)


def _name(node: Mapping[str, object]) -> str:
    """The name that somebody gave a node (`ray start --node-name`), or else its host."""
    given = str(node["NodeName"])
    return str(node["NodeManagerHostname"]) if given == node["NodeManagerAddress"] else given
