"""Pictures of what a trained network looks at, as files of its attempt. Loads Keras."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wbc.files import whole_path
from wbc.networks.attention import Chain, filters_and_maps, overlaid, where_it_looks
from wbc.observer import Figures
from wbc.specification import FILTERS, GRAD_CAM, Explaining, picture_of
from wbc.training.batches import Prepare


def explain(
    chain: Chain,
    scale: Prepare,
    settings: Explaining,
    pixels: NDArray[np.uint8],
    files: list[str],
    predicted: list[int],
) -> Figures:
    """Write the pictures that are asked for; see `wbc.observer.Trained`."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    inputs = scale(pixels)
    count = 0
    if GRAD_CAM in settings.what:
        for index, file in enumerate(files):
            (heat,) = where_it_looks(chain, inputs[index : index + 1], predicted[index : index + 1])
            _write(settings.folder / picture_of(file), overlaid(pixels[index], heat))
            count += 1
    if FILTERS in settings.what:
        for name, picture in filters_and_maps(chain, inputs[:1]).items():
            _write(settings.folder / f"{name}.png", picture)
            count += 1
    return {"images": count}


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    with whole_path(path) as partial:
        Image.fromarray(pixels).save(partial, "PNG")
