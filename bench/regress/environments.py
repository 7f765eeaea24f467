"""Environments that `uv` builds, one a set of pinned packages, kept for the next time."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.errors import InputError, ResultsError
from bench.trials.settings import digest_of
from bench.worker.files import write_json

READY = "ready.json"
"""Written last: an environment without it is not whole, and is built anew."""


class Environments:
    """Builds environments below a folder, each once.

    Args:
        folder: Where they are kept; any number of results folders may share it.
        say: Is told what takes time.
        python: What makes them: an interpreter or a version, as `uv venv --python` takes it; None: the
            interpreter that runs this.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], python: str | None = None):
        self.folder, self.say = folder.absolute(), say
        self.python = python or sys.executable
        self._version = python or sys.version

    def build(
        self, title: str, pins: Sequence[str], check: Callable[[Path], None] = lambda python: None
    ) -> Path:
        """The interpreter of an environment with exactly these packages; built if there is none.

        Args:
            title: The side, for messages.
            pins: As `resolve` gives them.
            check: Is given the interpreter before the environment counts as whole; what it raises ends the
                building.

        Raises:
            InputError: Something cannot be installed; says why, in uv's words.
        """
        key = digest_of([self._version, list(pins)])[:16]
        home = self.folder / key
        with self._locked(key) as lock:
            if not _whole(home):
                self._build(title, home, pins, lock, check)
        return home / "bin" / "python"

    def resolve(self, title: str, requirements: Sequence[str], preferred: str) -> list[str]:
        """The versions that requirements come to, found out once and kept, so that a side stays what it was.

        Args:
            title: The side, for messages.
            requirements: As `pip` takes them.
            preferred: Pinned lines, of packages to be taken in these versions where they fit.

        Returns:
            Lines `name==version`.

        Raises:
            InputError: The requirements cannot be met; says why, in uv's words.
            ResultsError: The folder cannot be written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultsError(f"environments cannot be kept in {self.folder}: {error.strerror}") from None
        ways = {name: value for name, value in os.environ.items() if name.startswith("UV_")}
        key = digest_of([self._version, sorted(requirements), preferred, ways])[:16]
        kept = self.folder / f"{key}.txt"
        if not kept.is_file():
            with self._locked(key) as lock:
                if not kept.is_file():  # another process may have found them out meanwhile
                    self._compile(title, requirements, preferred, kept, lock)
        lines = (line.strip() for line in kept.read_text().splitlines())
        return [line for line in lines if line and not line.startswith(("#", "-"))]

    def _compile(
        self, title: str, requirements: Sequence[str], preferred: str, kept: Path, lock: int
    ) -> None:
        asked, found = kept.with_suffix(".in"), kept.with_suffix(".partial")
        asked.write_text("\n".join([*requirements, ""]))
        found.write_text(preferred)  # uv prefers the versions that its output holds already
        command = ["pip", "compile", str(asked), "--output-file", str(found), "--python", self.python]
        command += ["--no-header", "--no-annotate", "--no-emit-index-url"]
        try:
            self._uv(title, command, lock)
            found.replace(kept)
        finally:
            found.unlink(missing_ok=True)
            asked.unlink(missing_ok=True)

    def _build(
        self, title: str, home: Path, pins: Sequence[str], lock: int, check: Callable[[Path], None]
    ) -> None:
        self.say(f"Building the environment of the {title}: {len(pins)} packages, in {home}")
        shutil.rmtree(home, ignore_errors=True)  # begun, and never ended
        self._uv(title, ["venv", "--python", self.python, str(home)], lock)
        python, listing = home / "bin" / "python", home / "requirements.txt"
        listing.write_text("\n".join([*pins, ""]))
        # Compiled now: a first start that compiles would count as a slow one.
        self._uv(title, ["pip", "sync", "--compile-bytecode", "--python", str(python), str(listing)], lock)
        check(python)
        write_json(home / READY, {"pins": list(pins), "python": self._version})

    def _uv(self, title: str, arguments: list[str], lock: int) -> None:
        """Run uv; it holds the lock as well, for it may outlive a harness that is killed."""
        environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        done = subprocess.run(
            [find_uv(), *arguments, "--quiet"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=[lock],
            env=environment,
            check=False,
        )
        if done.returncode:
            said = "\n".join(f"  {line}" for line in done.stdout.strip().splitlines()[-30:])
            raise InputError(
                f"the environment of the {title} cannot be made; uv says:\n{said}",
                "Ask for other versions, or for another Python with --python-version; or name an interpreter that "
                f"has them, with --{title}-python PATH. Nothing was started.",
            )

    @contextmanager
    def _locked(self, key: str) -> Iterator[int]:
        """Keep a second builder waiting; the kernel frees the lock when its holders die."""
        path = self.folder / f"{key}.lock"
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.say(f"Waiting for another process that builds the same environment ({path})")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)


def find_uv() -> str:
    """The path of uv's binary.

    Raises:
        InputError: It is not installed.
    """
    try:
        import uv

        return os.fspath(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        raise InputError(
            "uv, which builds the environments, is not installed",
            "pip install uv; or name interpreters with --baseline-python and --candidate-python.",
        ) from None


def _whole(home: Path) -> bool:
    try:
        json.loads((home / READY).read_text())
    except (OSError, ValueError):
        return False
    return (home / "bin" / "python").exists()  # its base may have gone
