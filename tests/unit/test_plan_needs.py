"""What a plan says that trials need of memory."""

from types import SimpleNamespace

import pytest
from equipment.results.records import a_trial
from msgspec.structs import replace
from plan_equipment import KNOWN, real

from bench.devices.device import Device, Slot
from bench.plan import needs as needs_module
from bench.plan.needs import Needs, free_disk, free_memory, most_at_once, needs_of, too_large
from wbc.networks.facts import facts_of

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


@pytest.mark.parametrize(
    ("optimizer", "copies"),
    [("SGD", 3), ("RMSprop", 3), ("Nesterov", 3), ("Adagrad", 3), ("Adam", 4), (None, 4)],
)
@pytest.mark.parametrize("mode", ["scratch", "finetune", "transfer", "features", "classical"])
def test_what_a_trial_needs_by_hand(mode: str, optimizer: str | None, copies: int):
    """Numbers of four bytes: weights, gradients and state, one more copy for the update, and a batch of maps."""
    network = "SVM" if mode == "classical" else "ResNet50"
    facts = facts_of("ResNet50", {}, 64)
    trained, held, features, maps = {
        "scratch": (facts.parameters, 0, 0, facts.kept_maps + 2 * facts.passing_maps),
        "finetune": (facts.parameters, 0, 0, facts.kept_maps + 2 * facts.passing_maps),
        "transfer": (facts.features * 256, facts.parameters, facts.features, 2 * facts.passing_maps),
        "features": (0, facts.parameters, facts.features, 2 * facts.passing_maps),
        "classical": (0, 0, 0, 0),
    }[mode]
    of = real(network=network, mode=mode, image_size=64, batch_size=8)
    setting = None if optimizer is None else replace(of.settings.optimizer, name=optimizer)
    of = replace(of, settings=replace(of.settings, optimizer=setting))
    for kind, replicas, batch, asked in (
        ("gpu", 1, 8, None),
        ("gpu", 2, 4, None),
        ("cpu", 2, 8, None),
        ("gpu", 1, 32, 32),
    ):
        found = needs_of(of, IMAGES, kind, replicas, asked)
        device = 4 * (held + trained * (copies + 1) + batch * maps)
        assert found.device == pytest.approx(device) and found.maps_known
        assert found.features == pytest.approx(4 * 5020 * features)
        copied = 4 * 5020 * features * (4 if mode == "features" else 1)
        memory = 500e6 + 5020 * 64 * 64 * 3 + copied + (device if kind == "cpu" else 0)
        assert found.memory == pytest.approx(memory)
        assert found.disk == 2 * 4 * trained * (copies - 1) + 1e6
    few = needs_of(of, {"train": 5, "validation": 3}, "gpu")
    assert few.device == pytest.approx(4 * (held + trained * (copies + 1) + 5 * maps)), "no batch is larger"
    assert needs_of(of, {}, "gpu").device == pytest.approx(4 * (held + trained * (copies + 1)))


@pytest.mark.parametrize(
    ("cache", "settings", "pixels", "features"),
    [
        (None, {}, 1, 1),
        ({"pixels": True}, {}, 0, 0),
        ({"pixels": False}, {}, 1, 0),
        ({"features": True}, {}, 1, 0),
        ({"features": False, "pixels": True}, {}, 0, 1),
        ({"pixels": True}, {"loop": "compiled"}, 0, 1),
        ({"pixels": True}, {"mode": "features"}, 0, 4),
    ],
)
def test_what_is_in_files_takes_no_memory(cache, settings, pixels, features):
    specification = {"manifest": "nowhere"} | ({"feature_cache": cache} if cache else {})
    found = needs_of(a_trial(specification=specification, **{**KNOWN, **settings}), IMAGES, "gpu")
    expected = 500e6 + pixels * 5020 * 224 * 224 * 3 + features * found.features
    assert found.memory == pytest.approx(expected) and found.features > 0


def need(device: float, memory: float = 0.0) -> Needs:
    return Needs(0.0, memory, device, 0.0)


def test_a_network_that_fits_to_the_byte_is_not_named(monkeypatch):
    of = real(mode="scratch")
    two = Slot("gpu:0+1", gpu(2.0).devices * 2, (0,))
    assert too_large([(of, need(2e9))], gpu(2.0)) == too_large([(of, need(2e9))], two) == []
    (said,), (of_two,) = (too_large([(of, need(2e9 + 1))] * 2, where) for where in (gpu(2.0), two))
    assert said.endswith("needs about 2.0 GB, and A GPU has 2.0 GB: try a smaller batch_size or image_size.")
    assert "and a A GPU has" in of_two
    assert too_large([(real(mode="scratch", batch_size="largest"), need(9e9))], gpu(2.0)) == []
    several = [real(mode=mode, image_size=size) for mode in ("scratch", "transfer") for size in (64, 128)]
    assert len(too_large([(one, need(9e9)) for one in several], gpu(2.0))) == 4
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=int(2e9)))
    processor = Slot("cpu:0", (Device("cpu", "P"),), (0,))
    assert too_large([(of, need(1.5e9))], processor) == []
    (said,) = too_large([(of, need(1.5e9 + 1))], processor)
    assert "needs about 2.0 GB, and this machine has 2.0 GB" in said


@pytest.mark.parametrize(
    ("kept", "passing", "mode", "maps"),
    [
        (100.0, 10.0, "scratch", 3 * (100 + 2 * 10)),
        (100.0, 10.0, "transfer", 3 * 2 * 10),
        (None, 10.0, "scratch", None),
        (100.0, None, "scratch", None),
        (None, None, "classical", 0.0),
    ],
)
def test_maps_of_which_a_part_is_unknown_are_unknown(kept, passing, mode: str, maps: float | None):
    facts = SimpleNamespace(kept_maps=kept, passing_maps=passing)
    assert needs_module._maps(facts, mode, 3) == maps
    assert needs_module._maps(None, mode, 3) == (0.0 if mode == "classical" else None)


def test_side_by_side_run_the_largest():
    needs = [need(0.0, memory) for memory in (1.0, 5.0, 3.0)]
    assert [most_at_once(needs, slots) for slots in (1, 2, 3, 9)] == [5.0, 8.0, 9.0, 9.0]


def test_the_disk_of_a_folder_that_is_not_there_yet(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("shutil.disk_usage", lambda there: asked.append(there) or SimpleNamespace(free=7))
    assert (free_disk(tmp_path / "not" / "yet"), free_disk(tmp_path)) == (7, 7)
    assert asked == [tmp_path.resolve()] * 2


@pytest.mark.parametrize(("limited", "free"), [(None, 5), (0, 0), (3, 3), (5, 5), (9, 5)])
def test_free_memory_is_what_machine_and_control_group_both_have(monkeypatch, limited, free: int):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=5))
    monkeypatch.setattr(needs_module, "free_bytes", lambda: limited)
    assert free_memory() == free
