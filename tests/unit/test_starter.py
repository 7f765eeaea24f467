"""`init FOLDER`: what is seen in a folder, and a suite that suits it and can be planned at once."""

import json
import os
import zlib
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np
import pytest
from PIL import Image

from bench.commands.main import main
from bench.suite.file import load_suite
from bench.suite.resolve import resolve_suite
from bench.suite.starter import PRESETS, UNEVEN, Seen, _prefixes, look, side_for, suite_text
from wbc.data.layout import AS_IT_IS, FolderOptions


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return tmp_path


def draw(root: Path, names: dict[str, list[str]], size: tuple[int, int] = (40, 40)) -> Path:
    """Noise under these names, by class."""
    noise = np.random.default_rng(zlib.crc32(root.name.encode()))
    for label, files in names.items():
        for name in files:
            path = root / label / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(path)
    return root


def numbered(count: int, pattern: str = "{}.png") -> list[str]:
    return [pattern.format(number) for number in range(count)]


def init(*arguments: str) -> int:
    return main(["init", *arguments])


def trials(path: str = "cells.toml"):
    return resolve_suite(Path(path), Path("results/cache")).trials


def test_a_suite_is_written_that_can_be_planned(here, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    draw(here / "cells", {"a": numbered(12), "b": numbered(4)})
    assert init("cells") == 0
    said = capsys.readouterr().out
    assert "\nWrote cells.toml: 2 trials. Next:\n" in said, "plain on a terminal with colors"
    assert "16 images of 2 classes: 12 a, 4 b" in said and "3.0 times as many" in said
    assert "plan cells.toml" in said and "run cells.toml" in said
    assert "near-duplicates" not in said
    (dataset,) = resolve_suite(Path("cells.toml"), Path("results/cache")).datasets
    assert dataset.ready, "a run finds them split"
    assert main(["plan", "cells.toml", "--only", "lenet5"]) == 0, "needs no weights"
    found = trials()
    assert {trial.settings.mode for trial in found} == {"transfer", "scratch"}
    for trial in found:
        settings = trial.settings
        assert (settings.optimizer.name, settings.optimizer.learning_rate) == ("Adam", 1e-3)
        assert settings.class_weight == "balanced" and settings.early_stopping.patience == 5
        assert settings.image_size == (96 if settings.mode == "transfer" else 32), "small ones are enlarged"
        assert settings.data.split_seed == 0
    assert "docs/suite.md" in Path("cells.toml").read_text()
    capsys.readouterr()
    assert init("cells", "-o", "again.toml", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["counts"] == {"a": 12, "b": 4} and len(said["trials"]) == 2


def test_nothing_is_overwritten_and_nothing_half_written_stays(here, capsys):
    draw(here / "cells", {"a": numbered(3), "b": numbered(3)})
    Path("cells.toml").write_text("mine")
    assert init("cells") == 2
    assert "cells.toml exists already" in capsys.readouterr().err
    assert Path("cells.toml").read_text() == "mine"
    assert init("cells", "-o", "sub/other.toml") == 2 and not Path("sub").exists()
    assert "there is no folder sub for other.toml" in capsys.readouterr().err
    assert init("nowhere") == 2 and not Path("nowhere.toml").exists()
    assert init("cells", "--preset", "tough", "-o", "x.toml") == 2
    assert "Thorough" not in (said := capsys.readouterr().err) and "quick or thorough" in said
    draw(here / "one", {"a": numbered(3)})
    assert init("one") == 2 and not Path("one.toml").exists()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_suite(here, preset):
    draw(here / "cells", {"a": numbered(3), "b": numbered(3)}, (230, 150))
    assert init("cells", "--preset", preset) == 0
    suite, _ = load_suite(Path("cells.toml"))
    assert len(suite.suite.seeds) == (3 if preset == "thorough" else 1)
    found = trials()
    assert {trial.settings.image_size for trial in found} == {128}
    assert all(trial.settings.class_weight is None for trial in found), "classes are even"
    assert "# fit" in Path("cells.toml").read_text(), "images are not square"
    assert all(trial.settings.optimizer.learning_rate == 1e-3 for trial in found)


def test_a_class_whose_images_all_show_the_same_is_told_at_once(here, capsys):
    draw(here / "cells", {"a": numbered(6), "b": numbered(1)})
    image = Image.open(here / "cells" / "b" / "0.png")
    for number in range(1, 5):
        image.rotate(90 * number).save(here / "cells" / "b" / f"{number}.png")
    assert init("cells") == 2 and not Path("cells.toml").exists()
    said = " ".join(capsys.readouterr().err.split())
    assert "class b has too few sources: 1," in said and "such as 0.png, 1.png, 2.png" in said


def test_images_that_are_split_stay_as_they_are(here, capsys):
    for split, count in (("train", 5), ("validation", 2), ("test", 3)):
        draw(here / "cells" / split, {"a": numbered(count), "b": numbered(count)})
    assert init("cells") == 0
    assert "split: 10 train, 4 validation, 6 test" in (said := capsys.readouterr().out)
    assert "data check" in said
    assert all(trial.settings.data.split_seed is None for trial in trials())


def test_train_and_test_alone(here):
    for split, count in (("train", 8), ("test", 3)):
        draw(here / "cells" / split, {"a": numbered(count), "b": numbered(count)})
    assert init("cells") == 0 and trials()


def test_subfolders_are_groups_and_names_may_be(here, capsys):
    draw(here / "cells", {f"{name}/{name}{patient}": numbered(3) for name in "ab" for patient in range(3)})
    assert init("cells") == 0
    assert load_suite(Path("cells.toml"))[0].data.group == "folder"
    capsys.readouterr()
    names = [f"P{patient}_{number}.png" for patient in range(6) for number in range(3)]
    draw(here / "named", {"a": names[:9], "b": names[9:]})
    assert init("named") == 0
    assert "patients or slides" in capsys.readouterr().out
    text = Path("named.toml").read_text()
    assert load_suite(Path("named.toml"))[0].data.group is None
    Path("named.toml").write_text(text.replace("# group", "group"))
    assert trials("named.toml")
    assert look(here / "cells", FolderOptions()).folders


def test_what_the_command_line_says_of_the_folder_is_in_the_suite(here):
    draw(here / "cells", {"all": numbered(6)})
    rows = "".join(f"all/{number}.png,{'ab'[number % 2]}\n" for number in range(6))
    (here / "cells" / "labels.csv").write_text(f"file,class\n{rows}")
    assert init("cells", "--labels", "labels.csv") == 0
    assert load_suite(Path("cells.toml"))[0].data.labels == "labels.csv"
    assert trials()


def test_odd_names_of_folders(here):
    folder = draw(here / 'my "cells" ä', {"a": numbered(3), "b": numbered(3)})
    seen = look(folder, FolderOptions())
    Path("x.toml").write_text(suite_text(seen, folder, "x", "quick", "init"))
    assert load_suite(Path("x.toml"))[0].data.path == str(folder)
    assert init(str(folder)) == 0


def test_a_name_of_a_class_ends_no_comment(here):
    draw(here / "cells", {'a\nseeds = [7]\n[matrix]"\x07': numbered(3), "b": numbered(3)})
    assert init("cells") == 0
    assert load_suite(Path("cells.toml"))[0].suite.seeds == [0]


def test_a_folder_whose_name_is_taken_gets_a_suite_of_another_name(here, capsys):
    draw(here / "cache", {"a": numbered(12), "b": numbered(12)})
    assert init("cache", "--results", "elsewhere") == 0
    assert "run cache.toml --results elsewhere" in capsys.readouterr().out
    assert resolve_suite(Path("cache.toml"), Path("elsewhere/cache")).name == "cache-images"


def test_what_is_no_file_is_named_without_advice_to_remove_it(here, capsys):
    draw(here / "cells", {"a": numbered(12), "b": numbered(12)})
    os.mkfifo(here / "cells" / "a" / "pipe.png")
    assert init("cells") == 2
    said = capsys.readouterr().err
    assert "neither a file nor a folder" in said and "emove" not in said


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["P1_1", "P1_2", "P2_1", "P2_2"], ("P1", 2)),
        (["P1_1", "P1_2", "P1_3"], ("", 0)),  # one beginning is none of several
        (["P1_1", "P1_2", "P2_1", "P3_1"], ("", 0)),  # two of three are shared by nobody
        (["P1_1", "P1_2", "P2_1", "P3_1", "P3_2"], ("P1", 3)),
        (["P1_1", "P1_2", "P2_1"], ("P1", 2)),  # just half of them
        (["P1_1", "P2_1", "P2_2", "x", "y", "z"], ("P2", 2)),  # half of the names have one
        (["P1_1", "P2_1", "P2_2", "x", "y", "z", "w"], ("", 0)),
    ],
)
def test_a_beginning_that_names_share(names: list[str], found: tuple[str, int]):
    assert _prefixes([PurePath("a", f"{name}.png") for name in names]) == found


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "shorter side in pixels: 40"),
        ({"sides": (30, 40, 50)}, "shorter side in pixels: 30 to 50, 40 in the middle"),
        ({"square": False}, "shorter side in pixels: 40; most are not square"),
        ({}, "balance: even"),
        ({"counts": {"a": 3000, "b": 1000}}, "balance: the largest class has 3.0 times as many images as the smallest"),
        ({"counts": {"a": 3000, "b": 1000}}, "4,000 images of 2 classes: 3,000 a, 1,000 b"),
        ({}, "not split yet: one folder for each class"),
        ({"splits": {"train": 1500, "test": 5}}, "split: 1,500 train, 5 test"),
    ],
)  # fmt: skip
def test_what_was_seen_in_sentences(changes: dict, line: str):
    seen = Seen({"a": 4, "b": 4}, {}, (40, 40, 40), True, False, "", 0)
    assert line in replace(seen, **changes).sentences()


