"""The real BCCD: the data sets made from it, and that no field is in two splits."""

import hashlib
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from bccd_equipment import fields_by_name, folder_bytes
from PIL import Image
from scipy import fft
from scipy.ndimage import gaussian_filter
from skimage.registration import phase_cross_correlation

from wbc.data import CELL_CLASSES, SPLITS
from wbc.data.bccd import BccdSettings, bccd_fingerprint, import_bccd


@pytest.fixture(scope="module")
def real(shared) -> Path:
    return shared / "data" / "bccd"


@pytest.fixture(scope="module")
def imported(real, fields_cache, tmp_path_factory):
    """Folder and manifest of seed 0."""
    root = tmp_path_factory.mktemp("bccd")
    return root, import_bccd(real, root / "0", BccdSettings(), fields_cache)


@pytest.fixture(scope="module")
def manifests(real, fields_cache, imported):
    """The manifests of three split seeds, small images."""
    root, _ = imported
    return [
        import_bccd(real, root / f"s{k}", BccdSettings(split_seed=k, image_size=32), fields_cache)
        for k in range(3)
    ]


@pytest.fixture(scope="module")
def fields(real, fields_cache) -> dict:
    return fields_by_name(sorted((real / "JPEGImages").iterdir()), fields_cache)


def test_real_what_is_left_out(imported):
    left_out = imported[1].left_out
    assert {reason: len(files) for reason, files in left_out.items()} == {
        "basophil, not one of the four classes": 3,
        "category with two cells": 15,
        "category without a photograph": 4,
        "more than one white-cell box": 1,
        "no category": 1,
        "no white-cell box": 5,
        "near-duplicate with another category": 2,
    }
    assert left_out["no category"] == ["BloodImage_00117.jpg"]
    assert left_out["more than one white-cell box"] == ["BloodImage_00113.jpg"]
    assert left_out["near-duplicate with another category"] == [
        "BloodImage_00206.jpg",
        "BloodImage_00278.jpg",
    ]


def test_real_every_cell_is_there_once(imported):
    originals = Counter(
        image.class_name for image in imported[1].images if "-a" not in image.file.rpartition("/")[2]
    )
    assert originals == {"NEUTROPHIL": 202, "EOSINOPHIL": 84, "LYMPHOCYTE": 32, "MONOCYTE": 19}


def test_real_training_is_balanced_and_the_rest_unaugmented(imported, manifests):
    for manifest in (imported[1], *manifests):
        counts = manifest.counts()
        assert len(set(counts["train"].values())) == 1
        for split in SPLITS:
            assert set(counts[split]) == set(CELL_CLASSES)
        assert not any(
            "-a" in image.file for image in (*manifest.split("validation"), *manifest.split("test"))
        )
        assert sum("-a" in image.file for image in manifest.split("train")) > 200


def test_real_no_field_is_in_two_splits(manifests, fields):
    for manifest in manifests:
        splits = defaultdict(set)
        for image in manifest.images:
            name = Path(image.file).stem.split("-")[0]
            assert image.source == fields[name][0]
            splits[image.source].add(image.split)
        assert all(len(found) == 1 for found in splits.values())
        for category in CELL_CLASSES:
            cells = {image.source: image.split for image in manifest.images if image.class_name == category}
            assert set(cells.values()) == set(SPLITS)
    assert len({manifest.digest for manifest in manifests}) == 3


def test_real_the_same_bytes_twice(real, fields_cache, imported, manifests, tmp_path):
    root, _ = imported
    again = import_bccd(real, tmp_path / "again", BccdSettings(split_seed=1, image_size=32), fields_cache)
    assert again.digest == manifests[1].digest
    assert folder_bytes(tmp_path / "again") == folder_bytes(root / "s1")


def test_real_fingerprint(real):
    digest = bccd_fingerprint(real)
    assert len(digest) == len(hashlib.sha256().hexdigest())
    assert digest == bccd_fingerprint(real)


def gray(path: Path, width: int, height: int) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((width, height), Image.Resampling.BOX), np.float32)


def correlation_at(first: np.ndarray, second: np.ndarray, down: int, right: int) -> float:
    """Correlation of the gray values that two photographs share, shifted by whole pixels."""
    height, width = first.shape
    a = first[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)].ravel()
    b = second[max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)].ravel()
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_real_near_duplicates_are_confirmed_by_masked_registration(real, fields):
    """Masked normalized cross-correlation (Padfield 2012) finds the same shift, and the gray values agree."""
    groups = defaultdict(list)
    for name, (field, corner) in fields.items():
        groups[field].append((name, corner))
    repeated = {field: group for field, group in groups.items() if len(group) > 1}
    assert fields["BloodImage_00227"][0] == fields["BloodImage_00260"][0]
    assert len(repeated) == 32
    assert sum(map(len, repeated.values())) == 74
    confirmed = Counter()
    for field, group in repeated.items():
        joined = {group[0][0]}
        small = {name: gray(real / "JPEGImages" / f"{name}.jpg", 80, 60) for name, _ in group}
        large = {name: gray(real / "JPEGImages" / f"{name}.jpg", 320, 240) for name, _ in group}
        details = {name: image - gaussian_filter(image, 2) for name, image in small.items()}
        everywhere = np.ones((60, 80), bool)
        links = []
        for index, (one, corner) in enumerate(group):
            for other, other_corner in group[index + 1 :]:
                shift, _, _ = phase_cross_correlation(
                    details[one],
                    details[other],
                    reference_mask=everywhere,
                    moving_mask=everywhere,
                    overlap_ratio=0.1,
                )
                expected = np.subtract(other_corner, corner) * (60, 80)
                down, right = np.rint(np.multiply(np.subtract(other_corner, corner), (240, 320))).astype(int)
                if (
                    np.abs(shift - expected).max() <= 2
                    and correlation_at(large[one], large[other], down, right) > 0.85
                ):
                    links.append({one, other})
        for _ in group:
            joined |= {name for link in links if link & joined for name in link}
        confirmed[joined == {name for name, _ in group}] += 1
        assert joined == {name for name, _ in group}, field
    assert confirmed == {True: 32}


def test_real_no_pair_across_splits_is_a_near_duplicate(real, manifests):
    """Phase correlation of windowed photographs, then the correlation of the overlap: another way to look."""
    names = sorted({Path(image.file).stem.split("-")[0] for image in manifests[0].images})
    images = np.stack([gray(real / "JPEGImages" / f"{name}.jpg", 160, 120) for name in names])
    window = np.outer(np.hanning(120), np.hanning(160)).astype(np.float32)
    spectra = fft.rfft2((images - images.mean(axis=(1, 2), keepdims=True)) * window, workers=2)
    spectra /= np.abs(spectra) + 1e-6
    split_of = {Path(image.file).stem: image.split for image in manifests[0].images}
    highest, pairs = 0.0, 0
    for first, name in enumerate(names):
        others = [k for k in range(first + 1, len(names)) if split_of[names[k]] != split_of[name]]
        if not others:
            continue
        peaks = fft.irfft2(spectra[first] * spectra[others].conj(), s=(120, 160), workers=2)
        for second, peak in zip(others, peaks.reshape(len(others), -1).argmax(axis=1), strict=True):
            down, right = divmod(int(peak), 160)
            for y in (down, down - 120):
                for x in (right, right - 160):
                    if (120 - abs(y)) * (160 - abs(x)) >= 0.25 * 120 * 160:
                        highest = max(highest, correlation_at(images[first], images[second], y, x))
        pairs += len(others)
    assert pairs > 25000
    assert highest < 0.7
