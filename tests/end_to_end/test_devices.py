"""Placement on GPUs, beside the stand-in for NVIDIA's library: no GPU, but the real binding."""

import json
import signal
import subprocess
from collections import defaultdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from command import REPOSITORY, Bench, tiny_suite
from equipment.nvml.stand_in import StandIn

CLASSICAL = """
[suite]
seeds = [0, 1]

[telemetry]
reference_work = false
latency = false

[data]
image_size = 32
train_images_per_class = 3
validation_images_per_class = 1
test_images_per_class = 2

[[matrix]]
mode = "classical"
backbone = ["KNN", "DecisionTree"]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "classical.toml"
    path.write_text(CLASSICAL)
    return path


@pytest.fixture
def environment(nvml: StandIn, tmp_path: Path) -> dict[str, str]:
    return {**nvml.environment, "LEUKOBENCH_LEASES": str(tmp_path / "leases")}


def records(bench: Bench) -> list[dict]:
    return [json.loads(path.read_text()) for path in bench.results.glob("*/trials/*/attempt-*/result.json")]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_trials_are_placed_on_both_gpus_and_never_two_at_once_on_one(
    bench: Bench, suite: Path, nvml: StandIn, environment
):
    loads = {"gpu:0": (90, 250.0), "gpu:1": (20, 60.0)}
    for number, (busy, power) in enumerate(loads.values()):
        nvml.set(number, {"utilization.gpu": busy})
        nvml.count_energy(number, round(power * 1000))
    nvml.run_on(0, compute={1: 2**30})
    done = bench("run", suite, "--devices", "gpu:0,gpu:1", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    spans = defaultdict(list)
    for path in bench.results.glob("*/trials/*/attempt-*/runner.jsonl"):
        started, *_, ended = lines(path)
        (uuid,) = started["slot"]["uuids"]
        spans[uuid].append((started["t"], ended["t"]))
    assert set(spans) == {StandIn.uuid(0), StandIn.uuid(1)}
    assert sum(map(len, spans.values())) == 4
    for uuid, times in spans.items():
        times.sort()
        for (_, ended), (began, _) in pairwise(times):
            assert ended <= began, f"two trials at once on {uuid}"
    both = [time for times in spans.values() for time in times]
    overlaps = any(a < d and c < b for a, b in both for c, d in both if (a, b) != (c, d))
    assert overlaps, "the GPUs worked one after the other"
    assert list((bench.folder / "leases").iterdir()) == []
    for record in records(bench):
        ((gpu, seen),) = record["telemetry"]["devices"].items()
        busy, power = loads[gpu]
        assert record["slot"]["name"] == gpu
        assert record["environment"]["visible_gpus"] == record["slot"]["uuids"], "its own GPU alone"
        if gpu == "gpu:0":
            (others,) = record["neighbors"]
            assert others["alone"] is not True
            # In a container the driver's process ids are the host's: then it is someone, not nobody.
            assert others["unknown"] == {"gpu:0": 1} or others["foreign"][0]["pid"] == 1
        else:
            assert record["neighbors"] == []
        # A phase of less than two seconds has no mean.
        assert seen["phases"]["features"]["gpu_utilization"]["max"] == busy / 100
        assert record["energy"]["trial_j"] > 0
        wall = record["phases"]["features"]["wall_s"]
        assert seen["counters"]["features"]["energy_j"] == pytest.approx(power * wall, rel=0.1)


def test_a_keras_trial_never_trains_on_the_processor_under_a_gpus_name(bench: Bench, tmp_path, environment):
    suite = tiny_suite(tmp_path, epochs="1", modes='"scratch"')
    done = bench("run", suite, "--devices", "gpu:0", **environment)
    assert done.returncode == 3, done.stdout + done.stderr
    (record,) = records(bench)
    assert record["failure"]["kind"] == "setup"
    assert "TensorFlow sees none" in record["failure"]["message"]
    assert record["attempt"] == 1, "it is not tried again"


def test_a_second_harness_does_not_get_the_gpu_of_the_first(bench: Bench, suite: Path, environment, tmp_path):
    long = tmp_path / "long.toml"
    long.write_text(CLASSICAL.replace("seeds = [0, 1]", f"seeds = {list(range(50))}"))
    command = bench.command("run", long, "--devices", "gpu:0")
    first = subprocess.Popen(
        command, cwd=REPOSITORY, env=bench.environment(**environment), stdout=subprocess.DEVNULL
    )
    try:
        lease = bench.folder / "leases" / f"{StandIn.uuid(0)}.lock"
        while not lease.exists() or not lease.read_text():
            assert first.poll() is None
            psutil.Process().cpu_percent(interval=0.05)
        first.send_signal(signal.SIGSTOP)  # it keeps the GPU, and need not work through its trials
        held = json.loads(lease.read_text())
        assert held["pid"] == first.pid
        assert datetime.fromisoformat(held["started"]).tzinfo is not None
        other = Bench(tmp_path / "other")
        refused = other("run", suite, "--devices", "gpu:0", **environment)
        assert refused.returncode == 2
        assert f"process {first.pid}" in refused.stderr
        assert "Traceback" not in refused.stderr
        free = other("run", suite, "--devices", "gpu:1", "--only", "knn-classical-s0", **environment)
        assert free.returncode == 0, free.stdout + free.stderr
        (record,) = records(other)
        assert record["slot"]["name"] == "gpu:1"
    finally:
        first.kill()
        first.wait()


def test_a_gpu_that_is_not_there(bench: Bench, suite: Path, environment):
    done = bench("run", suite, "--devices", "gpu:7", **environment)
    assert done.returncode == 2
    assert "gpu:7" in done.stderr and StandIn.uuid(0) in done.stderr
    assert not bench.results.exists()
