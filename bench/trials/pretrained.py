"""Pretrained weights that are not on this machine: say so, or have Keras fetch them."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.trials.backends import installed_backends
from wbc.networks.weights import check_reachable, missing_weights
from wbc.specification import WeightsSource


@dataclass(frozen=True)
class Download:
    """Weights that are not here; Keras would have to fetch them."""

    network: str
    options: dict[str, Any]
    image_size: int
    source: WeightsSource


def explain_missing(downloads: Sequence[Download]) -> list[str]:
    """For each set of missing weights: that Keras will download it, or why it cannot, with the ways out."""
    lines = []
    like_the_first = []
    unreachable: str | None = None
    for download in downloads:
        # One failure to connect stands for all: each further one would cost a time-out.
        reason = unreachable or check_reachable(download.source.url)
        if reason is None:
            lines.append(
                f"The ImageNet weights of {download.network} will be downloaded from {download.source.url}"
            )
        elif unreachable is not None:
            like_the_first.append(download.network)
        else:
            if not reason.startswith("the server answers"):
                unreachable = reason
            lines.append(str(missing_weights(download.network, download.options, download.source, reason)))
    if like_the_first:
        lines.append(f"The same holds for {', '.join(dict.fromkeys(like_the_first))}.")
    return lines


def fetch(downloads: Sequence[Download]) -> None:
    """Have Keras download missing weights into its cache, in a process of its own, before any trial starts.

    Raises:
        InputError: Weights cannot be had; says where was looked and the ways out.
    """
    for download in downloads:
        reason = check_reachable(download.source.url)
        if reason is None:
            reason = _fetch_one(download)
        if reason is not None:
            raise missing_weights(download.network, download.options, download.source, reason)


def _fetch_one(download: Download) -> str | None:
    """Run Keras' own download; None when it worked, else the reason in one line."""
    wanted = json.dumps([download.network, download.options, download.image_size])
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    environment["KERAS_BACKEND"] = installed_backends()[0]  # any will do: none computes
    command = [sys.executable, "-P", "-m", "bench.worker.fetch", wanted]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
