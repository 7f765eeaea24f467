import json
import os
import subprocess
import sys

import pytest
from equipment.attempts import read_events
from equipment.results.records import a_failure, a_trial, some_metrics, times

from bench.errors import ResultsError
from bench.journal.events import (
    Closed,
    Ended,
    Evaluated,
    Failed,
    PhaseEnded,
    PhaseStarted,
    Stopped,
    worker_events,
)
from bench.journal.history import history
from bench.journal.results import Attempt, SuiteResults
from bench.records.fold import _broken, _failure, _log_tail, _note, fold
from bench.tracking.points import points_of
from bench.tracking.tags_and_params import tags_of
from bench.trials.phases import FeaturesPhase
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


def test_an_event_need_not_tell_the_time_of_the_processor(tmp_path):
    path = tmp_path / "events.jsonl"
    write_lines(
        path, [{"t": 5, "event": "phase_started", "phase": "data"}, {"t": 6, "cpu": 7, "event": "closed"}]
    )
    assert worker_events(path) == [PhaseStarted(t=5, cpu=0, phase="data"), Closed(t=6, cpu=7)]


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
        (1, None, "failed", "crashed", "ended with exit code 1 without a result"),
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
    assert failure.message == message
    assert failure.log[-1] == "line 49"
    assert record.fit_time is None


def test_of_shared_work_there_is_what_it_took_and_what_the_phase_took(results):
    attempt = results.new_attempt(TRIAL)
    made = {"extraction_s": 9.0, "extraction_cpu_s": 15.0, "made_by": "a/attempt-1"}
    began = {"t": 5 * SECOND, "cpu": SECOND, "event": "phase_started", "phase": "features"}
    ended = {"t": 7 * SECOND, "cpu": 4 * SECOND, "event": "phase_ended", "phase": "features", "figures": made}
    write_lines(attempt.events, [began, ended])
    wanted = FeaturesPhase(wall_s=9, cpu_s=15, as_run_s=2, as_run_cpu_s=3, made_by="a/attempt-1")
    assert history(attempt)[0].phases.features == wanted


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


EVALUATED, CLOSED = Evaluated(t=0, metrics=some_metrics()), Closed(t=0)
SAID = Failed(t=0, kind="nan-loss", message="no number")


def gone(code: int = 0, why: str = "", kills: int = 0) -> Ended:
    return Ended(
        t=0, exit_code=code, cpu_s=1.0, stopped=Stopped(why=why, message=f"by {why}"), memory_kills=kills
    )


MEANWHILE, KILLED = "while the trial ran", "the kernel killed it because memory ran out"
BEGAN, OVER = PhaseStarted(t=0, phase="train"), PhaseEnded(t=0, phase="data")


@pytest.mark.parametrize(
    ("events", "ended", "lost", "on_gpu", "expected"),
    [
        ([EVALUATED], gone(), (), False, None),
        ([EVALUATED, CLOSED], gone(-9), (), False, None),
        ([EVALUATED], gone(1), (), False, ("crashed", "ended with exit code 1 without a result")),
        ([EVALUATED], gone(-9), (), False, ("crashed", "killed by signal 9")),
        ([EVALUATED, CLOSED], None, (), False, None),
        ([EVALUATED, CLOSED], gone(-15, "interrupted"), (), False, None),
        ([EVALUATED, CLOSED], gone(), ("gpu:0",), True, None),
        ([EVALUATED, SAID, CLOSED], gone(), (), False, ("nan-loss", "no number")),
        ([EVALUATED], None, (), False, ("interrupted", "the harness ended before the trial did")),
        ([CLOSED], gone(), (), False, ("crashed", "ended with exit code 0 without a result")),
        ([], gone(1), (), False, ("crashed", "ended with exit code 1 without a result")),
        ([], gone(-11), (), False, ("crashed", "killed by signal 11")),
        ([], gone(-9, kills=1), (), False, ("host-oom", KILLED)),
        ([], gone(-9), (), False, ("crashed", "killed by signal 9")),
        ([SAID], gone(1), (), False, ("nan-loss", "no number")),
        ([SAID], gone(1, "timeout"), (), False, ("timeout", "by timeout")),
        ([SAID, CLOSED], gone(-15, "lingered"), (), False, ("nan-loss", "no number")),
        ([SAID], None, (), False, ("nan-loss", "no number")),
        ([OVER], gone(1), (), False, ("crashed", "ended with exit code 1 without a result, after the phase data")),
        ([OVER], gone(-9, kills=1), (), False, ("host-oom", f"{KILLED}, after the phase data")),
        ([OVER], gone(-15, "stalled"), (), False, ("stalled", "by stalled, after the phase data")),
        ([OVER], gone(-15, "timeout"), (), False, ("timeout", "by timeout")),
        ([OVER], None, (), False, ("interrupted", "the harness ended before the trial did")),
        ([OVER, Failed(t=0, kind="crashed", message="a bug")], gone(1), (), False, ("crashed", "a bug")),
        ([OVER, BEGAN], gone(-9), (), False, ("crashed", "killed by signal 9")),
        ([SAID], gone(1), ("gpu:0",), True, ("gpu-lost", "the driver lost gpu:0 while the trial ran")),
        ([], gone(1), ("node-1",), True, ("gpu-lost", "the cluster lost node-1 while the trial ran")),
        ([], None, ("node-1",), False, ("crashed", "the cluster lost node-1 while the trial ran")),
        ([], gone(1), ("gpu:0", "node-1"), False, ("gpu-lost", f"the driver lost gpu:0, node-1 {MEANWHILE}")),
        ([], gone(-15, "interrupted"), ("gpu:0",), True, ("interrupted", "by interrupted")),
        ([], gone(-15, "timeout"), ("gpu:0", "gpu:1"), True, ("gpu-lost", f"the driver lost gpu:0, gpu:1 {MEANWHILE}")),
    ],
)  # fmt: skip
def test_why_an_attempt_is_not_done(results, events, ended, lost, on_gpu, expected):
    attempt = results.new_attempt(TRIAL)
    attempt.predictions.write_text("")
    found = _failure(attempt, events, ended, 3, lost, on_gpu)
    assert (found and (found.kind, found.message)) == expected
    attempt.predictions.unlink()
    without = _failure(attempt, events, ended, 3, lost, on_gpu)
    assert without is not None and without.epoch == 3 and without.folder == str(attempt.folder)


