"""A wall clock that is set back makes no negative durations, and no other order."""

from types import SimpleNamespace

from comparison_equipment import record, trial
from msgspec import structs

from bench.compare.measurement import Measurement
from bench.compare.reading import in_order
from bench.journal.results import SuiteResults
from bench.journal.runs import RunEnded, RunStarted, noted_run
from bench.tracking.suite_run import SuiteRun, ended_of

BEGAN = 1_767_323_045_000
"""2026-01-02T03:04:05 UTC, in ms."""
STARTED = RunStarted(t=10**9, at="2026-01-02T03:04:05+00:00")


def test_a_run_ends_by_the_monotonic_clock():
    ended = RunEnded(t=8 * 10**9, at="2026-01-01T22:04:12+00:00", state="done")
    assert ended_of([STARTED, ended]) == BEGAN + 7_000
    assert ended_of([STARTED]) is None
    assert ended_of([ended]) == BEGAN - 5 * 3_600_000 + 7_000, "its start is not there"
    booted = RunEnded(t=10**9 - 1, at="2026-01-02T03:05:05+00:00", state="done")
    assert ended_of([STARTED, booted]) == BEGAN + 60_000, "the machine began anew meanwhile"


def test_a_suites_run_never_ends_before_it_began(tmp_path):
    results = SuiteResults(tmp_path, "suite")
    results.folder.mkdir()
    with noted_run(results, ["a"], False):
        pass
    ahead = 9_000_000_000_000
    info = SimpleNamespace(run_id="run", status="RUNNING", end_time=None, start_time=ahead)
    found = SimpleNamespace(info=info, data=SimpleNamespace(tags={}))
    ends: list[int] = []
    client = SimpleNamespace(
        search_runs=lambda *where, **how: [found],
        set_terminated=lambda run, status, end_time: ends.append(end_time),
        get_experiment=lambda experiment: SimpleNamespace(tags={}),
        set_experiment_tag=lambda experiment, key, value: None,
    )
    SuiteRun(client, "1", results, "id").open()  # its first run was noted by a clock that was ahead
    assert ends == [ahead]


def test_attempts_at_a_trial_stay_in_their_order():
    one = record(trial())
    first = structs.replace(one, attempt=1, started_at="2026-01-02T03:00:00+00:00")
    second = structs.replace(one, attempt=2, started_at="2026-01-01T22:30:00+00:00")
    found = in_order([Measurement(second), Measurement(first)], "here")
    assert [each.record.attempt for each in found] == [1, 2]
