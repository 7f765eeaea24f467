"""`exclusive = true`: wait until nobody else uses the machine, so that times are the trial's own."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.devices.device import Slot
from bench.devices.nvml import Nvml
from bench.devices.other_users import Company, company

PRESSURE_LIMIT = 5.0
"""Percent of the last ten seconds in which some process waited for a core. An idle desktop stays below 2."""

LOAD_LIMIT = 0.25
"""Runnable processes a core over the last minute, on kernels that do not tell the pressure."""

INTERVAL_S = 5.0
_PRESSURE = Path("/proc/pressure/cpu")


def wait_until_quiet(
    slots: Sequence[Slot],
    nvml: Nvml | None,
    patience_s: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    say: Callable[[str], None],
    look: Callable[[Slot, Nvml | None], Company] = company,
    busy: Callable[[], str] | None = None,
) -> list[str]:
    """Wait until the machine is quiet. To be called while none of the harness' own trials runs.

    Desktops draw on a GPU all day: processes that only draw are recorded with the trial, but do not hold
    it up.

    Args:
        slots: Where the trial will run.
        nvml: An open session; None where there are no GPUs.
        patience_s: How long to wait at most, in seconds.
        clock: `time.monotonic`.
        sleep: `time.sleep`.
        say: Is told, once, what is waited for.
        look: Who is on a slot's GPUs.
        busy: Why the processor is not quiet, or an empty string; `processor_noise`.

    Returns:
        Why the machine is not quiet, to be recorded with the trial; empty when it is. What waiting cannot
        mend (a lost GPU, a driver that lists no processes) is not waited for.
    """
    busy = busy or processor_noise
    deadline = clock() + patience_s
    said = False
    while True:
        passing, lasting = _noise([look(slot, nvml) for slot in slots])
        if noise := busy():
            passing.append(noise)
        left = deadline - clock()
        if not passing or left <= 0:
            return passing + lasting
        if not said:
            say(f"Waiting for a quiet machine, at most {patience_s:.0f} s: {'; '.join(passing)}")
            said = True
        sleep(min(INTERVAL_S, left))


def processor_noise(pressure: Path = _PRESSURE) -> str:
    """Why the processor is not quiet; empty when it is."""
    try:
        some = next(line for line in pressure.read_text().splitlines() if line.startswith("some"))
        waiting = float(dict(part.split("=") for part in some.split()[1:])["avg10"])
    except (OSError, StopIteration, KeyError, ValueError):
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
        return f"the load is {load:.2f} processes a core" if load > LOAD_LIMIT else ""
    if waiting > PRESSURE_LIMIT:
        return f"processes waited for a core in {waiting:.0f} % of the last 10 s"
    return ""


def _noise(companies: Sequence[Company]) -> tuple[list[str], list[str]]:
    """Why GPUs are not quiet: what may pass, and what will not."""
    passing: list[str] = []
    lasting: list[str] = []
    for seen in companies:
        passing += [str(process) for process in seen.foreign if process.kind == "compute"]
        passing += [
            f"{number} process{'' if number == 1 else 'es'} of unknown origin on {gpu}"
            for gpu, number in seen.unknown.items()
        ]
        lasting += [f"{gpu}: {why}" for gpu, why in seen.unreadable.items()]
    return passing, lasting
