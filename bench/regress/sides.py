"""A side of a comparison: an interpreter with its packages, and the code that it runs."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

import bench
import wbc
from bench.devices.device import Slot
from bench.errors import InputError
from bench.machine.notes import Notes
from bench.regress import probe
from bench.regress.environments import TENSORFLOWS
from bench.regress.side_notes import SideNote
from bench.trials.made_by import source_digest
from bench.trials.runtime import BACKENDS
from bench.trials.settings import Runtime, digest_of
from bench.trials.trial import Trial
from bench.worker.startup import child_environment
from wbc import REQUIREMENTS
from wbc.files import whole_folder
from wbc.specification import Specification

SideName = Literal["baseline", "candidate"]
NAMES: tuple[SideName, SideName] = ("baseline", "candidate")

PROBE_S = 300
"""Longest time to look at an environment; on slow disks a first import takes a minute."""

ONLY_MEASURED = frozenset({"reference_work", "latency", "targets", "profile", "explain", "export"})
"""Settings that change nothing in a result: a side that does not know one goes without."""

DIGITS = 16
"""Of the name of a copy of the code. Paths of one length do not favor a side, see `bench.regress.side_links`."""

WORKER = "worker"
"""The package that runs in a side's environment. A change of another package does not make another side."""


@dataclass(frozen=True)
class Code:
    """The worker and `wbc` in a folder of their own, for `PYTHONPATH`."""

    folder: Path
    """Has the packages `bench` and `wbc`."""
    label: str
    """Where they come from, in words."""
    wbc: str
    """Hash of the source of `wbc`."""
    commit: str | None = None
    """Commit of leukobench's repository; None for the working tree."""


@dataclass(frozen=True)
class Side:
    """One of the two that are compared."""

    name: SideName
    label: str
    """In words: `tensorflow==2.20.0`."""
    interpreter: Path
    code: Code
    version: str
    """Of its Python."""
    packages: Mapping[str, str] = field(hash=False)
    """What is installed: name -> version."""
    settings: frozenset[str] | None = None
    """The settings that its `wbc` knows; None where that could not be found out."""

    @property
    def key(self) -> str:
        """Hash of everything that may make its results differ from another side's."""
        code = [self.code.wbc, self.code.folder.name]
        return digest_of([str(self.interpreter), self.version, dict(self.packages), code])

    @property
    def takes_turns(self) -> bool:
        """Whether its worker knows how to; an older commit's does not."""
        return (self.code.folder / "bench" / WORKER / "turns.py").is_file()

    @property
    def note(self) -> SideNote:
        """What is written down of it."""
        return SideNote(
            label=self.label,
            interpreter=str(self.interpreter),
            python=self.version,
            code=self.code.label,
            wbc=self.code.wbc,
            key=self.key,
            packages=dict(self.packages),
        )

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of its processes: its own code is the first on the path."""
        return _environment(self.code)

    def runtime(self, device: str) -> Runtime:
        """What trials of this side depend on besides their settings."""
        versions = {
            name: _version(self.packages, TENSORFLOWS if name == "tensorflow" else backend.distributions)
            for name, backend in BACKENDS.items()
        }
        return Runtime(
            wbc=self.code.wbc[:16],
            keras=self.packages.get("keras", ""),
            device=device,
            scikit_learn=self.packages.get("scikit-learn", ""),
            **versions,
        )

    def trial(self, trial: Trial, device: str) -> Trial:
        """A trial as this side runs it: the same key, an id of its own.

        Settings that its `wbc` does not know are left out where they have their default, or only measure.
        """
        runtime = self.runtime(device).of(trial.settings.mode, trial.settings.backend)
        unknown = self._unknown(trial)
        specification = {
            name: value
            for name, value in trial.specification.items()
            if name not in unknown or not (name in ONLY_MEASURED or _is_default(name, value))
        }
        return Trial.of(trial.network, trial.settings, runtime, specification)

    def lacks(self, trials: Sequence[Trial]) -> list[str]:
        """Settings of the trials that this side does not know: sentences to say before anything runs."""
        asking: dict[str, int] = {}
        for trial in trials:
            for name in self._unknown(trial):
                if name not in ONLY_MEASURED and not _is_default(name, trial.specification[name]):
                    asking[name] = asking.get(name, 0) + 1
        return [
            f"The {self.name} ({self.code.label}) does not know {name}, which {count} of {len(trials)} trials "
            "set: they will fail there."
            for name, count in sorted(asking.items())
        ]

    def noted(self, notes: Notes) -> Notes:
        """With the commit of the code that runs, where that is not the harness' own code."""
        if self.code.commit is None:
            return notes

        def noted(slot: Slot) -> Mapping[str, Mapping[str, object]]:
            said = notes(slot)
            return {**said, "machine": {**said.get("machine", {}), "commit": self.code.commit}}

        return noted

    def _unknown(self, trial: Trial) -> set[str]:
        return set() if self.settings is None else set(trial.specification) - self.settings


class _Found(Struct, frozen=True, kw_only=True):
    """What `bench.regress.probe` prints."""

    python: str
    packages: dict[str, str]
    settings: list[str] | None
    problem: str | None


