"""The results folder: its lock, its attempts, and what a plan makes of them."""

import os
from pathlib import Path

import pytest

from bench.errors import ResultsError
from bench.journal.jsonl import write_json
from bench.journal.results import SuiteResults
from bench.plan import make_plan
from bench.suite.cell import Cell
from wbc.errors import InputError


def cell(network: str = "VGG16", **settings) -> Cell:
    return Cell(
        network, {"mode": "scratch", "epochs": 1, "seed": 0, **settings}, {"wbc": "0"}, {"data_folder": "x"}
    )


@pytest.fixture
def results(tmp_path: Path) -> SuiteResults:
    return SuiteResults(tmp_path / "results", "suite")


def attempt(results: SuiteResults, of: Cell, status: str | None = "done", kind: str = "memory"):
    """A new attempt that ended with a status; None: without a record."""
    made = results.new_attempt(of)
    if status is not None:
        failure = None if status == "done" else {"kind": kind, "message": "too large"}
        write_json(made.result, {"attempt": made.number, "status": status, "failure": failure})
    return made


def decision(results: SuiteResults, of: Cell, **options) -> tuple[str, str]:
    (planned,) = make_plan([of], results, **options)
    assert planned.cell is of
    return planned.status, planned.why


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
    made = [results.new_attempt(cell()) for _ in range(11)]
    assert [one.number for one in made] == list(range(1, 12))
    assert [one.number for one in results.attempts(cell().id)] == list(range(1, 12)), "10 comes after 9"
    assert made[0].cell() == cell().to_json()
    assert made[0].cell_id == cell().id
    assert made[0].record() is None


def test_a_number_is_never_given_twice(results: SuiteResults):
    first, _ = results.new_attempt(cell()), results.new_attempt(cell())
    (first.folder / "cell.json").unlink()
    first.folder.rmdir()
    assert results.new_attempt(cell()).number == 3


def test_all_attempts_by_cell_and_number(results: SuiteResults):
    assert results.all_attempts() == []
    for network in ("VGG19", "VGG16", "VGG19"):
        results.new_attempt(cell(network))
    found = [(one.cell_id.split("-")[0], one.number) for one in results.all_attempts()]
    assert found == [("vgg16", 1), ("vgg19", 1), ("vgg19", 2)]


def test_a_new_cell(results: SuiteResults):
    assert decision(results, cell()) == ("run", "new")
    assert decision(results, cell(), fresh=True) == ("run", "new")
    assert not results.results.exists(), "planning writes nothing"


def test_a_done_cell(results: SuiteResults):
    attempt(results, cell(), "failed")
    attempt(results, cell())
    assert decision(results, cell()) == ("done", "attempt 2")


def test_a_done_cell_stays_done_when_a_later_attempt_fails(results: SuiteResults):
    attempt(results, cell())
    attempt(results, cell(), "failed")
    attempt(results, cell(), None)
    assert decision(results, cell()) == ("done", "attempt 1")


def test_a_done_cell_afresh(results: SuiteResults):
    attempt(results, cell())
    status, why = decision(results, cell(), fresh=True)
    assert status == "run"
    assert "attempt 1" in why


@pytest.mark.parametrize("fresh", [False, True])
def test_a_failed_cell_is_tried_again(results: SuiteResults, fresh: bool):
    attempt(results, cell(), "failed", "crashed")
    attempt(results, cell(), "failed", "memory")
    assert decision(results, cell(), fresh=fresh) == ("retry", "memory: too large")


def test_an_interrupted_cell_is_tried_again(results: SuiteResults):
    attempt(results, cell(), "interrupted", "interrupted")
    assert decision(results, cell())[0] == "retry"


def test_an_attempt_without_a_record_is_tried_again(results: SuiteResults):
    attempt(results, cell(), None)
    status, why = decision(results, cell())
    assert status == "retry"
    assert "no result" in why


def test_another_cell_of_the_suite_decides_nothing(results: SuiteResults):
    attempt(results, cell())
    assert decision(results, cell(seed=1)) == ("run", "new")


@pytest.mark.parametrize(
    ("pattern", "networks"),
    [
        ("vgg*", ["VGG16", "VGG19"]),
        ("VGG16*", ["VGG16"]),
        ("vgg1", ["VGG16", "VGG19"]),
        ("*-scratch-*", ["VGG16", "VGG19", "LeNet5"]),
        ("lenet5-scratch-1e-s0", ["LeNet5"]),
    ],
)
def test_only(results: SuiteResults, pattern: str, networks: list[str]):
    cells = [cell(network) for network in ("VGG16", "VGG19", "LeNet5")]
    assert [one.cell.network for one in make_plan(cells, results, only=pattern)] == networks


def test_only_one_whole_id(results: SuiteResults):
    cells = [cell(seed=seed) for seed in range(3)]
    (planned,) = make_plan(cells, results, only=cells[1].id)
    assert planned.cell is cells[1]


def test_only_that_matches_nothing_names_an_id(results: SuiteResults):
    with pytest.raises(InputError) as caught:
        make_plan([cell()], results, only="densenet*")
    assert "densenet*" in caught.value.what
    assert cell().id in caught.value.way_out
