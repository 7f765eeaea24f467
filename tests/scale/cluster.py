"""What 10, 100 and 1,000 empty trials cost a run on a Ray cluster: `make cluster-scale`.

A trial is empty where its worker only pretends to train. Everything else is real: the plan, an actor for each attempt,
journals on their way home, records, MLflow. Then all of it is sent again to empty stores, as `leukobench sync` does.
The last count takes twenty minutes on two idle cores: a host is a process that imports Ray. ARGS='10 100'; or
ARGS=live, see `live.py`.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / folder) for folder in ("", "src", "tests", "tests/services")]

import live  # noqa: E402
from equipment.ray_cluster import Cluster, running  # noqa: E402
from equipment.suites import FEW_CELLS  # noqa: E402
from servers import MlflowServer, environment, postgres, postgres_binaries  # noqa: E402
from servers import running as served  # noqa: E402

from bench.journal.results import SuiteResults  # noqa: E402
from bench.runner.cluster import engine, node  # noqa: E402
from bench.runner.local import LocalEngine  # noqa: E402
from bench.runner.suite import RunOptions, run_suite  # noqa: E402

COUNTS = (10, 100, 1_000)
SLOTS = 2
LEAST_SENT = 100
"""Trials from which on it says something how long a store takes, which begins with seconds of its own."""
PRETENDER = REPOSITORY / "tests" / "equipment" / "pretender.sh"

SUITE = (
    FEW_CELLS
    + """
[suite]
name = "empty"
seeds = {seeds}
[[matrix]]
mode = "classical"
backbone = "KNN"
[telemetry]
enabled = false
"""
)


class EmptyHost(node.TrialHost):
    """A host whose worker only pretends to train."""

    def _start(self) -> None:
        def pretending(*arguments, **more):
            return LocalEngine(*arguments, **more, python=str(PRETENDER))

        node.LocalEngine = pretending
        super()._start()


class Speaker:
    """Tells the pretending workers how long they take: not at all."""

    def __init__(self, pretend: Path) -> None:
        self.pretend = pretend

    def plan(self, planned, slots) -> None:
        self.pretend.write_text("".join(f"{one.trial.id} 0\n" for one in planned))
        self.began = time.monotonic()

    def say(self, *told) -> None: ...

    event = trial_started = trial_ended = say


def drive(folder: Path, address: str) -> None:
    """Run the suite in this process, and print what it took as JSON."""
    engine.TrialHost = EmptyHost
    speaker = Speaker(folder / "pretend")
    before = resource.getrusage(resource.RUSAGE_SELF)
    outcome = run_suite(
        folder / "empty.toml",
        folder / "results",
        speaker,
        RunOptions(devices=f"cpu:{SLOTS}", engine="ray", address=address),
    )
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(
        json.dumps(
            {
                "failed": len(outcome.failed),
                "wall_s": time.monotonic() - speaker.began,
                "cpu_s": own.ru_utime + own.ru_stime - before.ru_utime - before.ru_stime,
                "most_mb": own.ru_maxrss / 1e3,
                "recording_cpu_s": children.ru_utime + children.ru_stime,
                "recording_mb": children.ru_maxrss / 1e3,
            }
        )
    )


def of_ray(cluster: Cluster) -> dict[str, float]:
    """CPU seconds and memory of Ray's own processes, and what has been in the object stores."""
    from ray._private.internal_api import node_stats

    head, own = {}, {}
    for name, processes in cluster.cluster.head_node.all_processes.items():
        head[name] = psutil.Process(processes[0].process.pid)
    own["raylet"] = cluster.processes(0)[0]
    used = {name: sum(one.cpu_times()[:2]) for name, one in (*head.items(), *own.items())}
    stores = [
        node_stats("127.0.0.1", one.node_manager_port, include_memory_info=False).store_stats
        for one in (cluster.cluster.head_node, *cluster.nodes)
    ]
    return {
        "head_cpu_s": sum(sum(one.cpu_times()[:2]) for one in head.values()),
        "gcs_mb": head["gcs_server"].memory_info().rss / 1e6,
        "raylet_cpu_s": used["raylet"],
        "store_objects": sum(one.cumulative_created_objects for one in stores),
        "store_mb": sum(one.cumulative_created_bytes for one in stores) / 1e6,
    }


