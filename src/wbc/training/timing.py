"""Where the seconds of training go, and its steps in blocks. Free of Keras.

The times of a block are true if it ends at a synchronization point, where the host knows that the device is
done. With TensorFlow on CPUs every step ends at one. Elsewhere the host dispatches steps ahead. There the
points are the ends of epochs, where the host waits for a metric of the last step. If there are few epochs, the
timer adds points within them, at which the host waits for the device.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from wbc.observer import Block
from wbc.training.waits import InputClock

MOST_BLOCKS = 256
"""At this number of blocks, neighbors are merged."""

SMALL_EPOCH = 16
"""Epochs with fewer steps are not divided. Otherwise their last batch, which is smaller, would stand out."""

POINTS = 40
"""Where the host runs ahead of the device, epochs are divided until there are about this many pieces."""


class Part(StrEnum):
    """What training is doing."""

    COMPILE = "compile"
    """Before the first step is done. This part is not timed here."""
    STEPS = "steps"
    VALIDATION = "validation"
    BETWEEN = "between"
    """Work of Keras and of callbacks around epochs, checkpoints included."""
    ENDING = "ending"
    """After the last epoch of a stage, until `fit` returns. TensorFlow stops its queue of batches here, which
    may take seconds."""
    RECOMPILE = "recompile"
    """From the start of a later stage until its first step is done."""


@dataclass
class Pace:
    """How the steps of an epoch went, without the first step of a stage."""

    steps: int = 0
    """Number of steps."""
    images: int = 0
    """Images in them."""
    steps_s: float = 0.0
    """Seconds that they took, waiting for data included."""
    data_wait_s: float = 0.0
    """Seconds of waiting for data."""


class BlockLog:
    """Collects pieces of training into at most `MOST_BLOCKS` blocks, each of equally many pieces."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._open: Block | None = None
        self._pieces = 0
        self._pieces_a_block = 1

    def add(self, piece: Block) -> None:
        """Add the next piece."""
        if self._open is None:
            self._open, self._pieces = piece, 0
        else:
            self._open += piece
        self._pieces += 1
        if self._pieces < self._pieces_a_block:
            return
        self._blocks.append(self._open)
        self._open = None
        if len(self._blocks) == MOST_BLOCKS:
            self._pieces_a_block *= 2
            pairs = zip(self._blocks[::2], self._blocks[1::2], strict=True)
            self._blocks = [first + second for first, second in pairs]

    def blocks(self) -> list[Block]:
        """The full blocks."""
        return list(self._blocks)


