"""What the BCCD folder contains, and what is left out."""

import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from bccd_equipment import SMALL

from wbc.data.bccd import BccdSettings, bccd_fingerprint, check_bccd_folder, import_bccd
from wbc.data.bccd.source import _read_labels
from wbc.errors import InputError


@pytest.mark.parametrize("missing", ["JPEGImages", "Annotations", "labels.csv"])
def test_what_is_missing_is_named(bccd, missing):
    check_bccd_folder(bccd.root)
    path = bccd.root / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    for use in (check_bccd_folder, bccd_fingerprint):
        with pytest.raises(InputError, match=missing) as caught:
            use(bccd.root)
        assert str(bccd.root) in caught.value.what
        assert "github.com/Shenggan/BCCD_Dataset" in caught.value.way_out
        assert "github.com/dhruvp/wbc-classification" in caught.value.way_out


def test_no_folder_and_no_photograph(bccd, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        check_bccd_folder(tmp_path / "nowhere")
    shutil.rmtree(bccd.root / "JPEGImages")
    (bccd.root / "JPEGImages").mkdir()
    with pytest.raises(InputError, match="no photograph"):
        check_bccd_folder(bccd.root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: there is no column Image"),
        (b",Image,Kind\n,0,NEUTROPHIL\n", "line 1: there is no column Category"),
        (b",Image,Category\n,0,NEUTROPHIL\n,x1,MONOCYTE\n", "line 3: 'x1' is not the number"),
        (b",Image,Category\n,0,NEUTROPHIL\n,,MONOCYTE\n", "line 3: '' is not the number"),
        (b",Image,Category\n,0,NEUTROPHIL\n,0,MONOCYTE\n", "line 3: image 0 has a second category, MONOCYTE"),
        (b"\xff\xfe\x00\x01", "is not UTF-8 text"),
    ],
)
def test_a_damaged_labels_file_stops_the_import(bccd, tmp_path, content, message):
    (bccd.root / "labels.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        import_bccd(bccd.root, tmp_path / "out", SMALL)
    assert str(bccd.root / "labels.csv") in caught.value.what
    assert not (tmp_path / "out").exists()


def test_spaces_after_commas_of_the_labels_file_mean_nothing(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_bytes(b", Image, Category\n, 0, NEUTROPHIL\n, 7, Lymphocyte\n")
    assert _read_labels(labels) == {0: "NEUTROPHIL", 7: "LYMPHOCYTE"}


def test_names_without_or_with_the_same_number(bccd, tmp_path):
    shutil.copy(bccd.image(3), bccd.root / "JPEGImages" / "BloodImage_3.jpg")
    with pytest.raises(InputError, match="same number"):
        import_bccd(bccd.root, tmp_path / "out", SMALL)
    (bccd.root / "JPEGImages" / "BloodImage_3.jpg").rename(bccd.root / "JPEGImages" / "cell.jpg")
    with pytest.raises(InputError, match="does not end with a number"):
        import_bccd(bccd.root, tmp_path / "out", SMALL)


def test_settings_are_checked():
    for wrong in ({"split_seed": -1}, {"train_images_per_class": 0}, {"margin": -0.1}, {"image_size": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            BccdSettings(**wrong)


def test_every_reason_is_counted(bccd, tmp_path):
    for number in range(30, 42):
        bccd.add(number, "NEUTROPHIL")
    del bccd.labels[30]
    bccd.labels.update(
        {31: "", 32: "NEUTROPHIL, EOSINOPHIL", 33: "basophil", 34: "BLAST", 99: "MONOCYTE", 98: ""}
    )
    box = ("WBC", (30, 30, 60, 60))
    (bccd.root / "Annotations" / "BloodImage_00035.xml").unlink()
    (bccd.root / "Annotations" / "BloodImage_00036.xml").write_text("<annotation><object>")
    bccd.annotate(37, ("RBC", (1, 1, 9, 9)))
    bccd.annotate(38, box, box)
    bccd.annotate(39, ("WBC", (161, 30, 190, 60)))
    bccd.annotate(40, ("WBC", (60, 30, 60, 60)))
    bccd.image(41).write_bytes(bccd.image(41).read_bytes()[:900])
    bccd.write_labels()
    manifest = import_bccd(bccd.root, tmp_path / "out", SMALL)

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
def test_box_values_that_are_not_numbers(bccd, tmp_path, value):
    bccd.annotate(20, ("WBC", (value, 30, 60, 60)))
    assert import_bccd(bccd.root, tmp_path / "out", SMALL).left_out == {
        "annotation unreadable": ["BloodImage_00020.jpg"]
    }


def test_a_class_with_too_few_cells_or_none(bccd, tmp_path):
    for number in (2, 6, 10):
        bccd.labels[number] = ""
    bccd.write_labels()
    with pytest.raises(InputError, match=r"bccd: class MONOCYTE has too few sources: 2"):
        import_bccd(bccd.root, tmp_path / "out", SMALL)
    bccd.labels.update({14: "", 18: ""})
    bccd.write_labels()
    with pytest.raises(InputError, match="no usable image of class MONOCYTE"):
        import_bccd(bccd.root, tmp_path / "out", SMALL)


def test_the_fingerprint_changes_with_every_file(bccd):
    seen = [bccd_fingerprint(bccd.root)]
    bccd.labels[0] = "MONOCYTE"
    bccd.write_labels()
    seen.append(bccd_fingerprint(bccd.root))
    bccd.annotate(0, ("WBC", (1, 1, 9, 9)))
    seen.append(bccd_fingerprint(bccd.root))
    bccd.image(1).rename(bccd.image(77))
    seen.append(bccd_fingerprint(bccd.root))
    assert len(set(seen)) == 4
    parts = [bccd.root / "labels.csv", *sorted(bccd.root.glob("Annotations/*"))]
    parts += sorted(bccd.root.glob("JPEGImages/*"))
    lines = [f"{one.relative_to(bccd.root)}\0{sha256(one.read_bytes()).hexdigest()}\n" for one in parts]
    assert seen[-1] == sha256("".join(lines).encode()).hexdigest()
    (bccd.root / "README.md").write_text("not part of it")
    assert bccd_fingerprint(bccd.root) == seen[-1]
