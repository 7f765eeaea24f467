"""Searches over shifts beside loops over every shift, and how images of noise are turned and placed."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from wbc.duplicates import candidates, fields, gallery, registration, rough, shifted
from wbc.duplicates.frames import Frame
from wbc.duplicates.registration import Match
from wbc.duplicates.shifted import ShiftedPair


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def at_shifts(first: np.ndarray, second: np.ndarray) -> dict[tuple[int, int], float]:
    """Sum of the products of what overlaps, at each shift (down, right) at which anything does."""
    height, width = first.shape
    rows, columns = second.shape
    sums = {}
    for down in range(1 - rows, height):
        for right in range(1 - columns, width):
            here = first[max(0, down) : down + rows, max(0, right) : right + columns]
            there = second[max(0, -down) : height - down, max(0, -right) : width - right]
            sums[down, right] = float((here * there).sum())
    return sums


def masks(seed: int, shape: tuple[int, int], painted: bool) -> np.ndarray:
    shown = np.ones(shape, bool)
    if painted:
        shown[:, : 2 + seed % 3] = False
    return shown


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("painted", [(False, False), (True, False), (False, True), (True, True)])
def test_the_best_shift_is_that_of_the_highest_sum_over_the_root_of_its_pixels(monkeypatch, seed, painted):
    first, second = noise(seed, 16, 20), noise(seed + 100, 14, 18)
    shown, other_shown = masks(seed, first.shape, painted[0]), masks(seed + 1, second.shape, painted[1])
    first, second = first * shown, second * other_shown
    sums, pixels = at_shifts(first, second), at_shifts(shown * 1.0, other_shown * 1.0)
    for smallest in (0.403, 0.803):
        least = smallest * min(shown.sum(), other_shown.sum())
        scores = {at: sums[at] / pixels[at] ** 0.5 for at in sums if pixels[at] >= least}
        found = registration._shift(first, shown, second, other_shown, smallest)
        assert found == max(scores, key=scores.__getitem__)
    one, other = Frame(first, shown), Frame(second, other_shown)
    monkeypatch.setattr(rough, "SHIFTED_OVERLAP", 0.403)
    (found,) = rough._matched([rough.Turn(SimpleNamespace(small=one), SimpleNamespace(small=other))])
    exact = registration._match(one, other, Match(0.0), 0.403)
    assert found.shift == pytest.approx(exact.shift)
    assert found.correlation == pytest.approx(exact.correlation, abs=1e-4)


def test_as_many_pixels_as_the_least_are_enough():
    """64 in an image of 8 x 16 and one of 8 x 8, which is its part from column 5 on."""
    first = noise(0, 8, 16)
    second = first[:, 5:13].copy()
    whole, part = np.ones(first.shape, bool), np.ones(second.shape, bool)
    assert registration._shift(first, whole, second, part, 1.0) == (0, 5)
    assert registration._shift(second, part, first, whole, 1.0) == (0, -5)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1.2])
@pytest.mark.parametrize("angle", [0.0, 30.0, 300.0])
def test_an_image_is_mirrored_then_rotated_with_its_mask(mirrored, angle, scale):
    """Each pixel of the canvas shows the place that turns onto it, clockwise about the middle."""
    valid = masks(1, (15, 22), painted=True)
    texture = ndimage.gaussian_filter(noise(0, 15, 22), 2) * valid
    found, shown = registration._transformed(Frame(texture, valid), Match(0.0, mirrored, angle, scale))
    wanted, wanted_shown = (one[:, ::-1] if mirrored else one for one in (texture, valid))
    sine, cosine = np.sin(np.pi * angle / 180), np.cos(np.pi * angle / 180)
    rows, columns = found.shape
    assert rows == int(np.ceil(scale * (15 * abs(cosine) + 22 * abs(sine))))
    assert columns == int(np.ceil(scale * (22 * abs(cosine) + 15 * abs(sine))))
    y, x = np.indices((rows, columns)) - np.array([rows - 1, columns - 1])[:, None, None] / 2
    places = [(y * cosine - x * sine) / scale + 7, (y * sine + x * cosine) / scale + 10.5]
    whole = ndimage.map_coordinates(wanted_shown.astype(float), places, order=1) > 0.99
    assert np.array_equal(shown, whole)
    expected = np.where(whole, ndimage.map_coordinates(wanted, places, order=1), 0)
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_place_is_that_of_the_middle_as_a_share_of_the_shorter_side():
    """The part of 12 x 20 pixels from row 6 and column 2 on: its middle is 4 lower and 6 left of that of 16 x 36."""
    first = noise(0, 16, 36)
    texture = first[6:14, 2:22].copy()
    found = registration._placed(
        Frame(first, np.ones(first.shape, bool)),
        texture,
        np.ones(texture.shape, bool),
        Match(0.0, True, 5.0, 1.5),
        0.3,
    )
    assert found == Match(pytest.approx(1), True, 5.0, 1.5, (2 / 16, -6 / 16))


def test_rotated_matches_share_three_tenths(monkeypatch):
    asked = []
    monkeypatch.setattr(registration, "_match", lambda *given: asked.append(given) or Match(0.5))
    monkeypatch.setattr(registration, "threshold_for", lambda first, second: 0.58)
    assert registration.match_rotated("first", "second", Match(0.4, True)) == Match(0.5)
    assert asked[0] == ("first", "second", Match(0.4, True), 0.3)
    assert {(first, second, least) for first, second, _, least in asked} == {("first", "second", 0.3)}


def test_peaks_are_the_best_shift_over_the_root_mean_square_of_all():
    """Of shifts at which a tenth of the largest frame overlaps, each sum over the root of its pixels."""
    known, asked = [noise(seed, 7 + seed, 9) for seed in (0, 1)], [noise(seed, 6, 10) for seed in (2, 3)]
    known.append(np.zeros((5, 5), np.float32))
    height, width = 8, 10
    expected = []
    for other in asked:
        for one in known:
            canvas, other_canvas = np.zeros((2, height, width))
            canvas[: one.shape[0], : one.shape[1]] = one
            other_canvas[: other.shape[0], : other.shape[1]] = other
            scores = [
                total / ((height - abs(down)) * (width - abs(right))) ** 0.5
                for (down, right), total in at_shifts(canvas, other_canvas).items()
                if (height - abs(down)) * (width - abs(right)) >= 8
            ]
            mean_square = np.mean(np.square(scores))
            expected.append(max(scores) / mean_square**0.5 if mean_square else 0)
    found = candidates.shift_peaks(known, asked, np.ones((2, 3), bool))
    assert found.ravel() == pytest.approx(expected, rel=1e-4)


def test_rings_are_what_a_window_leaves_of_a_spectrum():
    """A ring of 3 cycles in 8 pixels, at twice as many samples, between its neighbors."""
    texture = noise(0, 8, 8)
    y, x = np.indices((8, 8)) - 3.5
    distance = np.hypot(y, x) / 4
    window = np.where(distance < 1, np.cos(np.pi * distance / 2) ** 2, 0)
    magnitude = np.abs(np.fft.fft2(texture * window, (16, 16)))
    angles = np.deg2rad(2 * np.arange(90))
    ring = ndimage.map_coordinates(
        magnitude, [6 * np.sin(angles), 6 * np.cos(angles)], order=1, mode="grid-wrap"
    )
    expected = np.log(1 + ring) - np.log(1 + ring).mean()
    found = candidates.rings_of(np.stack([texture, 2 * texture]))
    assert found.shape == (2, 1, 90) and found[0, 0] == pytest.approx(expected, abs=1e-4)


def test_what_is_near_a_top_of_a_curve_is_no_further_top():
    """The curve begins again after its end, and may be below 0."""
    curves = np.full((2, 90), -1, np.float32)
    curves[0, [89, 1, 2, 86, 87]] = 1, 0.9, -0.5, -0.6, 0.8
    curves[1] = -2
    # Vertices of parabolas: through -1, 1, -1; through 0.9, -0.5, -1; through -1, -0.6, 0.8.
    expected = [178, 2 * (2 + 0.95 / 0.9), 2 * (86 - 0.9)]
    assert candidates.likely_angles(curves, 3) == [(False, pytest.approx(angle)) for angle in expected]


@pytest.mark.parametrize(
    ("shapes", "coarse", "finer"),
    [
        ([(240, 320)] * 2, (60, 80), 1),
        ([(24, 32)] * 2, (24, 32), 0.4),  # as many pixels as the largest image
        ([(24, 32), (16, 24)], (23, 33), 0.4),
        ([(100, 100), (100, 200), (100, 400)], (49, 98), 1),  # the median of the ratios
        ([(16, 4000)] * 2, (8, 600), 1),
        ([(4000, 16)] * 2, (1095, 8), 1),
    ],
)
def test_frames_of_shifted_photographs(monkeypatch, shapes, coarse, finer):
    made = []

    def texture(image, blur):
        made.append((image.shape, blur))
        return image

    monkeypatch.setattr(shifted, "_texture", texture)
    monkeypatch.setattr(shifted, "_candidates", lambda textures, progress: [(0, 1, (2, 3))])
    monkeypatch.setattr(shifted, "_confirm", lambda first, second, shift: (0.0, shift))
    shifted.find_shifted_pairs([np.zeros(shape, np.uint8) for shape in shapes])
    fine = (2 * coarse[0], 2 * coarse[1])
    assert made == [(coarse, pytest.approx(1.5 * finer))] * len(shapes) + [(fine, 2 * finer)] * 2


@pytest.mark.parametrize(
    ("correlation", "details", "accepted"),
    [
        (0.64, (1e6, 1e6), True),
        (0.639, (1e6, 1e6), False),
        (0.8, (120.0, 1e6), True),  # a half of 120, without 3: tanh(8 / 57 ** 0.5) is 0.786
        (0.78, (120.0, 1e6), False),
        (0.78, (1e6, 120.0), False),
    ],
)
def test_a_pair_is_accepted_by_its_correlation_and_its_details(monkeypatch, correlation, details, accepted):
    """Shifted by a quarter down and a third left: half of the frame of 120 x 160 overlaps."""
    left = list(details)
    monkeypatch.setattr(
        shifted, "_candidates", lambda textures, progress: [(1, 2, (5, 6)), (0, 1, (15, -27))]
    )
    monkeypatch.setattr(
        shifted,
        "_confirm",
        lambda first, second, shift: (correlation, (30, -53)) if shift == (15, -27) else (0.0, shift),
    )
    monkeypatch.setattr(shifted, "detail_of", lambda texture: left.pop(0))
    images = [noise(seed, 60, 80) for seed in range(3)]
    images.insert(1, noise(9, 15, 80))  # too small
    found = shifted.find_shifted_pairs(images)
    assert found == ([ShiftedPair(0, 2, (30 / 120, -53 / 160), correlation)] if accepted else [])


def test_pairs_that_pass_the_screening_are_those_whose_best_shift_exceeds_the_others(monkeypatch):
    """By a factor of 3 here, so that noise does; of shifts at which 9 % of the frame overlaps."""
    monkeypatch.setattr(shifted, "SCREENING", 3.0)
    textures = np.stack([noise(seed, 8, 10) for seed in range(8)])
    expected = []
    for first in range(8):
        for second in range(first + 1, 8):
            scores = {
                (down, right): total / ((8 - abs(down)) * (10 - abs(right))) ** 0.5
                for (down, right), total in at_shifts(textures[first], textures[second]).items()
                if (8 - abs(down)) * (10 - abs(right)) >= 0.09 * 80
            }
            best = max(scores, key=scores.__getitem__)
            if scores[best] >= 3 * np.sqrt(np.mean(np.square(list(scores.values())))):
                expected.append((first, second, best))
    assert 4 < len(expected) < 24, "some pass and some do not"
    assert list(shifted._candidates(textures, lambda done, total: None)) == expected


def test_fields_that_were_found_are_read_from_the_cache(tmp_path, monkeypatch):
    images = [tmp_path / name for name in ("c.png", "a.png", "b.png")]
    for image in images:
        image.write_bytes(b"")
    c, a, b = images
    asked = []

    def find(pixels, progress):
        asked.append(len(pixels))
        return [ShiftedPair(0, 2, (0.25, -0.5), 0.75)]

    monkeypatch.setattr(fields, "find_shifted_pairs", find)
    for _ in range(2):
        found = fields.find_fields(images, tmp_path / "cache")
        assert found == {a: (a, (0, 0)), b: (b, (0, 0)), c: (a, (0.25, -0.5))}
    assert asked == [3]


def test_a_field_is_joined_by_as_few_steps_as_possible():
    """3 is reached through 1, which 0 names first, and not through 2."""
    steps = [(0, 1, 0.1), (0, 2, 0.2), (1, 3, 0.1), (2, 3, 0.3), (2, 4, 0.4), (4, 3, 0.9)]
    (joined,) = fields.group_fields(5, [ShiftedPair(one, other, (by, 0), 0.9) for one, other, by in steps])
    assert {index: down for index, (down, _) in joined.items()} == pytest.approx(
        {0: 0, 1: 0.1, 2: 0.2, 3: 0.2, 4: 0.6}
    )


def test_frames_are_made_for_other_scales_only(monkeypatch):
    made = []
    monkeypatch.setattr(gallery, "make_frames", lambda *given: made.append(given) or ["new"])
    of = SimpleNamespace(frames=["a", "b"], pictures=[lambda: 1, lambda: 2], side=48)
    assert gallery.Gallery._frames_at(of, [1, 0], None) == ["b", "a"]
    assert gallery.Gallery._frames_at(of, [1], 1.0) == ["b"] and made == []
    assert gallery.Gallery._frames_at(of, [1], 1.1) == ["new"] and made == [([2], 1.1, 48)]
