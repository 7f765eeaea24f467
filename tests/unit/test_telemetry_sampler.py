"""The sampler as a process, beside real trees of processes."""

import os
import selectors
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from telemetry_equipment import Watched, sleeper

from bench.records.summary import Stretch, spans_of, summarize

HELD = 500 * 10**6

FAMILY = f"""
import subprocess, sys, time
sys.stdin.readline()
child = subprocess.Popen([sys.executable, "-c", '''
import time
held = bytearray({HELD})
held[::4096] = b"x" * len(held[::4096])
until = time.process_time() + 1.5
print("holds", flush=True)
while time.process_time() < until:
    pass
print(time.process_time(), flush=True)
time.sleep(60)
'''], stdout=subprocess.PIPE)
print(child.stdout.readline().decode().strip(), flush=True)
print(child.stdout.readline().decode().strip(), flush=True)
sys.stdin.readline()
child.kill()
child.wait()
"""


def test_a_child_that_burns_and_holds_memory_shows_in_the_tree(tmp_path):
    family = subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    watched = Watched(tmp_path, family)
    watched.wait_for(lambda lines: any("g" in line for line in lines))
    watched.tell("phase_started", "train")
    print("go", file=family.stdin, flush=True)
    assert family.stdout.readline() == "holds\n"
    burnt = float(family.stdout.readline())
    watched.tell("phase_ended", "train")
    watched.wait_for(lambda lines: sum(line.get("event") == "edge" for line in lines) == 2)
    own = psutil.Process(family.pid)
    assert own.cpu_times().user < 0.5 and own.memory_info().rss < 100 * 10**6, "it is the child's doing"
    trace = watched.end()
    told = summarize([Stretch(trace, spans_of(watched.events))])
    assert told.counters["train"]["cpu_s"] == pytest.approx(burnt, abs=0.15)
    assert told.phases["train"]["rss_bytes"].max > HELD
    assert told.phases["train"]["rss_bytes"].max < HELD + 100 * 10**6
    assert told.sampler.complete and 0 < told.sampler.cpu_s < 5


def test_time_of_children_that_ended_stays_counted(tmp_path):
    program = """
import subprocess, sys
for _ in range(3):
    subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.3: pass"])
print("done", flush=True)
sys.stdin.readline()
"""
    family = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    watched = Watched(tmp_path, family)
    family.stdout.readline()
    watched.wait_for_samples()
    trace = watched.end()
    assert trace.counters["cpu_s"].values[-1] >= 0.9
    assert trace.counters["cpu_s"].values == sorted(trace.counters["cpu_s"].values)


def test_the_sampler_ends_with_the_worker_and_with_its_parent(tmp_path):
    watched = Watched(tmp_path, sleeper())
    watched.wait_for_samples()
    watched.worker.kill()
    assert watched.sampler._process.wait(60) == 0, "it does not wait to be told"
    watched.end()
    assert watched.lines()[-1]["event"] == "end"

    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"""
import subprocess, sys
sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
from pathlib import Path
from telemetry_equipment import Watched, sleeper
watched = Watched(Path({str(tmp_path / "second")!r}), sleeper())
watched.wait_for_samples()
print(watched.sampler._process.pid, watched.worker.pid, flush=True)
sys.stdin.readline()
""",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    (tmp_path / "second").mkdir()
    sampler, worker = map(int, parent.stdout.readline().split())
    watching = os.pidfd_open(sampler)
    try:
        parent.kill()
        parent.wait()
        with selectors.DefaultSelector() as selector:
            selector.register(watching, selectors.EVENT_READ)
            assert selector.select(60), "it outlived its parent"
    finally:
        os.close(watching)
        os.kill(worker, 9)


def test_a_killed_sampler_leaves_what_it_wrote(tmp_path):
    watched = Watched(tmp_path, sleeper())
    watched.wait_for_samples()
    watched.sampler._process.kill()
    watched.sampler._process.wait()
    watched.tell("phase_started", "train")  # into a pipe that nobody reads
    trace = watched.end()
    assert trace.sampler_cpu_s is None and trace.samples


def test_what_other_processes_of_the_harness_use_is_a_cotenants(tmp_path):
    program = """
import sys, time
while time.process_time() < 1.2: pass
print("burnt", flush=True)
sys.stdin.readline()
"""
    watched = Watched(tmp_path, sleeper())
    watched.wait_for(lambda lines: any("g" in line for line in lines))
    watched.tell("phase_started", "train")
    beside = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    beside.stdout.readline()
    watched.tell("phase_ended", "train")
    watched.wait_for(lambda lines: sum(line.get("event") == "edge" for line in lines) == 2)
    beside.kill()
    beside.wait()
    told = summarize([Stretch(watched.end(), spans_of(watched.events))])
    train = told.counters["train"]
    assert train["cotenant_s"] > 1.0 and train["cpu_s"] < 0.3
    assert train["foreign_s"] <= max(0.0, train["slot_busy_s"] - train["cotenant_s"]) + 0.1


def test_edges_bring_no_sample_before_it_is_due(tmp_path):
    watched = Watched(tmp_path, sleeper(), interval_s=60.0)
    for number in range(3):
        watched.tell("phase_started", f"phase {number}")
        watched.wait_for(lambda lines, told=number: sum("at" in line for line in lines) > told)
    assert os.getsid(watched.sampler._process.pid) == watched.sampler._process.pid, "Ctrl-C is not for it"
    assert len(watched.end().samples) <= 1
