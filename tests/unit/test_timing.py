"""Where the seconds of training go: blocks, waiting for data, and the parts of the whole. No Keras."""

import random

import pytest
from timing_equipment import Clock

from wbc.observer import Block
from wbc.training.timing import MOST_BLOCKS, BlockLog, Part, TrainingTimer, steps_a_piece
from wbc.training.waits import InputClock

LOOP, WORKER = 1, 2


def test_a_block_is_told_to_the_microsecond():
    block = Block(1.23456789, 2, 3, 48, 0.00000149, 0.00000151)
    assert block.to_json() == [1.234568, 2, 3, 48, 0.000001, 0.000002]


def batches(clock: Clock, seconds: float):
    """A pipeline that takes its time."""
    while True:
        clock.passes(seconds)
        yield "batch"


def test_blocks_are_bounded_of_one_size_and_lose_nothing_that_is_full():
    log, steps = BlockLog(), 300_000
    for step in range(steps):
        log.add(Block(float(step), step, 1, 16, 1.0, 0.25))
    blocks = log.blocks()
    assert MOST_BLOCKS / 2 <= len(blocks) < MOST_BLOCKS
    (size,) = {block.steps for block in blocks}
    assert [block.first_step for block in blocks] == list(range(0, size * len(blocks), size))
    assert steps - size < sum(block.steps for block in blocks) <= steps
    assert (blocks[0].images, blocks[0].seconds, blocks[0].wait_s) == (16 * size, size, size / 4)


@pytest.mark.parametrize(
    ("steps", "epochs", "synchronous", "divisible", "expected"),
    [
        (622, 3, True, True, 1),
        (5, 100, True, True, 5),
        (622, 100, False, True, 622),
        (622, 1, False, True, 16),
        (622, 1, False, False, 622),
        (3, 1, False, True, 3),
        (16, 1, True, True, 1),
        (15, 1, True, True, 15),
        (640, 1, False, True, 16),
        (641, 1, False, True, 17),
        (622, 20, False, True, 311),
        (622, 21, False, True, 622),
        (100, 39, False, True, 100),
        (20, 1, False, True, 16),
    ],
)
def test_where_blocks_may_end(steps, epochs, synchronous, divisible, expected):
    assert steps_a_piece(steps, epochs, synchronous, divisible) == expected
    if divisible:
        assert steps_a_piece(steps, epochs, synchronous) == expected


class Threads:
    """Says which of two threads runs."""

    now = LOOP

    def __call__(self) -> int:
        return self.now


def run_ahead(made_at: list[float], begun: list[float]) -> float:
    """Batches made by a thread of their own, at these moments, for steps that begin at these."""
    clock, threads = Clock(), Threads()
    waits = InputClock(clock, threads)
    waits.epoch_began()
    events = sorted([(t, "made") for t in made_at] + [(t, "begun") for t in begun])
    threads.now = WORKER
    stream, waited = waits.watch(iter(made_at)), 0.0
    for moment, kind in events:
        clock.now = moment
        if kind == "begun":
            waits.step_began(moment)
        else:
            next(stream)
        waited += waits.waited()
    return waited + waits.epoch_ended()


def test_a_batch_that_comes_after_its_step_began_was_waited_for():
    assert run_ahead([3.0, 6.0, 9.0], [1.0, 4.0, 7.0]) == (6.0 - 1.0) + (9.0 - 4.0) + (9.0 - 7.0), (
        "a batch is there when the next one is asked for; of the last one only its making is known"
    )


def test_batches_made_in_advance_are_not_waited_for():
    assert run_ahead([0.1, 0.2, 0.3], [1.0, 2.0, 3.0]) == 0


def pull_in_loop(production: float, step: float, steps: int, within: bool) -> tuple[float, float]:
    clock = Clock()
    waits = InputClock(clock, Threads())
    stream = waits.watch(batches(clock, production))
    next(stream)  # whoever looks at the first batch before training waits for it there
    waits.epoch_began()
    began, waited = clock(), 0.0
    for _ in range(steps):
        if within:
            waits.step_began(clock())
        next(stream)
        if not within:
            waits.step_began(clock())
        clock.passes(step)
        waited += waits.waited()
    waited += waits.epoch_ended()
    return waited, clock() - began


