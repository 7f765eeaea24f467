"""Which files of a folder are images of which class, split and group. Every verb reads a folder through this.

Every file is either an image of a class or left out for a reason that is counted. What a person has to decide
is a problem; all of them are reported at once.
"""

import csv
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wbc.data import SPLITS
from wbc.data.manifest import MANIFEST_NAME, LeftOut
from wbc.errors import InputError, UnsplitFolderError, command, did_you_mean

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

BY_FOLDER = "folder"
"""The grouping of `class/group/image`."""

_WORDS = {
    "train": {"train", "training", "trn", "trainset"},
    "validation": {"val", "valid", "validation", "validate", "valset", "validset", "dev", "devset"},
    "test": {"test", "testing", "tst", "tests", "testset"},
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
_PICTURES = {"images", "image", "imgs", "img", "pictures", "photos", "raw"}
_OUTLINES = {
    "masks", "mask", "labels", "label", "annotations", "segmentation", "segmentations", "groundtruth",
    "ground_truth", "ground-truth", "gt", "labelled", "outlines",
}  # fmt: skip
_LABEL_COLUMNS = ("label", "class", "category", "target", "diagnosis", "dx", "y", "cell_type", "type")
_SHOWN = 5


@dataclass(frozen=True)
class FolderOptions:
    """What a folder does not say of itself.

    Raises:
        InputError: The pattern of groups is not a regular expression, or a column is named without a table.
    """

    group: str | None = None
    """`folder`, or a regular expression for the name of an image; its first group, or all that it matches."""
    labels: str | None = None
    """Table of labels, `.csv` or `.tsv`, relative to the folder."""
    file_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None

    def __post_init__(self) -> None:
        if self.group is not None and self.group != BY_FOLDER:
            try:
                re.compile(self.group)
            except re.error as error:
                raise InputError(
                    f"group is {self.group!r}, which is no regular expression: {error}",
                    'Give "folder", or a pattern such as "^(.+)_".',
                ) from None
        named = [self.file_column, self.label_column, self.split_column, self.group_column]
        if self.labels is None and any(named):
            raise InputError("a column is named without a table", 'Name it: labels = "train.csv".')
        if self.group is not None and self.group_column is not None:
            raise InputError("groups are given twice, by group and by group_column", "Remove one of them.")


AS_IT_IS = FolderOptions()
"""Of a folder that needs no explanation."""


@dataclass(frozen=True)
class Found:
    """One image of a folder."""

    path: Path
    file: str
    """Path below the folder, with forward slashes."""
    class_name: str
    split: str
    """Empty if the folder is not split."""
    group: str | None
    """What it shares with others, such as a patient; None without groups."""


@dataclass
class Layout:
    """What was found in a folder."""

    root: Path
    images: list[Found] = field(default_factory=list)
    """By split and file name."""
    classes: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    """Those that the folder has; empty: it is not split."""
    left_out: LeftOut = field(default_factory=LeftOut)
    """Reason -> files."""
    notes: list[str] = field(default_factory=list)
    """What a reader should know, in sentences."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """What makes the folder useless as it is, and the way out."""

    def refuse(self, what: str, way_out: str = "") -> None:
        """Remember a problem."""
        self.problems.append((what, way_out))

    def check(self) -> None:
        """Raise all problems as one InputError."""
        if self.problems:
            ways = list(dict.fromkeys(way for _, way in self.problems if way))
            raise InputError("\n".join(what for what, _ in self.problems), "\n".join(ways))

    def check_split(self) -> None:
        """Raise all problems, or UnsplitFolderError if there are classes but no splits."""
        if self.images and not self.splits and not self.problems:
            raise UnsplitFolderError(f"{self.root} is not split into train/, validation/ and test/ yet")
        self.check()


def split_meant(name: str, sibling: bool = False) -> str | None:
    """The split that a folder or a word in a table names, in any case and usual spelling; None if none.

    Args:
        name: Such as `TRAIN`, `val`, `Test_set`, `TEST_SIMPLE`, `train2017`.
        sibling: Another folder beside it names a split, so that any word of the name may.
    """
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = [word for word in re.split(r"[^a-z]+", spaced.casefold()) if word]
    meant = [split for split in SPLITS for word in words if word in _WORDS[split]]
    others = [word for word in words if not any(word in known for known in _WORDS.values())]
    if len(set(meant)) != 1 or (not sibling and any(word not in _QUALIFIERS for word in others)):
        return None
    return meant[0]


def read_layout(root: Path, options: FolderOptions = AS_IT_IS) -> Layout:
    """Find the images of a folder, and what is wrong with it.

    A folder has one folder per class; or splits, each with one folder per class; or a table of labels.

    Raises:
        InputError: There is no such folder, or a name in it is not UTF-8 or leads nowhere.
    """
    if not root.is_dir():
        raise InputError(f"there is no folder {root}", _usual())
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
        _by_table(layout, candidates, table, options)
    else:
        _by_folders(layout, candidates, options)
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


def suggested_groups(images: Sequence[Found]) -> str:
    """A sentence about groups that file names suggest, with the option that uses them; mostly empty."""
    if len(images) < 6 or any(one.group is not None for one in images):
        return ""
    for pattern in (r"^(.+?)[ _.-]+[^ _.-]+$", r"^(.*?\d.*?\D)\d+$"):
        matches = [re.match(pattern, one.path.stem) for one in images]
        names = Counter(match[1] for match in matches if match)
        # Groups of a few: one prefix for all, or a prefix of its own for each image, says nothing.
        several = [count for count in names.values() if count > 1]
        if all(matches) and 4 <= len(names) <= len(images) / 2 and sum(several) >= 0.8 * len(images):
            classes = {
                (one.class_name, match[1]) for one, match in zip(images, matches, strict=True) if match
            }
            if len(names) <= len({one.class_name for one in images}) or len(classes) > 1.5 * len(names):
                continue
            example = next(name for name, count in names.items() if count > 1)
            return (
                f"File names suggest {len(names)} groups, such as {example!r} ({names[example]} images). If "
                f"these are patients, slides or copies, keep each together: --group '{pattern}', or group in [data]."
            )
    return ""


def _walk(folder: Path, above: set[Path]) -> Iterator[Path]:
    """Files below a folder in order, without what is hidden or junk."""
    real = folder.resolve()
    if real in above:
        return
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.startswith(".") or path.name.lower() in JUNK:
            continue
        _check_name(path)
        if path.is_dir():
            yield from _walk(path, above | {real})
        elif path.is_file():
            yield path
        else:
            raise InputError(f"{path} is not a file", f"Remove it from {folder}.")


def _folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, in order, without what is hidden or junk."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".") and path.name.lower() not in JUNK
    )


def _check_name(path: Path) -> None:
    """Check a name for UTF-8: a file system takes any bytes, but manifests, tables and hashes do not."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"the name {path.name!r} in {path.parent} is not UTF-8", "Rename the file or folder."
        ) from None


