"""Image folders as users have them, read in full: every image is decoded once, and its numbers are looked at."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wbc.data.layout import AS_IT_IS, FolderOptions, Found, Layout, read_layout
from wbc.data.manifest import MANIFEST_NAME, ImageEntry, Manifest
from wbc.data.reading import PLAIN, Facts, Reading
from wbc.errors import InputError
from wbc.files import file_sha256

_SHOWN = 10


@dataclass(frozen=True)
class FileState:
    """What shows whether a file has changed since it was read, or another one has taken its name."""

    size: int
    """Bytes."""
    mtime_ns: int
    """Time of the last change of its content, in nanoseconds since the epoch."""
    ctime_ns: int
    """Time of the last change of anything, which no program can set back."""
    inode: int
    """Number of the file in its file system, which keeps it when it or its folder is renamed."""

    @classmethod
    def of(cls, path: Path) -> "FileState":
        """The current state of a file."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@dataclass(frozen=True)
class Looked:
    """What is known of an image once it is decoded."""

    sha256: str
    """Hash of the file's bytes."""
    facts: Facts


Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, total)."""

Remembered = Callable[[str, FileState], Looked | None]
"""(relative path, state) -> what is known of a file that was decoded before, or None."""


@dataclass(frozen=True)
class Contents:
    """The images of a folder, decoded."""

    images: list[tuple[Found, Looked]]
    unreadable: list[tuple[str, InputError]]
    """File, and why it cannot be used."""

    def check(self) -> None:
        """Raise InputError if an image cannot be used; the first is explained, others are named."""
        if not self.unreadable:
            return
        _, first = self.unreadable[0]
        others = [file for file, _ in self.unreadable[1:]]
        what = first.what
        if others:
            more = f" and {len(others) - _SHOWN} more" * (len(others) > _SHOWN)
            what += f"\n{len(self.unreadable)} images cannot be used, also {', '.join(others[:_SHOWN])}{more}"
        raise InputError(what, first.way_out)

    def contradictions(self) -> list[list[str]]:
        """Files of equal bytes that are images of different classes, one list for each content."""
        of_content: dict[str, list[Found]] = {}
        for found, looked in self.images:
            of_content.setdefault(looked.sha256, []).append(found)
        return [
            [one.file for one in same]
            for same in of_content.values()
            if len({one.class_name for one in same}) > 1
        ]

    def check_labels(self) -> None:
        """Raise InputError if equal bytes have different classes."""
        contradicting = self.contradictions()
        if contradicting:
            count = "1 picture is" if len(contradicting) == 1 else f"{len(contradicting)} pictures are"
            lines = [" = ".join(files) for files in contradicting[:_SHOWN]]
            more = [f"and {len(contradicting) - _SHOWN} more"] * (len(contradicting) > _SHOWN)
            raise InputError(
                f"{count} filed under two classes, so the labels contradict each other:\n"
                + "\n".join([*lines, *more]),
                "Find out which label is right, and remove the other files.",
            )

    def scaled(self, reading: Reading) -> Reading:
        """The reading with the white of this data set; InputError if that cannot be known."""
        from wbc.data.pipeline.numbers import with_white  # loads NumPy

        return with_white(reading, [(found.path, looked.facts) for found, looked in self.images])

    def scaled_if_deep(self, reading: Reading) -> Reading:
        """The same, where a declared white is for images of more than 8 bits only, if there are any."""
        if not any(looked.facts.kind for _, looked in self.images):
            reading = replace(reading, white=None, black=0.0)
        return self.scaled(reading)

    def warnings(self, reading: Reading) -> list[str]:
        """What is odd about the numbers in the images, in sentences."""
        full = {"": 255.0}
        span = (reading.white or 255.0) - reading.black
        uniform, narrow, above, below = [], [], [], []
        for found, looked in self.images:
            facts = looked.facts
            if facts.low == facts.high:
                uniform.append(found.file)
            elif facts.high - facts.low < 0.1 * full.get(facts.kind, span):
                narrow.append(found.file)
            if facts.kind and reading.white is not None and facts.high > reading.white:
                above.append(found.file)
            if facts.kind and facts.low < reading.black:
                below.append(found.file)
        said = []
        for files, what in (
            (uniform, "of one color throughout"),
            (narrow, "use less than a tenth of their range of brightness"),
            (above, "contain numbers above white, which are cut off"),
            (below, "contain numbers below black, which are cut off"),
        ):
            if files:
                subject = "1 image is" if len(files) == 1 else f"{len(files)} images are"
                if what.startswith(("use", "contain")):
                    subject = "1 image:" if len(files) == 1 else f"{len(files)} images"
                said.append(f"{subject} {what}, such as {files[0]}.")
        kinds = Counter(looked.facts.kind for _, looked in self.images)
        if len(kinds) > 1 and "" in kinds:
            said.append(
                f"{kinds['']} images have 8 bits and {sum(kinds.values()) - kinds['']} have more: make sure that "
                "this does not tell the classes apart."
            )
        return said


def look_at_images(
    layout: Layout,
    reading: Reading,
    remembered: Remembered = lambda file, state: None,
    progress: Progress = lambda what, done, total: None,
) -> Contents:
    """Decode every image of a folder, unless `remembered` knows the file in its current state."""
    from wbc.data.pipeline.decoding import decoding_pool, look_at  # loads NumPy

    def look(found: Found) -> Looked | InputError:
        try:
            known = remembered(found.file, FileState.of(found.path))
            return known or Looked(file_sha256(found.path), look_at(found.path, reading))
        except InputError as error:
            return error
        except OSError as error:
            what = f"{found.path} cannot be read: {error.strerror}"
            return InputError(what, "Replace it, or remove it from the folder.")

    images: list[tuple[Found, Looked]] = []
    unreadable: list[tuple[str, InputError]] = []
    with decoding_pool() as pool:
        for number, (found, result) in enumerate(
            zip(layout.images, pool.map(look, layout.images), strict=True), 1
        ):
            if isinstance(result, InputError):
                unreadable.append((found.file, result))
            else:
                images.append((found, result))
            progress("reading", number, len(layout.images))
    return Contents(images, unreadable)


def inspect_folder(
    root: Path,
    remembered: Remembered = lambda file, state: None,
    options: FolderOptions = AS_IT_IS,
    reading: Reading = PLAIN,
    split: bool = True,
    keep: Callable[[dict[str, Looked]], None] = lambda known: None,
    white_optional: bool = False,
) -> Manifest:
    """Read an image folder and make sure that every image in it can be used.

    Every image is decoded once, unless `remembered` knows the file in its current state. A `manifest.json`
    in the folder tells which images share a source. Otherwise groups do, and equal bytes within a split.

    Args:
        root: The folder.
        remembered: What is known of files that were decoded before.
        options: What the folder does not say of itself.
        reading: How files become pixels.
        split: Whether the folder has to be split; if not, the split of its images may be empty.
        white_optional: Whether a declared white is for images of more than 8 bits only, if there are any.
        keep: Takes what is known of every file once all could be decoded, for the next `remembered`.

    Returns:
        The manifest, its images sorted by split and file name. Its settings hold the reading if any image is
        of more than plain 8 bits.

    Raises:
        UnsplitFolderError: The folder is not split, though it has to be.
        InputError: A split, a class or an image is missing or cannot be used, or labels contradict.
    """
    layout = read_layout(root, options)
    if split:
        layout.check_split()
    else:
        layout.check()
    contents = look_at_images(layout, reading, remembered)
    contents.check()
    keep({found.file: looked for found, looked in contents.images})
    contents.check_labels()
    reading = contents.scaled_if_deep(reading) if white_optional else contents.scaled(reading)
    settings = {"reading": reading.spelled_out()} if reading.spelled_out() else {}
    images = entries_of(root, contents)
    return Manifest(images, layout.classes, settings, layout.left_out.ordered())


def entries_of(root: Path, contents: Contents) -> tuple[ImageEntry, ...]:
    """The images as entries of a manifest, with the sources that the folder tells."""
    known = known_sources(root)
    first_of: dict[tuple[str, str], str] = {}
    images = []
    for found, looked in contents.images:
        same = first_of.setdefault((found.split, looked.sha256), found.file)
        source = known.get((found.file, looked.sha256)) or found.group or same
        images.append(ImageEntry(found.file, found.split, found.class_name, source, looked.sha256))
    return tuple(images)


def known_sources(root: Path) -> dict[tuple[str, str], str]:
    """(file, hash) -> source, from the manifest of a prepared folder."""
    if not (root / MANIFEST_NAME).is_file():
        return {}
    try:
        images = Manifest.read(root).images
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{root / MANIFEST_NAME} is not a manifest ({error})",
            "Prepare the folder again, or remove the file: each image is then a source of its own.",
        ) from None
    return {(image.file, image.sha256): image.source for image in images}


def described(reading: Reading, facts: Sequence[Facts]) -> str:
    """The scale of a data set in words; empty if every image has 8 bits."""
    deep = [one for one in facts if one.kind]
    if not deep:
        return ""
    low, high = min(one.low for one in deep), max(one.high for one in deep)
    kind = "floats" if any(one.kind == "floats" for one in deep) else "integers"
    return (
        f"{len(deep)} images contain {kind} from {low:g} to {high:g}; {reading.black:g} is black and "
        f"{reading.white:g} is white in all of them"
    )
