"""How far work on images is, for people who wait."""

import time
from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, total)."""


def no_progress(what: str, done: int, total: int) -> None:
    """Report nothing."""


def spoken(
    say: Callable[[str], None], every_s: float = 10.0, clock: Callable[[], float] = time.monotonic
) -> Progress:
    """Progress in lines, now and then, where no terminal can show a bar."""
    said = clock()
    began: dict[str, tuple[float, int]] = {}

    def show(what: str, done: int, total: int) -> None:
        nonlocal said
        now = clock()
        start, first = began.setdefault(what, (now, done))
        if now - said < every_s or done >= total:
            return
        said = now
        left = f", about {(now - start) / (done - first) * (total - done):.0f} s left" if done > first else ""
        say(f"{what}: {done:,} of {total:,}{left}")

    return show