def _usual() -> str:
    return (
        "It should contain train/, validation/ and test/, each with one folder per class. "
        f"`{command()} data prepare FROM TO` makes such a folder from one with a folder per class."
    )


def _by_folders(layout: Layout, candidates: list[Path], options: FolderOptions) -> None:
    """Classes, and perhaps splits, are folders."""
    root, tops = layout.root, _folders(layout.root)
    plain = {name: split_meant(name) for name in tops}
    any_split = any(plain.values())
    meant = {name: split_meant(name, any_split) for name in tops}
    chosen: dict[str, str] = {}
    for split in SPLITS:
        names = [name for name in tops if meant[name] == split]
        exact = [name for name in names if name.casefold() in _WORDS[split]]
        if len(names) == 1 or len(exact) == 1:
            chosen[split] = (exact or names)[0]
        elif names:
            layout.refuse(
                f"{root} has several folders for {split}: {', '.join(names)}", "Leave one of them there."
            )
    layout.splits = tuple(split for split in SPLITS if split in chosen)
    split_of = {name: split for split, name in chosen.items()}
    flat: Counter[str] = Counter()
    nested: dict[Path, int] = {}
    for path in candidates:
        parts = path.relative_to(root).parts
        file = "/".join(parts)
        split = ""
        if any_split:
            if len(parts) == 1 or parts[0] not in split_of:
                where = f"{parts[0]}/" if len(parts) > 1 else "the folder itself"
                layout.left_out[f"outside of the splits, in {where}"].append(file)
                continue
            split, parts = split_of[parts[0]], parts[1:]
        if len(parts) == 1:
            if any_split:
                flat[chosen[split]] += 1
            layout.left_out["in no class folder"].append(file)
            continue
        if len(parts) > 2 and options.group != BY_FOLDER:
            nested.setdefault(root / Path(file).parent, len(parts))
            continue
        group = parts[1] if options.group == BY_FOLDER and len(parts) > 2 else None
        if options.group == BY_FOLDER and group is None:
            group = file  # an image beside the folders of groups is a group of its own
        layout.images.append(Found(path, file, _composed(parts[0]), split, group))
    tops_of_classes = [root / chosen[split] for split in layout.splits] if any_split else [root]
    for folder in (top / name for top in tops_of_classes for name in _folders(top)):
        if options.group != BY_FOLDER and not any(one.is_relative_to(folder) for one in nested):
            nested |= {folder / name: 0 for name in _folders(folder)[:1]}  # empty ones
    _refuse_nested(layout, nested)
    _refuse_flat(layout, flat, any_split)
    _look_at_names(layout, {name for top in tops_of_classes for name in _folders(top)})
    if any_split:
        _check_splits(layout, chosen)


