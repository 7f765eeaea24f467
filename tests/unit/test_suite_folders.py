"""Suites on a folder of the user's own images: looked at whole before anything starts."""

import json
from pathlib import Path

import pytest
from PIL import Image

from bench.commands.main import main

SUITE = """
[data]
path = {path}
image_size = 32
[[matrix]]
mode = "scratch"
backbone = "LeNet5"
"""


@pytest.fixture
def trials(tmp_path: Path) -> Path:
    """A split folder of two classes, one grey image a part and class."""
    root = tmp_path / "trials"
    for part in ("train", "validation", "test"):
        for kind in ("a", "b"):
            (root / part / kind).mkdir(parents=True)
            Image.new("RGB", (40, 40)).save(root / part / kind / "1.png")
    return root


def bench(verb: str, images: Path) -> int:
    folder = images.parent
    path = folder / "suite.toml"
    path.write_text(SUITE.format(path=json.dumps(str(images))))
    return main([verb, str(path), "--results", str(folder / "results")])


def test_a_folder_that_can_be_used(trials: Path):
    assert bench("plan", trials) == 0
    assert not (trials.parent / "results").exists()


def test_a_file_that_is_no_image(trials: Path, capsys: pytest.CaptureFixture):
    assert bench("plan", trials) == 0, "a folder that was good once is looked at again"
    broken = trials / "test" / "b" / "2.png"
    broken.write_text("no image")
    assert bench("run", trials) == 2
    assert f"{broken} is not an image" in capsys.readouterr().err
    assert not (trials.parent / "results").exists()


def test_a_class_that_is_missing(trials: Path, capsys: pytest.CaptureFixture):
    (trials / "test" / "b" / "1.png").unlink()
    (trials / "test" / "b").rmdir()
    assert bench("run", trials) == 2
    assert "class b is missing from" in capsys.readouterr().err
    assert not (trials.parent / "results").exists()


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_an_unsplit_folder_is_told_how_to_become_a_split_one(
    verb: str, trials: Path, capsys: pytest.CaptureFixture
):
    assert bench(verb, trials / "train") == 2
    assert "python -m bench data prepare" in capsys.readouterr().err


def test_the_same_image_in_two_parts_is_said_before_anything_runs(
    trials: Path, capsys: pytest.CaptureFixture
):
    for number, path in enumerate(sorted(trials.rglob("*.png"))):
        Image.new("RGB", (40, 40), (number, 0, 0)).save(path)
    assert bench("plan", trials) == 0
    assert "more than one split" not in capsys.readouterr().out
    (trials / "test" / "b" / "2.png").write_bytes((trials / "train" / "a" / "1.png").read_bytes())
    assert bench("plan", trials) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 image is in more than one split, such as train/a/1.png and test/b/2.png" in said
