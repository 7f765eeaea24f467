"""Crops of real cells that `data prepare` splits are clean by `data check`."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.commands.main import main
from wbc.data.manifest import Manifest
from wbc.data.pipeline.cropping import clip_box, read_white_box, square_crop
from wbc.data.prepare import PrepareSettings, prepare

NEUTROPHILS = [237, 252, 243, 250, 382, 395, 1, 2]
"""Photographs of BCCD: three cells of which there are two, and two of which there is one."""
LYMPHOCYTES = [37, 38, 233, 254, 20, 47]


def splits_of(folder: Path) -> dict[str, str]:
    """Name of each cell -> its split."""
    return {Path(image.file).stem: image.split for image in Manifest.read(folder).images}


@pytest.fixture(scope="module")
def crops(shared, tmp_path_factory) -> Path:
    """Crops of real cells, two classes, as a user might have them."""
    source, folder = shared / "data" / "bccd", tmp_path_factory.mktemp("crops")
    for name, numbers in (("lymphocyte", LYMPHOCYTES), ("neutrophil", NEUTROPHILS)):
        (folder / name).mkdir()
        for number in numbers:
            with Image.open(source / "JPEGImages" / f"BloodImage_{number:05d}.jpg") as photograph:
                box = read_white_box(source / "Annotations" / f"BloodImage_{number:05d}.xml")
                cut = square_crop(np.asarray(photograph), clip_box(box, *photograph.size), 0.1)
            Image.fromarray(cut).save(folder / name / f"{number}.png")
    return folder


def test_real_crops_are_split_cleanly(crops, tmp_path, capsys):
    """The crops differ by the hand that drew their boxes; the search among whole fields misses most."""
    for seed in (0, 1, 2):
        target = tmp_path / str(seed)
        prepare(crops, target, PrepareSettings(split_seed=seed), tmp_path / "cache")
        assert main(["data", "check", str(target)]) == 0, capsys.readouterr().out
        splits = splits_of(target)
        for first, second in (("37", "38"), ("233", "254"), ("237", "252"), ("243", "250"), ("382", "395")):
            assert splits[first] == splits[second]
    kept = Manifest.read(target).settings["kept_together"]
    assert kept["largest"] == 2
