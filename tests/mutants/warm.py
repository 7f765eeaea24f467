"""Runs of tests without the seconds that imports take: a process imports the libraries once and forks for each run."""

import compileall
import contextlib
import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LIBRARIES = ("numpy", "pandas", "scipy.stats", "sklearn.svm", "PIL.Image", "plotly.graph_objects", "keras")
LIBRARIES += ("psutil", "pydantic", "mlflow", "hypothesis", "pytest")
"""What most tests import; nothing of the project, whose modules are those of each run."""

NEVER_ENDED = -99
"""Where a signal ends the tests, their exit code is its number below zero; none has this one."""


class Copy:
    """A copy of the code and its tests, and a process that runs them there, one run at a time."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        compileall.compile_dir(folder, quiet=2)
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def pytest(
        self,
        arguments: Sequence[str],
        *,
        processor_s: int,
        clock_s: int,
        output: str = os.devnull,
        variables: Mapping[str, str] | None = None,
    ) -> int:
        """Exit code of pytest, or NEVER_ENDED where it takes longer. What it prints goes to the file `output`."""
        assert self._process.stdin and self._process.stdout
        asked = [list(arguments), processor_s, clock_s, output, dict(variables or {})]
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


def main() -> int:
    """Import, then answer each line with the exit code of its tests."""
    for library in LIBRARIES:
        importlib.import_module(library)
    for line in sys.stdin:
        print(forked(*json.loads(line)), flush=True)
    return 0


def forked(
    arguments: list[str], processor_s: int, clock_s: int, output: str, variables: dict[str, str]
) -> int:
    """Run tests in a process of their own, and end whatever they leave."""
    child = os.fork()
    if child == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (processor_s, processor_s))
        os.environ.update(variables)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for stream in (1, 2):
            os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        os._exit(run(arguments))
    ended = os.pidfd_open(child)
    in_time = bool(select.select([ended], [], [], clock_s)[0])
    os.close(ended)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if in_time else NEVER_ENDED


def run(arguments: list[str]) -> int:
    """Exit code of pytest."""
    import pytest

    try:
        code = int(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments]))
    except BaseException:  # a defect may raise anything; what it breaks is noticed
        code = int(pytest.ExitCode.INTERNAL_ERROR)
    sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
