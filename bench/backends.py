"""Which backends of Keras are installed, found without loading any."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

from bench.suite.cell import Cell
from wbc.errors import InputError
from wbc.specification import ONLY_TENSORFLOW


@dataclass(frozen=True)
class Backend:
    """A framework that Keras can compute with.

    Attributes:
        title: Its name in sentences.
        distributions: Names under which it is installed; one of them is enough.
        install: How to get it.
    """

    title: str
    distributions: tuple[str, ...]
    install: str


BACKENDS = {
    "tensorflow": Backend(
        "TensorFlow", ("tensorflow", "tensorflow-cpu"), "make run, or pip install 'leukobench[cpu]'"
    ),
    "jax": Backend("JAX", ("jax",), "pip install jax (with GPUs: pip install 'jax[cuda12]')"),
    "torch": Backend("PyTorch", ("torch",), "pip install torch"),
}
"""Backend -> what is known of it; the names are Keras' own."""


def backend_version(name: str) -> str:
    """The installed version of a backend; empty where there is none."""
    found = (version_of(distribution) for distribution in BACKENDS[name].distributions)
    return next((version for version in found if version), "")


def installed_backends() -> list[str]:
    """The backends that are here, TensorFlow first."""
    return [name for name in BACKENDS if backend_version(name)]


def version_of(distribution: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def require_backends(cells: Sequence[Cell], replicas: int = 1) -> None:
    """Make sure that every cell's backend is installed and can do what is asked of it.

    Args:
        cells: The cells that are to run.
        replicas: On how many devices at once each trains.

    Raises:
        InputError: A backend is missing, or cells of another one than TensorFlow are given several devices.
    """
    for error in missing_backends(cells):
        raise error
    one, reason = ONLY_TENSORFLOW["replicas"]
    for cell in cells:
        backend = cell.settings.get("backend", "tensorflow")
        if replicas != one and backend != "tensorflow":
            raise InputError(
                f"cells with backend = {backend!r} run on one device each, not on {replicas}: {reason}",
                "Set gpus_per_cell = 1, or leave these cells out with --only.",
            )


def missing_backends(cells: Sequence[Cell]) -> list[InputError]:
    """For each backend that cells need and that is not installed: what is wrong, and the way out."""
    wanted = [cell.settings["backend"] for cell in cells if "backend" in cell.settings]
    missing = {}
    for cell in cells:
        name = cell.settings.get("backend")
        if name and not cell.runtime[name] and name not in missing:
            others = ", ".join(installed_backends())
            missing[name] = InputError(
                f"{BACKENDS[name].title} is not installed, and {wanted.count(name)} of "
                f'{len(cells)} cells have backend = "{name}"',
                f"Install it beside leukobench: {BACKENDS[name].install}."
                + (f" Backends that are here: {others}." if others else ""),
            )
    return list(missing.values())
