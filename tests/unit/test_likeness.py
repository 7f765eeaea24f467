"""How far an image is from those that a network was trained on: spaces and limits by hand."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from wbc.evaluation import likeness
from wbc.evaluation.likeness import Likeness, Space, allowed

PLAIN = Space([1.0, 2.0], [2.0, 4.0], [[0.5, 0.0]], [[0.0, 0.0], [10.0, 10.0]], 0.5, 3.0, False)
"""One direction, along which the spread is 2 once numbers are scaled; two classes."""


@pytest.mark.parametrize(
    ("described", "distance"),
    [
        ((1, 2), 0),
        ((5, 2), 1),  # 2 in units of the scale, which is one spread
        ((1, 6), 2),  # 1 outside the direction, of which 0.5 are usual
        ((5, 10), 17**0.5),
        ((21, 42), 0),  # the other class
        ((21, 46), 2),
    ],
)
def test_the_distance_to_the_nearest_class(described, distance):
    assert PLAIN.distances(np.array([described, (1, 2)], float)) == pytest.approx([distance, 0])


def four(count: int, *shift: float) -> np.ndarray:
    """The corners of a rectangle of 2 x 4 about a place, each so often."""
    corners = np.array([(x, y) for x in (-1, 1) for y in (-2, 2)], float)
    return np.repeat(corners, count, axis=0) + shift


def test_the_space_of_training_images():
    """Spreads within the classes are 1 and 2; the noise of the second number makes its scale 4. A third is constant."""
    training = np.concatenate([four(5, 0, 0), four(5, 10, 0)])
    training = np.column_stack([training, np.full(40, 7.0)])
    held_out = np.array([[k, 0, 7] for k in range(5)], float)
    found = Space.of(training, [0] * 20 + [1] * 20, np.array([0, 12**0.5, 0]), held_out)
    assert found.mean == pytest.approx([5, 0, 7])
    assert found.scale == pytest.approx([1, 4, 0.05 * 5 / 3])
    assert np.abs(found.directions) == pytest.approx(np.diag([1, 2, 10]), abs=1e-9)
    assert np.array(found.centers) == pytest.approx(np.array([[-5, 0, 0], [5, 0, 0]]), abs=1e-9)
    assert (found.rest, found.projected) == (0.1, False)
    assert found.limit == pytest.approx(4)
    flat = Space.of(np.ones((6, 2)), [0] * 6, 0.0, np.ones((1, 2)))
    assert (flat.scale, flat.limit) == ([1, 1], 0)


@pytest.mark.parametrize(("count", "directions"), [(1, 1), (2, 1), (3, 2)])
def test_a_direction_rests_on_five_images(count, directions):
    """4, 8 and 12 images; what is outside of the only direction is 0.5."""
    found = Space.of(four(count, 0, 0), [0] * 4 * count, np.array([0, 12**0.5]), np.zeros((1, 2)))
    assert np.abs(found.directions) == pytest.approx(np.array([[1, 0], [0, 2]])[:directions], abs=1e-9)
    assert found.rest == pytest.approx(0.5 if directions == 1 else 0.1)


def test_no_more_than_sixteen_directions():
    training = np.random.default_rng(0).normal(size=(100, 20))
    assert len(Space.of(training, [0] * 100, 0.0, training[:2]).directions) == 16
    assert len(Space.of(training[:84], [0] * 84, 0.0, training[:2]).directions) == 16
    assert len(Space.of(training[:79], [0] * 79, 0.0, training[:2]).directions) == 15


@pytest.mark.parametrize(("numbers", "projected"), [(512, False), (513, True)])
def test_long_descriptions_are_projected_at_random(numbers, projected):
    training = np.random.default_rng(0).normal(size=(6, numbers))
    found = Space.of(training, [0] * 6, 1.0, training)
    assert found.projected is projected and len(found.mean) == 512
    onto = np.random.default_rng(513).standard_normal((513, 512)) / 512**0.5
    plain = training @ onto if projected else training
    assert found.mean == pytest.approx(plain.mean(axis=0))
    assert found.distances(training) == pytest.approx(replace(found, projected=False).distances(plain))


@pytest.mark.parametrize(
    ("count", "rate", "rank"),
    [(1, 0.05, 1), (10, 0.05, 10), (18, 0.05, 18), (19, 0.05, 19), (39, 0.05, 38), (100, 0.025, 99)],
)
def test_the_rank_that_a_further_image_exceeds_at_most_so_often(count, rate, rank):
    assert allowed(count, rate) == rank


def test_the_limits_and_the_rate_of_validation_images(monkeypatch):
    made = []
    monkeypatch.setattr(Space, "of", lambda *given: made.append(given) or PLAIN)
    looks, features = (np.zeros((3, 11)), np.ones((100, 11))), (np.array([[1.0], [3.0]]), np.ones((100, 1)))
    found = Likeness.of(looks, features, [0, 1])
    (training, labels, noise, held_out), (others, _, other_noise, other_held_out) = made
    assert training is looks[0] and held_out is looks[1] and labels == [0, 1]
    assert others is features[0] and other_held_out is features[1]
    assert noise.tolist() == [4.0] * 6 + [0.1] * 5
    assert other_noise == 1e-3 + 1e-9
    # Each of the two limits is exceeded by 2 of 101.
    assert (found.rate, found.images) == (pytest.approx(4 / 101), 100)
    assert Likeness.from_json(asdict(found)) == found


@pytest.mark.parametrize(
    ("gray", "feature", "limits", "distance"),
    [
        (10, 4, (5.0, 4.0), 10 * 3**0.5 / 5),
        (1, -9, (5.0, 4.0), 9 / 4),
        (0, 3, (5.0, 0.0), 3e9),
        (2, 3, (0.0, 4.0), 2e9 * 3**0.5),
        (0, 0, (0.0, 0.0), 0),
    ],
)
def test_the_larger_distance_as_a_multiple_of_its_limit(gray, feature, limits, distance):
    """Of a gray image: its looks are its level three times, and no contrast."""
    looks = Space([0.0] * 11, [1.0] * 11, [[1.0] + [0.0] * 10], [[0.0] * 11], 1.0, limits[0], False)
    features = Space([0.0], [1.0], [[1.0]], [[0.0]], 1.0, limits[1], False)
    found = Likeness(looks, features, 0.05, 40)
    pixels = np.full((1, 4, 4, 3), gray, np.uint8)
    assert found.distances(pixels, np.array([[feature]], float)) == pytest.approx([distance])
    assert likeness.looks_of(pixels)[0].tolist() == [gray] * 3 + [0.0] * 8
