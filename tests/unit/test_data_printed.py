"""What the verbs of `data` print of a folder, of its images and of what is wrong with them."""

import io
import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from bench.commands.data import output
from bench.commands.data.check import _print_report
from bench.commands.data.options import FolderFlags
from bench.commands.data.prepare import CACHE
from bench.commands.main import main
from bench.errors import InputError
from wbc.data.layout import FolderOptions
from wbc.data.manifest import ImageEntry, Manifest
from wbc.data.reading import Reading


def report(**changes) -> SimpleNamespace:
    usual = {"scale": "", "warnings": (), "sources": {}, "all_shifts": True, "unreadable": [], "ways_out": ()}
    usual |= {"leaks": [], "external": False, "groups": ""}
    words = {
        f"{name}_in_words": lambda name=name: f"{name} in words" for name in ("sizes", "balance", "sources")
    }
    return SimpleNamespace(**{**usual, **words, **changes})


def leak(number: int) -> SimpleNamespace:
    return SimpleNamespace(first=f"train/{number}.png", second=f"test/{number}.png", how="equal files")


FIRST = "sizes in pixels: sizes in words\nbalance: balance in words\n"
SEARCHED = (
    "Searched were equal files, and copies that are scaled, turned, mirrored or shifted; some are missed"
)


def printed(capsys, **changes) -> str:
    _print_report(report(**changes))
    return capsys.readouterr().out


def test_a_clean_folder_is_said_to_be(capsys):
    said = printed(capsys)
    assert said.startswith(f"{FIRST}No image of one split was found in another. {SEARCHED}")
    assert said.endswith("Group by name what you know belongs together.\n") and said.count("\n") == 3
    both = printed(capsys, external=True)
    assert "No image of the external test or of one split was found in another." in both


def test_what_was_seen_is_said_in_its_order(capsys):
    said = printed(
        capsys,
        scale="0 is black and 4095 is white",
        warnings=("odd", "odder"),
        sources={"train": 3},
        all_shifts=False,
        unreadable=[("a.png", "torn")],
        ways_out=("Remove it.",),
        groups="3 groups.",
    )
    assert said.splitlines() == [
        *FIRST.splitlines(),
        "scale: 0 is black and 4095 is white",
        "warning: odd",
        "warning: odder",
        "sources -> images: sources in words",
        "In so large a set, only copies and small shifts are searched for, not photographs that share a part of their "
        "field. Check the original images for those before they are augmented.",
        "unreadable: a.png: torn",
        "hint: Remove it.",
        "3 groups.",
    ]


@pytest.mark.parametrize(("count", "more"), [(40, 0), (41, 1), (43, 3)])
def test_many_files_and_pairs_are_counted(capsys, count: int, more: int):
    said = printed(capsys, unreadable=[(f"{number}.png", "torn") for number in range(count)])
    assert said.count("unreadable: ") == 40
    assert (f"and {more} more that are unreadable\n" in said) is bool(more)
    said = printed(capsys, leaks=[leak(number) for number in range(count)])
    assert (
        said.count("equal files") == 40
        and said.splitlines()[2].strip() == f"{count} images are in two splits"
    )
    assert (f"and {more} more\n" in said) is bool(more) and "No image of" not in said


def test_one_pair(capsys):
    lines = printed(capsys, leaks=[leak(0)], external=True).splitlines()
    assert lines[2].strip() == "1 image is in two splits or in the external test"
    assert [
        " ".join(one.replace("│", " ").replace("┃", " ").split())
        for one in lines
        if "png" in one or "how" in one
    ] == [
        "image shows the same as how",
        "test/0.png train/0.png equal files",
    ]


def manifest(**settings) -> Manifest:
    entries = [("train", "a", "1"), ("train", "a", "1"), ("train", "b", "2"), ("test", "b", "3")]
    images = tuple(
        ImageEntry(f"{n}.png", split, name, source, str(n)) for n, (split, name, source) in enumerate(entries)
    )
    return Manifest(images, ("a", "b"), settings=settings, left_out={"too small": ("x", "y")})


