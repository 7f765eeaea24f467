"""Verdicts of times from their evidence: false alarms under simulated noise, and rules by hand."""

import numpy as np
import pytest
from comparison_equipment import noisy, trial, trial_pairs, with_pairs

from bench.compare.betting import detectable, evidence
from bench.compare.judging import judge, typical_spread
from bench.compare.measurement import TrialPairs
from bench.compare.metrics import METRICS, Values
from bench.compare.speed import Standing, estimate, judge_speed, standing
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Memory, Speed

SLOW = np.log(85 / 43)


def calm(rng: np.random.Generator, shape) -> np.ndarray:
    return rng.normal(0, 0.03, shape)


def heavy(rng: np.random.Generator, shape) -> np.ndarray:
    return 0.03 * rng.standard_t(3, shape)


def two_modes(rng: np.random.Generator, shape) -> np.ndarray:
    """A machine that takes 43 or 85 ms for the same step, on each side for itself."""
    sides = [np.where(rng.random(shape) < 0.3, SLOW, 0) + rng.normal(0, 0.02, shape) for _ in range(2)]
    return sides[1] - sides[0]


def steps(logs: np.ndarray) -> dict[str, Values]:
    """Fit time and throughput that tell the same."""
    times = 10 * np.exp(logs)
    ten = np.full(len(logs), 10.0)
    return {"fit_time": Values(ten, times), "throughput": Values(ten, 100 / times)}


@pytest.mark.parametrize("noise", [calm, heavy, two_modes])
@pytest.mark.parametrize("pairs", [10, 14])
def test_false_alarms_of_a_family(noise, pairs: int):
    """Six trials that are all the same: in at most 3 % of the runs one of them is called different."""
    alarms = 0
    for number in range(40):
        trials = noise(np.random.default_rng(number), (6, pairs))
        trials[0] *= 3  # one is noisier than the others
        judged = judge_speed(
            {str(one): steps(logs) for one, logs in enumerate(trials)}, Thresholds(), with_intervals=False
        )
        alarms += any(one.speed in (Speed.SLOWER, Speed.FASTER) for one in judged.values())
    assert alarms <= 4  # of 1.2 that are expected; `make promises` counts thousands


def test_the_estimate_is_not_carried_away_by_a_slow_mode():
    logs = np.array([0.1, 0.11, 0.09, 0.1, 0.12, 0.08, 0.1 + SLOW, 0.1, 0.09, 0.11])
    assert estimate(logs) == pytest.approx(0.1, abs=0.01)
    assert logs.mean() > 0.16
    assert estimate(np.array([0.3])) == 0.3 and estimate(np.array([0.1, 0.3])) == pytest.approx(0.2)


def test_figures_that_never_vary():
    judged = judge_speed({"a": steps(np.full(12, np.log(1.1)))}, Thresholds())["a"]
    assert judged.speed is Speed.SLOWER and judged.evidence["slower"] > 100
    low, high = judged.metrics[0].low, judged.metrics[0].high
    assert low <= 1.1 <= high and judged.metrics[0].spread == pytest.approx(0)
    same = judge_speed({"a": steps(np.zeros(12))}, Thresholds())["a"]
    assert same.speed is Speed.SAME and same.evidence["slower"] == same.evidence["faster"] == 1


def test_the_evidence_of_a_trial_is_the_weighted_mean_of_its_metrics():
    rng = np.random.default_rng(3)
    one, other = rng.normal(0.1, 0.05, 9), rng.normal(0.0, 0.05, 9)
    values = {**steps(one), "compile_time": Values(np.ones(9), np.exp(other))}
    found = standing(values, "speed", Thresholds(), 4)
    expected = (2 * evidence(one) + 0.5 * evidence(other)) / 2.5
    assert found.worse == pytest.approx(expected) and found.bar == pytest.approx(4 / (0.8 * 0.03))
    assert standing(values, "memory", Thresholds(), 4) is None


