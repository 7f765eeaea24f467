"""`python -m bench.worker.predict REQUEST ANSWER`: what a kept model says of images; both files are JSON.

It is a process of its own, so that the harness never loads Keras.
"""

import json
import sys
from pathlib import Path
from typing import Any

from bench.worker.files import write_json

_BATCH = 32


def predict(request: dict[str, Any]) -> dict[str, Any]:
    """Predict files.

    Args:
        request: `model`, the `.keras` file; `files`; `image_size`; `reading`, how files become pixels;
            `likeness`, what tells images unlike the training images, or None.

    Returns:
        `files` that could be read; of each `probabilities` and `distances` (above 1 it is unlike; None without a
        likeness); and `unreadable`: file -> reason.
    """
    import keras
    import numpy as np

    from wbc.data.loading import read_image
    from wbc.data.reading import Reading
    from wbc.errors import InputError
    from wbc.evaluation.likeness import Likeness
    from wbc.networks.penultimate import features_and_outputs

    model = keras.saving.load_model(request["model"])
    likeness = Likeness.from_json(request["likeness"]) if request["likeness"] else None
    answer: dict[str, Any] = {"files": [], "probabilities": [], "distances": [], "unreadable": {}}
    files = request["files"]
    for start in range(0, len(files), _BATCH):
        pixels = []
        for file in files[start : start + _BATCH]:
            try:
                pixels.append(read_image(Path(file), request["image_size"], Reading(**request["reading"])))
                answer["files"].append(file)
            except (InputError, OSError, ValueError, SyntaxError) as error:  # Pillow raises all of them
                answer["unreadable"][file] = str(error)
        if not pixels:
            continue
        batch = np.stack(pixels)
        features, said = features_and_outputs(model, batch)
        answer["probabilities"] += said.tolist()
        found = likeness.distances(batch, features).tolist() if likeness else [None] * len(batch)
        answer["distances"] += found
    return answer


if __name__ == "__main__":
    write_json(Path(sys.argv[2]), predict(json.loads(Path(sys.argv[1]).read_text())))
