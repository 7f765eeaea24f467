import json
import os
import subprocess
import sys

import pytest

from bench.worker import protocol
from bench.worker.environment import SetupError, keep_to_cores

LOOK = """
import json, os
from types import SimpleNamespace
from bench.worker.backends import load_backend
from bench.worker.environment import SetupError, keep_to_cores
keep_to_cores()
try:
    load_backend(SimpleNamespace(backend="tensorflow", deterministic=False))
except SetupError as error:
    refused = str(error)
import tensorflow as tf, threadpoolctl
pools = [tf.config.threading.get_intra_op_parallelism_threads(),
         tf.config.threading.get_inter_op_parallelism_threads()]
os.environ["LEUKOBENCH_DEVICE_KIND"] = "cpu"
from wbc.training.session import Distribution
replicas = load_backend(SimpleNamespace(backend="tensorflow", deterministic=False))["replicas"]
print(json.dumps({
    "replicas": [replicas, Distribution(2).strategy.num_replicas_in_sync],
    "refused": refused,
    "cores": sorted(os.sched_getaffinity(0)),
    "pools": pools,
    "blas": [pool["num_threads"] for pool in threadpoolctl.threadpool_info()],
}))
"""


def test_a_worker_keeps_to_its_cores_and_trains_on_no_processor_under_the_name_of_a_gpu():
    """Asked for two replicas on processors, it divides the processor."""
    core = max(os.sched_getaffinity(0))
    given = {
        protocol.CORES: str(core),
        protocol.DEVICE_KIND: "gpu",
        protocol.REPLICAS: "2",
        "CUDA_VISIBLE_DEVICES": "",
    }
    found = subprocess.run(
        [sys.executable, "-c", LOOK], env={**os.environ, **given}, capture_output=True, text=True, check=True
    )
    seen = json.loads(found.stdout)
    assert seen["cores"] == [core]
    assert seen["pools"] == [1, 1]
    assert seen["blas"]
    assert set(seen["blas"]) == {1}
    assert seen["replicas"] == [2, 2]
    assert seen["refused"].startswith("the trial was given 2 GPUs, but TensorFlow sees none")


def test_cores_that_are_not_there_are_a_wrong_setup(monkeypatch):
    monkeypatch.setenv(protocol.CORES, "1000,1001")
    with pytest.raises(SetupError, match="1000,1001"):
        keep_to_cores()
