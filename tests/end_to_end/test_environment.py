"""What a shell may have set: no variable redirects a write, breaks a process, or changes a result in silence."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from command import KNN, Bench

REDIRECTING = {
    "MLFLOW_EXPERIMENT_ID": "77",
    "MLFLOW_EXPERIMENT_NAME": "another",
    "MLFLOW_RUN_ID": "0" * 32,
    "MLFLOW_ACTIVE_MODEL_ID": "m-1",
    "MLFLOW_ARTIFACT_LOCATION": "/nowhere",
    "MLFLOW_DEFAULT_ARTIFACT_ROOT": "/nowhere",
    "MLFLOW_BACKEND_STORE_URI": "sqlite:////nowhere/mlflow.db",
    "MLFLOW_REGISTRY_URI": "http://127.0.0.1:9",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "true",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "true",
}
BREAKING = {
    "TMPDIR": "/proc",
    "LANG": "C",
    "LC_ALL": "C",
    "PYTHONWARNINGS": "error",
    "PYTHONSTARTUP": "/nonexistent.py",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "3",
}
CHANGING = {"PYTHONHASHSEED": "7", "TF_ENABLE_ONEDNN_OPTS": "0", "NVIDIA_TF32_OVERRIDE": "0"}


def test_a_run_in_a_shell_full_of_settings(tmp_path: Path):
    bench, suite = Bench(tmp_path, recorded=True), tmp_path / "tiny.toml"
    suite.write_text(KNN)
    command = bench.command("run", suite)
    environment = bench.environment(**REDIRECTING, **BREAKING, **CHANGING)
    del environment["HOME"]
    done = bench.start(command, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr and "cannot be written to" not in done.stderr
    (path,) = bench.results.glob("tiny/trials/*/attempt-1/result.json")
    record = json.loads(path.read_text())
    # What changes numbers is in the record, so that a comparison tells it.
    said = json.dumps(record["environment"])
    assert all(name in said for name in CHANGING)
    with closing(sqlite3.connect(bench.results / "mlflow.db")) as connection:
        runs = connection.execute("select name, status from runs").fetchall()
        places = connection.execute(
            "select distinct artifact_uri from runs join experiments using (experiment_id) "
            "where experiments.name = 'tiny'"
        ).fetchall()
        (models,) = connection.execute(
            "select count(*) from metrics where run_uuid = ?", ("0" * 32,)
        ).fetchone()
    assert sorted(runs) == sorted([("tiny", "FINISHED"), (record["trial"]["id"], "FINISHED")])
    assert models == 0
    assert all(str(bench.results) in place for (place,) in places)
