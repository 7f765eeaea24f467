"""The import of BCCD: of a drawn one for the damage, of the real one for what is in it."""

import hashlib
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import fft
from scipy.ndimage import gaussian_filter
from skimage.registration import phase_cross_correlation

from wbc.data import CELL_CLASSES, PARTS, bccd
from wbc.data.bccd import (
    BccdSettings,
    bccd_fingerprint,
    check_bccd_folder,
    find_fields,
    import_bccd,
    square_crop,
)
from wbc.data.manifest import file_sha256
from wbc.errors import InputError

SMALL = BccdSettings(image_size=24)


def annotation(*boxes: tuple[str, tuple]) -> str:
    sides = ("xmin", "ymin", "xmax", "ymax")
    objects = [
        f"<object><name>{name}</name><bndbox>"
        + "".join(f"<{side}>{value}</{side}>" for side, value in zip(sides, box, strict=True))
        + "</bndbox></object>"
        for name, box in boxes
    ]
    return f"<annotation>{''.join(objects)}</annotation>"


class DrawnBccd:
    """A small BCCD: noise for smears, every photograph with a dark disc for its white cell."""

    def __init__(self, root: Path):
        self.root, self.labels = root, {}
        (root / "JPEGImages").mkdir(parents=True)
        (root / "Annotations").mkdir()

    def image(self, number: int) -> Path:
        return self.root / "JPEGImages" / f"BloodImage_{number:05d}.jpg"

    def annotate(self, number: int, *boxes: tuple[str, tuple]) -> None:
        (self.root / "Annotations" / f"BloodImage_{number:05d}.xml").write_text(annotation(*boxes))

    def add(
        self, number: int, category: str, field: int | None = None, corner=(20, 20), cell=(70, 90)
    ) -> None:
        """A photograph of 120 x 160 pixels; `corner` and `cell` (down, right) lie in the field."""
        rng = np.random.default_rng(1000 + (number if field is None else field))
        smear = 180 + sum(gaussian_filter(rng.standard_normal((180, 240)), s) * s * 15 for s in (1.5, 4))
        y, x = np.mgrid[:180, :240]
        smear[(y - cell[0]) ** 2 + (x - cell[1]) ** 2 < 14**2] = 60
        top, left = corner
        pixels = np.clip(smear, 0, 255).astype(np.uint8)[top : top + 120, left : left + 160]
        Image.fromarray(pixels).convert("RGB").save(self.image(number), quality=95)
        down, right = cell[0] - top, cell[1] - left
        self.annotate(number, ("WBC", (right - 14, down - 14, right + 14, down + 14)), ("RBC", (1, 1, 9, 9)))
        self.labels[number] = category

    def write_labels(self) -> None:
        lines = [",Image,Category", *(f',{number},"{label}"' for number, label in self.labels.items())]
        (self.root / "labels.csv").write_text("\r\n".join(lines))


@pytest.fixture
def drawn(tmp_path) -> DrawnBccd:
    """Five cells of each class, six of the first."""
    source = DrawnBccd(tmp_path / "drawn")
    for number, category in enumerate(CELL_CLASSES * 5 + CELL_CLASSES[:1]):
        source.add(number, category)
    source.write_labels()
    return source


def folder_bytes(folder: Path) -> dict[str, str]:
    return {f.relative_to(folder).as_posix(): file_sha256(f) for f in folder.rglob("*") if f.is_file()}


# --- the folder and labels.csv ------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["JPEGImages", "Annotations", "labels.csv"])
def test_what_is_missing_is_named(drawn, missing):
    check_bccd_folder(drawn.root)
    path = drawn.root / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    for use in (check_bccd_folder, bccd_fingerprint):
        with pytest.raises(InputError, match=missing) as caught:
            use(drawn.root)
        assert str(drawn.root) in caught.value.what
        assert "github.com/Shenggan/BCCD_Dataset" in caught.value.way_out
        assert "github.com/dhruvp/wbc-classification" in caught.value.way_out


