"""Pretrained weights that are missing on this machine: explain them, or have Keras download them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.trials.runtime import installed_backends
from bench.worker.startup import child_environment
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


def explain_missing(downloads: Sequence[Download]) -> list[str]:
    """A sentence for each missing file of weights: that Keras will download it, or why it cannot."""
    lines = []
    like_the_first = []
    unreachable: str | None = None
    for download in downloads:
        # One failed connection counts for all, because each further one could take until its timeout.
        reason = unreachable or check_reachable(download.url)
        if reason is None:
            lines.append(f"The ImageNet weights of {download.network} will be downloaded from {download.url}")
        elif unreachable is not None:
            like_the_first.append(download.network)
        else:
            if not reason.startswith("the server answers"):
                unreachable = reason
            lines.append(str(missing_weights(download.network, download.options, download.source, reason)))
    if like_the_first:
        lines.append(f"The same holds for {', '.join(dict.fromkeys(like_the_first))}.")
    return lines


def fetch(downloads: Sequence[Download]) -> dict[Path, WeightsSource]:
    """Have Keras download missing weights into its cache, in a process of its own, before any trial starts.

    Returns:
        The path where the weights were missing -> where they are now.

    Raises:
        InputError: Weights cannot be downloaded; the message says where they were searched, and what to do.
    """
    found = {}
    for download in downloads:
        reason = check_reachable(download.url)
        if reason is None:
            wanted = json.dumps([download.network, download.options, download.image_size])
            environment = {**child_environment(), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
            environment["KERAS_BACKEND"] = installed_backends()[0]  # any will do: none computes
            command = [sys.executable, "-P", "-m", "bench.worker.fetch", wanted]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                said = done.stderr.strip().splitlines()
                reason = said[-1] if said else f"exit code {done.returncode}"
        if reason is not None:
            raise missing_weights(download.network, download.options, download.source, reason)
        found[download.path] = locate_weights(
            "imagenet", download.network, download.options, image_size=download.image_size
        )
    return found
