"""A table of labels beside images."""

import codecs
import csv
import io
from collections import Counter, defaultdict
from pathlib import Path

from wbc.data import SPLITS
from wbc.data.layout.found import BY_FOLDER, FolderOptions, Found, Layout
from wbc.data.layout.names import composed, split_meant
from wbc.errors import InputError, did_you_mean

_LABEL_COLUMNS = ("label", "class", "category", "target", "diagnosis", "dx", "y", "cell_type", "type")
_NO_LABEL = {"nan", "null", "n/a", "#n/a"}
"""What programs write for no value."""
_SHOWN = 5


def by_table(layout: Layout, candidates: list[Path], table: Path, options: FolderOptions) -> None:
    """Classes, and perhaps splits and groups, are columns of a table."""
    rows, columns = _rows(table)
    wanted = (options.file_column, options.label_column, options.split_column, options.group_column)
    for column in wanted:
        if column is not None and column not in columns:
            guess = did_you_mean(column, columns) or f"Its columns are {', '.join(columns)}."
            raise InputError(f"{table} has no column {column!r}", guess)
    names = _Names(layout.root, candidates)
    possible = [options.file_column] if options.file_column else columns
    files = max(possible, key=lambda name: sum(bool(names.find(row[name])) for row in rows))
    names.drop_folders([row[files] for row in rows])
    if names.find(files):
        raise InputError(f"{table} begins with an image", "Name the columns in line 1, such as file,label.")
    labels = _labels(table, rows, columns, files, options)
    of: dict[Path, tuple[str, str, str | None]] = {}
    contradicting: list[str] = []
    unknown: list[str] = []
    for row, label in zip(rows, labels, strict=True):
        paths = names.find(row[files])
        if not paths:
            unknown.append(row[files])
            continue
        if len(paths) > 1:
            layout.refuse(
                f"{table}: {row[files]} may be {' or '.join(str(one.relative_to(layout.root)) for one in paths)}",
                "Write the path below the folder.",
            )
            continue
        split = ""
        if options.split_column is not None:
            word = row[options.split_column]
            split = split_meant(word) or ""
            if not split:
                layout.refuse(f"{table}: {word!r} is no split", "Write train, validation or test.")
                continue
        group = row[options.group_column].strip() if options.group_column is not None else None
        found = (label, split, group)
        if of.setdefault(paths[0], found) != found:
            contradicting.append(row[files])
    if contradicting:
        layout.refuse(
            f"{table} says different things of one image: {', '.join(contradicting[:_SHOWN])}"
            + f" and {len(contradicting) - _SHOWN} more" * (len(contradicting) > _SHOWN),
            "Leave one row of each.",
        )
    if unknown:
        count = "1 row" if len(unknown) == 1 else f"{len(unknown)} rows"
        verb = "names" if len(unknown) == 1 else "name"
        what = f"{count} of {table.name} {verb} no image of the folder, such as {unknown[0]}."
        layout.notes.append(what)
        if not of:
            layout.refuse(what.rstrip("."), "Give the folder that the names in the table are in.")
    for path in candidates:
        file = path.relative_to(layout.root).as_posix()
        none: tuple[str, str, str | None] = ("", "", None)
        name, split, given = of.get(path, none)
        if path not in of:
            layout.left_out[f"no row in {table.name}"].append(file)
        elif not name:
            layout.left_out[f"no label in {table.name}"].append(file)
        elif "/" in name or "\0" in name or name in (".", ".."):
            layout.refuse(
                f"{table}: {name!r} cannot be the name of a class", "Give it a name without a slash."
            )
        else:
            group = (given or file) if options.group_column is not None else None
            if options.group == BY_FOLDER:
                group = path.parent.relative_to(layout.root).as_posix()
            layout.images.append(Found(path, file, name, split, group))
    layout.splits = tuple(split for split in SPLITS if any(one.split == split for one in layout.images))
    counts = Counter((one.split, one.class_name) for one in layout.images)
    if layout.splits:
        for split in ("train", "test"):
            if split not in layout.splits:
                layout.refuse(f"{table} has no image of the split {split}", "Complete the column of splits.")
        for split in layout.splits:
            for name in sorted({one.class_name for one in layout.images}):
                if not counts[split, name]:
                    layout.refuse(f"{table}: class {name} is missing from {split}", "Complete the table.")


