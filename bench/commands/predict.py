"""`predict MODEL FILES`: what a kept model says of images, and a differential count."""

import csv
import io
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import DEFAULT_RESULTS, JsonOption
from bench.commands.target import find_target
from bench.errors import InputError, command
from bench.worker.artifacts import MODEL_FILE, SIGNATURE_FILE
from bench.worker.predict import Answer, Request
from wbc.observer import RAW

if TYPE_CHECKING:
    from wbc.evaluation.counting import ClassCount

MOST_NAMED = 2
"""Kept models that an error names."""


@dataclass(frozen=True)
class Prediction:
    """What the model says of an image."""

    file: str
    predicted: str
    """Name of the class."""
    probabilities: dict[str, float]
    unlike: bool | None
    """Whether it is not like the training images; None where these are not known."""
    distance: float | None
    """From the training images; above 1 it is unlike."""


@dataclass(frozen=True)
class PredictDocument:
    """What `predict --json` prints."""

    model: Path
    predictions: list[Prediction]
    unreadable: dict[str, str]
    """File -> reason."""
    count: list["ClassCount"]
    false_flags: float | None
    """Share of images like the training images that are marked as unlike."""
    another_kind: bool
    """Whether more images are unlike than chance explains."""


def predict(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="A model.keras that a suite kept, or the folder of its attempt."
        ),
    ],
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER|FILE...", help="Images of one leukocyte each, or folders of them."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="CSV", help="Write the predictions to this file."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Predict images with a kept model and count them by class.

    The count has 95 % intervals, and beside it the count corrected for the confusion on the test images. Images
    that are not like the training images are marked. It runs on the processor. With --output CSV the predictions
    go to that file.
    """
    from bench.commands.output import print_document
    from bench.worker.files import write_text
    from wbc.evaluation.counting import differential_count

    kept = _kept(model)
    classes = kept.classes
    answer = _ask(kept, _images(sources))
    predictions = []
    for name, probabilities, distance in zip(
        answer.files, answer.probabilities, answer.distances, strict=True
    ):
        if not all(map(math.isfinite, probabilities)):
            raise InputError(
                f"{kept.file} gives no probabilities for {name}: its weights are damaged",
                "Run its trial again with `run --fresh`.",
            )
        likeliest = classes[max(range(len(classes)), key=probabilities.__getitem__)]
        unlike = None if distance is None else distance > 1
        of_classes = dict(zip(classes, probabilities, strict=True))
        predictions.append(Prediction(name, likeliest, of_classes, unlike, distance))
    if not predictions:
        raise InputError("none of the images can be read", "; ".join(answer.unreadable.values()))
    chosen = [classes.index(one.predicted) for one in predictions]
    count = differential_count(chosen, classes, _confusion(kept.file.parent, classes))
    rate = answer.rate
    unlike_images = sum(bool(one.unlike) for one in predictions)
    another_kind = rate is not None and exceeds_chance(unlike_images, len(predictions), rate)
    text = _as_csv(predictions, classes)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_text(output, text)
    if as_json:
        print_document(PredictDocument(kept.file, predictions, answer.unreadable, count, rate, another_kind))
        return
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    _tell(len(predictions), answer.unreadable, count, on_stdout=output is not None)
    _warn_of_unlike(unlike_images, len(predictions), rate, another_kind)


@dataclass(frozen=True)
class KeptModel:
    """A model that a run kept, and what its `model.json` says of it."""

    file: Path
    classes: list[str]
    image_size: int
    backend: str
    reading: dict[str, object]
    """How files become pixels, see `wbc.data.reading.Reading`."""


def _kept(model: Path) -> KeptModel:
    file = model / MODEL_FILE if model.is_dir() else model
    signature = file.with_name(SIGNATURE_FILE)
    if not file.is_file() or not signature.is_file():
        raise InputError(
            f"there is no kept model {file} with {SIGNATURE_FILE} beside it", _where_models_are(model)
        )
    try:
        said = json.loads(signature.read_text())
        takes = said.get("takes", "scaled pixels of an earlier version")
        if takes != RAW:
            raise InputError(
                f"{file} does not take raw pixels: it takes {takes}",
                "Run its trial again with this version, or load it with Keras and scale pixels yourself.",
            )
        return KeptModel(
            file,
            list(said["classes"]),
            int(said["image_size"]),
            said["backend"],
            dict(said.get("reading", {})),
        )
    except InputError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{signature} is damaged: {error!r}", "Run its trial again with `run --fresh`."
        ) from None


def _where_models_are(model: Path) -> str:
    """What to give instead of a suite, its results or a part of them; how models are kept where it has none."""
    folder, suite = model if model.is_dir() else model.parent, "SUITE"
    try:
        target = find_target(str(model), DEFAULT_RESULTS)
        folder = target.folder
        suite = quote(str(target.require_suite()))
    except InputError:
        pass
    below = ("attempt-*", "*/attempt-*", "trials/*/attempt-*", "*/trials/*/attempt-*")
    models = sorted(path.parent for pattern in below for path in folder.glob(f"{pattern}/{MODEL_FILE}"))
    if models:
        more = f" and {len(models) - MOST_NAMED} more" if len(models) > MOST_NAMED else ""
        return f"Give the folder of an attempt below it: {', '.join(map(str, models[:MOST_NAMED]))}{more}."
    return (
        f"A run keeps the network that its answer names; with save_model = true in [suite], {command()} run {suite} "
        "--fresh keeps all of them. Methods of scikit-learn, on features of a network too, are never kept."
    )


def exceeds_chance(unlike: int, images: int, rate: float) -> bool:
    """Whether so many images are marked as unlike by chance with a probability below 0.01."""
    from scipy.stats import binom

    return bool(binom.sf(unlike - 1, images, rate) < 0.01)


def _images(sources: list[Path]) -> list[str]:
    from wbc.data.layout import may_be_images

    found: list[Path] = []
    for source in sources:
        if source.is_dir():
            found += may_be_images(source)
        elif source.is_file():
            found.append(source)
        else:
            raise InputError(f"there is no file or folder {source}", "Name images, or folders of images.")
    if not found:
        raise InputError(
            "there are no images in " + ", ".join(map(str, sources)), "Name images, or folders of images."
        )
    return [str(path) for path in found]


def _ask(kept: KeptModel, files: list[str]) -> Answer:
    """Predict in a process of its own."""
    hidden = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": kept.backend}
    with TemporaryDirectory(prefix="leukobench-") as temporary:
        request, answer = Path(temporary) / "request.json", Path(temporary) / "answer.json"
        request.write_text(json.dumps(asdict(Request(str(kept.file), files, kept.image_size, kept.reading))))
        command = [sys.executable, "-P", "-m", "bench.worker.predict", str(request), str(answer)]
        done = subprocess.run(
            command, env={**os.environ, **hidden}, capture_output=True, text=True, check=False
        )
        if done.returncode or not answer.is_file():
            lines = done.stderr.strip().splitlines()
            raise InputError(f"{kept.file} could not predict: {lines[-1] if lines else done.returncode}")
        return Answer(**json.loads(answer.read_text()))


def _confusion(folder: Path, classes: list[str]) -> tuple[tuple[int, ...], ...] | None:
    """The confusion matrix on the test images, if the model lies beside its record."""
    from bench.errors import DamagedAttempt
    from bench.journal.results import Attempt

    try:
        record = Attempt(folder).record()
    except (DamagedAttempt, OSError):
        return None
    if record is None or record.test is None or list(record.test.classes) != classes:
        return None
    return tuple(map(tuple, record.test.confusion_matrix))


def _as_csv(predictions: list[Prediction], classes: list[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "predicted", "unlike", "distance", *classes])
    for one in predictions:
        unlike = {None: "", True: "yes", False: "no"}[one.unlike]
        distance = "" if one.distance is None else f"{one.distance:.4g}"
        shares = (f"{value:.9g}" for value in one.probabilities.values())
        writer.writerow([one.file, one.predicted, unlike, distance, *shares])
    return text.getvalue()


def _tell(images: int, unreadable: dict[str, str], count: list["ClassCount"], on_stdout: bool) -> None:
    from rich.table import Table

    from bench.commands.terminal import Terminal, messages

    console = Terminal() if on_stdout else messages()
    table = Table(title=f"Differential count of {images} images", title_justify="left")
    for heading in ("class", "images", "% [95 %]", "corrected % [95 %]"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for one in count:
        corrected = _percent(one.corrected) if one.corrected else "no test images known"
        table.add_row(one.name, str(one.count), _percent(one.share), corrected)
    console.print(table)
    for file, reason in unreadable.items():
        said = reason if file in reason else f"{file} cannot be read: {reason}"
        messages().say(f"warning: {said}", style="yellow")


def _warn_of_unlike(unlike: int, images: int, rate: float | None, another_kind: bool) -> None:
    from bench.commands.terminal import messages

    if rate is None:
        messages().say(
            "note: it is not known what the training images look like, so none is marked as unlike"
        )
    elif another_kind:
        messages().say(
            f"warning: {unlike} of {images} images are not like the training images (another stain, camera, size "
            f"or subject?); of images like them {rate:.1%} would be marked. Do not trust the count.",
            style="yellow",
        )
    elif unlike:
        messages().say(
            f"note: {unlike} of {images} images are marked as unlike the training images. Chance marks {rate:.1%}."
        )


def _percent(share: tuple[float, float, float]) -> str:
    value, low, high = (100 * part for part in share)
    return f"{value:.1f} [{low:.1f} to {high:.1f}]"
