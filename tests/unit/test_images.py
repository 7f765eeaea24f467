"""Image files as people have them: numbers, channels, pages and formats; no pixel is wrong in silence."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_folders import class_folder, color, smooth, split_folder, write_color, write_lzw_tiff, write_tiff
from PIL import Image, ImageOps

from bench.commands.main import main
from wbc.data.check import check_folder
from wbc.data.folders import inspect_folder
from wbc.data.loading import load_split, read_image
from wbc.data.manifest import Manifest
from wbc.data.pipeline.decoding import fitted, look_at, page_count, read_upright
from wbc.data.pipeline.numbers import ORIENTATIONS, SIDEWAYS, with_white
from wbc.data.pipeline.opening import MAX_PIXELS
from wbc.data.pipeline.stages import Stages
from wbc.data.prepare import PrepareSettings, prepare
from wbc.data.reading import Reading
from wbc.errors import InputError

RNG = np.random.default_rng(3)
FAST = {"near_duplicates": False}


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_twelve_bits_in_sixteen_are_not_dark(tmp_path: Path, suffix: str):
    def write(path: Path, rng: np.random.Generator) -> None:
        level = 0.25 if path.parent.name == "one" else 0.6
        counts = ((level + 0.4 * (smooth(rng) - 0.5)) * 4095).astype(np.uint16)
        Image.fromarray(counts).save(path)

    root = split_folder(tmp_path / "set", write, suffix)
    manifest = inspect_folder(root)
    assert manifest.settings["reading"] == {"white": 4095.0}
    split = load_split(manifest, "train", root, 12)
    stored = np.asarray(Image.open(root / split.images[0].file))
    assert np.array_equal(split.inputs[0][..., 0], stored >> 4), "one scale for all, 12 bits"
    assert split.inputs[3:].mean() > 1.5 * split.inputs[:3].mean(), "brightness is the class, and stays"
    report = check_folder(root)
    assert "4095 is white" in report.scale


@pytest.mark.parametrize(
    ("dtype", "high", "white"),
    [
        (np.uint16, 255, 255),
        (np.uint16, 1000, 1023),
        (np.uint16, 4096, 16383),
        (np.uint16, 40000, 65535),
        (np.int8, 100, 127),
        (np.int16, 20000, 32767),
        (np.int32, 4000, 4095),
        (np.uint32, 65000, 65535),
        (np.float32, 1.0, 1),
        (np.float64, 0.7, 1),
    ],
)
def test_white_is_derived_from_the_whole_set(tmp_path: Path, dtype, high: float, white: float):
    write_tiff(tmp_path / "a.tif", np.full((8, 8), high, dtype))
    write_tiff(tmp_path / "b.tif", np.zeros((8, 8), dtype))
    reading = with_white(
        Reading(), [(tmp_path / name, look_at(tmp_path / name)) for name in ("a.tif", "b.tif")]
    )
    assert reading.white == white
    assert read_upright(tmp_path / "b.tif", reading).max() == 0
    expected = high / white * 255
    assert abs(float(read_upright(tmp_path / "a.tif", reading)[0, 0, 0]) - expected) <= 1


@pytest.mark.parametrize(
    ("dtype", "values"),
    [(np.float32, (0, 200.0)), (np.float32, (-0.5, 0.5)), (np.int16, (-300, 300)), (np.uint32, (0, 2**31))],
)
def test_what_cannot_be_known_is_asked_for(tmp_path: Path, capsys, dtype, values):
    def write(path: Path, rng: np.random.Generator) -> None:
        low, high = values
        write_tiff(path, (low + smooth(rng) * (high - low)).astype(dtype))

    root = split_folder(tmp_path / "set", write, ".tif")
    assert main(["data", "check", str(root)]) == 2
    assert "white = " in capsys.readouterr().err
    low, high = values
    reading = Reading(white=high, black=low)
    pixels = load_split(inspect_folder(root, reading=reading), "test", root, 12).inputs
    assert 100 < pixels.mean() < 155
    assert main(["data", "check", str(root), "--white", str(high), "--black", str(low)]) == 0


def test_numbers_that_are_not_finite_are_named(tmp_path: Path):
    write_tiff(tmp_path / "a.tif", np.array([[0.1, np.nan]], np.float32))
    with pytest.raises(InputError, match="not finite"):
        look_at(tmp_path / "a.tif")


def test_two_kinds_of_numbers_are_refused_with_a_file_of_each(tmp_path: Path):
    paths = [tmp_path / "counts.tif", tmp_path / "shares.tif"]
    for path, dtype in zip(paths, (np.uint16, np.float32), strict=True):
        write_tiff(path, np.ones((8, 8), dtype))
    with pytest.raises(InputError, match=r"counts\.tif and .*shares\.tif"):
        with_white(Reading(), [(path, look_at(path)) for path in paths])


def test_white_has_no_meaning_for_eight_bits(tmp_path: Path):
    write_color(tmp_path / "a.png", RNG)
    with pytest.raises(InputError, match="every image has 8 bits"):
        with_white(Reading(white=100), [(tmp_path / "a.png", look_at(tmp_path / "a.png"))])


def test_uniform_and_narrow_images_are_warned_of(tmp_path: Path):
    root = split_folder(tmp_path / "set", write_color)
    Image.new("RGB", (12, 12), (9, 9, 9)).save(root / "train" / "one" / "blank.png")
    narrow = 100 + (smooth(RNG) * 20).astype(np.uint8)
    Image.fromarray(narrow).save(root / "train" / "two" / "dim.png")
    said = " ".join(check_folder(root).warnings)
    assert "1 image is of one color throughout, such as train/one/blank.png" in said
    assert "less than a tenth" in said and "train/two/dim.png" in said


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "P bytes"])
def test_what_is_transparent_is_white(tmp_path: Path, mode: str):
    path = tmp_path / "image.png"
    if mode.startswith("P"):
        image = Image.new("P", (8, 8), 1)
        image.putpalette([0, 0, 0, 200, 10, 10, 10, 200, 10])
        image.paste(2, (0, 0, 4, 8))
        image.save(path, transparency=b"\xff\x00\xff" if mode == "P bytes" else 1)
        shown = (10, 200, 10)
    else:
        pixels = np.zeros((8, 8, len(mode)), np.uint8)
        pixels[..., :-1] = 77
        pixels[:, :4, -1] = 255
        Image.fromarray(pixels, mode).save(path)
        shown = (77, 77, 77)
    pixels = read_image(path, 8)
    assert (pixels[:, 4:] == 255).all(), "whatever is hidden beneath"
    assert (pixels[:, :4] == shown).all()


def test_half_transparent_is_what_pillow_lays_on_white(tmp_path: Path):
    rgba = RNG.integers(0, 256, (16, 16, 4)).astype(np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    paper = Image.new("RGBA", (16, 16), (255, 255, 255, 255))
    expected = Image.alpha_composite(paper, Image.fromarray(rgba)).convert("RGB")
    assert np.array_equal(read_upright(tmp_path / "a.png"), np.asarray(expected))


@pytest.mark.parametrize(
    ("dtype", "white", "opaque"),
    [
        (np.uint16, 4095, 4095),
        (np.uint16, 4095, 65535),
        (np.uint16, 65535, 65535),
        (np.int16, 1023, 32767),
        (np.float32, 1, 1),
        (np.float32, 4095, 4095),
    ],
)
@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha"])
def test_opaque_is_what_is_white_or_the_largest_number(tmp_path: Path, dtype, white, opaque, extra):
    colors = np.linspace(0, white, 48).reshape(4, 4, 3)
    part = np.repeat([1, 0.5, 0, 1], 4).reshape(4, 4, 1)
    stored = colors * part if extra == "assocalpha" else colors
    pixels = np.concatenate([stored, opaque * part], axis=2).astype(dtype)
    write_tiff(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=[extra])
    found = read_upright(tmp_path / "a.tif", Reading(white=white)).astype(float)
    expected = 255 * (colors / white * part + 1 - part)
    assert np.abs(found - expected).max() <= 2
    assert (found[2] == 255).all() and found[0, 0, 0] == 0


@pytest.mark.parametrize(("extra", "stored"), [("unassalpha", 2000), ("assocalpha", 1000)])
def test_opacity_of_gray_numbers(tmp_path: Path, extra: str, stored: int):
    """Half of 2000 on white: 125 and a half of 255."""
    pixels = np.full((4, 4, 2), (stored, 2048), np.uint16)
    pixels[0, 0] = 0, 4095
    write_tiff(
        tmp_path / "a.tif", pixels, photometric="minisblack", extrasamples=[extra], planarconfig="contig"
    )
    found = read_upright(tmp_path / "a.tif", Reading(white=4095)).astype(int)
    assert (found[0, 0] == 0).all() and abs(found[1] - (62.5 + 127.5)).max() <= 1


def test_opacity_of_twelve_bits_in_png(tmp_path: Path):
    values = np.full((4, 4, 4), 2048, ">u2")
    values[..., 3] = [[4095], [4095], [0], [0]]
    write_png16(tmp_path / "a.png", values)
    found = read_upright(tmp_path / "a.png", Reading(white=4095))
    assert (found[:2] == 128).all() and (found[2:] == 255).all()


def write_png16(path: Path, values: np.ndarray, exif: bytes = b"") -> None:
    """A PNG of 16 bits with 2 channels, 3 or 4; the values in the order of the file."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    about = chunk(b"eXIf", exif) if exif else b""
    parts = chunk(b"IHDR", head) + about + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def test_color_of_sixteen_bits_keeps_its_lower_half(tmp_path: Path):
    values = (RNG.integers(0, 4096, (6, 5, 3))).astype(">u2")
    write_png16(tmp_path / "a.png", values)
    write_tiff(tmp_path / "a.tif", values.astype(np.uint16), photometric="rgb")
    for name in ("a.png", "a.tif"):
        facts = look_at(tmp_path / name)
        assert facts.high == values.max() and facts.kind
        assert np.array_equal(read_upright(tmp_path / name, Reading(white=4095)), values >> 4)


