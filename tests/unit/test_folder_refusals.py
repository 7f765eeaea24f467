"""What is wrong with a folder, to the letter: what is said, where, and what to do about it."""

from pathlib import Path

import pytest

from wbc.data.layout import FolderOptions, Found, Layout, read_layout
from wbc.errors import InputError, UnsplitFolderError

USUAL = (
    "It should contain one folder of images per class, or train/, validation/ and test/ with these. "
    "`leukobench data prepare FROM TO` splits the former."
)
ONE_OF_EACH = "Each split should contain one folder of images per class."
EVERY_CLASS = "Every class needs a folder with images in train/, validation/ and test/."
TABLE = 'If x.csv holds the labels, name it: labels = "x.csv" in [data], or --labels x.csv.'
BOTH = [f"{split}/{name}/0.png" for split in ("train", "test") for name in "ab"]


def made(root: Path, *names: str) -> Path:
    """A folder of empty files, and of folders where a name ends in a slash."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return root


@pytest.mark.parametrize(
    ("names", "problems"),
    [
        (
            ["train/a/0.png", "test_a/a/0.png", "test_b/a/0.png", "train/b/0.png"],
            [
                (
                    "ROOT has several folders for test: test_a, test_b",
                    "Leave one of them there. Another set for the test is test_path in [data].",
                )
            ],
        ),
        (
            ["a/0.png", "b/0.png", "c/"],
            [("ROOT/c contains no image", "Put images of that class into it, or remove it.")],
        ),
        (
            ["a/train/0.png", "a/test/0.png", "b/train/0.png", "b/test/0.png"],
            [
                (
                    "the splits are in the classes, as in ROOT/a/test, but should be above them",
                    "Move the images: ROOT/a/test to ROOT/test/a, and so on.",
                )
            ],
        ),
        (["set/train/a/0.png", "set/test/a/0.png"], [("the splits are in ROOT/set", "Give that folder.")]),
        (["set/a/0.png", "set/b/0.png"], [("ROOT has nothing but the folder set", "Give ROOT/set.")]),
        (
            ["a/x/0.png", "b/0.png"],
            [
                (
                    "ROOT/a/x is a folder inside a class folder",
                    'If it holds the images of one patient or slide, group by it: group = "folder" in [data], or '
                    "--group folder. Else move its images up into ROOT/a, or remove the folder.",
                )
            ],
        ),
        ([*BOTH, "train/0.png"], [("ROOT/train has 1 image outside of its class folders", ONE_OF_EACH)]),
        (
            ["train/0.png", "train/1.png", "test/0.png"],
            [
                ("ROOT/test has 1 image but no class folders", ONE_OF_EACH),
                ("ROOT/train has 2 images but no class folders", ONE_OF_EACH),
            ],
        ),
        (
            ["train/0.png", "test/0.png", "x.csv", "y.tsv"],
            [
                ("ROOT/test has 1 image but no class folders", TABLE),
                ("ROOT/train has 1 image but no class folders", TABLE),
            ],
        ),
        (["0.png"], [("ROOT has 1 file, but no class folders", USUAL)]),
        (["0.png", "1.png", "x.csv"], [("ROOT has 2 files, but no class folders", TABLE)]),
        (
            ["images/0.png", "masks/0.png"],
            [
                (
                    "ROOT has folders images, masks: a segmentation set of pictures and their outlines, which are no "
                    "classes",
                    "A classifier needs one folder of images per class, or a table of labels: labels = "
                    '"labels.csv".',
                )
            ],
        ),
        (["train/a/0.png", "train/b/0.png"], [("ROOT has no test/", USUAL)]),
        (
            ["train/a/0.png", "train/b/0.png", "tesd/a/0.png"],
            [("ROOT has no test/ (tesd/: did you mean test?)", USUAL)],
        ),
        (["val/a/0.png", "val/b/0.png"], [("ROOT has no train/ and no test/", USUAL)]),
        (
            ["train/mono/0.png", "train/b/0.png", "test/monos/0.png", "test/b/0.png"],
            [
                ("class monos is missing from ROOT/train (did you mean mono?)", EVERY_CLASS),
                ("class mono is missing from ROOT/test (did you mean monos?)", EVERY_CLASS),
            ],
        ),
        (
            [*BOTH, "val/a/", "val/b/0.png"],
            [
                (
                    "ROOT/val/a contains no image, but every class needs some in every split",
                    "Put images of class a into val/, or remove the class from all splits.",
                )
            ],
        ),
        (
            ["a/0.png", "a/1.png"],
            [
                (
                    "ROOT has 1 class, but a classifier needs at least two",
                    "It should contain one folder of images per class.",
                )
            ],
        ),
        (
            ["train/a/0.png", "test/a/1.png"],
            [
                (
                    "ROOT has 1 class, but a classifier needs at least two",
                    "Each split should contain one folder per class.",
                )
            ],
        ),
        (
            [],
            [
                (
                    "ROOT has 0 classes, but a classifier needs at least two",
                    "It should contain one folder of images per class.",
                )
            ],
        ),
        (BOTH, []),
    ],
)
def test_what_is_wrong_with_a_folder(tmp_path: Path, names: list[str], problems: list[tuple[str, str]]):
    layout = read_layout(made(tmp_path, *names))
    found = [
        (what.replace(str(tmp_path), "ROOT"), way.replace(str(tmp_path), "ROOT"))
        for what, way in layout.problems
    ]
    assert found == problems


def test_what_a_reader_should_know_of_a_folder(tmp_path: Path):
    assert read_layout(made(tmp_path / "x", *BOTH)).notes == [
        "There is no validation split: it is taken out of train, and the test is kept."
    ]
    assert read_layout(made(tmp_path / "y", *BOTH, "val/a/0.png", "val/b/0.png")).notes == []
    assert read_layout(made(tmp_path / "z", *(f"{name}/0.png" for name in "deBAabED"))).notes == [
        f"The classes {one} and {one.lower()} differ only in upper and lower case." for one in "ABDE"
    ]
    names = [f"{name}/{number}.png" for number, name in enumerate(("gr\u00fcn", "gru\u0308n", "rot"))]
    assert read_layout(made(tmp_path / "u", *names)).notes == [
        "The class gr\u00fcn is written in 2 Unicode forms (a Mac takes accents apart); they are read as one class."
    ]


@pytest.mark.parametrize("count", [1, 5, 6])
def test_five_names_that_a_pattern_does_not_match_are_shown(tmp_path: Path, count: int):
    names = [f"a/P1_{number}.png" for number in range(2)] + [f"b/x{number}.png" for number in range(count)]
    layout = read_layout(made(tmp_path, *names), FolderOptions(group="^(P.)_"))
    shown = ", ".join(f"b/x{number}.png" for number in range(min(count, 5)))
    assert layout.problems == [
        (
            f"the pattern '^(P.)_' of group matches 2 names of {count + 2}, but not {shown}",
            "Give a pattern that matches the name of every image.",
        )
    ]


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        ("^([^_]+)_", ["P1", "P2"]),
        ("^P.", ["P1", "P2"]),
        (r"(\d+)$", ["10", "20"]),  # of the stem
        (r"\.(png)$", ["png", "png"]),  # of the whole name
        (r"^(Q\d)?P(\d)", ["1", "2"]),  # the first part that matches
    ],
)
def test_the_group_is_what_a_pattern_matches(tmp_path: Path, pattern: str, groups: list[str]):
    layout = read_layout(made(tmp_path, "a/P1_10.png", "b/P2_20.png"), FolderOptions(group=pattern))
    assert [one.group for one in layout.images] == groups and not layout.problems


def test_folders_are_groups_where_that_is_said(tmp_path: Path):
    layout = read_layout(made(tmp_path, "a/p/0.png", "a/1.png", "b/q/r/2.png"), FolderOptions(group="folder"))
    assert [(one.file, one.class_name, one.group) for one in layout.images] == [
        *[("a/1.png", "a", "a/1.png"), ("a/p/0.png", "a", "p"), ("b/q/r/2.png", "b", "q")]
    ]


def test_a_folder_that_is_none_and_a_link_that_leads_nowhere(tmp_path: Path):
    with pytest.raises(InputError) as caught:
        read_layout(tmp_path / "none")
    assert (caught.value.what, caught.value.way_out) == (f"there is no folder {tmp_path / 'none'}", USUAL)
    made(tmp_path, "a/0.png").joinpath("a/1.png").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError) as caught:
        read_layout(tmp_path)
    assert caught.value.what == f"{tmp_path / 'a' / '1.png'} is neither a file nor a folder"
    assert caught.value.way_out == "Name a folder that holds nothing but images."


def test_all_that_is_wrong_is_one_error(tmp_path: Path):
    layout = Layout(tmp_path)
    layout.check()
    layout.refuse(f"{tmp_path}/a is empty", "Fill it.")
    with pytest.raises(InputError) as caught:
        layout.check()
    assert (caught.value.what, caught.value.way_out) == (f"{tmp_path}/a is empty", "Fill it.")
    layout.refuse(f"{tmp_path}/b is empty", "Fill it.")
    layout.refuse("and more")
    with pytest.raises(InputError) as caught:
        layout.check_split()
    assert (caught.value.what, caught.value.way_out) == (
        f"{tmp_path}:\na is empty\nb is empty\nand more",
        "Fill it.",
    )


def test_classes_without_splits_are_to_be_split(tmp_path: Path):
    image = Found(tmp_path / "a/0.png", "a/0.png", "a", "", None)
    with pytest.raises(UnsplitFolderError) as caught:
        Layout(tmp_path, [image]).check_split()
    assert caught.value.what == f"{tmp_path} is not split into train/, validation/ and test/ yet"
    assert caught.value.way_out == f"Split it with: leukobench data prepare {tmp_path} TO"
    Layout(tmp_path, [image], splits=("train",)).check_split()
    Layout(tmp_path).check_split()
