"""Decode image files to upright RGB pixels of 8 bits, and say what is in a file. The one place that does so.

- Numbers of more than 8 bits become pixels by one scale for the whole data set, never by an image's own: its
  brightness may be what tells the classes apart.
- What is transparent becomes white, whatever color is stored beneath.
- No page and no channel is dropped in silence: what cannot be shown in three channels is an error.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from wbc.data.reading import FLOATS, INTEGERS, PLAIN, Facts, Reading
from wbc.errors import InputError

MAX_PIXELS = 120_000_000
"""Pixels of the largest image that is decoded; as RGB it takes 360 MB, and several are decoded at a time."""

_DEPTHS = (8, 10, 12, 14, 16)
"""Bits of the cameras whose counts are stored in files of 16 bits and more."""

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_ORIENTATIONS = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_270,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_90,),
}
"""The tag Orientation of TIFF -> what makes the image upright."""

_FORMATS = {
    ".heic": "HEIC",
    ".heif": "HEIC",
    ".dcm": "DICOM",
    ".dicom": "DICOM",
    ".czi": "CZI (Zeiss)",
    ".nd2": "ND2 (Nikon)",
    ".lif": "LIF (Leica)",
    ".oib": "OIB (Olympus)",
    ".oif": "OIF (Olympus)",
    ".vsi": "VSI (Olympus)",
    ".mrxs": "MIRAX",
    ".jxl": "JPEG XL",
    ".svg": "SVG",
    ".pdf": "PDF",
    ".cr2": "camera raw",
    ".cr3": "camera raw",
    ".nef": "camera raw",
    ".arw": "camera raw",
    ".dng": "camera raw",
    ".nii": "NIfTI",
    ".npy": "NumPy",
    ".npz": "NumPy",
    ".h5": "HDF5",
    ".hdf5": "HDF5",
    ".mp4": "video",
    ".avi": "video",
    ".mov": "video",
    ".mkv": "video",
}
"""Suffixes of formats that people have and that are not read."""

_CONVERT = "Convert it to PNG, TIFF or JPEG, or remove it from the folder."


@dataclass(frozen=True)
class _Deep:
    """Numbers of more than 8 bits as they are stored."""

    values: NDArray[Any]
    """Shape (height, width, 1 or 3)."""
    alpha: NDArray[np.float32] | None = None
    """Opacity from 0 to 1; shape (height, width)."""
    inverted: bool = False
    """Whether 0 is white."""
    turns: Sequence[Image.Transpose] = ()


def decoding_pool() -> ThreadPoolExecutor:
    """Threads, one per core, in which images may be opened.

    Pillow looks its formats up when it opens the first image. Threads that do so at the same time may take a
    good image for a damaged one. The formats are therefore looked up before there are threads.
    """
    Image.init()
    return ThreadPoolExecutor(os.cpu_count())


def read_upright(path: Path, reading: Reading = PLAIN) -> NDArray[np.uint8]:
    """Decode an image as RGB at its own size, rotated as its EXIF data say, on white where it is transparent.

    Args:
        path: The file.
        reading: Of its data set. Without a white, only unsigned numbers of 16 bits are read: 65,535 is white.

    Returns:
        uint8 array of shape (height, width, 3).

    Raises:
        InputError: It is not an image, or has pages, channels or numbers that `reading` does not explain.
        OSError, ValueError, SyntaxError: The file is missing or damaged.
    """
    content = _content(path, reading.pages)
    if isinstance(content, Image.Image):
        return np.asarray(content)
    return _shown(path, content, reading)


def look_at(path: Path, reading: Reading = PLAIN) -> Facts:
    """Decode an image and say what is in it.

    Raises:
        InputError: The image cannot be used; the message names the file, the reason and a way out.
    """
    try:
        content = _content(path, reading.pages)
        if isinstance(content, Image.Image):
            extremes = [
                edge
                for band in content.getextrema()
                for edge in (band if isinstance(band, tuple) else (band,))
            ]
            low, high = float(min(extremes)), float(max(extremes))
            return Facts(content.width, content.height, low, high, plain=_is_plain(path))
        values = content.values
        if not np.isfinite(values).all():
            raise InputError(f"{path} has numbers that are not finite", "Replace them, or remove the file.")
        kind = FLOATS if values.dtype.kind == "f" else INTEGERS
        height, width = values.shape[:2]
        if any(turn in _SIDEWAYS for turn in content.turns):
            height, width = width, height
        signed = values.dtype.kind == "i" and values.dtype.itemsize <= 2
        return Facts(width, height, float(values.min()), float(values.max()), kind, signed, plain=False)
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(
            f"{path} cannot be read as an image: {reason}", "Replace it, or remove it from the folder."
        ) from None


def page_count(path: Path) -> int:
    """The number of pages of an image file.

    Raises:
        InputError: It is not an image.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head in _TIFF:
        import tifffile

        try:
            with tifffile.TiffFile(path) as tiff:
                return len(tiff.pages)
        except tifffile.TiffFileError as error:
            raise InputError(f"{path} cannot be read as an image: {error}", _CONVERT) from None
    with _opened(path) as image:
        return int(getattr(image, "n_frames", 1)) if _several(image) else 1


