"""Folders of images as people have them, made by a test."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import tifffile
from PIL import Image

SIDE = 12
"""Pixels: too few for the search for near-duplicates, which takes long."""

SUITE = """
[data]
path = {path}
image_size = 32
[[matrix]]
mode = "scratch"
backbone = "LeNet5"
"""
"""The least suite on a folder; its path is quoted."""

COUNTS = {"train": 3, "validation": 2, "test": 2}


def smooth(rng: np.random.Generator, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """A smooth random gray picture, no two alike; float, 0 to 1."""
    coarse = Image.fromarray(rng.integers(0, 256, (height // 2, width // 2)).astype(np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) / 255


def color(rng: np.random.Generator, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """A smooth random picture; uint8, shape (height, width, 3)."""
    return (np.stack([smooth(rng, height, width) for _ in range(3)], axis=2) * 255).astype(np.uint8)


def split_folder(
    root: Path,
    write: Callable[[Path, np.random.Generator], None],
    suffix: str = ".png",
    classes: tuple[str, ...] = ("one", "two"),
    counts: dict[str, int] = COUNTS,
) -> Path:
    """A split folder whose images `write` writes."""
    rng = np.random.default_rng(7)
    for split, count in counts.items():
        for name in classes:
            (root / split / name).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                write(root / split / name / f"{name[0]}{index}{suffix}", rng)
    return root


def class_folder(root: Path, count: int = 6, classes: tuple[str, ...] = ("one", "two")) -> Path:
    """An unsplit folder of color images."""
    rng = np.random.default_rng(7)
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            write_color(root / name / f"{index}.png", rng)
    return root


def write_color(path: Path, rng: np.random.Generator) -> None:
    """An image of 8 bits."""
    Image.fromarray(color(rng)).save(path)


def write_lzw_tiff(path: Path, pixels: np.ndarray, order: Literal["<", ">"]) -> None:
    """A TIFF of 16 bits in three channels, compressed by LZW as microscopes write it.

    Args:
        path: The file.
        pixels: uint16, shape (height, width, 3).
        order: Of the bytes of a number.
    """
    height, width, channels = pixels.shape
    plain = pixels.astype(f"{order}u2").tobytes()
    # The table of codes is cleared before it grows, so that every code has 9 bits.
    codes = [code for start in range(0, len(plain), 200) for code in (256, *plain[start : start + 200])]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    data = int(bits + "0" * (-len(bits) % 16), 2).to_bytes(-(-len(bits) // 16) * 2, "big")
    tags = [
        (256, width),
        (257, height),
        (258, 0),
        (259, 5),
        (262, 2),
        (273, 8),
        (277, channels),
        (278, height),
    ]
    tags += [(279, len(data))]
    after = 8 + len(data) + 2 + 12 * len(tags) + 4
    pack = struct.Struct(f"{order}HHII").pack
    entries = b"".join(
        pack(tag, 3, 3, after) if tag == 258 else pack(tag, 4, 1, value) for tag, value in tags
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(data))
    end = struct.pack(f"{order}I3H", 0, 16, 16, 16)
    path.write_bytes(head + data + struct.pack(f"{order}H", len(tags)) + entries + end)


def write_tiff(path: Path, pixels: np.ndarray, **tags: object) -> None:
    """A TIFF of any numbers."""
    tifffile.imwrite(path, pixels, **tags)
