"""Any folder of images is read alike by every verb, nothing in it is lost, and pixels are what Pillow says.

Drawn are layouts (classes, splits in several spellings, patients, tables), formats, modes, depths, pages, names
and what lies beside images.
"""

import json
import os
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.commands.main import main
from bench.trials.datasets import DataSets
from wbc.data.check import check_folder
from wbc.data.folders import inspect_folder
from wbc.data.layout import FolderOptions
from wbc.data.loading import load_split
from wbc.data.manifest import Manifest
from wbc.data.pipeline.decoding import read_upright
from wbc.data.prepare import PrepareSettings, prepare
from wbc.data.reading import Reading
from wbc.errors import UnsplitFolderError

EXAMPLES = int(os.environ.get("LEUKOBENCH_FOLDERS", "12"))
HEIGHT, WIDTH = 9, 7

FORMATS = {
    "1": (".png", ".tif", ".bmp"),
    "L": (".png", ".TIF", ".bmp", ".gif"),
    "P": (".png", ".gif", ".tif"),
    "RGB": (".png", ".tiff", ".bmp", ".webp", ".ppm", ".PNG"),
    "RGBA": (".png", ".tif", ".webp"),
    "LA": (".png", ".tif"),
    "PA": (".png",),
    "CMYK": (".tif",),
    "pages": (".tif",),
    "12 bits": (".png", ".tif"),
    "16 bits": (".png", ".tif"),
    "float": (".tif",),
}
"""Kind of an image -> suffixes that keep every pixel."""

DEEP = {"12 bits": 4095.0, "16 bits": 65535.0, "float": 1.0}

LAYOUTS = {
    "classes": ("",),
    "splits": ("train/", "val/", "test/"),
    "SPLITS": ("TRAIN/", "Validation_set/", "Testing/"),
    "seg": ("seg_train/", "seg_val/", "seg_test/"),
    "no validation": ("Train/", "TEST/"),
    "patients": ("",),
    "table": ("",),
}

BESIDE = (
    "notes.txt",
    "labels.xml",
    ".DS_Store",
    "Thumbs.db",
    "annotation.json",
    "__MACOSX/a/x.png",
    ".git/x.png",
)


@dataclass
class Folder:
    """A folder that is not written yet."""

    layout: str
    files: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    """File -> (class, kind, seed)."""
    beside: tuple[str, ...] = ()

    @property
    def options(self) -> FolderOptions:
        """What has to be said of it."""
        if self.layout == "table":
            return FolderOptions(labels="all.csv")
        return FolderOptions(group="folder" if self.layout == "patients" else None)

    def write(self, root: Path) -> None:
        """Write all files."""
        for number, (name, (_, kind, seed)) in enumerate(self.files.items()):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            draw(kind, seed, root / name, number)
        for name in self.beside:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"<a/>")
        if self.layout == "table":
            rows = [f'"{name}",{of}' for name, (of, _, _) in self.files.items()]
            (root / "all.csv").write_text("\n".join(["file,label", *rows]), encoding="utf-8")


@st.composite
def folders(draw: st.DrawFn) -> Folder:
    """A folder with 4 to 6 images of each class in each split."""
    layout = draw(st.sampled_from(list(LAYOUTS)))
    names = st.sampled_from(["a", "B", "grün", "c d", "test_tube", "0", "Zelle\u0308"])
    classes = draw(st.lists(names, min_size=2, max_size=3, unique=True))
    deep = draw(st.sampled_from(list(DEEP)))
    kinds = [kind for kind in FORMATS if kind not in DEEP or kind == deep]
    found = Folder(layout, beside=tuple(draw(st.sets(st.sampled_from(BESIDE)))))
    seeds = iter(range(10**6))
    for top in LAYOUTS[layout]:
        for name in classes:
            for index in range(draw(st.integers(4, 6))):
                kind = draw(st.sampled_from(kinds))
                stem = draw(st.sampled_from(["x", f"x{index}", f"X{index}-png", "y.z", "ü", " q"])) + str(
                    index
                )
                patient = f"P{index % 4}/" if layout == "patients" else ""
                where = f"{index % 2}/{name}-" if layout == "table" else f"{top}{name}/{patient}"
                file = f"{where}{stem}{draw(st.sampled_from(FORMATS[kind]))}"
                if not any(file.casefold() == known.casefold() for known in found.files):
                    found.files[file] = (name, kind, next(seeds))
    return found


def pixels_of(kind: str, seed: int) -> np.ndarray:
    """The numbers in a file."""
    rng = np.random.default_rng(seed)
    if kind in DEEP:
        numbers = rng.random((HEIGHT, WIDTH)) * DEEP[kind]
        numbers[0, 0] = DEEP[kind]  # so that the depth can be told
        return numbers.astype(np.float32 if kind == "float" else np.uint16)
    channels = {"RGBA": 4, "LA": 2, "PA": 4, "CMYK": 4}.get(kind, 3)
    gray = kind in ("1", "L")
    return rng.integers(0, 256, (HEIGHT, WIDTH) if gray else (HEIGHT, WIDTH, channels)).astype(np.uint8)


