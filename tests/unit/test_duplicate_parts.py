"""The parts of the searches for near-duplicates, by hand."""

import json

import numpy as np
import pytest
from PIL import Image

from wbc.duplicates import candidates, frames, registration, rough, shifted
from wbc.duplicates.fields import find_fields, remembered
from wbc.duplicates.frames import Frame


def test_details_are_the_waves_of_which_a_texture_consists():
    x = np.arange(16)
    wave = np.cos(2 * np.pi * 3 * x / 16)
    impulse = np.zeros((8, 16))
    impulse[2, 5] = 7
    for texture, details in (
        (np.zeros((8, 16)), 0),
        (np.full((8, 16), 3.0), 1),
        (np.tile(wave, (8, 1)), 2),  # a wave and its other direction
        (np.tile(wave, (8, 1)) + np.tile(np.cos(2 * np.pi * x / 16), (8, 1)), 4),
        (impulse, 8 * 16),
    ):
        assert candidates.detail_of(texture.astype(np.float32)) == pytest.approx(details, rel=1e-4)


@pytest.mark.parametrize(
    ("details", "chance", "least"),
    [(147, 12, np.tanh(1)), (4, 0.5, np.tanh(0.5)), (28, 2, np.tanh(0.4)), (3, 0.1, np.tanh(0.1 / 0.1**0.5))],
)
def test_the_least_correlation_that_is_no_chance(details: float, chance: float, least: float):
    assert candidates.least_correlation(details, chance) == pytest.approx(least)


def test_rings_are_interpolated_between_four_neighbors():
    side = 16
    radii = 2 * np.array([3, 4.5, 6, 7.5])[:, None]  # finer ones are left out
    angles = np.arange(90) * np.pi / 90
    sampling = candidates._sampling(side)
    assert sampling.shape == (4 * 90, (side + 1) * 2 * side)
    down = np.repeat(np.arange(side + 1.0), 2 * side)
    right = np.tile(np.concatenate([np.arange(side), np.arange(-side, 0)]), side + 1)
    assert sampling @ np.ones(len(down)) == pytest.approx(np.ones(4 * 90), abs=1e-5)
    assert sampling @ down == pytest.approx((radii * np.sin(angles)).ravel(), abs=1e-4)
    assert sampling @ right == pytest.approx((radii * np.cos(angles)).ravel(), abs=1e-4)


def test_the_angles_of_the_highest_tops():
    curves = np.zeros((2, 90), np.float32)
    curves[0, 10:14] = 1, 0.5, 0.9, 0.8
    curves[1, 89] = 0.85
    (best, second) = candidates.likely_angles(curves)
    # The vertex of the parabola through 0, 1 and 0.5 is a sixth of a step beyond the top.
    assert best == (False, pytest.approx((10 + 1 / 6) * 2))
    assert second == (True, pytest.approx(178))
    third = candidates.likely_angles(curves, 3)[2]
    # What is two steps from a top belongs to it; three steps away is the next.
    assert third == (False, pytest.approx((13 + 0.5 * (0.9 - 0) / (0.9 - 1.6)) * 2))
    flat = candidates.likely_angles(np.zeros((2, 90), np.float32), 1)
    assert flat == [(True, 0.0)]


def test_rotated_images_lie_in_the_middle_of_their_canvas():
    image = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    for degrees, expected in (
        (0, np.pad(image, ((2, 2), (1, 1)))),
        (90, np.pad(np.rot90(image, -1), ((1, 1), (2, 2)))),
        (180, np.pad(image[::-1, ::-1], ((2, 2), (1, 1)))),
    ):
        canvas = (rough._rotation(4, 6, degrees) @ image.ravel()).reshape(8, 8)
        assert canvas == pytest.approx(expected, abs=1e-5)


