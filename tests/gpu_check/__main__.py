"""`python -m gpu_check`: run every step under a time limit, and write `report.md` and `report.json`.

The exit code is 0 if no check fails: what this machine or environment lacks is `not here`, and no failure.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gpu_check.report import Line, line, write_report

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Step:
    """A step of the check."""

    number: int
    title: str
    limit_s: float
    """It is ended after this time."""


STEPS = (
    Step(0, "what leukobench sees", 60),
    Step(5, "the end of an epoch", 150),
    Step(1, "telemetry beside known work", 120),
    Step(8, "the head of the thesis", 90),
    Step(3, "leases", 60),
    Step(2, "other processes", 60),
    Step(9, "reference work, cold and warm", 60),
    Step(4, "a full GPU", 90),
    Step(6, "a trace", 90),
    Step(10, "what sampling costs", 90),
    Step(7, "the networks of the thesis", 300),
)
"""In the order in which they run: the most telling first."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="gpu-check", description=__doc__)
    parser.add_argument("--output", type=Path, default=REPOSITORY / "results" / "gpu-check")
    parser.add_argument("--device", default="gpu:0", help="the GPU, as nvidia-smi counts")
    parser.add_argument("--steps", default="", help="numbers of steps, such as 0,1,5; all by default")
    parser.add_argument("--budget", type=float, default=480, help="begin no step after so many seconds")
    options = parser.parse_args(arguments)
    wanted = {int(number) for number in options.steps.split(",") if number}
    context = _context(options.device)
    machine = {name: str(value) for name, value in context.items() if name != "uuid"}
    lines: list[Line] = []
    began = _now()
    for step in STEPS:
        if wanted and step.number not in wanted:
            continue
        if _now() - began > options.budget:
            found = [line(step.title, "-", f"no time was left of {options.budget:g} s (--budget)", None)]
        elif step.number not in (0, 3) and not context["gpu"]:
            found = [line(step.title, "-", f"no GPU: {context['no_gpu']}", None)]
        elif step.number not in (0, 3) and not context["backend"]:
            found = [
                line(step.title, "-", f"no framework that computes on it: {context['no_backend']}", None)
            ]
        else:
            print(
                f"step {step.number}: {step.title} (at most {step.limit_s:g} s)", file=sys.stderr, flush=True
            )
            found = run_step(step, context)
        lines += [replace(one, step=step.number) for one in found]
        write_report(options.output, machine, lines)
    print(options.output / "report.md")
    return int(any(one.verdict == "fail" for one in lines))


def run_step(step: Step, context: dict[str, str], command: list[str] | None = None) -> list[Line]:
    """A step in a process of its own: neither an error nor a hang of it ends the check."""
    command = command or [sys.executable, "-m", "gpu_check.steps", str(step.number), json.dumps(context)]
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        process = subprocess.Popen(
            [*command, folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            start_new_session=True,
        )
        try:
            out, errors = process.communicate(timeout=step.limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return [line(step.title, f"ends within {step.limit_s:g} s", "it did not, and was ended", False)]
    try:
        return [Line(**one) for one in json.loads(out.strip().splitlines()[-1])]
    except (IndexError, ValueError, TypeError):
        said = errors.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        return [line(step.title, "ends without an error", said[0], False)]


def environment() -> dict[str, str]:
    """Variables with which this interpreter finds leukobench and this check."""
    path = [
        str(REPOSITORY),
        str(REPOSITORY / "src"),
        str(REPOSITORY / "tests"),
        os.environ.get("PYTHONPATH", ""),
    ]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "TF_CPP_MIN_LOG_LEVEL": "2"}


def _context(device: str) -> dict[str, str]:
    """The GPU to check, and the framework that computes on it; where there is none, why."""
    from bench.devices.machine import find_machine
    from bench.trials.runtime import backend_version, installed_backends, version_of

    machine = find_machine()
    gpu = next((one for one in machine.gpus if one.name == device), None)
    backend = next((name for name in installed_backends() if name not in machine.blind), "")
    versions = {name: backend_version(name) for name in installed_backends()}
    others = {
        name: version_of(name) for name in ("keras", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13", "mlflow")
    }
    return {
        "gpu": gpu.name if gpu else "",
        "model": gpu.model if gpu else "",
        "uuid": gpu.uuid if gpu else "",
        "no_gpu": "" if gpu else machine.unusable.get(device) or machine.reason or f"there is no {device}",
        "backend": backend,
        "no_backend": "" if backend else "; ".join(machine.blind.values()),
        "python": platform.python_version(),
        "kernel": platform.release(),
        **{name: version for name, version in {**versions, **others}.items() if version},
        "commit": _commit(),
    }


def _commit() -> str:
    done = subprocess.run(
        ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _now() -> float:
    import time

    return time.monotonic()


def to_json(lines: list[Line]) -> str:
    """What a step prints."""
    return json.dumps([asdict(one) for one in lines])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
