"""The settings of `mlflow.env`."""

import os
from pathlib import Path

from dotenv import dotenv_values

from bench.errors import ResultsError

ENV_FILE = Path("mlflow.env")
_SHIPPED = Path(__file__).with_name("mlflow.env")
"""For folders without one. Without it MLflow waits minutes for dead servers and phones home."""

_SQLITE = "sqlite:///"

_own_stores: set[str] = set()
"""Addresses that this process has put into its environment itself; another results folder has another."""


def apply_settings(results: Path, env_file: Path = ENV_FILE) -> str:
    """Put the settings of `mlflow.env` into the environment; what is set there already wins.

    The SQLite store of the file lies in `results/`; with another results folder it lies in that one.

    Args:
        results: The results folder.
        env_file: The file; where it is missing, the one beside this module holds.

    Returns:
        The tracking URI, absolute.
    """
    file = env_file if env_file.exists() else _SHIPPED
    settings = {key: value for key, value in dotenv_values(file).items() if value is not None}
    for key, value in settings.items():
        os.environ.setdefault(key, value)
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    own_store = given.startswith(_SQLITE) and given == settings.get("MLFLOW_TRACKING_URI")
    if not given or own_store or given in _own_stores:
        given = f"{_SQLITE}{(results / 'mlflow.db').resolve()}"
        _own_stores.add(given)
    elif given.startswith(_SQLITE):
        given = f"{_SQLITE}{Path(given.removeprefix(_SQLITE)).resolve()}"
    elif "://" not in given:
        raise ResultsError(
            f"MLFLOW_TRACKING_URI is {given!r}; give an address such as http://HOST:5000 or sqlite:///FILE"
        )
    os.environ["MLFLOW_TRACKING_URI"] = given
    return given
