"""What the verbs of `data` do and say, and by what prepared data are known again."""

import json
from pathlib import Path

import numpy as np
import pytest
from image_folders import SUITE, class_folder, color, smooth, split_folder, write_color
from PIL import Image

from bench.commands.main import main
from wbc.data.prepare import PrepareSettings, prepare


def test_a_contact_sheet_shows_what_training_sees(tmp_path: Path):
    def write(path: Path, rng: np.random.Generator) -> None:
        Image.fromarray((smooth(rng) * 0.4 * 4095).astype(np.uint16)).save(path)

    root = split_folder(tmp_path / "set", write)
    command = ["data", "show", str(root), "-o", str(tmp_path / "sheet.png")]
    assert main([*command, "--images", "1", "--white", "4095"]) == 0
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))
    tile = sheet[-128:-8, 8:128]
    assert 30 < tile.mean() < 75, "as dark as it is, neither black nor white"
    assert main([*command, "--split", "test", "--white", "1638"]) == 0
    assert np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))[-128:-8, 8:128].mean() > 100


def test_an_unsplit_folder_cannot_be_shown_and_gets_a_hint(tmp_path: Path, capsys):
    root = class_folder(tmp_path / "set")
    assert main(["data", "show", str(root), "-o", str(tmp_path / "sheet.png")]) == 2
    assert f"data prepare {root} TO" in capsys.readouterr().err


@pytest.mark.parametrize("below", ["", "out", "one/out", "../set/out"])
def test_a_folder_is_not_prepared_into_itself(tmp_path: Path, capsys, below: str):
    root = class_folder(tmp_path / "set")
    before = sorted(root.rglob("*"))
    assert main(["data", "prepare", str(root), str(root / below)]) == 2
    assert "would then contain its own copy" in capsys.readouterr().err
    assert sorted(root.rglob("*")) == before


def test_an_interrupted_preparation_says_so_and_leaves_nothing(tmp_path: Path, capsys, monkeypatch):
    root = class_folder(tmp_path / "set")

    def interrupted(*values: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wbc.data.pipeline.build._image_name", interrupted)
    command = ["data", "prepare", str(root), str(tmp_path / "out"), "--no-near-duplicates"]
    assert main(command) == 130
    assert "was not written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    monkeypatch.undo()
    assert main(command) == 0


def test_preparation_tells_its_progress(tmp_path: Path):
    told: dict[str, tuple[int, int]] = {}
    prepare(
        class_folder(tmp_path / "set"),
        tmp_path / "out",
        PrepareSettings(),
        progress=lambda what, done, total: told.update({what: (done, total)}),
    )
    assert told["reading"] == told["images"] == (12, 12) and len(told) >= 3


def planned(folder: Path, root: Path, capsys) -> str:
    (folder / "suite.toml").write_text(SUITE.format(path=json.dumps(str(root))))
    assert main(["plan", str(folder / "suite.toml"), "--results", str(folder / "results"), "--json"]) == 0
    return str([trial["id"] for trial in json.loads(capsys.readouterr().out)["trials"]])


def test_data_are_known_by_their_content(tmp_path: Path, capsys):
    (tmp_path / "results" / "cache").mkdir(parents=True)
    root = split_folder(tmp_path / "set", write_color)
    before = planned(tmp_path, root, capsys)
    root.rename(tmp_path / "set-v1")
    assert planned(tmp_path, tmp_path / "set-v1", capsys) == before, "the same bytes are the same data"


def test_a_swap_of_classes_is_noticed(tmp_path: Path, capsys):
    import os

    (tmp_path / "results" / "cache").mkdir(parents=True)

    def write(path: Path, rng: np.random.Generator) -> None:
        Image.fromarray(color(rng)).save(path.with_suffix(".bmp"))
        os.utime(path.with_suffix(".bmp"), ns=(10**18, 10**18))

    root = split_folder(tmp_path / "set", write, ".png", classes=("a1", "a2"))
    before = planned(tmp_path, root, capsys)
    for split in ("train", "validation", "test"):
        (root / split / "a1").rename(root / split / "x")
        (root / split / "a2").rename(root / split / "a1")
        (root / split / "x").rename(root / split / "a2")
    assert planned(tmp_path, root, capsys) != before, "with equal sizes and times"