def test_a_pair_that_lacks_a_metric_changes_nothing_for_it():
    logs = np.array([0.1, 0.12, 0.09, 0.11])
    some = Values(np.ones(2), np.exp(logs[[1, 3]]), np.array([1, 3]))
    found = standing({**steps(logs), "compile_time": some}, "speed", Thresholds(), 1)
    partly = evidence(logs[[1, 3]])
    expected = (2 * evidence(logs) + 0.5 * np.array([1.0, partly[0], partly[0], partly[1]])) / 2.5
    assert found.worse == pytest.approx(expected)


def test_a_metric_changed_if_its_own_evidence_and_that_of_all_reach_the_bar():
    """Bar: 41.7. The time of the compilation has a fifth of the weight."""
    calm, slow = np.zeros(8), np.full(8, 0.1)
    alone = {**steps(calm), "compile_time": Values(np.ones(8), np.exp(slow))}
    judged = judge_speed({"a": alone}, Thresholds())["a"]
    assert judged.metrics[-1].evidence > 41.7 > judged.evidence["slower"]
    assert judged.metrics[-1].verdict is Speed.INCONCLUSIVE
    beside = {**steps(np.full(20, 0.1)), "compile_time": Values(np.ones(2), np.full(2, 1.1), np.arange(2))}
    judged = judge_speed({"a": beside}, Thresholds())["a"]
    assert judged.evidence["slower"] > 41.7 > judged.metrics[-1].evidence
    assert [one.verdict for one in judged.metrics] == [Speed.SLOWER, Speed.SLOWER, Speed.INCONCLUSIVE]


def test_the_same_takes_six_equal_pairs():
    """Evidence of 20 against a change in either direction; see `least_pairs`."""
    five, six = (judge_speed({"a": steps(np.zeros(pairs))}, Thresholds())["a"].speed for pairs in (5, 6))
    assert (five, six) == (Speed.INCONCLUSIVE, Speed.SAME)


def test_standing_is_decided_in_either_direction_and_its_change_is_shrunk():
    for logs, decided in (
        (np.full(20, 0.1), True),
        (np.full(20, -0.1), True),
        (np.array([0.1, -0.1]), False),
    ):
        assert standing(steps(logs), "speed", Thresholds(), 1).decided is decided
    assert standing(steps(np.array([0.08, 0.1, 0.12])), "speed", Thresholds(), 1).change == pytest.approx(
        0.075
    )


def test_a_trial_is_the_same_only_where_each_metric_that_decides_is():
    """Six equal pairs show it; one metric is known in two of them only."""
    one, other = [m.name for m in METRICS.values() if m.dimension == "speed" and m.decides_same][:2]
    values = {one: Values(np.ones(8), np.ones(8)), other: Values(np.ones(2), np.ones(2), np.arange(2))}
    found = standing(values, "speed", Thresholds(), 1)
    assert not found.decided and found.same == pytest.approx(found.metrics[other][2])
    assert found.metrics[one][2][-1] > found.bar_same > found.same[-1]
    judged = judge_speed({"a": values}, Thresholds())["a"]
    assert [m.verdict for m in judged.metrics] == [Speed.SAME, Speed.INCONCLUSIVE]
    assert judged.speed is Speed.INCONCLUSIVE


def test_what_a_bar_was_reached_for_stays_shown():
    """Every look counts, also one that nobody took: raising the number of pairs cannot undo a verdict."""
    logs = np.concatenate([np.full(10, 0.2), np.full(3, -0.05)])
    for pairs in (10, 13):
        assert judge_speed({"a": steps(logs[:pairs])}, Thresholds())["a"].speed is Speed.SLOWER


def test_a_small_change_beyond_doubt_is_said_and_is_neither_slower_nor_faster():
    rng = np.random.default_rng(4)
    logs = np.log(1.048) + rng.normal(0, 0.008, 40)
    for way in (1, -1):
        judged = judge_speed({"a": steps(way * logs)}, Thresholds())["a"]
        assert judged.speed is Speed.INCONCLUSIVE
        assert max(judged.evidence.values()) > 1000
        assert "it may be smaller than 5%" in judged.metrics[0].note


