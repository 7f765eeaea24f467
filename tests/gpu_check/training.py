"""Steps 4 to 8: trials and steps of training on the GPU."""

import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gpu_check.report import Line, line
from gpu_check.tools import Context, answer, bench, journal, outcome, records, scaled, start, suite

GIB = 2**30

NETWORKS = (
    *("LeNet5", "VGG16", "ResNet50", "InceptionV3", "Xception", "VGG19"),
    *("DenseNet121", "DenseNet169", "DenseNet201"),
)
"""The simplest one first, then those of the thesis, the quickest to compile first."""


def full(context: Context, folder: Path) -> Iterator[Line]:
    """Step 4: a trial on a GPU whose memory is taken."""
    from bench.devices.nvml import open_nvml

    if find_spec("torch") is None:
        said = "needs PyTorch to hold the memory of the GPU"
        yield line("a full GPU", "gpu-oom, not tried again", said, None)
        return
    with open_nvml() as nvml:
        free = nvml.memory(context["uuid"]).free
    program = (
        "import sys, time, torch\n"
        "place = 'cuda' if torch.cuda.is_available() else 'meta'\n"
        "torch.ones(1, device=place)\n"  # takes what a context takes
        "free = torch.cuda.mem_get_info()[0] if place == 'cuda' else 2**31\n"
        "held = torch.empty(free - int(sys.argv[1]), dtype=torch.uint8, device=place)\n"
        "print('held', flush=True); time.sleep(120)\n"
    )
    holder = start("-c", program, str(2 * GIB), CUDA_VISIBLE_DEVICES=context["uuid"])
    assert holder.stdout is not None
    try:
        said = holder.stdout.readline().strip()
        path = suite(
            context,
            folder,
            "full",
            '"ResNet50"',
            batch_size=64,
            images=16,
            held_out=1,
            epochs=1,
            size=scaled(224),
        )
        bench(folder, "run", str(path), devices=context["gpu"])
    finally:
        holder.kill()
        holder.communicate()
    found = [outcome(one) for one in records(folder)]
    alone = len(found) == 1 and found[0].startswith("gpu-oom")
    said = f"{found}; {free / GIB:.1f} GiB were free, the holder said {said!r}"
    yield line("a full GPU", "gpu-oom, not tried again", said, alone)


