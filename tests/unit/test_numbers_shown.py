"""Numbers of more than 8 bits as pixels, by hand; and formats that are named by their first bytes."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_folders import write_tiff
from PIL import Image
from test_images import write_png16

from wbc.data.pipeline import opening
from wbc.data.pipeline.decoding import fitted, look_at, page_count, read_upright
from wbc.data.pipeline.frames import of_frames, of_png, page_of
from wbc.data.pipeline.numbers import Deep, _opacity, shown
from wbc.data.reading import PLAIN, Reading
from wbc.errors import InputError


def pixels_of(values, reading: Reading = PLAIN, **more) -> list:
    """Of one row of numbers."""
    deep = Deep(np.array([values])[..., None], **more)
    found = shown(Path("x.tif"), deep, reading)
    assert (found.dtype == np.uint8 and found.shape == (*deep.values.shape[:2], 3)) or deep.turns
    assert (found == found[..., :1]).all()
    return found[..., 0].tolist()


@pytest.mark.parametrize(
    ("values", "reading", "expected"),
    [
        (np.array([0, 255, 256, 32768, 65535], np.uint16), Reading(), [0, 0, 1, 128, 255]),
        (np.array([0, 15, 16, 2048, 4095, 5000], np.uint16), Reading(white=4095.0), [0, 0, 1, 128, 255, 255]),
        (
            np.array([100, 101, 227, 228, 355, 90], np.int32),
            Reading(white=355.0, black=100.0),
            [0, 1, 127, 128, 255, 0],
        ),
        (np.array([0, 0.5, 1, 1.5, -1], np.float32), Reading(white=1.0), [0, 128, 255, 255, 0]),
        (np.array([2.0, 3.0, 4.0], np.float64), Reading(white=4.0, black=2.0), [0, 128, 255]),
    ],
)
def test_numbers_become_pixels_by_one_scale(values, reading, expected):
    assert pixels_of(values, reading) == [expected]
    assert pixels_of(values, reading, inverted=True) == [[255 - one for one in expected]]


def test_opacity_mixes_with_white_and_what_is_multiplied_with_it_is_divided():
    values, alpha = np.array([50, 100, 100], np.uint16), np.array([[100, 50, 0]], np.uint16)
    plain = Reading(white=100.0)
    # 50 and 100 of 100 are 126 and 253: floor(50 * 256 / 101), floor(100 * 256 / 101).
    assert pixels_of(values, plain, alpha=alpha) == [[126, round(253 * 0.5 + 127.5), 255]]
    assert pixels_of(np.array([50, 50, 0], np.uint16), plain, alpha=alpha, multiplied=True)[0] == [
        126,
        254,
        255,
    ]


@pytest.mark.parametrize(
    ("alpha", "white", "opacity"),
    [
        (np.array([0, 50, 100], np.uint16), 100.0, [0, 0.5, 1]),
        (np.array([0, 65535, 101], np.uint16), 100.0, [0, 1, 101 / 65535]),
        (np.array([-50, 50, 100], np.int16), 100.0, [0, 0.5, 1]),
        (np.array([0, 0.5, 1], np.float32), 4.0, [0, 0.5, 1]),
        (np.array([-1, 2, 8], np.float32), 4.0, [0, 0.5, 1]),
    ],
)
def test_opacity_is_a_share_of_white_or_of_the_largest_number(alpha, white, opacity):
    assert _opacity(alpha, white) == pytest.approx(opacity)


def test_pages_that_lie_are_set_upright():
    assert pixels_of(np.array([0, 65535], np.uint16), turns=(Image.Transpose.ROTATE_90,)) == [[255], [0]]


@pytest.mark.parametrize("dtype", [np.int16, np.uint32, np.float32])
def test_numbers_whose_white_nobody_knows_are_refused(dtype):
    with pytest.raises(InputError) as caught:
        pixels_of(np.array([1, 2], dtype))
    assert (
        caught.value.what
        == f"x.tif contains numbers of the type {np.dtype(dtype).name}, whose white is not known"
    )


def test_gray_of_sixteen_bits_with_opacity_keeps_both_bytes(tmp_path):
    values = np.array([[[300, 65535], [40000, 32768], [7, 0]]], ">u2")
    write_png16(tmp_path / "a.png", values)
    facts = look_at(tmp_path / "a.png")
    assert (facts.low, facts.high, facts.kind, facts.most, facts.plain) == (
        7,
        40000,
        "integers",
        65535,
        False,
    )
    found = read_upright(tmp_path / "a.png")[0, :, 0].tolist()
    assert found == [1, round(156 * 32768 / 65535 + 255 * 32767 / 65535), 255]


@pytest.mark.parametrize(
    ("values", "dtype", "stored"),
    [
        ([0, 65535], np.int32, np.uint16),
        ([0, 65536], np.int32, np.int32),
        ([-1, 7], np.int32, np.int32),
        ([0, 7], np.float32, np.float32),
        ([0, 70000], np.float32, np.float32),
        ([0, 65535], np.uint16, np.uint16),
    ],
)
def test_what_pillow_holds_in_more_bits_than_a_file_has(values, dtype, stored):
    found = page_of(Image.fromarray(np.array([values], dtype)))
    assert isinstance(found, Deep) and found.values.dtype == stored
    assert found.values.shape == (1, 2, 1) and found.values[0, :, 0].tolist() == values
    assert found.alpha is None and not found.turns


def test_color_of_sixteen_bits_is_set_upright(tmp_path):
    values = (np.arange(2 * 3 * 3).reshape(2, 3, 3) * 3000).astype(">u2")
    for tag, expected in ((6, np.rot90(values, -1)), (3, np.rot90(values, 2)), (1, values)):
        exif = Image.Exif()
        exif[0x0112] = tag
        write_png16(tmp_path / "a.png", values, exif.tobytes().removeprefix(b"Exif\0\0"))
        assert np.array_equal(read_upright(tmp_path / "a.png"), expected >> 8)


def test_an_image_that_is_loaded_or_in_memory_is_a_page_as_it_is(tmp_path):
    plain = Image.new("RGB", (4, 3), (9, 8, 7))
    plain.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        for one in (image, plain):
            assert np.array_equal(np.asarray(of_png(one)), np.asarray(plain))
    gray = Image.new("L", (4, 3), 9)
    assert np.array_equal(np.asarray(of_frames(Path("x"), gray, "max")), np.full((3, 4, 3), 9))


def test_a_gray_that_a_png_calls_clear_is_clear():
    image = Image.fromarray(np.array([[5, 9, 65535]], np.uint16))
    image.info["transparency"] = 9
    found = page_of(image)
    assert found.alpha.tolist() == [[1, 0, 1]]


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_a_tiff_may_have_black_as_its_largest_number(tmp_path, photometric):
    write_tiff(tmp_path / "a.tif", np.array([[0, 65535]] * 2, np.uint16), photometric=photometric)
    found = read_upright(tmp_path / "a.tif")[0, :, 0].tolist()
    assert found == ([0, 255] if photometric == "minisblack" else [255, 0])


def test_planes_of_colors_are_put_together(tmp_path):
    values = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5) * 1000
    write_tiff(tmp_path / "a.tif", values, photometric="rgb", planarconfig="separate")
    assert np.array_equal(read_upright(tmp_path / "a.tif"), np.moveaxis(values >> 8, 0, -1))


@pytest.mark.parametrize(
    ("dtype", "page", "expected"), [(np.uint16, "mean", 20), (np.float32, "max", 40), (np.uint16, "min", 0)]
)
def test_pages_of_deep_numbers_are_projected(tmp_path, dtype, page, expected):
    scale = 256 if dtype == np.uint16 else 1 / 255
    pages = np.stack([np.full((4, 4), value * scale) for value in (0, 20, 40)]).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    white = 65535.0 if dtype == np.uint16 else 1.0
    assert (read_upright(tmp_path / "a.tif", Reading(white=white, pages=page)) == expected).all()
    assert page_count(tmp_path / "a.tif") == 3


def test_pages_of_different_sizes_make_no_projection(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for side in (4, 6):
            file.write(np.zeros((side, side), np.uint8), photometric="minisblack")
    with pytest.raises(InputError) as caught:
        read_upright(tmp_path / "a.tif", Reading(pages="max"))
    assert caught.value.what == f"{tmp_path / 'a.tif'} has pages of different sizes or kinds"
    assert read_upright(tmp_path / "a.tif", Reading(pages=2)).shape == (6, 6, 3)


FTYP = b"\0\0\0\x18ftyp"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.png", FTYP + b"heic" + bytes(40), "in the format HEIC, as phones write it, which is not read"),
        ("a.png", FTYP + bytes(29) + b"hei" + bytes(9), "in the format HEIC"),
        *(
            ("a.png", FTYP.replace(b"f", letter) + brand + bytes(40), "not an image")
            for letter in (b"e", b"g")
            for brand in (b"heic", b"avif")
        ),
        ("a.png", FTYP + bytes(30) + b"hei" + bytes(9), "not an image"),
        ("a.png", b"\0\0\0ftyp" + b"heic" + bytes(40), "not an image"),
        ("a.png", b"\x89HDF\r\n" + bytes(40), "in the format HDF5 which is not read"),
        ("a.png", b"\0\0\0\x0cJXL \r\n" + bytes(40), "in the format JPEG XL"),
        ("a.png", bytes(128) + b"DICM" + bytes(9), "in the format DICOM"),
        ("a.png", bytes(127) + b"DICM" + bytes(9), "not an image"),
        ("a.nd2", bytes(99), "in the format ND2 (Nikon)"),
        ("a.SVG", b"<svg/>", "in the format SVG"),
        ("a.png", FTYP + b"avis" + bytes(40), "AVIF"),
    ],
)
def test_a_format_is_known_by_its_first_bytes(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    assert said in str(opening._not_an_image(tmp_path / name))


@pytest.mark.parametrize(
    ("suffixes", "said"),
    [
        ("heic heif", "HEIC, as phones write it,"),
        ("dcm dicom", "DICOM"),
        ("czi", "CZI (Zeiss)"),
        ("nd2", "ND2 (Nikon)"),
        ("lif", "LIF (Leica)"),
        ("oib oif", "OIB (Olympus) OIF (Olympus)"),
        ("vsi", "VSI (Olympus)"),
        ("mrxs", "MIRAX"),
        ("jxl", "JPEG XL"),
        ("cr2 cr3 nef arw dng", "camera raw"),
        ("nii", "NIfTI"),
        ("npy npz", "NumPy"),
        ("h5 hdf5", "HDF5"),
        ("mp4 avi mov mkv", "video"),
    ],
)
def test_formats_that_people_have_are_named_by_their_suffix(tmp_path, suffixes, said):
    for suffix in suffixes.split():
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(b"unknown")
        what = opening._not_an_image(path).what
        assert what.removeprefix(f"{path} is in the format ").removesuffix(" which is not read") in said


def test_the_largest_image_that_is_read():
    opening.check_size(Path("x"), 12_000, 10_000)
    with pytest.raises(
        InputError, match="x has 12,000 x 10,001 pixels, more than the 120,000,000 that are read"
    ):
        opening.check_size(Path("x"), 12_000, 10_001)


@pytest.mark.parametrize(("height", "width"), [(5, 8), (8, 5), (4, 9)])
def test_what_is_not_square_is_cut_or_padded_in_its_middle(height, width):
    pixels = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    short, long = min(height, width), max(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    cut = fitted(pixels, short, "crop", Image.Resampling.NEAREST)
    assert np.array_equal(cut, pixels[top : top + short, left : left + short])
    padded = fitted(pixels, long, "pad", Image.Resampling.NEAREST)
    down, right = (long - height) // 2, (long - width) // 2
    assert np.array_equal(padded[down : down + height, right : right + width], pixels)
    assert (np.delete(np.delete(padded, slice(down, down + height), 0), [], 1) == 255).all()
    assert padded.sum() == pixels.sum() + 255 * 3 * (long**2 - height * width)
    square = pixels[:short, :short]
    assert fitted(square, short, "crop", Image.Resampling.NEAREST) is square
