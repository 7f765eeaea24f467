"""How many pairs a comparison is planned for."""

import numpy as np
import pytest

from bench.compare.betting import pairs_needed
from bench.compare.metrics import Values
from bench.compare.thresholds import Thresholds
from bench.regress.planning import MOST, PairPlan, noise_wanted, plan_from


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
