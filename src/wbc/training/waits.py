"""How long training waits for its batches; no profiler is needed, nor a loop of our own. Free of Keras.

Batches come from a generator of ours, which knows when each was ready; a callback knows when each step began.
Two cases, told apart by the thread that runs the generator:

- A thread of its own makes batches in advance (TensorFlow). Step k waits from its beginning until batch k is
  there, if it isn't yet. It is there when the generator is asked for the next batch: then batch k has been
  converted and stands in the queue, which is empty in that case.
- The training loop itself pulls them (JAX, PyTorch). Everything that the generator does is waited for.

Where steps are dispatched before the device is done with those before, the host waits while the device still
works: then this is an upper bound of what the device waits.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator


class _Stream:
    """What one generator did: the moments at which its batches were made, and taken from it."""

    def __init__(self):
        self.made: deque[tuple[float, bool]] = deque()  # and whether the loop itself made it
        self.taken: deque[float] = deque()
        self.owed = 0  # moments that were not known yet when their batches were matched


class InputClock:
    """Adds up the seconds that steps waited for their batches.

    The thread of the generator and that of the training loop each append to queues of their own; what belongs
    together is matched in the loop's thread.

    Args:
        clock: Seconds, monotonic.
        thread: The number of the thread that calls.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        thread: Callable[[], int] = threading.get_ident,
    ):
        self.clock, self.thread = clock, thread
        self._stream = _Stream()
        self._begun: deque[float] = deque()
        self._loop: int | None = None
        self._inline = 0.0

    def watch(self, batches: Iterator) -> Iterator:
        """The same batches, watched. The generator that was started last is the one that counts.

        From the first batch on: whoever takes some to look at them and starts anew starts another one.
        """
        stream = _Stream()
        asked = self.clock()
        for batch in batches:
            made = self.clock()
            self._stream = stream
            inline = self.thread() == self._loop
            if inline:
                self._inline += made - asked
            stream.made.append((made, inline))
            yield batch
            asked = self.clock()
            stream.taken.append(asked)

    def epoch_began(self) -> None:
        """Steps follow; what the generator does in this thread from now on, they wait for."""
        self._loop = self.thread()

    def epoch_ended(self) -> float:
        """No steps follow for now: see `waited`; nothing of it is left to be known later."""
        self._loop = None
        return self._match(final=True)

    def step_began(self, now: float) -> None:
        """A step begins; it takes the next batch."""
        self._begun.append(now)

    def waited(self) -> float:
        """Seconds waited that became known since the last call: when a step is over, or a little later."""
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
            # A batch that was made before its step began is no wait, whenever the next one was asked for.
            if made > began and not inline:
                waited += there - began
        return waited
