"""What a record takes from the journals of harness and worker, where several of a kind are there."""

import json
from pathlib import Path

import msgspec
import pytest
from equipment.results.records import a_trial, some_metrics
from telemetry_equipment import SECOND, SPAWNED, made_trace

from bench.journal.events import (
    Checkpointed,
    Closed,
    Ended,
    EnvironmentTold,
    Epoch,
    Evaluated,
    Event,
    ExternallyEvaluated,
    MachineTold,
    ModelNotSaved,
    ModelSaved,
    NeighborsChanged,
    Origin,
    PeakTold,
    PhaseEnded,
    PhaseStarted,
    QuietTold,
    ResumedFrom,
    Started,
)
from bench.journal.results import Attempt, SuiteResults
from bench.records.accuracy_time import NO_EPOCHS
from bench.records.fold import HISTORY_FILE, finish, fold
from bench.trials.origin import (
    Environment,
    MachineFacts,
    Neighbors,
    Provenance,
    Quiet,
    Seeds,
    SlotDescription,
)
from bench.trials.record import KeptModel, Record, TensorShape
from bench.trials.settings import digest_of
from bench.trials.trial import Trial

GPU = SlotDescription(name="gpu:0", kind="gpu", model="NVIDIA A100-SXM4-40GB")
TRIAL = a_trial("LeNet5", epochs=2)


def at(seconds: float) -> int:
    return SPAWNED + round(seconds * SECOND)


def phase(name: str, began: float, ended: float, **figures) -> list[Event]:
    return [
        PhaseStarted(t=at(began), phase=name),
        PhaseEnded(t=at(ended), phase=name, figures=figures),
    ]


def epoch(seconds: float, number: int, accuracy: float | None = None) -> Epoch:
    metrics = {} if accuracy is None else {"validation_accuracy": accuracy}
    return Epoch(t=at(seconds), epoch=number, metrics=metrics)


def attempt_at(results: SuiteResults, trial: Trial, events: list[Event], *runner: Event) -> Attempt:
    attempt = results.new_attempt(trial)
    for path, told in ((attempt.events, events), (attempt.runner_events, runner)):
        path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in told))
    attempt.predictions.touch()
    return attempt


def evaluated(seconds: float, **evaluations) -> Evaluated:
    return Evaluated(t=at(seconds), metrics=some_metrics(), evaluations=evaluations)


def gone(seconds: float, code: int = 0) -> Ended:
    return Ended(t=at(seconds), exit_code=code, cpu_s=1.0)


def watched(attempt: Attempt, seconds: float, watts: float, clock) -> None:
    """A trace of a GPU with a steady power, read each second."""
    counters = {"cpu_s": lambda now: now, "gpu:0/energy_j": lambda now: watts * now}
    lines = made_trace(seconds, counters, {"gpu:0/sm_clock_mhz": clock}, 1.0, gpus=["gpu:0"])
    attempt.telemetry.write_text("".join(json.dumps(line) + "\n" for line in lines))


def resumed(folder: Path, first: Trial) -> Record:
    """The record of an attempt on a GPU that goes on from one of 100 W, with 50 W."""
    results = SuiteResults(folder, "suite")
    started = Started(t=at(0), slot=GPU)
    events = [
        *phase("compile", 0, 2),
        PhaseStarted(t=at(2), phase="train"),
        epoch(5, 1, 0.5),
        Checkpointed(t=at(6), epoch=1, seconds=1.0),
    ]
    earlier = attempt_at(results, first, events, started, gone(7, -9))
    watched(earlier, 6, 100.0, lambda now: 900.0)
    events = [
        *phase("reference_work", 0, 1, gflops=10.0),
        ResumedFrom(t=at(1), epoch=1, tag=earlier.tag),
        *phase("compile", 1, 3),
        PhaseStarted(t=at(3), phase="train"),
        epoch(6, 2, 1.0),
        PhaseEnded(t=at(6), phase="train", figures={"images": 100}),
        *phase("reference_work", 6, 8, gflops=9.0),
        evaluated(8),
    ]
    later = attempt_at(results, TRIAL, events, started, gone(9))
    watched(later, 9, 50.0, lambda now: 1500.0 if now <= 1 else 1400.0)
    return fold(later)


def test_clocks_are_of_the_last_attempt_and_energy_is_of_all(tmp_path: Path):
    record = resumed(tmp_path, TRIAL)
    work = record.reference_work
    assert (work.before_clock_mhz, work.after_clock_mhz) == (1500.0, 1400.0)
    assert (work.before_gflops, work.after_gflops) == (10.0, 9.0)
    assert record.energy.trial_j == pytest.approx(100 * 6 + 50 * 9)
    first, *_ = record.time_to_accuracy
    assert (first.epoch, first.fit_s, first.joules) == (2, 10.0, pytest.approx(100 * 6 + 50 * 5))
    assert not {"time_to_accuracy", "energy", "telemetry"} & set(record.unavailable)


