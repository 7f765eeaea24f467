"""The classical methods by hand: options, estimators, general features, batches."""

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from skimage.feature import hog
from skimage.transform import resize

from wbc.classical.catalog import METHODS
from wbc.classical.general import colors, gradients, pixels
from wbc.classical.methods import _estimator, calibration_folds
from wbc.classical.train import ClassicalClassifier, _in_batches, train
from wbc.data.loading import Split
from wbc.data.manifest import ImageEntry
from wbc.errors import InputError
from wbc.specification import Specification

FEATURES = ("features", "cell", "one of cell, hog, color, pixels")
AT_LEAST_1 = "an integer, at least 1"


def test_options_with_their_defaults_and_ranges():
    assert {
        name: [(one.name, one.default, one.kind) for one in method.options]
        for name, method in METHODS.items()
    } == {
        "SVM": [FEATURES, ("C", 10.0, "a number, at least 1e-06"), ("kernel", "rbf", "one of rbf, linear")],
        "RandomForest": [FEATURES, ("trees", 300, AT_LEAST_1), ("min_leaf", 1, AT_LEAST_1)],
        "DecisionTree": [FEATURES, ("min_leaf", 5, AT_LEAST_1)],
        "KNN": [FEATURES, ("neighbors", 5, AT_LEAST_1)],
        "MLP": [FEATURES, ("hidden", 32, AT_LEAST_1), ("l2", 0.01, "a number, at least 0")],
    }


@pytest.mark.parametrize(
    ("name", "options", "settings"),
    [
        (
            "SVM",
            {},
            {"method": "sigmoid", "ensemble": False, "estimator__C": 10.0, "estimator__kernel": "rbf"},
        ),
        ("SVM", {"C": 2, "kernel": "linear"}, {"estimator__C": 2.0, "estimator__kernel": "linear"}),
        ("RandomForest", {}, {"n_estimators": 300, "min_samples_leaf": 1}),
        ("RandomForest", {"trees": 7, "min_leaf": 3}, {"n_estimators": 7, "min_samples_leaf": 3}),
        ("DecisionTree", {}, {"min_samples_leaf": 5}),
        ("KNN", {}, {"n_neighbors": 5}),
        ("KNN", {"neighbors": 3}, {"n_neighbors": 3}),
        ("MLP", {}, {"hidden_layer_sizes": (32,), "solver": "lbfgs", "alpha": 0.01, "max_iter": 2000}),
    ],
)
def test_settings_of_scikit_learn(name: str, options: dict, settings: dict):
    found = _estimator(name, METHODS[name].all_options(options), [], 7).get_params()
    seeds = [value for key, value in found.items() if key.endswith("random_state")]
    assert {key: found[key] for key in settings} == settings and seeds == ([] if name == "KNN" else [7])


def test_two_sources_of_each_class_make_two_folds():
    folds = calibration_folds(np.array([0, 0, 1, 1]), list("abcd"), seed=0)
    assert len(folds) == 2 and sorted(row for _, held in folds for row in held) == [0, 1, 2, 3]


def test_shares_of_colors():
    """Levels are 32 wide for each color, and 64 in the joint count, red first."""
    image = np.array([[[0, 0, 0], [31, 32, 255]], [[64, 63, 0], [255, 255, 255]]], np.uint8)
    joint = np.zeros(64)
    joint[[0, 3, 16, 63]] = 1
    each = [2, 0, 1, 0, 0, 0, 0, 1], [1, 2, 0, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 0, 0, 2]
    assert colors(image[None])[0] == pytest.approx(np.concatenate([*each, joint]) / 4)


def test_gradients_and_pixels():
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    found = gradients(noise)
    assert found.shape == (2, 7 * 7 * 4 * 9), "blocks of 2 x 2 cells of nine directions"
    expected = hog(
        noise[1].mean(axis=2) / 255, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2)
    )
    assert found[1] == pytest.approx(expected, abs=1e-6)
    small = pixels(noise)
    assert small.shape == (2, 16 * 16 * 3)
    assert small[0] == pytest.approx(
        resize(noise[0], (16, 16), order=1, anti_aliasing=True).ravel(), abs=1e-6
    )
    assert pixels(noise[:, :16, :16])[1] == pytest.approx(noise[1, :16, :16].ravel() / 255, abs=1e-6)