def measure(count: int, folder: Path, cluster: Cluster) -> None:
    """Run so many trials, and print what each of them took."""
    (folder / "empty.toml").write_text(SUITE.format(seeds=list(range(count))))
    before = of_ray(cluster)
    command = [sys.executable, __file__, "drive", str(folder), cluster.address]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    took = json.loads(ran.stdout.splitlines()[-1])
    after = of_ray(cluster)
    ray = {name: after[name] - before[name] for name in after}
    results = SuiteResults(folder / "results", "empty")
    files = [path for path in results.folder.rglob("*") if path.is_file()]
    assert not took["failed"] and len(results.trial_ids()) == count
    database = (folder / "results" / "mlflow.db").stat().st_size

    def each(seconds: float) -> str:
        return f"{1e3 * seconds / count:.0f} ms"

    print(
        f"\n{count:,} empty trials on {SLOTS} slots: {took['wall_s']:.0f} s, {count / took['wall_s']:.2f} a second\n"
        f"  driver:    {each(took['cpu_s'])} of CPU a trial, {took['most_mb']:.0f} MB at most\n"
        f"  recording: {each(took['recording_cpu_s'])} of CPU a trial, {took['recording_mb']:.0f} MB at most\n"
        f"  head:      {each(ray['head_cpu_s'])} of CPU a trial; GCS {after['gcs_mb']:.0f} MB\n"
        f"  node:      {each(ray['raylet_cpu_s'])} of CPU a trial in its raylet\n"
        f"  store:     {ray['store_objects'] / count:.2f} objects and {1e3 * ray['store_mb'] / count:.1f} kB a trial\n"
        f"  disk:      {len(files) / count:.1f} files and {sum(p.stat().st_size for p in files) / 1e3 / count:.1f} kB"
        f" a trial, and {database / 1e3 / count:.0f} kB in mlflow.db",
        flush=True,
    )
    if count >= LEAST_SENT:
        for name, rate in stores(folder, results):
            print(f"  {name + ':':11}{rate}", flush=True)


def stores(folder: Path, results: SuiteResults):
    """How fast all trials are sent to an empty store: SQLite, and a server in front of PostgreSQL."""
    again = folder / "again"
    again.mkdir()
    yield "SQLite", sent(results, f"sqlite:///{again / 'mlflow.db'}")
    binaries = postgres_binaries()
    with postgres(binaries) if binaries else nullcontext() as cluster:
        if cluster is None:
            yield "PostgreSQL", "not installed here"
            return
        cluster.ask("create database mlflow")
        with served(MlflowServer(again, cluster.uri("mlflow"))) as server:
            yield "PostgreSQL", sent(results, server.address)


def sent(results: SuiteResults, uri: str) -> str:
    """Send everything in a process of its own; trials a second."""
    count = len(results.trial_ids())
    command = [sys.executable, "-P", "-m", "bench", "sync", "--results", str(results.results)]
    began = time.monotonic()
    subprocess.run(
        command,
        env=environment(MLFLOW_TRACKING_URI=uri),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=REPOSITORY,
        check=True,
    )
    took = time.monotonic() - began
    return f"{count / took:.1f} trials a second"


def main() -> int:
    """Measure each count on a cluster of its own."""
    if sys.argv[1:2] == ["drive"]:
        drive(Path(sys.argv[2]), sys.argv[3])
        return 0
    if sys.argv[1:] == ["live"]:
        live.main()
        return 0
    for count in [int(one) for one in sys.argv[1:]] or COUNTS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            os.environ |= {"PRETEND": str(folder / "pretend"), "LOST": str(folder / "lost")}
            with running(folder) as cluster:
                cluster.add(cpus=SLOTS)
                measure(count, folder, cluster)
    return 0


if __name__ == "__main__":
    sys.exit(main())
