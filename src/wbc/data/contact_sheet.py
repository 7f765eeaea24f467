"""Contact sheets: many images on one page, for people to look at."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wbc.data.manifest import Manifest
from wbc.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

_GAP = 4
_PAPER = (255, 255, 255)
_INK = (40, 40, 40)


def contact_sheet(rows: "Mapping[str, Sequence[np.ndarray]]", tile: int = 128) -> "Image.Image":
    """Lay images out in labelled rows.

    Args:
        rows: Label -> its images, uint8, shape (height, width, 3) or (height, width).
        tile: Side in pixels of the square that every image is fitted into.

    Returns:
        An RGB image.

    Raises:
        InputError: There is no image, or `tile` is below 1.
    """
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    columns = max((len(images) for images in rows.values()), default=0)
    if columns == 0:
        raise InputError("there is no image for the contact sheet", "Give at least one image.")
    if tile < 1:
        raise InputError(f"the tile of the contact sheet is {tile} pixels", "Give 1 or more.")
    font = ImageFont.load_default(size=14)
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
    folder: Path, manifest: Manifest, per_class: int = 8, part: str = "train", tile: int = 128
) -> "Image.Image":
    """A contact sheet of the first images of every class in one part of a data set.

    Args:
        folder: The data set's folder.
        manifest: Its manifest.
        per_class: Images of each class at most.
        part: `train`, `validation` or `test`.
        tile: Side in pixels of an image on the sheet.

    Returns:
        An RGB image, a row a class in label order.

    Raises:
        InputError: The part is empty, or a file is missing or no image.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    rows: dict[str, list[np.ndarray]] = {name: [] for name in manifest.classes}
    for entry in manifest.part(part):
        images = rows[entry.class_name]
        if len(images) == per_class:
            continue
        try:
            with Image.open(folder / entry.file) as image:
                images.append(np.asarray(image.convert("RGB")))
        except (FileNotFoundError, UnidentifiedImageError) as error:
            raise InputError(
                f"{folder / entry.file} cannot be shown: {error}", "Prepare the data anew."
            ) from error
    if not any(rows.values()):
        raise InputError(f"the part {part!r} of {folder} has no image", "Choose another part.")
    return contact_sheet(rows, tile)
