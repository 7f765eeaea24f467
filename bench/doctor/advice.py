"""What to change on a machine before its times are believed: pure functions from facts to plain sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.doctor.noise import Noise

NOISY, PRESSED, STOLEN = 0.05, 0.10, 0.01
"""Shares from which on noise is worth a sentence. The measurement alone makes no pressure on a machine with
a core to spare."""

_SCARCE_MEMORY, _SCARCE_DISK = 4e9, 5e9


def advice_of(
    host: Mapping[str, Any],
    noise: Noise,
    no_gpu: str,
    calibrated: bool,
    backends: Sequence[str],
    environment: Mapping[str, str],
    foreign: Sequence[str] = (),
    free_memory: float | None = None,
    free_disk: float | None = None,
) -> list[str]:
    """Sentences, the weightiest first; none where nothing is to be changed.

    Args:
        host: See `bench.machine.host.describe_host`.
        noise: What was measured.
        no_gpu: Why no GPU can be used; empty where one can.
        calibrated: Whether the peak of every device is measured.
        backends: Frameworks that are installed.
        environment: Variables that change how TensorFlow computes.
        foreign: Who else computes on GPUs.
        free_memory: Bytes that could be had.
        free_disk: Bytes on the disk of the results.
    """
    sentences = []
    if not backends:
        sentences.append(
            "No framework is installed, so only classical methods run: make run sets TensorFlow up."
        )
    if no_gpu:
        sentences.append(f"Trials run on the processor: {no_gpu}.")
    if noise.pressure is not None and noise.pressure > PRESSED:
        sentences.append(
            f"Processes waited for a core in {noise.pressure:.0%} of the time: end what else runs, or set "
            "exclusive = true in [devices], which waits for a quiet machine."
        )
    elif noise.mean > NOISY:
        sentences.append(
            f"The same work took {noise.mean:.0%} longer than at its best, on average: times here need "
            f"several repeats."
        )
    if noise.steal is not None and noise.steal > STOLEN:
        sentences.append(
            f"The host of this virtual machine gave {noise.steal:.0%} of the cores' time to others: "
            f"times will differ "
            "from day to day, and only trials run at the same time compare."
        )
    sentences += [
        f"{who} uses a GPU: its trials are slowed down, and recorded as disturbed." for who in foreign
    ]
    sentences += _of_settings(host, environment)
    if free_memory is not None and free_memory < _SCARCE_MEMORY:
        sentences.append(f"Only {free_memory / 1e9:.1f} GB of memory are free: large networks will not fit.")
    if free_disk is not None and free_disk < _SCARCE_DISK:
        sentences.append(f"Only {free_disk / 1e9:.1f} GB of disk are free where results are kept.")
    if not calibrated and "tensorflow" in backends:
        sentences.append(
            "Not every device here has a measured peak, so trials cannot say what share of it they used: "
            "python -m bench doctor --calibrate measures it in seconds."
        )
    return sentences


def _of_settings(host: Mapping[str, Any], environment: Mapping[str, str]) -> list[str]:
    sentences = []
    governor = str(host["governor"])
    if not governor.startswith("unavailable") and governor != "performance":
        sentences.append(
            f"The cores' governor is {governor}: clocks rise and fall with the load. "
            "As root: cpupower frequency-set --governor performance."
        )
    quota, usable = host["quota_cores"], host["usable_cores"]
    if quota is not None and quota < usable:
        sentences.append(
            f"The container may use {quota:g} cores' worth of time, but sees {usable}: TensorFlow starts "
            f"as many threads "
            f"and is throttled. Pin it instead, as with docker run --cpuset-cpus."
        )
    if environment.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        sentences.append("TF_ENABLE_ONEDNN_OPTS=0 turns oneDNN off, which is slower on processors.")
    if environment.get("TF_FORCE_GPU_ALLOW_GROWTH", "").lower() == "false":
        sentences.append("TF_FORCE_GPU_ALLOW_GROWTH=false hides what a trial needs of a GPU's memory.")
    return sentences