def with_white(reading: Reading, facts: Sequence[Facts]) -> Reading:
    """The reading of a data set, with a white derived from all its images where none is declared.

    Integers are counts of a camera of 8, 10, 12, 14 or 16 bits: the smallest of these depths that holds all
    numbers of all images. Floats that stay within 0 and 1 have the white 1. Nothing else can be known.

    Raises:
        InputError: White cannot be known, or is declared although all images have 8 bits.
    """
    deep = [one for one in facts if one.kind]
    if not deep:
        if facts and (reading.white is not None or reading.black):
            raise InputError(
                "white and black are given, but every image has 8 bits per channel or less, and its white is 255",
                "Remove white and black.",
            )
        return reading
    kinds = {one.kind for one in deep}
    low, high = min(one.low for one in deep), max(one.high for one in deep)
    declare = (
        "Declare the number that is white: white = 4095 in [data], or --white 4095; with black = where 0 is not "
        "black."
    )
    if len(kinds) > 1:
        raise InputError("some images contain integers and some contain floats", "Convert them to one kind.")
    if reading.white is not None:
        return reading
    if low < reading.black:
        raise InputError(f"the images contain numbers from {low:g} to {high:g}", declare)
    if kinds == {FLOATS}:
        if high > 1:
            raise InputError(
                f"the images contain floats up to {high:g}, so what is white in them cannot be known", declare
            )
        return replace(reading, white=1.0)
    depths = (*_DEPTHS[:-1], 15) if any(one.signed for one in deep) else _DEPTHS
    white = next((2.0**bits - 1 for bits in depths if high < 2**bits), None)
    if white is None:
        raise InputError(
            f"the images contain integers up to {high:.0f}, so what is white in them cannot be known", declare
        )
    return replace(reading, white=white)


def fitted(pixels: NDArray[np.uint8], side: int, fit: str, resample: Image.Resampling) -> NDArray[np.uint8]:
    """Resize an image to a square (antialiased); `fit` says what happens if it is not one.

    Args:
        pixels: Shape (height, width, 3).
        side: Height and width in pixels of the result.
        fit: One of `FITS`.
        resample: How pixels are interpolated.
    """
    if pixels.shape[:2] == (side, side):
        return pixels
    height, width = pixels.shape[:2]
    if fit == "crop":
        short = min(height, width)
        top, left = (height - short) // 2, (width - short) // 2
        pixels = pixels[top : top + short, left : left + short]
    elif fit == "pad":
        long = max(height, width)
        top, left = (long - height) // 2, (long - width) // 2
        square = np.full((long, long, 3), 255, np.uint8)
        square[top : top + height, left : left + width] = pixels
        pixels = square
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((side, side), resample))


_SIDEWAYS = {
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
}


def _shown(path: Path, deep: _Deep, reading: Reading) -> NDArray[np.uint8]:
    """Pixels of numbers of more than 8 bits."""
    values, black, white = deep.values, reading.black, reading.white
    if white is None:
        if values.dtype != np.uint16:
            raise InputError(
                f"{path} contains numbers of the type {values.dtype.name}, whose white is not known",
                "Declare it: white = 4095 in [data], or --white 4095.",
            )
        white = 65535.0
    numbers = values.astype(np.float64)
    if values.dtype.kind == "f":
        gray = np.rint((numbers - black) / (white - black) * 255)
    else:  # as many numbers for each gray: of 16 bits, the upper 8
        gray = np.floor((numbers - black) * 256 / (white - black + 1))
    gray = np.clip(gray, 0, 255)
    if deep.inverted:
        gray = 255 - gray
    if deep.alpha is not None:
        opacity = deep.alpha[..., None]
        gray = np.rint(gray * opacity + 255 * (1 - opacity))
    pixels = np.repeat(gray, 3, axis=2) if gray.shape[2] == 1 else gray
    image = Image.fromarray(pixels.astype(np.uint8))
    for turn in deep.turns:
        image = image.transpose(turn)
    return np.asarray(image)


