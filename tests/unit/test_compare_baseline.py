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


def test_a_damaged_baseline_is_named_with_its_file_and_a_missing_one_with_what_there_is(tmp_path: Path):
    with pytest.raises(InputError, match="there is no baseline v2") as error:
        baseline.find(tmp_path, "v2")
    assert "baseline save NAME SUITE" in error.value.way_out
    kept = baseline.save(
        tmp_path, "v1", suite(tmp_path / "a" / "s", [(trial(), noisy(10, 2, 0))], RIGHT)
    ).folder
    with pytest.raises(InputError, match="there is no baseline other") as error:
        baseline.find(tmp_path, "other")
    assert error.value.way_out == "There are v1."
    with pytest.raises(InputError) as error:
        baseline.find(tmp_path, "v2")
    assert "v1" in error.value.way_out
    (kept / baseline.BASELINE_FILE).write_text("{torn")
    with pytest.raises(InputError) as error:
        baseline.find(tmp_path, "v1")
    assert error.value.what == f"{kept / baseline.BASELINE_FILE} is damaged"
    assert f"{kept}: no saved baseline" in baseline.unreadable(tmp_path)
