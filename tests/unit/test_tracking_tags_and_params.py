"""What MLflow is sent."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from equipment.results.records import NO_UTILIZATION, a_failure, a_record, a_runtime, a_trial
from msgspec import structs

from bench.journal.events import WorkerEvent
from bench.journal.history import Stretch
from bench.journal.results import Attempt
from bench.tracking.points import points_of
from bench.tracking.tags_and_params import ATTEMPT_TAG, dataset_of, note_of, params_of, span_of, tags_of
from bench.trials.measured import (
    NEVER,
    Growth,
    Latency,
    Memory,
    Profile,
    ReferenceWork,
    Steady,
    StepMemory,
    TimeToAccuracy,
    Work,
)
from bench.trials.metrics import Metrics
from bench.trials.origin import Environment, SlotDescription
from bench.trials.phases import DataPhase, Phases, Times, TrainPhase
from bench.trials.record import Record, Throughput, decode_record, record_to_json

MLFLOW_NAMES = re.compile(r"[/\w.\- ]*")
"""Names that every MLflow takes for a metric."""

SECOND = 1_000_000_000
BEGAN = 1_767_323_045_000
"""2026-01-02T03:04:05 UTC, in ms."""


TRIAL = structs.replace(
    a_trial(
        "VGG16",
        a_runtime(tensorflow=None, keras="3.3.3"),
        epochs=2,
        optimizer={"name": "Adam", "learning_rate": 1e-5, "decay": 0.0},
    ),
    id="vgg16-1",
)


def record(per_class: dict[str, float] | None = None, loss: float = 1 / 9, **changes: Any) -> Record:
    clock = Times(wall_s=0.1 + 0.2, cpu_s=1 / 3)
    accuracies = {"EOSINOPHIL": 1.0, "MONOCYTE": 0.75} if per_class is None else per_class
    test = Metrics(images=8, accuracy=0.875, balanced_accuracy=0.0, loss=loss, per_class_accuracy=accuracies)
    usual = {
        "phases": Phases(train=TrainPhase(wall_s=0.1 + 0.2, cpu_s=1 / 3, images=5)),
        "fit_time": clock,
        "time_to_result": clock,
        "throughput": Throughput(train_images_per_s=1 / 7, feature_images_per_s=None),
        "test": test,
        "environment": None,
    }
    return a_record(TRIAL, **{**usual, **changes})


def events() -> list[dict[str, Any]]:
    start = 77 * SECOND
    return [
        {"t": start, "event": "phase_started", "phase": "train"},
        {"t": start + SECOND, "event": "epoch", "epoch": 1, "metrics": {"loss": 0.7, "validation_loss": 0.8}},
        {
            "t": start + 2 * SECOND,
            "event": "epoch",
            "epoch": 2,
            "metrics": {"loss": 0.5, "validation_loss": 0.6},
        },
        {"t": start + 5 * SECOND, "event": "failed", "kind": "crashed", "message": "later"},
    ]


def stretches(happened: list | None = None, started_at: str | None = "2026-01-02T03:04:05+00:00") -> list:
    """The history of an attempt that goes on from no other."""
    told = typed(events() if happened is None else happened)
    return [Stretch(Attempt(Path("attempt-1")), started_at, told)]


def typed(happened: list[dict[str, Any]]) -> list[WorkerEvent]:
    return [msgspec.convert(event, WorkerEvent) for event in happened]


def test_points():
    points = points_of(record(), stretches())
    assert [point for point in points if point[0] in ("train/loss", "validation/loss")] == [
        ("train/loss", 0.7, BEGAN + 1000, 1),
        ("validation/loss", 0.8, BEGAN + 1000, 1),
        ("train/loss", 0.5, BEGAN + 2000, 2),
        ("validation/loss", 0.6, BEGAN + 2000, 2),
    ]
    final = {key: value for key, value, time, step in points if (time, step) == (BEGAN + 5000, 0)}
    assert final == {
        "test/accuracy": 0.875,
        "test/balanced_accuracy": 0.0,
        "test/loss": 1 / 9,
        "test/accuracy_EOSINOPHIL": 1.0,
        "test/accuracy_MONOCYTE": 0.75,
        "time/fit_time_wall_s": 0.1 + 0.2,
        "time/fit_time_cpu_s": 1 / 3,
        "time/time_to_result_wall_s": 0.1 + 0.2,
        "time/time_to_result_cpu_s": 1 / 3,
        "time/train_wall_s": 0.1 + 0.2,
        "time/train_cpu_s": 1 / 3,
        "throughput/train_images_per_s": 1 / 7,
    }
    assert len(points) == len(final) + 4


def test_points_made_twice_are_the_same_to_the_bit():
    once = record(), events()
    written = json.dumps(record_to_json(once[0])).encode()
    through_files = decode_record(written, Path("result.json")), json.loads(json.dumps(once[1]))
    before = copy.deepcopy(once)
    first, second = (points_of(one, stretches(happened)) for one, happened in (once, through_files))
    assert [(key, value.hex(), time, step) for key, value, time, step in first] == [
        (key, value.hex(), time, step) for key, value, time, step in second
    ]
    assert once == before, "the journal is only read"


def test_what_is_not_finite_is_left_out():
    odd = events()
    odd[1]["metrics"] = {"loss": float("nan"), "validation_loss": float("inf"), "accuracy": 0.0}
    broken = record({"EOSINOPHIL": 1.0, "MONOCYTE": float("-inf")}, loss=float("nan"))
    points = points_of(broken, stretches(odd))
    assert [point[0] for point in points if point[3] == 1] == ["train/accuracy"]
    keys = {point[0] for point in points}
    assert "test/balanced_accuracy" in keys, "zero is a figure"
    assert not {"test/loss", "test/accuracy_MONOCYTE"} & keys


def test_odd_class_names():
    names = ["a, b", 'say "trial"', "two\nlines", "100 %", "a/b", "Zelle äöü", "x" * 300, "白血球", "a:b*?"]
    odd = record({name: 0.5 for name in names})
    keys = [point[0] for point in points_of(odd, stretches()) if point[0].startswith("test/accuracy_")]
    assert len(keys) == len(names)
    for key in keys:
        assert MLFLOW_NAMES.fullmatch(key)
        assert len(key) <= 250


def test_classes_whose_names_differ_in_odd_characters_only_stay_apart():
    odd = record({"a+": 0.1, "a*": 0.2, "a_": 0.3, "x" * 300: 0.4, "x" * 301: 0.5})
    points = [point for point in points_of(odd, stretches()) if point[0].startswith("test/accuracy_")]
    assert len({key for key, *_ in points}) == 5
    assert ("test/accuracy_a_", 0.3) in [point[:2] for point in points], "a plain name stays as it is"
    assert all(len(key) <= 250 and MLFLOW_NAMES.fullmatch(key) for key, *_ in points)


def test_a_failure_has_the_points_that_there_are():
    failed = record(
        failure=a_failure("memory", "m" * 9000),
        test=None,
        fit_time=None,
        time_to_result=None,
        phases=Phases(),
        throughput=Throughput(train_images_per_s=None, feature_images_per_s=None),
    )
    assert {point[0] for point in points_of(failed, stretches())} == {"train/loss", "validation/loss"}
    assert points_of(failed, stretches([], None)) == []
    assert span_of(stretches([], None)) == (0, 0)
    tags = tags_of(failed, "suite")
    assert tags["failure.kind"] == "memory"
    assert len(tags["failure.message"]) == 5000


def test_span():
    assert span_of(stretches()) == (BEGAN, BEGAN + 5000)


def test_a_resumed_attempt_shows_the_epochs_that_it_goes_on_from():
    later = [
        {"t": 5, "event": "phase_started", "phase": "startup"},
        {**events()[2], "t": 5 + SECOND, "epoch": 3},
    ]
    before, own = (
        stretches()[0],
        Stretch(Attempt(Path("attempt-2")), "2026-01-03T03:04:05+00:00", typed(later)),
    )
    points = points_of(record(), [before, own])
    losses = [(time, step) for key, _, time, step in points if key == "train/loss"]
    day = 86_400_000
    assert losses == [(BEGAN + 1000, 1), (BEGAN + 2000, 2), (BEGAN + day + 1000, 3)]
    assert span_of([before, own]) == (BEGAN + day, BEGAN + day + 1000)


def test_tags():
    tags = tags_of(record(), "my suite")
    assert tags[ATTEMPT_TAG] == "vgg16-1/1"
    assert (tags["leukobench.suite"], tags["version.keras"]) == ("my suite", "3.3.3")
    assert tags["mlflow.runName"] == "vgg16-1"
    assert "87.5% of 8 test images" in tags["mlflow.note.content"]
    assert tags_of(record(attempt=2), "s")["mlflow.runName"] == "vgg16-1-2"
    assert all(isinstance(value, str) for value in tags.values())


def test_params_are_flat():
    params = params_of(record())
    assert params == {
        "data.source": "bccd",
        "data.digest": "d" * 64,
        "network": "VGG16",
        "weights.name": "none",
        "seed": "0",
        "image_size": "224",
        "mode": "scratch",
        "epochs": "2",
        "batch_size": "16",
        "optimizer.name": "Adam",
        "optimizer.learning_rate": "1e-05",
        "optimizer.learning_rate_decay": "0.0",
        "protocol": "corrected",
        "preprocessing": "network",
        "loss": "categorical_crossentropy",
        "clock": "wall",
        "replicas": "1",
    }


def test_what_it_took_is_there_and_what_is_missing_is_not_zero():
    measured = record(
        steady=Steady(
            images_per_s=250.0,
            low=240.0,
            high=260.0,
            step_s=0.06,
            steps=80,
            settled_s=1.0,
            settled_step=3,
            blocks=8,
            data_wait_s=0.1,
            data_wait_share=0.02,
        ),
        memory=Memory(
            analytic=StepMemory(
                weights=400,
                gradients=0,
                optimizer=0,
                feature_maps=0,
                workspace=0,
                allocated=0,
                kept_feature_maps=0,
                total=900,
            ),
            allocator_peak=None,
            process_peak=10**9,
            device_peak=None,
            residual=None,
        ),
        work=Work(
            parameters=100,
            trainable_parameters=None,
            layers=None,
            forward_macs=1000,
            forward_flops=None,
            training_flops=None,
        ),
        utilization=structs.replace(NO_UTILIZATION, model_flops_per_s=3e9, of_measured_peak=0.4),
        profile=Profile(
            steps=5,
            wall_s=1.0,
            input_stall=0.1,
            kinds={"convolution": 0.7},
            top=(),
            kernel_busy=None,
            copies_s=None,
            trace="trace/x",
        ),
        reference_work=ReferenceWork(before_gflops=50.0, after_gflops=49.0, reference_gflops=None),
        unavailable={"energy": "there is no GPU", "gpm fp32": "needs a Hopper GPU"},
    )
    values = {key: value for key, value, *_ in points_of(measured, stretches())}
    assert values["throughput/steady_images_per_s"] == 250.0
    assert values["throughput/of_measured_peak"] == 0.4
    assert (values["memory/analytic_total"], values["memory/process_peak"]) == (900, 10**9)
    assert (values["work/parameters"], values["profile/share_of_convolution"]) == (100, 0.7)
    assert values["reference_work/after_gflops"] == 49.0
    missing = (
        "memory/allocator_peak",
        "energy/trial_j",
        "energy/method",
        "throughput/gpm_fp32",
        "profile/trace",
    )
    assert not set(missing) & set(values)
    tags = tags_of(measured, "suite")
    assert tags["unavailable"].splitlines() == ["energy: there is no GPU", "gpm fp32: needs a Hopper GPU"]


FAILED = a_failure("crashed", "no more")


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, ["VGG16, scratch, 2 epochs: 87.5% of 8 test images right, 0.0% balanced accuracy"]),
        ({"failure": FAILED, "test": None}, ["VGG16, scratch, 2 epochs: **crashed** in train: no more"]),
        (
            {"failure": structs.replace(FAILED, phase=None), "test": None},
            ["VGG16, scratch, 2 epochs: **crashed**: no more"],
        ),
        (
            {"slot": SlotDescription(name="gpu:0", kind="gpu", model="A GPU", cores=(0,))},
            [
                "VGG16, scratch, 2 epochs: 87.5% of 8 test images right, 0.0% balanced accuracy",
                "A GPU of a host",
            ],
        ),
    ],
)
def test_a_note_for_people(changes: dict, lines: list[str]):
    first, *more = lines
    place = structs.replace(record().provenance, host="a host" if more else None)
    slot = changes.get("slot")
    said = note_of(record(**{"slot": slot, "provenance": place, "fit_time": None, **changes}))
    assert said.split("\n\n") == [first, *more]
    timed = note_of(record(**{"slot": slot, "provenance": place, **changes})).split("\n\n")
    assert timed == [first, "Fit 0.3 s, result after 0.3 s", *more]


@pytest.mark.parametrize(("slot", "place"), [(False, ""), (True, "A GPU; ")])
def test_a_note_names_versions_with_or_without_a_place(slot: bool, place: str):
    of = SlotDescription(name="gpu:0", kind="gpu", model="A GPU", cores=(0,)) if slot else None
    where = structs.replace(record().provenance, host=None)
    environment = Environment(tensorflow="2.21.0", keras="3.15.1")
    said = note_of(record(slot=of, provenance=where, environment=environment)).split("\n\n")[-1]
    assert said.startswith(place) and "TensorFlow 2.21.0" in said and "Keras 3.15.1" in said


def test_the_data_set_of_a_trial():
    trial = a_trial()
    settings = structs.replace(trial.settings.data, source="bccd", digest="s" * 40)
    trial = structs.replace(trial, settings=structs.replace(trial.settings, data=settings))
    read = DataPhase(wall_s=1.0, cpu_s=1.0, train_images=9, test_images=0, data_digest="m" * 40)
    record = a_record(trial)
    phases = structs.replace(record.phases, data=read)
    found = dataset_of(structs.replace(record, phases=phases))
    assert (found["name"], found["digest"], found["source_type"]) == ("bccd", "m" * 36, "local")
    assert json.loads(found["profile"]) == {"train_images": 9, "test_images": 0}
    assert json.loads(found["source"]) == msgspec.to_builtins(settings)
    never = structs.replace(record, phases=structs.replace(record.phases, data=None))
    assert (dataset_of(never)["digest"], dataset_of(never)["profile"]) == ("s" * 36, "{}")
    without = structs.replace(trial.settings, data=structs.replace(settings, digest=""))
    nothing = structs.replace(never, trial=structs.replace(trial.without_specification(), settings=without))
    assert dataset_of(nothing) is None


def test_latency_growth_and_times_to_accuracy_have_keys_of_their_own():
    calls = Latency(
        batch=16, calls=30, p50_s=0.1, p95_s=0.2, p99_s=None, images_per_s=150.0, first_call_s=1.5
    )
    host, device = (
        Growth(mb_per_1000_steps=n, low=n - 1, high=n + 1, base_bytes=9, steps=4, readings=5)
        for n in (3.0, 7.0)
    )
    memory = Memory(host_growth=host, device_growth=device)
    times = (
        TimeToAccuracy(of_best=0.9, accuracy=0.8, epoch=2, fit_s=3.0, work_s=2.0, joules=None),
        TimeToAccuracy(of_best=None, accuracy=0.925, epoch=NEVER, fit_s=NEVER, work_s=NEVER, joules=None),
    )
    measured = structs.replace(record(), latency=(calls,), memory=memory, time_to_accuracy=times)
    values = {key: value for key, value, *_ in points_of(measured, stretches())}
    found = {
        key: value for key, value in values.items() if key.startswith(("latency", "memory", "time_to_acc"))
    }
    assert found == {
        **{"latency/16_p50_s": 0.1, "latency/16_p95_s": 0.2, "latency/16_images_per_s": 150.0},
        "latency/16_first_call_s": 1.5,
        **{"memory/host_growth_mb_per_1000_steps": 3.0, "memory/host_growth_low": 2.0},
        **{
            "memory/host_growth_high": 4.0,
            "memory/host_growth_base_bytes": 9,
            "memory/host_growth_steps": 4,
            "memory/host_growth_readings": 5,
        },
        **{"memory/device_growth_mb_per_1000_steps": 7.0, "memory/device_growth_low": 6.0},
        **{
            "memory/device_growth_high": 8.0,
            "memory/device_growth_base_bytes": 9,
            "memory/device_growth_steps": 4,
            "memory/device_growth_readings": 5,
        },
        **{"time_to_accuracy/90_of_best_reached": 1, "time_to_accuracy/90_of_best_epoch": 2},
        **{"time_to_accuracy/90_of_best_fit_s": 3.0, "time_to_accuracy/90_of_best_work_s": 2.0},
        "time_to_accuracy/92.5_reached": 0,
    }
