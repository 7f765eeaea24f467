"""A file of hours does not grow without bound, and loses neither a mean nor a maximum."""

import json

from bench.telemetry.windows import Thinning, Window


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


def test_what_was_not_read_is_not_0():
    window = Window()
    window.add({"a": 1.0}, {"fast": 2.0})
    window.add({}, {"fast": 4.0, "slow": 6.0})
    assert window.line(["fast", "slow", "never"], ["a", "b"]) == {
        "n": 2, "c": [1.0], "g": [3.0, 6.0], "m": [4.0, 6.0],
    }  # fmt: skip
