"""Names in a results folder: what lies there beside the folders of suites; and whether a folder can be used."""

import os
from pathlib import Path

CACHE = "cache"
"""Prepared images, copies of code, files fetched from MLflow."""

FEATURES = "features"
"""In the cache: features of frozen backbones, and pixels."""

ENTRY = "entry.json"
"""In the folder of one set of them: who made it from what, see `wbc.kept`."""

STORE = "mlflow.db"
"""The embedded tracking store, and beside it what SQLite and we add to its name."""

ARTIFACTS = "mlartifacts"
"""Artifacts of the embedded store."""

BASELINES = "baselines"
COMPARISONS = "compare"
REGRESS = "regress"
HISTORY = "history"
"""Pages over versions, made of the comparisons in `regress`."""

MACHINE = "machine"
"""What was measured of this machine."""

ENVIRONMENTS = "environments"
"""Environments that `regress` builds."""

GPU_CHECK = "gpu-check"

OVERVIEW = "suites.html"
"""The page over all suites."""

RESERVED = (
    CACHE,
    ARTIFACTS,
    BASELINES,
    COMPARISONS,
    REGRESS,
    HISTORY,
    MACHINE,
    ENVIRONMENTS,
    GPU_CHECK,
    OVERVIEW,
    "report",
)


def is_reserved(name: str) -> bool:
    """Whether a suite cannot have this name, because the results folder uses it itself.

    Names that differ in case only are one folder on some file systems.
    """
    lower = name.lower()
    return lower in RESERVED or lower.startswith(STORE) or lower.startswith(".")


def why_unusable(folder: Path, written: bool) -> str:
    """Why a folder that need not exist cannot be made, or, with `written`, not be written; empty if it can."""
    whole = folder.absolute()
    there = next(path for path in (whole, *whole.parents) if os.path.lexists(path))
    if not there.is_dir():
        return f"{there} is {'a file' if there.exists() else 'a link to nothing'}"
    return "" if not written or os.access(there, os.W_OK | os.X_OK) else f"{there} may not be written"
