"""Interpreters and code of the sides, looked at in real processes; none loads TensorFlow."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from equipment.results import records

from bench.devices.device import Device, Slot
from bench.errors import InputError
from bench.regress import side_request, sides
from bench.regress.side_request import SideRequest
from bench.regress.sides import Code, Side, inspect, modules_of, revision, working_tree
from bench.trials.made_by import source_digest
from bench.trials.runtime import find_runtime
from wbc import REQUIREMENTS

IMPORT_ALL = """
import importlib, pkgutil
import bench.worker, wbc
for module in pkgutil.walk_packages(bench.worker.__path__, "bench.worker."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(wbc.__file__)
"""

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    return working_tree(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def side(code):
    return inspect("candidate", "this one", Path(sys.executable), code)


def test_the_code_is_a_copy_that_runs_from_anywhere(code):
    assert code.wbc == source_digest()
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL],
        env={"PYTHONPATH": str(code.folder), "PYTHONSAFEPATH": "1"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(code.folder)


def test_the_same_interpreter_makes_the_same_trials_as_run_does(side):
    assert side.runtime("a processor") == find_runtime("a processor")


def test_settings_that_say_nothing_are_kept_from_code_that_does_not_know_them(side):
    older = replace(side, settings=frozenset({"mode", "epochs"}))
    specification = {"mode": "scratch", "epochs": 3, "jit_compile": "auto", "l2": 0.1}
    trial = records.a_trial(specification=specification, backend="tensorflow")
    ran = older.trial(trial, "a processor")
    assert set(ran.specification) == {"mode", "epochs", "l2"}
    assert ran.key == trial.key
    asking = [records.a_trial(specification={"l2": value, "l1": 0.5}) for value in (0.1, 0.2, 0.0)]
    assert older.lacks(asking) == [
        f"The {older.name} ({older.code.label}) does not know l1, which 3 of 3 trials set: they will fail there.",
        f"The {older.name} ({older.code.label}) does not know l2, which 2 of 3 trials set: they will fail there.",
    ]


def test_an_interpreter_that_is_not_there(code):
    with pytest.raises(InputError, match="cannot be run"):
        inspect("baseline", "gone", Path("/nonexistent/python"), code)


def test_an_interpreter_that_is_no_python(code):
    with pytest.raises(InputError, match="cannot be used"):
        inspect("baseline", "echo", Path("/bin/echo"), code)


def test_a_module_that_is_missing_is_named(code):
    with pytest.raises(InputError, match="nosuchmodule cannot be imported: ModuleNotFoundError"):
        inspect("baseline", "this one", Path(sys.executable), code, ["nosuchmodule"])


def test_a_revision_that_is_not_there(tmp_path: Path):
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no git repository")
    with pytest.raises(InputError, match="there is no revision 'nonesuch'"):
        revision("nonesuch", tmp_path)


def test_a_revision_is_what_git_has(tmp_path: Path):
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no git repository")
    had = revision("HEAD", tmp_path)
    assert (had.folder / "wbc" / "experiment.py").is_file()
    assert (had.folder / "bench" / "worker" / "__main__.py").is_file()
    assert had == revision("HEAD", tmp_path), "it is exported once"
    assert had.folder.name == had.commit[:16] and len(had.commit) == 40


SIDE = Side(
    "baseline",
    "this one",
    Path("/p"),
    Code(Path("/c/abc"), "a tag", "hash", "commit"),
    "3.11",
    {"keras": "3.4"},
)


@pytest.mark.parametrize(
    ("changes", "another"),
    [
        ({"name": "candidate", "label": "x", "settings": frozenset({"mode"})}, False),
        ({"code": replace(SIDE.code, folder=Path("/other/abc"), label="x", commit=None)}, False),
        ({"code": replace(SIDE.code, folder=Path("/c/abd"))}, True),
        ({"code": replace(SIDE.code, wbc="other")}, True),
        ({"interpreter": Path("/q")}, True),
        ({"version": "3.12"}, True),
        ({"packages": {"keras": "3.5"}}, True),
    ],
)
def test_a_side_is_another_one_where_its_results_may_differ(changes: dict, another: bool):
    assert (replace(SIDE, **changes).key != SIDE.key) is another


def test_code_is_copied_once(tmp_path: Path, monkeypatch):
    filled = []

    def fill(folder: Path) -> None:
        filled.append(folder)
        (folder / "wbc").mkdir(parents=True)
        (folder / "wbc" / "x.py").write_text("1\n")

    monkeypatch.chdir(tmp_path)
    found = [sides._cached(Path("cache"), fill, "a tag", "a commit") for _ in range(2)]
    digest = source_digest(root=tmp_path / "cache" / "wbc")
    assert found == [Code(tmp_path / "cache", "a tag", digest, "a commit")] * 2 and len(filled) == 1
    assert sides._cached(Path("cache"), fill, "the working tree").commit is None


def test_a_side_has_the_code_and_the_interpreter_that_it_asks_for(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(side_request, "revision", lambda name, cache: ("revision", name, cache))
    monkeypatch.setattr(side_request, "working_tree", lambda cache: ("working tree", cache))
    assert side_request._code(SideRequest(revision="v1"), tmp_path) == ("revision", "v1", tmp_path)
    assert side_request._code(SideRequest("keras"), tmp_path) == ("working tree", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(sys.executable)
    assert side_request._interpreter(None) == Path(sys.executable)
    assert side_request._interpreter(Path("link")) == tmp_path / "link"
    assert side_request._interpreter(Path("~/python")) == Path.home() / "python"


def test_a_side_takes_packages_or_an_interpreter_but_not_both():
    with pytest.raises(InputError, match="gives an interpreter"):
        SideRequest("tensorflow==2.20.0", python=Path("python")).check("baseline")
    with pytest.raises(InputError, match="adds to what --candidate asks for"):
        SideRequest(more=("keras==3.3.3",)).check("candidate")
    for wrong in ("==2.20.0", "-r ../secrets.txt", "keras==3.3.3\n--no-index"):
        with pytest.raises(InputError, match="no requirement"):
            SideRequest(wrong).check("candidate")


@pytest.mark.parametrize(
    "asked", [SideRequest(""), SideRequest(" "), SideRequest("keras==3.3.3", ("",)), SideRequest(revision="")]
)
def test_what_a_script_failed_to_find_is_not_taken_for_this_environment(asked: SideRequest):
    assert asked.asks_something
    with pytest.raises(InputError, match="is empty"):
        asked.check("candidate")


def test_a_revisions_journals_name_its_own_commit(side, code):
    slot = Slot("cpu:0", (Device("cpu", "A processor"),), (0,))

    def notes(slot: Slot) -> dict:
        return {"machine": {"leukobench": "1"}, "peak": {"float32": 1.0}}

    older = replace(side, code=replace(code, commit="abc"))
    assert older.noted(notes)(slot) == {
        "machine": {"leukobench": "1", "commit": "abc"},
        "peak": {"float32": 1.0},
    }
    assert side.noted(notes) is notes


@pytest.mark.parametrize(
    ("backends", "first"),
    [(["torch", "jax", "tensorflow", "jax", "torch"], ["jax", "tensorflow", "torch"]), ([None], [])],
)
def test_backends_are_imported_first_and_keras_only_with_one(backends: list, first: list[str]):
    trials = [SimpleNamespace(settings=SimpleNamespace(backend=backend)) for backend in backends]
    names = modules_of(trials)
    assert names[: len(first)] == first
    rest = [name for name in REQUIREMENTS.values() if name != "keras"]
    assert sorted(names[len(first) :]) == sorted([*rest, *(["keras"] if first else [])])
