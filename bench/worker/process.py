"""Run one trial, and write down what happens even if it fails."""

import errno
import json
import os
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.worker import protocol
from bench.worker.artifacts import write_packages
from bench.worker.environment import SetupError, describe_machine, keep_to_cores
from bench.worker.jsonl import EventWriter, Facts
from bench.worker.recorder import Recorder
from bench.worker.startup import foreign_folder
from bench.worker.turns import TurnTaker

if TYPE_CHECKING:
    from wbc.specification import Specification

TRACE_FOLDER = "trace"

_NO_PART_OF_FEATURES = ("python", "kernel", "visible_gpus", "packages", "kernel_cache_bytes")
"""Facts of the environment on which no feature depends. The versions of the frameworks are facts of their own."""
_OF_A_SLOT = ("CUDA_VISIBLE_DEVICES",)
"""Variables that differ between equal devices."""


def run_trial(folder: Path) -> int:
    """Run the trial of an attempt's folder.

    Returns:
        The exit code: 0 if the trial is done, 1 if the journal says why it is not.
    """
    protocol.die_with_parent(int(os.environ[protocol.PARENT_PID]))
    events = EventWriter(folder / "events.jsonl", int(os.environ.pop(protocol.EVENT_FD)))
    turn = os.environ.pop(protocol.TURN_FD, None)
    recorder = Recorder(events, folder, None if turn is None else TurnTaker(events, int(turn)))
    spawned = int(os.environ[protocol.SPAWNED_NS])
    # Stamped with the time at which the parent started this process, so that the imports count.
    events.write("phase_started", phase="startup", t=spawned, cpu=0)
    try:
        keep_to_cores()
        trial = json.loads((folder / "trial.json").read_text())
        content = trial["specification"]
        from wbc import experiment
        from wbc.specification import Specification

        specification = Specification.from_json(_with_measurements(content, folder))
        loaded: Facts = {}
        if specification.uses_keras:
            from bench.worker.backends import load_backend

            loaded = load_backend(specification)
        # Afterwards, because loading a backend sets environment variables.
        described = {**describe_machine(), **loaded}
        specification = _with_cache(specification, folder, trial, described)
        experiment.load_trainer(specification.mode)  # imports belong to the startup
        events.write("environment", environment=described)
        recorder.phase_ended("startup")
        experiment.run(specification, recorder)
        recorder.phase_started("teardown")
        recorder.describe_memory()
        return 0
    except SystemExit as error:  # raised by the user's own network
        events.write("failed", kind="setup", message=f"the trial's code called sys.exit({error.code!r})")
        return 1
    except Exception as error:
        kind, message = explain(error)
        events.write("failed", kind=kind, message=message)
        traceback.print_exc()
        return 1
    finally:
        write_packages(folder)
        events.write("closed")
        events.close()


def _with_measurements(content: Facts, folder: Path) -> Facts:
    """The specification with the folders of its trace and its pictures, which belong to the attempt."""
    for name, place in (("profile", TRACE_FOLDER), ("explain", protocol.EXPLAINED_FOLDER), ("export", ".")):
        if content.get(name):
            content = {**content, name: {**content[name], "folder": str(folder / place)}}
    return content


def _with_cache(
    specification: "Specification", folder: Path, trial: Facts, described: Facts
) -> "Specification":
    """The specification with what its shared features depend on besides the experiment."""
    if specification.feature_cache is None:
        return specification
    variables = {name: value for name, value in described["variables"].items() if name not in _OF_A_SLOT}
    made_on = {name: value for name, value in described.items() if name not in _NO_PART_OF_FEATURES}
    cache = replace(
        specification.feature_cache,
        tag=f"{folder.parent.name}/{folder.name}",
        made_on={**made_on, "variables": variables, "runtime": trial["runtime"]},
    )
    return replace(specification, feature_cache=cache)


def explain(error: Exception) -> tuple[str, str]:
    """The kind of a failure, and one line about it."""
    from wbc.errors import InputError, OutOfMemoryError, TrainingDivergedError

    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, SetupError | InputError):
        return "setup", message
    if isinstance(error, TrainingDivergedError):
        return "nan-loss", message
    if isinstance(error, OutOfMemoryError):
        gpu = os.environ.get(protocol.DEVICE_KIND) == "gpu" and not error.of_host
        return "gpu-oom" if gpu else "host-oom", message[:300]
    named = f"{type(error).__name__}: {message[:300]}"
    if isinstance(error, ImportError) and (folder := foreign_folder(error)):
        return (
            "setup",
            f"{named}. It lies in {folder}, a folder of PYTHONPATH: unset that, or mend the module.",
        )
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return "host-oom", named
    return "crashed", named
