"""What runs the trials: backends of Keras, versions and devices, found without loading any framework."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

from bench.trials.made_by import source_digest
from bench.trials.settings import Runtime
from bench.trials.trial import Trial
from wbc.backends import ONLY_TENSORFLOW
from wbc.errors import InputError


@dataclass(frozen=True)
class Backend:
    """A framework that Keras can compute with."""

    title: str
    """Its name in sentences."""
    distributions: tuple[str, ...]
    """The packages that install it; one of them is enough."""
    install: str
    """How to install it."""


BACKENDS = {
    "tensorflow": Backend(
        "TensorFlow", ("tensorflow", "tensorflow-cpu"), "make run, or pip install 'leukobench[cpu]'"
    ),
    "jax": Backend("JAX", ("jax",), "pip install jax (with GPUs: pip install 'jax[cuda12]')"),
    "torch": Backend("PyTorch", ("torch",), "pip install torch"),
}
"""Backend -> what is known of it; the names are Keras'."""


def backend_version(name: str) -> str:
    """The installed version of a backend; empty if it is not installed."""
    found = (version_of(distribution) for distribution in BACKENDS[name].distributions)
    return next((version for version in found if version), "")


def installed_backends() -> list[str]:
    """The backends that are installed, TensorFlow first."""
    return [name for name in BACKENDS if backend_version(name)]


def version_of(distribution: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def find_runtime(device: str) -> Runtime:
    """The versions of this environment; empty for packages that are not installed.

    Args:
        device: Name of the GPU or of the processor that trials run on.
    """
    return Runtime(
        wbc=source_digest()[:16],
        keras=version_of("keras") or "",
        device=device,
        scikit_learn=version_of("scikit-learn") or "",
        **{name: backend_version(name) for name in BACKENDS},
    )


def require_backends(trials: Sequence[Trial], replicas: int = 1, kind: str = "cpu") -> None:
    """Raise the first of `backend_problems`, if there is one."""
    for error in backend_problems(trials, replicas, kind):
        raise error


def backend_problems(trials: Sequence[Trial], replicas: int = 1, kind: str = "cpu") -> list[InputError]:
    """For each backend that trials cannot use here: what is wrong, and what to do.

    Args:
        trials: The trials that are to run.
        replicas: The number of devices that train each together.
        kind: `gpu` or `cpu`, what they run on.
    """
    wanted: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.settings.backend is not None:  # classical methods need none
            wanted.setdefault(trial.settings.backend, []).append(trial)
    problems = []
    one, reason = ONLY_TENSORFLOW["replicas"]
    for name, its_trials in wanted.items():
        if not getattr(its_trials[0].runtime, name):
            others = ", ".join(installed_backends())
            problems.append(
                InputError(
                    f"{BACKENDS[name].title} is not installed, and "
                    f'{len(its_trials)} of {len(trials)} trials have backend = "{name}"',
                    f"Install it next to leukobench: {BACKENDS[name].install}."
                    + (f" Backends that are installed: {others}." if others else ""),
                )
            )
        elif replicas != one and name != "tensorflow":
            problems.append(
                InputError(
                    f'trials with backend = "{name}" run on one device each, not on {replicas}: {reason}',
                    "Set gpus_per_trial = 1, or choose other trials with --only.",
                )
            )
    undecided = [trial for trial in wanted.get("tensorflow", []) if trial.settings.jit_compile == "auto"]
    if kind == "gpu" and replicas > 1 and undecided:
        problems.append(
            InputError(
                f'{len(undecided)} of {len(trials)} trials train on {replicas} GPUs with jit_compile = "auto", '
                "which means XLA on one GPU and no XLA on several: a comparison with one GPU would compare XLA too",
                "Set jit_compile = false (or true) in [training].",
            )
        )
    return problems
