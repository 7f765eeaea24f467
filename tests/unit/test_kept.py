"""Arrays that trials share: when they are the same ones, what is found, evicted, damaged, or in the way."""

import errno
import json
import os
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from training_equipment import Interrupted, Notes, draw_noisy_images, small_training

from wbc import experiment, kept
from wbc.data.loading import Split
from wbc.kept import ABOUT, Entry, Mapped, keep_once, key_of, make_room
from wbc.specification import Checkpointing, FeatureCache, Specification
from wbc.training.feature_cache import ingredients_of

COST = {"cost": {"batches": 4}}
LARGE = 10**9


def cache_in(folder: Path, limit: int = LARGE, tag: str = "one/attempt-1") -> FeatureCache:
    return FeatureCache(folder, limit, tag, {"tensorflow": "2.21.0", "device": "a processor"})


class Extraction:
    """Makes features and counts how often."""

    def __init__(self, value: float = 1.0, count: int = 50):
        self.value, self.count, self.calls, self.waited = value, count, 0, 0

    def __call__(self, place):
        self.calls += 1
        features = place("train", (self.count, 1, 1, 5), np.float32)
        features[:] = self.value
        return {"train": features}, COST

    def through(self, cache: FeatureCache, name: str = "a"):
        return keep_once(cache, {"name": name}, self, self.wait)

    def wait(self):
        self.waited += 1


