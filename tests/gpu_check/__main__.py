"""`python -m gpu_check`: run every step under a time limit, and write `report.md` and `report.json`.

The exit code is 0 if no check fails: what this machine or environment lacks is `not here`, and no failure.
"""

import argparse
import contextlib
import json
import math
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpu_check.report import Line, line, write_report
from gpu_check.tools import REPOSITORY, Context, environment


@dataclass(frozen=True)
class Step:
    """A step of the check."""

    number: int
    title: str
    limit_s: float
    """It is ended after this time, and when the time of all is over."""


STEPS = (
    Step(0, "what leukobench sees", 60),
    Step(5, "the end of an epoch", 150),
    Step(1, "telemetry beside known work", 120),
    Step(8, "the head of the thesis", 90),
    Step(3, "leases", 60),
    Step(2, "other processes", 60),
    Step(9, "reference work, cold and warm", 60),
    Step(4, "a full GPU", 150),
    Step(6, "a trace", 90),
    Step(10, "what sampling costs", 90),
    Step(7, "the networks of the thesis", math.inf),
)
"""In the order in which they run: the most telling first."""


def main(arguments: list[str]) -> int:
    """Run the steps, and write the report after each."""
    parser = argparse.ArgumentParser(prog="gpu-check", description=__doc__)
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "gpu-check")
    parser.add_argument("--device", default="gpu:0", help="the GPU, as nvidia-smi counts")
    parser.add_argument(
        "--backend", default="", help="tensorflow, jax or torch; the first that computes on it"
    )
    parser.add_argument(
        "--steps", default="", help="numbers of steps in their order, such as 0,1,5; all by default"
    )
    parser.add_argument("--budget", type=float, default=540, help="end after so many seconds")
    parser.add_argument(
        "--keep", type=Path, help="keep what the steps wrote in this folder, such as telemetry"
    )
    options = parser.parse_args(arguments)
    plan = [step for number in options.steps.split(",") for step in STEPS if number == str(step.number)]
    context = _context(options.device, options.backend)
    machine = {name: value for name, value in context.items() if name != "uuid" and value}
    lines: list[Line] = []
    began = time.monotonic()
    for step in plan or STEPS:
        left = options.budget - (time.monotonic() - began)
        if left < 1:
            found = [line(step.title, "-", f"no time was left of {options.budget:g} s (--budget)", None)]
        elif step.number not in (0, 3) and not context["gpu"]:
            found = [line(step.title, "-", f"no GPU: {context['no_gpu']}", None)]
        elif step.number not in (0, 3) and not context["backend"]:
            found = [
                line(step.title, "-", f"no framework that computes on it: {context['no_backend']}", None)
            ]
        else:
            # A rehearsal without a GPU, on a machine that others use, needs more patience.
            patience = float(os.environ.get("GPU_CHECK_PATIENCE", "1"))
            step = replace(step, limit_s=min(patience * step.limit_s, left))
            print(f"step {step.number}: {step.title}", file=sys.stderr, flush=True)
            found = run_step(step, context, keep=options.keep)
        lines += [replace(one, step=step.number) for one in found]
        write_report(options.output, machine, lines)
    print(options.output / "report.md")
    return int(any(one.verdict == "fail" for one in lines))


def run_step(
    step: Step, context: Context, command: list[str] | None = None, keep: Path | None = None
) -> list[Line]:
    """A step in a process of its own: neither an error nor a hang of it ends the check."""
    told = json.dumps({**context, "limit_s": str(step.limit_s)})
    command = command or [sys.executable, "-m", "gpu_check.steps", str(step.number), told]
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        process = subprocess.Popen(
            [*command, folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            start_new_session=True,
        )
        late = False
        try:
            out, errors = process.communicate(timeout=step.limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, errors = process.communicate()
            late = True
        if keep is not None:
            shutil.copytree(folder, keep / f"step-{step.number}", dirs_exist_ok=True)
    lines = [Line(**told) for text in out.splitlines() if (told := _line_of(text)) is not None]
    if late:
        lines.append(
            line(step.title, f"ends within {step.limit_s:.0f} s", "it did not, and was ended", False)
        )
    elif process.returncode or not lines:
        said = errors.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        lines.append(line(step.title, "ends without an error", said[0], False))
    return lines


def _line_of(text: str) -> dict[str, Any] | None:
    """What a step printed, if it is a line of the report; frameworks print, too."""
    try:
        told = json.loads(text)
    except ValueError:
        return None
    return told if isinstance(told, dict) and "check" in told else None


def _context(device: str, backend: str) -> Context:
    """The GPU to check, and the framework that computes on it; where there is none, why."""
    from bench.devices.machine import find_machine
    from bench.devices.nvml import NvmlError, open_nvml
    from bench.trials.runtime import backend_version, installed_backends, version_of

    machine = find_machine()
    gpu = next((one for one in machine.gpus if one.name == device), None)
    computing = [name for name in installed_backends() if name not in machine.blind]
    if backend:
        computing = [name for name in computing if name == backend]
    driver = cuda = ""
    with contextlib.suppress(NvmlError), open_nvml() as nvml:
        driver, cuda = nvml.driver(), nvml.cuda_driver()
    versions = {name: backend_version(name) for name in installed_backends()}
    others = ("keras", "numpy", "nvidia-ml-py", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13", "mlflow")
    versions |= {name: version_of(name) for name in others}
    return {
        "gpu": gpu.name if gpu else "",
        "model": gpu.model if gpu else "",
        "uuid": gpu.uuid if gpu else "",
        "no_gpu": "" if gpu else machine.unusable.get(device) or machine.reason or f"there is no {device}",
        "driver": driver,
        "CUDA of the driver": cuda,
        "backend": computing[0] if computing else "",
        "no_backend": "" if computing else "; ".join(machine.blind.values()) or f"no {backend}",
        "python": platform.python_version(),
        "kernel": platform.release(),
        "processor": f"{machine.processor}, {len(machine.cores)} cores",
        **{name: version for name, version in versions.items() if version},
        "date": time.strftime("%Y-%m-%d"),
        "commit": os.environ.get("GPU_CHECK_COMMIT") or _commit(),
    }


def _commit() -> str:
    done = subprocess.run(
        ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
