"""The tables of cost: the five metrics of TBD (Zhu et al. 2018), energy, memory by kind, and reasons."""

from typing import Any

import msgspec
import pandas as pd
import pytest
from equipment.results.records import (
    NO_ENERGY,
    NO_UTILIZATION,
    a_record,
    a_trial,
    some_telemetry,
    times,
)

from bench.report.frame import configurations_frame
from bench.report.rows import CPU_UTILIZATION, GPU_UTILIZATION, cost_of, row_of
from bench.report.tables.costs import cost_table, memory_table, time_tables
from bench.report.tables.table import BETWEEN_RUNS
from bench.trials.measured import Growth, Memory, Steady, StepMemory, Summary, Telemetry
from bench.trials.record import Record

GIB = 2**30


def watched(cpu: float | None, *gpus: float) -> Telemetry:
    """Telemetry with the mean utilization of the cores and of GPUs over training."""

    def train(metric: str, mean: float) -> dict[str, dict[str, Summary]]:
        return {"train": {metric: Summary(mean=mean, p95=None, max=None, samples=9)}}

    phases = {"train": {}} if cpu is None else train(CPU_UTILIZATION, cpu)
    devices = {f"gpu:{number}": train(GPU_UTILIZATION, mean) for number, mean in enumerate(gpus)}
    return some_telemetry(phases, devices)


def measured(**changes: Any) -> Record:
    """What was measured of a trial on a GPU."""
    kinds = {
        "weights": 1,
        "gradients": 1,
        "optimizer": 2,
        "feature_maps": 5,
        "kept_feature_maps": 5,
        "workspace": 1,
        "total": 10,
        "allocated": 11,
    }
    steady = {
        "step_s": 0.1,
        "steps": 90,
        "settled_s": 1.0,
        "settled_step": 9,
        "blocks": 9,
        "data_wait_s": 0.1,
    }
    usual = {
        "steady": Steady(images_per_s=400.0, low=390.0, high=410.0, data_wait_share=0.01, **steady),
        "telemetry": watched(0.25, 0.8),
        "utilization": msgspec.structs.replace(
            NO_UTILIZATION, of_measured_peak=0.42, of_datasheet_peak_busy=0.51
        ),
        "memory": Memory(
            process_peak=2 * GIB,
            device_peak=12.0 * GIB,
            allocator_peak=11 * GIB,
            residual=GIB,
            analytic=StepMemory(**{kind: size * GIB for kind, size in kinds.items()}),
        ),
        "energy": msgspec.structs.replace(NO_ENERGY, trial_j=5e4, image_j=1.25),
        "unavailable": {"gpm_fp32": "this GPU has no such counters"},
    }
    return a_record(a_trial(), **{**usual, **changes})


def frames(*records: Record) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = [{**row_of(str(number), record), "variant": ""} for number, record in enumerate(records)]
    trials = pd.DataFrame(rows)
    return trials, configurations_frame(trials)


def written(table) -> dict[str, str]:
    headings, rows = table.written()
    assert len(rows) == 1
    return dict(zip(headings, rows[0], strict=True))


def test_all_five_metrics_and_energy():
    row = written(cost_table("mine", *frames(measured())))
    expected = {
        "steady images/s": "400 [390–410]",
        "processor %": "25",
        "GPU %": "80",
        "FP32 % of datasheet while busy": "51.0",
        "FP32 % of measured peak": "42.0",
        "memory": "2.00 GiB",
        "GPU memory": "12.0 GiB",
        "energy": "50.0 kJ",
        "J/image": "1.25",
        "disturbed %": "0",
    }
    assert {name: row[name] for name in expected} == expected
    kinds = written(memory_table("mine", frames(measured())[1]))
    assert kinds["feature maps"] == "5.00 GiB" and kinds["optimizer"] == "2.00 GiB"
    assert kinds["together"] == "10.0 GiB" and kinds["as allocated"] == "11.0 GiB"
    assert kinds["residual"] == "1.00 GiB"


def test_each_that_is_missing_has_its_reason_below_the_table():
    reasons = {
        GPU_UTILIZATION: "the trial ran on the processor",
        "of_datasheet_peak_busy": "no datasheet gives a peak of processors",
        "energy": "a trial on the processor",
    }
    record = measured(
        steady=None,
        telemetry=watched(None),
        utilization=NO_UTILIZATION,
        memory=None,
        energy=NO_ENERGY,
        unavailable=reasons,
    )
    disturbed = msgspec.structs.replace(record, disturbed=("Other processes used 1 of 2 cores.",))
    table = cost_table("mine", *frames(disturbed))
    assert written(table)["disturbed %"] == "100"
    assert not {"GPU %", "energy"} & set(written(table))
    notes = "\n".join(table.notes)
    for said in (
        "GPU %: the trial ran on the processor.",
        "FP32 % of datasheet while busy: no datasheet gives a peak of processors.",
        "energy: a trial on the processor.",
        "steady images/s: not measured.",
        "processor %: not measured.",
        "memory: not measured.",
    ):
        assert said in notes
    assert memory_table("mine", frames(record)[1]) is None


def test_a_trial_that_was_not_watched_is_not_called_undisturbed():
    with_telemetry, without = cost_of(measured()), cost_of(measured(telemetry=None))
    assert (with_telemetry["watched"], with_telemetry["disturbed_share"]) == (True, 0.0)
    assert without["watched"] is False and "disturbed_share" not in without


def test_what_nobody_measured_is_no_column():
    assert cost_of(a_record(a_trial())) == {"watched": False}


def test_of_several_gpus_the_mean():
    assert cost_of(measured(telemetry=watched(0.25, 0.8, 0.4)))["gpu_utilization"] == pytest.approx(0.6)


def test_replicates_show_the_interval_between_runs_not_that_within_one():
    runs = [measured(fit_time=times(seconds)) for seconds in (10.0, 12.0, 14.0)]
    rates = (380.0, 400.0, 420.0)
    runs = [
        msgspec.structs.replace(run, steady=msgspec.structs.replace(run.steady, images_per_s=rate))
        for run, rate in zip(runs, rates, strict=True)
    ]
    frame = frames(*runs)
    table = cost_table("mine", *frame)
    # 400 +- 4.303 * 20 / sqrt(3), where each run alone says 390 to 410.
    assert written(table)["steady images/s"] == "400 [350–450]"
    assert BETWEEN_RUNS in table.notes
    timed = time_tables("mine", *frame)[0]
    assert written(timed)["fit, wall"] == "12.0 s [7.03 s – 17.0 s]"
    assert "within the run" in cost_table("mine", *frames(runs[0])).notes[0]
    drifting = msgspec.structs.replace(runs[0].steady, outcome="no steady state")
    unsteady = msgspec.structs.replace(runs[0], steady=drifting)
    assert written(cost_table("mine", *frames(unsteady)))["no steady state %"] == "100"
    assert "no steady state %" not in written(table)


def test_the_growth_of_memory_has_its_interval():
    growth = Growth(mb_per_1000_steps=52.5, low=45.0, high=60.0, base_bytes=GIB, steps=900, readings=27)
    record = measured()
    leaking = msgspec.structs.replace(
        record, memory=msgspec.structs.replace(record.memory, host_growth=growth)
    )
    row = written(cost_table("mine", *frames(leaking)))
    assert row["growth, MB in 1,000 steps"] == "+52.5 [+45 to +60]"
    assert "growth on GPU, MB in 1,000 steps" not in row
