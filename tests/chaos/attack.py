"""Kills a running suite at seeded random moments, and keeps count."""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.journal.history import open_phase
from bench.journal.results import Attempt, SuiteResults

PATIENCE_S = 180
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@dataclass
class Attack:
    """Starts a command again and again, and kills it or its workers.

    Args:
        command: Runs the suite.
        environment: Of the command.
        folder: Where it is started.
        results: Where it records.
        seed: Of the moments, targets and signals.
    """

    command: list[str]
    environment: dict[str, str]
    folder: Path
    results: SuiteResults
    seed: int
    kills: Counter = field(default_factory=Counter)
    starts: int = 0

    def __post_init__(self):
        self.random = random.Random(self.seed)
        # A job in the background of a shell ignores SIGINT, and so would what it starts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.parent: subprocess.Popen | None = None

    def strike(self, kills: int, in_train: int) -> None:
        """Kill until enough kills are counted, so many of them inside `train`.

        Ends early, with an error, when the suite is done before that: then it is too small for the test.
        """
        while sum(self.kills.values()) < kills or self.in_train < in_train:
            self._ensure_running()
            want_train = self.in_train < in_train and self.random.random() < 0.7
            if not self._wait(want_train):
                continue  # it ended by itself: some trial was killed too often for one run
            self._kill()
        self._end_parent(signal.SIGTERM)

    @property
    def in_train(self) -> int:
        """Kills that hit a trial inside `train`."""
        return sum(count for (_, _, phase), count in self.kills.items() if phase == "train")

    def finish(self, most: int = 10) -> int:
        """Run the same command until it ends with 0; how often that took."""
        for number in range(1, most + 1):
            self._ensure_running()
            if self.parent.wait(timeout=1200) == 0:
                return number
            self.parent = None
        raise AssertionError(f"not done after {most} runs")

    def _ensure_running(self) -> None:
        if self.parent is None or self.parent.poll() is not None:
            if self.parent is not None:
                assert self.parent.returncode != 0, (
                    "all trials are done; the suite is too small for so many kills"
                )
            self.starts += 1
            self.parent = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def _wait(self, want_train: bool) -> bool:
        """Wait for a moment to strike; False when the command ended first."""
        deadline = time.monotonic() + PATIENCE_S
        # Otherwise anywhere: while the harness starts, while a worker imports, while it records.
        until = time.monotonic() + self.random.uniform(0.2, 12.0)
        while self.parent.poll() is None:
            assert time.monotonic() < deadline, "nothing happens"
            if want_train and any(phase == "train" for _, phase in self._live()):
                time.sleep(self.random.uniform(0.0, 1.0))
                return self.parent.poll() is None
            if not want_train and time.monotonic() >= until:
                return True
            time.sleep(0.02)
        return False

    def _kill(self) -> None:
        number = self.random.choice(SIGNALS)
        live = self._live()
        if live and self.random.random() < 0.6:
            pid, _ = self.random.choice(live)
            phase = next((phase for other, phase in self._live() if other == pid), None)
            if phase is None:
                return
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            self.kills["worker", number.name, phase] += 1
            _wait_until_gone(pid)
        else:
            phases = [phase for _, phase in self._live()]
            phase = "train" if "train" in phases else next(iter(phases), "no worker")
            if self.parent.poll() is not None:
                return
            self._end_parent(number)
            self.kills["parent", number.name, phase] += 1

    def _end_parent(self, number: signal.Signals) -> None:
        workers = [pid for pid, _ in self._live()]
        self.parent.send_signal(number)
        self.parent.wait(timeout=PATIENCE_S)
        for pid in workers:
            _wait_until_gone(pid)

    def _live(self) -> list[tuple[int, str]]:
        """Process and open phase of every worker that runs."""
        live = []
        for attempt in self.results.all_attempts():
            if attempt.result.exists():
                continue
            pid = _pid(attempt)
            if pid is not None and psutil.pid_exists(pid):
                live.append((pid, open_phase(attempt.worker_events()) or "between phases"))
        return live


def _pid(attempt: Attempt) -> int | None:
    try:
        return json.loads(attempt.runner_events.read_text().splitlines()[0])["pid"]
    except (OSError, IndexError, ValueError):
        return None


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.02)
