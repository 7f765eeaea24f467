"""The published values agree with each other, except where their notes say that they do not."""

import re
import zipfile

import numpy as np
import pytest

from wbc import reference

NETWORKS = 8


@pytest.mark.parametrize(("mode", "published"), [("scratch", 24.39), ("transfer", 87.81)])
def test_the_mean_of_a_tables_own_cells(mode, published):
    table = reference.test_accuracies(mode)
    cells = [value for row in table.values() for value in row.values()]
    assert len(table) == NETWORKS and len(cells) == 4 * NETWORKS
    assert 100 * np.mean(cells) == pytest.approx(published, abs=0.005)


def test_the_text_gives_another_mean_of_table_5_1_than_its_cells():
    said = reference.thesis()["test_accuracy_percent"]
    assert said["scratch_100_mean_of_table_5_1"] == 24.39 != said["scratch_100_mean"] == 26.31
    assert any("26.31 %" in note and "24.39 %" in note for note in reference.thesis()["notes"])


def test_every_share_is_a_number_of_110_images_but_the_one_that_the_notes_name():
    odd = []
    for mode in reference.TABLES:
        for network, row in reference.test_accuracies(mode).items():
            for name, value in row.items():
                if abs(value * 110 - round(value * 110)) > 0.006:
                    odd.append((mode, network, name))
    assert odd == [("scratch", "Xception", "LYMPHOCYTE")]


def test_table_5_2_is_the_diagonal_of_appendix_d():
    classes = reference.thesis()["classes"]
    for network, row in reference.test_accuracies("transfer").items():
        matrix = reference.confusion_matrix(network, 100)
        for index, name in enumerate(classes):
            assert matrix[index, index] == pytest.approx(row[name] * 110, abs=0.01)
        short = {name for name, total in zip(classes, matrix.sum(axis=1), strict=True) if total != 110}
        assert short == ({"NEUTROPHIL"} if network == "DenseNet201" else set())
    with pytest.raises(KeyError):
        reference.confusion_matrix("LeNet5", 100)


def test_the_images_of_the_first_data_set_add_up():
    first = reference.thesis()["dataset"]["first_dataset"]
    train, validation, test = (sum(column) for column in zip(*first["split"].values(), strict=True))
    assert (train, validation, test) == (first["train_images"], 857, 857) == (10466, 857, 857)
    assert train + validation + test == first["total_images"] == 12180


def test_the_mean_of_5000_epochs_follows_from_appendix_d():
    right = [
        np.trace(reference.confusion_matrix(network, 5000)) / 440
        for network in reference.test_accuracies("transfer")
    ]
    published = reference.thesis()["test_accuracy_percent"]["transfer_5000_mean"]
    assert 100 * np.mean(right) == pytest.approx(published, abs=0.05)


def test_table_5_1_cannot_be_told_from_chance():
    published = reference.thesis()
    images = 4 * published["dataset"]["per_class_test_images"]
    deviation = 100 * np.sqrt(0.25 * 0.75 / images)
    assert any(f"+- {deviation:.1f} points" in note for note in published["notes"])
    for row in reference.test_accuracies("scratch").values():
        assert abs(100 * np.mean(list(row.values())) - 25) < 2 * deviation


def test_the_values_are_in_the_wheel(tmp_path):
    from pathlib import Path

    from hatchling.builders.wheel import WheelBuilder

    root = Path(__file__).parents[2]
    (built,) = WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    names = zipfile.ZipFile(built).namelist()
    assert {name for name in names if re.fullmatch(r"wbc/reference/.*\.json", name)} == {
        f"wbc/reference/{name}" for name in (reference.THESIS, reference.BLOODMNIST)
    }
