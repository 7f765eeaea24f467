"""Every column of the report's tables: its heading, its unit and its digits, from frames made by hand."""

import math
from typing import Any

import pandas as pd
import pytest

from bench.report.tables.accuracy import accuracy_tables, classification_table
from bench.report.tables.accuracy_time import accuracy_time_table, accuracy_times
from bench.report.tables.summary import _status, evaluation_columns, summary_table, trial_tables
from bench.report.tables.table import BETWEEN_RUNS, Column, Table, between_runs, classes_of, overview_columns

NAN = math.nan
NAMES = {"network": "VGG16", "weights": "imagenet", "mode": "transfer", "epochs": 5, "variant": "Adam 1e-3"}
HEAD = {**NAMES, "device": "A100", "configuration": "its key", "replicates": 1, "failed": 0}
NOTHING = pd.DataFrame()


def rows_of(table: Table) -> list[dict[str, str]]:
    headings, rows = table.written()
    return [dict(zip(headings, row, strict=True)) for row in rows]


def texts(columns: dict[str, Column], **values: Any) -> dict[str, str]:
    """Heading -> text of a row, in the order of the columns."""
    frame = pd.DataFrame([values])
    return {
        column.heading: column.texts(frame, name)[0] for name, column in columns.items() if name in values
    }


OVERVIEW = [
    ("network", "VGG16", "network", "VGG16"),
    ("weights", "imagenet", "weights", "imagenet"),
    ("mode", "transfer", "mode", "transfer"),
    ("epochs", 5.0, "epochs", "5"),
    ("variant", "Adam 1e-3", "variant", "Adam 1e-3"),
    ("device", "A100", "device", "A100"),
    ("seeds", "seed 1", "seeds", "seed 1"),
    ("replicates", 3.0, "replicates", "3"),
    ("failed", 1.0, "failed", "1"),
    ("status", "failed", "status", "failed"),
    ("reason", "nan-loss: x", "reason", "nan-loss: x"),
    ("test_accuracy", 0.9123, "accuracy %", "91.2"),
    ("balanced_accuracy", 0.8123, "balanced %", "81.2"),
    ("external_balanced_accuracy", 0.7123, "external %", "71.2"),
    ("aligned_accuracy", 0.6123, "aligned %", "61.2"),
    ("shuffled_accuracy", 0.2512, "shuffled %", "25.1"),
    ("validation_accuracy", 0.8512, "val. %", "85.1"),
    ("validation_binary_accuracy", 0.9512, "binary %", "95.1"),
    ("accuracy_low", 0.7512, "balanced % low", "75.1"),
    ("accuracy_high", 0.8712, "balanced % high", "87.1"),
    ("test_loss", 0.12345, "loss", "0.123"),
    ("accuracy of a", 0.5512, "a %", "55.1"),
    ("fit_s", 12.345, "fit s", "12.3"),
    ("clock", "process", "clock", "process"),
    ("clocked_fit_s", 24.68, "timed s", "24.7"),
    ("fit_cpu_s", 24.68, "fit CPU s", "24.7"),
    ("result_s", 36.96, "result s", "37.0"),
    ("train_images_per_s", 400.6, "images/s", "401"),
    ("feature_images_per_s", 900.4, "features/s", "900"),
    ("parameters", 1_254_000.0, "parameters", "1.25 M"),
    ("disturbed", "Others trained.", "disturbed", "Others trained."),
    ("note", "shared", "note", "shared"),
]


def test_the_columns_of_an_overview_in_their_order():
    values = {name: value for name, value, _, _ in OVERVIEW}
    bounds = {"balanced_accuracy_low": 0.7, "balanced_accuracy_high": 0.9}
    frame = pd.DataFrame([{**values, **bounds}])
    found = texts(overview_columns(frame), **values, **bounds)
    assert found.pop("95 %") == "70.0–90.0"
    assert list(found.items()) == [(heading, text) for _, _, heading, text in OVERVIEW]
    assert list(overview_columns(frame)).index("balanced_accuracy_low") == 20
    assert classes_of(frame) == ["a"]


@pytest.mark.parametrize(
    ("others", "there"),
    [({}, True), ({"trial": "t"}, True), ({"low of a": 0.4}, True), ({"trial": "t", "low of a": 0.4}, False)],
)
def test_classes_that_the_table_of_the_evaluation_has_are_left_to_it(others: dict[str, Any], there: bool):
    frame = pd.DataFrame([{"accuracy of a": 0.5, **others}])
    assert ("accuracy of a" in overview_columns(frame)) is there


