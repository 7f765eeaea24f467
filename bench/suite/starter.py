"""A first suite for a folder of images: what is seen in it, and a commented file that suits it."""

import contextlib
import json
import re
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePath

from wbc.data import SPLITS
from wbc.data.folders import Looked, inspect_folder
from wbc.data.layout import AS_IT_IS, FolderOptions
from wbc.data.layout.found import BY_FOLDER
from wbc.data.manifest import Manifest
from wbc.data.reading import PLAIN, Reading
from wbc.errors import InputError

PRESETS = ("quick", "thorough")

UNEVEN = 1.5
"""From this ratio of the largest class to the smallest on, classes are weighted."""

SIZES = (32, 48, 64, 96, 128, 160, 192, 224)
"""Sides of images that a suite is written with."""

PRETRAINED_SIDE = 96
"""Smallest side for pretrained networks, which know larger images: MobileNet names 58 % of digits of 32 pixels right,
and 97 % of the same digits enlarged to 96."""

QUICK_SIDE = 128
"""Largest side of the quick preset."""

_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")
"""What a comment of TOML may not hold."""

FEW = 100
"""Images of the smallest class below which a result is uncertain."""


@dataclass(frozen=True)
class Seen:
    """What is in a folder of images."""

    counts: dict[str, int]
    """Class -> images, in label order."""
    splits: dict[str, int]
    """Split -> images; empty where the folder is not split."""
    sides: tuple[int, int, int]
    """Smallest, middle and largest of the images' shorter sides, pixels."""
    square: bool
    """Whether most images are about square."""
    folders: bool
    """Whether classes have subfolders, by which the images are grouped then."""
    prefix: str
    """What the names of several images have in common, such as `P01`; empty where nothing."""
    prefixes: int
    """How many such prefixes there are."""

    @property
    def images(self) -> int:
        """In all."""
        return sum(self.counts.values())

    @property
    def ratio(self) -> float:
        """Of the largest class to the smallest."""
        return max(self.counts.values()) / max(1, min(self.counts.values()))

    @property
    def layout(self) -> str:
        """In words."""
        if not self.splits:
            return "not split yet: one folder for each class"
        return "split: " + ", ".join(f"{count:,} {name}" for name, count in self.splits.items())

    def sentences(self) -> list[str]:
        """What a person should know, a line each."""
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        low, middle, high = self.sides
        size = f"{low}" if low == high else f"{low} to {high}, {middle} in the middle"
        uneven = f"the largest class has {self.ratio:.1f} times as many images as the smallest"
        return [
            f"{self.images:,} images of {len(self.counts)} classes: {counts}",
            f"shorter side in pixels: {size}{'' if self.square else '; most are not square'}",
            f"balance: {uneven if self.ratio >= UNEVEN else 'even'}",
            self.layout,
        ]


