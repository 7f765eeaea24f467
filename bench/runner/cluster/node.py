"""What runs on a node: the host of one attempt, which starts its worker as on one machine and sends what it writes.

Ray runs a host as an actor with two threads: one of them waits in `pull`, the other one takes commands.
"""

import json
import os
import queue
import select
import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.devices.device import Slot
from bench.devices.lease import lease
from bench.devices.machine import Choice, Machine, find_machine
from bench.journal.results import Attempt
from bench.machine.notes import notes_of
from bench.runner.cluster.inputs import Inputs, asked, fetch
from bench.runner.cluster.transfer import Outbox, Piece
from bench.runner.local import LocalEngine, LocalWorker, local_other_users
from bench.runner.scheduler import NEIGHBORS_S
from bench.trials.origin import Neighbors
from bench.trials.runtime import find_runtime
from bench.trials.sampling import TelemetrySettings
from bench.trials.settings import Runtime
from bench.version import __version__
from bench.worker.files import write_json
from bench.worker.jsonl import Facts
from wbc.errors import InputError
from wbc.files import file_sha256
from wbc.networks.users import Reference

FOLDER = "LEUKOBENCH_NODE_FOLDER"
"""Environment variable of a node: where attempts run, and where what was sent is kept."""

PULSE_S, BATCH_S = 5.0, 0.2
"""Longest and shortest time between two answers of a host."""

AGAIN_S = 1.0
"""How long a host waits before it repeats an answer: Ray's object store is full."""


class NodeFacts(Struct, frozen=True):
    """What a node has, and what would run there."""

    machine: Machine
    runtime: Runtime
    """Without a device."""
    leukobench: str
    time_s: float = 0.0
    """Its clock, seconds since 1970."""


class Order(Struct, frozen=True):
    """An attempt that is to be run."""

    trial_id: str
    number: int
    trial: bytes
    """Content of `trial.json`."""
    slot: Slot
    """Where: its GPUs are those that Ray gives."""
    telemetry: TelemetrySettings
    suite: str
    depot: Any = None
    """Where the node gets what it lacks: an actor of `bench.runner.cluster.inputs.Depot`."""


class Note(Struct, frozen=True):
    """Write an event of the harness into the attempt's journal."""

    event: str
    content: bytes
    """JSON."""


class Stop(Struct, frozen=True):
    """Ask the worker to stop."""

    why: str
    message: str


class Kill(Struct, frozen=True):
    """End the worker at once."""


class Report(Struct, frozen=True):
    """What a host has to say since its last report."""

    number: int
    """Counted from 1."""
    pieces: list[Piece]
    neighbors: Neighbors | None
    ended: bool
    """The worker is gone; what it left behind may still be on its way."""
    over: bool
    """It is gone, and all is sent."""


def describe_node() -> NodeFacts:
    """Look at the node that this runs on."""
    return NodeFacts(find_machine(), find_runtime(""), __version__, time.time())


def wait_until_quiet(slot: Slot, quiet_s: float) -> tuple[list[str], float]:
    """Wait on the slot's node, see `bench.runner.engine.OtherUsers`: what is still not quiet, and for how long."""
    with local_other_users([slot], quiet_s, lambda sentence: None) as users:
        found = users.wait_until_quiet(slot, time.sleep)
    return found["noise"], found["waited_s"]


