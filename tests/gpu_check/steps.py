"""`python -m gpu_check.steps NUMBER CONTEXT FOLDER`: one step of the check; prints its lines as JSON.

Every step uses leukobench as its users do: the command line, the sampler, leases, records.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gpu_check.__main__ import environment, to_json
from gpu_check.loads import COPIED, SIZE
from gpu_check.report import Line, line

Context = dict[str, str]
GIB = 2**30

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


def bench(folder: Path, *arguments: str, devices: str | None = None, wait: bool = True) -> Any:
    """Run leukobench; with `wait` the finished process, else the running one."""
    named = ["--devices", devices] if devices else []
    command = [sys.executable, "-m", "bench", *arguments, "--results", str(folder / "results"), *named]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": str(folder)}
    if wait:
        return subprocess.run(command, env=environment(), check=False, **pipes)
    return subprocess.Popen(command, env=environment(), **pipes)


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


def outcome(record: dict[str, Any]) -> str:
    """`done`, or why not."""
    failure = record.get("failure")
    return f"{failure['kind']}: {failure['message']}" if failure else record["status"]


def seen(context: Context, folder: Path) -> list[Line]:
    """Step 0: the GPU, how long each question takes, the fingerprint."""
    from bench.devices import gauges
    from bench.devices.machine import find_machine
    from bench.devices.nvml import NvmlError, open_nvml
    from bench.machine.calibration import fingerprint

    machine = find_machine()
    lines = [line("a GPU is seen", "NVML lists one that may be used", machine, bool(machine.gpus) or None)]
    prints = {fingerprint(find_machine()) for _ in range(2)}
    lines.append(line("fingerprint", "the same twice", ", ".join(sorted(prints)), len(prints) == 1))
    done = bench(folder, "doctor", "--json")
    start = done.stdout.find("{")
    told = json.loads(done.stdout[start:]) if done.returncode == 0 and start >= 0 else None
    said = done.stdout.strip().splitlines()[-1:] if told is None else f"versions {told['versions']}"
    lines.append(line("doctor", "ends with 0", said, told is not None))
    if not machine.gpus:
        return lines
    uuid = context["uuid"] or machine.gpus[0].uuid
    with open_nvml() as nvml:
        slowest: dict[str, float] = {}
        missing: dict[str, str] = {}
        for questions in (gauges.FAST, gauges.SLOW, gauges.COUNTERS):
            for names, question in questions.items():
                began = time.perf_counter()
                try:
                    nvml.ask(uuid, question)
                    slowest["+".join(names)] = (time.perf_counter() - began) * 1000
                except NvmlError as error:
                    missing["+".join(names)] = error.reason
        fast = sum(slowest.get("+".join(names), 0.0) for names in gauges.FAST)
    each = ", ".join(f"{name} {ms:.2f}" for name, ms in slowest.items())
    lines.append(
        line("one sample", "the questions of every sample take < 20 ms", f"{fast:.2f} ms; {each}", fast < 20)
    )
    gone = "; ".join(f"{name}: {why}" for name, why in missing.items())
    lines.append(line("what is not told", "has a reason", gone or "everything is told", True))
    return lines


def telemetry(context: Context, folder: Path) -> list[Line]:
    """Step 1: the sampler beside idle time and known work."""
    from bench.devices.datasheet import datasheet_of
    from bench.journal.events import PhaseEnded, PhaseStarted
    from bench.records.summary import Stretch, spans_of, summarize
    from bench.telemetry.trace import read_trace

    plan = ["idle=6", "bfloat16=12", "float32=12", "copies=10", "half=10"]
    events, board = [], _Dmon(context["gpu"])
    attempt, told = _sampled(context, folder, plan, board)
    for event in told:
        kind = PhaseStarted if event["event"] == "phase_started" else PhaseEnded
        events.append(kind(t=event["t"], phase=event["phase"]))
    trace = read_trace(attempt.telemetry)
    if trace is None:
        return [line("the sampler", "writes a file", "none was written", False)]
    spans = spans_of(events)
    summary = summarize([Stretch(trace, spans)])
    assert summary is not None
    device = summary.devices[context["gpu"]]
    done = {event["phase"]: event for event in told if event["event"] == "phase_ended"}
    names = [entry.split("=")[0] for entry in plan]
    if missing := [name for name in names if name not in done]:
        return [line("known work", "every phase ends", f"not done: {', '.join(missing)}", False)]

    def mean(phase: str, metric: str) -> float | None:
        found = device.phases.get(phase, {}).get(metric)
        return found.mean if found else None

    def near(value: float | None, low: float, high: float) -> bool | None:
        return None if value is None else low <= value <= high

    lines = []
    for phase, low, high in (("idle", 0.0, 0.02), ("bfloat16", 0.97, 1.0), ("float32", 0.97, 1.0)):
        used = mean(phase, "gpu_utilization")
        lines.append(line(f"utilization, {phase}", f"{low} to {high}", used, near(used, low, high)))
    for name in names:
        power, read = mean(name, "power_w"), board.mean(spans.get(name, []))
        if power is not None and read is not None:
            gap = power / read - 1
            criterion = "within 3 % of nvidia-smi dmon"
            lines.append(line(f"power, {name}", criterion, f"{power:.1f} W, {read:.1f} W", abs(gap) < 0.03))
        energy = device.counters.get(name, {}).get("energy_j")
        (began, ended) = spans[name][0]
        if power is not None and energy is not None:
            joules = power * (ended - began) / 1e9
            gap = energy / joules - 1 if joules else 0.0
            criterion = "counter within 3 % of integrated power"
            lines.append(
                line(f"energy, {name}", criterion, f"{energy:.0f} J, {joules:.0f} J", abs(gap) < 0.03)
            )
    peaks = datasheet_of(context["model"])
    for phase, metric in (("float32", "fp32_activity"), ("bfloat16", "tensor_activity")):
        activity, rate = mean(phase, metric), 2.0 * SIZE**3 * done[phase]["units"] / done[phase]["seconds"]
        peak = (
            (peaks or {}).get("float32")
            if phase == "float32"
            else (peaks or {}).get("tensorfloat32", 0.0) * 2
        )
        share = rate / peak if peak else None
        said = f"{activity}; {rate / 1e12:.1f} TFLOP/s, {share and round(share, 3)} of the datasheet"
        within = None if activity is None or share is None else abs(activity - share) < 0.07
        lines.append(line(f"{metric}, {phase}", "within 0.07 of the known work", said, within))
    copied = done["copies"]["units"] * COPIED / done["copies"]["seconds"]
    bus = mean("copies", "pcie_rx_bytes_s")
    said = f"{bus} B/s over the bus, {copied:.3g} B/s copied"
    lines.append(line("copies", "told traffic > 0", said, None if bus is None else bus > 0))
    half = mean("half", "gpu_utilization")
    lines.append(line("utilization at half duty", "0.35 to 0.65", half, near(half, 0.35, 0.65)))
    lines.append(line("metrics that are missing", "each has a reason", device.unavailable or "none", True))
    return lines


def processes(context: Context, folder: Path) -> list[Line]:
    """Step 2: memory of a process, and a stranger."""
    from bench.devices.device import Slot
    from bench.devices.machine import find_machine
    from bench.devices.nvml import open_nvml
    from bench.devices.other_users import neighbors, sees_the_hosts_pids

    gpu = next(one for one in find_machine().gpus if one.uuid == context["uuid"])
    slot = Slot(gpu.name, (gpu,), (0,))
    with _load(context, "bfloat16=30") as stranger, open_nvml() as nvml:
        listed = {one.pid: one.memory_bytes for one in nvml.processes(gpu.uuid)}
        # This process started the load; to a harness with another number it is a stranger.
        found = neighbors(slot, nvml, harness=2**22 + 1)
        hidden = neighbors(slot, nvml, harness=2**22 + 1, hosts_pids=False)
    size = listed.get(stranger.pid)
    visible = sees_the_hosts_pids()
    least = 2 * SIZE * SIZE
    return [
        line(
            "memory of a process",
            f">= {least / GIB:.2f} GiB, which it holds",
            f"{size} bytes; listed: {listed}",
            None if not visible else size is not None and size >= least,
        ),
        line("a stranger", "is named", found.foreign, None if not visible else found.alone is False),
        line("in a container", "alone is None", hidden.alone, hidden.alone is None),
    ]


def leases(context: Context, folder: Path) -> list[Line]:
    """Step 3: a second run while the first one holds the GPU, and after it was killed."""
    device = context["gpu"]
    if not device:
        return [line("lease", "a second run is refused", f"no GPU: {context['no_gpu']}", None)]
    program = (
        "import sys, time; from pathlib import Path\n"
        "from bench.devices.lease import lease\nfrom bench.devices.machine import choose_slots\n"
        "with lease(choose_slots(sys.argv[1]), Path('first'), 'gpu-check'):\n"
        "    print('held', flush=True); time.sleep({})\n"
    )
    first = _python(program.format(60), device)
    assert first.stdout is not None
    first.stdout.readline()
    second = _python(program.format(0), device)
    said = second.communicate()[0]
    refused = second.returncode != 0 and f"process {first.pid}" in said
    first.send_signal(signal.SIGKILL)
    first.communicate()
    third = _python(program.format(0), device)
    third.communicate()
    last = said.strip().splitlines()[-1:]
    return [
        line("a second run", "is refused, and told the process", last, refused),
        line(
            "after the first was killed",
            "the GPU is free",
            f"exit code {third.returncode}",
            third.returncode == 0,
        ),
    ]


def full(context: Context, folder: Path) -> list[Line]:
    """Step 4: a trial on a GPU whose memory is taken."""
    from bench.devices.nvml import open_nvml

    if context["backend"] != "torch" and not _has("torch"):
        said = "needs PyTorch to hold the memory of the GPU"
        return [line("a full GPU", "gpu-oom, not tried again", said, None)]
    with open_nvml() as nvml:
        free = nvml.memory(context["uuid"]).free
    program = (
        "import sys, time, torch\nheld = torch.empty(int(sys.argv[1]), dtype=torch.uint8, device='cuda')\n"
        "print('held', flush=True); time.sleep(120)\n"
    )
    holder = _python(program, str(free - 2 * GIB), CUDA_VISIBLE_DEVICES=context["uuid"])
    assert holder.stdout is not None
    try:
        holder.stdout.readline()
        path = suite(context, folder, "full", '"ResNet50"', batch_size=64, images=64)
        bench(folder, "run", str(path), devices=context["gpu"])
    finally:
        holder.kill()
        holder.communicate()
    found = [outcome(one) for one in records(folder)]
    alone = len(found) == 1 and found[0].startswith("gpu-oom")
    return [line("a full GPU", "gpu-oom, not tried again", found, alone)]


PACED = """
import json, sys, time
import numpy as np
from pathlib import Path
from bench.worker.backends import load_backend
from wbc.specification import Specification
backend = sys.argv[1]
load_backend(Specification(Path(), Path(), 224, "ResNet50", "scratch", 1, backend=backend))
import keras
from wbc.training.callbacks import ReportingCallback
from wbc.training.timing import Part

