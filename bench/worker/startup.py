"""What of the user's shell reaches our processes: no variable that breaks Python, and our own packages first.

Standard library only.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

BREAKING = (
    "PYTHONOPTIMIZE",  # without docstrings and assertions, some libraries cannot be imported
    "PYTHONWARNINGS",  # as errors they end imports
    "PYTHONSTARTUP",
    "PYTHONINSPECT",
    "PYTHONIOENCODING",
    "PYTHONDEBUG",
    "PYTHONVERBOSE",
    "PYTHONDEVMODE",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONTRACEMALLOC",  # this one and the five before slow a trial, or fill its log
    "PYTHONPLATLIBDIR",
    "PYTHONCASEOK",
)
"""Variables that change how Python runs, and that no trial needs."""

_HOME = Path(__file__).resolve().parents[2]
"""Where `bench` is, and `wbc` beside it or in `src`."""


def child_environment(
    environment: Mapping[str, str] = os.environ,
    python: str = sys.executable,
    home: Path = _HOME,
    path: bool = True,
) -> dict[str, str]:
    """The variables for a process of ours.

    A `bench` or `wbc` on `PYTHONPATH` that is not the one that runs would be taken for it; ours goes before it.

    Args:
        environment: Of this process.
        python: The interpreter of the other one; another one than ours has a library of its own.
        home: The folder of the package `bench`.
        path: Whether it may import the user's own modules.
    """
    kept = {name: value for name, value in environment.items() if name not in BREAKING}
    if python != sys.executable:
        kept.pop("PYTHONHOME", None)
    given = _entries(environment)
    ours = _ours(home)
    if not path and given:
        kept["PYTHONPATH"] = os.pathsep.join(entry for entry in given if _is_mine(entry, ours))
    elif any(_has(Path(entry), name) for entry in given if entry not in ours for name in ("bench", "wbc")):
        kept["PYTHONPATH"] = os.pathsep.join([*ours, *given])
    return kept


def own_packages_first(environment: Mapping[str, str] = os.environ, home: Path = _HOME) -> None:
    """Search the folders of `PYTHONPATH` after the installed packages.

    They may hold a network of the user's, and beside it another NumPy than the one that is installed here.
    """
    ours = _ours(home)
    for entry in _entries(environment):
        if not _is_mine(entry, ours) and entry in sys.path:
            sys.path[:] = [*(path for path in sys.path if path != entry), entry]


def foreign_folder(error: ImportError, environment: Mapping[str, str] = os.environ) -> str | None:
    """The folder of `PYTHONPATH` whose module cannot be imported; None where it is another's."""
    if not error.path:
        return None
    return next((one for one in _entries(environment) if Path(error.path).is_relative_to(one)), None)


def _entries(environment: Mapping[str, str]) -> list[str]:
    """The folders of `PYTHONPATH`, as Python puts them on its path."""
    given = environment.get("PYTHONPATH", "").split(os.pathsep)
    return [os.path.abspath(entry) for entry in given if entry]  # noqa: PTH100  as `site` does


def _ours(home: Path) -> list[str]:
    return [str(home), *([str(home / "src")] if _has(home / "src", "wbc") else [])]


def _is_mine(entry: str, ours: list[str]) -> bool:
    return entry in ours or Path(entry).is_relative_to(sys.prefix)


def _has(folder: Path, package: str) -> bool:
    return (folder / package).is_dir() or (folder / f"{package}.py").is_file()
