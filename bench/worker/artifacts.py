"""What a worker leaves for later use: its model, and the packages that it ran with. Standard library only."""

import platform
import sys
import time
from pathlib import Path
from typing import Any

from bench.worker.files import write_json, write_text

MODEL_FILE = "model.keras"
SIGNATURE_FILE = "model.json"
PACKAGES_FILE = "packages.txt"


def keep_model(trained, about: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write `model.keras`, and `model.json` beside it: its schema and what its input means.

    Args:
        trained: A `wbc.observer.Trained`.
        about: What its input means, see `wbc.observer.Observer.trained`.
        folder: The attempt's.

    Returns:
        `bytes`, `seconds`, `input` and `output` (each shape and dtype).

    Raises:
        Exception: It cannot be written; whatever its library raises.
    """
    began = time.monotonic()
    schema = trained.save(folder / MODEL_FILE)
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
    write_json(folder / SIGNATURE_FILE, content)
    return {"bytes": (folder / MODEL_FILE).stat().st_size, "seconds": time.monotonic() - began, **schema}


def write_packages(folder: Path) -> None:
    """Write what is installed as `packages.txt`, a `name==version` a line.

    Read off the names of folders: to ask every package costs half a second.
    """
    found = {
        "==".join(path.name.removesuffix(".dist-info").split("-", 1)).replace("_", "-")
        for place in map(Path, sys.path)
        if place.is_dir()
        for path in place.glob("*.dist-info")
    }
    write_text(folder / PACKAGES_FILE, "".join(f"{line}\n" for line in sorted(found, key=str.lower)))
