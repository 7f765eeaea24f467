"""Features that need no segmentation, and how plausible a segmentation is."""

import numpy as np
import pytest
from PIL import Image

from bench.suite.file import load_suite
from bench.suite.matrix import expand
from wbc import experiment
from wbc.classical.catalog import METHODS
from wbc.classical.features import is_plausible, measure_all
from wbc.classical.general import GENERAL
from wbc.data.manifest import ImageEntry, Manifest
from wbc.data.pipeline.segmentation import segment
from wbc.data.synthetic.generate import draw_cell
from wbc.specification import Specification


class Notes:
    """Remembers the figures of phases, and the metrics."""

    def __init__(self):
        self.phases = {}

    def phase_ended(self, phase, **figures):
        self.phases[phase] = figures

    def evaluated(self, metrics, evaluations):
        self.metrics = metrics

    def __getattr__(self, name):
        return lambda *values, **more: None


def stripes(folder, count: int = 12):
    """Two classes that differ in the direction of their stripes; nothing in them is a cell."""
    rng, entries = np.random.default_rng(0), []
    for split, number in (("train", count), ("validation", 2), ("test", 8)):
        for index in range(number):
            wave = 120 + 80 * np.sin(np.arange(40) * 0.7 + rng.uniform(0, 6))
            image = np.repeat(wave[:, None], 40, axis=1)
            image = (image if index % 2 else image.T) + rng.normal(0, 5, (40, 40))
            name = f"{split}{index}.png"
            Image.fromarray(np.repeat(image[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)).save(
                folder / name
            )
            entries.append(ImageEntry(name, split, "ab"[index % 2], name, f"{split}{index}"))
    Manifest(tuple(entries), ("a", "b")).write(folder)
    return folder


@pytest.mark.parametrize("kind", GENERAL)
def test_every_image_has_finite_features_and_small_ones_too(kind):
    noise = np.random.default_rng(0)
    for side in (8, 40, 300):
        table = GENERAL[kind](noise.integers(0, 256, (3, side, side, 3), np.uint8))
        assert table.shape[0] == 3 and np.isfinite(table).all() and np.ptp(table, axis=0).any()
    flat = GENERAL[kind](np.zeros((2, 32, 32, 3), np.uint8))
    assert np.isfinite(flat).all()


def test_gradients_tell_apart_what_a_segmentation_does_not_see(tmp_path):
    notes = Notes()
    folder = stripes(tmp_path)
    base = Specification(
        folder,
        folder / "manifest.json",
        40,
        "RandomForest",
        "classical",
        options={"features": "hog", "trees": 50},
    )
    experiment.run(base, notes)
    assert notes.metrics["balanced_accuracy"] == 1 and "plausible" not in notes.phases["features"]


def test_the_share_of_plausible_segmentations_is_recorded(tmp_path):
    notes = Notes()
    folder = stripes(tmp_path)
    base = Specification(
        folder, folder / "manifest.json", 40, "RandomForest", "classical", options={"trees": 5}
    )
    experiment.run(base, notes)
    assert 0 <= notes.phases["features"]["plausible"] < 0.5


def test_drawn_cells_are_plausible_and_padding_is_not():
    cells = np.array([draw_cell("NEUTROPHIL", 96, np.random.default_rng(seed)) for seed in range(6)])
    plausible: list[bool] = []
    measure_all(cells, plausible)
    assert sum(plausible) >= 5
    padded = np.full((96, 96, 3), 240, np.uint8)
    padded[:30] = padded[-30:] = 0
    assert not is_plausible(padded, segment(padded))


def test_a_suite_names_the_features(tmp_path):
    path = tmp_path / "suite.toml"
    path.write_text('[[matrix]]\nmode = "classical"\nbackbone = { name = "SVM", features = "color" }\n')
    (found,) = expand(*load_suite(path))
    assert METHODS["SVM"].label(found.backbone.options) == "SVM-featurescolor"
    assert METHODS["SVM"].label({}) == "SVM", "the default is in no name, so earlier trials keep theirs"
