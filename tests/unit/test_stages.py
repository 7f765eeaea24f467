"""From a photograph to an image of a data set: which stages run, boxes of white cells, and what is in a file."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_folders import write_tiff
from PIL import Image

from wbc.data.pipeline import decoding
from wbc.data.pipeline.cropping import read_white_box, square_crop
from wbc.data.pipeline.decoding import look_at, page_count, read_upright
from wbc.data.pipeline.numbers import with_white
from wbc.data.pipeline.opening import page_number, several_pages
from wbc.data.pipeline.sample import sample
from wbc.data.pipeline.segmentation import segment
from wbc.data.pipeline.stages import Original, Stages, run_stages
from wbc.data.reading import FLOATS, INTEGERS, Facts, Reading
from wbc.errors import InputError

RNG = np.random.default_rng(0)
BOX = (10.0, 20.0, 30.0, 36.0)


@pytest.mark.parametrize(
    ("changed", "what", "way_out"),
    [
        ({"margin": -0.01}, "margin is -0.01", "Give a fraction of the box between 0 and 2."),
        ({"margin": 2.01}, "margin is 2.01", "Give a fraction of the box between 0 and 2."),
        ({"image_size": 0}, "image_size is 0 pixels", "Give 1 or more."),
        ({"background": "blur"}, "background is 'blur'", "Give keep or remove."),
    ],
)
def test_stages_out_of_their_range(changed, what, way_out):
    with pytest.raises(InputError) as caught:
        Stages(**changed)
    assert (caught.value.what, caught.value.way_out) == (what, way_out)
    Stages(margin=0)
    Stages(margin=2, image_size=1)
    usual = Stages()
    assert (usual.crop, usual.margin, usual.image_size, usual.background) == (True, 0.1, None, "keep")


@pytest.mark.parametrize(
    ("stages", "box", "plain", "changed"),
    [
        ({}, None, True, False),
        ({}, BOX, True, True),
        ({"crop": False}, BOX, True, False),
        ({}, None, False, True),
        ({"image_size": 8}, None, True, True),
        ({"background": "remove"}, None, True, True),
    ],
)
def test_an_image_that_no_stage_changes_keeps_its_bytes(stages, box, plain, changed):
    original = Original("x", Path("x.png"), "A", "x", box, plain)
    assert Stages(**stages).change(original) is changed
    usual = Original("x", Path("x.png"), "A", "x")
    assert (usual.box, usual.plain, usual.page, usual.split) == (None, True, None, "")


@pytest.fixture
def photograph(tmp_path) -> tuple[Path, np.ndarray]:
    pixels = RNG.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    return tmp_path / "x.png", pixels


@pytest.mark.parametrize(
    ("stages", "box", "names"),
    [
        ({}, None, ["photograph"]),
        ({}, BOX, ["photograph", "cropped"]),
        ({"crop": False}, BOX, ["photograph"]),
        ({"image_size": 20}, None, ["photograph", "resized"]),
        ({"image_size": 20}, BOX, ["photograph", "cropped"]),
        (
            {"image_size": 20, "background": "remove"},
            BOX,
            ["photograph", "cropped", "background removed"],
        ),
    ],
)
def test_each_step_is_shown(photograph, stages, box, names):
    """Cropped with a margin, then resized by Pillow's bicubic filter."""
    path, pixels = photograph
    staged = run_stages(Original("x", path, "A", "x", box), Stages(margin=0.25, **stages))
    assert list(staged.steps) == names and np.array_equal(staged.steps["photograph"], pixels)
    expected = square_crop(pixels, box, 0.25) if "cropped" in names else pixels
    if "image_size" in stages:
        expected = np.asarray(Image.fromarray(expected).resize((20, 20), Image.Resampling.BICUBIC))
    assert np.array_equal(staged.steps[names[min(1, len(names) - 1)]], expected)
    assert staged.pixels is staged.steps[names[-1]]
    if "background" in stages:
        found = segment(expected)
        assert (staged.pixels[~found.cell] == 255).all() and staged.guessed == found.fallback
        assert np.array_equal(staged.pixels[found.cell], expected[found.cell])
    else:
        assert staged.guessed == ""


