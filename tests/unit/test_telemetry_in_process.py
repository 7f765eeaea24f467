"""The sampler in this process, with readers that count what the test says: which lines it writes, and when it reads."""

import json
import os
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from telemetry_equipment import sleeper
from timing_equipment import Clock

from bench.devices.nvml import NvmlError
from bench.telemetry import sampler
from bench.telemetry.host import FAST as FAST_GAUGES
from bench.telemetry.host import Sizes
from bench.telemetry.sampler import Job, Sampler, watch
from bench.worker.turns import BEGINS, OVER

FAST, SLOW = ["cpu_s", "machine_busy_s"], ["run_queue_wait_s", "foreign_s"]
COUNTERS = [*FAST, *SLOW]
UNAVAILABLE = {"cpu_pressure": "no pressure here"}


class Host:
    """Counters as a test sets them."""

    sizes = Sizes(2, 8)
    pids = (7,)

    def __init__(self):
        self.unavailable = dict(UNAVAILABLE)
        self.counter_names = list(COUNTERS)
        self.count = dict.fromkeys(COUNTERS, 0.0)
        self.listed = 0
        self.read: list[tuple[float, bool]] = []

    def list_processes(self):
        self.listed += 1

    def counters(self, now, all_of_them):
        self.read.append((now, all_of_them))
        return {name: self.count[name] for name in (*FAST, *(SLOW if all_of_them else ()))}

    def gauges(self, now, counters, slow):
        return {"cpu_percent": 50.0, **({"foreign_cpu": 0.25} if slow else {})}


class Gpu:
    """A GPU that remembers what it was asked for."""

    energy_method = "a counter"

    def __init__(self, nvml, uuid):
        self.uuid, self.asked, self.unavailable = uuid, [], {"power_w": "no power"}

    def fast(self, now):
        self.asked.append(("fast", now))
        return {"sm_clock_mhz": 900.0}

    def slow(self, pids):
        self.asked.append(("slow", tuple(pids)))
        return {"temperature_c": 40.0}

    def counters(self):
        self.asked.append(("counters",))
        return {"energy_j": 8.0}

    def gpm(self):
        self.asked.append(("gpm",))
        return {}


@pytest.fixture
def clock(monkeypatch) -> Clock:
    made = Clock(100.0)
    monkeypatch.setattr(sampler, "time", SimpleNamespace(monotonic=made))
    return made


@pytest.fixture
def host(monkeypatch) -> Host:
    made = Host()
    monkeypatch.setattr(sampler, "HostReader", lambda worker, harness, cores: made)
    monkeypatch.setattr(sampler, "GpuReader", Gpu)
    return made


@pytest.fixture
def one(tmp_path, clock, host) -> Sampler:
    return Sampler(job(tmp_path), None)


def job(folder, interval_s: float = 0.1, gpus: dict[str, str] | None = None, worker: int = 0) -> Job:
    return Job(str(folder / "x.jsonl"), worker or os.getpid(), os.getppid(), interval_s, (0, 1), gpus or {})


def lines(made: Sampler) -> list[dict]:
    return [json.loads(line) for line in Path(made.job.path).read_text().splitlines()]


def counts(line: dict) -> dict[str, float]:
    return dict(zip(COUNTERS, line["c"], strict=False))


def test_slow_metrics_are_read_once_a_second(one, host):
    for now in (100.0, 100.5, 100.9375, 101.0, 101.5, 102.25, 103.125):
        one._sample(now)
    assert [all_of_them for _, all_of_them in host.read] == [True, False, False, True, False, True, False]
    one._sample(103.25)
    assert host.read[-1] == (103.25, True) and host.listed == 4
    assert [len(line["c"]) for line in lines(one)] == [4, 2, 2, 4, 2, 4, 2, 4]
    assert [line["t"] for line in lines(one)][:2] == [100_000_000_000, 100_500_000_000]


def test_the_last_sample_of_a_wider_line_that_has_slow_ones_has_them_too(one, host):
    one._thinning.width = 3
    for now in (100.0, 100.125, 100.25, 100.375, 100.5, 100.625, 100.75, 101.0, 101.125):
        one._sample(now)
    read = [all_of_them for _, all_of_them in host.read]
    assert read == [True, False, True, False, False, False, False, True, True]
    assert [(line["n"], len(line["c"])) for line in lines(one)] == [(3, 4), (3, 2), (3, 4)]


