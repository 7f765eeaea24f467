"""Figures of predictions, and the file that keeps them."""

import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from wbc.data.manifest import ImageEntry
from wbc.evaluation.metrics import score
from wbc.evaluation.predictions import Predictions

ODD = ["a, b", 'say "cell"', "two\nlines", "back\r\nand forth", "Zellkern äöü", " spaced ", "p_a", ""]


def predictions(labels, probabilities, classes=("A", "B", "C")) -> Predictions:
    files = [f"test/{classes[label]}/{number}.png" for number, label in enumerate(labels)]
    return Predictions(files, list(files), np.array(labels), np.asarray(probabilities), list(classes))


def random_predictions(count: int, classes: int, dtype=np.float32) -> Predictions:
    draw = np.random.default_rng(5)
    raw = draw.gamma(0.3, size=(count, classes)) + 1e-9
    labels = np.concatenate([np.arange(classes), draw.integers(0, classes, count - classes)])
    names = [f"class {number}" for number in range(classes)]
    return predictions(labels, (raw / raw.sum(axis=1, keepdims=True)).astype(dtype), names)


def test_score_by_hand():
    found = score(
        predictions(
            [0, 0, 0, 0, 1, 2],
            [
                [0.5, 0.25, 0.25],
                [0.5, 0.25, 0.25],
                [0.5, 0.25, 0.25],
                [0.25, 0.5, 0.25],
                [0.25, 0.5, 0.25],
                [0.5, 0.25, 0.25],
            ],
        )
    )
    assert found["images"] == 6
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["balanced_accuracy"] == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert found["per_class_accuracy"] == {"A": 0.75, "B": 1.0, "C": 0.0}
    assert found["confusion_matrix"] == [[3, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert found["classes"] == ["A", "B", "C"]
    assert found["loss"] == pytest.approx((4 * math.log(2) + 2 * math.log(4)) / 6)


def test_score_against_scikit_learn():
    given = random_predictions(200, 5)
    found = score(given)
    predicted = given.probabilities.argmax(axis=1)
    exact = given.probabilities.astype(np.float64)
    assert found["accuracy"] == accuracy_score(given.labels, predicted)
    assert found["balanced_accuracy"] == balanced_accuracy_score(given.labels, predicted)
    assert found["loss"] == pytest.approx(log_loss(given.labels, exact / exact.sum(axis=1, keepdims=True)))
    assert found["loss"] == pytest.approx(-np.log(exact[np.arange(200), given.labels]).mean(), rel=1e-6)
    assert np.mean(list(found["per_class_accuracy"].values())) == pytest.approx(found["balanced_accuracy"])


def test_a_class_that_is_never_predicted_counts():
    found = score(predictions([0, 1, 2], [[0.8, 0.1, 0.1]] * 3))
    assert found["balanced_accuracy"] == pytest.approx(1 / 3)
    assert found["per_class_accuracy"] == {"A": 1.0, "B": 0.0, "C": 0.0}


def test_a_certain_mistake_has_a_finite_loss():
    assert math.isfinite(score(predictions([0, 1], [[0.0, 1.0], [0.0, 1.0]], ("A", "B")))["loss"])


def test_figures_are_plain_values():
    found = score(random_predictions(20, 3))
    assert {type(found[name]) for name in ("accuracy", "balanced_accuracy", "loss")} == {float}
    assert type(found["confusion_matrix"][0][0]) is int


def test_round_trip_to_the_bit(tmp_path: Path):
    given = random_predictions(500, 4)
    given.write_csv(tmp_path / "predictions.csv")
    read = Predictions.read_csv(tmp_path / "predictions.csv")
    assert read.probabilities.dtype == np.float32
    assert read.probabilities.tobytes() == given.probabilities.tobytes()
    assert (read.labels == given.labels).all()
    assert (read.files, read.sources, read.classes) == (given.files, given.sources, given.classes)
    assert score(read) == score(given)
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


def test_round_trip_of_extreme_values(tmp_path: Path):
    tiny = np.array(
        [[np.float32(1e-45), 1.0], [np.finfo(np.float32).tiny, np.nextafter(np.float32(1), np.float32(0))]]
    )
    given = predictions([0, 1], tiny.astype(np.float32), ("A", "B"))
    given.write_csv(tmp_path / "p.csv")
    assert Predictions.read_csv(tmp_path / "p.csv").probabilities.tobytes() == given.probabilities.tobytes()


def test_odd_names(tmp_path: Path):
    count = len(ODD)
    given = Predictions(
        files=[f"test/{name}/1.png" for name in ODD],
        sources=ODD[::-1],
        labels=np.arange(count),
        probabilities=np.eye(count, dtype=np.float32)[::-1],
        classes=ODD,
    )
    given.write_csv(tmp_path / "p.csv")
    read = Predictions.read_csv(tmp_path / "p.csv")
    assert (read.files, read.sources, read.classes) == (given.files, given.sources, given.classes)
    assert read.labels.tolist() == list(range(count))
    assert read.predicted.tolist() == list(range(count))[::-1]


def test_images_keep_their_order():
    images = [
        ImageEntry(f"test/{name}/{number}.png", "test", name, f"cell {number}", "")
        for number, name in enumerate("BAB")
    ]
    joined = Predictions.of(images, np.eye(3, 2, dtype=np.float32), ("A", "B"))
    assert joined.labels.tolist() == [1, 0, 1]
    assert joined.files == ["test/B/0.png", "test/A/1.png", "test/B/2.png"]
    assert joined.sources == ["cell 0", "cell 1", "cell 2"]
