"""What a suite asks of shared features, and what records, tables and comparisons make of them."""

import json
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from comparison_equipment import measurement, record, trial
from equipment.results.journals import Course, trial_of, write_attempt
from equipment.results.records import a_trial, phases

from bench.compare.measurement import Pair
from bench.compare.metrics import METRICS, phase_seconds, values_of
from bench.errors import InputError
from bench.journal.results import SuiteResults
from bench.plan.needs import needs_of
from bench.records.fold import fold
from bench.report.cautions import cautions
from bench.report.frame import configurations_frame, trials_frame
from bench.report.tables.costs import time_tables
from bench.report.tables.summary import summary_table
from bench.suite.resolve import resolve_suite
from bench.tracking.tags_and_params import tags_of
from bench.trials.limits import bytes_of
from bench.trials.settings import Runtime
from bench.worker.process import TRACE_FOLDER, _with_cache, _with_measurements
from wbc.specification import FeatureCache, Specification

SECONDS = {
    "startup": 4.0,
    "data": 2.0,
    "features": 6.0,
    "compile": 2.0,
    "train": 20.0,
    "evaluate": 1.0,
    "teardown": 1.0,
}
TEST = {"images": 2, "accuracy": 0.5, "loss": 1.0, "balanced_accuracy": 0.5, "per_class_accuracy": {"a": 0.5}}


def attempt_with(
    results: SuiteResults, epochs: int, mode: str = "transfer", phase: str = "features", **figures
):
    """An attempt whose images took 2 seconds in it and whose features took 6, with figures of one of these phases."""
    course = Course(SECONDS, 0.5, 3.0, TEST, predictions="file\n")
    written = write_attempt(results, trial_of("VGG16", mode, epochs), course)
    lines = [json.loads(line) for line in written.events.read_text().splitlines()]
    for line in lines:
        if line["event"] == "phase_ended" and line["phase"] == phase:
            line["figures"] |= figures
    written.events.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    found = fold(written)
    written.result.write_bytes(msgspec.json.encode(found))
    return found


FOUND = {"extraction_s": 50.0, "extraction_cpu_s": 90.0, "made_by": "other/attempt-1"}


def test_times_are_as_if_each_trial_had_extracted_its_own(tmp_path):
    results = SuiteResults(tmp_path, "suite")
    plain = attempt_with(results, 3)
    found = attempt_with(results, 4, **FOUND)
    assert plain.result_as_run_s is None and not plain.found
    assert plain.phases.features.wall_s == 6 and plain.throughput.feature_images_per_s
    assert (found.phases.features.wall_s, found.phases.features.cpu_s) == (50, 90)
    assert (found.phases.features.as_run_s, found.found) == (6, ("features",))
    assert found.time_to_result.wall_s - found.result_as_run_s == pytest.approx(44)
    assert found.result_as_run_s == pytest.approx(sum(SECONDS.values()) - SECONDS["teardown"])
    assert found.throughput.feature_images_per_s is None, "a rate of another trial"


def test_a_trial_that_made_them_has_what_the_extraction_alone_took(tmp_path):
    made = attempt_with(SuiteResults(tmp_path, "suite"), 3, extraction_s=5.5, extraction_cpu_s=9.0)
    assert made.phases.features.wall_s == 5.5 and not made.found
    assert made.result_as_run_s == pytest.approx(made.time_to_result.wall_s + 0.5), "it also wrote them"
    assert made.throughput.feature_images_per_s == pytest.approx(5274 / 5.5)


def test_tables_say_both_times_and_why_features_are_not_shared(tmp_path):
    results = SuiteResults(tmp_path, "suite")
    attempt_with(results, 3, extraction_s=6.0, extraction_cpu_s=9.0, not_shared="No space left on device")
    found = attempt_with(results, 4, **FOUND)
    trials = trials_frame(results, results.trial_ids())
    times = time_tables("suite", trials, configurations_frame(trials))[0]
    assert "result as run, wall" in times.markdown()
    summary = summary_table("suite", trials, configurations_frame(trials))
    for table in (times, summary):
        assert any(
            "1 trial used features that another trial had extracted (other)." in note for note in table.notes
        )
    tags = tags_of(found, "suite")
    assert tags["leukobench.features_made_by"] == "other/attempt-1"
    assert cautions(results, trials) == [
        "1 trial could not put its features or pixels into the cache, so no other trial finds them there: "
        "No space left on device."
    ]


