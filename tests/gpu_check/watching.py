"""Steps 1, 9 and 10: telemetry and the reference work beside work of known size, and what sampling costs."""

import contextlib
import json
import os
import pty
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gpu_check.driver import slot_of
from gpu_check.loads import COPIED, MOVED, SIZE
from gpu_check.report import Line, line
from gpu_check.tools import Context, on_gpu, scaled, start, start_load

PLAN = {"idle": 5, "bfloat16": 8, "float32": 8, "memory": 6, "copies": 6, "half": 8}
"""Kind of work -> seconds."""

TENSOR_FLOPS_A_CORE = {(9, 0): 32}
"""Compute capability -> operations in bfloat16 that a GPU's tensor cores do in a clock, for each of its CUDA
cores. Only these GPUs have GPM, and of the others none was seen yet."""

Edges = list[dict[str, Any]]


def telemetry(context: Context, folder: Path) -> Iterator[Line]:
    """Step 1: the sampler beside idle time and known work."""
    from bench.journal.events import PhaseEnded, PhaseStarted
    from bench.records.summary import Stretch, spans_of, summarize
    from bench.telemetry.trace import read_trace

    board = Dmon(context["gpu"])
    with board:
        path, told = _sampled(context, folder, [f"{name}={seconds}" for name, seconds in PLAN.items()])
    done = {event["phase"]: event for event in told if event["event"] == "phase_ended"}
    if missing := [name for name in PLAN if name not in done]:
        yield line("known work", "every phase ends", f"not done: {', '.join(missing)}", False)
        return
    trace = read_trace(path)
    if trace is None:
        yield line("the sampler", "writes a file", "none was written", False)
        return
    kinds = {"phase_started": PhaseStarted, "phase_ended": PhaseEnded}
    spans = spans_of([kinds[event["event"]](t=event["t"], phase=event["phase"]) for event in told])
    summary = summarize([Stretch(trace, spans)])
    assert summary is not None
    device = summary.devices[context["gpu"]]

    def mean(phase: str, metric: str) -> float | None:
        found = device.phases.get(phase, {}).get(metric)
        return found.mean if found else None

    limits = {"idle": (0.0, 0.02), "bfloat16": (0.97, 1.0), "float32": (0.97, 1.0), "half": (0.35, 0.65)}
    for phase, (low, high) in limits.items():
        used = mean(phase, "gpu_utilization")
        near = None if used is None else low <= used <= high
        yield line(f"utilization, {phase}", f"{low} to {high}", used, near)
    for name in PLAN:
        power, read = mean(name, "power_w"), board.mean(spans[name])
        said = f"{_rounded(power)} W, {_rounded(read)} W"
        near = None if power is None or not read else abs(power / read - 1) < 0.03
        yield line(f"power, {name}", "within 3 % of nvidia-smi dmon", said, near)
        energy = device.counters.get(name, {}).get("energy_j")
        began, ended = spans[name][0]
        joules = power * (ended - began) / 1e9 if power else None
        said = f"{_rounded(energy)} J, {_rounded(joules)} J; {trace.header.methods}"
        near = None if not energy or not joules else abs(energy / joules - 1) < 0.03
        yield line(f"energy, {name}", "counter within 3 % of integrated power", said, near)
    peaks = _peaks(context)
    for phase, metric, unit in (
        ("float32", "fp32_activity", 2.0 * SIZE**3),
        ("bfloat16", "tensor_activity", 2.0 * SIZE**3),
        ("memory", "dram_activity", 2.0 * MOVED),
    ):
        seen, clock = mean(phase, metric), mean(phase, "sm_clock_mhz")
        rate, peak = unit * done[phase]["units"] / done[phase]["seconds"], peaks[metric](clock or 0.0)
        share = rate / peak if peak else None
        said = f"{seen}; {rate:.4g} a second is {_rounded(share, 3)} of the peak, {clock} MHz"
        within = None if seen is None or share is None else abs(seen - share) < 0.07
        yield line(f"{metric}, {phase}", "within 0.07 of what the work takes at this clock", said, within)
    others = {
        f"{metric}, {phase}": mean(phase, metric)
        for phase in PLAN
        for metric in ("sm_activity", "sm_occupancy", "tensor_activity", "fp32_activity", "dram_activity")
    }
    yield line("GPM in every phase", "a share from 0 to 1", _shares(others), _all_shares(others))
    copied = done["copies"]["units"] * COPIED / done["copies"]["seconds"]
    bus = mean("copies", "pcie_rx_bytes_s")
    said = f"{bus} B/s over the bus, {copied:.3g} B/s copied"
    yield line("copies", "told traffic > 0", said, None if bus is None else bus > 0)
    yield line("metrics that are missing", "each has a reason", device.unavailable or "none", True)
    watched_s = (told[-1]["t"] - told[0]["t"]) / 1e9
    share = trace.sampler_cpu_s / watched_s if trace.sampler_cpu_s else None
    said = f"{trace.sampler_cpu_s} s of its processor in {watched_s:.0f} s, its start included"
    yield line("the sampler's own work", "< 5 % of a core", said, None if share is None else share < 0.05)