@pytest.mark.parametrize(
    ("values", "gone"),
    [
        ({"status": ["done", "done"]}, {"status"}),
        ({"status": ["done", "failed"]}, set()),
        ({"device": ["A100", "A100"]}, {"device"}),
        ({"device": ["A100", "T4"]}, set()),
        ({"replicates": [1, 1]}, {"replicates"}),
        ({"replicates": [1, 2]}, set()),
        ({"failed": [0, 0]}, {"failed"}),
        ({"failed": [0, 1]}, set()),
        ({"aligned_accuracy": [0.5, 0.5], "shuffled_accuracy": [NAN, NAN]}, {"aligned %", "shuffled %"}),
        ({"aligned_accuracy": [0.5, 0.5], "shuffled_accuracy": [NAN, 0.2]}, set()),
        ({"validation_accuracy": [0.5, 0.5], "validation_binary_accuracy": [NAN, NAN]}, {"val. %", "binary %"}),
        ({"validation_accuracy": [0.5, 0.5], "validation_binary_accuracy": [NAN, 0.2]}, set()),
        ({"fit_s": [1.0, 2.0], "clocked_fit_s": [1.0, 2.0], "clock": ["wall", "wall"]}, {"clock", "timed s"}),
        ({"fit_s": [1.0, 2.0], "clocked_fit_s": [1.0, 3.0], "clock": ["wall", "process"]}, set()),
        ({"fit_s": [NAN, NAN]}, {"fit s"}),
    ],
)  # fmt: skip
def test_columns_that_say_nothing_are_left_out(values: dict[str, list], gone: set[str]):
    frame = pd.DataFrame({"network": ["a", "b"], **values})
    columns = overview_columns(frame)
    headings, _ = Table("t", "t", frame).written()
    assert {columns[name].heading for name in frame} - set(headings) == gone


def test_a_mean_has_its_interval_where_it_has_one():
    frame = pd.DataFrame(
        {"fit_s": [90.0, 100.0], "fit_s_t95_low": [80.0, NAN], "fit_s_t95_high": [99.6, NAN]}
    )
    plain = {"fit_s": Column("fit s", lambda value: f"{value:.1f}")}
    assert between_runs(plain, frame)["fit_s"].texts(frame, "fit_s") == ["90.0 [80.0 – 99.6]", "100.0"]
    assert between_runs(plain, frame.iloc[1:]) == plain
    assert between_runs(plain, frame[["fit_s"]]) == plain
    of_others = {"fit_s": Column("fit s", lambda one: str(one), ("result_s",))}
    assert between_runs(of_others, frame) == of_others
    same = {"fit_s": Column("fit s", lambda one: f"{one:.0f}", ("fit_s",))}
    assert between_runs(same, frame)["fit_s"].texts(frame, "fit_s")[0] == "90 [80 – 100]"


def test_the_columns_of_the_evaluation():
    values = {
        **{"balanced_accuracy": 0.8123, "macro_precision": 0.7123, "macro_recall": 0.6123, "macro_f1": 0.5123},
        **{"macro_auc": 0.98765, "test_loss": 0.12345, "calibration_error": 0.04567, "model_mb": 12.345},
        **{"inference_ms": 4.567, "inference_batch_size": 16.0},
        **{"accuracy of a": 0.5, "low of a": 0.41, "high of a": 0.59, "accuracy of b": 0.5},
    }  # fmt: skip
    columns = evaluation_columns(pd.DataFrame([values]))
    assert texts({name: columns[name] for name in columns if name in values}, **values) == {
        **{"balanced %": "81.2", "precision %": "71.2", "recall %": "61.2", "F1 %": "51.2"},
        **{"AUC": "0.988", "log loss": "0.123", "ECE": "0.046", "MB": "12.35", "ms/image": "4.57"},
        **{"in batches of": "16", "a %": "50.0 [41–59]"},
    }
    assert list(columns)[:3] == ["network", "weights", "mode"]


