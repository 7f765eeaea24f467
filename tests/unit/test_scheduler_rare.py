"""Turns of others, limits and ends that coincide, and what several schedulers wait for."""

import math
import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from equipment.results.records import a_trial
from scheduler_equipment import NO_LIMITS, Bed, planned
from training_equipment import draw_noisy_images

from bench.plan.decide import PlannedTrial
from bench.runner import scheduler
from bench.runner.signals import interruptible
from bench.trials.limits import Limits
from bench.worker.turns import BEGINS, OVER


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(tmp_path)


@pytest.mark.parametrize(("takes", "ended", "seconds"), [(549.0, "done", 549.0), (600.0, "timeout", 550.0)])
def test_no_limit_counts_and_nothing_is_due_in_the_turn_of_another(bed: Bed, takes, ended, seconds):
    """50 s of its own and 500 s of the other's turn."""
    waits = iter(range(100))
    bed.on_wait = lambda: next(waits)
    trial = planned("a", takes=takes, says=[(10.0, OVER), (510.0, BEGINS)])
    bed.run([trial], limits=Limits(stall_s=60.0, trial_s=50.0, retries=0))
    assert bed.notes.ended == [("a", ended, False)]
    assert bed.clock.now == pytest.approx(seconds)


def test_it_wakes_when_the_time_of_a_trial_is_over_though_it_speaks(bed: Bed):
    bed.run([planned("a", takes=1000.0, speaks_every=7.0)], limits=Limits(trial_s=65.0))
    assert bed.clock.now == pytest.approx(65.0)


def test_whoever_is_stopped_already_gets_no_further_grace_and_nothing_more_starts(bed: Bed):
    trials = [planned(name, takes=1000.0, speaks_every=2.0, hears=False) for name in "abc"]
    limits = Limits(trial_s=60.0, grace_s=5.0)
    with bed.scheduler(limits=limits) as made:
        assert math.isinf(made.idle_s())
        bed.on_wait = lambda: made.stop("enough") if bed.clock.now >= 62 else None
        made.run(trials)
    assert bed.clock.now == pytest.approx(65.0)
    assert [one[:2] for one in bed.notes.ended] == [("a", "timeout"), ("b", "timeout")]


def test_a_worker_that_hears_nothing_is_killed_after_a_failure_of_ours(bed: Bed, monkeypatch):
    def full(attempt):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scheduler, "finish", full)
    with pytest.raises(OSError, match="No space"):
        bed.run([planned("a"), planned("b", takes=50.0, hears=False)], limits=Limits(grace_s=0.0))
    assert bed.engine.running == []


def test_what_is_tried_again_goes_before_shorter_ones(bed: Bed):
    trials = [planned("long", 9.0, ends=["crashed", "done"]), planned("short", 5.0), planned("shorter", 1.0)]
    bed.run(trials, limits=replace(NO_LIMITS, exclusive=True, retries=1))
    assert [name for name, _ in bed.engine.placed] == ["long", "long", "short", "shorter"]


def test_a_smaller_batch_costs_a_trial_none_of_its_retries(bed: Bed, tmp_path: Path):
    draw_noisy_images(tmp_path)
    script = {"manifest": str(tmp_path / "manifest.json"), "ends": ["gpu-oom", "crashed", "done"]}
    trial = a_trial("a", specification=script, epochs=1, batch_size="largest")
    bed.run([PlannedTrial(trial, "new", "")], limits=Limits(retries=1))
    assert [kind for _, kind, _ in bed.notes.ended] == ["gpu-oom", "crashed", "done"]


def test_a_checkpoint_that_nobody_waits_for_is_not_kept(bed: Bed):
    short, long = planned("short"), planned("long")
    bed.results.checkpoint(short.trial.id).mkdir(parents=True)
    bed.run([short], successors={short.trial.id: long.trial.id})
    assert bed.results.checkpointed() == []


@pytest.mark.parametrize(
    ("idle", "waited"), [((4.0, math.inf), 4.0), ((7.0, 2.5), 2.5), ((math.inf,) * 2, None)]
)
def test_several_wait_together_for_whatever_comes_first(monkeypatch, idle, waited):
    registered, asked = [], []

    @contextmanager
    def selector():
        yield SimpleNamespace(register=lambda fileno, kind: registered.append(fileno), select=asked.append)

    monkeypatch.setattr(scheduler.selectors, "DefaultSelector", selector)
    with interruptible() as interruption:
        os.write(interruption._write_end, b"!")
        ones = [
            SimpleNamespace(filenos=lambda: [101, 102], idle_s=lambda: idle[0]),
            SimpleNamespace(filenos=lambda: [103], idle_s=lambda: idle[1]),
        ]
        scheduler.wait_for(interruption, *ones)
        assert registered == [interruption.fileno(), 101, 102, 103] and asked == [waited]
        with pytest.raises(BlockingIOError):
            os.read(interruption.fileno(), 1)
