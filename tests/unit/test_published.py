"""Published results on BloodMNIST beside ours."""

import pandas as pd
import pytest

from bench.report.rows import CLASS
from bench.report.tables.published import published_table
from wbc.data.collections import COLLECTIONS
from wbc.reference import bloodmnist


def configurations(classes, images=3421) -> pd.DataFrame:
    row = {"network": "LeNet5", "mode": "scratch", "epochs": 30, "replicates": 1, "images": images}
    row |= {"test_accuracy": 0.9, "macro_auc": 0.98} | {f"{CLASS}{name}": 0.9 for name in classes}
    return pd.DataFrame([row, row | {"network": "VGG16", "replicates": 0}])


def test_ours_stand_below_the_published_ones():
    table = published_table("blood", configurations(bloodmnist()["classes"]))
    headings, rows = table.written()
    assert len(rows) == 7 + 1
    by = dict(zip(headings, rows[-1], strict=True))
    assert (by["by"], by["method"], by["AUC"]) == ("ours", "LeNet5", "0.980")
    assert by["accuracy % [95 %]"] == "90.0 [88.9 to 91.0]"
    google = dict(zip(headings, rows[6], strict=True))
    assert google["accuracy % [95 %]"].startswith("96.6 [") and google["AUC"] == "0.998"


@pytest.mark.parametrize("classes", [["a", "b"], bloodmnist()["classes"][:7]])
def test_other_images_are_not_compared(classes):
    table = published_table("other", configurations(classes))
    assert len(table.written()[1]) == 7
    assert any("No configuration" in note for note in table.notes)


def test_another_test_split_is_named():
    table = published_table("blood", configurations(bloodmnist()["classes"], images=100))
    assert any("tested on 100 images" in note for note in table.notes)


def test_the_collection_has_the_published_classes():
    assert list(COLLECTIONS["bloodmnist"].classes) == bloodmnist()["classes"]
