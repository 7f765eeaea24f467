"""Statistics of pairs: coverage and false alarms under simulated noise, and against SciPy."""

import numpy as np
import pytest
from scipy import stats

from bench.compare.discordance import Clusters, images_needed, mcnemar, sign_flip
from bench.compare.ratio import Spread, common_spread, estimate, intervals, p_value, rank_test_from
from bench.compare.thresholds import alpha_at, holm

SLOW = np.log(85 / 43)


def calm(rng: np.random.Generator, shape) -> np.ndarray:
    return rng.normal(0, 0.03, shape)


def heavy(rng: np.random.Generator, shape) -> np.ndarray:
    return 0.03 * rng.standard_t(3, shape)


def two_modes(rng: np.random.Generator, shape) -> np.ndarray:
    """A machine that takes 43 or 85 ms for the same step, on each side for itself."""
    sides = [np.where(rng.random(shape) < 0.3, SLOW, 0) + rng.normal(0, 0.02, shape) for _ in range(2)]
    return sides[1] - sides[0]


@pytest.mark.parametrize("noise", [calm, heavy, two_modes])
@pytest.mark.parametrize("pairs", [3, 6])
def test_an_interval_holds_the_truth(noise, pairs: int):
    runs = noise(np.random.default_rng(1), (200, pairs))
    held = [(b := intervals(logs, Spread(), (0.95,))[0]).low <= 0 <= b.high for logs in runs]
    assert np.mean(held) >= 0.91  # of 95 %; 200 runs are good to three points


@pytest.mark.parametrize("noise", [calm, heavy, two_modes])
@pytest.mark.parametrize("pairs", [4, 8, 20])
def test_false_alarms_of_a_family(noise, pairs: int):
    """Six trials that are all the same: in at most 5 % of the runs one of them is called different."""
    alarms = 0
    for number in range(120):
        trials = noise(np.random.default_rng(number), (6, pairs))
        spreads = [common_spread([*trials[:one], *trials[one + 1 :]]) for one in range(6)]
        p = [p_value(logs, spread, 0.05 / 6) for logs, spread in zip(trials, spreads, strict=True)]
        alarms += min(holm(p)) <= 0.05
    assert alarms / 120 <= 0.08  # of 5 %; 120 runs are good to three and a half points


def test_the_rank_test_is_scipys_and_starts_where_it_can_reach_the_level():
    level = 0.05 / 36
    n = rank_test_from(level)
    assert 2.0 ** (1 - n) < level / 16
    logs = np.random.default_rng(2).normal(0.02, 0.03, n)
    assert p_value(logs, Spread(), level) == stats.wilcoxon(logs).pvalue
    assert p_value(logs[:-1], Spread(), level) == pytest.approx(stats.ttest_1samp(logs[:-1], 0).pvalue)


def test_the_estimate_is_not_carried_away_by_a_slow_mode():
    logs = np.array([0.1, 0.11, 0.09, 0.1, 0.12, 0.08, 0.1 + SLOW, 0.1, 0.09, 0.11])
    assert estimate(logs) == pytest.approx(0.1, abs=0.01)
    assert logs.mean() > 0.16


def test_figures_that_never_vary():
    logs = np.full(8, np.log(1.1))
    assert p_value(logs, Spread(), 0.01) < 1e-6
    assert p_value(np.zeros(8), Spread(), 0.01) == 1
    low = intervals(logs, Spread())[0].low
    assert low == pytest.approx(np.log(1.1))


def test_a_spread_borrows_much_from_trials_that_are_alike_and_little_from_others():
    rng = np.random.default_rng(3)
    alike = common_spread([rng.normal(0, 0.03, 4) for _ in range(20)])
    unlike = common_spread([rng.normal(0, 0.03 * 10 ** (number % 3), 4) for number in range(20)])
    assert alike.variance == pytest.approx(0.03**2, rel=0.4)
    assert alike.degrees > 10 > unlike.degrees
    assert common_spread([np.array([0.1])]) == Spread()
    assert common_spread([], [np.array([0.1])]).degrees > 0  # the mean of A against A is known


def test_holm_against_the_step_down_written_out():
    p = [0.01, 0.04, None, 0.03, 0.005]
    # sorted: 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1, never falling
    assert holm(p) == pytest.approx([0.03, 0.06, None, 0.06, 0.02], nan_ok=True)
    assert holm([None]) == [None]
    assert holm([]) == []


def test_all_looks_together_spend_no_more_than_alpha():
    assert sum(alpha_at(look, 0.05) for look in range(1, 60)) == pytest.approx(0.05)
    assert alpha_at(1, 0.05) == pytest.approx(0.04)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (3, 9), (10, 1), (25, 40)])
def test_mcnemar_is_the_binomial_test(old: int, new: int):
    exact = stats.binomtest(new, old + new).pvalue if old + new else 1.0
    assert mcnemar(old, new) == pytest.approx(exact)
    values = np.array([-1] * old + [1] * new + [0] * 50)
    assert sign_flip(values) == pytest.approx(exact, abs=0.02)


def test_images_of_one_source_count_once():
    """Ten discordant images are strong evidence from ten trials and none from one."""
    sources = [f"s{number // 10}" for number in range(100)]
    difference = np.zeros(100)
    difference[:10] = -1
    joined = Clusters.of(difference, sources)
    alone = Clusters.of(difference, [str(number) for number in range(100)])
    assert (joined.images, len(joined.size), joined.mean) == (100, 10, -0.1)
    assert sign_flip(alone.difference) < 0.01
    assert sign_flip(joined.difference) == 1.0
    assert joined.error() > 2 * alone.error()


def test_clustered_images_don_t_raise_alarms():
    """Sixty trials of six images each, which are right or wrong together: A against A."""
    alarms = plain = 0
    for number in range(200):
        rng = np.random.default_rng(number)
        trials = rng.integers(-1, 2, 60)
        difference = np.repeat(trials, 6)
        alarms += sign_flip(Clusters.of(difference, np.repeat(np.arange(60), 6)).difference) <= 0.05
        plain += mcnemar(int((difference < 0).sum()), int((difference > 0).sum())) <= 0.05
    assert alarms / 200 <= 0.09 < 0.25 < plain / 200


def test_no_discordant_image_among_few_proves_nothing():
    few, many = (Clusters.of(np.zeros(n), [str(i) for i in range(n)]) for n in (12, 1000))
    assert few.interval(0.9)[1] > 0.02 > many.interval(0.9)[1]


def test_so_many_images_as_it_says_suffice():
    rng = np.random.default_rng(5)

    def clusters(images: int) -> Clusters:
        difference = rng.choice([-1, 0, 1], images, p=[0.03, 0.94, 0.03])
        return Clusters.of(difference, [str(number) for number in range(images)])

    needed = images_needed(clusters(400), 0.02)
    assert 600 < needed < 3000
    found = 0
    for _ in range(60):
        low, high = clusters(needed).interval(0.9)
        found += low > -0.02 and high < 0.02
    assert found >= 36  # of 48 that are expected at a power of 80 %
