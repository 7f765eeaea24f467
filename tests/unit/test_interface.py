"""The public interface: `from bench import ...`."""

import subprocess
import sys
from pathlib import Path

import pytest

import bench
from bench.commands.main import main

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
