"""What the names of files and folders tell.

Some files are never images. A folder may be named after a split, and file names may suggest groups. Two Unicode
spellings of a name are one name.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from wbc.data import SPLITS
from wbc.data.layout.found import Found
from wbc.errors import InputError

JUNK = {"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "__pycache__"}
"""Files and folders that systems leave behind; hidden ones are ignored as well."""

SIDECARS = frozenset(
    [
        ".txt",
        ".json",
        ".xml",
        ".csv",
        ".tsv",
        ".yaml",
        ".yml",
        ".md",
        ".rst",
        ".html",
        ".log",
        ".ini",
        ".toml",
        ".cfg",
        ".py",
        ".ipynb",
        ".xlsx",
        ".xls",
        ".ods",
        ".docx",
        ".zip",
        ".gz",
        ".tar",
        ".db",
        ".mat",
        ".pkl",
        ".pt",
        ".roi",
        ".geojson",
        ".jsonl",
        ".sha256",
        ".md5",
        ".cff",
        ".bib",
    ]
)
"""Suffixes of what lies beside images: annotations, labels, notes. Such files are passed over and counted."""

SPLIT_WORDS = {
    "train": {"train", "training", "trn"},
    "validation": {"val", "valid", "validation", "validate", "vld", "dev"},
    "test": {"test", "testing", "tst", "tests"},
}
_QUALIFIERS = frozenset(
    [
        "set",
        "sets",
        "data",
        "dataset",
        "images",
        "image",
        "imgs",
        "img",
        "pictures",
        "photos",
        "samples",
        "simple",
        "easy",
        "hard",
        "full",
        "small",
        "split",
        "part",
        "folder",
        "dir",
        "v",
        "version",
        "new",
        "old",
        "final",
        "clean",
        "raw",
        "internal",
        "external",
        "a",
        "b",
    ]
)
_EITHER = {("eval",), ("evaluation",), ("holdout",), ("hold", "out")}
PICTURES = {"images", "image", "imgs", "img", "pictures", "photos", "raw"}
OUTLINES = {
    "masks", "mask", "labels", "label", "annotations", "segmentation", "segmentations", "groundtruth",
    "ground_truth", "ground-truth", "gt", "labelled", "outlines",
}  # fmt: skip


def split_meant(name: str, sibling: bool = False) -> str | None:
    """The split that a folder or a word in a table names, in any case and usual spelling; None if none.

    Args:
        name: Such as `TRAIN`, `val`, `Test_set`, `TEST_SIMPLE`, `train2017`.
        sibling: Another folder beside it names a split, so that any word of the name may.
    """
    meant, others = _words_of(name)
    if len(meant) != 1 or (not sibling and not _QUALIFIERS.issuperset(others)):
        return None
    return meant[0]


def splits_meant(names: Sequence[str]) -> dict[str, str]:
    """Folder -> the split that it names, of folders beside each other; those that name none are left out.

    `seg_train` and `seg_test` are splits together, because they share all other words. `eval` and `holdout` are
    the split that the others leave open, beside train.
    """
    parted = {name: _words_of(name) for name in names}
    trained = {others for meant, others in parted.values() if meant == ("train",)}
    tested = {others for meant, others in parted.values() if len(meant) == 1 and meant != ("train",)}
    sibling = any(split_meant(name) for name in names) or bool(trained & tested)
    found = {name: split for name in names if (split := split_meant(name, sibling))}
    either = [
        name
        for name, (meant, others) in parted.items()
        if not meant and tuple(word for word in others if word not in _QUALIFIERS) in _EITHER
    ]
    if len(either) == 1 and "train" in found.values():
        found[either[0]] = "validation" if "test" in found.values() else "test"
    return found


def _words_of(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The splits that the words of a name mean, each once, and all other words."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = [word for word in re.split(r"[^a-z]+", spaced.casefold()) if word]
    meant = {word: split for word in words for split in SPLITS if _bare(word) in SPLIT_WORDS[split]}
    others = tuple(word for word in words if word not in meant)
    return tuple(dict.fromkeys(meant.values())), others


def _bare(word: str) -> str:
    """A word without what may follow in one word with it: `trainset`, `testdir`."""
    return next((word.removesuffix(end) for end in _QUALIFIERS if len(end) > 2 and word.endswith(end)), word)


def composed(name: str) -> str:
    """One form of a name that Unicode can write in two: Macs write letters and accents apart."""
    return unicodedata.normalize("NFC", name)


def check_name(path: Path) -> None:
    """Check a name for UTF-8: a file system takes any bytes, but manifests, tables and hashes do not."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        if _is_utf8(os.fsencode(path.name)):
            raise InputError(
                f"this locale cannot read the names in {path.parent}", "Set LC_ALL=C.UTF-8, or PYTHONUTF8=1."
            ) from None
        raise InputError(
            f"the name {path.name!r} in {path.parent} is not UTF-8", "Rename the file or folder."
        ) from None


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder, in order, without what is hidden or junk."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".") and path.name.lower() not in JUNK
    )


def suggested_groups(images: Sequence[Found]) -> str:
    """A sentence about groups that file names suggest, with the option that uses them; mostly empty."""
    if len(images) < 6 or any(one.group is not None for one in images):
        return ""
    for pattern in (r"^(.+?)[ _.-]+[^ _.-]+$", r"^(.*?\d.*?\D)\d+$"):
        matches = [re.match(pattern, one.path.stem) for one in images]
        # Within classes: each class may count its photographs anew.
        names = Counter(
            (one.class_name, match[1]) for one, match in zip(images, matches, strict=True) if match
        )
        # Groups of a few: one prefix for all of a class, or one of its own for each image, says nothing.
        several = [count for count in names.values() if count > 1]
        classes = len({one.class_name for one in images})
        told = max(4, classes + 1) <= len(names) <= len(images) / 2 and sum(several) >= 0.8 * len(images)
        if all(matches) and told:
            example = next(name for name, count in names.items() if count > 1)
            return (
                f"File names suggest {len(names)} groups, such as {example[1]!r} ({names[example]} images of "
                f"{example[0]}). If these are patients, slides or copies, keep each together: --group "
                f"'{pattern}', or group in [data]."
            )
    return ""
