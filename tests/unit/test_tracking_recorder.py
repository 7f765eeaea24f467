"""What the recording process does while a server is dead, and when it comes back."""

from pathlib import Path

import pytest
from equipment.results.records import a_record, a_trial, write_record

from bench.errors import DamagedAttempt
from bench.journal.results import SuiteResults
from bench.tracking.markers import mark_sent
from bench.tracking.process import EVERYTHING, NOTHING, Recorder


class Server:
    """Stands for MLflow behind a projection: it may be up or down, and keeps what it was sent."""

    store = "this one"

    def __init__(self):
        self.damaged = ""
        self.up, self.has, self.asked, self.settled = True, [], 0, 0

    def make(self, results: SuiteResults) -> "Server":
        self.check()
        return self

    def send(self, attempt) -> None:
        self.check()
        if attempt.trial_id == self.damaged:
            raise DamagedAttempt("no record")
        self.has.append(f"{attempt.trial_id}/{attempt.number}")
        mark_sent(attempt, self.store)

    def settle(self) -> None:
        self.settled += 1

    def check(self) -> None:
        self.asked += 1
        if not self.up:
            raise RuntimeError("cannot reach http://me:secret@host")


@pytest.fixture
def results(tmp_path: Path) -> SuiteResults:
    return SuiteResults(tmp_path, "suite")


def new(results: SuiteResults, seed: int) -> str:
    attempt = results.new_attempt(a_trial("LeNet5", seed=seed))
    write_record(attempt, a_record())
    return f"{attempt.trial_id}/{attempt.number}"


def test_a_dead_server_is_asked_once_and_its_reason_is_told_once(results):
    server = Server()
    server.up = False
    recorder = Recorder(results, server.make, lambda: server.up)
    reasons = [recorder.record(new(results, seed)) for seed in range(5)]
    assert reasons == ["cannot reach http://***@host", "", "", "", ""]
    assert server.asked == 1
    recorder.end()
    assert server.settled == 0


def test_when_it_is_back_it_gets_all_that_it_missed(results):
    server = Server()
    recorder = Recorder(results, server.make, lambda: server.up)
    names = [new(results, 0)]
    assert recorder.record(names[0]) is None
    server.up = False
    for seed in (1, 2):
        names.append(new(results, seed))
        assert recorder.record(names[-1]) is not None
    server.up = True
    names.append(new(results, 3))
    assert recorder.record(names[-1]) is None
    assert sorted(server.has) == sorted(names)
    recorder.end()
    assert server.settled == 1


def test_a_server_that_answers_but_fails_is_given_up(results):
    server = Server()
    server.up = False
    recorder = Recorder(results, server.make, lambda: True)
    for seed in range(20):
        assert recorder.record(new(results, seed)) is not None
    assert server.asked == 3


def test_nothing_opens_the_store_for_what_comes(results):
    server = Server()
    recorder = Recorder(results, server.make, lambda: True)
    assert recorder.record(NOTHING) is None
    assert (server.asked, server.has) == (1, [])
    assert recorder.record(new(results, 0)) is None and len(server.has) == 1


def test_everything_is_what_the_store_lacks(results):
    server = Server()
    names = {new(results, seed) for seed in range(3)}
    mark_sent(results.all_attempts()[0], server.store)
    assert Recorder(results, server.make, lambda: True).record(EVERYTHING) is None
    assert len(server.has) == 2 and set(server.has) < names


def test_a_damaged_attempt_keeps_no_other_from_being_sent(results):
    server = Server()
    names = sorted(new(results, seed) for seed in range(3))
    server.damaged = names[0].rpartition("/")[0]
    recorder = Recorder(results, server.make, lambda: True)
    assert recorder.record(EVERYTHING) == "no record"
    assert server.has == names[1:]
    assert recorder.record(names[2]) is None  # the server is not blamed


def test_a_server_that_came_back_is_trusted_again(results):
    server = Server()
    recorder = Recorder(results, server.make, lambda: server.up)
    for up, reason in (
        (False, "cannot reach http://***@host"),
        (True, None),
        (False, "cannot reach http://***@host"),
    ):
        server.up = up
        assert recorder.record(new(results, len(server.has) + 10 * up)) == reason
    assert len(server.has) == 2