def _composed(name: str) -> str:
    """One form of a name that Unicode can write in two: Macs write letters and accents apart."""
    return unicodedata.normalize("NFC", name)


def _refuse_nested(layout: Layout, nested: dict[Path, int]) -> None:
    if not nested:
        return
    first = sorted(nested)[0]
    if split_meant(first.name) or any(split_meant(name) for name in _folders(first.parent)):
        layout.refuse(f"the splits are in {first.parent}", "Give that folder.")
        return
    others = f" ({len(nested)} such folders)" if len(nested) > 1 else ""
    layout.refuse(
        f"{first} is a folder inside a class folder{others}",
        f'If it holds the images of one patient or slide, group by it: group = "folder" in [data], or --group '
        f"folder. Else move its images up into {first.parent}, or remove the folder.",
    )


def _refuse_flat(layout: Layout, flat: Counter[str], any_split: bool) -> None:
    """Images where folders of classes should be."""
    root = layout.root
    tables = sorted(path.name for path in root.iterdir() if path.suffix.lower() in (".csv", ".tsv"))
    table = tables[0] if tables else ""
    named = f'If {table} holds the labels, name it: labels = "{table}" in [data], or --labels {table}.'
    way = named if tables else "Each split should contain one folder of images per class."
    for name, count in flat.items():
        classes = any(one.file.startswith(f"{name}/") for one in layout.images)
        layout.refuse(
            f"{root / name} has {count} image{'s' * (count > 1)} "
            + ("outside of its class folders" if classes else "but no class folders"),
            way,
        )
    if not any_split and not layout.images and "in no class folder" in layout.left_out:
        count = len(layout.left_out["in no class folder"])
        layout.refuse(f"{root} has {count} images, but no class folders", named if tables else _usual())


def _look_at_names(layout: Layout, names: set[str]) -> None:
    """Say what names of classes look like."""
    forms = defaultdict(set)
    for name in names:
        forms[_composed(name)].add(name)
    for name, written in sorted(forms.items()):
        if len(written) > 1:
            layout.notes.append(
                f"The class {name} is written in {len(written)} Unicode forms (a Mac takes accents apart); they "
                "are read as one class."
            )
    lowered = {name.casefold() for name in names}
    if lowered & _PICTURES and lowered & _OUTLINES:
        layout.refuse(
            f"{layout.root} has folders {', '.join(sorted(names))}: a segmentation set of pictures and their "
            "outlines, which are no classes",
            'A classifier needs one folder of images per class, or a table of labels: labels = "labels.csv".',
        )


def _check_splits(layout: Layout, chosen: dict[str, str]) -> None:
    """Refuse what is missing from the splits, all at once."""
    root = layout.root
    missing = [split for split in ("train", "test") if split not in chosen]
    if missing:
        others = [name for name in _folders(root) if name not in chosen.values()]
        hints = [f" ({name}/: {guess})" for name in others if (guess := did_you_mean(name, missing))]
        layout.refuse(
            f"{root} has no {' and no '.join(f'{split}/' for split in missing)}{''.join(hints[:1])}", _usual()
        )
    by_split: dict[str, set[str]] = {
        split: {_composed(name) for name in _folders(root / name_of)} for split, name_of in chosen.items()
    }
    full = Counter((one.split, one.class_name) for one in layout.images)
    classes = sorted(set().union(*by_split.values()))
    if not classes or (len(layout.images) == 0 and layout.problems):
        return
    for split, names in by_split.items():
        folder = root / chosen[split]
        for name in classes:
            if name not in names:
                guess = did_you_mean(
                    name,
                    sorted(one for one in names if sum(one in known for known in by_split.values()) == 1),
                )
                layout.refuse(
                    f"class {name} is missing from {folder}" + (f" ({guess})" if guess else ""),
                    "Every class needs a folder with images in train/, validation/ and test/.",
                )
            elif not full[split, name]:
                layout.refuse(
                    f"{folder / name} contains no image, but every class needs some in every split",
                    f"Put images of class {name} into {chosen[split]}/, or remove the class from all splits.",
                )
    if "validation" not in chosen and not layout.problems:
        layout.notes.append("There is no validation split: it is taken out of train, and the test is kept.")


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
        match = re.search(pattern, one.path.name)
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


def _by_table(layout: Layout, candidates: list[Path], table: Path, options: FolderOptions) -> None:
    """Classes, and perhaps splits and groups, are columns of a table."""
    rows, columns = _rows(table)
    keys: dict[str, list[Path]] = defaultdict(list)
    for path in candidates:
        relative = path.relative_to(layout.root)
        names = {relative.as_posix(), relative.with_suffix("").as_posix(), path.name, path.stem}
        for name in {_composed(name) for name in names}:
            keys[name].append(path)

    def key(text: str) -> str:
        return _composed(text.strip().replace("\\", "/").removeprefix("./"))

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
        found = (_composed(row[label].strip()), split, group)
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
