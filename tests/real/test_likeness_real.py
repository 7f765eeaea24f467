"""Which images a kept model takes for another kind: cells of BCCD against drawn ones, other stains, other sizes."""

import keras
import numpy as np
import pytest
from PIL import Image

from bench.commands.predict import exceeds_chance
from wbc import experiment
from wbc.data.bccd import BccdSettings, import_bccd
from wbc.data.loading import load_pixels
from wbc.data.manifest import Manifest
from wbc.data.synthetic import SyntheticSettings, generate
from wbc.evaluation.likeness import Likeness
from wbc.networks.penultimate import features_and_outputs
from wbc.observer import Observer
from wbc.optimizer import OptimizerSpecification
from wbc.specification import Specification

SIDE = 64


@pytest.fixture(scope="module")
def folders(shared, fields_cache, tmp_path_factory):
    """BCCD's cells as usual, with twice their surroundings, and drawn cells."""
    home = tmp_path_factory.mktemp("kinds")
    for name, margin in (("bccd", 0.1), ("wide", 1.0)):
        settings = BccdSettings(image_size=SIDE, margin=margin)
        import_bccd(shared / "data" / "bccd", home / name, settings, fields_cache).write(home / name)
    generate(home / "drawn", SyntheticSettings(200, 40, 40, SIDE, 0)).write(home / "drawn")
    return home


def test_images(folder, split="test"):
    return load_pixels(folder, Manifest.read(folder).split(split), SIDE)


test_images.__test__ = False


def zoomed(images):
    quarter = SIDE // 4
    inner = images[:, quarter:-quarter, quarter:-quarter]
    return np.stack([np.asarray(Image.fromarray(image).resize((SIDE, SIDE))) for image in inner])


@pytest.mark.parametrize(("kind", "other"), [("bccd", "drawn"), ("drawn", "bccd")])
def test_another_kind_is_flagged_and_the_own_is_not(folders, tmp_path, kind, other):
    class Keep(Observer):
        def trained(self, trained, about):
            self.about = about
            trained.save(tmp_path / "model.keras", "squash")

    keep, folder = Keep(), folders / kind
    experiment.run(
        Specification(
            folder,
            folder / "manifest.json",
            SIDE,
            "LeNet5",
            "scratch",
            epochs=6,
            optimizer=OptimizerSpecification("Adam", 1e-3, 0.0),
            save_model=True,
        ),
        keep,
    )
    likeness = Likeness.from_json(keep.about["likeness"])
    model = keras.saving.load_model(tmp_path / "model.keras")

    def flagged(images) -> float:
        batches = [images[start : start + 32] for start in range(0, len(images), 32)]
        features = np.concatenate([features_and_outputs(model, batch)[0] for batch in batches])
        return float((likeness.distances(images, features) > 1).mean())

    own = test_images(folder)
    assert likeness.rate <= 0.05
    assert not exceeds_chance(round(flagged(own) * len(own)), len(own), likeness.rate)
    others = {
        "another source": test_images(folders / other),
        "twice as large": zoomed(own),
        "warmer stain": (own * np.array([1.1, 1, 0.9])).clip(0, 255).astype(np.uint8),
        "bluer stain": (own * np.array([0.9, 1, 1.1])).clip(0, 255).astype(np.uint8),
        "pale stain": 128 + own // 2,
        **({"half as large": test_images(folders / "wide")} if kind == "bccd" else {}),
    }
    found = {name: flagged(images) for name, images in others.items()}
    assert min(found.values()) > 0.9, found