def test_correlations_at_all_shifts_also_upside_down():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 5, 7)), rng.normal(size=(2, 4, 6))
    padded = (10, 15)
    found = rough._correlated(first, second, padded, True)
    assert found.shape == (2, 2, 10, 15)
    for way, other in enumerate((second, second[:, ::-1, ::-1])):
        for down, right in ((0, 0), (2, 3), (-1, 4), (-3, -5), (4, 6)):
            expected = [
                sum(
                    first[one, y, x] * other[one, y - down, x - right]
                    for y in range(5)
                    for x in range(7)
                    if 0 <= y - down < 4 and 0 <= x - right < 6
                )
                for one in range(2)
            ]
            assert found[:, way, down, right] == pytest.approx(expected, abs=1e-6)
    assert rough._correlated(first, second, padded, False) == pytest.approx(found[:, :1])


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, -5), (-4, 6), (12, 12), (13, 12)])
def test_the_correlation_of_what_overlaps(down: int, right: int):
    first, second = np.random.default_rng(1).normal(3, 1, (2, 20, 20)).astype(np.float32)
    here = first[max(0, down) : 20 + min(0, down), max(0, right) : 20 + min(0, right)]
    there = second[max(0, -down) : 20 + min(0, -down), max(0, -right) : 20 + min(0, -right)]
    # 8 x 8 pixels are enough, 7 x 8 are not.
    expected = np.corrcoef(here.ravel(), there.ravel())[0, 1] if here.size >= 64 else 0
    whole = np.ones((20, 20), bool)
    exact = registration._overlap_correlation(first, whole, second, whole, down, right)
    assert exact == pytest.approx(expected, abs=1e-5)
    many = np.ones((1, 20, 20), np.float32)
    places = np.array([[down], [right]])
    (found,) = rough._overlap_correlations(first[None], many, second[None], many, places)
    assert found == pytest.approx(expected, abs=1e-3)
    flat = np.zeros((20, 20), np.float32)
    assert registration._overlap_correlation(first, whole, flat, whole, down, right) == 0
    assert rough._overlap_correlations(first[None], many, flat[None], many, places) == 0


def test_only_what_both_show_is_correlated():
    first, second = np.random.default_rng(2).normal(0, 1, (2, 20, 20)).astype(np.float32)
    one, other = np.ones((20, 20), bool), np.ones((20, 20), bool)
    one[:, :6], other[:9] = False, False
    expected = np.corrcoef(first[9:, 6:].ravel(), second[9:, 6:].ravel())[0, 1]
    found = registration._overlap_correlation(first, one, second, other, 0, 0)
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("size", "reduced"), [((288, 400), (288, 400)), ((576, 864), (288, 432))])
def test_pictures_are_reduced_to_three_frames(tmp_path, size, reduced):
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[:, ::2] = 100
    found = frames.reduce_picture(pixels)
    assert found.shape == (*reduced, 3)
    assert (found == (pixels if size == reduced else 50)).all()
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (frames.read_picture(tmp_path / "a.png") == found).all()


def test_sides_of_frames_and_how_many_images_tell():
    asked = []

    def picture(height: int, width: int):
        def read():
            asked.append((height, width))
            return np.zeros((height, width, 3), np.uint8)

        return read

    sizes = [(20, 30), (96, 200), (400, 400)]
    assert frames.side_of([picture(*size) for size in sizes]) == 96
    assert asked == sizes[:2]  # one of 96 pixels tells enough
    assert frames.side_of([picture(20, 30), picture(50, 40), picture(30, 30)]) == 60
    assert [frames.side_for(pixels) for pixels in (10, 33, 34, 63, 64, 65)] == [48, 48, 50, 94, 96, 96]