def test_where_another_trial_began_no_energy_is_told(tmp_path: Path):
    record = resumed(tmp_path, a_trial("LeNet5", epochs=1))
    assert record.energy.trial_j is None and record.time_to_accuracy[0].joules is None
    assert record.unavailable["energy"] == "another trial did a part of its work"


def test_of_a_chain_of_trials_the_one_before_is_named(tmp_path: Path):
    results, tag, trained = SuiteResults(tmp_path, "suite"), None, 0
    trials = [a_trial("LeNet5", epochs=epochs) for epochs in (1, 2, 3)]
    for number, trial in enumerate(trials, start=1):
        events = [
            *([ResumedFrom(t=at(0), epoch=number - 1, tag=tag)] if tag else []),
            *phase("data", 0, 1, train_images=10),
            *phase("compile", 1, 2),
            PhaseStarted(t=at(2), phase="train"),
            epoch(2 + number, number),
            Checkpointed(t=at(2 + number), epoch=number, seconds=0.0),
            PhaseEnded(t=at(2 + number), phase="train"),
            evaluated(9),
        ]
        attempt = attempt_at(results, trial, events, gone(9))
        tag, trained = attempt.tag, trained + number
    record = fold(attempt)
    assert (record.resumed.trial, record.resumed.from_epoch, record.resumed.attempts) == (
        trials[1].id,
        2,
        (1,),
    )
    assert (record.resumed.shared_s, record.phases.train.wall_s) == (1 + 2, trained)
    assert record.unavailable["time_to_accuracy"] == NO_EPOCHS


STAGES = "the two stages of fine-tuning differ in work, and the rate is of both"


@pytest.mark.parametrize(
    ("mode", "head_epochs", "reason"),
    [("finetune", 2, STAGES), ("finetune", None, None), ("scratch", 2, None), ("finetune", 0, None)],
)
def test_only_fine_tuning_with_epochs_of_its_head_has_two_stages(tmp_path: Path, mode, head_epochs, reason):
    trial = a_trial("LeNet5", mode=mode, head_epochs=head_epochs)
    built = {"layers": 3, "training_flops": 6, "trained_forward_flops": 2}
    events = [*phase("build", 0, 1, **built), *phase("train", 1, 3, images=10), evaluated(3)]
    record = fold(attempt_at(SuiteResults(tmp_path, "suite"), trial, events, gone(4)))
    assert record.unavailable.get("model_flops_per_s") == reason
    assert record.utilization.model_flops_per_s == (None if reason else 30.0)


@pytest.mark.parametrize(("mode", "told"), [("scratch", False), ("transfer", True), ("finetune", False)])
def test_only_the_head_of_transfer_is_compared_with_the_bandwidth(tmp_path: Path, mode: str, told: bool):
    events = [*phase("train", 1, 3, images=10), evaluated(3)]
    record = fold(attempt_at(SuiteResults(tmp_path, "suite"), a_trial(mode=mode), events, gone(4)))
    assert record.unavailable.get("of_measured_bandwidth") == ("no step was timed" if told else None)


def test_the_first_wait_for_a_quiet_machine_and_every_state_of_the_neighbors_are_kept(tmp_path: Path):
    lost = [Neighbors(lost=("gpu:0",)), None, Neighbors(lost=("gpu:1", "gpu:0"))]
    record = fold(
        attempt_at(
            SuiteResults(tmp_path, "suite"),
            TRIAL,
            [PhaseStarted(t=at(0), phase="train")],
            QuietTold(t=at(0), noise=("a build",), waited_s=9.0),
            QuietTold(t=at(1), noise=(), waited_s=1.0),
            *(NeighborsChanged(t=at(2), neighbors=one) for one in lost),
            gone(3, -9),
        )
    )
    assert record.quiet == Quiet(noise=("a build",), waited_s=9.0)
    assert record.neighbors == tuple(lost)
    assert record.failure.kind == "gpu-lost"
    assert record.failure.message == "the driver lost gpu:0, gpu:1 while the trial ran"


@pytest.mark.parametrize(("slot", "kind"), [("gpu", "gpu-oom"), ("cpu", "host-oom")])
def test_a_full_memory_is_that_of_the_slot(tmp_path: Path, slot, kind: str):
    on = SlotDescription(name=f"{slot}:0", kind=slot, model="x")
    attempt = attempt_at(SuiteResults(tmp_path, "suite"), TRIAL, [], Started(t=0, slot=on), gone(1, -6))
    attempt.log.write_text("failed to allocate: CUDA_ERROR_OUT_OF_MEMORY: out of memory\n")
    assert fold(attempt).failure.kind == kind


