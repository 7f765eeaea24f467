"""Folders as people name them: splits, classes, wrappers, outlines, links."""

from pathlib import Path

import pytest

from wbc.data.layout import FolderOptions, Found, Layout, read_layout, suggested_groups


def files(*tops: str, classes: tuple[str, ...] = ("a", "b")) -> list[str]:
    return [f"{top}{name}/{index}.png" for top in tops or ("",) for name in classes for index in range(3)]


def read(root: Path, names: list[str], options: FolderOptions | None = None) -> Layout:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return read_layout(root, options or FolderOptions())


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("TRAIN", "VALID", "TESTING"),
        ("1_train", "2_val", "3_test"),
        ("seg_train", "seg_pred_val", "seg_test"),
        ("trainset", "valset", "testset"),
        ("Training set", "Validation set", "Test set"),
        ("TrainingData", "ValidationData", "TestData"),
        ("training-images", "dev-images", "eval-images"),
        ("trn", "vld", "tst"),
        ("train", "eval", "test"),
        ("train.v1", "val.v1", "test.v1"),
        ("train-cats", "val-cats", "test-cats"),
        ("traindir", "valdir", "testdir"),
    ],
)
def test_three_splits_in_many_spellings(tmp_path: Path, names: tuple[str, str, str]):
    layout = read(tmp_path, files(*(f"{name}/" for name in names)))
    assert layout.splits == ("train", "validation", "test") and not layout.problems and not layout.left_out
    assert {one.file.split("/")[0]: one.split for one in layout.images} == dict(
        zip(names, layout.splits, strict=True)
    )


@pytest.mark.parametrize(
    "names",
    [("train", "holdout"), ("x_train", "x_test"), ("train", "evaluation"), ("Learn_train", "Learn_test")],
)
def test_train_and_test_alone(tmp_path: Path, names: tuple[str, str]):
    layout = read(tmp_path, files(*(f"{name}/" for name in names)))
    assert layout.splits == ("train", "test") and not layout.problems and not layout.left_out


@pytest.mark.parametrize(
    "classes", [("test_tube", "train_station"), ("eval", "other"), ("latest", "trained")]
)
def test_classes_that_sound_like_splits(tmp_path: Path, classes: tuple[str, str]):
    layout = read(tmp_path, files(classes=classes))
    assert layout.classes == tuple(sorted(classes)) and not layout.splits and not layout.problems


@pytest.mark.parametrize("above", ["data/", "set/data/"])
def test_splits_below_another_folder_are_found(tmp_path: Path, above: str):
    layout = read(tmp_path, files(f"{above}train/", f"{above}val/", f"{above}test/"))
    assert layout.problems == [(f"the splits are in {tmp_path / above}", "Give that folder.")]


def test_classes_below_another_folder_are_found(tmp_path: Path):
    ((what, way),) = read(tmp_path, files("dataset/")).problems
    assert "nothing but the folder dataset" in what and way == f"Give {tmp_path / 'dataset'}."


def test_splits_inside_of_classes_are_to_be_moved(tmp_path: Path):
    names = [f"{name}/{split}/{n}.png" for name in "ab" for split in ("train", "test") for n in range(2)]
    ((what, way),) = read(tmp_path, names).problems
    assert "the splits are in the classes" in what
    assert f"{tmp_path / 'a' / 'test'} to {tmp_path / 'test' / 'a'}" in way


def test_two_folders_for_one_split_are_one_problem(tmp_path: Path):
    ((what, _),) = read(tmp_path, files("train/", "val/", "test_a/", "test_b/")).problems
    assert what.endswith("several folders for test: test_a, test_b")


@pytest.mark.parametrize("group", [None, "folder"])
@pytest.mark.parametrize("top", ["", "train/"])
def test_outlines_beside_pictures_are_left_out(tmp_path: Path, top: str, group: str | None):
    tops = ["train/", "test/"] if top else [""]
    names = [
        f"{t}{name}/{kind}/{n}.png"
        for t in tops
        for name in "ab"
        for kind in ("images", "Masks")
        for n in (0, 1)
    ]
    layout = read(tmp_path, names, FolderOptions(group=group))
    assert not layout.problems and layout.classes == ("a", "b")
    assert all("/images/" in one.file for one in layout.images) and 2 * len(layout.images) == len(names)
    assert [len(out) for out in layout.left_out.values()] == [len(layout.images)]


def test_folders_within_pictures_are_folders_inside_a_class(tmp_path: Path):
    names = [f"{name}/{kind}/0.png" for name in "ab" for kind in ("images/deep", "masks")]
    ((what, _),) = read(tmp_path, names).problems
    assert what == f"{tmp_path / 'a' / 'images' / 'deep'} is a folder inside a class folder (2 such folders)"


def test_a_set_of_object_detection_has_no_classes(tmp_path: Path):
    names = [f"images/{split}/{n}.png" for split in ("train", "val") for n in range(2)]
    ((what, _),) = read(tmp_path, [*names, "labels/train/0.txt"]).problems
    assert "which are no classes" in what


