"""A Ray cluster on loopback: one head without cores, and nodes of one core each."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
pytest.importorskip("ray", reason="Ray is not installed: uv pip install -r locks/cluster.txt")

STORE = 100 << 20
CHECKS = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}
"""How soon the head takes a node for lost; else about half a minute."""


class Cluster:
    """Its nodes are processes of this machine, each with a folder of its own."""

    def __init__(self, folder: Path):
        from ray.cluster_utils import Cluster as RaysCluster

        self.folder, self.started = folder, 0
        head = {"num_cpus": 0, "node_ip_address": "127.0.0.1", "object_store_memory": STORE}
        self.cluster = RaysCluster(
            initialize_head=True,
            head_node_args={**head, "include_dashboard": False, "_system_config": CHECKS},
        )
        self.nodes = []

    @property
    def address(self) -> str:
        return self.cluster.address

    def add(self) -> None:
        """Start a node on one of the cores, in turn."""
        self.started += 1
        ours = os.sched_getaffinity(0)
        os.environ["LEUKOBENCH_NODE_FOLDER"] = str(self.folder / f"node-{self.started}")
        os.sched_setaffinity(0, {sorted(ours)[self.started % len(ours)]})
        try:
            node = self.cluster.add_node(
                num_cpus=1,
                node_name=f"node-{self.started}",
                node_ip_address="127.0.0.1",
                object_store_memory=STORE,
            )
        finally:
            os.sched_setaffinity(0, ours)
            del os.environ["LEUKOBENCH_NODE_FOLDER"]
        self.nodes.append(node)

    def processes(self, number: int) -> list[psutil.Process]:
        """The raylet of a node and all that it started."""
        raylet = psutil.Process(self.nodes[number].all_processes["raylet"][0].process.pid)
        return [raylet, *raylet.children(recursive=True)]

    def kill(self, number: int) -> None:
        """End a node without a word."""
        for process in self.processes(number):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        for _ in range(3):
            cluster.add()
        yield cluster
    finally:
        cluster.cluster.shutdown()