SHAPES = {
    "input": TensorShape(shape=(-1, 32, 32, 3), dtype="uint8"),
    "output": TensorShape(shape=(-1, 4), dtype="float32"),
}


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ([], None),
        ([ModelSaved(t=0, bytes=7, seconds=0.5, **SHAPES)], KeptModel(bytes=7, seconds=0.5, **SHAPES)),
        ([ModelNotSaved(t=0, reason="the disk is full")], KeptModel(reason="the disk is full")),
    ],
)
def test_a_model_is_kept_or_the_reason(tmp_path: Path, told: list[Event], kept: KeptModel | None):
    events = [evaluated(1), *told, Closed(t=at(2))]
    assert fold(attempt_at(SuiteResults(tmp_path, "suite"), TRIAL, events, gone(2))).model == kept


def test_other_evaluations_stand_beside_the_test(tmp_path: Path):
    both = {"aligned": some_metrics(0.9), "shuffled": some_metrics(0.3)}
    events = [evaluated(1, **both), ExternallyEvaluated(t=at(2), metrics=some_metrics(0.7))]
    record = fold(attempt_at(SuiteResults(tmp_path, "suite"), TRIAL, events, gone(3, -9)))
    assert (record.status, record.evaluations, record.external) == ("failed", both, some_metrics(0.7))
    one = [evaluated(1, aligned=some_metrics())]
    assert fold(attempt_at(SuiteResults(tmp_path, "suite"), TRIAL, one, gone(3))).evaluations is None


def test_a_complete_journal_is_a_result_with_a_note_of_its_end(tmp_path: Path):
    events = [evaluated(1), Closed(t=at(1))]
    record = fold(attempt_at(SuiteResults(tmp_path, "suite"), TRIAL, events, gone(3, -11)))
    assert (record.status, record.last_epoch, record.epochs) == ("done", None, 0)
    assert record.note == (
        "The result was complete, but its process did not end by itself with exit code 0; it was killed by signal 11."
    )


def test_there_is_a_history_where_there_were_epochs_and_a_metric_may_come_later(tmp_path: Path):
    results = SuiteResults(tmp_path, "suite")
    without = attempt_at(results, TRIAL, [evaluated(1)], gone(2))
    assert finish(without).done and not (without.folder / HISTORY_FILE).exists()
    events = [epoch(1, 1), epoch(2, 2, 0.5), evaluated(3)]
    attempt = attempt_at(results, TRIAL, events, gone(4))
    assert finish(attempt) == attempt.record()
    assert (attempt.folder / HISTORY_FILE).read_text() == "epoch,validation_accuracy\n1,\n2,0.5\n"


@pytest.mark.parametrize(
    ("started", "machine", "commit"),
    [(None, None, None), ("a", None, "a"), ("a", "b", "b"), ("a", "", "a"), (None, "b", "b")],
)
def test_where_a_result_comes_from(tmp_path: Path, started, machine, commit: str | None):
    packages = {"numpy": "2.0", "keras": "3"}
    trial = a_trial(
        seed=3,
        deterministic=True,
        data={"digest": "d1", "split_seed": 4, "data_seed": 5},
        weights={"name": "imagenet", "sha256": "w1"},
    )
    runner: list[Event] = []
    if started:
        runner.append(Started(t=0, provenance=Origin(host="h", commit=started, driver="570")))
    if machine is not None:
        told = MachineTold(t=0, machine=MachineFacts(cores=2), leukobench="1.0", commit=machine or None)
        runner.append(told)
    told = EnvironmentTold(t=0, environment=Environment(packages=packages))
    record = fold(attempt_at(SuiteResults(tmp_path, "suite"), trial, [told, evaluated(1)], *runner, gone(2)))
    assert record.provenance == Provenance(
        host="h" if started else None,
        commit=commit,
        driver="570" if started else None,
        machine=None if machine is None else MachineFacts(cores=2),
        leukobench=None if machine is None else "1.0",
        packages_sha256=digest_of(packages),
        data_digest="d1",
        weights_sha256="w1",
        seeds=Seeds(seed=3, split_seed=4, data_seed=5, deterministic=True),
    )
    bare = fold(attempt_at(SuiteResults(tmp_path, "suite"), trial, [evaluated(1)], *runner, gone(2)))
    assert bare.provenance.packages_sha256 is None


def test_reference_work_has_its_best_from_the_peak(tmp_path: Path):
    environment = Environment(backend="tensorflow", tensorflow="2.21.0")
    events = [
        EnvironmentTold(t=0, environment=environment),
        *phase("reference_work", 0, 1, gflops=70.0),
        *phase("reference_work", 2, 3, gflops=60.0),
        evaluated(4),
    ]
    peak = PeakTold(t=0, tensorflow="2.21.0", rates={}, unavailable={}, reference_work_gflops=100.0)
    record = fold(attempt_at(SuiteResults(tmp_path, "suite"), TRIAL, events, peak, gone(5)))
    assert record.reference_work.reference_gflops == 100.0
    slow = "The reference work was 30% slower than its best, before and after: 70 of 100 GFLOP/s."
    assert record.disturbed == (slow,)
