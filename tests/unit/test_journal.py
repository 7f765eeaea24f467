import json
import os
import subprocess
import sys

import pytest
from equipment.attempts import read_events
from equipment.results.records import a_trial, times

from bench.errors import ResultsError
from bench.journal.history import history
from bench.journal.results import Attempt, SuiteResults
from bench.records.fold import fold
from bench.tracking.points import points_of
from bench.tracking.tags_and_params import tags_of
from bench.trials.record import Throughput
from bench.worker.jsonl import EventWriter

TRIAL = a_trial("LeNet5", epochs=2)
SECOND = 10**9


def write_lines(path, events):
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


@pytest.fixture
def results(tmp_path) -> SuiteResults:
    return SuiteResults(tmp_path, "suite")


def worked(attempt: Attempt, until: str = "evaluated", exit_code: int = 0, stopped: dict | None = None):
    """Write the journals of an attempt that went on until an event."""
    events = []
    clock = 0
    for phase, seconds in (("startup", 4), ("data", 1), ("build", 1), ("compile", 3), ("train", 10)):
        events.append({"t": clock, "cpu": 2 * clock, "event": "phase_started", "phase": phase})
        clock += seconds * SECOND
        if phase == "train":
            for epoch, loss in ((1, 1.5), (2, float("nan"))):
                metrics = {"loss": loss, "validation_loss": 2.0}
                events.append({"t": clock, "cpu": 0, "event": "epoch", "epoch": epoch, "metrics": metrics})
            if until == "train":
                break
        figures = {"images": 40, "validation_s": 1.5, "recompile_s": 0.5} if phase == "train" else {}
        events.append(
            {"t": clock, "cpu": 2 * clock, "event": "phase_ended", "phase": phase, "figures": figures}
        )
    else:
        metrics = {"accuracy": 0.5, "balanced_accuracy": 0.5, "loss": 1.0, "per_class_accuracy": {"<b>": 0.5}}
        events.append({"t": clock, "cpu": 0, "event": "evaluated", "metrics": {**metrics, "images": 2}})
        attempt.predictions.write_text("")
    write_lines(attempt.events, events)
    started = {"t": 0, "cpu": 0, "event": "started", "at": "2026-01-01T00:00:00+00:00"}
    ended = {"t": clock + SECOND, "cpu": 0, "event": "ended", "exit_code": exit_code, "cpu_s": 50}
    write_lines(attempt.runner_events, [started, {**ended, "stopped": stopped or {}}])


def test_a_torn_last_line_is_passed_over(tmp_path):
    path = tmp_path / "events.jsonl"
    writer = EventWriter(path)
    writer.write("first", number=1)
    writer.close()
    with path.open("a") as file:
        file.write('{"event": "to')
    assert [event["event"] for event in read_events(path)] == ["first"]
    assert read_events(tmp_path / "none.jsonl") == []


def test_a_reader_that_does_not_read_does_not_hold_up_the_writer(tmp_path):
    read_end, write_end = os.pipe()
    writer = EventWriter(tmp_path / "events.jsonl", write_end)
    for number in range(3000):
        writer.write("heartbeat", number=number, padding="x" * 100)
    writer.close()
    assert len(read_events(tmp_path / "events.jsonl")) == 3000
    os.close(read_end)
    os.close(write_end)


def test_times_are_folded_from_the_phases(results):
    attempt = results.new_attempt(TRIAL)
    worked(attempt)
    record = fold(attempt)
    assert record.status == "done"
    assert record.fit_time == times(13.0, 26.0)
    assert record.time_to_result.wall_s == 19.0
    assert record.throughput == Throughput(train_images_per_s=40 / 8, feature_images_per_s=None)
    assert record.epochs == 2


@pytest.mark.parametrize(
    ("exit_code", "stopped", "status", "kind", "message"),
    [
        (-9, None, "failed", "crashed", "killed by signal 9"),
        (1, None, "failed", "crashed", "exit code 1"),
        (-15, {"why": "interrupted", "message": "SIGINT"}, "interrupted", "interrupted", "SIGINT"),
        (-15, {"why": "timeout", "message": "too long"}, "failed", "timeout", "too long"),
        (-15, {"why": "stalled", "message": "silent"}, "failed", "stalled", "silent"),
    ],
)
def test_an_attempt_that_is_cut_off_says_how_far_it_came(results, exit_code, stopped, status, kind, message):
    attempt = results.new_attempt(TRIAL)
    worked(attempt, until="train", exit_code=exit_code, stopped=stopped)
    attempt.log.write_text("\n".join(f"line {number}" for number in range(50)))
    record = fold(attempt)
    failure = record.failure
    assert (record.status, failure.kind, failure.phase, failure.epoch) == (
        status,
        kind,
        "train",
        2,
    )
    assert message in failure.message
    assert failure.log[-1] == "line 49"
    assert record.fit_time is None


def test_a_crash_between_two_phases_names_the_one_before(results):
    attempt = results.new_attempt(TRIAL)
    worked(attempt, until="train", exit_code=-9)
    events = [event for event in read_events(attempt.events) if event.get("phase") in ("startup", "data")]
    write_lines(attempt.events, [*events, {"t": 5 * SECOND, "cpu": 0, "event": "turn_over"}])
    failure = fold(attempt).failure
    assert (failure.phase, failure.message) == (None, "killed by signal 9, after the phase data")


def test_a_failure_after_the_evaluation_is_a_failure(results):
    attempt = results.new_attempt(TRIAL)
    worked(attempt, exit_code=1)
    writer = EventWriter(attempt.events)
    writer.write("failed", kind="exception", message="the disk is full")
    writer.write("closed")
    writer.close()
    record = fold(attempt)
    assert (record.status, record.failure.message) == ("failed", "the disk is full")


def test_a_harness_that_was_killed_leaves_an_interrupted_attempt(results):
    attempt = results.new_attempt(TRIAL)
    worked(attempt, until="train")
    write_lines(attempt.runner_events, read_events(attempt.runner_events)[:1])
    assert fold(attempt).status == "interrupted"


def test_two_runs_cannot_hold_the_same_folder(results):
    code = (
        "import sys; from pathlib import Path; from bench.journal.results import SuiteResults\n"
        "with SuiteResults(Path(sys.argv[1]), 'suite').lock(): print('held', flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(results.results)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ResultsError, match=f"process {holder.pid}"), results.lock():
            pass
        holder.kill()
        holder.wait()
        with results.lock():
            pass


def test_points_for_mlflow_repeat_to_the_bit_and_are_finite(results):
    attempt = results.new_attempt(TRIAL)
    worked(attempt)
    record, stretches = fold(attempt), history(attempt)
    points = points_of(record, stretches)
    assert points == points_of(record, stretches)
    named = {(key, step): value for key, value, _, step in points}
    assert named["train/loss", 1] == 1.5
    assert ("train/loss", 2) not in named, "MLflow would store another number for NaN"
    assert named["test/accuracy__b_", 0] == 0.5
    assert named["time/fit_time_wall_s", 0] == 13.0
    assert tags_of(record, "suite")["leukobench.attempt"] == f"{TRIAL.id}/1"
