"""What is asked of a trained classifier after its evaluation: of which images, in which order; what a failure costs."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from training_equipment import Notes, small_training

from wbc import experiment
from wbc.data.loading import load_pixels
from wbc.data.manifest import Manifest
from wbc.errors import InputError
from wbc.evaluation.predictions import Predictions
from wbc.reference_work import ReferenceWork
from wbc.specification import Explaining, Exporting


@pytest.fixture
def manifest(noisy_images) -> Manifest:
    return Manifest.read(noisy_images)


def said(manifest: Manifest, *of_b: float) -> Predictions:
    """Predictions of the five test images, of the classes a, b, a, b, a: the probability of b."""
    probabilities = np.array([[1 - one, one] for one in of_b])
    return Predictions.of(manifest.split("test"), probabilities, manifest.classes)


def explained(noisy_images, predictions: Predictions, manifest: Manifest) -> tuple:
    asked = []
    trained = SimpleNamespace(explain=lambda *given: asked.append(given) or {"images": len(given[2])})
    settings = Explaining(Path("x"), ("grad-cam",))
    specification = small_training(noisy_images, explain=settings)
    figures = experiment._explain(trained, predictions, manifest, specification)
    ((own, pixels, files, predicted),) = asked
    assert own is settings and figures == {"images": len(files)}
    images = {image.file: image for image in manifest.split("test")}
    expected = load_pixels(noisy_images, [images[file] for file in files], 32)
    np.testing.assert_array_equal(pixels, expected)
    return files, predicted


def test_the_surest_mistakes_are_explained(noisy_images, manifest, monkeypatch):
    wrong = said(manifest, 0.75, 0.125, 0.25, 0.875, 0.9)
    files, predicted = explained(noisy_images, wrong, manifest)
    assert files == ["test04.png", "test01.png", "test00.png"] and predicted == [1, 0, 1]
    monkeypatch.setattr(experiment, "MOST_EXPLAINED", 2)
    assert explained(noisy_images, wrong, manifest)[0] == ["test04.png", "test01.png"]


def test_without_a_mistake_the_surest_image_is_explained(noisy_images, manifest):
    right = said(manifest, 0.25, 0.875, 0.2, 0.6, 0.3)
    assert explained(noisy_images, right, manifest) == (["test01.png"], [1])
    assert experiment.MOST_EXPLAINED == 24


def test_an_export_is_calibrated_on_some_training_images(noisy_images, manifest, monkeypatch):
    asked = []
    trained = SimpleNamespace(export=lambda *given: asked.append(given) or {"exports": []})
    settings = Exporting(Path("x"), ("onnx",))
    specification = small_training(noisy_images, export=settings)
    monkeypatch.setattr(experiment, "CALIBRATION_IMAGES", 4)
    assert experiment._export(trained, manifest, specification) == {"exports": []}
    ((own, calibration, test, labels),) = asked
    training = manifest.split("train")
    rows = np.random.default_rng(0).permutation(11)[:4]
    expected = load_pixels(noisy_images, [training[row] for row in rows], 32)
    np.testing.assert_array_equal(calibration, expected)
    np.testing.assert_array_equal(test, load_pixels(noisy_images, manifest.split("test"), 32))
    assert own is settings and labels.tolist() == [0, 1, 0, 1, 0]


def test_likeness_is_that_of_training_images_and_of_one_image_of_each_source(
    noisy_images, manifest, monkeypatch
):
    images = [
        replace(image, source="same") if image.file in ("validation01.png", "validation03.png") else image
        for image in manifest.images
    ]
    rows_of, asked = {}, []

    def last_features(name, rows):
        rows_of[name] = rows.tolist()
        return np.zeros((len(rows), 2))

    monkeypatch.setattr(experiment, "looks_of", lambda pixels: pixels[:, 0, 0, 0])
    monkeypatch.setattr(experiment, "asdict", lambda found: found)
    monkeypatch.setattr(experiment.Likeness, "of", lambda *given: asked.append(given) or {"rate": 0.5})
    trained, specification = SimpleNamespace(last_features=last_features), small_training(noisy_images)
    grouped = replace(manifest, images=tuple(images))
    assert experiment._likeness(trained, grouped, specification) == {"rate": 0.5}
    assert rows_of["train"] == list(range(11))
    order = np.random.default_rng(0).permutation(5).tolist()
    first = next(row for row in order if row in (1, 3))
    assert rows_of["validation"] == sorted({0, 2, 4, first})
    (((of_training, of_others), (features, held_out), labels),) = asked
    pixels = load_pixels(noisy_images, [images[row] for row in range(11)], 32)
    assert of_training.tolist() == pixels[:, 0, 0, 0].tolist() and len(of_others) == 4
    assert (len(features), len(held_out), labels) == (11, 4, [number % 2 for number in range(11)])
    monkeypatch.setattr(experiment, "MOST_IMAGES", 3)
    experiment._likeness(trained, grouped, specification)
    assert rows_of["train"] == sorted(np.random.default_rng(0).permutation(11)[:3].tolist())
    assert len(rows_of["validation"]) == 3


@pytest.mark.parametrize("what", ["_explain", "_export", "_likeness"])
def test_a_failure_of_what_comes_afterwards_is_a_reason(noisy_images, manifest, what):
    def breaks(*given):
        raise ZeroDivisionError("of a layer")

    trained = SimpleNamespace(explain=breaks, export=breaks, last_features=breaks)
    more = {"explain": Explaining(Path("x"), ()), "export": Exporting(Path("x"), ())}
    specification = small_training(noisy_images, **more)
    predictions = [said(manifest, 0.9, 0.9, 0.9, 0.9, 0.9)] if what == "_explain" else []
    found = getattr(experiment, what)(trained, *predictions, manifest, specification)
    assert found == {"unavailable": "ZeroDivisionError: of a layer"}


class Started(Notes):
    """Remembers the order of what is reported, with the figures."""

    def __init__(self):
        super().__init__()
        self.told = []

    def phase_started(self, phase):
        self.told.append(phase)

    def phase_ended(self, phase, **figures):
        self.phases[phase] = figures

    def trained(self, trained, about):
        self.about = about

    def finished(self, trained):
        self.told.append("finished")


class Trained:
    """A classifier that is sure of the first class."""

    examples = np.zeros((1, 32, 32, 3), np.uint8)

    def predict(self, split, observer):
        return np.array([[0.75, 0.25]] * 5)

    def answer(self, images):
        raise MemoryError("no room")

    def cost(self):
        return SimpleNamespace(figures=lambda: {"model_bytes": 7})

    def profile(self, specification):
        return {"steps": 3}


def test_phases_come_in_their_order_and_what_is_not_asked_for_is_not_there(
    noisy_images, manifest, monkeypatch
):
    monkeypatch.setattr(experiment, "load_trainer", lambda mode: lambda *given: Trained())
    plain = Started()
    metrics = experiment.run(small_training(noisy_images), plain)
    assert plain.told == ["data", "evaluate", "finished"] and metrics["accuracy"] == 0.6
    images = {"train_images": 11, "validation_images": 5, "test_images": 5}
    assert plain.phases["data"] == {**images, "data_digest": manifest.digest}
    assert plain.phases["evaluate"] == {"images": 5, "model_bytes": 7}

    backends = []

    def work(backend):
        backends.append(backend)
        if len(backends) == 2:
            raise MemoryError("no room")
        return ReferenceWork(1.5, 2, 9)

    monkeypatch.setattr(experiment, "measure_reference_work", work)
    monkeypatch.setattr(experiment, "_likeness", lambda *given: {"rate": 0.5})
    monkeypatch.setattr(experiment, "_explain", lambda *given: {"images": 1})
    monkeypatch.setattr(experiment, "_export", lambda *given: {"exports": []})
    asked = {name: SimpleNamespace() for name in ("explain", "export", "profile")}
    whole = Started()
    more = {"latency": True, "reference_work": True, "save_model": True, **asked}
    experiment.run(replace(small_training(noisy_images), **more), whole)
    assert whole.told == [
        *("reference_work", "data", "evaluate", "latency", "reference_work"),
        *("explain", "save", "export", "profile", "finished"),
    ]
    assert backends == ["tensorflow", "tensorflow"]
    assert whole.phases["reference_work"] == {"unavailable": "MemoryError: no room"}
    assert whole.phases["latency"]["left_out"]["batch of 1"] == "MemoryError: no room"
    assert whole.phases["profile"] == {"steps": 3}
    assert whole.about == {
        **{"network": "LeNet5", "mode": "scratch", "preprocessing": "network", "image_size": 32},
        **{"classes": ["a", "b"], "likeness": {"rate": 0.5}, "reading": {}},
    }


@pytest.mark.parametrize(("mode", "does"), [("classical", None), ("features", "jax")])
def test_the_reference_work_is_done_by_what_the_trial_uses(noisy_images, monkeypatch, mode, does):
    asked = []
    monkeypatch.setattr(
        experiment,
        "measure_reference_work",
        lambda backend: asked.append(backend) or ReferenceWork(1.5, 2, 9),
    )
    plain = replace(small_training(noisy_images), mode=mode, backend="jax")
    notes = Notes()
    experiment._reference_work(plain, notes)
    experiment._reference_work(replace(plain, reference_work=True), notes)
    assert asked == [does]
    assert notes.phases == {"reference_work": {"gflops": 1.5, "rounds": 2, "size": 9}}


def test_an_external_test_has_the_same_classes(noisy_images, manifest, tmp_path):
    (tmp_path / "manifest.json").write_text((noisy_images / "manifest.json").read_text())
    external = {"external_folder": tmp_path, "external_manifest": tmp_path / "manifest.json"}
    specification = small_training(noisy_images, **external)
    found = experiment._sources(specification, manifest)
    assert {name: (split, folder) for name, (_, split, folder) in found.items()} == {
        **{name: (name, noisy_images) for name in ("train", "validation", "test")},
        "external": ("test", tmp_path),
    }
    for missing in external:
        assert "external" not in experiment._sources(replace(specification, **{missing: None}), manifest)
    other = replace(manifest, classes=("a", "c"))
    with pytest.raises(InputError) as caught:
        experiment._sources(specification, other)
    assert caught.value.what == "the external test has the classes a, b, not a, c"


def test_shared_pixels_of_an_external_test_are_read_as_that_is(noisy_images, manifest, monkeypatch):
    """Both sets have a `test`; images of the other one are of another folder and of a brighter camera."""
    brighter = replace(manifest, settings={"reading": {"white": 4095.0}})
    sources = {
        "test": (manifest, "test", Path("own")),
        "external": (brighter, "test", Path("other")),
    }
    loaded, asked = [], []

    def load(folder, images, size, reading, place):
        loaded.append((folder, len(images), size, reading.white, place("x")))
        return f"pixels of {folder}"

    def keep(cache, ingredients, make, waiting):
        asked.append((cache, ingredients))
        waiting()
        return SimpleNamespace(
            arrays=make(lambda name, *given: (name, *given))[0], figures={"extraction_s": 1.0}
        )

    monkeypatch.setattr(experiment, "load_pixels", load)
    monkeypatch.setattr(experiment, "keep_once", keep)
    cache = SimpleNamespace(pixels=True, made_on={"runtime": {"wbc": "0123"}})
    specification = replace(small_training(noisy_images), image_size=48, feature_cache=cache)
    beats = []
    observer = SimpleNamespace(heartbeat=lambda *given: beats.append(given))
    found = experiment._kept_pixels(specification, sources, observer)
    assert found == ({"test": "pixels of own", "external": "pixels of other"}, {"extraction_s": 1.0})
    assert loaded == [
        (Path("own"), 5, 48, None, ("test", "x")),
        (Path("other"), 5, 48, 4095.0, ("external", "x")),
    ]
    ((own, ingredients),) = asked
    assert own is cache and beats == [(0, 1)]
    assert (ingredients["image_size"], ingredients["runtime"]) == (48, "0123")
    assert {name: one["white"] for name, one in ingredients["reading"].items()} == {
        **{"test": None, "external": 4095.0}
    }
    assert set(ingredients["files"]) == {"test", "external"}
    cache.pixels = False
    assert experiment._kept_pixels(specification, sources, observer) == ({}, {})
