"""The wheel, installed into an empty environment: what a user without the repository has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bench

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("LEUKOBENCH_PYTHON", sys.executable)
"""Of the environment: a path or a version, as uv takes it."""
UV = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def uv(*arguments: str | Path) -> None:
    """Run uv, from its cache where that is enough."""
    for offline in (["--offline"], []):
        done = subprocess.run([UV, *map(str, arguments), *offline], capture_output=True, text=True)
        if done.returncode == 0:
            return
    raise AssertionError(done.stderr)


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> Path:
    """An environment that holds the wheel and what it requires, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    uv(
        "build",
        "--wheel",
        "--no-build-isolation",
        "--python",
        sys.executable,
        "--out-dir",
        folder,
        REPOSITORY,
    )
    [wheel] = folder.glob("*.whl")
    uv("venv", "--python", PYTHON, folder / "env")
    constraints = REPOSITORY / "locks" / "cpu.txt"
    python = folder / "env" / "bin" / "python"
    uv(
        "pip",
        "install",
        "--python",
        python,
        "--constraint",
        constraints,
        f"leukobench[cpu] @ {wheel.as_uri()}",
    )
    return folder / "env"


@pytest.fixture
def leukobench(environment, tmp_path):
    """Runs a program of the environment in an empty folder, far from the repository."""

    def run(*arguments: str, program: str = "leukobench") -> str:
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))
        }
        done = subprocess.run(
            [environment / "bin" / program, *arguments],
            cwd=tmp_path,
            env={**variables, "PATH": "/usr/bin:/bin", "MLFLOW_DISABLE_TELEMETRY": "true"},
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def contents(environment: Path) -> dict[Path, tuple[int, int]]:
    """Every file of the environment with its size and time of change, but for compiled modules."""
    files = (path for path in environment.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def test_the_command_says_its_version(leukobench):
    assert leukobench("--version") == f"leukobench {bench.__version__}\n"
    assert leukobench("-m", "bench", "--version", program="python") == f"leukobench {bench.__version__}\n"


def test_types_ship(environment):
    [site] = environment.glob("lib/*/site-packages")
    assert all((site / package / "py.typed").is_file() for package in ("bench", "wbc"))


def test_the_demonstration_runs_and_writes_into_the_results_alone(leukobench, environment, tmp_path):
    before = contents(environment)
    for package in ("bench", "wbc"):  # of another version, such as a clone of the repository
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('not the installed package')")
    leukobench("run", "demo", "--devices", "cpu", "--only", "lenet5-transfer-4e*")
    results = tmp_path / "results"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench", "results", "wbc"]
    assert (results / "demo" / "report" / "report.html").is_file()
    assert (results / "mlflow.db").is_file()
    assert contents(environment) == before


def test_the_example_of_the_python_interface_runs(leukobench):
    example = REPOSITORY / "docs" / "examples" / "interface.py"
    assert "speed inconclusive" in leukobench(str(example), program="python")


def test_every_shipped_suite_can_be_planned_that_needs_no_images(leukobench):
    for name in ("demo", "regression", "thesis-2018"):
        assert name in leukobench("plan", name, "--devices", "cpu")
