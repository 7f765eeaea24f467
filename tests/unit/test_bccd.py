"""Images made from BCCD: crops, copies, bytes, fields."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from bccd_equipment import SMALL, fields_by_name, folder_bytes
from PIL import Image

from wbc.data.bccd import BccdSettings, bccd_fingerprint, import_bccd
from wbc.data.bccd.importing import _in_field, _same_cell
from wbc.data.pipeline.cropping import clip_box, square_crop
from wbc.duplicates import fields
from wbc.errors import InputError
from wbc.files import file_sha256


def test_near_duplicates_stay_together_and_contradictions_are_left_out(bccd, tmp_path):
    bccd.add(50, "NEUTROPHIL", field=50)
    bccd.add(51, "NEUTROPHIL", field=50, corner=(8, 35))
    bccd.add(52, "NEUTROPHIL", field=52, corner=(0, 20))
    bccd.add(53, "MONOCYTE", field=52, corner=(56, 40))
    bccd.add(54, "EOSINOPHIL", field=54, corner=(0, 0))
    bccd.add(55, "LYMPHOCYTE", field=54, corner=(50, 60))
    bccd.annotate(55, ("WBC", (120, 80, 150, 110)))  # another cell of the field
    bccd.write_labels()
    manifest = import_bccd(bccd.root, tmp_path / "out", SMALL)
    assert manifest.left_out == {
        "near-duplicate with another category": ["BloodImage_00052.jpg", "BloodImage_00053.jpg"]
    }
    by_name = {Path(image.file).stem: image for image in manifest.images}
    for first, second in (("50", "51"), ("54", "55")):
        one, other = by_name[f"BloodImage_000{first}"], by_name[f"BloodImage_000{second}"]
        assert one.source == other.source == f"BloodImage_000{first}"
        assert one.split == other.split


def test_square_crop():
    pixels = np.arange(100 * 120 * 3, dtype=np.int64).reshape(100, 120, 3)
    assert np.array_equal(square_crop(pixels, (50, 40, 70, 50), 0.1), pixels[33:57, 48:72])
    assert np.array_equal(square_crop(pixels, (100, 90, 120, 100), 0.0), pixels[80:100, 100:120])
    assert np.array_equal(square_crop(pixels, (0, 0, 10, 10), 0.5), pixels[0:20, 0:20])
    large = square_crop(pixels, (10, 0, 110, 100), 0.1)
    assert large.shape == (120, 120, 3)
    assert np.array_equal(large[10:110], pixels)
    assert np.array_equal(large[:10], pixels[:10][::-1])


def test_crops_show_the_cell_in_the_middle(bccd, tmp_path):
    manifest = import_bccd(bccd.root, tmp_path / "out", BccdSettings(image_size=48, margin=0.25))
    for image in manifest.split("test"):
        with Image.open(tmp_path / "out" / image.file) as crop:
            assert crop.size == (48, 48)
            dark = np.argwhere(np.asarray(crop.convert("L")) < 100)
        assert np.abs(dark.mean(axis=0) - 23.5).max() < 2.5
        assert np.ptp(dark[:, 0]) == pytest.approx(32, abs=4)


def test_the_same_bytes_in_any_order_of_the_file_system(bccd, tmp_path, monkeypatch):
    first = import_bccd(bccd.root, tmp_path / "a", SMALL)
    fingerprint = bccd_fingerprint(bccd.root)
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: reversed(list(listed(folder))))
    second = import_bccd(bccd.root, tmp_path / "b", SMALL)
    assert first == second
    assert first.digest == second.digest
    assert bccd_fingerprint(bccd.root) == fingerprint
    assert folder_bytes(tmp_path / "a") == folder_bytes(tmp_path / "b")
    assert folder_bytes(tmp_path / "a") == {image.file: image.sha256 for image in first.images}
    other = import_bccd(bccd.root, tmp_path / "c", BccdSettings(split_seed=1, image_size=24))
    assert other.digest != first.digest


def test_a_fixed_number_of_training_images(bccd, tmp_path):
    manifest = import_bccd(bccd.root, tmp_path / "out", BccdSettings(image_size=24, train_images_per_class=2))
    counts = manifest.counts()
    assert set(counts["train"].values()) == {2}
    (reason, surplus) = next(iter(manifest.left_out.items()))
    assert reason == "more cells than images are asked for"
    assert len(surplus) + len(manifest.images) == 21
    assert not any("-a" in image.file for image in manifest.images)


def test_copies_are_numbered_and_share_the_source(bccd, tmp_path):
    manifest = import_bccd(bccd.root, tmp_path / "out", BccdSettings(image_size=24, train_images_per_class=8))
    names = defaultdict(list)
    for image in manifest.split("train"):
        stem = Path(image.file).stem
        assert image.source == stem.split("-")[0]
        names[image.source].append(stem)
    for source, found in names.items():
        assert sorted(found) == [source, *(f"{source}-a{copy:02d}" for copy in range(1, len(found)))]
        assert len({file_sha256(next((tmp_path / "out").rglob(f"{stem}.png"))) for stem in found}) == len(
            found
        )
    assert {len(found) for found in names.values()} <= {2, 3}


def test_a_destination_in_use_is_left_alone(bccd, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        import_bccd(bccd.root, tmp_path / "out", SMALL)
    assert folder_bytes(tmp_path / "out").keys() == {"mine.txt"}


def test_the_cache_is_used_renewed_and_repaired(bccd, tmp_path, monkeypatch):
    bccd.add(50, "NEUTROPHIL", field=50)
    bccd.add(51, "NEUTROPHIL", field=50, corner=(8, 35))
    images, cache = [bccd.image(number) for number in (0, 50, 51)], tmp_path / "cache"
    calls = []
    find = fields.find_shifted_pairs
    monkeypatch.setattr(
        fields, "find_shifted_pairs", lambda gray, *rest: calls.append(len(gray)) or find(gray)
    )
    fresh = fields_by_name(images, cache)
    assert fresh == fields_by_name(images[::-1], cache) == fields_by_name(images)
    assert fresh["BloodImage_00051"][0] == "BloodImage_00050"
    assert len(calls) == 2
    (kept,) = cache.iterdir()
    kept.write_text("[[1,")
    assert fields_by_name(images, cache) == fresh
    assert len(calls) == 3
    assert list(cache.iterdir()) == [kept]
    bccd.add(51, "NEUTROPHIL", field=51)
    assert fields_by_name(images, cache)["BloodImage_00051"][0] == "BloodImage_00051"
    assert len(list(cache.iterdir())) == 2


def test_the_thesis_tests_every_cell_eleven_times(bccd, tmp_path):
    settings = BccdSettings(image_size=24, test_cells_per_class=1, test_copies=11)
    manifest = import_bccd(bccd.root, tmp_path / "out", settings)
    for split in ("validation", "test"):
        assert set(manifest.counts()[split].values()) == {11}
        assert len({image.source for image in manifest.split(split)}) == 4
        assert len({image.sha256 for image in manifest.split(split)}) == 44


def test_the_background_is_removed(bccd, tmp_path):
    manifest = import_bccd(bccd.root, tmp_path / "out", BccdSettings(image_size=48, background="remove"))
    image = next(image for image in manifest.split("test"))
    pixels = np.asarray(Image.open(tmp_path / "out" / image.file))
    assert (pixels[0, 0] == 255).all() and (pixels[24, 24] < 255).all()
    assert "background_guessed" not in manifest.settings
    with pytest.raises(InputError, match="background is 'blur'"):
        BccdSettings(background="blur")


def test_basophils_are_a_fifth_class_on_request(bccd, tmp_path):
    for number in (80, 81, 82):
        bccd.add(number, "BASOPHIL")
    bccd.write_labels()
    left_out = import_bccd(bccd.root, tmp_path / "four", SMALL).left_out
    assert len(left_out["basophil, not one of the four classes"]) == 3
    manifest = import_bccd(bccd.root, tmp_path / "five", BccdSettings(image_size=24, basophils=True))
    assert manifest.classes[0] == "BASOPHIL" and manifest.left_out == {}
    counts = manifest.counts()
    assert counts["validation"]["BASOPHIL"] == counts["test"]["BASOPHIL"] == 1
    assert len(set(counts["train"].values())) == 1


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ((0, 0, 10, 10), True),
        ((4, 0, 14, 10), True),  # 60 of 100
        ((5, 0, 15, 10), False),  # half is not more than half
        ((0, 4, 10, 14), True),
        ((0, 5, 10, 15), False),
        ((2, 2, 6, 6), True),  # all of the smaller one
        ((8, 0, 12, 10), False),  # half of the smaller one
        ((7, 0, 11, 10), True),
        ((20, 20, 30, 30), False),  # both sides apart: the product of two negative widths is no overlap
        ((-20, 2, -1, 9), False),
        ((2, -20, 9, -1), False),
    ],
)
def test_one_leukocyte_is_more_than_half_of_the_smaller_box(other, same):
    assert _same_cell((0, 0, 10, 10), other) is same and _same_cell(other, (0, 0, 10, 10)) is same


def test_a_box_in_its_field_is_moved_by_the_corner_down_and_right():
    assert _in_field((1, 2, 3, 4), (10, 100)) == (101, 12, 103, 14)


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((-1, -2, 30, 40), (0, 0, 20, 10)),
        ((3, 4, 5, 6), (3, 4, 5, 6)),
        ((19, 9, 25, 25), (19, 9, 20, 10)),
        ((20, 0, 30, 5), None),
        ((0, 10, 5, 20), None),
        ((-9, 0, 0, 5), None),
        ((0, -9, 5, 0), None),
    ],
)
def test_the_part_of_a_box_that_is_inside(box, inside):
    assert clip_box(box, 20, 10) == inside


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"split_seed": -1}, "split_seed is -1"),
        ({"max_images_per_class": 0}, "max_images_per_class is 0"),
        ({"train_images_per_class": 0}, "train_images_per_class is 0"),
        ({"test_cells_per_class": 0}, "test_cells_per_class is 0"),
        ({"test_copies": 0}, "test_copies is 0"),
        ({"max_images_per_class": 2}, "2 cells of each class are too few for 3 splits"),
        (
            {"max_images_per_class": 4, "folds": 5, "fold": 1},
            "4 cells of each class are too few for 5 folds",
        ),
        ({"folds": 1, "fold": 1}, "fold 1 of 1 is asked for"),
        ({"folds": 3, "fold": 4}, "fold 4 of 3 is asked for"),
        ({"folds": 3, "fold": 0}, "fold 0 of 3 is asked for"),
        ({"folds": 3}, "fold None of 3 is asked for"),
    ],
)
def test_settings_out_of_their_range(changed, what):
    with pytest.raises(InputError) as caught:
        BccdSettings(**changed)
    assert caught.value.what == what and caught.value.way_out


def test_settings_at_the_ends_of_their_range():
    BccdSettings(split_seed=0, max_images_per_class=3, train_images_per_class=1, test_cells_per_class=1)
    BccdSettings(max_images_per_class=5, folds=5, fold=5)
    made = BccdSettings(folds=2, fold=1, test_copies=2, test_cells_per_class=4)
    assert (made.stages.crop, made.stages.margin, made.stages.image_size) == (True, 0.1, 224)
    held_out = made.quotas["test"]
    assert made.quotas["validation"] == held_out
    assert (held_out.times, held_out.originals, held_out.copies, held_out.balanced) == (2, 4, True, False)
    assert BccdSettings().quotas["test"].copies is False
    train = made.quotas["train"]
    assert (train.images_per_class, train.balanced, train.copies) == (None, True, True)