def test_every_reason_why_features_are_not_shared_is_said():
    trials = pd.DataFrame(
        {"mode": ["transfer"] * 3, "status": ["done"] * 3, "not_shared": ["full", "full", "gone"]}
    )
    assert cautions(SuiteResults(Path(), "s"), trials) == [
        "3 trials could not put their features or pixels into the cache, so no other trial finds them there: "
        "full; gone."
    ]


def test_comparisons_leave_out_what_another_trial_took():
    of = trial()
    own = record(of, 10, phases=phases(startup=1.0, features=50.0, train=10.0))
    features = msgspec.structs.replace(own.phases.features, made_by="other/attempt-1", as_run_s=0.1)
    found = msgspec.structs.replace(own, phases=msgspec.structs.replace(own.phases, features=features))
    pairs = [Pair(measurement(of, own), measurement(of, found))]
    assert "features" in phase_seconds(own) and "features" not in phase_seconds(found)
    assert values_of(METRICS["time_to_result"], pairs) is None
    assert values_of(METRICS["fit_time"], pairs) is not None
    both = [Pair(measurement(of, own), measurement(of, own))]
    assert values_of(METRICS["time_to_result"], both) is not None


SUITE = """
[data]
source = "synthetic"
[training]
weights = "drawn-cells"
[[matrix]]
mode = ["transfer", "finetune", "scratch"]
backbone = "LeNet5"
"""


def caches(tmp_path: Path, table: str = "", **options) -> dict[str, dict | None]:
    path = tmp_path / "suite.toml"
    path.write_text(SUITE + table)
    runtime = Runtime(wbc="0123", tensorflow="2", keras="3", device="one processor")
    trials = resolve_suite(path, tmp_path / "cache", runtime=runtime, **options).trials
    return {one.settings.mode: one.specification.get("feature_cache") for one in trials}


def test_a_suite_shares_features_where_it_says_so(tmp_path):
    assert set(caches(tmp_path).values()) == {None}
    usual = {"folder": str(tmp_path / "cache" / "features"), "limit_bytes": 20 * 10**9}
    table = "[cache]\nfeatures = true\n"
    assert caches(tmp_path, table) == {"transfer": usual, "finetune": usual, "scratch": None}
    given = caches(tmp_path, f'{table}limit = "500 MB"\npath = "{tmp_path}/here"\n')["transfer"]
    assert given == {"folder": f"{tmp_path}/here", "limit_bytes": 5 * 10**8}


def test_sides_of_an_upgrade_check_never_share_features(tmp_path):
    assert set(caches(tmp_path, "[cache]\nfeatures = true\npixels = true\n", in_pairs=True).values()) == {
        None
    }


def test_pixels_are_shared_in_every_mode_and_take_no_memory(tmp_path):
    both = caches(tmp_path, "[cache]\nfeatures = true\npixels = true\n")
    assert {mode: (of["features"], of["pixels"]) for mode, of in both.items()} == {
        "transfer": (True, True),
        "finetune": (True, True),
        "scratch": (False, True),
    }
    images = {"train": 60_000, "validation": 10, "test": 10}
    settings = {"mode": "transfer", "image_size": 224, "batch_size": 16}
    held, mapped = (
        needs_of(a_trial("VGG16", specification={"feature_cache": cache}, **settings), images).memory
        for cache in (None, both["transfer"])
    )
    assert held - mapped == pytest.approx(60_020 * (224 * 224 * 3 + 7 * 7 * 512 * 4))


