"""The set-up for a team: passwords, PostgreSQL, artifacts through the server."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from equipment.attempts import write_suite
from servers import PASSWORD, REPOSITORY, MlflowServer, environment
from team import login

from bench.journal.results import SuiteResults

BEFORE = "/api/2.0/mlflow"


def ask(server: MlflowServer, path: str, content: dict | None = None, user: str | None = "admin", **headers):
    if user:
        word = f"{user}:{PASSWORD}-{user}"
        headers["Authorization"] = f"Basic {base64.b64encode(word.encode()).decode()}"
    data = json.dumps(content).encode() if content is not None else None
    request = Request(server.address + path, data, {"Content-Type": "application/json", **headers})
    with build_opener(ProxyHandler({})).open(request, timeout=30) as answer:
        body = answer.read()
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


def sync(server: MlflowServer, results: Path, **settings: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "bench", "sync", "--results", str(results)],
        cwd=REPOSITORY,
        env=environment(**{**login(server), **settings}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_nobody_gets_in_without_a_password(team: MlflowServer):
    for user in (None, "stranger"):
        with pytest.raises(HTTPError) as refused:
            ask(team, f"{BEFORE}/experiments/get-by-name?experiment_name=Default", user=user)
        assert refused.value.code == 401
    with pytest.raises(HTTPError) as refused:
        ask(team, f"{BEFORE}/experiments/get-by-name?experiment_name=Default", Host="evil.example")
    assert refused.value.code in (400, 403), "another site's page in a browser must not read it"


def test_a_member_of_the_team_records_and_artifacts_go_through_the_server(team: MlflowServer, tmp_path: Path):
    ask(team, f"{BEFORE}/users/create", {"username": "ada", "password": f"{PASSWORD}-ada"})
    write_suite(SuiteResults(tmp_path, "of ada"), trials=2, epochs=3)
    wrong = sync(team, tmp_path, MLFLOW_TRACKING_USERNAME="ada", MLFLOW_TRACKING_PASSWORD="wrong")
    assert wrong.returncode == 5
    assert "MLflow cannot be written to" in wrong.stderr and "Traceback" not in wrong.stderr
    done = sync(team, tmp_path, **login(team, "ada", f"{PASSWORD}-ada"))
    assert done.returncode == 0, done.stderr
    assert "2 attempts, 2 sent now" in done.stdout
    assert not (tmp_path / "mlartifacts").exists() and not (tmp_path / "mlflow.db").exists()

    experiment = ask(team, f"{BEFORE}/experiments/get-by-name?experiment_name=of%20ada", user="ada")[
        "experiment"
    ]
    assert experiment["artifact_location"].startswith("mlflow-artifacts:")
    query = {"experiment_ids": [experiment["experiment_id"]]}
    runs = ask(team, f"{BEFORE}/runs/search", query, user="ada")["runs"]
    assert len(runs) == 3
    child = next(run for run in runs if "attempt" in json.dumps(run["data"]["tags"]))
    run_id = child["info"]["run_id"]
    attempt = next(iter((tmp_path / "of ada" / "trials").glob("*/attempt-1/result.json")))
    served = ask(team, f"/get-artifact?path=figures.html&run_uuid={run_id}", user="ada")
    assert "<svg" in served and "http" not in served.replace("http-equiv", "")
    assert attempt.exists()