@pytest.mark.parametrize(
    ("log", "on_gpu", "kind"),
    [
        (["std::bad_alloc", "goodbye"], True, "host-oom"),
        (["MemoryError"], False, "host-oom"),
        (["CUDA_ERROR_OUT_OF_MEMORY: out of memory"], True, "gpu-oom"),
        (["CUDA_ERROR_OUT_OF_MEMORY: out of memory"], False, "host-oom"),
        (["CUDA_ERROR_OUT_OF_MEMORY: out of memory", "std::bad_alloc"], True, "host-oom"),
        (["all is well"], True, "crashed"),
    ],
)
def test_the_last_word_on_memory_in_a_log_counts(log, on_gpu: bool, kind: str):
    found, message = _broken(gone(-6), log, on_gpu)
    assert found == kind
    assert message.startswith(
        "killed by signal 6" if kind == "crashed" else "memory ran out, it was killed by signal 6: "
    )


def test_of_a_long_line_two_hundred_letters_are_told():
    _, message = _broken(gone(1), ["  MemoryError " + "x" * 300], False)
    told = message.partition("without a result: ")[2]
    assert told == ("MemoryError " + "x" * 300)[:200]


@pytest.mark.parametrize(
    ("events", "ended", "how"),
    [
        ([CLOSED], gone(), None),
        ([], gone(1), None),
        ([CLOSED], None, "the harness ended before it did"),
        ([CLOSED], gone(-15, "lingered"), "it was ended: by lingered"),
        ([CLOSED], gone(-11), "it was killed by signal 11"),
        ([CLOSED], gone(3), "it ended with exit code 3"),
    ],
)
def test_what_is_noted_of_the_end_of_a_complete_attempt(events, ended, how: str | None):
    found = _note(None, events, ended)
    assert found == (
        how and f"The result was complete, but its process did not end by itself with exit code 0; {how}."
    )
    assert _note(a_failure(), [CLOSED], gone(3)) is None


@pytest.mark.parametrize(("lines", "first"), [(0, 0), (3, 0), (12, 0), (13, 1)])
def test_the_last_twelve_lines_of_a_log_are_kept(results, lines: int, first: int):
    attempt = results.new_attempt(TRIAL)
    assert _log_tail(attempt) == []
    attempt.log.write_text("".join(f"{number}\n" for number in range(lines)))
    assert _log_tail(attempt) == [str(number) for number in range(first, lines)]


def test_of_a_log_with_endless_lines_the_last_eight_kilobytes_are_kept(results):
    attempt = results.new_attempt(TRIAL)
    attempt.log.write_text("a" + "b" * 8191 + "\n")
    assert _log_tail(attempt) == ["b" * 8191]
    attempt.log.write_text("a" + "b" * 8191)
    assert _log_tail(attempt) == ["a" + "b" * 8191]
    attempt.log.unlink()
    attempt.log.mkdir()
    assert _log_tail(attempt) == []