def look(folder: Path, options: FolderOptions, reading: Reading = PLAIN) -> Seen:
    """Decode every image of a folder once.

    Raises:
        InputError: The folder is missing, has less than two classes, or an image cannot be used.
    """
    known: dict[str, Looked] = {}
    by_folder = False

    def inspect(options: FolderOptions) -> Manifest:
        return inspect_folder(folder, options=options, reading=reading, split=False, keep=known.update)

    try:
        manifest, by_folder = inspect(options), False
    except InputError as error:
        if options != AS_IT_IS:
            raise
        with contextlib.suppress(InputError):  # classes with subfolders have to be grouped by these
            manifest, by_folder = inspect(FolderOptions(group=BY_FOLDER)), True
        if not by_folder:
            raise error from None
    images = manifest.images
    sides = sorted(min(one.facts.width, one.facts.height) for one in known.values())
    shapes = [
        max(one.facts.width, one.facts.height) / min(one.facts.width, one.facts.height)
        for one in known.values()
    ]
    splits = Counter(image.split for image in images if image.split)
    counts = Counter(image.class_name for image in images)
    names = [PurePath(image.file) for image in images]
    prefix, prefixes = _prefixes(names)
    return Seen(
        {name: counts[name] for name in manifest.classes},
        {name: splits[name] for name in SPLITS if splits[name]},
        (sides[0], sides[len(sides) // 2], sides[-1]),
        statistics.median(shapes) < 1.1,
        by_folder,
        prefix,
        prefixes,
    )


def _prefixes(names: Sequence[PurePath]) -> tuple[str, int]:
    """A beginning that names share with some others, as those of one patient's images may."""
    found = Counter(match[1] for name in names if (match := re.match(r"([A-Za-z]*\d+)[_-]", name.name)))
    shared = [prefix for prefix, count in found.items() if count > 1]
    if 2 * sum(found.values()) < len(names) or 2 * len(shared) < len(found) or len(found) < 2:
        return "", 0
    return shared[0], len(found)


def side_for(seen: Seen, preset: str) -> int:
    """The side of the images that networks get: hardly more than the files have."""
    most = QUICK_SIDE if preset == "quick" else SIZES[-1]
    fitting = [side for side in SIZES if side <= min(most, max(SIZES[0], seen.sides[1]))]
    return fitting[-1]


def suite_text(
    seen: Seen,
    folder: Path,
    name: str,
    preset: str,
    said_by: str,
    options: FolderOptions = AS_IT_IS,
    reading: Reading = PLAIN,
) -> str:
    """The suite file.

    Args:
        seen: What is in the folder.
        folder: As the file names it.
        name: Of the suite.
        preset: One of `PRESETS`.
        said_by: The command that writes it.
        options: What the folder does not say of itself.
        reading: How its files become pixels.
    """
    lines = [
        f"# Written by: {_CONTROLS.sub(' ', said_by)}",
        # A name may hold any character, and a comment ends with its line.
        *(f"# {_CONTROLS.sub(' ', sentence)}" for sentence in seen.sentences()),
        "# Every key: docs/suite.md. A list where one value is expected makes one trial for each value.",
        "",
        "[suite]",
        f"name = {_text(name)}",
    ]
    if preset == "thorough":
        lines.append(
            "seeds = [0, 1, 2]                   # every trial three times: intervals of what chance does"
        )
    lines += ["", "[data]", f"path = {_text(str(folder))}", *_data_lines(seen, options, reading)]
    side = side_for(seen, preset)
    lines.append(f"{f'image_size = {side}':<35} # of the images that networks get; smaller is faster")
    if not seen.square:
        lines.append(
            '# fit = "crop"                      # or "pad"; without it images are squashed to squares'
        )
    lines += ["", "[training]", *_TRAINING[preset]]
    if seen.ratio >= UNEVEN:
        lines.append(
            'class_weight = "balanced"           # every class counts the same, however few images it has'
        )
    lines += ["", "[cache]", _SHARED, ""]
    for line in _MATRIX[preset]:
        lines.append(line)
        if side < PRETRAINED_SIDE and line.startswith(('mode = "transfer"', 'mode = "finetune"')):
            enlarged = f"image_size = {PRETRAINED_SIDE}"
            lines.append(
                f"{enlarged:<35} # pretrained networks know larger images, so small ones are enlarged"
            )
    return "\n".join(line.rstrip() for line in lines) + "\n"


_TRAINING = {
    "quick": [
        'optimizer = { name = "Adam", learning_rate = 1e-3 }',
        "batch_size = 32",
        "epochs = 20",
        "early_stopping = { patience = 5 }   # ends when validation no longer improves, and takes the best epoch",
    ],
    "thorough": [
        'optimizer = { name = "Adam", learning_rate = 1e-3 }    # or learning_rate = "search"',
        "batch_size = 32",
        "epochs = 60",
        "early_stopping = { patience = 10 }  # ends when validation no longer improves, and takes the best epoch",
    ],
}

_SHARED = "features = true                     # more epochs or seeds of a frozen backbone need not extract them again"

_MATRIX = {
    "quick": [
        "[[matrix]]                          # a pretrained backbone, frozen: only a head is trained",
        'mode = "transfer"                   # Keras downloads the weights once, where they are missing',
        'backbone = { name = "MobileNet", alpha = 0.25 }',
        "",
        "[[matrix]]                          # everything from random weights",
        'mode = "scratch"',
        'backbone = "LeNet5"',
    ],
    "thorough": [
        "[[matrix]]                          # pretrained backbones, frozen: only a head is trained",
        'mode = "transfer"                   # Keras downloads the weights once, where they are missing',
        'backbone = [{ name = "MobileNet", alpha = 0.5 }, "MobileNetV2", "ResNet50"]',
        "",
        "[[matrix]]                          # the head first, then all layers at a tenth of the learning rate",
        'mode = "finetune"',
        'backbone = [{ name = "MobileNet", alpha = 0.5 }, "MobileNetV2"]',
        "augmentation = true                 # turned, shifted, mirrored, in other light",
        "",
        "[[matrix]]                          # everything from random weights",
        'mode = "scratch"',
        'backbone = ["LeNet5", { name = "MobileNet", alpha = 0.25 }]',
        "augmentation = true",
    ],
}


def _data_lines(seen: Seen, options: FolderOptions, reading: Reading) -> list[str]:
    given = {key: getattr(reading, key) for key in ("white", "black", "pages")}
    lines = [f"{key} = {json.dumps(value)}" for key, value in given.items() if value != getattr(PLAIN, key)]
    for field in fields(options):
        if (value := getattr(options, field.name)) is not None:
            lines.append(f"{field.name} = {_text(str(value))}")
    if options.group is None and options.group_column is None:
        if seen.folders:
            lines.append('group = "folder"                    # images of one subfolder stay in one split')
        elif seen.prefix:
            lines.append(
                f'# group = "^([A-Za-z]*[0-9]+)[_-]"  # {seen.prefixes} beginnings of names such as {seen.prefix}: '
                "patients or slides? Then uncomment."
            )
    if not seen.splits:
        lines += [
            "split_seed = 0                      # each run splits the images: near-duplicates stay in one split",
            "# folds = 5                         # instead: cross-validation, which tests every image once",
        ]
    return lines


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def write_suite(path: Path, text: str, check: Callable[[Path], None]) -> None:
    """Write a suite that `check` accepts; nothing is left behind if it does not.

    Raises:
        InputError: There is such a file already, or the suite cannot be planned.
    """
    if path.exists():
        raise InputError(f"{path} exists already", "Give another name with --output, or remove it.")
    if not path.parent.is_dir():
        raise InputError(
            f"there is no folder {path.parent} for {path.name}",
            "Make it first, or give another name with --output.",
        )
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        check(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
