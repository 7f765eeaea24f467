"""The results folder: its lock and its attempts."""

import os
from pathlib import Path

import pytest
from equipment.results.records import a_failure, a_record, a_trial, write_record

from bench.errors import DamagedAttempt, InputError, ResultsError
from bench.journal.results import SuiteResults, attempts_of_all
from bench.plan.decide import make_plan
from bench.report.frame import trials_frame
from bench.tracking.suite_run import latest_statuses
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


def test_where_checkpoints_go_is_of_the_attempt_and_not_of_the_trial(results: SuiteResults):
    asked = trial()
    attempt = results.new_attempt(asked, {"folder": "/checkpoint", "every_epochs": 5})
    checkpoint = {"folder": "/checkpoint", "every_epochs": 5, "tag": f"{asked.id}/attempt-1"}
    assert attempt.trial().specification == {"data_folder": "x", "checkpoint": checkpoint}
    assert asked.specification == {"data_folder": "x"}


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


def over(results: SuiteResults, *failures: str) -> None:
    """Attempts at a trial that are over, in their order; an empty failure is a result."""
    for failure in failures:
        content = a_record(failure=a_failure(failure) if failure else None)
        write_record(results.new_attempt(trial()), content)


@pytest.mark.parametrize(
    ("failures", "number"),
    [
        (("",), 1),
        (("", "crashed"), 1),
        (("crashed", "", "interrupted", "crashed"), 2),
        (("", ""), 2),
        (("crashed", "interrupted"), 2),
    ],
)
def test_the_last_attempt_that_is_done_stands_for_a_trial_else_the_last_that_is_over(
    results: SuiteResults, failures: tuple[str, ...], number: int
):
    over(results, *failures)
    results.new_attempt(trial())  # under way
    attempt, record = results.latest(trial().id)
    assert attempt.number == record.attempt == number


def test_a_trial_without_an_attempt_that_is_over_has_no_record(results: SuiteResults):
    assert results.latest(trial().id) is None
    results.new_attempt(trial())
    assert results.latest(trial().id) is None


def test_a_failed_attempt_to_run_afresh_hides_the_result_from_nobody(results: SuiteResults):
    over(results, "", "crashed")
    (row,) = trials_frame(results, [trial().id]).to_dict("records")
    (planned,) = make_plan([trial()], results)
    assert (row["status"], row["attempt"]) == ("done", 1)
    assert (planned.status, planned.why) == ("done", "attempt 1")
    assert latest_statuses(results) == {"done": 1}, "MLflow's note"


def test_the_record_of_another_format_is_refused_by_whoever_reads_it(results: SuiteResults):
    over(results, "")
    (attempt,) = results.all_attempts()
    attempt.result.write_text(attempt.result.read_text().replace('"format": 1', '"format": 7', 1))
    with pytest.raises(InputError, match=f"{attempt.result} has format 7; .* reads format 1 only"):
        trials_frame(results, [trial().id])


def test_what_is_wrong_with_a_record_is_told(results: SuiteResults):
    over(results, "")
    (attempt,) = results.all_attempts()
    assert attempt.damage() == ""
    whole = attempt.result.read_text()
    attempt.result.write_text(whole[: len(whole) // 2])
    assert attempt.record() is None and attempt.damage() == "it is not whole JSON"
    attempt.result.write_text(whole.replace('"attempt": 1', '"attempt": "one"', 1))
    assert attempt.record() is None and attempt.damage() == "attempt: expected int, got str"
    with pytest.raises(DamagedAttempt, match=f"{attempt.result} is damaged: attempt: expected int"):
        attempt.read_record()


def test_the_folder_of_an_attempt_has_one_home(results: SuiteResults):
    made = results.new_attempt(trial())
    assert results.attempt(trial().id, 1) == made
    assert results.attempt("another", 2).tagged(made.tag) == made
    assert made.tagged("3") == results.attempt(trial().id, 3), "journals of older versions"
    assert results.trial_ids() == [trial().id]
    assert SuiteResults(results.results, "another").trial_ids() == []


def test_what_killed_processes_left_half_written_is_found_wherever_they_write(results: SuiteResults):
    attempt = results.new_attempt(trial())
    places = (
        attempt.folder,
        results.folder,
        results.results,
        results.results / "machine",
        results.report / "data",
    )
    dead, alive = 4194305, os.getpid()
    for folder in places:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"a.json.{dead}.partial").touch()
    for folder in places[1:]:  # several processes write here
        (folder / f"b.json.{alive}.partial").touch()
    (results.results / "my.partial").mkdir()  # the folder of a suite with that name
    assert sorted(results.partial_files()) == sorted(folder / f"a.json.{dead}.partial" for folder in places)


@pytest.mark.parametrize(("left", "there"), [(True, False), (True, True), (False, False), (False, True)])
def test_a_checkpoint_is_handed_over_where_the_successor_has_none(
    results: SuiteResults, left: bool, there: bool
):
    for name, exists in (("one", left), ("next", there)):
        if exists:
            results.checkpoint(name).mkdir(parents=True)
            (results.checkpoint(name) / name).touch()
    results.hand_over_checkpoint("one", "next")
    found = {path.name for path in results.checkpoint("next").iterdir()} if left or there else set()
    assert found == ({"next"} if there else {"one"} if left else set())
    assert results.checkpoint("one").exists() is (left and there)
    assert sorted(results.checkpointed()) == [*["next"] * (left or there), *["one"] * (left and there)]
    for _ in range(2):  # also where there is none
        results.discard_checkpoint("next")
    assert "next" not in results.checkpointed()


def test_attempts_of_every_suite_are_found_by_the_beginning_of_their_trials(results: SuiteResults):
    other = SuiteResults(results.results, "another")
    made = [
        where.new_attempt(trial(name)) for where in (other, results) for name in ("VGG16", "VGG19", "VGG16")
    ]
    found = attempts_of_all(results.results, "vgg16-")
    assert found == [made[0], made[2], made[3], made[5]]
    assert attempts_of_all(results.results, "resnet") == []
