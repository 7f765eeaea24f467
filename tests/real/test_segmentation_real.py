"""The white cell of real images."""

from pathlib import Path

import numpy as np

from wbc.data.bccd import BccdSettings, import_bccd
from wbc.data.loading import read_image
from wbc.data.pipeline.segmentation import segment


def test_real_cells_have_a_nucleus_of_plausible_size(shared: Path, fields_cache, tmp_path):
    source = shared / "data" / "bccd"
    settings = BccdSettings(image_size=112, train_images_per_class=15)
    manifest = import_bccd(source, tmp_path, settings, fields_cache)
    found = [segment(read_image(tmp_path / image.file, 112)) for image in manifest.split("test")]
    assert np.mean([one.found for one in found]) > 0.97
    nuclei = np.array([one.nucleus.mean() for one in found])
    cells = np.array([one.cell.mean() for one in found])
    assert ((nuclei > 0.05) & (nuclei < 0.6)).mean() > 0.97
    # The box of a white cell takes 69 % of a crop with a tenth of margin; an ellipse in it 55 %.
    assert 0.25 < np.median(cells) < 0.6