def reference(context: Context, folder: Path) -> Iterator[Line]:
    """Step 9: the reference work cold, and after 15 s of load; whether products are computed in TF32."""
    from bench.devices.nvml import open_nvml

    process = start("-m", "gpu_check.precision", context["backend"], str(scaled(15)), **on_gpu(context))
    clocks: list[tuple[int, float]] = []
    with open_nvml() as nvml:
        while process.poll() is None:
            clock = nvml.ask(
                context["uuid"], lambda one, gpu: one.nvmlDeviceGetClockInfo(gpu, one.NVML_CLOCK_SM)
            )
            clocks.append((time.monotonic_ns(), clock))
            time.sleep(0.02)
    printed = process.communicate()[0].strip().splitlines()
    if process.returncode:
        yield line("reference work", "< 5 % slower when warm", printed[-1:], False)
        return
    told = json.loads(printed[-1])
    each, said = [], []
    for work in told["works"]:
        highest = max((mhz for t, mhz in clocks if work["began"] < t <= work["ended"]), default=0.0)
        each.append(work["gflops"] / highest if highest else 0.0)
        said.append(f"{work['gflops']:.0f} GFLOP/s at {highest} MHz")
    drop = 1 - each[1] / each[0] if all(each) else None
    said = f"{', '.join(said)}: {_rounded(drop, 4)} slower by the clock"
    yield line("reference work", "< 5 % slower when warm", said, None if drop is None else drop < 0.05)
    # Sums of 4096 products: in float32 they are right to 1e-6 of their size, in TF32 to 3e-4.
    errors, recorded = told["errors"], told["tensorfloat32"]
    rough = {kind: error > 1e-5 for kind, error in errors.items()}
    agreed = (
        recorded == rough["matmul"] if len(set(rough.values())) == 1 else str(recorded).startswith("unav")
    )
    said = f"relative errors {errors}; the record says {recorded}"
    yield line("TF32", "the record says what the errors show", said, agreed)


def overhead(context: Context, folder: Path) -> Iterator[Line]:
    """Step 10: steps that are waited for one by one, with and without a sampler in alternation."""
    from bench.journal.results import Attempt
    from bench.telemetry.process import SamplerProcess

    slot, rounds = slot_of(context), 10
    rates: dict[bool, list[float]] = {True: [], False: []}
    process = start_load(context, *(["step=3"] * rounds))
    assert process.stdout is not None
    sampler: SamplerProcess | None = None
    for text in process.stdout:
        event = json.loads(text)
        if event["event"] == "phase_started":
            continue
        rates[sampler is not None].append(event["units"] / event["seconds"])
        if sampler is not None:
            sampler.finish()
            sampler = None
        elif len(rates[False]) + len(rates[True]) < rounds:
            own = folder / str(len(rates[False]))
            own.mkdir()
            sampler = SamplerProcess(Attempt(own), slot, process.pid, 0.1)
    process.wait()
    if not all(rates.values()):
        yield line("sampling", "medians within 1 %", "the work was not done", False)
        return
    with_one, without = (statistics.median(rates[sampled]) for sampled in (True, False))
    gap = with_one / without - 1
    spread = max(max(found) / min(found) - 1 for found in rates.values())
    said = f"{gap:+.2%} of {without:.0f} steps/s; rounds of one kind differ by up to {spread:.1%}"
    # A machine whose own rounds differ by more cannot tell.
    decided = abs(gap) < 0.01 or (None if abs(gap) <= spread else False)
    yield line("sampling", "medians within 1 %", said, decided)


