"""How long a trial will take: from earlier trials like it, else from the size of its network."""

import statistics
from pathlib import Path

from bench.journal.results import Attempt
from bench.plan.decide import Prediction
from bench.trials.record import Record
from bench.trials.settings import DataSettings
from bench.trials.trial import Trial
from wbc.data import SPLITS
from wbc.data.manifest import Manifest
from wbc.networks.facts import Facts, facts_of
from wbc.specification import HEAD_UNITS

LAST = 5
"""So many of the latest trials like it speak for a trial."""

# Orders of magnitude for machines that no trial has run on yet; the first finished trial replaces them.
_STARTUP_S = 8.0
_TRACING_S_A_LAYER = {"transfer": 0.03, "scratch": 0.1, "finetune": 0.1}
_MACS_A_SECOND = {"cpu": 3e10, "gpu": 2e12}
_BYTES_A_SECOND = {"cpu": 8e9, "gpu": 3e11}
_STEP_S = 0.006
_IMAGES_A_SECOND = 300.0
_CLASSICAL_IMAGES_A_SECOND = 20.0
_UPDATE_BYTES_A_PARAMETER = 24
_BCCD_HELD_OUT = {"validation": 50, "test": 50}


class Predictor:
    """Predicts from what the results folder knows.

    Args:
        results: The results folder; finished trials of all its suites count.
        kind: `gpu` or `cpu`, what the trials will run on.
    """

    def __init__(self, results: Path, kind: str):
        self.results, self.kind = results, kind
        self._manifests: dict[str, dict[str, int]] = {}

    def __call__(self, trial: Trial) -> Prediction:
        """Predict a trial's seconds."""
        like = self._records_like(trial)
        images = self.images(trial)
        if like:
            seconds = statistics.median(_scaled(record, trial, images) for record in like)
            count = f"{len(like)} earlier trial{'s' if len(like) > 1 else ''} like it"
            return Prediction(seconds, count)
        facts = facts_of(trial.settings.network, trial.settings.options, trial.settings.image_size)
        if facts is None and trial.settings.mode != "classical":
            return Prediction(_STARTUP_S + 60, "nothing: an unknown network")
        return Prediction(self._modelled(trial, facts, images), "the network's size, roughly")

    def images(self, trial: Trial) -> dict[str, int]:
        """Images of each part: of the prepared set, else what the settings ask for."""
        path = trial.specification["manifest"]
        if path not in self._manifests:
            try:
                manifest = Manifest.read_file(Path(path))
                self._manifests[path] = {part: len(manifest.split(part)) for part in SPLITS}
            except (OSError, ValueError, KeyError):
                folder = Path(trial.specification.get("data_folder", ""))
                self._manifests[path] = _asked_for(trial.settings.data, folder)
        return self._manifests[path]

    def _records_like(self, trial: Trial) -> list[Record]:
        """Records of finished trials with the same network, mode, size and kind of device, the latest last."""
        prefix = f"{trial.network}-{trial.settings.mode}-".lower()
        alike = []
        for path in self.results.glob(f"*/trials/{prefix}*/attempt-*/result.json"):
            record = Attempt(path.parent).record()
            if record is not None and record.done and _is_like(record.trial, trial):
                alike.append(record)
        return sorted(alike, key=lambda record: record.started_at or "")[-LAST:]

    def _modelled(self, trial: Trial, facts: Facts | None, images: dict[str, int]) -> float:
        settings = trial.settings
        total = sum(images.values())
        seconds = _STARTUP_S + total / _IMAGES_A_SECOND
        if facts is None:  # a classical method
            return seconds + total / _CLASSICAL_IMAGES_A_SECOND
        macs, moved = _MACS_A_SECOND[self.kind], _BYTES_A_SECOND[self.kind]
        seconds += _TRACING_S_A_LAYER.get(settings.mode, 0.1) * facts.layers
        steps_an_epoch = max(1, images["train"] // (settings.batch_size or 1))
        steps = settings.epochs * steps_an_epoch
        if settings.mode == "transfer":
            head = facts.features * HEAD_UNITS
            seconds += total * facts.multiply_accumulates / macs
            return seconds + steps * (_STEP_S + head * _UPDATE_BYTES_A_PARAMETER / moved)
        if head_epochs := settings.head_epochs:
            seconds += total * facts.multiply_accumulates / macs + head_epochs * steps_an_epoch * _STEP_S
        work = 3 * images["train"] + images["validation"]
        seconds += settings.epochs * work * facts.multiply_accumulates / macs
        return seconds + steps * (_STEP_S + facts.parameters * _UPDATE_BYTES_A_PARAMETER / moved)


def _is_like(old: Trial, trial: Trial) -> bool:
    return (
        old.network == trial.network
        and old.settings.mode == trial.settings.mode
        and old.settings.image_size == trial.settings.image_size
        and old.runtime.device == trial.runtime.device
    )


def _scaled(record: Record, trial: Trial, images: dict[str, int]) -> float:
    """Seconds of an earlier trial, its phases scaled to other numbers of images and epochs."""
    phases = record.phases
    data = phases.data
    before = {
        "train": (data and data.train_images) or 0,
        "validation": (data and data.validation_images) or 0,
        "test": (data and data.test_images) or 0,
    }
    total, total_before = sum(images.values()), sum(before.values())
    ratio = total / total_before if total_before else 1.0
    scale = {"data": ratio, "features": ratio}
    if before["train"]:
        scale["train"] = images["train"] * trial.epochs / (before["train"] * max(1, record.epochs))
    if phases.evaluate and phases.evaluate.images:
        scale["evaluate"] = images["test"] / phases.evaluate.images
    if phases.train and not phases.train.images:  # a single step: the first one was all
        scale["train"] = 1.0
    return sum(phase.wall_s * scale.get(name, 1.0) for name, phase in phases.items())


def _asked_for(data: DataSettings, folder: Path) -> dict[str, int]:
    """What a set that is not made yet will hold; of the user's own images, as many as there are files."""
    if data.source == "folder":
        return {part: sum(path.is_file() for path in (folder / part).glob("*/*")) for part in SPLITS}
    classes = len(data.groups or ()) or 4
    wanted = {
        "train": data.train_images_per_class,
        "validation": data.validation_images_per_class,
        "test": data.test_images_per_class,
    }
    return {part: classes * (wanted[part] or 0) or _BCCD_HELD_OUT.get(part, 1000) for part in SPLITS}