def test_a_page_of_an_original_is_read_and_fitted_as_its_data_set_says(tmp_path):
    pages = RNG.integers(0, 256, (3, 10, 20, 3)).astype(np.uint8)
    write_tiff(tmp_path / "x.tif", pages, photometric="rgb")
    original = Original("x", tmp_path / "x.tif", "A", "x", page=2)
    found = run_stages(original, Stages(reading=Reading(pages=1, fit="crop"), image_size=10)).pixels
    assert np.array_equal(found, pages[1, :, 5:15])


def annotated(*objects: tuple[str, str, str, str, str]) -> str:
    """Name, left, top, right and bottom of each object."""
    sides = ("xmin", "ymin", "xmax", "ymax")
    inside = (
        f"<object><name> {name}\n</name><bndbox>"
        + "".join(f"<{side}>{one}</{side}>" for side, one in zip(sides, box, strict=True))
        + "</bndbox></object>"
        for name, *box in objects
    )
    return f"<annotation>{''.join(inside)}</annotation>"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, "no annotation"),
        ("<annotation", "annotation unreadable"),
        (annotated(), "no white-cell box"),
        (annotated(("RBC", "1", "2", "3", "4")), "no white-cell box"),
        (annotated(("RBC", "1", "2", "3", "4"), ("WBC", "5", "6.5", "7", "8")), (5, 6.5, 7, 8)),
        (annotated(("XBC", "1", "2", "3", "4"), ("WBC", "5", "6.5", "7", "8")), (5, 6.5, 7, 8)),
        (annotated(*[("WBC", "1", "2", "3", "4")] * 2), "more than one white-cell box"),
        (annotated(("WBC", "1", "2", "x", "4")), "annotation unreadable"),
        (annotated(("WBC", "1", "2", "inf", "4")), "annotation unreadable"),
        (annotated(("WBC", "3", "2", "3", "4")), "white-cell box is empty"),
        (annotated(("WBC", "1", "4", "3", "4")), "white-cell box is empty"),
        (annotated(("WBC", "4", "2", "3", "5")), "white-cell box is empty"),
        (annotated(("WBC", "1", "5", "3", "4")), "white-cell box is empty"),
        (annotated(("WBC", "3", "2", "3.5", "2.5")), (3, 2, 3.5, 2.5)),
    ],
)
def test_the_box_of_the_only_white_cell(tmp_path, text, found):
    if text is not None:
        (tmp_path / "x.xml").write_text(text)
    assert read_white_box(tmp_path / "x.xml") == found


@pytest.mark.parametrize(
    ("box", "margin", "rows", "columns"),
    [
        ((10, 20, 14, 30), 0.1, (19, 31), (6, 18)),  # a side of 12 about (25, 12)
        ((10, 20, 14, 29), 0.1, (19, 30), (6, 17)),  # 10.8 are 11; the middles are 24.5 and 12
        ((10, 20, 10.4, 20.4), 0.0, (19, 20), (9, 10)),  # no less than a pixel
        ((0, 0, 4, 4), 0.5, (0, 8), (0, 8)),
        ((46, 36, 50, 40), 0.5, (32, 40), (42, 50)),
        ((5, 0, 45, 40), 0.0, (0, 40), (5, 45)),
    ],
)
def test_a_square_about_a_box(box, margin, rows, columns):
    """Inside 40 x 50 pixels."""
    pixels = np.arange(40 * 50 * 3).reshape(40, 50, 3)
    assert np.array_equal(square_crop(pixels, box, margin), pixels[slice(*rows), slice(*columns)])


def test_a_square_larger_than_the_image_is_mirrored_at_the_edges_that_it_crosses():
    pixels = np.arange(4 * 8 * 3).reshape(4, 8, 3)
    assert np.array_equal(square_crop(pixels, (1, 0, 7, 4), 0.0), pixels[[0, 0, 1, 2, 3, 3]][:, 1:7])
    assert np.array_equal(square_crop(pixels, (2, 1, 3, 2), 2.0), pixels[[0, 0, 1, 2, 3]][:, 0:5])


def test_what_is_in_a_file_of_eight_bits(tmp_path):
    pixels = np.full((3, 5, 3), 100, np.uint8)
    pixels[1, 2] = 40, 90, 230
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert look_at(tmp_path / "a.png") == Facts(5, 3, 40, 230)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "b.png")
    assert look_at(tmp_path / "b.png") == Facts(5, 3, 40, 100)


