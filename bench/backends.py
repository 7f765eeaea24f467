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
    """Raise the first of `backend_problems`, if there is one."""
    for error in backend_problems(cells, replicas):
        raise error


def backend_problems(cells: Sequence[Cell], replicas: int = 1) -> list[InputError]:
    """For each backend that cells cannot use here: what is wrong, and the way out.

    Args:
        cells: The cells that are to run.
        replicas: On how many devices at once each trains.
    """
    wanted: dict[str, list[Cell]] = {}
    for cell in cells:
        if "backend" in cell.settings:  # classical methods need none
            wanted.setdefault(cell.settings["backend"], []).append(cell)
    problems = []
    one, reason = ONLY_TENSORFLOW["replicas"]
    for name, its_cells in wanted.items():
        if not its_cells[0].runtime[name]:
            others = ", ".join(installed_backends())
            problems.append(
                InputError(
                    f"{BACKENDS[name].title} is not installed, and "
                    f'{len(its_cells)} of {len(cells)} cells have backend = "{name}"',
                    f"Install it beside leukobench: {BACKENDS[name].install}."
                    + (f" Backends that are here: {others}." if others else ""),
                )
            )
        elif replicas != one and name != "tensorflow":
            problems.append(
                InputError(
                    f'cells with backend = "{name}" run on one device each, not on {replicas}: {reason}',
                    "Set gpus_per_cell = 1, or leave these cells out with --only.",
                )
            )
    return problems
