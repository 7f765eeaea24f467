"""`doctor`: what this machine has, what telemetry can measure, and what to change before times are believed."""

from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import DEFAULT_RESULTS, DevicesOption, JsonOption, ResultsOption, WeightsOption

if TYPE_CHECKING:
    from bench.commands.terminal import Terminal
    from bench.doctor.doctor import Examination
    from bench.doctor.noise import Noise
    from bench.machine.calibration import Peak


def doctor(
    results: ResultsOption = DEFAULT_RESULTS,
    devices: DevicesOption = None,
    weights: WeightsOption = None,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Measure the peak of each device and keep it with the results."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Examine this machine: devices, versions, telemetry, noise.

    It changes nothing; with --calibrate, it writes the measured peaks to the results folder.
    """
    from bench.commands.output import print_document
    from bench.commands.terminal import Terminal, messages
    from bench.devices.lease import lease
    from bench.devices.machine import choose_slots, find_machine
    from bench.doctor.doctor import examine
    from bench.machine.calibration import calibrate as measure_peaks

    machine = find_machine()
    chosen = choose_slots(devices or "all", 1, machine)
    slots = chosen.slots
    if calibrate:
        messages().say("Measuring the peak of each device: some seconds ...")
        with lease(chosen, results, "doctor --calibrate") as leased:  # no trial trains beside it
            if leased.note:
                messages().say(leased.note)
            measure_peaks(results, machine, leased.slots)
    found = examine(results, weights, slots, machine)
    if as_json:
        print_document(found)
    else:
        _show(Terminal(), found)


def _show(console: "Terminal", found: "Examination") -> None:
    def say(heading: str, *lines: str) -> None:
        console.print(heading, style="bold", highlight=False)
        for line in lines:
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)

    host = found.host
    say(
        "Machine",
        f"{host.processor}, {host.cores} cores ({host.usable_cores} for this process), "
        f"{(host.memory_bytes or 0) / 2**30:.0f} GiB of memory, Linux {host.kernel}",
        f"virtual machine: {_yes(host.virtual)}, container: {_yes(host.container)}, "
        + (f"quota: {host.quota_cores:g} cores" if host.quota_cores else "no quota of processor time"),
        f"governor: {host.governor}; boost: {host.boost}; huge pages: {host.huge_pages}",
        f"fingerprint: {host.fingerprint}",
    )
    say("GPUs", *found.devices)
    say(
        "Versions",
        ", ".join(
            f"{name} {version or 'not installed'}"
            for name, version in found.versions.items()
            if not version.startswith("unavailable")  # the line on GPUs has the reason
        ),
    )
    if found.variables:
        say("Set in the environment", *(f"{name}={value}" for name, value in found.variables.items()))
    for sight in found.telemetry:
        say(
            f"Telemetry of {sight.of}",
            f"measures {', '.join(sight.seen) or 'nothing'}",
            *(f"cannot measure {', '.join(names)}: {why}" for why, names in _by_reason(sight.unseen).items()),
        )
    say(
        "Pretrained weights",
        *(f"{name}: {path}" for name, path in found.weights.items()),
        f"Keras downloads those of the other {len(found.without_weights)} networks when a suite needs them"
        if found.weights
        else "none here: Keras downloads them when a suite needs them",
    )
    say("Noise", *_noise(found.noise))
    say("Measured peak", *(_peak(name, peak) for name, peak in found.peaks.items()))
    say("What to change", *(found.advice or ["nothing"]))


def _yes(value: bool | None) -> str:
    return "unknown" if value is None else "yes" if value else "no"


def _by_reason(unseen: dict[str, str]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for name, why in unseen.items():
        reasons.setdefault(why, []).append(name)
    return reasons


def _noise(noise: "Noise") -> list[str]:
    def share(value: float | None) -> str:
        return "unknown" if value is None else f"{value:.1%}"

    return [
        f"the same work took {noise.mean:.1%} longer than at its best on average, one time in a hundred "
        f"{noise.worst:.0%} or more",
        f"processes waited for a core in {share(noise.pressure)} of the time; "
        f"stolen by the host of a virtual machine: {share(noise.steal)}",
    ]


def _peak(name: str, peak: "Peak | None") -> str:
    if peak is None:
        return f"{name}: not measured"
    rates = [f"{precision} {rate / 1e9:,.0f} GFLOP/s" for precision, rate in peak.rates.items()]
    rates += [f"memory {peak.bandwidth / 1e9:,.0f} GB/s"] if peak.bandwidth else []
    busy = f"; not on a quiet machine: {peak.disturbed}" if peak.disturbed else ""
    missing = [f"no {precision}: {why}" for precision, why in peak.unavailable.items()]
    when = f"{peak.measured_at[:10]}, TensorFlow {peak.tensorflow}{busy}"
    return f"{name}: {', '.join(rates)} ({when}{'; ' if missing else ''}{'; '.join(missing)})"