class Silent:
    def __getattr__(self, name):
        return lambda *values, **more: None

class Waits(keras.callbacks.Callback):
    seconds = 0.0
    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.monotonic()
    def on_test_begin(self, logs=None):
        for variable in self.model.variables[-4:]:
            np.asarray(keras.ops.convert_to_numpy(variable))
        self.last = time.monotonic() - self.began

model = keras.applications.ResNet50(weights=None, classes=4)
model.compile("rmsprop", "categorical_crossentropy")
images = np.random.default_rng(0).random((32 * 16, 224, 224, 3), np.float32)
targets = np.eye(4, dtype=np.float32)[np.arange(len(images)) % 4]
reporting, waits, told = ReportingCallback(Silent(), len(images), 16, 6), Waits(), []
class Reads(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        told.append((reporting.timer.pace.steps_s, waits.last))
model.fit(images, targets, 16, 6, validation_data=(images[:16], targets[:16]), verbose=0,
          callbacks=[reporting, waits, Reads()])
print(json.dumps(told[1:]))
"""


def epochs(context: Context, folder: Path) -> list[Line]:
    """Step 5: the time of an epoch against waiting for it, a short last batch, a processor slot."""
    process = _python(
        PACED, context["backend"], LEUKOBENCH_DEVICE_KIND="gpu", CUDA_VISIBLE_DEVICES=context["uuid"]
    )
    out = process.communicate()[0].strip().splitlines()
    lines = []
    try:
        told = json.loads(out[-1])
        ratio = sum(one[0] for one in told) / sum(one[1] for one in told)
        lines.append(
            line(
                "steps of an epoch",
                "within 2 % of waiting for the device",
                f"{ratio:.4f}",
                abs(ratio - 1) < 0.02,
            )
        )
    except (ValueError, IndexError, ZeroDivisionError, TypeError):
        lines.append(line("steps of an epoch", "within 2 % of waiting for the device", out[-1:], False))
    path = suite(context, folder, "ragged", '"LeNet5"', size=64, images=101, epochs=6)
    bench(folder, "run", str(path), devices=context["gpu"])
    told = [event for event in journal(folder) if event["event"] == "epoch"]
    times = [event.get("steps_s", 0.0) for event in told]
    said = f"steps of the first epoch {times[:1]} s, median of the others {sorted(times[1:])[len(times) // 2 :][:1]} s"
    quick = len(times) == 6 and times[0] < 5 * sorted(times[1:])[2] + 1
    lines.append(
        line("a short last batch", "the first epoch compiles nothing after its first step", said, quick)
    )
    beside = folder / "processor"
    beside.mkdir()
    path = suite(context, beside, "processor", '"LeNet5"', size=32, images=8, epochs=1)
    done = bench(beside, "run", str(path), devices="cpu")
    found = [outcome(one) for one in records(beside)] or done.stdout.strip().splitlines()[-1:]
    lines.append(line("a processor slot", "done", found, found == ["done"]))
    return lines


def trace(context: Context, folder: Path) -> list[Line]:
    """Step 6: a trace of ten steps."""
    if context["backend"] != "tensorflow":
        return [line("a trace", "has a GPU's streams", "only steps of TensorFlow are traced", None)]
    path = suite(context, folder, "traced", '"ResNet50"', more="[profile]\nsteps = 10\n")
    bench(folder, "run", str(path), devices=context["gpu"])
    found = records(folder)
    profile = found[-1].get("profile") if found else None
    if not profile:
        said = [one.get("unavailable", {}).get("profile") or outcome(one) for one in found]
        return [line("a trace", "has a GPU's streams", said, False)]
    lines = [line("kernels", "kernel_busy > 0", profile["kernel_busy"], bool(profile["kernel_busy"]))]
    lines.append(line("copies", "> 0 s", profile["copies_s"], bool(profile["copies_s"])))
    lines.append(line("kinds", "`other` < 0.5", profile["kinds"], profile["kinds"].get("other", 0.0) < 0.5))
    return lines


def networks(context: Context, folder: Path) -> list[Line]:
    """Step 7: the eight networks of the thesis, two short epochs each."""
    names = [
        "VGG16",
        "VGG19",
        "InceptionV3",
        "Xception",
        "ResNet50",
        "DenseNet121",
        "DenseNet169",
        "DenseNet201",
    ]
    lines = []
    for name in names:
        own = folder / name
        own.mkdir()
        path = suite(context, own, "network", f'"{name}"', held_out=4)
        bench(own, "run", str(path), devices=context["gpu"])
        for record in records(own):
            energy, used = record.get("energy") or {}, record.get("utilization") or {}
            steady = record.get("throughput") or {}
            said = (
                f"{outcome(record)}; {steady.get('train_images_per_s')} images/s; energy {energy.get('trial_j')} J; "
                f"{used.get('of_datasheet_peak_busy')} of the datasheet's peak while busy"
            )
            share = used.get("of_datasheet_peak_busy")
            good = (
                record["status"] == "done" and bool(energy.get("trial_j")) and (share is None or share <= 1)
            )
            lines.append(line(name, "done; energy there; not above the peak", said, good))
    return lines or [line("the networks", "done", "no record", False)]


def head(context: Context, folder: Path) -> list[Line]:
    """Step 8: the head of the thesis over features of VGG16."""
    program = (
        "import sys, time, json\nimport numpy as np\nfrom pathlib import Path\n"
        "from bench.worker.backends import load_backend\nfrom wbc.specification import Specification\n"
        "load_backend(Specification(Path(), Path(), 224, 'VGG16', 'transfer', 1, backend=sys.argv[1]))\n"
        "import keras\nfrom wbc.training.transfer import build_head\n"
        "features = np.random.default_rng(0).random((1600, 7, 7, 512), np.float32)\n"
        "targets = np.eye(4, dtype=np.float32)[np.arange(1600) % 4]\n"
        "head = build_head((7, 7, 512), 4, 0.0)\nhead.compile('rmsprop', 'categorical_crossentropy')\n"
        "head.fit(features, targets, 16, 1, verbose=0)\nbegan = time.monotonic()\n"
        "head.fit(features, targets, 16, 3, verbose=0)\n"
        "print(json.dumps((time.monotonic() - began) / 300 * 1e6))\n"
    )
    process = _python(program, context["backend"], CUDA_VISIBLE_DEVICES=context["uuid"])
    out = process.communicate()[0].strip().splitlines()
    said = f"{out[-1] if out else 'nothing'} us a step of `fit`; 180 MB move in each"
    return [line("the head, 25,088 x 256", "a step is timed", said, process.returncode == 0)]


def reference(context: Context, folder: Path) -> list[Line]:
    """Step 9: the reference work cold, and after 15 s of load."""
    from bench.devices.nvml import open_nvml

    program = (
        "import sys, json, time\nfrom pathlib import Path\nfrom bench.worker.backends import load_backend\n"
        "from wbc.specification import Specification\nfrom wbc.reference_work import measure_reference_work\n"
        "facts = load_backend(Specification(Path(), Path(), 32, 'LeNet5', 'scratch', 1, backend=sys.argv[1]))\n"
        "print(json.dumps([measure_reference_work(sys.argv[1]).gflops, facts['tensorfloat32']]))\n"
    )
    reached, clocks, tf32 = [], [], None
    for warm in (False, True):
        if warm:
            with _load(context, "float32=15") as load:
                load.wait()
        process = _python(program, context["backend"], CUDA_VISIBLE_DEVICES=context["uuid"])
        highest = 0.0
        with open_nvml() as nvml:
            while process.poll() is None:
                clock = nvml.ask(
                    context["uuid"], lambda one, gpu: one.nvmlDeviceGetClockInfo(gpu, one.NVML_CLOCK_SM)
                )
                highest = max(highest, clock)
                time.sleep(0.05)
        out = process.communicate()[0].strip().splitlines()
        gflops, tf32 = json.loads(out[-1])
        reached.append(gflops)
        clocks.append(highest)
    each = [gflops / clock for gflops, clock in zip(reached, clocks, strict=True) if clock]
    drop = 1 - each[1] / each[0] if len(each) == 2 else None
    said = f"{reached} GFLOP/s at {clocks} MHz: {drop and round(drop, 4)} slower by the clock; TF32: {tf32}"
    return [line("reference work", "< 5 % slower when warm", said, None if drop is None else drop < 0.05)]


def overhead(context: Context, folder: Path) -> list[Line]:
    """Step 10: the same trial with and without a sampler, in alternation."""
    steps: dict[bool, list[float]] = {True: [], False: []}
    shares = []
    for number in range(6):
        sampled, own = number % 2 == 0, folder / str(number)
        own.mkdir()
        more = "" if sampled else "[telemetry]\nenabled = false\n"
        path = suite(context, own, "cost", '"ResNet50"', size=64, images=200, epochs=3, more=more)
        bench(own, "run", str(path), devices=context["gpu"])
        for record in records(own):
            rate = (record.get("throughput") or {}).get("train_images_per_s")
            steps[sampled] += [rate] if rate else []
            told = (record.get("telemetry") or {}).get("sampler") or {}
            if told.get("cpu_s") is not None:
                shares.append(told["cpu_s"] / record["time_to_result"]["wall_s"])
    if not steps[True] or not steps[False]:
        return [line("sampling", "medians within 1 %", "no trial was done", False)]
    middle = {sampled: sorted(rates)[len(rates) // 2] for sampled, rates in steps.items()}
    gap = middle[True] / middle[False] - 1
    lines = [
        line("sampling", "medians within 1 %", f"{gap:+.2%} of {middle[False]:.0f} images/s", abs(gap) < 0.01)
    ]
    worst = max(shares, default=None)
    lines.append(line("the sampler", "< 5 % of a core", worst, None if worst is None else worst < 0.05))
    return lines


STEPS: dict[int, Callable[[Context, Path], list[Line]]] = {
    0: seen,
    1: telemetry,
    2: processes,
    3: leases,
    4: full,
    5: epochs,
    6: trace,
    7: networks,
    8: head,
    9: reference,
    10: overhead,
}


def _has(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


def _python(program: str, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**environment(), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextlib.contextmanager
def _load(context: Context, *plan: str) -> "Iterator[subprocess.Popen[str]]":
    """A load that has begun its first phase."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gpu_check.loads", context["backend"], *plan],
        env={**environment(), "CUDA_VISIBLE_DEVICES": context["uuid"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def _sampled(
    context: Context, folder: Path, plan: list[str], board: "_Dmon"
) -> tuple[Any, list[dict[str, Any]]]:
    """Run a load with leukobench's sampler beside it. Returns the attempt and what the load told."""
    from bench.devices.device import Slot
    from bench.devices.machine import find_machine
    from bench.journal.results import Attempt
    from bench.telemetry.process import SamplerProcess

    gpu = next(one for one in find_machine().gpus if one.uuid == context["uuid"])
    slot = Slot(gpu.name, (gpu,), tuple(sorted(os.sched_getaffinity(0))))
    attempt, told = Attempt(folder), []
    load = subprocess.Popen(
        [sys.executable, "-m", "gpu_check.loads", context["backend"], *plan],
        env={**environment(), "CUDA_VISIBLE_DEVICES": context["uuid"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    sampler = SamplerProcess(attempt, slot, load.pid, 0.1)
    assert load.stdout is not None
    with board:
        for text in load.stdout:
            told.append(json.loads(text))
            sampler.tell(told[-1])
    load.wait()
    sampler.finish()
    return attempt, told


class _Dmon:
    """Power that `nvidia-smi dmon` tells meanwhile, once a second; nothing where there is no such program."""

    def __init__(self, gpu: str):
        self.index = gpu.partition(":")[2]
        self.read: list[tuple[int, float]] = []
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "_Dmon":
        with contextlib.suppress(OSError):
            self.process = subprocess.Popen(
                ["nvidia-smi", "dmon", "-s", "p", "-i", self.index, "-d", "1"],
                stdout=subprocess.PIPE,
                text=True,
            )
            threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _listen(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        for text in self.process.stdout:
            with contextlib.suppress(ValueError, IndexError):
                self.read.append((time.monotonic_ns(), float(text.split()[1])))

    def mean(self, spans: list[tuple[int, int]]) -> float | None:
        """Watts within spans, without the first second of each; None where nothing was read."""
        second = 1_000_000_000
        found = [watts for t, watts in self.read for began, ended in spans if began + second < t <= ended]
        return sum(found) / len(found) if found else None


if __name__ == "__main__":
    print(to_json(STEPS[int(sys.argv[1])](json.loads(sys.argv[2]), Path(sys.argv[3]))))
