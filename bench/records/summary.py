"""Telemetry of a trial by phase: pure functions from traces and spans to what a record holds."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from msgspec.structs import replace

from bench.journal.events import Event, PhaseEnded, PhaseStarted
from bench.telemetry.trace import Header, Sample, Trace
from bench.trials.measured import DeviceTelemetry, Sampler, Summary, Telemetry

Span = tuple[int, int]
"""Began and ended, in nanoseconds of the monotonic clock."""

ByPhase = dict[str, dict[str, Summary]]
"""Phase -> metric -> its summary."""

OF_ALL_GPUS = (
    "gpu_utilization",
    "sm_activity",
    "sm_occupancy",
    "tensor_activity",
    "fp32_activity",
    "fp16_activity",
    "dram_activity",
)
"""Metrics of GPUs that are shares; their mean is also told of the whole slot."""

ASKED_FOR = ("gpu_utilization", "tensor_activity", "fp32_activity")
"""Those of them that utilization needs; their absence is explained on a processor, too."""

AVERAGED = ("gpu_utilization", "power_w")
"""Metrics that NVML averages over up to a second, so that a short phase shows what was before it."""

LEAST_S = 2.0
"""Phases whose longest span is shorter have no mean of these metrics."""

_PROCESS_MEMORY = "gpu_process_memory_bytes"
_NOT_SEEN = "the driver lists no process of the trial (in a container it may know them by other numbers)"
_FIRST = ("train", "compile", "features", "evaluate")


@dataclass(frozen=True)
class Stretch:
    """What one attempt with telemetry contributes."""

    trace: Trace
    """As sampled."""
    spans: dict[str, list[Span]]
    """Phase -> when it was."""


@dataclass(frozen=True)
class _Told:
    """Of the host, or of one GPU."""

    phases: ByPhase
    counters: dict[str, dict[str, float]]
    unavailable: dict[str, str]


def spans_of(events: Sequence[Event], until: int | None = None) -> dict[str, list[Span]]:
    """Phase -> its spans, for some phases come more than once.

    Args:
        events: Of the worker, in their order.
        until: When a phase that did not end was over; None: at the last event.
    """
    spans: dict[str, list[Span]] = {}
    begun: dict[str, int] = {}
    for event in events:
        if isinstance(event, PhaseStarted):
            begun[event.phase] = event.t
        elif isinstance(event, PhaseEnded) and event.phase in begun:
            spans.setdefault(event.phase, []).append((begun.pop(event.phase), event.t))
    over = events[-1].t if events and until is None else until
    for phase, began in begun.items():
        if over is not None and over > began:
            spans.setdefault(phase, []).append((began, over))
    return spans


def clocks_of(trace: Trace, spans: Sequence[Span]) -> list[float | None]:
    """The highest SM clock of the slot's first GPU in each span, MHz; None where it was not sampled."""
    if not trace.header.gpus:
        return [None for _ in spans]
    name = f"{trace.header.gpus[0]}/sm_clock_mhz"
    seen = [
        [sample.most[name] for sample in trace.samples if began < sample.t <= ended and name in sample.most]
        for began, ended in spans
    ]
    return [max(clocks, default=None) for clocks in seen]


def summarize(watched: Sequence[Stretch], unwatched: bool = False) -> Telemetry | None:
    """Mean, p95 and maximum of every metric in every phase, and the growth of every counter; `train` first.

    The mean of a rate comes from its counter, if that was read at both edges of the phase. Percentiles are
    those of lines, weighted by their samples. In long phases a line is a mean over several samples
    (`longest_line_s`), and so is the percentile. In a short phase, the maximum of the samples may be below
    the counter's mean; then it is raised to it.

    Args:
        watched: Attempts with a trace, the oldest first.
        unwatched: Another attempt that the trial continued has none.

    Returns:
        None where no attempt has a trace.
    """
    if not watched:
        return None
    traces = [one.trace for one in watched]
    header = traces[-1].header
    found = {phase for one in watched for phase in one.spans}
    phases = [*(name for name in _FIRST if name in found), *sorted(found - set(_FIRST))]
    unavailable = {name: reason for trace in traces for name, reason in trace.unavailable.items()}
    for trace in traces:
        if trace.failure:
            unavailable["telemetry"] = f"the sampler failed: {trace.failure}"
        elif trace.sampler_cpu_s is None:
            unavailable["telemetry"] = "the sampler ended before the trial did; what is after that is missing"
    if unwatched:
        unavailable["telemetry"] = "an attempt that the trial continued was not watched"
    gpus = dict.fromkeys(name for trace in traces for name in trace.header.gpus)
    host = _of(watched, phases, unavailable, "")
    devices = {name: _device(watched, phases, unavailable, name) for name in gpus}
    _add_shares_of_all(host, devices)
    most = max((sample.samples for trace in traces for sample in trace.samples), default=1)
    return Telemetry(
        interval_s=header.interval_s,
        cores=header.slot_cores,
        longest_line_s=header.interval_s * most,
        phases=host.phases,
        counters=host.counters,
        unavailable=host.unavailable,
        devices=devices,
        sampler=_sampler(traces),
    )


