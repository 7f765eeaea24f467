"""Where the seconds of training go, and its steps in blocks. Free of Keras."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from wbc.training.blocks import Block, BlockLog
from wbc.training.waits import InputClock

STEPS, VALIDATION, BETWEEN = "steps", "validation", "between"
ENDING, RECOMPILE = "ending", "recompile"
"""What training is at. `between`: what Keras and callbacks do around epochs, checkpoints included.
`ending`: after the last epoch of a stage, until `fit` is over; TensorFlow takes its queue of batches down,
for seconds at times. `recompile`: from the beginning of a later stage until its first step is done."""

_COMPILE = "compile"
"""Before the first step is done: no part of what is timed here."""


@dataclass
class Pace:
    """How the steps of an epoch went; without the first step of a stage.

    Attributes:
        steps: How many.
        images: Images in them.
        steps_s: Seconds that they took, waiting for data included.
        data_wait_s: Seconds waited for data.
    """

    steps: int = 0
    images: int = 0
    steps_s: float = 0.0
    data_wait_s: float = 0.0


class TrainingTimer:
    """Is told what training is at, and adds up the seconds.

    One clock: every moment ends one part and begins another, so that the parts sum to the whole.

    Args:
        images: Number of training images.
        batch_size: Images a step; the last one of an epoch has what is left.
        clock: Seconds, monotonic.
    """

    def __init__(self, images: int, batch_size: int, clock: Callable[[], float] = time.monotonic):
        self.images, self.batch_size, self.clock = images, batch_size, clock
        self.steps = -(-images // batch_size)
        self.seconds = dict.fromkeys((STEPS, VALIDATION, BETWEEN, ENDING, RECOMPILE), 0.0)
        self.data_wait_s = 0.0
        self.first_step_s: float | None = None
        self.steps_begun = 0
        self.pace = Pace()
        self.validation_s = 0.0
        self._at, self._since, self._began = _COMPILE, clock(), 0.0
        self._step, self._step_began = 0, 0.0
        self.stage_prepares()
        self.stage_begins(InputClock(clock), 1)

    def stage_prepares(self) -> None:
        """A stage begins with making and compiling its model."""
        self._log, self._piece, self._first_epoch = BlockLog(), None, True
        if self._at != _COMPILE:
            self._enter(RECOMPILE)

    def stage_begins(
        self, waits: InputClock, steps_a_piece: int, synchronise: Callable[[], None] | None = None
    ) -> None:
        """Epochs follow.

        Args:
            waits: Watches the batches.
            steps_a_piece: See `wbc.training.blocks.steps_a_piece`.
            synchronise: Waits for the device, where a piece ends within an epoch; None: no need.
        """
        self._waits, self._steps_a_piece, self._synchronise = waits, steps_a_piece, synchronise

    def epoch_begins(self) -> None:
        """Its batches and steps follow."""
        self._step, self.pace, self.validation_s = 0, Pace(), 0.0
        self._waits.epoch_began()
        if self._compiled:
            self._step_began = self._enter(STEPS)

    def step_begins(self) -> bool:
        """A step begins, and the one before it in this epoch is over.

        Returns:
            Whether that one was the first of its stage.
        """
        first = False
        now = self.clock()
        if self._step:
            first, now = self._step_over(now, last=False)
        elif not self._compiled:
            self._step_began = now
        self._waits.step_began(now)
        self._step += 1
        self.steps_begun += 1
        return first

    def steps_end(self) -> bool:
        """The last step of the epoch is over, and its metrics are on the host.

        Returns:
            Whether that one was the first of its stage.
        """
        if not self._step:
            return False
        first, now = self._step_over(self.clock(), last=True)
        self._step, self._first_epoch = 0, False
        self._enter(BETWEEN, now)
        return first

    def validation_begins(self) -> None:
        """The steps are over; validation follows."""
        self._enter(VALIDATION)

    def validation_ends(self) -> None:
        """Validation is over."""
        began = self._since
        self.validation_s = self._enter(BETWEEN) - began

    def stage_ends(self) -> None:
        """The last epoch of the stage is over."""
        if self._compiled:
            self._enter(ENDING)

    def ends(self) -> None:
        """Training is over."""
        if self._compiled:
            self._enter(BETWEEN)

    def blocks(self) -> list[Block]:
        """The blocks of the stage, as far as they are full; without the end of its first epoch."""
        return self._log.blocks()

    @property
    def _compiled(self) -> bool:
        return self._at not in (_COMPILE, RECOMPILE)

    def _enter(self, part: str, now: float | None = None) -> float:
        now = self.clock() if now is None else now
        if self._at != _COMPILE:
            self.seconds[self._at] += now - self._since
        self._at, self._since = part, now
        return now

    def _step_over(self, now: float, last: bool) -> tuple[bool, float]:
        """The step under way is over; whether it was its stage's first, and the time then."""
        if first := not self._compiled:
            if self._at == _COMPILE:
                self.first_step_s, self._began = now - self._step_began, now
            self._enter(STEPS, now)
            self._waits.epoch_ended() if last else self._waits.waited()
            self._step_began = now
            return first, now
        if self._piece is None:
            self._piece = Block(self._step_began - self._began, self.steps_begun - 1)
        ends = last or self._piece.steps + 1 >= self._steps_a_piece
        if ends and not last and self._synchronise is not None:
            self._synchronise()
            now = self.clock()
        waited = self._waits.epoch_ended() if last else self._waits.waited()
        left = self.images - (self._step - 1) * self.batch_size
        step = Block(0, 0, 1, min(self.batch_size, left), now - self._step_began, waited)
        self._piece.take(step)
        self.pace.steps += 1
        self.pace.images += step.images
        self.pace.steps_s += step.seconds
        self.pace.data_wait_s += waited
        self.data_wait_s += waited
        if ends:
            # Keras makes the validation's queue, once, after the last step of a stage's first epoch.
            if not (last and self._first_epoch):
                self._log.add(self._piece)
            self._piece = None
        self._step_began = now
        return first, now
