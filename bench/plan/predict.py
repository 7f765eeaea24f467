"""How long trials will take, each and together.

A trial is predicted from earlier trials like it, or else from the size of its network.
"""

import heapq
import json
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench.errors import DamagedAttempt
from bench.journal.results import attempts_of_all
from bench.plan.decide import PlannedTrial, Prediction
from bench.trials.layout import ENTRY
from bench.trials.record import Record
from bench.trials.settings import DataSettings, images_of
from bench.trials.trial import Trial
from wbc.data import SPLITS
from wbc.data.layout.names import SIDECARS
from wbc.data.manifest import Manifest
from wbc.data.pipeline.folds import HELD_OUT
from wbc.data.pipeline.splitting import DEFAULT_FRACTIONS
from wbc.networks.facts import Facts, facts_of
from wbc.specification import HEAD_UNITS

LAST = 5
"""How many of the latest trials like it a prediction rests on."""

SHARED = ", without the features, which another trial extracts"
LEFT = ", without the features, which an earlier run left"

# Orders of magnitude, until the first trial is done on a machine.
_STARTUP_S = 8.0
_TRACING_S_PER_LAYER = {"transfer": 0.03, "features": 0.03, "scratch": 0.1, "finetune": 0.1}
_MACS_PER_S = {"cpu": 3e10, "gpu": 2e12}
_BYTES_PER_S = {"cpu": 8e9, "gpu": 3e11}
_STEP_S = 0.006
_IMAGES_PER_S = 300.0
_CLASSICAL_IMAGES_PER_S = 20.0
_SVM_FITS, _SVM_PRODUCTS_PER_S = 6, 1e9  # of its calibration too; the other methods take seconds
_UPDATE_BYTES_PER_PARAMETER = 24
_BCCD_HELD_OUT = {"validation": 50, "test": 50}


class Predictor:
    """Predicts from what the results folder knows.

    Args:
        results: The results folder; finished trials of all its suites count.
        kind: `gpu` or `cpu`, what the trials will run on.
    """

    def __init__(self, results: Path, kind: str) -> None:
        self.results, self.kind = results, kind
        self._images: dict[str, dict[str, int]] = {}
        self._done: dict[str, list[Record]] = {}

    def predict(self, plan: Iterable[PlannedTrial]) -> list[PlannedTrial]:
        """A plan with predictions for the trials that it runs; the first of those that share features extracts them."""
        planned = list(plan)
        where = dict.fromkeys(self._left_by_earlier_runs(planned), LEFT)
        predicted = []
        for one in planned:
            if one.runs:
                features = _features_of(one.trial)
                one = replace(one, prediction=self(one.trial, where.get(features, "")))
                if features is not None:
                    where.setdefault(features, SHARED)
            predicted.append(one)
        return predicted

    def _left_by_earlier_runs(self, planned: Iterable[PlannedTrial]) -> Iterator[tuple[object, ...] | None]:
        """The features in the caches of these trials, as `_features_of` names them: by the trials that made them."""
        given = (one.trial.specification.get("feature_cache") for one in planned if one.runs)
        for folder in sorted({Path(cache["folder"]) for cache in given if cache}):
            for about in sorted(folder.glob(f"*/{ENTRY}")):
                try:
                    entry = json.loads(about.read_bytes())
                    if "files" in entry.get("made_from", ()):  # pixels
                        continue
                    trial_id, _, name = entry["made_by"].partition("/")
                    for attempt in attempts_of_all(self.results, trial_id):
                        if (attempt.folder.parent.name, attempt.folder.name) == (trial_id, name):
                            yield _features_of(attempt.trial())
                except (OSError, ValueError, TypeError, KeyError, AttributeError, DamagedAttempt):
                    continue  # damaged, or just evicted: trials extract their own

    def __call__(self, trial: Trial, found: str = "") -> Prediction:
        """Predict a trial's seconds; `found` says where its features are from, if they are there already."""
        like = self._records_like(trial)
        images = self.images(trial)
        if like:
            seconds = statistics.median(_scaled(record, trial, images, bool(found)) for record in like)
            count = f"{len(like)} earlier trial{'s' if len(like) > 1 else ''} like it"
            return Prediction(seconds, count + found)
        facts = facts_of(trial.settings.network, trial.settings.options, trial.settings.image_size)
        if facts is None and trial.settings.mode != "classical":
            trained = trial.epochs * images["train"] / _IMAGES_PER_S
            return Prediction(_STARTUP_S + 60 + trained, "images and epochs alone: an unknown network")
        seconds = self._modeled(trial, facts, images, bool(found))
        return Prediction(seconds, "the network's size, roughly" + found)

    def images(self, trial: Trial) -> dict[str, int]:
        """Images of each split: of the prepared data set, or else as many as the settings ask for."""
        path = trial.specification["manifest"]
        if path not in self._images:
            try:
                manifest = Manifest.read_file(Path(path))
                self._images[path] = {split: len(manifest.split(split)) for split in SPLITS}
            except (OSError, ValueError, KeyError, TypeError):
                folder = Path(trial.specification.get("data_folder", ""))
                self._images[path] = _asked_for(trial.settings.data, folder)
        return self._images[path]

    def _records_like(self, trial: Trial) -> list[Record]:
        """The latest done trials with the same network, mode, image size and device."""
        prefix = f"{trial.network}-{trial.settings.mode}-".lower()
        if prefix not in self._done:
            records = (attempt.record() for attempt in attempts_of_all(self.results, prefix))
            self._done[prefix] = [record for record in records if record is not None and record.done]
        alike = [record for record in self._done[prefix] if _is_like(record.trial, trial)]
        return sorted(alike, key=lambda record: record.started_at or "")[-LAST:]

    def _modeled(self, trial: Trial, facts: Facts | None, images: dict[str, int], found: bool) -> float:
        settings = trial.settings
        total = sum(images.values())
        seconds = _STARTUP_S + total / _IMAGES_PER_S
        if facts is None:  # a classical method
            return seconds + total / _CLASSICAL_IMAGES_PER_S
        macs, moved = _MACS_PER_S[self.kind], _BYTES_PER_S[self.kind]
        extraction = 0.0 if found else total * facts.multiply_accumulates / macs
        seconds += _TRACING_S_PER_LAYER.get(settings.mode, 0.1) * facts.layers
        if fitted := settings.classifier:
            seconds += extraction
            products = images["train"] ** 2 * facts.features if fitted.name == "SVM" else 0
            return seconds + _SVM_FITS * products / _SVM_PRODUCTS_PER_S
        steps_per_epoch = max(1, images["train"] // (images_of(settings.batch_size) or 1))
        steps = settings.epochs * steps_per_epoch
        if settings.mode == "transfer":
            head = facts.features * HEAD_UNITS
            seconds += extraction
            return seconds + steps * (_STEP_S + head * _UPDATE_BYTES_PER_PARAMETER / moved)
        if head_epochs := settings.head_epochs:
            seconds += extraction + head_epochs * steps_per_epoch * _STEP_S
        work = 3 * images["train"] + images["validation"]
        seconds += settings.epochs * work * facts.multiply_accumulates / macs
        return seconds + steps * (_STEP_S + facts.parameters * _UPDATE_BYTES_PER_PARAMETER / moved)


def makespan(seconds: Sequence[float], slots: int, busy: Sequence[float] = ()) -> float:
    """Time until the last of some trials is over, as the scheduler places them.

    Longest processing time first (Graham 1969): never worse than 4/3 - 1/(3 slots) of the best order, and
    close to the best with several trials per slot.

    Args:
        seconds: How long each trial takes.
        slots: How many run at once.
        busy: How long slots are still in use; those left out are free.
    """
    free = [*busy, *[0.0] * (slots - len(busy))]
    heapq.heapify(free)
    for length in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + length)
    return max(free)


