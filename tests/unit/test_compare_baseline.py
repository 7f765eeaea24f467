"""Baselines are there whatever happens while one takes another's place."""

from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from comparison_equipment import SLOT, measurement, noisy, record, suite, trial

from bench.compare import baseline, differences
from bench.compare.differences import Fingerprint
from bench.devices.device import Device, Slot
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


@pytest.mark.parametrize(
    ("gpus", "models", "here"),
    [
        ((), ["P"], True),
        ((), ["Q"], False),
        ((), [None], False),
        ((), [], False),
        (("X", "X"), ["X"], True),
        (("X", "X"), ["2 x X"], True),
        (("X", "X"), ["3 x X"], False),
        (("X",), ["2 x X"], False),
        (("X", "X"), ["P", "X", None], True),
        (("X", "X"), ["P", "Y"], False),
    ],
)
def test_results_are_of_this_machine_where_it_has_each_of_their_devices(
    monkeypatch, gpus, models, here: bool
):
    machine = Fingerprint(model="P", cores=2, gpus=gpus)
    monkeypatch.setattr(Fingerprint, "of_machine", classmethod(lambda cls: machine))
    of = trial()
    slots = [model and msgspec.structs.replace(SLOT, model=model) for model in models]
    found = baseline.machine_of(tuple(measurement(of, record(of, slot=slot)) for slot in slots))
    assert found == (machine if here else Fingerprint())


def test_this_machine_is_told_by_its_processor_cores_gpus_and_memory(monkeypatch):
    cores, gpus = (0, 1), [SimpleNamespace(model=name) for name in "YX"]
    monkeypatch.setattr(
        differences, "find_machine", lambda: SimpleNamespace(processor="P", cores=cores, gpus=gpus)
    )
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=15.6 * 2**30))
    assert Fingerprint.of_machine() == Fingerprint(model="P", cores=2, gpus=("X", "Y"), memory_gb=16)


def test_where_a_trial_will_run_is_told_by_its_slot_and_machine(monkeypatch):
    monkeypatch.setattr("bench.machine.calibration.fingerprint", lambda machine: f"of {machine}")
    slot = Slot("gpu:0+1", (Device("gpu", "X"), Device("gpu", "X", "", 1)), (0, 1, 2))
    expected = Fingerprint(kind="gpu", model="2 x X", replicas=2, cores=3, host="of a machine")
    assert Fingerprint.of_slot(slot, "a machine") == expected
