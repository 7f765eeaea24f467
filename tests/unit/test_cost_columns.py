"""Every column of the tables of cost, contrasts, formats, latency and published results, from frames made by hand."""

import math
from typing import Any

import pandas as pd
import pytest
from scipy.stats import binomtest
from test_table_columns import HEAD, NAN, rows_of, texts

from bench.report.tables import costs
from bench.report.tables.contrasts import contrast_tables
from bench.report.tables.costs import cost_table, memory_table, overhead_table, summary_frame, time_tables
from bench.report.tables.exported import exported_table
from bench.report.tables.external import external_table
from bench.report.tables.latency import latency_table
from bench.report.tables.published import published_table
from bench.report.tables.table import BETWEEN_RUNS
from wbc.reference import bloodmnist

NO_TRIALS = pd.DataFrame()
CLOCKED = {"fit_s": 12.0, "fit_cpu_s": 24.0, "result_s": 36.0, "result_cpu_s": 48.0}


def test_times_by_configuration_by_mode_and_by_phase():
    one = {**HEAD, **CLOCKED, "result_as_run_s": 30.0, "seconds of train": 10.0, "seconds of evaluate": 0.5}
    two = {
        **one,
        "network": "LeNet5",
        "replicates": 2,
        "fit_s": 18.0,
        "fit_s_t95_low": 15.0,
        "fit_s_t95_high": 21.0,
    }
    none = {**one, "network": "AlexNet", "replicates": 0, "fit_s": 1.0}
    trials = pd.DataFrame([{"disturbed": "others", "pixels_found": 1.0}])
    by_each, by_mode, by_phase = time_tables("s", trials, pd.DataFrame([one, two, none]))
    assert [(table.title, table.file) for table in (by_each, by_mode, by_phase)] == [
        ("s: training time", "training-time"),
        ("s: training time by mode", "training-time-by-mode"),
        ("s: wall time by phase", "time-by-phase"),
    ]
    assert rows_of(by_each) == [
        {
            **{"network": name, "weights": "imagenet", "mode": "transfer", "epochs": "5", "variant": "Adam 1e-3"},
            **{"replicates": count, "fit, wall": fit, "fit, CPU": "24.0 s", "result, wall": "36.0 s"},
            **{"result, CPU": "48.0 s", "result as run, wall": "30.0 s"},
        }
        for name, count, fit in (("VGG16", "1", "12.0 s"), ("LeNet5", "2", "18.0 s [15.0 s – 21.0 s]"))
    ]  # fmt: skip
    assert rows_of(by_mode)[0] == {
        **{"mode": "transfer", "epochs": "5", "time": "fit, wall", "networks": "2", "mean": "15.0 s"},
        **{"fastest": "VGG16, Adam 1e-3, 12.0 s", "slowest": "LeNet5, Adam 1e-3, 18.0 s", "total": "30.0 s"},
    }
    assert [row["time"] for row in rows_of(by_mode)] == [
        "fit, wall",
        "fit, CPU",
        "result, wall",
        "result, CPU",
    ]
    phases = [(row["network"], row["evaluate"], row["train"], row["to result"]) for row in rows_of(by_phase)]
    assert phases == [("VGG16", "0.50 s", "10.0 s", "36.0 s"), ("LeNet5", "0.50 s", "10.0 s", "36.0 s")]
    shared, disturbed = by_phase.notes
    assert shared.startswith("1 trial used pixels that another trial had decoded. Their times count")
    assert disturbed.startswith("1 trial was disturbed: its times may not be its own.")
    assert by_each.notes == (costs._EXPLAINED, BETWEEN_RUNS, shared, disturbed)
    assert by_mode.notes[1:] == (shared, disturbed)
    assert time_tables("s", trials, pd.DataFrame([one]))[0].notes == (costs._EXPLAINED, shared, disturbed)
    assert time_tables("s", trials, pd.DataFrame([none])) == []


