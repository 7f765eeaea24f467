"""Times and rates of a record, by hand from its phases; and what is said of peaks that nobody measured."""

from pathlib import Path

import pytest
from equipment.results.records import phases

from bench.journal.history import Stretch
from bench.journal.results import Attempt
from bench.records.fold import _fit_time, _missing_peaks, _step_s, _throughput, _time_to_result
from bench.trials.measured import Memory, Steady
from bench.trials.origin import SlotDescription
from bench.trials.phases import FeaturesPhase, Phases, Times, TrainPhase
from bench.trials.record import Throughput

EVERY = {name: float(1 << number) for number, name in enumerate(Phases.__struct_fields__)}
"""Seconds that tell which phases a sum has."""


def train(**figures) -> TrainPhase:
    return TrainPhase(wall_s=20.0, cpu_s=30.0, **figures)


@pytest.mark.parametrize(
    ("figures", "wall_s", "cpu_s"),
    [
        ({}, 24.0, 34.0),
        ({"checkpoint_s": 3.0, "checkpoint_cpu_s": 2.0}, 21.0, 32.0),
        ({"checkpoint_s": 3.0}, 21.0, 34.0),
        ({"checkpoint_cpu_s": 40.0}, 24.0, 0.0),  # the clocks differ by a little
    ],
)
def test_fitting_is_compiling_and_training_without_checkpoints(figures, wall_s, cpu_s):
    found = _fit_time(phases(startup=100.0, compile=4.0, train=train(**figures), evaluate=50.0))
    assert found == Times(wall_s=wall_s, cpu_s=cpu_s)


def test_fitting_without_training_is_nothing():
    assert _fit_time(Phases()) == Times(wall_s=0.0, cpu_s=0.0)


def test_a_result_takes_all_phases_but_those_apart_and_what_was_lost():
    lost = [Stretch(Attempt(Path("a")), None, [], lost_s=seconds) for seconds in (0.25, 0.5)]
    apart = ("reference_work", "latency", "explain", "save", "export", "profile", "teardown")
    whole = sum(EVERY.values()) - sum(EVERY[name] for name in apart)
    assert _time_to_result(phases(**EVERY), lost) == Times(wall_s=whole + 0.75, cpu_s=whole)


@pytest.mark.parametrize(
    ("figures", "rate"),
    [
        ({}, None),
        ({"images": 0}, None),
        ({"images": 100}, 5.0),
        ({"images": 100, "validation_s": 4.0, "checkpoint_s": 5.0, "recompile_s": 1.0}, 10.0),
    ],
)
def test_images_a_second_of_training(figures, rate):
    assert _throughput(phases(train=train(**figures))) == Throughput(
        train_images_per_s=rate, feature_images_per_s=None
    )


@pytest.mark.parametrize(
    ("figures", "rate"),
    [
        ({}, None),
        ({"images": 0}, None),
        ({"images": 8}, 2.0),
        ({"images": 8, "made_by": "t/attempt-1"}, None),
    ],
)
def test_images_a_second_of_features_that_the_trial_extracted_itself(figures, rate):
    features = FeaturesPhase(wall_s=4.0, cpu_s=1.0, **figures)
    assert _throughput(phases(features=features)) == Throughput(
        train_images_per_s=None, feature_images_per_s=rate
    )


STEADY = Steady(
    **{"images_per_s": 1.0, "low": 1.0, "high": 1.0, "step_s": 0.125, "steps": 9, "settled_s": 0.0},
    **{"settled_step": 0, "blocks": 9, "data_wait_s": 0.0, "data_wait_share": 0.0},
)


@pytest.mark.parametrize(
    ("figures", "steady", "seconds"),
    [
        ({"steps": 8, "steps_s": 4.0, "data_wait_s": 2.0}, STEADY, 0.125),
        ({"steps": 8, "steps_s": 4.0, "data_wait_s": 2.0}, None, 0.75),
        ({"steps": 8, "steps_s": 4.0}, None, 0.5),
        ({"steps": 8}, None, None),
        ({"steps_s": 4.0}, None, None),
        ({"steps": 0, "steps_s": 4.0}, None, None),
    ],
)
def test_seconds_of_a_step(figures, steady, seconds):
    assert _step_s(phases(train=train(**figures)), steady) == seconds


def test_seconds_of_a_step_without_training():
    assert (_step_s(Phases(), STEADY), _step_s(Phases(), None)) == (0.125, None)


@pytest.mark.parametrize(
    ("memory", "kind", "missing"),
    [
        (None, "gpu", {}),
        (Memory(process_peak=0, device_peak=0.0), "gpu", {}),
        (
            Memory(),
            "gpu",
            {
                "process_peak": "the kernel did not tell it",
                "device_peak": "it was not sampled while training",
            },
        ),
        (Memory(process_peak=1), "cpu", {"device_peak": "a trial on the processor"}),
        (Memory(process_peak=1), None, {"device_peak": "a trial on the processor"}),
    ],
)
def test_why_a_peak_is_missing(memory, kind, missing):
    slot = SlotDescription(name="x", kind=kind, model="m") if kind else None
    assert _missing_peaks(memory, slot) == missing
