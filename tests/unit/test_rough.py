"""Rough matches of parts of one field of noise: where they are, mirrored and upside down, and what is too little."""

import numpy as np
import pytest
from scipy import ndimage

from wbc.duplicates import rough
from wbc.duplicates.frames import Frame
from wbc.duplicates.rough import Turn, rough_matches

FIELD = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(96, 120)), 2.0)
FIELD = (FIELD / FIELD.std()).astype(np.float32)


def part(top: int, left: int, height: int = 40, width: int = 56) -> np.ndarray:
    return FIELD[top : top + height, left : left + width]


def frame(texture: np.ndarray, valid: np.ndarray | None = None) -> Frame:
    shown = np.ones(texture.shape, bool) if valid is None else valid
    return Frame(np.where(shown, texture, 0).astype(np.float32), shown)


FIRST = frame(part(20, 20))


@pytest.mark.parametrize(
    ("top", "left", "size"),
    [(20, 20, (40, 56)), (24, 30, (40, 56)), (10, 14, (40, 56)), (20, 24, (24, 30)), (12, 20, (60, 64))],
)
@pytest.mark.parametrize(
    ("changed", "turn"),
    [
        (lambda image: image, {}),
        (lambda image: image, {"angle": 0.0}),
        (lambda image: image[:, ::-1], {"mirrored": True}),
        (lambda image: image[:, ::-1], {"mirrored": True, "angle": 0.0}),
        (lambda image: image[::-1, ::-1], {"angle": 0.0}),
        (lambda image: image[::-1, ::-1], {"angle": 180.0}),
        (lambda image: image, {"angle": 180.0}),
    ],
)
def test_a_part_of_the_same_field_is_found_where_it_is(top, left, size, changed, turn):
    """As far as its middle is from that of the first, in shares of the shorter side of 40.

    What may be turned lies on a canvas of an odd side: half a pixel of 20 apart.
    """
    second = changed(part(top, left, *size))
    (match,) = rough_matches([Turn(FIRST, frame(second), **turn)])
    assert match.correlation > (0.9 if "angle" in turn else 0.97)
    assert match.mirrored is turn.get("mirrored", False) and match.scale == 1
    upside_down = np.array_equal(second, part(top, left, *size)[::-1, ::-1])
    assert match.angle == (180 if upside_down else 0)
    expected = ((top - 20 + (size[0] - 40) / 2) / 40, (left - 20 + (size[1] - 56) / 2) / 40)
    assert match.shift == pytest.approx(expected, abs=0.026 if "angle" in turn else 1e-6)


def test_a_quarter_turn_is_found_about_the_middle():
    square = frame(part(20, 20, 40, 40))
    second = frame(np.rot90(part(20, 20, 40, 40)))  # turned against the clock; a match turns it back
    for angle in (90.0, 270.0):
        (match,) = rough_matches([Turn(square, second, angle=angle)])
        assert match.correlation > 0.9 and match.angle in (90, 270)
        assert match.shift == pytest.approx((0, 0), abs=0.026)
    found = {rough_matches([Turn(square, second, angle=angle)])[0].angle for angle in (90.0, 270.0)}
    assert len(found) == 1, "an angle is known up to half a turn"


@pytest.mark.parametrize(
    ("rows", "angle", "found"), [(6, None, True), (4, None, False), (14, 0.0, True), (10, 0.0, False)]
)
def test_too_small_an_overlap_is_not_looked_for(rows, angle, found):
    """At least 0.12 of 40 rows where images are shifted, and 0.3 where they are turned."""
    second = frame(part(60 - rows, 20))
    (match,) = rough_matches([Turn(FIRST, second, angle=angle)])
    there = match.shift == pytest.approx((1 - rows / 40, 0), abs=0.026)
    assert (match.correlation > 0.8 and there) is found


@pytest.mark.parametrize(("angle", "found"), [(179.0, 359.0), (-1.0, 359.0), (-1.8, 358.2), (181.0, 1.0)])
def test_an_angle_is_known_up_to_half_a_turn(angle, found):
    """Hardly turned, an image still matches itself."""
    (match,) = rough_matches([Turn(FIRST, FIRST, angle=angle)])
    assert match.angle == pytest.approx(found) and match.correlation > 0.85


@pytest.mark.parametrize("turn", [{}, {"angle": 0.0}, {"mirrored": True}, {"mirrored": True, "angle": 0.0}])
def test_what_is_painted_is_not_compared(turn):
    shown = np.ones((40, 56), bool)
    shown[:30, :20] = False
    second = frame(part(24, 30), shown)
    flipped = slice(None, None, -1 if turn.get("mirrored") else 1)
    second = Frame(second.texture[:, flipped], second.valid[:, flipped])
    (match,) = rough_matches([Turn(FIRST, second, **turn)])
    assert match.correlation > (0.9 if "angle" in turn else 0.97)
    assert match.shift == pytest.approx((4 / 40, 10 / 40), abs=0.026 if "angle" in turn else 1e-6)
    if "angle" in turn:
        upside_down = Frame(second.texture[::-1, ::-1], second.valid[::-1, ::-1])
        (same,) = rough_matches([Turn(FIRST, upside_down, **turn)])
        assert same.angle == 180 and same.correlation == pytest.approx(match.correlation, abs=1e-5)
        assert same.shift == match.shift


def test_many_turns_of_several_shapes_come_back_in_their_order(monkeypatch):
    seconds = [frame(part(20, 20 + 2 * n, 40, 56 - 8 * (n % 2))) for n in range(5)]
    turns = [Turn(FIRST, second, angle=angle) for second in seconds for angle in (None, 0.0)]
    alone = [rough_matches([turn])[0] for turn in turns]
    for batch in (64, 2):
        monkeypatch.setattr(rough, "_BATCH", batch)
        for match, other in zip(rough_matches(turns), alone, strict=True):
            assert match.shift == other.shift
            assert match.correlation == pytest.approx(other.correlation, abs=1e-4)
    assert rough_matches([]) == []
