"""The parts of comparing two images: colors of a border, thresholds, and small corrections, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from wbc.duplicates import frames, gallery, registration, rough
from wbc.duplicates.frames import COARSE, Frame
from wbc.duplicates.registration import Match


@pytest.mark.parametrize("count", [1, 2, 5, 8, 9])
def test_the_most_common_color_of_a_border_is_the_median_of_pixels_alike(count: int):
    """Colors alike fall into one eighth of the levels of each channel; every other pixel is of another kind."""
    rng = np.random.default_rng(count)
    paint = rng.uniform(200, 208, (count, 3))
    others = np.arange(20)[:, None] * np.array([8, 8, 8]) + np.array([1, 2, 3])
    border = np.concatenate([others, paint, [[203.0, 204.0, 205.0]]]).astype(np.float32)
    alike = np.concatenate([paint, [[203.0, 204.0, 205.0]]]).astype(np.float32)
    found = frames._most_common(np.stack([border, border[::-1]]))
    assert found == pytest.approx(np.stack([np.median(alike, axis=0)] * 2))


def test_a_smaller_frame_has_a_variance_of_one_where_it_shows_something():
    rng = np.random.default_rng(0)
    texture = rng.normal(0, 1, (8 * COARSE, 6 * COARSE + 1)).astype(np.float32)
    valid = np.ones(texture.shape, bool)
    valid[0, 0] = False
    small = Frame(texture, valid).small
    assert small.texture.shape == small.valid.shape == (8, 6)
    assert small.valid.sum() == 47 and not small.valid[0, 0] and small.texture[0, 0] == 0
    assert (small.texture[small.valid] ** 2).mean() == pytest.approx(1, rel=1e-4)
    mean = texture[:COARSE, COARSE : 2 * COARSE].mean() / texture[COARSE : 2 * COARSE, :COARSE].mean()
    assert small.texture[0, 1] / small.texture[1, 0] == pytest.approx(mean, rel=1e-3)
    flat = Frame(np.zeros((COARSE, COARSE), np.float32), np.zeros((COARSE, COARSE), bool)).small
    assert (flat.texture == 0).all()


def frame(shown: float, detail: float = 1e6):
    """One and a half times as wide as high."""
    valid = np.arange(100) < round(100 * shown)
    return SimpleNamespace(valid=valid, detail=detail, texture=np.zeros((8, 12)))


@pytest.mark.parametrize(
    ("shift", "compared"),
    [((0.0, 0.0), 1), ((0.5, 0.0), 1), ((0.0, -0.9), 4 / 5), ((-0.5, 0.75), 1 / 2), ((2.0, 0.0), 0)],
)
def test_less_than_half_of_the_images_has_fewer_details(shift: tuple[float, float], compared: float):
    at = registration.threshold_for(frame(1.0, 603.0), frame(1.0, 700.0), Match(0.9, shift=shift))
    assert at == pytest.approx(max(0.58, np.tanh(12 / np.sqrt(max(603 * compared - 3, 0.1)))))


@pytest.mark.parametrize(
    ("shown", "threshold"), [(1.0, 0.58), (0.7, 0.58), (0.6, 0.67), (0.5, 0.76), (0.3, 0.76)]
)
def test_painted_backgrounds_ask_for_more_correlation(shown: float, threshold: float):
    assert registration.threshold_for(frame(shown), frame(1.0)) == pytest.approx(threshold)
    assert registration.threshold_for(frame(1.0), frame(shown)) == pytest.approx(threshold)


def test_little_detail_asks_for_more_and_a_rough_match_may_be_hopeless(monkeypatch):
    least = registration.least_correlation(40.0)
    assert least == pytest.approx(np.tanh(registration.least_correlation.__defaults__[0] / np.sqrt(37)))
    assert registration.threshold_for(frame(1.0, 40.0), frame(1.0)) == pytest.approx(max(0.58, least))
    for below, hopeless in ((0.24, False), (0.26, True)):
        assert registration.is_hopeless(Match(0.58 - below), frame(1.0), frame(1.0)) is hopeless
    monkeypatch.setattr(registration, "threshold_for", lambda first, second: 0.75)
    assert not registration.is_hopeless(Match(0.5), frame(1.0), frame(1.0))


@pytest.mark.parametrize(
    ("correlation", "corrected"), [(0.35, False), (0.37, True), (0.67, True), (0.69, False)]
)
def test_only_what_may_be_decided_by_it_is_corrected(monkeypatch, correlation: float, corrected: bool):
    tried = []
    monkeypatch.setattr(
        registration, "_match", lambda first, second, how, least: tried.append(how) or Match(0.0)
    )
    start = Match(correlation, angle=359.0, scale=2.0)
    assert registration._refine(frame(1.0), frame(1.0), start) == start
    assert bool(tried) is corrected
    if corrected:
        assert [(one.scale, one.angle) for one in tried] == [
            pytest.approx(pair)
            for step, turn in ((0.05, 3.0), (0.025, 1.5))
            for pair in (
                (2 * (1 + step), 359.0),
                (2 / (1 + step), 359.0),
                (2.0, 359.0 - turn),
                (2.0, (359.0 + turn) % 360),
            )
        ]


@pytest.mark.parametrize(
    ("match", "words"),
    [
        (Match(0.966), "the same image (correlation 0.97)"),
        (Match(0.9, True, 1.9, 1.029, (0.029, -0.029)), "mirrored (correlation 0.90)"),
        (
            Match(0.9, False, 358.0, 0.97, (0.01, -0.03)),
            "rotated by 2 degrees, scaled by 0.97, shifted by 3% (correlation 0.90)",
        ),
        (Match(0.9, False, 180.0), "rotated by 180 degrees (correlation 0.90)"),
        (
            Match(0.875, True, 30.0, 1.25, (-0.25, 0.125)),
            "mirrored, rotated by 30 degrees, scaled by 1.25, shifted by 25% (correlation 0.88)",
        ),
    ],
)
def test_a_match_in_words(match: Match, words: str):
    assert match.in_words() == words


def test_a_match_the_other_way_round():
    there = Match(0.9, False, 30.0, 2.0, (0.1, -0.2))
    assert there.reversed() == Match(0.9, False, 330.0, 0.5, (-0.1, 0.2))
    assert Match(0.9, True, 30.0).reversed().angle == 30.0


def test_a_rotation_by_whole_quarters_moves_every_pixel_with_its_value():
    """On 17 x 17 pixels, whose canvas of 25 has the same middle."""
    image = np.random.default_rng(0).normal(0, 1, (17, 17)).astype(np.float32)
    for quarter in range(4):
        canvas = (rough._rotation(17, 17, 90 * quarter) @ image.ravel()).reshape(25, 25)
        inside = canvas[4:21, 4:21]
        assert np.allclose(inside, np.rot90(image, -quarter), atol=1e-5)
        assert np.abs(canvas).sum() == pytest.approx(np.abs(inside).sum(), rel=1e-5)
    tilted = (rough._rotation(17, 17, 30) @ np.ones(17 * 17, np.float32)).reshape(25, 25)
    assert set(np.round(tilted, 4).ravel()) == {0.0, 1.0} and tilted[12, 12] == pytest.approx(1)


@pytest.mark.parametrize("itself", [True, False])
def test_each_image_proposes_those_whose_shifted_texture_agrees_best(monkeypatch, itself: bool):
    low, high = gallery.SMALLEST_PEAK - 0.01, gallery.SMALLEST_PEAK
    peaks = np.array(
        [[0, high, 9.0, low], [high, 0, low, low], [9.0, low, 0, 8.0], [low, low, 8.0, 0]], np.float32
    )
    asked = [0, 1, 2, 3] if itself else [4, 5, 6, 7]
    missing = []

    def found(known, others, wanted, progress):
        missing.append(wanted)
        return peaks

    monkeypatch.setattr(gallery, "shift_peaks", found)
    monkeypatch.setattr(gallery, "NEIGHBORS", 1)
    frame = SimpleNamespace(small=SimpleNamespace(texture=None))
    of = SimpleNamespace(_peaks=None, frames=[frame] * 8, progress=None)
    proposed = gallery.Gallery._shifted(of, [0, 1, 2, 3], asked, "photographs")
    if itself:
        assert proposed == {(0, 2, None), (0, 1, None), (2, 3, None)}
        assert missing[0].sum() == 6, "each pair once"
    else:
        assert proposed == {(2, 4, None), (0, 5, None), (0, 6, None), (2, 7, None)}
        assert missing[0].all()