def image_of(kind: str, seed: int) -> Image.Image:
    """The image of a file of one page."""
    numbers = pixels_of(kind, seed)
    if kind == "P":
        return Image.fromarray(numbers).quantize(16)
    if kind == "PA":
        return Image.fromarray(numbers, "RGBA").quantize(16)  # a palette with transparency
    if kind == "1":
        return Image.fromarray(numbers).convert("1")
    return (
        Image.fromarray(numbers)
        if kind in DEEP
        else Image.fromarray(numbers, kind if kind != "pages" else "RGB")
    )


def draw(kind: str, seed: int, path: Path, number: int) -> None:
    """Write an image whose content no other one has."""
    image, suffix = image_of(kind, seed), path.suffix.lower()
    if kind == "pages":
        others = [Image.fromarray(pixels_of("RGB", seed + 10**6 + page)) for page in range(2)]
        others[0].save(path, save_all=True, append_images=[image, others[1]])
    elif suffix == ".webp":
        image.save(path, lossless=True, exact=True)
    else:
        image.save(path)


def shown(kind: str, seed: int, path: Path) -> np.ndarray:
    """What Pillow says that a file shows, laid on white; numbers by the scale of their depth."""
    if kind in DEEP:
        numbers = pixels_of(kind, seed)
        if kind == "float":
            gray = np.rint(numbers.astype(np.float64) * 255)
        else:
            gray = numbers >> (4 if kind == "12 bits" else 8)
        return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)
    with Image.open(path) as image:
        if kind == "pages":
            image.seek(1)
        if image.has_transparency_data:
            paper = Image.new("RGBA", image.size, (255, 255, 255, 255))
            return np.asarray(Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB"))
        return np.asarray(image.convert("RGB"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(folders())
def test_any_folder_is_read_alike_by_all_and_nothing_is_lost(tmp_path_factory, found: Folder):
    folder = tmp_path_factory.mktemp("any")
    root = folder / "set"
    found.write(root)
    pages = Reading(pages=2)
    manifest = inspect_folder(root, options=found.options, reading=pages, split=False)
    expected = {
        image.file: shown(found.files[image.file][1], found.files[image.file][2], root / image.file)
        for image in manifest.images
    }
    assert expected.keys() == found.files.keys(), "every image is there"
    reading = Reading.of(manifest.settings)
    for image in manifest.images:
        assert np.array_equal(read_upright(root / image.file, reading), expected[image.file]), image.file
        assert image.class_name == unicodedata.normalize("NFC", found.files[image.file][0])
    sidecars = sum(name.endswith((".txt", ".xml", ".json")) for name in found.beside)
    assert sum(len(files) for files in manifest.left_out.values()) == sidecars

    split = found.layout in ("splits", "SPLITS", "seg")
    try:
        report = check_folder(root, options=found.options, reading=pages)
        assert report.manifest.images == manifest.images and not report.unreadable
        assert report.manifest.left_out == manifest.left_out
    except UnsplitFolderError:
        assert not any(image.split for image in manifest.images)

    (folder / "cache").mkdir()
    data = {} if split or found.layout == "no validation" else {"split_seed": 0}
    planned = (
        DataSets(folder / "cache", root, options=found.options, reading=pages)
        .find("folder", data, 8)
        .prepare()
    )
    assert {image.file for image in planned.images} == found.files.keys()
    assert {image.file: image.class_name for image in planned.images} == {
        image.file: image.class_name for image in manifest.images
    }
    loaded = [load_split(planned, name, root, WIDTH) for name in ("train", "validation", "test")]
    assert sum(map(len, loaded)) == len(found.files)
    if split:
        return
    options = PrepareSettings(near_duplicates=False, folder=found.options, stages=_stages(pages))
    made = prepare(root, folder / "out", options)
    assert len(made.images) == len(found.files) and made.left_out == manifest.left_out
    assert inspect_folder(folder / "out").digest == made.digest == Manifest.read(folder / "out").digest
    written = sorted(
        (image.class_name, read_upright(folder / "out" / image.file).tobytes()) for image in made.images
    )
    assert written == sorted((image.class_name, expected[image.file].tobytes()) for image in manifest.images)


def _stages(reading: Reading):
    from wbc.data.pipeline.stages import Stages

    return Stages(reading=reading)


def test_a_plan_reads_the_same_folder(tmp_path: Path, capsys):
    found = Folder(
        "patients",
        {f"{name}/P{n % 4}/{n}.png": (name, "RGB", ord(name) + 100 * n) for name in "ab" for n in range(8)},
    )
    found.write(tmp_path / "set")
    text = f'[data]\npath = "{tmp_path / "set"}"\ngroup = "folder"\nfolds = 2\nimage_size = 32\n'
    text += '[[matrix]]\nmode = "classical"\nbackbone = "SVM"\n'
    (tmp_path / "suite.toml").write_text(text)
    command = ["plan", str(tmp_path / "suite.toml"), "--results", str(tmp_path / "results"), "--json"]
    assert main(command) == 0
    planned = json.loads(capsys.readouterr().out)["trials"]
    assert len(planned) == 2
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["trials"] == planned