def _device(
    watched: Sequence[Stretch], phases: Sequence[str], unavailable: dict[str, str], name: str
) -> DeviceTelemetry:
    told = _of(watched, phases, unavailable, f"{name}/")
    for phase, summaries in told.phases.items():
        spans = [ended - began for one in watched for began, ended in one.spans.get(phase, [])]
        if max(spans, default=0) < LEAST_S * 1e9:
            for metric in AVERAGED:
                if metric in summaries:
                    summaries[metric] = replace(summaries[metric], mean=None, p95=None)
    if not any(_PROCESS_MEMORY in phase for phase in told.phases.values()):
        told.unavailable.setdefault(_PROCESS_MEMORY, _NOT_SEEN)
    energy = watched[-1].trace.header.methods.get(f"{name}/energy_j")
    return DeviceTelemetry(
        phases=told.phases,
        counters=told.counters,
        unavailable=told.unavailable,
        methods={"energy_j": energy} if energy else {},
    )


def _add_shares_of_all(host: _Told, devices: dict[str, DeviceTelemetry]) -> None:
    """Add the shares of the slot: means over its GPUs, the largest maximum."""
    for name in OF_ALL_GPUS:
        reasons = [
            f"{gpu}: {one.unavailable[name]}" for gpu, one in devices.items() if name in one.unavailable
        ]
        if not devices and name in ASKED_FOR:
            reasons = ["the trial ran on the processor"]
        if reasons:
            host.unavailable[name] = "; ".join(reasons)
        for phase, summaries in host.phases.items():
            found = [one.phases.get(phase, {}).get(name) for one in devices.values()]
            known = [one for one in found if one is not None]
            if known and len(known) == len(found):
                means = [one.mean for one in known if one.mean is not None]
                complete = len(means) == len(known)
                summaries[name] = Summary(
                    mean=short_of(sum(means) / len(means)) if complete else None,
                    p95=max(one.p95 or 0.0 for one in known) if complete else None,
                    max=max(one.max or 0.0 for one in known),
                    samples=min(one.samples for one in known),
                )


def _of(
    stretches: Sequence[Stretch], phases: Sequence[str], unavailable: dict[str, str], prefix: str
) -> _Told:
    """Of the host (no prefix) or of a GPU."""

    def own(names: Iterable[str]) -> dict[str, str]:
        """Name in a trace -> in the record."""
        return {
            name: name.removeprefix(prefix)
            for name in names
            if name.startswith(prefix) and "/" not in name[len(prefix) :]
        }

    gauges = own(dict.fromkeys(name for one in stretches for name in one.trace.header.gauges))
    counters = own(dict.fromkeys(name for one in stretches for name in one.trace.counters))
    counted = {phase: _counted(stretches, phase, counters) for phase in phases}
    sampled = {phase: _sampled(stretches, phase, gauges) for phase in phases}
    if not prefix:
        header = stretches[-1].trace.header
        for phase in phases:
            _means_from_counters(sampled[phase], counted[phase], _seconds(stretches, phase), header)
    lacking = {short: unavailable[name] for name, short in own(unavailable).items()}
    return _Told(sampled, counted, lacking)


