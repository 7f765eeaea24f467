"""A side of a comparison: an interpreter with its packages, and the code that it runs."""

import json
import os
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from bench.devices.device import Slot
from bench.errors import InputError
from bench.machine.notes import Notes
from bench.regress import probe
from bench.regress.code import Code
from bench.regress.packages import TENSORFLOWS
from bench.runner.local import LocalEngine, LocalOtherUsers
from bench.trials.runtime import BACKENDS
from bench.trials.sampling import TelemetrySettings
from bench.trials.settings import Runtime, digest_of
from bench.trials.trial import Trial
from wbc import REQUIREMENTS
from wbc.specification import Specification

SideName = Literal["baseline", "candidate"]
NAMES: tuple[SideName, SideName] = ("baseline", "candidate")

PROBE_S = 300
"""Longest time that looking at an environment may take; on slow disks a first import takes a minute."""


@dataclass(frozen=True)
class Side:
    """One of the two that are compared.

    Attributes:
        name: `baseline` or `candidate`.
        label: What it is, in words: `tensorflow==2.20.0`.
        interpreter: What runs its trials.
        code: The `wbc` and the worker that it runs.
        version: Of its Python.
        packages: What is installed in it: name -> version.
        settings: The settings that its `wbc` knows; None where that could not be found out.
    """

    name: SideName
    label: str
    interpreter: Path
    code: Code
    version: str
    packages: Mapping[str, str] = field(hash=False)
    settings: frozenset[str] | None = None

    @property
    def key(self) -> str:
        """Hash of everything that may make its results differ from another side's."""
        code = [self.code.wbc, self.code.folder.name]
        return digest_of([str(self.interpreter), self.version, dict(self.packages), code])

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of its processes: its own code goes before everything else."""
        return _environment(self.code)

    def engine(
        self,
        slot: Slot,
        other_users: LocalOtherUsers,
        telemetry: TelemetrySettings,
        notes: Notes | None = None,
    ) -> LocalEngine:
        """Starts its workers, which are sampled from the harness' own environment.

        Args:
            slot: Where they run.
            other_users: Who else is there.
            telemetry: How they are sampled.
            notes: What their journals say of the machine.
        """
        noted = notes and self.noted(notes)
        return LocalEngine(
            [slot],
            other_users,
            python=str(self.interpreter),
            telemetry=telemetry,
            environment=self.environment,
            notes=noted,
        )

    def runtime(self, device: str) -> Runtime:
        """What trials of this side depend on besides their settings."""
        versions = {
            name: _version(self.packages, TENSORFLOWS if name == "tensorflow" else backend.distributions)
            for name, backend in BACKENDS.items()
        }
        return Runtime(
            wbc=self.code.wbc[:16],
            keras=self.packages.get("keras", ""),
            device=device,
            scikit_learn=self.packages.get("scikit-learn", ""),
            **versions,
        )

    def trial(self, trial: Trial, device: str) -> Trial:
        """A trial as this side runs it: the same key, an id of its own.

        Settings that its `wbc` does not know are left out where they say nothing.
        """
        runtime = self.runtime(device).of(trial.settings.mode, trial.settings.backend)
        unknown = self._unknown(trial)
        specification = {
            name: value
            for name, value in trial.specification.items()
            if name not in unknown or not _says_nothing(name, value)
        }
        return Trial.of(trial.network, trial.settings, runtime, specification)

    def lacks(self, trials: Sequence[Trial]) -> list[str]:
        """What trials ask for and this side has not: sentences, to be said before anything runs."""
        asking: dict[str, int] = {}
        for trial in trials:
            for name in self._unknown(trial):
                if not _says_nothing(name, trial.specification[name]):
                    asking[name] = asking.get(name, 0) + 1
        return [
            f"The {self.name} ({self.code.label}) does not know {name}, which {count} of {len(trials)} trials "
            "set: they will fail there."
            for name, count in sorted(asking.items())
        ]

    def noted(self, notes: Notes) -> Notes:
        """With the commit of the code that runs, where that is not the harness'."""
        if self.code.commit is None:
            return notes

        def noted(slot: Slot) -> dict[str, dict[str, Any]]:
            said = notes(slot)
            return {**said, "machine": {**said.get("machine", {}), "commit": self.code.commit}}

        return noted

    def _unknown(self, trial: Trial) -> set[str]:
        return set() if self.settings is None else set(trial.specification) - self.settings