def test_counts_of_classes_and_sources(capsys):
    output.print_counts(Path("cells"), manifest(background_guessed={"no edge": ["a", "b"]}))
    said = capsys.readouterr().out
    lines = [" ".join(line.replace("│", " ").replace("┃", " ").split()) for line in said.splitlines()]
    assert [line for line in lines if line and line[0].isalnum()] == [
        "cells: 4 images",
        "class train validation test",
        "a 2 0 0",
        "b 1 0 1",
        "all 3 0 1",
        "sources 2 0 1",
        "left out, too small: 2",
        "background removed by guess, no edge: 2 (a disc in the middle was kept)",
    ]
    assert "│ a       │     2 │          0 │    0 │" in said, "numbers stand on the right"
    found = output.data_document(Path("cells"), manifest())
    assert (found.images, found.sources) == (4, {"train": 2, "validation": 0, "test": 1})
    assert found.counts["train"] == {"a": 2, "b": 1} and found.left_out == {"too small": ("x", "y")}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, ""),
        ({"notes": ["A note."]}, "note: A note.\n"),
        (
            {"stages": {"reading": {"white": 4095.0, "black": 16.0}}},
            "scale: 16 is black and 4095 is white in every image.\n",
        ),
        ({"stages": {"reading": {"white": 9.0}}}, "scale: 0 is black and 9 is white in every image.\n"),
        ({"kept_together": {"images": 0, "groups": 0, "largest": 0}}, ""),
        (
            {"kept_together": {"images": 3, "groups": 1, "largest": 3}},
            "3 images in 1 group are near-duplicates and stay together, 3 in the largest.\n",
        ),
        (
            {"kept_together": {"images": 5, "groups": 2, "largest": 3}},
            "5 images in 2 groups are near-duplicates and stay together, 3 in the largest.\n",
        ),
        (
            {"all_shifts": False},
            "In so large a set, copies and small shifts are searched for thoroughly, but images that share only a part "
            "of what they show are not.\n",
        ),
    ],
)
def test_what_stays_together(capsys, settings: dict, said: str):
    output.print_kept_together(manifest(**settings))
    assert capsys.readouterr().out == said


def test_a_picture_has_a_name_that_says_its_format(tmp_path: Path, capsys):
    for path in (tmp_path, tmp_path / "sheet.xyz", tmp_path / "sheet"):
        with pytest.raises(InputError) as caught:
            output.picture_name(path)
        assert caught.value.what == f"--output {path} is not the name of a picture"
        assert caught.value.way_out == "Give a name such as sheet.png."
    path = tmp_path / "new" / "SHEET.PNG"
    assert output.picture_name(path) == path
    output.save(Image.new("RGB", (3, 2)), path)
    assert Image.open(path).format == "PNG" and capsys.readouterr().err == f"Written: {path}\n"


def test_the_sheet_of_a_preparation_shows_two_images_of_each_class(folder: Path, monkeypatch):
    made = Manifest((), ("a", "b"))
    originals = [SimpleNamespace(class_name=name, number=number) for number, name in enumerate("aabbab")]
    read, drawn = [], []

    def read_folder(source, settings):
        read.append((source, settings))
        return SimpleNamespace(originals=originals, reading="its reading")

    monkeypatch.setattr("wbc.data.prepare.prepare", lambda *given: made)
    monkeypatch.setattr("wbc.data.prepare.read_folder", read_folder)
    monkeypatch.setattr(
        "wbc.data.contact_sheet.sheet_of_stages",
        lambda *given: drawn.append(given) or Image.new("RGB", (2, 2)),
    )
    arguments = [
        "data",
        "prepare",
        "from",
        "to",
        "-o",
        "sheet.png",
        "--split-seed",
        "5",
        "--crop-margin",
        "0.5",
    ]
    assert main([*arguments, "--json"]) == 0
    ((shown, stages, seed),) = drawn
    assert [one.number for one in shown] == [0, 1, 2, 3] and seed == 5
    assert (stages.margin, stages.reading) == (0.5, "its reading")
    ((source, settings),) = read
    assert source == Path("from") and settings.near_duplicates is False and settings.split_seed == 5
    assert Image.open("sheet.png").size == (2, 2)
    assert str(CACHE) == "results/cache/near-duplicates"


