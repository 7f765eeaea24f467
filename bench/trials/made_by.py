"""The code that makes a data set, as part of its identity."""

import hashlib
from pathlib import Path

MADE_BY = {
    "synthetic": ("data/__init__.py", "data/manifest.py", "data/synthetic"),
    "folder": (
        "data/__init__.py",
        "data/manifest.py",
        "data/folding.py",
        "data/join_sources.py",
        "data/progress.py",
        "data/reading.py",
        "data/pipeline",
        "duplicates",
    ),
    "bccd": (
        "data/__init__.py",
        "data/manifest.py",
        "data/progress.py",
        "data/reading.py",
        "data/pipeline",
        "data/bccd",
        "duplicates",
    ),
}
"""Source -> the files and whole folders of `wbc` that can change its pixels or its manifest.

They are part of the digest: when their code changes, the images are made again.
"""


def source_digest(*places: str, root: Path | None = None) -> str:
    """SHA-256 of the Python source of `wbc`, or of some files and folders in it.

    Args:
        places: Files and folders in it; none: all of it.
        root: Folder of the package; None: the one that is running.
    """
    if root is None:
        import wbc

        root = Path(wbc.__file__).parent
    paths = [root / place for place in places] or [root]
    files = {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
