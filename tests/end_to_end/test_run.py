"""The main job: a suite from its file to the tables."""

import csv
import json

import numpy as np
import pytest
from command import UNWATCHED, Bench, InProcess, Ran
from sklearn.metrics import confusion_matrix


def records(bench: Bench, suite: str = "tiny") -> list[dict]:
    paths = sorted((bench.results / suite / "trials").glob("*/attempt-*/result.json"))
    return [json.loads(path.read_text()) for path in paths]


def test_ends_with_0_and_every_trial_is_done(ran: Ran):
    assert ran.first.returncode == 0, ran.first.stderr
    assert [record["status"] for record in records(ran.bench)] == ["done", "done"]
    assert {record["trial"]["settings"]["mode"] for record in records(ran.bench)} == {"transfer", "scratch"}


def test_prints_tables_and_keeps_the_chatter_of_tensorflow_out(ran: Ran):
    assert "accuracy %" in ran.first.stdout
    assert "random" in ran.first.stdout, "a frozen random network must not pass for a pretrained one"
    for chatter in ("oneDNN", "cpu_feature_guard", "Traceback", "WARNING"):
        assert chatter not in ran.first.stdout + ran.first.stderr


def test_result_table_mlflow_and_predictions_agree(ran: Ran):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{ran.bench.results / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    everything = client.search_runs([experiment.experiment_id])
    runs = {
        run.data.tags["leukobench.trial"]: run for run in everything if "leukobench.trial" in run.data.tags
    }
    (parent,) = [run for run in everything if "leukobench.trial" not in run.data.tags]
    assert parent.info.status == "FINISHED"
    assert "2 done" in parent.data.tags["mlflow.note.content"]
    table_path = ran.bench.results / "tiny" / "report" / "tables" / "trials.csv"
    with table_path.open(newline="") as file:
        table = {row["trial"]: row for row in csv.DictReader(file)}
    assert len(runs) == len(table) == 2

    for record in records(ran.bench):
        trial = record["trial"]["id"]
        predictions = ran.bench.results / "tiny" / "trials" / trial / "attempt-1" / "predictions.csv"
        with predictions.open(newline="") as file:
            rows = list(csv.DictReader(file))
        classes = record["test"]["classes"]
        matrix = confusion_matrix(
            [row["true"] for row in rows], [row["predicted"] for row in rows], labels=classes
        )
        assert matrix.tolist() == record["test"]["confusion_matrix"]
        accuracy = np.trace(matrix) / matrix.sum()
        losses = [-np.log(float(row[f"p_{row['true']}"])) for row in rows]
        assert record["test"]["accuracy"] == pytest.approx(accuracy)
        assert record["test"]["loss"] == pytest.approx(np.mean(losses), rel=1e-5)

        run = runs[trial]
        assert run.info.status == "FINISHED"
        assert run.data.metrics["test/accuracy"] == record["test"]["accuracy"]
        assert run.data.metrics["test/loss"] == record["test"]["loss"]
        assert run.data.metrics["time/fit_time_wall_s"] == record["fit_time"]["wall_s"]
        assert len(client.get_metric_history(run.info.run_id, "validation/accuracy")) == 2
        assert run.data.params["mode"] == record["trial"]["settings"]["mode"]
        artifacts = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
        assert {"events.jsonl", "predictions.csv", "result.json", "worker.log"} <= artifacts
        assert {"packages.txt", "figures.html", "confusion_matrix.csv"} <= artifacts
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["host"] and run.data.tags["version.python"]
        (dataset,) = run.inputs.dataset_inputs
        assert record["phases"]["data"]["data_digest"].startswith(dataset.dataset.digest)

        row = table[trial]
        assert float(row["test_accuracy"]) == record["test"]["accuracy"]
        assert float(row["test_loss"]) == record["test"]["loss"]
        assert float(row["fit_s"]) == record["fit_time"]["wall_s"]


def test_phases_follow_one_another_without_gaps(ran: Ran):
    for record in records(ran.bench):
        attempt = ran.bench.results / "tiny" / "trials" / record["trial"]["id"] / "attempt-1"
        runner = [json.loads(line) for line in (attempt / "runner.jsonl").read_text().splitlines()]
        worker = [json.loads(line) for line in (attempt / "events.jsonl").read_text().splitlines()]
        whole = (runner[-1]["t"] - worker[0]["t"]) / 1e9
        assert sum(phase["wall_s"] for phase in record["phases"].values()) == pytest.approx(whole, rel=0.01)
        assert ("features" in record["phases"]) == (record["trial"]["settings"]["mode"] == "transfer")
        assert record["phases"]["train"]["images"] == 2 * 24 - 16


def test_plan_says_done(ran: Ran):
    plan = InProcess(ran.bench.folder)("plan", ran.suite)
    assert plan.returncode == 0
    assert "0 to run, 2 done" in plan.stdout


def test_plan_says_what_changed_how_long_it_takes_and_what_it_needs(ran: Ran, tmp_path):
    changed = tmp_path / "tiny.toml"
    changed.write_text(ran.suite.read_text().replace("epochs = 2", "epochs = 3"))
    plan = InProcess(ran.bench.folder)("plan", changed, COLUMNS="160")
    assert plan.returncode == 0, plan.stderr
    said = " ".join(plan.stdout.split())
    assert said.count("changed") == 2
    assert "epochs 3, was 2" in said
    assert "Predicted from: 1 earlier trial like it" in said
    assert "Memory: " in said and "Disk: " in said


def test_plan_explains_one_trial(ran: Ran):
    bench = InProcess(ran.bench.folder)
    plan = bench("plan", ran.suite, "--why", "scratch")
    assert plan.returncode == 0, plan.stderr
    assert "attempt 1: done" in plan.stdout
    assert "optimizer.learning_rate" in plan.stdout
    assert "-transfer-" not in plan.stdout
    nothing = bench("plan", ran.suite, "--why", "vgg")
    assert nothing.returncode == 2
    assert "no trial matches --why vgg" in nothing.stderr


def test_finished_trials_are_not_run_again_and_fresh_ones_repeat(ran: Ran, tmp_path):
    bench, suite = Bench(ran.bench.folder), tmp_path / "tiny.toml"
    suite.write_text(ran.suite.read_text() + UNWATCHED)  # no part of what a trial is
    again = bench("run", suite, "--json")
    assert again.returncode == 0
    document = json.loads(again.stdout)
    assert [one["status"] for one in document["trials"]] == ["done", "done"] and document["failed"] == []
    assert all(0 <= one["accuracy"] <= 1 and one["fit_s"] > 0 for one in document["trials"])
    assert "2 done before" in again.stderr
    assert len(records(ran.bench)) == 2

    fresh = bench("run", suite, "--fresh", "--only", "*-scratch-*")
    assert fresh.returncode == 0, fresh.stderr
    both = [record for record in records(ran.bench) if record["trial"]["settings"]["mode"] == "scratch"]
    assert [record["attempt"] for record in both] == [1, 2]
    trial = ran.bench.results / "tiny" / "trials" / both[0]["trial"]["id"]
    first, second = (
        np.loadtxt(
            trial / f"attempt-{number}" / "predictions.csv", delimiter=",", skiprows=1, usecols=range(4, 8)
        )
        for number in (1, 2)
    )
    np.testing.assert_allclose(first, second, atol=1e-5)
