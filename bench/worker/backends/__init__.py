"""The deep-learning frameworks that Keras can compute with, a module each.

`claim` of a module prepares the environment before the framework is imported; `load` imports it, makes sure
of the device that the trial was given, and says what was found. A fact that a framework cannot tell is a
sentence that begins with `unavailable: `.
"""

import importlib
import os
from typing import Any

from bench.worker import protocol
from bench.worker.environment import SetupError
from wbc.specification import Specification


def load_backend(specification: Specification) -> dict[str, Any]:
    """Import Keras with the backend of an experiment.

    Returns:
        `backend`, its version under its name, `keras`, `gpus` (names), `cuda`, `cudnn`.

    Raises:
        SetupError: The trial was given GPUs that the backend does not see, or it cannot be imported.
    """
    name = specification.backend
    # Keras reads it once, at its import; a user's shell or keras.json must not change what a trial is.
    os.environ["KERAS_BACKEND"] = name
    module = importlib.import_module(f"{__name__}.{name}")
    module.claim(specification.deterministic)
    try:
        import keras

        # Before anything else of Keras: who first asks for the policy fixes it, as a keras.json may have it.
        keras.config.set_floatx("float32")
        found = module.load()
    except ImportError as error:
        raise SetupError(f"Keras with {module.TITLE} cannot be imported: {error}") from error
    given = int(os.environ.get(protocol.REPLICAS, "1"))
    seen = len(found["gpus"])
    if os.environ.get(protocol.DEVICE_KIND) == "gpu" and seen < given:
        raise SetupError(
            f"the trial was given {'a GPU' if given == 1 else f'{given} GPUs'}, but {module.TITLE} sees "
            f"{seen or 'none'} (a CPU build, or a broken driver)"
        )
    # Takes the device into use, which may take seconds: part of the startup, not of what is timed first.
    keras.ops.convert_to_numpy(keras.ops.ones(()))
    return {"backend": name, "keras": keras.__version__, "precision": _precision(keras), **found}


def _precision(keras) -> str:
    """In which format layers compute, and keep their weights, where nothing else is asked for."""
    policy = getattr(keras.config, "dtype_policy", None)
    return str(getattr(policy(), "name", policy())) if policy else keras.config.floatx()
