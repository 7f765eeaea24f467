"""A table of labels beside images."""

import csv
from collections import Counter, defaultdict
from pathlib import Path

from wbc.data import SPLITS
from wbc.data.layout.found import BY_FOLDER, FolderOptions, Found, Layout
from wbc.data.layout.names import composed, split_meant
from wbc.errors import InputError, did_you_mean

_LABEL_COLUMNS = ("label", "class", "category", "target", "diagnosis", "dx", "y", "cell_type", "type")
_SHOWN = 5


def by_table(layout: Layout, candidates: list[Path], table: Path, options: FolderOptions) -> None:
    """Classes, and perhaps splits and groups, are columns of a table."""
    rows, columns = _rows(table)
    keys: dict[str, list[Path]] = defaultdict(list)
    for path in candidates:
        relative = path.relative_to(layout.root)
        names = {relative.as_posix(), relative.with_suffix("").as_posix(), path.name, path.stem}
        for name in {composed(name) for name in names}:
            keys[name].append(path)

    def key(text: str) -> str:
        return composed(text.strip().replace("\\", "/").removeprefix("./"))

    wanted = (options.file_column, options.label_column, options.split_column, options.group_column)
    for column in wanted:
        if column is not None and column not in columns:
            guess = did_you_mean(column, columns) or f"Its columns are {', '.join(columns)}."
            raise InputError(f"{table} has no column {column!r}", guess)
    files = options.file_column or max(columns, key=lambda name: sum(key(row[name]) in keys for row in rows))
    rest = [name for name in columns if name not in (files, *wanted[2:])]
    usual = [name for name in rest if name.casefold() in _LABEL_COLUMNS]
    label = options.label_column or (usual[0] if len(usual) == 1 else rest[0] if len(rest) == 1 else None)
    if label is None:
        raise InputError(
            f"{table} has the columns {', '.join(columns)}, and which one is the label cannot be known",
            "Name it: label_column in [data], or --label-column.",
        )
    of: dict[Path, tuple[str, str, str | None]] = {}
    contradicting: list[str] = []
    unknown: list[str] = []
    for row in rows:
        paths = keys.get(key(row[files]), [])
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
        found = (composed(row[label].strip()), split, group)
        if of.setdefault(paths[0], found) != found:
            contradicting.append(row[files])
    if contradicting:
        layout.refuse(
            f"{table} says different things of one image: {', '.join(contradicting[:_SHOWN])}"
            + f" and {len(contradicting) - _SHOWN} more" * (len(contradicting) > _SHOWN),
            "Leave one row of each.",
        )
    if unknown:
        what = f"{len(unknown)} rows of {table.name} name no image of the folder, such as {unknown[0]}."
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


def _rows(table: Path) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of a table and its columns."""
    if table.suffix.lower() not in (".csv", ".tsv"):
        raise InputError(
            f"{table} is no table that is read",
            "Save it as .csv or .tsv, with the names of columns in line 1.",
        )
    try:
        text = table.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"there is no table {table}", "Give its path below the folder of images.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{table} cannot be read: {error}", "Save it as .csv in UTF-8.") from None
    first = text.partition("\n")[0]
    delimiter = "\t" if table.suffix.lower() == ".tsv" else max(",;\t", key=first.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter, restval="")
    columns = [name for name in reader.fieldnames or [] if name]
    rows = [{name: row[name] or "" for name in columns} for row in reader]
    if len(columns) < 2 or not rows:
        raise InputError(
            f"{table} has {len(columns)} columns and {len(rows)} rows", "It needs a file and a label."
        )
    return rows, columns
