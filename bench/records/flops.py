"""The work and the memory of what was trained. Pure functions."""

from bench.journal.events import MemoryTold
from bench.trials.measured import Growth, Memory, Telemetry, Work
from bench.trials.phases import Phases

NO_MEMORY = "the journal does not tell: training did not come to its end"


def work_of(phases: Phases) -> tuple[Work | None, str]:
    """The work from the figures of `build`; or None, or work without operations, and why."""
    built = phases.build
    if built is None:
        return None, "nothing was built yet"
    if built.layers is None:
        return None, "no network was built"
    work = Work(
        parameters=built.parameters,
        trainable_parameters=built.trainable_parameters,
        layers=built.layers,
        forward_macs=built.forward_macs,
        forward_flops=built.forward_flops,
        trained_forward_flops=built.trained_forward_flops,
        training_flops=built.training_flops,
    )
    return work, built.work_unavailable or ""


def whole_rate(phases: Phases, epochs: int, work: Work | None) -> float | None:
    """Images a second over the whole phase `train`, in images that are trained on; or None.

    An image of the validation, which is only predicted, counts as its share of the work: about a third where the
    whole network is trained, about half of a head of dense layers, more where few layers are unfrozen.
    """
    train, data = phases.train, phases.data
    if train is None or not train.images or not train.wall_s or work is None:
        return None
    if work.trained_forward_flops is None or not work.training_flops:
        return None
    validation = data.validation_images if data and data.validation_images else 0
    predicted = epochs * validation * work.trained_forward_flops / work.training_flops
    return (train.images + predicted) / train.wall_s


def memory_of(
    event: MemoryTold | None,
    telemetry: Telemetry | None,
    host_growth: Growth | None = None,
    device_growth: Growth | None = None,
) -> tuple[Memory | None, str]:
    """The memory of training, or None and why.

    Args:
        event: What the worker told; None where it did not come to that.
        telemetry: Of the record.
        host_growth: See `bench.records.growth`.
        device_growth: Likewise.
    """
    if event is None:
        return None, NO_MEMORY
    analytic, peak = event.analytic, event.allocator_peak
    memory = Memory(
        analytic=analytic,
        allocator_peak=peak,
        process_peak=event.process_peak,
        device_peak=_device_peak(telemetry),
        residual=peak - analytic.allocated if analytic is not None and peak is not None else None,
        host_growth=host_growth,
        device_growth=device_growth,
    )
    return memory, event.unavailable


def _device_peak(telemetry: Telemetry | None) -> float | None:
    """The most that the process had of its GPUs while training; of the whole GPUs where that is unknown."""
    devices = telemetry.devices.values() if telemetry else ()
    trained = [device.phases.get("train", {}) for device in devices]
    for metric in ("gpu_process_memory_bytes", "gpu_memory_bytes"):
        peaks = [train[metric].max if metric in train else None for train in trained]
        known = [peak for peak in peaks if peak is not None]
        if peaks and len(known) == len(peaks):
            return sum(known)
    return None
