"""Shifted photographs, found among synthetic fields."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from wbc.duplicates import shifted
from wbc.duplicates.fields import group_fields
from wbc.duplicates.shifted import ShiftedPair, find_shifted_pairs, overlap_correlation, read_gray


def smear(seed: int, height: int, width: int) -> np.ndarray:
    """A gray landscape with details of several sizes and a few dark discs."""
    rng = np.random.default_rng(seed)
    layers = [gaussian_filter(rng.standard_normal((height, width)), size) * size * 12 for size in (2, 4, 9)]
    image = 170 + sum(layers)
    y, x = np.mgrid[:height, :width]
    for _ in range(height * width // 8000):
        inside = (y - rng.uniform(0, height)) ** 2 + (x - rng.uniform(0, width)) ** 2 < rng.uniform(
            8, 25
        ) ** 2
        image[inside] -= 40
    return image.astype(np.float32)


def window(field: np.ndarray, top: int, left: int, height: int = 240, width: int = 320) -> np.ndarray:
    return field[top : top + height, left : left + width]


def pairs(found: list[ShiftedPair]) -> set[tuple[int, int]]:
    return {(pair.first, pair.second) for pair in found}


def test_shifted_photographs_are_found_with_their_shift():
    field = smear(1, 600, 800)
    rng = np.random.default_rng(0)
    images = [smear(seed, 240, 320) for seed in range(10, 16)]
    images.insert(2, window(field, 200, 200))
    images.insert(5, window(field, 250, 120) * 1.2 - 20 + rng.normal(0, 2, (240, 320)))
    (found,) = find_shifted_pairs(images)
    assert (found.first, found.second) == (2, 5)
    assert found.shift == pytest.approx((50 / 240, -80 / 320), abs=0.01)
    assert found.correlation > 0.9


@pytest.mark.parametrize(("down", "right"), [(120, 0), (-90, 190), (160, -160), (-165, -170)])
def test_a_small_overlap_suffices(down, right):
    field = smear(2, 700, 900)
    images = [window(field, 250, 250), window(field, 250 + down, 250 + right), smear(3, 240, 320)]
    assert pairs(find_shifted_pairs(images)) == {(0, 1)}


def test_a_fixed_pattern_of_the_camera_joins_nothing():
    pattern = 6 * np.random.default_rng(7).standard_normal((240, 320))
    images = [smear(seed, 240, 320) + pattern for seed in range(20, 26)]
    field = smear(4, 600, 800)
    images += [window(field, 100, 100) + pattern, window(field, 200, 180) + pattern]
    assert pairs(find_shifted_pairs(images)) == {(6, 7)}


def test_blank_images_are_in_no_pair():
    blank = [np.full((240, 320), value, np.float32) for value in (0, 255, 255)]
    with np.errstate(all="raise"):
        assert find_shifted_pairs([*blank, smear(1, 240, 320)]) == []


def test_an_exact_copy_and_a_reduced_copy_are_found():
    image = smear(5, 240, 320)
    reduced = np.asarray(Image.fromarray(image).resize((200, 150), Image.Resampling.BILINEAR))
    assert pairs(find_shifted_pairs([image, smear(6, 240, 320), image.copy(), reduced])) == {
        (0, 2),
        (0, 3),
        (2, 3),
    }


@pytest.mark.parametrize("shape", [(90, 90), (400, 150), (33, 47)])
def test_any_size_and_shape(shape):
    field = smear(8, 900, 900)
    height, width = shape
    images = [window(field, 100, 100, *shape), window(field, 100 + height // 5, 100 + width // 6, *shape)]
    images += [window(field, 600, 600, *shape)]
    assert pairs(find_shifted_pairs(images)) == {(0, 1)}


def test_the_order_of_uint8_and_float_and_of_blocks_does_not_matter(monkeypatch):
    field = smear(9, 600, 800)
    images = [window(field, 10 * k, 20 * k) for k in range(3)] + [smear(s, 240, 320) for s in range(30, 36)]
    expected = find_shifted_pairs(images)
    assert pairs(expected) == {(0, 1), (0, 2), (1, 2)}
    assert pairs(find_shifted_pairs([np.clip(image, 0, 255).astype(np.uint8) for image in images])) == pairs(
        expected
    )
    monkeypatch.setattr(shifted, "_BLOCK", 4)
    monkeypatch.setattr(shifted, "_BATCH", 3)
    assert find_shifted_pairs(images) == expected


def test_no_image_and_one_image():
    assert find_shifted_pairs([]) == []
    assert find_shifted_pairs([smear(1, 240, 320)]) == []


def test_fields_are_joined_through_others_and_know_their_corners():
    found = [ShiftedPair(0, 3, (0.1, 0.2), 0.9), ShiftedPair(2, 3, (0.3, -0.1), 0.9)]
    alone, joined = group_fields(4, found)[1], group_fields(4, found)[0]
    assert list(alone) == [1]
    assert list(joined) == [0, 2, 3]
    assert joined[3] == pytest.approx((0.1, 0.2))
    assert joined[2] == pytest.approx((-0.2, 0.3))


def test_overlap_correlation_of_known_shift():
    field = smear(11, 200, 200)
    first, second = field[20:120, 20:120], field[30:130, 15:115]
    assert overlap_correlation(first, second, (10, -5)) == pytest.approx(1, abs=1e-5)
    assert overlap_correlation(first, second, (0, 0)) < 0.9
    assert overlap_correlation(first, second, (95, 95)) == 0
    assert overlap_correlation(np.ones((50, 50)), np.ones((50, 50)), (3, 3)) == 0


def test_read_gray_reduces(tmp_path):
    Image.fromarray(smear(1, 480, 640).clip(0, 255).astype(np.uint8)).save(tmp_path / "a.jpg")
    gray = read_gray(tmp_path / "a.jpg")
    assert gray.shape == (240, 320)
    assert gray.dtype == np.uint8
    (tmp_path / "b.jpg").write_bytes(b"no image")
    with pytest.raises(OSError):
        read_gray(tmp_path / "b.jpg")
