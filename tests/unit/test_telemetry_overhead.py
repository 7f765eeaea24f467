"""Which replicates run without telemetry, and what the comparison says."""

import numpy as np
import pandas as pd
import pytest
from equipment.results.records import a_trial
from scipy.stats import t, ttest_ind

from bench.records.overhead import Group, overhead
from bench.report.tables.costs import overhead_table
from bench.trials.sampling import TelemetrySettings, trials_without
from bench.trials.trial import Trial


def trial(network: str, seed: int, **data) -> Trial:
    return a_trial(network, seed=seed, epochs=1, data={"digest": f"{seed}{data}", **data})


def test_every_nth_repeat_of_each_configuration_runs_without():
    trials = [trial(name, seed, split_seed=seed) for seed in range(6) for name in ("a", "b")]
    chosen = trials_without(trials, 3)
    assert chosen == {one.id for one in trials if one.settings.seed in (2, 5)}
    assert trials_without(trials, None) == frozenset()
    assert trials_without(reversed(trials), 7) == frozenset()


def test_the_reason_is_said():
    settings = TelemetrySettings(off_every=2).for_trials(twins := [trial("a", 0), trial("a", 1)])
    assert settings.reason_off(twins[0].id) == ""
    assert "off_every = 2" in settings.reason_off(twins[1].id)
    assert "enabled = false" in TelemetrySettings(enabled=False).reason_off(twins[0].id)


def test_of_one_configuration_it_is_the_t_interval_of_logarithms():
    generator = np.random.default_rng(3)
    watched, unwatched = (np.exp(generator.normal(mean, 0.05, size)) for mean, size in ((2.0, 9), (2.1, 4)))
    told = overhead([Group(watched, unwatched)])
    interval = ttest_ind(np.log(watched), np.log(unwatched)).confidence_interval(0.95)
    assert (told.low, told.high) == pytest.approx((np.expm1(interval.low), np.expm1(interval.high)))
    assert told.low < told.difference < told.high
    assert (told.watched, told.unwatched) == (9, 4)


def test_of_several_configurations_it_is_the_least_squares_fit_with_a_level_of_each():
    """The scatter is that around the mean of each kind of replicates of each configuration."""
    groups = [
        Group([2.0, 2.2, 2.1], [1.9]),
        Group([9.0], [8.0, 8.5, 8.8]),
        Group([5.0, 5.5], [5.1, 5.0]),
        Group([1.0, 2.0], []),
        Group([], [7.0]),
    ]
    rows = [
        (number, float(watched), value)
        for number, group in enumerate(groups[:3])
        for watched, values in ((True, group.watched), (False, group.unwatched))
        for value in values
    ]
    design = np.array([[watched, *(number == one for one in range(3))] for number, watched, _ in rows])
    logs = np.log([value for *_, value in rows])
    fit, *_ = np.linalg.lstsq(design.astype(float), logs)
    cells = np.array(
        [
            [float((number, watched) == (a, b)) for a in range(3) for b in (0, 1)]
            for number, watched, _ in rows
        ]
    )
    _, squares, *_ = np.linalg.lstsq(cells, logs)
    variance = squares[0] / (len(rows) - 6) * np.linalg.inv(design.T @ design)[0, 0]
    half = t.ppf(0.975, len(rows) - 6) * np.sqrt(variance)
    told = overhead(groups)
    assert told.difference == pytest.approx(np.expm1(fit[0]))
    assert (told.low, told.high) == pytest.approx((np.expm1(fit[0] - half), np.expm1(fit[0] + half)))
    assert (told.watched, told.unwatched) == (6, 6)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(11)
    held = 0
    for _ in range(600):
        groups = []
        for center, counts in ((1.0, (2, 1)), (5.0, (4, 2)), (3.0, (3, 2))):
            values = np.exp(generator.normal(center, 0.03, sum(counts)))
            groups.append(Group(values[: counts[0]] * 1.02, values[counts[0] :]))
        told = overhead(groups)
        held += told.low <= 0.02 <= told.high
    assert 0.92 < held / 600 < 0.98


def test_what_cannot_be_compared():
    assert overhead([Group([1.0, 2.0], [])]) is None
    told = overhead([Group([2.0], [1.0])])
    assert (told.difference, told.low, told.high) == (pytest.approx(1.0), None, None)
    assert overhead([Group([2.0, 2.1], [1.0])]).low is not None


def test_the_table_has_a_row_per_metric():
    rows = [
        {"network": "a", "weights": "none", "mode": "scratch", "epochs": 2, "variant": "", "device": "",
         "status": "done", "configuration": "k", "watched": seed != 2, "fit_s": 10.0,
         "train_images_per_s": 100.0 + seed if seed != 2 else 104.0}
        for seed in range(4)
    ]  # fmt: skip
    table = overhead_table("mine", pd.DataFrame(rows))
    headings, (throughput, fit) = table.written()
    assert headings == ["metric", "configurations", "with", "without", "difference %", "95 % (t)"]
    assert throughput[:5] == ["throughput", "1", "3", "1", "-2.57"]
    assert fit[4:] == ["+0.00", "+0.00 – +0.00"]
    assert overhead_table("mine", pd.DataFrame([{**row, "watched": True} for row in rows])) is None