def test_a_collection_that_is_not_known(folder: Path, capsys):
    assert main(["data", "fetch", "xyz", "to"]) == 2
    said = capsys.readouterr().err
    assert "error: there is no collection 'xyz'\nhint: Known: bloodmnist" in said and said.endswith(
        "pbc, bccd.\n"
    )
    assert main(["data", "fetch", "bloodmnst", "to"]) == 2
    assert "bloodmnist?" in capsys.readouterr().err


def test_synthetic_cells_need_a_new_folder_and_32_pixels(folder: Path, capsys):
    (folder / "here").mkdir()
    assert main(["data", "synth", "here"]) == 2
    assert capsys.readouterr().err == "error: here exists already\nhint: Give the name of a new folder.\n"
    assert main(["data", "synth", "there", "--image-size", "31"]) == 2
    assert capsys.readouterr().err == "error: --image-size is 31\nhint: Give 32 or more.\n"
    given = [
        "--train-per-class",
        "1",
        "--validation-per-class",
        "1",
        "--test-per-class",
        "1",
        "--image-size",
        "32",
    ]
    assert main(["data", "synth", "there", *given]) == 0
    assert capsys.readouterr().out.startswith("there: 12 images ")
    assert np.asarray(Image.open(next(Path("there").rglob("*.png")))).shape == (32, 32, 3)


def test_the_document_of_a_check(folder: Path, monkeypatch, capsys):
    found = report(
        manifest=manifest(),
        sizes=Counter({(30, 20): 5, (8, 9): 7}),
        unreadable=[("a.png", "torn")],
        leaks=[{"first": "train/1.png", "second": "test/1.png", "how": "equal files"}],
        all_shifts=False,
        warnings=("odd",),
        scale="0 to 9",
        lacking=False,
        clean=False,
    )
    monkeypatch.setattr("wbc.data.check.check_folder", lambda *given: found)
    assert main(["data", "check", "cells", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document.pop("data")["images"] == 4
    assert document == {
        **{"sizes": [[8, 9, 7], [30, 20, 5]], "unreadable": [["a.png", "torn"]], "thorough": False},
        **{
            "leaks": [{"first": "train/1.png", "second": "test/1.png", "how": "equal files"}],
            "warnings": ["odd"],
        },
        "scale": "0 to 9",
    }


@pytest.mark.parametrize(
    ("pages", "read"), [(None, None), ("2", 2), ("max", "max"), ("each", None), ("-1", "-1")]
)
def test_flags_go_to_the_folder_and_to_its_files(pages: str | None, read: int | str | None):
    columns = {f"{what}_column": what for what in ("file", "label", "split", "group")}
    names = {"labels": "a.csv", **columns}
    flags = FolderFlags(white=9.0, black=1.0, pages=pages, **names)
    assert flags.folder() == FolderOptions(**names)
    assert FolderFlags(group="folder").folder() == FolderOptions(group="folder")
    if read == "-1":
        with pytest.raises(InputError):
            flags.reading()
    else:
        assert flags.reading() == Reading(white=9.0, black=1.0, pages=read)
        assert flags.reading("pad") == Reading(white=9.0, black=1.0, pages=read, fit="pad")


def test_a_terminal_gets_a_bar_and_other_places_lines(monkeypatch):
    drawn = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr("bench.commands.terminal.messages", lambda: drawn)
    with output.progress() as show:
        show("pairs", 3, 12)
    assert "pairs" in drawn.file.getvalue() and " 3/12 " in drawn.file.getvalue()
    elsewhere = SimpleNamespace(is_terminal=False, say=print)
    monkeypatch.setattr("bench.commands.terminal.messages", lambda: elsewhere)
    monkeypatch.setattr("wbc.data.progress.spoken", lambda say: ("spoken", say))
    with output.progress() as show:
        assert show == ("spoken", print)