def steps_a_piece(steps: int, epochs: int, synchronous: bool, divisible: bool = True) -> int:
    """How many steps to time together at least.

    Args:
        steps: Steps per epoch.
        epochs: Number of epochs to come.
        synchronous: Whether the host knows after every step that the device is done.
        divisible: Whether the host can wait for the device within an epoch.
    """
    if synchronous:
        return 1 if steps >= SMALL_EPOCH else steps
    pieces = max(1, POINTS // epochs) if divisible else 1
    return max(-(-steps // pieces), min(SMALL_EPOCH, steps))


class TrainingTimer:
    """Adds up the seconds of each part of training.

    There is one clock: each moment ends one part and begins another, so the parts sum to the whole.

    Args:
        images: Number of training images.
        batch_size: Images per step; the last step of an epoch may have fewer.
        clock: Returns seconds, monotonic.
        stride: Steps that the backend does in one call, all of which begin at once; it divides those of an epoch.
    """

    def __init__(
        self, images: int, batch_size: int, clock: Callable[[], float] = time.monotonic, stride: int = 1
    ) -> None:
        self.images, self.batch_size, self.clock, self.stride = images, batch_size, clock, stride
        self.steps = -(-images // batch_size)
        self.seconds = {part: 0.0 for part in Part if part != Part.COMPILE}
        self.data_wait_s = 0.0
        self.first_step_s: float | None = None
        self.steps_begun = 0
        self.pace = Pace()
        self.validation_s = 0.0
        self._at, self._since, self._began = Part.COMPILE, clock(), 0.0
        self._step, self._step_began = 0, 0.0
        self.stage_prepares()
        self.stage_begins(InputClock(clock), 1)

    def stage_prepares(self) -> None:
        """A stage begins: its model is built and compiled."""
        self._log = BlockLog()
        self._piece: Block | None = None
        self._first_epoch = True
        if self._at != Part.COMPILE:
            self._enter(Part.RECOMPILE)

    def stage_begins(
        self, waits: InputClock, steps_a_piece: int, synchronize: Callable[[], None] | None = None
    ) -> None:
        """The epochs of a stage follow.

        Args:
            waits: Observes the batches.
            steps_a_piece: See `wbc.training.timing.steps_a_piece`.
            synchronize: Waits for the device at the end of a piece within an epoch; None: not needed.
        """
        self._waits, self._steps_a_piece, self._synchronize = waits, steps_a_piece, synchronize

    def leave_out(self, seconds: float) -> None:
        """The last seconds before an epoch were none of training's."""
        self._since += seconds
        self._began += seconds

    def epoch_begins(self) -> None:
        """The batches and steps of an epoch follow."""
        self._step, self.pace, self.validation_s = 0, Pace(), 0.0
        self._waits.epoch_began()
        if self._compiled:
            self._step_began = self._enter(Part.STEPS)

    def step_begins(self) -> bool:
        """A step, or all steps of a call, begins, and what came before in this epoch is over.

        Returns:
            Whether the step before was the first of its stage.
        """
        first = False
        now = self.clock()
        if self._step:
            first, now = self._step_over(now, last=False)
        elif not self._compiled:
            self._step_began = now
        self._waits.step_began(now)
        self._step += self.stride
        self.steps_begun += self.stride
        return first

    @property
    def within_steps(self) -> bool:
        """Whether a step of the epoch began, and its end was not told yet."""
        return self._step > 0

    def steps_end(self) -> bool:
        """The last step of the epoch is over: the host has waited for one of its numbers.

        Returns:
            Whether that step was the first of its stage.
        """
        if not self._step:
            return False
        first, now = self._step_over(self.clock(), last=True)
        self._step, self._first_epoch = 0, False
        self._enter(Part.BETWEEN, now)
        return first

    def validation_begins(self) -> None:
        """The steps are over; validation follows."""
        self._enter(Part.VALIDATION)

    def validation_ends(self) -> None:
        """Validation is over."""
        began = self._since
        self.validation_s = self._enter(Part.BETWEEN) - began

    def stage_ends(self) -> None:
        """The last epoch of the stage is over."""
        if self._compiled:
            self._enter(Part.ENDING)

    def ends(self) -> None:
        """Training is over."""
        if self._compiled:
            self._enter(Part.BETWEEN)

    def blocks(self) -> list[Block]:
        """The full blocks of the stage, without the end of its first epoch."""
        return self._log.blocks()

    @property
    def _compiled(self) -> bool:
        return self._at not in (Part.COMPILE, Part.RECOMPILE)

    def _enter(self, part: Part, now: float | None = None) -> float:
        now = self.clock() if now is None else now
        if self._at != Part.COMPILE:
            self.seconds[self._at] += now - self._since
        self._at, self._since = part, now
        return now

    def _step_over(self, now: float, last: bool) -> tuple[bool, float]:
        """The current step is over. Returns whether it was the first of its stage, and the time."""
        if first := not self._compiled:
            if self._at == Part.COMPILE:
                self.first_step_s, self._began = now - self._step_began, now
            self._enter(Part.STEPS, now)
            self._waits.epoch_ended() if last else self._waits.waited()
            self._step_began = now
            return first, now
        piece = self._piece or Block(self._step_began - self._began, self.steps_begun - self.stride)
        ends = last or piece.steps + self.stride >= self._steps_a_piece
        if ends and not last and self._synchronize is not None:
            self._synchronize()
            now = self.clock()
        waited = self._waits.epoch_ended() if last else self._waits.waited()
        left = self.images - (self._step - self.stride) * self.batch_size
        images = min(self.stride * self.batch_size, left)
        step = Block(0, 0, self.stride, images, now - self._step_began, waited)
        self._piece = piece + step
        self.pace.steps += self.stride
        self.pace.images += step.images
        self.pace.steps_s += step.seconds
        self.pace.data_wait_s += waited
        self.data_wait_s += waited
        if ends:
            # Keras makes the queue for validation once, after the last step of a stage's first epoch.
            if not (last and self._first_epoch):
                self._log.add(self._piece)
            self._piece = None
        self._step_began = now
        return first, now