@pytest.mark.parametrize("within", [False, True])
def test_where_the_loop_pulls_its_batches_all_their_making_is_waited_for(within):
    waited, whole = pull_in_loop(0.3, 0.7, 50, within)
    assert waited / whole == pytest.approx(0.3)


class Pipeline:
    """A queue of made batches that a thread fills, `room` of them at most, simulated step by step."""

    def __init__(self, production: list[float], conversion: float, room: int):
        self.production, self.conversion, self.room = production, conversion, room

    def run(self, compute: list[float]) -> tuple[float, float]:
        """Seconds waited as measured, and as they were."""
        clock, threads = Clock(), Threads()
        waits = InputClock(clock, threads)
        waits.epoch_began()
        threads.now = WORKER
        made, taken, queued = 0.0, [], []

        def source():
            while True:
                clock.now = made
                yield "batch"

        stream = waits.watch(source())
        truth = measured = now = 0.0
        for step, seconds in enumerate(compute):
            begun = now
            while len(queued) <= step:  # what the thread did until the batch of this step stood in the queue
                index = len(queued)
                free = taken[index - self.room] if index >= self.room else 0.0
                clock.now = max(queued[-1] if queued else 0.0, free)
                made = clock.now + self.production[index]
                next(stream)
                queued.append(made + self.conversion)
            waits.step_began(begun)
            now = max(begun, queued[step])
            taken.append(now)
            truth += now - begun
            now += seconds
            measured += waits.waited()
        clock.now = max(taken[-self.room], queued[-1])
        next(stream)
        return measured + waits.epoch_ended(), truth


@pytest.mark.parametrize("room", [1, 4])
@pytest.mark.parametrize("production", [0.02, 0.07, 0.2])
def test_the_wait_behind_a_queue_is_the_true_one(production: float, room: int):
    rng = random.Random(0)
    steps = 400
    made = [production * rng.uniform(0.7, 1.3) for _ in range(steps + room + 2)]
    compute = [0.05 * rng.uniform(0.7, 1.3) for _ in range(steps)]
    measured, truth = Pipeline(made, conversion=0.005, room=room).run(compute)
    whole = truth + sum(compute)
    assert measured / whole == pytest.approx(truth / whole, abs=0.02)
    assert (truth / whole > 0.2) == (production > 0.05)


def test_the_parts_of_training_sum_to_the_whole():
    clock, rng = Clock(), random.Random(1)
    timer = TrainingTimer(100, 16, clock)
    began = None
    for stage in range(2):
        timer.stage_prepares()
        clock.passes(rng.random())
        waits = InputClock(clock)
        timer.stage_begins(waits, 1)
        stream = waits.watch(batches(clock, 0.25))
        for _ in range(4):
            clock.passes(rng.random())
            timer.epoch_begins()
            for _ in range(timer.steps):
                next(stream)
                if timer.step_begins() and began is None:
                    began = clock()
                clock.passes(rng.random())
            timer.steps_end()
            timer.validation_begins()
            clock.passes(rng.random())
            timer.validation_ends()
        timer.stage_ends()
        clock.passes(rng.random())
        assert sum(block.steps for block in timer.blocks()) == 4 * timer.steps - 2, f"stage {stage}"
    clock.passes(rng.random())
    timer.ends()
    assert sum(timer.seconds.values()) == pytest.approx(clock() - began)
    assert all(seconds > 0 for seconds in timer.seconds.values())
    # The first step of each stage is done when the second one begins, whose batch was made before.
    assert timer.data_wait_s == pytest.approx(0.25 * (8 * timer.steps - 2 * 2))


