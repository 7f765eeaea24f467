"""Two workers of which one runs at a time: what each writes down, whose turn it is, and that no limit counts."""

import json
import os
import selectors
import time

import psutil
import pytest
from scheduler_equipment import Bed, planned
from telemetry_equipment import Watched, burner, sleeper
from timing_equipment import Clock

from bench.runner.turns import Turns
from bench.trials.limits import Limits
from bench.worker.jsonl import EventWriter, read_lines
from bench.worker.turns import BEGINS, OVER, SHORT_TURN_S, TURN_S, TurnTaker
from wbc.training.timing import Part, TrainingTimer
from wbc.training.waits import InputClock


def readable(descriptor: int) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(0))


class Worker:
    """The end of a worker, with a clock that is set: each look at it takes as long as it is told."""

    def __init__(self, folder, *looks_s: float, heard: bool = True):
        self.told, told = os.pipe()
        turn, self.turn = os.pipe()
        self.journal = folder / "events.jsonl"
        looks = iter(looks_s)
        self.events = EventWriter(self.journal, told if heard else None)
        self.turns = TurnTaker(self.events, turn, lambda: round(next(looks) * 1e9))

    def lines(self) -> list[dict]:
        return read_lines(self.journal)


def test_a_turn_is_passed_on_when_it_was_long_enough_and_the_wait_is_left_out(tmp_path):
    worker = Worker(tmp_path, 0.0, TURN_S - 0.1, TURN_S + 0.5, TURN_S + 7.5, 20.0, 23.0)
    assert worker.turns.pass_on("data") == 0.0 and not worker.lines(), "too early"
    os.write(worker.turn, b".")
    assert worker.turns.pass_on("data") == 7.0
    over, begins = worker.lines()
    assert (over["event"], begins["event"], begins["left_out"]) == (OVER, BEGINS, 7 * 10**9)
    before = time.monotonic_ns()
    worker.events.write("epoch")
    assert before - 7 * 10**9 <= worker.lines()[-1]["t"] <= time.monotonic_ns() - 7 * 10**9
    assert json.loads(os.read(worker.told, 1 << 12).splitlines()[0])["event"] == OVER
    os.write(worker.turn, b".")
    assert worker.turns.pass_on("data") == 3.0
    assert worker.lines()[-1]["left_out"] == 3 * 10**9 and worker.events.left_out_ns == 10 * 10**9


def test_who_is_left_alone_does_not_wait_again(tmp_path):
    worker = Worker(tmp_path, 0.0, 2.0, 2.0, 9.0)
    os.close(worker.turn)
    assert worker.turns.pass_on("data") == 0.0
    assert worker.turns.pass_on("data") == 0.0 and len(worker.lines()) == 2


def test_a_parent_that_did_not_hear_is_not_waited_for(tmp_path):
    worker = Worker(tmp_path, 0.0, 2.0, heard=False)
    assert worker.turns.pass_on("data") == 0.0
    assert worker.events.left_out_ns == 0


@pytest.mark.parametrize("phase", SHORT_TURN_S)
def test_turns_are_short_where_times_are_judged(tmp_path, phase):
    least = SHORT_TURN_S[phase]
    worker = Worker(tmp_path, 0.0, least - 0.01, least + 0.01, least + 0.51)
    os.write(worker.turn, b".")
    assert worker.turns.pass_on(phase) == 0.0
    assert worker.turns.pass_on(phase) == 0.5


def test_the_second_begins_when_the_first_passes_on_and_the_last_is_alone():
    turns = Turns()
    first, second = (pipe.read_end for pipe in turns.pipes)
    turns.hear(0, {"event": "heartbeat"})
    assert not turns.second_may_start
    turns.hear(0, {"event": OVER})
    assert turns.second_may_start
    assert not readable(first) and not readable(second), "it has its turn because it starts"
    for number, other in ((1, first), (0, second), (1, first)):
        turns.hear(number, {"event": OVER})
        assert readable(other) and os.read(other, 9) == b"."
    assert turns.given == {0}, "whoever passed on since waits"
    turns.ended(0)
    turns.hear(1, {"event": OVER})
    assert os.read(second, 1) == b"", "alone"
    turns.close()


def test_without_a_turn_the_second_begins_when_the_first_is_over():
    turns = Turns()
    turns.ended(0)
    assert turns.second_may_start and os.read(turns.pipes[1].read_end, 1) == b""
    turns.close()


def test_another_ones_turn_is_no_part_of_training():
    def train(left_out: float) -> TrainingTimer:
        clock = Clock()
        timer = TrainingTimer(160, 16, clock)
        timer.stage_begins(InputClock(clock), 1)
        for _ in range(3):
            clock.passes(left_out)
            timer.leave_out(left_out)
            timer.epoch_begins()
            for _ in range(10):
                timer.step_begins()
                clock.passes(0.5)
            timer.steps_end()
            clock.passes(0.25)
        timer.ends()
        return timer

    held, free = train(40.0), train(0.0)
    assert held.seconds == free.seconds
    assert held.seconds[Part.STEPS] == 14.5 and held.seconds[Part.BETWEEN] == 0.75
    assert held.blocks() == free.blocks()


def test_no_limit_counts_in_another_ones_turn(tmp_path):
    bed = Bed(tmp_path)
    says = [(1.0, OVER), (1001.0, BEGINS)]
    plan = [planned("Waits", takes=1008.0, says=says), planned("Stalls", takes=1008.0)]
    bed.run(plan, limits=Limits(stall_s=10.0, trial_s=9.0, retries=0))
    assert sorted(bed.notes.ended) == [("Stalls", "timeout", False), ("Waits", "done", False)]


def test_after_its_turn_began_the_limits_count_again(tmp_path):
    bed = Bed(tmp_path)
    plan = [planned("Waits", takes=1012.0, says=[(1.0, OVER), (1001.0, BEGINS)])]
    bed.run(plan, limits=Limits(trial_s=9.0, retries=0))
    assert bed.notes.ended == [("Waits", "timeout", False)]
    assert 1009.0 <= bed.clock.now < 1010.0


def test_the_sampler_rests_and_leaves_out_what_others_do_meanwhile(tmp_path):
    def busy_s() -> float:
        return sum(getattr(psutil.cpu_times(), kind) for kind in ("user", "nice", "system"))

    began = busy_s()
    watched = Watched(tmp_path, sleeper())
    watched.tell("phase_started", "train")
    watched.wait_for_samples()
    over = watched.tell_turn(OVER)
    lines = len(watched.wait_for(lambda lines: lines[-1].get("event") == "edge"))
    rest_began, other = busy_s(), burner()
    while (rested := busy_s() - rest_began) < 1.0:
        psutil.Process().cpu_percent(interval=0.02)
    other.kill()
    other.wait()
    assert len(watched.lines()) == lines, "it rests"
    left_out = time.monotonic_ns() - over
    watched.tell_turn(BEGINS, left_out=left_out)
    watched.wait_for_samples()
    trace = watched.end()
    busy = trace.counters["machine_busy_s"].values
    assert busy[-1] - busy[0] < busy_s() - began - 0.8 * rested
    assert trace.samples[-1].t < time.monotonic_ns() - left_out
    times = [line["t"] for line in watched.lines() if "t" in line]
    assert times == sorted(times)
