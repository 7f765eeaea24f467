"""TIFF files, whose pages and channels are looked at before anything is decoded."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wbc.data.pipeline.frames import both_bytes, page_of
from wbc.data.pipeline.numbers import ORIENTATIONS, Deep
from wbc.data.pipeline.opening import CONVERT, check_size, opened, page_number, several_pages
from wbc.errors import InputError

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How such a file begins."""


def of_tiff(path: Path, pages: int | str | None) -> Image.Image | Deep:
    """A TIFF, whose pages and channels are looked at before Pillow reads it."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            full = _full_pages(file)
            count = len(full)
            if count == 0:
                raise InputError(f"{path} has no page", "Replace it, or remove it from the folder.")
            if file.is_imagej:
                count = max(count, int((file.imagej_metadata or {}).get("images", 1)))
            if count > 1 and pages is None:
                raise several_pages(path, count)
            if count > len(full):
                raise InputError(
                    f"{path} has {count} images in one page", "Save them as pages, or as single files."
                )
            if isinstance(pages, int):
                wanted = [page_number(path, pages, count)] if count > 1 else [0]
            else:
                wanted = list(range(count))
            read = [_tiff_page(path, file, full[number]) for number in wanted]
    except (tifffile.TiffFileError, IndexError, KeyError) as error:
        raise InputError(f"{path} cannot be read as an image: {error}", CONVERT) from None
    if len(read) == 1:
        return read[0]
    arrays = [np.asarray(one) if isinstance(one, Image.Image) else one.values for one in read]
    if len({(array.shape, array.dtype) for array in arrays}) > 1:
        raise InputError(f"{path} has pages of different sizes or kinds", "Choose one of them: pages = 1.")
    assert isinstance(pages, str)
    projected = getattr(np, pages)(arrays, axis=0)
    if isinstance(read[0], Image.Image):
        return Image.fromarray(np.rint(projected).astype(np.uint8))
    dtype = arrays[0].dtype
    return replace(read[0], values=projected if dtype.kind == "f" else np.rint(projected).astype(dtype))


def pages_of_tiff(path: Path) -> int:
    """The number of pages of a TIFF.

    Raises:
        InputError: It is damaged.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            return len(_full_pages(file))
    except tifffile.TiffFileError as error:
        raise InputError(f"{path} cannot be read as an image: {error}", CONVERT) from None


def _full_pages(file: Any) -> list[int]:
    """The indexes of all pages, without those that are a smaller copy of another: previews and pyramids."""
    return [number for number, page in enumerate(file.pages) if not int(page.subfiletype) & 1]


def _tiff_page(path: Path, file: Any, number: int) -> Image.Image | Deep:
    """One page of a TIFF that tifffile has opened."""
    page = file.pages.get(number)
    check_size(path, page.imagewidth, page.imagelength)
    samples, photometric = int(page.samplesperpixel), int(page.photometric)
    extra = [int(one) for one in page.extrasamples]
    colors = samples - len(extra)
    opaque = not extra
    known = (opaque and (samples in (1, 3) or (photometric == 5 and samples == 4))) or (
        len(extra) == 1 and extra[0] in (1, 2) and colors in (1, 3)
    )
    if not known or int(getattr(page, "imagedepth", 1)) > 1:
        channels = "1 channel" if samples == 1 else f"{samples} channels"
        raise InputError(
            f"{path} is a TIFF with {channels}{_of_bits(page)}, and no image shows more than red, green and blue",
            "Save the channels that the network should see as an image of 1 or 3 channels.",
        )
    deep = page.bitspersample > 8 or int(page.sampleformat) == 2  # signed
    if not deep:
        with opened(path) as image:
            image.seek(number)
            return page_of(image)
    if photometric not in (0, 1, 2):
        raise InputError(
            f"{path} is a TIFF of a rare kind ({page.photometric.name}{_of_bits(page)})", CONVERT
        )
    turns = ORIENTATIONS.get(int(page.tags.valueof(274, 1)), ())
    try:
        values = page.asarray()
    except (ValueError, RuntimeError, ImportError) as error:  # a compression that tifffile lacks
        if page.dtype == np.uint16 and samples in (3, 4) and int(page.planarconfig) == 1:
            values = both_bytes(path, "RGB" if samples == 3 else "RGBA", sys.byteorder, number)
        elif samples > 1:
            raise InputError(
                f"{path} is a TIFF that cannot be decompressed: {error}", "Save it without compression."
            ) from None
        else:
            with opened(path) as image:
                image.seek(number)
                content = page_of(image)
            if isinstance(content, Image.Image):
                raise InputError(f"{path} is a TIFF of a rare kind", CONVERT) from None
            return replace(content, inverted=photometric == 0)
    values = values.reshape(page.shape)
    if samples == 1:
        values = values.reshape(page.imagelength, page.imagewidth, 1)
    elif int(page.planarconfig) == 2:
        values = np.moveaxis(values, 0, -1)
    values = values.astype(values.dtype.newbyteorder("="))
    alpha = None
    if extra:
        values, alpha = values[..., :-1], values[..., -1]
    return Deep(values, alpha, extra == [1], photometric == 0, turns)


def _of_bits(page: Any) -> str:
    return f" of {page.bitspersample} bits"
