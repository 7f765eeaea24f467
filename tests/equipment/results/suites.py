"""Whole suites of synthetic results: that of the thesis, and thousands of trials."""

import csv
import io
import json
from pathlib import Path

import numpy as np
from equipment.results.journals import Course, trial_of, write_attempt
from equipment.results.records import NO_ENERGY, NO_UTILIZATION, some_telemetry
from msgspec.structs import replace

from bench.journal.results import SuiteResults
from bench.trials.measured import Memory, Steady, Summary
from wbc.data.manifest import ImageEntry, Manifest
from wbc.evaluation.metrics import score
from wbc.evaluation.predictions import Predictions
from wbc.files import file_sha256

NETWORKS = {
    "VGG16": (0.855, 0.88, 1.0),
    "VGG19": (0.85, 0.86, 1.1),
    "InceptionV3": (0.95, 0.90, 1.2),
    "Xception": (0.965, 0.92, 2.2),
    "ResNet50": (0.47, 0.84, 1.3),
    "DenseNet121": (0.98, 0.93, 1.4),
    "DenseNet169": (0.982, 0.94, 1.7),
    "DenseNet201": (0.984, 0.91, 2.1),
}
"""Network -> accuracy in transfer and from scratch, and how long a step takes beside the shortest."""

CLASSES = ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL")
IMAGES_A_CELL = 11


def thesis_suite(
    root: Path,
    *,
    cells_a_class: int = 10,
    classes: tuple[str, ...] = CLASSES,
    images: Path | None = None,
    networks: tuple[str, ...] = tuple(NETWORKS),
    plan: tuple[tuple[str, int], ...] = (("transfer", 100), ("scratch", 100), ("transfer", 5000)),
    seeds: int = 1,
    telemetry: bool = True,
    energy: bool = True,
) -> tuple[SuiteResults, list[str]]:
    """The suite of the thesis: eight networks in two modes, 100 epochs, and 5000 in transfer.

    Args:
        root: The results folder.
        cells_a_class: Test cells of each class; eleven images each.
        classes: Their names.
        images: Draw the test images there, so that mistakes can be shown.
        networks: Which of `NETWORKS`.
        plan: Modes with their epochs.
        seeds: How many repeats.
        telemetry: With what the sampler writes.
        energy: With energy and utilization in the records.

    Returns:
        The results and the trials' ids, in the suite's order.
    """
    results, ids = SuiteResults(root, "thesis"), []
    files = _test_files(classes, cells_a_class)
    if images is not None:
        draw_images(images, files)
    for number, (mode, epochs) in enumerate(plan):
        for index, network in enumerate(networks):
            for seed in range(seeds):
                trial = trial_of(network, mode, epochs, seed)
                course = _course(
                    network, mode, epochs, files, classes, 100 * number + 10 * index + seed, energy
                )
                write_attempt(
                    results, trial, course, seed=100 * number + index, data_folder=images, telemetry=telemetry
                )
                ids.append(trial.id)
    return results, ids


