"""Which trials are disturbed: rules on what was seen while a trial was timed.

Each threshold has its reason beside it. Trials of the same run on other slots, and the harness itself, are
co-tenants: what they use is recorded (`cotenant_cpu`), but does not mark a trial.
"""

from collections.abc import Iterable, Sequence

from bench.trials.measured import DeviceTelemetry, ReferenceWork, Summary, Telemetry
from bench.trials.origin import Environment, Neighbors
from bench.trials.phases import Phases

TIMED = ("train", "compile", "search", "features", "evaluate", "latency")
"""Phases whose times are results."""

SHORTEST_S = 1.0
"""Shorter phases are judged together: the kernel counts busy cores in ticks of 10 ms, which is too coarse for
them."""

FOREIGN_SHARE = 0.05
"""Of the slot's cores; on quiet trials here it stayed below 0.02."""

FOREIGN_CORES, SATURATED = 0.25, 0.9
"""On a machine with many cores, a whole core may be less than that share. It disturbs if no core is free,
because threads that meet at every step wait for the slowest one."""

CONTENDED_SHARE = 0.1
"""Share of a phase in which others had the cores, see `bench.records.contention`. One odd second in ten does
not mark a trial."""

STEAL_SHARE = 0.02
"""Share of the slot's cores that other virtual machines took. In quiet trials it was below 0.002."""

QUOTA_SHARE = 0.02
"""Share of a phase in which a quota held a processor back. It is held to the same as stolen time."""

THROTTLED_SHARE = 0.01
"""Share of a phase in which heat, the board or a brake slowed a GPU. A GPU at its power limit is not counted:
many are whenever they are busy, in all trials alike."""

_HELD_BACK = ("throttled_heat_s", "throttled_board_s", "throttled_reliability_s", "throttled_s")
"""Counters of that; the last one is in older traces."""

REFERENCE_DROP = 0.2
"""How much slower than its best the reference work was both before and after a trial. Of 288 quiet trials 33 were
slower by a tenth and none by a fifth; of 74 beside other work 67 were (docs/telemetry.md). Once is no sign."""

CLOCK_DROP = 0.05
"""How much less work a GPU did in a cycle, before or after a trial."""


WAITED = "Its threads waited"
SLOW_REFERENCE_WORK = "The reference work"
OWN_SIGNS = (WAITED, SLOW_REFERENCE_WORK)
"""How reasons begin that rest on what the trial's own process did. Software that is slower may show them, too."""


def from_outside(reasons: Iterable[str]) -> tuple[str, ...]:
    """The reasons that do not rest on what the trial itself did: only these may decide which pairs count.

    Whoever leaves out pairs by a sign that the software under test has a share in chooses by the result.
    """
    return tuple(reason for reason in reasons if not reason.startswith(OWN_SIGNS))


def disturbances(
    phases: Phases,
    telemetry: Telemetry | None,
    neighbors: Sequence[Neighbors | None] = (),
    reference_work: ReferenceWork | None = None,
    environment: Environment | None = None,
) -> list[str]:
    """Reasons, as sentences; empty where nothing was seen.

    Args:
        phases: Of the record.
        telemetry: Of the record.
        neighbors: Other users of the slot's GPUs, each time that they changed.
        reference_work: Of the record.
        environment: Of the record.
    """
    reasons: list[str] = []
    if telemetry is not None:
        times = {name: phase.wall_s for name, phase in phases.items() if name in TIMED}
        reasons += _foreign(telemetry, times)
        reasons += _contended(telemetry)
        reasons += _stolen(telemetry, times)
        reasons += _limited(telemetry, times)
        for name, device in telemetry.devices.items():
            reasons += _throttled(name, device, times)
    reasons += _foreign_on_gpus([state for state in neighbors if state is not None])
    if environment and environment.compiled_from_ptx and environment.kernel_cache_bytes == 0:
        reasons.append(
            "The driver compiled kernels for its GPU at their first use: its cache of them was empty."
        )
    return reasons + list(_slow_reference_work(reference_work or ReferenceWork()))


def _foreign(telemetry: Telemetry, times: dict[str, float]) -> Iterable[str]:
    cores, found = telemetry.cores, []
    for name, seconds, counters in _judged(telemetry, times):
        if "foreign_s" not in counters:
            continue
        used = counters["foreign_s"] / seconds
        busy = counters.get("slot_busy_s", 0.0) / seconds / cores
        if used / cores > FOREIGN_SHARE or (used > FOREIGN_CORES and busy > SATURATED):
            found.append(f"{used:.2f} of its {cores} cores during {name}")
    if found:
        yield f"Other processes used {', '.join(found)}."