def inspect(name: SideName, label: str, interpreter: Path, code: Code, modules: Sequence[str] = ()) -> Side:
    """Find out what an interpreter has.

    Args:
        name: The side.
        label: In words.
        interpreter: Python 3.11 or newer.
        code: What it is to run.
        modules: Modules that must be importable.

    Raises:
        InputError: It cannot be run, or a module cannot be imported.
    """
    found = _probe(name, interpreter, code, modules)
    if found.problem:
        raise InputError(
            f"the {name} ({label}) cannot be used: {found.problem}",
            f"Its interpreter is {interpreter}. Install what is missing there, or ask for other versions.",
        )
    settings = None if found.settings is None else frozenset(found.settings)
    return Side(name, label, interpreter, code, found.python, found.packages, settings)


def modules_of(trials: Collection[Trial]) -> list[str]:
    """What a side must be able to import for these trials, backends of Keras first."""
    backends = sorted({trial.settings.backend for trial in trials if trial.settings.backend})
    # Keras can only be imported with a backend.
    return [*backends, *(module for module in REQUIREMENTS.values() if module != "keras" or backends)]


def working_tree(cache: Path) -> Code:
    """A copy of the code that is running, so that a side runs the same code from beginning to end.

    Args:
        cache: The cache in the results folder.
    """
    bench_home, wbc_home = Path(bench.__file__).parent, Path(wbc.__file__).parent
    digest = digest_of([source_digest(WORKER, root=bench_home), source_digest(root=wbc_home)])

    def copy(folder: Path) -> None:
        _copy(wbc_home, folder / "wbc")
        _copy(bench_home / WORKER, folder / "bench" / WORKER)
        # A package of this name, so that no other `bench` on the path is taken for it.
        (folder / "bench" / "__init__.py").touch()

    return _cached(cache / "code" / digest[:DIGITS], copy, "the working tree")


def revision(name: str, cache: Path) -> Code:
    """The code of a revision of leukobench's git repository.

    Args:
        name: As git takes it: a tag, a branch, a commit.
        cache: The cache in the results folder.

    Raises:
        InputError: There is no repository or no such revision, or it lacks these packages.
    """
    repository = Path(bench.__file__).parents[1]
    if not (repository / ".git").exists():
        raise InputError(
            f"there is no revision {name}: {repository} is no git repository",
            "Revisions need a clone of leukobench. An interpreter that has another version can be given with "
            "--baseline-python or --candidate-python.",
        )
    commit = _git(repository, name, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()

    def export(folder: Path) -> None:
        archive = _git(repository, name, "archive", "--format=tar", commit, "bench", "src/wbc")
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        (folder / "src" / "wbc").rename(folder / "wbc")

    return _cached(cache / "code" / commit[:DIGITS], export, f"revision {name} ({commit[:10]})", commit)


def _probe(name: SideName, interpreter: Path, code: Code, modules: Sequence[str]) -> _Found:
    environment = {
        **child_environment(python=str(interpreter)),
        **_environment(code),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }
    environment["KERAS_BACKEND"] = modules[0] if modules and modules[0] in BACKENDS else "tensorflow"
    command = [str(interpreter), "-c", Path(probe.__file__).read_text(), *modules]
    what = f"the {name}'s interpreter {interpreter}"
    hint = f"--{name}-python takes a Python (3.11 or newer) that has TensorFlow and what wbc needs."
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_S,
            check=False,
        )
    except OSError as error:
        raise InputError(f"{what} cannot be run: {error.strerror}", hint) from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{what} did not answer for {PROBE_S} s", hint) from None
    try:
        found = msgspec.json.decode(done.stdout.strip().splitlines()[-1], type=_Found)
        version = tuple(int(part) for part in found.python.split(".")[:2])
    except (IndexError, ValueError):
        killed = done.returncode < 0
        how = f"killed by signal {-done.returncode}" if killed else f"exit code {done.returncode}"
        said = (done.stderr.strip().splitlines() or [""])[-1]
        raise InputError(f"{what} cannot be used ({how})" + (f": {said}" if said else ""), hint) from None
    if version < (3, 11):
        raise InputError(f"{what} is Python {found.python}", hint)
    return found


def _environment(code: Code) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(code.folder), os.environ.get("PYTHONPATH")]))
    # The current directory may be a clone of leukobench, whose packages must not come before the side's.
    return {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def _version(packages: Mapping[str, str], distributions: Sequence[str]) -> str:
    return next((packages[name] for name in distributions if name in packages), "")


def _is_default(name: str, value: object) -> bool:
    """Whether a setting has its default, so that leaving it out changes nothing."""
    known = {one.name: one for one in fields(Specification)}
    default = known[name].default if name in known else None
    return value == default or value is None


def _cached(folder: Path, fill: Callable[[Path], None], label: str, commit: str | None = None) -> Code:
    """The code in a folder, which is filled if it is not there."""
    if not folder.is_dir():
        with whole_folder(folder) as partial:
            fill(partial)
    return Code(folder.absolute(), label, source_digest(root=folder / "wbc"), commit)


def _copy(source: Path, target: Path) -> None:
    """Copy the files of a folder. Unlike shutil's, it stops at the first error and reports that error."""
    for path in source.rglob("*.*"):
        if path.is_file() and path.suffix not in (".partial", ".pyc"):
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def _git(repository: Path, name: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise InputError(f"there is no revision {name}: git is not installed", "Install git.") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise InputError(
            f"there is no revision {name!r} of leukobench" + (f": {said}" if said else ""),
            "Give a tag, a branch or a commit, as `git log` shows them.",
        )
    return done.stdout
