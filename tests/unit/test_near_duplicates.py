"""What `data prepare` splits is clean by `data check`: near-duplicates stay in one split."""

from collections import defaultdict
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from bench.commands.main import main
from wbc.data import join_sources as joining
from wbc.data import prepare as preparing
from wbc.data.check import check_folder
from wbc.data.join_sources import join_near_duplicates, join_sources
from wbc.data.manifest import Manifest
from wbc.data.pipeline.stages import Original, Stages
from wbc.data.prepare import PrepareSettings, prepare
from wbc.data.progress import spoken
from wbc.data.synthetic import draw_cell
from wbc.duplicates import Gallery, NearDuplicate, candidates, registration
from wbc.duplicates import frames as frames_
from wbc.duplicates import gallery as gallery_
from wbc.duplicates.rough import Turn, rough_matches

CHANGES = {
    "mirrored": ImageOps.mirror,
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "closer": lambda image: image.crop((8, 8, 104, 104)),
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Synthetic cells of two classes, three of each also mirrored, rotated or photographed from nearer."""
    folder = tmp_path / "cells"
    for number, name in enumerate(("LYMPHOCYTE", "EOSINOPHIL")):
        (folder / name).mkdir(parents=True)
        for index in range(6):
            image = Image.fromarray(draw_cell(name, 112, np.random.default_rng([number, index])))
            image.save(folder / name / f"{index}.png")
            for change, make in list(CHANGES.items())[index : index + 1]:
                make(image).save(folder / name / f"{index}-{change}.png")
    return folder


def test_changed_copies_stay_with_their_cell(folder, tmp_path, capsys):
    for seed in (0, 1, 2):
        target = tmp_path / str(seed)
        prepare(folder, target, PrepareSettings(split_seed=seed), tmp_path / "cache")
        splits = defaultdict(set)
        for image in Manifest.read(target).images:
            splits[image.class_name, Path(image.file).stem[0]].add(image.split)
        assert all(len(found) == 1 for found in splits.values())
        assert len(splits) == 12
    assert Manifest.read(target).settings["kept_together"] == {"images": 12, "groups": 6, "largest": 2}
    assert main(["data", "check", str(target)]) == 0, capsys.readouterr().out
    apart = {
        image.source
        for image in prepare(folder, tmp_path / "apart", PrepareSettings(near_duplicates=False)).images
    }
    assert len(apart) == 18


def test_prepare_says_what_it_kept_together(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(joining, "EXHAUSTIVE_IMAGES", 17)  # of 18
    assert main(["data", "prepare", str(folder), str(tmp_path / "split")]) == 0
    out = capsys.readouterr().out
    assert "12 images in 6 groups are near-duplicates and stay together, 2 in the largest." in out
    assert "images that share only a part of what they show are not" in " ".join(out.split())


def test_what_only_a_search_across_splits_finds_is_joined(folder, tmp_path, monkeypatch):
    """The first search may miss a pair that `data check` finds among fewer images."""
    monkeypatch.setattr(Gallery, "within", lambda self: [])
    manifest = prepare(folder, tmp_path / "split", PrepareSettings())
    assert 0 < manifest.settings["kept_together"]["groups"] <= 6
    assert check_folder(tmp_path / "split").leaks == []


def test_too_few_cells_after_joining_tells_why(tmp_path):
    for name in ("LYMPHOCYTE", "EOSINOPHIL"):
        (tmp_path / "cells" / name).mkdir(parents=True)
        image = Image.fromarray(draw_cell(name, 96, np.random.default_rng(3)))
        for index in range(4):
            image.rotate(90 * index).save(tmp_path / "cells" / name / f"{index}.png")
    with pytest.raises(ValueError, match="too few sources: 1,") as caught:
        prepare(tmp_path / "cells", tmp_path / "split", PrepareSettings())
    said = str(caught.value)
    assert "count as one source, such as 0.png, 1.png, 2.png." in said and "--no-near-duplicates" in said


def test_blank_images_of_equal_bytes_are_one(tmp_path):
    originals = []
    for name in ("A", "B"):
        for index in range(5):
            path = tmp_path / f"{name}{index}.png"
            pixels = np.random.default_rng([ord(name), index]).integers(0, 255, (40, 40, 3), np.uint8)
            Image.fromarray(pixels if index < 3 else np.full_like(pixels, 9)).save(path)
            originals.append(Original(f"{index}", path, name, path.name))
    joined = join_near_duplicates(originals, Stages(), 0)
    assert {one.source for one in joined.originals if one.name in "34"} == {"A3.png"}
    assert joined.together == {"images": 4, "groups": 1, "largest": 4}


def test_sources_are_joined_through_others():
    originals = [Original(f"{i}", Path(f"{i}"), "A", source) for i, source in enumerate("edcbae")]
    joined = join_sources(originals, [(0, 1), (3, 4), (1, 2)])
    assert [one.source for one in joined] == list("cccaac")


def test_rings_match_at_the_angle_of_a_copy_as_if_each_angle_were_tried():
    cells = [draw_cell("MONOCYTE", 40, np.random.default_rng(seed)) for seed in (3, 4)]
    pictures = [*cells, np.rot90(cells[0]), cells[1][:, ::-1]]
    rings = candidates.rings_of(frames_.centers(frames_.make_frames(pictures, side=48), 48))
    _, spectra = candidates.described(rings)
    curves = candidates.ring_curves(np.stack([spectra[:2]] * 2), spectra[2:])
    for known, asked in ((0, 2), (1, 2), (1, 3)):
        for way, other in enumerate((rings[asked], rings[asked][:, -np.arange(90) % 90])):
            tried = [
                np.corrcoef(rings[known].ravel(), np.roll(other, turn, 1).ravel())[0, 1] for turn in range(90)
            ]
            assert curves[asked - 2, known, way] == pytest.approx(tried, abs=1e-5)
    assert candidates.likely_angles(curves[0, 0])[0] == (False, pytest.approx(90, abs=1.5))
    assert candidates.likely_angles(curves[1, 1])[0] == (True, pytest.approx(0, abs=1.5))


@pytest.mark.parametrize("known", [5, 600, 1000])
def test_the_nearest_of_many_are_those_of_a_whole_sort(known: int):
    rng = np.random.default_rng(known)
    descriptors = rng.standard_normal((known, 20)).astype(np.float32)
    itself = rng.random((min(9, known), known)) < 0.1
    places = candidates.nearest(descriptors, descriptors[:9], itself, 4)
    likeness = np.where(itself, -2, descriptors[:9] @ descriptors.T)
    assert np.sort(np.take_along_axis(likeness, places, 1)) == pytest.approx(
        np.sort(likeness)[:, -4:], abs=1e-5
    )


def test_frames_of_many_images_are_those_of_each_alone():
    cells = [draw_cell("MONOCYTE", 40, np.random.default_rng(seed)) for seed in range(3)]
    turned = Image.fromarray(cells[0]).rotate(30, fillcolor=(255, 255, 255))  # painted corners
    pictures = [*cells, np.asarray(turned), np.full((40, 40, 3), 7, np.uint8), cells[0][:30]]
    for picture, frame in zip(pictures, frames_.make_frames(pictures, side=48), strict=True):
        (alone,) = frames_.make_frames([picture], side=48)
        assert frame.texture == pytest.approx(alone.texture, abs=1e-5)
        assert (frame.valid == alone.valid).all()
    assert 0.7 < frames_.make_frames(pictures)[3].valid.mean() < 0.95


@pytest.mark.parametrize(
    ("mirrored", "angle"), [(False, 40), (True, 40), (False, 220), (True, 359.6), (None, 0)]
)
def test_rough_matches_are_those_of_exact_registration(mirrored, angle):
    """Painted and unpainted images together, of which one is a copy."""
    cells = [draw_cell("MONOCYTE", 96, np.random.default_rng(seed)) for seed in range(2)]
    copy = Image.fromarray(cells[0]).rotate(angle, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255))
    copy = np.asarray(ImageOps.mirror(copy) if mirrored else copy)
    first, other, second = frames_.make_frames([*cells, copy])
    turn = None if mirrored is None else (angle if angle > 359 else angle % 180) - 360 * (angle > 359)
    trials = [Turn(one, second, bool(mirrored), turn) for one in (first, other)]
    good, bad = rough_matches(trials)
    assert good.correlation > 0.7 > 0.4 > bad.correlation
    exact = registration.match_shifted(first, second) if turn is None else None
    exact = exact or registration.match_rotated(first, second, good)
    assert good.correlation == pytest.approx(exact.correlation, abs=0.2)
    assert good.shift == pytest.approx(exact.shift, abs=0.03)
    assert abs((good.angle - exact.angle + 180) % 360 - 180) < 5


def test_whole_rectangles_share_what_their_masks_do():
    for first, second in (((7, 9), (7, 9)), ((7, 9), (4, 12)), ((5, 5), (8, 3))):
        padded = tuple(a + b for a, b in zip(first, second, strict=True))
        spectra = [np.fft.rfft2(np.ones(shape), s=padded) for shape in (first, second)]
        expected = np.fft.irfft2(spectra[0] * np.conj(spectra[1]), s=padded)
        assert registration._overlaps(first, second, padded) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("pixels", "side"), [(16, 48), (32, 48), (40, 60), (64, 96), (300, 96)])
def test_frames_are_hardly_finer_than_images(pixels: int, side: int):
    assert frames_.side_for(pixels) == side
    blank = np.zeros((pixels, pixels + 5, 3), np.uint8)
    gallery = Gallery([lambda: blank] * 2)
    assert {min(frame.texture.shape) for frame in gallery.frames} == {side}


def test_copies_of_small_images_are_found_from_both_sides():
    cells = [draw_cell("EOSINOPHIL", 32, np.random.default_rng(index)) for index in range(6)]
    pictures = [*cells, np.rot90(cells[0]), cells[1][:, ::-1]]
    found = Gallery([partial(np.asarray, one) for one in pictures]).within()
    assert {(one.first, one.second) for one in found} == {(0, 6), (1, 7)}
    match = registration.Match(0.9, angle=10.0, scale=1.25, shift=(0.25, -0.5))
    back = match.reversed()
    assert (back.angle, back.scale, back.shift) == (350.0, 0.8, (-0.25, 0.5)) and back.reversed() == match


def test_photographs_of_large_sets_are_not_all_compared(folder, tmp_path, monkeypatch):
    told = set()
    prepare(folder, tmp_path / "few", PrepareSettings(), progress=lambda what, done, total: told.add(what))
    assert "fields of view" in told
    monkeypatch.setattr(preparing, "find_fields", None)
    with monkeypatch.context() as few:
        few.setattr(preparing, "EXHAUSTIVE_IMAGES", 17)  # of 18
        prepare(folder, tmp_path / "many", PrepareSettings())
    for path in folder.glob("*/*.png"):  # too small for photographs of fields
        Image.open(path).resize((48, 48)).save(path)
    prepare(folder, tmp_path / "small", PrepareSettings())


def test_shifts_of_wanted_pairs_are_those_of_all(monkeypatch):
    monkeypatch.setattr(candidates, "_BLOCK", 4)
    monkeypatch.setattr(candidates, "_BATCH", 2)
    rng = np.random.default_rng(5)
    textures = [rng.standard_normal((12, 9 + index % 3)).astype(np.float32) for index in range(11)]
    whole = candidates.shift_peaks(textures, textures, np.ones((11, 11), bool))
    wanted = rng.random((11, 11)) < 0.3
    some = candidates.shift_peaks(textures, textures, wanted)
    assert some == pytest.approx(np.where(wanted, whole, 0), rel=1e-3)
    assert whole == pytest.approx(whole.T, rel=1e-3)


def test_shifts_that_were_compared_are_not_compared_again(monkeypatch):
    cells = [draw_cell("MONOCYTE", 40, np.random.default_rng(index)) for index in range(6)]
    compared: list[int] = []

    def peaks(known, asked, wanted, progress):
        compared.append(int(wanted.sum()))
        return np.where(wanted, np.add.outer(range(len(asked)), range(len(known))), 0).astype(np.float32)

    monkeypatch.setattr(gallery_, "shift_peaks", peaks)
    gallery = Gallery([partial(np.asarray, one) for one in cells])
    gallery.across("aaabbb", "ab")
    gallery.across("aababb", "ab")  # two changed sides
    gallery.within()
    assert compared == [9, 4, 2 * 1]
    gallery.across("ababab", "ab")
    assert compared[-1] == 0


def test_what_was_searched_stays_where_it_was(folder, monkeypatch):
    """Only what is joined moves: another split of the others would be another search."""
    originals = [Original(path.stem, path, path.parent.name, path.name) for path in folder.glob("*/*.png")]
    asked: list[dict[str, str]] = []

    def across(self, splits, order):
        asked.append(dict(enumerate(splits)))
        ones = [[index for index, split in enumerate(splits) if split == name] for name in order]
        pair = (ones[0][0], ones[1][0])
        return [NearDuplicate(*pair, registration.Match(1.0))] if len(asked) < 3 else []

    monkeypatch.setattr(Gallery, "within", lambda self: [])
    monkeypatch.setattr(Gallery, "across", across)
    joined = join_near_duplicates(originals, Stages(), 0)
    for before, after in pairwise(asked):
        assert sum(before[index] != after[index] for index in before) <= 2
    assert [joined.split_of[one.source] for one in joined.originals] == list(asked[-1].values())


def test_each_fold_takes_what_the_first_one_found_across_folds(folder, tmp_path, monkeypatch):
    def join(cache: Path | None) -> dict[str, str]:
        originals = [
            Original(path.stem, path, path.parent.name, path.name) for path in folder.glob("*/*.png")
        ]
        return {
            str(one.image): one.source
            for one in join_near_duplicates(originals, Stages(), 1, cache).originals
        }

    found = join(tmp_path / "cache")
    assert len(set(found.values())) < len(found)
    monkeypatch.setattr(joining, "Gallery", None)
    assert join(tmp_path / "cache") == found


def test_progress_without_a_terminal_is_a_line_now_and_then():
    now, said = [0.0], []
    show = spoken(said.append, 10, lambda: now[0])
    for second in range(26):
        now[0] = float(second)
        show("near-duplicates", 40 * second, 1040)
    assert said == [
        "near-duplicates: 400 of 1,040, about 16 s left",
        "near-duplicates: 800 of 1,040, about 6 s left",
    ]


SPLIT = {"0.png": "train", "1.png": "test"}
"""Source -> split."""
USUAL = Stages()


@pytest.mark.parametrize(
    ("changes", "searched"),
    [
        ({}, []),
        ({"stages": Stages(background="remove")}, ["across"]),
        ({"stages": Stages(image_size=32)}, ["within", "across"]),
        ({"seed": 2}, ["across"]),
        ({"split": lambda originals, seed, stay: {one.source: "test" for one in originals}}, ["across"]),
        ({"of_each": {"split": "train"}}, ["across"]),
        ({"of_each": {"class_name": "B"}}, ["within", "across"]),
        ({"of_each": {"name": "another"}}, ["within", "across"]),
        ({"of_each": {"box": (0, 0, 2, 2)}}, ["within", "across"]),
        ({"of_each": {"page": 2}}, ["within", "across"]),
        ({"text": "other bytes"}, ["within", "across"]),
    ],
)
def test_what_was_found_is_taken_for_the_same_question_only(tmp_path, monkeypatch, changes, searched):
    asked: list[str] = []

    class NoneAlike:
        def __init__(self, pictures, progress): ...

        def within(self):
            asked.append("within")
            return []

        def across(self, splits, order):
            asked.append("across")
            return []

    monkeypatch.setattr(joining, "Gallery", NoneAlike)

    def join(stages=USUAL, seed=1, split=lambda originals, seed, stay: SPLIT, of_each=None, text="") -> None:
        for name in SPLIT:
            (tmp_path / name).write_text(text + name)
        originals = [Original(name, tmp_path / name, "A", name) for name in SPLIT]
        originals = [replace(one, **(of_each or {})) for one in originals]
        join_near_duplicates(originals, stages, seed, tmp_path / "cache", split=split)

    join()
    assert asked == ["within", "across"]
    asked.clear()
    join(**changes)
    assert asked == searched
