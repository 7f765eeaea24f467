"""A cluster of three nodes, and the command that runs a suite on one."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from equipment.ray_cluster import Cluster, running

pytest.importorskip("ray", reason="Ray is not installed: uv pip install -r locks/cluster.txt")

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("cluster")) as cluster:
        for _ in range(3):
            cluster.add()
        yield cluster


@pytest.fixture(scope="session")
def start() -> Callable[..., subprocess.Popen]:
    """Start the command in a process of its own; without a cluster on this machine, two trials at a time."""

    def start(cluster: Cluster | None, suite: Path, results: Path, *more: str) -> subprocess.Popen:
        where = ["--engine", "ray", "--address", cluster.address] if cluster else ["--devices", "cpu:2"]
        command = [sys.executable, "-P", "-m", "bench", "run", str(suite), "--results", str(results)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        return subprocess.Popen([*command, *where, *more], cwd=REPOSITORY, env=kept, stderr=subprocess.STDOUT)

    return start