def test_blocks_within_an_epoch_end_when_the_device_is_done():
    clock, waited = Clock(), []

    def synchronise():
        waited.append(clock())
        clock.passes(1.0)

    timer = TrainingTimer(10, 1, clock)
    timer.stage_begins(InputClock(clock), 4, synchronise)
    for _ in range(2):
        timer.epoch_begins()
        for _ in range(10):
            timer.step_begins()
            clock.passes(0.1)
        timer.steps_end()
    assert len(waited) == 4
    # The end of the first epoch is left out: validation is prepared there.
    assert [block.steps for block in timer.blocks()] == [4, 4, 4, 4, 2]
    assert [block.seconds for block in timer.blocks()] == pytest.approx([1.4, 1.4, 1.4, 1.4, 0.2])


def test_the_end_of_the_steps_is_told_once_an_epoch():
    clock = Clock()
    timer = TrainingTimer(10, 5, clock)
    assert not timer.within_steps and timer.steps_end() is False
    for epoch in range(2):
        timer.epoch_begins()
        assert not timer.within_steps
        for step in range(2):
            assert timer.step_begins() is (epoch == 0 and step == 1), "the first one of its stage is over"
            assert timer.within_steps
            clock.passes(1.0)
        assert timer.steps_end() is False and not timer.within_steps
        clock.passes(4.0)
        assert timer.steps_end() is False, "its end is known already"
    assert (timer.pace.steps, timer.pace.images, timer.pace.steps_s) == (2, 10, 2.0)
    assert timer.first_step_s == 1.0 and timer.steps_begun == 4
    timer.ends()
    assert timer.seconds[Part.STEPS] == 3.0 and timer.seconds[Part.BETWEEN] == 8.0


def test_an_epoch_of_one_step_is_the_first_one():
    clock = Clock()
    timer = TrainingTimer(4, 5, clock)
    timer.epoch_begins()
    assert timer.step_begins() is False
    clock.passes(2.0)
    assert timer.steps_end() is True and timer.first_step_s == 2.0
    assert timer.pace.steps == 0 and timer.blocks() == []


@pytest.mark.parametrize(
    ("stride", "images", "paces"), [(1, 25, [(2, 15), (3, 25)]), (2, 35, [(2, 15), (4, 35)])]
)
def test_the_last_step_of_an_epoch_has_the_images_that_are_left(stride, images, paces):
    """Of ten a step; the first call of the stage does not count."""
    clock = Clock()
    timer = TrainingTimer(images, 10, clock, stride)
    timer.stage_prepares()
    timer.stage_begins(InputClock(clock, stride=stride), 1)
    found = []
    for _ in range(2):
        timer.epoch_begins()
        for _ in range(timer.steps // stride):
            timer.step_begins()
            clock.passes(1.0)
        timer.steps_end()
        found.append((timer.pace.steps, timer.pace.images))
    assert found == paces


def test_a_batch_that_is_taken_after_its_epoch_ended_counts_in_none():
    clock, threads = Clock(), Threads()
    waits = InputClock(clock, threads)
    waits.epoch_began()
    threads.now = WORKER
    stream = waits.watch(iter("abc"))

    def made(moment: float) -> None:
        """A batch, once the one before was taken."""
        clock.now = moment
        next(stream)

    waits.step_began(1.0)
    made(3.0)
    assert waits.waited() == 0.0 and waits.epoch_ended() == 2.0, "known to be made, not to be taken"
    threads.now = LOOP
    waits.epoch_began()
    threads.now = WORKER
    waits.step_began(3.5)
    made(4.0)
    assert waits.waited() == 0.0
    made(6.0)
    assert waits.waited() == 6.0 - 3.5


def test_of_several_batches_in_a_call_only_the_first_is_waited_for():
    clock, threads = Clock(), Threads()
    waits = InputClock(clock, threads, stride=3)
    stream = waits.watch(batches(clock, 1.0))
    waits.epoch_began()
    waited = 0.0
    for _ in range(2):
        waits.step_began(clock())
        for _ in range(3):
            next(stream)
        waited += waits.waited()
    assert waited + waits.epoch_ended() == 2.0 and clock() == 6.0
