"""`make tracking-speed`: points a second from the journals to MLflow, beside `mlflow.log_metric`.

Both record the same attempts with the same params, points and artifacts, into a fresh SQLite store and
through a server in front of another one. `log_metric` is slow, so it gets fewer of them; the rate counts.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(REPOSITORY),
    str(REPOSITORY / "src"),
    str(REPOSITORY / "tests"),
    str(Path(__file__).parent),
]

from equipment.attempts import write_suite  # noqa: E402
from servers import MlflowServer, running  # noqa: E402

from bench.journal.history import history  # noqa: E402
from bench.journal.results import Attempt, SuiteResults  # noqa: E402
from bench.tracking.points import points_of  # noqa: E402
from bench.tracking.sync import sync  # noqa: E402
from bench.tracking.tags_and_params import params_of  # noqa: E402

WANTED = 20
"""So many times as fast the syncer must be."""


def points(attempt: Attempt) -> list:
    return points_of(attempt.record(), history(attempt))


def by_sync(results: SuiteResults) -> float:
    """Points a second of `bench sync`, artifacts and all."""
    count = sum(len(points(attempt)) for attempt in results.all_attempts())
    began = time.perf_counter()
    sync(results.results, results.suite)
    return count / (time.perf_counter() - began)


def by_log_metric(results: SuiteResults) -> float:
    """Points a second of a training script that logs each figure of each epoch."""
    import mlflow

    if mlflow.get_experiment_by_name("by log_metric") is None:
        local = mlflow.get_tracking_uri().startswith("sqlite")
        place = (results.results / "mlartifacts").resolve().as_uri() if local else None
        mlflow.create_experiment("by log_metric", artifact_location=place)
    mlflow.set_experiment("by log_metric")
    attempts = results.all_attempts()
    made = [points(attempt) for attempt in attempts]
    began = time.perf_counter()
    for attempt, its in zip(attempts, made, strict=True):
        with mlflow.start_run():
            mlflow.log_params(params_of(attempt.record()))
            for key, value, _time, step in its:
                mlflow.log_metric(key, value, step=step)
            mlflow.log_artifacts(str(attempt.folder))
    return sum(map(len, made)) / (time.perf_counter() - began)


def compare(folder: Path, uri: str, few: SuiteResults, many: SuiteResults) -> tuple[float, float]:
    import mlflow

    os.environ["MLFLOW_TRACKING_URI"] = uri
    mlflow.set_tracking_uri(uri)
    warm = SuiteResults(folder / "warm", "warm")
    write_suite(warm, 1, 3)
    sync(warm.results)  # both find a store that is open and laid out
    theirs = by_log_metric(few)
    return by_sync(many), theirs


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=5000, help="of each attempt")
    parser.add_argument("--attempts", type=int, default=3, help="that are synced")
    parser.add_argument("--epochs-by-log-metric", type=int, default=300)
    options = parser.parse_args()
    os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true")
    ratios = []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        print("| store | bench sync, points/s | log_metric, points/s | times |\n| --- | --- | --- | --- |")
        for name in ("SQLite", "server"):
            folder = root / name
            few, many = SuiteResults(folder / "few", "few"), SuiteResults(folder / "many", "many")
            write_suite(few, 1, options.epochs_by_log_metric)
            write_suite(many, options.attempts, options.epochs)
            if name == "SQLite":
                ours, theirs = compare(folder, f"sqlite:///{folder / 'mlflow.db'}", few, many)
            else:
                with running(MlflowServer(folder, f"sqlite:///{folder / 'server.db'}")) as server:
                    ours, theirs = compare(folder, server.address, few, many)
            ratios.append(ours / theirs)
            print(f"| {name} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.0f} |", flush=True)
    return 0 if min(ratios) >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
