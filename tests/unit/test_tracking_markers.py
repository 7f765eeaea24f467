"""What was sent is remembered by a marker, which holds for the record that was sent."""

import os

import pytest
from equipment.results.records import a_trial

from bench.journal.results import SuiteResults
from bench.tracking import markers
from bench.tracking.markers import digest_of, is_behind, is_sent, mark_sent, unsent
from bench.worker.files import write_json


@pytest.fixture
def results(tmp_path, monkeypatch) -> SuiteResults:
    monkeypatch.setattr(markers, "apply_settings", lambda folder: "sqlite:///x")
    return SuiteResults(tmp_path, "suite")


@pytest.fixture
def attempt(results):
    made = results.new_attempt(a_trial("LeNet5", epochs=1))
    write_json(made.result, {"status": "done"})
    return made


def test_a_marker_is_of_one_store(attempt):
    assert not is_sent(attempt, "s") and not is_sent(attempt, None)
    mark_sent(attempt, "s")
    assert is_sent(attempt, "s") and is_sent(attempt, None)
    assert not is_sent(attempt, "t") and not is_sent(attempt, "")
    mark_sent(attempt, "")
    assert not is_sent(attempt, "") and not is_sent(attempt, None)


@pytest.mark.parametrize("change", ["size", "time", "gone", "marker"])
def test_a_marker_is_of_one_record(attempt, change):
    mark_sent(attempt, "s")
    before = attempt.result.stat()
    if change == "size":
        attempt.result.write_bytes(attempt.result.read_bytes() + b" ")
        os.utime(attempt.result, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "time":
        os.utime(attempt.result, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    elif change == "gone":
        attempt.result.unlink()
    else:
        (attempt.folder.parent / f".{attempt.folder.name}.sent").write_text("{")
    assert not is_sent(attempt, "s")


def test_a_marker_lies_beside_the_attempt(attempt):
    before = set(attempt.folder.iterdir())
    mark_sent(attempt, "s")
    assert set(attempt.folder.iterdir()) == before
    assert (attempt.folder.parent / f".{attempt.folder.name}.sent").is_file()


def test_only_what_is_over_and_not_sent_is_unsent(results, attempt):
    running = results.new_attempt(a_trial("VGG16", epochs=1))
    assert [one.folder for one in unsent(results, "s")] == [attempt.folder]
    mark_sent(attempt, "s")
    assert unsent(results, "s") == unsent(results, None) == []
    write_json(running.result, {"status": "done"})
    assert [one.folder for one in unsent(results, "s")] == [running.folder]


def test_the_digest_is_of_both_journals_and_of_nothing_else(attempt):
    seen = [digest_of(attempt)]
    attempt.events.write_bytes(b"ab")
    seen.append(digest_of(attempt))
    attempt.runner_events.write_bytes(b"c")
    seen.append(digest_of(attempt))
    attempt.events.write_bytes(b"a")
    attempt.runner_events.write_bytes(b"bc")  # the same bytes, otherwise divided
    seen.append(digest_of(attempt))
    assert len(set(seen)) == 4
    attempt.result.write_text("{}")
    assert digest_of(attempt) == seen[-1]


@pytest.mark.parametrize(
    ("store", "runs", "sent", "state", "behind"),
    [
        ("s", False, True, "done", False),
        ("s", True, True, "done", False),
        ("s", False, False, "done", True),
        ("s", False, True, "interrupted", True),
        ("t", False, True, "done", True),
        (None, False, True, "done", False),
        (None, True, True, "done", True),  # a server is asked, as MLflow is loaded anyway
        (None, False, False, "done", True),
    ],
)
def test_what_may_have_to_be_caught_up_with(results, attempt, monkeypatch, store, runs, sent, state, behind):
    monkeypatch.setattr(markers, "identity", lambda folder, uri, suite: store)
    monkeypatch.setattr(markers, "state_of_runs", lambda results: state)
    if sent:
        mark_sent(attempt, "s")
    assert is_behind(results, runs) is behind


def test_there_is_nothing_to_catch_up_with_before_the_first_attempt(results, monkeypatch):
    monkeypatch.setattr(markers, "identity", lambda folder, uri, suite: None)
    assert not is_behind(results, True) and not is_behind(results, False)
