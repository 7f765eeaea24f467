"""What the kernel's files say, read from files by hand; and the rates that follow."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.telemetry import host, kernel
from bench.telemetry.process import SamplerProcess
from bench.telemetry.trace import Header, Series, Thinning, Trace, Window

TICK = 1 / os.sysconf("SC_CLK_TCK")
STAT = """cpu  100 20 30 400 50 6 7 8 90 10
cpu0 60 10 10 200 20 2 3 1 40 5
cpu1 40 10 20 200 30 4 4 7 50 5
cpu11 1000 0 0 0 0 0 0 0 0 0
intr 12345 cpu1
"""


def test_busy_stolen_and_total_times_of_the_machine_and_of_some_cores():
    machine, some = kernel.core_times(STAT, {1, 11})
    assert [machine.busy, machine.steal, machine.total] == pytest.approx([163 * TICK, 8 * TICK, 621 * TICK])
    assert [some.busy, some.steal, some.total] == pytest.approx([1078 * TICK, 7 * TICK, 1315 * TICK])


def test_pressure_is_the_total_of_the_first_line_in_seconds():
    text = "some avg10=1.53 avg60=0.87 avg300=0.73 total=2500000\nfull avg10=0.00 avg60=0.00 total=7\n"
    assert kernel.pressure_s(text) == 2.5


def test_a_tree_is_its_root_and_all_below_each_after_its_parent():
    parent_of = {1: 0, 2: 1, 3: 1, 4: 2, 5: 4, 9: 8}
    assert kernel.tree(1, parent_of) == [1, 2, 3, 4, 5]
    assert kernel.tree(2, parent_of) == [2, 4, 5]
    assert kernel.tree(7, parent_of) == [7]


@pytest.fixture
def proc(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(kernel, "_PROC", str(tmp_path))
    write(tmp_path, "self", 0)
    return tmp_path


def write(proc: Path, pid: object, waited_ns: int, threads: tuple[int, ...] = (), pages: int = 0) -> None:
    for place in (proc / str(pid), *(proc / str(pid) / "task" / str(one) for one in threads)):
        place.mkdir(parents=True, exist_ok=True)
        (place / "schedstat").write_text(f"111 {waited_ns} 3\n")
    (proc / str(pid) / "statm").write_text(f"999 {pages} 7 1 0 5 0\n")


def test_waiting_of_threads_that_ended_stays_counted(proc: Path):
    write(proc, 5, 2_000_000_000, (5, 6))
    waits = kernel.QueueWait()
    assert waits.read([5]) == 4.0
    (proc / "5/task/6/schedstat").unlink()
    (proc / "5/task/5/schedstat").write_text("111 3000000000 3\n")
    assert waits.read([5, 77]) == 5.0
    write(proc, 8, 500_000_000, (8,))
    assert waits.read([5, 8]) == 5.5
    assert waits.read([]) == 5.5


def test_resident_memory_of_processes_and_of_none(proc: Path):
    write(proc, 5, 0, pages=3)
    write(proc, 6, 0, pages=4)
    assert kernel.resident_bytes([5, 6, 7]) == 7 * os.sysconf("SC_PAGE_SIZE")
    assert kernel.resident_bytes([7]) is None


def test_times_of_processes_never_fall(monkeypatch):
    told = iter([5.0, 3.0, 3.0, 4.0, 1.0, 4.5])
    monkeypatch.setattr(kernel, "_cpu_s", lambda pids: next(told))
    own = kernel.CpuTime()
    assert own.read([1]) == 5.0
    assert own.read([1]) == 5.0, "a child that nobody waited for is gone with two seconds"
    assert own.read([1]) == 6.0
    assert own.read([1]) == 6.5, "at the second look its time is its parent's"


COUNTERS = {
    "cpu_s": 1.0,
    "machine_busy_s": 1.0,
    "slot_busy_s": 1.0,
    "steal_s": 1.0,
    "pressure_s": 1.0,
    "run_queue_wait_s": 1.0,
    "cotenant_s": 1.0,
    "foreign_s": 1.0,
}


def grown(**more: float) -> dict[str, float]:
    return {name: value + more.get(name, 0.0) for name, value in COUNTERS.items()}


def test_rates_are_growth_over_time_and_shares_no_more_than_one():
    reader = host.HostReader(os.getpid(), os.getppid(), {0, 1})
    reader.sizes = host.Sizes(2, 4)
    assert set(reader.gauges(100.0, COUNTERS, True)) == {"rss_bytes"}
    later = grown(
        cpu_s=3.0,
        machine_busy_s=6.0,
        steal_s=0.4,
        pressure_s=0.5,
        run_queue_wait_s=1.0,
        cotenant_s=1.0,
        foreign_s=0.8,
    )
    found = reader.gauges(102.0, later, True)
    found.pop("rss_bytes")
    assert found == pytest.approx(
        {
            "cpu_percent": 150.0,
            "machine_cpu": 0.75,
            "steal": 0.1,
            "cpu_pressure": 0.25,
            "foreign_cpu": 0.2,
            "cotenant_cpu": 0.25,
            "run_queue_wait": 0.25,
        }
    )
    most = reader.gauges(103.0, {name: 99.0 for name in COUNTERS}, True)
    assert [
        most[name] for name in ("machine_cpu", "steal", "cpu_pressure", "foreign_cpu", "cotenant_cpu")
    ] == [1] * 5


@pytest.mark.parametrize(
    ("slow", "after", "read"), [(True, 0.5, True), (True, 0.499, False), (False, 2.0, False)]
)
def test_slow_rates_are_read_when_they_are_known_and_not_too_often(slow: bool, after: float, read: bool):
    reader = host.HostReader(os.getpid(), os.getppid(), {0})
    reader.gauges(100.0, COUNTERS, True)
    found = reader.gauges(100.0 + after, grown(foreign_s=0.1), slow)
    assert ("foreign_cpu" in found) is read
    assert "run_queue_wait" not in found, "nothing ran and nothing waited"


def test_what_others_used_is_what_is_left_of_the_slot():
    reader = host.HostReader(os.getpid(), os.getppid(), {0})
    assert reader._foreign_s(1.0, COUNTERS) == 0.0
    assert reader._foreign_s(2.0, grown(slot_busy_s=1.0, cpu_s=0.6, cotenant_s=0.1)) == pytest.approx(0.3)
    assert reader._foreign_s(3.0, grown(slot_busy_s=1.1, cpu_s=0.8, cotenant_s=0.1)) == pytest.approx(0.2)


def test_cotenants_are_processes_of_the_harness_on_the_trials_cores(monkeypatch):
    """The harness is 1, the worker 20; 31 is a trial on other cores, 90 a program that is not ours."""
    cores = {1: {0, 1}, 20: {0}, 21: {0}, 30: {0}, 31: {1}, 32: {0}, 90: {0}}
    monkeypatch.setattr(host, "parents", lambda: {20: 1, 21: 20, 30: 1, 31: 1, 32: 31, 90: 0})
    monkeypatch.setattr(host, "may_use", lambda pid, wanted: bool(cores[pid] & wanted))
    reader = host.HostReader(20, 1, {0})
    assert (reader.pids, reader._cotenants) == ([20], [])
    reader.list_processes()
    assert (sorted(reader.pids), sorted(reader._cotenants)) == ([20, 21], [1, 30, 32])


def test_what_is_foreign_is_left_without_the_own_and_the_cotenants(monkeypatch):
    """Who is asked for what: the trial for its own time and waiting, the co-tenants for theirs."""
    reader = host.HostReader(os.getpid(), os.getppid(), {0})
    reader._pids, reader._cotenants, reader._quotas, reader._pressure = [20], [30], [], None
    asked = {"_own": 1.0, "_others": 2.0, "_waits": 4.0}
    for name, seconds in asked.items():
        setattr(reader, name, SimpleNamespace(read=lambda pids, to=seconds: to * pids[0]))
    reader._stat = SimpleNamespace(read=lambda: "stat")
    times = (SimpleNamespace(busy=9.0, steal=0.0), SimpleNamespace(busy=5.0, steal=0.5))
    monkeypatch.setattr(host, "core_times", lambda text, cores: {("stat", 0): times}[text, *cores])
    fast = {"cpu_s": 20.0, "machine_busy_s": 9.0, "slot_busy_s": 5.0, "steal_s": 0.5}
    assert reader.counters(1.0, False) == fast
    assert reader.counters(2.0, True) == fast | {
        **{"run_queue_wait_s": 80.0, "cotenant_s": 60.0, "foreign_s": 0.0}
    }


def test_lines_grow_wider_after_so_many():
    thinning, widths = Thinning(lines_per_width=2), []
    window = Window()
    for _ in range(14):
        closes = thinning.closes(window)
        window.add({}, {})
        full = thinning.is_full(window)
        assert closes is full
        if full:
            widths.append(window.samples)
            window = Window()
    assert widths == [1, 1, 2, 2, 4, 4]
    assert thinning.width == 8 and thinning.closes(Window(samples=9))
    thinning.phase_changes()
    assert thinning.width == 1 and thinning.closes(Window())
    window.add({}, {})
    assert (
        thinning.is_full(window) and thinning.width == 1 and thinning.is_full(window) and thinning.width == 2
    )


def test_only_what_belongs_to_the_trial_begins_at_nought():
    header = Header(0.1, 2, 2, (), ("cpu_s", "run_queue_wait_s", "steal_s"), (), {})
    trace = Trace(header, counters={name: Series([5], [1.5]) for name in header.counters})
    trace.begins_at_zero(3)
    assert {name: (one.times, one.values) for name, one in trace.counters.items()} == {
        "cpu_s": ([3, 5], [0.0, 1.5]),
        "run_queue_wait_s": ([3, 5], [0.0, 1.5]),
        "steal_s": ([5], [1.5]),
    }
    trace.begins_at_zero(3)
    assert trace.counters["cpu_s"].times == [3, 5]


def test_the_time_of_processes_is_their_own_and_that_of_children_that_ended(proc: Path, monkeypatch):
    """In ticks, fields 16 and 17 of `stat`; the name may hold anything, and processes may be gone (proc(5))."""
    fields = " ".join(str(1000 * number) for number in range(4, 18))
    for pid, stat in {5: f"5 (a b) R 1) S {fields} 9", 6: f"6 (b) S {fields} 9", 7: "7 (torn) S 1"}.items():
        (proc / str(pid)).mkdir()
        (proc / str(pid) / "stat").write_text(stat)
    clocks = {(~5 << 3) | 2: 1.5, (~6 << 3) | 2: 2.25}
    monkeypatch.setattr(kernel.time, "clock_gettime", clocks.__getitem__)
    monkeypatch.setattr(kernel, "_TICK_S", 0.01)
    assert kernel._cpu_s([]) == 0.0
    assert kernel._cpu_s([7, 8, 5]) == pytest.approx(1.5 + 330)
    assert kernel._cpu_s([5, 6]) == pytest.approx(1.5 + 2.25 + 2 * 330)


def test_times_of_others_that_come_and_go_add_up(monkeypatch):
    """A process that was not there before counts from its start; one whose number was given again loses nothing."""
    times = {1: 5.0, 2: 1.0}

    def clock_gettime(clock: int) -> float:
        pid = ~(clock >> 3)
        if pid not in times:
            raise ProcessLookupError
        return times[pid]

    monkeypatch.setattr(kernel.time, "clock_gettime", clock_gettime)
    others = kernel.OthersCpuTime()
    assert others.read([1, 2]) == 0.0, "what was before the first look is nobody's concern"
    times |= {1: 5.5, 3: 0.25}
    assert others.read([1, 2, 3]) == 0.75
    times.pop(2)
    times[1] = 0.125
    assert others.read([1, 2, 3]) == 0.75
    times[1] = 0.625
    assert others.read([1, 3]) == 1.25


def test_what_the_kernel_does_not_tell_has_its_reason(monkeypatch, tmp_path: Path):
    def refused(*_):
        raise OSError("not here")

    monkeypatch.setattr(host, "PRESSURE", tmp_path / "none")
    monkeypatch.setattr(host, "QueueWait", refused)
    reader = host.HostReader(os.getpid(), os.getppid(), {0})
    assert reader.unavailable == {
        **dict.fromkeys(
            ("cpu_pressure", "pressure_s"), "the kernel does not report the pressure (CONFIG_PSI)"
        ),
        **dict.fromkeys(("run_queue_wait", "run_queue_wait_s"), "the kernel does not count it"),
    }
    counted = reader.counters(1.0, all_of_them=True)
    assert {"cpu_s", "slot_busy_s", "foreign_s"} <= set(counted)
    assert not {"pressure_s", "run_queue_wait_s"} & set(counted)
    monkeypatch.setattr(host.os, "cpu_count", lambda: None)
    assert host.HostReader(1, 1, {0, 1}).sizes == (2, 2)
    assert kernel.may_use(2**22 + 1, {0}) is False
    monkeypatch.setattr(kernel.os, "sched_getaffinity", lambda pid: {pid, 7})
    assert [kernel.may_use(1, cores) for cores in ({0}, {1}, {7, 9})] == [False, True, True]


def test_a_sampler_that_hangs_is_killed_and_waited_for_no_longer_than_twice():
    done = []

    def wait(seconds: float):
        done.append(seconds)
        raise subprocess.TimeoutExpired("sampler", seconds)

    sampler = object.__new__(SamplerProcess)
    sampler._input = SimpleNamespace(close=lambda: done.append("close"))
    sampler._process = SimpleNamespace(wait=wait, kill=lambda: done.append("kill"))
    sampler.finish()
    assert done == ["close", 2.0, "kill", 2.0]
