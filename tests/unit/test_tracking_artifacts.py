"""What is made for a run's page: tables and figures of an attempt."""

import csv
import json
from pathlib import Path

import pytest
from equipment.attempts import write_suite
from msgspec import structs

from bench.journal.events import Epoch, every
from bench.journal.results import Attempt, SuiteResults
from bench.tracking import artifacts, figures
from bench.tracking.artifacts import confusion_rows, report_rows, staged
from bench.tracking.figures import _chart, figures_html, thinned
from bench.trials.metrics import Metrics
from bench.worker.artifacts import MODEL_FILE, SIGNATURE_FILE

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    (attempt,) = write_suite(SuiteResults(tmp_path, "suite"), trials=1, epochs=6)
    return attempt


def test_a_thinned_curve_keeps_its_extremes_and_its_order():
    curve = [(epoch, (epoch * 7919 % 1000) / 1000) for epoch in range(1, 5001)]
    curve[1234], curve[4321] = (1235, 99.0), (4322, -99.0)
    few = thinned(curve, buckets=100)
    assert len(few) <= 200
    assert {(1235, 99.0), (4322, -99.0)} <= set(few)
    assert few == sorted(few)
    assert thinned(curve[:150], buckets=100) == curve[:150]


def test_figures_need_no_script_and_no_network(attempt: Attempt):
    record = attempt.record()
    epochs = every(attempt.worker_events(), Epoch)
    page = figures_html(record, epochs)
    assert page.count("<polyline") == 4
    assert "<script" not in page and "http" not in page and "src=" not in page
    assert len(page) < 20_000
    one = figures_html(record, epochs[:1])
    assert one.count("<circle") == 4, "a single epoch is a dot"
    nothing = figures_html(structs.replace(record, test=None), [])
    assert "<svg" not in nothing and "<table" not in nothing


def test_a_page_has_a_chart_of_the_loss_and_one_of_the_accuracy(attempt: Attempt, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        figures, "render", lambda template, **given: seen.update(given, template=template) or "page"
    )
    names = ("loss", "validation_loss", "accuracy", "validation_accuracy")
    epochs = [
        Epoch(t=n, epoch=n, metrics=dict(zip(names, (7.0 + n, 1.0 + n, 0.2, 0.1 * n), strict=True)))
        for n in (1, 2)
    ]
    record = attempt.record()
    assert figures_html(record, epochs) == "page"
    loss, accuracy = seen.pop("charts")
    assert (loss.title, loss.low, loss.high) == ("Loss", "2", "9")
    assert (accuracy.title, accuracy.low, accuracy.high) == ("Accuracy", "0.1", "0.2")
    assert [line.split for line in (*loss.lines, *accuracy.lines)] == ["train", "validation"] * 2
    assert loss.lines[0].points[1][1] == "12.0" and accuracy.lines[0].points[0][1] == "12.0", (
        "the highest is trained"
    )
    assert seen == {
        **{"template": "attempt", "title": record.trial.id, "test": record.test, "width": 520, "height": 260},
        **{"left": 56, "right": 508, "top": 12, "bottom": 226},
    }


def test_names_of_classes_are_text(attempt: Attempt):
    record = attempt.record()
    classes = (EVIL, *record.test.classes[1:])
    test = structs.replace(record.test, classes=classes)
    page = figures_html(structs.replace(record, test=test), [])
    assert "<img" not in page and "&lt;img" in page


def test_what_is_no_number_is_not_drawn(attempt: Attempt):
    epochs = [
        Epoch(t=1, epoch=1, metrics={"loss": 1.0}),
        Epoch(t=2, epoch=2, metrics={"loss": float("nan"), "validation_loss": float("inf")}),
        Epoch(t=3, epoch=3, metrics={"loss": 1.0}),
    ]
    page = figures_html(attempt.record(), epochs)
    assert "nan" not in page and "inf" not in page.replace("info", "")
    assert page.count("<polyline") == 1


def test_tables(attempt: Attempt):
    test = Metrics(
        **{"images": 9, "accuracy": 0.7, "classes": ("a", "b"), "confusion_matrix": ((4, 1), (2, 2))},
        **{"precision": {"a": 0.1, "b": None}, "per_class_accuracy": {"a": 0.2, "b": 0.3}},
        **{"f1": {"a": 0.4}, "auc": {"a": 0.0, "b": 0.6}, "support": {"a": 5, "b": 4}},
        **{"macro_precision": 0.11, "macro_recall": 0.12, "macro_f1": None, "macro_auc": 0.14},
    )
    assert confusion_rows(test) == [["true \\ predicted", "a", "b"], ["a", 4, 1], ["b", 2, 2]]
    assert report_rows(test) == [
        ["class", "precision", "recall", "f1", "auc", "support"],
        ["a", 0.1, 0.2, 0.4, 0.0, 5],
        ["b", "", 0.3, "", 0.6, 4],  # undefined, not 0
        ["macro mean", 0.11, 0.12, "", 0.14, 9],
        ["accuracy", "", 0.7, "", "", 9],
    ]
    with pytest.raises(ValueError, match="zip"):
        confusion_rows(structs.replace(test, classes=("a", "b", "c")))
    with staged(attempt, structs.replace(attempt.record(), test=test)) as folder:
        content = (folder / "confusion_matrix.csv").read_bytes()
        report = (folder / "classification_report.csv").read_bytes().splitlines()
    assert content == b"true \\ predicted,a,b\r\na,4,1\r\nb,2,2\r\n"
    assert report[2] == b"b,,0.3,,0.6,4" and len(report) == 5