class TrialHost:
    """Runs one attempt on its node.

    Args:
        order: The attempt.
    """

    def __init__(self, order: Order) -> None:
        self.order = order
        mine = node_folder() / "attempts" / f"{_this_system()}-{os.getpid()}"
        _remove_abandoned(mine.parent)
        shutil.rmtree(mine, ignore_errors=True)
        self.trial_folder = mine / order.trial_id
        self.attempt = Attempt.at(self.trial_folder, order.number)
        self.attempt.folder.mkdir(parents=True)
        self._checkpoint = self.trial_folder / "checkpoint"
        self._commands: queue.SimpleQueue[Note | Stop | Kill] = queue.SimpleQueue()
        self._ear, self._bell = os.pipe()
        os.set_blocking(self._ear, False)
        self._held = ExitStack()
        self._worker: LocalWorker | None = None
        self._report = Report(0, [], None, ended=False, over=False)
        self._over = self._failed = self._closed = False
        self._followed = False
        """Another trial goes on from its last checkpoint."""
        self._asked = self._looked = 0.0

    def here(self) -> None:
        """Answers as soon as the node has room for this attempt."""

    def tell(self, command: Note | Stop | Kill) -> None:
        """Take a command; `pull` carries it out."""
        self._commands.put(command)
        os.write(self._bell, b"!")

    def pull(self, seen: int) -> Report:
        """Wait until there is something to report. The first call starts the worker.

        Args:
            seen: Number of the last report that arrived. A report that did not arrive is given again.
        """
        if seen < self._report.number:
            time.sleep(AGAIN_S)
            return self._report
        if self._worker is None:
            self._start()
        elif self._outbox.empty:
            self._wait()
        worker = self._worker
        assert worker is not None
        while not self._commands.empty():
            self._obey(worker, self._commands.get())
        ended = self._over
        self._over = ended or worker.reap()
        for event in worker.events():
            self._failed |= event["event"] == "failed"
            self._closed |= event["event"] == "closed"
        # That it is gone is told before what it left behind, which may take long.
        resumable = self._failed or not self._closed or self._followed
        pieces = self._outbox.take(ended, resumable)
        over = ended and self._outbox.empty
        self._outbox.empty &= self._over == ended
        self._report = Report(seen + 1, pieces, self._neighbors(), self._over, over)
        return self._report

    def close(self) -> None:
        """Forget the attempt: everything has arrived."""
        self._held.close()
        shutil.rmtree(self.trial_folder.parent, ignore_errors=True)

    def _start(self) -> None:
        slot, suite = self.order.slot, self.order.suite
        machine = find_machine()
        if slot.kind == "gpu":
            slot = replace(slot, devices=machine.gpus)
        content = json.loads(self.order.trial)
        check_modules(content["settings"].get("sources") or {})
        received = self._receive(content) if self.order.depot is not None else {}
        _forget_ray()
        self._held.enter_context(lease(Choice((slot,), named=True), Path("a cluster"), suite))
        self._users = self._held.enter_context(local_other_users([slot], 0.0, lambda sentence: None))
        if checkpoint := content["specification"].get("checkpoint"):
            if depot := self.order.depot:
                files = asked(depot.files)(checkpoint["folder"])
                fetch(files, self._checkpoint, asked(depot.read))
            checkpoint["folder"] = str(self._checkpoint)
            self._followed = bool(checkpoint.get("at_end"))
        write_json(self.attempt.folder / "trial.json", content)
        self._outbox = Outbox(self.attempt.folder, self._checkpoint)
        notes = notes_of(node_folder(), machine)
        engine = LocalEngine([slot], self._users, telemetry=self.order.telemetry, notes=notes)
        self._slot, self._worker = slot, engine.start(self.attempt, slot)
        if received:
            self._worker.note("received", **received)

    def _receive(self, trial: Facts) -> Facts:
        """Get what the trial reads and this node lacks; how much it was, for the journal."""
        began, depot = time.monotonic(), self.order.depot
        inputs = Inputs(node_folder(), asked(depot.needs), asked(depot.read))
        trial["specification"] = inputs.place(trial["specification"])
        return {"bytes": inputs.received, "seconds": time.monotonic() - began}

    def _wait(self) -> None:
        """Until the worker, or a command, asks for attention; not too often."""
        assert self._worker is not None
        waited = [self._ear, *([] if self._over else self._worker.filenos())]
        select.select(waited, [], [], PULSE_S)
        time.sleep(max(0.0, self._asked + BATCH_S - time.monotonic()))
        self._asked = time.monotonic()
        while True:
            try:
                os.read(self._ear, 512)
            except BlockingIOError:
                return

    def _obey(self, worker: LocalWorker, command: Note | Stop | Kill) -> None:
        if self._over:
            return
        if isinstance(command, Note):
            worker.note(command.event, **json.loads(command.content))
        elif isinstance(command, Stop):
            worker.stop(command.why, command.message)
        else:
            worker.kill()

    def _neighbors(self) -> Neighbors | None:
        now = time.monotonic()
        if now < self._looked + NEIGHBORS_S and not self._over:
            return self._report.neighbors
        self._looked = now
        return self._users.neighbors(self._slot)


def node_folder() -> Path:
    """Where attempts run on this node, and where what was sent is kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(FOLDER) or Path(cache) / "leukobench" / "node").resolve()


def check_modules(sources: Mapping[str, str]) -> None:
    """See that this node has the modules of the user's networks as the driver has them.

    Args:
        sources: Module -> SHA-256 of its file.

    Raises:
        InputError: A module is missing, or another one.
    """
    for module, digest in sources.items():
        if file_sha256(file := Reference(module, "").source()) != digest:
            raise InputError(f"the module {module} on the node, {file}, is not that of the driver's machine")


def _this_system() -> str:
    """Whose process ids are meant: several nodes may share the folder, such as that of a user's home."""
    return f"{socket.gethostname()}-{Path('/proc/self/ns/pid').stat().st_ino}"


def _remove_abandoned(attempts: Path) -> None:
    """Remove what hosts that were killed here left behind: their processes are not there any more."""
    for folder in attempts.glob("*"):
        system, _, pid = folder.name.rpartition("-")
        if system == _this_system() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _forget_ray() -> None:
    """Give this process the variables that the node was started with.

    Ray adds to those of its workers, such as OMP_NUM_THREADS, which would change how trials compute. It also
    preloads its own allocator into what it starts.
    """
    raylet = Path(f"/proc/{os.getppid()}/environ").read_bytes().decode(errors="surrogateescape")
    os.environ.clear()
    for name, _, value in (pair.partition("=") for pair in raylet.split("\0") if "=" in pair):
        os.environ[name] = value
    mine = [one for one in os.environ.pop("LD_PRELOAD", "").split(":") if one and "/ray/core/" not in one]
    if mine:
        os.environ["LD_PRELOAD"] = ":".join(mine)
