"""Work, memory and utilisation in a record: figures and reasons."""

import pytest

from bench.records.flops import memory_of, whole_rate, with_reference, work_and_limit_of
from bench.records.utilization import utilisation_of

WORK = {"training_flops": 2e9}
PEAK = {"rates": {"float32": 1e12}, "unavailable": {"bfloat16": "no"}}
CPU = {"kind": "cpu", "model": "AMD EPYC", "replicas": 1}
GPU = {"kind": "gpu", "model": "NVIDIA A100-SXM4-40GB", "replicas": 1}
BUSY = {
    "phases": {"train": {"gpu_utilisation": {"mean": 0.5}, "fp32_activity": {"mean": 0.02}}},
    "unavailable": {"tensor_activity": "no GPM"},
}


def test_the_share_of_what_was_measured():
    figures, reasons = utilisation_of(WORK, 100.0, PEAK, {}, None, CPU)
    assert figures["model_flops_per_s"] == 2e11
    assert figures["of_measured_peak"] == pytest.approx(0.2)
    assert figures["measured_precision"] == "float32"
    assert figures["of_datasheet_peak_busy"] is None
    assert "processors" in reasons["of_datasheet_peak_busy"]
    assert reasons["gpm_fp32"] == reasons["gpm_tensor"] == "there is no telemetry"


def test_a_gpu_is_held_against_the_format_that_tensorflow_computes_in():
    peak = {"rates": {"float32": 1e13, "tensorfloat32": 1e14}, "unavailable": {}}
    rate = 1e3
    figures, reasons = utilisation_of(WORK, rate, peak, {"tensorfloat32": True}, BUSY, GPU, whole_rate=700.0)
    assert figures["of_measured_peak"] == pytest.approx(2e12 / 1e14)
    # The GPU was busy for half of the whole phase, in which images were slower than in steady steps.
    assert figures["of_datasheet_peak_busy"] == pytest.approx(1.4e12 / (156e12 * 0.5))
    assert figures["measured_precision"] == figures["datasheet_precision"] == "tensorfloat32"
    assert (figures["gpm_fp32"], figures["gpm_tensor"]) == (0.02, None)
    assert reasons["gpm_tensor"] == "no GPM"
    plain, _ = utilisation_of(WORK, rate, peak, {"tensorfloat32": False}, BUSY, GPU, whole_rate=rate)
    assert plain["of_measured_peak"] == pytest.approx(2e12 / 1e13)
    assert plain["of_datasheet_peak_busy"] == pytest.approx(2e12 / (19.5e12 * 0.5))


@pytest.mark.parametrize("environment", [None, {}, {"tensorfloat32": "unavailable: the GPUs differ"}])
def test_without_knowing_the_format_no_share_of_a_gpu_is_told(environment: dict | None):
    peak = {"rates": {"float32": 1e13, "tensorfloat32": 1e14}, "unavailable": {}}
    figures, reasons = utilisation_of(WORK, 1e3, peak, environment, BUSY, GPU, whole_rate=1e3)
    assert figures["model_flops_per_s"] == 2e12, "needs no peak"
    for name in ("of_measured_peak", "of_datasheet_peak_busy"):
        assert figures[name] is None
        assert "tensorfloat32 is not known" in reasons[name]
        assert ("GPUs differ" in reasons[name]) == bool(environment)
    old = {**GPU, "model": "NVIDIA GeForce GTX 1080 Ti"}
    figures, _ = utilisation_of(WORK, 1e3, peak, environment, BUSY, old, whole_rate=1e3)
    assert figures["of_measured_peak"] == pytest.approx(2e12 / 1e13), "there TF32 does not exist"
    assert figures["of_datasheet_peak_busy"] == pytest.approx(2e12 / (11.3e12 * 0.5))


def test_a_peak_in_another_format_is_not_taken():
    figures, reasons = utilisation_of(WORK, 1e3, PEAK, {"tensorfloat32": True}, BUSY, GPU)
    assert figures["of_measured_peak"] is None
    assert reasons["of_measured_peak"] == "tensorfloat32 was not measured"
    half = {"tensorfloat32": True, "precision": "mixed_bfloat16"}
    figures, reasons = utilisation_of(WORK, 1e3, PEAK, half, BUSY, GPU, whole_rate=1e3)
    assert reasons["of_measured_peak"] == "no"
    assert "bfloat16" in reasons["of_datasheet_peak_busy"]
    assert figures["measured_precision"] is figures["datasheet_precision"] is None


def test_two_gpus_could_do_twice_as_much():
    two = {**GPU, "model": "2 x NVIDIA A100-SXM4-40GB", "replicas": 2}
    plain = {"tensorfloat32": False}
    one, _ = utilisation_of(WORK, 100.0, PEAK, plain, BUSY, GPU, whole_rate=90.0)
    both, _ = utilisation_of(WORK, 100.0, PEAK, plain, BUSY, two, whole_rate=90.0)
    for name in ("of_measured_peak", "of_datasheet_peak_busy"):
        assert both[name] == pytest.approx(one[name] / 2)
    shared, _ = utilisation_of(WORK, 100.0, PEAK, {}, None, {**CPU, "replicas": 2})
    assert shared["of_measured_peak"] == pytest.approx(0.2), "replicas share a processor's cores"


def test_fine_tuning_has_a_rate_of_its_last_stage_where_that_is_steady():
    settings = {"mode": "finetune", "head_epochs": 2}
    given = (WORK, 100.0, PEAK, {"tensorfloat32": False}, BUSY, GPU, settings, 90.0)
    both, reasons = utilisation_of(*given)
    assert both["model_flops_per_s"] is both["of_datasheet_peak_busy"] is None
    last, reasons = utilisation_of(*given, steady=True)
    assert last["of_measured_peak"] == pytest.approx(0.2)
    assert last["of_datasheet_peak_busy"] is None and "stages" in reasons["of_datasheet_peak_busy"]


