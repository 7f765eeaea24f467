"""`make drawn-weights`: pretrain a small backbone on drawn cells, for the demonstration.

The cells are of another make-up than those of the demonstration: other seeds, and every image has colors, contrast
and a turn of its own. So the features fit, but no network has seen what it is tested on, nor its stain. Minutes.
"""

import tempfile
from pathlib import Path

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from wbc.data.loading import load_split
from wbc.data.synthetic import SyntheticSettings, generate
from wbc.networks.build import build_backbone
from wbc.networks.preprocessing import preprocessing_of
from wbc.networks.weights import DRAWN_CELLS
from wbc.specification import Specification

SIZE, SEED = 48, 2018
NETWORKS = {"LeNet5": 50}
"""Name -> epochs."""

PER_CLASS = 400


def make_up(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another stain, light and turn for every image."""
    changed = np.empty_like(pixels)
    for number, image in enumerate(pixels):
        turned = np.rot90(image, rng.integers(4))[:: rng.choice((-1, 1))]
        density = -np.log(np.clip(turned / 255, 0.02, 1))
        mixed = density @ (np.eye(3) * 0.7 + rng.dirichlet((1, 1, 1), 3) * 0.3) * rng.uniform(0.7, 1.3)
        light = rng.uniform(0.8, 1.0, 3)
        changed[number] = np.rint(255 * light * np.exp(-mixed))
    return changed


def pretrain(name: str, epochs: int, images: Path) -> Path:
    """Train a network on the cells, and keep it without its top."""
    keras.utils.set_random_seed(SEED)
    manifest = generate(images, SyntheticSettings(PER_CLASS, 60, 1, SIZE, SEED))
    manifest.write(images)
    train, validation = (load_split(manifest, split, images, SIZE) for split in ("train", "validation"))
    specification = Specification(images, images / "manifest.json", SIZE, name, "scratch")
    prepare = preprocessing_of(specification)
    backbone = build_backbone(name, {}, SIZE)
    model = keras.Sequential(
        [
            backbone,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(len(manifest.classes), activation="softmax"),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(train) // 32))
    model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(SEED)
    seen = prepare(make_up(validation.inputs, rng))
    for epoch in range(epochs):
        model.fit(prepare(make_up(train.inputs, rng)), train.targets, batch_size=32, verbose=0)
        if epoch % 5 == 4 or epoch == epochs - 1:
            _, accuracy = model.evaluate(seen, validation.targets, verbose=0)
            print(f"{name}: epoch {epoch + 1} of {epochs}, validation accuracy {accuracy:.3f}", flush=True)
    path = DRAWN_CELLS / f"{name}.weights.h5"
    path.parent.mkdir(exist_ok=True)
    backbone.save_weights(path)
    shrink(path)
    backbone.load_weights(path)
    print(
        f"{path}: {path.stat().st_size:,} bytes, {model.evaluate(seen, validation.targets, verbose=0)[1]:.3f}"
    )
    return path


def shrink(path: Path) -> None:
    """Half precision, compressed: the file is part of the wheel."""
    small = path.with_name("small.h5")
    with h5py.File(path) as old, h5py.File(small, "w", libver="latest") as new:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                new.require_group(name).attrs.update(item.attrs)
            elif item.dtype == np.float32 and item.size > 64:
                new.create_dataset(name, data=item[()].astype(np.float16), compression="gzip", shuffle=True)
            else:
                new.create_dataset(name, data=item[()])
            new[name].attrs.update(item.attrs)

        new.attrs.update(old.attrs)
        old.visititems(copy)
    small.replace(path)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        for network, number in NETWORKS.items():
            pretrain(network, number, Path(temporary))
