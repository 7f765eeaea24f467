"""Is every network from a paper the same once it is kept, loaded where nothing of ours is? `make stock`.

Usage: python tests/networks/stock.py FOLDER
"""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

from wbc.networks.build import build_classifier
from wbc.networks.catalog import NETWORKS
from wbc.networks.preprocessing import preprocess
from wbc.networks.stock import raw_pixel_model

LOAD = """
import sys
from pathlib import Path
import keras
import numpy as np
folder = Path(sys.argv[1])
for path in sorted(folder.glob("*.keras")):
    said = keras.saving.load_model(path)(np.load(folder / f"{path.stem}-pixels.npy"), training=False)
    difference = np.abs(np.asarray(said) - np.load(folder / f"{path.stem}.npy")).max()
    print(f"{path.stem}: {difference:.1e}")
    assert difference <= 1e-6, path.stem
assert not {"wbc", "bench"} & set(sys.modules)
"""


def main() -> int:
    folder = Path(sys.argv[1])
    rng = np.random.default_rng(0)
    for name, network in NETWORKS.items():
        if not network.builder:
            continue
        size = max(32, network.min_size)
        model = build_classifier(name, {}, size, 4)
        for variable in model.trainable_variables:  # biases too
            value = np.asarray(variable)
            variable.assign(value + 0.01 * rng.standard_normal(value.shape).astype("float32"))
        pixels = rng.integers(0, 256, (3, size, size, 3), np.uint8)
        np.save(folder / f"{name}-pixels.npy", pixels)
        np.save(folder / f"{name}.npy", np.asarray(model(preprocess(pixels, name), training=False)))
        kept = raw_pixel_model(model, lambda batch, name=name: preprocess(batch, name), size)
        kept.save(folder / f"{name}.keras")
        print(f"{name}: saved, {size} pixels", flush=True)
        keras.backend.clear_session()
    return subprocess.run([sys.executable, "-c", LOAD, str(folder)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