def many_trials(root: Path, count: int, configurations_a_repeat: int = 10) -> tuple[SuiteResults, list[str]]:
    """Thousands of trials, three epochs each: networks, modes, epoch counts, batch sizes and seeds.

    Every twentieth failed.
    """
    results, ids = SuiteResults(root, "many"), []
    files = _test_files(CLASSES, 10)
    prepared = {
        (network, mode): _course(network, mode, 3, files, CLASSES, index, True, predictions=False)
        for index, (network, mode) in enumerate((n, m) for n in NETWORKS for m in ("transfer", "scratch"))
    }
    axes = [(n, m, b, e) for b in (8, 16, 32, 64) for e in (3, 4, 5) for n, m in prepared]
    for number in range(count):
        network, mode, batch_size, epochs = axes[number % len(axes)]
        trial = trial_of(network, mode, epochs, number // len(axes), batch_size=batch_size)
        course = prepared[network, mode]
        if number % 20 == 7:
            course = Course(
                course.seconds, 0.5, 2.0, None, failure=("nan-loss", "the loss is nan"), stopped_at=1
            )
        write_attempt(results, trial, course, seed=number)
        ids.append(trial.id)
    return results, ids


def draw_images(folder: Path, files: list[tuple[str, str, str]]) -> None:
    """Small pictures of round trials, and the manifest that knows them."""
    from PIL import Image, ImageDraw

    entries = []
    for number, (file, source, name) in enumerate(files):
        hue = 40 * (sum(map(ord, name)) % 5)
        picture = Image.new("RGB", (64, 64), (238, 222, 226))
        pen = ImageDraw.Draw(picture)
        x = 8 + number % 9
        pen.ellipse((x, 8, x + 44, 52), fill=(206, 190, 222 - hue // 2))
        pen.ellipse((x + 10, 16, x + 32, 42), fill=(96 + hue // 3, 60, 140))
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, format="PNG")
        entries.append(ImageEntry(file, "test", name, source, file_sha256(path)))
    classes = tuple(dict.fromkeys(entry.class_name for entry in entries))
    Manifest(tuple(entries), classes).write(folder)


def _test_files(classes: tuple[str, ...], trials: int) -> list[tuple[str, str, str]]:
    """(file, source cell, class) of every test image."""
    return [
        (f"test/{name}/{trial:03d}-{copy:02d}.png", f"{name}-{trial}", name)
        for name in classes
        for trial in range(trials)
        for copy in range(IMAGES_A_CELL)
    ]


def _course(network, mode, epochs, files, classes, seed, energy, predictions=True) -> Course:
    transfer, scratch, slow = NETWORKS[network]
    learnt = 1 - np.exp(-epochs / 45)
    final = (
        transfer + (0.012 if epochs > 1000 else 0) if mode == "transfer" else 0.25 + (scratch - 0.25) * learnt
    )
    made = predictions_of(files, classes, min(final, 0.995), seed)
    step = (0.045 if mode == "transfer" else 0.6) * slow
    seconds = {"startup": 9.0, "data": 3.2, "build": 1.5 * slow}
    seconds |= {"features": 14.0 * slow} if mode == "transfer" else {}
    seconds |= {"compile": 4.0 * slow, "train": step * epochs * 10, "evaluate": 2.2 * slow, "teardown": 1.1}
    text = None
    if predictions:
        text = _csv(made)
    train = seconds["train"]
    rate = 4394 * epochs / (0.9 * train)
    pace = {"step_s": 16 / rate, "steps": 90, "settled_s": 0.1, "settled_step": 9, "blocks": 30}
    steady = Steady(
        images_per_s=rate * 1.02,
        low=rate,
        high=rate * 1.04,
        data_wait_s=0.03 * train,
        data_wait_share=0.03,
        **pace,
    )
    memory = Memory(
        analytic=None,
        allocator_peak=9_100_000_000,
        process_peak=3_400_000_000,
        device_peak=9.9e9,
        residual=None,
    )
    more = {"steady": steady, "memory": memory, "unavailable": {}}
    if energy:
        joules = 230.0 * train + 70 * (sum(seconds.values()) - train)
        more["energy"] = replace(
            NO_ENERGY,
            trial_j=joules,
            train_j=230.0 * train,
            image_j=230.0 * train / (4394 * epochs),
        )
        busy = {"train": {"gpu_utilization": Summary(mean=0.78, p95=0.97, max=1.0, samples=9)}}
        more["telemetry"] = some_telemetry(devices={"gpu:0": busy})
        more["utilization"] = replace(NO_UTILIZATION, of_measured_peak=0.31)
    else:
        more["unavailable"] = {"energy": "the processor has no energy counter that may be read"}
    return Course(seconds, min(final, 0.995), 25 * slow, score(made), text, more=more)


def predictions_of(files, classes, accuracy: float, seed: int) -> Predictions:
    """Predictions that are right as often as asked for; the images of one cell tend to fail together."""
    draw = np.random.default_rng(seed)
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[name] for _, _, name in files])
    hard = {
        source: draw.beta(6 * accuracy + 0.05, 6 * (1 - accuracy) + 0.05)
        for source in dict.fromkeys(s for _, s, _ in files)
    }
    probabilities = np.empty((len(files), len(classes)))
    for index, (_, source, _) in enumerate(files):
        right = draw.random() < hard[source]
        wrong = (labels[index] + 1 + draw.integers(len(classes) - 1)) % len(classes)
        best = labels[index] if right else wrong
        row = draw.dirichlet(np.full(len(classes), 0.5)) * draw.uniform(0.05, 0.6)
        row[best] += 1 - row.sum() + row.max()
        probabilities[index] = row / row.sum()
    names, sources = [file for file, _, _ in files], [source for _, source, _ in files]
    return Predictions(names, sources, labels, probabilities.astype(np.float32), list(classes))


def _csv(made: Predictions) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["file", "source", "true", "predicted", *(f"p_{name}" for name in made.classes)])
    for index, best in enumerate(made.predicted):
        shares = (f"{value:.9g}" for value in made.probabilities[index])
        true, predicted = made.classes[made.labels[index]], made.classes[best]
        writer.writerow([made.files[index], made.sources[index], true, predicted, *shares])
    return text.getvalue()


def as_json(path: Path) -> dict:
    """What a JSON file holds."""
    return json.loads(path.read_text())
