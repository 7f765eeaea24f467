"""Figures of the evaluation in tables and in MLflow, from records that hold what `score` says."""

import csv
import math

import msgspec
import numpy as np
import pytest
from equipment.results.records import write_record
from equipment.results.tables import make_tables
from msgspec.structs import replace
from scipy.stats import t
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score
from test_tables import record, trial

from bench.journal.history import Stretch
from bench.journal.results import SuiteResults
from bench.report.frame import configurations_frame, trials_frame
from bench.report.gather import all_tables
from bench.report.names import labels
from bench.report.tables.accuracy import classification_table
from bench.report.tables.table import Table, write_tables
from bench.tracking.points import points_of
from bench.trials.metrics import Metrics
from bench.trials.phases import EvaluatePhase
from bench.trials.trial import Trial
from wbc.evaluation.metrics import score
from wbc.evaluation.predictions import Predictions


@pytest.fixture
def results(tmp_path) -> SuiteResults:
    return SuiteResults(tmp_path / "results", "suite")


def predicted_at_random(classes=("EOSINOPHIL", "MONOCYTE"), images: int = 40, seed: int = 0) -> Predictions:
    draw = np.random.default_rng(seed)
    labels = np.arange(images) % 2
    probabilities = draw.dirichlet(np.ones(len(classes)), images)
    names = [str(number) for number in range(images)]
    return Predictions(names, names, labels, probabilities, list(classes))


def scored(classes=("EOSINOPHIL", "MONOCYTE"), **options) -> dict:
    return score(predicted_at_random(classes, **options))


def evaluated(results: SuiteResults, of, test: dict) -> str:
    """An attempt that is done, with the figures of an evaluation."""
    trial_id = record(results, of)
    attempt = results.attempts(trial_id)[-1]
    use = {"model_bytes": 12_340_000, "inference_s": 0.0125, "inference_batch_size": 16}
    evaluate = EvaluatePhase(wall_s=1.0, cpu_s=1.0, **use)
    before = attempt.record()
    content = replace(
        before,
        test=msgspec.convert(test, Metrics),
        started_at=None,
        phases=replace(before.phases, evaluate=evaluate),
    )
    write_record(attempt, content)
    return trial_id


def test_figures_of_a_trial(results):
    test = scored(seed=1)
    assert len({test[f"macro_{name}"] for name in ("precision", "recall", "f1", "auc")}) == 4
    row = trials_frame(results, [evaluated(results, trial(), test)]).iloc[0]
    for name in ("macro_precision", "macro_recall", "macro_f1", "macro_auc", "calibration_error", "images"):
        assert row[name] == test[name], name
    bounds = test["intervals"]["per_class_accuracy"]["MONOCYTE"]
    assert (row["low of MONOCYTE"], row["high of MONOCYTE"]) == (bounds["low"], bounds["high"])
    assert (
        row["precision of MONOCYTE"]
        == test["precision"]["MONOCYTE"]
        != test["per_class_accuracy"]["MONOCYTE"]
    )
    assert (row["interval_method"], row["f1 of MONOCYTE"]) == ("wilson", test["f1"]["MONOCYTE"])
    assert (row["model_mb"], row["inference_ms"], row["inference_batch_size"]) == (12.34, 12.5, 16)


def test_the_evaluation_is_a_table_of_its_own_and_narrow(results):
    test = scored()
    ids = [evaluated(results, trial(), test), record(results, trial("VGG19"), failure=("memory", "full"))]
    trials, evaluation = make_tables(results, ids)
    assert evaluation.file == "evaluation"
    headings, (row,) = evaluation.written()
    written = dict(zip(headings, row, strict=True))
    share, bounds = (
        test["per_class_accuracy"]["MONOCYTE"],
        test["intervals"]["per_class_accuracy"]["MONOCYTE"],
    )
    assert written["MONOCYTE %"] == (
        f"{share * 100:.1f} [{bounds['low'] * 100:.0f}–{bounds['high'] * 100:.0f}]"
    )
    assert written["F1 %"] == f"{test['macro_f1'] * 100:.1f}"
    assert (written["MB"], written["ms/image"], written["in batches of"]) == ("12.34", "12.50", "16")
    assert not {"MONOCYTE %", "F1 %", "MB"} & set(trials.written()[0]), "the first table stays narrow"


