"""What is kept of a model, and what it is asked later: batches, files that cannot be read, and likeness."""

import json
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from bench.worker import artifacts
from bench.worker import predict as module
from bench.worker.artifacts import LIKENESS_FILE
from bench.worker.predict import Answer, Request, predict
from wbc.data.reading import Reading
from wbc.errors import InputError
from wbc.evaluation.likeness import Likeness

ERRORS = {
    3: InputError("torn", "Mend it."),
    4: OSError("gone"),
    5: ValueError("odd"),
    6: SyntaxError("broken"),
}
"""Of some files; all files from 32 to 63, which are a batch, cannot be read either."""


@pytest.fixture
def batches(monkeypatch) -> list[tuple[object, int]]:
    """Model and images of each batch; a file is an image of its number, which is its first probability."""
    asked = []

    def read_image(path: Path, size: int, reading: Reading) -> np.ndarray:
        assert (size, reading) == (24, Reading(fit="pad"))
        number = int(path.stem)
        if number in ERRORS or 32 <= number < 64:
            raise ERRORS.get(number, ValueError("small"))
        return np.full((2, 2, 3), number, np.uint8)

    def ask(model, batch):
        asked.append((model, len(batch)))
        numbers = batch[:, 0, 0, :1].astype(float)
        return numbers + 100, np.hstack([numbers, 1 - numbers])

    monkeypatch.setattr(keras.saving, "load_model", lambda path: f"model of {path}")
    monkeypatch.setattr("wbc.data.loading.read_image", read_image)
    monkeypatch.setattr("wbc.networks.penultimate.features_and_outputs", ask)
    return asked


def request(count: int) -> Request:
    return Request("folder/model.keras", [f"{number}.png" for number in range(count)], 24, {"fit": "pad"})


@pytest.mark.parametrize("known", [True, False])
def test_files_are_asked_about_in_batches_and_those_that_cannot_be_read_are_told(
    batches, monkeypatch, known: bool
):
    def distances(images, features):
        return (features[:, 0] - images[:, 0, 0, 0]) * images[:, 0, 0, 1]

    likeness = SimpleNamespace(rate=0.05, distances=distances) if known else None
    places = []
    monkeypatch.setattr(module, "_likeness", lambda model: places.append(model) or likeness)
    answer = predict(request(70))
    kept = [number for number in range(70) if number not in ERRORS and not 32 <= number < 64]
    assert batches == [("model of folder/model.keras", 28), ("model of folder/model.keras", 6)]
    assert answer == Answer(
        [f"{number}.png" for number in kept],
        [[number, 1 - number] for number in kept],
        [100.0 * number for number in kept] if known else [None] * len(kept),
        0.05 if known else None,
        {f"{number}.png": str(error) for number, error in ERRORS.items()}
        | {f"{number}.png": "small" for number in range(32, 64)},
    )
    assert places == [Path("folder/model.keras")]
    assert predict(request(0)) == Answer(rate=answer.rate)


def test_other_errors_are_no_files_that_cannot_be_read(batches, monkeypatch):
    monkeypatch.setitem(ERRORS, 0, RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        predict(request(1))


def test_likeness_lies_beside_the_model(tmp_path: Path, monkeypatch):
    (tmp_path / LIKENESS_FILE).write_text(json.dumps({"some": 1}))
    monkeypatch.setattr(Likeness, "from_json", lambda content: content)
    assert module._likeness(tmp_path / "model.keras") == {"some": 1}


def test_a_model_is_kept_with_what_its_input_means(tmp_path: Path, monkeypatch):
    schema = {
        "input": {"shape": [-1, 8, 8, 3], "dtype": "uint8"},
        "output": {"shape": [-1, 2], "dtype": "float32"},
    }
    fits, times = [], iter([10.0, 12.5, 20.0, 20.0])

    def save(path: Path, fit: str) -> dict:
        fits.append(fit)
        path.write_bytes(b"seven b")
        return {**schema, "takes": "raw pixels"}

    monkeypatch.setattr(artifacts.time, "monotonic", lambda: next(times))
    monkeypatch.setattr(artifacts.platform, "python_version", lambda: "3.99")
    about = {"classes": ["a"], "reading": {}, "likeness": {"some": 1}}
    assert artifacts.keep_model(SimpleNamespace(save=save), about, tmp_path) == {
        "bytes": 7,
        "seconds": 2.5,
        **schema,
    }
    backend = keras.backend.backend()
    versions = [f"keras=={keras.__version__}", f"{backend}=={import_module(backend).__version__}"]
    assert json.loads((tmp_path / "model.json").read_text()) == {
        **{"classes": ["a"], "reading": {}, **schema, "takes": "raw pixels", "keras": keras.__version__},
        **{"backend": backend, "python": "3.99", "requirements": versions},
    }
    assert json.loads((tmp_path / "likeness.json").read_text()) == {"some": 1}
    artifacts.keep_model(SimpleNamespace(save=save), {"reading": {"fit": "pad"}}, tmp_path)
    assert fits == ["squash", "pad"] and (tmp_path / "likeness.json").read_text() == "null\n"