def test_a_clock_that_nothing_was_timed_with_has_no_row():
    frame = pd.DataFrame([{**HEAD, **CLOCKED, "fit_s": NAN}, {**HEAD, **CLOCKED, "device": "T4"}])
    found = [(row["device"], row["clock"]) for row in summary_frame(frame).to_dict("records")]
    clocks = ["fit, wall", "fit, CPU", "result, wall", "result, CPU"]
    assert found == [*(("A100", one) for one in clocks[1:]), *(("T4", one) for one in clocks)]


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        (
            {"features_found": [1.0, 1.0, 0.0]},
            "2 trials used features that another trial had extracted. Their times",
        ),
        ({"pixels_found": [0.0]}, None),
        (
            {"training_shared": [1.0]},
            "1 trial began where a shorter training had ended. Their times count what that",
        ),
        (
            {"features_found": [1.0], "features_made_by": ["a/1"]},
            "1 trial used features that another trial had extracted (a). Their",
        ),
        (
            {"features_found": [1.0] * 4, "features_made_by": ["c/1", "a/2", "b/1", None]},
            "4 trials used features that another trial had extracted (a, b, c). Their",
        ),
        (
            {"features_found": [1.0] * 4, "features_made_by": ["c/1", "a/2", "b/1", "d/x/1"]},
            "4 trials used features that another trial had extracted (a, b, c and 1 more). Their",
        ),
        (
            {"pixels_found": [1.0], "features_made_by": ["a/1"]},
            "1 trial used pixels that another trial had decoded. Their",
        ),
    ],
)
def test_who_shared_work(trials: dict[str, list], said: str | None):
    found = costs.shared_note(pd.DataFrame(trials))
    assert [one[: len(said or "")] for one in found] == ([said] if said else [])
    assert costs.disturbed_note(pd.DataFrame({"disturbed": ["x", None, "y"]}))[0].startswith(
        "2 trials were disturbed"
    )
    assert costs.disturbed_note(pd.DataFrame({"disturbed": [None]})) == [] == costs.disturbed_note(NO_TRIALS)


def test_the_columns_of_cost():
    values = {
        **{"steady_images_per_s": 400.4, "steady_low": 390.4, "steady_high": 410.6, "median_images_per_s": 380.4},
        **{"unsteady": 0.25, "train_images_per_s": 370.4, "data_wait_share": 0.0123, "cpu_utilization": 0.254},
        **{"gpu_utilization": 0.804, "of_datasheet_peak_busy": 0.5123, "of_measured_peak": 0.4123},
        **{"of_measured_bandwidth": 0.3123, "gpm_fp32": 0.2123, "gpm_tensor": 0.1123},
        **{"process_peak_bytes": 2**31, "device_peak_bytes": 2**32, "growth_mb": 52.54, "growth_mb_low": -45.0},
        **{"growth_mb_high": 60.0, "device_growth_mb": -1.0, "device_growth_mb_low": -2.0},
        **{"device_growth_mb_high": 0.5, "energy_j": 5e4, "image_j": 1.2345, "disturbed_share": 0.504},
    }  # fmt: skip
    expected = {
        **{"steady images/s": "400 [390–411]", "median images/s": "380", "no steady state %": "25"},
        **{"images/s": "370", "waits for data %": "1.2", "processor %": "25", "GPU %": "80"},
        **{"FP32 % of datasheet while busy": "51.2", "FP32 % of measured peak": "41.2"},
        **{"update % of measured bandwidth": "31.2", "FP32 units %": "21.2", "tensor units %": "11.2"},
        **{"memory": "2.00 GiB", "GPU memory": "4.00 GiB", "growth, MB in 1,000 steps": "+52.5 [-45 to +60]"},
        **{"growth on GPU, MB in 1,000 steps": "-1 [-2 to +0.5]", "energy": "50.0 kJ", "J/image": "1.23"},
        **{"disturbed %": "50"},
    }
    table = cost_table("s", NO_TRIALS, pd.DataFrame([{**HEAD, **values}]))
    (row,) = rows_of(table)
    assert list(row.items())[5:] == list(expected.items())
    assert (table.title, table.file, table.notes) == ("s: cost", "cost", (costs._WITHIN,))
    assert texts(costs._COST, unsteady=0.0, steady_images_per_s=NAN, steady_low=NAN, steady_high=NAN) == {
        "steady images/s": "",
        "no steady state %": "",
    }
    assert costs._rate(400.4, NAN, NAN) == "400" and costs._growth(NAN, 1.0, 2.0) == ""
    assert cost_table("s", NO_TRIALS, pd.DataFrame([HEAD])) is None
    assert cost_table("s", NO_TRIALS, pd.DataFrame([{**HEAD, **values, "replicates": 0}])) is None


