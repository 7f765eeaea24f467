"""Classes merged into groups; files in more than one split; what a manifest warns of, and missing weights."""

import hashlib
import json
from pathlib import Path

import pytest

from bench.trials import pretrained
from bench.trials.dataset_warnings import external_images, leak, lost, shared, unchecked
from wbc.data import CELL_CLASSES
from wbc.data.manifest import ImageEntry, LeftOut, Manifest, check_class_weight, check_groups, group_classes
from wbc.data.pipeline.sample import NOT_SAMPLED
from wbc.errors import InputError, command

GROUPS = {"mononuclear": ["LYMPHOCYTE", "MONOCYTE"], "polynuclear": ["NEUTROPHIL"]}


@pytest.fixture
def manifest() -> Manifest:
    images = [
        ImageEntry(f"test/{name}/0.png", "test", name, f"cell {name}", "0" * 64) for name in CELL_CLASSES
    ]
    return Manifest(tuple(images), CELL_CLASSES, {"split_seed": 1}, {})


def test_images_take_the_name_of_their_group_and_the_rest_is_left_out(manifest):
    grouped = group_classes(manifest, GROUPS)
    assert grouped.classes == ("mononuclear", "polynuclear")
    assert {image.file: image.class_name for image in grouped.images} == {
        "test/LYMPHOCYTE/0.png": "mononuclear",
        "test/MONOCYTE/0.png": "mononuclear",
        "test/NEUTROPHIL/0.png": "polynuclear",
    }
    assert grouped.left_out == {"class in no group": ["test/EOSINOPHIL/0.png"]}
    assert grouped.settings == {"split_seed": 1, "groups": GROUPS}
    assert grouped.digest != manifest.digest


def test_the_digest_is_that_of_lines_ordered_by_file():
    images = (
        ImageEntry("train/B/1.png", "train", "B", "cell 1", "ff"),
        ImageEntry("test/A/2.png", "test", "A", "cell 2", "ee"),
    )
    text = "A\0B\ntest/A/2.png\0test\0A\0cell 2\0ee\ntrain/B/1.png\0train\0B\0cell 1\0ff"
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert Manifest(images, ("A", "B")).digest == expected
    assert Manifest(images[::-1], ("A", "B"), {"any": 1}, {"why": ["x"]}).digest == expected


@pytest.mark.parametrize(
    ("groups", "what"),
    [
        ({"all": ["MONOCYTE"]}, "1 group"),
        ({"a": ["MONOCYTE"], "b": []}, "group b is empty"),
        ({"a": ["MONOCYTE"], "b": ["NEUTROPHILE"]}, "no class 'NEUTROPHILE'"),
        ({"a": ["MONOCYTE"], "b": ["MONOCYTE"]}, "MONOCYTE is in groups twice"),
    ],
)
def test_impossible_groups_are_refused(manifest, groups, what):
    with pytest.raises(InputError, match=what):
        group_classes(manifest, groups)


def test_a_leak_is_a_file_in_two_splits_and_no_copy_within_one():
    def image(split: str, number: int, sha256: str) -> ImageEntry:
        return ImageEntry(f"{split}/A/{number}.png", split, "A", f"{split} {number}", sha256)

    within = [image("train", 0, "a"), image("train", 1, "a"), image("test", 2, "b"), image("test", 3, "b")]
    assert Manifest(tuple(within), ("A",)).leaked_files() == []
    across = [*within, image("validation", 4, "a")]
    assert Manifest(tuple(across), ("A",)).leaked_files() == [
        ("train/A/0.png", "train/A/1.png", "validation/A/4.png")
    ]


def of_images(*images: str, **settings) -> Manifest:
    """Images as `split/file content source`."""
    parts = [one.split() for one in images]
    entries = (ImageEntry(file, file.partition("/")[0], "a", source, sha) for file, sha, source in parts)
    return Manifest(tuple(entries), ("a",), settings)


HERE, THERE = Path("here"), Path("there")


