"""Energy of a trial: in all, for an image of training, for a test image that it gets right."""

from typing import Any

from bench.telemetry.trace import Trace

NO_GPU = (
    "a trial on the processor: the processor's energy counter belongs to the whole machine and is not read"
)
NO_TELEMETRY = "the trial ran without telemetry"


def energy_of(
    record: dict[str, Any], telemetry: dict[str, Any] | None, traces: list[Trace]
) -> tuple[dict[str, Any], str]:
    """Joules of all GPUs of the slot together, idle power included, and why there are none.

    `trial_j` reaches from the sampler's first reading, some tenths of a second after the start, to the
    worker's end; with a resumed trial over all its attempts. `image_j` is that of the phase `train`
    (validation included) for each image trained on after the first step; `correct_test_image_j` shares out
    the whole trial.

    Args:
        record: With `phases`, `test` and `slot`.
        telemetry: As `record["telemetry"]`.
        traces: Of all attempts that the trial took.
    """
    figures: dict[str, Any] = dict.fromkeys(
        ("trial_j", "train_j", "image_j", "correct_test_image_j", "method")
    )
    if telemetry is None:
        return figures, NO_TELEMETRY
    devices = telemetry["devices"]
    if not devices:
        return figures, NO_GPU
    if incomplete := telemetry["unavailable"].get("telemetry"):
        return figures, incomplete
    reasons = [
        f"{name}: {one['unavailable']['energy_j']}"
        for name, one in devices.items()
        if "energy_j" in one["unavailable"]
    ]
    series = [trace.counters.get(f"{gpu}/energy_j") for trace in traces for gpu in trace.header["gpus"]]
    if reasons or not all(one and len(one.values) > 1 for one in series):
        return figures, "; ".join(reasons) or "the sampler read it too seldom"
    spent = [one.values[-1] - one.values[0] for one in series]
    if min(spent) < 0:
        return figures, "the energy counter was set back meanwhile"
    figures["trial_j"] = sum(spent)
    methods = {one["methods"].get("energy_j") for one in devices.values()} - {None}
    figures["method"] = "; ".join(sorted(methods))
    train = [one["counters"].get("train", {}).get("energy_j") for one in devices.values()]
    if None not in train:
        figures["train_j"] = sum(train)
        if images := record["phases"].get("train", {}).get("images"):
            figures["image_j"] = figures["train_j"] / images
    if test := record.get("test"):
        right = round(test["accuracy"] * test["images"])
        figures["correct_test_image_j"] = figures["trial_j"] / right if right else None
    return figures, ""


def shares_missing(record: dict[str, Any], energy: dict[str, Any]) -> dict[str, str]:
    """Why a trial whose energy is known has none for an image: figure -> reason."""
    missing = {}
    if energy["train_j"] is None:
        missing["train_j"] = missing["image_j"] = "the sampler read it too seldom while training"
    elif energy["image_j"] is None:
        missing["image_j"] = "nothing was trained on images in steps"
    if energy["correct_test_image_j"] is None:
        missing["correct_test_image_j"] = (
            "no test image was right" if record.get("test") else "the test was not reached"
        )
    return missing
