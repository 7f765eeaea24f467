"""How long training waits for its batches, measured without a profiler or a training loop. Free of Keras.

The batches come from our generator, which knows when each was ready. A callback knows when each step began.
There are two cases, which differ in the thread that runs the generator:

- A thread of its own prepares batches in advance (TensorFlow). Step k waits from its start until batch k is
  there. It is there when the generator is asked for the next batch: by then, batch k has been converted and
  is in the queue, which is empty in that case.
- The training loop itself takes them from the generator (JAX, PyTorch). Then all work of the generator is
  waiting time.

If steps are dispatched ahead of the device, the host may wait while the device still works. The result is
then an upper bound of the device's waiting time.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class _Stream:
    """The moments at which one generator finished its batches, and at which they were taken."""

    def __init__(self) -> None:
        self.made: deque[tuple[float, bool]] = deque()
        """When a batch was finished, and whether the training loop itself made it."""
        self.taken: deque[float] = deque()
        self.owed = 0
        """Number of batches that were matched before it was known when they were taken."""


class InputClock:
    """Adds up the seconds that steps wait for their batches.

    The thread of the generator and that of the training loop each append to their own queues. The thread of
    the loop matches the entries.

    Args:
        clock: Returns seconds, monotonic.
        thread: Returns the number of the calling thread.
        stride: Batches of a call of the backend. Only the wait for its first one is known.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        thread: Callable[[], int] = threading.get_ident,
        stride: int = 1,
    ) -> None:
        self.clock, self.thread, self.stride = clock, thread, stride
        self._stream = _Stream()
        self._begun: deque[float] = deque()
        self._loop: int | None = None
        self._inline = 0.0

    def watch(self, batches: Iterator[Item]) -> Iterator[Item]:
        """The same batches, observed. Only the generator that was started last counts.

        A generator counts from its first batch on, because a consumer may take some batches to inspect them
        and then start a new generator.
        """
        stream = _Stream()
        asked = self.clock()
        for number, batch in enumerate(batches):
            made = self.clock()
            self._stream = stream
            if number % self.stride:
                yield batch
                asked = self.clock()
                continue
            inline = self.thread() == self._loop
            if inline:
                self._inline += made - asked
            stream.made.append((made, inline))
            yield batch
            asked = self.clock()
            stream.taken.append(asked)

    def epoch_began(self) -> None:
        """Steps follow. They wait for all work of the generator in this thread from now on."""
        self._loop = self.thread()

    def epoch_ended(self) -> float:
        """No more steps for now. As `waited`, but for all steps."""
        self._loop = None
        return self._match(final=True)

    def step_began(self, now: float) -> None:
        """A step begins, and takes the next batch."""
        self._begun.append(now)

    def waited(self) -> float:
        """Seconds of waiting that became known since the last call. They are known when a step is over, or a
        little later."""
        return self._match(final=False)

    def _match(self, final: bool) -> float:
        waited, self._inline = self._inline, 0.0
        stream = self._stream
        while self._begun and stream.made:
            while stream.owed and stream.taken:
                stream.taken.popleft()
                stream.owed -= 1
            if not (known := bool(stream.taken)) and not final:
                break
            began, (made, inline) = self._begun.popleft(), stream.made.popleft()
            there = stream.taken.popleft() if known else made
            stream.owed += not known
            # A batch that was ready before its step began causes no wait.
            if made > began and not inline:
                waited += there - began
        return waited


class NothingWaits(InputClock):
    """Of steps over arrays that lie on the device: no step waits for its batch."""

    def step_began(self, now: float) -> None:
        """A step begins."""
