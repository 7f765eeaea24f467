"""What a trial reads comes to a node that does not see it, once, whole and verified; without Ray."""

import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from bench.runner.cluster.inputs import Depot, Inputs, _features_for, fetch
from bench.runner.cluster.transfer import LARGE
from bench.trials.layout import ENTRY
from wbc.data.manifest import ImageEntry, Manifest
from wbc.files import file_sha256

UNSEEN = "/no/such/folder/of-the-driver"


class Store:
    """The driver's folder under a path that the node does not see. Counts what it sends, and may fail."""

    def __init__(self, folder: Path, path: str = UNSEEN):
        self.folder, self.path, self.depot, self.sent, self.breaks_after = folder, path, Depot(), 0, None

    def here(self, text: str) -> str:
        return text.replace(self.path, str(self.folder))

    def needs(self, specification):
        told = self.depot.needs(json.loads(self.here(json.dumps(specification))))
        files = {path.replace(str(self.folder), self.path): digest for path, digest in told.files.items()}
        return msgspec.structs.replace(told, files=files)

    def read(self, paths, offset):
        if self.breaks_after == 0:
            raise ConnectionError
        if self.breaks_after:
            self.breaks_after -= 1
        pieces = self.depot.read([self.here(path) for path in paths], offset)
        self.sent += sum(len(piece.content) for piece in pieces)
        return pieces


