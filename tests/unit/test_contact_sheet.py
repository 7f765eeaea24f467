"""Contact sheets: every image in its place, every row with its label."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from wbc.data import contact_sheet as contact_sheet_module
from wbc.data.contact_sheet import contact_sheet, sheet_of_manifest, sheet_of_stages
from wbc.data.manifest import ImageEntry, Manifest
from wbc.data.pipeline.augmentation import augment
from wbc.data.pipeline.splitting import image_rng
from wbc.data.pipeline.stages import Original, Stages
from wbc.errors import InputError

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def plain(colour, size=10):
    return np.full((size, size, 3), colour, np.uint8)


def boxes(sheet, colour):
    """Left, top, right and bottom of the pixels of a color."""
    rows, columns = np.nonzero((np.asarray(sheet) == colour).all(axis=-1))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_images_are_in_their_row_and_column():
    sheet = contact_sheet({"A": [plain(RED), plain(GREEN)], "B": [plain(BLUE)]}, tile=20)
    red, green, blue = (boxes(sheet, colour) for colour in (RED, GREEN, BLUE))
    for left, top, right, bottom in (red, green, blue):
        assert (right - left, bottom - top) == (20, 20)
    assert green[0] > red[2] and green[1] == red[1]
    assert blue[0] == red[0] and blue[1] > red[3]


def test_the_label_is_written_above_its_row():
    blank = contact_sheet({"": [plain(RED)]}, tile=120)
    labelled = contact_sheet({"MONOCYTE": [plain(RED)]}, tile=120)
    assert blank.size == labelled.size
    differs = np.nonzero((np.asarray(blank) != np.asarray(labelled)).any(axis=-1))[0]
    assert len(differs) > 0 and differs.max() < boxes(labelled, RED)[1]


def test_a_long_label_is_not_cut():
    short = contact_sheet({"A": [plain(RED)]}, tile=8)
    assert contact_sheet({"A very long name of a class": [plain(RED)]}, tile=8).width > short.width


def test_images_of_any_shape_are_fitted_without_distortion():
    wide = np.full((10, 40, 3), RED, np.uint8)
    left, top, right, bottom = boxes(contact_sheet({"A": [wide]}, tile=40), RED)
    assert (right - left, bottom - top) == (40, 10)
    grey = contact_sheet({"A": [np.full((10, 10), 77, np.uint8)]}, tile=12)
    left, top, right, bottom = boxes(grey, (77, 77, 77))
    assert (right - left, bottom - top) == (12, 12)


def test_a_class_without_images_keeps_its_row():
    both = contact_sheet({"A": [plain(RED)], "B": []}, tile=20)
    assert both.height > contact_sheet({"A": [plain(RED)]}, tile=20).height


def test_nothing_to_show_is_an_error():
    for rows in ({}, {"A": []}):
        with pytest.raises(InputError, match="needs an image"):
            contact_sheet(rows, tile=20)
    with pytest.raises(InputError, match="tile"):
        contact_sheet({"A": [plain(RED)]}, tile=0)


@pytest.fixture
def data_set(tmp_path):
    images = []
    for class_name, colour in (("A", RED), ("B", BLUE)):
        for index in range(3):
            file = f"train/{class_name}/{index}.png"
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(plain(colour)).save(tmp_path / file)
            images.append(ImageEntry(file, "train", class_name, file, ""))
    return tmp_path, Manifest(tuple(images), ("A", "B"))


def test_a_data_set_has_one_row_per_class(data_set):
    sheet = sheet_of_manifest(*data_set, per_class=2, tile=20)
    pair = contact_sheet({"A": [plain(RED)] * 2, "B": [plain(BLUE)] * 2}, tile=20)
    assert np.array_equal(np.asarray(sheet), np.asarray(pair))


def test_a_split_without_images_is_named(data_set):
    with pytest.raises(InputError, match="'test'"):
        sheet_of_manifest(*data_set, split="test")


def test_a_broken_or_missing_file_is_named(data_set):
    folder, _ = data_set
    (folder / "train/A/1.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"1\.png"):
        sheet_of_manifest(*data_set)
    (folder / "train/A/1.png").unlink()
    with pytest.raises(InputError, match=r"1\.png"):
        sheet_of_manifest(*data_set)


def test_stages_are_shown_side_by_side_with_copies(tmp_path):
    pixels = np.full((40, 60, 3), 200, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    original = Original("x", tmp_path / "x.png", "MONOCYTE", "x", box=(10, 10, 30, 30))
    stages = Stages(image_size=24, background="remove")
    asked = []

    def sheet(rows, tile):
        asked.append((rows, tile))
        return "a sheet"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contact_sheet_module, "contact_sheet", sheet)
        assert sheet_of_stages([original], stages, seed=3, copies=2, tile=50) == "a sheet"
        sheet_of_stages([original], replace(stages, background="keep"), seed=3, copies=0)
        sheet_of_stages([original], stages, seed=3)
    (rows, tile), (kept, usual), (whole, _) = asked
    ((label, shown),) = rows.items()
    assert tile == 50 and usual == 128
    assert label == (
        "MONOCYTE x: photograph, cropped, background removed, 2 augmented copies (background by guess: nothing is "
        "stained like a nucleus)"
    )
    assert [one.shape for one in shown] == [(40, 60, 3), *[(24, 24, 3)] * 4]
    for number in (1, 2):
        expected = augment(shown[2], image_rng(3, "x", number))
        np.testing.assert_array_equal(shown[2 + number], expected)
    assert list(kept) == ["MONOCYTE x: photograph, cropped"] and len(next(iter(whole.values()))) == 3 + 4
