"""`data check`: planted copies of every kind are found among real cells, and nothing else."""

import io
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from wbc.data.bccd import BccdSettings, import_bccd
from wbc.data.check import check_folder


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
    "rotated by 90": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "rotated by 15": lambda image: image.rotate(15, Image.Resampling.BICUBIC),
    "rotated by 15 on a larger canvas": lambda image: image.rotate(15, Image.Resampling.BICUBIC, expand=True),
}


@pytest.fixture(scope="module")
def real(shared, fields_cache, tmp_path_factory) -> Path:
    """Real cells, prepared; of the training split only those that are no copies."""
    root = tmp_path_factory.mktemp("check") / "cells"
    settings = BccdSettings(image_size=160, train_images_per_class=20)
    manifest = import_bccd(shared / "data" / "bccd", root, settings, fields_cache)
    for image in manifest.images:
        keep = 5 if image.split == "validation" else 8
        last = len(list((root / image.file).parent.iterdir())) == 1  # every class needs one
        if image.split != "train" and int(image.sha256, 16) % 16 >= keep and not last:
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
        if kind.startswith("rotated by 90") and found[name].first == original:
            assert "rotated by 90 degrees" in found[name].how
        if kind.startswith("rotated by 15") and found[name].first == original:  # not a rotated copy of it
            assert re.search("rotated by 1[456] degrees", found[name].how)


PAIRS = [(227, 260), (37, 38), (230, 257), (233, 254), (237, 252), (243, 250), (382, 395), (384, 393)]


def test_a_split_by_photograph_leaks(shared, tmp_path):
    """Whole photographs, the second of a field in the test; and fields that were photographed once."""
    photograph = shared / "data" / "bccd" / "JPEGImages" / "BloodImage_{:05d}.jpg"
    for split in ("train", "test"):
        (tmp_path / split / "A").mkdir(parents=True)
        (tmp_path / split / "B").mkdir()
        Image.new("RGB", (640, 480), (200, 0, len(split))).save(tmp_path / split / "B" / "blank.png")
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
