"""A file of hours does not grow without bound, and loses neither a mean nor a maximum."""

import json
import os
import time
from itertools import pairwise

from telemetry_equipment import CORES

from bench.telemetry import sampler
from bench.telemetry.trace import Thinning, Window


def written(samples: int, thinning: Thinning) -> list[dict]:
    lines, window = [], Window()
    for number in range(samples):
        window.add({"cpu_s": number / 10}, {"rss_bytes": float(number % 1000), "steal": 0.0})
        if thinning.is_full(window):
            lines.append(window.line(["rss_bytes", "steal"], ["cpu_s"]))
            window = Window()
    return lines


def test_twelve_hours_at_ten_hertz():
    lines = written(12 * 3600 * 10, Thinning())
    assert len(lines) < 10_000
    assert sum(len(json.dumps(line)) for line in lines) < 2**20
    assert lines[0] == {"n": 1, "c": [0.0], "g": [0.0, 0.0]}
    assert lines[-1]["n"] == 256
    assert {line["m"][0] for line in lines[5000:]} >= {999.0}, "maxima outlive the means"
    seen = sum(line["n"] for line in lines)
    assert 12 * 3600 * 10 - 512 < seen <= 12 * 3600 * 10
    assert abs(sum(line["g"][0] * line["n"] for line in lines) / seen - 499.5) < 1


def test_every_phase_begins_at_full_rate():
    thinning = Thinning()
    assert written(5000, thinning)[-1]["n"] > 1
    thinning.phase_changes()
    assert {line["n"] for line in written(900, thinning)} == {1}


def test_counters_of_a_line_of_many_samples_are_all_of_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(sampler, "SLOW_S", 0.03)
    path = tmp_path / "telemetry.jsonl"
    one = sampler.Sampler(sampler.Job(str(path), os.getpid(), os.getppid(), 0.01, CORES, {}), None)
    one._thinning = Thinning(lines_per_width=4)
    for _ in range(70):
        until = time.monotonic() + 0.01
        while time.monotonic() < until:
            pass
        one._sample(time.monotonic())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[-1]["n"] >= 4
    whole = [dict(zip(one._counters, line["c"], strict=True)) for line in lines if len(line["c"]) == 8]
    assert len(whole) > 3
    for before, after in pairwise(whole):
        grown = {name: after[name] - before[name] for name in after}
        # The kernel said all of it at one moment, or this would not come out even.
        rest = grown["slot_busy_s"] - grown["cpu_s"] - grown["cotenant_s"]
        assert abs(grown["foreign_s"] - rest) < 1e-4


def test_the_last_samples_of_a_phase_stay_its_own(tmp_path):
    path = tmp_path / "telemetry.jsonl"
    one = sampler.Sampler(sampler.Job(str(path), os.getpid(), os.getppid(), 0.01, CORES, {}), None)
    one._thinning.width = 8  # as late in a long phase
    sampled = time.monotonic()
    one._sample(sampled)
    one._edges([{"phase": "train", "event": "phase_ended", "t": 0}])
    line, edge = (json.loads(text) for text in path.read_text().splitlines())
    assert line["n"] == 1 and line["t"] == round(sampled * 1e9) < edge["t"]


def test_what_was_not_read_is_not_0():
    window = Window()
    window.add({"a": 1.0, "b": 2.0}, {"fast": 2.0})
    window.add({"a": 1.0}, {"fast": 4.0, "slow": 6.0})
    assert window.line(["fast", "slow", "never"], ["a", "b"]) == {
        "n": 2, "c": [1.0], "g": [3.0, 6.0], "m": [4.0, 6.0],
    }  # fmt: skip
