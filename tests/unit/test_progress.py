"""What people see while a suite runs."""

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from equipment.results.records import a_failure, a_record, a_trial, some_metrics
from rich.console import Console

from bench.commands.output import set_level
from bench.commands.progress import Progress, _Line, duration
from bench.devices.device import Device, Slot
from bench.plan.decide import PlannedTrial, Prediction
from bench.trials.record import Record, Resumed

RESUMED = Resumed(from_epoch=4000, attempts=(1, 2), lost_s=0.0)
SLOTS = [Slot(f"cpu:{number}", (Device("cpu", "Stand-in"),), (number,)) for number in (0, 1)]


def planned(network: str, seconds: float) -> PlannedTrial:
    trial = a_trial(network, epochs=10, batch_size=16)
    return PlannedTrial(trial, "new", "", prediction=Prediction(seconds, "the test"))


def record(status: str = "done", kind: str = "crashed", **more) -> Record:
    failure = None if status == "done" else a_failure(kind, "killed by signal 9")
    return a_record(failure=failure, **{"test": some_metrics(0.875), **more})


class Watched:
    """A progress on a terminal of the test's, with a clock of the test's."""

    def __init__(self, terminal: bool):
        self.now = 0.0
        self.written = io.StringIO()
        console = Console(file=self.written, force_terminal=terminal, width=120, color_system=None)
        self.progress = Progress(console, lambda: self.now)
        self.trials = [planned("VGG16", 600.0), planned("LeNet5", 60.0), planned("Xception", 300.0)]
        self.progress.plan(self.trials, SLOTS)

    def screen(self) -> str:
        """What the live lines show now."""
        shown = io.StringIO()
        Console(file=shown, width=140, color_system=None).print(self.progress._render())
        return shown.getvalue()


def test_a_line_a_device_with_trial_phase_epoch_speed_and_rest():
    watched = Watched(terminal=True)
    progress, (vgg, *_) = watched.progress, watched.trials
    progress.trial_started(vgg, SLOTS[0])
    progress.event(vgg, SLOTS[0], {"event": "phase_started", "phase": "train"})
    progress.event(vgg, SLOTS[0], {"event": "heartbeat", "done": 10, "total": 100})
    watched.now = 2.0
    progress.event(vgg, SLOTS[0], {"event": "heartbeat", "done": 20, "total": 100})
    progress.event(vgg, SLOTS[0], {"event": "epoch", "epoch": 2, "metrics": {"validation_accuracy": 0.5}})
    first, second, bar = watched.screen().splitlines()[:3]
    assert first.split()[:3] == ["cpu:0", vgg.trial.id, "train"]
    assert "epoch 2/10, validation 50%" in first
    assert "80 images/s" in first, "10 steps of 16 images in 2 seconds"
    assert "16 s left" in first, "80 steps at 5 a second"
    assert second.split() == ["cpu:1", "free"]
    assert "0/3" in bar
    assert "about 5 min left" in bar, "what waits, longest first, on both devices"


@pytest.mark.parametrize("name", ["a node: cpu:0", "zebra: cpu:0"])
def test_a_device_that_the_plan_does_not_name_gets_a_line_of_its_own(name: str):
    watched = Watched(terminal=True)
    other = replace(SLOTS[0], name=name)
    for trial, slot in zip(watched.trials, (SLOTS[1], other, SLOTS[0]), strict=True):
        watched.progress.trial_started(trial, slot)
    *lines, _bar = watched.screen().splitlines()
    ran = [watched.trials[number] for number in (2, 0, 1)]
    shown = [(line.split("  ")[0], one.trial.id in line) for line, one in zip(lines, ran, strict=True)]
    assert shown == [("cpu:0", True), ("cpu:1", True), (name, True)]
    assert all(" starting " in line for line in lines)


