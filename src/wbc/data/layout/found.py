"""What a reading of a folder gives, and what may be said about the folder beforehand."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from wbc.data.manifest import LeftOut
from wbc.errors import InputError, UnsplitFolderError, command

BY_FOLDER = "folder"
"""The grouping of `class/group/image`."""


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
            lines = [what for what, _ in self.problems]
            if len(lines) > 1:  # all of them have room, if they don't repeat the folder
                lines = [f"{self.root}:", *(line.replace(f"{self.root}/", "") for line in lines)]
            ways = dict.fromkeys(way for _, way in self.problems if way)
            raise InputError("\n".join(lines), "\n".join(ways))

    def check_split(self) -> None:
        """Raise all problems, or UnsplitFolderError if there are classes but no splits."""
        if self.images and not self.splits and not self.problems:
            raise UnsplitFolderError(
                f"{self.root} is not split into train/, validation/ and test/ yet",
                f"Split it with: {command()} data prepare {self.root} TO",
            )
        self.check()
