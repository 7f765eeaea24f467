"""The files of a cache: names, what is written, when pages leave the process, and how much room there is."""

import hashlib
import json
import mmap
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from wbc import kept
from wbc.kept import ABOUT, Entry, Mapped, in_memory, keep_once, key_of, make_room
from wbc.specification import FeatureCache


def make(place):
    """A thousand bytes of numbers, and 128 of a header."""
    numbers = place("train", (50, 5), np.float32)
    numbers[:] = 7
    return {"train": numbers}, {"cost": {"batches": 4}}


def through(folder: Path, name: str = "a", limit: int = 10**9, tag: str = "t/attempt-1"):
    return keep_once(FeatureCache(folder, limit, tag), {"name": name}, make, lambda: None)


def test_the_name_of_an_entry_is_a_hash_of_what_it_depends_on_in_any_order():
    text = '{"a": "x/y", "b": 2}'
    expected = hashlib.sha256(text.encode()).hexdigest()[:32]
    assert key_of({"b": 2, "a": Path("x/y")}) == key_of({"a": Path("x/y"), "b": 2}) == expected


def test_what_is_not_kept_is_a_plain_array():
    found = in_memory("train", (2, 3), np.uint8)
    assert (type(found), found.shape, found.dtype) == (np.ndarray, (2, 3), np.uint8)


def test_what_is_written_of_an_entry(tmp_path):
    folder = tmp_path / "deep" / "cache"
    made = through(folder)
    entry = folder / key_of({"name": "a"})
    text = (entry / ABOUT).read_text()
    about = json.loads(text)
    assert sorted(path.name for path in entry.iterdir()) == [ABOUT, "train.npy"] and text.endswith("}\n")
    assert about.pop("extraction_s") >= 0 and about.pop("extraction_cpu_s") >= 0
    digest = hashlib.sha256((entry / "train.npy").read_bytes()).hexdigest()
    assert about == {
        **{"made_by": "t/attempt-1", "cost": {"batches": 4}, "files": {"train": digest}},
        "made_from": {"name": "a"},
    }
    assert made.more == {"cost": {"batches": 4}, "made_from": {"name": "a"}}
    assert set(made.figures) == {"extraction_s", "extraction_cpu_s"}
    assert through(folder, tag="u/attempt-1").figures["made_by"] == "t/attempt-1"
    assert (np.load(entry / "train.npy") == 7).all() and isinstance(made.arrays["train"], Mapped)
    assert (tmp_path / "deep" / "cache" / ".locks" / entry.name).read_bytes() == b""


def test_files_are_compared_with_their_hashes_unless_they_were_just_written(tmp_path):
    through(tmp_path)
    entry = Entry(tmp_path / key_of({"name": "a"}))
    with (entry.folder / "train.npy").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    assert entry.read() is None
    assert entry.read(check=False).arrays["train"].shape == (50, 5)
    assert Entry(tmp_path / "none").read() is None


def test_reading_an_entry_is_using_it(tmp_path):
    through(tmp_path)
    about = tmp_path / key_of({"name": "a"}) / ABOUT
    os.utime(about, ns=(10**9, 10**9))
    through(tmp_path)
    assert about.stat().st_mtime_ns > 10**18


@pytest.mark.parametrize(("limit", "shared"), [(1000, True), (999, False)])
def test_an_array_that_fits_exactly_is_kept(tmp_path, limit, shared):
    made = through(tmp_path, limit=limit)
    assert made.figures.get("not_shared") == (None if shared else "the limit of the cache is too low")
    assert (tmp_path / key_of({"name": "a"})).is_dir() is shared and (made.arrays["train"] == 7).all()


def test_entries_that_fit_exactly_stay(tmp_path):
    for number, name in enumerate("abc"):
        through(tmp_path, name)
        os.utime(tmp_path / key_of({"name": name}) / ABOUT, ns=(number, number))
    sizes = [
        sum(path.stat().st_size for path in (tmp_path / key_of({"name": name})).iterdir()) for name in "abc"
    ]

    def left() -> str:
        return "".join(name for name in "abc" if (tmp_path / key_of({"name": name})).is_dir())

    assert make_room(tmp_path, sum(sizes)) and left() == "abc"
    assert make_room(tmp_path, sum(sizes) - 1) and left() == "bc"
    assert make_room(tmp_path, sizes[2]) and left() == "c"
    assert not make_room(tmp_path, -1) and left() == ""


def test_what_cannot_be_removed_yet_is_out_of_the_way(tmp_path, monkeypatch):
    def refused(*given, **more):
        raise PermissionError

    through(tmp_path)
    monkeypatch.setattr(os, "rmdir", refused)
    assert make_room(tmp_path, 0) and not (tmp_path / key_of({"name": "a"})).exists()
    assert make_room(tmp_path, 0) and list(tmp_path.glob("*.partial")), "later, perhaps"


def test_what_another_process_still_writes_is_not_swept_away(tmp_path):
    partial = tmp_path / "key.partial"
    partial.mkdir()
    with Entry(tmp_path / "key").being_made(lambda: None):
        assert make_room(tmp_path, 0) and partial.is_dir()
    assert make_room(tmp_path, 0) and not partial.exists()


def test_pages_leave_the_process_once_more_than_so_many_bytes_were_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "IN_PROCESS_BYTES", 100)
    numbers = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (200,)).view(Mapped)
    advice: list[int] = []
    numbers._mmap = SimpleNamespace(madvise=advice.append)
    numbers[:60] = 1
    assert (numbers[60:100] == 0).all() and type(numbers[:0]) is np.ndarray and advice == []
    numbers[100:101] = 2
    assert advice == [mmap.MADV_DONTNEED]
    numbers[:100] = 3
    assert len(advice) == 1, "it is counted anew"
    assert numbers[0] == 3 and len(advice) == 2