@pytest.mark.parametrize(("at_once", "left"), [(None, "10 min"), (2, "10 min"), (1, "16 min")])
def test_what_is_left_where_two_take_turns_is_that_of_both(at_once: int | None, left: str):
    """600 s and 60 s are under way, 300 s wait."""
    watched = Watched(terminal=True)
    watched.progress.plan(watched.trials, SLOTS, at_once)
    for trial, slot in zip(watched.trials, SLOTS, strict=False):
        watched.progress.trial_started(trial, slot)
    assert watched.progress._eta() == f"about {left} left"


def test_hundreds_of_devices_are_drawn_as_far_as_they_fit():
    watched = Watched(terminal=True)
    slots = [Slot(f"node-{number}/cpu:0", SLOTS[0].devices, (0,)) for number in range(500)]
    watched.progress.plan(watched.trials, slots)
    height = watched.progress.console.height
    *lines, last, more, bar = watched.screen().splitlines()
    assert len(lines) + 3 == height - 1, "one line is left for the cursor"
    assert last.split()[0] == f"node-{height - 4}/cpu:0"
    assert more.strip() == f"and {500 - (height - 3)} more"
    assert "0/3" in bar


def test_without_a_terminal_lines_say_start_end_and_rest():
    watched = Watched(terminal=False)
    progress, (vgg, lenet, _) = watched.progress, watched.trials
    progress.trial_started(vgg, SLOTS[0])
    progress.trial_started(lenet, SLOTS[1])
    watched.now = 60.0
    progress.trial_ended(lenet, SLOTS[1], record(), again=False)
    progress.trial_ended(vgg, SLOTS[0], record("failed"), again=True)
    lines = watched.written.getvalue().splitlines()
    assert lines[0] == f"cpu:0: {vgg.trial.id} starts, about 10 min"
    assert lines[2] == f"1/3 {lenet.trial.id} on cpu:1: test accuracy 87.5%, 60 s; about 9 min left"
    assert "failed, crashed: killed by signal 9; will be tried again" in lines[3]


def test_the_count_never_goes_past_its_total_where_a_run_that_went_well_is_repeated():
    watched = Watched(terminal=False)
    progress, (vgg, *_) = watched.progress, watched.trials
    progress.plan([vgg, vgg], SLOTS[:1])
    for again in (False, True, False, False):  # one run of a pair, the other one, and both of the pair again
        progress.trial_started(vgg, SLOTS[0])
        progress.trial_ended(vgg, SLOTS[0], record("failed" if again else "done"), again)
    ended = [line.split()[0] for line in watched.written.getvalue().splitlines() if " on " in line]
    assert ended == ["1/2", "1/2", "2/2", "3/3"]


def test_what_is_left_is_told_at_the_pace_of_the_trials_that_are_done():
    watched = Watched(terminal=False)
    progress, (vgg, lenet, xception) = watched.progress, watched.trials
    progress.trial_started(lenet, SLOTS[0])
    watched.now = 180.0
    progress.trial_ended(lenet, SLOTS[0], record(), again=False)
    progress.trial_started(vgg, SLOTS[0])
    progress.trial_started(xception, SLOTS[1])
    lines = watched.written.getvalue().splitlines()
    assert lines[1].endswith("3 min; about 30 min left"), "60 s were predicted, 180 s it took: thrice 600 s"
    assert lines[2:] == [
        f"cpu:0: {vgg.trial.id} starts, about 30 min",
        f"cpu:1: {xception.trial.id} starts, about 15 min",
    ]


def test_without_a_prediction_the_trials_that_are_done_tell_what_is_left():
    watched = Watched(terminal=False)
    progress = watched.progress
    vgg, *others = (replace(one, prediction=None) for one in watched.trials)
    progress.plan([vgg, *others], SLOTS[:1])
    assert progress._eta() == "", "no time, and not 0 s"
    progress.trial_started(replace(vgg, prediction=Prediction(50.0, "a comparison's earlier runs")), SLOTS[0])
    watched.now = 40.0
    progress.trial_ended(vgg, SLOTS[0], record(), again=False)
    assert progress._eta() == "about 80 s left"


