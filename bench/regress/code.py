"""Copies of the source of `wbc` and of the worker: a side runs the same code from first to last."""

import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bench
import wbc
from bench.errors import InputError
from bench.trials.datasets import source_digest
from bench.trials.settings import digest_of
from bench.worker.files import whole_folder

WORKER = "worker"
"""The package that runs in a side's environment; the rest of the harness may change without making another side."""


@dataclass(frozen=True)
class Code:
    """The worker and `wbc` in a folder of their own, which may stand on `PYTHONPATH`.

    Attributes:
        folder: Holds the packages `bench` and `wbc`.
        label: Where they come from, in words.
        wbc: Hash of the source of `wbc`.
        commit: Of leukobench's repository, where they are as git has them; None for the working tree.
    """

    folder: Path
    label: str
    wbc: str
    commit: str | None = None


def working_tree(cache: Path) -> Code:
    """A copy of the code that is running.

    Args:
        cache: Cache in the results folder.
    """
    bench_home, wbc_home = (Path(package.__file__).parent for package in (bench, wbc))
    digest = digest_of([source_digest(WORKER, root=bench_home), source_digest(root=wbc_home)])

    def copy(folder: Path) -> None:
        _copy(wbc_home, folder / "wbc")
        _copy(bench_home / WORKER, folder / "bench" / WORKER)
        # A package of its own name, so that no other `bench` on the path is taken for it.
        (folder / "bench" / "__init__.py").touch()

    return _kept(cache / "code" / digest[:16], copy, "the working tree")


def revision(name: str, cache: Path) -> Code:
    """The code of a revision of leukobench's git repository.

    Args:
        name: As git takes it: a tag, a branch, a commit.
        cache: Cache in the results folder.

    Raises:
        InputError: There is no repository or no such revision, or it holds no such packages.
    """
    repository = Path(bench.__file__).parents[1]
    if not (repository / ".git").exists():
        raise InputError(
            f"revision {name} cannot be had: {repository} is no git repository",
            "Revisions need a clone of leukobench; an interpreter that has another one can be named with "
            "--baseline-python or --candidate-python.",
        )
    commit = _git(repository, name, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()

    def export(folder: Path) -> None:
        archive = _git(repository, name, "archive", "--format=tar", commit, "bench", "src/wbc")
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        (folder / "src" / "wbc").rename(folder / "wbc")

    return _kept(cache / "code" / commit, export, f"revision {name} ({commit[:10]})", commit)


def _kept(folder: Path, fill: Callable[[Path], None], label: str, commit: str | None = None) -> Code:
    """The code in a folder, which appears whole."""
    if not folder.is_dir():
        with whole_folder(folder) as partial:
            fill(partial)
    return Code(folder.absolute(), label, source_digest(root=folder / "wbc"), commit)


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a folder of sources; the first error ends it and says what it is, unlike shutil's."""
    files = [source] if source.is_file() else [path for path in source.rglob("*.*") if path.is_file()]
    for path in files:
        if path.suffix not in (".partial", ".pyc"):
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def _git(repository: Path, name: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise InputError(f"revision {name} cannot be had: git is not installed", "Install git.") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise InputError(
            f"there is no revision {name!r} of leukobench" + (f": {said}" if said else ""),
            "Name a tag, a branch or a commit, as `git log` shows them.",
        )
    return done.stdout