def _is_plain(path: Path) -> bool:
    """Whether a file that could be decoded is opaque and has one page."""
    with _opened(path) as image:
        return (
            image.mode in ("1", "L", "P", "RGB") and not image.has_transparency_data and not _several(image)
        )


def _content(path: Path, pages: int | str | None) -> Image.Image | _Deep:
    """An upright RGB image of 8 bits, or numbers of more."""
    with path.open("rb") as file:
        head = file.read(32)
    if head[:4] in _TIFF:
        return _of_tiff(path, pages)
    with _opened(path) as image:
        if _several(image):
            return _of_frames(path, image, pages)
        if image.format == "PNG":
            return _of_png(image)
        return _of_page(image)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image that Pillow knows and that is not too large.

    Raises:
        InputError: It is not an image, its format is not read, or it is too large.
    """
    Image.MAX_IMAGE_PIXELS = None  # the limit is ours: Pillow's has a warning that is not for users
    try:
        image = Image.open(path)
    except UnidentifiedImageError:
        raise _not_an_image(path) from None
    with image:
        check_size(path, *image.size)
        yield image


def check_size(path: Path, width: int, height: int) -> None:
    """Raise InputError if an image has more than `MAX_PIXELS`."""
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{path} has {width:,} x {height:,} pixels, more than the {MAX_PIXELS:,} that are read",
            "Cut it into images of single cells or tiles, or make it smaller.",
        )


def _not_an_image(path: Path) -> InputError:
    """The error for a file that Pillow cannot identify; a format that people have is named."""
    with path.open("rb") as file:
        head = file.read(256)
    found = _FORMATS.get(path.suffix.lower())
    if head[4:8] == b"ftyp" and any(brand in head[8:40] for brand in (b"hei", b"hev", b"mif1", b"msf1")):
        found = "HEIC"
    elif head[128:132] == b"DICM":
        found = "DICOM"
    elif head.startswith(b"%PDF"):
        found = "PDF"
    elif head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        found = "JPEG XL"
    elif head.startswith(b"\x89HDF"):
        found = "HDF5"
    if found:
        phones = ", as phones write it," if found == "HEIC" else ""
        return InputError(f"{path} is in the format {found}{phones} which is not read", _CONVERT)
    return InputError(f"{path} is not an image", "Replace it, or remove it from the folder.")


def _several(image: Image.Image) -> bool:
    # The other frames of MPO, which phones write as .jpg, are previews or depth; those of icons are sizes.
    return getattr(image, "n_frames", 1) > 1 and image.format not in ("MPO", "ICO", "ICNS")


def _several_pages(path: Path, count: int) -> InputError:
    return InputError(
        f"{path} has {count} pages, but an image is one",
        'Choose: pages = 1 takes the first, pages = "max" the brightest of each pixel ("mean", "min" likewise); '
        "in a suite as a key of [data], elsewhere as --pages 1. `data prepare --pages each` makes an image of "
        "each page.",
    )


def _page_number(path: Path, pages: int, count: int) -> int:
    if pages > count:
        raise InputError(f"{path} has {count} pages, but page {pages} is asked for", "Choose another page.")
    return pages - 1


def _of_frames(path: Path, image: Image.Image, pages: int | str | None) -> Image.Image | _Deep:
    """One page of an animation, or a projection."""
    count = int(getattr(image, "n_frames", 1))
    if pages is None:
        raise _several_pages(path, count)
    if isinstance(pages, int):
        image.seek(_page_number(path, pages, count))
        return _of_page(image)
    frames = []
    for number in range(count):
        image.seek(number)
        frames.append(np.asarray(_of_page(image)))
    return Image.fromarray(np.rint(getattr(np, pages)(frames, axis=0)).astype(np.uint8))


def _of_page(image: Image.Image) -> Image.Image | _Deep:
    """The current page of an image that Pillow reads in full."""
    image.load()
    upright: Image.Image = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I") or upright.mode == "F":
        values = np.asarray(upright)
        if upright.mode == "I" and values.min() >= 0 and values.max() < 65536:
            values = values.astype(np.uint16)  # Pillow has no other type for what a file stores in 16 bits
        clear = upright.info.get("transparency")
        alpha = (values != clear).astype(np.float32) if isinstance(clear, int) else None
        return _Deep(values[..., None], alpha)
    if not upright.has_transparency_data and upright.mode not in ("La", "RGBa", "PA"):
        return upright.convert("RGB")
    if upright.mode in ("La", "RGBa"):
        upright = upright.convert({"La": "LA", "RGBa": "RGBA"}[upright.mode])
    colored = upright.convert("RGBA")
    paper = Image.new("RGBA", colored.size, (255, 255, 255, 255))
    return Image.alpha_composite(paper, colored).convert("RGB")


def _of_png(image: Image.Image) -> Image.Image | _Deep:
    """A PNG; Pillow alone would drop the lower 8 of 16 bits in color."""
    tile = image.tile[0] if isinstance(image, ImageFile.ImageFile) and image.tile else None
    raw = tile.args if tile else None
    if raw not in ("RGB;16B", "RGBA;16B", "LA;16B"):
        return _of_page(image)
    assert isinstance(image, ImageFile.ImageFile) and tile is not None
    turns = _ORIENTATIONS.get(image.getexif().get(0x0112, 1), ())
    if raw == "LA;16B":
        image.tile = [tile._replace(args="RGBA")]
        image.load()
        parts = np.asarray(image).astype(np.uint16)
        values = (parts[..., 0::2] << 8) | parts[..., 1::2]
    else:
        name = image.filename
        image.load()
        upper = np.asarray(image).astype(np.uint16)
        with Image.open(name) as again:
            assert isinstance(again, ImageFile.ImageFile)
            again.tile = [again.tile[0]._replace(args=raw.replace("16B", "16L"))]
            again.load()
            values = (upper << 8) | np.asarray(again).astype(np.uint16)
    if values.shape[2] in (2, 4):
        return _Deep(values[..., :-1], (values[..., -1] / 65535).astype(np.float32), turns=turns)
    return _Deep(values, turns=turns)


def _of_tiff(path: Path, pages: int | str | None) -> Image.Image | _Deep:
    """A TIFF, whose pages and channels are looked at before Pillow reads it."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            count = len(file.pages)
            if count == 0:
                raise InputError(f"{path} has no page", "Replace it, or remove it from the folder.")
            if file.is_imagej:
                count = max(count, int((file.imagej_metadata or {}).get("images", 1)))
            if count > 1 and pages is None:
                raise _several_pages(path, count)
            if count > len(file.pages):
                raise InputError(
                    f"{path} has {count} images in one page", "Save them as pages, or as single files."
                )
            if isinstance(pages, int):
                wanted = [_page_number(path, pages, count)] if count > 1 else [0]
            else:
                wanted = list(range(count))
            read = [_tiff_page(path, file, number) for number in wanted]
    except (tifffile.TiffFileError, IndexError, KeyError) as error:
        raise InputError(f"{path} cannot be read as an image: {error}", _CONVERT) from None
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