class Timer:
    """Wants five batches."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    @property
    def wants_more(self) -> bool:
        return len(self.sizes) < 5

    @contextmanager
    def batch(self, images: int):
        yield
        self.sizes.append(images)


def test_images_come_in_batches_of_sixteen():
    told: list[tuple[int, int]] = []
    observer = SimpleNamespace(heartbeat=lambda *given: told.append(given), pause=lambda: None)
    inputs, timer = np.arange(40).reshape(40, 1), Timer()
    assert (_in_batches(lambda batch: 2 * batch, inputs, timer, observer) == 2 * inputs).all()
    assert told == [(16, 40), (32, 40), (40, 40)] and timer.sizes == [16, 16, 8, 16, 16]


def test_a_class_that_was_not_fitted_has_no_probability():
    pipeline = SimpleNamespace(
        classes_=np.array([0, 2]), predict_proba=lambda rows: np.tile([0.25, 0.75], (len(rows), 1))
    )
    observer = SimpleNamespace(heartbeat=lambda *given: None, pause=lambda: None)
    made = ClassicalClassifier(pipeline, {"test": np.zeros((3, 2))}, 3, None, Timer())
    assert made.predict("test", observer).tolist() == [[0.25, 0.0, 0.75]] * 3
    answering = ClassicalClassifier(pipeline, {}, 3, None, measure=lambda images: images[:, 0, 0])
    assert answering.answer(np.zeros((2, 1, 1, 3), np.uint8)).tolist() == [[0.25, 0.75]] * 2


class Notes:
    """Remembers the figures of each phase."""

    def __init__(self) -> None:
        self.phases: dict[str, dict] = {}

    def phase_ended(self, phase, **figures):
        self.phases[phase] = figures

    def pause(self):
        return 0.0

    def __getattr__(self, name):
        return lambda *values, **more: None


@pytest.mark.parametrize(("latency", "examples"), [(True, 64), (False, 0)])
def test_what_is_measured_and_kept_of_a_trial(latency: bool, examples: int):
    """Of training and test images; validation is not looked at."""
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        images = [ImageEntry(f"{n}", "train", "ab"[n % 2], f"s{n}", "") for n in range(count)]
        pixels = rng.integers(0, 256, (count, 16, 16, 3), np.uint8)
        return Split(pixels, np.arange(count) % 2, images, ("a", "b"))

    splits = {"train": split(10), "validation": split(4), "test": split(70)}
    more = {"options": {"features": "pixels", "hidden": 3}, "latency": latency}
    notes = Notes()
    made = train(Specification(Path(), Path(), 16, "MLP", "classical", **more), splits, notes)
    numbers = 16 * 16 * 3
    assert notes.phases["build"] == {"parameters": (numbers + 1) * 3 + (3 + 1)}
    assert notes.phases["features"] == {"images": 80, "bytes": 80 * numbers * 8}
    assert {name: table.shape for name, table in made.features.items()} == {
        "train": (10, numbers),
        "test": (70, numbers),
    }
    assert np.array_equal(made.examples, splits["test"].inputs[:examples])
    assert made.examples.shape == (examples, 16, 16, 3) and made.classes == 2 and made.measure is pixels
    assert made.profile(None) == {"unavailable": "a method of scikit-learn has no training steps to trace"}
    assert made.memory() == {"unavailable": "a method of scikit-learn has no training step"}
    for refused, said in (
        (lambda: made.save(Path(), ""), "has no .keras file, and a pickle is not safe to share"),
        (lambda: made.last_features("test", None), "has no last layer"),
        (lambda: made.export(None, None, None, None), "is no network"),
        (lambda: made.explain(None, None, [], []), "has no maps"),
    ):
        with pytest.raises(InputError) as caught:
            refused()
        assert caught.value.what == f"a method of scikit-learn {said}"
