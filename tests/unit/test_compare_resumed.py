"""What of a resumed attempt, and of trials that are identical, counts in a comparison."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from comparison_equipment import add, record, trial

from bench.compare import reading
from bench.compare.discordance import Clusters
from bench.compare.learning import ACCURACY, LOSS, Compared, judge_learning
from bench.compare.thresholds import Thresholds
from bench.journal.results import SuiteResults


@pytest.mark.parametrize("failure", [None, ("crashed", "a signal")])
def test_the_epochs_of_all_stretches_of_a_resumed_attempt_are_its_curve(tmp_path: Path, monkeypatch, failure):
    """Times to an accuracy are of attempts that came to their end alone."""
    of = trial()
    attempt = add(SuiteResults(tmp_path, "mine"), of, record(of, failure=failure))
    stretches = [
        SimpleNamespace(
            epochs=[SimpleNamespace(epoch=epoch, metrics={"loss": 1 / epoch}) for epoch in epochs]
        )
        for epochs in ((1, 2), (3,))
    ]
    monkeypatch.setattr(reading, "history", lambda one: stretches if one is attempt else [])
    monkeypatch.setattr(reading, "moments_of", lambda found: ["a moment"] if found is stretches else [])
    found = reading.measurement_of(attempt)
    assert [(one.number, one.metrics["loss"]) for one in found.epochs] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert found.moments == (() if failure else ("a moment",))


def test_trials_that_are_identical_to_the_bit_take_no_share_of_the_error_rate():
    rng = np.random.default_rng(5)
    differences = rng.normal(0, 0.02, 6)
    clusters = Clusters.of(rng.normal(0, 0.1, 50), [str(number) for number in range(50)])
    tested = Compared(np.full(6, 0.9), 0.9 + differences, clusters, identical=False)
    same = Compared(np.full(6, 0.9), np.full(6, 0.9), clusters, identical=True)
    alone, beside, shared = (
        judge_learning(trials, Thresholds())["a"][0].bar
        for trials in (
            {"a": {ACCURACY: tested, LOSS: tested}},
            {"a": {ACCURACY: tested, LOSS: tested}, "b": {ACCURACY: same, LOSS: same}},
            {
                "a": {ACCURACY: tested, LOSS: tested},
                "b": {ACCURACY: replace(same, identical=False), LOSS: tested},
            },
        )
    )
    assert alone == beside < shared
