"""Synthetic cells: reproducible, of any size, and neither trivial nor hopeless to classify."""

import hashlib
import os
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from wbc.data import CELL_CLASSES, SPLITS
from wbc.data.synthetic import SyntheticSettings, draw_cell, generate
from wbc.data.synthetic.shapes import Noise, Outline, Strand, coverage, union
from wbc.errors import InputError
from wbc.files import file_sha256

SMALL = SyntheticSettings(
    train_images_per_class=3, validation_images_per_class=1, test_images_per_class=2, image_size=32
)


def changed(**values) -> SyntheticSettings:
    return SyntheticSettings(**{**asdict(SMALL), **values})


def files(folder) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in folder.rglob("*.png")}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    return folder, generate(folder, SMALL)


def test_the_defaults_are_those_of_the_thesis_in_size():
    assert asdict(SyntheticSettings()) == {
        "train_images_per_class": 60,
        "validation_images_per_class": 15,
        "test_images_per_class": 30,
        "image_size": 224,
        "data_seed": 0,
    }


def test_the_manifest_names_every_file_with_its_hash(small):
    folder, manifest = small
    assert {image.file: image.sha256 for image in manifest.images} == files(folder)
    assert manifest.classes == CELL_CLASSES
    expected = {"train": 3, "validation": 1, "test": 2}
    assert manifest.counts() == {split: dict.fromkeys(CELL_CLASSES, expected[split]) for split in SPLITS}
    assert all(image.file.startswith(f"{image.split}/{image.class_name}/") for image in manifest.images)
    assert manifest.settings == {"source": "synthetic", **asdict(SMALL)}


def test_the_images_are_listed_in_the_order_of_their_names_split_by_split(small):
    _, manifest = small
    order = [(SPLITS.index(image.split), image.file) for image in manifest.images]
    assert order == sorted(order)


def test_every_image_shows_another_cell(small):
    _, manifest = small
    assert len({image.source for image in manifest.images}) == len(manifest.images)
    assert len({image.sha256 for image in manifest.images}) == len(manifest.images)


def test_the_same_settings_give_the_same_bytes(small, tmp_path):
    folder, manifest = small
    again = generate(tmp_path, SMALL)
    assert files(tmp_path) == files(folder)
    assert again == manifest
    assert again.digest == manifest.digest


def test_another_seed_gives_other_bytes(small, tmp_path):
    _, manifest = small
    other = generate(tmp_path, changed(data_seed=1))
    assert not {image.sha256 for image in manifest.images} & {image.sha256 for image in other.images}


def test_more_images_leave_the_earlier_ones_and_the_other_splits_as_they_are(small, tmp_path):
    folder, _ = small
    generate(tmp_path, changed(train_images_per_class=5, validation_images_per_class=2))
    before, after = files(folder), files(tmp_path)
    assert before.items() < after.items()
    assert len(after) == len(before) + (2 + 1) * len(CELL_CLASSES)


@pytest.mark.parametrize("class_name", CELL_CLASSES)
@pytest.mark.parametrize("size", [32, 33, 100, 160, 224, 301])
def test_any_size_can_be_drawn(class_name, size):
    pixels = draw_cell(class_name, size, np.random.default_rng(3))
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 10


@pytest.mark.parametrize("class_name", CELL_CLASSES)
def test_a_seed_shows_the_same_cell_at_every_size(class_name):
    small = draw_cell(class_name, 56, np.random.default_rng(5)).astype(float)
    large = draw_cell(class_name, 224, np.random.default_rng(5))
    shrunk = np.asarray(Image.fromarray(large).resize((56, 56), Image.Resampling.BOX), float)
    other = draw_cell(class_name, 56, np.random.default_rng(6)).astype(float)
    assert np.abs(small - shrunk).mean() < 5
    assert np.abs(small - other).mean() > 10


def test_the_written_image_is_the_drawn_one(small):
    folder, manifest = small
    image = manifest.split("test")[-1]
    assert image.file == "test/NEUTROPHIL/00001.png"
    seed = np.random.SeedSequence([0, SPLITS.index("test"), CELL_CLASSES.index("NEUTROPHIL"), 1])
    pixels = draw_cell("NEUTROPHIL", 32, np.random.default_rng(seed))
    assert np.array_equal(np.asarray(Image.open(folder / image.file)), pixels)


def simple_features(pixels: np.ndarray) -> list[float]:
    """Means, deviations and the share of dark pixels: what shows without forms."""
    red = pixels[..., 0]
    return [*pixels.mean((0, 1)), *pixels.std((0, 1)), (red < 0.5 * np.median(red)).mean()]


