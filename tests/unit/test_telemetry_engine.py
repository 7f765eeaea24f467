"""The engine starts a sampler beside each worker, and no sampler's failure is the trial's."""

import os
import selectors
from pathlib import Path

from equipment.results.records import a_trial
from telemetry_equipment import CPU

from bench.journal.results import Attempt
from bench.records.fold import fold
from bench.runner import local
from bench.trials.record import Record
from bench.trials.sampling import TelemetrySettings
from bench.worker.files import write_json


def run(folder: Path, **options) -> Record:
    """The record of a trial whose specification is wrong: its worker starts and fails by itself."""
    attempt = Attempt(folder / "trials" / "a-trial" / "attempt-1")
    attempt.folder.mkdir(parents=True)
    write_json(attempt.folder / "trial.json", {**a_trial().to_json(), "specification": {}})
    other_users = local.LocalOtherUsers(None, 0.0, print)
    worker = local.LocalEngine([CPU], other_users, **options).start(attempt, CPU)
    assert not any(os.get_blocking(fileno) for fileno in worker.filenos()[1:])
    while not worker.reap():
        with selectors.DefaultSelector() as selector:
            for fileno in worker.filenos():
                selector.register(fileno, selectors.EVENT_READ)
            selector.select(60)
        worker.events()
    assert worker.reap(), "asked again, it is still over"
    return fold(attempt)


def test_beside_a_worker_there_is_a_sampler(tmp_path, monkeypatch):
    asked, origin = [], local.origin
    monkeypatch.setattr(local, "origin", lambda gpu: asked.append(gpu) or origin(gpu=False))
    record = run(tmp_path)
    assert asked == [False], "nobody asks for a driver on a processor"
    assert record.failure.kind == "crashed" and record.failure.phase == "startup"
    assert record.telemetry.sampler.complete
    used = record.telemetry.counters["startup"]["cpu_s"]
    assert 0 < used < 60


def test_without_a_sampler_the_record_says_why(tmp_path):
    settings = TelemetrySettings(off_every=2, without=frozenset({"a-trial"}))
    record = run(tmp_path, telemetry=settings)
    assert record.telemetry is None and record.disturbed == ()
    assert "off_every = 2" in record.unavailable["telemetry"]
    assert not list(tmp_path.rglob("telemetry.jsonl"))


def test_a_sampler_that_cannot_start_is_a_reason_and_no_failure(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(local, "SamplerProcess", full)
    record = run(tmp_path)
    assert record.failure.kind == "crashed", "the trial went its own way"
    assert "Resource temporarily unavailable" in record.unavailable["telemetry"]


def test_a_sampler_that_crashes_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.telemetry.process.Job", lambda *job: local_job(*job))

    def local_job(*job):
        from bench.telemetry.sampler import Job

        return Job(job[0], 2**22 + 1, *job[2:])  # a process that is not there

    record = run(tmp_path)
    assert record.failure.phase == "startup"
    assert "ProcessLookupError" in record.unavailable["telemetry"]
