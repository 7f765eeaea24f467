"""Which learning rate suits: a head on a frozen backbone, and a small network from scratch, on images of several kinds.

    python tests/evidence/learning_rates.py WEIGHTS [BCCD]

WEIGHTS: a folder with those of MobileNet (alpha 0.25); else Keras downloads them. Prints balanced accuracy and time to
result of one training for every rate of Adam.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from bench import load_suite, run

WORK = Path("build/learning-rates")
RATES = ("1e-4", "3e-4", "1e-3", "3e-3")
"""Of Adam."""

SUITE = """
[suite]
name = "{name}"
[data]
image_size = {side}
{data}
[training]
batch_size = 32
epochs = 20
early_stopping = {{ patience = 5 }}
optimizer = {{ name = "Adam", learning_rate = {rate} }}
[cache]
features = true
[[matrix]]
mode = "transfer"
image_size = 96
backbone = {{ name = "MobileNet", alpha = 0.25 }}
[[matrix]]
mode = "scratch"
backbone = "LeNet5"
"""


def digits(folder: Path) -> None:
    """Digits of scikit-learn with 32 pixels, one folder for each."""
    from sklearn.datasets import load_digits

    found = load_digits()
    for number, (image, digit) in enumerate(zip(found.images, found.target, strict=True)):
        path = folder / f"digit-{digit}" / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255 / 16).astype(np.uint8)).resize((32, 32)).save(path)


def sets(bccd: Path | None) -> dict[str, tuple[int, str]]:
    """Side of the images and lines of `[data]` for every kind of image."""
    if not (WORK / "digits").exists():
        digits(WORK / "digits")
    kinds = {
        "drawn cells": (64, 'source = "synthetic"\ntrain_images_per_class = 100'),
        "digits": (32, f'path = "{WORK.absolute() / "digits"}"\nsplit_seed = 0'),
    }
    if bccd is not None:
        kinds["BCCD"] = (64, f'source = "bccd"\npath = "{bccd.absolute()}"')
    return kinds


def main(arguments: list[str]) -> None:
    """Print a table for every kind of image and mode."""
    weights, bccd = [*map(Path, arguments), None, None][:2]
    print(f"{'images':12} {'mode':9} " + "".join(f"{rate:>20}" for rate in RATES))
    for kind, (side, data) in sets(bccd).items():
        found = {}
        for rate in RATES:
            name = f"{kind} {rate}".replace(" ", "-")
            path = WORK / f"{name}.toml"
            path.write_text(SUITE.format(name=name, side=side, data=data, rate=rate))
            frame = run(load_suite(path), results=WORK / "results", weights=weights).frame()
            for mode, row in frame.set_index("mode").iterrows():
                found[mode, rate] = f"{row['balanced_accuracy']:.1%} in {row['result_s']:.0f} s"
        for mode in ("transfer", "scratch"):
            print(
                f"{kind:12} {mode:9} " + "".join(f"{found[mode, rate]:>20}" for rate in RATES),
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
