"""Steps of training in blocks, of which there are never many, however long training is. Free of Keras.

A block's times are true where it ends at a synchronisation point: where the host knows that the device is
done. With TensorFlow on processors every step ends at one. Elsewhere the host dispatches steps ahead, and the
points are the ends of epochs, where the metrics come to the host, and where there are few epochs some points
in between, at which the device is waited for.
"""

from dataclasses import astuple, dataclass

MOST = 256
"""Blocks at most; then neighbours are merged."""

STEPS_ALONE = 16
"""Epochs of fewer steps are pieces as a whole: their last batch, which is smaller, would be seen."""

POINTS = 40
"""Where the device runs behind the host, epochs are divided until there are about so many pieces."""


@dataclass
class Block:
    """Steps that follow one another; validation and checkpoints between them are left out.

    Attributes:
        start_s: When it began, in seconds after training began.
        first_step: Steps done before it, counted as `start_s` is.
        steps: Steps in it.
        images: Images in them.
        seconds: Seconds that they took, waiting for data included.
        wait_s: Seconds waited for data.
    """

    start_s: float
    first_step: int
    steps: int = 0
    images: int = 0
    seconds: float = 0.0
    wait_s: float = 0.0

    def take(self, other: "Block") -> None:
        """Add the block that follows."""
        self.steps += other.steps
        self.images += other.images
        self.seconds += other.seconds
        self.wait_s += other.wait_s

    def to_json(self) -> list[float]:
        """In the order of the attributes, times to a microsecond."""
        return [round(value, 6) for value in astuple(self)]


class BlockLog:
    """Collects pieces into at most `MOST` blocks of equally many pieces each."""

    def __init__(self):
        self._blocks: list[Block] = []
        self._open: Block | None = None
        self._pieces = 0
        self._pieces_a_block = 1

    def add(self, piece: Block) -> None:
        """Add the piece that follows."""
        if self._open is None:
            self._open, self._pieces = piece, 0
        else:
            self._open.take(piece)
        self._pieces += 1
        if self._pieces < self._pieces_a_block:
            return
        self._blocks.append(self._open)
        self._open = None
        if len(self._blocks) == MOST:
            self._pieces_a_block *= 2
            for first, second in zip(self._blocks[::2], self._blocks[1::2], strict=True):
                first.take(second)
            self._blocks = self._blocks[::2]

    def blocks(self) -> list[Block]:
        """The blocks that are full."""
        return list(self._blocks)


def steps_a_piece(steps: int, epochs: int, synchronous: bool, divisible: bool = True) -> int:
    """How many steps to take together at least.

    Args:
        steps: Of an epoch.
        epochs: How many epochs are to come.
        synchronous: Whether the host knows after every step that it is done.
        divisible: Whether the device can be waited for within an epoch.
    """
    if synchronous:
        return 1 if steps >= STEPS_ALONE else steps
    pieces = max(1, POINTS // epochs) if divisible else 1
    return max(-(-steps // pieces), min(STEPS_ALONE, steps))
