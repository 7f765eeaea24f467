"""Tables of labels as spreadsheets, scripts and competitions write them."""

from pathlib import Path

import numpy as np
import pytest
from image_folders import write_color

from wbc.data.layout import FolderOptions, Layout, read_layout
from wbc.errors import InputError

ROWS = "0.png,a\n1.png,b\n2.png,a\n3.png,b\n"


def read(folder: Path, table: str | bytes, **options: str) -> Layout:
    folder.mkdir(exist_ok=True)
    for index in range(4):
        (folder / f"{index}.png").touch()
    (folder / "labels.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    return read_layout(folder, FolderOptions(labels="labels.csv", **options))


def classes(layout: Layout) -> list[str]:
    assert not layout.problems
    return [one.class_name for one in layout.images]


@pytest.mark.parametrize(
    "table",
    [
        "\ufefffile,label\n" + ROWS,
        ("file,label\n" + ROWS).replace("\n", "\r\n"),
        ("file,label\n" + ROWS).replace("\n", "\r"),
        ("file,label\n" + ROWS).replace(",", ";"),
        ("file,label\n" + ROWS).replace(",", "|"),
        ("file,label\n" + ROWS).replace(",", "\t"),
        ("file,label\n" + ROWS).replace(",", "\t").encode("utf-16"),
        "file , label\n" + ROWS.replace(",", " , "),
        "\nfile,label\n\n" + ROWS.replace("\n", "\n\n"),
        ",file,label\n" + "".join(f"{n},{row}\n" for n, row in enumerate(ROWS.split())),
        "file,label\n" + ROWS.replace("0.png,a", "0.png,a,more"),
        "file,label\n" + ROWS + ROWS,
        "id,label\n" + ROWS.replace(".png", ""),
        "id,label\n" + ROWS.replace(".png", ".PNG"),
        "file,label\n" + ROWS.replace("2.png", ".\\2.png"),
        "file,label\n" + "".join(f"C:\\Users\\me\\set\\{row}\n" for row in ROWS.split()),
        "file,label\n" + "".join(f"/home/me/set/{row}\n" for row in ROWS.split()),
        'file,label\n"0.png","a"\n"1.png","b"\n"2.png",a\n3.png,b\n',
        "file,a,b\n0.png,1.0,0.0\n1.png,0.0,1.0\n2.png,1,0\n3.png,0,1\n",
    ],
)
def test_usual_spellings_of_a_table_are_read_alike(tmp_path: Path, table: str | bytes):
    assert classes(read(tmp_path / "set", table)) == ["a", "b", "a", "b"]


def test_quoted_separators_and_line_ends_belong_to_a_cell(tmp_path: Path):
    table = 'file,label,note\n0.png,"a, left","x\ny"\n1.png,b,\n2.png,"a, left",\n3.png,b,\n'
    layout = read(tmp_path / "set", table, label_column="label")
    assert classes(layout) == ["a, left", "b", "a, left", "b"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["0", "1", "0", "1"], ["0", "1", "0", "1"]),
        (["0.0", "1.0", "0", "1"], ["0", "1", "0", "1"]),
        (["01", "02", "01", "02"], ["01", "02", "01", "02"]),
        (["0.5", "1.0", "0.5", "1"], ["0.5", "1.0", "0.5", "1"]),
    ],
)
def test_numbers_are_names_of_classes(tmp_path: Path, labels: list[str], expected: list[str]):
    rows = "".join(f"{n}.png,{label}\n" for n, label in enumerate(labels))
    assert classes(read(tmp_path / "set", "file,label\n" + rows)) == expected


@pytest.mark.parametrize("nothing", ["", "NaN", "null", "N/A"])
def test_images_without_a_label_are_left_out_and_counted(tmp_path: Path, nothing: str):
    layout = read(tmp_path / "set", "file,label\n" + ROWS.replace("3.png,b", f"3.png,{nothing}"))
    assert classes(layout) == ["a", "b", "a"]
    assert dict(layout.left_out) == {"no label in labels.csv": ["3.png"]}


def test_what_table_and_folder_do_not_share_is_said(tmp_path: Path):
    layout = read(tmp_path / "set", "file,label\n" + ROWS.replace("3.png", "9.png"))
    assert classes(layout) == ["a", "b", "a"]
    assert dict(layout.left_out) == {"no row in labels.csv": ["3.png"]}
    assert layout.notes == ["1 row of labels.csv names no image of the folder, such as 9.png."]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (ROWS, "begins with an image"),
        ("file,label,label\n0.png,a,b\n", "several columns 'label'"),
        ("file,label\n", "2 columns and 0 rows"),
        ("", "0 columns and 0 rows"),
        (b"file,label\n0.png,gr\xfcn\n", "cannot be read"),
        ("file,x,y2\n0.png,1,1\n", "which one is the label cannot be known"),
    ],
)
def test_a_table_that_cannot_be_understood_is_refused(tmp_path: Path, table: str | bytes, said: str):
    with pytest.raises(InputError, match=said) as caught:
        read(tmp_path / "set", table)
    assert caught.value.way_out