def write(path: Path, content: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def driver(tmp_path) -> Path:
    """Weights of more than a piece, and two data sets of one folder: the second has an image more."""
    folder = tmp_path / "driver"
    write(folder / "weights" / "LeNet5.weights.h5", bytes(range(256)) * (LARGE // 100))
    contents = {"train/A/1.png": b"one", "train/B/1.png": b"two", "test/A/1.png": b"one", "test/B/9.png": b""}
    entries = [
        ImageEntry(
            name, name.split("/")[0], name.split("/")[1], name, write(folder / "images" / name, content)
        )
        for name, content in contents.items()
    ]
    for number, images in enumerate((entries[:3], entries)):
        place = folder / "cache" / str(number)
        place.mkdir(parents=True)
        Manifest(tuple(images), ("A", "B")).write(place)
    return folder


def reads(root: str | Path, number: int = 0) -> dict:
    """A specification."""
    return {
        "manifest": f"{root}/cache/{number}/manifest.json",
        "data_folder": f"{root}/images",
        "weights": {"kind": "file", "path": f"{root}/weights/LeNet5.weights.h5"},
        "network": "LeNet5",
    }


def test_what_a_node_lacks_comes_once(driver, tmp_path):
    store, home = Store(driver), tmp_path / "node"

    def trial(number: int) -> tuple[Inputs, dict]:
        inputs = Inputs(home, store.needs, store.read)
        return inputs, inputs.place(reads(UNSEEN, number))

    inputs, placed = trial(0)
    weights = (driver / "weights" / "LeNet5.weights.h5").stat().st_size
    manifests = [(driver / "cache" / name / "manifest.json").stat().st_size for name in "01"]
    assert inputs.received == store.sent == weights + manifests[0] + len("one") + len("two")
    assert placed["network"] == "LeNet5" and placed["weights"]["kind"] == "file"
    for path in (placed["manifest"], placed["data_folder"], placed["weights"]["path"]):
        assert Path(path).is_relative_to(home)
    assert Path(placed["weights"]["path"]).name == "LeNet5.weights.h5", "Keras goes by the name"
    for image in Manifest.read_file(Path(placed["manifest"])).images:
        assert (Path(placed["data_folder"]) / image.file).read_bytes() == (
            driver / "images" / image.file
        ).read_bytes()
    inputs, again = trial(0)
    assert inputs.received == 0 and again == placed
    inputs, other = trial(1)
    assert inputs.received == manifests[1], "the image that is new is empty; the others are there"
    assert (Path(other["data_folder"]) / "test/B/9.png").is_file()
    assert store.sent == weights + sum(manifests) + len("onetwo")

    (Path(placed["data_folder"]) / "train/A/1.png").write_bytes(b"bad")  # a disk that loses bytes
    inputs, mended = trial(0)
    assert inputs.received == len("one") and mended == placed
    assert (Path(placed["data_folder"]) / "train/A/1.png").read_bytes() == b"one"


def test_what_a_node_sees_is_not_sent_unless_it_is_something_else(driver, tmp_path):
    inputs = Inputs(tmp_path / "node", Depot().needs, Depot().read)
    assert inputs.place(reads(driver, 1)) == reads(driver, 1) and inputs.received == 0

    theirs = tmp_path / "theirs"  # the same path on the node, with another image
    write(theirs / "images" / "train/A/1.png", b"another")
    write(theirs / "images" / "train/B/1.png", b"two")
    write(theirs / "images" / "test/A/1.png", b"one")
    store = Store(driver, str(theirs))
    placed = Inputs(tmp_path / "node", store.needs, store.read).place(reads(theirs))
    assert (Path(placed["data_folder"]) / "train/A/1.png").read_bytes() == b"one"


def test_a_node_that_is_cut_off_goes_on_with_what_came(driver, tmp_path):
    store, home = Store(driver), tmp_path / "node"
    store.breaks_after = 3  # in the middle of the weights
    with pytest.raises(ConnectionError):
        Inputs(home, store.needs, store.read).place(reads(UNSEEN))
    assert not list(home.glob("folders/*.partial"))
    before, store.breaks_after = store.sent, None
    inputs = Inputs(home, store.needs, store.read)
    placed = inputs.place(reads(UNSEEN))
    weights = driver / "weights" / "LeNet5.weights.h5"
    assert Path(placed["weights"]["path"]).read_bytes() == weights.read_bytes()
    assert inputs.received == store.sent - before == weights.stat().st_size, "images were there"
    assert not list(home.rglob("*.partial"))


def test_a_checkpoint_of_many_pieces_comes_whole_and_in_order(tmp_path):
    depot, theirs = Depot(), tmp_path / "driver"
    contents = {"training.checkpoint": bytes(range(256)) * (3 * LARGE // 256) + b"end", "empty": b""}
    for name, content in contents.items():
        write(theirs / name, content)
    write(theirs / "training.checkpoint.9.partial", b"half")
    files = depot.files(str(theirs))
    fetch(files, tmp_path / "node", depot.read)
    assert {path.name: path.read_bytes() for path in (tmp_path / "node").iterdir()} == contents
    assert depot.files(str(tmp_path / "none")) == []
    fetch([], tmp_path / "none", depot.read)
    assert not (tmp_path / "none").exists()


def test_a_file_that_changes_meanwhile_is_refused(driver, tmp_path):
    store = Store(driver)
    for name in ("train/A/1.png", "test/A/1.png"):
        write(driver / "images" / name, b"changed")
    with pytest.raises(OSError, match=r"/A/1\.png has changed on the driver's machine"):
        Inputs(tmp_path / "node", store.needs, store.read).place(reads(UNSEEN))
    assert not any("images" in str(path) for path in (tmp_path / "node" / "folders").rglob("*.png"))


def test_a_file_that_changed_at_the_same_size_is_another_file(driver, tmp_path):
    store, manifest = Store(driver), Path(reads(driver)["manifest"])
    first = store.depot.needs(reads(driver)).files[str(manifest)]
    os.utime(manifest, ns=(1, 1))
    assert store.depot.needs(reads(driver)).files[str(manifest)] == first
    manifest.write_bytes(manifest.read_bytes().replace(b"train/A/1", b"train/A/2"))
    assert store.depot.needs(reads(driver)).files[str(manifest)] == file_sha256(manifest) != first


def test_shared_features_come_where_they_fit_the_trial(driver, tmp_path):
    features = driver / "features"
    for name, network in (("fits", "LeNet5"), ("other", "VGG16")):
        digest = write(features / name / "train.npy", name.encode())
        about = {"files": {"train": digest}, "made_from": {"network": network, "weights": "a hash"}}
        write(features / name / "entry.json", json.dumps(about).encode())
    write(features / "damaged" / "entry.json", b"{")
    store, home = Store(driver), tmp_path / "node"
    specification = {**reads(UNSEEN), "feature_cache": {"folder": f"{UNSEEN}/features", "limit_bytes": 9}}
    for sends in (True, False):
        inputs, before = Inputs(home, store.needs, store.read), store.sent
        placed = inputs.place(specification)
        folder = Path(placed["feature_cache"]["folder"])
        assert folder == home / "features" and placed["feature_cache"]["limit_bytes"] == 9
        assert {path.name for path in folder.iterdir()} == {"fits"}
        assert (folder / "fits" / "train.npy").read_bytes() == b"fits"
        assert (store.sent > before) is sends

    seen = {**reads(driver), "feature_cache": {"folder": str(features), "limit_bytes": 9}}
    inputs = Inputs(tmp_path / "other-node", Depot().needs, Depot().read)
    assert inputs.place(seen) == seen and inputs.received == 0


def test_a_piece_is_as_large_as_is_sent_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.runner.cluster.inputs.LARGE", 10)
    sizes = {"a": 4, "b": 6, "c": 3}
    paths = []
    for name, size in sizes.items():
        paths.append(str(tmp_path / name))
        (tmp_path / name).write_bytes(name.encode() * size)
    files = Depot()
    found = [
        [(one.name, one.offset, one.content, one.whole) for one in files.read(*asked)]
        for asked in (
            (paths, 0),
            (paths[1:], 4),
            (paths[::-1], 0),
            ([paths[0]], 4),
        )
    ]
    a, b, c = paths
    assert found[0] == [(a, 0, b"aaaa", True), (b, 0, b"bbbbbb", True)]
    assert found[1] == [(b, 4, b"bb", True), (c, 0, b"ccc", True)]
    assert found[2] == [(c, 0, b"ccc", True), (b, 0, b"bbbbbb", True), (a, 0, b"a", False)]
    assert found[3] == [(a, 4, b"", True)]


def test_a_large_file_behind_a_small_one_comes_whole(tmp_path, monkeypatch):
    """Ten bytes at a time: what is left of an answer belongs to the next file."""
    monkeypatch.setattr("bench.runner.cluster.inputs.LARGE", 10)
    contents = {"a": b"1234", "b": bytes(range(25)), "c": b"xy", "d": b""}
    files = {name: write(tmp_path / "driver" / name, content) for name, content in contents.items()}
    inputs = Inputs(tmp_path / "node", lambda specification: None, Depot().read)
    with inputs._alone():
        inputs._receive(tmp_path / "driver", files)
    kept = {name: (tmp_path / "node" / "files" / digest).read_bytes() for name, digest in files.items()}
    assert kept == contents and inputs.received == 31


def test_only_features_made_for_such_trials_are_sent_and_pixels_never(tmp_path):
    """Entries that are damaged, of pixels or of other trials do not hide those that come after them."""

    def entry(name: str, content: object) -> Path:
        (tmp_path / name).mkdir()
        path = tmp_path / name / ENTRY
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    files = {"train": "t1", "test": "t2"}
    found = [
        entry("torn", "{"),
        entry("list", []),
        entry("bare", {"made_from": {"weights": "w"}}),
        entry("pixels", {"made_from": {"network": "VGG16"}, "files": files}),
        entry("other", {"made_from": {"weights": "w", "network": "VGG19"}, "files": files}),
        entry("same", {"made_from": {"weights": "w", "network": "VGG16", "more": 1}, "files": files}),
    ]
    cache = SimpleNamespace(glob=lambda pattern: found if pattern == f"*/{ENTRY}" else [])
    wanted = {"weights": "another place", "network": "VGG16", "mode": "transfer"}
    digest = hashlib.sha256(found[-1].read_bytes()).hexdigest()
    assert _features_for(cache, wanted) == {"same": {"train.npy": "t1", "test.npy": "t2", ENTRY: digest}}
