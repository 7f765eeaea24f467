"""`data check`: planted copies of every kind are found among real cells, and nothing where nothing is."""

import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from bench.commands.main import main
from wbc.data.bccd import BccdSettings, import_bccd
from wbc.data.check import check_folder
from wbc.data.duplicates import searches_all_shifts
from wbc.data.synthetic import SyntheticSettings, draw_cell, generate


def compressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(buffer)


PLANTS = {
    "copied": lambda image: image.copy(),
    "smaller": lambda image: image.resize((100, 100), Image.Resampling.BILINEAR),
    "larger": lambda image: image.resize((300, 300), Image.Resampling.BICUBIC),
    "compressed": compressed,
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "turned by 90": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned by 15": lambda image: image.rotate(15, Image.Resampling.BICUBIC),
    "turned by 15 on a larger canvas": lambda image: image.rotate(15, Image.Resampling.BICUBIC, expand=True),
}


@pytest.fixture(scope="module")
def real(shared, tmp_path_factory) -> Path:
    """Real cells, prepared; of the training part only those that are no copies."""
    root = tmp_path_factory.mktemp("check") / "cells"
    settings = BccdSettings(image_size=160, train_images_per_class=20)
    manifest = import_bccd(shared / "data" / "bccd", root, settings)
    for image in manifest.images:
        keep = 5 if image.part == "validation" else 8
        if image.part != "train" and int(image.sha256, 16) % 16 >= keep:
            (root / image.file).unlink()
    return root


def test_nothing_is_found_in_what_was_prepared(real):
    report = check_folder(real)
    assert report.leaks == [] and report.clean
    assert report.sizes.keys() == {(160, 160)}


def test_planted_images_are_found(real, tmp_path):
    root = tmp_path / "cells"
    shutil.copytree(real, root)
    originals = [path for path in sorted((root / "train").rglob("*.png")) if "-a" not in path.name]
    planted = {}
    for number, (kind, change) in enumerate(PLANTS.items()):
        for original in originals[number :: len(originals) // 2][:2]:
            name = f"test/{original.parent.name}/planted-{number}-{original.name}"
            with Image.open(original) as image:
                change(image).convert("RGB").save(root / name)
            planted[name] = (kind, original.relative_to(root).as_posix())
    found = {leak.second: leak for leak in check_folder(root).leaks}
    assert found.keys() == planted.keys(), [planted.get(name, name) for name in found.keys() ^ planted.keys()]
    for name, (kind, original) in planted.items():
        source = Path(original).stem.split("-")[0]
        assert source in found[name].first, kind
        if kind.startswith("turned by 90") and found[name].first == original:
            assert "turned by 90 degrees" in found[name].how
        if kind.startswith("turned by 15") and found[name].first == original:  # and not a turned copy of it
            assert re.search("turned by 1[456] degrees", found[name].how)


PAIRS = [(227, 260), (37, 38), (230, 257), (233, 254), (237, 252), (243, 250), (382, 395), (384, 393)]


def test_a_split_by_photograph_leaks(shared, tmp_path):
    """Whole photographs, the second of a field in the test; and fields that were photographed once."""
    photograph = shared / "data" / "bccd" / "JPEGImages" / "BloodImage_{:05d}.jpg"
    for part in ("train", "test"):
        (tmp_path / part / "A").mkdir(parents=True)
    for number in (*(first for first, _ in PAIRS), *range(3, 15)):
        shutil.copy(str(photograph).format(number), tmp_path / "train" / "A")
    for number in (*(second for _, second in PAIRS), *range(50, 60)):
        if Path(str(photograph).format(number)).is_file():
            shutil.copy(str(photograph).format(number), tmp_path / "test" / "A")
    leaks = check_folder(tmp_path).leaks
    pairs = {(int(Path(leak.first).stem[-5:]), int(Path(leak.second).stem[-5:])) for leak in leaks}
    assert pairs <= set(PAIRS)
    assert (227, 260) in pairs
    assert len(pairs) >= len(PAIRS) - 1


@pytest.fixture
def drawn_set(tmp_path) -> Path:
    root = tmp_path / "set"
    manifest = generate(root, SyntheticSettings(3, 2, 2, image_size=64))
    manifest.write(root)
    return root


def test_exit_code_and_words(drawn_set, capsys):
    assert main(["data", "check", str(drawn_set)]) == 0
    out = capsys.readouterr().out
    assert "No image of one part was found in another." in out
    assert "64 x 64 (28)" in out
    shutil.copy(drawn_set / "train" / "MONOCYTE" / "00000.png", drawn_set / "test" / "MONOCYTE" / "new.png")
    assert main(["data", "check", str(drawn_set)]) == 2
    out = capsys.readouterr().out
    assert "1 image stands in two parts" in out and "the same file" in out


def test_an_unreadable_image_is_named(drawn_set, capsys):
    (drawn_set / "validation" / "MONOCYTE" / "bad.png").write_bytes(b"no image")
    assert main(["data", "check", str(drawn_set)]) == 2
    assert "unreadable: validation/MONOCYTE/bad.png: is no image" in capsys.readouterr().out


def test_a_source_cell_in_two_parts_is_a_leak(drawn_set):
    text = (drawn_set / "manifest.json").read_text()
    (drawn_set / "manifest.json").write_text(text.replace("test-MONOCYTE-00001", "train-MONOCYTE-00001"))
    (leak,) = check_folder(drawn_set).leaks
    assert leak.how == "the same source cell, says the manifest"


def test_cells_on_white_are_told_apart(tmp_path):
    """Cells cut out alike on a white ground agree in their ground and outline only."""
    y, x = np.mgrid[:120, :120]
    for part, seeds in (("train", range(6)), ("test", range(6, 12))):
        (tmp_path / part / "A").mkdir(parents=True)
        for seed in seeds:
            cell = draw_cell("LYMPHOCYTE", 120, np.random.default_rng(seed)).copy()
            cell[(y - 60) ** 2 + (x - 60) ** 2 > 44**2] = 255
            Image.fromarray(cell).save(tmp_path / part / "A" / f"{seed}.png")
    assert check_folder(tmp_path).leaks == []
    shutil.copy(tmp_path / "train" / "A" / "2.png", tmp_path / "test" / "A" / "again.png")
    with Image.open(tmp_path / "train" / "A" / "3.png") as image:
        image.rotate(15, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255)).save(
            tmp_path / "test/A/turned.png"
        )
        ImageOps.mirror(image).save(tmp_path / "test/A/mirrored.png")
    found = {(leak.first, leak.second) for leak in check_folder(tmp_path).leaks}
    assert found == {
        ("train/A/2.png", "test/A/again.png"),
        ("train/A/3.png", "test/A/turned.png"),
        ("train/A/3.png", "test/A/mirrored.png"),
    }


def test_large_sets_are_not_searched_for_every_shift():
    assert searches_all_shifts(["train"] * 400 + ["test"] * 100)
    assert not searches_all_shifts(["train"] * 4394 + ["validation"] * 440 + ["test"] * 440)
