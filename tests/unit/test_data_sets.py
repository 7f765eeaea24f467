"""Data sets in their cache: when one is ready, which are made, and what is known of a folder's files."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bench.trials import datasets
from bench.trials.datasets import DataSet, DataSets, prepare_data
from bench.trials.folder_index import FolderIndex
from bench.trials.made_by import MADE_BY
from bench.trials.settings import DataSettings
from wbc.data import CELL_CLASSES, SPLITS
from wbc.data.bccd import BccdSettings
from wbc.data.folders import FileState, Looked
from wbc.data.layout import AS_IT_IS, FolderOptions
from wbc.data.manifest import ImageEntry, Manifest
from wbc.data.pipeline.decoding import look_at
from wbc.data.pipeline.folds import Splitting
from wbc.data.pipeline.sample import NOT_SAMPLED
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
    told: list[tuple] = []
    one.prepare(lambda *given: told.append(given))
    assert one.ready and external.ready and told == [("drawing", 1, 1)]


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
    state, looked = FileState(5, 7, 1, 2), Looked("hash", Facts(4, 4, 0.0, 255.0))
    index = FolderIndex(tmp_path / "cache" / "index" / "a.json")
    assert index.of("1.png", state) is None
    index.remember({"1.png": looked})
    assert not (tmp_path / "cache").exists()
    (tmp_path / "cache").mkdir()
    index.remember({"1.png": looked})
    again = FolderIndex(index.path)
    assert again.of("1.png", state) == looked and again.of("2.png", state) is None
    for other in ((6, 7, 1, 2), (5, 8, 1, 2), (5, 7, 0, 2), (5, 7, 1, 1)):
        assert again.of("1.png", FileState(*other)) is None
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


def as_json(*content: object) -> str:
    """SHA-256 of compact JSON with sorted keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@pytest.fixture
def code(monkeypatch):
    """Stands for the hash of code; what makes images says what it was asked."""
    monkeypatch.setattr(datasets, "source_digest", lambda *places: f"code of {' '.join(places)}")
    monkeypatch.setattr("wbc.data.synthetic.generate", lambda *given: given)
    monkeypatch.setattr("wbc.data.bccd.import_bccd", lambda *given: given)
    monkeypatch.setattr("wbc.data.bccd.bccd_fingerprint", lambda source: f"files of {source}")
    monkeypatch.setattr("wbc.data.bccd.bccd_photographs", lambda source, basophils: [source, basophils])
    monkeypatch.setattr("wbc.data.folding.split_manifest", lambda *given: given)
    return {source: f"code of {' '.join(places)}" for source, places in MADE_BY.items()}


def test_synthetic_images_are_of_their_settings_and_of_the_code_that_draws_them(tmp_path: Path, code):
    counts = {f"{split}_images_per_class": number for number, split in enumerate(SPLITS, start=2)}
    sets = DataSets(tmp_path, None)
    found = sets.find("synthetic", {**counts, "data_seed": 5}, 32)
    wanted = {**counts, "data_seed": 5, "image_size": 32}
    digest = as_json("synthetic", wanted, code["synthetic"])
    assert found.settings == DataSettings(source="synthetic", digest=digest, **wanted)
    assert (
        found.images == tmp_path / "data" / digest[:16] and found.manifest == found.images / "manifest.json"
    )
    folder, settings = found.make(tmp_path, print)
    assert (folder, asdict(settings)) == (tmp_path, wanted)
    assert sets.find("synthetic", {"data_seed": 5, **counts}, 32) is found
    assert len({one.digest for one in (found, sets.find("synthetic", counts, 32))}) == 2
    assert sets.find("synthetic", {**counts, "data_seed": 5}, 48).settings.image_size == 48


def test_images_of_bccd_are_of_their_settings_the_photographs_and_the_code(tmp_path: Path, code, monkeypatch):
    checked: list[tuple] = []
    monkeypatch.setattr(datasets, "_check_sources", lambda *given: checked.append(given))
    for path, source in ((None, Path("data/bccd")), (tmp_path / "mine", tmp_path / "mine")):
        found = DataSets(tmp_path / "cache", path).find("bccd", {"basophils": True, "split_seed": 3}, 48)
        plain = {"split_seed": 3, "train_images_per_class": None, "margin": 0.1, "image_size": 48}
        plain |= {"background": "keep", "test_cells_per_class": None, "test_copies": 1, "basophils": True}
        digest = as_json("bccd", plain, f"files of {source}", code["bccd"])
        assert found.settings == DataSettings(source="bccd", digest=digest, **plain)
        assert found.classes == ("BASOPHIL", *CELL_CLASSES)
        given = BccdSettings(basophils=True, split_seed=3, image_size=48)
        wanted = (source, tmp_path, given, tmp_path / "cache" / "near-duplicates", print)
        assert found.make(tmp_path, print) == wanted
        assert checked.pop() == ([source, True], Splitting(3))


