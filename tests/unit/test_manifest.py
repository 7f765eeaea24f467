"""Classes merged into groups; files in more than one split."""

import pytest

from wbc.data import CELL_CLASSES
from wbc.data.manifest import ImageEntry, Manifest, group_classes
from wbc.errors import InputError

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