def test_a_path_means_its_own_file_first(tmp_path: Path):
    root = tmp_path / "set"
    for name in ("0.png", "deep/0.png", "deep/1.png", "other/1.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_color(root / name, np.random.default_rng(0))
    (root / "labels.csv").write_text("file,label\n0.png,a\ndeep/0.png,b\n")
    layout = read_layout(root, FolderOptions(labels="labels.csv"))
    assert {one.file: one.class_name for one in layout.images} == {"0.png": "a", "deep/0.png": "b"}
    (root / "labels.csv").write_text("file,label\n1.png,a\n0.png,b\n")
    problems = read_layout(root, FolderOptions(labels="labels.csv")).problems
    assert "1.png may be deep/1.png or other/1.png" in problems[0][0]


@pytest.mark.parametrize(
    ("twice", "said"),
    [
        (1, "0.png"),
        (5, "0.png, 1.png, 2.png, 3.png, 4.png"),
        (7, "0.png, 1.png, 2.png, 3.png, 4.png and 2 more"),
    ],
)
def test_contradictions_are_named_five_at_most(tmp_path: Path, twice: int, said: str):
    root = tmp_path / "set"
    root.mkdir()
    for number in range(9):
        (root / f"{number}.png").touch()
    rows = "".join(f"{number}.png,{'ab'[number % 2]}\n" for number in range(9))
    again = "".join(f"{number}.png,c\n" for number in range(twice))
    layout = read(root, "file,label\n" + rows + again)
    assert layout.problems == [
        (f"{root / 'labels.csv'} says different things of one image: {said}", "Leave one row of each.")
    ]


def test_rows_without_an_image_are_counted(tmp_path: Path):
    layout = read(tmp_path / "set", "file,label\n" + ROWS + "7.png,a\n8.png,b\n")
    assert layout.notes == ["2 rows of labels.csv name no image of the folder, such as 7.png."]
    assert classes(layout) == ["a", "b", "a", "b"]
    none = read(tmp_path / "set", "file,label\n7.png,a\n8.png,b\n")
    assert none.problems[0] == (
        "2 rows of labels.csv name no image of the folder, such as 7.png",
        "Give the folder that the names in the table are in.",
    )


@pytest.mark.parametrize("name", ["a/b", ".", "..", "a\0b"])
def test_a_class_that_no_folder_could_be_called_is_refused(tmp_path: Path, name: str):
    layout = read(tmp_path / "set", "file,label\n" + ROWS.replace("0.png,a", f"0.png,{name}"))
    said = f"{tmp_path / 'set' / 'labels.csv'}: {name!r} cannot be the name of a class"
    assert layout.problems == [(said, "Give it a name without a slash.")]


def test_splits_of_a_table_are_complete_or_refused(tmp_path: Path):
    root, table = tmp_path / "set", tmp_path / "set" / "labels.csv"

    def problems(*splits: str) -> list[str]:
        rows = [f"{row},{split}" for row, split in zip(ROWS.split(), splits, strict=True)]
        text = "file,label,part\n" + "\n".join(rows)
        return [what for what, _ in read(root, text, split_column="part").problems]

    assert problems("train", "train", "test", "test") == []
    assert problems("train", "train", "train", "test") == [f"{table}: class a is missing from test"]
    assert problems("train", "train", "train", "train") == [f"{table} has no image of the split test"]
    assert problems("val", "val", "test", "test") == [f"{table} has no image of the split train"]
    assert problems("train", "train", "test", "tube") == [
        f"{table}: 'tube' is no split",
        f"{table}: class b is missing from test",
    ]


def test_groups_are_those_of_a_column_or_of_folders(tmp_path: Path):
    table = "file,label,patient\n0.png,a,P\n1.png,b, \n2.png,a,Q\n3.png,b,P\n"
    layout = read(tmp_path / "set", table, group_column="patient")
    assert [one.group for one in layout.images] == ["P", "1.png", "Q", "P"], (
        "without one, an image of its own"
    )
    assert [one.group for one in read(tmp_path / "set", "file,label\n" + ROWS).images] == [None] * 4
    (tmp_path / "set" / "deep").mkdir()
    (tmp_path / "set" / "deep" / "4.png").touch()
    layout = read(tmp_path / "set", "file,label\n" + ROWS + "4.png,a\n", group="folder")
    assert [one.group for one in layout.images] == [".", ".", ".", ".", "deep"]
