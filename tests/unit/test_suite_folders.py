"""Suites on a folder of the user's own images: looked at whole before anything starts."""

import json
from pathlib import Path

import pytest
from image_folders import SUITE
from PIL import Image

from bench.commands.main import main


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A split folder of two classes, one gray image for each split and class."""
    root = tmp_path / "images"
    for split in ("train", "validation", "test"):
        for kind in ("a", "b"):
            (root / split / kind).mkdir(parents=True)
            Image.new("RGB", (40, 40), (len(split), ord(kind), 0)).save(root / split / kind / "1.png")
    return root


def bench(verb: str, images: Path) -> int:
    folder = images.parent
    path = folder / "suite.toml"
    path.write_text(SUITE.format(path=json.dumps(str(images))))
    return main([verb, str(path), "--results", str(folder / "results")])


def test_a_folder_that_can_be_used(images: Path):
    assert bench("plan", images) == 0
    assert not (images.parent / "results").exists()


def test_a_file_that_is_no_image(images: Path, capsys: pytest.CaptureFixture):
    assert bench("plan", images) == 0, "a folder that was good once is looked at again"
    broken = images / "test" / "b" / "2.png"
    broken.write_text("no image")
    assert bench("run", images) == 2
    assert f"{broken} is not an image" in capsys.readouterr().err
    assert not (images.parent / "results").exists()


def test_a_class_that_is_missing(images: Path, capsys: pytest.CaptureFixture):
    (images / "test" / "b" / "1.png").unlink()
    (images / "test" / "b").rmdir()
    assert bench("run", images) == 2
    assert "class b is missing from" in capsys.readouterr().err
    assert not (images.parent / "results").exists()


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_an_unsplit_folder_gets_a_hint_how_to_split_it(
    verb: str, images: Path, capsys: pytest.CaptureFixture
):
    assert bench(verb, images / "train") == 2
    assert "leukobench data prepare" in capsys.readouterr().err


def test_the_same_image_in_two_splits_is_said_before_anything_runs(
    images: Path, capsys: pytest.CaptureFixture
):
    for number, path in enumerate(sorted(images.rglob("*.png"))):
        Image.new("RGB", (40, 40), (number, 0, 0)).save(path)
    assert bench("plan", images) == 0
    assert "more than one split" not in capsys.readouterr().out
    (images / "test" / "a" / "2.png").write_bytes((images / "train" / "a" / "1.png").read_bytes())
    assert bench("plan", images) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 image is in more than one split, such as train/a/1.png and test/a/2.png" in said