def test_what_cost_lacks_is_said_with_at_most_three_reasons():
    reasons = [f"energy: reason {number}" for number in range(4)]
    trials = pd.DataFrame({"unavailable": [*reasons, "telemetry: nobody watched"]})
    frame = pd.DataFrame(
        [{**HEAD, "cpu_utilization": 0.5, "energy_j": NAN}, {**HEAD, "cpu_utilization": NAN}]
    )
    assert cost_table("s", trials, frame).notes == (
        "steady images/s: not measured.",
        "processor %: nobody watched.",
        "GPU %: nobody watched.",
        "FP32 % of datasheet while busy: not measured.",
        "FP32 % of measured peak: not measured.",
        "update % of measured bandwidth: not measured.",
        "FP32 units %: nobody watched.",
        "memory: not measured.",
        "GPU memory: not measured.",
        "growth, MB in 1,000 steps: not measured.",
        "energy: reason 0; reason 1; reason 2.",
    )
    some = cost_table("s", NO_TRIALS, frame.drop(columns="energy_j").assign(steady_images_per_s=[1.0, NAN]))
    assert "steady images/s: not measured." not in some.notes and "energy: not measured." in some.notes


def test_memory_by_kind():
    kinds = ("weights", "gradients", "optimizer", "feature_maps", "workspace", "total", "allocated")
    values = {f"memory_{kind}": (number + 1) * 2**20 for number, kind in enumerate(kinds)}
    values |= {"allocator_peak_bytes": 9 * 2**20, "residual_bytes": -(2**20), "process_peak_bytes": 2**30}
    values |= {"device_peak_bytes": 2**31}
    table = memory_table("s", pd.DataFrame([{**HEAD, **values}, {**HEAD, "memory_total": NAN}]))
    (row,) = rows_of(table)
    assert list(row.items())[5:] == [
        *(("memory of weights", "1.00 MiB"), ("gradients", "2.00 MiB"), ("optimizer", "3.00 MiB")),
        *(("feature maps", "4.00 MiB"), ("workspace", "5.00 MiB"), ("together", "6.00 MiB")),
        *(("as allocated", "7.00 MiB"), ("allocator's peak", "9.00 MiB"), ("residual", "-1.00 MiB")),
        *(("process's peak", "1.00 GiB"), ("GPU's peak", "2.00 GiB")),
    ]
    assert (table.title, table.file) == ("s: memory by kind", "memory")
    assert table.notes == (
        "Kinds are computed from the step and its batch. Residual: the peak less what it should be.",
    )


def test_what_telemetry_costs():
    """The interval is Student's of the two groups' difference of logarithms; here of one configuration."""
    rows = [
        {**HEAD, "status": "done", "watched": watched, "train_images_per_s": rate, "fit_s": 1000 / rate}
        for watched, rate in ((True, 98.0), (True, 100.0), (False, 101.0), (False, 100.0))
    ]
    ended = [
        {**rows[0], "status": "failed", "train_images_per_s": 1.0},
        {**rows[0], "train_images_per_s": 0.0},
    ]
    frame = pd.DataFrame([*rows, *ended])
    table = overhead_table("s", frame)
    assert (table.title, table.file) == ("s: with telemetry against without", "overhead")
    throughput, fit = rows_of(table)
    assert (throughput["metric"], fit["metric"]) == ("throughput", "fit time")
    assert (throughput["configurations"], throughput["with"], throughput["without"]) == ("1", "2", "2")
    assert throughput["difference %"].startswith("-1.") and throughput["95 % (t)"].count(" – ") == 1
    assert fit["difference %"].startswith("+1.") and fit["with"] == "3"
    steady = overhead_table("s", frame.assign(steady_images_per_s=[200.0, 200.0, 100.0, 100.0, NAN, NAN]))
    assert rows_of(steady)[0]["difference %"] == "+100.00"
    empty = overhead_table("s", frame.assign(steady_images_per_s=NAN))
    assert rows_of(empty)[0] == throughput
    assert costs._range(-0.0123, 0.0456) == "-1.23 – +4.56" and costs._range(NAN, 1.0) == ""


