"""The suites that come with leukobench, found by their bare names."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "suites", _PACKAGE.parent / "suites")
"""In an installed package; in the repository."""


def shipped_suites() -> dict[str, Path]:
    """Every suite that comes with leukobench: its file by its name, in alphabetical order."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    return {file.stem: file for file in sorted(folder.glob("*.toml"))} if folder else {}


def find_shipped(path: Path) -> Path:
    """The file that a person means who gives a bare name, such as `demo`.

    Args:
        path: A path, or the name of a suite. A file of that name in the current folder takes precedence.

    Returns:
        The shipped suite where `path` is its name and no file; else `path` itself.
    """
    if path.name != str(path) or path.suffix or path.is_file():
        return path
    return shipped_suites().get(path.name, path)