def test_an_empty_class_is_refused_and_an_annotated_folder_is_not(tmp_path: Path):
    (tmp_path / "c").mkdir()
    ((what, _),) = read(tmp_path, files()).problems
    assert what == f"{tmp_path / 'c'} contains no image"
    (tmp_path / "c" / "0.xml").touch()
    assert not read(tmp_path, []).problems


def test_names_that_differ_in_case_are_said(tmp_path: Path):
    layout = read(tmp_path, files(classes=("Cat", "cat", "dog")))
    assert layout.notes == ["The classes Cat and cat differ only in upper and lower case."]


def test_odd_names_and_links_lose_nothing(tmp_path: Path):
    names = [*files(classes=("a b", "خلية", "c\nd")), "a b/X.PNG", "a b/no suffix", "a b/\u202egnp.exe.png"]
    hidden = ["__MACOSX/a/0.png", "a b/.0.png", "a b/Thumbs.db", ".git/a.png", "a b/desktop.ini"]
    layout = read(tmp_path, names + hidden)
    assert sorted(one.file for one in layout.images) == sorted(names) and not layout.problems
    (tmp_path / "a b" / "loop").symlink_to(tmp_path)
    ((what, _),) = read(tmp_path, []).problems
    assert "loop is a folder inside a class folder" in what


def in_groups(*sizes: int, classes: int = 2, name: str = "P{group}_{number}") -> list[Found]:
    """Images of groups of these sizes, each within a class."""
    return [
        Found(Path(f"/x/{name.format(group=group, number=number)}.png"), "", f"c{group % classes}", "", None)
        for group, size in enumerate(sizes)
        for number in range(size)
    ]


@pytest.mark.parametrize(
    ("sizes", "classes", "suggested"),
    [
        ((2, 2, 2, 2), 2, True),
        ((2, 2, 2), 2, False),  # three groups are too few
        ((3, 2), 2, False),  # and so are five images
        ((2, 2, 2, 2), 4, False),  # one for each class says nothing
        ((2, 2, 2, 2, 2), 4, True),
        ((2, 2, 2, 2, 1), 2, False),  # five groups of nine images: hardly any image has another
        ((3, 3, 2, 1, 1), 2, True),  # four fifths have
        ((4, 3, 1, 1, 1), 2, False),
    ],
)
def test_groups_are_suggested_where_most_images_have_a_few_others(sizes, classes: int, suggested: bool):
    assert bool(suggested_groups(in_groups(*sizes, classes=classes))) is suggested


def test_a_suggestion_names_the_first_group_and_the_pattern():
    assert suggested_groups(in_groups(1, 3, 2, 2, 2)) == (
        "File names suggest 5 groups, such as 'P1' (3 images of c1). If these are patients, slides or copies, keep "
        "each together: --group '^(.+?)[ _.-]+[^ _.-]+$', or group in [data]."
    )
    by_digits = suggested_groups(in_groups(2, 2, 2, 2, name="s{group}x{number}"))
    assert "such as 's0x' (2 images of c0)" in by_digits and r"--group '^(.*?\d.*?\D)\d+$'" in by_digits
    given = in_groups(2, 2, 2, 2)
    given[0] = Found(given[0].path, "", "c0", "", "mine")
    assert suggested_groups(given) == "", "they are grouped already"
    odd = in_groups(2, 2, 2, 2)
    odd[3] = Found(Path("/x/odd.png"), "", "c0", "", None)
    assert suggested_groups(odd) == "", "a name that says nothing"


def test_a_file_outside_of_the_classes_costs_no_image_after_it(tmp_path: Path):
    layout = read(tmp_path, ["0.png", "a/1.png", "b/2.png"])
    assert [one.file for one in layout.images] == ["a/1.png", "b/2.png"] and not layout.problems
    assert layout.left_out == {"in no class folder": ["0.png"]}
    names = ["0.png", "other/0.png", *files("test/", "train/")]
    layout = read(tmp_path / "split", names)
    assert len(layout.images) == 12 and not layout.problems
    assert layout.left_out == {
        "outside of the splits, in the folder itself": ["0.png"],
        "outside of the splits, in other/": ["other/0.png"],
    }


def test_outlines_and_nested_folders_cost_no_image_after_them(tmp_path: Path):
    names = [f"{name}/{kind}/{number}.png" for name in "ab" for kind in ("gt", "images") for number in (0, 1)]
    layout = read(tmp_path / "outlined", names)
    assert len(layout.images) == 4 and layout.left_out == {
        "an outline, in gt/": ["a/gt/0.png", "a/gt/1.png", "b/gt/0.png", "b/gt/1.png"]
    }
    ((what, way),) = read(tmp_path / "nested", ["a/deep/0.png", "a/x/0.png", "b/1.png"]).problems
    root = tmp_path / "nested"
    assert what == f"{root / 'a' / 'deep'} is a folder inside a class folder (2 such folders)"
    assert f"Else move its images up into {root / 'a'}, or remove the folder." in way