def test_what_is_undefined_is_empty(results):
    test = scored(("EOSINOPHIL", "MONOCYTE", "NEUTROPHIL"))
    assert test["macro_auc"] is None
    ids = [evaluated(results, trial(), test), evaluated(results, trial("VGG19"), scored())]
    frame = trials_frame(results, ids)
    for name in ("accuracy of NEUTROPHIL", "low of NEUTROPHIL", "macro_auc", "macro_f1"):
        assert math.isnan(frame.iloc[0][name]), name
        assert frame[name].dtype == float, name
    _, evaluation = make_tables(results, ids)
    headings, rows = evaluation.written()
    assert [row[headings.index("AUC")] == "" for row in rows] == [True, False]
    write_tables([evaluation], results.report)
    with (results.report / "tables" / "evaluation.csv").open(newline="") as file:
        first, _ = csv.DictReader(file)
    assert first["accuracy of NEUTROPHIL"] == first["macro_auc"] == ""


def test_tables_need_no_predictions(results):
    """Reports are made of records; going through predictions again would take seconds a thousand trials."""
    evaluated(results, trial(), scored())
    assert not list(results.folder.rglob("predictions.csv"))
    assert [table.file for table in make_tables(results, [trial().id])] == ["trials", "evaluation"]


def test_means_have_an_interval_by_students_t(results):
    values = (0.5, 0.75, 0.7)
    ids = [record(results, trial(seed=seed), value) for seed, value in enumerate(values)]
    (row,) = configurations_frame(trials_frame(results, ids)).to_dict("records")
    low, high = t.interval(0.95, 2, np.mean(values), np.std(values, ddof=1) / math.sqrt(3))
    assert row["balanced_accuracy"] == pytest.approx(0.65)
    assert row["balanced_accuracy_t95_low"] == pytest.approx(low)
    assert row["balanced_accuracy_t95_high"] == pytest.approx(high)
    assert row["fit_s_t95_low"] == row["fit_s_t95_high"] == 10
    headings, (written,) = make_tables(results, ids)[-1].written()
    assert written[headings.index("95 %")] == f"{low * 100:.1f}–{high * 100:.1f}"


def test_a_single_run_has_no_interval_and_shares_stay_below_one(results):
    single = configurations_frame(trials_frame(results, [record(results, trial(), 0.9)])).iloc[0]
    assert math.isnan(single["balanced_accuracy_t95_low"])
    ids = [record(results, trial("VGG19", seed=seed), value) for seed, value in enumerate((0.1, 1.0))]
    two = configurations_frame(trials_frame(results, ids)).iloc[0]
    assert (two["balanced_accuracy_t95_low"], two["balanced_accuracy_t95_high"]) == (0, 1)


def test_the_classification_report_is_that_of_scikit_learn(results):
    made = predicted_at_random(seed=4, images=60)
    trials = trials_frame(results, [evaluated(results, trial(), score(made))])
    table = classification_table("mine", configurations_frame(trials))
    predicted = made.probabilities.argmax(axis=1)
    precision, recall, f1, images = precision_recall_fscore_support(made.labels, predicted)
    areas = [roc_auc_score(made.labels == number, made.probabilities[:, number]) for number in (0, 1)]
    shown = table.frame.set_index("class").loc[list(made.classes)]
    assert len({precision[0], recall[0], f1[0], areas[0]}) == 4
    for name, expected in zip(
        ("precision", "recall", "f1", "auc", "images"), (precision, recall, f1, areas, images), strict=True
    ):
        assert shown[name].tolist() == pytest.approx(list(expected)), name


