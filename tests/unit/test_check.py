"""`data check` of synthetic images: its output and exit code; real cells are in `make real`."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from bench.commands.main import main
from wbc.data.check import check_folder
from wbc.data.manifest import Manifest
from wbc.data.synthetic import SyntheticSettings, draw_cell, generate
from wbc.duplicates import searches_all_shifts


@pytest.fixture
def data_set(tmp_path) -> Path:
    root = tmp_path / "set"
    manifest = generate(root, SyntheticSettings(3, 2, 2, image_size=64))
    manifest.write(root)
    return root


def test_exit_code_and_output(data_set, capsys):
    assert main(["data", "check", str(data_set)]) == 0
    out = capsys.readouterr().out
    assert "No image of one split was found in another." in out
    assert "64 x 64 (28)" in out
    shutil.copy(data_set / "train" / "MONOCYTE" / "00000.png", data_set / "test" / "MONOCYTE" / "new.png")
    assert main(["data", "check", str(data_set)]) == 1
    out = capsys.readouterr().out
    assert "1 image is in two splits" in out and "the same file" in out


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
    for count in (1, 9):
        folder = tmp_path / str(count)
        generate(folder, SyntheticSettings(count, 1, 1, image_size=32)).write(folder)
        seen, read = [], Manifest.read_file
        with monkeypatch.context() as patch:
            patch.setattr(
                Manifest, "read_file", lambda path, seen=seen, read=read: seen.append(path) or read(path)
            )
            check_folder(folder)
        reads[count] = len(seen)
    assert reads[1] == reads[9] > 0
