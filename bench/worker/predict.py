"""`python -m bench.worker.predict REQUEST ANSWER`: what a kept model says of images; both files are JSON.

It is a process of its own, so that the harness never loads Keras.
"""

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.worker.artifacts import LIKENESS_FILE
from bench.worker.files import write_json

if TYPE_CHECKING:
    from wbc.evaluation.likeness import Likeness

_BATCH = 32


@dataclass(frozen=True)
class Request:
    """What is asked of a kept model."""

    model: str
    """The `.keras` file."""
    files: list[str]
    """Of images."""
    image_size: int
    """Height and width in pixels of the images that it was trained on."""
    reading: dict[str, object]
    """How files become pixels: fields of `wbc.data.reading.Reading`."""


@dataclass
class Answer:
    """What it says."""

    files: list[str] = field(default_factory=list)
    """Those that could be read."""
    probabilities: list[list[float]] = field(default_factory=list)
    """Of each of them, by class."""
    distances: list[float | None] = field(default_factory=list)
    """Of each of them from the training images; above 1 it is unlike. None where these are not known."""
    rate: float | None = None
    """Share of images like the training images that are unlike by that rule; None where these are not known."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """File -> reason."""


def predict(request: Request) -> Answer:
    """Predict files."""
    import keras
    import numpy as np

    from wbc.data.loading import read_image
    from wbc.data.reading import Reading
    from wbc.errors import InputError
    from wbc.networks.penultimate import features_and_outputs

    model = keras.saving.load_model(request.model)
    likeness = _likeness(Path(request.model))
    reading = Reading(**request.reading)  # type: ignore[arg-type]  # as `spelled_out` has it
    answer = Answer(rate=likeness.rate if likeness else None)
    for start in range(0, len(request.files), _BATCH):
        pixels = []
        for file in request.files[start : start + _BATCH]:
            try:
                pixels.append(read_image(Path(file), request.image_size, reading))
                answer.files.append(file)
            except (InputError, OSError, ValueError, SyntaxError) as error:  # Pillow raises all of them
                answer.unreadable[file] = str(error)
        if not pixels:
            continue
        batch = np.stack(pixels)
        features, said = features_and_outputs(model, batch)
        answer.probabilities += said.tolist()
        answer.distances += likeness.distances(batch, features).tolist() if likeness else [None] * len(batch)
    return answer


def _likeness(model: Path) -> "Likeness | None":
    """What tells images that are not like the training images, if it is known."""
    from wbc.evaluation.likeness import Likeness

    try:
        return Likeness.from_json(json.loads(model.with_name(LIKENESS_FILE).read_text()))
    except (OSError, ValueError, KeyError, TypeError):  # missing, damaged, or the reason why it is unknown
        return None


if __name__ == "__main__":
    request, answer = map(Path, sys.argv[1:])
    write_json(answer, asdict(predict(Request(**json.loads(request.read_text())))))
