"""Energy of a trial: in all, and for an image of training."""

from collections.abc import Sequence

from bench.telemetry.trace import Trace
from bench.trials.measured import Energy, Telemetry
from bench.trials.phases import Phases

NO_GPU = (
    "a trial on the processor: the processor's energy counter belongs to the whole machine and is not read"
)
NO_TELEMETRY = "the trial ran without telemetry"


def energy_of(
    telemetry: Telemetry | None, traces: Sequence[Trace], phases: Phases, continued: bool = False
) -> tuple[Energy, str]:
    """Joules of all GPUs of the slot together, idle power included, and why there are none.

    `trial_j` covers the time from the sampler's first reading, some tenths of a second after the start, to
    the worker's end; in a resumed trial, of all its attempts. There is none where another trial extracted the
    features or began the training. `image_j` is the energy of the phase `train`,
    validation included, per image trained on after the first step.

    Args:
        telemetry: Of the record.
        traces: Of all attempts that the trial took.
        phases: Of the record.
        continued: Whether another trial began the training.
    """
    if telemetry is None:
        return Energy(), NO_TELEMETRY
    devices = telemetry.devices
    if not devices:
        return Energy(), NO_GPU
    if incomplete := telemetry.unavailable.get("telemetry"):
        return Energy(), incomplete
    reasons = [
        f"{name}: {one.unavailable['energy_j']}"
        for name, one in devices.items()
        if "energy_j" in one.unavailable
    ]
    series = [trace.counters.get(f"{gpu}/energy_j") for trace in traces for gpu in trace.header.gpus]
    read = [one for one in series if one is not None and len(one.values) > 1]
    if reasons or len(read) < len(series):
        return Energy(), "; ".join(reasons) or "the sampler read it too seldom"
    spent = [one.values[-1] - one.values[0] for one in read]
    if min(spent) < 0:
        return Energy(), "the energy counter was set back meanwhile"
    found = any(phase.made_by is not None for phase in phases.shared().values())
    trial_j = None if found or continued else sum(spent)
    methods = {one.methods["energy_j"] for one in devices.values() if "energy_j" in one.methods}
    trained = [one.counters.get("train", {}).get("energy_j") for one in devices.values()]
    known = [joules for joules in trained if joules is not None]
    train_j = sum(known) if len(known) == len(trained) else None
    images = phases.train.images if phases.train else None
    energy = Energy(
        trial_j=trial_j,
        train_j=train_j,
        image_j=train_j / images if train_j is not None and images else None,
        method="; ".join(sorted(methods)),
    )
    return energy, ""


def shares_missing(energy: Energy) -> dict[str, str]:
    """Metric -> why it is missing, for a trial whose energy is known."""
    missing = {}
    if energy.trial_j is None:
        missing["energy"] = "another trial did a part of its work"
    if energy.train_j is None:
        missing["train_j"] = missing["image_j"] = "the sampler read it too seldom while training"
    elif energy.image_j is None:
        missing["image_j"] = "nothing was trained on images in steps"
    return missing
