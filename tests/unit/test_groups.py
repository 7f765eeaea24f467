"""Images that belong together, by subfolder or by name, stay together in splits and folds."""

from pathlib import Path

import numpy as np
import pytest
from image_folders import write_color

from bench.commands.main import main
from bench.trials.datasets import DataSets
from wbc.data.folders import inspect_folder
from wbc.data.layout import FolderOptions, read_layout, suggested_groups
from wbc.data.manifest import check_groups
from wbc.data.prepare import PrepareSettings, prepare
from wbc.errors import InputError

RNG = np.random.default_rng(3)
FAST = {"near_duplicates": False}


def patients(root: Path, flat: bool) -> Path:
    for name in ("benign", "malignant"):
        for patient in range(6):
            for index in range(3):
                path = root / name / f"P{name[0]}{patient:02d}" / f"{index}.png"
                if flat:
                    path = root / name / f"P{name[0]}{patient:02d}_{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_color(path, RNG)
    return root


@pytest.mark.parametrize("flat", [True, False])
def test_patients_stay_together(tmp_path: Path, flat: bool):
    root = patients(tmp_path / "set", flat)
    options = FolderOptions(group="^(P.*)_" if flat else "folder")
    manifest = prepare(root, tmp_path / "out", PrepareSettings(folder=options, **FAST))
    assert len(manifest.images) == 36 and len({image.source for image in manifest.images}) == 12
    for source in {image.source for image in manifest.images}:
        assert len({image.split for image in manifest.images if image.source == source}) == 1
    assert ("12 groups" in suggested_groups(read_layout(root).images)) == flat
    if not flat:
        with pytest.raises(InputError, match="a folder inside a class folder") as caught:
            prepare(root, tmp_path / "again", PrepareSettings(**FAST))
        assert "--group" in caught.value.way_out


def pooled(root: Path, spelled: str) -> Path:
    for name in ("benign", "malignant"):
        for photograph in range(4):
            for copy in range(3):
                path = root / name / spelled.format(cls=name, photo=photograph, copy=copy)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_color(path, RNG)
    return root


@pytest.mark.parametrize(
    ("spelled", "suggested"),
    [
        ("img{photo:02}_{copy}.png", True),
        ("{cls}{photo}-aug{copy}.png", True),
        ("slide{photo}_crop{copy}.png", True),
        ("P{cls}{photo}_{copy}.png", True),
        ("{cls}_{photo}{copy}.png", False),
        ("IMG_{photo}{copy}.png", False),
        ("{photo}{copy}.png", False),
    ],
)
def test_names_of_augmented_copies_suggest_groups(tmp_path: Path, capsys, spelled: str, suggested: bool):
    root = pooled(tmp_path / "set", spelled)
    said = suggested_groups(read_layout(root).images)
    assert bool(said) == suggested
    assert main(["data", "check", str(root)]) == 2
    assert ("File names suggest 8 groups" in capsys.readouterr().err) == suggested
    if suggested:
        pattern = said.split("--group '")[1].split("'")[0]
        manifest = prepare(
            root, tmp_path / "out", PrepareSettings(folder=FolderOptions(group=pattern), **FAST)
        )
        assert len(manifest.images) == 24 and len({image.source for image in manifest.images}) in (4, 8)


def test_a_pattern_has_to_match_every_name(tmp_path: Path):
    root = patients(tmp_path / "set", True)
    with pytest.raises(InputError, match="matches 18 names of 36"):
        inspect_folder(root, options=FolderOptions(group="^(Pb.*)_"), split=False)


def test_every_source_is_tested_once_in_the_folds(tmp_path: Path):
    root = patients(tmp_path / "set", False)
    sets = DataSets(tmp_path / "cache", root, options=FolderOptions(group="folder"))
    (tmp_path / "cache").mkdir()
    folds = [sets.find("folder", {"folds": 3, "fold": fold}, 32) for fold in (1, 2, 3)]
    assert len({one.digest for one in folds}) == 3
    made = [one.prepare() for one in folds]
    tested = [source for one in made for source in {image.source for image in one.split("test")}]
    assert len(tested) == len(set(tested)) == 12
    for one in made:
        assert len(one.images) == 36
        by_split = [{image.source for image in one.split(name)} for name in ("train", "validation", "test")]
        assert all(by_split) and len(set.union(*by_split)) == sum(map(len, by_split))
        assert {image.class_name for image in one.split("test")} == {"benign", "malignant"}


@pytest.mark.parametrize("groups", [{"g": ("a", "a"), "h": ("b",)}, {"g": ("a",), "h": ("b", "a")}])
def test_a_class_is_named_once_in_all_groups(groups):
    check_groups({"g": ("a",), "h": ("b",)}, ("a", "b"))
    with pytest.raises(InputError) as caught:
        check_groups(groups, ("a", "b"))
    assert caught.value.what == "the class a is in groups twice"