def test_what_grows_in_the_turn_of_another_is_left_out_but_for_the_trials_own(one, host, clock):
    host.count |= {"cpu_s": 1.0, "machine_busy_s": 10.0, "run_queue_wait_s": 2.0, "foreign_s": 3.0}
    one._sample(clock())
    clock.passes(1.0)
    one._edges([{"event": OVER, "t": 101_500_000_000}])
    assert one._now() == 101.5, "time stands still"
    clock.passes(6.0)
    host.count |= {"cpu_s": 1.5, "machine_busy_s": 14.0, "run_queue_wait_s": 2.25, "foreign_s": 7.0}
    one._edges([{"event": BEGINS, "t": 0, "left_out": 5_500_000_000}])
    assert one._now() == 107.0 - 5.5
    one._sample(one._now())
    one._edges([{"event": OVER, "t": 102_000_000_000}])
    host.count |= {"machine_busy_s": 15.0, "foreign_s": 7.5}
    one._edges([{"event": BEGINS, "t": 0, "left_out": 1_000_000_000}])
    one._edges([{"event": BEGINS, "t": 0, "left_out": 9_000_000_000}])  # in no turn of another
    clock.passes(2.0)
    assert one._now() == 109.0 - 6.5
    one._edge(one._now(), [])
    first, over, second, again, edge = lines(one)
    assert (
        counts(first)
        == counts(over)
        == {
            "cpu_s": 1.0,
            "machine_busy_s": 10.0,
            "run_queue_wait_s": 2.0,
            "foreign_s": 3.0,
        }
    )
    assert (over["event"], over["t"], over["at"]) == ("edge", 101_500_000_000, [])
    assert counts(second)["machine_busy_s"] == counts(again)["machine_busy_s"] == 10.0
    assert counts(edge) == {"cpu_s": 1.5, "machine_busy_s": 10.0, "run_queue_wait_s": 2.25, "foreign_s": 3.0}


def test_a_turn_is_not_over_before_what_was_sampled(one, clock):
    clock.passes(2.0)
    one._sample(clock())
    one._edges([{"event": OVER, "t": 101_000_000_000}])
    assert one._now() == 102.0
    assert [line["t"] for line in lines(one)] == [102_000_000_000] * 2


def test_edges_that_come_together_are_one_line_but_for_turns_between_them(one, clock, host):
    one._sample(clock())
    told = [
        {"event": "phase_ended", "phase": "data", "t": 1},
        {"event": "phase_started", "phase": "train", "t": 2},
        {"event": OVER, "t": 100_000_000_000},
        {"event": BEGINS, "t": 4, "left_out": 0},
        {"event": "phase_ended", "phase": "train", "t": 5},
    ]
    listed = host.listed
    one._thinning.width, one._slow_due = 8, 1e9
    one._edges(told)
    assert one._thinning.width == 1 and host.listed == listed + 2
    one._sample(clock())
    assert host.listed == listed + 3, "a phase begins with all metrics"
    assert [line.get("at") for line in lines(one)] == [
        None,
        [["data", "phase_ended", 1], ["train", "phase_started", 2]],
        [],
        [["train", "phase_ended", 5]],
        None,
    ]


def test_a_gpu_is_read_as_often_as_each_of_its_metrics_is_worth(tmp_path, clock, host):
    made = Sampler(job(tmp_path, gpus={"gpu:1": "GPU-7"}), object())
    gpu = made._gpus["gpu:1"]
    assert gpu.uuid == "GPU-7" and made._counters[4] == "gpu:1/energy_j"
    assert made._gauges[:5] == list(FAST_GAUGES) and "gpu:1/power_w" in made._gauges
    assert made._unavailable == {**UNAVAILABLE, "gpu:1/power_w": "no power"}
    gpu.asked.clear()
    for now in (100.0, 100.0625):
        made._sample(now)
    assert gpu.asked == [("fast", 100.0), ("slow", (7,)), ("counters",), ("fast", 100.0625)]
    first, second = lines(made)
    assert (first["c"], second["c"]) == ([0.0] * 4 + [8.0], [0.0] * 2)
    gpu.asked.clear()
    made._edge(100.09375, [])
    assert gpu.asked == [("fast", 100.09375), ("counters",)], "energy may be integrated from power"
    shown = dict(zip(made._gauges, first["g"], strict=False))
    assert (shown["gpu:1/sm_clock_mhz"], shown["gpu:1/temperature_c"]) == (900.0, 40.0)
    gpu.unavailable["temperature_c"] = "lost"
    made._sample(100.125)
    made._sample(100.25)
    (told,) = [line for line in lines(made) if line.get("event") == "unavailable"]
    assert told == {"event": "unavailable", "t": 100_125_000_000, "metrics": {"gpu:1/temperature_c": "lost"}}


@pytest.mark.parametrize(("interval_s", "apart"), [(0.25, 0.25), (0.0625, 0.125)])
def test_gpm_is_read_no_more_often_than_it_measures(tmp_path, clock, host, monkeypatch, interval_s, apart):
    monkeypatch.setattr(sampler, "GPM_INTERVAL_S", 0.125)
    made = Sampler(job(tmp_path, interval_s, gpus={"gpu:0": "GPU-7"}), object())
    gpu, read = made._gpus["gpu:0"], []
    for now in (100.0, 100.0625, 100.125, 100.0625 + apart, 100.125 + apart):
        gpu.asked.clear()
        made._sample(now)
        read += [now] * gpu.asked.count(("gpm",))
    assert read == [100.125, 100.125 + apart]