@pytest.mark.parametrize(
    ("mode", "suffix", "more", "plain"),
    [
        ("RGB", ".png", {}, True),
        ("P", ".png", {}, True),
        ("P", ".png", {"transparency": 0}, False),
        ("RGBA", ".png", {}, False),
        ("CMYK", ".jpg", {}, False),
        ("1", ".tif", {}, True),
        ("L", ".gif", {"save_all": True, "append_images": [Image.new("L", (4, 4), 9)]}, False),
    ],
)
def test_opaque_files_of_one_page_and_of_usual_colors_are_plain(tmp_path, mode, suffix, more, plain):
    path = tmp_path / f"a{suffix}"
    Image.new(mode, (4, 4)).save(path, **more)
    assert look_at(path, Reading(pages=1)).plain is plain


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(5, "Input/output error"), "Input/output error"),
        (OSError("cut off"), "cut off"),
        (ValueError("odd"), "odd"),
        (Image.DecompressionBombError("large"), "large"),
    ],
)
def test_why_a_file_cannot_be_read(monkeypatch, error, reason):
    def fail(path, pages):
        raise error

    monkeypatch.setattr(decoding, "_content", fail)
    with pytest.raises(InputError) as caught:
        look_at(Path("x.png"))
    assert caught.value.what == f"x.png cannot be read as an image: {reason}"


@pytest.mark.parametrize(("tag", "size"), [(1, (5, 3)), (3, (5, 3)), (6, (3, 5)), (8, (3, 5))])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_what_is_in_a_file_of_more_bits(tmp_path, tag, size, dtype):
    values = np.arange(15).reshape(3, 5).astype(dtype)
    write_tiff(tmp_path / "a.tif", values, extratags=[(274, 3, 1, tag, True)])
    kind, most = (FLOATS, 0) if dtype == np.float32 else (INTEGERS, 32767)
    assert look_at(tmp_path / "a.tif") == Facts(*size, 0, 14, kind, most, plain=False)


def test_gray_of_sixteen_bits_is_decompressed_by_pillow(tmp_path):
    values = RNG.integers(0, 4096, (6, 5)).astype(np.uint16)
    for photometric, shown in ((1, values >> 4), (0, 255 - (values >> 4))):
        Image.fromarray(values).save(tmp_path / "a.tif", compression="tiff_lzw", tiffinfo={262: photometric})
        found = read_upright(tmp_path / "a.tif", Reading(white=4095.0))
        assert np.array_equal(found, np.dstack([shown] * 3))
    Image.fromarray(values.astype(np.uint8)).save(
        tmp_path / "b.tif", compression="tiff_lzw", tiffinfo={339: 2}
    )
    with pytest.raises(InputError) as caught:  # signed numbers, which Pillow reads without their sign
        read_upright(tmp_path / "b.tif")
    assert caught.value.what == f"{tmp_path / 'b.tif'} is a TIFF of a rare kind"


def test_pages_of_a_file(tmp_path):
    frames = [Image.new("RGB", (4, 4), (number, 0, 0)) for number in (1, 2, 3)]
    for name, form, count in (("a.gif", "GIF", 3), ("b.tif", "TIFF", 3), ("c.mpo", "MPO", 1)):
        frames[0].save(tmp_path / name, form, save_all=True, append_images=frames[1:])
        assert page_count(tmp_path / name) == count
    frames[0].save(tmp_path / "d.png")
    assert page_count(tmp_path / "d.png") == 1
    path = Path("x.tif")
    assert several_pages(path, 3).what == "x.tif has 3 pages, but an image is one"
    assert [page_number(path, pages, 3) for pages in (1, 3)] == [0, 2]
    with pytest.raises(InputError) as caught:
        page_number(path, 4, 3)
    assert (caught.value.what, caught.value.way_out) == (
        "x.tif has 3 pages, but page 4 is asked for",
        "Choose another page.",
    )


def test_frames_are_projected_to_the_nearest_level(tmp_path):
    levels = [Image.new("L", (4, 4), level) for level in (10, 11, 13)]
    for name in ("a.tif", "a.gif"):
        levels[0].save(tmp_path / name, save_all=True, append_images=levels[1:])
        for pages, level in (("max", 13), ("min", 10), ("mean", 11), (3, 13)):
            assert (read_upright(tmp_path / name, Reading(pages=pages)) == level).all()


