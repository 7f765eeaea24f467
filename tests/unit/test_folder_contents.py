"""What is said of the images of a folder once they are decoded, to the number."""

from pathlib import Path

import pytest
from PIL import Image

from wbc.data import SPLITS
from wbc.data.folders import Contents, FileState, Looked, described, inspect_folder
from wbc.data.layout import FolderOptions, Found
from wbc.data.reading import FLOATS, INTEGERS, Facts, Reading
from wbc.errors import InputError


def contents(*facts: tuple) -> Contents:
    """Images with these smallest and largest numbers, and of this kind."""
    images = [
        (
            Found(Path(f"/x/{number}.png"), f"{number}.png", "a", "", None),
            Looked(str(number), Facts(8, 8, *own)),
        )
        for number, own in enumerate(facts)
    ]
    return Contents(images, [])


DEEP = Reading(white=1000.0, black=100.0)


def test_the_scale_is_described_where_there_is_one():
    facts = [looked.facts for _, looked in contents((0, 255), (5, 900, INTEGERS), (7, 950, INTEGERS)).images]
    said = described(DEEP, facts)
    assert said == "2 images contain integers from 5 to 950; 100 is black and 1000 is white in all of them"
    assert described(DEEP, facts[:1]) == ""
    assert "floats from 0 to 1;" in described(Reading(white=1.0), [Facts(8, 8, 0, 1, FLOATS)])


def test_a_white_that_is_for_deep_images_is_dropped_where_there_are_none():
    assert contents((0, 255)).scaled_if_deep(Reading(white=9.0, black=1.0, fit="pad")) == Reading(fit="pad")
    assert contents((0, 8, INTEGERS)).scaled_if_deep(Reading(white=9.0, black=1.0)) == Reading(
        white=9.0, black=1.0
    )


def test_a_file_is_known_by_what_changes_with_it(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"123")
    status, state = path.stat(), FileState.of(path)
    assert state == FileState(3, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"white": 5.0, "black": 5.0}, "white is 5 and black is 5"),
        ({"white": float("inf")}, "white is inf and black is 0"),
        ({"pages": 0}, "pages is 0"),
        ({"pages": "median"}, "pages is 'median'"),
        ({"pages": 1.5}, "pages is 1.5"),
        ({"fit": "stretch"}, "fit is 'stretch'"),
    ],
)
def test_a_reading_out_of_its_range(changed, what):
    with pytest.raises(InputError) as caught:
        Reading(**changed)
    assert caught.value.what == what


def test_a_white_without_deep_images_is_refused_unless_it_is_optional(tmp_path):
    for number, split in enumerate(SPLITS):
        for name in "ab":
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("RGB", (8, 8), (number, ord(name), 0)).save(tmp_path / split / name / "1.png")
    with pytest.raises(InputError, match="white"):
        inspect_folder(tmp_path, reading=DEEP)
    assert inspect_folder(tmp_path, reading=DEEP, white_optional=True).settings == {}


def test_a_reading_spells_out_what_is_not_usual():
    assert Reading().spelled_out() == {} and Reading.of({}) == Reading()
    reading = Reading(white=5.1, black=5.0, pages=1, fit="crop")
    assert reading.spelled_out() == {"white": 5.1, "black": 5.0, "pages": 1, "fit": "crop"}
    assert Reading.of({"reading": reading.spelled_out()}) == reading
    assert Reading(pages="max").pages == "max"


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"group": "("}, "group is '(', which is no regular expression: "),
        ({"label_column": "x"}, "a column is named without a table"),
        (
            {"group": "folder", "labels": "x.csv", "group_column": "y"},
            "groups are given twice, by group and by ",
        ),
    ],
)
def test_options_of_a_folder_that_contradict_each_other(options, what):
    with pytest.raises(InputError) as caught:
        FolderOptions(**options)
    assert caught.value.what.startswith(what) and caught.value.way_out
    FolderOptions(group="folder")
    FolderOptions(labels="x.csv", group_column="y")