def test_without_nvml_each_metric_of_a_gpu_has_the_reason(tmp_path, clock, host):
    made = Sampler(job(tmp_path, gpus={"gpu:0": "GPU-1"}), None, "no driver")
    assert made._unavailable["gpu:0/energy_j"] == made._unavailable["gpu:0/power_w"] == "no driver"
    assert made._unavailable["cpu_pressure"] == "no pressure here"
    assert made._counters == COUNTERS and not any("gpu" in name for name in made._gauges)


def test_the_first_line_says_what_the_values_are_and_the_last_what_it_cost(tmp_path, host, monkeypatch):
    worker = sleeper()
    read, write = os.pipe()
    os.write(write, b'{"event": "phase_started", "phase": "data", "t": 5}\n{"event": "phase_en')
    made = Sampler(job(tmp_path, 60.0, gpus={"gpu:0": "GPU-1"}, worker=worker.pid), object())
    clocks = SimpleNamespace(monotonic=time.monotonic, process_time=lambda: 1.5)
    monkeypatch.setattr(sampler, "time", clocks)
    running = threading.Thread(target=made.run, args=(read,))
    running.start()
    os.write(write, b'ded", "phase": "data", "t": 6}\n')
    while running.is_alive() and sum(len(line.get("at", ())) for line in lines(made)) < 2:
        time.sleep(0.01)
    assert running.is_alive()
    os.close(write)
    running.join(30)
    worker.kill()
    worker.wait()
    os.close(read)
    header, *middle, end = lines(made)
    assert {name: header[name] for name in ("event", "version", "interval_s", "slow_s")} == {
        "event": "header",
        "version": 1,
        "interval_s": 60.0,
        "slow_s": 1.0,
    }
    assert header["cores"] == {"slot": 2, "machine": 8} and header["gpus"] == ["gpu:0"]
    assert header["methods"] == {"gpu:0/energy_j": "a counter"} and header["counters"][:4] == COUNTERS
    assert header["unavailable"] == {**UNAVAILABLE, "gpu:0/power_w": "no power"}
    edges = [edge[1:] for one in middle for edge in one.get("at", ())]
    assert edges == [["phase_started", 5], ["phase_ended", 6]], "also the one that came in two pieces"
    assert sum("n" in one for one in middle) == 1, "the next one is due in a minute"
    assert (end["event"], end["cpu_s"], end["c"]) == ("end", 1.5, [0.0] * 4 + [8.0])


def test_why_watching_failed_is_the_last_line(tmp_path, monkeypatch):
    def refuses():
        raise NvmlError("no driver")

    @contextmanager
    def opened():
        yield "a session"
        closed.append(True)

    seen, closed = [], []

    class Breaks:
        def __init__(self, job, nvml, reason):
            seen.append((nvml, reason))

        def run(self, told):
            raise ZeroDivisionError("by nought")

    monkeypatch.setattr(sampler, "open_nvml", refuses)
    monkeypatch.setattr(sampler, "Sampler", Breaks)
    watch(job(tmp_path), 0)
    watch(job(tmp_path, gpus={"gpu:0": "GPU-1"}), 0)
    monkeypatch.setattr(sampler, "open_nvml", opened)
    watch(job(tmp_path, gpus={"gpu:0": "GPU-1"}), 0)
    assert seen == [(None, ""), (None, "no driver"), ("a session", "")] and closed == [True]
    text = (tmp_path / "x.jsonl").read_text()
    assert text == '{"event": "failed", "message": "ZeroDivisionError: by nought"}\n' * 3


def test_the_descriptor_of_a_worker_is_readable_once_it_ended_and_closed_afterwards():
    worker = subprocess.Popen(["true"])
    with sampler._watched(worker.pid) as descriptor:
        worker.wait()
        assert os.fstat(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_samples_that_a_stall_prevented_are_not_made_up_for(tmp_path, clock, host, monkeypatch):
    """Every 250 ms; the first one takes more than a second."""
    read, write = os.pipe()
    os.close(write)
    made, sampled, waits = Sampler(job(tmp_path, 0.25), None), [], []

    def select(self, wait_s: float):
        waits.append(wait_s)
        clock.passes(wait_s)
        return [(SimpleNamespace(fd=read), None)] if clock() > 102.0 else []

    def sample(now: float):
        sampled.append(now)
        if now == 100.0:
            clock.passes(1.125)

    monkeypatch.setattr(sampler.selectors.DefaultSelector, "select", select)
    monkeypatch.setattr(made, "_sample", sample)
    monkeypatch.setattr(made, "_end", lambda: sampled.append("end"))
    made.run(read)
    os.close(read)
    assert sampled == [100.0, 101.125, 101.375, 101.625, 101.875, "end"]
    assert waits == [0.0, 0.0, *[0.25] * 4]
