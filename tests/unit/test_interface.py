"""The public interface: `from bench import ...`."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import bench
from bench.commands.main import main
from bench.compare.thresholds import Thresholds
from bench.journal.results import SuiteResults
from bench.regress.session import RegressRequest
from bench.regress.side_request import SideRequest
from bench.runner.suite import Outcome, RunOptions

FUNCTIONS = ("compare", "load_results", "load_suite", "plan", "regress", "run")


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    "before", ["", "import bench.plan.decide, bench.compare.compare, bench.regress.verdict"]
)
def test_functions_are_functions_whatever_was_imported_before(before: str):
    code = f"""
{before}
from bench import {", ".join(FUNCTIONS)}
import bench.plan.predict
from bench import plan as again
print({", ".join(f"{name}.__module__" for name in FUNCTIONS)}, again is plan, bench.plan is plan)
"""
    assert python(code).split() == ["bench.interface"] * len(FUNCTIONS) + ["True", "True"]


def test_nothing_is_imported_before_it_is_used():
    code = "import sys, bench, bench.commands.main; print('bench.interface' in sys.modules, 'pandas' in sys.modules)"
    assert python(code) == "False False"


def test_every_public_name_is_there_and_no_other():
    assert all(getattr(bench, name) is not None for name in bench.__all__)
    assert set(bench.__all__) <= set(dir(bench))
    with pytest.raises(AttributeError, match="no attribute 'sweep'"):
        bench.sweep  # noqa: B018


def test_a_suite_is_loaded_by_name_and_planned_as_the_command_plans_it(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    suite = bench.load_suite("demo")
    planned = bench.plan(suite, results=tmp_path, devices="cpu", only="lenet5")
    assert suite.name == "demo"
    assert [one.status for one in planned] == ["new"] * 4
    assert main(["plan", "demo", "--results", str(tmp_path), "--devices", "cpu", "--only", "lenet5"]) == 0
    printed = capsys.readouterr().out
    assert all(one.trial.id in printed for one in planned)
    assert not list(tmp_path.iterdir())


def test_an_unknown_keyword_is_a_type_error():
    for function in (bench.plan, bench.run, bench.regress):
        with pytest.raises(TypeError, match="unexpected keyword 'device'"):
            function("demo", device="cpu")


def test_a_wrong_suite_is_an_error_with_a_place(tmp_path: Path):
    (tmp_path / "mine.toml").write_text('[[matrix]]\nbackbone = "LeNet5"\nepoch = 3\n')
    with pytest.raises(bench.InputError, match=r"mine.toml, line 3"):
        bench.load_suite(tmp_path / "mine.toml")


def test_a_folder_without_results_is_an_error(tmp_path: Path):
    with pytest.raises(bench.InputError, match="no results folder of a suite"):
        bench.load_results(tmp_path)


def test_from_python_as_from_the_command_line(folder: Path, monkeypatch):
    """Every choice gets to where the command line's gets."""
    choices = {
        "results": "there",
        "devices": "cpu",
        "data": "d",
        "weights": "w",
        "only": "knn",
        "fresh": True,
    }
    ended = Outcome(SuiteResults(Path("there"), "mine"), ["a", "b"], ["b"], [])
    ran: list[tuple[Any, ...]] = []
    monkeypatch.setattr("bench.interface.run_suite", lambda *given: ran.append(given) or ended)
    kept: list[list[str]] = []
    monkeypatch.setattr("bench.interface.keep_best", lambda results, ids: kept.append(ids))
    found = bench.run("mine.toml", engine="ray", address="head:1", **choices)
    bench.run("mine.toml")
    assert (found.folder, found.trial_ids, kept) == (Path("there/mine"), ("b",), [["a", "b"]] * 2)
    first, second = ran
    options = RunOptions("cpu", Path("d"), Path("w"), "knn", True, "ray", "head:1")
    assert (*first[:2], first[3]) == (Path("mine.toml"), Path("there"), options)
    assert (*second[:2], second[3]) == (Path("mine.toml"), Path("results"), RunOptions())
    asked: list[RegressRequest] = []
    said: list[str] = []

    def regress(request, listener):
        asked.append(request)
        listener.say("a word")
        listener.plan([])
        return SimpleNamespace(verdict="the verdict")

    monkeypatch.setattr("bench.interface.run_regress", regress)
    sides = {"baseline": "tensorflow==2.20.0", "candidate": "tensorflow==2.21.0"}
    thresholds = Thresholds(change=0.04)
    more = {"pairs": 3, "budget_s": 9.0, "name": "n", "thresholds": thresholds, "say": said.append}
    assert bench.regress("mine.toml", **sides, **more, **choices) == "the verdict" and said == ["a word"]
    assert bench.regress("mine.toml") == "the verdict"
    old, new = (SideRequest(side) for side in sides.values())
    assert asked == [
        RegressRequest(
            Path("mine.toml"), old, new, None, Path("there"), "n", 3, 9.0, False, True, thresholds, "cpu", Path("d"),
            Path("w"), "knn",
        ),
        RegressRequest(Path("mine.toml"), budget_s=1800.0),
    ]  # fmt: skip
    compared: list[tuple[Any, ...]] = []
    monkeypatch.setattr("bench.interface.compare_sides", lambda *given: compared.append(given))
    bench.compare(found, Path("new"))
    bench.compare("baseline:v1", "mlflow:x", results="there", thresholds=thresholds)
    assert compared == [
        ("there/mine", "new", Path("results"), Thresholds()),
        ("baseline:v1", "mlflow:x", Path("there"), thresholds),
    ]