@pytest.mark.parametrize("shape", [(2, 3), (6, 4), (7, 5), (4, 4), (3, 9)])
def test_the_middle_of_a_texture(shape):
    texture = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    (square,) = frames.centers([Frame(texture, np.ones(shape, bool))], 4)
    expected = np.zeros((4, 4), np.float32)
    rows = [(own - 4) // 2 for own in shape]  # below 0: what is added before it
    for y in range(4):
        for x in range(4):
            top, left = (
                at + start if start >= 0 else at - (4 - own) // 2
                for at, start, own in zip((y, x), rows, shape, strict=True)
            )
            if 0 <= top < shape[0] and 0 <= left < shape[1]:
                expected[y, x] = texture[top, left]
    assert (square == expected).all()


def test_a_search_is_done_once_for_the_same_images(tmp_path):
    cache, done = tmp_path / "deep" / "cache", []

    def find(number: int):
        return remembered(
            cache, lambda: ["images", number], lambda: done.append(number) or [number], lambda found: found[0]
        )

    assert [find(1), find(1), find(2), find(1)] == [1, 1, 2, 1]
    assert done == [1, 2]
    kept = sorted(cache.iterdir())
    assert len(kept) == 2 and all(len(file.stem) == 32 and file.suffix == ".json" for file in kept)
    assert sorted(json.loads(file.read_text()) for file in kept) == [[1], [2]]
    for file in kept:
        file.write_text("[")
    assert [find(1), find(2)] == [1, 2]
    assert done == [1, 2, 1, 2]
    assert remembered(None, lambda: 1 / 0, lambda: [5], lambda found: found[0]) == 5


def test_a_photograph_that_cannot_be_read_is_a_field_of_its_own(tmp_path):
    for name in "ba":
        (tmp_path / f"{name}.jpg").write_bytes(b"no image")
    images = [tmp_path / "b.jpg", tmp_path / "a.jpg"]
    assert find_fields(images) == {image: (image, (0.0, 0.0)) for image in images}


def test_the_cache_of_fields_depends_on_how_images_are_read(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    for how in (None, "slide 1", "slide 1", {"page": 2}):
        find_fields([tmp_path / "a.jpg"], tmp_path / "cache", how=how)
    assert len(list((tmp_path / "cache").iterdir())) == 3
    (tmp_path / "b.jpg").write_bytes(b"no image")
    for name, content in (("a.jpg", b"no image"), ("b.jpg", b"no image"), ("b.jpg", b"another")):
        (tmp_path / name).write_bytes(content)
        find_fields([tmp_path / name], tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 3 + 2, "another name, and other bytes"


def test_overlaps_below_a_share_of_the_frame_are_not_compared():
    image = np.random.default_rng(0).normal(size=(30, 30))
    for down, right, compared in ((21, 21, True), (22, 21, False), (-21, 21, True), (-21, -22, False)):
        moved = np.roll(image, (-down, -right), (0, 1))
        assert shifted.overlap_correlation(image, moved, (down, right)) == pytest.approx(float(compared))
    assert shifted.overlap_correlation(image, np.full((30, 30), 2.0), (0, 0)) == 0


def test_a_coarse_shift_is_corrected_by_its_own_pixels():
    field = np.random.default_rng(0).normal(size=(60, 60))
    first = field[10:40, 10:40]
    for down, right in ((4, -6), (6, -8), (2, -4)):  # a coarse pixel is two fine ones
        second = field[10 + down : 40 + down, 10 + right : 40 + right]
        correlation, shift = shifted._confirm(first, second, (2, -3))
        assert correlation == pytest.approx(1) and shift == (down, right)
    second = field[10 + 7 : 40 + 7, 4:34]
    assert shifted._confirm(first, second, (2, -3))[0] < 0.5


def test_textures_of_shifted_photographs_are_clipped_at_their_mean():
    image = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32)
    texture = shifted._texture(image, 2.0)
    assert texture.mean() == pytest.approx(0, abs=1e-5) and texture.std() == pytest.approx(1, abs=1e-4)
    # More than a third of a normal texture is at the limits, on either side.
    at_limits = np.isclose(texture, texture.max()).mean() + np.isclose(texture, texture.min()).mean()
    assert at_limits == pytest.approx(0.425, abs=0.05)
    assert not shifted._texture(np.full((40, 40), 200, np.float32), 2.0).any()
