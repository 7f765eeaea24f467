"""Baselines are there whatever happens while one takes another's place."""

from pathlib import Path

import numpy as np
import pytest
from comparison_equipment import noisy, suite, trial

from bench.compare import baseline
from bench.errors import InputError

RIGHT = np.ones(20, bool)


def test_a_kill_while_a_baseline_is_replaced_loses_none(tmp_path: Path):
    of, results = trial(), tmp_path / "results"
    old = suite(tmp_path / "a" / "s", [(of, noisy(10, 2, 0))], RIGHT)
    new = suite(tmp_path / "b" / "s", [(of, noisy(10, 3, 0))], RIGHT)
    kept = baseline.save(results, "v1", old).folder
    kept.rename(kept.with_name("v1.replaced"))  # what a kill between the two renames leaves behind
    assert [one.name for one in baseline.saved(results)] == ["v1"]
    assert len(list(baseline.find(results, "v1").folder.glob("trials/*/attempt-*"))) == 2
    with pytest.raises(InputError, match="there is a baseline v1 already"):
        baseline.save(results, "v1", new)
    baseline.save(results, "v1", new, replace=True)
    assert [path.name for path in kept.parent.iterdir()] == ["v1"]
    assert baseline.find(results, "v1").attempts == 3
    kept.with_name("v1.replaced").mkdir()  # of a kill just before the end
    baseline.save(results, "v1", old, replace=True)
    assert [path.name for path in kept.parent.iterdir()] == ["v1"]


def test_a_folder_that_is_no_baseline_is_not_written_over(tmp_path: Path):
    (tmp_path / "baselines" / "notes").mkdir(parents=True)
    with pytest.raises(InputError, match="already"):
        baseline.save(tmp_path, "notes", suite(tmp_path / "a" / "s", [(trial(), noisy(10, 2, 0))], RIGHT))
    assert baseline.saved(tmp_path) == []
