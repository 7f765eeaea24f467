"""TEST EQUIPMENT: builds the stand-in for NVIDIA's library, and sets what it answers."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

SOURCES = Path(__file__).parent
REPOSITORY = SOURCES.parents[2]

NOT_SUPPORTED, DRIVER_NOT_LOADED, GPU_IS_LOST, LIBRARY_MISMATCH = 3, 9, 15, 18
"""Return codes of NVML."""


def build_library(folder: Path) -> None:
    """Build `libnvidia-ml.so.1` into a folder, with gcc."""
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    # -Bsymbolic: its own names go before equal ones of the program that loads it.
    linked = ["-Wl,-Bsymbolic", "-Wl,-soname,libnvidia-ml.so.1", "-o", str(folder / "libnvidia-ml.so.1")]
    subprocess.run(["gcc", *flags, *linked, *map(str, sorted(SOURCES.glob("*.c")))], check=True)


class StandIn:
    """A machine with GPUs that do not exist, for programs started with its `environment`.

    Args:
        library: Folder of the library.
        answers: The file that says what the library answers; written here.
        gpus: How many GPUs there are at first.
    """

    def __init__(self, library: Path, answers: Path, gpus: int = 2):
        self._answers = answers
        self._said: dict[str, str] = {}
        paths = [str(library), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
        self.environment = {
            "LD_LIBRARY_PATH": os.pathsep.join(paths),
            "LEUKOBENCH_NVML_STAND_IN": str(answers),
        }
        self.set(count=gpus)

    @staticmethod
    def uuid(gpu: int) -> str:
        """The UUID of a GPU, unless `set` gave it another."""
        return f"GPU-{gpu:08x}-57a4-4d1e-8000-{gpu:012x}"

    def set(self, gpu: int | str | None = None, values: Mapping[str, object] | None = None, **more) -> None:
        """Change what is answered, from the next call on, in programs that are running too.

        Args:
            gpu: Its number, or `"*"` for all that have no value of their own; None: keys of the machine
                (`count`, `driver`, `cuda`).
            values: By key, such as `{"memory.used": 2**30}`; see `answers.h` and the calls. None takes a key
                back.
            more: The same for keys that are Python names: `power=300_000`.
        """
        prefix = "" if gpu is None else f"gpu.{gpu}."
        for key, value in {**(values or {}), **more}.items():
            self._said[prefix + key] = str(value)
            if value is None:
                del self._said[prefix + key]
        new = self._answers.with_suffix(".new")
        new.write_text("".join(f"{key} = {value}\n" for key, value in self._said.items()))
        new.replace(self._answers)

    def fail(self, call: str, code: int, gpu: int | str | None = None) -> None:
        """Let a call (its name without version suffix) return a code, on one GPU or on all; 0 heals it."""
        self.set(gpu, {f"return.{call}": code})

    def lose(self, gpu: int) -> None:
        """From now on every call for this GPU says that it is lost."""
        self.set(gpu, {"return": GPU_IS_LOST})

    def run_on(
        self,
        gpu: int,
        compute: Mapping[int, int | None] | None = None,
        graphics: Mapping[int, int | None] | None = None,
    ) -> None:
        """Which processes use a GPU: PID to bytes of its memory, None where that is unknown."""

        def said(processes: Mapping[int, int | None]) -> str:
            return " ".join(str(pid) if size is None else f"{pid}:{size}" for pid, size in processes.items())

        self.set(gpu, compute=said(compute or {}), graphics=said(graphics or {}))

    def count_energy(self, gpu: int | str, power_mw: int) -> None:
        """Let the GPU's energy counter run on, from now, with a constant power."""
        self.set(gpu, power=power_mw, energy_since=time.monotonic())

    def python(self, program: str, *arguments: object, **environment: str):
        """Run a program that prints JSON, beside the GPUs; what it printed."""
        path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "src"), os.environ.get("PYTHONPATH", "")])
        kept = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
        done = subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            env={**kept, "PYTHONPATH": path, **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
