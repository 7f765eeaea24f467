"""What of other trials a plan takes into account: features they extract, images, what the suite still asks for."""

from pathlib import Path

from equipment.results.records import a_trial
from msgspec.structs import replace
from plan_equipment import KNOWN, attempt, trial

from bench.devices.device import Device, Slot
from bench.journal.results import SuiteResults
from bench.plan.batches import _first
from bench.plan.decide import PlannedTrial, make_plan
from bench.plan.needs import needs_of
from bench.plan.predict import SHARED, Predictor
from bench.trials.trial import Trial
from wbc.data.manifest import ImageEntry, Manifest

CACHED = {"manifest": "nowhere", "feature_cache": {"folder": "x", "limit_bytes": 1}}
USUAL = {
    **KNOWN,
    "network": "VGG16",
    "image_size": 64,
    "data": {**KNOWN["data"], "digest": "d0"},
    "weights": {"name": "imagenet", "sha256": "01"},
}


def transfer(**changes) -> Trial:
    return a_trial(specification=CACHED, **{**USUAL, **changes})


def test_a_trial_that_is_done_extracts_nothing_for_others(tmp_path: Path):
    planned = [PlannedTrial(transfer(seed=n), status, "") for n, status in enumerate(("done", "new"))]
    done, new = Predictor(tmp_path, "cpu").predict(planned)
    assert done.prediction is None and not new.prediction.basis.endswith(SHARED)


def test_images_are_counted_for_each_manifest(tmp_path: Path):
    trials = []
    for name, images in (("one", 3), ("two", 5)):
        (tmp_path / name).mkdir()
        entries = [ImageEntry(f"{n}.png", "train", "a", f"{n}", "") for n in range(images)]
        Manifest(tuple(entries), ("a",)).write(tmp_path / name)
        trials.append(a_trial(specification={"manifest": str(tmp_path / name / "manifest.json")}, **USUAL))
    predictor = Predictor(tmp_path, "cpu")
    assert [predictor.images(one)["train"] for one in (*trials, trials[0])] == [3, 5, 3]


def test_a_trial_that_only_leaves_out_is_no_earlier_version(tmp_path: Path):
    results = SuiteResults(tmp_path, "suite")
    attempt(results, trial(epochs=1))
    suite = [trial(epochs=1), trial(epochs=2)]
    (chosen,) = make_plan(suite[1:], results, suite)
    assert (chosen.status, chosen.why) == ("new", "never run")
    (chosen,) = make_plan(suite[1:], results)
    assert (chosen.status, chosen.why) == ("changed", "epochs 2, was 1")


def test_the_first_batch_is_shared_by_all_gpus_of_a_slot(tmp_path: Path):
    Manifest(tuple(ImageEntry(f"{n}.png", "train", "a", f"{n}", "") for n in range(64)), ("a",)).write(
        tmp_path
    )
    of = a_trial(
        "VGG16",
        batch_size="largest",
        image_size=64,
        mode="scratch",
        specification={"manifest": str(tmp_path / "manifest.json")},
    )
    images = {"train": 64, "validation": 0, "test": 0}
    room = int(needs_of(of, images, "gpu", 1, 16).device) + 1
    for gpus, size in ((1, 16), (2, 32)):
        devices = tuple(Device("gpu", "A100", f"GPU-{n}", n, memory_bytes=room) for n in range(gpus))
        asked = replace(of, settings=replace(of.settings, replicas=gpus))
        assert _first(asked, Slot("gpu", devices, (0,))) == size