def test_which_tables_trials_have():
    trials = pd.DataFrame(
        [{**HEAD, "trial": "x", "status": "done", "macro_f1": 0.5}, {"trial": "y", "status": "failed"}]
    )
    several = pd.DataFrame([{**HEAD, "replicates": 2}])
    plain, evaluation, means = trial_tables("s", trials, several)
    assert (plain.title, plain.file, len(plain.frame)) == ("s: every trial", "trials", 2)
    assert (evaluation.title, evaluation.file) == (
        "s: evaluation, with 95 % intervals of the classes",
        "evaluation",
    )
    assert list(evaluation.frame["trial"]) == ["x"]
    assert (means.title, means.file, means.notes) == (
        "s: means over replicates",
        "replicates",
        (BETWEEN_RUNS,),
    )
    once = pd.DataFrame([HEAD])
    assert [one.file for one in trial_tables("s", trials.drop(columns="macro_f1"), once)] == ["trials"]
    assert [one.file for one in trial_tables("s", trials.assign(macro_f1=NAN), once.iloc[:0])] == ["trials"]


def test_the_short_table():
    shown = {
        "status": "failed",
        "reason": "gpu-oom: no room",
        "test_accuracy": 0.9123,
        "balanced_accuracy": 0.8123,
    }
    shown |= {"external_balanced_accuracy": 0.7, "test_loss": 0.12345, "fit_s": 12.345, "result_s": 36.96}
    shown |= {"train_images_per_s": 400.6, "seeds": "seed 1", "trial": "x"}
    trials = pd.DataFrame([{**HEAD, **shown, "failed": 1, "device": name} for name in ("A100", "T4")])
    table = summary_table("s", trials, pd.DataFrame([HEAD]))
    assert (table.title, table.file) == ("s", "trials")
    assert list(rows_of(table)[0].items()) == [
        *(("network", "VGG16"), ("weights", "imagenet"), ("mode", "transfer"), ("epochs", "5")),
        *(("variant", "Adam 1e-3"), ("device", "A100"), ("failed", "1"), ("balanced %", "81.2")),
        *(("accuracy %", "91.2"), ("external %", "70.0"), ("loss", "0.123"), ("fit s", "12.3")),
        *(("result s", "37.0"), ("images/s", "401"), ("status", "failed: gpu-oom")),
    ]
    several = summary_table("s", trials, pd.DataFrame([{**HEAD, "replicates": 2, "fit_s": 3.0}]))
    assert (several.title, several.file, several.notes) == (
        "s: means over replicates",
        "replicates",
        (BETWEEN_RUNS,),
    )
    assert rows_of(several)[0]["fit s"] == "3.0"
    not_run = summary_table("s", pd.DataFrame([{"trial": "x", "status": "not run"}]), NOTHING)
    assert rows_of(not_run) == [{"trial": "x", "status": "not run"}]
    torn = pd.DataFrame([{"trial": "x", "status": "failed", "reason": ""}])
    assert rows_of(summary_table("s", torn, NOTHING)) == [{"trial": "x", "status": "failed"}]


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        ("failed", "gpu-oom: no room", "failed: gpu-oom"),
        ("failed", "", "failed"),
        ("interrupted", "interrupted: a signal came", "interrupted"),
        ("done", "", "done"),
        ("not run", NAN, "not run"),
    ],
)
def test_only_a_failure_names_its_kind(status: str, reason: Any, said: str):
    assert _status(status, reason) == said


def test_the_classification_report_has_a_row_a_configuration_and_class():
    def of(name: str, share: float) -> dict[str, float]:
        return {
            f"precision of {name}": share,
            f"accuracy of {name}": share + 0.01,
            f"f1 of {name}": share + 0.02,
            f"auc of {name}": share + 0.03,
            f"images of {name}": 1000 * share,
        }

    frame = pd.DataFrame(
        [
            {**HEAD, **of("a", 0.1), **of("b", 0.2)},
            {**HEAD, "network": "LeNet5", **of("a", 0.3), "f1 of b": NAN},
            {**HEAD, "network": "AlexNet", "replicates": 0, **of("a", 0.5)},
        ]
    )
    table = classification_table("s", frame)
    assert (table.title, table.file) == ("s: classification report", "classification-report")
    shown = ("network", "class", "precision", "recall", "f1", "auc", "images")
    assert [[row[name] for name in shown] for row in rows_of(table)] == [
        ["VGG16", "a", "0.100", "0.110", "0.120", "0.130", "100"],
        ["VGG16", "b", "0.200", "0.210", "0.220", "0.230", "200"],
        ["LeNet5", "a", "0.300", "0.310", "0.320", "0.330", "300"],
    ]
    assert classification_table("s", pd.DataFrame([HEAD])) is None


