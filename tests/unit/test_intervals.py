"""Intervals by hand, against SciPy, and how often they contain the truth."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, norm, t, ttest_1samp

from wbc.evaluation.intervals import (
    cluster_bootstrap,
    difference_interval,
    mean_interval,
    share_interval,
    shared_training,
    t_interval,
    wilson,
)


@pytest.mark.parametrize(("right", "total"), [(0, 1), (1, 1), (3, 7), (50, 50), (0, 40), (399, 440)])
def test_wilson_is_that_of_scipy(right, total):
    expected = binomtest(right, total).proportion_ci(method="wilson")
    found = wilson(right, total)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert 0 <= found.low <= right / total <= found.high <= 1
    assert found.method == "wilson"


@pytest.mark.parametrize(
    ("right", "total"), [(0, 1), (1, 1), (3, 7), (1, 60), (59, 60), (0, 40), (40, 40), (399, 440)]
)
def test_wilson_with_continuity_is_that_of_scipy(right, total):
    expected = binomtest(right, total).proportion_ci(method="wilsoncc")
    found = wilson(right, total, continuity=True)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_intervals_of_means_and_differences_by_hand():
    """The distances of bounds add in squares, each on its side."""
    shares = [(0.5, 0.4, 0.7), (0.9, 0.6, 0.94)]
    mean = mean_interval(shares)
    assert (mean.low, mean.high) == pytest.approx(
        (0.7 - math.hypot(0.1, 0.3) / 2, 0.7 + math.hypot(0.2, 0.04) / 2)
    )
    apart = difference_interval(*shares)
    assert mean.method == apart.method == "mover"
    assert (apart.low, apart.high) == pytest.approx(
        (-0.4 - math.hypot(0.1, 0.04), -0.4 + math.hypot(0.2, 0.3))
    )
    assert (mean_interval([(0.1, -0.9, 1.9)]).low, mean_interval([(0.1, -0.9, 1.9)]).high) == (0.0, 1.0)
    edge = difference_interval((0.9, 0.0, 1.0), (0.1, 0.0, 1.0))
    assert edge.high == pytest.approx(0.8 + math.hypot(0.1, 0.1)) and edge.low == pytest.approx(
        0.8 - math.hypot(0.9, 0.9)
    )
    assert difference_interval((0.0, 0.0, 0.9), (1.0, 0.1, 1.0)).low == -1.0
    assert difference_interval((1.0, 0.1, 1.0), (0.0, 0.0, 0.9)).high == 1.0


def test_the_bootstrap_by_hand():
    """Quantiles of resampled sources, expanded as t is against the normal distribution."""
    right, total = np.array([3, 5, 1, 4, 0]), np.array([5, 5, 2, 6, 3])
    draws = np.random.default_rng(0).integers(0, 5, (2000, 5))
    shares = right[draws].sum(axis=1) / total[draws].sum(axis=1)
    tail = norm.cdf(math.sqrt(5 / 4) * t.ppf(0.025, 4))
    found = cluster_bootstrap(right, total)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(shares, [tail, 1 - tail])))
    images = np.concatenate([np.arange(all_of) < of for of, all_of in zip(right, total, strict=True)])
    assert share_interval(images, np.repeat(np.arange(5), total)) == found
    assert share_interval(images, np.repeat(list("abcde"), total), 3) == cluster_bootstrap(right, total, 3)
    assert found.method == "cluster-bootstrap"


def test_wilson_by_hand():
    """Half of four: center 1/2, half width z * sqrt(1/16 + z^2/64) / (1 + z^2/4)."""
    z = 1.959964
    half = z * math.sqrt(1 / 16 + z**2 / 64) / (1 + z**2 / 4)
    assert wilson(2, 4).low == pytest.approx(0.5 - half, abs=1e-6)
    assert wilson(2, 4).high == pytest.approx(0.5 + half, abs=1e-6)


def test_images_of_a_source_count_together():
    """Ten sources of eleven images each, all right or all wrong together: ten facts, not 110."""
    right = np.repeat([True] * 8 + [False] * 2, 11)
    sources = np.repeat([f"cell {number}" for number in range(10)], 11)
    shared, alone = share_interval(right, sources), share_interval(right, [str(n) for n in range(110)])
    assert (shared.method, alone.method) == ("cluster-bootstrap", "wilson")
    assert shared.high - shared.low > 2.5 * (alone.high - alone.low)
    assert shared.low < 0.8 < shared.high


def test_the_order_of_images_and_names_of_sources_do_not_matter():
    draw = np.random.default_rng(0)
    sources = np.repeat(np.arange(20), 3)
    right = draw.random(60) < 0.7
    order = draw.permutation(60)
    one = share_interval(right, [f"a{number:02d}" for number in sources])
    assert one == share_interval(right[order], [f"b{number:02d}" for number in sources[order]])


def test_the_bootstrap_is_seeded():
    right, total = np.arange(20) % 7, np.full(20, 7)
    assert cluster_bootstrap(right, total, seed=1) == cluster_bootstrap(right, total, seed=1)
    assert cluster_bootstrap(right, total, seed=1) != cluster_bootstrap(right, total, seed=2)


def test_sources_that_agree_leave_as_much_uncertainty_as_their_number():
    found = cluster_bootstrap(np.array([11] * 10), np.array([11] * 10))
    assert (found.low, found.high) == (wilson(10, 10).low, 1.0)
    assert found.method == "cluster-bootstrap"
    single = cluster_bootstrap(np.array([3]), np.array([4]))
    assert single.low < 0.75 < single.high
    assert single.high - single.low > 0.7, "one cell says next to nothing"


def test_t_interval_is_that_of_scipy():
    values = [0.71, 0.78, 0.69, 0.8]
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    found = t_interval(values)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert t_interval([0.7]) is None
    assert t_interval([0.5, 0.5]).low == t_interval([0.5, 0.5]).high == 0.5
    corrected = t_interval(values, 0.75)
    assert corrected.high - corrected.low == pytest.approx(2 * (found.high - found.low)), (
        "1/4 and 3/4 for 1/4"
    )
    assert found.method == corrected.method == "t"


@pytest.mark.parametrize(("cells", "least"), [(10, 0.86), (40, 0.9)])
def test_intervals_of_shared_sources_contain_the_truth(cells, least):
    """Sources differ in difficulty, and each has eleven images."""
    draw = np.random.default_rng(7)
    held = naive = 0
    for _ in range(400):
        hardness = draw.beta(0.8 * 2, 0.2 * 2, cells)
        right = draw.binomial(11, hardness)
        found, plain = cluster_bootstrap(right, np.full(cells, 11)), wilson(right.sum(), 11 * cells)
        held += found.low <= 0.8 <= found.high
        naive += plain.low <= 0.8 <= plain.high
    assert held / 400 > least
    assert naive / 400 < 0.75, "images taken for independent claim too much"


def test_intervals_of_independent_images_contain_the_truth():
    draw = np.random.default_rng(8)
    held = 0
    for right in draw.binomial(30, 0.85, 1000):
        found = wilson(right, 30)
        held += found.low <= 0.85 <= found.high
    assert 0.92 < held / 1000 < 0.98


def test_intervals_of_replicates_contain_the_mean():
    draw = np.random.default_rng(9)
    held = 0
    for repeats in draw.normal(0.7, 0.05, (1000, 3)):
        found = t_interval(repeats)
        held += found.low <= 0.7 <= found.high
    assert 0.93 < held / 1000 < 0.97


def test_intervals_of_folds_contain_the_truth_where_plain_ones_do_not():
    """Folds train on shared images: their errors have one part in common, as Nadeau and Bengio model it."""
    rng = np.random.default_rng(1)
    shared = shared_training(5)
    assert shared == pytest.approx(1 / 3.2)
    common = shared / (1 + shared)  # their correlation: tested / (tested + trained)
    covered = {0.0: 0, shared: 0}
    for _ in range(2000):
        folds = np.sqrt(common) * rng.normal() + np.sqrt(1 - common) * rng.normal(size=5)
        for correction in covered:
            found = t_interval(folds, correction)
            covered[correction] += found.low <= 0 <= found.high
    assert covered[0.0] < 0.9 * 2000 < 0.94 * 2000 < covered[shared]
