"""A kept model in MLflow's layout, written without loading TensorFlow.

`mlflow.keras.load_model("runs:/<run>/model")` loads it: the folder is laid out as MLflow's own flavour for
Keras does it, around the `.keras` file that the worker has written.
"""

import json
from pathlib import Path
from typing import Any

from bench.journal.results import Attempt
from bench.worker.artifacts import MODEL_FILE, SIGNATURE_FILE

_DATA = "data"


def write_flavour(attempt: Attempt, folder: Path) -> None:
    """Write `MLmodel`, `requirements.txt` and `data/model.keras` (a link) of a model that was kept."""
    from mlflow.models import Model

    about = json.loads((attempt.folder / SIGNATURE_FILE).read_text())
    data = folder / _DATA
    data.mkdir(parents=True)
    (data / "model.keras").symlink_to((attempt.folder / MODEL_FILE).resolve())
    (data / "keras_module.txt").write_text("keras")
    model = Model(
        signature=_signature(about),
        metadata={name: about[name] for name in ("classes", "preprocessing", "network")},
    )
    model.add_flavor(
        "keras",
        data=_DATA,
        keras_version=about["keras"],
        keras_backend=about["backend"],
        save_exported_model=False,
    )
    model.add_flavor("python_function", loader_module="mlflow.keras", python_version=about["python"])
    model.save(str(folder / "MLmodel"))
    (folder / "requirements.txt").write_text("\n".join(about["requirements"]) + "\n")


def _signature(about: dict[str, Any]):
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def schema(name: str) -> Schema:
        tensor = about[name]
        return Schema([TensorSpec(np.dtype(tensor["dtype"]), tensor["shape"])])

    return ModelSignature(inputs=schema("input"), outputs=schema("output"))
