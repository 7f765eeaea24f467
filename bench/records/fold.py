"""Fold the journals of an attempt into its record, `result.json`.

Nothing in a record comes from anywhere else, so it can be made again at any time.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from bench.journal.events import (
    Closed,
    Ended,
    EnvironmentTold,
    Epoch,
    Evaluated,
    ExternallyEvaluated,
    Failed,
    MemoryTold,
    ModelNotSaved,
    ModelSaved,
    NeighborsChanged,
    PeakTold,
    PhaseEnded,
    QuietTold,
    ResumedFrom,
    Started,
    WorkerEvent,
    every,
    last,
)
from bench.journal.history import Stretch, history, open_phase, summed
from bench.journal.results import Attempt
from bench.records.accuracy_time import NO_EPOCHS, NOT_OVER, moments_of, times_to_accuracy
from bench.records.disturbance import disturbances
from bench.records.energy import energy_of, shares_missing
from bench.records.flops import memory_of, whole_rate, work_of
from bench.records.growth import growth_of
from bench.records.measured import latency_of, profile_of, reference_work_of
from bench.records.provenance import provenance_of
from bench.records.steady import pace_of
from bench.records.summary import clocks_of, spans_of
from bench.records.telemetry import missing_of, telemetry_of
from bench.records.utilization import Device, Rates, bandwidth_share, utilization_of
from bench.trials.limits import RETRIED
from bench.trials.measured import Memory, Steady
from bench.trials.metrics import Metrics
from bench.trials.origin import Quiet, SlotDescription
from bench.trials.phases import Phases, Times
from bench.trials.record import (
    FORMAT,
    Failure,
    KeptModel,
    Record,
    Resumed,
    Status,
    Throughput,
    record_to_json,
)
from bench.worker.files import write_json
from wbc.backends import memory_named_in
from wbc.files import whole_path
from wbc.observer import APART

HISTORY_FILE = "history.csv"

FIT_PHASES = ("compile", "train")
LOG_LINES = 12

_OUT_OF_MEMORY = (
    "std::bad_alloc",
    "MemoryError",
    "Cannot allocate memory",
    "Resource temporarily unavailable",
)
"""Words with which a library that runs out of memory takes the process down."""


def finish(attempt: Attempt) -> Record:
    """Fold the journals of an attempt that is over and write its `result.json`, and `history.csv` beside it.

    Raises:
        DamagedAttempt: Its journals or its trial make no sense.
    """
    record = fold(attempt)
    if epochs := [epoch for stretch in history(attempt) for epoch in stretch.epochs]:
        write_history(epochs, attempt.folder / HISTORY_FILE)
    write_json(attempt.result, record_to_json(record))
    return record


def write_history(epochs: Sequence[Epoch], path: Path) -> None:
    """Write the metrics of every epoch as CSV, those of a resumed attempt's earlier epochs too.

    Columns: `epoch` (from 1), then the metrics that Keras tells; empty where an epoch lacks one.
    """
    names = dict.fromkeys(name for epoch in epochs for name in epoch.metrics)
    with whole_path(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["epoch", *names], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"epoch": epoch.epoch, **epoch.metrics} for epoch in epochs)


def fold(attempt: Attempt) -> Record:
    """The record of an attempt.

    Times are sums over the attempts that a resumed one continues; work that was done twice counts in
    `time_to_result`.

    Raises:
        DamagedAttempt: Its journals or its trial make no sense.
    """
    trial = attempt.trial()
    stretches = history(attempt)
    events, runner = stretches[-1].events, stretches[-1].runner
    phases = summed(stretches)
    epochs = [epoch for stretch in stretches for epoch in stretch.epochs]
    evaluated, told = last(events, Evaluated), last(events, EnvironmentTold)
    started, quiet, peak = last(runner, Started), every(runner, QuietTold), last(runner, PeakTold)
    test, elsewhere = evaluated.metrics if evaluated else None, last(events, ExternallyEvaluated)
    slot, environment = started.slot if started else None, told.environment if told else None
    neighbors = tuple(event.neighbors for event in every(runner, NeighborsChanged))
    lost = tuple(dict.fromkeys(name for state in neighbors if state is not None for name in state.lost))
    on_gpu = slot is not None and slot.kind == "gpu"
    failure = _failure(attempt, events, last(runner, Ended), len(epochs), lost, on_gpu)

    steady, no_steady = pace_of(stretches)
    profile, no_profile = profile_of(events)
    latency, no_latency = latency_of(events)
    telemetry, traces = telemetry_of(stretches)
    clocks = clocks_of(traces[-1], spans_of(events).get("reference_work", [])) if traces else []
    reference, no_reference = reference_work_of(events, peak, environment, clocks)
    shared = any(stretch.of_another for stretch in stretches)
    energy, no_energy = energy_of(telemetry, traces, phases, shared)
    moments = [] if failure else moments_of(stretches, traces if energy.trial_j is not None else ())
    work, no_work = work_of(phases)
    host_growth, device_growth, no_growth = growth_of(stretches[-1])
    memory, no_memory = memory_of(last(events, MemoryTold), telemetry, host_growth, device_growth)
    throughput = _throughput(phases)
    rates = Rates(
        steps=steady.images_per_s if steady else throughput.train_images_per_s,
        whole=whole_rate(phases, len(epochs), work),
        steady=steady is not None,
        two_stages=trial.settings.mode == "finetune" and bool(trial.settings.head_epochs),
    )
    device = Device(slot, environment, telemetry, peak)
    utilization, no_utilization = utilization_of(work, rates, device)
    if trial.settings.mode == "transfer" and trial.settings.optimizer is not None:
        share, no_share = bandwidth_share(trial.settings.optimizer, work, _step_s(phases, steady), device)
        utilization = msgspec.structs.replace(utilization, of_measured_bandwidth=share)
        no_utilization["of_measured_bandwidth"] = no_share
    unavailable = {
        "steady": no_steady,
        "time_to_accuracy": NOT_OVER if failure else "" if moments else NO_EPOCHS,
        **no_profile,
        **no_latency,
        "reference_work": no_reference,
        **missing_of(telemetry, stretches[-1]),
        **({"energy": no_energy} if no_energy else shares_missing(energy)),
        "work": no_work,
        "memory": no_memory,
        "memory_growth": no_growth if epochs else "",
        **_missing_peaks(memory, slot),
        **no_utilization,
    }
    return Record(
        format=FORMAT,
        trial=trial.without_specification(),
        attempt=attempt.number,
        status=_status(failure),
        failure=failure,
        note=_note(failure, events, last(runner, Ended)),
        started_at=stretches[-1].started_at,
        slot=slot,
        resumed=_resumed(stretches, last(events, ResumedFrom)),
        phases=phases,
        fit_time=None if failure else _fit_time(phases),
        time_to_result=None if failure else _time_to_result(phases, stretches),
        throughput=throughput,
        epochs=len(epochs),
        last_epoch=epochs[-1].metrics if epochs else None,
        test=test,
        evaluations=_evaluations(evaluated),
        model=_model(events),
        environment=environment,
        provenance=provenance_of(runner, environment, trial),
        neighbors=neighbors,
        quiet=Quiet(noise=quiet[0].noise, waited_s=quiet[0].waited_s) if quiet else None,
        steady=steady,
        profile=profile,
        reference_work=reference,
        telemetry=telemetry,
        energy=energy,
        disturbed=tuple(disturbances(phases, telemetry, neighbors, reference, environment)),
        unavailable={name: reason for name, reason in unavailable.items() if reason},
        work=work,
        memory=memory,
        utilization=utilization,
        external=elsewhere.metrics if elsewhere else None,
        latency=latency,
        time_to_accuracy=times_to_accuracy(moments, trial.specification.get("targets") or ()),
    )


def _status(failure: Failure | None) -> Status:
    if failure is None:
        return "done"
    return "interrupted" if failure.kind == "interrupted" else "failed"


def _resumed(stretches: Sequence[Stretch], event: ResumedFrom | None) -> Resumed | None:
    if event is None:
        return None
    others = [stretch for stretch in stretches if stretch.of_another]
    return Resumed(
        from_epoch=event.epoch,
        trial=others[-1].attempt.trial_id if others else None,
        shared_s=sum(stretch.phases.train.wall_s for stretch in others if stretch.phases.train),
        attempts=tuple(stretch.attempt.number for stretch in stretches if not stretch.of_another),
        lost_s=sum(stretch.lost_s for stretch in stretches),
    )


def _model(events: Sequence[WorkerEvent]) -> KeptModel | None:
    """The model that was kept, or why it was not."""
    saved, failed = last(events, ModelSaved), last(events, ModelNotSaved)
    if saved:
        return KeptModel(bytes=saved.bytes, seconds=saved.seconds, input=saved.input, output=saved.output)
    return KeptModel(reason=failed.reason) if failed else None


def _evaluations(evaluated: Evaluated | None) -> dict[str, Metrics] | None:
    """Every evaluation of the same predictions, where there is more than the one of `test`."""
    return evaluated.evaluations if evaluated and len(evaluated.evaluations) > 1 else None


def _missing_peaks(memory: Memory | None, slot: SlotDescription | None) -> dict[str, str]:
    missing = {}
    if memory is not None and memory.process_peak is None:
        missing["process_peak"] = "the kernel did not tell it"
    if memory is not None and memory.device_peak is None:
        gpu = slot is not None and slot.kind == "gpu"
        missing["device_peak"] = "it was not sampled while training" if gpu else "a trial on the processor"
    return missing


def _fit_time(phases: Phases) -> Times:
    times = _sum(phases, FIT_PHASES)
    train = phases.train
    checkpoint_s = (train.checkpoint_s if train else None) or 0.0
    cpu_s = (train.checkpoint_cpu_s if train else None) or 0.0
    return Times(wall_s=times.wall_s - checkpoint_s, cpu_s=max(0.0, times.cpu_s - cpu_s))


def _time_to_result(phases: Phases, stretches: Sequence[Stretch]) -> Times:
    times = _sum(phases, [name for name in phases.names() if name not in APART])
    return Times(wall_s=times.wall_s + sum(stretch.lost_s for stretch in stretches), cpu_s=times.cpu_s)


def _sum(phases: Phases, names: Iterable[str]) -> Times:
    own = [phase for name in names if (phase := phases.get(name)) is not None]
    return Times(wall_s=sum(phase.wall_s for phase in own), cpu_s=sum(phase.cpu_s for phase in own))


def _throughput(phases: Phases) -> Throughput:
    """Images a second: of training after its first step, without validation; and of feature extraction.

    Checkpoints, and first steps of later stages, are left out as well. What Keras does around epochs and at the
    end of `fit` counts: users wait for it. A mode without epochs has no rate of training.
    """
    train, features = phases.train, phases.features
    trained = extracted = None
    if train and train.images:
        parts = (train.validation_s, train.checkpoint_s, train.recompile_s)
        trained = train.images / (train.wall_s - sum(part or 0.0 for part in parts))
    if features and features.images and features.made_by is None:
        extracted = features.images / features.wall_s
    return Throughput(train_images_per_s=trained, feature_images_per_s=extracted)


def _step_s(phases: Phases, steady: Steady | None) -> float | None:
    """Seconds of a step, in the steady window where there is one."""
    train = phases.train
    if steady is not None or train is None or not train.steps or train.steps_s is None:
        return steady.step_s if steady else None
    return (train.steps_s + (train.data_wait_s or 0.0)) / train.steps


def _failure(
    attempt: Attempt,
    events: Sequence[WorkerEvent],
    ended: Ended | None,
    epochs: int,
    lost: tuple[str, ...],
    on_gpu: bool,
) -> Failure | None:
    """Why the attempt is not done, or None."""
    log, failed, closed = _log_tail(attempt), last(events, Failed), last(events, Closed)
    # A journal that is complete is a result, however the process ended: also when it was asked to stop and had
    # just come to its end, and where threads of the user's network go on.
    complete = closed is not None or (ended is not None and ended.exit_code == 0)
    evaluated = last(events, Evaluated) is not None
    if complete and evaluated and not failed and attempt.predictions.is_file():
        return None
    if lost and not (ended and ended.stopped.why == "interrupted"):
        gpu = lost[0].startswith("gpu:")  # else a node of a cluster, with its GPUs if it has any
        kind = "gpu-lost" if gpu or on_gpu else "crashed"
        message = f"the {'driver' if gpu else 'cluster'} lost {', '.join(lost)} while the trial ran"
    elif ended and ended.stopped.why and not (closed and failed):
        kind, message = ended.stopped.why, ended.stopped.message
    elif failed:
        kind, message = failed.kind, failed.message
    elif ended is None:
        kind, message = "interrupted", "the harness ended before the trial did"
    else:
        kind, message = _broken(ended, log, on_gpu)
    phase, before = open_phase(events), last(events, PhaseEnded)
    if phase is None and before is not None and kind in RETRIED and not failed:
        message += f", after the phase {before.phase}"  # between two phases it may wait for its turn
    return Failure(
        kind=kind,
        message=message,
        phase=phase,
        epoch=epochs,
        log=tuple(log),
        folder=str(attempt.folder),
    )


def _note(failure: Failure | None, events: Sequence[WorkerEvent], ended: Ended | None) -> str | None:
    """What is worth a word about the end of an attempt whose journal is complete."""
    if failure is not None or last(events, Closed) is None or (ended and ended.exit_code == 0):
        return None
    if ended is None:
        how = "the harness ended before it did"
    elif ended.stopped.why:
        how = f"it was ended: {ended.stopped.message}"
    else:
        how = f"it {_how(ended.exit_code)}"
    return f"The result was complete, but its process did not end by itself with exit code 0; {how}."


def _how(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _broken(ended: Ended, log: list[str], on_gpu: bool) -> tuple[str, str]:
    """Kind and message of a worker that ended without saying why."""
    code = ended.exit_code
    how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code} without a result"
    if code == -9 and ended.memory_kills:
        return "host-oom", "the kernel killed it because memory ran out"
    for line in reversed(log):
        device = memory_named_in(line)
        if device or any(word in line for word in _OUT_OF_MEMORY):
            kind = "gpu-oom" if device == "device" and on_gpu else "host-oom"
            return kind, f"memory ran out, it was {how}: {line.strip()[:200]}"
    return "crashed", how


def _log_tail(attempt: Attempt) -> list[str]:
    try:
        with attempt.log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 8192))
            return file.read().decode(errors="replace").splitlines()[-LOG_LINES:]
    except (FileNotFoundError, IsADirectoryError):
        return []
