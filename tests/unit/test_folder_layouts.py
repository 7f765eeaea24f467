"""Folders and tables as people have them: which part and class an image belongs to; nothing is lost in silence."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from image_folders import class_folder, color, split_folder, write_color
from PIL import Image

from bench.commands.main import main
from bench.trials.datasets import DataSets
from wbc.data.check import check_folder
from wbc.data.folders import inspect_folder
from wbc.data.layout import FolderOptions, read_layout, split_meant
from wbc.data.prepare import PrepareSettings, prepare
from wbc.errors import InputError

RNG = np.random.default_rng(3)
FAST = {"near_duplicates": False}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("TRAIN", "train"), ("Training", "train"), ("train_set", "train"), ("trainImages", "train"),
        ("val", "validation"), ("VALID", "validation"), ("dev", "validation"), ("val2017", "validation"),
        ("Testing", "test"), ("TEST_SIMPLE", "test"), ("test-set", "test"),
        ("test_tube", None), ("trained", None), ("latest", None), ("MONOCYTE", None), ("train_test", None),
    ],
)  # fmt: skip
def test_names_of_splits_are_known_in_any_spelling(name: str, split: str | None):
    assert split_meant(name) == split


@pytest.mark.parametrize("names", [("TRAIN", "TEST"), ("train", "test"), ("Training", "TEST_SIMPLE")])
def test_validation_is_taken_out_of_train(tmp_path: Path, names: tuple[str, str]):
    counts = {names[0]: 8, names[1]: 4}
    root = split_folder(tmp_path / "set", write_color, counts=counts)
    assert main(["data", "check", str(root)]) == 0
    manifest = prepare(root, tmp_path / "out", PrepareSettings(**FAST))
    assert manifest.classes == ("one", "two")
    test = {path.read_bytes() for path in (root / names[1]).rglob("*.png")}
    assert {(tmp_path / "out" / one.file).read_bytes() for one in manifest.split("test")} == test
    assert {one.class_name for one in manifest.split("validation")} == {"one", "two"}
    assert len(manifest.images) == 24
    data = DataSets(tmp_path / "cache", root).find("folder", {}, 32)
    (tmp_path / "cache").mkdir()
    made = data.prepare()
    assert {one.file for one in made.split("test")} == {
        one.file for one in inspect_folder(root).split("test")
    }
    assert made.split("validation") and len(made.images) == 24


def test_all_absences_are_said_at_once(tmp_path: Path, capsys):
    root = split_folder(tmp_path / "set", write_color, classes=("basophil", "monocyte"))
    (root / "test" / "monocyte").rename(root / "test" / "monocytes")
    for path in (root / "validation" / "basophil").iterdir():
        path.unlink()
    assert main(["data", "check", str(root)]) == 2
    said = capsys.readouterr().err
    assert "class monocytes is missing from" in said and "did you mean monocytes?" in said
    assert "class monocyte is missing from test" in said
    assert "\nvalidation/basophil contains no image" in said
    for path in (root / "test").rglob("*.png"):
        path.rename(root / "test" / path.name)
    for name in ("basophil", "monocytes"):
        (root / "test" / name).rmdir()
    assert main(["data", "check", str(root)]) == 2
    assert "but no class folders" in capsys.readouterr().err


def test_two_unicode_forms_are_one_class(tmp_path: Path):
    root = split_folder(tmp_path / "set", write_color, classes=("grün", "rot"))
    (root / "test" / "grün").rename(root / "test" / unicodedata.normalize("NFD", "grün"))
    report = check_folder(root)
    assert report.manifest.classes == ("grün", "rot")
    assert "2 Unicode forms" in " ".join(report.warnings)


def test_pictures_and_outlines_are_no_classes(tmp_path: Path):
    root = class_folder(tmp_path / "set", classes=("images", "masks"))
    for verb in (["check", str(root)], ["prepare", str(root), str(tmp_path / "out")]):
        assert main(["data", *verb]) == 2


@pytest.mark.parametrize("suffix", [".txt", ".json", ".xml", ".csv"])
def test_sidecars_are_passed_over_and_counted_by_all(tmp_path: Path, suffix: str):
    root = split_folder(tmp_path / "set", write_color)
    text = "<a><object><name>RBC</name></object></a>" if suffix == ".xml" else "0 0.5 0.5 1 1\n"
    for path in list(root.rglob("*.png")):
        path.with_suffix(suffix).write_text(text)
    for folder in (root / "__MACOSX" / "train", root / "train" / ".ipynb_checkpoints"):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(b"junk")
    left_out = inspect_folder(root).left_out
    assert {reason: len(files) for reason, files in left_out.items()} == {f"no image ({suffix})": 14}
    assert check_folder(root).manifest.left_out == left_out
    if suffix != ".xml":  # boxes, which prepare reads
        manifest = prepare(root / "train", tmp_path / "out", PrepareSettings(**FAST))
        assert len(manifest.left_out[f"no image ({suffix})"]) == 6 and len(manifest.images) == 6


def test_no_image_is_lost_for_its_name(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for index in range(3):
            for file in (
                f"a{index}.png",
                f"a{index}.jpg",
                f"a{index}-png.png",
                f"A{index}.PNG",
                f"a{index}-a01.png",
            ):
                Image.fromarray(color(RNG)).save(tmp_path / "set" / name / file)
    manifest = prepare(tmp_path / "set", tmp_path / "out", PrepareSettings(train=60, **FAST))
    originals = {image.source for image in manifest.images}
    assert len(originals) == 30 - len(manifest.left_out.get("more cells than images are asked for", []))
    lowered = [image.file.casefold() for image in manifest.images]
    assert len(set(lowered)) == len(lowered)


def test_equal_bytes_under_two_classes_are_refused(tmp_path: Path, capsys):
    root = split_folder(tmp_path / "set", write_color)
    (root / "test" / "two" / "again.png").write_bytes((root / "train" / "one" / "o0.png").read_bytes())
    assert main(["data", "check", str(root)]) == 2
    assert "train/one/o0.png = test/two/again.png" in capsys.readouterr().err
    with pytest.raises(InputError, match="contradict"):
        inspect_folder(root)
    (root / "test" / "two" / "again.png").unlink()
    (root / "test" / "two" / "again.png").write_bytes((root / "test" / "two" / "t0.png").read_bytes())
    entries = {image.file: image.source for image in inspect_folder(root).images}
    assert entries["test/two/t0.png"] == entries["test/two/again.png"], "equal bytes are one source"
    assert "1 image is a copy" in " ".join(check_folder(root).warnings)


def test_labels_in_a_table(tmp_path: Path, capsys):
    root = tmp_path / "set"
    lines = ["image_id;dx;patient"]
    for part, count in {"train": 12, "test": 3}.items():
        (root / part).mkdir(parents=True)
        for index in range(count):
            write_color(root / part / f"{part}_{index}.png", RNG)
            if part == "train":
                lines.append(f"train_{index};{('benign', 'malignant')[index % 2]};P{index // 2}")
    (root / "train.csv").write_text("\n".join(lines) + "\n")
    assert main(["data", "prepare", str(root), str(tmp_path / "no")]) == 2
    assert "train.csv" in capsys.readouterr().err
    options = FolderOptions(labels="train.csv", label_column="dx", group_column="patient")
    manifest = prepare(root, tmp_path / "out", PrepareSettings(folder=options, **FAST))
    assert manifest.classes == ("benign", "malignant") and len(manifest.images) == 12
    assert len(manifest.left_out["no row in train.csv"]) == 3
    assert len({image.source for image in manifest.images}) == 6
    with pytest.raises(InputError, match="no column 'dy'"):
        read_layout(root, FolderOptions(labels="train.csv", label_column="dy"))
    with pytest.raises(InputError, match="no table that is read"):
        read_layout(root, FolderOptions(labels="train.xlsx"))


def test_a_plan_says_what_is_left_out(tmp_path: Path):
    root = split_folder(tmp_path / "set", write_color)
    for path in (root / "cover.png", root / "train" / "stray.png"):
        write_color(path, RNG)
    (root / "notes.txt").touch()
    with pytest.raises(InputError, match="outside of its class folders"):
        inspect_folder(root)
    (root / "train" / "stray.png").unlink()
    said = DataSets(tmp_path / "cache", root).find("folder", {}, 32).warning
    assert f"1 file of {root} is left out: 1 outside of the splits, in the folder itself." in said


def test_a_table_may_name_splits(tmp_path: Path):
    root = tmp_path / "set"
    root.mkdir()
    lines = ["file\tlabel\tpart"]
    for index in range(12):
        write_color(root / f"{index}.png", RNG)
        lines.append(f"{index}.png\t{'ab'[index % 2]}\t{('TRAIN', 'val', 'Testing')[index // 2 % 3]}")
    (root / "all.tsv").write_text("\n".join(lines) + "\n")
    options = FolderOptions(labels="all.tsv", split_column="part")
    assert {split: sum(count.values()) for split, count in inspect_folder(root, options=options).counts().items()} == {
        "train": 4, "validation": 4, "test": 4,
    }  # fmt: skip
    (root / "all.tsv").write_text("\n".join([*lines, "0.png\tb\tTRAIN"]) + "\n")
    with pytest.raises(InputError, match="different things"):
        inspect_folder(root, options=options)
