"""A folder of classes becomes a data set: split, cropped, without background, augmented."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wbc.data import prepare as preparing
from wbc.data.folders import Looked, inspect_folder
from wbc.data.layout import FolderOptions, Found
from wbc.data.manifest import Manifest
from wbc.data.pipeline.splitting import Quota
from wbc.data.pipeline.stages import Stages
from wbc.data.prepare import PrepareSettings, _gray, _names, prepare, read_folder
from wbc.data.reading import Facts, Reading
from wbc.errors import InputError


def texture(seed: int, size: int = 96) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (size // 4, size // 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "cells"
    for number, name in enumerate(("A", "B")):
        (source / name).mkdir(parents=True)
        for index in range(8):
            Image.fromarray(texture(100 * number + index)).save(source / name / f"{index}.png")
    return source


def test_makes_splits_that_a_suite_can_use(folder, tmp_path):
    manifest = prepare(folder, tmp_path / "split", PrepareSettings())
    assert Manifest.read(tmp_path / "split").digest == manifest.digest
    assert inspect_folder(tmp_path / "split").digest == manifest.digest
    assert all(manifest.counts()[split][name] for split in manifest.counts() for name in ("A", "B"))
    assert len(manifest.images) == 16


def test_a_shifted_photograph_stays_with_the_first(folder, tmp_path):
    wide = texture(7, 128)
    Image.fromarray(wide[:96, :96]).save(folder / "A" / "first.png")
    Image.fromarray(wide[10:106, 14:110]).save(folder / "A" / "second.png")
    for seed in range(3):
        manifest = prepare(folder, tmp_path / f"split{seed}", PrepareSettings(seed))
        images = {image.file.rpartition("/")[2]: image for image in manifest.images if "/A/" in image.file}
        assert images["first.png"].split == images["second.png"].split
        assert images["first.png"].source == images["second.png"].source


def test_the_seed_decides(folder, tmp_path):
    digests = [
        prepare(folder, tmp_path / str(run), PrepareSettings(seed)).digest
        for run, seed in enumerate((0, 0, 1))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_refuses_what_it_cannot_split(folder, tmp_path):
    prepare(folder, tmp_path / "split", PrepareSettings())
    with pytest.raises(InputError, match="exists already"):
        prepare(folder, tmp_path / "split", PrepareSettings())
    with pytest.raises(InputError, match="is split already"):
        prepare(tmp_path / "split", tmp_path / "again", PrepareSettings())
    (tmp_path / "split" / "manifest.json").unlink()
    with pytest.raises(InputError, match="is split already"):
        prepare(tmp_path / "split", tmp_path / "again", PrepareSettings())
    (folder / "manifest.json").touch()
    with pytest.raises(InputError) as caught:
        prepare(folder, tmp_path / "again", PrepareSettings())
    assert caught.value.what == f"{folder} is split already"
    assert caught.value.way_out == f'Use it as it is: path = "{folder}" in [data].'
    (folder / "manifest.json").unlink()
    (folder / "A" / "broken.png").write_text("no image")
    with pytest.raises(InputError, match=r"broken\.png is not an image"):
        prepare(folder, tmp_path / "other", PrepareSettings())
    assert not list(tmp_path.glob("other*"))


def box(path, *sides):
    names = ("xmin", "ymin", "xmax", "ymax")
    inside = "".join(f"<{name}>{side}</{name}>" for name, side in zip(names, sides, strict=True))
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"<a><object><name>WBC</name><bndbox>{inside}</bndbox></object></a>")


def test_an_untouched_photograph_keeps_its_bytes(folder, tmp_path):
    manifest = prepare(folder, tmp_path / "split", PrepareSettings())
    for image in manifest.images:
        name = f"{image.class_name}/{image.file.rpartition('/')[2]}"
        assert (tmp_path / "split" / image.file).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("beside", [True, False])
def test_boxes_are_found_and_cut_out(folder, tmp_path, beside):
    place = folder / "A" / "3.xml" if beside else folder / "Annotations" / "3.xml"
    box(place, 30, 40, 50, 60)
    manifest = prepare(
        folder, tmp_path / "split", PrepareSettings(stages=Stages(margin=0), near_duplicates=False)
    )
    image = next(image for image in manifest.images if image.file.endswith("A/3.png"))
    cut = np.asarray(Image.open(tmp_path / "split" / image.file))
    assert np.array_equal(cut, np.asarray(Image.open(folder / "A" / "3.png"))[40:60, 30:50])
    whole = prepare(
        folder, tmp_path / "whole", PrepareSettings(stages=Stages(crop=False), near_duplicates=False)
    )
    assert Image.open(tmp_path / "whole" / image.file).size == (96, 96)
    assert whole.digest != manifest.digest


def test_a_box_beside_its_photograph_goes_before_one_of_its_name_elsewhere(folder):
    box(folder / "A" / "3.xml", 30, 40, 50, 60)
    box(folder / "Annotations" / "3.xml", 1, 2, 9, 9)
    found = {
        (one.class_name, one.name): one.box
        for one in read_folder(folder, PrepareSettings(near_duplicates=False)).originals
    }
    assert found["A", "3"] == (30, 40, 50, 60) and found["B", "3"] == (1, 2, 9, 9)


@pytest.mark.parametrize(
    ("more", "searched"),
    [
        ({}, True),
        ({"near_duplicates": False}, False),
        ({"each_page": True}, False),
        ({"folder": FolderOptions(group="^[0-7]")}, False),
    ],
)
def test_fields_of_view_are_searched_where_nobody_says_what_belongs_together(
    folder, tmp_path, monkeypatch, more, searched: bool
):
    asked = []

    def find_fields(images, cache, gray, how, progress):
        asked.append((images, cache, how))
        first = folder / "A" / "1.png"
        return {image: (first if image.parent.name == "A" else image, (0.0, 0.0)) for image in images}

    monkeypatch.setattr(preparing, "find_fields", find_fields)
    stages = Stages(reading=Reading(pages=1))
    found = read_folder(folder, PrepareSettings(stages=stages, **more), tmp_path / "cache").originals
    images = [folder / name / f"{index}.png" for name in "AB" for index in range(8)]
    assert asked == [(images, tmp_path / "cache", {"pages": 1})] * searched
    sources = {(one.class_name, one.name): one.source for one in found}
    if "folder" in more:
        assert sources["A", "5"] == sources["B", "5"] != sources["B", "4"]
    else:
        assert sources["A", "5"] == ("A/1.png" if searched else "A/5.png") and sources["B", "5"] == "B/5.png"


def test_pages_of_a_file_belong_to_its_group(tmp_path):
    for name in ("A", "B"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number, patient in enumerate(("p1_x", "p1_y", "p2_x")):
            pages = [Image.fromarray(texture(10 * ord(name) + 2 * number + page)) for page in range(2)]
            file = tmp_path / "set" / name / f"{name}{patient}.tif"
            pages[0].save(file, save_all=True, append_images=pages[1:])
    alone = PrepareSettings(each_page=True, near_duplicates=False)
    grouped = PrepareSettings(each_page=True, near_duplicates=False, folder=FolderOptions(group="p[12]"))
    of = {
        settings: Counter(one.source for one in read_folder(tmp_path / "set", settings).originals)
        for settings in (alone, grouped)
    }
    assert sorted(of[alone].values()) == [2] * 6 and sorted(of[grouped].values()) == [4, 8]


def test_training_is_augmented_to_the_count_and_the_test_is_not(folder, tmp_path):
    manifest = prepare(folder, tmp_path / "split", PrepareSettings(train=33, near_duplicates=False))
    assert manifest.counts()["train"] == {"A": 17, "B": 16}
    assert len({image.sha256 for image in manifest.split("train")}) == 33
    for split in ("validation", "test"):
        assert not any("-a" in image.file for image in manifest.split(split))
    copies = [image for image in manifest.split("train") if "-a" in image.file]
    originals = {image.source for image in manifest.split("train") if "-a" not in image.file}
    assert copies and {image.source for image in copies} <= originals
    again = prepare(folder, tmp_path / "again", PrepareSettings(train=33, near_duplicates=False))
    assert again.digest == manifest.digest
    each = prepare(
        folder, tmp_path / "each", PrepareSettings(train=12, per_class=True, near_duplicates=False)
    )
    assert each.counts()["train"] == {"A": 12, "B": 12}


def test_more_test_images_than_cells_take_the_protocol_of_the_thesis(folder, tmp_path):
    with pytest.raises(InputError, match="asked for in test") as caught:
        prepare(folder, tmp_path / "split", PrepareSettings(test=40, near_duplicates=False))
    assert "thesis-2018" in caught.value.way_out
    assert not list(tmp_path.glob("split*"))
    manifest = prepare(
        folder,
        tmp_path / "split",
        PrepareSettings(test=44, train=20, validation=4, protocol="thesis-2018", near_duplicates=False),
    )
    assert sum(manifest.counts()["test"].values()) == 44
    assert set(Counter(image.source for image in manifest.split("test")).values()) == {11}


def test_the_counts_of_the_thesis():
    quotas = PrepareSettings(protocol="thesis-2018").quotas(("E", "L", "M", "N"))
    assert sum(quotas["train"].images_per_class.values()) == 4394
    assert quotas["test"].images_per_class == dict.fromkeys("ELMN", 110)
    assert quotas["test"].originals == 10
    with pytest.raises(InputError, match="the protocol is 'thesis'"):
        PrepareSettings(protocol="thesis")


def test_a_guessed_background_is_in_the_manifest(folder, tmp_path):
    Image.new("RGB", (96, 96), (200, 200, 200)).save(folder / "B" / "blank.png")
    settings = PrepareSettings(stages=Stages(background="remove", image_size=48), near_duplicates=False)
    manifest = prepare(folder, tmp_path / "split", settings)
    (blank,) = [image.file for image in manifest.images if "blank" in image.file]
    assert blank in manifest.settings["background_guessed"]["nothing is stained like a nucleus"]
    pixels = np.asarray(Image.open(tmp_path / "split" / blank))
    assert (pixels[0, 0] == 255).all() and (pixels[24, 24] == 200).all()


def looked(*files: str, class_name: str = "A", page: int | None = None):
    return [
        (Found(Path("/x") / file, file, class_name, "", None), Looked("", Facts(8, 8, 0, 255)), page)
        for file in files
    ]


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (looked("A/1.png", "A/2.png"), ["1", "2"]),
        (looked("A/P1/1.png", "A/P2/1.png"), ["P1-1", "P2-1"]),
        (looked("train/A/1.png", "test/A/1.png"), ["1-png", "1-png-2"]),
        (looked("1.png", "deep/2.png"), ["1", "2"]),  # a table names the class
        (looked("A/1.png", "A/1.jpg"), ["1-png", "1-jpg"]),
        (looked("A/1.png", "A/1.PNG"), ["1-png", "1-PNG-2"]),
        (looked("A/x-a01.png", "A/x-a1.png"), ["x-a01_", "x-a1"]),
        (looked("A/.hidden"), [".hidden"]),
        ([*looked("A/1.tif", page=1), *looked("A/1.tif", page=2)], ["1-p001", "1-p002"]),
        ([*looked("A/1.png"), *looked("B/1.png", class_name="B")], ["1", "1"]),
        (looked("A/1.png", "A/1.jpg", "A/1-jpg.png"), ["1-png", "1-jpg", "1-jpg-2"]),
    ],
)
def test_names_are_unique_within_a_class(images, names):
    assert list(_names(images)) == names


def test_an_image_that_is_not_plain_is_compared_in_gray_and_reduced(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    Image.new("RGB", (640, 480), (10, 200, 30)).save(path)
    gray = _gray({path: False}, Reading(), path)
    assert gray.shape == (240, 320) and gray.dtype == np.uint8
    assert (gray == round(0.299 * 10 + 0.587 * 200 + 0.114 * 30)).all()
    monkeypatch.setattr(preparing, "read_gray", lambda plain: ("as its file", plain))
    assert _gray({path: True}, Reading(), path) == ("as its file", path)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_no_image_at_all_cannot_be_asked_for(split):
    with pytest.raises(InputError) as caught:
        PrepareSettings(**{split: 0})
    assert caught.value.what == f"0 images are asked for in {split}"
    PrepareSettings(**{split: 1})


@pytest.mark.parametrize(
    ("settings", "train", "test"),
    [
        ({}, Quota(copies=True), Quota()),
        ({"train": 5}, Quota({"a": 3, "b": 2}, copies=True), Quota()),
        ({"train": 5, "per_class": True, "test": 4}, Quota(5, copies=True), Quota(4)),
        (
            {"protocol": "thesis-2018", "per_class": True},
            Quota(2197, copies=True),
            Quota(220, originals=10, copies=True),
        ),
    ],
)
def test_how_many_images_each_split_takes(settings, train, test):
    quotas = PrepareSettings(**settings).quotas(("a", "b"))
    assert (quotas["train"], quotas["test"]) == (train, test)