class _Names:
    """Finds the images that the names in a table mean."""

    def __init__(self, root: Path, candidates: list[Path]) -> None:
        self._whole = {composed(path.relative_to(root).as_posix()): [path] for path in candidates}
        self._paths: dict[str, list[Path]] = defaultdict(list)
        self._cased: dict[str, list[Path]] = defaultdict(list)
        self._dropped = 0
        for path in candidates:
            relative = path.relative_to(root)
            names = {relative.as_posix(), relative.with_suffix("").as_posix(), path.name, path.stem}
            for name in {composed(name) for name in names}:
                self._paths[name].append(path)
            for name in {composed(name).casefold() for name in names}:
                self._cased[name].append(path)

    def find(self, text: str) -> list[Path]:
        """Images of a name or a path, with or without its suffix; in any case if none has that of the name."""
        name = "/".join(_parts(text)[self._dropped :])
        return self._whole.get(name) or self._paths.get(name) or self._cased.get(name.casefold()) or []

    def drop_folders(self, texts: list[str]) -> None:
        """Leave out the folders that all paths begin with, as far as more images are found without them."""
        folders = [_parts(text)[:-1] for text in texts if _parts(text)]
        common = next(
            (n for n, at in enumerate(zip(*folders, strict=False)) if len(set(at)) > 1),
            min(map(len, folders), default=0),
        )
        found = []
        for self._dropped in range(common + 1):
            found.append(sum(bool(self.find(text)) for text in texts))
        self._dropped = found.index(max(found))


def _parts(text: str) -> list[str]:
    return [part for part in composed(text.strip()).replace("\\", "/").split("/") if part not in ("", ".")]


def _labels(
    table: Path, rows: list[dict[str, str]], columns: list[str], files: str, options: FolderOptions
) -> list[str]:
    """The class of every row; empty where there is none."""
    rest = [name for name in columns if name not in (files, options.split_column, options.group_column)]
    usual = [name for name in rest if name.casefold() in _LABEL_COLUMNS]
    label = options.label_column or (usual[0] if len(usual) == 1 else rest[0] if len(rest) == 1 else None)
    if label is None:
        marks = [[_number(row[name]) for name in rest] for row in rows]
        if len(rest) > 1 and all(sorted(row, key=str) == [*[0.0] * (len(rest) - 1), 1.0] for row in marks):
            return [composed(rest[row.index(1.0)].strip()) for row in marks]  # a column for each class
        raise InputError(
            f"{table} has the columns {', '.join(columns)}, and which one is the label cannot be known",
            "Name it: label_column in [data], or --label-column.",
        )
    words = [composed(row[label].strip()) for row in rows]
    words = ["" if word.casefold() in _NO_LABEL else word for word in words]
    numbers = [_number(word) for word in words if word]
    whole = all(number is not None and number.is_integer() for number in numbers)
    if whole and any("." in word for word in words):
        # Programs write whole numbers as 1.0 where a label is missing in another row.
        return [f"{float(word):.0f}" if word else "" for word in words]
    return words


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _rows(table: Path) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of a table and its columns."""
    if table.suffix.lower() not in (".csv", ".tsv"):
        raise InputError(
            f"{table} is no table that is read",
            "Save it as .csv or .tsv, with the names of columns in line 1.",
        )
    try:
        content = table.read_bytes()
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # a spreadsheet's Unicode text
        text = content.decode("utf-16" if wide else "utf-8-sig").lstrip("\r\n")
    except FileNotFoundError:
        raise InputError(f"there is no table {table}", "Give its path below the folder of images.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{table} cannot be read: {error}", "Save it as .csv in UTF-8.") from None
    first = text.partition("\n")[0]
    delimiter = "\t" if table.suffix.lower() == ".tsv" else max(",;\t|", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
    try:
        columns = [name for name in reader.fieldnames or [] if name]
        rows = [{name: row[name] or "" for name in columns} for row in reader]
    except csv.Error as error:
        raise InputError(f"{table}, line {reader.line_num}: {error}", "Save it as .csv in UTF-8.") from None
    if len(columns) < 2 or not rows:
        raise InputError(
            f"{table} has {len(columns)} columns and {len(rows)} rows", "It needs a file and a label."
        )
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise InputError(f"{table} has several columns {twice[0]!r}", "Rename all but one.")
    return rows, columns
