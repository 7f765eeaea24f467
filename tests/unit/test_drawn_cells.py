"""The weights that come with leukobench, from drawn cells of another make-up: where they are, and that they help."""

import numpy as np
import pytest

from wbc.data import CELL_CLASSES
from wbc.data.synthetic.generate import draw_cell
from wbc.errors import InputError
from wbc.networks.build import build_backbone
from wbc.networks.weights import DRAWN_CELLS, locate_weights

SIDE, EACH = 48, 24


def test_they_are_small_and_found_by_their_name():
    found = locate_weights("drawn-cells", "LeNet5", {}, image_size=SIDE)
    assert found.path == DRAWN_CELLS / "LeNet5.weights.h5" and found.sha256
    assert sum(path.stat().st_size for path in DRAWN_CELLS.iterdir()) < 1_000_000


def test_a_network_without_them_is_told():
    with pytest.raises(InputError, match="no weights of VGG16 from drawn cells") as error:
        locate_weights("drawn-cells", "VGG16", {}, image_size=SIDE)
    assert "LeNet5" in error.value.way_out


def test_their_features_tell_kinds_of_cells_apart_better_than_random_ones():
    """By the nearest mean of the classes, of cells that the weights have not seen."""
    cells, labels = [], []
    for number, name in enumerate(CELL_CLASSES):
        for index in range(EACH):
            cells.append(draw_cell(name, SIDE, np.random.default_rng([7, number, index])))
            labels.append(number)
    inputs, truth = np.array(cells, np.float32) / 127.5 - 1, np.array(labels)
    shares = []
    for weights in (locate_weights("drawn-cells", "LeNet5", {}, image_size=SIDE), None):
        backbone = build_backbone("LeNet5", {}, SIDE, weights)
        features = np.asarray(backbone(inputs)).mean(axis=(1, 2))
        first = np.arange(len(truth)) % 2 == 0
        means = np.array([features[first & (truth == number)].mean(axis=0) for number in range(4)])
        distances = ((features[~first, None] - means) ** 2).sum(axis=2)
        shares.append(float((distances.argmin(axis=1) == truth[~first]).mean()))
    assert shares[0] > 0.7 and shares[0] > shares[1] + 0.1