class Dmon:
    """Power that `nvidia-smi dmon` tells meanwhile, once a second; nothing where there is no such program."""

    def __init__(self, gpu: str):
        self.index = gpu.partition(":")[2]
        self.read: list[tuple[int, float]] = []
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Dmon":
        reading, writing = pty.openpty()  # to a pipe it would write when its buffer is full
        with contextlib.suppress(OSError):
            self.process = subprocess.Popen(
                ["nvidia-smi", "dmon", "-s", "p", "-i", self.index, "-d", "1"], stdout=writing
            )
        os.close(writing)
        threading.Thread(target=self._listen, args=(reading,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _listen(self, reading: int) -> None:
        with contextlib.suppress(OSError), open(reading) as lines:  # the terminal ends with the program
            for text in lines:
                with contextlib.suppress(ValueError, IndexError):
                    self.read.append((time.monotonic_ns(), float(text.split()[1])))

    def mean(self, spans: list[tuple[int, int]]) -> float | None:
        """Watts within spans, without the first second of each; None where nothing was read."""
        second = 1_000_000_000
        found = [watts for t, watts in self.read for began, ended in spans if began + second < t <= ended]
        return sum(found) / len(found) if found else None


def _sampled(context: Context, folder: Path, plan: list[str]) -> tuple[Path, Edges]:
    """Run a load with leukobench's sampler beside it: the sampler's file, and what the load told."""
    from bench.journal.results import Attempt
    from bench.telemetry.process import SamplerProcess

    attempt, told = Attempt(folder), []
    process = start_load(context, *plan)
    sampler = SamplerProcess(attempt, slot_of(context), process.pid, 0.1)
    assert process.stdout is not None
    for text in process.stdout:
        told.append(json.loads(text))
        sampler.tell(told[-1])
    process.wait()
    sampler.finish()
    return attempt.telemetry, told


def _peaks(context: Context) -> dict[str, Callable[[float], float | None]]:
    """Metric of GPM -> what the GPU does in a second at a clock in MHz; None where that is not known."""
    from bench.devices.nvml import NvmlError, open_nvml

    def asked(question: Callable[[Any, Any], Any]) -> Any:
        try:
            return nvml.ask(context["uuid"], question)
        except NvmlError:
            return None

    with open_nvml() as nvml:
        cores = asked(lambda one, gpu: one.nvmlDeviceGetNumGpuCores(gpu))
        capability = asked(lambda one, gpu: one.nvmlDeviceGetCudaComputeCapability(gpu))
        bits = asked(lambda one, gpu: one.nvmlDeviceGetMemoryBusWidth(gpu))
        memory_mhz = asked(lambda one, gpu: one.nvmlDeviceGetMaxClockInfo(gpu, one.NVML_CLOCK_MEM))
    a_core = TENSOR_FLOPS_A_CORE.get(tuple(capability or ()))
    return {
        "fp32_activity": lambda mhz: cores and 2 * cores * mhz * 1e6,
        "tensor_activity": lambda mhz: cores and a_core and a_core * cores * mhz * 1e6,
        "dram_activity": lambda mhz: bits and memory_mhz and 2 * memory_mhz * 1e6 * bits / 8,
    }


def _rounded(value: float | None, digits: int = 1) -> float | None:
    return None if value is None else round(value, digits)


def _shares(values: dict[str, float | None]) -> str:
    return "; ".join(f"{name} {_rounded(value, 3)}" for name, value in values.items())


def _all_shares(values: dict[str, float | None]) -> bool | None:
    known = [value for value in values.values() if value is not None]
    return all(0 <= value <= 1 for value in known) if known else None
