"""Open a suite on this machine: its trials, where they would run, and within which limits."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.devices.machine import Choice, choose_slots
from bench.suite.load import Source, load_suite
from bench.suite.resolve import ResolvedSuite, resolve_loaded
from bench.suite.schema import SuiteFile
from bench.trials.limits import Limits
from bench.trials.runtime import find_runtime
from bench.trials.sampling import TelemetrySettings
from wbc.errors import InputError


@dataclass(frozen=True)
class OpenSuite:
    """A suite with everything that it names looked up.

    Attributes:
        resolved: Its trials, data sets and missing weights.
        devices: The slots in which they run.
        exclusive: One trial at a time, on a quiet machine.
        limits: Of its trials.
        telemetry: How its trials are sampled.
        again: Looks everything up again, for what was missing and has been fetched.
    """

    resolved: ResolvedSuite
    devices: Choice
    exclusive: bool
    limits: Limits
    telemetry: TelemetrySettings
    again: Callable[[], "OpenSuite"]


def open_suite(
    path: Path,
    cache: Path,
    devices: str | None = None,
    data: Path | None = None,
    weights: Path | None = None,
) -> OpenSuite:
    """Read a suite and look up everything that it names; nothing is written.

    Args:
        path: The suite file.
        cache: Cache in the results folder.
        devices: Goes before `use` of `[devices]`.
        data: Goes before `path` of `[data]`.
        weights: Goes before `path` of `[weights]`.

    Raises:
        InputError: Anything in the suite, the devices, the data or the weights is wrong.
    """
    return _open(*load_suite(path), cache, devices, data, weights)


def _open(
    suite: SuiteFile,
    source: Source,
    cache: Path,
    devices: str | None,
    data: Path | None,
    weights: Path | None,
) -> OpenSuite:
    try:
        choice = choose_slots(devices or suite.devices.use, suite.devices.gpus_per_trial)
    except InputError as error:
        if devices is not None:
            raise
        raise source.error(("devices", "use"), error.what, error.way_out) from None
    runtime = find_runtime(choice.slots[0].model)
    resolved = resolve_loaded(suite, source, runtime, cache, data, weights)
    return OpenSuite(
        resolved,
        choice,
        suite.devices.exclusive,
        suite.limits.limits(),
        suite.telemetry.settings(),
        lambda: _open(suite, source, cache, devices, data, weights),
    )
