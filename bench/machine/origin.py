"""Where an attempt comes from: the machine's name, the state of the source, the driver."""

import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from bench.machine.notes import driver_versions

_SOURCE = Path(__file__).resolve().parent.parent.parent
_PATIENCE_S = 5.0


def origin(gpu: bool) -> dict[str, Any]:
    """What the journal of an attempt keeps of it; a fact that cannot be found is left out.

    Args:
        gpu: Whether the attempt runs on a GPU.

    Returns:
        `host`, `commit` (ends in `-dirty` where files differ from it), `driver` (NVIDIA's version).
    """
    found = {"host": platform.node() or None, "commit": _commit(), "driver": _driver() if gpu else None}
    return {name: value for name, value in found.items() if value}


@cache
def _commit() -> str | None:
    """The commit of leukobench's own source; None where it is not run from its repository."""
    if not (_SOURCE / ".git").exists():
        return None
    command = ["git", "-C", str(_SOURCE), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip()


@cache
def _driver() -> str | None:
    said = driver_versions()["driver"]
    return None if said.startswith("unavailable") else said
