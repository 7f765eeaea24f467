"""Steps 0, 2 and 3: what leukobench is told of the GPU, of processes on it, and its leases."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from gpu_check.loads import SIZE
from gpu_check.report import Line, line
from gpu_check.tools import Context, bench, environment, load, start

GIB = 2**30


def seen(context: Context, folder: Path) -> Iterator[Line]:
    """Step 0: the GPU, how long each question takes, the fingerprint."""
    from bench.devices import gauges
    from bench.devices.machine import find_machine
    from bench.devices.nvml import NvmlError, open_nvml
    from bench.machine.calibration import fingerprint

    machine = find_machine()
    yield line("a GPU is seen", "NVML lists one that may be used", machine, bool(machine.gpus) or None)
    prints = {fingerprint(find_machine()) for _ in range(2)}
    yield line("fingerprint", "the same twice", ", ".join(sorted(prints)), len(prints) == 1)
    done = bench(folder, "doctor", "--json")
    begin = done.stdout.find("{")
    told = json.loads(done.stdout[begin:]) if done.returncode == 0 and begin >= 0 else None
    said = done.stdout.strip().splitlines()[-1:] if told is None else f"versions {told['versions']}"
    yield line("doctor", "ends with 0", said, told is not None)
    if not machine.gpus:
        return
    uuid = context["uuid"] or machine.gpus[0].uuid
    slowest: dict[str, float] = {}
    missing: dict[str, str] = {}
    with open_nvml() as nvml:
        for questions in (gauges.FAST, gauges.SLOW, gauges.COUNTERS):
            for names, question in questions.items():
                try:
                    nvml.ask(uuid, question)  # the first answer may take longer
                    began = time.perf_counter()
                    nvml.ask(uuid, question)
                    slowest["+".join(names)] = (time.perf_counter() - began) * 1000
                except NvmlError as error:
                    missing["+".join(names)] = error.reason
        try:
            gpm, began = gauges.Gpm(nvml, uuid), time.perf_counter()
            time.sleep(2 * gauges.GPM_INTERVAL_S)
            began = time.perf_counter()
            _, lacking = gpm.read()
            slowest["GPM"] = (time.perf_counter() - began) * 1000
            missing |= lacking
        except NvmlError as error:
            missing["GPM"] = error.reason
    fast = sum(slowest.get("+".join(names), 0.0) for names in gauges.FAST)
    each = ", ".join(f"{name} {ms:.2f}" for name, ms in slowest.items())
    yield line(
        "one sample", "the questions of every sample take < 20 ms", f"{fast:.2f} ms; {each}", fast < 20
    )
    gone = "; ".join(f"{name}: {why}" for name, why in missing.items())
    yield line("what is not told", "has a reason", gone or "everything is told", True)


def processes(context: Context, folder: Path) -> Iterator[Line]:
    """Step 2: memory of a process, a stranger, a container."""
    from bench.devices.nvml import open_nvml
    from bench.devices.other_users import neighbors, sees_the_hosts_pids

    slot = slot_of(context)
    with load(context, "bfloat16=30") as stranger, open_nvml() as nvml:
        listed = {one.pid: one.memory_bytes for one in nvml.processes(context["uuid"])}
        # This process started the load; to a harness with another number it is a stranger.
        found = neighbors(slot, nvml, harness=2**22 + 1)
        program = (
            "import sys\nfrom gpu_check.driver import slot_of\nfrom bench.devices.nvml import open_nvml\n"
            "from bench.devices.other_users import neighbors\n"
            "with open_nvml() as nvml:\n    print(neighbors(slot_of({'uuid': sys.argv[1]}), nvml).alone)\n"
        )
        apart = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", program, context["uuid"]]
        hidden = _said(apart)
    size, least = listed.get(stranger.pid), 2 * SIZE * SIZE
    visible = sees_the_hosts_pids()
    yield line(
        "memory of a process",
        f">= {least / GIB:.2f} GiB, which it holds",
        f"{size} bytes; listed: {listed}; process {stranger.pid}",
        None if not visible else size is not None and size >= least,
    )
    yield line(
        "a stranger", "is named", found.foreign or found, None if not visible else found.alone is False
    )
    here = None if "unshare" in hidden else hidden == "None"
    yield line("in a namespace of its own", "alone is None", hidden, here)


def leases(context: Context, folder: Path) -> Iterator[Line]:
    """Step 3: a second run while the first one holds the GPU, and after it was killed."""
    device = context["gpu"]
    if not device:
        yield line("lease", "a second run is refused", f"no GPU: {context['no_gpu']}", None)
        return
    program = (
        "import sys, time; from pathlib import Path\n"
        "from bench.devices.lease import lease\nfrom bench.devices.machine import choose_slots\n"
        "with lease(choose_slots(sys.argv[1]), Path('first'), 'gpu-check'):\n"
        "    print('held', flush=True); time.sleep({})\n"
    )
    first = start("-c", program.format(60), device)
    assert first.stdout is not None
    first.stdout.readline()
    second = start("-c", program.format(0), device)
    said = second.communicate()[0]
    refused = second.returncode != 0 and f"process {first.pid}" in said
    first.send_signal(signal.SIGKILL)
    first.communicate()
    third = start("-c", program.format(0), device)
    third.communicate()
    yield line("a second run", "is refused, and told the process", said.strip().splitlines()[-2:], refused)
    freed = third.returncode == 0
    yield line("after the first was killed", "the GPU is free", f"exit code {third.returncode}", freed)


def slot_of(context: Context):  # type: ignore[no-untyped-def]
    """The GPU as a slot with all cores that this process may use."""
    import os

    from bench.devices.device import Slot
    from bench.devices.machine import find_machine

    gpu = next(one for one in find_machine().gpus if one.uuid == context["uuid"])
    return Slot(gpu.name, (gpu,), tuple(sorted(os.sched_getaffinity(0))))


def _said(command: list[str]) -> str:
    """The last line that a command prints."""
    try:
        done = subprocess.run(
            command,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"unshare: {error}"
    return "".join(done.stdout.strip().splitlines()[-1:])
