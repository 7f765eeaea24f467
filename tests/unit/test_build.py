"""From originals to files: what is joined, which images each split gets, their names, and what is told."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wbc.data import join_sources as joining
from wbc.data.join_sources import _majority, _same_files, _split, join_sources
from wbc.data.pipeline.augmentation import augment
from wbc.data.pipeline.build import build_splits
from wbc.data.pipeline.splitting import Quota, image_rng
from wbc.data.pipeline.stages import Original, Stages
from wbc.errors import InputError

STAY = {"s0": "train", "s1": "validation", "s2": "test"}


def originals(folder: Path, *names: str, suffix: str = ".png", **more) -> list[Original]:
    """Three images of each class, from three sources that classes share."""
    rng = np.random.default_rng(0)
    found = []
    for name in names:
        for number in range(3):
            path = folder / f"{name}{number}{suffix}"
            Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(path)
            found.append(Original(f"i{number}", path, name, f"s{number}", **more))
    return found


def built(folder: Path, given: list[Original], stages=None, progress=None, **quotas: Quota):
    every = {"train": Quota(), "validation": Quota(), "test": Quota()} | quotas
    more = {} if progress is None else {"progress": progress}
    (folder / "out").mkdir()
    return build_splits(given, ("A", "B"), every, stages or Stages(), 7, folder / "out", stay=STAY, **more)


def test_files_that_no_stage_changes_keep_their_bytes_and_suffix(tmp_path):
    given, told = originals(tmp_path, "A", "B", suffix=".bmp"), []
    made = built(tmp_path, given, progress=lambda *said: told.append(said))
    assert told == [("images", number, 6) for number in range(1, 7)]
    assert [(one.file, one.split, one.class_name, one.source) for one in made.images] == [
        (f"{split}/{name}/i{number}.bmp", split, name, f"s{number}")
        for number, split in enumerate(("train", "validation", "test"))
        for name in "AB"
    ]
    for one in made.images:
        content = (tmp_path / "out" / one.file).read_bytes()
        own = tmp_path / f"{one.class_name}{one.source[1]}.bmp"
        assert content == own.read_bytes() and one.sha256 == hashlib.sha256(content).hexdigest()
    assert (made.guessed, made.surplus) == ({}, [])


def test_copies_are_numbered_and_drawn_from_the_seed(tmp_path):
    given = originals(tmp_path, "A", "B", suffix=".bmp")
    made = built(tmp_path, given, train=Quota(12, copies=True), test=Quota({"A": 0, "B": 1}))
    train = [one.file for one in made.images if one.split == "train" and one.class_name == "A"]
    assert train == [f"train/A/i0-a{copy:02d}.png" for copy in range(1, 12)] + ["train/A/i0.bmp"]
    copied = np.asarray(Image.open(tmp_path / "out" / "train" / "A" / "i0-a02.png"))
    assert np.array_equal(copied, augment(np.asarray(Image.open(given[0].image)), image_rng(7, "i0", 2)))
    assert [one.image.name for one in made.surplus] == ["A2.bmp"]


def test_what_stages_change_is_written_as_png_and_guesses_are_told(tmp_path):
    given = originals(tmp_path, "B", "A", suffix=".bmp")
    made = built(tmp_path, given, Stages(background="remove", image_size=12))
    names = [one.file for one in made.images]
    assert names == [f"{s}/{n}/i{i}.png" for i, s in enumerate(("train", "validation", "test")) for n in "AB"]
    assert made.guessed == {"smaller than 16 pixels": sorted(names)}
    assert {Image.open(tmp_path / "out" / name).size for name in names} == {(12, 12)}


def test_a_class_without_an_image_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        built(tmp_path, originals(tmp_path, "A"))
    assert caught.value.what == "there is no usable image of class B"
    assert caught.value.way_out == "Complete the folder."


def of_sources(*sources: str) -> list[Original]:
    return [
        Original(f"{number}", Path(f"x/{number}.png"), "A", source) for number, source in enumerate(sources)
    ]


def test_most_of_a_source_decides_where_it_stays():
    given = of_sources("a", "a", "a", "b", "b", "c")
    assert _majority(given, ["test", "train", "train", "test", "train", "train"]) == {
        **{"a": "train", "b": "test", "c": "train"},
    }


def test_where_a_split_fails_all_are_assigned_anew_and_then_it_is_said_why():
    given, asked = of_sources("a", "a", "b", "a", "a"), []

    def split(originals, seed, stay):
        asked.append((seed, dict(stay)))
        if stay:
            raise InputError("too few", "Add some.")
        return {"a": "train"}

    assert _split(given, 5, split, {"a": "test"}) == {"a": "train"}
    assert asked == [(5, {"a": "test"}), (5, {})]

    def never(originals, seed, stay):
        raise InputError("too few", "Add some.")

    with pytest.raises(InputError) as caught:
        _split(given, 5, never, {})
    assert (caught.value.what, caught.value.way_out) == (
        "too few",
        "Add some.\nImages that show the same thing count as one source, such as 0.png, 1.png, 3.png. To split "
        "without looking for them: leukobench data prepare FROM TO --no-near-duplicates",
    )
    with pytest.raises(InputError) as caught:
        _split(of_sources("a", "b"), 5, never, {})
    assert caught.value.way_out == "Add some.", "nothing was joined"


def test_the_first_source_by_name_leads_those_that_are_joined():
    given = of_sources("d", "c", "b", "a", "e")
    for pairs in ([(0, 1), (2, 3), (1, 2)], [(1, 2), (0, 1), (3, 0)]):
        assert [one.source for one in join_sources(given, pairs)] == ["a", "a", "a", "a", "e"]
    assert join_sources(given, []) == given


def test_equal_files_are_one_where_their_boxes_are(tmp_path):
    for name, content in (("x", b"1"), ("y", b"1"), ("z", b"2"), ("w", b"1")):
        (tmp_path / name).write_bytes(content)
    boxes = {"x": None, "y": None, "z": None, "w": (0.0, 0.0, 1.0, 1.0)}
    given = [Original(name, tmp_path / name, "A", name, box) for name, box in boxes.items()]
    assert _same_files([*given, given[0]]) == [(0, 1), (0, 4)]


def test_pictures_that_a_stage_changes_are_those_after_it(tmp_path, monkeypatch):
    given = originals(tmp_path, "A")
    plain = joining._pictures(given, Stages())
    staged = joining._pictures(given, Stages(image_size=12))
    assert [one().shape for one in plain] == [(24, 24, 3)] * 3
    assert [one().shape for one in staged] == [(12, 12, 3)] * 3
    assert np.array_equal(plain[1](), np.asarray(Image.open(given[1].image)))
    small = Image.open(given[2].image).resize((12, 12), Image.Resampling.BICUBIC)
    assert np.array_equal(staged[2](), np.asarray(small))
    monkeypatch.setattr(joining, "run_stages", None)
    assert staged[2]().shape == (12, 12, 3), "it is kept"