@pytest.mark.parametrize(("tested", "trained"), [(True, True), (True, False), (False, True), (False, False)])
def test_there_are_tables_of_a_test_and_figures_of_a_test_or_of_epochs(
    attempt: Attempt, monkeypatch, tested: bool, trained: bool
):
    record = attempt.record()
    if not trained:
        monkeypatch.setattr(artifacts, "history", lambda attempt: [])
    with staged(attempt, record if tested else structs.replace(record, test=None)) as folder:
        made = {path.name for path in folder.iterdir() if not path.is_symlink()}
        figures = (folder / "figures.html").read_text() if tested or trained else ""
    wanted = {"confusion_matrix.csv", "classification_report.csv"} if tested else set()
    assert made == wanted | ({"figures.html"} if tested or trained else set())
    assert figures.count("<polyline") == 4 * trained


def test_a_folder_of_everything_is_laid_out_and_goes_again(attempt: Attempt):
    (attempt.folder / "trace" / "deep").mkdir(parents=True)
    (attempt.folder / "trace" / "deep" / "steps.json").write_text("{}")
    (attempt.folder / "half.partial").write_text("half")
    with staged(attempt, attempt.record()) as folder:
        names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        with (folder / "confusion_matrix.csv").open() as file:
            assert len(list(csv.reader(file))) == 5
    made = {"confusion_matrix.csv", "classification_report.csv", "figures.html"}
    own = {"trial.json", "events.jsonl", "runner.jsonl", "predictions.csv", "result.json", "worker.log"}
    own |= {"history.csv"}
    assert names == made | own | {"trace/deep/steps.json"}
    assert not folder.exists()
    assert attempt.predictions.is_file() and not attempt.predictions.is_symlink()


def test_a_kept_model_is_arranged_as_mlflow_wants_it(attempt: Attempt, monkeypatch):
    asked = []
    monkeypatch.setattr(artifacts, "write_flavor", lambda attempt, folder: asked.append(folder))
    with staged(attempt, attempt.record()):
        assert not asked
    for name in (MODEL_FILE, SIGNATURE_FILE):
        (attempt.folder / name).write_bytes(b"kept")
    with staged(attempt, attempt.record()) as folder:
        assert asked == [folder / "model"]
        assert not (folder / MODEL_FILE).exists() and not (folder / SIGNATURE_FILE).exists()
    content = json.loads((attempt.folder / "trial.json").read_bytes())
    content["specification"] = {"save_model": "best"}
    (attempt.folder / "trial.json").write_text(json.dumps(content))
    with staged(attempt, attempt.record()):
        assert len(asked) == 1, "only one of the suite's models is kept, and nobody knows yet which"


def test_a_chart_spans_its_epochs_and_its_values():
    """The drawing has 520 x 260 pixels, with 56 left, 12 right and above, and 34 below."""
    chart = _chart(
        "Loss", {"train": [(1, 2.0), (3, None), (5, 0.0)], "validation": [(1, float("nan")), (3, 1.5)]}
    )
    assert (chart.title, chart.first, chart.last, chart.low, chart.high) == ("Loss", 1, 5, "0", "2")
    train, validation = chart.lines
    assert (train.split, train.style, train.points) == (
        "train",
        "one",
        [("56.0", "12.0"), ("508.0", "226.0")],
    )
    assert (validation.split, validation.style, validation.points) == (
        "validation",
        "two",
        [("282.0", "65.5")],
    )


def test_a_chart_of_one_value_has_it_in_the_middle():
    chart = _chart("Loss", {"train": [(7, 1.25)], "validation": []})
    assert (chart.first, chart.last, chart.low, chart.high) == (7, 7, "0.75", "1.75")
    (line,) = chart.lines
    assert line.points == [("56.0", "119.0")]
    assert _chart("Loss", {"train": [(7, None)], "validation": []}) is None
    (line,) = _chart("Loss", {"train": [(1, 0.0), (2, 1.0)], "validation": []}).lines
    assert line.points == [("56.0", "226.0"), ("508.0", "12.0")], "two epochs span the whole"


def test_buckets_are_of_one_size_and_keep_two_points_at_most():
    curve = [(1, 5.0), (2, 3.0), (3, 4.0), (4, 1.0), (5, 1.0), (6, 1.0), (7, 2.0), (8, 9.0), (9, 0.0)]
    assert thinned(curve, buckets=3) == [(1, 5.0), (2, 3.0), (4, 1.0), (8, 9.0), (9, 0.0)]
    assert thinned(curve[:6], buckets=3) == curve[:6] and len(thinned(curve[:7], buckets=3)) < 7