def contrasted(*changes: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    usual = {**HEAD, "fit_s": 60.0, "balanced_accuracy": 0.8, "split_low": 0.7, "split_high": 0.9}
    usual |= {"but_mode": "m", "but_epochs": "e"}
    return {
        one.file: rows_of(one)
        for one in contrast_tables("s", pd.DataFrame([{**usual, **one} for one in changes]))
    }


def test_pretrained_networks_against_scratch():
    scratch = {
        "mode": "scratch",
        "fit_s": 90.0,
        "balanced_accuracy": 0.5,
        "split_low": 0.4,
        "split_high": 0.6,
    }
    (row,) = contrasted({}, scratch, {"mode": "classical"}, {"replicates": 0})["transfer-against-scratch"]
    wide = 100 * math.hypot(0.1, 0.1)
    assert row == {
        **{"network": "VGG16", "weights": "imagenet", "epochs": "5", "variant": "Adam 1e-3"},
        **{"transfer: balanced %": "80.0 [70–90]", "scratch: balanced %": "50.0 [40–60]"},
        **{"difference": f"+30.0 [+{30 - wide:.0f} to +{30 + wide:.0f}]", "told apart": "yes"},
        **{"transfer: fit": "60.0 s", "scratch: fit": "1.50 min", "times as long": "0.67"},
    }
    assert set(contrasted({}, scratch, {"mode": "classical"})) == {"transfer-against-scratch"}
    for other in ({"network": "LeNet5"}, {"epochs": 6}, {"but_mode": "x"}):
        assert contrasted({}, {**scratch, **other}) == {}
    alike = {**scratch, "balanced_accuracy": 0.75, "split_low": 0.65, "split_high": 0.85}
    assert contrasted({}, alike)["transfer-against-scratch"][0]["told apart"] == "no"
    worse = {**scratch, "balanced_accuracy": 0.99, "split_low": 0.98, "split_high": 1.0}
    assert contrasted({}, worse)["transfer-against-scratch"][0]["told apart"] == "yes"
    unknown = {**scratch, "split_low": NAN, "split_high": NAN, "fit_s": 0.0}
    (row,) = contrasted({}, unknown)["transfer-against-scratch"]
    assert (row["difference"], "told apart" in row, "times as long" in row) == ("+30.0", False, False)


def test_few_epochs_against_many():
    more = {"epochs": 20, "fit_s": 7260.0, "balanced_accuracy": 0.85, "split_low": 0.8, "split_high": 0.9}
    (row,) = contrasted(more, {})["epochs-compared"]
    low, high = 5 - 100 * math.hypot(0.05, 0.1), 5 + 100 * math.hypot(0.05, 0.1)
    assert row == {
        **{"network": "VGG16", "weights": "imagenet", "mode": "transfer", "variant": "Adam 1e-3"},
        **{"from": "5", "to": "20", "fewer: balanced %": "80.0 [70–90]", "more: balanced %": "85.0 [80–90]"},
        **{"difference": f"+5.0 [−{-low:.0f} to +{high:.0f}]", "told apart": "no"},
        **{
            "fewer: fit": "60.0 s",
            "more: fit": "2.02 h",
            "times as long": "121.00",
            "points an hour more": "+2.50",
        },
    }
    for fit_s, said in ((60.0 + 60.0, None), (60.0 + 61.0, "+295.08")):
        (row,) = contrasted({**more, "fit_s": fit_s}, {})["epochs-compared"]
        assert row.get("points an hour more") == said, "of less than a minute more nothing is said"
    assert [row["to"] for row in contrasted(more, {**more, "epochs": 9}, {})["epochs-compared"]] == [
        "9",
        "20",
    ]
    for other in ({"network": "LeNet5"}, {"mode": "finetune"}, {"weights": "none"}, {"but_epochs": "x"}):
        assert contrasted({**more, **other}, {}) == {}


def test_a_network_and_its_formats():
    own = {"model_mb": 12.345, "test_accuracy": 0.9123, "latency_1_p50_s": 0.0123, "seed": 1}
    onnx = {
        f"exported as onnx {key}": value
        for key, value in (("mb", 4.0), ("accuracy", 0.9), ("agreement", 0.987))
    }
    onnx |= {"exported as onnx latency_s": 0.002, "exported as litert-int8 unavailable": "no converter"}
    table = exported_table("s", pd.DataFrame([{**HEAD, **own, **onnx}]))
    assert (table.title, table.file) == ("s: networks in other formats", "exported")
    assert [list(row.values())[5:] for row in rows_of(table)] == [
        ["keras", "12.35", "12.3 ms", "91.2", "100.0"],
        ["onnx", "4.00", "2.00 ms", "90.0", "98.7"],
    ]
    assert list(rows_of(table)[0])[5:] == ["format", "MB", "one image", "accuracy %", "agrees %"]
    assert len(table.notes) == 2 and table.notes[1] == "litert-int8 is missing: no converter."
    missing = exported_table(
        "s", pd.DataFrame([{**HEAD, "exported as litert-int8 unavailable": "no converter"}] * 2)
    )
    assert missing.notes == ("litert-int8 is missing: no converter.",) and missing.frame.empty


def test_the_external_test_beside_the_own_one():
    row = {**HEAD, "balanced_accuracy": 0.9, "external_balanced_accuracy": 0.7, "external_images": 1000.0}
    row |= {
        "balanced_accuracy_low": NAN,
        "balanced_accuracy_high": NAN,
        "split_low": 0.85,
        "split_high": 0.95,
    }
    row |= {"external_low": 0.64, "external_high": 0.76, "external accuracy of a": 0.6123}
    row |= {f"external_balanced_accuracy_t95_{end}": NAN for end in ("low", "high")}
    several = {**row, "network": "LeNet5", "balanced_accuracy_low": 0.8, "balanced_accuracy_high": 1.0}
    several |= {"external_balanced_accuracy_t95_low": 0.5, "external_balanced_accuracy_t95_high": 0.9}
    table = external_table("s", pd.DataFrame([row, several, {**row, "external_balanced_accuracy": NAN}]))
    assert (table.title, table.file) == ("s: own test and external test", "external-test")
    assert [list(one.values())[5:] for one in rows_of(table)] == [
        ["90.0 [85–95]", "70.0 [64–76]", "-20.0", "1000", "61.2"],
        ["90.0 [80–100]", "70.0 [50–90]", "-20.0", "1000", "61.2"],
    ]
    assert list(rows_of(table)[0])[5:] == [
        *("own test, balanced %", "external test, balanced %", "points", "external images", "a, external %"),
    ]
    bare = pd.DataFrame([row]).drop(columns=["split_low", "split_high", "external_low", "external_high"])
    assert list(rows_of(external_table("s", bare))[0].values())[5:7] == ["90.0", "70.0"]
    assert external_table("s", pd.DataFrame([{**row, "external_balanced_accuracy": NAN}])) is None


def test_the_columns_of_latency():
    values = {
        "latency_1_p50_s": 0.01,
        "latency_1_p95_s": 0.02,
        "latency_1_p99_s": 0.03,
        "latency_1_images_per_s": 99.6,
    }
    values |= {"latency_16_p50_s": 0.2, "latency_16_images_per_s": 160.4}
    frame = pd.DataFrame([{**HEAD, **values}, {**HEAD, "network": "LeNet5"}])
    table = latency_table("s", NO_TRIALS, frame)
    (row,) = rows_of(table)
    assert list(row.items())[5:] == [
        *(("1 image: p50", "10.0 ms"), ("1 image: p95", "20.0 ms"), ("1 image: p99", "30.0 ms")),
        *(("1 image: images/s", "100"), ("16 images: p50", "0.20 s"), ("16 images: images/s", "160")),
    ]
    assert (table.title, table.file, len(table.notes)) == ("s: latency of predictions", "latency", 1)
    bounds = {"latency_1_p50_s_t95_low": 0.005, "latency_1_p50_s_t95_high": 0.015}
    several = latency_table("s", NO_TRIALS, frame.assign(replicates=2, **bounds))
    assert (
        several.notes[1] == BETWEEN_RUNS
        and rows_of(several)[0]["1 image: p50"] == "10.0 ms [5.00 ms – 15.0 ms]"
    )


def test_published_results_and_ours():
    classes = bloodmnist()["classes"]
    ours = {**HEAD, "epochs": 30, "images": 3421.0, "test_accuracy": 0.9, "macro_auc": 0.98765}
    ours |= {f"accuracy of {name}": 0.9 for name in classes}
    table = published_table("s", pd.DataFrame([ours, {**ours, "network": "LeNet5", "images": 1000.0}]))
    assert (table.title, table.file) == ("s: beside the published results on BloodMNIST", "published")
    *published, mine, other = rows_of(table)
    assert {row["by"] for row in published} == {"published"} and published[0]["pixels"]
    exact = binomtest(900, 1000).proportion_ci(method="wilson")
    assert other == {
        **{"by": "ours", "method": "LeNet5", "mode": "transfer", "epochs": "30", "pixels": ""},
        **{"accuracy % [95 %]": f"90.0 [{100 * exact.low:.1f} to {100 * exact.high:.1f}]", "AUC": "0.988"},
    }
    assert mine["method"] == "VGG16"
    assert table.notes[0].startswith("Published: ") and "all 3,421 test images" in table.notes[0]
    assert table.notes[2:] == ("LeNet5 was tested on 1,000 images, not on BloodMNIST's test split.",)