def _is_like(old: Trial, trial: Trial) -> bool:
    return (
        old.network == trial.network
        and old.settings.mode == trial.settings.mode
        and old.settings.image_size == trial.settings.image_size
        and old.runtime.device == trial.runtime.device
    )


def _features_of(trial: Trial) -> tuple[object, ...] | None:
    """What shared features depend on, as far as a suite knows; None where it shares none."""
    if not (trial.specification.get("feature_cache") or {"features": False}).get("features", True):
        return None
    of = trial.settings
    pixels = (of.data.digest, of.image_size, of.preprocessing)
    network = (of.network, str(of.options), of.weights.sha256, of.weights.name, of.backend)
    return *pixels, *network, of.precision, of.batch_size, of.deterministic, of.replicas, trial.runtime


def _scaled(record: Record, trial: Trial, images: dict[str, int], found: bool) -> float:
    """Seconds of an earlier trial, with its phases scaled to the images and epochs of another."""
    phases = record.phases
    data = phases.data
    before = {
        "train": (data and data.train_images) or 0,
        "validation": (data and data.validation_images) or 0,
        "test": (data and data.test_images) or 0,
    }
    total, total_before = sum(images.values()), sum(before.values())
    ratio = total / total_before if total_before else 1.0
    scale = {"data": ratio, "features": 0.0 if found else ratio}
    if before["train"]:
        scale["train"] = images["train"] * trial.epochs / (before["train"] * max(1, record.epochs))
    if phases.evaluate and phases.evaluate.images:
        scale["evaluate"] = images["test"] / phases.evaluate.images
    if (
        phases.train and not phases.train.images
    ):  # a single step, which `compile` counts: the end of an epoch is left
        scale["train"] = trial.epochs / max(1, record.epochs)
    return sum(phase.wall_s * scale.get(name, 1.0) for name, phase in phases.items())


def _split_later(data: DataSettings, folder: Path) -> dict[str, int]:
    """About how many images each split of a folder gets that each run splits."""
    found = Counter(path.parent for path in folder.rglob("*.*") if path.suffix.lower() not in SIDECARS)
    total = sum(min(count, data.max_images_per_class or count) for count in found.values())
    shares = DEFAULT_FRACTIONS
    if data.folds:
        tested = 1 / data.folds
        shares = {"test": tested, **{split: (1 - tested) * share for split, share in HELD_OUT.items()}}
    return {split: round(total * shares[split]) for split in SPLITS}


def _asked_for(data: DataSettings, folder: Path) -> dict[str, int]:
    """The images that a data set will have; those of the user's own folder are counted."""
    if data.source == "folder":
        counts = {split: sum(path.is_file() for path in (folder / split).glob("*/*")) for split in SPLITS}
        return counts if any(counts.values()) else _split_later(data, folder)
    classes = len(data.groups or ()) or 4
    wanted = {
        "train": data.train_images_per_class,
        "validation": data.validation_images_per_class,
        "test": data.test_images_per_class,
    }
    return {split: classes * (wanted[split] or 0) or _BCCD_HELD_OUT.get(split, 1000) for split in SPLITS}
