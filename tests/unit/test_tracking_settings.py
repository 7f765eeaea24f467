"""The settings by which MLflow is found."""

import os
from pathlib import Path

import pytest
from dotenv import dotenv_values

from bench.errors import ResultsError
from bench.tracking.store import apply_settings


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file, with no setting of MLflow in the environment; what a test sets there is undone."""
    monkeypatch.chdir(tmp_path)
    for name in {name for name in os.environ if name.startswith("MLFLOW_")} | {
        "MLFLOW_TRACKING_URI",
        "MLFLOW_X",
        *dotenv_values(Path(__file__).parents[2] / "bench" / "tracking" / "mlflow.env"),
    }:
        # Set first, so that the name is taken out again afterwards where it was not there before.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    path = tmp_path / "mlflow.env"
    path.write_text("MLFLOW_TRACKING_URI=sqlite:///results/mlflow.db\nMLFLOW_X=from the file\n")
    return path


def test_the_store_lies_in_the_results_folder(env_file: Path, tmp_path: Path):
    uri = apply_settings(Path("elsewhere"), env_file)
    assert uri == f"sqlite:///{tmp_path}/elsewhere/mlflow.db"
    assert os.environ["MLFLOW_TRACKING_URI"] == uri
    assert os.environ["MLFLOW_X"] == "from the file"


def test_without_a_file_the_shipped_one_holds(env_file: Path, tmp_path: Path):
    env_file.unlink()
    assert apply_settings(Path("results"), env_file) == f"sqlite:///{tmp_path}/results/mlflow.db"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_the_environment_wins(env_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    monkeypatch.setenv("MLFLOW_X", "from outside")
    assert apply_settings(Path("results"), env_file) == "http://server:5000"
    assert os.environ["MLFLOW_X"] == "from outside"


@pytest.mark.parametrize("file", ["my/runs.db", "results/mlflow.db2", "your/runs.db"])
def test_a_relative_sqlite_is_made_absolute(
    env_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file}")
    assert apply_settings(Path("elsewhere"), env_file) == f"sqlite:///{tmp_path}/{file}"


def test_an_absolute_sqlite_stays(env_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/my/runs.db")
    assert apply_settings(Path("results"), env_file) == f"sqlite:///{tmp_path}/my/runs.db"


def test_settings_applied_twice_stay(env_file: Path):
    assert apply_settings(Path("results"), env_file) == apply_settings(Path("results"), env_file)


def test_an_address_that_is_none(env_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "results/mlruns")
    with pytest.raises(ResultsError, match="'results/mlruns'"):
        apply_settings(Path("results"), env_file)


def test_a_server_in_the_file_is_used(env_file: Path):
    env_file.write_text("MLFLOW_TRACKING_URI=http://server:5000\n")
    assert apply_settings(Path("results"), env_file) == "http://server:5000"


def test_a_second_results_folder_in_one_process_has_a_store_of_its_own(env_file: Path, tmp_path: Path):
    first, second = (apply_settings(tmp_path / name) for name in ("one", "two"))
    assert (first, second) == tuple(f"sqlite:///{tmp_path / name / 'mlflow.db'}" for name in ("one", "two"))
    assert os.environ["MLFLOW_TRACKING_URI"] == second
