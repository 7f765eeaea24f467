"""The digest of a data set covers all code that can change its pixels or its manifest."""

import ast
import shutil
from pathlib import Path

import pytest

import wbc
from bench.trials.made_by import MADE_BY, source_digest

WBC = Path(wbc.__file__).parent

MAKERS = {
    "synthetic": "data/synthetic/generate.py",
    "folder": "data/folding.py",
    "bccd": "data/bccd/importing.py",
}
"""Source -> the module that makes its images."""

HARMLESS = {"__init__.py", "errors.py", "files.py"}
"""Modules that makers use, but that change neither pixels nor manifests."""


def reached_from(start: str, root: Path = WBC) -> set[str]:
    """Files of `wbc` that a module imports, directly or through others, with the packages they are in."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        folder = Path(file).parent
        waiting += [(parent / "__init__.py").as_posix() for parent in (folder, *folder.parents)]
        for node in ast.walk(ast.parse((root / file).read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wbc"):
                place = Path(*str(node.module).split(".")[1:])
                names = [place.with_suffix(".py") if place.name else Path("__init__.py")]
                names += [place / "__init__.py", *(place / f"{alias.name}.py" for alias in node.names)]
                waiting += [name.as_posix() for name in names if (root / name).is_file()]
    return found


def covered(file: str, places: tuple[str, ...]) -> bool:
    return any(file == place or file.startswith(place + "/") for place in places)


@pytest.mark.parametrize("source", MADE_BY)
def test_everything_that_a_maker_imports_is_in_its_digest(source):
    reached = reached_from(MAKERS[source]) - HARMLESS
    assert [file for file in sorted(reached) if not covered(file, MADE_BY[source])] == []


def test_an_import_from_elsewhere_would_be_noticed(tmp_path):
    shutil.copytree(WBC, tmp_path / "wbc")
    with (tmp_path / "wbc" / "data" / "bccd" / "source.py").open("a") as file:
        file.write("\nfrom wbc.data.loading import read_image\n")
    reached = reached_from(MAKERS["bccd"], tmp_path / "wbc")
    assert not covered("data/loading.py", MADE_BY["bccd"]) and "data/loading.py" in reached


@pytest.mark.parametrize("source", MADE_BY)
def test_every_place_exists(source):
    assert all((WBC / place).exists() for place in MADE_BY[source])


@pytest.mark.parametrize(
    ("source", "file", "changes"),
    [
        ("bccd", "data/pipeline/decoding.py", True),
        ("bccd", "data/pipeline/segmentation.py", True),
        ("bccd", "data/bccd/source.py", True),
        ("bccd", "duplicates/shifted.py", True),
        ("bccd", "data/check.py", False),
        ("bccd", "data/synthetic/smear.py", False),
        ("synthetic", "data/synthetic/smear.py", True),
        ("synthetic", "data/pipeline/decoding.py", False),
    ],
)
def test_a_change_of_the_code_changes_the_digest_only_of_what_it_makes(tmp_path, source, file, changes):
    shutil.copytree(WBC, tmp_path / "wbc")
    before = source_digest(*MADE_BY[source], root=tmp_path / "wbc")
    assert before == source_digest(*MADE_BY[source])
    with (tmp_path / "wbc" / file).open("a") as changed:
        changed.write("\n# Rounds differently.\n")
    assert (source_digest(*MADE_BY[source], root=tmp_path / "wbc") != before) == changes