def look(name: SideName, label: str, interpreter: Path, code: Code, modules: Sequence[str] = ()) -> Side:
    """Look at an interpreter and what it has.

    Args:
        name: The side.
        label: What it is, in words.
        interpreter: Python 3.11 or newer.
        code: What it is to run.
        modules: Modules that must be importable.

    Raises:
        InputError: It cannot be run, or a module cannot be imported.
    """
    found = _probe(name, interpreter, code, modules)
    if found["problem"]:
        raise InputError(
            f"the {name} ({label}) cannot be used: {found['problem']}",
            f"Its interpreter is {interpreter}. Install what is missing there, or ask for other versions.",
        )
    settings = found["settings"]
    return Side(
        name,
        label,
        interpreter,
        code,
        found["python"],
        found["packages"],
        None if settings is None else frozenset(settings),
    )


def modules_of(trials: Collection[Trial]) -> list[str]:
    """What a side must be able to import for these trials."""
    backends = sorted({trial.settings.backend for trial in trials if trial.settings.backend})
    modules = [{"torch": "torch", "jax": "jax", "tensorflow": "tensorflow"}[name] for name in backends]
    # Keras can only be imported with a backend.
    needed = [module for module in REQUIREMENTS.values() if module != "keras" or backends]
    return [*modules, *needed]


def _probe(name: SideName, interpreter: Path, code: Code, modules: Sequence[str]) -> dict[str, Any]:
    environment = {
        **os.environ,
        **_environment(code),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }
    environment["KERAS_BACKEND"] = modules[0] if modules and modules[0] in BACKENDS else "tensorflow"
    command = [str(interpreter), "-c", Path(probe.__file__).read_text(), *modules]
    way_out = f"--{name}-python names a Python (3.11 or newer) that has TensorFlow and wbc's packages."
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_S,
            check=False,
        )
    except OSError as error:
        raise InputError(
            f"the {name}'s interpreter {interpreter} cannot be run: {error.strerror}", way_out
        ) from None
    except subprocess.TimeoutExpired:
        raise InputError(
            f"the {name}'s interpreter {interpreter} did not answer for {PROBE_S} s", way_out
        ) from None
    try:
        found = json.loads(done.stdout.strip().splitlines()[-1])
        version = tuple(int(part) for part in found["python"].split(".")[:2])
    except (IndexError, ValueError, KeyError, TypeError):
        how = (
            f"killed by signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        )
        said = (done.stderr.strip().splitlines() or [""])[-1]
        raise InputError(
            f"the {name}'s interpreter {interpreter} cannot be used ({how})" + (f": {said}" if said else ""),
            way_out,
        ) from None
    if version < (3, 11):
        raise InputError(f"the {name}'s interpreter {interpreter} is Python {found['python']}", way_out)
    return found


def _environment(code: Code) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(code.folder), os.environ.get("PYTHONPATH")]))
    # The current directory may be a clone of leukobench; its packages must not come before the side's.
    return {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def _version(packages: Mapping[str, str], distributions: Sequence[str]) -> str:
    return next((packages[name] for name in distributions if name in packages), "")


def _says_nothing(name: str, value: Any) -> bool:
    """Whether a setting has its default, so that leaving it out changes nothing."""
    known = {one.name: one for one in fields(Specification)}
    default = known[name].default if name in known else None
    return value == default or value is None
