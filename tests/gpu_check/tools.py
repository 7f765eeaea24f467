"""What the steps share: leukobench as its users call it, suites of drawn images, what runs leave behind."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gpu_check.report import REPOSITORY

Context = dict[str, str]
"""The GPU to check and the backend that computes on it; see `gpu_check.__main__`."""

SUITE = """
[suite]
name = "{name}"
[data]
source = "synthetic"
image_size = {size}
train_images_per_class = {images}
validation_images_per_class = {held_out}
test_images_per_class = {held_out}
[training]
weights = "random"
backend = "{backend}"
batch_size = {batch_size}
epochs = {epochs}
optimizer = {{ name = "RMSprop", learning_rate = 1e-5, learning_rate_decay = 0 }}
{more}
[[matrix]]
mode = {mode}
backbone = {backbone}
"""


def environment() -> dict[str, str]:
    """Variables with which this interpreter finds leukobench and this check."""
    path = [
        str(REPOSITORY),
        str(REPOSITORY / "src"),
        str(REPOSITORY / "tests"),
        os.environ.get("PYTHONPATH", ""),
    ]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "TF_CPP_MIN_LOG_LEVEL": "2"}


def scaled(number: int) -> int:
    """A size of the work, divided by `GPU_CHECK_DIVISOR`: a rehearsal without a GPU asks for less."""
    return max(1, number // int(os.environ.get("GPU_CHECK_DIVISOR", "1")))


def on_gpu(context: Context) -> dict[str, str]:
    """Variables of a program that computes on the GPU, as those of a trial."""
    return {
        "CUDA_VISIBLE_DEVICES": context["uuid"],
        "JAX_PLATFORMS": "cuda,cpu",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "LEUKOBENCH_DEVICE_KIND": "gpu",
    }


def bench(
    folder: Path, *arguments: str, devices: str | None = None, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run leukobench until it ends."""
    named = ["--devices", devices] if devices else []
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments, "--results", str(folder / "results"), *named],
        env={**environment(), **variables},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
    )


def suite(context: Context, folder: Path, name: str, backbone: str, **changes: Any) -> Path:
    """Write a suite of trials on drawn images."""
    settings = {"size": 224, "images": 40, "held_out": 8, "batch_size": 16, "epochs": 2, "mode": '"scratch"'}
    path = folder / f"{name}.toml"
    values = {"more": "", "backend": context["backend"] or "tensorflow", **settings, **changes}
    path.write_text(SUITE.format(name=name, backbone=backbone, **values))
    return path


def records(folder: Path) -> list[dict[str, Any]]:
    """The records of every attempt."""
    found = sorted(folder.glob("results/*/trials/*/attempt-*/result.json"))
    return [json.loads(path.read_text()) for path in found]


def journal(folder: Path) -> list[dict[str, Any]]:
    """The events of every worker."""
    files = sorted(folder.glob("results/*/trials/*/attempt-*/events.jsonl"))
    return [json.loads(text) for path in files for text in path.read_text().splitlines()]


def outcome(record: Mapping[str, Any]) -> str:
    """`done`, or why not."""
    failure = record.get("failure")
    return f"{failure['kind']}: {failure['message']}" if failure else str(record["status"])


def start(*command: str, **variables: str) -> "subprocess.Popen[str]":
    """Start Python with arguments; what it prints is read from the process."""
    return subprocess.Popen(
        [sys.executable, *command],
        env={**environment(), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def answer(module: str, context: Context, *arguments: str) -> Any:
    """What a module of this check prints, as JSON on its last line, after it computed on the GPU.

    Raises:
        RuntimeError: It failed; the last line that it printed.
    """
    process = start("-m", f"gpu_check.{module}", context["backend"], *arguments, **on_gpu(context))
    printed = process.communicate()[0].strip().splitlines()
    if process.returncode or not printed:
        raise RuntimeError(printed[-1] if printed else f"exit code {process.returncode}")
    return json.loads(printed[-1])


@contextlib.contextmanager
def load(context: Context, *plan: str) -> "Iterator[subprocess.Popen[str]]":
    """Known work on the GPU; see `gpu_check.loads`. It has told the beginning of its first phase."""
    process = start_load(context, *plan)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def start_load(context: Context, *plan: str) -> "subprocess.Popen[str]":
    """The same; whoever starts it reads what it tells."""
    return subprocess.Popen(
        [sys.executable, "-m", "gpu_check.loads", context["backend"], *plan],
        env={**environment(), **on_gpu(context)},
        stdout=subprocess.PIPE,
        text=True,
    )
