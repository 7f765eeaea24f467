"""Run one cell and write down what happens, whatever happens."""

import ctypes
import json
import os
import platform
import signal
import traceback
from pathlib import Path

from bench.journal.jsonl import EventWriter
from bench.worker import protocol
from bench.worker.recorder import Recorder

_PR_SET_PDEATHSIG = 1


class SetupError(Exception):
    """The cell cannot run in this environment."""


def run_cell(folder: Path) -> int:
    """Run the cell of an attempt's folder.

    Returns:
        The exit code: 0 when the cell is done, 1 when the journal says why it is not.
    """
    _die_with_parent()
    events = EventWriter(folder / "events.jsonl", int(os.environ.pop(protocol.EVENT_FD)))
    recorder = Recorder(events, folder)
    spawned = int(os.environ[protocol.SPAWNED_NS])
    # Stamped with the time at which the parent started this process: interpreter and imports count.
    events.write("phase_started", phase="startup", t=spawned, cpu=0)
    try:
        content = json.loads((folder / "cell.json").read_text())["specification"]
        _load_tensorflow(events)
        from wbc import experiment
        from wbc.specification import Specification

        recorder.phase_ended("startup")
        experiment.run(Specification.from_json(content), recorder)
        recorder.phase_started("teardown")
        return 0
    except Exception as error:
        kind, message = _explain(error)
        events.write("failed", kind=kind, message=message)
        traceback.print_exc()
        return 1
    finally:
        events.close()


def _load_tensorflow(events: EventWriter) -> None:
    """Import TensorFlow, claim the device, write down the environment.

    Raises:
        SetupError: The cell was given a GPU that TensorFlow does not see, or TensorFlow cannot be imported.
    """
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise SetupError(f"TensorFlow or Keras cannot be imported: {error}") from error
    gpus = tf.config.list_physical_devices("GPU")
    if os.environ.get(protocol.DEVICE_KIND) == "gpu" and not gpus:
        raise SetupError(
            "the cell was given a GPU, but TensorFlow sees none (a CPU build, or a broken driver)"
        )
    for gpu in gpus:
        # Otherwise TensorFlow takes all memory at once, and what the cell needs cannot be seen.
        tf.config.experimental.set_memory_growth(gpu, True)
    events.write(
        "environment",
        environment={
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "kernel": platform.release(),
            "cores": len(os.sched_getaffinity(0)),
            "gpus": [tf.config.experimental.get_device_details(gpu).get("device_name", "") for gpu in gpus],
        },
    )


def _explain(error: Exception) -> tuple[str, str]:
    """The kind of a failure, and one line for its row."""
    from wbc.errors import InputError

    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, SetupError | InputError):
        return "setup", message
    if isinstance(error, MemoryError):
        return "host-oom", message
    name = type(error).__name__
    if name == "TrainingDivergedError":
        return "nan-loss", message
    if name == "ResourceExhaustedError":
        gpu = os.environ.get(protocol.DEVICE_KIND) == "gpu"
        return "gpu-oom" if gpu else "host-oom", message[:300]
    return "crashed", f"{name}: {message[:300]}"


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies; Linux only."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ[protocol.PARENT_PID]):
        os._exit(1)  # the parent died before the request was made
