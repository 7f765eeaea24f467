"""Which files of a folder are images of which class, split and group. Every verb reads a folder through this.

Every file is either an image of a class or left out for a reason that is counted. What a person has to decide
is a problem; all of them are reported at once.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from wbc.data import SPLITS
from wbc.data.layout.class_folders import by_folders, usual_layout
from wbc.data.layout.found import AS_IT_IS, BY_FOLDER, FolderOptions, Found, Layout
from wbc.data.layout.label_table import by_table
from wbc.data.layout.names import JUNK, SIDECARS, check_name, split_meant, suggested_groups
from wbc.data.manifest import MANIFEST_NAME
from wbc.errors import InputError

__all__ = [
    "AS_IT_IS",
    "FolderOptions",
    "Found",
    "Layout",
    "may_be_images",
    "read_layout",
    "split_meant",
    "suggested_groups",
]

_SHOWN = 5


def read_layout(root: Path, options: FolderOptions = AS_IT_IS) -> Layout:
    """Find the images of a folder, and what is wrong with it.

    A folder has one folder per class; or splits, each with one folder per class; or a table of labels.

    Raises:
        InputError: There is no such folder, or a name in it is not UTF-8 or leads nowhere.
    """
    if not root.is_dir():
        raise InputError(f"there is no folder {root}", usual_layout())
    layout = Layout(root)
    candidates = []
    table = root / options.labels if options.labels else None
    for path in _walk(root, set()):
        if path == root / MANIFEST_NAME or path == table:
            continue
        suffix = path.suffix.lower()
        if suffix in SIDECARS:
            layout.left_out[f"no image ({suffix})"].append(path.relative_to(root).as_posix())
        else:
            candidates.append(path)
    if table is not None:
        by_table(layout, candidates, table, options)
    else:
        by_folders(layout, candidates, options)
    if options.group not in (None, BY_FOLDER):
        _group_by_name(layout, options.group or "")
    layout.images.sort(key=lambda one: (SPLITS.index(one.split) if one.split else 0, one.file))
    layout.classes = tuple(sorted({one.class_name for one in layout.images}))
    if not layout.problems:
        _check_classes(layout)
    out = sum(len(files) for reason, files in layout.left_out.items() if not reason.startswith("no image"))
    if not layout.problems and len(layout.images) + out != len(candidates):
        raise AssertionError(f"{len(candidates)} files, {len(layout.images)} images and {out} left out")
    return layout


def may_be_images(folder: Path) -> list[Path]:
    """Files below a folder in order, without what is hidden, junk or usually lies beside images."""
    return [path for path in _walk(folder, set()) if path.suffix.lower() not in SIDECARS]


def _walk(folder: Path, above: set[Path]) -> Iterator[Path]:
    """Files below a folder in order, without what is hidden or junk."""
    real = folder.resolve()
    if real in above:
        return
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.startswith(".") or path.name.lower() in JUNK:
            continue
        check_name(path)
        if path.is_dir():
            yield from _walk(path, above | {real})
        elif path.is_file():
            yield path
        else:
            raise InputError(
                f"{path} is neither a file nor a folder", "Name a folder that holds nothing but images."
            )


def _check_classes(layout: Layout) -> None:
    """A classifier needs two classes."""
    number = len(layout.classes)
    if number < 2:
        layout.refuse(
            f"{layout.root} has {number} class{'' if number == 1 else 'es'}, but a classifier needs at least two",
            "It should contain one folder of images per class." if not layout.splits else
            "Each split should contain one folder per class.",
        )  # fmt: skip


def _group_by_name(layout: Layout, pattern: str) -> None:
    grouped, missed = [], []
    for one in layout.images:
        # Without the suffix, whose dot would end a pattern such as the suggested ones.
        match = re.search(pattern, one.path.stem) or re.search(pattern, one.path.name)
        if match is None:
            missed.append(one.file)
        else:
            name = next((part for part in match.groups() if part is not None), match[0])
            grouped.append(Found(one.path, one.file, one.class_name, one.split, name))
    if missed:
        layout.refuse(
            f"the pattern {pattern!r} of group matches {len(grouped)} names of {len(layout.images)}, but not "
            + ", ".join(missed[:_SHOWN]),
            "Give a pattern that matches the name of every image.",
        )
    else:
        layout.images = grouped
