"""An engine that runs each attempt in an actor on a node of a Ray cluster."""

import contextlib
import json
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from bench.devices.device import Slot
from bench.journal.results import Attempt
from bench.runner.cluster.inputs import STORE_TRIES, Depot
from bench.runner.cluster.node import Kill, Note, Order, Report, Stop, TrialHost, wait_until_quiet
from bench.runner.cluster.transfer import Inbox
from bench.runner.engine import QUEUED
from bench.trials.origin import Neighbors
from bench.trials.sampling import TelemetrySettings
from bench.worker.jsonl import EventWriter, Facts, RawEvent


@dataclass(frozen=True)
class Place:
    """A slot as Ray sees it."""

    node: str
    """Name for people."""
    node_id: str
    """Ray's."""
    cpus: float
    gpus: int
    """What an attempt there takes of the node's resources."""


class RayEngine:
    """A `bench.runner.engine.Engine`; the driver is connected.

    Args:
        slots: Where trials run.
        places: Name of each slot -> its place.
        telemetry: How trials are sampled.
        suite: Name of the suite.
        quiet_s: The longest wait for a quiet node, seconds.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        places: Mapping[str, Place],
        telemetry: TelemetrySettings,
        suite: str,
        quiet_s: float,
    ) -> None:
        self.slots, self.places = slots, places
        self.telemetry, self.suite, self.quiet_s = telemetry, suite, quiet_s
        self.lost: set[str] = set()
        """Nodes, by Ray's ids."""
        self.seen: dict[str, Neighbors | None] = {}
        """Slot -> other users of its devices."""
        self._depot: Any = None

    @property
    def other_users(self) -> "RayEngine":
        """See `bench.runner.engine.Engine`."""
        return self

    def start(self, attempt: Attempt, slot: Slot) -> "RayWorker":
        """See `bench.runner.engine.Engine`."""
        order = Order(
            attempt.trial_id,
            attempt.number,
            (attempt.folder / "trial.json").read_bytes(),
            slot,
            self.telemetry,
            self.suite,
            self._serving(),
        )
        place = self.places[slot.name]
        # Retries are the scheduler's: it counts attempts.
        needed = {"num_cpus": place.cpus, "num_gpus": place.gpus}
        host = on_node(TrialHost, place.node_id, **needed, max_concurrency=2, max_restarts=0).remote(order)
        self.seen[slot.name] = None
        return RayWorker(self, attempt, slot, host)

    def _serving(self) -> Any:
        """The actor on this machine from which nodes get what they lack."""
        if self._depot is None:
            import ray

            here = ray.get_runtime_context().get_node_id()
            options = {"num_cpus": 0, "max_concurrency": 4, "max_restarts": -1, "max_task_retries": -1}
            self._depot = on_node(Depot, here, **options).remote()
        return self._depot

    def neighbors(self, slot: Slot) -> Neighbors | None:
        """See `bench.runner.engine.OtherUsers`. A node that is lost is a lost device."""
        place = self.places[slot.name]
        if place.node_id in self.lost:
            return Neighbors(unreadable={place.node: "the node is lost"}, lost=(place.node,))
        return self.seen.get(slot.name)

    def wait_until_quiet(self, slot: Slot, sleep: Callable[[float], None]) -> Facts:
        """See `bench.runner.engine.OtherUsers`."""
        wait = on_node(wait_until_quiet, self.places[slot.name].node_id, num_cpus=0)
        waiting: Future[tuple[list[str], float]] = wait.remote(slot, self.quiet_s).future()
        while not waiting.done():
            sleep(0.5)
        noise, waited_s = waiting.result()
        return {"noise": noise, "waited_s": waited_s}