def test_a_trial_that_went_on_says_from_where():
    watched = Watched(terminal=False)
    vgg = watched.trials[0]
    watched.progress.trial_started(vgg, SLOTS[0])
    watched.progress.trial_ended(vgg, SLOTS[0], record(resumed=RESUMED), again=False)
    assert "resumed from epoch 4000" in watched.written.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4.4, "4 s"),
        (89, "89 s"),
        (100, "2 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text


def test_a_verbose_run_prints_phases():
    for verbose in (False, True):
        watched = Watched(terminal=False)
        vgg = watched.trials[0]
        set_level(verbose=verbose)
        try:
            watched.progress.trial_started(vgg, SLOTS[0])
            watched.progress.event(vgg, SLOTS[0], {"event": "phase_started", "phase": "train"})
        finally:
            set_level()
        assert (f"cpu:0: {vgg.trial.id}: train" in watched.written.getvalue()) == verbose


def test_what_the_end_of_a_run_needs_is_loaded_while_a_model_is_saved(tmp_path: Path, monkeypatch):
    (tmp_path / "needed_at_the_end.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    progress = Progress(Console(file=io.StringIO()), needed=("needed_at_the_end",))
    progress.trial_started(planned("VGG16", 600.0), SLOTS[0])
    for phase in ("train", "save"):
        assert "needed_at_the_end" not in sys.modules
        progress.event(planned("VGG16", 600.0), SLOTS[0], {"event": "phase_started", "phase": phase})
    assert sys.modules.pop("needed_at_the_end")


def a_line(epochs: int = 3, batch_size: int | str = 8) -> _Line:
    return _Line(PlannedTrial(a_trial(epochs=epochs, batch_size=batch_size), "new", ""), 100.0)


def test_the_pace_of_training_by_hand():
    """Of the last two heartbeats: 30 steps of eight images in two seconds, and 50 steps are left."""
    line = a_line()
    line.take({"event": "phase_started", "phase": "train"}, 110.0)
    line.take({"event": "heartbeat", "done": 10, "total": 90}, 111.0)
    assert (line.images_per_s, line.remaining_s) == (None, None)
    assert line.left(112.0, 40.0) == 28.0, "as it was predicted"
    assert line.left(141.0, 40.0) == 0.0
    line.take({"event": "heartbeat", "done": 40, "total": 90}, 113.0)
    assert (line.images_per_s, line.remaining_s) == (120.0, pytest.approx(50 / 15))
    assert line.left(113.0, 40.0) == pytest.approx(50 / 15)
    line.take({"event": "heartbeat", "done": 40, "total": 90}, 114.0)
    line.take({"event": "heartbeat", "done": 41, "total": 90}, 114.0)
    assert line.images_per_s == 120.0, "no step, or no time, is no pace"
    line.take({"event": "epoch", "epoch": 2, "metrics": {"validation_accuracy": 0.876}}, 115.0)
    assert line.epoch == "epoch 2/3, validation 88%"
    line.take({"event": "epoch", "epoch": 3, "metrics": {}}, 116.0)
    assert line.epoch == "epoch 3/3"
    line.take({"event": "phase_started", "phase": "evaluate"}, 117.0)
    assert (line.phase, line.step, line.images_per_s) == ("evaluate", None, None)
    assert line.left(117.0, 40.0) == 23.0


def test_a_batch_whose_size_is_not_known_has_no_images_a_second():
    line = a_line(batch_size="largest")
    for done, now in ((10, 111.0), (40, 113.0)):
        line.take({"event": "heartbeat", "done": done, "total": 90}, now)
    assert (line.images_per_s, line.remaining_s) == (None, pytest.approx(50 / 15))


def test_what_it_drew_is_gone_at_the_end_and_others_print_as_they_like():
    live = Progress(Console(file=io.StringIO()))._live
    assert live.transient and live.refresh_per_second == 2
    assert (live._redirect_stdout, live._redirect_stderr) == (False, False)