@pytest.mark.parametrize(
    ("images", "count", "files"),
    [
        (["train/1 x s", "test/2 x s"], "1 image is", "train/1 and test/2"),
        (["train/1 x s", "validation/2 x s"], "1 image is", "train/1 and validation/2"),
        (["train/1 x s", "train/2 x s", "test/3 x s"], "1 image is", "train/1 and test/3"),
        (["train/1 x s", "test/2 x s", "train/3 y s", "test/4 y s"], "2 images are", "train/1 and test/2"),
    ],
)
def test_files_in_two_splits_are_told(images, count: str, files: str):
    assert leak(of_images(*images), HERE) == (
        f"{count} in more than one split, such as {files}, so the test contains what training has shown. "
        f"`{command()} data check here` lists them, and near-duplicates."
    )
    assert leak(of_images("train/1 x s", "train/2 x s", "test/3 y s"), HERE) == ""


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ({}, ""),
        ({"no image": ["a"], NOT_SAMPLED: ["b"]}, ""),
        ({"torn": ["a"], "no image at all": ["b"]}, "1 file of here is left out: 1 torn."),
        ({"torn": ["a", "b"]}, "2 files of here are left out: 2 torn."),
        ({"torn": ["a", "b"], "hidden": ["c"]}, "3 files of here are left out: 2 torn, 1 hidden."),
    ],
)
def test_files_that_are_left_out_are_told_unless_they_are_no_images(left_out, said: str):
    assert lost(Manifest((), (), {}, left_out), HERE) == said


AGAIN = "the external test contains what training may have shown."
PATIENTS = "If these are the same patients, the external test contains what training has shown."


@pytest.mark.parametrize(
    ("own", "other", "grouped", "said"),
    [
        (["train/1 x s"], ["test/9 y t"], True, ""),
        (
            ["train/1 x s"],
            ["test/9 x t"],
            True,
            f"1 image of there is in here, too, such as test/9 = train/1: {AGAIN}",
        ),
        (
            *(["train/1 x s", "train/2 y s"], ["test/9 x t", "test/8 y t"], False),
            f"2 images of there are in here, too, such as test/9 = train/1: {AGAIN}",
        ),
        (["train/1 x s"], ["train/9 x t", "test/8 y t"], False, ""),
        (["train/1 x p"], ["test/9 y p"], False, ""),
        (["train/1 x p"], ["test/9 y p"], True, f"1 group is in both folders, such as p. {PATIENTS}"),
        (
            *(["train/1 x q", "train/2 w p"], ["test/9 y p", "test/8 z q"], True),
            f"2 groups are in both folders, such as p. {PATIENTS}",
        ),
        (["train/1 x train/1"], ["test/9 y train/1"], True, ""),
        (
            *(["train/1 x p"], ["test/9 x p"], True),
            f"1 image of there is in here, too, such as test/9 = train/1: {AGAIN} 1 group is in both folders, such as "
            f"p. {PATIENTS}",
        ),
    ],
)
def test_what_both_folders_have_is_told(own, other, grouped: bool, said: str):
    assert shared(of_images(*own), of_images(*other), HERE, THERE, grouped) == said


@pytest.mark.parametrize(
    ("mine", "its", "told"),
    [
        (None, None, False),
        (255, None, False),
        (None, 255, False),
        (255, 255, False),
        (255, 4095, True),
        (4095, 255, True),
    ],
)
def test_two_whites_are_told(mine, its, told: bool):
    own, other = (
        of_images(f"test/{n} {n} {n}", **({} if white is None else {"reading": {"white": white}}))
        for n, white in enumerate((mine, its))
    )
    said = (
        f"White was taken for {mine} in here, but for {its} in there: equal numbers become different grays. "
    )
    assert shared(own, other, HERE, THERE, False) == (f"{said}Declare white in [data]." if told else "")


def test_an_external_test_is_the_test_split_or_all():
    split = of_images("train/1 x s", "test/2 y s")
    assert [one.file for one in external_images(split).images] == ["test/2"]
    whole = external_images(of_images("train/1 x s", "a/2 y s")).images
    assert [(one.file, one.split) for one in whole] == [("train/1", "test"), ("a/2", "test")]


def test_a_split_that_nobody_checked_is_told(tmp_path: Path):
    assert unchecked(tmp_path, HERE) == (
        "nobody has looked for near-duplicates across the splits of here. No files are equal, but there may be "
        f"shifted, turned or cropped copies. `{command()} data check here` looks."
    )
    (tmp_path / "manifest.json").touch()
    assert unchecked(tmp_path, HERE) == ""


def test_of_missing_weights_one_failed_connection_counts_for_all(monkeypatch):
    reasons = {"a": "", "b": "the server answers 404", "c": "no route", "d": "", "e": "no route"}
    asked = []
    monkeypatch.setattr(pretrained, "check_reachable", lambda url: asked.append(url) or reasons[url])
    monkeypatch.setattr(
        pretrained,
        "missing_weights",
        lambda network, options, source, reason: InputError(f"{network}: {reason}", "way"),
    )
    every = [pretrained.Download(name, {}, 224, name, Path(name), None) for name in "abcded"]
    found = pretrained.unavailable(every)
    assert [one.what for one in found] == [
        "b: the server answers 404",
        "c: no route; the same holds for d, e",
    ]
    assert asked == ["a", "b", "c"] and pretrained.unavailable(every[:1]) == []


