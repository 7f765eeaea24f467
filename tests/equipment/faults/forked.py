"""Runs commands in forks of a process that has imported everything, so that a run takes a second.

Each command is a process of its own, with its own environment, streams and shim (`faults.c`), and so are the workers,
samplers and recorders that it starts. They differ from real ones in one thing: nothing is imported in them.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

MODULES = "FORKED_MODULES"
"""Variable with a folder, in which each process leaves the names of what it imported."""

ROLES = {"bench.worker": 1, "bench.telemetry": 2, "bench.tracking": 3}
"""Module that a process runs -> its role, as the shim numbers them; any other is the harness."""

PATIENCE_S = 180
"""No run of a small suite takes so long, whatever fails in it."""


class Forked:
    """A process that runs commands in forks of itself.

    Args:
        library: The shim.
        folder: Where it keeps notes.
    """

    def __init__(self, library: Path, folder: Path):
        self.library, self.folder = library, folder
        self.modules = folder / "modules"
        self.modules.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[str] | None = None

    def run(
        self, arguments: Sequence[str], environment: dict[str, str], report: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `python -m bench` with arguments, and without writing a report where none is wanted.

        Raises:
            TimeoutExpired: It does not end; it and its children are killed.
        """
        known = bool(list(self.modules.iterdir()))
        process = self._process = self._process or self._start()
        places = [self.folder / name for name in ("out", "err")]
        told = {"arguments": list(arguments), "environment": environment, "report": report}
        told["places"] = list(map(str, places))
        if not known:
            told["environment"] = {**environment, MODULES: str(self.modules)}
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(told) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not known or not answer.strip():
            self.close()
        if not answer.strip():
            raise subprocess.TimeoutExpired(list(arguments), PATIENCE_S)
        out, err = (place.read_text(errors="replace") for place in places)
        return subprocess.CompletedProcess(list(arguments), int(answer), out, err)

    def close(self) -> None:
        """End it; the next run starts another one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-P", __file__, str(self.modules)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # The children set their own; with these nothing that is imported makes threads or goes astray.
            env={**os.environ, "LD_PRELOAD": str(self.library), "OMP_NUM_THREADS": "1"},
        )


class ForkedPopen(subprocess.Popen):
    """A process of ours, begun by a fork instead of an interpreter of its own."""

    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest):
        if "-m" not in args or not args[args.index("-m") + 1].startswith("bench"):
            return super()._execute_child(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest)
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite = rest[3:9]
        self.pid = os.fork()
        if not self.pid:
            module = args.index("-m") + 1
            places, variables = (p2cread, c2pwrite, errwrite), env or dict(os.environ)
            begin(args[module], args[module + 1 :], variables, places, pass_fds, new_session=rest[-2])
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)


def begin(
    module: str,
    arguments: Sequence[str],
    environment: dict[str, str],
    places: Sequence[int],
    kept: Sequence[int],
    new_session: bool,
) -> NoReturn:
    """In the child of a fork: become a fresh process that runs a module."""
    code = 1
    try:
        atexit._clear()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        if new_session:
            os.setsid()
        for target, place in enumerate(places):
            if place >= 0 and place != target:
                os.dup2(place, target)
        for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208  names are all that is needed
            if int(entry) > 2 and int(entry) not in kept:
                with contextlib.suppress(OSError):
                    os.close(int(entry))
        os.environ.clear()
        os.environ.update(environment)
        os.environ["FAULTS_ROLE"] = str(ROLES.get(module, 0))
        ctypes.CDLL(None).faults_begin()
        gc.freeze()  # what the parent left must not close the descriptors that are opened now
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww")
        )
        sys.argv = [module, *arguments]
        sys.orig_argv = [sys.executable, "-P", "-m", module, *arguments]
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:
            traceback.print_exc()
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        _tell_modules(module)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code & 0xFF)


def _tell_modules(module: str) -> None:
    if folder := os.environ.get(MODULES):
        (Path(folder) / f"{module}-{os.getpid()}").write_text("\n".join(sys.modules))


def _load_all(folder: Path) -> None:
    """Import what children import, and compile the templates of pages."""
    names = {name for path in folder.iterdir() for name in path.read_text().splitlines()}
    for name in sorted(names - {"__main__", "__mp_main__"}):
        if not name.endswith("__main__"):
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    from bench.pages import render

    for path in (Path(render.__file__).parent / "templates").glob("*.html.jinja"):
        render._template(path.name.removesuffix(".html.jinja"))


def _measure_less() -> None:
    """Replace what takes longest in a worker and writes nothing: finding the cell in an image."""
    import numpy as np

    from wbc.classical import features

    features.measure = lambda image, *more: np.resize(image.mean(axis=(0, 1)), len(features.FEATURES))


def _wait(child: int) -> int | None:
    """The exit code of a child; None if it had to be killed."""
    pidfd = os.pidfd_open(child)
    ready, _, _ = select.select([pidfd], [], [], PATIENCE_S)
    os.close(pidfd)
    if not ready:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if ready else None


def serve(modules: Path) -> None:
    """Run the commands that come on standard input, one after the other."""
    from bench.worker.protocol import die_with_parent

    _load_all(modules)
    _measure_less()
    subprocess.Popen = ForkedPopen
    me = os.getpid()
    for line in sys.stdin:
        told = json.loads(line)
        child = os.fork()
        if not child:
            die_with_parent(me)
            if not told["report"]:
                from bench.commands import report

                report.write_page = lambda *about: None
            places = [os.open(os.devnull, os.O_RDONLY)]
            places += [
                os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644) for place in told["places"]
            ]
            begin("bench", told["arguments"], told["environment"], places, (), new_session=True)
        code = _wait(child)
        print("" if code is None else code, flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
