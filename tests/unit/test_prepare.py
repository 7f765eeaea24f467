import numpy as np
import pytest
from PIL import Image

from wbc.data.folders import inspect_folder
from wbc.data.manifest import Manifest
from wbc.data.prepare import split_folder
from wbc.errors import InputError


def texture(seed: int, size: int = 96) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (size // 4, size // 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "cells"
    for number, name in enumerate(("A", "B")):
        (source / name).mkdir(parents=True)
        for index in range(8):
            Image.fromarray(texture(100 * number + index)).save(source / name / f"{index}.png")
    return source


def test_splits_into_parts_that_a_suite_can_use(folder, tmp_path):
    manifest = split_folder(folder, tmp_path / "split")
    assert Manifest.read(tmp_path / "split").digest == manifest.digest
    assert inspect_folder(tmp_path / "split").digest == manifest.digest
    assert all(manifest.counts()[part][name] for part in manifest.counts() for name in ("A", "B"))
    assert len(manifest.images) == 16


def test_a_shifted_photograph_stays_with_the_first(folder, tmp_path):
    wide = texture(7, 128)
    Image.fromarray(wide[:96, :96]).save(folder / "A" / "first.png")
    Image.fromarray(wide[10:106, 14:110]).save(folder / "A" / "second.png")
    for seed in range(3):
        manifest = split_folder(folder, tmp_path / f"split{seed}", seed)
        images = {image.file.rpartition("/")[2]: image for image in manifest.images if "/A/" in image.file}
        assert images["first.png"].part == images["second.png"].part
        assert images["first.png"].source == images["second.png"].source


def test_the_seed_decides(folder, tmp_path):
    digests = [split_folder(folder, tmp_path / str(run), seed).digest for run, seed in enumerate((0, 0, 1))]
    assert digests[0] == digests[1] != digests[2]


def test_refuses_what_it_cannot_split(folder, tmp_path):
    split_folder(folder, tmp_path / "split")
    with pytest.raises(InputError, match="is there already"):
        split_folder(folder, tmp_path / "split")
    with pytest.raises(InputError, match="is split already"):
        split_folder(tmp_path / "split", tmp_path / "again")
    (folder / "A" / "broken.png").write_text("no image")
    with pytest.raises(InputError, match=r"broken\.png is no image"):
        split_folder(folder, tmp_path / "other")
    assert not list(tmp_path.glob("other*"))
