"""What the BCCD folder contains: photographs, boxes and the kinds of the white cells.

A damaged `labels.csv` concerns every cell and stops the import. A damaged annotation or photograph concerns
one cell, which is left out and counted.
"""

import csv
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

from wbc.data import BASOPHIL, CELL_CLASSES
from wbc.data.manifest import LeftOut
from wbc.data.pipeline.cropping import Box, read_white_box
from wbc.errors import InputError, command
from wbc.files import file_sha256

IMAGES, ANNOTATIONS, LABELS = "JPEGImages", "Annotations", "labels.csv"


def _way_out() -> str:
    return f"""\
Get BCCD with `{command()} data bccd DIR`, or give its folder with --data DIR. It contains {IMAGES}/, {ANNOTATIONS}/
(from github.com/Shenggan/BCCD_Dataset, folder BCCD) and {LABELS} (from github.com/dhruvp/wbc-classification)."""


@dataclass(frozen=True)
class WhiteCell:
    """The only white cell of a photograph."""

    name: str
    """Name of the photograph, without suffix."""
    image: Path
    """The photograph."""
    category: str
    """One of the four classes, or a basophil."""
    box: Box
    """As annotated, in pixels."""


def is_bccd_folder(folder: Path) -> bool:
    """Whether a folder is BCCD rather than a folder of classes."""
    return (folder / IMAGES).is_dir() and (folder / LABELS).is_file()


def check_bccd_folder(folder: Path) -> None:
    """Check that a folder looks like BCCD.

    Raises:
        InputError: The folder, or something in it, is missing. The message says where BCCD comes from.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder, but BCCD is expected there", _way_out())
    missing = [f"{name}/" for name in (IMAGES, ANNOTATIONS) if not (folder / name).is_dir()]
    if not (folder / LABELS).is_file():
        missing.append(LABELS)
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise InputError(f"{folder} is not BCCD: {' and '.join(missing)} {verb} missing", _way_out())
    if not photographs(folder):
        raise InputError(f"{folder / IMAGES}: there is no photograph in it", _way_out())


def bccd_fingerprint(folder: Path) -> str:
    """SHA-256 over `labels.csv` and every annotation and photograph: name and hash of each.

    Raises:
        InputError: The folder is not BCCD.
    """
    check_bccd_folder(folder)
    annotations = sorted((folder / ANNOTATIONS).glob("*.xml"))
    digest = hashlib.sha256()
    for path in [folder / LABELS, *annotations, *photographs(folder)]:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def photographs(folder: Path) -> list[Path]:
    """The photographs, ordered by name."""
    suffixes = (".jpg", ".jpeg", ".png")
    return sorted(path for path in (folder / IMAGES).iterdir() if path.suffix.lower() in suffixes)


def read_white_cells(folder: Path, basophils: bool) -> tuple[list[WhiteCell], LeftOut]:
    """The photographs with exactly one white cell, of one of the four classes.

    Args:
        folder: BCCD's.
        basophils: Whether they are a fifth class.

    Returns:
        The cells, ordered by name, and what was left out.

    Raises:
        InputError: The folder is not BCCD, or `labels.csv` cannot be used.
    """
    check_bccd_folder(folder)
    categories = _read_labels(folder / LABELS)
    left_out, cells = LeftOut(), []
    by_number = _by_number(photographs(folder))
    for number, category in categories.items():
        if category and number not in by_number:
            left_out["category without a photograph"].append(f"BloodImage_{number:05d}.jpg")
    for number, image in by_number.items():
        category = categories.get(number, "")
        found = _unusable(category, basophils) or read_white_box(folder / ANNOTATIONS / f"{image.stem}.xml")
        if isinstance(found, str):
            left_out[found].append(image.name)
        else:
            cells.append(WhiteCell(image.stem, image, category, found))
    return sorted(cells, key=lambda cell: cell.name), left_out


def _by_number(images: list[Path]) -> dict[int, Path]:
    """The photographs by the number at the end of their names."""
    numbered: dict[int, Path] = {}
    for image in images:
        digits = re.search(r"\d+$", image.stem)
        if digits is None:
            raise InputError(
                f"{image}: the name does not end with a number",
                f"Use the number that {LABELS} uses: BloodImage_00012{image.suffix} for image 12.",
            )
        other = numbered.setdefault(int(digits[0]), image)
        if other != image:
            raise InputError(
                f"{image.parent}: {other.name} and {image.name} have the same number", "Remove one of them."
            )
    return numbered


def _read_labels(path: Path) -> dict[int, str]:
    """Number of the photograph -> category in capitals, empty where there is none."""
    try:
        text = io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text", "Save it as CSV in UTF-8.") from None
    reader = csv.DictReader(text, skipinitialspace=True)
    for column in ("Image", "Category"):
        if column not in (reader.fieldnames or ()):
            raise InputError(f"{path}, line 1: there is no column {column}", _way_out())
    categories: dict[int, str] = {}
    try:
        for row in reader:
            _add_label(categories, row, f"{path}, line {reader.line_num}")
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}", "Correct the line.") from None
    return categories


def _add_label(categories: dict[int, str], row: dict[str, str | None], where: str) -> None:
    number, category = (row["Image"] or "").strip(), (row["Category"] or "").strip().upper()
    if not number and not category:
        return
    if not re.fullmatch(r"[0-9]{1,9}", number):
        raise InputError(f"{where}: {number!r} is not the number of an image", "Correct the line.")
    if categories.setdefault(int(number), category) != category:
        raise InputError(f"{where}: image {number} has a second category, {category}", "Remove one line.")


def _unusable(category: str, basophils: bool) -> str | None:
    """The reason why a category cannot be learned; None if it can."""
    if not category:
        return "no category"
    if "," in category:
        return "category with two cells"
    if category == BASOPHIL:
        return None if basophils else "basophil, not one of the four classes"
    return None if category in CELL_CLASSES else "category unknown"