def _sampled(stretches: Sequence[Stretch], phase: str, gauges: dict[str, str]) -> dict[str, Summary]:
    lines = [
        sample
        for one in stretches
        for began, ended in one.spans.get(phase, [])
        for sample in one.trace.samples
        if began < sample.t <= ended
    ]
    summaries = {short: _summary(name, lines) for name, short in gauges.items()}
    return {name: summary for name, summary in summaries.items() if summary}


def _summary(name: str, lines: Sequence[Sample]) -> Summary | None:
    """Mean, p95, max; None without a sample."""
    values = sorted((line.mean[name], line.samples) for line in lines if name in line.mean)
    if not values:
        return None
    weight = sum(samples for _, samples in values)
    counts = list(accumulate(samples for _, samples in values))
    return Summary(
        mean=short_of(sum(value * samples for value, samples in values) / weight),
        p95=values[bisect_left(counts, 0.95 * weight)][0],
        max=max(line.most[name] for line in lines if name in line.most),
        samples=weight,
    )


def _counted(stretches: Sequence[Stretch], phase: str, counters: dict[str, str]) -> dict[str, float]:
    """Growth within a phase; a counter that was not watched through it is left out."""
    grown: dict[str, float] = {}
    for name, short in counters.items():
        # A trial may resume on another GPU.
        own = [one for one in stretches if name in one.trace.header.counters]
        spans = [(one.trace, span) for one in own for span in one.spans.get(phase, [])]
        series = [(trace.counters.get(name), span, name in trace.unavailable) for trace, span in spans]
        growths = [
            growth
            for one, span, given_up in series
            if one and (growth := one.grown(*span, given_up)) is not None
        ]
        # Foreign time is a difference of counts in ticks; any other counter that falls was set back.
        set_back = short != "foreign_s" and any(growth < 0 for growth in growths)
        if growths and len(growths) == len(series) and not set_back:
            grown[short] = round(max(0.0, sum(growths)), 6)
    return grown


def _means_from_counters(
    sampled: dict[str, Summary], counted: dict[str, float], seconds: float, header: Header
) -> None:
    def put(name: str, mean: float) -> None:
        mean, before = short_of(mean), sampled.get(name, Summary())
        # Counters see what falls between samples: no maximum is below the mean.
        most = None if before.max is None else max(before.max, mean)
        sampled[name] = replace(before, mean=mean, max=most)

    def share(percent: float | None) -> float | None:
        return None if percent is None else short_of(percent / 100 / header.slot_cores)

    if seconds <= 0:
        return
    slot, machine = seconds * header.slot_cores, seconds * header.machine_cores
    for name, counter, whole in (
        ("cpu_percent", "cpu_s", seconds / 100),
        ("machine_cpu", "machine_busy_s", machine),
        ("steal", "steal_s", slot),
        ("cpu_pressure", "pressure_s", seconds),
        ("foreign_cpu", "foreign_s", slot),
        ("cotenant_cpu", "cotenant_s", slot),
    ):
        if counter in counted:
            mean = counted[counter] / whole
            put(name, mean if name == "cpu_percent" else min(1.0, mean))
    wanted = counted.get("run_queue_wait_s", 0.0) + counted.get("cpu_s", 0.0)
    if "run_queue_wait_s" in counted and wanted > 0:
        put("run_queue_wait", counted["run_queue_wait_s"] / wanted)
    if (used := sampled.get("cpu_percent")) is not None:
        sampled["cpu_utilization"] = replace(
            used, mean=share(used.mean), p95=share(used.p95), max=share(used.max)
        )


def _seconds(stretches: Sequence[Stretch], phase: str) -> float:
    return sum(ended - began for one in stretches for began, ended in one.spans.get(phase, [])) / 1e9


def short_of(value: float) -> float:
    """Rounded to six digits, because records of thousands of trials are read often."""
    return float(f"{value:.6g}")


def _sampler(traces: Sequence[Trace]) -> Sampler:
    """What sampling itself cost; None where a sampler was killed before it could say."""
    ends = [trace.sampler_cpu_s for trace in traces if trace.sampler_cpu_s is not None]
    complete = len(ends) == len(traces)
    return Sampler(
        cpu_s=sum(ends) if complete else None,
        samples=sum(sample.samples for trace in traces for sample in trace.samples),
        complete=complete,
    )