def on_devices(results: SuiteResults, *devices: str) -> list[str]:
    """Trials with seeds 0, 1, ... and balanced accuracies 0.5, 0.6, ..."""
    ids = []
    for seed, device in enumerate(devices):
        of = trial(seed=seed)
        of = Trial.of(of.network, of.settings, replace(of.runtime, device=device), {})
        ids.append(record(results, of, 0.5 + seed / 10))
    return ids


def test_trials_of_several_kinds_of_device_are_rows_of_their_own(results):
    ids = on_devices(results, "A100", "A100", "T4")
    tables = {table.file: table for table in make_tables(results, ids)}
    headings, rows = tables["replicates"].written()
    named = [headings.index(heading) for heading in ("device", "replicates", "balanced %")]
    assert [[row[column] for column in named] for row in rows] == [["A100", "2", "55.0"], ["T4", "1", "70.0"]]
    assert labels(tables["replicates"].frame) == ["VGG16, on A100", "VGG16, on T4"]
    trials = tables["trials"].frame
    assert list(trials["device"]) == ["A100", "A100", "T4"] and trials["but_epochs"].nunique() == 2


TIMED = {"trials", "replicates", "training-time", "training-time-by-mode", "time-by-phase"}


@pytest.mark.parametrize("devices", [("A100", "T4", "A100"), ("T4", "T4", "T4")])
def test_each_table_with_times_has_a_column_of_the_device_where_there_are_several(results, devices):
    trials = trials_frame(results, on_devices(results, *devices))
    tables = {table.file: table for table in all_tables("mine", trials, configurations_frame(trials))}
    for file, table in tables.items():
        headings, rows = table.written()
        shown = [row[headings.index("device")] for row in rows] if "device" in headings else []
        assert set(filter(None, shown)) == (set(devices) if len(set(devices)) > 1 else set()), file
    assert tables.keys() >= TIMED
    by_mode = tables["training-time-by-mode"].frame
    assert (by_mode.groupby("device")["clock"].nunique() == by_mode.groupby("device").size()).all()


def test_bounds_of_single_test_parts_are_not_averaged(results):
    ids = [evaluated(results, trial(seed=seed), scored(seed=seed)) for seed in range(2)]
    means = configurations_frame(trials_frame(results, ids))
    assert not [name for name in means if name.startswith(("low of", "high of"))]
    tables = {table.file: table for table in make_tables(results, ids)}
    assert "MONOCYTE %" in tables["replicates"].written()[0]


def test_figures_in_mlflow(results):
    test = scored(("EOSINOPHIL", "MONOCYTE", "NEUTROPHIL"))
    attempt = results.attempts(evaluated(results, trial(), test))[-1]
    points = {name: value for name, value, *_ in points_of(attempt.record(), [Stretch(attempt, None, [])])}
    assert points["test/calibration_error"] == test["calibration_error"]
    assert points["test/f1_MONOCYTE"] == test["f1"]["MONOCYTE"]
    assert points["test/accuracy_MONOCYTE"] == test["per_class_accuracy"]["MONOCYTE"]
    assert (points["test/model_bytes"], points["test/inference_s"]) == (12_340_000, 0.0125)
    assert not {"test/macro_auc", "test/auc_NEUTROPHIL", "test/accuracy_NEUTROPHIL"} & set(points)


def test_small_numbers_of_parameters_are_written_out(results):
    frame = trials_frame(results, [record(results, trial())])
    frame["parameters"] = 932
    headings, (row,) = Table("t", "t", frame).written()
    assert row[headings.index("parameters")] == "932"
    (row,) = Table("t", "t", frame.assign(parameters=1_250_000)).written()[1]
    assert row[headings.index("parameters")] == "1.25 M"


def test_means_do_not_show_a_clock_that_nobody_chose(results):
    ids = [record(results, trial(seed=seed)) for seed in range(2)]
    assert "timed s" not in make_tables(results, ids)[-1].written()[0]