def names(folder: Path) -> list[str]:
    """What lies in a cache, but for locks."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".locks")


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return draw_noisy_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def uncached(images) -> tuple[Specification, Notes]:
    """An experiment that keeps nothing, and what it reports."""
    plain, notes = replace(small_training(images), mode="transfer", epochs=3), Notes()
    experiment.run(plain, notes)
    return plain, notes


def test_what_is_found_gives_the_same_result_to_the_bit(uncached, tmp_path):
    plain, alone = uncached
    first, second = Notes(), Notes()
    for notes, tag in ((first, "t/attempt-1"), (second, "u/attempt-1")):
        experiment.run(replace(plain, feature_cache=cache_in(tmp_path, tag=tag)), notes)
    assert np.array_equal(alone.probabilities, first.probabilities)
    assert np.array_equal(alone.probabilities, second.probabilities)
    assert alone.epochs == first.epochs == second.epochs
    made, found = first.phases["features"], second.phases["features"]
    assert "made_by" not in made and found.pop("made_by") == "t/attempt-1"
    assert made == found and made["extraction_s"] > 0
    assert alone.phases["features"] == {name: made[name] for name in ("images", "bytes")}
    assert first.phases["evaluate"]["model_bytes"] == second.phases["evaluate"]["model_bytes"]


def test_the_next_attempt_resumes_with_features_that_it_finds(uncached, tmp_path):
    plain, alone = uncached

    def attempt(number: int) -> dict:
        checkpoint = Checkpointing(tmp_path / "checkpoint", every_epochs=1, tag=str(number))
        return {"checkpoint": checkpoint, "feature_cache": cache_in(tmp_path, tag=f"t/attempt-{number}")}

    with pytest.raises(Interrupted):
        experiment.run(replace(plain, **attempt(1)), Notes(stop_after_checkpoint=2))
    resumed = Notes()
    experiment.run(replace(plain, **attempt(2)), resumed)
    assert resumed.from_before == (2, "1") and resumed.phases["features"]["made_by"] == "t/attempt-1"
    assert np.array_equal(alone.probabilities, resumed.probabilities)


def test_every_ingredient_changes_the_key(images, tmp_path):
    def backbone(seed=0, filters=2):
        keras.utils.set_random_seed(seed)
        return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(filters, 3)])

    def split(value=7):
        return {"train": Split(np.full((2, 8, 8, 3), value, np.uint8), np.zeros(2, np.int64), [], ("a", "b"))}

    def key(net=None, splits=None, **changes):
        network = replace(small_training(images), **{"feature_cache": cache_in(tmp_path), **changes})
        return key_of(ingredients_of(net or backbone(), splits or split(), network))

    on = cache_in(tmp_path)
    found = [
        key(),
        key(backbone(seed=1)),
        key(backbone(filters=3)),
        key(splits=split(8)),
        key(splits={**split(), "external": split(9)["train"]}),
        key(image_size=48),
        key(network="VGG16"),
        key(network="MobileNet", options={"alpha": 0.5}),
        key(network="MobileNet", options={"alpha": 0.25}),
        key(preprocessing="rescale"),
        key(batch_size=5),
        key(deterministic=True),
        key(replicas=2),
        key(backend="jax"),
        *(
            key(feature_cache=replace(on, made_on={**on.made_on, name: "another"}))
            for name in ("tensorflow", "device", "runtime")
        ),
    ]
    assert len(set(found)) == len(found)
    same = replace(on, folder=tmp_path / "elsewhere", limit_bytes=1, tag="other/attempt-2")
    assert key() == key(feature_cache=same) == key(epochs=9, seed=5, dropout=0.1) == found[0]


def test_features_are_made_once_and_mapped(tmp_path):
    extraction = Extraction()
    first = extraction.through(cache_in(tmp_path))
    second = extraction.through(cache_in(tmp_path, tag="two/attempt-1"))
    assert extraction.calls == 1 and extraction.waited == 0
    assert second.figures["made_by"] == "one/attempt-1" and "made_by" not in first.figures
    assert second.more["cost"] == COST["cost"]
    for one in (first, second):
        assert isinstance(one.arrays["train"], np.memmap)
        assert (one.arrays["train"] == 1).all()


def test_the_entry_that_was_not_used_for_longest_is_evicted(tmp_path):
    one = Extraction().through(cache_in(tmp_path), "a")
    size = sum(path.stat().st_size for path in next(tmp_path.glob("*/")).iterdir())
    Extraction().through(cache_in(tmp_path), "b")
    del one
    Extraction().through(cache_in(tmp_path), "a")  # used again: b is the oldest now
    Extraction().through(cache_in(tmp_path, limit=round(2.5 * size)), "c")
    assert names(tmp_path) == sorted(key_of({"name": name}) for name in "ac")


def test_an_entry_in_use_is_never_evicted(tmp_path):
    held = Extraction().through(cache_in(tmp_path))
    assert not make_room(tmp_path, 0)
    new = Extraction(2.0).through(cache_in(tmp_path, limit=1100), "b")
    assert names(tmp_path) == [key_of({"name": "a"})]
    assert "limit" in new.figures["not_shared"] and (new.arrays["train"] == 2).all()
    view = held.arrays["train"][3:]
    del held
    assert not make_room(tmp_path, 0), "a part of the array is in use"
    del view
    assert make_room(tmp_path, 0) and names(tmp_path) == []


@pytest.mark.parametrize("damage", ["flipped", "shorter", "missing", "no description", "other description"])
def test_a_damaged_entry_is_made_anew(tmp_path, damage):
    extraction = Extraction()
    extraction.through(cache_in(tmp_path))
    folder = tmp_path / key_of({"name": "a"})
    array, about = folder / "train.npy", folder / ABOUT
    content = bytearray(array.read_bytes())
    if damage == "flipped":
        content[-1] ^= 1
        array.write_bytes(content)
    elif damage == "shorter":
        array.write_bytes(content[:-4])
    elif damage == "missing":
        array.unlink()
    else:
        about.write_text('{"files": {' if damage == "no description" else "[]")
    found = extraction.through(cache_in(tmp_path))
    assert extraction.calls == 2 and (found.arrays["train"] == 1).all()
    assert Entry(folder).read() is not None and names(tmp_path) == [folder.name]


@pytest.mark.parametrize("where", ["arrays", "description", "folder"])
def test_a_full_disk_costs_the_cache_and_nothing_else(tmp_path, monkeypatch, where):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place = {
        "arrays": (os, "posix_fallocate"),
        "description": (json, "dumps"),
        "folder": (kept, "whole_folder"),
    }
    cache, extraction = cache_in(tmp_path), Extraction()
    with monkeypatch.context() as patch:
        key = key_of({"name": "a"})
        patch.setattr(kept, "key_of", lambda _: key)
        patch.setattr(*place[where], full)
        found = extraction.through(cache)
    assert extraction.calls == 1 and (found.arrays["train"] == 1).all()
    assert "No space left" in found.figures["not_shared"] and "made_by" not in found.figures
    assert names(tmp_path) == []
    extraction.through(cache)
    assert names(tmp_path) == [key], "later it works again"


def test_a_cache_that_cannot_be_there_costs_nothing_else(tmp_path):
    (tmp_path / "file").touch()
    found = Extraction().through(cache_in(tmp_path / "file" / "cache"))
    assert (found.arrays["train"] == 1).all() and "Not a directory" in found.figures["not_shared"]


def forked(work) -> int:
    """Do something in a child process that shares nothing but the disk."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(0)


def test_of_two_processes_at_once_one_extracts_and_the_other_waits(tmp_path):
    def slowly(place):
        with (tmp_path / "calls").open("a") as calls:
            calls.write(f"{os.getpid()}\n")
        time.sleep(0.6)
        return Extraction()(place)

    def work():
        found = keep_once(cache_in(tmp_path / "cache"), {"name": "a"}, slowly, lambda: None)
        (tmp_path / f"sum-{os.getpid()}").write_text(str(found.arrays["train"].sum()))

    children = [forked(work), forked(work)]
    for child in children:
        os.waitpid(child, 0)
    assert len((tmp_path / "calls").read_text().split()) == 1
    assert [(tmp_path / f"sum-{child}").read_text() for child in children] == ["250.0", "250.0"]


def test_what_a_killed_process_did_not_finish_is_made_by_the_next(tmp_path):
    cache = cache_in(tmp_path)
    key = key_of({"name": "a"})

    def killed():
        with Entry(tmp_path / key).being_made(lambda: None):
            (tmp_path / f"{key}.partial").mkdir()
            (tmp_path / f"{key}.partial" / "train.npy").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(forked(killed), 0)
    other = Extraction()
    other.through(cache, "b")
    assert names(tmp_path) == [key_of({"name": "b"})], "what it left is swept away"
    found = Extraction(3.0).through(cache)
    assert (found.arrays["train"] == 3).all()


