"""The first suite of a folder, to the letter: what each preset writes, by what was seen and said of the folder."""

from pathlib import Path

import pytest

from bench.suite.starter import Seen, suite_text, write_suite
from wbc.data.layout import FolderOptions
from wbc.data.reading import Reading
from wbc.errors import InputError

QUICK = """\
# Written by: leukobench init
# 4,000 images of 2 classes: 3,000 a, 1,000 b
# shorter side in pixels: 30 to 50, 40 in the middle; most are not square
# balance: the largest class has 3.0 times as many images as the smallest
# not split yet: one folder for each class
# Every key: docs/suite.md. A list where one value is expected makes one trial for each value.

[suite]
name = "cells"

[data]
path = "my cells"
# group = "^([A-Za-z]*[0-9]+)[_-]"  # 4 beginnings of names such as P1: patients or slides? Then uncomment.
split_seed = 0                      # each run splits the images: near-duplicates stay in one split
# folds = 5                         # instead: cross-validation, which tests every image once
image_size = 32                     # of the images that networks get; smaller is faster
# fit = "crop"                      # or "pad"; without it images are squashed to squares

[training]
optimizer = { name = "Adam", learning_rate = 1e-3 }
batch_size = 32
epochs = 20
early_stopping = { patience = 5 }   # ends when validation no longer improves, and takes the best epoch
class_weight = "balanced"           # every class counts the same, however few images it has

[cache]
features = true                     # more epochs or seeds of a frozen backbone need not extract them again

[[matrix]]                          # a pretrained backbone, frozen: only a head is trained
mode = "transfer"                   # Keras downloads the weights once, where they are missing
image_size = 96                     # pretrained networks know larger images, so small ones are enlarged
backbone = { name = "MobileNet", alpha = 0.25 }

[[matrix]]                          # everything from random weights
mode = "scratch"
backbone = "LeNet5"
"""

THOROUGH = """\
# Written by: it x
# 6 images of 2 classes: 3 a, 3 b
# shorter side in pixels: 130 to 150, 140 in the middle
# balance: even
# split: 4 train, 2 test
# Every key: docs/suite.md. A list where one value is expected makes one trial for each value.

[suite]
name = "c"
seeds = [0, 1, 2]                   # every trial three times: intervals of what chance does

[data]
path = "c"
white = 4095
black = 16.0
pages = "max"
labels = "t.csv"
file_column = "f"
label_column = "l"
split_column = "s"
group = "folder"                    # images of one subfolder stay in one split
image_size = 128                    # of the images that networks get; smaller is faster

[training]
optimizer = { name = "Adam", learning_rate = 1e-3 }    # or learning_rate = "search"
batch_size = 32
epochs = 60
early_stopping = { patience = 10 }  # ends when validation no longer improves, and takes the best epoch

[cache]
features = true                     # more epochs or seeds of a frozen backbone need not extract them again

[[matrix]]                          # pretrained backbones, frozen: only a head is trained
mode = "transfer"                   # Keras downloads the weights once, where they are missing
backbone = [{ name = "MobileNet", alpha = 0.5 }, "MobileNetV2", "ResNet50"]

[[matrix]]                          # the head first, then all layers at a tenth of the learning rate
mode = "finetune"
backbone = [{ name = "MobileNet", alpha = 0.5 }, "MobileNetV2"]
augmentation = true                 # turned, shifted, mirrored, in other light

[[matrix]]                          # everything from random weights
mode = "scratch"
backbone = ["LeNet5", { name = "MobileNet", alpha = 0.25 }]
augmentation = true
"""

SMALL = Seen({"a": 3000, "b": 1000}, {}, (30, 40, 50), False, False, "P1", 4)
SPLIT = Seen({"a": 3, "b": 3}, {"train": 4, "test": 2}, (130, 140, 150), True, True, "", 0)


def test_a_quick_suite_of_small_images():
    assert suite_text(SMALL, Path("my cells"), "cells", "quick", "leukobench init") == QUICK


def test_a_thorough_suite_of_images_that_are_split():
    given = FolderOptions(None, "t.csv", "f", "l", "s", None)
    reading = Reading(4095, 16.0, "max")
    assert suite_text(SPLIT, Path("c"), "c", "thorough", "it\nx", given, reading) == THOROUGH


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (FolderOptions(group="folder"), 'group = "folder"'),
        (FolderOptions(labels="t.csv", group_column="g"), 'group_column = "g"'),
    ],
)
def test_what_is_said_of_groups_is_not_guessed(options: FolderOptions, line: str):
    lines = suite_text(SMALL, Path("x"), "x", "quick", "it", options).splitlines()
    assert line in lines and not any("beginnings of names" in one or "subfolder" in one for one in lines)


def test_a_file_that_is_there_stays(tmp_path: Path):
    (tmp_path / "mine.toml").write_text("mine")
    for path, what, way_out in (
        (
            tmp_path / "mine.toml",
            f"{tmp_path}/mine.toml exists already",
            "Give another name with --output, or remove it.",
        ),
        (
            tmp_path / "none" / "x.toml",
            f"there is no folder {tmp_path}/none for x.toml",
            "Make it first, or give another name with --output.",
        ),
    ):
        with pytest.raises(InputError) as caught:
            write_suite(path, "text", lambda _: None)
        assert (caught.value.what, caught.value.way_out) == (what, way_out)
    assert (tmp_path / "mine.toml").read_text() == "mine"


def test_a_suite_that_cannot_be_planned_is_not_left_behind(tmp_path: Path):
    seen = []

    def check(path: Path) -> None:
        seen.append(path.read_text(encoding="utf-8"))
        if len(seen) > 1:
            raise KeyboardInterrupt

    write_suite(tmp_path / "a.toml", "für", check)
    with pytest.raises(KeyboardInterrupt):
        write_suite(tmp_path / "b.toml", "b", check)
    assert seen == ["für", "b"] and [path.name for path in tmp_path.iterdir()] == ["a.toml"]
