"""How many pairs a comparison is planned for, and who shares them."""

from collections import Counter

import numpy as np
import pytest
from equipment.results.records import a_record
from regress_equipment import SEEDS, TRIALS
from scipy.stats import chi2

from bench.compare.betting import detectable, pairs_needed
from bench.compare.matching import configuration_of
from bench.compare.measurement import Measurement
from bench.compare.metrics import Values
from bench.compare.thresholds import Thresholds
from bench.regress import planning
from bench.regress.planning import (
    MOST,
    PairPlan,
    configurations,
    noise_wanted,
    plan_from,
    runs_wanted,
    shared_out,
    step_shares,
)


def noise(sd: float, seed: int = 0, *names: str) -> dict[str, Values]:
    """Pairs of A with A in which metrics differ by this."""
    logs = sd * np.random.default_rng(seed).standard_normal(40)
    return {name: Values(np.ones(40), np.exp(logs)) for name in names or ("throughput",)}


def planned(*trials: dict[str, Values]) -> PairPlan:
    found = {str(number): trial for number, trial in enumerate(trials)}
    return plan_from(found, len(found), Thresholds())


def test_the_noisiest_trial_counts():
    assert planned(noise(0.01), noise(0.08, 1)).pairs > 2 * planned(noise(0.01), noise(0.01, 1)).pairs


def test_metrics_that_do_not_show_the_step_raise_what_the_others_must_reach():
    """Time to result has half of the weight of throughput: the evidence of throughput must be 1.5 times the bar."""
    alone, beside = planned(noise(0.08)), planned(noise(0.08, 0, "throughput", "time_to_result"))
    bar = Thresholds().bar("speed", 1)
    # The spread as it is planned for: the chance that the true one is larger is one in five.
    logs = np.log(noise(0.08)["throughput"].candidate)
    cautious = round(float(np.sqrt((logs @ logs + 4 * (logs @ logs) / 40) / 35.7)), 2)
    for plan, raised in ((alone, 1.0), (beside, 1.5)):
        nearby = [pairs_needed(cautious + by, 0.1, raised * bar, 0.9) for by in (-0.005, 0.005)]
        assert nearby[0] <= plan.pairs <= nearby[1]
    assert beside.pairs > alone.pairs
    assert planned(noise(0.08, 0, "throughput", "peak_memory")).pairs == alone.pairs, "another dimension"


def test_no_more_than_two_hundred_pairs_are_ever_planned():
    plan = planned(noise(1.5))
    assert plan.pairs == MOST == 200
    assert "That asks for 200 pairs or more." in str(plan)


@pytest.mark.parametrize(
    ("known", "wanted"),
    [([], {"a": 4, "b": 4}), (["a", "a", "a"], {"a": 1, "b": 4}), (["elsewhere"], {"a": 4, "b": 4})],
)
def test_noise_that_was_measured_elsewhere_is_not_measured_again(known: list[str], wanted: dict[str, int]):
    assert noise_wanted({"one": ["a", "a2"], "two": ["b"]}, known) == wanted


@pytest.mark.parametrize(("configurations", "each"), [(1, 8), (2, 4), (3, 3), (4, 2), (5, 2), (9, 2)])
def test_eight_pairs_show_the_noise_and_at_least_two_of_each(configurations: int, each: int):
    groups = {str(number): [f"{number}a", f"{number}b"] for number in range(configurations)}
    assert noise_wanted(groups, []) == {f"{number}a": each for number in range(configurations)}


def steps(step: float, compiled: float | None = None, **more: float) -> dict[str, Values]:
    """Pairs without noise, by their seconds."""
    named = {"fit_time": step, **({} if compiled is None else {"compile_time": compiled}), **more}
    return {name: Values(np.full(3, value), np.full(3, value)) for name, value in named.items()}


@pytest.mark.parametrize(
    ("noise", "of_fit"),
    [
        ([steps(10.0, 2.0, throughput=1.0)], 0.8),
        ([steps(10.0, 2.0, train_cpu_time=1.0)], 0.8),
        ([steps(10.0, 2.0)], 1.0),
        ([steps(10.0, throughput=1.0)], 1.0),
        ([steps(10.0, 12.0, throughput=1.0)], 0.0),
        ([steps(10.0, 2.0, throughput=1.0), steps(30.0, 8.0), steps(99.0)], 0.75),
        ([], 1.0),
    ],
)
def test_the_share_of_the_steps_in_each_metric(noise: list, of_fit: float):
    found = step_shares({str(number): one for number, one in enumerate(noise)})
    assert found == pytest.approx({"throughput": 1.0, "train_cpu_time": 0.85, "fit_time": of_fit})