def test_a_trial_is_slower_if_any_of_its_times_is():
    """Steps that are faster do not make up for a compilation that takes longer."""
    logs = np.full(14, np.log(1.5))
    compiled = {"compile_time": Values(np.ones(14), np.exp(logs))}
    judged = judge_speed({"a": {**steps(-logs), **compiled}}, Thresholds())["a"]
    assert {one.verdict for one in judged.metrics} == {Speed.SLOWER, Speed.FASTER}
    assert judged.speed is Speed.SLOWER


def test_a_trial_is_the_same_if_every_time_that_decides_is():
    calm, noisy = np.zeros(12), np.random.default_rng(7).normal(0, 0.3, 12)
    values = {**steps(calm), "throughput": steps(noisy)["throughput"]}
    judged = judge_speed({"a": values}, Thresholds())["a"]
    assert [one.verdict for one in judged.metrics] == [Speed.SAME, Speed.INCONCLUSIVE]
    assert judged.speed is Speed.INCONCLUSIVE


def test_memory_is_a_verdict_of_its_own():
    """Half of the memory does not make a trial faster."""
    logs = np.random.default_rng(5).normal(0, 0.01, 12)
    memory = Values(np.full(12, 2e9), np.full(12, 1e9) * np.exp(logs))
    found = judge_speed({"a": {**steps(logs), "peak_memory": memory}}, Thresholds())["a"]
    assert (found.speed, found.memory) == (Speed.SAME, Memory.SMALLER)
    more = Values(memory.candidate, memory.baseline)
    assert judge_speed({"a": {"peak_memory": more}}, Thresholds())["a"].memory is Memory.LARGER


def test_a_change_for_the_better_needs_more_evidence_than_one_for_the_worse():
    logs = np.full(8, np.log(1.1))
    worse, better = (judge_speed({"a": steps(way * logs)}, Thresholds())["a"] for way in (1, -1))
    assert (worse.speed, better.speed) == (Speed.SLOWER, Speed.INCONCLUSIVE)
    assert better.metrics[0].bar == pytest.approx(4 * worse.metrics[0].bar)


def test_the_shares_of_the_error_rate_are_those_that_are_promised():
    thresholds = Thresholds()
    assert thresholds.alpha == pytest.approx(0.05) == thresholds.plain()["alpha"]
    assert thresholds.bar("speed", 6) == pytest.approx(250)
    assert thresholds.bar("memory", 1) == pytest.approx(125)
    for dimension, alpha in (("speed", thresholds.alpha_speed), ("memory", thresholds.alpha_memory)):
        spent = sum(7 / thresholds.bar(dimension, 7, worse) for worse in (True, False))
        assert spent == pytest.approx(alpha), "both directions together"
    assert thresholds.bar_same == pytest.approx(20)


def test_the_sizes_that_count_are_those_that_are_promised():
    assert Thresholds().plain() == pytest.approx(
        {
            **{"change": 0.05, "margin": 0.02, "loss_margin": 0.05, "effect": 0.1, "power": 0.9, "look": 1},
            **{"alpha_speed": 0.03, "alpha_memory": 0.01, "alpha_learning": 0.01, "alpha_same": 0.05},
            **{"alpha": 0.05, "alpha_now": 0.008},
        }
    )
    assert Thresholds(look=3).alpha_now == pytest.approx(0.01 * 0.2 / 4)
    assert Thresholds(look=2).alpha_same_now == pytest.approx(0.05 * 0.2 / 2)
    assert Thresholds().bar("speed", 0) == Thresholds().bar("speed", 1)


def stands(worse=(1.0,), better=(1.0,), same=(1.0,), changes=(0.0,)) -> Standing:
    """Bars of 16, 64 and 4."""
    found = (np.array(one, float) for one in (worse, better, same))
    return Standing(*found, {}, np.array(changes, float), 16.0, 64.0, 4.0)


