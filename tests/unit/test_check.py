"""`data check` of synthetic images: its output and exit code; real cells are in `make real`."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from bench.commands.main import main
from wbc.data.check import Leak, Report, check_folder
from wbc.data.manifest import ImageEntry, Manifest
from wbc.data.synthetic import SyntheticSettings, draw_cell, generate
from wbc.duplicates import searches_all_shifts


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("drawn")
    generate(root, SyntheticSettings(3, 2, 2, image_size=64)).write(root)
    return root


@pytest.fixture
def data_set(drawn, tmp_path) -> Path:
    """A copy of the drawn images, which a test may change."""
    return shutil.copytree(drawn, tmp_path / "set")


def test_exit_code_and_output(data_set, capsys):
    assert main(["data", "check", str(data_set)]) == 0
    out = capsys.readouterr().out
    assert "No image of one split was found in another." in out
    assert "64 x 64 (28)" in out
    shutil.copy(data_set / "train" / "MONOCYTE" / "00000.png", data_set / "test" / "MONOCYTE" / "new.png")
    assert main(["data", "check", str(data_set)]) == 1
    out = capsys.readouterr().out
    assert "1 image is in two splits" in out and "the same file" in out


def test_sources_are_counted_where_the_folder_tells_them(data_set):
    found = check_folder(data_set)
    assert found.sources == {"train": (12, 12), "validation": (8, 8), "test": (8, 8)} and found.groups == ""
    (data_set / "manifest.json").unlink()
    assert check_folder(data_set).sources == {}


def test_an_unreadable_image_is_named(data_set, capsys):
    (data_set / "validation" / "MONOCYTE" / "bad.png").write_bytes(b"no image")
    assert main(["data", "check", str(data_set)]) == 1
    assert "unreadable: validation/MONOCYTE/bad.png: is not an image" in capsys.readouterr().out


def test_a_source_in_two_splits_is_a_leak(data_set):
    text = (data_set / "manifest.json").read_text()
    (data_set / "manifest.json").write_text(text.replace("test-MONOCYTE-00001", "train-MONOCYTE-00001"))
    (leak,) = check_folder(data_set).leaks
    assert leak.how == "the same source, according to the manifest"


def test_cells_on_white_are_told_apart(tmp_path):
    """Cells cropped on a white background agree only in background and outline."""
    y, x = np.mgrid[:120, :120]
    for split, seeds in (("train", range(6)), ("test", range(6, 12))):
        (tmp_path / split / "A").mkdir(parents=True)
        for seed in seeds:
            cell = draw_cell("LYMPHOCYTE", 120, np.random.default_rng(seed)).copy()
            cell[(y - 60) ** 2 + (x - 60) ** 2 > 44**2] = 255
            Image.fromarray(cell).save(tmp_path / split / "A" / f"{seed}.png")
        (tmp_path / split / "B").mkdir()
        Image.new("RGB", (120, 120), (200, 0, len(split))).save(tmp_path / split / "B" / "blank.png")
    assert check_folder(tmp_path).leaks == []
    shutil.copy(tmp_path / "train" / "A" / "2.png", tmp_path / "test" / "A" / "again.png")
    with Image.open(tmp_path / "train" / "A" / "3.png") as image:
        image.rotate(15, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255)).save(
            tmp_path / "test/A/turned.png"
        )
        ImageOps.mirror(image).save(tmp_path / "test/A/mirrored.png")
    found = {(leak.first, leak.second) for leak in check_folder(tmp_path).leaks}
    assert found == {
        ("train/A/2.png", "test/A/again.png"),
        ("train/A/3.png", "test/A/turned.png"),
        ("train/A/3.png", "test/A/mirrored.png"),
    }


def test_large_sets_are_not_searched_for_every_shift():
    assert searches_all_shifts(["train"] * 400 + ["test"] * 100)
    assert not searches_all_shifts(["train"] * 4394 + ["validation"] * 440 + ["test"] * 440)


def test_a_manifest_is_read_as_often_for_many_images_as_for_few(tmp_path: Path, monkeypatch):
    """Once for each image, a set of 5,000 took minutes."""
    reads = {}
    for count in (1, 3):
        folder = tmp_path / str(count)
        generate(folder, SyntheticSettings(count, 1, 1, image_size=32)).write(folder)
        seen, read = [], Manifest.read_file
        with monkeypatch.context() as patch:
            patch.setattr(
                Manifest, "read_file", lambda path, seen=seen, read=read: seen.append(path) or read(path)
            )
            check_folder(folder)
        reads[count] = len(seen)
    assert reads[1] == reads[3] > 0


EVEN = "1.0 to 1"


def reported(counts: dict[str, str], classes: str = "ab", **changes) -> Report:
    """Split -> a letter for the class of each of its images."""
    images = [
        ImageEntry(f"{split}/{name}/{number}", split, name, "s", "")
        for split, names in counts.items()
        for number, name in enumerate(names)
    ]
    usual = {"sizes": Counter(), "sources": {}, "unreadable": [], "leaks": []}
    return Report(Manifest(tuple(images), tuple(classes)), **{**usual, **changes})


@pytest.mark.parametrize(
    ("counts", "changes", "lacking", "balance"),
    [
        ({"train": "aab", "test": "ab"}, {}, False, "train 2.0 to 1, test 1.0 to 1"),
        (
            {"train": "aaabb", "validation": "ab", "test": "ab"},
            {},
            False,
            "train 1.5 to 1, validation 1.0 to 1, test 1.0 to 1",
        ),
        (
            {"train": "ab", "validation": "a", "test": "ab"},
            {},
            True,
            "train 1.0 to 1, validation lacks a class, test 1.0 to 1",
        ),
        ({"train": "aa", "test": "ab"}, {}, True, "train lacks a class, test 1.0 to 1"),
        ({"train": "ab"}, {}, True, "train 1.0 to 1, test lacks a class"),
        ({"train": "ab"}, {"external": True}, False, "train 1.0 to 1, test lacks a class"),
        ({"test": "ab"}, {"external": True}, True, "train lacks a class, test 1.0 to 1"),
    ],
)
def test_what_is_said_of_classes(counts, changes, lacking: bool, balance: str):
    found = reported(counts, **changes)
    assert (found.lacking, found.balance_in_words()) == (lacking, balance)


def test_a_folder_is_clean_without_leaks_and_unreadable_images():
    assert reported({}).clean
    usual = reported({})
    assert (usual.all_shifts, usual.warnings, usual.scale, usual.groups) == (True, (), "", "")
    assert (usual.external, usual.ways_out) == (False, ())
    assert (
        not reported({}, unreadable=[("a", "torn")]).clean
        and not reported({}, leaks=[Leak("a", "b", "x")]).clean
    )


@pytest.mark.parametrize(("more", "said"), [(0, ""), (1, " and 1 others"), (3, " and 3 others")])
def test_four_sizes_are_named(more: int, said: str):
    sizes = Counter({(number, 9): 50 - number for number in range(1, 5 + more)})
    assert (
        reported({}, sizes=sizes).sizes_in_words() == "1 x 9 (49), 2 x 9 (48), 3 x 9 (47), 4 x 9 (46)" + said
    )
    assert (
        reported({}, sources={"train": (2, 9), "test": (1, 1)}).sources_in_words()
        == "train 2 -> 9, test 1 -> 1"
    )


@pytest.mark.parametrize(
    ("copies", "said"), [(1, None), (2, "1 image is a copy of"), (3, "2 images are copies of")]
)
def test_copies_within_a_split_are_told_and_are_no_leak(data_set, copies: int, said: str | None):
    first = data_set / "train" / "MONOCYTE" / "00000.png"
    for number in range(1, copies):
        shutil.copy(first, first.with_name(f"copy{number}.png"))
    found = check_folder(data_set)
    told = [one for one in found.warnings if "same split" in one]
    assert found.clean and len(told) == (said is not None)
    again = "such as train/MONOCYTE/00000.png and train/MONOCYTE/copy1.png; equal bytes count as one source."
    assert told == ([] if said is None else [f"{said} others in the same split, {again}"])


@pytest.mark.parametrize(("side", "small"), [(15, True), (16, False)])
def test_images_too_small_for_a_search_are_told(tmp_path, side: int, small: bool):
    for split in ("train", "test"):
        for number, name in enumerate("AB"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("RGB", (side, 99), (9, 60 * number, len(split))).save(tmp_path / split / name / "1.png")
    assert any("only equal files" in one for one in check_folder(tmp_path).warnings) is small
