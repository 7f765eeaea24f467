"""The scheduler with an engine, a clock and other users of the tests' own: no process is started."""

import os
import random
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from equipment.attempts import read_events
from equipment.results.records import a_trial
from scheduler_equipment import NO_LIMITS, Bed, lower_bound, planned
from training_equipment import draw_noisy_images

from bench.errors import InterruptedRun
from bench.plan.decide import PlannedTrial
from bench.plan.predict import makespan
from bench.runner import scheduler
from bench.runner.engine import QUEUED
from bench.runner.scheduler import LINGER_S
from bench.runner.signals import interruptible
from bench.trials.limits import Limits
from bench.trials.origin import Neighbors, Quiet


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(tmp_path)


def test_the_longest_trial_starts_first(bed: Bed):
    bed.run([planned(name, seconds, takes=seconds) for name, seconds in (("a", 1.0), ("b", 5.0), ("c", 3.0))])
    assert [name for name, _ in bed.engine.placed] == ["b", "c", "a"]


def test_longest_first_on_two_slots_stays_near_the_lower_bound(bed: Bed):
    lengths = [random.Random(5).uniform(1, 60) for _ in range(20)]
    trials = [planned(f"net{number}", length, takes=length) for number, length in enumerate(lengths)]
    bed.run(trials)
    assert len(bed.notes.ended) == 20
    assert bed.engine.most == {"gpu:0": 1, "gpu:1": 1}
    assert bed.clock.now <= 1.05 * lower_bound(lengths, 2)
    assert bed.clock.now == pytest.approx(makespan(lengths, 2), rel=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_makespan_of_twenty_trials_is_within_5_percent(seed):
    generator = random.Random(seed)
    lengths = [generator.lognormvariate(0, 1) for _ in range(20)]
    assert makespan(lengths, 2) <= 1.05 * lower_bound(lengths, 2)


def test_makespan_counts_what_slots_are_still_busy_with():
    assert makespan([4, 3], 2, busy=[10.0]) == 10.0
    assert makespan([], 2, busy=[3.0]) == 3.0
    assert makespan([2.0], 3, busy=[1.0, 1.0]) == 2.0
    assert makespan([2.0, 2.0], 2, busy=[1.0]) == 3.0


def test_makespan_places_the_longest_first():
    assert makespan([1, 1, 2], 2) == 2
    assert makespan([3, 5, 3, 4], 2) == 8
    assert makespan([2, 2, 2], 1) == 6


@pytest.mark.parametrize("kind", ["crashed", "host-oom", "stalled"])
def test_a_failure_that_may_pass_is_retried(bed: Bed, kind):
    bed.run([planned("a", ends=[kind, "done"])])
    assert bed.notes.ended == [("a", kind, True), ("a", "done", False)]
    assert bed.notes.sent == ["a/1", "a/2"]


@pytest.mark.parametrize("kind", ["setup", "nan-loss", "gpu-oom", "timeout"])
def test_a_failure_that_would_come_again_is_not_retried(bed: Bed, kind):
    bed.run([planned("a", ends=[kind, "done"]), planned("b")])
    assert sorted(bed.notes.ended) == [("a", kind, False), ("b", "done", False)]


def test_retries_are_counted(bed: Bed):
    bed.run([planned("a", ends=["crashed"])], limits=Limits(retries=2))
    assert [again for *_, again in bed.notes.ended] == [True, True, False]


def test_a_worker_that_ends_without_an_event_has_crashed(bed: Bed):
    bed.run([planned("a", ends=[-11])], limits=Limits(retries=0))
    (attempt,) = bed.results.all_attempts()
    failure = attempt.record().failure
    assert (failure.kind, failure.message) == ("crashed", "killed by signal 11")
    assert failure.folder == str(attempt.folder)


def test_a_trial_over_its_limit_is_stopped_and_says_so(bed: Bed):
    bed.run([planned("long", takes=1000.0)], limits=Limits(trial_s=60.0))
    assert bed.notes.ended == [("long", "timeout", False)]
    (attempt,) = bed.results.all_attempts()
    assert attempt.record().failure.message == "it took longer than 60 s ([limits] trial)"
    assert bed.clock.now == pytest.approx(60.0)


def test_a_worker_that_ignores_the_signal_is_killed_after_its_grace_period(bed: Bed):
    bed.run([planned("deaf", takes=1000.0, hears=False)], limits=Limits(trial_s=60.0, grace_s=5.0))
    assert bed.clock.now == pytest.approx(65.0)
    assert bed.notes.ended == [("deaf", "timeout", False)]


def test_no_limit_counts_while_a_trial_waits_for_its_place(bed: Bed):
    """Another run has the node for 500 s; then the trial takes 30."""
    start = bed.engine.start

    def queued(attempt, slot):
        worker = start(attempt, slot)
        told, worker.ends_at = worker.events, bed.clock() + 530.0
        worker.events = lambda: [*told(), *([{"event": QUEUED}] if bed.clock() < 500.0 else [])]
        return worker

    bed.engine.start = queued
    bed.run([planned("waits")], limits=Limits(stall_s=60.0, trial_s=50.0, retries=0))
    assert bed.notes.ended == [("waits", "done", False)]


def test_what_a_worker_says_once_it_has_its_place_is_heard(bed: Bed):
    start, heard = bed.engine.start, []

    def queued(attempt, slot):
        worker = start(attempt, slot)
        told = worker.events
        worker.events = lambda: [{"event": QUEUED}, *told()]
        return worker

    bed.engine.start = queued
    bed.notes.event = lambda planned, slot, event: heard.append(event["event"])
    bed.run([planned("a", takes=3.0, says=[(1.0, "phase_started"), (1.0, "epoch")])])
    assert heard[:2] == ["phase_started", "epoch"] and QUEUED not in heard


def test_a_trial_without_events_is_stalled_but_a_slow_one_is_not(bed: Bed):
    trials = [planned("silent", takes=1000.0), planned("slow", takes=1000.0, speaks_every=50.0)]
    bed.run(trials, limits=Limits(stall_s=60.0, retries=0))
    assert sorted(bed.notes.ended) == [("silent", "stalled", False), ("slow", "done", False)]
    failures = [attempt.record().failure for attempt in bed.results.all_attempts()]
    assert [one.message for one in failures if one] == ["no event for 60 s ([limits] stall)"]


@pytest.mark.parametrize(("hears", "seconds"), [(True, 50 + LINGER_S), (False, 55 + LINGER_S)])
def test_a_complete_journal_is_done_though_its_process_goes_on(bed: Bed, hears, seconds):
    limits = Limits(stall_s=1000.0, trial_s=52.0, grace_s=5.0)
    bed.run([planned("threads", takes=50.0, lingers=True, hears=hears)], limits=limits)
    assert bed.notes.ended == [("threads", "done", False)]
    assert bed.clock.now == pytest.approx(seconds)
    (attempt,) = bed.results.all_attempts()
    assert "did not end by itself" in attempt.record().note


def test_the_recording_gets_ready_while_a_model_is_saved_unless_more_is_measured(bed: Bed):
    script = {"takes": 9.0, "speaks_every": 1.0, "saves_after": 3.0}
    traced = planned("traced", **script, profile={"steps": 5})
    bed.run([planned("saved", **script), planned("exported", **script, export={"formats": ["onnx"]}), traced])
    assert bed.notes.prepared_at == [pytest.approx(3.0)]


def test_a_failure_keeps_its_kind_though_its_process_goes_on(bed: Bed):
    bed.run([planned("threads", takes=50.0, lingers=True, ends=["nan-loss"])])
    assert bed.notes.ended == [("threads", "nan-loss", False)]


def test_the_first_signal_stops_the_trials_and_starts_no_other(bed: Bed):
    waits = iter(range(100))
    bed.on_wait = lambda: os.kill(os.getpid(), signal.SIGINT) if next(waits) == 1 else None
    trials = [planned(name, takes=50.0, speaks_every=1.0) for name in "abc"]
    with pytest.raises(InterruptedRun) as caught:
        bed.run(trials)
    assert caught.value.exit_code == 130
    assert [outcome for _, outcome, _ in bed.notes.ended] == ["interrupted", "interrupted"]
    assert len(bed.results.all_attempts()) == 2
    assert bed.notes.sent == ["a/1", "b/1"]


def test_what_crashes_as_a_signal_comes_is_not_tried_again(bed: Bed):
    waits = iter(range(100))
    bed.on_wait = lambda: os.kill(os.getpid(), signal.SIGINT) if next(waits) == 1 else None
    with pytest.raises(InterruptedRun):
        bed.run([planned("a", takes=10.0, ends=["crashed", "done"])], limits=Limits(retries=3))
    assert bed.notes.ended == [("a", "crashed", False)]


def test_the_second_signal_ends_them_at_once(bed: Bed):
    def signals():
        if bed.clock.now > 3 and bed.engine.running and not bed.engine.running[0].killed:
            os.kill(os.getpid(), signal.SIGTERM)

    bed.on_wait = signals
    with pytest.raises(InterruptedRun) as caught:
        bed.run([planned("deaf", takes=50.0, speaks_every=1.0, hears=False)], limits=Limits(grace_s=40.0))
    assert caught.value.exit_code == 143
    assert bed.clock.now < 10


def test_a_worker_that_ignores_the_first_signal_is_killed_after_its_grace_period(bed: Bed):
    waits = iter(range(1000))
    bed.on_wait = lambda: os.kill(os.getpid(), signal.SIGINT) if next(waits) == 3 else None
    with pytest.raises(InterruptedRun):
        bed.run([planned("deaf", takes=500.0, speaks_every=1.0, hears=False)], limits=Limits(grace_s=40.0))
    assert 40 < bed.clock.now < 50
    assert bed.notes.ended == [("deaf", "interrupted", False)]


def test_exclusive_runs_one_at_a_time_and_asks_for_quiet_before_each(bed: Bed):
    with bed.scheduler(limits=replace(NO_LIMITS, exclusive=True)) as made:
        made.run([planned(name, takes=10.0) for name in "abc"])
        assert set(bed.notes.interrupted_by) == {made.interruption.fileno(), made._sleep}, (
            "a signal ends both waits"
        )
    assert bed.clock.now == pytest.approx(30.0)
    assert {slot for _, slot in bed.engine.placed} == {"gpu:0"}
    assert bed.notes.quiet_asked == 3
    assert bed.notes.settled == ["", "a/1", "a/1 b/1"], "nothing is recorded while a trial is measured"
    assert bed.results.all_attempts()[0].record().quiet == Quiet(noise=("a neighbor",), waited_s=0.0)


def test_other_users_of_the_device_are_recorded_when_they_change(bed: Bed):
    def come_and_go():
        bed.notes.users = Neighbors(unknown={"gpu:0": 7}) if bed.clock.now > 25 else None

    bed.on_wait = come_and_go
    bed.run([planned("a", takes=60.0)])
    (attempt,) = bed.results.all_attempts()
    notes = [event for event in read_events(attempt.runner_events) if event["event"] == "neighbors"]
    assert len(notes) == 1
    assert attempt.record().neighbors == (Neighbors(unknown={"gpu:0": 7}),)


def test_a_lost_gpu_is_retired_and_its_trial_goes_to_the_other_one(bed: Bed):
    bed.notes.lost = {"gpu:0": 5.0}
    trials = [
        planned(name, takes=10.0, ends=["crashed", "done"] if name == "a" else ["done"]) for name in "abcdef"
    ]
    bed.run(trials, limits=replace(NO_LIMITS, retries=0))
    assert [one for one in bed.notes.ended if one[0] == "a"] == [
        ("a", "gpu-lost", True),
        ("a", "done", False),
    ]
    assert [outcome for _, outcome, _ in bed.notes.ended].count("done") == 6, "nothing fails on the lost one"
    assert [slot for _, slot in bed.engine.placed].count("gpu:0") == 1
    assert bed.notes.said == ["gpu:0 is lost: no further trial runs there, 1 slot left."]
    first = next(attempt for attempt in bed.results.all_attempts() if attempt.trial().network == "a")
    assert first.record().failure.message == "the driver lost gpu:0 while the trial ran"


def test_a_lost_gpu_costs_a_trial_none_of_its_retries(bed: Bed):
    bed.notes.lost = {"gpu:0": 5.0}
    ends = ["crashed", "crashed", "done"]
    bed.run([planned("a", takes=10.0, ends=ends)], limits=replace(NO_LIMITS, retries=1))
    assert [(kind, again) for _, kind, again in bed.notes.ended] == [
        ("gpu-lost", True), ("crashed", True), ("done", False),
    ]  # fmt: skip


def test_a_trial_that_is_done_when_its_gpu_is_lost_stays_done(bed: Bed):
    bed.notes.lost = {"gpu:0": 5.0}
    bed.run([planned(name, takes=10.0) for name in "abc"])
    assert sorted(bed.notes.ended) == [("a", "done", False), ("b", "done", False), ("c", "done", False)]
    assert [slot for _, slot in bed.engine.placed] == ["gpu:0", "gpu:1", "gpu:1"]


def test_a_run_ends_when_every_gpu_is_lost(bed: Bed):
    bed.notes.lost = {"gpu:0": 5.0, "gpu:1": 5.0}
    bed.run([planned(name, takes=10.0, ends=["setup"]) for name in "abc"])
    assert [outcome for _, outcome, _ in bed.notes.ended] == ["gpu-lost", "gpu-lost"]
    assert bed.notes.said[-1].startswith("gpu:1 is lost: no further trial runs there, 0 slots left. 2 trials")


def test_a_record_that_cannot_be_written_stops_the_others(bed: Bed, monkeypatch):
    def full(attempt):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bench.runner.scheduler.finish", full)
    with pytest.raises(OSError, match="No space"):
        bed.run([planned("a"), planned("b", takes=50.0)])
    assert bed.engine.running == []


def test_what_does_not_end_after_a_failure_of_ours_is_not_waited_for_without_end(bed: Bed, monkeypatch):
    times = iter(range(0, 300, 3))  # a wait without end would use them up
    monkeypatch.setattr(
        scheduler, "time", SimpleNamespace(monotonic=lambda: next(times), sleep=lambda seconds: None)
    )
    finished, start, stopped = [], bed.engine.start, []

    def finish(attempt):
        finished.append(attempt.trial().network)
        raise OSError(28, "No space left on device")

    def stays(attempt, slot):
        worker = start(attempt, slot)
        if attempt.trial().network == "b":
            worker.reap = lambda: False
            worker.stop = lambda *given: stopped.append(given)
        return worker

    monkeypatch.setattr(scheduler, "finish", finish)
    bed.engine.start = stays
    with pytest.raises(OSError, match="No space"):
        bed.run([planned("a"), planned("b", takes=50.0)], limits=Limits(grace_s=5.0))
    assert finished == ["a", "a", "b"] and stopped == [("interrupted", "the harness failed")]
    assert next(times) == 9


def test_a_trial_that_is_done_leaves_no_checkpoint(bed: Bed):
    trial = planned("a", ends=["crashed", "done"])
    folder = bed.results.checkpoint(trial.trial.id)
    folder.mkdir(parents=True)
    seen = []
    bed.on_wait = lambda: seen.append(folder.exists())
    bed.run([trial], limits=Limits(checkpoint_s=7.0, checkpoint_epochs=3))
    assert seen and all(seen)
    assert not folder.exists()
    specification = bed.results.attempts(trial.trial.id)[1].trial().specification
    assert specification["checkpoint"] == {
        **{"folder": str(folder.resolve()), "every_epochs": 3, "every_s": 7.0},
        "tag": f"{trial.trial.id}/attempt-2",
    }


def test_fresh_starts_without_the_checkpoint(bed: Bed):
    one = planned("a")
    bed.results.checkpoint(one.trial.id).mkdir(parents=True)
    seen = []
    bed.on_wait = lambda: seen.append(bed.results.checkpoint(one.trial.id).exists())
    bed.run([PlannedTrial(one.trial, "again", "", fresh=True)])
    assert seen and not any(seen)


def test_the_largest_batch_halves_until_it_fits_and_starts_there_the_next_time(bed: Bed, tmp_path: Path):
    draw_noisy_images(tmp_path)
    script = {
        "manifest": str(tmp_path / "manifest.json"),
        "ends": ["gpu-oom", "host-oom", "nan-loss", "done"],
    }
    trial = a_trial("a", specification=script, epochs=1, batch_size="largest")
    for reason in ("new", "again"):
        bed.run([PlannedTrial(trial, reason, "")], limits=Limits(retries=0))
    taken = [attempt.trial().specification["batch_size"] for attempt in bed.results.all_attempts()]
    assert taken == [8, 4, 2, 2]
    assert [(kind, again) for _, kind, again in bed.notes.ended] == [
        ("gpu-oom", True), ("host-oom", True), ("nan-loss", False), ("done", False),
    ]  # fmt: skip
    assert bed.notes.said == [
        f"{trial.id}: no room for batches of 8 images; 4 are tried.",
        f"{trial.id}: no room for batches of 4 images; 2 are tried.",
    ]


def test_what_recording_tells_stands_in_the_journal_of_each_running_trial(bed: Bed):
    told = iter([[{"event": "recording", "said": "x"}]])
    bed.notes.pump = lambda: next(told, []) if len(bed.engine.running) == 2 else []
    bed.run([planned("a", takes=5.0), planned("b", takes=5.0)])
    for attempt in bed.results.all_attempts():
        events = [one for one in read_events(attempt.runner_events) if one["event"] == "recording"]
        assert [one["said"] for one in events] == ["x"]


def test_it_sleeps_until_a_signal_comes():
    made = object.__new__(scheduler.Scheduler)
    with interruptible() as made.interruption:
        made._sleep(0.001)
        with pytest.raises(InterruptedRun), made.interruption.held():
            os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(InterruptedRun):
                made._sleep(600.0)
