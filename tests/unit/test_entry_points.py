"""What `python -m` of each program does with its arguments, in this process."""

import io
import json
import runpy
import sys
from pathlib import Path

import pytest

from bench.telemetry.sampler import Job
from wbc.errors import InputError

ROOT = Path(__file__).parents[2] / "bench"


class Lines(io.StringIO):
    """A standard input."""

    def fileno(self) -> int:
        return 9


@pytest.fixture
def program(monkeypatch):
    """Run a program of the package; what it asked of others."""
    asked: list[tuple] = []

    def noting(name: str, answer: object = None):
        def note(*given: object) -> object:
            asked.append((name, *given))
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return note

    def run(file: str, *arguments: str, stdin: str = "", **answers: object) -> list[tuple]:
        """`answers`: module and function with two underscores between them -> what it answers."""
        for name in ("bench.worker.startup.own_packages_first", "bench.worker.protocol.die_with_parent"):
            monkeypatch.setattr(name, noting(name.rpartition(".")[2]))
        monkeypatch.setattr("bench.worker.protocol.end_at_once", noting("end"))
        for name, answer in answers.items():
            path = name.replace("__", ".")
            monkeypatch.setattr(path, noting(path.rpartition(".")[2], answer))
        monkeypatch.setattr(sys, "argv", ["program", *arguments])
        monkeypatch.setattr(sys, "stdin", Lines(stdin))
        runpy.run_path(str(ROOT / file), run_name="__main__")
        return asked

    run.asked = asked
    return run


def test_the_worker_ends_with_the_code_of_its_trial(program):
    asked = program("worker/__main__.py", "folder", bench__worker__process__run_trial=7)
    assert asked == [("own_packages_first",), ("run_trial", Path("folder")), ("end", 7)]


def test_the_sampler_dies_with_its_harness(program):
    job = Job("x.jsonl", 5, 6, 0.1, [0, 1], {"gpu:0": "GPU-1"})
    asked = program("telemetry/__main__.py", json.dumps(vars(job)), bench__telemetry__sampler__watch=None)
    assert asked == [("die_with_parent", 6), ("watch", job, 9), ("end", 0)]


def test_the_recorder_takes_results_suite_and_parent(program, monkeypatch):
    made = []

    class Recorded:
        def __init__(self, results, make, is_back):
            made.append((results.results, results.suite))

        def end(self):
            made.append("end")

    monkeypatch.setattr("bench.tracking.process.Recorder", Recorded)
    asked = program("tracking/__main__.py", "results", "demo", "77", os__nice=0)
    assert asked == [("own_packages_first",), ("die_with_parent", 77), ("nice", 10), ("end", 0)]
    assert made == [(Path("results"), "demo"), "end"]


def test_weights_are_fetched_as_they_are_named(program):
    fetch = {"wbc__networks__weights__fetch_with_keras": None}
    with pytest.raises(SystemExit) as ended:
        program("worker/fetch.py", '["VGG16", {"a": 1}, 224]', **fetch)
    assert ended.value.code is None and program.asked == [("fetch_with_keras", "VGG16", {"a": 1}, 224)]
    with pytest.raises(SystemExit) as ended:
        program(
            "worker/fetch.py", "[]", wbc__networks__weights__fetch_with_keras=InputError("no net", "Wait.")
        )
    assert ended.value.code == "no net"


def test_a_calibration_takes_its_seconds(program):
    with pytest.raises(ValueError, match="'nine'"):
        program("worker/calibrate.py", "nine", bench__worker__environment__keep_to_cores=None)
    assert program.asked == [("own_packages_first",), ("keep_to_cores",)]


def test_a_prediction_reads_its_request(program, folder: Path):
    with pytest.raises(FileNotFoundError) as caught:
        program("worker/predict.py", "request.json", "answer.json")
    assert str(caught.value.filename) == "request.json"


@pytest.mark.parametrize(
    ("answer", "code", "said"), [(4, 4, ""), (KeyboardInterrupt(), 130, "error: interrupted\n")]
)
def test_the_command_line_ends_with_the_code_of_its_verb(
    program, capsys, answer: object, code: int, said: str
):
    with pytest.raises(SystemExit) as ended:
        program("__main__.py", bench__commands__main__main=answer)
    assert ended.value.code == code and program.asked == [("own_packages_first",), ("main",)]
    assert capsys.readouterr().err == said


def test_an_interruption_of_the_first_imports_is_one_line(program, capsys):
    with pytest.raises(SystemExit) as ended:
        program("__main__.py", bench__worker__startup__own_packages_first=KeyboardInterrupt())
    assert (ended.value.code, capsys.readouterr().err) == (130, "error: interrupted\n")