def test_the_whole_of_training_counts_validation_as_a_third():
    phases = {"data": {"validation_images": 30}, "train": {"images": 100, "wall_s": 10.0}}
    assert whole_rate(phases, epochs=2) == pytest.approx((100 + 20) / 10)
    assert whole_rate({"train": {"wall_s": 10.0}}, epochs=2) is None


@pytest.mark.parametrize(
    ("changed", "missing", "word"),
    [
        ({"work": None}, "model_flops_per_s", "work"),
        ({"rate": None}, "of_measured_peak", "rate"),
        ({"peak": None}, "of_measured_peak", "--calibrate"),
        ({"telemetry": None}, "of_datasheet_peak_busy", "telemetry"),
        ({"slot": {**GPU, "model": "NVIDIA Z9"}}, "of_datasheet_peak_busy", "Z9"),
        ({"settings": {"mode": "finetune", "head_epochs": 2}}, "model_flops_per_s", "stages"),
        (
            {"telemetry": {"phases": {"train": {"gpu_utilisation": {"mean": 0.0}}}}},
            "of_datasheet_peak_busy",
            "busy",
        ),
    ],
)
def test_what_is_missing_has_a_reason_and_is_no_number(changed: dict, missing: str, word: str):
    given = {
        "work": WORK,
        "rate": 100.0,
        "peak": PEAK,
        "environment": None,
        "telemetry": BUSY,
        "slot": GPU,
        "whole_rate": 90.0,
        **changed,
    }
    figures, reasons = utilisation_of(**given)
    assert figures[missing] is None
    assert word in reasons[missing]
    assert {name for name, value in figures.items() if value is None} - set(reasons) <= {
        "measured_precision",
        "datasheet_precision",
    }


ANALYTIC = {"total": 90, "allocated": 100}


def test_memory_and_its_residual():
    event = {"analytic": ANALYTIC, "allocator_peak": 104, "process_peak": 900}
    telemetry = {"devices": {"gpu:0": {"phases": {"train": {"gpu_memory_bytes": {"max": 7}}}}}}
    memory, reason = memory_of(event, telemetry)
    assert (memory["residual"], memory["process_peak"], memory["device_peak"], reason) == (4, 900, 7, "")
    memory, reason = memory_of({"unavailable": "only TensorFlow's", "process_peak": 900}, None)
    assert (memory["analytic"], memory["residual"], memory["process_peak"]) == (None, None, 900)
    assert reason == "only TensorFlow's"
    assert memory_of(None, None)[0] is None


def record(build: dict, steady: dict | None = None) -> dict:
    return {
        "phases": {"build": build} if build else {},
        "throughput": {"train_images_per_s": 10.0},
        "environment": None,
        "slot": CPU,
        "steady": steady,
        "telemetry": None,
        "trial": {"settings": {"mode": "scratch"}},
        "unavailable": {"energy": "no counter"},
    }


BUILT = {
    "parameters": 5,
    "trainable_parameters": 4,
    "layers": 3,
    "forward_macs": 1,
    "forward_flops": 2,
    "training_flops": 6e9,
}


def test_a_record_gets_all_of_it():
    found = work_and_limit_of(record(BUILT), {}, {"peak": PEAK})
    assert found["work"] == BUILT
    assert found["utilisation"]["of_measured_peak"] == pytest.approx(6e10 / 1e12)
    assert found["unavailable"]["energy"] == "no counter"
    assert "memory" in found["unavailable"]
    steady = work_and_limit_of(record(BUILT, {"images_per_s": 20.0}), {}, {"peak": PEAK})
    assert steady["utilisation"]["of_measured_peak"] == pytest.approx(2 * 6e10 / 1e12)


def test_older_records_classical_methods_and_odd_models():
    assert work_and_limit_of(record({}), {}, {})["work"] is None
    assert (
        work_and_limit_of(record({"parameters": 7}), {}, {})["unavailable"]["work"] == "no network was built"
    )
    odd = {"parameters": 7, "trainable_parameters": 7, "layers": 1, "work_unavailable": "own is no graph"}
    found = work_and_limit_of(record(odd), {}, {})
    assert found["work"]["parameters"] == 7
    assert found["work"]["training_flops"] is None
    assert found["unavailable"]["work"] == "own is no graph"
    assert found["utilisation"]["model_flops_per_s"] is None


def test_a_canary_is_held_against_one_of_the_same_backend():
    canary = {"before_gflops": 90.0, "after_gflops": 91.0, "reference_gflops": None}
    peak = {"canary_gflops": 100.0, "tensorflow": "2.21.0"}
    same = {"backend": "tensorflow", "tensorflow": "2.21.0"}
    assert with_reference(canary, peak, same)["reference_gflops"] == 100.0
    older = {**same, "tensorflow": "2.16.2"}
    assert with_reference(canary, peak, older)["reference_gflops"] is None, "it may be slower by itself"
    assert with_reference(canary, peak, {"backend": "jax"})["reference_gflops"] is None
    assert with_reference(canary, peak, None)["reference_gflops"] is None, "NumPy's is another"
    settings = {"onednn": "on", "tensorfloat32": False}
    assert with_reference(canary, {**peak, "settings": settings}, {**same, **settings})["reference_gflops"]
    off = {**same, **settings, "onednn": "off"}
    assert with_reference(canary, {**peak, "settings": settings}, off)["reference_gflops"] is None
    assert with_reference(canary, None, same)["reference_gflops"] is None
    assert with_reference(None, peak, same) is None