def test_a_plan_is_for_the_metric_that_shows_the_steps_first_and_tells_what_it_finds():
    """The spread is planned for that the true one exceeds once in five times, from what all trials share."""
    own, other = (noise(sd, seed, "throughput", "train_cpu_time") for sd, seed in ((0.04, 0), (0.08, 1)))
    for one in (own, other):
        one["train_cpu_time"] = Values(np.ones(40), one["train_cpu_time"].candidate ** 0.5)
    other["peak_memory"] = noise(0.01, 2)["throughput"]
    plan = planned(own, other)
    bar = Thresholds().bar("speed", 2)

    def spreads(name: str) -> tuple[float, float]:
        logs = [np.log(one[name].candidate) for one in (own, other) if name in one]
        common = np.concatenate(logs).var() + np.concatenate(logs).mean() ** 2
        cautious = [(one @ one + 4 * common) / chi2.ppf(0.2, 40 + 4) for one in logs]
        return float(np.sqrt(common)), float(np.sqrt(max(cautious)))

    needed = {
        name: pairs_needed(round(spreads(name)[1], 4), 0.1 * share, 2 * bar, 0.9)
        for name, share in (("throughput", 1.0), ("train_cpu_time", 0.85))
    }
    assert (
        plan.metric == min(needed, key=needed.get) == "train_cpu_time" and plan.pairs == needed[plan.metric]
    )
    assert plan.basis == 80
    assert plan.noise == pytest.approx(
        {name: np.expm1(spreads(name)[0]) for name in (*needed, "peak_memory")}
    )
    for name, dimension in (("throughput", "speed"), ("train_cpu_time", "speed"), ("peak_memory", "memory")):
        spread = spreads(name)[0]
        size = detectable(plan.pairs, Thresholds().bar(dimension, 2), 0.9)
        found = max(size * spread, np.log(1.05) + 1.3 * spread / plan.pairs**0.5)
        assert plan.detectable[name] == pytest.approx(np.expm1(found))
    said = str(plan)
    assert said.startswith("A against A differs by (one standard deviation, 80 pairs): training throughput ")
    assert (
        f"That asks for {plan.pairs} pairs. Nine times in ten, they find changes of: training throughput"
        in said
    )
    nothing = planned()
    assert (nothing.pairs, nothing.metric) == (1, None) and "is not known" in str(nothing)


@pytest.mark.parametrize(
    ("pairs", "finds", "said"),
    [
        (
            199,
            {"fit_time": 0.0349, "peak_memory": 0.11},
            "199 pairs. Nine times in ten, they find changes of: fit time 3%, peak memory 11%.",
        ),
        (200, {}, "200 pairs or more. Nine times in ten, they find changes of: no size."),
    ],
)
def test_a_plan_in_words(pairs: int, finds: dict[str, float], said: str):
    plan = PairPlan(pairs, "fit_time", finds, {"fit_time": 0.01234, "throughput": 0.1}, 12)
    assert str(plan) == (
        "A against A differs by (one standard deviation, 12 pairs): fit time 1.2%, training throughput 10.0%. "
        f"That asks for {said}"
    )


def test_what_pairs_are_planned_by(monkeypatch):
    """Fit time that is all compilation shows no steps, so it is not planned for."""
    asked = []
    monkeypatch.setattr(planning, "pairs_needed", lambda *given: asked.append(given) or 7)
    made = {
        "a": {**noise(0.08), "fit_time": noise(0.1)["throughput"], "compile_time": noise(0.1)["throughput"]}
    }
    plan = plan_from({**made, "b": {}}, 2, Thresholds(effect=0.3, power=0.7))
    ((spread, *given),) = asked
    assert round(spread, 4) == spread != round(spread, 3)
    assert given[0] == pytest.approx(0.3)
    assert (plan.pairs, plan.metric, plan.basis) == (7, "throughput", 40)


def test_seeds_are_one_configuration_as_the_verdict_has_it():
    (found,) = configurations(SEEDS).items()
    assert found[1] == [trial.key for trial in SEEDS]
    assert found[0] == configuration_of(Measurement(a_record(SEEDS[1])))


def test_seeds_share_the_pairs_of_their_configuration():
    groups = configurations(SEEDS)
    (key,) = groups
    assert list(shared_out({key: 7}, groups).values()) == [3, 2, 2]
    assert list(shared_out({key: 2}, groups).values()) == [1, 1, 0]


@pytest.mark.parametrize(
    ("runs", "pairs", "number"),
    [
        ((2, 1), None, [2, 1]),
        ((5, 5), 4, [2, 2]),
        ((1, 1), 8, [1, 1]),
        ((3, 0), None, [3, 1]),
        ((4, 4), 1, [1, 1]),
    ],
)
def test_the_candidate_runs_as_often_as_it_finds_partners(runs, pairs, number):
    there = Counter({of.key: number for of, number in zip(TRIALS, runs, strict=True)})
    assert list(runs_wanted(TRIALS, there, pairs).values()) == number
