"""Images as people have them: numbers, channels, pages, layouts, labels, groups; nothing is lost in silence."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_folders import class_folder, color, smooth, split_folder, write_color, write_lzw_tiff, write_tiff
from PIL import Image

from bench.commands.main import main
from bench.trials.datasets import DataSets
from wbc.data.check import check_folder
from wbc.data.folders import inspect_folder
from wbc.data.layout import FolderOptions, read_layout, split_meant, suggested_groups
from wbc.data.loading import load_split, read_image
from wbc.data.manifest import Manifest
from wbc.data.pipeline.decoding import fitted, look_at, page_count, read_upright
from wbc.data.pipeline.numbers import with_white
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
    facts = [look_at(tmp_path / name) for name in ("a.tif", "b.tif")]
    reading = with_white(Reading(), facts)
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


def test_white_has_no_meaning_for_eight_bits(tmp_path: Path):
    write_color(tmp_path / "a.png", RNG)
    with pytest.raises(InputError, match="every image has 8 bits"):
        with_white(Reading(white=100), [look_at(tmp_path / "a.png")])


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


def test_color_of_sixteen_bits_keeps_its_lower_half(tmp_path: Path):
    import struct
    import zlib

    values = (RNG.integers(0, 4096, (6, 5, 3))).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 5, 6, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
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


def test_a_contact_sheet_shows_what_training_sees(tmp_path: Path):
    def write(path: Path, rng: np.random.Generator) -> None:
        Image.fromarray((smooth(rng) * 0.4 * 4095).astype(np.uint16)).save(path)

    root = split_folder(tmp_path / "set", write)
    command = ["data", "show", str(root), "-o", str(tmp_path / "sheet.png")]
    assert main([*command, "--images", "1", "--white", "4095"]) == 0
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))
    tile = sheet[-128:-8, 8:128]
    assert 30 < tile.mean() < 75, "as dark as it is, neither black nor white"
    assert main([*command, "--split", "test", "--white", "1638"]) == 0
    assert np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))[-128:-8, 8:128].mean() > 100


def test_an_unsplit_folder_cannot_be_shown_and_gets_a_hint(tmp_path: Path, capsys):
    root = class_folder(tmp_path / "set")
    assert main(["data", "show", str(root), "-o", str(tmp_path / "sheet.png")]) == 2
    assert f"data prepare {root} TO" in capsys.readouterr().err


@pytest.mark.parametrize("below", ["", "out", "one/out", "../set/out"])
def test_a_folder_is_not_prepared_into_itself(tmp_path: Path, capsys, below: str):
    root = class_folder(tmp_path / "set")
    before = sorted(root.rglob("*"))
    assert main(["data", "prepare", str(root), str(root / below)]) == 2
    assert "would then contain its own copy" in capsys.readouterr().err
    assert sorted(root.rglob("*")) == before


def test_an_interrupted_preparation_says_so_and_leaves_nothing(tmp_path: Path, capsys, monkeypatch):
    root = class_folder(tmp_path / "set")

    def interrupted(*values: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wbc.data.pipeline.build._image_name", interrupted)
    command = ["data", "prepare", str(root), str(tmp_path / "out"), "--no-near-duplicates"]
    assert main(command) == 130
    assert "was not written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    monkeypatch.undo()
    assert main(command) == 0


def test_preparation_tells_its_progress(tmp_path: Path):
    told: dict[str, tuple[int, int]] = {}
    prepare(
        class_folder(tmp_path / "set"),
        tmp_path / "out",
        PrepareSettings(),
        progress=lambda what, done, total: told.update({what: (done, total)}),
    )
    assert told["reading"] == told["images"] == (12, 12) and len(told) >= 3


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("TRAIN", "train"), ("Training", "train"), ("train_set", "train"), ("trainImages", "train"),
        ("val", "validation"), ("VALID", "validation"), ("dev", "validation"), ("val2017", "validation"),
        ("Testing", "test"), ("TEST_SIMPLE", "test"), ("test-set", "test"),
        ("test_tube", None), ("trained", None), ("latest", None), ("MONOCYTE", None), ("train_test", None),
    ],
)  # fmt: skip
def test_names_of_splits_are_known_in_any_spelling(name: str, split: str | None):
    assert split_meant(name) == split


@pytest.mark.parametrize("names", [("TRAIN", "TEST"), ("train", "test"), ("Training", "TEST_SIMPLE")])
def test_validation_is_taken_out_of_train(tmp_path: Path, names: tuple[str, str]):
    counts = {names[0]: 8, names[1]: 4}
    root = split_folder(tmp_path / "set", write_color, counts=counts)
    assert main(["data", "check", str(root)]) == 0
    manifest = prepare(root, tmp_path / "out", PrepareSettings(**FAST))
    assert manifest.classes == ("one", "two")
    test = {path.read_bytes() for path in (root / names[1]).rglob("*.png")}
    assert {(tmp_path / "out" / one.file).read_bytes() for one in manifest.split("test")} == test
    assert {one.class_name for one in manifest.split("validation")} == {"one", "two"}
    assert len(manifest.images) == 24
    data = DataSets(tmp_path / "cache", root).find("folder", {}, 32)
    (tmp_path / "cache").mkdir()
    made = data.prepare()
    assert {one.file for one in made.split("test")} == {
        one.file for one in inspect_folder(root).split("test")
    }
    assert made.split("validation") and len(made.images) == 24


def test_all_absences_are_said_at_once(tmp_path: Path, capsys):
    root = split_folder(tmp_path / "set", write_color, classes=("basophil", "monocyte"))
    (root / "test" / "monocyte").rename(root / "test" / "monocytes")
    for path in (root / "validation" / "basophil").iterdir():
        path.unlink()
    assert main(["data", "check", str(root)]) == 2
    said = capsys.readouterr().err
    assert "class monocytes is missing from" in said and "did you mean monocytes?" in said
    assert "class monocyte is missing from test" in said
    assert "\nvalidation/basophil contains no image" in said
    for path in (root / "test").rglob("*.png"):
        path.rename(root / "test" / path.name)
    for name in ("basophil", "monocytes"):
        (root / "test" / name).rmdir()
    assert main(["data", "check", str(root)]) == 2
    assert "but no class folders" in capsys.readouterr().err


def test_two_unicode_forms_are_one_class(tmp_path: Path):
    root = split_folder(tmp_path / "set", write_color, classes=("grün", "rot"))
    (root / "test" / "grün").rename(root / "test" / unicodedata.normalize("NFD", "grün"))
    report = check_folder(root)
    assert report.manifest.classes == ("grün", "rot")
    assert "2 Unicode forms" in " ".join(report.warnings)


def test_pictures_and_outlines_are_no_classes(tmp_path: Path):
    root = class_folder(tmp_path / "set", classes=("images", "masks"))
    for verb in (["check", str(root)], ["prepare", str(root), str(tmp_path / "out")]):
        assert main(["data", *verb]) == 2


@pytest.mark.parametrize("suffix", [".txt", ".json", ".xml", ".csv"])
def test_sidecars_are_passed_over_and_counted_by_all(tmp_path: Path, suffix: str):
    root = split_folder(tmp_path / "set", write_color)
    text = "<a><object><name>RBC</name></object></a>" if suffix == ".xml" else "0 0.5 0.5 1 1\n"
    for path in list(root.rglob("*.png")):
        path.with_suffix(suffix).write_text(text)
    for folder in (root / "__MACOSX" / "train", root / "train" / ".ipynb_checkpoints"):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(b"junk")
    left_out = inspect_folder(root).left_out
    assert {reason: len(files) for reason, files in left_out.items()} == {f"no image ({suffix})": 14}
    assert check_folder(root).manifest.left_out == left_out
    if suffix != ".xml":  # boxes, which prepare reads
        manifest = prepare(root / "train", tmp_path / "out", PrepareSettings(**FAST))
        assert len(manifest.left_out[f"no image ({suffix})"]) == 6 and len(manifest.images) == 6


def test_no_image_is_lost_for_its_name(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for index in range(3):
            for file in (
                f"a{index}.png",
                f"a{index}.jpg",
                f"a{index}-png.png",
                f"A{index}.PNG",
                f"a{index}-a01.png",
            ):
                Image.fromarray(color(RNG)).save(tmp_path / "set" / name / file)
    manifest = prepare(tmp_path / "set", tmp_path / "out", PrepareSettings(train=60, **FAST))
    originals = {image.source for image in manifest.images}
    assert len(originals) == 30 - len(manifest.left_out.get("more cells than images are asked for", []))
    lowered = [image.file.casefold() for image in manifest.images]
    assert len(set(lowered)) == len(lowered)


def test_equal_bytes_under_two_classes_are_refused(tmp_path: Path, capsys):
    root = split_folder(tmp_path / "set", write_color)
    (root / "test" / "two" / "again.png").write_bytes((root / "train" / "one" / "o0.png").read_bytes())
    assert main(["data", "check", str(root)]) == 2
    assert "train/one/o0.png = test/two/again.png" in capsys.readouterr().err
    with pytest.raises(InputError, match="contradict"):
        inspect_folder(root)
    (root / "test" / "two" / "again.png").unlink()
    (root / "test" / "two" / "again.png").write_bytes((root / "test" / "two" / "t0.png").read_bytes())
    entries = {image.file: image.source for image in inspect_folder(root).images}
    assert entries["test/two/t0.png"] == entries["test/two/again.png"], "equal bytes are one source"
    assert "1 image is a copy" in " ".join(check_folder(root).warnings)


def patients(root: Path, flat: bool) -> Path:
    for name in ("benign", "malignant"):
        for patient in range(6):
            for index in range(3):
                path = root / name / f"P{name[0]}{patient:02d}" / f"{index}.png"
                if flat:
                    path = root / name / f"P{name[0]}{patient:02d}_{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_color(path, RNG)
    return root


@pytest.mark.parametrize("flat", [True, False])
def test_patients_stay_together(tmp_path: Path, flat: bool):
    root = patients(tmp_path / "set", flat)
    options = FolderOptions(group="^(P.*)_" if flat else "folder")
    manifest = prepare(root, tmp_path / "out", PrepareSettings(folder=options, **FAST))
    assert len(manifest.images) == 36 and len({image.source for image in manifest.images}) == 12
    for source in {image.source for image in manifest.images}:
        assert len({image.split for image in manifest.images if image.source == source}) == 1
    assert ("12 groups" in suggested_groups(read_layout(root).images)) == flat
    if not flat:
        with pytest.raises(InputError, match="a folder inside a class folder") as caught:
            prepare(root, tmp_path / "again", PrepareSettings(**FAST))
        assert "--group" in caught.value.way_out


def pooled(root: Path, spelled: str) -> Path:
    for name in ("benign", "malignant"):
        for photograph in range(4):
            for copy in range(3):
                path = root / name / spelled.format(cls=name, photo=photograph, copy=copy)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_color(path, RNG)
    return root


@pytest.mark.parametrize(
    ("spelled", "suggested"),
    [
        ("img{photo:02}_{copy}.png", True),
        ("{cls}{photo}-aug{copy}.png", True),
        ("slide{photo}_crop{copy}.png", True),
        ("P{cls}{photo}_{copy}.png", True),
        ("{cls}_{photo}{copy}.png", False),
        ("IMG_{photo}{copy}.png", False),
        ("{photo}{copy}.png", False),
    ],
)
def test_names_of_augmented_copies_suggest_groups(tmp_path: Path, capsys, spelled: str, suggested: bool):
    root = pooled(tmp_path / "set", spelled)
    said = suggested_groups(read_layout(root).images)
    assert bool(said) == suggested
    assert main(["data", "check", str(root)]) == 2
    assert ("File names suggest 8 groups" in capsys.readouterr().err) == suggested
    if suggested:
        pattern = said.split("--group '")[1].split("'")[0]
        manifest = prepare(
            root, tmp_path / "out", PrepareSettings(folder=FolderOptions(group=pattern), **FAST)
        )
        assert len(manifest.images) == 24 and len({image.source for image in manifest.images}) in (4, 8)


def test_a_pattern_has_to_match_every_name(tmp_path: Path):
    root = patients(tmp_path / "set", True)
    with pytest.raises(InputError, match="matches 18 names of 36"):
        inspect_folder(root, options=FolderOptions(group="^(Pb.*)_"), split=False)


def test_every_source_is_tested_once_in_the_folds(tmp_path: Path):
    root = patients(tmp_path / "set", False)
    sets = DataSets(tmp_path / "cache", root, options=FolderOptions(group="folder"))
    (tmp_path / "cache").mkdir()
    folds = [sets.find("folder", {"folds": 3, "fold": fold}, 32) for fold in (1, 2, 3)]
    assert len({one.digest for one in folds}) == 3
    made = [one.prepare() for one in folds]
    tested = [source for one in made for source in {image.source for image in one.split("test")}]
    assert len(tested) == len(set(tested)) == 12
    for one in made:
        assert len(one.images) == 36
        by_split = [{image.source for image in one.split(name)} for name in ("train", "validation", "test")]
        assert all(by_split) and len(set.union(*by_split)) == sum(map(len, by_split))
        assert {image.class_name for image in one.split("test")} == {"benign", "malignant"}


def test_labels_in_a_table(tmp_path: Path, capsys):
    root = tmp_path / "set"
    lines = ["image_id;dx;patient"]
    for part, count in {"train": 12, "test": 3}.items():
        (root / part).mkdir(parents=True)
        for index in range(count):
            write_color(root / part / f"{part}_{index}.png", RNG)
            if part == "train":
                lines.append(f"train_{index};{('benign', 'malignant')[index % 2]};P{index // 2}")
    (root / "train.csv").write_text("\n".join(lines) + "\n")
    assert main(["data", "prepare", str(root), str(tmp_path / "no")]) == 2
    assert "train.csv" in capsys.readouterr().err
    options = FolderOptions(labels="train.csv", label_column="dx", group_column="patient")
    manifest = prepare(root, tmp_path / "out", PrepareSettings(folder=options, **FAST))
    assert manifest.classes == ("benign", "malignant") and len(manifest.images) == 12
    assert len(manifest.left_out["no row in train.csv"]) == 3
    assert len({image.source for image in manifest.images}) == 6
    with pytest.raises(InputError, match="no column 'dy'"):
        read_layout(root, FolderOptions(labels="train.csv", label_column="dy"))
    with pytest.raises(InputError, match="no table that is read"):
        read_layout(root, FolderOptions(labels="train.xlsx"))


def test_a_plan_says_what_is_left_out(tmp_path: Path):
    root = split_folder(tmp_path / "set", write_color)
    for path in (root / "cover.png", root / "train" / "stray.png"):
        write_color(path, RNG)
    (root / "notes.txt").touch()
    with pytest.raises(InputError, match="outside of its class folders"):
        inspect_folder(root)
    (root / "train" / "stray.png").unlink()
    said = DataSets(tmp_path / "cache", root).find("folder", {}, 32).warning
    assert f"1 file of {root} is left out: 1 outside of the splits, in the folder itself." in said


def test_a_table_may_name_splits(tmp_path: Path):
    root = tmp_path / "set"
    root.mkdir()
    lines = ["file\tlabel\tpart"]
    for index in range(12):
        write_color(root / f"{index}.png", RNG)
        lines.append(f"{index}.png\t{'ab'[index % 2]}\t{('TRAIN', 'val', 'Testing')[index // 2 % 3]}")
    (root / "all.tsv").write_text("\n".join(lines) + "\n")
    options = FolderOptions(labels="all.tsv", split_column="part")
    assert {split: sum(count.values()) for split, count in inspect_folder(root, options=options).counts().items()} == {
        "train": 4, "validation": 4, "test": 4,
    }  # fmt: skip
    (root / "all.tsv").write_text("\n".join([*lines, "0.png\tb\tTRAIN"]) + "\n")
    with pytest.raises(InputError, match="different things"):
        inspect_folder(root, options=options)


SUITE = """
[data]
path = {path}
image_size = 32
[[matrix]]
mode = "scratch"
backbone = "LeNet5"
"""


def planned(folder: Path, root: Path, capsys) -> str:
    (folder / "suite.toml").write_text(SUITE.format(path=json.dumps(str(root))))
    assert main(["plan", str(folder / "suite.toml"), "--results", str(folder / "results"), "--json"]) == 0
    return str([trial["id"] for trial in json.loads(capsys.readouterr().out)["trials"]])


def test_data_are_known_by_their_content(tmp_path: Path, capsys):
    (tmp_path / "results" / "cache").mkdir(parents=True)
    root = split_folder(tmp_path / "set", write_color)
    before = planned(tmp_path, root, capsys)
    root.rename(tmp_path / "set-v1")
    assert planned(tmp_path, tmp_path / "set-v1", capsys) == before, "the same bytes are the same data"


def test_a_swap_of_classes_is_noticed(tmp_path: Path, capsys):
    import os

    (tmp_path / "results" / "cache").mkdir(parents=True)

    def write(path: Path, rng: np.random.Generator) -> None:
        Image.fromarray(color(rng)).save(path.with_suffix(".bmp"))
        os.utime(path.with_suffix(".bmp"), ns=(10**18, 10**18))

    root = split_folder(tmp_path / "set", write, ".png", classes=("a1", "a2"))
    before = planned(tmp_path, root, capsys)
    for split in ("train", "validation", "test"):
        (root / split / "a1").rename(root / split / "x")
        (root / split / "a2").rename(root / split / "a1")
        (root / split / "x").rename(root / split / "a2")
    assert planned(tmp_path, root, capsys) != before, "with equal sizes and times"
