"""What a worker leaves for later use: its model, and the packages that it ran with. Standard library only."""

import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.worker.environment import installed_packages
from bench.worker.files import write_json, write_text
from bench.worker.jsonl import Facts

if TYPE_CHECKING:
    from wbc.observer import Trained

MODEL_FILE = "model.keras"
SIGNATURE_FILE = "model.json"
LIKENESS_FILE = "likeness.json"
PACKAGES_FILE = "packages.txt"


def keep_model(trained: "Trained", about: Mapping[str, Any], folder: Path) -> Facts:
    """Write `model.keras`, and beside it `model.json`, its schema and what its input means, and `likeness.json`.

    Args:
        trained: What was trained.
        about: What its input means, see `wbc.observer.Observer.trained`.
        folder: The attempt's.

    Returns:
        `bytes`, `seconds`, `input` and `output` (shape and dtype of each).

    Raises:
        Exception: The model cannot be written; Keras and the user's own layers raise anything.
    """
    began = time.monotonic()
    schema = trained.save(folder / MODEL_FILE, about["reading"].get("fit", "squash"))
    import keras

    backend = sys.modules[keras.backend.backend()]
    content = {
        **about,
        **schema,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "python": platform.python_version(),
        "requirements": [f"keras=={keras.__version__}", f"{backend.__name__}=={backend.__version__}"],
    }
    write_json(folder / LIKENESS_FILE, content.pop("likeness", None))
    write_json(folder / SIGNATURE_FILE, content)
    kept = {name: schema[name] for name in ("input", "output")}
    return {"bytes": (folder / MODEL_FILE).stat().st_size, "seconds": time.monotonic() - began, **kept}


def write_packages(folder: Path) -> None:
    """Write the installed packages as `packages.txt`, one `name==version` per line."""
    lines = [f"{name}=={version}\n" for name, version in installed_packages().items()]
    write_text(folder / PACKAGES_FILE, "".join(lines))
