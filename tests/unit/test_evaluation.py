"""Metrics of predictions, and the file that stores them."""

import json
import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss, roc_auc_score

from bench.trials import metrics as recorded
from wbc.data.manifest import ImageEntry
from wbc.evaluation.intervals import wilson
from wbc.evaluation.metrics import Intervals, IntervalValues, Metrics, expected_calibration_error, score
from wbc.evaluation.predictions import Predictions, read_rows

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


def test_metrics_of_a_class_by_hand():
    found = score(
        predictions([0, 0, 0, 1, 1, 2], [[0.7, 0.2, 0.1]] * 2 + [[0.1, 0.8, 0.1]] * 3 + [[0.2, 0.1, 0.7]])
    )
    assert found["per_class_accuracy"] == {"A": pytest.approx(2 / 3), "B": 1.0, "C": 1.0}
    assert found["precision"] == {"A": 1.0, "B": pytest.approx(2 / 3), "C": 1.0}
    assert found["f1"] == {"A": pytest.approx(0.8), "B": pytest.approx(0.8), "C": 1.0}
    assert found["support"] == {"A": 3, "B": 2, "C": 1}
    assert found["macro_precision"] == pytest.approx(8 / 9)
    assert found["macro_recall"] == found["balanced_accuracy"] == pytest.approx(8 / 9)
    assert found["macro_f1"] == pytest.approx(2.6 / 3)
    # A against the rest: 9 pairs, 2 of A before all 3 of the rest, the third ties with two and loses to one.
    assert found["auc"]["A"] == pytest.approx((6 + 1) / 9)
    assert found["auc"]["C"] == 1.0
    assert found["undefined"] == {}
    assert found["intervals"]["per_class_accuracy"]["B"] == vars(wilson(2, 2))
    assert found["intervals"]["accuracy"] == vars(wilson(5, 6))
    assert (found["images"], found["sources"]) == (6, 6)


def test_calibration_error_by_hand():
    """Two of three right at 0.9, one of two at 0.6: gaps of 0.7 and 0.2 images among five."""
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.4, 0.6]] * 2)
    labels = np.array([0, 0, 1, 1, 0])
    assert expected_calibration_error(labels, probabilities) == pytest.approx((0.7 + 0.2) / 5)
    assert expected_calibration_error(labels, probabilities, bins=1) == pytest.approx(abs(3 - 3.9) / 5)
    assert expected_calibration_error(np.array([0]), np.array([[1.0, 0.0]])) == 0.0


def test_a_bin_is_closed_above():
    """0.75 ends the third of four bins, and what is above it starts the fourth: their gaps do not cancel."""
    probabilities = np.array([[0.75, 0.25], [0.76, 0.24]])
    assert expected_calibration_error(np.array([0, 1]), probabilities, bins=4) == pytest.approx(1.01 / 2)
    assert expected_calibration_error(np.array([0, 1]), probabilities, bins=2) == pytest.approx(0.51 / 2)