def test_images_that_are_split_here_are_of_the_files_the_split_and_the_code(
    tmp_path: Path, code, monkeypatch
):
    entries = [ImageEntry(f"{n}.png", "", "ab"[n % 2], str(n), str(n)) for n in range(6)]
    manifest = Manifest(tuple(entries), ("a", "b"), {"reading": {"fit": "pad"}})
    monkeypatch.setattr(DataSets, "_inspect", lambda self, folder, external=False: manifest)
    folder = tmp_path / "cells"
    found = DataSets(tmp_path / "cache", folder).find("folder", {"folds": 3, "fold": 2}, 32)
    splitting = {"split_seed": 0, "folds": 3, "fold": 2}
    digest = as_json("folder", manifest.digest, {"fit": "pad"}, splitting, code["folder"])
    settings = DataSettings(source="folder", digest=digest, name="cells", reading={"fit": "pad"}, **splitting)
    assert found.settings == settings and found.classes == ("a", "b")
    assert (found.images, found.manifest) == (folder, tmp_path / "cache/data" / digest[:16] / "manifest.json")
    place = tmp_path / "cache" / "near-duplicates"
    assert found.make(tmp_path, print) == (manifest, folder, Splitting(0, 3, 2), place, print)


@pytest.mark.parametrize(
    ("options", "grouped"),
    [
        (AS_IT_IS, False),
        (FolderOptions(group="^(P)"), True),
        (FolderOptions(labels="l.csv", group_column="patient"), True),
    ],
)
def test_sources_of_an_external_test_are_compared_where_somebody_named_them(
    tmp_path: Path, monkeypatch, options: FolderOptions, grouped: bool
):
    manifest = Manifest((ImageEntry("1.png", "test", "A", "1", "1"),), ("A",))
    monkeypatch.setattr(DataSets, "_inspect", lambda self, folder, external=False: manifest)
    asked: list[tuple] = []
    monkeypatch.setattr(datasets, "shared", lambda *given: asked.append(given) or "both")
    own, there = tmp_path / "own", tmp_path / "there"
    settings = DataSettings(source="folder", digest="d")
    base = replace(data_set(tmp_path, classes=("A",), warning="before"), settings=settings)
    found = DataSets(tmp_path, own, options=options, test_path=there).with_external_test(base)
    assert asked == [(manifest, manifest, own, there, grouped)] and found.warning == "before both"
    digest = as_json("folder", "external", manifest.digest)
    assert (found.settings.test_name, found.settings.test_digest, found.digest) == ("there", digest, "d")
    assert (found.external.digest, found.external.images, found.external.classes) == (digest, there, ("A",))


def test_grouped_images_are_of_the_images_and_the_groups(tmp_path: Path):
    groups = {"g": ["A"], "h": ["B"]}
    base = data_set(tmp_path, classes=("A", "B"), warning="odd")
    found = DataSets(tmp_path, None, groups=groups)._grouped(base)
    digest = as_json("d1", groups)
    assert (found.digest, found.settings.groups) == (digest, {"g": ("A",), "h": ("B",)})
    assert (found.images, found.classes, found.warning) == (base.images, ("g", "h"), "odd")
    assert found.manifest == tmp_path.absolute() / "data" / digest[:16] / "manifest.json"


def test_a_pilot_is_drawn_by_the_seed_of_its_split(tmp_path: Path, monkeypatch):
    images = tuple(ImageEntry(f"{n}.png", "", "A", str(n), str(n)) for n in range(3))
    asked = []
    monkeypatch.setattr(
        "wbc.data.pipeline.sample.sample", lambda *given: asked.append(given) or (given[0][:2], given[0][2:])
    )
    for data, seed in (({"split_seed": 4}, 4), ({}, 0)):
        found = DataSets(tmp_path, None, most=2)._sampled(Manifest(images, ("A",), {}, {"torn": ["x"]}), data)
        assert asked.pop() == (images, 2, seed) and found.images == images[:2]
        assert found.left_out == {"torn": ["x"], NOT_SAMPLED: ["2.png"]}
    whole = Manifest(images, ("A",))
    assert DataSets(tmp_path, None)._sampled(whole, {}) is whole


def test_a_table_of_labels_is_asked_of_the_own_folder_and_of_another_that_has_it(tmp_path: Path, monkeypatch):
    options, asked = FolderOptions(labels="labels.csv", group="^(P)"), []
    monkeypatch.setattr(
        datasets,
        "inspect_folder",
        lambda folder, known, *given, keep, **more: asked.append((folder, *given, more)),
    )
    sets = DataSets(tmp_path, tmp_path / "own", options=options, reading=Reading(white=9.0))
    (tmp_path / "with").mkdir()
    (tmp_path / "with" / "labels.csv").touch()
    for name, external in (("own", False), ("with", True), ("without", True)):
        sets._inspect(tmp_path / name, external)
    wanted = [
        ("own", options, False),
        ("with", options, True),
        ("without", FolderOptions(group="^(P)"), True),
    ]
    assert asked == [
        (tmp_path / name, of, Reading(white=9.0), {"split": False, "white_optional": external})
        for name, of, external in wanted
    ]


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
