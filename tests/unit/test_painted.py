"""What counts as painted in one color from the edge inwards, on noise of 20 x 20 pixels."""

import numpy as np
import pytest
from scipy import ndimage

from wbc.duplicates.frames import _filled, _textures, make_frames

PAINT = 200.0


def noise(count: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 150, (count, 20, 20, 3)).astype(np.float32)


def painted(*areas: tuple[slice, slice], **more: object) -> np.ndarray:
    """Which pixels are found where these are painted."""
    image = noise()
    for rows, columns in areas:
        image[0, rows, columns] = more.get("color", PAINT)
    (found,) = _filled(image)
    return found


def mask(*areas: tuple[slice, slice]) -> np.ndarray:
    wanted = np.zeros((20, 20), bool)
    for rows, columns in areas:
        wanted[rows, columns] = True
    return wanted


CORNER = slice(0, 3), slice(0, 4)
"""12 of 400 pixels: 0.03."""


@pytest.mark.parametrize(
    "place",
    [
        *(CORNER, (slice(17, 20), slice(16, 20))),
        *((slice(0, 20), slice(0, 1)), (slice(0, 20), slice(19, 20))),
        *((slice(0, 1), slice(0, 20)), (slice(19, 20), slice(0, 20))),
    ],
)
def test_what_touches_an_edge_is_filled(place):
    assert np.array_equal(painted(place), mask(place))


@pytest.mark.parametrize(
    "areas",
    [
        [(slice(0, 1), slice(0, 11))],  # 11 pixels are too few
        [(slice(0, 1), slice(0, 11)), (slice(5, 6), slice(5, 10))],  # those inside do not count
        [(slice(1, 19), slice(1, 19))],
        [(slice(0, 20), slice(0, 20))],  # an image of one color shows it
    ],
)
def test_what_is_too_small_or_inside_or_all_is_not(areas):
    assert not painted(*areas).any()


def test_only_neighbors_in_rows_and_columns_belong_together():
    joined, diagonal = (slice(3, 5), slice(3, 4)), (slice(5, 7), slice(4, 6))
    assert np.array_equal(painted(CORNER, joined, diagonal), mask(CORNER, joined))


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize(("away", "near"), [(6, True), (7, False), (-6, True), (-7, False)])
def test_a_color_is_within_six_levels_in_each_channel(channel, away, near):
    """Of the color that most of the border has: large enough that one pixel hardly changes its spread."""
    image = noise()
    image[0, :10] = PAINT
    image[0, 4, 4, channel] += away
    (found,) = _filled(image)
    wanted = mask((slice(0, 10), slice(0, 20)))
    wanted[4, 4] = near
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize(("spread", "paint"), [(1.5, True), (1.6, False)])
def test_glass_is_noisy_and_paint_is_not(spread, paint):
    """A standard deviation of 1.5 levels at most, in the noisiest channel."""
    image = noise()
    image[0, :10] = PAINT + 2.0  # so that both levels are of one eighth
    image[0, :10, ::2, 1] += spread
    image[0, :10, 1::2, 1] -= spread
    (found,) = _filled(image)
    assert np.array_equal(found, mask((slice(0, 10), slice(0, 20))) if paint else mask())


def test_each_image_of_a_stack_is_looked_at_alone():
    stack = noise(3)
    stack[0, :, :5] = PAINT
    stack[1, 8:12, 1:5] = PAINT  # beside what is filled in the first one, but inside
    stack[2, 18:] = 180.0
    found = _filled(stack)
    assert np.array_equal(found[0], mask((slice(0, 20), slice(0, 5))))
    assert not found[1].any() and np.array_equal(found[2], mask((slice(18, 20), slice(0, 20))))


@pytest.mark.parametrize("whole", [True, False])
def test_textures_are_what_a_blur_takes_away(whole):
    """Clipped at twice its mean size, with a mean of 0 and a variance of 1 where two pixels from what is painted."""
    gray = np.random.default_rng(1).normal(100, 20, (2, 20, 24)).astype(np.float32)
    valid = np.ones_like(gray, bool)
    if not whole:
        valid[0, :6, :9] = False
    textures, inner = _textures(gray, valid, 2.0)
    for texture, image, shown, found in zip(textures, gray, valid, inner, strict=True):
        assert np.array_equal(found, ndimage.binary_erosion(shown, iterations=2, border_value=1))
        weight = ndimage.gaussian_filter(shown.astype(float), 2.0)
        smooth = ndimage.gaussian_filter(image * shown, 2.0) / weight.clip(1e-3)
        detail = (image - smooth)[found]
        detail = detail.clip(-2 * np.abs(detail).mean(), 2 * np.abs(detail).mean())
        detail -= detail.mean()
        assert texture[found] == pytest.approx(detail / np.sqrt((detail**2).mean()), abs=2e-3)
        assert not texture[~found].any() and texture.dtype == np.float32


@pytest.mark.parametrize(("spread", "flat"), [(0.0, True), (1e-4, True), (0.1, False)])
def test_hardly_any_texture_is_none(spread, flat):
    gray = np.full((1, 12, 12), 100.0, np.float32)
    gray[0, ::2, ::2] += spread
    textures, _ = _textures(gray, np.ones_like(gray, bool), 1.0)
    assert bool((textures == 0).all()) is flat and np.isfinite(textures).all()


@pytest.mark.parametrize(
    ("shape", "scale", "side", "frame"),
    [
        ((100, 150), 1.0, 96, (96, 144)),
        ((150, 100), 0.75, 96, (108, 72)),
        ((100, 150), 1.1, 48, (53, 79)),  # 52.8 and 79.2
        ((10, 100), 1.0, 48, (48, 144)),  # no longer than three times its side
        ((10, 100), 1.33, 48, (64, 191)),  # enlarged: three times as much more, 191.5
        ((10, 100), 0.75, 48, (36, 144)),
    ],
)
def test_the_size_of_a_frame(shape, scale, side, frame):
    (made,) = make_frames([np.zeros((*shape, 3), np.uint8)], scale, side)
    assert made.texture.shape == made.valid.shape == frame