def test_the_accuracy_of_classes_by_network_and_its_mean():
    def of(share: float, **changes: Any) -> dict[str, Any]:
        return {
            **{**HEAD, "balanced_accuracy": share + 0.2, "balanced_accuracy_low": NAN, "balanced_accuracy_high": NAN},
            **{"accuracy of a": share, "both low of a": NAN, "both high of a": NAN},
            **{"accuracy of b": NAN, "both low of b": NAN, "both high of b": NAN, **changes},
        }  # fmt: skip

    bounds = {"both low of a": 0.4, "both high of a": 0.6, "replicates": 2}
    one, two = of(0.5, **bounds), of(0.3, network="LeNet5", replicates=1, failed=2)
    none, other = of(NAN, network="AlexNet", replicates=0, failed=1), of(0.9, mode="scratch", epochs=1)
    first, second = accuracy_tables("s", pd.DataFrame([one, two, none, other]))
    assert (first.title, first.file) == (
        "s: test accuracy % of the classes, transfer, 5 epochs",
        "accuracy-transfer-5",
    )
    assert (second.title, second.file) == (
        "s: test accuracy % of the classes, scratch, 1 epoch",
        "accuracy-scratch-1",
    )
    assert first.notes == ("In brackets the 95 % interval over replicates and test images together.",)
    assert second.notes == () and len(second.frame) == 1
    shown = ("network", "replicates", "failed", "a %", "mean %")
    assert [[row[name] for name in shown] for row in rows_of(first)] == [
        ["VGG16", "2", "0", "50.0 [40–60]", "70.0"],
        ["LeNet5", "1", "2", "30.0", "50.0"],
        ["AlexNet", "0", "1", "", ""],
        ["mean of 2", "", "", "40.0", "60.0"],
    ]
    assert "b %" not in rows_of(first)[0]
    assert accuracy_tables("s", pd.DataFrame([none])) == []


def test_times_to_an_accuracy():
    def of(seed: int, work: Any, epoch: Any, joules: Any, **changes: Any) -> dict[str, Any]:
        reached = {"seconds to 90 %": work, "epoch of 90 %": epoch, "joules to 90 %": joules}
        usual = {**HEAD, "status": "done", "seed": seed, "fit_s": 50.0 + seed, "seconds of features": 7.0}
        return usual | reached | changes

    two = [of(0, 10.0, 2, 1500.0), of(1, 30.0, 4, 2500.0), of(2, 1.0, 1, 1.0, status="failed")]
    never = of(0, "never", "never", "never", network="LeNet5", configuration="another")
    frame = pd.DataFrame([*two, never])
    found = accuracy_times(frame).to_dict("records")
    assert [one["trained_s"] for one in found] == [58.0, 57.0]
    table = accuracy_time_table("s", frame)
    assert (table.title, table.file) == ("s: time to an accuracy", "time-to-accuracy")
    assert [note.split(":")[0] for note in table.notes] == ["Time to an accuracy", "Over replicates"]
    shown = ("network", "target", "reached by", "time", "epoch", "energy")
    assert [[row[name] for name in shown] for row in rows_of(table)] == [
        ["VGG16", "90 %", "2 of 2", "20.0 s [10.0 s – 30.0 s]", "3", "2.00 kJ"],
        ["LeNet5", "90 %", "0 of 1", "never", "never", ""],
    ]
    alone = accuracy_time_table("s", pd.DataFrame([{**two[0], "joules to 90 %": NAN}, never]))
    assert len(alone.notes) == 1 and rows_of(alone)[0]["time"] == "10.0 s"
    assert "energy" not in rows_of(alone)[0]
    partly = pd.DataFrame([two[0], {**two[1], "joules to 90 %": NAN}, never])
    assert [(row["reached by"], row["time"][:6]) for row in rows_of(accuracy_time_table("s", partly))] == [
        ("2 of 2", "20.0 s"),
        ("0 of 1", "never"),
    ]
    assert accuracy_times(partly)["median_j"].isna().tolist() == [True, False], (
        "of one it is not that of both"
    )
    assert accuracy_times(frame.drop(columns="variant")).empty
    plain = accuracy_times(frame.drop(columns="seconds of features")).to_dict("records")
    assert [one["trained_s"] for one in plain] == [51.0, 50.0]
    assert accuracy_time_table("s", pd.DataFrame([{**HEAD, "status": "done"}])) is None
    later = {"seconds to 99 %": 50.0, "epoch of 99 %": 9, "joules to 99 %": 1.0}
    some = accuracy_times(pd.DataFrame([{**two[0], "seconds to 90 %": NAN, **later}, two[1]]).iloc[:1])
    assert some[["target", "median_s"]].values.tolist() == [["99 %", 50.0]]