def _contended(telemetry: Telemetry) -> Iterable[str]:
    found = [
        f"{one.share:.0%} of {name}"
        for name, one in telemetry.contention.items()
        if name in TIMED and one.share > CONTENDED_SHARE
    ]
    if found:
        yield f"{WAITED} for cores longer than by themselves in {', '.join(found)}."


def _stolen(telemetry: Telemetry, times: dict[str, float]) -> Iterable[str]:
    for name, seconds, counters in _judged(telemetry, times):
        share = counters.get("steal_s", 0.0) / seconds / telemetry.cores
        if share > STEAL_SHARE:
            yield f"Other virtual machines took {share:.0%} of its cores during {name}."


def _limited(telemetry: Telemetry, times: dict[str, float]) -> Iterable[str]:
    for name, seconds, counters in _judged(telemetry, times):
        share = counters.get("quota_s", 0.0) / seconds
        if share > QUOTA_SHARE:
            yield f"A quota of processor time held it back for {min(1.0, share):.0%} of {name}."


def _throttled(gpu: str, device: DeviceTelemetry, times: dict[str, float]) -> Iterable[str]:
    for name, seconds in times.items():
        counters = device.counters.get(name, {})
        # The policies' seconds overlap, so the largest counts; what samples saw counts beside them.
        held_back = max((counters.get(policy) or 0.0 for policy in _HELD_BACK), default=0.0)
        seen = device.phases.get(name, {}).get("throttled", Summary()).mean or 0.0
        share = max(held_back / seconds if seconds else 0.0, seen)
        if share > THROTTLED_SHARE:
            yield f"Heat or the board held back {gpu} in {min(1.0, share):.0%} of {name}."


def _foreign_on_gpus(neighbors: Sequence[Neighbors]) -> Iterable[str]:
    """Processes that compute there; a desktop that draws is recorded only."""
    seen = {
        (one.gpu, one.pid, one.name) for state in neighbors for one in state.foreign if one.kind == "compute"
    }
    for gpu, pid, name in sorted(seen):
        yield f"Process {pid}{f' ({name})' if name else ''} computed on {gpu}."
    crowds: dict[str, int] = {}
    for state in neighbors:
        for gpu, number in state.unknown.items():
            crowds[gpu] = max(number, crowds.get(gpu, 0))
    for gpu, number in crowds.items():
        if number > 1:  # one of them may be the trial's own
            yield f"{number} processes of unknown origin computed on {gpu}."


def _slow_reference_work(work: ReferenceWork) -> Iterable[str]:
    before, after = work.before_clock_mhz, work.after_clock_mhz
    if before and after and work.before_gflops and work.after_gflops:
        # A card that gets warm lowers its clock by 5 to 8 % without being disturbed: what counts is the work of a
        # cycle. No clock is known of the measured peak.
        each = work.before_gflops / before, work.after_gflops / after
        if min(each) < (1 - CLOCK_DROP) * max(each):
            yield f"{SLOW_REFERENCE_WORK} was {1 - min(each) / max(each):.0%} slower, its clock allowed for."
        return
    best, reached = work.reference_gflops, max(work.before_gflops or 0.0, work.after_gflops or 0.0)
    both = work.before_gflops and work.after_gflops
    if best and both and reached < (1 - REFERENCE_DROP) * best:
        yield (
            f"{SLOW_REFERENCE_WORK} was {1 - reached / best:.0%} slower than its best, before and after: "
            f"{reached:.0f} of {best:.0f} GFLOP/s."
        )


def _judged(telemetry: Telemetry, times: dict[str, float]) -> Iterable[tuple[str, float, dict[str, float]]]:
    """Name, seconds and counters of what is judged: phases that are long enough, else all together."""
    counters = telemetry.counters
    watched = {name: seconds for name, seconds in times.items() if counters.get(name)}
    long = {name: seconds for name, seconds in watched.items() if seconds >= SHORTEST_S}
    if long:
        yield from ((name, seconds, counters[name]) for name, seconds in long.items())
    elif sum(watched.values()) > 0.5 * SHORTEST_S:
        names = set.intersection(*(set(counters[name]) for name in watched))
        together = {name: sum(counters[phase][name] for phase in watched) for name in names}
        yield " and ".join(watched), sum(watched.values()), together