def test_a_file_says_all_of_a_data_set_in_the_order_of_its_images(tmp_path: Path):
    """The digest: classes, then a line for each image by file name, all parted by zeros."""
    images = (
        ImageEntry("train/b/1.png", "train", "b", "s", "22"),
        ImageEntry("test/a.png", "test", "a", "t", "11"),
    )
    made = Manifest(images, ("b", "a"), {"split_seed": 1}, {"torn": ["x"]})
    lines = ["b\0a", "test/a.png\0test\0a\0t\0" + "11", "train/b/1.png\0train\0b\0s\0" + "22"]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert made.digest == digest
    made.write(tmp_path)
    content = {
        **{
            "digest": digest,
            "classes": ["b", "a"],
            "settings": {"split_seed": 1},
            "left_out": {"torn": ["x"]},
        },
        "images": [
            {"file": "train/b/1.png", "split": "train", "class_name": "b", "source": "s", "sha256": "22"},
            {"file": "test/a.png", "split": "test", "class_name": "a", "source": "t", "sha256": "11"},
        ],
    }
    assert (tmp_path / "manifest.json").read_text() == json.dumps(content, indent=1) + "\n"
    assert Manifest.read(tmp_path) == Manifest.read_file(tmp_path / "manifest.json") == made
    assert made.split("test") == [images[1]]
    assert made.counts() == {"train": {"b": 1}, "validation": {}, "test": {"a": 1}}
    assert (Manifest((), ()).settings, Manifest((), ()).left_out) == ({}, {})


def test_what_was_left_out_is_in_alphabetical_order():
    left_out = LeftOut()
    left_out["torn"] += ["b", "a"]
    left_out["hidden"].append("c")
    assert left_out["nothing"] == []
    assert list(left_out.ordered().items()) == [("hidden", ["c"]), ("torn", ["a", "b"])]


def test_grouped_images_are_ordered_and_what_was_left_out_before_stays(manifest):
    images = [
        ImageEntry(f"{split}/{name}.png", split, name, name, name)
        for split in ("test", "train")
        for name in ("NEUTROPHIL", "MONOCYTE", "EOSINOPHIL")
    ]
    before = Manifest(tuple(images), CELL_CLASSES, {}, {"torn": ["x"]})
    grouped = group_classes(before, GROUPS)
    assert [image.file for image in grouped.images] == [
        f"{split}/{name}.png" for split in ("train", "test") for name in ("MONOCYTE", "NEUTROPHIL")
    ]
    assert grouped.left_out == {
        "torn": ["x"],
        "class in no group": ["test/EOSINOPHIL.png", "train/EOSINOPHIL.png"],
    }
    every = {"one": list(CELL_CLASSES[:2]), "two": list(CELL_CLASSES[2:])}
    assert group_classes(manifest, every).left_out == {}


KNOWN = "EOSINOPHIL, LYMPHOCYTE, MONOCYTE, NEUTROPHIL"


@pytest.mark.parametrize(
    ("groups", "what", "way_out"),
    [
        ({}, "groups has 0 groups", "A classifier needs at least two."),
        ({"a": ["MONOCYTE"]}, "groups has 1 group", "A classifier needs at least two."),
        ({"a": ["MONOCYTE"], "b": []}, "the group b is empty", f"Known classes are {KNOWN}."),
        (
            {"a": ["MONOCYT"], "b": ["NEUTROPHIL"]},
            "there is no class 'MONOCYT' for the group a",
            "did you mean MONOCYTE?",
        ),
        ({"a": ["x"], "b": ["NEUTROPHIL"]}, "there is no class 'x' for the group a", f"Known are {KNOWN}."),
        (
            {"a": ["MONOCYTE", "MONOCYTE"], "b": ["NEUTROPHIL"]},
            "the class MONOCYTE is in groups twice",
            "Name each class once.",
        ),
    ],
)
def test_what_is_wrong_with_groups(groups, what, way_out):
    with pytest.raises(InputError) as caught:
        check_groups(groups, CELL_CLASSES)
    assert (caught.value.what, caught.value.way_out) == (what, way_out)


def test_weights_are_of_classes_that_there_are():
    check_class_weight(["a", "b"], ["a", "b"])
    for name, way_out in (("aab", "did you mean aaa?"), ("x", "Name classes as their folders are called.")):
        with pytest.raises(InputError) as caught:
            check_class_weight(["aaa", name], ["aaa", "b"])
        assert caught.value.what == f"class_weight names {name!r}, but the classes are aaa, b"
        assert caught.value.way_out == way_out
