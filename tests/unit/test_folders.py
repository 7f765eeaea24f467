"""Image folders as users have them, and the manifest made from them."""

import io
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bench.commands.main import main
from bench.trials.datasets import DataSets
from wbc.data import SPLITS
from wbc.data.folders import Contents, FileState, Looked, inspect_folder
from wbc.data.loading import labels_of, load_pixels, read_image
from wbc.data.manifest import Manifest
from wbc.data.pipeline.decoding import look_at
from wbc.data.reading import INTEGERS, Facts, Reading
from wbc.errors import InputError, UnsplitFolderError
from wbc.files import file_sha256


def noise(seed: int, shape: tuple = (10, 12, 3)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A correct folder: two classes, two images per class and split, all different."""
    root = tmp_path / "cells"
    seed = 0
    for split in SPLITS:
        for name in ("EOSINOPHIL", "MONOCYTE"):
            (root / split / name).mkdir(parents=True)
            for number in (1, 2):
                noise(seed).save(root / split / name / f"{number}.png")
                seed += 1
    return root


def problem(root: Path, *said: str) -> InputError:
    with pytest.raises(InputError) as caught:
        inspect_folder(root)
    for text in said:
        assert text in str(caught.value)
    return caught.value


def rename_tree(root: Path, **names: str) -> None:
    for old, new in names.items():
        (root / old).rename(root / new)


def test_a_good_folder(root: Path):
    manifest = inspect_folder(root)
    assert manifest.classes == ("EOSINOPHIL", "MONOCYTE")
    assert [image.file for image in manifest.split("test")] == [
        "test/EOSINOPHIL/1.png",
        "test/EOSINOPHIL/2.png",
        "test/MONOCYTE/1.png",
        "test/MONOCYTE/2.png",
    ]
    assert manifest.counts()["train"] == {"EOSINOPHIL": 2, "MONOCYTE": 2}
    for image in manifest.images:
        assert image.source == image.file
        assert image.sha256 == file_sha256(root / image.file)


def test_missing_folder(tmp_path: Path):
    assert problem(tmp_path / "nowhere", str(tmp_path / "nowhere"), "train/, validation/ and test/").way_out


def test_a_file_for_a_folder(tmp_path: Path):
    (tmp_path / "cells.zip").touch()
    problem(tmp_path / "cells.zip", "there is no folder")


def test_an_unsplit_folder_gets_a_hint(root: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mine.toml").write_text(
        '[training]\nmode = "scratch"\n[[matrix]]\nbackbone = "LeNet5"\n[data]\nsource = "folder"\n'
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsplitFolderError):
        inspect_folder(root / "train")
    assert main(["plan", "mine.toml", "--data", str(root / "train")]) == 2
    message = capsys.readouterr().err
    assert f"{root / 'train'} is not split" in message
    assert f"leukobench data prepare {root / 'train'} data/train" in message


def test_a_class_missing_from_test(root: Path):
    for path in (root / "test" / "MONOCYTE").iterdir():
        path.unlink()
    (root / "test" / "MONOCYTE").rmdir()
    assert problem(root, "class MONOCYTE is missing from", str(root / "test")).way_out


def test_an_empty_class_folder(root: Path):
    for path in (root / "validation" / "MONOCYTE").iterdir():
        path.unlink()
    problem(
        root, str(root / "validation" / "MONOCYTE"), "contains no image", "class MONOCYTE into validation/"
    )


def test_a_missing_split(root: Path):
    (root / "test").rename(root.parent / "elsewhere")
    assert "validation/ and" not in problem(root, "has no test/").what


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("val", "validation"),
        ("valid", "validation"),
        ("Validation", "validation"),
        ("training", "train"),
        ("testing", "test"),
    ],
)
def test_a_split_with_another_name(root: Path, name: str, split: str):
    before = inspect_folder(root).counts()
    rename_tree(root, **{split: name})
    manifest = inspect_folder(root)
    assert manifest.counts() == before
    assert {image.file.split("/")[0] for image in manifest.split(split)} == {name}


def test_splits_with_other_names(root: Path):
    before = inspect_folder(root)
    rename_tree(root, train="training", validation="val", test="testing")
    manifest = inspect_folder(root)
    assert manifest.counts() == before.counts() and manifest.classes == before.classes


def test_a_file_that_is_not_an_image(root: Path):
    path = root / "train" / "MONOCYTE" / "1.png"
    path.write_text("not an image")
    assert problem(root, f"{path} is not an image").way_out


def test_an_empty_file(root: Path):
    path = root / "train" / "MONOCYTE" / "1.png"
    path.write_bytes(b"")
    problem(root, f"{path} is not an image")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_truncated_image(root: Path, kind: str):
    whole = io.BytesIO()
    noise(5, (64, 64, 3)).save(whole, kind)
    path = root / "train" / "MONOCYTE" / "cut"
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    assert problem(root, f"{path} cannot be read as an image").way_out


def test_a_nested_folder(root: Path):
    nested = root / "train" / "MONOCYTE" / "more"
    nested.mkdir()
    assert problem(root, f"{nested} is a folder inside a class folder").way_out


def test_a_link_that_leads_nowhere(root: Path):
    path = root / "train" / "MONOCYTE" / "3.png"
    path.symlink_to(root / "gone.png")
    assert problem(root, str(path)).way_out


def test_a_name_that_is_not_text(root: Path):
    name = os.fsdecode(b"\xff.png")
    try:
        noise(1).save(root / "train" / "MONOCYTE" / "1.png")
        (root / "train" / "MONOCYTE" / "1.png").rename(root / "train" / "MONOCYTE" / name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert problem(root, "MONOCYTE", "UTF-8").way_out


def test_fewer_than_two_classes(root: Path):
    for split in SPLITS:
        (root / split / "MONOCYTE").rename(root / split / ".MONOCYTE")
    problem(root, "has 1 class,", "at least two")
    for split in SPLITS:
        (root / split / "EOSINOPHIL").rename(root / split / ".EOSINOPHIL")
    problem(root, "has 0 classes,")


def test_what_file_managers_leave_behind_is_ignored(root: Path):
    before = inspect_folder(root)
    for name in (".DS_Store", "._1.png", "Thumbs.db", "desktop.ini"):
        (root / "train" / "MONOCYTE" / name).write_text("junk")
    (root / "train" / ".cache").mkdir()
    (root / ".git").mkdir()
    assert inspect_folder(root) == before


def test_files_that_were_decoded_earlier_are_not_decoded_again(root: Path):
    path = root / "train" / "MONOCYTE" / "1.png"
    state = FileState.of(path)
    asked = []

    def remembered(file: str, given: FileState) -> Looked | None:
        asked.append(file)
        known = Looked("f" * 64, look_at(path))
        return known if (file, given) == ("train/MONOCYTE/1.png", state) else None

    hashes = {image.file: image.sha256 for image in inspect_folder(root, remembered).images}
    assert sorted(asked) == sorted(hashes)
    assert [file for file, sha256 in hashes.items() if sha256 == "f" * 64] == ["train/MONOCYTE/1.png"]


def test_a_manifest_in_the_folder_names_the_sources(root: Path):
    plain = inspect_folder(root)
    images = tuple(
        replace(image, source="source 1" if "1.png" in image.file else image.source) for image in plain.images
    )
    replace(plain, images=images).write(root)
    assert inspect_folder(root).images == images
    noise(99).save(root / "train" / "MONOCYTE" / "1.png")
    changed = {image.file: image.source for image in inspect_folder(root).images}
    assert changed["train/MONOCYTE/1.png"] == "train/MONOCYTE/1.png", "another image is another source"
    assert changed["train/EOSINOPHIL/1.png"] == "source 1"


@pytest.mark.parametrize("text", ["{", "[]", '{"images": [{"file": 1}]}', '{"images": 3}'])
def test_a_broken_manifest(root: Path, text: str):
    (root / "manifest.json").write_text(text)
    assert problem(root, f"{root / 'manifest.json'} is not a manifest").way_out


def test_manifest_round_trip(root: Path, tmp_path: Path):
    manifest = replace(inspect_folder(root), settings={"seed": 1}, left_out={"torn": ["ü, \n.png"]})
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest
    assert Manifest.read(tmp_path).digest == manifest.digest


def test_what_the_digest_depends_on(root: Path):
    manifest = inspect_folder(root)
    first, *others = manifest.images
    assert replace(manifest, images=(*others, first)).digest == manifest.digest, "the order does not matter"
    assert replace(manifest, settings={"seed": 1}).digest == manifest.digest
    changed = [
        replace(manifest, images=(replace(first, **{name: "x"}), *others))
        for name in ("file", "split", "class_name", "source", "sha256")
    ]
    changed += [replace(manifest, images=tuple(others)), replace(manifest, classes=manifest.classes[::-1])]
    assert len({one.digest for one in (manifest, *changed)}) == len(changed) + 1


def test_palette(tmp_path: Path):
    image = Image.new("P", (8, 8), 3)
    image.putpalette([0, 0, 0] * 3 + [10, 200, 30])
    image.save(tmp_path / "p.png")
    assert (read_image(tmp_path / "p.png", 8) == (10, 200, 30)).all()


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (10, 200, 30, 255)), ("LA", (90, 255)), ("L", 90)])
def test_modes(tmp_path: Path, mode: str, colour):
    Image.new(mode, (8, 8), colour).save(tmp_path / "image.png")
    expected = (10, 200, 30) if mode == "RGBA" else (90, 90, 90)
    pixels = read_image(tmp_path / "image.png", 8)
    assert pixels.dtype == np.uint8
    assert (pixels == expected).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_gray_keeps_its_range(tmp_path: Path, suffix: str):
    grey = np.array([[0, 255, 256, 0x7FFF], [0x8000, 0xABCD, 0xFF00, 0xFFFF]] * 2, np.uint16)
    Image.fromarray(grey).save(tmp_path / f"grey.{suffix}")
    pixels = read_image(tmp_path / f"grey.{suffix}", 4)
    assert (pixels == (grey >> 8)[..., None]).all()


def test_exif_rotation(tmp_path: Path):
    # Orientation 6: shown upright, the stored left edge is the top.
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    upright = read_image(tmp_path / "turned.png", 16)
    assert (upright[:8] == 255).all()
    assert (upright[8:] == 0).all()


def test_pixels_and_labels_in_the_order_given(root: Path):
    manifest = inspect_folder(root)
    images = manifest.split("train")[::-1]
    pixels = load_pixels(root, images, 16)
    assert pixels.shape == (4, 16, 16, 3)
    for row, image in zip(pixels, images, strict=True):
        assert (row == read_image(root / image.file, 16)).all()
    assert labels_of(images, manifest.classes).tolist() == [1, 1, 0, 0]


def test_an_image_that_changed_since_is_named(root: Path):
    images = inspect_folder(root).split("train")
    (root / images[0].file).write_bytes(b"no image any more")
    with pytest.raises(InputError, match="cannot be read any more"):
        load_pixels(root, images, 16)


def contents(*images: tuple[str, str, str], unreadable: int = 0) -> Contents:
    """Images by file, class and content."""
    found = [(SimpleNamespace(file=f, class_name=c), SimpleNamespace(sha256=sha)) for f, c, sha in images]
    return Contents(
        found,
        [(f"bad{number}", InputError(f"bad{number} is torn", "Mend it.")) for number in range(unreadable)],
    )


TEN = ", ".join(f"bad{number}" for number in range(1, 11))


@pytest.mark.parametrize(
    ("unreadable", "said"),
    [
        (1, "bad0 is torn"),
        (2, "bad0 is torn\n2 images cannot be used, also bad1"),
        (11, f"bad0 is torn\n11 images cannot be used, also {TEN}"),
        (13, f"bad0 is torn\n13 images cannot be used, also {TEN} and 2 more"),
    ],
)  # fmt: skip
def test_ten_images_that_cannot_be_used_are_named_beside_the_first(unreadable: int, said: str):
    contents().check()
    with pytest.raises(InputError) as caught:
        contents(unreadable=unreadable).check()
    assert (caught.value.what, caught.value.way_out) == (said, "Mend it.")


@pytest.mark.parametrize(
    ("pictures", "more"), [(1, ""), (2, ""), (10, ""), (11, "\nand 1 more"), (13, "\nand 3 more")]
)
def test_ten_pictures_with_two_labels_are_named(pictures: int, more: str):
    twice = [(f"{name}/{n}", name, f"{n}") for n in range(pictures) for name in "ab"]
    other = [("a/x", "a", "x"), ("a/y", "a", "x"), ("b/z", "b", "z")]
    contents(*other).check_labels()
    found = contents(*twice, *other)
    assert found.contradictions() == [[f"a/{n}", f"b/{n}"] for n in range(pictures)]
    with pytest.raises(InputError) as caught:
        found.check_labels()
    count = "1 picture is" if pictures == 1 else f"{pictures} pictures are"
    lines = "\n".join(f"a/{n} = b/{n}" for n in range(min(pictures, 10)))
    assert caught.value.what == (
        f"{count} filed under two classes, so the labels contradict each other:\n{lines}{more}"
    )


@pytest.mark.parametrize(
    ("low", "high", "kind", "white", "black", "said"),
    [
        (7, 7, "", None, 0, "1 image is of one color throughout, such as f."),
        (0, 25.4, "", None, 0, "1 image: use less than a tenth of their range of brightness, such as f."),
        (0, 25.5, "", None, 0, None),
        (
            0,
            409,
            INTEGERS,
            4095,
            0,
            "1 image: use less than a tenth of their range of brightness, such as f.",
        ),
        (0, 409.5, INTEGERS, 4095, 0, None),
        (0, 4095, INTEGERS, 4095, 0, None),
        (0, 4096, INTEGERS, 4095, 0, "1 image: contain numbers above white, which are cut off, such as f."),
        (95, 1000, INTEGERS, 1095, 95, None),
        (94, 1000, INTEGERS, 1095, 95, "1 image: contain numbers below black, which are cut off, such as f."),
        (0, 255, "", 100, 5, None),
    ],
)
def test_what_is_odd_about_numbers_is_said(low, high, kind, white, black, said):
    facts = Facts(4, 4, low, high, kind)
    one = (SimpleNamespace(file="f"), SimpleNamespace(facts=facts))
    reading = Reading(white=white, black=black)
    assert Contents([one], []).warnings(reading) == ([said] if said else [])
    two = Contents([one, one], []).warnings(reading)
    assert two == (
        [said.replace("1 image is", "2 images are").replace("1 image:", "2 images")] if said else []
    )


def test_of_a_folder_that_its_author_split_it_is_said_that_nobody_looked(root: Path, tmp_path: Path):
    found = DataSets(tmp_path / "cache", root).find("folder", {}, 32)
    assert found.warning.startswith("nobody has looked for near-duplicates across the splits of ")
    for seed in range(12):
        folder = tmp_path / "whole" / "ab"[seed % 2]
        folder.mkdir(parents=True, exist_ok=True)
        noise(100 + seed).save(folder / f"{seed}.png")
    assert (
        DataSets(tmp_path / "cache", tmp_path / "whole").find("folder", {"split_seed": 0}, 32).warning == ""
    )
    Manifest.write(inspect_folder(root), root)
    assert DataSets(tmp_path / "cache", root).find("folder", {}, 32).warning == ""
