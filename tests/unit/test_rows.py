"""One record as a row, every column; what configurations are called; candidates for the answer."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from equipment.results.records import a_failure, a_record, a_trial, some_metrics, times

from bench.journal.results import SuiteResults
from bench.report.frame import share_of
from bench.report.names import group_file, group_name, labels
from bench.report.pareto import Candidate, candidates
from bench.report.rows import row_of, unfinished_row
from bench.trials.measured import Latency, TimeToAccuracy
from bench.trials.metrics import Interval, Intervals
from bench.trials.origin import SlotDescription
from bench.trials.phases import DataPhase, EvaluatePhase, Exported, ExportPhase, FeaturesPhase, Phases
from bench.trials.record import Record, Resumed
from bench.worker.jsonl import EventWriter


def known(record: Record) -> dict[str, Any]:
    """The columns that have a value."""
    row = row_of("an id", record)
    return {
        name: value for name, value in row.items() if not (isinstance(value, float) and math.isnan(value))
    }


def test_the_row_of_a_trial_that_is_done():
    of = a_trial(seed=3, data={"split_seed": 4, "data_seed": 5, "fold": 2, "folds": 3})
    row = known(a_record(of))
    ran = {"tensorflow 2.21.0", "keras 3.15.1", "device NVIDIA GeForce RTX 4090"}
    assert set(row.pop("runtime").split(", ")) >= ran
    assert row == {
        **{"trial": "an id", "network": "VGG16", "weights": "none", "mode": "scratch", "epochs": 3},
        **{"configuration": of.settings.configuration_key, "replicate": "seed 3 split 4 data 5 fold 2 of 3"},
        **{
            "status": "done",
            "reason": "",
            "test_accuracy": 0.9,
            "balanced_accuracy": 0.9,
            "aligned_accuracy": 0.9,
        },
        **{"epochs_run": 3, "fit_s": 64.0, "fit_cpu_s": 64.0, "result_s": 79.0, "result_cpu_s": 79.0},
        **{"clock": "wall", "clocked_fit_s": 64.0, "train_images_per_s": 200.0, "watched": False},
        **{
            "seconds of startup": 9.0,
            "seconds of data": 3.0,
            "seconds of build": 1.0,
            "seconds of compile": 4.0,
        },
        **{"seconds of train": 60.0, "seconds of evaluate": 2.0, "attempt": 1, "key": of.key},
        **{
            "started_at": "2026-03-01T08:00:00.000+00:00",
            "device": "NVIDIA GeForce RTX 4090",
            "slot": "gpu:0",
        },
    }
    alone = known(a_record(a_trial(seed=3, data={"split_seed": 4, "data_seed": 5})))
    assert alone["replicate"] == "seed 3 split 4 data 5"


def test_the_row_of_a_trial_that_failed_on_a_processor():
    slot = SlotDescription(name="cpu:0", kind="cpu", model="A processor", cores=(0, 1, 2))
    row = known(a_record(failure=a_failure("nan-loss", "it diverged"), slot=slot))
    assert (row["status"], row["reason"], row["cores"], row["slot"]) == (
        "failed",
        "nan-loss: it diverged",
        3,
        "cpu:0",
    )
    assert not {"fit_s", "clocked_fit_s", "result_s", "test_accuracy", "aligned_accuracy"} & row.keys()
    assert row_of("an id", a_record(slot=None, test=None))["slot"] != row["slot"]


@pytest.mark.parametrize(("clock", "seconds"), [("wall", 64.0), ("process", 128.0)])
def test_the_clock_of_the_protocol(clock: str, seconds: float):
    row = known(
        a_record(a_trial(clock=clock), fit_time=times(64.0, 128.0), time_to_result=times(79.0, 150.0))
    )
    assert (row["clock"], row["clocked_fit_s"]) == (clock, seconds)
    assert (row["fit_s"], row["fit_cpu_s"], row["result_s"], row["result_cpu_s"]) == (
        64.0,
        128.0,
        79.0,
        150.0,
    )


def test_work_that_was_shared():
    shared = Phases(
        data=DataPhase(wall_s=3.0, cpu_s=3.0, as_run_s=1.0, not_shared="full"),
        features=FeaturesPhase(
            wall_s=20.0, cpu_s=20.0, as_run_s=2.0, made_by="other/attempt-1", not_shared="full"
        ),
    )
    resumed = Resumed(from_epoch=1, attempts=(1,), lost_s=0.0, trial="x", shared_s=5.0)
    row = known(a_record(phases=shared, resumed=resumed))
    # 79 s less 2 s of data, 18 s of features and 5 s of training.
    assert row["result_as_run_s"] == 54.0 and row["result_s"] == 79.0
    assert (row["features_found"], row["pixels_found"], row["training_shared"]) == (1.0, 0.0, 1.0)
    assert (row["features_made_by"], row["not_shared"]) == ("other/attempt-1", "full")
    plain = known(a_record())
    assert not {"result_as_run_s", "features_found", "training_shared", "not_shared"} & plain.keys()


def test_what_was_made_of_a_network():
    exports = (
        Exported(name="onnx", bytes=4_560_000, accuracy=0.9, agreement=0.98, latency_s=0.002),
        Exported(name="litert-int8", unavailable="no converter"),
    )
    use = {"model_bytes": 12_340_000, "inference_s": 0.0125, "inference_batch_size": 16}
    phases = Phases(
        evaluate=EvaluatePhase(wall_s=1.0, cpu_s=1.0, **use),
        export=ExportPhase(wall_s=1.0, cpu_s=1.0, exports=exports),
    )
    ninety = TimeToAccuracy(accuracy=0.81, of_best=0.9, epoch=3, fit_s=5.0, work_s=7.0, joules=None)
    asked = TimeToAccuracy(
        accuracy=0.95, of_best=None, epoch="never", fit_s="never", work_s="never", joules="never"
    )
    calls = Latency(batch=16, calls=30, p50_s=0.1, p95_s=0.2, images_per_s=150.0, first_call_s=1.0)
    row = known(a_record(phases=phases, time_to_accuracy=(ninety, asked), latency=(calls,), note="a note"))
    expected = {
        **{"model_mb": 12.34, "inference_ms": 12.5, "inference_batch_size": 16, "note": "a note"},
        **{"exported as onnx mb": 4.56, "exported as onnx accuracy": 0.9, "exported as onnx agreement": 0.98},
        **{"exported as onnx latency_s": 0.002, "exported as litert-int8 unavailable": "no converter"},
        **{"seconds to 90 % of best": 7.0, "epoch of 90 % of best": 3},
        **{f"{what} accuracy 95 %": "never" for what in ("seconds to", "epoch of", "joules to")},
        **{"latency_16_p50_s": 0.1, "latency_16_p95_s": 0.2, "latency_16_images_per_s": 150.0},
    }
    assert {name: row.get(name) for name in expected} == expected
    assert not {"joules to 90 % of best", "latency_16_p99_s", "exported as litert-int8 mb"} & row.keys()
    no_time = EvaluatePhase(wall_s=1.0, cpu_s=1.0, model_bytes=1_250_000)
    sized = known(a_record(phases=Phases(evaluate=no_time)))
    assert sized["model_mb"] == 1.25 and "inference_ms" not in sized


def test_both_test_splits():
    bounds = Intervals(Interval(0.6, 0.8, "wilson"), {"a": Interval(0.5, 0.7, "wilson"), "b": None})
    classes = {
        "per_class_accuracy": {"a": 0.6, "b": None},
        "precision": {"a": 0.55},
        "support": {"a": 40, "b": 0},
    }
    test = some_metrics(
        0.7, 50, sources=20, macro_f1=0.65, loss=0.4, intervals=bounds, f1={"a": 0.5}, **classes
    )
    last = {"validation_accuracy": 0.8, "validation_binary_accuracy": 0.85}
    evaluations = {"aligned": some_metrics(0.75), "shuffled": some_metrics(0.25)}
    row = known(a_record(test=test, external=test, last_epoch=last, evaluations=evaluations))
    expected = {
        **{"images": 50, "sources": 20, "macro_f1": 0.65, "test_loss": 0.4, "interval_method": "wilson"},
        **{"accuracy of a": 0.6, "low of a": 0.5, "high of a": 0.7, "precision of a": 0.55, "f1 of a": 0.5},
        **{"images of a": 40, "images of b": 0, "split_low": 0.5, "split_high": 0.7},
        **{"aligned_accuracy": 0.75, "shuffled_accuracy": 0.25, **last},
        **{"external_images": 50, "external_accuracy": 0.7, "external_balanced_accuracy": 0.7},
        **{"external accuracy of a": 0.6, "external_low": 0.5, "external_high": 0.7},
    }
    assert {name: row.get(name) for name in expected} == {
        name: value if isinstance(value, str) else pytest.approx(value) for name, value in expected.items()
    }
    assert not {"accuracy of b", "low of b", "auc of a", "external accuracy of b"} & row.keys()


def test_the_row_of_a_trial_that_is_under_way(tmp_path: Path):
    of = a_trial("LeNet5")
    attempt = SuiteResults(tmp_path, "s").new_attempt(of)
    row = unfinished_row(attempt)
    assert (row["trial"], row["status"], row["attempt"], row["network"]) == (of.id, "unfinished", 1, "LeNet5")
    assert (row["reason"], row["key"], row["mode"]) == (
        "attempt 1 is under way or was cut off",
        of.key,
        "scratch",
    )
    journal = EventWriter(attempt.events)
    journal.write("epoch", epoch=2, metrics={})
    journal.close()
    assert unfinished_row(attempt)["reason"] == "attempt 1 is under way or was cut off, at epoch 2"
    (attempt.folder / "trial.json").write_text("{")
    assert unfinished_row(attempt) == {"trial": of.id, "status": "unfinished", "attempt": 1}


HEAD = {
    "network": "VGG16",
    "weights": "imagenet",
    "mode": "transfer",
    "epochs": 5,
    "variant": "",
    "device": "A100",
}


@pytest.mark.parametrize(
    ("mode", "epochs", "name", "file"),
    [
        ("transfer", 1, "transfer, 1 epoch", "transfer-1"),
        ("transfer", 2.0, "transfer, 2 epochs", "transfer-2"),
        ("classical", 0, "classical", "classical"),
        ("classical", float("nan"), "classical", "classical"),
    ],
)
def test_what_a_group_is_called(mode: str, epochs: float, name: str, file: str):
    assert (group_name(mode, epochs), group_file(mode, epochs)) == (name, file)


def test_what_configurations_are_called():
    rows = [HEAD, {**HEAD, "weights": "random", "variant": "Adam 1e-3"}, {**HEAD, "mode": "scratch"}]
    rows.append({**HEAD, "network": "LeNet5", "variant": float("nan")})
    frame = pd.DataFrame(rows)
    assert labels(frame) == ["VGG16, imagenet", "VGG16, random, Adam 1e-3", "VGG16", "LeNet5"]
    frame.loc[3, "device"] = "T4"
    assert labels(frame)[1:] == ["VGG16, random, Adam 1e-3, on A100", "VGG16, on A100", "LeNet5, on T4"]


def test_the_interval_of_a_configuration():
    images = {"balanced_accuracy": 0.8, "split_low": 0.6, "split_high": 0.95}
    both = {**images, "balanced_accuracy_low": 0.7, "balanced_accuracy_high": 0.9}
    assert share_of(both) == (0.8, 0.7, 0.9)
    assert share_of(images) == share_of({**both, "balanced_accuracy_low": float("nan")}) == (0.8, 0.6, 0.95)
    assert share_of({"balanced_accuracy": 0.8, "split_low": float("nan")}) is None


def test_candidates_have_an_accuracy_and_a_time():
    usual = {**HEAD, "configuration": "its key", "replicates": 2, "balanced_accuracy": 0.9, "result_s": 50.0}
    usual |= {"split_low": 0.8, "split_high": 0.95, "energy_j": 1000.0}
    missing = float("nan")
    others = [
        {**usual, "replicates": 0},
        {**usual, "balanced_accuracy": missing},
        {**usual, "result_s": missing},
    ]
    bare = {**usual, "network": "LeNet5", "energy_j": missing, "split_low": missing, "split_high": missing}
    found = candidates(pd.DataFrame([usual, *others, bare]))
    assert found == [
        Candidate(
            "VGG16",
            "VGG16",
            "transfer",
            "transfer, 5 epochs",
            0.9,
            0.8,
            0.95,
            50.0,
            1000.0,
            2,
            "its key",
            "A100",
        ),
        Candidate(
            "LeNet5",
            "LeNet5",
            "transfer",
            "transfer, 5 epochs",
            0.9,
            None,
            None,
            50.0,
            None,
            2,
            "its key",
            "A100",
        ),
    ]
    assert found[0].name == "VGG16, transfer, 5 epochs"
    assert candidates(pd.DataFrame(others[:1])) == []