@pytest.mark.parametrize("order", ["<", ">"])
def test_compressed_color_of_sixteen_bits_keeps_its_lower_half(tmp_path: Path, order):
    values = RNG.integers(0, 4096, (6, 5, 3)).astype(np.uint16)
    write_lzw_tiff(tmp_path / "a.tif", values, order)
    assert look_at(tmp_path / "a.tif").high == values.max()
    assert np.array_equal(read_upright(tmp_path / "a.tif", Reading(white=4095)), values >> 4)


@pytest.mark.parametrize(
    ("channels", "tags"),
    [
        (2, {"photometric": "minisblack", "extrasamples": [0]}),
        (4, {"photometric": "rgb", "extrasamples": [0]}),
        (5, {"photometric": "rgb", "extrasamples": [1, 0]}),
        (5, {"photometric": "minisblack", "extrasamples": [0] * 4, "planarconfig": "contig"}),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_no_channel_is_dropped(tmp_path: Path, channels: int, tags: dict, dtype):
    values = RNG.integers(0, 200, (8, 8, channels)).astype(dtype)
    write_tiff(tmp_path / "a.tif", values, **tags)
    with pytest.raises(InputError, match=f"{channels} channels") as caught:
        read_upright(tmp_path / "a.tif")
    assert caught.value.way_out


def stack(path: Path, rng: np.random.Generator) -> None:
    pages = [Image.new("RGB", (12, 12), (200, 200, 200)), *(Image.fromarray(color(rng)) for _ in range(2))]
    pages[0].save(path, save_all=True, append_images=pages[1:])


@pytest.mark.parametrize("suffix", [".tif", ".gif"])
def test_several_pages_are_counted_unless_one_is_asked_for(tmp_path: Path, suffix: str):
    path = tmp_path / f"a{suffix}"
    stack(path, RNG)
    with pytest.raises(InputError, match="has 3 pages"):
        look_at(path)
    assert (read_upright(path, Reading(pages=1)) == 200).all()
    second = read_upright(path, Reading(pages=2))
    assert second.std() > 10
    with pytest.raises(InputError, match="page 4 is asked for"):
        look_at(path, Reading(pages=4))
    brightest = read_upright(path, Reading(pages="max"))
    assert brightest.min() >= 200 and (brightest >= second).all()


def test_a_preview_is_no_page(tmp_path: Path):
    pages = [color(RNG, 16, 16), color(RNG, 8, 8)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in pages:
            file.write(page, photometric="rgb", subfiletype=int(len(page) == 8))
    assert page_count(tmp_path / "a.tif") == 1 and not look_at(tmp_path / "a.tif").plain
    assert np.array_equal(read_upright(tmp_path / "a.tif"), pages[0])


def test_pages_of_a_split_folder_stay_in_its_splits(tmp_path: Path, capsys):
    root = split_folder(tmp_path / "set", stack, ".tif")
    assert main(["data", "check", str(root)]) == 2
    assert "has no image that can be read" in capsys.readouterr().err
    assert main(["data", "prepare", str(root), str(tmp_path / "out"), "--pages", "each"]) == 0
    counts = Manifest.read(tmp_path / "out").counts()
    assert {split: sum(of.values()) for split, of in counts.items()} == {
        "train": 18,
        "validation": 12,
        "test": 12,
    }
    files = [image.file for image in Manifest.read(tmp_path / "out").split("test")]
    assert {Path(file).name[:2] for file in files} == {"o0", "o1", "t0", "t1"}


def test_each_page_may_be_an_image(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for index in range(4):
            stack(tmp_path / "set" / name / f"{index}.tif", RNG)
    manifest = prepare(tmp_path / "set", tmp_path / "out", PrepareSettings(each_page=True, **FAST))
    assert len(manifest.images) == 24
    assert len({image.source for image in manifest.images}) == 8
    for source in {image.source for image in manifest.images}:
        assert len({image.split for image in manifest.images if image.source == source}) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.HEIC", (24).to_bytes(4, "big") + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(200), "HEIC"),
        ("a.png", (24).to_bytes(4, "big") + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(200), "HEIC"),
        ("a.dcm", bytes(128) + b"DICM" + bytes(100), "DICOM"),
        ("a.czi", b"ZISRAWFILE" + bytes(100), "CZI"),
        ("a.jxl", b"\xff\x0a" + bytes(100), "JPEG XL"),
        ("a.tif", b"%PDF-1.4" + bytes(100), "PDF"),
    ],
)
def test_formats_that_are_not_read_are_named(tmp_path: Path, name: str, content: bytes, said: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        look_at(tmp_path / name)
    assert "Convert it" in caught.value.way_out


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".gif", ".bmp", ".avif"])
@pytest.mark.parametrize("kept", [0, 0.05, 0.5, 0.97])
def test_damaged_images_are_named(tmp_path: Path, suffix: str, kept: float):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RNG.integers(0, 256, (90, 90, 3)).astype(np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(InputError, match=str(path)) as caught:
        look_at(path)
    assert caught.value.way_out.startswith("Replace it") and "HEIC" not in caught.value.what


def test_large_images_get_our_words(tmp_path: Path, recwarn):
    side = int(MAX_PIXELS**0.5) + 100
    Image.new("1", (side, side)).save(tmp_path / "slide.png")
    with pytest.raises(InputError, match="more than the 120,000,000 that are read"):
        look_at(tmp_path / "slide.png")
    assert not recwarn.list


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_how_images_become_square(fit: str):
    pixels = np.zeros((10, 40, 3), np.uint8)
    pixels[:, 15:25] = 200
    square = fitted(pixels, 20, fit, Image.Resampling.BOX)
    assert square.shape == (20, 20, 3)
    expected = {"squash": 200 * 0.25, "crop": 200, "pad": 255 * 0.75 + 200 / 16}[fit]
    assert abs(square.mean() - expected) < 3


def test_an_upside_down_photograph_has_its_box_in_the_upright_picture(tmp_path: Path):
    root = class_folder(tmp_path / "set")
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = color(RNG, 20, 40)
    Image.fromarray(stored).save(root / "one" / "turned.png", exif=exif)
    sides = "".join(f"<{k}>{v}</{k}>" for k, v in {"xmin": 2, "ymin": 22, "xmax": 12, "ymax": 32}.items())
    text = f"<a><object><name>WBC</name><bndbox>{sides}</bndbox></object></a>"
    (root / "one" / "turned.xml").write_text(text)
    manifest = prepare(root, tmp_path / "out", PrepareSettings(stages=Stages(margin=0), **FAST))
    (file,) = [image.file for image in manifest.images if "turned" in image.file]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / file)), np.rot90(stored, -1)[22:32, 2:12])


@pytest.mark.parametrize("tag", range(1, 9))
def test_each_orientation_is_turned_as_pillow_turns_it(tag: int):
    stored = Image.fromarray(RNG.integers(0, 256, (2, 3), np.uint8))
    turned = stored
    for turn in ORIENTATIONS.get(tag, ()):
        turned = turned.transpose(turn)
    marked = stored.copy()
    marked.getexif()[0x0112] = tag
    assert np.array_equal(turned, ImageOps.exif_transpose(marked))
    assert bool(SIDEWAYS & set(ORIENTATIONS.get(tag, ()))) == (turned.size != stored.size)


def test_an_imagej_file_that_does_not_say_how_many_images_it_has_has_one(tmp_path: Path):
    for images in ("", "images=1\n", "images=2\n"):
        path = tmp_path / f"{images[:-1]}.tif"
        about = f"ImageJ=1.53\n{images}"
        tifffile.imwrite(path, np.full((3, 4), 7, np.uint8), description=about, metadata=None)
        if "2" not in images:
            assert np.asarray(read_upright(path)).shape == (3, 4, 3)
            continue
        with pytest.raises(InputError, match="has 2 images in one page"):
            read_upright(path, Reading(pages="max"))
