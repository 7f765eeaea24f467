"""`batch_size = "largest"`: an attempt takes the largest batch that seems to fit, and the next one half of it.

It starts anew because a process whose device was full has no more the memory that a new one has.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import psutil

from bench.devices.device import Slot
from bench.journal.results import Attempt
from bench.plan.needs import RUNTIME_BYTES, needs_of
from bench.trials.record import Record
from bench.trials.settings import LARGEST
from bench.trials.trial import Trial
from wbc.data.manifest import Manifest
from wbc.specification import Specification

MOST_IMAGES = 1024
"""No batch is larger: beyond it steps hardly get faster, and networks learn less in an epoch."""

MEMORY_SHARE = 0.8
"""Of a processor's free memory may be taken: the kernel ends processes when there is none left, and not only ours."""

_FULL = ("gpu-oom", "host-oom")


def sized(trial: Trial, earlier: Sequence[Attempt], slot: Slot) -> Trial:
    """The trial with a number of images for its next attempt, if it asks for the largest batch.

    Args:
        trial: The trial.
        earlier: Its attempts, oldest first.
        slot: Where it will run.
    """
    if trial.settings.batch_size != LARGEST:
        return trial
    size = None
    for attempt in reversed(earlier):
        if (record := attempt.record()) is not None:
            size = smaller(attempt, record) or taken(attempt)
            break
    size = size or _first(trial, slot)
    return msgspec.structs.replace(trial, specification={**trial.specification, "batch_size": size})


def smaller(attempt: Attempt, record: Record) -> int | None:
    """Images of the batch to try after this attempt; None where it asks for a fixed batch, or did not run full."""
    full = record.failure is not None and record.failure.kind in _FULL
    if not full or record.trial.settings.batch_size != LARGEST or taken(attempt) == 1:
        return None
    return taken(attempt) // 2


def taken(attempt: Attempt) -> int:
    """Images of a batch of an attempt."""
    return int(attempt.trial().specification["batch_size"])


def _first(trial: Trial, slot: Slot) -> int:
    """A power of two that should fit, as far as the network's size is known."""
    counts = Manifest.read_file(Path(trial.specification["manifest"])).counts()
    images = {split: sum(of_classes.values()) for split, of_classes in counts.items()}
    gpu = slot.kind == "gpu"
    memory = slot.devices[0].memory_bytes if gpu else MEMORY_SHARE * psutil.virtual_memory().available
    size = 1 << min(MOST_IMAGES, images["train"]).bit_length() - 1
    while size > 1:
        needs = needs_of(trial, images, slot.kind, slot.replicas, size)
        if not needs.maps_known or memory is None:
            return size if gpu else min(size, Specification.batch_size)
        if needs.device + (0 if gpu else RUNTIME_BYTES) <= memory:
            break
        size //= 2
    return size