@pytest.fixture(scope="module")
def measured():
    per_class = 60
    features = [
        simple_features(draw_cell(name, 32, np.random.default_rng([label, index])))
        for label, name in enumerate(CELL_CLASSES)
        for index in range(per_class)
    ]
    return np.array(features), np.repeat(np.arange(len(CELL_CLASSES)), per_class)


def accuracy(features: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of a linear classifier, trained on 30 cells per class, on 30 others."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return (cross_val_predict(classifier, features, labels, cv=2) == labels).mean()


def test_colors_and_sizes_help_and_do_not_suffice(measured):
    features, labels = measured
    assert 0.5 < accuracy(features, labels) < 0.85


def test_no_single_cue_tells_the_classes_apart(measured):
    features, labels = measured
    for column in features.T:
        assert accuracy(column[:, None], labels) < 0.6


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"image_size": 31}, "image_size of the synthetic data is 31"),
        ({"train_images_per_class": 0}, "train_images_per_class of the synthetic data is 0"),
        ({"test_images_per_class": -3}, "test_images_per_class of the synthetic data is -3"),
        ({"validation_images_per_class": 1.5}, "validation_images_per_class of the synthetic data is 1.5"),
        ({"data_seed": -1}, "data_seed of the synthetic data is -1"),
        ({"image_size": "big"}, "image_size of the synthetic data is 'big'"),
        ({"train_images_per_class": True}, "train_images_per_class of the synthetic data is True"),
    ],
)
def test_impossible_settings_are_named(values, named):
    with pytest.raises(InputError, match=named) as caught:
        SyntheticSettings(**values)
    assert "or more" in caught.value.way_out


def test_an_unknown_class_is_named_with_the_nearest_known_one():
    with pytest.raises(InputError, match="NEUTROPHILE") as caught:
        draw_cell("NEUTROPHILE", 64, np.random.default_rng(0))
    assert caught.value.way_out == "did you mean NEUTROPHIL?"


def test_too_small_an_image_is_refused():
    with pytest.raises(InputError, match="image_size is 16"):
        draw_cell("NEUTROPHIL", 16, np.random.default_rng(0))


def test_coverage_falls_from_one_to_zero_across_the_edge():
    values = coverage(np.array([-1.0, -0.1, 0.0, 0.1, 1.0]), 0.4)
    assert values[0] == 1 and values[2] == 0.5 and values[4] == 0
    assert np.all(np.diff(values) < 0)


def test_union_of_distances_blends_only_near_the_joint():
    first, second = np.array([1.0, 1.0, -2.0]), np.array([5.0, 1.0, 3.0])
    assert union(first, second, 0.4).tolist() == [1.0, 0.9, -2.0]


def test_the_distance_to_a_circle_is_exact():
    circle = Outline(2.0, np.zeros(2, complex))
    assert circle.distance(np.array([3.0, 0.0, 0.0]), np.array([4.0, 1.0, 0.0])) == pytest.approx([3, -1, -2])


def test_the_distance_to_a_tapered_bar_follows_its_width():
    bar = Strand(np.array([0j]), np.array([4 + 0j]), np.array([1.0]), np.array([2.0]), 0.1)
    x, y = np.array([-3.0, 0.0, 2.0, 4.0, 7.0]), np.array([0.0, 3.0, 3.0, 3.0, 0.0])
    assert bar.distance(x, y) == pytest.approx([2.0, 2.0, 1.5, 1.0, 1.0])


def test_noise_has_unit_deviation_and_the_same_values_at_every_resolution():
    noise = Noise.sample(np.random.default_rng(1), grain=0.5)
    fine, coarse = np.arange(0, 20, 0.125), np.arange(0, 20, 0.5)
    values = noise.on(fine, fine)
    assert abs(values.mean()) < 0.1
    assert values.std() == pytest.approx(1.0, abs=0.1)
    assert noise.on(coarse, coarse) == pytest.approx(values[::4, ::4])


def test_bytes_are_the_same_for_every_hash_seed_and_number_of_threads():
    script = (
        "import sys, numpy as np; from wbc.data.synthetic import draw_cell;"
        "sys.stdout.buffer.write(draw_cell('MONOCYTE', 64, np.random.default_rng(8)).tobytes())"
    )
    here = hashlib.sha256(draw_cell("MONOCYTE", 64, np.random.default_rng(8)).tobytes()).hexdigest()
    environment = {**os.environ, "PYTHONHASHSEED": "7", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    there = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    assert hashlib.sha256(there.stdout).hexdigest() == here