def test_no_folder_and_no_photograph(drawn, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        check_bccd_folder(tmp_path / "nowhere")
    shutil.rmtree(drawn.root / "JPEGImages")
    (drawn.root / "JPEGImages").mkdir()
    with pytest.raises(InputError, match="no photograph"):
        check_bccd_folder(drawn.root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: there is no column Image"),
        (b",Image,Kind\n,0,NEUTROPHIL\n", "line 1: there is no column Category"),
        (b",Image,Category\n,0,NEUTROPHIL\n,x1,MONOCYTE\n", "line 3: 'x1' is not the number"),
        (b",Image,Category\n,0,NEUTROPHIL\n,,MONOCYTE\n", "line 3: '' is not the number"),
        (b",Image,Category\n,0,NEUTROPHIL\n,0,MONOCYTE\n", "line 3: image 0 has a second category, MONOCYTE"),
        (b"\xff\xfe\x00\x01", "no text in UTF-8"),
    ],
)
def test_a_damaged_labels_file_stops_the_import(drawn, tmp_path, content, message):
    (drawn.root / "labels.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        import_bccd(drawn.root, tmp_path / "out", SMALL)
    assert str(drawn.root / "labels.csv") in caught.value.what
    assert not (tmp_path / "out").exists()


def test_names_without_or_with_the_same_number(drawn, tmp_path):
    shutil.copy(drawn.image(3), drawn.root / "JPEGImages" / "BloodImage_3.jpg")
    with pytest.raises(InputError, match="same number"):
        import_bccd(drawn.root, tmp_path / "out", SMALL)
    (drawn.root / "JPEGImages" / "BloodImage_3.jpg").rename(drawn.root / "JPEGImages" / "cell.jpg")
    with pytest.raises(InputError, match="does not end with a number"):
        import_bccd(drawn.root, tmp_path / "out", SMALL)


def test_settings_are_checked():
    for wrong in ({"split_seed": -1}, {"train_images_per_class": 0}, {"margin": -0.1}, {"image_size": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            BccdSettings(**wrong)


# --- what is left out ---------------------------------------------------------------------------------------


def test_every_reason_is_counted(drawn, tmp_path):
    for number in range(30, 42):
        drawn.add(number, "NEUTROPHIL")
    del drawn.labels[30]
    drawn.labels.update(
        {31: "", 32: "NEUTROPHIL, EOSINOPHIL", 33: "basophil", 34: "BLAST", 99: "MONOCYTE", 98: ""}
    )
    box = ("WBC", (30, 30, 60, 60))
    (drawn.root / "Annotations" / "BloodImage_00035.xml").unlink()
    (drawn.root / "Annotations" / "BloodImage_00036.xml").write_text("<annotation><object>")
    drawn.annotate(37, ("RBC", (1, 1, 9, 9)))
    drawn.annotate(38, box, box)
    drawn.annotate(39, ("WBC", (161, 30, 190, 60)))
    drawn.annotate(40, ("WBC", (60, 30, 60, 60)))
    drawn.image(41).write_bytes(drawn.image(41).read_bytes()[:900])
    drawn.write_labels()
    manifest = import_bccd(drawn.root, tmp_path / "out", SMALL)

    def names(*numbers):
        return [f"BloodImage_{number:05d}.jpg" for number in numbers]

    assert manifest.left_out == {
        "annotation unreadable": names(36),
        "basophil, not one of the four classes": names(33),
        "category unknown": names(34),
        "category with two cells": names(32),
        "category without a photograph": names(99),
        "more than one white-cell box": names(38),
        "no annotation": names(35),
        "no category": names(30, 31),
        "no white-cell box": names(37),
        "photograph unreadable": names(41),
        "white-cell box is empty": names(40),
        "white-cell box outside the photograph": names(39),
    }
    kept = {Path(image.file).stem.split("-")[0] for image in manifest.images}
    assert kept == {f"BloodImage_{number:05d}" for number in range(21)}


@pytest.mark.parametrize("value", ["", "wide", "nan", "inf"])
def test_numbers_of_a_box_that_are_none(drawn, tmp_path, value):
    drawn.annotate(20, ("WBC", (value, 30, 60, 60)))
    assert import_bccd(drawn.root, tmp_path / "out", SMALL).left_out == {
        "annotation unreadable": ["BloodImage_00020.jpg"]
    }


def test_a_class_with_too_few_cells_or_none(drawn, tmp_path):
    for number in (2, 6, 10):
        drawn.labels[number] = ""
    drawn.write_labels()
    with pytest.raises(InputError, match=r"drawn: class MONOCYTE has too few source cells: 2"):
        import_bccd(drawn.root, tmp_path / "out", SMALL)
    drawn.labels.update({14: "", 18: ""})
    drawn.write_labels()
    with pytest.raises(InputError, match="no usable cell of class MONOCYTE"):
        import_bccd(drawn.root, tmp_path / "out", SMALL)


def test_repeats_stay_together_and_contradictions_are_left_out(drawn, tmp_path):
    drawn.add(50, "NEUTROPHIL", field=50)
    drawn.add(51, "NEUTROPHIL", field=50, corner=(8, 35))
    drawn.add(52, "NEUTROPHIL", field=52)
    drawn.add(53, "MONOCYTE", field=52, corner=(30, 40))
    drawn.add(54, "EOSINOPHIL", field=54, corner=(0, 0))
    drawn.add(55, "LYMPHOCYTE", field=54, corner=(50, 60))
    drawn.annotate(55, ("WBC", (120, 80, 150, 110)))  # another cell of the field
    drawn.write_labels()
    manifest = import_bccd(drawn.root, tmp_path / "out", SMALL)
    assert manifest.left_out == {
        "repeat with another category": ["BloodImage_00052.jpg", "BloodImage_00053.jpg"]
    }
    by_name = {Path(image.file).stem: image for image in manifest.images}
    for first, second in (("50", "51"), ("54", "55")):
        one, other = by_name[f"BloodImage_000{first}"], by_name[f"BloodImage_000{second}"]
        assert one.source == other.source == f"BloodImage_000{first}"
        assert one.part == other.part


# --- crops, copies, bytes -----------------------------------------------------------------------------------


def test_square_crop():
    pixels = np.arange(100 * 120 * 3, dtype=np.int64).reshape(100, 120, 3)
    assert np.array_equal(square_crop(pixels, (50, 40, 70, 50), 0.1), pixels[33:57, 48:72])
    assert np.array_equal(square_crop(pixels, (100, 90, 120, 100), 0.0), pixels[80:100, 100:120])
    assert np.array_equal(square_crop(pixels, (0, 0, 10, 10), 0.5), pixels[0:20, 0:20])
    large = square_crop(pixels, (10, 0, 110, 100), 0.1)
    assert large.shape == (120, 120, 3)
    assert np.array_equal(large[10:110], pixels)
    assert np.array_equal(large[:10], pixels[:10][::-1])


def test_crops_show_the_cell_in_the_middle(drawn, tmp_path):
    manifest = import_bccd(drawn.root, tmp_path / "out", BccdSettings(image_size=48, margin=0.25))
    for image in manifest.part("test"):
        with Image.open(tmp_path / "out" / image.file) as crop:
            assert crop.size == (48, 48)
            dark = np.argwhere(np.asarray(crop.convert("L")) < 100)
        assert np.abs(dark.mean(axis=0) - 23.5).max() < 2.5
        assert np.ptp(dark[:, 0]) == pytest.approx(32, abs=4)


def test_the_same_bytes_whatever_the_order_of_the_file_system(drawn, tmp_path, monkeypatch):
    first = import_bccd(drawn.root, tmp_path / "a", SMALL)
    fingerprint = bccd_fingerprint(drawn.root)
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: reversed(list(listed(folder))))
    second = import_bccd(drawn.root, tmp_path / "b", SMALL)
    assert first == second
    assert first.digest == second.digest
    assert bccd_fingerprint(drawn.root) == fingerprint
    assert folder_bytes(tmp_path / "a") == folder_bytes(tmp_path / "b")
    assert folder_bytes(tmp_path / "a") == {image.file: image.sha256 for image in first.images}
    other = import_bccd(drawn.root, tmp_path / "c", BccdSettings(split_seed=1, image_size=24))
    assert other.digest != first.digest


def test_a_fixed_number_of_training_images(drawn, tmp_path):
    manifest = import_bccd(
        drawn.root, tmp_path / "out", BccdSettings(image_size=24, train_images_per_class=2)
    )
    counts = manifest.counts()
    assert set(counts["train"].values()) == {2}
    (reason, surplus) = next(iter(manifest.left_out.items()))
    assert reason == "more than train_images_per_class"
    assert len(surplus) + len(manifest.images) == 21
    assert not any("-a" in image.file for image in manifest.images)


def test_copies_are_numbered_and_share_the_source(drawn, tmp_path):
    manifest = import_bccd(
        drawn.root, tmp_path / "out", BccdSettings(image_size=24, train_images_per_class=8)
    )
    names = defaultdict(list)
    for image in manifest.part("train"):
        stem = Path(image.file).stem
        assert image.source == stem.split("-")[0]
        names[image.source].append(stem)
    for source, found in names.items():
        assert sorted(found) == [source, *(f"{source}-a{copy:02d}" for copy in range(1, len(found)))]
        assert len({file_sha256(next((tmp_path / "out").rglob(f"{stem}.png"))) for stem in found}) == len(
            found
        )
    assert {len(found) for found in names.values()} <= {2, 3}


def test_a_destination_in_use_is_left_alone(drawn, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        import_bccd(drawn.root, tmp_path / "out", SMALL)
    assert folder_bytes(tmp_path / "out").keys() == {"mine.txt"}


def test_the_cache_is_used_renewed_and_repaired(drawn, tmp_path, monkeypatch):
    drawn.add(50, "NEUTROPHIL", field=50)
    drawn.add(51, "NEUTROPHIL", field=50, corner=(8, 35))
    images, cache = [drawn.image(number) for number in (0, 50, 51)], tmp_path / "cache"
    calls = []
    find = bccd.find_repeats
    monkeypatch.setattr(bccd, "find_repeats", lambda grey: calls.append(len(grey)) or find(grey))
    fresh = find_fields(images, cache)
    assert fresh == find_fields(images[::-1], cache) == find_fields(images)
    assert fresh["BloodImage_00051"][0] == "BloodImage_00050"
    assert len(calls) == 2
    (kept,) = cache.iterdir()
    kept.write_text("[[1,")
    assert find_fields(images, cache) == fresh
    assert len(calls) == 3
    assert list(cache.iterdir()) == [kept]
    drawn.add(51, "NEUTROPHIL", field=51)
    assert find_fields(images, cache)["BloodImage_00051"][0] == "BloodImage_00051"
    assert len(list(cache.iterdir())) == 2


def test_the_fingerprint_changes_with_every_file(drawn):
    seen = [bccd_fingerprint(drawn.root)]
    drawn.labels[0] = "MONOCYTE"
    drawn.write_labels()
    seen.append(bccd_fingerprint(drawn.root))
    drawn.annotate(0, ("WBC", (1, 1, 9, 9)))
    seen.append(bccd_fingerprint(drawn.root))
    drawn.image(1).rename(drawn.image(77))
    seen.append(bccd_fingerprint(drawn.root))
    assert len(set(seen)) == 4
    (drawn.root / "README.md").write_text("not part of it")
    assert bccd_fingerprint(drawn.root) == seen[-1]


# --- the real photographs -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(shared) -> Path:
    return shared / "data" / "bccd"


@pytest.fixture(scope="module")
def imported(real, tmp_path_factory):
    """Folder and manifest of seed 0, and the cache that the other imports use."""
    root = tmp_path_factory.mktemp("bccd")
    return root, import_bccd(real, root / "0", BccdSettings(), root / "cache")


@pytest.fixture(scope="module")
def manifests(real, imported):
    """The manifests of three split seeds, small images."""
    root, _ = imported
    return [
        import_bccd(real, root / f"s{k}", BccdSettings(split_seed=k, image_size=32), root / "cache")
        for k in range(3)
    ]


@pytest.fixture(scope="module")
def fields(real, imported) -> dict:
    return find_fields(sorted((real / "JPEGImages").iterdir()), imported[0] / "cache")


def test_real_what_is_left_out(imported):
    left_out = imported[1].left_out
    assert {reason: len(files) for reason, files in left_out.items()} == {
        "basophil, not one of the four classes": 3,
        "category with two cells": 15,
        "category without a photograph": 4,
        "more than one white-cell box": 1,
        "no category": 1,
        "no white-cell box": 5,
        "repeat with another category": 2,
    }
    assert left_out["no category"] == ["BloodImage_00117.jpg"]
    assert left_out["more than one white-cell box"] == ["BloodImage_00113.jpg"]
    assert left_out["repeat with another category"] == ["BloodImage_00206.jpg", "BloodImage_00278.jpg"]


def test_real_every_cell_is_there_once(imported):
    originals = Counter(
        image.class_name for image in imported[1].images if "-a" not in image.file.rpartition("/")[2]
    )
    assert originals == {"NEUTROPHIL": 202, "EOSINOPHIL": 84, "LYMPHOCYTE": 32, "MONOCYTE": 19}


def test_real_training_is_balanced_and_the_rest_unaugmented(imported, manifests):
    for manifest in (imported[1], *manifests):
        counts = manifest.counts()
        assert len(set(counts["train"].values())) == 1
        for part in PARTS:
            assert set(counts[part]) == set(CELL_CLASSES)
        assert not any("-a" in image.file for image in (*manifest.part("validation"), *manifest.part("test")))
        assert sum("-a" in image.file for image in manifest.part("train")) > 200


def test_real_no_field_stands_in_two_parts(manifests, fields):
    for manifest in manifests:
        parts = defaultdict(set)
        for image in manifest.images:
            name = Path(image.file).stem.split("-")[0]
            assert image.source == fields[name][0]
            parts[image.source].add(image.part)
        assert all(len(found) == 1 for found in parts.values())
        for category in CELL_CLASSES:
            cells = {image.source: image.part for image in manifest.images if image.class_name == category}
            assert set(cells.values()) == set(PARTS)
    assert len({manifest.digest for manifest in manifests}) == 3


def test_real_the_same_bytes_twice(real, imported, manifests, tmp_path):
    root, _ = imported
    again = import_bccd(real, tmp_path / "again", BccdSettings(split_seed=1, image_size=32), root / "cache")
    assert again.digest == manifests[1].digest
    assert folder_bytes(tmp_path / "again") == folder_bytes(root / "s1")


def test_real_fingerprint(real):
    digest = bccd_fingerprint(real)
    assert len(digest) == len(hashlib.sha256().hexdigest())
    assert digest == bccd_fingerprint(real)


def grey(path: Path, width: int, height: int) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((width, height), Image.Resampling.BOX), np.float32)


def correlation_at(first: np.ndarray, second: np.ndarray, down: int, right: int) -> float:
    """Correlation of the grey values that two photographs share, shifted by whole pixels."""
    height, width = first.shape
    a = first[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)].ravel()
    b = second[max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)].ravel()
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_real_repeats_are_confirmed_by_masked_registration(real, fields):
    """Masked normalised cross-correlation (Padfield 2012) finds the same shift, the grey values agree."""
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
        small = {name: grey(real / "JPEGImages" / f"{name}.jpg", 80, 60) for name, _ in group}
        large = {name: grey(real / "JPEGImages" / f"{name}.jpg", 320, 240) for name, _ in group}
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


def test_real_no_pair_across_parts_is_a_repeat(real, manifests):
    """Phase correlation of windowed photographs, then the correlation of the overlap: another way to look."""
    names = sorted({Path(image.file).stem.split("-")[0] for image in manifests[0].images})
    images = np.stack([grey(real / "JPEGImages" / f"{name}.jpg", 160, 120) for name in names])
    window = np.outer(np.hanning(120), np.hanning(160)).astype(np.float32)
    spectra = fft.rfft2((images - images.mean(axis=(1, 2), keepdims=True)) * window, workers=2)
    spectra /= np.abs(spectra) + 1e-6
    part_of = {Path(image.file).stem: image.part for image in manifests[0].images}
    highest, pairs = 0.0, 0
    for first, name in enumerate(names):
        others = [k for k in range(first + 1, len(names)) if part_of[names[k]] != part_of[name]]
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