class RayWorker:
    """The host of an attempt, as the scheduler sees it; a `bench.runner.engine.Worker`."""

    def __init__(self, engine: RayEngine, attempt: Attempt, slot: Slot, host: Any) -> None:
        self.engine, self.attempt, self.slot = engine, attempt, slot
        self._place = engine.places[slot.name]
        self._host = host
        self._inbox = Inbox(attempt.folder, attempt.folder.parent / "checkpoint")
        self._answers: deque[Future[Report]] = deque()
        self._alive: Future[None] | None = None
        """Whether the node is, asked after the host has died."""
        self._ear, self._bell = os.pipe()
        os.set_blocking(self._ear, False)
        self._seen = self._store_full = 0
        self._line = b""
        self._events: list[RawEvent] = []
        self._stopped: dict[str, str] = {}
        self._death: dict[str, str] = {}
        self._ended = self._over = False
        attempt.log.touch()  # it is there on one machine, too, where nobody writes to it
        self._queued = True
        self._here: Future[None] = host.here.remote().future()
        self._here.add_done_callback(self._ring)
        self._ask()

    def filenos(self) -> list[int]:
        """See `bench.runner.engine.Worker`."""
        return [self._ear]

    def events(self) -> list[RawEvent]:
        """See `bench.runner.engine.Worker`."""
        events, self._events = self._events, []
        if self._queued:  # another run may have the node
            self._queued = not self._here.done()
            events.append({"event": QUEUED})
        return events

    def reap(self) -> bool:
        """See `bench.runner.engine.Worker`."""
        if self._over:
            return True
        with contextlib.suppress(BlockingIOError):
            os.read(self._ear, 512)
        while self._answers and not self._over:
            self._take(self._answers.popleft())
        if self._alive is not None and self._alive.done():
            self._bury(self._alive)
        return self._over

    def note(self, event: str, **content: Any) -> None:
        """See `bench.runner.engine.Worker`."""
        self._host.tell.remote(Note(event, json.dumps(content).encode()))

    def stop(self, why: str, message: str) -> None:
        """See `bench.runner.engine.Worker`. What a worker left behind may come as long as it takes."""
        if self._ended and why != "interrupted":
            return
        self._stopped = self._stopped or {"why": why, "message": message}
        self._host.tell.remote(Stop(why, message))

    def kill(self) -> None:
        """See `bench.runner.engine.Worker`."""
        if self._ended and not self._stopped:
            return
        if self._seen and not self._ended:
            self._host.tell.remote(Kill())
        else:  # it waits for its node, or is done, and hears nothing
            import ray

            ray.kill(self._host)

    def _ask(self) -> None:
        self._host.pull.remote(self._seen).future().add_done_callback(self._answered)

    def _answered(self, answer: "Future[Report]") -> None:
        """Called by a thread of Ray's."""
        self._answers.append(answer)
        self._ring()

    def _ring(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # closed: nobody waits any more
            os.write(self._bell, b"!")

    def _take(self, answer: "Future[Report]") -> None:
        if (error := answer.exception()) is not None:
            self._fail(error)
            return
        report = answer.result()
        self._seen, self._ended, self._store_full = report.number, report.ended, 0
        for piece in report.pieces:
            self._inbox.put(piece)
            if piece.name == "events.jsonl":
                self._read(piece.content)
        self.engine.seen[self.slot.name] = report.neighbors
        if report.over:
            self._end()
            self._host.close.remote()
        else:
            self._ask()

    def _fail(self, error: BaseException) -> None:
        """A report did not come. Ask again where only Ray's store is full, else find out what is gone."""
        import ray
        from ray import exceptions

        kind = "crashed"
        if isinstance(error, exceptions.ObjectStoreFullError | exceptions.OutOfDiskError):
            self._store_full += 1
            if self._store_full < STORE_TRIES:
                self._ask()
                return
            message = f"Ray's object store on {self._place.node} is full"
        else:
            # The last line of what Ray says: the others are its own stack.
            message = f"on {self._place.node}: {(str(error).splitlines() or [repr(error)])[-1].strip()[:300]}"
            if isinstance(error, exceptions.OutOfMemoryError) or "OUT_OF_MEMORY" in str(error):
                kind = "host-oom"
        self._death = {"why": kind, "message": message}
        ray.kill(self._host)
        self._alive = on_node(_alive, self._place.node_id, num_cpus=0, max_retries=0).remote().future()
        self._alive.add_done_callback(self._ring)

    def _read(self, content: bytes) -> None:
        *lines, self._line = (self._line + content).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):
                self._events.append(json.loads(line))

    def _bury(self, alive: "Future[None]") -> None:
        """Write the end of an attempt that its host cannot write any more."""
        if alive.exception() is not None:  # the scheduler takes it from there, see `neighbors`
            self.engine.lost.add(self._place.node_id)
        self._end()
        journal = EventWriter(self.attempt.runner_events)
        journal.write("ended", exit_code=-9, cpu_s=0.0, stopped=self._stopped or self._death)
        journal.close()

    def _end(self) -> None:
        self._over = True
        self._inbox.close()
        os.close(self._bell)
        os.close(self._ear)


def on_node(what: Any, node: str, **options: Any) -> Any:
    """A function or class as Ray runs it, on the node with this id and no other."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    where = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(what).options(scheduling_strategy=where, **options)


def _alive() -> None:
    """Runs on a node that is there."""
