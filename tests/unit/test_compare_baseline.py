"""Baselines are there whatever happens while one takes another's place."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from comparison_equipment import SLOT, measurement, noisy, record, suite, trial

from bench.compare import baseline, differences
from bench.compare.differences import Fingerprint
from bench.compare.reading import _safe, in_order, matching, read_attempts, suite_folder
from bench.devices.device import Device, Slot
from bench.errors import DamagedAttempt, InputError
from bench.journal.results import SuiteResults

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


def test_a_baseline_has_what_was_asked_for_and_no_more(tmp_path: Path, monkeypatch):
    machine = Fingerprint(model=SLOT.model, cores=2)
    monkeypatch.setattr(Fingerprint, "of_machine", classmethod(lambda cls: machine))
    of, other = trial("VGG16"), trial("LeNet5")
    source = suite(tmp_path / "a" / "cells", [(of, noisy(10, 2, 0)), (other, noisy(10, 1, 0))], RIGHT)
    results = SuiteResults(tmp_path / "a", "cells")
    first, second = results.attempts(of.id)
    for name in ("events.jsonl", "runner.jsonl", "telemetry.jsonl"):
        (first.folder / name).touch()
    second.predictions.write_text("torn")
    results.new_attempt(of)  # under way
    (source / "trials" / "stray").touch()
    before = datetime.now(UTC).replace(microsecond=0)
    found = baseline.save(tmp_path, "v1", source, only="vgg16")
    assert (found.name, found.suite, found.attempts, found.machine) == ("v1", "cells", 2, machine)
    assert found.folder == tmp_path / "baselines" / "v1"
    saved_at = datetime.fromisoformat(found.saved_at)
    assert 0 <= (saved_at - before).total_seconds() < 60 and "." not in found.saved_at
    assert found.warnings == (
        f"{source}/trials/stray does not belong to the results and is passed over.",
        f"{second.predictions} cannot be read: line 1: it begins with 'torn'. Learning is not compared there.",
    )
    files = {str(path.relative_to(found.folder)) for path in found.folder.rglob("*") if path.is_file()}
    assert files == {
        "baseline.json",
        *(
            f"trials/{of.id}/attempt-1/{name}"
            for name in ("trial.json", "result.json", "events.jsonl", "runner.jsonl", "predictions.csv")
        ),
        *(f"trials/{of.id}/attempt-2/{name}" for name in ("trial.json", "result.json", "predictions.csv")),
    }
    again = baseline.find(tmp_path, "v1")
    assert again == dataclasses.replace(found, warnings=()) and baseline.saved(tmp_path) == [again]
    assert baseline.unreadable(tmp_path) == "" == baseline.unreadable(tmp_path / "nowhere")
    (found.folder.parent / "notes").mkdir()
    (found.folder.parent / "x.partial").mkdir()
    (found.folder.parent / "files").mkdir()
    assert baseline.unreadable(tmp_path) == (
        f"{found.folder.parent}/files, {found.folder.parent}/notes: no saved baseline, or its baseline.json is "
        "damaged. Save it again."
    )


@pytest.mark.parametrize("name", ["", ".x", "-x", "a b", "a/b", "x.partial", "x.replaced"])
def test_a_baseline_is_called_as_a_folder_may_be(tmp_path: Path, name: str):
    with pytest.raises(InputError) as caught:
        baseline.find(tmp_path, name)
    assert caught.value.what == f"a baseline cannot be called {name!r}"
    with pytest.raises(InputError, match="there is no baseline"):
        baseline.find(tmp_path, "0a.B_+-")


def test_a_folder_that_is_no_baseline_is_not_written_over(tmp_path: Path):
    (tmp_path / "baselines" / "notes").mkdir(parents=True)
    with pytest.raises(InputError, match="already"):
        baseline.save(tmp_path, "notes", suite(tmp_path / "a" / "s", [(trial(), noisy(10, 2, 0))], RIGHT))
    assert baseline.saved(tmp_path) == []
    with pytest.raises(InputError, match="notes is not a saved baseline, so it is not replaced"):
        baseline.save(tmp_path, "notes", tmp_path, replace=True)


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


def test_the_folder_of_a_suite_is_the_given_one_or_the_only_one_in_it(tmp_path: Path):
    one, other = tmp_path / "results" / "one", tmp_path / "results" / "other"
    (one / "trials").mkdir(parents=True)
    (tmp_path / "results" / "cache").mkdir()
    assert suite_folder(one) == suite_folder(one.parent) == one
    (other / "trials").mkdir(parents=True)
    with pytest.raises(InputError, match="results of several suites") as caught:
        suite_folder(one.parent)
    assert caught.value.way_out == f"Name one of {one}, {other}."
    (tmp_path / "results" / "ones").mkdir()
    with pytest.raises(InputError, match="has no trials/") as caught:
        suite_folder(tmp_path / "results" / "ones")
    assert "one" in caught.value.way_out
    with pytest.raises(InputError, match="there is no results folder"):
        suite_folder(tmp_path / "nowhere")


def test_measurements_are_in_the_order_of_their_start_and_of_their_attempts():
    """Where the wall clock went back between two attempts, the later one does not come first."""
    of, other, third = (trial(seed=seed) for seed in (0, 1, 2))
    when = [(of, 1, "2026-01-03"), (of, 2, "2026-01-01"), (other, 1, "2026-01-02"), (third, 1, None)]
    found = [measurement(one, record(one, attempt=number, started_at=at)) for one, number, at in when]
    assert in_order(reversed(found), "here") == (found[3], found[2], found[0], found[1])
    with pytest.raises(InputError, match="here has no attempt that is over"):
        in_order([], "here")


def test_trials_are_chosen_by_their_names():
    found = tuple(measurement(of, record(of)) for of in (trial("VGG16"), trial("LeNet5"), trial("VGG19")))
    assert matching(found, None, "x") == found
    assert matching(found, "vgg", "x") == (found[0], found[2]) == matching(found, "VGG*", "x")
    with pytest.raises(InputError, match="no trial of x matches --only resnet") as caught:
        matching(found, "resnet", "x")
    assert caught.value.way_out == f"The first is {found[0].record.trial.label}."


@pytest.mark.parametrize(
    ("name", "safe"), [("A-b_c.9", "A-b_c.9"), ("a/b c:ä", "a_b_c__"), ("..x", "x"), ("..", "_"), ("", "_")]
)
def test_names_from_elsewhere_are_the_names_of_one_folder(name: str, safe: str):
    assert _safe(name) == safe


def attempts_that(*states: str) -> list[SimpleNamespace]:
    """Attempts that are over, run still, or are damaged."""

    def read(state: str):
        if state == "damaged":
            raise DamagedAttempt("torn")
        return None if state == "runs" else record(trial())

    return [
        SimpleNamespace(
            read_record=lambda state=state: read(state),
            events=Path("nowhere"),
            runner_events=Path("nowhere"),
            predictions=Path("nowhere"),
            trial_id="t",
        )
        for state in states
    ]


def test_an_attempt_that_is_damaged_costs_itself_and_one_under_way_is_none():
    side = read_attempts(attempts_that("over", "damaged", "runs", "over"), "here")
    assert (len(side.measurements), side.name, len(side.warnings)) == (2, "here", 1)
    assert side.warnings[0].startswith("torn. The attempt is left out")
    assert side.measurements[0].predictions is None
    with pytest.raises(InputError, match="here has no attempt that can be read: torn"):
        read_attempts(attempts_that("damaged", "runs"), "here")
    with pytest.raises(InputError, match="here has no attempt that is over"):
        read_attempts(attempts_that("runs"), "here")


def test_a_baseline_that_is_not_whole_yet_is_none(tmp_path: Path):
    of = suite(tmp_path / "a" / "s", [(trial(), noisy(10, 2, 0))], RIGHT)
    kept = baseline.save(tmp_path, "v1", of).folder
    kept.rename(kept.with_name("v1.partial"))
    assert baseline.saved(tmp_path) == [] and baseline.unreadable(tmp_path) == ""
