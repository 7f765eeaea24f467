"""Kill workers and harness at random moments: nothing may be lost, or there twice, or left behind.

`make chaos` runs it with fifty kills; LEUKOBENCH_CHAOS_KILLS says how many, and four are the shortest form.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from attack import Attack
from equipment.suites import SOME_CELLS

from bench.journal.history import history
from bench.journal.results import SuiteResults
from bench.records.fold import fold
from wbc.evaluation.predictions import Predictions

REPOSITORY = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("LEUKOBENCH_CHAOS_KILLS", "4"))
SEED = int(os.environ.get("LEUKOBENCH_CHAOS_SEED", "1"))
EPOCHS = 40 + 60 * KILLS  # enough to be killed in, because training continues between the kills
SEEDS = [0, 1] if KILLS > 10 else [0]
TRIALS = 4 * len(SEEDS)

SUITE = (
    SOME_CELLS
    + f"""
[suite]
name = "chaos"
seeds = {SEEDS}

[training]
weights = "random"
deterministic = true
optimizer = {{ name = "Adam", learning_rate = 1e-3, learning_rate_decay = 0 }}

[[matrix]]
mode = ["transfer", "scratch"]
backbone = "LeNet5"
epochs = {EPOCHS}

[[matrix]]
mode = "classical"
backbone = ["SVM", "KNN"]

[devices]
use = "cpu:2"

[limits]
checkpoint_epochs = 20
"""
)


class Chaos:
    """A suite that was killed many times, and the same suite left in peace."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.leases = folder / "leases"
        self.suite = folder / "chaos.toml"
        self.suite.write_text(SUITE)
        self.killed = SuiteResults(folder / "killed", "chaos")
        self.peaceful = SuiteResults(folder / "peaceful", "chaos")
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
        self.environment = {**kept, "LEUKOBENCH_LEASES": str(self.leases)}

    def command(self, results: SuiteResults) -> list[str]:
        return [sys.executable, "-m", "bench", "run", str(self.suite), "--results", str(results.results)]


@pytest.fixture(scope="module")
def chaos(tmp_path_factory) -> Chaos:
    chaos = Chaos(tmp_path_factory.mktemp("chaos"))
    attack = Attack(chaos.command(chaos.killed), chaos.environment, REPOSITORY, chaos.killed, seed=SEED)
    attack.strike(KILLS, in_train=KILLS * 2 // 5)
    runs = attack.finish()
    done = {a.trial_id for a in chaos.killed.all_attempts() if a.record().status == "done"}
    kills = sum(attack.kills.values())
    print(f"\n{kills} kills, {attack.in_train} of them inside train, in {attack.starts} runs:")
    for (target, number, phase), count in sorted(attack.kills.items()):
        print(f"  {count:3} x {target} {number} in {phase}")
    print(f"finished after {runs} more; losses: {TRIALS - len(done)}")
    return chaos


def trials(results: SuiteResults) -> list[str]:
    return sorted(folder.name for folder in results.trials.iterdir())


def test_every_trial_is_done_exactly_once(chaos: Chaos):
    assert len(trials(chaos.killed)) == TRIALS
    for trial in trials(chaos.killed):
        states = [attempt.record().status for attempt in chaos.killed.attempts(trial)]
        assert states.count("done") == 1, (trial, states)


def test_journals_are_readable_and_say_what_the_records_say(chaos: Chaos):
    for attempt in chaos.killed.all_attempts():
        for journal in (attempt.events, attempt.runner_events):
            if journal.exists():
                *lines, _torn = journal.read_bytes().split(b"\n")
                assert all(json.loads(line) for line in lines), journal
        assert fold(attempt) == attempt.record()


def test_a_trial_that_was_killed_learnt_what_it_would_have_learnt(chaos: Chaos):
    peace = chaos.command(chaos.peaceful)
    subprocess.run(peace, cwd=REPOSITORY, env=chaos.environment, check=True, capture_output=True)
    assert trials(chaos.peaceful) == trials(chaos.killed)
    resumed = 0
    for trial in trials(chaos.killed):
        (killed,) = (a for a in chaos.killed.attempts(trial) if a.record().status == "done")
        (peaceful,) = chaos.peaceful.attempts(trial)
        epochs = [
            [epoch for stretch in history(attempt) for epoch in stretch.epochs]
            for attempt in (killed, peaceful)
        ]
        assert [epoch.epoch for epoch in epochs[0]] == [epoch.epoch for epoch in epochs[1]]
        losses = [[epoch.metrics["loss"] for epoch in one] for one in epochs]
        np.testing.assert_allclose(losses[0], losses[1], atol=1e-5)
        one, other = (Predictions.read_csv(a.predictions).probabilities for a in (killed, peaceful))
        np.testing.assert_allclose(one, other, atol=1e-5)
        resumed += killed.record().resumed is not None
    print(f"\n{resumed} of {len(trials(chaos.killed))} trials went on from a checkpoint")


def test_mlflow_is_equal_to_the_journals(chaos: Chaos):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{chaos.killed.results / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("chaos").experiment_id
    runs = {
        run.data.tags.get("leukobench.attempt", "the suite's own"): run
        for run in client.search_runs([experiment], max_results=5000)
    }
    assert runs.pop("the suite's own").info.status == "FINISHED"
    attempts = chaos.killed.all_attempts()
    assert sorted(runs) == sorted(f"{attempt.trial_id}/{attempt.number}" for attempt in attempts)
    states = {"done": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
    for attempt in attempts:
        run, record = runs[f"{attempt.trial_id}/{attempt.number}"], attempt.record()
        assert run.info.status == states[record.status]
        if record.done:
            assert run.data.metrics["test/accuracy"] == record.test.accuracy
            if record.epochs:
                assert len(client.get_metric_history(run.info.run_id, "train/loss")) == record.epochs


def test_nothing_is_left(chaos: Chaos):
    ours = str(chaos.killed.results)
    left = [
        p.info for p in psutil.process_iter(["pid", "cmdline"]) if ours in " ".join(p.info["cmdline"] or ())
    ]
    assert left == []
    assert list(chaos.killed.results.rglob("*.partial")) == []
    assert chaos.killed.checkpointed() == []
    assert not chaos.leases.exists() or list(chaos.leases.iterdir()) == []
    with chaos.killed.lock():
        pass
