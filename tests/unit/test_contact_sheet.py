"""Contact sheets: every image in its place, every row with its label."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFont

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


@pytest.mark.parametrize(("counts", "tile"), [((1,), 20), ((3, 1), 40), ((2, 2, 0), 7)])
def test_rows_and_columns_are_four_pixels_apart(counts, tile):
    """On white paper, each row below a line of text of 14 pixels."""
    rows = {"i" * number: [plain(RED)] * count for number, count in enumerate(counts)}
    sheet = np.asarray(contact_sheet(rows, tile))
    line = sum(ImageFont.load_default(size=14).getmetrics()) + 4
    columns = max(counts)
    assert sheet.shape == (4 + len(rows) * (line + tile + 4), 4 + columns * (tile + 4), 3)
    expected = np.zeros(sheet.shape[:2], bool)
    for row, count in enumerate(counts):
        for column in range(count):
            top, left = 4 + row * (line + tile + 4) + line, 4 + column * (tile + 4)
            expected[top : top + tile, left : left + tile] = True
    assert np.array_equal((sheet == RED).all(axis=2), expected)
    assert (sheet[0] == 255).all() and (sheet[-1] == 255).all()
    darkest = sheet[~expected].min(axis=0)
    assert darkest.tolist() == ([40] * 3 if len(counts) > 1 else [255] * 3)


def test_a_sheet_is_as_wide_as_its_longest_label():
    label = "A very long name of a class"
    width = contact_sheet({"A": [plain(RED)], label: []}, tile=8).width
    assert width == int(ImageFont.load_default(size=14).getlength(label)) + 8


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


def test_a_sheet_has_eight_images_of_each_class_of_training(data_set, monkeypatch):
    folder, manifest = data_set
    asked = []
    monkeypatch.setattr(contact_sheet_module, "contact_sheet", lambda *given: asked.append(given))
    (entry,) = (one for one in manifest.images if one.file == "train/A/0.png")
    other = ImageEntry("train/B/0.png", "test", "B", "x", "")
    sheet_of_manifest(folder, Manifest((*[entry] * 9, other), ("A", "B")))
    sheet_of_manifest(folder, Manifest((*[entry] * 9, other), ("A", "B")), split="test", tile=9)
    assert [({name: len(of) for name, of in rows.items()}, tile) for rows, tile in asked] == [
        ({"A": 8, "B": 0}, 128),
        ({"A": 0, "B": 1}, 9),
    ]


def test_what_is_wrong_with_a_sheet(data_set):
    folder, manifest = data_set
    (folder / "train/B/0.png").unlink()
    said = [
        (lambda: contact_sheet({}), "a contact sheet needs an image", "Give at least one image."),
        (
            lambda: contact_sheet({"A": [plain(RED)]}, 0),
            "the tile of the contact sheet is 0 pixels",
            "Give 1 or more.",
        ),
        (
            lambda: sheet_of_manifest(folder, manifest, split="test"),
            f"the split 'test' of {folder} has no image",
            "Choose another split.",
        ),
        (
            lambda: sheet_of_manifest(folder, manifest),
            f"{folder / 'train/B/0.png'} cannot be shown: [Errno 2] No such file or directory: "
            f"'{folder / 'train/B/0.png'}'",
            "Prepare the data again.",
        ),
    ]
    for make, what, way_out in said:
        with pytest.raises(InputError) as caught:
            make()
        assert (caught.value.what, caught.value.way_out) == (what, way_out)
    assert contact_sheet({"": [plain(RED)]}, 1).height > 1


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
