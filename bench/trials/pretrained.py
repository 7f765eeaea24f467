"""Pretrained weights that are missing on this machine: explain them, or have Keras download them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.trials.runtime import installed_backends
from bench.worker.startup import child_environment
from wbc.errors import InputError
from wbc.networks.weights import check_reachable, locate_weights, missing_weights
from wbc.options import OptionValue
from wbc.specification import WeightsSource


@dataclass(frozen=True)
class Download:
    """Weights that are missing on this machine; Keras can download them."""

    network: str
    options: dict[str, OptionValue]
    image_size: int
    url: str
    path: Path
    """The file that Keras will write."""
    source: WeightsSource
    """Of kind `download`."""


def unavailable(downloads: Sequence[Download]) -> list[InputError]:
    """What is missing, why it cannot be downloaded, and what to do. Asks the servers and downloads nothing.

    One failed connection counts for all, because each further one could take until its timeout.
    """
    errors: list[InputError] = []
    like_the_last: list[str] = []
    unreachable = False
    for download in downloads:
        if unreachable:
            like_the_last.append(download.network)
        elif reason := check_reachable(download.url):
            unreachable = not reason.startswith("the server answers")
            errors.append(missing_weights(download.network, download.options, download.source, reason))
    if like_the_last:
        networks = ", ".join(dict.fromkeys(like_the_last))
        errors[-1] = InputError(f"{errors[-1].what}; the same holds for {networks}", errors[-1].way_out)
    return errors


def fetch(downloads: Sequence[Download]) -> dict[Path, WeightsSource]:
    """Have Keras download missing weights into its cache, in a process of its own, before any trial starts.

    Returns:
        The path where the weights were missing -> where they are now.

    Raises:
        InputError: Weights cannot be downloaded; the message says where they were searched, and what to do.
    """
    for error in unavailable(downloads):
        raise error
    found = {}
    for download in downloads:
        wanted = json.dumps([download.network, download.options, download.image_size])
        environment = {**child_environment(), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        environment["KERAS_BACKEND"] = installed_backends()[0]  # any will do: none computes
        command = [sys.executable, "-P", "-m", "bench.worker.fetch", wanted]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            reason = said[-1] if said else f"exit code {done.returncode}"
            raise missing_weights(download.network, download.options, download.source, reason)
        found[download.path] = locate_weights(
            "imagenet", download.network, download.options, image_size=download.image_size
        )
    return found
