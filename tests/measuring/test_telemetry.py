"""Trials that are watched while others disturb them, through the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
from command import REPOSITORY, Bench, InProcess

from bench.journal.results import Attempt
from bench.records.fold import fold

SUITE = """
[data]
image_size = 96
train_images_per_class = 40
validation_images_per_class = 2
test_images_per_class = 4

[training]
mode = "classical"

[[matrix]]
backbone = "KNN"

[telemetry]
reference_work = false
"""


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def attempts(bench: Bench) -> list[Attempt]:
    return [Attempt(folder) for folder in sorted(bench.results.glob("*/trials/*/attempt-*"))]


def test_a_burner_started_mid_trial_marks_it(bench: Bench, tmp_path: Path):
    suite = tmp_path / "suite.toml"
    suite.write_text(SUITE)
    run = subprocess.Popen(
        bench.command("run", suite, "--devices", "cpu"),
        cwd=REPOSITORY,
        env=bench.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    burners: list[subprocess.Popen] = []
    try:
        while run.poll() is None:
            begun = {e["phase"] for one in attempts(bench) for e in lines(one.events) if "phase" in e}
            if "features" in begun and not burners:
                cores = len(os.sched_getaffinity(0))
                burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
            if "train" in begun:  # what was disturbed is over
                for burner in burners:
                    burner.kill()
            psutil.Process().cpu_percent(interval=0.05)
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
        run.kill()
        said = run.communicate()[0].decode()
    assert run.returncode == 0, said
    (attempt,) = attempts(bench)
    record = attempt.record()
    assert record.disturbed and "features" in record.disturbed[0]
    assert record.disturbed[0].startswith("Other processes used")
    features = record.telemetry.phases["features"]
    assert features["foreign_cpu"].mean > 0.1
    assert features["cotenant_cpu"].mean < features["foreign_cpu"].mean

    # The record comes from the journals alone, and a damaged trace costs only itself.
    attempt.result.unlink()
    assert fold(attempt) == record
    whole = attempt.telemetry.read_bytes()
    attempt.telemetry.write_bytes(whole[: len(whole) // 2])
    half = fold(attempt)
    assert half.done and "telemetry" in half.unavailable
    attempt.telemetry.unlink()
    none = fold(attempt)
    assert none.done and none.telemetry is None
    assert none.disturbed == (), "of others nobody knows without it"
    assert none.unavailable["telemetry"] == "nothing was sampled, or the file is damaged"


def test_repeats_without_telemetry_say_so_and_are_the_same_trials(
    bench: Bench, inside: InProcess, tmp_path: Path
):
    suite = tmp_path / "suite.toml"
    text = "[suite]\nseeds = [0, 1]\n" + SUITE.replace("= 40", "= 4").replace("KNN", "DecisionTree")
    suite.write_text(text + "off_every = 2\n")
    done = bench("run", suite, "--devices", "cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    watched, unwatched = sorted((one.record() for one in attempts(bench)), key=lambda one: one.trial.id)
    if watched.trial.settings.seed == 1:
        watched, unwatched = unwatched, watched
    assert watched.telemetry.sampler.complete
    assert unwatched.telemetry is None
    assert "off_every = 2" in unwatched.unavailable["telemetry"]
    suite.write_text(text + 'enabled = false\ninterval = "1s"\n')
    plan = inside("plan", suite)
    assert "0 to run, 2 done" in plan.stdout, "telemetry is no part of what a trial is"
