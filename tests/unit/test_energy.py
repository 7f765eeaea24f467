"""Joules of a trial, of its training and of an image; and why there are none."""

import json

import pytest
from equipment.results import records
from msgspec.structs import replace
from telemetry_equipment import made_trace, phases

from bench.records.energy import NO_GPU, NO_TELEMETRY, energy_of, shares_missing
from bench.records.summary import Stretch, spans_of, summarize
from bench.telemetry.trace import parse_trace
from bench.trials.phases import SharedPhase, TrainPhase

PHASES = records.phases(train=TrainPhase(wall_s=20.0, cpu_s=0.0, images=1000), data=10.0)


def spent(*watts: float, **of_header):
    """Telemetry and trace of GPUs with a steady power: ten seconds of data, then twenty of training."""
    gpus = [f"gpu:{number}" for number in range(len(watts))]
    counters = {
        f"{gpu}/energy_j": (lambda now, power=power: 7 + power * now)
        for gpu, power in zip(gpus, watts, strict=True)
    }
    lines = made_trace(
        30, {"steal_s": lambda now: 0.0, **counters}, {"rss_bytes": lambda now: 1.0}, gpus=gpus, **of_header
    )
    trace = parse_trace(map(json.dumps, lines))
    return summarize([Stretch(trace, spans_of(phases(data=10, train=20)))]), trace


def test_all_gpus_of_a_slot_and_all_attempts_are_added():
    telemetry, trace = spent(100.0, 50.0)
    energy, reason = energy_of(telemetry, [trace], PHASES)
    assert (energy.trial_j, energy.train_j, energy.image_j, reason) == (4500.0, 3000.0, 3.0, "")
    assert shares_missing(energy) == {}
    assert energy_of(telemetry, [trace, trace], PHASES)[0].trial_j == 9000.0
    assert energy_of(spent(0.0)[0], [spent(0.0)[1]], PHASES)[0].trial_j == 0.0, "a counter that stood still"


def test_why_there_is_none():
    telemetry, trace = spent(100.0)
    assert energy_of(None, [], PHASES)[1] == NO_TELEMETRY
    on_processor, its = spent()
    assert energy_of(on_processor, [its], PHASES)[1] == NO_GPU
    assert energy_of(telemetry, [trace, *back()[1]], PHASES)[1] == energy_of(*back(), PHASES)[1], "one of two"
    cut = replace(telemetry, unavailable={"telemetry": "an attempt ran without"})
    assert energy_of(cut, [trace], PHASES)[1] == "an attempt ran without"
    assert energy_of(*back(), PHASES)[1] == "the energy counter was set back meanwhile"
    device = replace(telemetry.devices["gpu:0"], unavailable={"energy_j": "too old"})
    old = replace(telemetry, devices={"gpu:0": device})
    assert energy_of(old, [trace], PHASES)[1] == "gpu:0: too old"
    once = parse_trace(
        map(json.dumps, made_trace(0, {"gpu:0/energy_j": lambda now: 5.0}, {}, killed=True, gpus=["gpu:0"]))
    )
    energy, reason = energy_of(telemetry, [trace, once], PHASES)
    assert (energy.trial_j, reason) == (None, "the sampler read it too seldom")


def test_two_readings_are_enough_and_one_gpu_that_was_not_read_spoils_the_sum():
    telemetry, trace = spent(100.0, 50.0)
    twice = {f"gpu:{number}/energy_j": (lambda now: 10.0 * now) for number in (0, 1)}
    short = parse_trace(map(json.dumps, made_trace(1, twice, {}, 1.0, killed=True, gpus=["gpu:0", "gpu:1"])))
    assert energy_of(telemetry, [short], PHASES)[0].trial_j == 20.0
    half = replace(
        telemetry, devices={**telemetry.devices, "gpu:1": replace(telemetry.devices["gpu:1"], counters={})}
    )
    energy, _ = energy_of(half, [trace], PHASES)
    assert (energy.trial_j, energy.train_j) == (4500.0, None)


def test_each_way_of_measuring_is_named_once():
    ways = {"gpu:0/energy_j": "power integrated over samples", "gpu:1/energy_j": "the GPU's energy counter"}
    telemetry, trace = spent(1.0, 2.0, 3.0, methods={**ways, "gpu:2/energy_j": ways["gpu:0/energy_j"]})
    energy, _ = energy_of(telemetry, [trace], PHASES)
    assert energy.method == "power integrated over samples; the GPU's energy counter"
    telemetry, trace = spent(1.0)
    assert energy_of(telemetry, [trace], PHASES)[0].method == "", "nobody said"


def back():
    telemetry, _ = spent(100.0)
    return telemetry, [spent(-0.01)[1]]


@pytest.mark.parametrize("continued", [False, True])
def test_of_a_trial_that_another_one_did_a_part_of_only_the_training_is_known(continued: bool):
    telemetry, trace = spent(100.0)
    shared = (
        PHASES
        if continued
        else replace(PHASES, features=SharedPhase(wall_s=1.0, cpu_s=0.0, made_by="other/attempt-1"))
    )
    energy, _ = energy_of(telemetry, [trace], shared, continued)
    assert (energy.trial_j, energy.train_j) == (None, 2000.0)
    assert shares_missing(energy) == {"energy": "another trial did a part of its work"}


def test_what_has_no_images_has_no_joules_of_one():
    telemetry, trace = spent(100.0)
    energy, _ = energy_of(telemetry, [trace], records.phases(data=10.0))
    assert (energy.trial_j, energy.train_j, energy.image_j) == (3000.0, 2000.0, None)
    assert set(shares_missing(energy)) == {"image_j"}
    untold = replace(telemetry.devices["gpu:0"], counters={})
    energy, _ = energy_of(replace(telemetry, devices={"gpu:0": untold}), [trace], PHASES)
    assert (energy.train_j, energy.image_j) == (None, None)
    assert set(shares_missing(energy)) == {"train_j", "image_j"}
