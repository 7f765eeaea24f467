"""The results folder: its lock and its attempts."""

import os
from pathlib import Path

import pytest
from equipment.results.records import a_trial

from bench.errors import ResultsError
from bench.journal.results import SuiteResults
from bench.trials.trial import Trial


def trial(network: str = "VGG16", **settings) -> Trial:
    return a_trial(network, specification={"data_folder": "x"}, **settings)


@pytest.fixture
def results(tmp_path: Path) -> SuiteResults:
    return SuiteResults(tmp_path / "results", "suite")


def test_the_second_holder_is_refused_and_told_who_holds(results: SuiteResults):
    with results.lock(), pytest.raises(ResultsError) as caught, results.lock():
        pytest.fail("two runs in one folder")
    assert f"process {os.getpid()}" in str(caught.value)
    assert str(results.results) in str(caught.value)
    assert "--results" in str(caught.value)


def test_another_suite_in_the_same_folder_is_refused(results: SuiteResults):
    other = SuiteResults(results.results, "other")
    with results.lock(), pytest.raises(ResultsError, match="in use"), other.lock():
        pytest.fail("two runs in one folder")


def test_the_lock_is_free_again(results: SuiteResults):
    with pytest.raises(ZeroDivisionError), results.lock():
        raise ZeroDivisionError
    with results.lock():
        pass


def test_other_folders_are_not_locked(results: SuiteResults, tmp_path: Path):
    with results.lock(), SuiteResults(tmp_path / "others", "suite").lock():
        pass


def test_the_kernel_frees_the_lock_of_a_holder_that_dies(results: SuiteResults):
    ready, held = os.pipe()
    child = os.fork()
    if child == 0:
        with results.lock():
            os.write(held, b"!")
            os.kill(os.getpid(), 9)
    os.read(ready, 1)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(held)
    with results.lock():
        assert (results.results / ".lock").read_text() == str(os.getpid())


def test_a_folder_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match="cannot write"), SuiteResults(tmp_path / "file", "suite").lock():
        pytest.fail("a file is no folder")


def test_attempts_are_numbered_from_one(results: SuiteResults):
    made = [results.new_attempt(trial()) for _ in range(11)]
    assert [one.number for one in made] == list(range(1, 12))
    assert [one.number for one in results.attempts(trial().id)] == list(range(1, 12)), "10 comes after 9"
    assert made[0].trial().to_json() == trial().to_json()
    assert made[0].trial_id == trial().id
    assert made[0].record() is None


def test_a_number_is_never_given_twice(results: SuiteResults):
    first, _ = results.new_attempt(trial()), results.new_attempt(trial())
    (first.folder / "trial.json").unlink()
    first.folder.rmdir()
    assert results.new_attempt(trial()).number == 3


def test_all_attempts_by_trial_and_number(results: SuiteResults):
    assert results.all_attempts() == []
    for network in ("VGG19", "VGG16", "VGG19"):
        results.new_attempt(trial(network))
    found = [(one.trial_id.split("-")[0], one.number) for one in results.all_attempts()]
    assert found == [("vgg16", 1), ("vgg19", 1), ("vgg19", 2)]