@pytest.mark.parametrize(("largest", "even"), [(UNEVEN - 0.01, True), (UNEVEN, False)])
def test_from_which_ratio_on_classes_are_uneven(largest: float, even: bool):
    seen = Seen({"a": round(100 * largest), "b": 100}, {}, (40, 40, 40), True, False, "", 0)
    assert ("balance: even" in seen.sentences()) is even


@pytest.mark.parametrize(
    ("side", "quick", "thorough"),
    [
        *((1, 32, 32), (32, 32, 32), (47, 32, 32), (48, 48, 48), (63, 48, 48), (64, 64, 64), (95, 64, 64)),
        *((96, 96, 96), (127, 96, 96), (128, 128, 128), (159, 128, 128), (160, 128, 160), (191, 128, 160)),
        *((192, 128, 192), (223, 128, 192), (224, 128, 224), (5000, 128, 224)),
    ],
)
def test_networks_get_hardly_more_pixels_than_the_middle_file_has(side: int, quick: int, thorough: int):
    seen = Seen({"a": 4, "b": 4}, {}, (1, side, 9999), True, False, "", 0)
    assert (side_for(seen, "quick"), side_for(seen, "thorough")) == (quick, thorough)


def test_what_is_seen_of_files_of_several_sizes(tmp_path: Path):
    """Their shorter sides, of an even number the upper middle; most are about square below 1.1 to 1."""
    sizes = [(20, 30), (40, 44), (50, 50), (60, 61)]
    for name in "ab":
        (tmp_path / name).mkdir()
        for number, size in enumerate(sizes, start=10 * (name == "b")):
            Image.new("L", size, number).save(tmp_path / name / f"P{number}.png")
    found = look(tmp_path, AS_IT_IS)
    assert (found.counts, found.splits, found.sides) == ({"a": 4, "b": 4}, {}, (20, 50, 60))
    assert (found.square, found.folders, found.images, found.ratio) == (True, False, 8, 1.0)
    for name in "ab":
        for number, path in enumerate(sorted((tmp_path / name).iterdir())):
            Image.new("L", (50, 55), number + 10 * (name == "b")).save(path)
    assert not look(tmp_path, AS_IT_IS).square
