"""Statistics of differences: clusters of images, looks, error rates and means, by hand and as SciPy has them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm, t, ttest_1samp

from bench.compare.discordance import Clusters, images_needed
from bench.compare.looks import number_of_look, start_anew
from bench.compare.metrics import p_of_mean
from bench.compare.thresholds import alpha_at, holm


def test_looks_at_the_same_are_one_look(tmp_path: Path):
    assert [number_of_look(tmp_path, one) for one in ("a", "a", "b", "", "a")] == [1, 1, 2, 3, 1]
    start_anew(tmp_path)
    assert number_of_look(tmp_path, "b") == 1
    (tmp_path / "looks.json").write_text("{torn")
    assert number_of_look(tmp_path, "b") == 1


def test_holm_against_the_step_down_written_out():
    p = [0.01, 0.04, None, 0.03, 0.005]
    # sorted: 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1, never falling
    assert holm(p) == pytest.approx([0.03, 0.06, None, 0.06, 0.02], nan_ok=True)
    assert holm([None]) == [None]
    assert holm([0.9, 0.6, 0.2]) == pytest.approx([1.0, 1.0, 0.6]), "no p value is above 1"
    assert holm([0.01, 0.01]) == pytest.approx([0.02, 0.02])
    assert holm([]) == []


def test_all_looks_together_spend_no_more_than_alpha():
    assert sum(alpha_at(look, 0.05) for look in range(1, 60)) == pytest.approx(0.05)
    assert alpha_at(1, 0.05) == pytest.approx(0.04)


def test_images_of_one_source_count_once():
    """Ten discordant images are strong evidence from ten trials and none from one."""
    sources = [f"s{number // 10}" for number in range(100)]
    difference = np.zeros(100)
    difference[:10] = -1
    joined = Clusters.of(difference, sources)
    alone = Clusters.of(difference, [str(number) for number in range(100)])
    assert (joined.images, len(joined.size), joined.mean) == (100, 10, -0.1)
    assert abs(alone.mean) > alone.half(0.99) and abs(joined.mean) < joined.half(0.95)
    assert joined.error() > 2 * alone.error()


@pytest.mark.parametrize("resolution", [1.0, 0.0])
@pytest.mark.parametrize("sources", ["aabbbc", "abcdef", "aaaaaa"])
def test_the_error_of_a_difference_by_hand(sources: str, resolution: float):
    """The sum over sources of squared residuals, with half a source of discordant images for either side."""
    difference = np.array([1.0, 0.0, -1.0, 0.5, 0.0, 1.0])
    found = Clusters.of(difference, list(sources))
    assert found.mean == 0.25
    names = sorted(set(sources))
    number = len(names)
    sums = [sum(d - 0.25 for d, of in zip(difference, sources, strict=True) if of == name) for name in names]
    corrected = number / max(1, number - 1) if number < 6 else 1.0
    typical = 6 / number * resolution
    total = 6 + (2 * 6 / number if resolution else 0)
    error = np.sqrt(corrected * np.square(sums).sum() + typical**2) / total
    assert found.error(resolution) == pytest.approx(error)
    half = t.ppf(0.95, max(1, number - 1)) * error
    assert found.half(0.9, resolution) == pytest.approx(half)
    for margin, power in ((0.02, 0.8), (0.1, 0.5)):
        reach = norm.ppf(0.95) + norm.ppf((1 + power) / 2)
        needed = images_needed(found, margin, resolution, power)
        assert needed == np.ceil(error**2 * 6 * (reach / margin) ** 2)
    assert images_needed(found, 0.02) == images_needed(found, 0.02, 1.0, 0.8)
    assert (found.error(), found.half(0.9)) == (found.error(1.0), found.half(0.9, 1.0))


def test_clustered_images_don_t_raise_alarms():
    """Sixty trials of six images each, which are right or wrong together: A against A."""
    alarms = plain = 0
    rng = np.random.default_rng(0)
    for _ in range(2000):
        difference = np.repeat(rng.integers(-1, 2, 60), 6).astype(float)
        joined = Clusters.of(difference, np.repeat(np.arange(60), 6))
        alone = Clusters(difference, np.ones(360, int))
        alarms += abs(joined.mean) > joined.half(0.95)
        plain += abs(alone.mean) > alone.half(0.95)
    assert 0.03 <= alarms / 2000 <= 0.055 < 0.25 < plain / 2000


def test_no_discordant_image_among_few_proves_nothing():
    few, many = (Clusters.of(np.zeros(n), [str(i) for i in range(n)]) for n in (12, 1000))
    assert few.half(0.9) > 0.02 > many.half(0.9)


def test_so_many_images_as_it_says_suffice():
    rng = np.random.default_rng(5)

    def clusters(images: int) -> Clusters:
        return Clusters(rng.choice([-1.0, 0, 1], images, p=[0.03, 0.94, 0.03]), np.ones(images, int))

    typical = Clusters(np.repeat([-1.0, 0, 1], [300, 9400, 300]), np.ones(10_000, int))
    needed = images_needed(typical, 0.02)
    found = 0
    for _ in range(2000):
        enough = clusters(needed)
        found += abs(enough.mean) + enough.half(0.9) < 0.02
    assert found / 2000 == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("values", [[0.1, 0.3, -0.1, 0.2], [-5.0, -5.1, -4.9], [1.0, -1.0]])
def test_a_mean_against_nought_as_scipy_has_it(values: list[float]):
    assert p_of_mean(np.array(values)) == pytest.approx(float(ttest_1samp(values, 0).pvalue))


@pytest.mark.parametrize(
    ("values", "p"), [([0.5], None), ([0.0, 0.0], 1.0), ([0.5, 0.5], 0.0), ([-0.5, -0.5], 0.0)]
)
def test_a_mean_without_variation(values: list[float], p: float | None):
    assert p_of_mean(np.array(values)) == p
