"""Contact sheets: many images on one page, for people to look at."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wbc.data.manifest import Manifest
from wbc.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from wbc.data.pipeline.stages import Original, Stages

_GAP = 4
_PAPER = (255, 255, 255)
_INK = (40, 40, 40)


def contact_sheet(rows: "Mapping[str, Sequence[NDArray[np.uint8]]]", tile: int = 128) -> "Image.Image":
    """Arrange images in labeled rows.

    Args:
        rows: Label -> its images, uint8, shape (height, width, 3) or (height, width).
        tile: Side in pixels of the square that every image is fitted into.

    Returns:
        An RGB image.

    Raises:
        InputError: No image is given, or `tile` is below 1.
    """
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    columns = max((len(images) for images in rows.values()), default=0)
    if columns == 0:
        raise InputError("a contact sheet needs an image", "Give at least one image.")
    if tile < 1:
        raise InputError(f"the tile of the contact sheet is {tile} pixels", "Give 1 or more.")
    # Pillow's own annotation names a second kind of font that is returned only without FreeType.
    font: Any = ImageFont.load_default(size=14)
    line = sum(font.getmetrics()) + _GAP
    label_width = int(max(font.getlength(label) for label in rows)) + 2 * _GAP
    width = max(_GAP + columns * (tile + _GAP), label_width)
    sheet = Image.new("RGB", (width, _GAP + len(rows) * (line + tile + _GAP)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for row, (label, images) in enumerate(rows.items()):
        top = _GAP + row * (line + tile + _GAP)
        pen.text((_GAP, top), label, fill=_INK, font=font)
        for column, pixels in enumerate(images):
            picture = ImageOps.pad(Image.fromarray(pixels).convert("RGB"), (tile, tile), color=_PAPER)
            sheet.paste(picture, (_GAP + column * (tile + _GAP), top + line))
    return sheet


def sheet_of_manifest(
    folder: Path, manifest: Manifest, per_class: int = 8, split: str = "train", tile: int = 128
) -> "Image.Image":
    """A contact sheet of the first images of every class in one split of a data set.

    Args:
        folder: The folder of the data set.
        manifest: Its manifest.
        per_class: Images of each class at most.
        split: `train`, `validation` or `test`.
        tile: Side in pixels of an image on the sheet.

    Returns:
        An RGB image with one row per class in label order.

    Raises:
        InputError: The split is empty, or a file is missing or not an image.
    """
    from wbc.data.pipeline.decoding import read_upright
    from wbc.data.reading import Reading

    reading = Reading.of(manifest.settings)
    rows: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in manifest.classes}
    for entry in manifest.split(split):
        images = rows[entry.class_name]
        if len(images) == per_class:
            continue
        try:
            images.append(read_upright(folder / entry.file, reading))
        except InputError:
            raise
        except (OSError, ValueError, SyntaxError) as error:
            raise InputError(
                f"{folder / entry.file} cannot be shown: {error}", "Prepare the data again."
            ) from error
    if not any(rows.values()):
        raise InputError(f"the split {split!r} of {folder} has no image", "Choose another split.")
    return contact_sheet(rows, tile)


def sheet_of_stages(
    originals: "Sequence[Original]", stages: "Stages", seed: int, copies: int = 4, tile: int = 128
) -> "Image.Image":
    """A contact sheet of what each stage did, one row per original.

    Args:
        originals: The originals to show.
        stages: The stages.
        seed: Of the augmentation.
        copies: Augmented copies to show of each.
        tile: Side in pixels of an image on the sheet.

    Returns:
        An RGB image.
    """
    from wbc.data.pipeline.augmentation import augment
    from wbc.data.pipeline.splitting import image_rng
    from wbc.data.pipeline.stages import run_stages

    rows = {}
    for original in originals:
        staged = run_stages(original, stages)
        shown = [augment(staged.pixels, image_rng(seed, original.name, n)) for n in range(1, copies + 1)]
        label = (
            f"{original.class_name} {original.name}: {', '.join(staged.steps)}"
            + f", {copies} augmented copies" * bool(copies)
        )
        if staged.guessed:
            label += f" (background by guess: {staged.guessed})"
        rows[label] = [*staged.steps.values(), *shown]
    return contact_sheet(rows, tile)
