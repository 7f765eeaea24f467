"""What `data prepare` splits is clean by `data check`: near-duplicates stay in one split."""

from collections import defaultdict
from functools import partial
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
from wbc.data.synthetic import draw_cell
from wbc.duplicates import Gallery, candidates, registration
from wbc.duplicates import frames as frames_

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
    assert "Near-duplicates count as one" in str(caught.value) and "--no-near-duplicates" in str(caught.value)


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


def test_rings_of_many_images_match_as_those_of_two():
    rng = np.random.default_rng(3)
    frames = [frames_.make_frame(draw_cell("MONOCYTE", 40, rng), side=48) for _ in range(3)]
    frames.append(frames_.make_frame(np.rot90(draw_cell("MONOCYTE", 40, np.random.default_rng(3))), side=48))
    known = np.array([frame.spectrum for frame in frames])
    for asked in frames:
        best = [candidates.angles_between(frame.rings, asked.rings, 1)[0][0] for frame in frames]
        assert candidates.ring_matches(known, asked.spectrum) == pytest.approx(best, abs=1e-5)
    assert candidates.ring_matches(known, frames[3].spectrum)[0] > 0.9, "rotated"


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
    monkeypatch.setattr(preparing, "EXHAUSTIVE_IMAGES", 17)  # of 18
    monkeypatch.setattr(preparing, "find_fields", None)
    prepare(folder, tmp_path / "many", PrepareSettings())


def test_all_shifts_among_themselves_are_those_of_two_sets(monkeypatch):
    monkeypatch.setattr(candidates, "_BLOCK", 4)
    monkeypatch.setattr(candidates, "_BATCH", 2)
    rng = np.random.default_rng(5)
    textures = [rng.standard_normal((12, 9 + index % 3)).astype(np.float32) for index in range(11)]
    whole = candidates.shift_peaks(textures, list(textures))
    np.fill_diagonal(whole, 0)
    assert candidates.shift_peaks(textures, None) == pytest.approx(whole, rel=1e-3)
