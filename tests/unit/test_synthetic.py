import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from wbc.data import CELL_CLASSES
from wbc.data.contact_sheet import contact_sheet
from wbc.data.synthetic import SyntheticSettings, draw_cell, generate
from wbc.errors import InputError

FEW = {"validation_images_per_class": 1, "test_images_per_class": 1, "image_size": 32}


def test_the_same_settings_give_the_same_bytes_and_more_images_keep_the_first(tmp_path):
    few = generate(tmp_path / "a", SyntheticSettings(train_images_per_class=2, **FEW))
    same = generate(tmp_path / "b", SyntheticSettings(train_images_per_class=2, **FEW))
    more = generate(tmp_path / "c", SyntheticSettings(train_images_per_class=3, **FEW))
    other = generate(tmp_path / "d", SyntheticSettings(train_images_per_class=2, data_seed=1, **FEW))
    assert few.digest == same.digest
    assert set(few.images) < set(more.images)
    assert not {image.sha256 for image in few.images} & {image.sha256 for image in other.images}


def test_every_image_is_a_cell_of_its_own(tmp_path):
    manifest = generate(tmp_path, SyntheticSettings(train_images_per_class=2, **FEW))
    assert len({image.source for image in manifest.images}) == len(manifest.images) == 16
    assert manifest.counts()["train"] == dict.fromkeys(CELL_CLASSES, 2)


@pytest.mark.parametrize("size", [32, 65])
def test_draws_any_size(size):
    pixels = draw_cell("MONOCYTE", size, np.random.default_rng(0))
    assert (pixels.shape, pixels.dtype) == ((size, size, 3), np.uint8)
    assert pixels.std() > 10


def test_refuses_settings_that_make_no_sense():
    for wrong in ({"image_size": 16}, {"train_images_per_class": 0}, {"data_seed": -1}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            SyntheticSettings(**wrong)
    with pytest.raises(InputError, match="did you mean MONOCYTE"):
        draw_cell("MONOCYT", 32, np.random.default_rng(0))


def features(pixels: np.ndarray) -> np.ndarray:
    """Colour means and deviations, and how much of the image is as dark as a nucleus."""
    flat = pixels.reshape(len(pixels), -1, 3).astype(float)
    return np.hstack([flat.mean(1), flat.std(1), (flat[..., 0] < 120).mean(1)[:, None]])


def test_simple_cues_tell_something_but_not_all():
    def part(seed, count):
        rng = np.random.default_rng(seed)
        pixels = [draw_cell(name, 48, rng) for name in CELL_CLASSES for _ in range(count)]
        return features(np.stack(pixels)), np.repeat(CELL_CLASSES, count)

    forest = RandomForestClassifier(100, random_state=0).fit(*part(1, 60))
    accuracy = forest.score(*part(2, 30))
    assert 0.4 < accuracy < 0.9, accuracy


def test_a_contact_sheet_has_a_row_a_class():
    sheet = contact_sheet(
        {name: [draw_cell(name, 32, np.random.default_rng(0))] * 3 for name in ["MONOCYTE", "LYMPHOCYTE"]},
        32,
    )
    assert sheet.width >= 3 * 32
    assert sheet.height >= 2 * 32
