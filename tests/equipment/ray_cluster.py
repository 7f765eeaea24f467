"""TEST EQUIPMENT: a Ray cluster on loopback, a head without cores and nodes of one core each."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
# Before Ray is imported: it takes loopback for the machine's other address.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"

STORE = 100 << 20
"""Bytes of an object store."""
CHECKS = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}
"""How soon the head takes a node for lost; else about half a minute."""


APART = """
import sys
from ray._private.node import Node
from ray._private.parameter import RayParams
address, store = sys.argv[1:]
own = dict(node_ip_address="127.0.0.1", node_name="apart", num_cpus=1, object_store_memory=int(store))
ports = dict(min_worker_port=0, max_worker_port=0, node_manager_port=0, dashboard_agent_listen_port=None)
node = Node(
    RayParams(gcs_address=address, redis_address=address, include_log_monitor=False, **own, **ports),
    head=False, shutdown_at_exit=True, spawn_reaper=True,
)
sys.stdin.read()
"""
"""Code of a node in a process of its own. It runs until its input ends."""


class Cluster:
    """Its nodes are processes of this machine, each with a folder of its own.

    Args:
        folder: Gets the folders of the nodes.
        more: Further settings of Ray.
    """

    def __init__(self, folder: Path, **more: object):
        from ray.cluster_utils import Cluster as RaysCluster

        self.folder, self.started = folder, 0
        head = {"num_cpus": 0, "node_ip_address": "127.0.0.1", "object_store_memory": STORE}
        self.cluster = RaysCluster(
            initialize_head=True,
            head_node_args={**head, "include_dashboard": False, "_system_config": {**CHECKS, **more}},
        )
        self.nodes = []

    @property
    def address(self) -> str:
        return self.cluster.address

    def add(self, cpus: int = 1) -> None:
        """Start a node, on one of the cores in turn, or on several."""
        self.started += 1
        ours = os.sched_getaffinity(0)
        os.environ["LEUKOBENCH_NODE_FOLDER"] = str(self.folder / f"node-{self.started}")
        os.sched_setaffinity(0, {sorted(ours)[(self.started + n) % len(ours)] for n in range(cpus)})
        try:
            node = self.cluster.add_node(
                num_cpus=cpus,
                node_name=f"node-{self.started}",
                node_ip_address="127.0.0.1",
                object_store_memory=STORE,
            )
        finally:
            os.sched_setaffinity(0, ours)
            del os.environ["LEUKOBENCH_NODE_FOLDER"]
        self.nodes.append(node)

    @contextlib.contextmanager
    def apart(self, hidden: Path) -> Iterator[None]:
        """A node for a block that does not see what a folder holds.

        Raises:
            PermissionError: A process cannot have mounts of its own here.
        """
        start = shlex.join([sys.executable, "-c", APART, self.address, str(STORE)])
        process = subprocess.Popen(
            [
                "unshare",
                "--mount",
                "sh",
                "-c",
                f"mount -t tmpfs none {shlex.quote(str(hidden))} && exec {start}",
            ],
            env={**os.environ, "LEUKOBENCH_NODE_FOLDER": str(self.folder / "apart")},
            stdin=subprocess.PIPE,
        )
        try:
            while all(node["NodeName"] != "apart" for node in self.cluster.global_state.node_table()):
                if process.poll() is not None:
                    raise PermissionError("a node cannot have mounts of its own here: that takes root")
                time.sleep(0.2)
            yield
        finally:
            process.communicate()

    def processes(self, number: int) -> list[psutil.Process]:
        """The raylet of a node and all that it started."""
        raylet = psutil.Process(self.nodes[number].all_processes["raylet"][0].process.pid)
        return [raylet, *raylet.children(recursive=True)]

    def kill(self, number: int) -> None:
        """End a node without a word."""
        for process in self.processes(number):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def running(folder: Path, **more: object) -> Iterator[Cluster]:
    """A cluster that ends with the block."""
    cluster = Cluster(folder, **more)
    try:
        yield cluster
    finally:
        cluster.cluster.shutdown()
