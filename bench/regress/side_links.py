"""What a worker sees of its place is the same on both sides, whichever has its turn.

The size of the environment and the length of a path alone can move times (Mytkowicz, Diwan, Hauswirth and
Sweeney, ASPLOS 2009). So both sides run through the same links: `turn/1/environment/bin/python` writes to
`turn/1/attempt`; of two runs that take turns one has `turn/2`. The copies of the code have names of one length.
"""

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from bench.devices.device import Slot
from bench.machine.notes import Notes
from bench.regress.sides import Side
from bench.runner.local import LocalEngine, LocalOtherUsers
from bench.runner.turns import TurnPipe
from bench.trials.sampling import TelemetrySettings

PADDING = "LEUKOBENCH_PADDING"
"""Variable that is as long as the path of a side's interpreter is shorter than the longest one."""


class SideLinks:
    """Links to the side that runs here; one process has them at a time.

    An interpreter outside of a virtual environment keeps its path, and a variable makes up for its length. Where the
    file system has no links, attempts keep their paths, too.

    Args:
        folder: Of the comparison.
        sides: All that run.
        number: 1, or 2 for a second run beside it.
    """

    def __init__(self, folder: Path, sides: Collection[Side], number: int = 1):
        self.folder = (folder / "turn" / str(number)).absolute()
        self._able = self._link("attempt", folder)
        self._longest = max(len(self.interpreter(side)) for side in sides)

    def interpreter(self, side: Side) -> str:
        """The path by which the interpreter of a side is started."""
        home = side.interpreter.parent.parent
        if not self._able or not (home / "pyvenv.cfg").is_file() or side.interpreter.parent.name != "bin":
            return str(side.interpreter)
        return str(self.folder / "environment" / "bin" / side.interpreter.name)

    def engine(
        self,
        side: Side,
        slot: Slot,
        other_users: LocalOtherUsers,
        telemetry: TelemetrySettings,
        notes: Notes | None = None,
        turn: TurnPipe | None = None,
    ) -> LocalEngine:
        """Point the links to a side: what starts its workers. They are sampled from the harness' own environment.

        Args:
            side: The side.
            slot: Where they run.
            other_users: Who else is there.
            telemetry: How they are sampled.
            notes: What their journals say about the machine.
            turn: Tells its worker when it is its turn, where another one takes turns with it.
        """
        self._link("environment", side.interpreter.parent.parent)
        python = self.interpreter(side)
        return LocalEngine(
            [slot],
            other_users,
            python=python,
            telemetry=telemetry,
            environment={**side.environment, PADDING: "-" * (self._longest - len(python))},
            notes=notes and side.noted(notes),
            seen_as=self.attempt,
            turn=turn,
        )

    def attempt(self, folder: Path) -> Path:
        """The folder of an attempt, as its worker sees it."""
        return self.folder / "attempt" if self._link("attempt", folder) else folder.resolve()

    def _link(self, name: str, target: Path) -> bool:
        """Point a link to a folder; whether that is possible."""
        link, partial = self.folder / name, self.folder / f"{name}.partial"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                partial.unlink()
            partial.symlink_to(os.path.abspath(target))  # noqa: PTH100  links on the way stay as they are
            partial.replace(link)
        except OSError:
            return False
        return True