def with_pixels(folder: Path, tag: str = "one/attempt-1", **more) -> FeatureCache:
    return FeatureCache(folder, LARGE, tag, {"runtime": {"wbc": "0123"}}, pixels=True, **more)


def test_pixels_are_decoded_once_and_results_are_the_same_to_the_bit(uncached, tmp_path):
    plain, alone = uncached
    first, second = Notes(), Notes()
    for notes, tag in ((first, "t/attempt-1"), (second, "u/attempt-1")):
        cache = with_pixels(tmp_path, tag, features=False)
        experiment.run(replace(plain, feature_cache=cache), notes)
    made, found = first.phases["data"], second.phases["data"]
    assert "made_by" not in made and found.pop("made_by") == "t/attempt-1" and made == found
    assert len(names(tmp_path)) == 1, "features were not asked for"
    assert sorted(path.stem for path in tmp_path.glob("*/*.npy")) == ["test", "train", "validation"]
    assert np.array_equal(alone.probabilities, first.probabilities)
    assert np.array_equal(alone.probabilities, second.probabilities)


def test_other_images_sizes_and_code_have_other_pixels(images, tmp_path, monkeypatch):
    def stop(*_):
        raise Interrupted

    monkeypatch.setattr(experiment, "load_trainer", lambda mode: stop)
    plain = replace(small_training(images), feature_cache=with_pixels(tmp_path))
    (tmp_path / "more").mkdir()
    more = draw_noisy_images(tmp_path / "more", train=12)
    old = replace(plain.feature_cache, made_on={"runtime": {"wbc": "4567"}})
    others = [{"image_size": 48}, {"data_folder": more, "manifest": more / "manifest.json"}]
    others += [{"feature_cache": old}, {"mode": "transfer", "seed": 3, "batch_size": 5}]
    for number, changes in enumerate(({}, *others)):
        with pytest.raises(Interrupted):
            experiment.run(replace(plain, **changes), Notes())
        made_from = [json.loads(one.read_text())["made_from"] for one in tmp_path.glob("*/entry.json")]
        assert len([one for one in made_from if "files" in one]) == min(number + 1, 4)


def test_a_disk_with_room_for_some_arrays_keeps_none_and_loses_none(tmp_path, monkeypatch):
    reserve, room = os.posix_fallocate, [1]

    def full_soon(*arguments):
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room.pop()
        reserve(*arguments)

    def make(place):
        arrays = {name: place(name, (3, 5), np.uint8) for name in ("train", "test")}
        for number, array in enumerate(arrays.values()):
            array[:] = number
        return arrays, {}

    monkeypatch.setattr(os, "posix_fallocate", full_soon)
    found = keep_once(cache_in(tmp_path), {}, make, lambda: None)
    assert "No space left" in found.figures["not_shared"] and names(tmp_path) == []
    assert (found.arrays["train"] == 0).all() and (found.arrays["test"] == 1).all()


def resident(kind: str) -> int:
    """Bytes of this process that are in memory: `RssFile`, `RssAnon`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) * 1024


def test_a_file_that_is_read_and_written_whole_is_never_whole_in_the_process(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "IN_PROCESS_BYTES", 1 << 20)
    count, image = 4000, (64, 64, 3)

    def make(place):
        pixels = place("train", (count, *image), np.uint8)
        for start in range(0, count, 100):
            pixels[start : start + 100] = start % 251
            seen.append(resident("RssFile"))
        return {"train": pixels}, {}

    seen = [resident("RssFile")]
    pixels = keep_once(cache_in(tmp_path), {}, make, lambda: None).arrays["train"]
    assert isinstance(pixels, Mapped) and pixels.nbytes > 45e6
    order = np.random.default_rng(0).permutation(count)
    for start in range(0, count, 50):
        assert (
            pixels[order[start : start + 50]][:, 0, 0, 0] == order[start : start + 50] // 100 * 100 % 251
        ).all()
        seen.append(resident("RssFile"))
    assert max(seen) - seen[0] < 20e6


def test_a_maker_asks_again_and_again_until_another_one_is_done(tmp_path, monkeypatch):
    entry, said, slept = Entry(tmp_path / "cache" / "key"), [], []
    monkeypatch.setattr(kept.time, "sleep", slept.append)
    with ExitStack() as other:
        other.enter_context(entry.being_made(lambda: pytest.fail("nobody else makes it")))

        def waiting():
            said.append("waiting")
            if len(said) == 3:
                other.close()

        with entry.being_made(waiting):
            assert len(said) == 3 and slept == [kept.POLL_S] * 3


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(28, "No space left", "a.npy"), "a.npy: No space left"),
        (OSError(28, "No space left"), "No space left"),
        (OSError("something else"), "OSError: something else"),
    ],
)
def test_why_files_cannot_be_used_is_said_without_numbers(error, why):
    assert kept._why(error) == why
