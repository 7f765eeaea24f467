"""`make many`: eight harnesses send to one MLflow server with PostgreSQL, which are restarted meanwhile.

Each harness records suite after suite in a results folder of its own and sends them with `sync`. In between MLflow's
server is killed and PostgreSQL restarted. At the end the runs and points in the database are counted, and must be those
of the journals. LEUKOBENCH_MANY_MINUTES says how long (10), LEUKOBENCH_MANY_HARNESSES how many (8).
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(REPOSITORY),
    str(REPOSITORY / "src"),
    str(REPOSITORY / "tests"),
    str(Path(__file__).parent),
]

from equipment.attempts import write_suite  # noqa: E402
from servers import MlflowServer, Postgres, environment, postgres, postgres_binaries, running  # noqa: E402
from team import login, team_server  # noqa: E402

from bench.journal.history import history  # noqa: E402
from bench.journal.results import SuiteResults  # noqa: E402
from bench.tracking.points import points_of, series_of  # noqa: E402
from bench.worker.jsonl import read_lines  # noqa: E402

MINUTES = float(os.environ.get("LEUKOBENCH_MANY_MINUTES", "10"))
HARNESSES = int(os.environ.get("LEUKOBENCH_MANY_HARNESSES", "8"))
RESTARTS = 3
TRIALS, EPOCHS, SAMPLES = 2, 60, 200


class Harness(threading.Thread):
    """Records attempts into a results folder of its own, and sends them, until time is over."""

    def __init__(self, number: int, folder: Path, server: MlflowServer, stop_at: float):
        super().__init__(name=f"harness-{number}")
        self.folder, self.server, self.stop_at = folder / self.name, server, stop_at
        self.sent = self.refused = 0
        self.tracebacks: list[str] = []
        self.suites: list[SuiteResults] = []

    def run(self) -> None:
        while time.monotonic() < self.stop_at:
            suite = SuiteResults(self.folder, f"{self.name}-{len(self.suites)}")
            write_suite(suite, TRIALS, EPOCHS, SAMPLES, machine=suite.suite)
            self.suites.append(suite)
            self.send()

    def send(self) -> bool:
        """Send what is not sent yet."""
        done = subprocess.run(
            [sys.executable, "-m", "bench", "sync", "--results", str(self.folder)],
            cwd=REPOSITORY,
            env=environment(**login(self.server)),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        self.sent, self.refused = self.sent + (done.returncode == 0), self.refused + (done.returncode == 5)
        if "Traceback" in done.stderr or done.returncode not in (0, 5):
            self.tracebacks.append(f"{done.returncode}: {done.stderr[-2000:]}")
        return done.returncode == 0


def restart(server: MlflowServer, cluster: Postgres, number: int) -> None:
    """Kill MLflow's server, restart PostgreSQL, or both."""
    if number % 3 != 1:
        server.kill()
    if number % 3 != 0:
        cluster.stop()
        time.sleep(2)
        cluster.start()
    if number % 3 != 1:
        server.start()
    print(f"restarted: {('MLflow', 'PostgreSQL', 'both')[number % 3]}", flush=True)


def counts(cluster: Postgres, suite: SuiteResults) -> tuple[tuple[int, int], tuple[int, int]]:
    """Runs and points of a suite in the database, and by the journals."""
    ours = f"experiments using (experiment_id) where experiments.name = '{suite.suite}'"
    runs = cluster.ask(
        f"select count(*) from runs join {ours} and status = 'FINISHED' and runs.lifecycle_stage = 'active'",
        "mlflow",
    )
    points = cluster.ask(f"select count(*) from metrics join runs using (run_uuid) join {ours}", "mlflow")
    attempts = suite.all_attempts()
    expected = sum(
        len(points_of(one.record(), history(one), series_of(read_lines(one.telemetry)))) for one in attempts
    )
    return (runs[0][0], points[0][0]), (len(attempts) + 1, expected)


def main() -> int:
    """Run it.

    Returns:
        1 if the database differs from the journals anywhere, or a harness did not end clearly.
    """
    binaries = postgres_binaries()
    if binaries is None:
        print("no PostgreSQL server (Debian: apt install postgresql)")
        return 0
    with tempfile.TemporaryDirectory() as temporary, postgres(binaries) as cluster:
        folder = Path(temporary)
        with running(team_server(folder, cluster)) as server:
            stop_at = time.monotonic() + 60 * MINUTES
            harnesses = [Harness(number, folder, server, stop_at) for number in range(HARNESSES)]
            for harness in harnesses:
                harness.start()
            for number in range(RESTARTS):
                time.sleep(60 * MINUTES / (RESTARTS + 1))
                restart(server, cluster, number)
            for harness in harnesses:
                harness.join()
            with ThreadPoolExecutor(HARNESSES) as pool:
                finals = list(pool.map(Harness.send, harnesses))
            left = [one.name for one, sent in zip(harnesses, finals, strict=True) if not sent]
            wrong, runs, points = [], 0, 0
            for suite in (suite for harness in harnesses for suite in harness.suites):
                stored, expected = counts(cluster, suite)
                runs, points = runs + stored[0], points + stored[1]
                if stored != expected:
                    wrong.append(f"{suite.suite}: {stored}, by the journals {expected}")
    broken = [text for harness in harnesses for text in harness.tracebacks]
    print(*wrong, *broken, sep="\n")
    print(
        f"{HARNESSES} harnesses, {MINUTES:g} minutes, {RESTARTS} restarts: "
        f"{sum(len(harness.suites) for harness in harnesses)} suites, {runs} runs, {points:,} points; "
        f"{sum(harness.sent for harness in harnesses)} sends, "
        f"{sum(harness.refused for harness in harnesses)} refused while servers were away; "
        f"suites that differ from the journals: {len(wrong)}; sends with a traceback: {len(broken)}; "
        f"not sent at the end: {len(left)}"
    )
    return int(bool(wrong or broken or left))


if __name__ == "__main__":
    sys.exit(main())