def _tiff_page(path: Path, file: Any, number: int) -> Image.Image | _Deep:
    """One page of a TIFF that tifffile has opened."""
    page = file.pages[number]
    page = page if hasattr(page, "tags") else file.pages.get(number)
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
    deep = page.bitspersample > 8 or int(page.sampleformat) in (2, 3, 6)
    if not deep:
        with _opened(path) as image:
            image.seek(number)
            return _of_page(image)
    if photometric not in (0, 1, 2):
        raise InputError(
            f"{path} is a TIFF of a rare kind ({page.photometric.name}{_of_bits(page)})", _CONVERT
        )
    try:
        values = page.asarray()
        turns = _ORIENTATIONS.get(int(page.tags.valueof(274, 1)), ())
    except (ValueError, RuntimeError, ImportError) as error:  # a compression that tifffile lacks
        if samples > 1:
            raise InputError(
                f"{path} is a TIFF that cannot be decompressed: {error}", "Save it without compression."
            ) from None
        with _opened(path) as image:
            image.seek(number)
            content = _of_page(image)
            if isinstance(content, Image.Image):
                raise InputError(f"{path} is a TIFF of a rare kind", _CONVERT) from None
            return replace(content, inverted=photometric == 0)
    values = values.reshape(page.shape)
    if samples == 1:
        values = values.reshape(page.imagelength, page.imagewidth, 1)
    elif int(page.planarconfig) == 2:
        values = np.moveaxis(values, 0, -1)
    values = values.astype(values.dtype.newbyteorder("="))
    alpha = None
    if extra:
        full = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
        alpha = (values[..., -1] / full).astype(np.float32)
        values = values[..., :-1]
        if extra[0] == 1:  # stored multiplied with the opacity
            values = (values / np.maximum(alpha[..., None], 1e-6)).astype(values.dtype)
    return _Deep(values, alpha, photometric == 0, turns)


def _of_bits(page: Any) -> str:
    return f" of {page.bitspersample} bits"
