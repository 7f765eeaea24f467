"""The tables of cost: the five metrics of TBD (Zhu et al. 2018), energy, memory by kind, and reasons."""

import pandas as pd
import pytest

from bench.report.costs import cost_of
from bench.report.frame import CONFIGURATION, repeats_frame
from bench.report.tables.costs import cost_table, memory_table

GIB = 2**30


def measured(**more) -> dict:
    """What was measured of a trial on a GPU."""
    train = {"cpu_utilisation": {"mean": 0.25}}
    device = {"phases": {"train": {"gpu_utilisation": {"mean": 0.8}}}, "unavailable": {}}
    kinds = {
        "weights": 1,
        "gradients": 1,
        "optimizer": 2,
        "feature_maps": 5,
        "workspace": 1,
        "total": 10,
        "allocated": 11,
    }
    return {
        "steady": {"images_per_s": 400.0, "low": 390.0, "high": 410.0},
        "telemetry": {"phases": {"train": train}, "devices": {"gpu:0": device}, "unavailable": {}},
        "utilisation": {"of_measured_peak": 0.42, "of_datasheet_peak_busy": 0.51, "gpm_fp32": None},
        "memory": {
            "process_peak": 2 * GIB,
            "device_peak": 12 * GIB,
            "allocator_peak": 11 * GIB,
            "residual": GIB,
            "analytic": {kind: size * GIB for kind, size in kinds.items()},
        },
        "energy": {"trial_j": 5e4, "image_j": 1.25, "correct_test_image_j": 140.0},
        "disturbed": [],
        "unavailable": {"gpm_fp32": "this GPU has no such counters"},
        **more,
    }


def frames(*records: dict) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = {**dict.fromkeys(CONFIGURATION, "a"), "epochs": 2}
    rows = [
        {
            "trial": str(number),
            **names,
            "status": "done",
            "balanced_accuracy": 0.5,
            "fit_s": 1.0,
            **cost_of(record),
        }
        for number, record in enumerate(records)
    ]
    trials = pd.DataFrame(rows)
    return trials, repeats_frame(trials)


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
        "J/correct test image": "140",
        "disturbed %": "0",
    }
    assert {name: row[name] for name in expected} == expected
    kinds = written(memory_table("mine", frames(measured())[1]))
    assert kinds["feature maps"] == "5.00 GiB" and kinds["optimiser"] == "2.00 GiB"
    assert kinds["together"] == "10.0 GiB" and kinds["as allocated"] == "11.0 GiB"
    assert kinds["residual"] == "1.00 GiB"


def test_each_that_is_missing_has_its_reason_below_the_table():
    reasons = {
        "gpu_utilisation": "the trial ran on the processor",
        "of_datasheet_peak_busy": "no datasheet gives a peak of processors",
        "energy": "a trial on the processor",
    }
    bare = {"phases": {"train": {}}, "devices": {}, "unavailable": {}}
    record = measured(
        steady=None, telemetry=bare, utilisation=None, memory=None, energy=None, unavailable=reasons
    )
    table = cost_table("mine", *frames({**record, "disturbed": ["Other processes used 1 of 2 cores."]}))
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
    watched, unwatched = cost_of(measured()), cost_of(measured(telemetry=None))
    assert (watched["watched"], watched["disturbed_share"]) == (True, 0.0)
    assert unwatched["watched"] is False and "disturbed_share" not in unwatched
    assert cost_of({}) == {}, "older records have none of it"


def test_of_several_gpus_the_mean():
    record = measured()
    record["telemetry"]["devices"]["gpu:1"] = {"phases": {"train": {"gpu_utilisation": {"mean": 0.4}}}}
    assert cost_of(record)["gpu_utilisation"] == pytest.approx(0.6)
