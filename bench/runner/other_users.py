"""What else goes on on this machine while trials run."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec

from bench.devices.device import Slot
from bench.devices.nvml import Nvml, NvmlError, open_nvml
from bench.devices.other_users import neighbors, wait_until_quiet
from bench.trials.origin import Neighbors


class LocalSurroundings:
    """A `bench.runner.scheduler.Surroundings` of this machine.

    Args:
        nvml: An open session with the driver; None where no slot has a GPU, or the driver does not answer.
        quiet_s: How long to wait at most for a quiet machine, in seconds.
        say: Is told what is waited for.
    """

    def __init__(self, nvml: Nvml | None, quiet_s: float, say: Callable[[str], None]):
        self.nvml, self.quiet_s, self.say = nvml, quiet_s, say
        self._seen: dict[str, Neighbors] = {}

    def neighbours(self, slot: Slot) -> dict[str, Any] | None:
        """Who else is on the slot's GPUs; None on a processor, and where nobody is.

        The same answer as before as long as the same processes are there: their memory alone is no news.
        """
        if self.nvml is None or slot.kind != "gpu":
            return None
        now = neighbors(slot, self.nvml)
        before = self._seen.get(slot.name)
        if before is None or _who(before) != _who(now):
            self._seen[slot.name] = before = now
        return None if before.alone and not before.foreign else msgspec.to_builtins(before)

    def wait_until_quiet(self, slot: Slot, sleep: Callable[[float], None]) -> dict[str, Any]:
        """Wait for a quiet machine, but not for ever; an empty `noise` says that it is quiet."""
        began = time.monotonic()
        noise = wait_until_quiet([slot], self.nvml, self.quiet_s, time.monotonic, sleep, self.say)
        return {"noise": noise, "waited_s": time.monotonic() - began}


@contextmanager
def local_surroundings(
    slots: Sequence[Slot], quiet_s: float, say: Callable[[str], None]
) -> Iterator[LocalSurroundings]:
    """The surroundings of some slots, with the driver's library open as long as it is needed."""
    if all(slot.kind != "gpu" for slot in slots):
        yield LocalSurroundings(None, quiet_s, say)
        return
    with ExitStack() as stack:
        try:
            nvml = stack.enter_context(open_nvml())
        except NvmlError as error:
            say(f"Other users of the GPUs cannot be seen: {error.reason}.")
            nvml = None
        yield LocalSurroundings(nvml, quiet_s, say)


def _who(seen: Neighbors) -> tuple:
    processes = frozenset((process.gpu, process.pid, process.kind) for process in seen.foreign)
    return processes, tuple(seen.unknown.items()), tuple(seen.unreadable), seen.lost
