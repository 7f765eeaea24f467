"""Published collections from a server on loopback: small stand-ins of the same layout."""

import hashlib
import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from test_bccd_download import serving

from bench.commands.main import main
from wbc.data import collections
from wbc.data.collections import COLLECTIONS, fetch_collection
from wbc.data.download import RemoteFile
from wbc.data.folders import inspect_folder
from wbc.errors import InputError

COUNTS = {"train": 24, "val": 8, "test": 16}


def small_npz() -> bytes:
    rng, arrays = np.random.default_rng(0), {}
    for part, count in COUNTS.items():
        arrays[f"{part}_images"] = rng.integers(0, 256, (count, 28, 28, 3), np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count) % 8).astype(np.uint8)[:, None]
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def jpeg(seed: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (36, 36, 3), np.uint8)
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


def small_zip(classes=COLLECTIONS["pbc"].classes) -> bytes:
    """As PBC's: a folder, its folders of classes, and what a Mac leaves behind."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, name in enumerate(classes):
            for image in range(3):
                archive.writestr(
                    f"PBC_dataset_normal_DIB/{name}/{name[:2].upper()}_{image}.jpg", jpeg(10 * number + image)
                )
        archive.writestr("PBC_dataset_normal_DIB/.DS_Store", b"x")
        archive.writestr("__MACOSX/PBC_dataset_normal_DIB/ig/._IG_0.jpg", b"x")
        archive.writestr("../../ig/outside.txt", b"x")
    return out.getvalue()


@pytest.fixture
def pinned(monkeypatch):
    """The stand-ins with their own hashes: name -> bytes."""
    contents = {"bloodmnist": small_npz(), "pbc": small_zip()}
    for name, content in contents.items():
        one = COLLECTIONS[name]
        algorithm = one.archive.algorithm
        hashed = replace(one.archive, hash=hashlib.new(algorithm, content).hexdigest())
        monkeypatch.setitem(collections.COLLECTIONS, name, replace(one, archive=hashed))
    return contents


def served(state, name: str, content: bytes) -> None:
    state.content[f"/{COLLECTIONS[name].archive.place}"] = content


def fetch(name, folder, base, **more) -> int:
    return fetch_collection(name, folder, base, sleep=lambda seconds: None, **more)


@pytest.mark.parametrize(
    ("name", "side", "md5"),
    [
        ("bloodmnist", 28, "7053d0359d879ad8a5505303e11de1dc"),
        ("bloodmnist-64", 64, "2b94928a2ae4916078ca51e05b6b800b"),
        ("bloodmnist-128", 128, "adace1e0ed228fccda1f39692059dd4c"),
        ("bloodmnist-224", 224, "b718ff6835fcbdb22ba9eacccd7b2601"),
    ],
)
def test_bloodmnist_is_that_of_its_release_in_each_size(name, side, md5):
    """As the package `medmnist` names files and hashes."""
    one = COLLECTIONS[name]
    file = "bloodmnist.npz" if side == 28 else f"bloodmnist_{side}.npz"
    assert (one.name, one.base, one.license) == (name, "https://zenodo.org", "CC BY 4.0")
    assert one.archive == RemoteFile(file, f"records/10519652/files/{file}", md5, None, "md5")
    assert one.about == f"17,092 images of {side} x {side} pixels, 8 classes, with its own split"
    assert (
        one.classes[1:4] == ("eosinophil", "erythroblast", "immature granulocyte") and len(one.classes) == 8
    )
    assert list(COLLECTIONS) == ["bloodmnist", *(f"bloodmnist-{n}" for n in (64, 128, 224)), "pbc"]


def test_bloodmnist_keeps_its_split_and_every_pixel(pinned, tmp_path):
    with serving() as (state, base):
        served(state, "bloodmnist", pinned["bloodmnist"])
        assert fetch("bloodmnist", tmp_path / "blood", base) == sum(COUNTS.values())
    manifest = inspect_folder(tmp_path / "blood")
    counts = {split: sum(of.values()) for split, of in manifest.counts().items()}
    assert counts == {"train": 24, "validation": 8, "test": 16}
    assert manifest.classes == tuple(sorted(COLLECTIONS["bloodmnist"].classes))
    with np.load(io.BytesIO(pinned["bloodmnist"])) as arrays:
        wanted = arrays["test_images"][13]
    found = np.asarray(Image.open(tmp_path / "blood" / "test" / "monocyte" / "00013.png"))
    np.testing.assert_array_equal(found, wanted)
    assert "CC BY 4.0" in (tmp_path / "blood" / "LICENSE.txt").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blood"]


def test_pbc_becomes_folders_of_classes_with_basophils(pinned, tmp_path):
    with serving() as (state, base):
        served(state, "pbc", pinned["pbc"])
        assert fetch("pbc", tmp_path / "pbc", base) == 24
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pbc"]
    assert len(list((tmp_path / "pbc" / "basophil").iterdir())) == 3
    assert not list(tmp_path.rglob("outside*")) and not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_stopped_is_resumed_or_begun_again(pinned, tmp_path, ranges):
    name = COLLECTIONS["pbc"].archive.place.rpartition("/")[2]
    with serving() as (state, base):
        state.ranges = ranges
        served(state, "pbc", pinned["pbc"])
        state.cut_after[name] = [5000, 5000, 5000]
        with pytest.raises(InputError, match="cannot be downloaded") as caught:
            fetch("pbc", tmp_path / "pbc", base)
        assert "Repeat the command to resume" in caught.value.way_out
        assert not (tmp_path / "pbc").exists()
        state.asked.clear()
        assert fetch("pbc", tmp_path / "pbc", base) == 24
        assert state.asked == [(name, f"bytes={15000 if ranges else 5000}-")]


def test_a_wrong_hash_is_refused_and_begun_again(pinned, tmp_path):
    with serving() as (state, base):
        served(state, "bloodmnist", pinned["bloodmnist"][:-1] + b"!")
        with pytest.raises(InputError, match=r"bloodmnist\.npz is not the pinned file: .* has MD5"):
            fetch("bloodmnist", tmp_path / "blood", base)
        assert list(tmp_path.iterdir()) == []
        served(state, "bloodmnist", pinned["bloodmnist"])
        assert fetch("bloodmnist", tmp_path / "blood", base) == 48


def test_a_wrong_archive_of_the_users_is_refused_and_kept(tmp_path):
    (tmp_path / "bloodmnist.npz").write_bytes(b"another")
    with pytest.raises(InputError, match="is not the pinned file") as caught:
        fetch("bloodmnist", tmp_path / "new" / "blood", None, source=tmp_path)
    assert "discarded" not in caught.value.way_out
    assert (tmp_path / "bloodmnist.npz").read_bytes() == b"another" and not list((tmp_path / "new").iterdir())


def test_a_server_without_a_scheme_is_no_address(tmp_path):
    with pytest.raises(InputError, match="is no address"):
        fetch("bloodmnist", tmp_path / "blood", "example.org")


def test_without_a_known_hash_one_is_asked_for(tmp_path, capsys):
    assert main(["data", "fetch", "pbc", str(tmp_path / "pbc")]) == 2
    assert "--sha256" in capsys.readouterr().err


def test_a_hash_of_all_of_bccd_is_refused(tmp_path, capsys):
    assert main(["data", "fetch", "pbc", str(tmp_path / "pbc"), "--sha256", "0x" + "0" * 62]) == 2
    assert "64 hexadecimal digits" in capsys.readouterr().err
    assert main(["data", "fetch", "bccd", str(tmp_path / "bccd"), "--sha256", "0" * 64]) == 2
    assert "Leave it out" in capsys.readouterr().err and not (tmp_path / "bccd").exists()


def test_the_command_shows_the_licence(pinned, tmp_path, monkeypatch, capsys):
    with serving() as (state, base):
        served(state, "pbc", pinned["pbc"])
        monkeypatch.setenv("LEUKOBENCH_DATA_URL", base)
        digest = hashlib.sha256(pinned["pbc"]).hexdigest()
        assert main(["data", "fetch", "pbc", str(tmp_path / "pbc"), "--sha256", digest]) == 0
    told = capsys.readouterr().out
    assert "24 images" in told and "CC BY 4.0" in told and "Acevedo" in told


def test_an_archive_from_a_folder_is_checked_as_well(pinned, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "bloodmnist.npz").write_bytes(pinned["bloodmnist"])
    assert fetch_collection("bloodmnist", tmp_path / "blood", source=mine) == 48
    assert (mine / "bloodmnist.npz").is_file()
    (mine / "bloodmnist.npz").write_bytes(b"other")
    with pytest.raises(InputError, match="not the pinned file"):
        fetch_collection("bloodmnist", tmp_path / "again", source=mine)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("pbc", small_zip(["ig", "monocyte"]), "no images of basophil"),
        ("pbc", b"no archive", "not the archive"),
        ("bloodmnist", b"no archive", "not the archive"),
    ],
)
def test_an_archive_of_something_else_leaves_nothing(tmp_path, name, content, reason):
    with serving() as (state, base):
        served(state, name, content)
        with pytest.raises(InputError, match=reason):
            fetch(name, tmp_path / "new", base, sha256=hashlib.sha256(content).hexdigest())
    assert not (tmp_path / "new").exists()


def test_an_unknown_name_lists_the_known_ones(tmp_path, capsys):
    assert main(["data", "fetch", "bloodmist", str(tmp_path / "x")]) == 2
    assert "bloodmnist" in capsys.readouterr().err


def test_bytes_are_told_with_those_of_the_whole_or_with_those_that_are_there(pinned, tmp_path, monkeypatch):
    (tmp_path / "PBC_dataset_normal_DIB.zip").write_bytes(pinned["pbc"])
    told = []

    def download(file, base, partial, way_out, told):
        told(5, None)
        told(6, 9)
        partial.write_bytes(pinned["pbc"])

    monkeypatch.setattr(collections, "download", download)
    destination = tmp_path / "new"
    destination.mkdir()
    assert fetch_collection("pbc", destination, progress=lambda *given: told.append(given)) == 24
    assert told[:2] == [("bytes", 5, 5), ("bytes", 6, 9)]
    assert told[2:] == [("images", number, 24) for number in range(1, 25)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["PBC_dataset_normal_DIB.zip", "new"]
    with pytest.raises(InputError) as caught:
        fetch_collection("pbc", destination)
    assert caught.value.what == f"{destination} exists already and is not empty"
    with pytest.raises(InputError) as caught:
        fetch_collection("pbc", tmp_path / "other", source=tmp_path / "new")
    assert caught.value.what == f"{tmp_path / 'new' / 'PBC_dataset_normal_DIB.zip'} is missing"


def test_images_of_an_archive_are_told_one_by_one(pinned, tmp_path):
    (tmp_path / "bloodmnist.npz").write_bytes(pinned["bloodmnist"])
    told = []
    count = fetch_collection(
        "bloodmnist", tmp_path / "new", source=tmp_path, progress=lambda *given: told.append(given)
    )
    assert told == [("images", number, count) for number in range(1, 49)] and count == 48
    text = (tmp_path / "new" / "LICENSE.txt").read_text()
    assert text.startswith(
        "bloodmnist: 17,092 images of 28 x 28 pixels, 8 classes, with its own split.\nCC BY 4.0\n"
    )


@pytest.mark.parametrize(
    ("images", "labels", "held"),
    [
        (np.zeros((2, 4, 4, 3), np.uint8), [0, 7], True),
        (np.zeros((2, 4, 4, 3), np.uint8), [0, 8], False),
        (np.zeros((2, 4, 4, 3), np.int8), [0, 1], False),
        (np.zeros((2, 4, 4), np.uint8), [0, 1], False),
        (np.zeros((2, 4, 4, 4), np.uint8), [0, 1], False),
        (np.zeros((2, 4, 4, 1), np.uint8), [0, 1], False),
        (np.zeros((2, 4, 4, 3), np.uint16), [0, 1], False),
        (np.zeros((2, 4, 3), np.uint8), [0, 1], False),
        (np.zeros((2, 4, 4, 4, 3), np.uint8), [0, 1], False),
        (np.zeros((2, 4, 4, 3), np.uint8), [0, 1, 1], False),
        (np.zeros((2, 4, 4, 3), np.uint8), [0], False),
        (np.zeros((0, 4, 4, 3), np.uint8), [], True),
        (np.zeros((2, 4, 4, 3), np.uint8), [-1, 0], False),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path, images, labels, held):
    arrays = {f"{part}_images": images for part in ("train", "val", "test")}
    arrays |= {f"{part}_labels": np.array(labels, np.int64)[:, None] for part in ("train", "val", "test")}
    np.savez(tmp_path / "bloodmnist.npz", **arrays)
    digest = hashlib.sha256((tmp_path / "bloodmnist.npz").read_bytes()).hexdigest()
    if held:
        made = fetch_collection("bloodmnist", tmp_path / "new", sha256=digest.upper(), source=tmp_path)
        assert made == 3 * len(labels)
        return
    with pytest.raises(InputError, match="does not hold color images of 8 classes as bloodmnist does"):
        fetch_collection("bloodmnist", tmp_path / "new", sha256=digest, source=tmp_path)


def test_a_file_that_is_there_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "PBC_dataset_normal_DIB.zip", "w") as archive:
        for folder in ("one", "two"):
            archive.writestr(f"{folder}/ig/same.JPG", jpeg(1))
    digest = hashlib.sha256((tmp_path / "PBC_dataset_normal_DIB.zip").read_bytes()).hexdigest()
    with pytest.raises(InputError, match=r"holds ig/same\.JPG twice"):
        fetch_collection("pbc", tmp_path / "new", sha256=digest, source=tmp_path)


@pytest.mark.parametrize(
    ("name", "file", "md5", "side"),
    [
        ("bloodmnist", "bloodmnist.npz", "7053d0359d879ad8a5505303e11de1dc", 28),
        ("bloodmnist-64", "bloodmnist_64.npz", "2b94928a2ae4916078ca51e05b6b800b", 64),
        ("bloodmnist-128", "bloodmnist_128.npz", "adace1e0ed228fccda1f39692059dd4c", 128),
        ("bloodmnist-224", "bloodmnist_224.npz", "b718ff6835fcbdb22ba9eacccd7b2601", 224),
    ],
)
def test_where_bloodmnist_lies(name, file, md5, side):
    """The hashes and the order of the labels are those that the package `medmnist` states."""
    one = COLLECTIONS[name]
    assert (one.archive.name, one.archive.place) == (file, f"records/10519652/files/{file}")
    assert (one.name, one.base, one.archive.algorithm) == (name, "https://zenodo.org", "md5")
    assert (one.archive.hash, one.archive.size) == (md5, None)
    assert one.about == f"17,092 images of {side} x {side} pixels, 8 classes, with its own split"
    assert one.license == "CC BY 4.0"
    assert one.citation == (
        "Yang et al., MedMNIST v2, Scientific Data 10:41, 2023; images by "
        "Acevedo et al., Data in Brief 30:105474, 2020"
    )
    assert one.classes == (
        *("basophil", "eosinophil", "erythroblast", "immature granulocyte"),
        *("lymphocyte", "monocyte", "neutrophil", "platelet"),
    )


def test_where_pbc_lies():
    one = COLLECTIONS["pbc"]
    assert (one.name, one.base) == ("pbc", "https://data.mendeley.com")
    assert (one.archive.name, one.archive.algorithm) == ("PBC_dataset_normal_DIB.zip", "sha256")
    assert one.archive.place == (
        "public-files/datasets/snkd93bnjr/files/2fc38728-2ae7-4a62-a857-032af82334c3/file_downloaded"
    )
    assert (one.license, one.citation) == ("CC BY 4.0", "Acevedo et al., Data in Brief 30:105474, 2020")
    assert one.classes == (
        *("basophil", "eosinophil", "erythroblast", "ig"),
        *("lymphocyte", "monocyte", "neutrophil", "platelet"),
    )
    assert list(COLLECTIONS) == ["bloodmnist", "bloodmnist-64", "bloodmnist-128", "bloodmnist-224", "pbc"]
