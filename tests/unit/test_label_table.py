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