@pytest.mark.parametrize(
    ("evidence", "decided", "nearness"),
    [
        ({}, False, 0.0),
        ({"worse": [15.9]}, False, np.log(15.9) / np.log(16)),
        ({"worse": [16.0]}, True, 1.0),
        ({"worse": [2.0, 16.0, 4.0]}, True, 0.5),
        ({"better": [63.9]}, False, np.log(63.9) / np.log(64)),
        ({"better": [64.0, 8.0]}, True, 0.5),
        ({"same": [3.9]}, False, np.log(3.9) / np.log(4)),
        ({"same": [4.0, 2.0]}, True, 0.5),
        ({"worse": [2.0], "better": [2.0], "same": [2.0]}, False, 0.5),
        ({"worse": [0.5], "better": [0.5], "same": [0.5]}, False, np.log(0.5) / np.log(64)),
        ({"worse": [], "better": [], "same": [], "changes": []}, False, 0.0),
    ],
)
def test_a_bar_that_was_reached_decides_and_the_last_evidence_tells_how_near_it_is(
    evidence: dict, decided: bool, nearness: float
):
    found = stands(**evidence)
    assert found.decided is decided and found.nearness == pytest.approx(nearness)
    worse = evidence.get("worse", [1.0])
    assert (found.worst, found.suspicion) == (max([1.0, *worse]), [1.0, *worse][-1])


def test_the_change_of_a_standing_is_the_last_one_less_the_fewer_the_pairs():
    assert [stands(changes=one).change for one in ([], [0.2], [0.9, 0.3])] == pytest.approx([0.0, 0.1, 0.2])


@pytest.mark.parametrize("name", list(METRICS))
def test_each_metric_gets_worse_in_its_own_direction(name: str):
    """Half or twice as much, which is exactly as much as counts."""
    thresholds = Thresholds(change=1.0)
    worse, better = {"speed": ("slower", "faster"), "memory": ("larger", "smaller")}[METRICS[name].dimension]
    for ratio, said in (
        ((2.0, worse), (0.5, better)) if METRICS[name].more_is_worse else ((0.5, worse), (2.0, better))
    ):
        for shrunk, verdict in ((1.0, said), (0.999 if ratio > 1 else 1.001, "same")):
            values = Values(np.full(20, 3.0), np.full(20, 3.0 * ratio * shrunk))
            (found,) = judge_speed({"a": {name: values}}, thresholds)["a"].metrics
            assert (found.metric, found.verdict) == (name, verdict)
            assert found.ratio == pytest.approx(ratio * shrunk) and found.note == ""


def test_what_is_told_of_a_metric():
    old, new = np.array([10.0, 11.0, 9.0, 10.0]), np.array([11.0, 10.0, 12.0, 14.0])
    trials = {"a": {"fit_time": Values(old, new)}, "b": {}}
    judged = judge_speed(trials, Thresholds())
    (found,) = judged["a"].metrics
    logs = np.log(new / old)
    both = [(logs[i] + logs[j]) / 2 for i in range(4) for j in range(i, 4)]
    assert (found.baseline, found.candidate) == (10.0, 11.5)
    assert found.ratio == pytest.approx(np.exp(np.median(both)))
    assert found.ratios == pytest.approx(new / old) and found.spread == pytest.approx(np.std(logs, ddof=1))
    up, down = evidence(logs).max(), evidence(-logs).max()
    assert up > down and (found.evidence, found.bar) == pytest.approx((up, 2 / (0.8 * 0.03)))
    assert judged["a"].evidence == pytest.approx({"slower": up, "faster": max(1.0, down)})
    assert (judged["b"].speed, judged["b"].memory, judged["a"].memory) == (None, None, None)
    (turned,) = judge_speed({"a": {"fit_time": Values(new, old)}, "b": {}}, Thresholds(), False)["a"].metrics
    assert (turned.evidence, turned.bar) == pytest.approx((up, 2 / (0.2 * 0.03)))
    assert turned.low is turned.high is None
    (single,) = judge_speed({"a": {"fit_time": Values(old[:1], new[:1])}}, Thresholds())["a"].metrics
    assert single.spread is None and single.note == "1 pair: to show a change it takes 7 or more"
    equal = judge_speed({"a": {"fit_time": Values(old, old)}}, Thresholds())["a"].metrics[0]
    assert equal.bar == pytest.approx(1 / (0.8 * 0.03))