def test_a_file_without_pages_and_one_that_is_missing(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.zeros((4, 4), np.uint8), photometric="minisblack", subfiletype=1)
    for path, what in (
        (tmp_path / "a.tif", "has no page"),
        (tmp_path / "b.png", "cannot be read as an image: No such file or directory"),
    ):
        with pytest.raises(InputError) as caught:
            look_at(path)
        assert (caught.value.what, caught.value.way_out) == (
            f"{path} {what}",
            "Replace it, or remove it from the folder.",
        )


def facts(low: float, high: float, kind: str = INTEGERS, most: float = 65535) -> tuple[Path, Facts]:
    return Path("x.tif"), Facts(8, 8, low, high, kind, most, plain=False)


DARK = Path("dark.tif"), Facts(8, 8, 0, 1, INTEGERS, 65535, plain=False)


@pytest.mark.parametrize(
    ("reading", "images", "white"),
    [
        (Reading(), [facts(0, 255), DARK], 255),
        (Reading(), [facts(0, 256), DARK], 1023),
        (Reading(), [facts(0, 16383)], 16383),
        (Reading(), [facts(0, 16384)], 65535),
        (Reading(), [facts(0, 127, most=127)], 127),
        (Reading(), [facts(0, 20000, most=32767), DARK], 65535),
        (Reading(), [facts(0, 65535, most=2**31 - 1)], 65535),
        (Reading(black=100), [facts(100, 4095)], 4095),
        (Reading(white=5000), [facts(-7, 9000, FLOATS)], 5000),
        (Reading(), [facts(0, 1, FLOATS)], 1),
        (Reading(), [(Path("x.png"), Facts(8, 8, 0, 255))], None),
        (Reading(white=9.0), [], 9.0),
    ],
)
def test_the_white_of_a_data_set(reading, images, white):
    found = with_white(reading, images)
    assert (found.white, found.black) == (white, reading.black)


@pytest.mark.parametrize(
    ("reading", "images", "what"),
    [
        (Reading(black=100), [facts(99, 4095)], "the images contain numbers from 99 to 4095"),
        (Reading(), [facts(-1, 5)], "the images contain numbers from -1 to 5"),
        (
            Reading(),
            [facts(0, 1.25, FLOATS), (Path("y.tif"), Facts(8, 8, 0, 1, FLOATS))],
            "the images contain floats up to 1.25 (x.tif), so what is white in them cannot be known",
        ),
        (
            Reading(),
            [DARK, facts(0, 65536, most=2**31 - 1)],
            "the images contain integers up to 65536 (x.tif), so what is white in them cannot be known",
        ),
        (
            Reading(black=1),
            [(Path("x.png"), Facts(8, 8, 0, 255))],
            "white and black are given, but every image has 8 bits per channel or less, and its white is 255",
        ),
        (
            Reading(white=9.0),
            [DARK, facts(0, 1, FLOATS)],
            "some images contain integers and some contain floats: dark.tif and x.tif",
        ),
    ],
)
def test_a_white_that_cannot_be_known(reading, images, what):
    with pytest.raises(InputError) as caught:
        with_white(reading, images)
    assert caught.value.what == what and caught.value.way_out


def test_a_sample_has_one_image_of_each_source_before_any_second():
    images = [
        Original(f"{source}{index}", Path(), name, f"{name}{source}", split=split)
        for split in ("", "test")
        for name in "AB"
        for source, count in (("p", 3), ("q", 2), ("r", 1))
        for index in range(count)
    ]
    for most, counts in ((1, [1]), (3, [1, 1, 1]), (5, [1, 2, 2]), (6, [1, 2, 3])):
        kept, others = sample(images, most, 0)
        assert sorted([*kept, *others], key=images.index) == images
        for split in ("", "test"):
            for name in "AB":
                own = [one.source for one in kept if (one.split, one.class_name) == (split, name)]
                assert sorted(own.count(source) for source in set(own)) == counts
    chosen = {one.name for one in sample(images, 1, 0)[0]} | {one.name for one in sample(images, 1, 5)[0]}
    assert len(chosen) > 1, "the seed and the class decide"
    with pytest.raises(InputError) as caught:
        sample(images, 0, 0)
    assert (caught.value.what, caught.value.way_out) == ("max_images_per_class is 0", "Give 1 or more.")
