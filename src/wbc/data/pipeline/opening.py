"""Open image files: which formats are read, how large an image may be, and what is said of others."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError, features

from wbc.errors import InputError

MAX_PIXELS = 120_000_000
"""Pixels of the largest image that is decoded; as RGB it takes 360 MB, and several are decoded at a time."""

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

CONVERT = "Convert it to PNG, TIFF or JPEG, or remove it from the folder."


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
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
    if head[4:8] == b"ftyp" and any(brand in head[8:40] for brand in (b"avif", b"avis")):
        if features.check("avif"):
            return InputError(f"{path} is a damaged AVIF file", "Replace it, or remove it from the folder.")
        found = "AVIF"
    elif head[4:8] == b"ftyp" and any(brand in head[8:40] for brand in (b"hei", b"hev", b"mif1", b"msf1")):
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
        return InputError(f"{path} is in the format {found}{phones} which is not read", CONVERT)
    return InputError(f"{path} is not an image", "Replace it, or remove it from the folder.")


def several(image: Image.Image) -> bool:
    """Whether an image has several pages or frames that are pictures of their own."""
    # The other frames of MPO, which phones write as .jpg, are previews or depth; those of icons are sizes.
    return getattr(image, "n_frames", 1) > 1 and image.format not in ("MPO", "ICO", "ICNS")


def several_pages(path: Path, count: int) -> InputError:
    """The error for a file with several pages of which none is chosen."""
    return InputError(
        f"{path} has {count} pages, but an image is one",
        'Choose: pages = 1 takes the first, pages = "max" the brightest of each pixel ("mean", "min" likewise); '
        "in a suite as a key of [data], elsewhere as --pages 1. `data prepare --pages each` makes an image of "
        "each page.",
    )


def page_number(path: Path, pages: int, count: int) -> int:
    """The index of a page that is asked for by its number from 1; InputError if there is none."""
    if pages > count:
        raise InputError(f"{path} has {count} pages, but page {pages} is asked for", "Choose another page.")
    return pages - 1
