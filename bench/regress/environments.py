"""Environments that `uv` builds, one for each set of pinned packages, and what has to be in them."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from bench.errors import InputError, ResultsError
from bench.trials.runtime import BACKENDS
from bench.trials.settings import digest_of
from bench.worker.files import write_json
from wbc import REQUIREMENTS

READY = "ready.json"
"""Written last: an environment without it is incomplete, and is built again."""

TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tf-nightly", "tf-nightly-cpu")
"""Distributions that contain TensorFlow."""

_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?")


class Environments:
    """Builds environments below a folder, each once.

    Args:
        folder: Where they are kept. Several results folders may share it.
        say: Is called with a sentence before anything that takes time.
        python: An interpreter or a version, as `uv venv --python` takes it; None: the running interpreter.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], python: str | None = None):
        self.folder, self.say = folder.absolute(), say
        self.python = python or sys.executable
        self._version = python or sys.version

    def build(
        self, title: str, pins: Sequence[str], check: Callable[[Path], object] = lambda python: None
    ) -> Path:
        """The interpreter of an environment with exactly these packages; it is built if there is none.

        Args:
            title: The side, for messages.
            pins: As returned by `resolve`.
            check: Is called with the interpreter before the environment counts as complete; may raise.

        Raises:
            InputError: Something cannot be installed; the message has uv's reason.
        """
        key = digest_of([self._version, list(pins)])[:16]
        home = self.folder / key
        with self._locked(key) as lock:
            if not _whole(home):
                self._build(title, home, pins, lock, check)
        return home / "bin" / "python"

    def resolve(self, title: str, requirements: Sequence[str], preferred: str) -> list[str]:
        """The versions that meet requirements. They are resolved once and kept, so that a side does not change.

        Args:
            title: The side, for messages.
            requirements: As `pip` takes them.
            preferred: Pinned lines: packages are taken in these versions where they fit.

        Returns:
            Lines `name==version`.

        Raises:
            InputError: The requirements cannot be met; the message has uv's reason.
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
                if not kept.is_file():  # another process may have resolved them meanwhile
                    self._compile(title, requirements, preferred, kept, lock)
        lines = (line.strip() for line in kept.read_text().splitlines())
        return [line for line in lines if line and not line.startswith(("#", "-"))]

    def _compile(
        self, title: str, requirements: Sequence[str], preferred: str, kept: Path, lock: int
    ) -> None:
        asked, found = kept.with_suffix(".in"), kept.with_suffix(".partial")
        asked.write_text("\n".join([*requirements, ""]))
        found.write_text(preferred)  # uv prefers the versions that are in its output file already
        command = ["pip", "compile", str(asked), "--output-file", str(found), "--python", self.python]
        command += ["--no-header", "--no-annotate", "--no-emit-index-url"]
        try:
            self._uv(title, command, lock)
            found.replace(kept)
        finally:
            found.unlink(missing_ok=True)
            asked.unlink(missing_ok=True)

    def _build(
        self, title: str, home: Path, pins: Sequence[str], lock: int, check: Callable[[Path], object]
    ) -> None:
        self.say(f"Building the environment of the {title}: {len(pins)} packages, in {home}")
        shutil.rmtree(home, ignore_errors=True)  # an incomplete one
        self._uv(title, ["venv", "--python", self.python, str(home)], lock)
        python, listing = home / "bin" / "python", home / "requirements.txt"
        listing.write_text("\n".join([*pins, ""]))
        # Compile now, or the first start of a trial would take longer than others.
        self._uv(title, ["pip", "sync", "--compile-bytecode", "--python", str(python), str(listing)], lock)
        check(python)
        write_json(home / READY, {"pins": list(pins), "python": self._version})

    def _uv(self, title: str, arguments: list[str], lock: int) -> None:
        """Run uv; it inherits the lock, because it may outlive a harness that is killed."""
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
                "Ask for other versions, or for another Python with --python-version, or give an interpreter that has "
                "them with --baseline-python, with --candidate-python or among --versions. No trial was started.",
            )

    @contextmanager
    def _locked(self, key: str) -> Iterator[int]:
        """Let a second builder wait; the kernel frees the lock when its holders die."""
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


def name_of(requirement: str) -> str:
    """The distribution that a requirement names, normalized; empty for a path or an address."""
    match = _NAME.match(requirement)
    if match is None or "://" in requirement.split("@")[0] or requirement.lstrip().startswith((".", "/")):
        return ""
    return normal(match[1])


def names_of(requirements: Iterable[str]) -> set[str]:
    """The distributions that requirements name; one build of TensorFlow stands for all of them."""
    named = {name_of(one) for one in requirements}
    return named | set(TENSORFLOWS) if named & set(TENSORFLOWS) else named


def normal(name: str) -> str:
    """The name of a distribution in its normalized spelling."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements_of(asked: Sequence[str], backends: Collection[str], gpu: bool) -> list[str]:
    """Everything that a side needs, as requirements.

    Args:
        asked: What the user asked for, such as `tensorflow==2.20.0`.
        backends: The backends of Keras that the trials use; those that nobody asked for are added.
        gpu: Whether trials run on GPUs. If not, `tensorflow` means the smaller `tensorflow-cpu`.
    """
    wanted = [_for_device(one, gpu) for one in asked]
    named = {name_of(one) for one in wanted}
    for backend in backends:
        holders = TENSORFLOWS if backend == "tensorflow" else BACKENDS[backend].distributions
        if not named & set(holders):
            wanted.append(_for_device(backend, gpu))
    return [*wanted, *wbc_requirements(named)]


def wbc_requirements(named: Collection[str] = ()) -> list[str]:
    """What `wbc` needs, within the bounds of leukobench. Of what is named already only the bounds."""
    try:
        known = [requirement.split(";")[0].strip() for requirement in metadata.requires("leukobench") or ()]
    except metadata.PackageNotFoundError:
        known = []
    bounds = {name_of(one): one for one in known}
    return [bounds.get(name, name) for name in REQUIREMENTS if name not in named or name in bounds]


def installed() -> dict[str, str]:
    """Packages of the running environment: name -> version."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        if name := distribution.metadata["Name"]:
            found.setdefault(normal(name), distribution.version)
    return found


def preferences(versions: Mapping[str, str], asked: Iterable[str]) -> str:
    """Pinned lines of versions that a side prefers, so that only what was asked for differs."""
    named = names_of(asked)
    lines = [f"{name}=={version}" for name, version in sorted(versions.items()) if name not in named]
    return "\n".join([*lines, ""])


def differing(baseline: Mapping[str, str], candidate: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Distributions whose versions differ: name -> both versions; empty where it is missing."""
    names = sorted({*baseline, *candidate})
    return {
        name: (baseline.get(name, ""), candidate.get(name, ""))
        for name in names
        if baseline.get(name) != candidate.get(name)
    }


def _for_device(requirement: str, gpu: bool) -> str:
    """`tensorflow==2.20.0` as the build for the device."""
    match = _NAME.match(requirement)
    if match is None or match[2] or name_of(requirement) not in ("tensorflow", "tf-nightly"):
        return requirement.strip()
    rest = requirement[match.end() :].strip()
    return f"{match[1]}[and-cuda]{rest}" if gpu else f"{match[1]}-cpu{rest}"


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
            "Run `pip install uv`, or give interpreters with --baseline-python and --candidate-python.",
        ) from None


def _whole(home: Path) -> bool:
    try:
        json.loads((home / READY).read_text())
    except (OSError, ValueError):
        return False
    return (home / "bin" / "python").exists()  # the interpreter it links to may be gone
