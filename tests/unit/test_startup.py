"""What of the user's shell reaches our processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.worker.environment import compute_variables
from bench.worker.startup import BREAKING, child_environment, foreign_folder, own_packages_first

ROOT = Path(__file__).parents[2]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with packages named as ours and as our libraries, and a network of the user's."""
    for name in ("bench", "wbc", "numpy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('not ours')\n")
    (tmp_path / "networks_of_the_user.py").write_text("")
    return tmp_path


def test_variables_that_break_python_are_left_out():
    given = {**dict.fromkeys(BREAKING, "2"), "PYTHONHOME": "/usr", "KEPT": "1"}
    assert child_environment(given) == {"PYTHONHOME": "/usr", "KEPT": "1"}
    assert child_environment(given, python="/another/python") == {"KEPT": "1"}


def test_a_foreign_package_of_our_name_comes_behind_ours(elsewhere: Path):
    found = child_environment({"PYTHONPATH": str(elsewhere)})["PYTHONPATH"].split(os.pathsep)
    assert found == [str(ROOT), str(ROOT / "src"), str(elsewhere)]
    assert child_environment({"PYTHONPATH": str(elsewhere)}, path=False)["PYTHONPATH"] == ""


def test_a_folder_without_such_a_package_stays_as_it_is(tmp_path: Path):
    assert child_environment({"PYTHONPATH": str(tmp_path)}) == {"PYTHONPATH": str(tmp_path)}


def test_a_worker_finds_its_own_packages_and_the_modules_of_the_user(elsewhere: Path):
    look = (
        "import json; from bench.worker.startup import own_packages_first; own_packages_first();"
        "import bench, wbc, numpy, networks_of_the_user as users;"
        "print(json.dumps([module.__file__ for module in (bench, wbc, numpy, users)]))"
    )
    shell = {**os.environ, "PYTHONPATH": str(elsewhere), "PYTHONOPTIMIZE": "2"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", look],
        env=child_environment(shell),
        capture_output=True,
        text=True,
        check=True,
        cwd=elsewhere,
    )
    *ours, users = map(Path, json.loads(done.stdout))
    assert not any(path.is_relative_to(elsewhere) for path in ours)
    assert users.is_relative_to(elsewhere)


def test_installed_packages_keep_their_place(monkeypatch):
    installed = next(path for path in sys.path if path.endswith("site-packages"))
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", list(before))
    own_packages_first({"PYTHONPATH": installed})
    assert sys.path == before


def test_a_module_on_pythonpath_that_cannot_be_imported_is_named(elsewhere: Path):
    error = ImportError("no", path=str(elsewhere / "torch" / "__init__.py"))
    assert foreign_folder(error, {"PYTHONPATH": str(elsewhere)}) == str(elsewhere)
    assert foreign_folder(error, {}) is None
    assert foreign_folder(ImportError("no"), {"PYTHONPATH": str(elsewhere)}) is None


@pytest.mark.parametrize(
    ("begun", "said"),
    [
        ("pass", ["registered"]),
        (
            "threading.Timer(0.2, print, ['a thread that goes on']).start()",
            ["a thread", "registered", "taken"],
        ),
    ],
)
def test_a_process_ends_at_once_unless_threads_go_on(begun: str, said: list[str]):
    code = (
        "import atexit, threading; from bench.worker.protocol import end_at_once\n"
        "class Module:\n def __del__(self): print('taken apart')\n"
        f"module = Module(); atexit.register(print, 'registered'); {begun}; end_at_once(3)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    lines = ran.stdout.splitlines()
    assert ran.returncode == 3, ran.stderr
    assert [line[: len(start)] for line, start in zip(lines, said, strict=True)] == said


def test_what_breaks_python_and_what_changes_its_work_are_known_by_their_names():
    breaking = ["OPTIMIZE", "WARNINGS", "STARTUP", "INSPECT", "IOENCODING", "DEBUG", "VERBOSE", "DEVMODE"]
    breaking += ["PROFILEIMPORTTIME", "TRACEMALLOC", "PLATLIBDIR", "CASEOK"]
    given = {f"PYTHON{name}": "1" for name in breaking}
    assert child_environment({**given, "PYTHONMALLOC": "debug"}, path=False) == {"PYTHONMALLOC": "debug"}
    frameworks = [
        "TF",
        "XLA",
        "KERAS",
        "JAX",
        "TORCH",
        "PYTORCH",
        "CUDA",
        "CUBLAS",
        "CUDNN",
        "NCCL",
        "NVIDIA",
        "OMP",
    ]
    frameworks += ["KMP", "GOMP", "MKL", "DNNL", "ONEDNN", "OPENBLAS", "BLIS", "MALLOC"]
    told = {f"{name}_X": "1" for name in frameworks}
    told |= dict.fromkeys(("LD_PRELOAD", "PYTHONHASHSEED", "PYTHONMALLOC"), "1")
    secrets = ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "AUTH"]
    hidden = {f"TF_{name}": "1" for name in secrets}
    terraform = ["VAR_X", "CLI_X", "TOKEN_X", "PLUGIN_X", "LOG", "LOG_X", "WORKSPACE", "CLOUD_X", "DATA_DIR"]
    hidden |= {f"TF_{name}": "1" for name in terraform}
    assert compute_variables({**told, **hidden, "HOME": "/", "TFX": "1"}) == told