@pytest.mark.parametrize("pairs", [6, 7])
def test_how_many_pairs_it_takes_is_said_below_that_number(pairs: int):
    logs = np.random.default_rng(0).normal(0, 0.3, pairs)
    (found,) = judge_speed({"a": {"fit_time": Values(np.ones(pairs), np.exp(logs))}}, Thresholds())[
        "a"
    ].metrics
    assert found.note.startswith(
        "6 pairs: to show" if pairs == 6 else "neither a change nor the absence of one of 5%"
    )


def test_the_spread_of_a_metric_is_that_around_the_mean_of_each_trial():
    logs = [np.array([0.1, 0.3, 0.2]), np.array([1.0, 1.4])]
    trials = {str(number): steps(one) for number, one in enumerate(logs)}
    expected = ((0.02 + 0.08) / (2 + 1)) ** 0.5
    assert typical_spread("fit_time", trials) == pytest.approx(expected)
    assert typical_spread("fit_time", {"0": trials["0"]}, {"1": trials["1"]}) == pytest.approx(expected)
    assert typical_spread("peak_memory", trials) is None
    assert typical_spread("fit_time", {"0": steps(np.array([0.1]))}) is None


def fit_times(of: TrialPairs) -> np.ndarray:
    """Logarithms of the ratios of a configuration's pairs."""
    sides = ((pair.candidate.record, pair.baseline.record) for pair in of.pairs)
    return np.log([new.fit_time.wall_s / old.fit_time.wall_s for new, old in sides])


@pytest.mark.parametrize("share", [0.005, 0.2])
def test_what_can_be_found_is_found_in_the_shortest_of_all_configurations(share: float):
    """Noise of the baseline tells of the spread, and is no configuration."""
    networks = (("VGG16", 32), ("LeNet5", 16), ("VGG19", 9))
    *trials, noise = [
        trial_pairs(trial(network), noisy(10, pairs, pairs, share), noisy(10, pairs, pairs + 1, share))
        for network, pairs in networks
    ]
    logs = [fit_times(one) for one in (*trials, noise)]
    spread = (sum(((one - one.mean()) ** 2).sum() for one in logs) / (31 + 15 + 8)) ** 0.5
    reached, counts = detectable(16, 2 / (0.03 * 0.8), 0.9) * spread, np.log(1.05) + 1.3 * spread / 4
    found = judge(trials, noise=[noise]).detectable["fit_time"]
    assert found == pytest.approx(np.exp(max(reached, counts)) - 1)


@pytest.mark.parametrize("share", [0.005, 0.2])
def test_what_can_be_found_is_what_reaches_the_bar_and_is_estimated_to_count(share: float):
    """With little noise the smallest change that counts decides, with much the evidence."""
    pairs = 16
    trials = [trial_pairs(trial(), noisy(10, pairs, 0, share), noisy(10, pairs, 1, share))]
    found = judge(trials).detectable["fit_time"]
    spread = fit_times(trials[0]).std(ddof=1)
    reached = detectable(pairs, 1 / (0.03 * 0.8), 0.9) * spread
    counts = np.log(1.05) + 1.3 * spread / 4
    assert (reached > counts) == (share > 0.1)
    assert found == pytest.approx(np.exp(max(reached, counts)) - 1)
    assert "fit_time" not in judge([with_pairs(trials[0], trials[0].pairs[:6])]).detectable
