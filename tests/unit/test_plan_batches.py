"""`batch_size = "largest"`: the first batch, and the next ones."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from equipment.results.records import a_failure, a_record, a_trial
from msgspec.structs import replace

from bench.devices.device import Device, Slot
from bench.plan.batches import sized, smaller
from bench.plan.needs import needs_of
from bench.trials.trial import Trial
from wbc.data.manifest import ImageEntry, Manifest


def slot(kind: str, memory: float | None = None) -> Slot:
    """With so many bytes."""
    bytes_ = None if memory is None else math.ceil(memory)
    return Slot("one", (Device(kind, "Stand-in", memory_bytes=bytes_),), (0,))


def largest(folder: Path, network: str = "VGG16", images: int = 11) -> Trial:
    """A trial on so many images."""
    folder.mkdir(exist_ok=True)
    Manifest(tuple(ImageEntry(f"{n}.png", "train", "a", f"{n}", "") for n in range(images)), ("a",)).write(
        folder
    )
    specification = {"manifest": str(folder / "manifest.json")}
    return a_trial(network, batch_size="largest", image_size=64, mode="scratch", specification=specification)


def images_of(trial: Trial, where: Slot) -> int:
    return sized(trial, [], where).specification["batch_size"]


def free(monkeypatch, memory: float) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=memory))


def test_the_first_batch_is_a_power_of_two_that_should_fit(tmp_path):
    few, many = largest(tmp_path), largest(tmp_path / "many", images=3000)
    assert images_of(few, slot("gpu", 1e12)) == 8, "of 11 images"
    assert images_of(many, slot("gpu", 1e12)) == 1024
    assert images_of(many, slot("gpu")) == 1024, "nothing is known of the device"
    assert images_of(largest(tmp_path, images=16), slot("gpu")) == 16


@pytest.mark.parametrize("size", [8, 4, 2, 1])
def test_a_batch_that_fits_to_the_byte_is_taken(tmp_path, monkeypatch, size: int):
    trial, counted = largest(tmp_path), {"train": 11, "validation": 0, "test": 0}
    need = needs_of(trial, counted, "gpu", 1, size).device
    assert images_of(trial, slot("gpu", need)) == size
    assert images_of(trial, slot("gpu", need - 1)) == max(1, size // 2)
    need = needs_of(trial, counted, "cpu", 1, size).device + 500e6
    for share, taken in ((1.00001, size), (0.99999, max(1, size // 2))):  # of eight tenths of what is free
        free(monkeypatch, share * need / 0.8)
        assert images_of(trial, slot("cpu")) == taken


def test_of_an_unknown_network_a_processor_gets_the_usual_batch(tmp_path, monkeypatch):
    free(monkeypatch, 1e12)
    for images, sizes in ((11, (8, 8)), (70, (64, 16))):
        trial = largest(tmp_path, "Own", images)
        assert (images_of(trial, slot("gpu", 9e9)), images_of(trial, slot("cpu"))) == sizes


def ended(trial: Trial, images: int, kind: str | None) -> SimpleNamespace:
    """An attempt with so many images: what it failed of, if it did; None: it has no record."""
    given = replace(trial, specification={"batch_size": images})
    record = None if kind is None else a_record(trial, failure=a_failure(kind) if kind else None)
    return SimpleNamespace(trial=lambda: given, record=lambda: record)


@pytest.mark.parametrize(
    ("taken", "size"),
    [
        ([(32, "gpu-oom")], 16),
        ([(32, "host-oom")], 16),
        ([(32, "crashed")], 32),
        ([(32, "")], 32),
        ([(1, "gpu-oom")], 1),
        ([(3, "gpu-oom")], 1),
        ([(64, "gpu-oom"), (32, "gpu-oom")], 16),
        ([(64, "gpu-oom"), (32, None)], 32),
    ],
)
def test_the_next_attempt_takes_half_of_a_batch_that_was_too_large(tmp_path, taken, size: int):
    trial = largest(tmp_path)
    attempts = [ended(trial, *one) for one in taken]
    assert sized(trial, attempts, slot("gpu", 1e12)).specification["batch_size"] == size


def test_a_fixed_batch_stays(tmp_path):
    trial = a_trial("VGG16", batch_size=32)
    assert sized(trial, [], slot("gpu", 8e9)) is trial
    full = a_record(trial, failure=a_failure("gpu-oom"))
    assert smaller(ended(trial, 32, "gpu-oom"), full) is None