def test_a_model_that_means_what_it_says_is_calibrated():
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet([1, 1, 1], 20_000)
    labels = (draw.random((20_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    assert expected_calibration_error(labels, probabilities) < 0.015
    assert expected_calibration_error(labels, probabilities**4 / (probabilities**4).sum(1)[:, None]) > 0.1


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
    assert found["macro_f1"] == pytest.approx(f1_score(given.labels, predicted, average="macro"))
    shares = exact / exact.sum(axis=1, keepdims=True)
    assert found["macro_auc"] == pytest.approx(roc_auc_score(given.labels, shares, multi_class="ovr"))


def test_two_classes_have_one_auc():
    given = random_predictions(60, 2)
    found = score(given)
    assert found["macro_auc"] == pytest.approx(roc_auc_score(given.labels, given.probabilities[:, 1]))


def test_what_is_undefined_is_none_and_says_why():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score(predictions([0, 0, 1, 1], [[0.8, 0.1, 0.1]] * 3 + [[0.1, 0.1, 0.8]]))
    assert found["per_class_accuracy"] == {"A": 1.0, "B": 0.0, "C": None}
    assert found["precision"] == {"A": pytest.approx(2 / 3), "B": None, "C": 0.0}
    assert found["f1"] == {"A": pytest.approx(0.8), "B": 0.0, "C": None}
    assert (found["auc"]["C"], found["intervals"]["per_class_accuracy"]["C"]) == (None, None)
    assert [found[f"macro_{name}"] for name in ("precision", "recall", "f1", "auc")] == [None] * 4
    assert found["balanced_accuracy"] == 0.5, "over the classes that are there"
    assert found["undefined"] == {
        "precision of B": "it is never predicted",
        **{
            f"{name} of C": "the test split has no image of it"
            for name in ("per_class_accuracy", "f1", "auc")
        },
        "macro_precision": "undefined for B",
        **{f"macro_{name}": "undefined for C" for name in ("recall", "f1", "auc")},
    }
    assert "NaN" not in json.dumps(found)


def test_a_single_class_has_no_curve():
    found = score(predictions([0, 0], [[0.8, 0.2]] * 2, ("A", "B")))
    assert found["auc"] == {"A": None, "B": None}
    assert found["undefined"]["auc of A"] == "the test split has only images of it"


def test_intervals_are_by_source_where_images_share_one():
    given = random_predictions(120, 3)
    shared = replace(given, sources=[f"photograph {number // 4}" for number in range(120)])
    alone, together = score(given)["intervals"], score(shared)["intervals"]
    assert alone["accuracy"]["method"] == "wilson"
    assert together["accuracy"]["method"] == "cluster-bootstrap"
    assert score(shared)["sources"] == 30
    assert score(shared) == score(shared), "seeded"
    for name, share in score(shared)["per_class_accuracy"].items():
        bounds = together["per_class_accuracy"][name]
        assert bounds["low"] <= share <= bounds["high"]


def test_a_class_that_is_never_predicted_counts():
    found = score(predictions([0, 1, 2], [[0.8, 0.1, 0.1]] * 3))
    assert found["balanced_accuracy"] == pytest.approx(1 / 3)
    assert found["per_class_accuracy"] == {"A": 1.0, "B": 0.0, "C": 0.0}


def test_a_certain_mistake_has_a_finite_loss():
    assert math.isfinite(score(predictions([0, 1], [[0.0, 1.0], [0.0, 1.0]], ("A", "B")))["loss"])


@pytest.mark.parametrize(
    ("made", "kept"),
    [
        (Metrics, recorded.Metrics),
        (Intervals, recorded.Intervals),
        (IntervalValues, recorded.Interval),
    ],
)
def test_a_record_has_a_field_for_every_metric(made, kept):
    assert set(made.__annotations__) == set(kept.__struct_fields__)


def test_metrics_are_plain_values():
    found = score(random_predictions(20, 3))
    assert {type(found[name]) for name in ("accuracy", "balanced_accuracy", "loss")} == {float}
    assert type(found["confusion_matrix"][0][0]) is int
    assert json.loads(json.dumps(found)) == found


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


HEADER = "file,source,true,predicted,p_A,p_B"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("eile" + HEADER[4:], "line 1: it begins with 'eile,source,true,predicted'"),
        ("gile" + HEADER[4:], "line 1: it begins with 'gile,source,true,predicted'"),
        (HEADER, "it has no rows"),
        (f"{HEADER}\nf,s,A,A,0.5,0.5\ng,s,B,A,1.0009,0", None),
        (f"{HEADER}\nf,s,A,A,0.5,0.51", "line 2: the probabilities of f contradict its predicted class"),
        (f"{HEADER}\nf,s,A,C,0.5,0.5", "line 2: there is no class 'C'"),
        (f"{HEADER}\nf,s,A,A,1,0\ng,s,A,A,1.001,0", "line 3: '1.001' is no probability"),
        (f"{HEADER}\nf,s,A,A,1,-0.1", "line 2: '-0.1' is no probability"),
        (f"{HEADER}\nf,s,A,A,nan,0", "line 2: 'nan' is no probability"),
        (f"{HEADER}\nf,s,A,A,0,0", "line 2: the probabilities of f contradict its predicted class"),
        (f"{HEADER}\nf,s,A,A,1,0\nf,s,A,A,1,0", "line 3: f is there twice"),
        (f"{HEADER}\na,b,c", "line 2: it has 3 values, and 6 columns"),
        (f"{HEADER}\n\nf,s,A,A,1,0", "line 2: it has 0 values, and 6 columns"),
        (
            "file,source,true,predicted\na,b,c",
            "line 1: '' are no columns of probabilities, one for each class",
        ),
        (f"{HEADER},p_A", "line 1: 'p_A,p_B,p_A' are no columns of probabilities"),
        (HEADER.replace("p_A", "A"), "line 1: 'A,p_B' are no columns of probabilities"),
        (f"{HEADER}\n\udce9", "line 2: it is not in UTF-8"),
        (f"{HEADER}\nf,s,C,A,1,0", "line 2: there is no class 'C'"),
        (f"{HEADER}\nf,s,A,A,1", "line 2: it has 5 values, and 6 columns"),
        (f"{HEADER}\nf,s,A,A,1,0,0", "line 2: it has 7 values, and 6 columns"),
        (f"{HEADER}\nf,s,A,A,x,0", "line 2: 'x' is no probability"),
        (f"{HEADER}\n{'x' * 131_073},s,A,A,1,0", "line 2: field larger than field limit"),
    ],
)
def test_a_damaged_table_of_predictions_is_refused_with_its_line(tmp_path: Path, text: str, said: str | None):
    (tmp_path / "p.csv").write_text(text, errors="surrogateescape")
    if said is None:
        assert read_rows(tmp_path / "p.csv")[0] == ["A", "B"]
        return
    with pytest.raises(ValueError) as caught:
        read_rows(tmp_path / "p.csv")
    assert str(caught.value).startswith(said)


def test_images_keep_their_order():
    images = [
        ImageEntry(f"test/{name}/{number}.png", "test", name, f"photograph {number}", "")
        for number, name in enumerate("BAB")
    ]
    joined = Predictions.of(images, np.eye(3, 2, dtype=np.float32), ("A", "B"))
    assert joined.labels.tolist() == [1, 0, 1]
    assert joined.files == ["test/B/0.png", "test/A/1.png", "test/B/2.png"]
    assert joined.sources == ["photograph 0", "photograph 1", "photograph 2"]