def test_pixels_that_another_trial_decoded_count_as_if_each_had_its_own(tmp_path):
    results = SuiteResults(tmp_path, "suite")
    found = attempt_with(results, 3, "scratch", "data", **FOUND)
    assert found.found == ("data",) and found.phases.data.wall_s == 50
    assert found.time_to_result.wall_s - found.result_as_run_s == pytest.approx(48)
    trials = trials_frame(results, results.trial_ids())
    times = time_tables("suite", trials, configurations_frame(trials))[0]
    assert any("used pixels that another trial had decoded." in note for note in times.notes)
    assert "data" not in phase_seconds(found)


@pytest.mark.parametrize(
    ("path", "said"), [("", "is empty"), ("taken", ".*taken is a file"), ("taken/in/it", ".*Not a directory")]
)
def test_a_cache_that_cannot_be_there_is_refused_before_anything_runs(tmp_path, path, said):
    (tmp_path / "taken").touch()
    with pytest.raises(InputError, match=rf"cache\.path: {said}"):
        caches(tmp_path, f'[cache]\nfeatures = true\npath = "{path and tmp_path / path}"\n')
    (tmp_path / "cache").touch()
    with pytest.raises(InputError, match=r"features cannot be kept in .*cache is a file"):
        caches(tmp_path, "[cache]\nfeatures = true\n")
    assert set(caches(tmp_path).values()) == {None}


def test_sharing_features_changes_no_trial(tmp_path):
    path, trials = tmp_path / "suite.toml", []
    for table in ("", "[cache]\nfeatures = true\n"):
        path.write_text(SUITE + table)
        runtime = Runtime(wbc="0123", tensorflow="2", keras="3", device="one processor")
        trials.append([one.id for one in resolve_suite(path, tmp_path / "cache", runtime=runtime).trials])
    assert trials[0] == trials[1]


@pytest.mark.parametrize(
    ("text", "size"), [("20 GB", 20 * 10**9), ("500MB", 5 * 10**8), ("1.5 tb", 15 * 10**11), (" 8 kB ", 8000)]
)
def test_amounts_of_memory_are_written_as_people_write_them(text, size):
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["20", "GB", "-1 GB", "20 GiB", "20 G"])
def test_what_is_no_amount_of_memory_is_an_error(text):
    with pytest.raises(InputError, match="not an amount"):
        bytes_of(text)


def test_a_worker_adds_what_features_depend_on_besides_the_experiment(tmp_path):
    plain = Specification(tmp_path, tmp_path, 32, "LeNet5", "transfer")
    assert _with_cache(plain, tmp_path, {}, {}) is plain
    cached = Specification(
        tmp_path, tmp_path, 32, "LeNet5", "transfer", feature_cache=FeatureCache(tmp_path, 1)
    )
    described = {"variables": {"CUDA_VISIBLE_DEVICES": "GPU-1", "TF_X": "1"}, "cores": 2, "keras": "3.15"}
    described |= {"packages": {"keras": "3.15"}, "kernel_cache_bytes": 7, "python": "3.12", "kernel": "6.1"}
    described |= {"visible_gpus": ["GPU-1"]}
    found = _with_cache(
        cached, tmp_path / "trial" / "attempt-2", {"runtime": {"wbc": "0123"}}, described
    ).feature_cache
    assert found.tag == "trial/attempt-2"
    assert found.made_on == {
        "variables": {"TF_X": "1"},
        "cores": 2,
        "keras": "3.15",
        "runtime": {"wbc": "0123"},
    }


def test_measurements_at_the_end_are_told_their_folders(tmp_path):
    given = {"profile": {"steps": 3}, "explain": None, "export": {"formats": ["onnx"]}, "seed": 1}
    assert _with_measurements(given, tmp_path) == {
        "profile": {"steps": 3, "folder": str(tmp_path / TRACE_FOLDER)},
        "explain": None,
        "export": {"formats": ["onnx"], "folder": str(tmp_path)},
        "seed": 1,
    }
