"""What a plan says that trials need of memory."""

import pytest
from plan_equipment import real

from bench.devices.device import Device, Slot
from bench.plan.needs import needs_of, too_large

IMAGES = {"train": 5000, "validation": 10, "test": 10}


def gpu(gigabytes: float | None) -> Slot:
    memory = None if gigabytes is None else int(gigabytes * 1e9)
    return Slot("gpu:0", (Device("gpu", "A GPU", "GPU-1", memory_bytes=memory),), (0,))


def warned(gigabytes: float | None, **settings) -> list[str]:
    trials = [real(mode="scratch", **settings), real(mode="scratch", **settings, seed=1)]
    return too_large([(one, needs_of(one, IMAGES, "gpu")) for one in trials], gpu(gigabytes))


def test_a_batch_that_will_not_fit_the_device_is_named_once():
    assert warned(11.0) == []
    (sentence,) = warned(11.0, batch_size=256)
    assert "ResNet50 (scratch) at 224 pixels in batches of 256" in sentence
    assert "11.0 GB" in sentence
    assert warned(11.0, batch_size=256, image_size=64) == [], "small images make small maps"
    few = real(mode="scratch", batch_size=256)
    assert too_large([(few, needs_of(few, {"train": 16, "test": 9}, "gpu"))], gpu(11.0)) == []
    assert warned(None, batch_size=4096) == [], "of a device whose memory is unknown nothing is said"


def test_of_a_network_outside_the_table_nobody_knows():
    trials = [real(network="Own", mode="scratch"), real(network="Own", mode="scratch", seed=1), real()]
    method = real(network="svm", mode="classical")
    needs = [needs_of(one, IMAGES, "gpu") for one in [*trials, method]]
    assert [one.maps_known for one in needs] == [False, False, True, True]
    (sentence,) = too_large(zip([*trials, method], needs, strict=True), gpu(11.0))
    assert sentence == "Whether a batch fits A GPU is unknown for Own."


def test_gpus_that_share_a_batch_each_keep_a_share_of_its_maps():
    one, two = (needs_of(real(mode="scratch"), IMAGES, "gpu", count).device for count in (1, 2))
    small = needs_of(real(mode="scratch", batch_size=8), IMAGES, "gpu").device
    assert one > two == small


def test_a_frozen_backbone_keeps_no_maps():
    trained, frozen = (needs_of(real(mode=mode), IMAGES, "gpu") for mode in ("scratch", "transfer"))
    assert frozen.device < trained.device / 2


def test_on_a_processor_the_device_is_the_machine():
    on_gpu, on_cpu = (needs_of(real(mode="scratch"), IMAGES, kind) for kind in ("gpu", "cpu"))
    assert on_cpu.memory == pytest.approx(on_gpu.memory + on_gpu.device)
