"""The parent's end of the process that sends records to MLflow: what it hands over, hears and waits for."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.journal.results import SuiteResults
from bench.tracking import process
from bench.tracking.process import AT_ONCE, RecordingProcess

ECHO = """
import json, sys
for line in sys.stdin:
    name = line.strip()
    print(json.dumps({"event": "recording_started", "attempt": name}), flush=True)
    print(json.dumps({"event": "recording_ended", "attempt": name, "sent": REASON == "", "reason": REASON or None}),
          flush=True)
"""


@pytest.fixture
def recording(tmp_path: Path, monkeypatch):
    """A recording whose process runs a program of the test's, and what it says."""
    said: list[str] = []
    made = RecordingProcess(SuiteResults(tmp_path, "suite"), said.append)

    def runs(program: str) -> tuple[RecordingProcess, list[str]]:
        monkeypatch.setattr(
            process,
            "_start",
            lambda results: subprocess.Popen(
                [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ),
        )
        return made, said

    return runs


def heard(recording: RecordingProcess, count: int) -> list[dict]:
    """So many messages."""
    messages: list[dict] = []
    until = time.monotonic() + 30
    while len(messages) < count and time.monotonic() < until:
        messages += recording.pump()
        time.sleep(0.01)
    return messages


def attempts_of(recording: RecordingProcess, count: int) -> list:
    return [recording.results.attempt("trial", number) for number in range(1, count + 1)]


def test_nothing_is_started_until_there_is_something_to_do(recording):
    made, said = recording("")
    with made:
        assert made.pump() == [] and made.filenos() == []
    assert made._process is None and said == []


def test_attempts_are_handed_over_in_their_order_and_answered(recording):
    made, said = recording(ECHO.replace("REASON", "''"))
    with made:
        made.prepare()
        made.prepare()
        assert made.filenos() == [made._output] and not os.get_blocking(made._output)
        made.send(made.results.attempt("trial", 3))
        made.catch_up()
        messages = heard(made, 6)
        names = [one["attempt"] for one in messages if one["event"] == "recording_ended"]
        assert names == ["", "trial/3", "*"] and made._outstanding == 0
        assert made.filenos() == []
    assert said == [] and made._process.returncode == 0


def test_no_more_is_handed_over_than_a_few_ahead(recording):
    made, _ = recording("import sys, time\nfor line in sys.stdin: time.sleep(600)")
    for attempt in attempts_of(made, AT_ONCE + 3):
        made.send(attempt)
    assert (made._outstanding, len(made._queue)) == (32, 3)
    made._process.kill()
    made.__exit__(None, None, None)


def test_a_reason_is_told_once(recording):
    made, said = recording(ECHO.replace("REASON", "'no server'"))
    with made:
        for attempt in attempts_of(made, 3):
            made.send(attempt)
        heard(made, 6)
    assert len(said) == 1 and said[0].startswith(
        "MLflow cannot be written to (no server). The journals keep all; "
    )
    assert said[0].endswith("sync` sends it.")


def test_a_process_that_ends_is_told_and_nothing_waits_for_it(recording):
    made, said = recording("import sys; sys.stdin.readline()")
    with made:
        for attempt in attempts_of(made, 2):
            made.send(attempt)
        made._process.wait(30)
        assert made.pump() == [] and made._outstanding == 0 and not made._queue
        made.send(made.results.attempt("trial", 3))
        assert made._outstanding <= 1
    assert len(said) == 1 and "(its process ended)" in said[0]


def test_a_message_may_come_in_two_pieces(recording):
    made, _ = recording(
        "import sys, time\nsys.stdin.readline()\n"
        'for part in (\'{"event": "recording_sta\', \'rted"}\\n{"event"\', \': "x"}\\n\'):\n'
        "    print(part, end='', flush=True); time.sleep(0.1)\n"
    )
    with made:
        made.prepare()
        assert [one["event"] for one in heard(made, 2)] == ["recording_started", "x"]


def test_after_an_error_the_end_does_not_wait_for_ever(recording, monkeypatch):
    monkeypatch.setattr(process, "PATIENCE_S", 0.2)
    made, said = recording("import sys, time\nfor line in sys.stdin: time.sleep(600)")
    with pytest.raises(KeyboardInterrupt), made:
        made.prepare()
        raise KeyboardInterrupt
    assert made._process.returncode == -9
    assert said == ["Sending what ran to MLflow. Another signal leaves that to the next run."]


def test_a_signal_ends_the_wait_for_what_is_outstanding(recording):
    made, _ = recording("import sys, time\nfor line in sys.stdin: time.sleep(600)")
    read, write = os.pipe()
    made.prepare()
    os.write(write, b".")
    made.settle(read)
    assert made._outstanding == 1
    made._process.kill()
    made.__exit__(None, None, None)
    os.close(read)
    os.close(write)


def test_the_process_is_started_apart_from_the_terminal(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(process.subprocess, "Popen", lambda command, **more: asked.append((command, more)))
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    process._start(SuiteResults(tmp_path, "suite"))
    ((command, more),) = asked
    assert command[1:] == ["-P", "-m", "bench.tracking", str(tmp_path.resolve()), "suite", str(os.getpid())]
    assert more["start_new_session"] is True and more["env"]["OMP_NUM_THREADS"] == "1"
    assert "PYTHONOPTIMIZE" not in more["env"] and more["stderr"] == subprocess.DEVNULL


def test_what_the_process_itself_says(tmp_path, monkeypatch, capsys):
    from bench.tracking import __main__ as own

    class Recorded:
        ended = 0

        def __init__(self, results, make, is_back):
            self.suite = results.suite

        def record(self, name):
            return {"a/1": None, "a/2": "no server", "a/3": ""}[name]

        def end(self):
            Recorded.ended += 1
            raise RuntimeError("the server is gone")

    polite, parents = [], []
    monkeypatch.setattr(own, "Recorder", Recorded)
    monkeypatch.setattr(own, "die_with_parent", parents.append)
    monkeypatch.setattr(own.os, "nice", polite.append)
    monkeypatch.setattr(own.sys, "stdin", ["a/1\n", "a/2\n", "a/3\n"])
    own.main(SuiteResults(tmp_path, "suite"), 77)
    assert (polite, parents, Recorded.ended) == ([10], [77], 1)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0] == {"event": "recording_started", "attempt": "a/1"}
    assert [(one["sent"], one["reason"]) for one in told[1::2]] == [
        (True, None),
        (False, "no server"),
        (False, None),
    ]