def epochs(context: Context, folder: Path) -> Iterator[Line]:
    """Step 5: the time of an epoch against waiting for it, a short last batch, a processor slot."""
    told = answer("paced", context, "ResNet50", str(scaled(224)))
    ratio = sum(one[0] for one in told) / sum(one[1] for one in told)
    said = f"{ratio:.4f}; (reported, waited for) {told} s"
    yield line("steps of an epoch", "within 2 % of waiting for the device", said, abs(ratio - 1) < 0.02)
    path = suite(context, folder, "ragged", '"LeNet5"', size=64, images=101, epochs=6)
    done = bench(folder, "run", str(path), devices=context["gpu"])
    told = [event for event in journal(folder) if event["event"] == "epoch"]
    times = [event.get("steps_s", 0.0) for event in told]
    usual = sorted(times[1:])[len(times) // 2 :][:1]
    said = f"steps of the first epoch {times[:1]} s, median of the others {usual} s"
    quick = len(times) == 6 and times[0] < 5 * usual[0] + 1
    if len(times) != 6:
        said = f"{[outcome(one) for one in records(folder)] or done.stdout.strip().splitlines()[-1:]}"
    yield line("a short last batch", "the first epoch compiles nothing after its first step", said, quick)
    beside = folder / "processor"
    beside.mkdir()
    path = suite(context, beside, "processor", '"LeNet5"', size=32, images=8, epochs=1)
    done = bench(beside, "run", str(path), devices="cpu")
    found = [outcome(one) for one in records(beside)] or done.stdout.strip().splitlines()[-1:]
    yield line("a processor slot", "done", found, found == ["done"])


def trace(context: Context, folder: Path) -> Iterator[Line]:
    """Step 6: a trace of ten steps."""
    if context["backend"] != "tensorflow":
        yield line("a trace", "has a GPU's streams", "only steps of TensorFlow are traced", None)
        return
    path = suite(context, folder, "traced", '"ResNet50"', more="[profile]\nsteps = 10\n")
    bench(folder, "run", str(path), devices=context["gpu"])
    found = records(folder)
    profile = found[-1].get("profile") if found else None
    if not profile:
        said = [one.get("unavailable", {}).get("profile") or outcome(one) for one in found]
        yield line("a trace", "has a GPU's streams", said, False)
        return
    yield line("kernels", "kernel_busy > 0", profile["kernel_busy"], bool(profile["kernel_busy"]))
    yield line("copies", "> 0 s", profile["copies_s"], bool(profile["copies_s"]))
    yield line("kinds", "`other` < 0.5", profile["kinds"], profile["kinds"].get("other", 0.0) < 0.5)


def networks(context: Context, folder: Path) -> Iterator[Line]:
    """Step 7: the networks of the thesis, two short epochs each; VGG16 also with larger batches.

    None is begun that may not end in time: a network that compiles for minutes is no fault of the GPU.
    """
    began, longest = time.monotonic(), 0.0
    for name, batch_size in [(name, 16) for name in NETWORKS] + [("VGG16", 64)]:
        check, criterion = f"{name}, batch {batch_size}", "done; energy, memory there; not above the peak"
        passed = time.monotonic() - began
        if passed + 1.5 * longest > float(context["limit_s"]):
            said = f"no time was left after {passed:.0f} s: ARGS='--steps 7 --budget 1200'"
            yield line(check, criterion, said, None)
            continue
        own = folder / f"{name}-{batch_size}"
        own.mkdir()
        path = suite(
            context, own, "network", f'"{name}"', held_out=4, batch_size=batch_size, size=scaled(224)
        )
        done = bench(own, "run", str(path), devices=context["gpu"])
        longest = max(longest, time.monotonic() - began - passed)
        found = records(own)
        if not found:
            yield line(check, criterion, done.stdout.strip().splitlines()[-1:], False)
        for record in found:
            good, said = _of(record)
            yield line(check, criterion, said, good)


def _of(record: dict[str, Any]) -> tuple[bool, str]:
    """Whether a record has what a GPU's should have, and the figures."""
    energy, used = record.get("energy") or {}, record.get("utilization") or {}
    speed, memory = record.get("throughput") or {}, record.get("memory") or {}
    telemetry = ((record.get("telemetry") or {}).get("phases") or {}).get("train") or {}
    share = used.get("of_datasheet_peak_busy")
    said = (
        f"{outcome(record)}; {speed}; energy {energy}; utilization {used}; memory {memory}; "
        f"GPU in `train` {telemetry.get('gpu_utilization')}"
    )
    good = record["status"] == "done" and bool(energy.get("trial_j")) and (share is None or share <= 1)
    return good, said


def head(context: Context, folder: Path) -> Iterator[Line]:
    """Step 8: the head of the thesis over features of VGG16."""
    told = answer("head", context)
    floor = told["bytes"] / told["bytes_per_second"] * 1e6
    said = f"{told['fit_us']:.0f} us a step; floor {floor:.0f} us: {told['bytes'] / 1e6:.0f} MB a step at "
    said += (
        f"{told['bytes_per_second'] / 1e12:.2f} TB/s, as measured; {floor / told['fit_us']:.0%} of the limit"
    )
    yield line("the head, 25,088 x 256, `fit`", "a step is timed", said, True)
    if told.get("loop_us"):
        gap = told["loop_gap"]
        said = f"{told['loop_us']:.0f} us a step, {floor / told['loop_us']:.0%} of the limit; "
        said += f"losses differ by {gap:.2g}"
        yield line(
            "the same, an epoch compiled over features on the GPU", "losses within 1e-3", said, gap < 1e-3
        )
