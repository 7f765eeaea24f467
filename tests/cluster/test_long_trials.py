"""A node is killed in the middle of a training, and an object store is full when a trial ends."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from equipment.ray_cluster import Cluster, running
from equipment.suites import SOME_CELLS

from bench.journal.results import SuiteResults
from bench.runner.cluster.session import connect

SUITE = (
    SOME_CELLS
    + """
[suite]
name = "long"
save_model = true
[[matrix]]
mode = "scratch"
backbone = "LeNet5"
epochs = {epochs}
[cache]
share_prefix = true
[limits]
checkpoint_epochs = {checkpoint}
retries = 0
[telemetry]
enabled = false
reference_work = false
latency = false
"""
)
PATIENCE_S = 300


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def the_suite(folder: Path, epochs: list[int], checkpoint: int) -> tuple[Path, SuiteResults]:
    path = folder / "long.toml"
    path.write_text(SUITE.format(epochs=epochs, checkpoint=checkpoint))
    return path, SuiteResults(folder / "results", "long")


def test_a_training_goes_on_from_its_checkpoint_on_another_node_and_a_longer_one_from_its_last(
    start, tmp_path: Path
):
    suite, results = the_suite(tmp_path, epochs=[198, 206], checkpoint=5)
    with running(tmp_path) as cluster:
        cluster.add()
        cluster.add()
        driver = start(cluster, suite, results.results)
        wait_for(lambda: results.folder.is_dir() and bool(results.checkpointed()))
        (trial,) = results.trial_ids()  # the longer one waits for it
        (first,) = results.attempts(trial)
        journal = [line for line in first.runner_events.read_text().splitlines() if '"started"' in line]
        lost = 0 if "node-1/" in journal[0] else 1
        cluster.kill(lost)
        assert driver.wait(PATIENCE_S) == 0
    first, second = results.attempts(trial)
    record = second.record()
    assert first.record().failure.message == f"the cluster lost node-{lost + 1} while the trial ran"
    assert first.record().slot.name.startswith(f"node-{lost + 1}/")
    assert record.slot.name.startswith(f"node-{2 - lost}/")
    assert record.done and record.resumed.attempts == (1, 2)
    assert 5 <= record.resumed.from_epoch < 198 and record.resumed.from_epoch % 5 == 0
    epochs = (second.folder / "history.csv").read_text().splitlines()[1:]
    assert [int(line.split(",")[0]) for line in epochs] == list(range(1, 199))
    (longer,) = set(results.trial_ids()) - {trial}
    (only,) = results.attempts(longer)
    shared = only.record().resumed
    assert only.record().done and (shared.trial, shared.from_epoch) == (trial, 198)
    epochs = (only.folder / "history.csv").read_text().splitlines()[1:]
    assert [int(line.split(",")[0]) for line in epochs] == list(range(1, 207))
    assert results.checkpointed() == []
    print(f"\nnode-{lost + 1} was killed; training went on at epoch {record.resumed.from_epoch + 1}")


def taking_the_store(node: str):
    """An actor whose `fill` takes the object store of a node, as long as it lives."""
    import ray
    from ray import exceptions
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    class Filler:  # in here, so that it goes to the node as code
        def fill(self) -> int:
            self.held = []
            try:
                while True:
                    self.held.append(ray.put(bytes(200_000)))
            except (exceptions.ObjectStoreFullError, exceptions.OutOfDiskError):
                return len(self.held)

    where = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(Filler).options(num_cpus=0, scheduling_strategy=where).remote()


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Cluster:
    """A cluster whose stores put nothing on the disk when they are full."""
    more = {"automatic_object_spilling_enabled": False, "local_fs_capacity_threshold": 0.0}
    with running(tmp_path_factory.mktemp("small"), **more) as cluster:
        cluster.add()
        yield cluster


@pytest.mark.parametrize("emptied", [True, False], ids=["emptied in time", "never emptied"])
def test_a_full_object_store(small: Cluster, start, emptied: bool, tmp_path: Path):
    import ray

    suite, results = the_suite(tmp_path, epochs=[1], checkpoint=5)
    with connect(small.address):
        node = next(one["NodeID"] for one in ray.nodes() if one["Resources"].get("CPU"))
        filler = taking_the_store(node)
        held = ray.get(filler.fill.remote())
        driver = start(small, suite, results.results)
        written = "node-1/attempts/*/*/attempt-1/predictions.csv"
        wait_for(lambda: bool(list(small.folder.glob(written))))
        if emptied:
            time.sleep(5)
            (trial,) = results.trial_ids()
            (attempt,) = results.attempts(trial)
            assert not attempt.predictions.exists() and driver.poll() is None
            ray.kill(filler)
        assert driver.wait(PATIENCE_S) == (0 if emptied else 3)
        if not emptied:
            ray.kill(filler)
    (trial,) = results.trial_ids()
    (attempt,) = results.attempts(trial)
    record = attempt.record()
    if emptied:
        assert record.done and (attempt.folder / "model.keras").is_file()
    else:
        assert record.failure.kind == "crashed"
        assert record.failure.message == "Ray's object store on node-1 is full"
    print(f"\n{held * 0.2:.0f} MB were held: {record.failure or 'done'}")
