"""`python -m bench` in processes of its own or in this one, and small suites for it."""

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from equipment.suites import FEW_CELLS, SOME_CELLS

REPOSITORY = Path(__file__).resolve().parents[2]
PLANTED = REPOSITORY / "tests" / "equipment" / "planted"

NAME = '\n[suite]\nname = "tiny"\n'

TINY = (
    NAME
    + SOME_CELLS
    + """
[training]
weights = "random"
deterministic = true
optimizer = {{ name = "Adam", learning_rate = 1e-3, learning_rate_decay = 0 }}
epochs = {epochs}

[[matrix]]
mode = {modes}
backbone = "LeNet5"
"""
)

UNWATCHED = """
[telemetry]
enabled = false
reference_work = false
latency = false
"""
"""For suites of which nobody looks at telemetry or reference work: both take longer than the trials here."""

FEW = NAME + FEW_CELLS
KNN = FEW + '\n[[matrix]]\nmode = "classical"\nbackbone = "KNN"\n' + UNWATCHED
"""The cheapest trial, which loads no TensorFlow. To find the cell of an image takes 40 ms of a processor."""


def tiny_suite(
    folder: Path, epochs="2", modes='["transfer", "scratch"]', more: str = "", watched: bool = False
) -> Path:
    """Write the suite; `epochs` and `modes` are TOML, `more` further tables; `watched` with telemetry."""
    path = folder / "tiny.toml"
    path.write_text(TINY.format(epochs=epochs, modes=modes) + more + ("" if watched else UNWATCHED))
    return path


@dataclass(frozen=True)
class Bench:
    """`python -m bench` with its own results folder."""

    folder: Path
    recorded: bool = False
    """Whether its runs are written to MLflow, whose import takes longer than most tests."""

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def command(self, *arguments) -> list[str]:
        return [sys.executable, "-m", "bench", *map(str, arguments), "--results", str(self.results)]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
        # A closed port on loopback stands for the internet: no test may reach out.
        nowhere = "http://127.0.0.1:9"
        found = {**kept, "HTTPS_PROXY": nowhere, "https_proxy": nowhere, "HTTP_PROXY": nowhere, **more}
        if not self.recorded:
            found["PLANTED_UNRECORDED"] = "1"
            found["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PLANTED), found.get("PYTHONPATH")]))
        return found

    def __call__(self, *arguments, **environment: str) -> subprocess.CompletedProcess:
        return self.start(self.command(*arguments), self.environment(**environment))

    def start(self, command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess:
        """Run a command to its end."""
        return subprocess.run(
            command,
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


class InProcess(Bench):
    """The same command lines in this process, for verbs that start none: Python need not start anew."""

    def __call__(self, *arguments, **environment: str) -> subprocess.CompletedProcess:
        from bench.commands.main import main

        command, out, err = self.command(*arguments), io.StringIO(), io.StringIO()
        with (
            patch.dict(os.environ, self.environment(**environment), clear=True),
            contextlib.chdir(REPOSITORY),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main(command[3:])
        return subprocess.CompletedProcess(command, int(code), out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Ran:
    """A finished run of the tiny suite."""

    bench: Bench
    suite: Path
    first: subprocess.CompletedProcess


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """The command with an empty results folder."""
    return Bench(tmp_path)


@pytest.fixture
def inside(tmp_path: Path) -> InProcess:
    """For the same results folder as `bench`."""
    return InProcess(tmp_path)
