"""Data sets in their cache: when one is ready, which are made, and what is known of a folder's files."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bench.trials import datasets
from bench.trials.datasets import DataSet, DataSets, prepare_data
from bench.trials.folder_index import FolderIndex
from bench.trials.settings import DataSettings
from wbc.data import SPLITS
from wbc.data.folders import FileState, Looked
from wbc.data.manifest import ImageEntry, Manifest
from wbc.data.pipeline.decoding import look_at
from wbc.data.reading import Facts, Reading


def data_set(folder: Path, name: str = "d1", images: Path | None = None, **more) -> DataSet:
    """Of one image, which is made in the cache where it lies nowhere else."""
    made = folder / name
    manifest = Manifest((ImageEntry("1.png", "train", "A", "1", ""),), ("A",))

    def make(partial: Path, progress) -> Manifest:
        progress("drawing", 1, 1)
        if images is None:
            (partial / "1.png").write_text(name)
        return manifest

    settings = DataSettings(source="synthetic", digest=name)
    return DataSet(settings, images or made, made / "manifest.json", make, **more)


def test_a_data_set_is_ready_with_all_its_files(tmp_path: Path):
    one = data_set(tmp_path)
    assert (one.ready, one.source, one.digest) == (False, "synthetic", "d1")
    seen: list[tuple] = []
    assert one.prepare(lambda *told: seen.append(told)).images[0].file == "1.png"
    assert one.ready and seen == [("drawing", 1, 1)]
    one.prepare(lambda *told: pytest.fail("it is there"))
    (one.images / "1.png").unlink()
    assert not one.ready
    one.prepare()
    assert (one.images / "1.png").read_text() == "d1"
    one.manifest.write_text("{torn")
    assert not one.ready


def test_images_of_the_users_are_not_looked_for_in_the_cache(tmp_path: Path):
    one = data_set(tmp_path, images=tmp_path / "mine")
    one.prepare()
    assert one.ready and [path.name for path in one.manifest.parent.iterdir()] == ["manifest.json"]


def test_an_external_test_is_made_with_it(tmp_path: Path):
    external = data_set(tmp_path, "d2")
    one = data_set(tmp_path, external=external)
    data_set(tmp_path).prepare()
    assert not one.ready and replace(one, external=None).ready
    one.prepare()
    assert one.ready and external.ready


def test_what_trials_need_and_lack_is_made_in_order(tmp_path: Path):
    sets = [data_set(tmp_path, name) for name in ("a", "b", "c", "d")]
    sets[1].prepare()
    trials = [SimpleNamespace(settings=SimpleNamespace(data=SimpleNamespace(digest=name))) for name in "dbad"]
    said: list[str] = []
    prepare_data(sets, trials, said.append)
    assert said == ["Preparing images: synthetic, set 1 of 2", "Preparing images: synthetic, set 2 of 2"]
    assert [one.ready for one in sets] == [True, True, False, True]
    prepare_data(sets, trials, said.append)
    assert len(said) == 2


def test_a_file_that_has_not_changed_is_known(tmp_path: Path):
    """Nothing is written where there is no cache yet."""
    state, looked = FileState(5, 7), Looked("hash", Facts(4, 4, 0.0, 255.0))
    index = FolderIndex(tmp_path / "cache" / "index" / "a.json")
    assert index.of("1.png", state) is None
    index.remember({"1.png": looked})
    assert not (tmp_path / "cache").exists()
    (tmp_path / "cache").mkdir()
    index.remember({"1.png": looked})
    again = FolderIndex(index.path)
    assert again.of("1.png", state) == looked and again.of("2.png", state) is None
    for other in (FileState(6, 7), FileState(5, 8), FileState(5, 7, 1), FileState(5, 7, 0, 1)):
        assert again.of("1.png", other) is None
    written = index.path.stat().st_mtime_ns
    same = FolderIndex(index.path)
    same.of("1.png", state)
    same.remember({"1.png": looked})
    assert index.path.stat().st_mtime_ns == written, "it is known already"
    index.path.write_text("{torn")
    assert FolderIndex(index.path).known == {}


def test_images_of_a_folder_are_decoded_once(tmp_path: Path, monkeypatch):
    for split in SPLITS:
        for number, name in enumerate("ab"):
            (tmp_path / "own" / split / name).mkdir(parents=True)
            gray = np.full((8, 8), 1000 * number + len(split), np.uint16)
            Image.fromarray(gray).save(tmp_path / "own" / split / name / "1.png")
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "own" / "test" / "a" / "2.png")
    (tmp_path / "cache").mkdir()
    decoded: list[str] = []

    def looked(path: Path, reading: Reading) -> Facts:
        decoded.append(path.name)
        return look_at(path, reading)

    monkeypatch.setattr("wbc.data.pipeline.decoding.look_at", looked)
    found = [
        DataSets(tmp_path / "cache", tmp_path / "own", reading=Reading(white=4095))
        .find("folder", {}, 32)
        .digest
        for _ in range(2)
    ]
    assert found[0] == found[1] and len(decoded) == 7, "the second time they are known"


def test_images_of_bccd_have_no_setting_that_was_not_given(tmp_path: Path, monkeypatch):
    """So that trials keep their keys when another setting is added."""
    for name in ("bccd_photographs", "bccd_fingerprint"):
        monkeypatch.setattr(f"wbc.data.bccd.{name}", lambda *given: "seen")
    monkeypatch.setattr(datasets, "_check_sources", lambda *given: None)
    given = {"fold": 2, "folds": 3, "basophils": True}
    plain = DataSets(tmp_path, None)._bccd({}, 32).settings
    whole = DataSets(tmp_path, None, most=9)._bccd(given, 32).settings
    names = (*given, "max_images_per_class")
    assert [getattr(plain, name) for name in names] == [None] * 4
    assert [getattr(whole, name) for name in names] == [2, 3, True, 9]
    assert plain.digest != whole.digest


def test_what_is_known_of_one_page_says_nothing_of_another(tmp_path: Path):
    second = Image.new("L", (8, 8), 200)
    for number, split in enumerate(SPLITS):
        for gray, name in enumerate("ab", start=2 * number):
            (tmp_path / "own" / split / name).mkdir(parents=True)
            Image.new("L", (8, 8), gray).save(
                tmp_path / "own" / split / name / "1.tif", save_all=True, append_images=[second]
            )
    (tmp_path / "cache").mkdir()
    digests = []
    for page in (1, 2, 1):
        sets = DataSets(tmp_path / "cache", tmp_path / "own", reading=Reading(pages=page))
        digests.append(sets.find("folder", {}, 32).digest)
    assert digests[0] == digests[2] != digests[1]
    kept = [json.loads(path.read_bytes()) for path in (tmp_path / "cache" / "index").iterdir()]
    grays = sorted(facts["high"] for one in kept for _, looked in one.values() for facts in [looked["facts"]])
    assert grays == [*range(6), *[200] * 6]
