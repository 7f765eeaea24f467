"""Which runs of a server are this folder's, which are whole, and which are asked for again; no store is opened."""

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.tracking import projection
from bench.tracking.projection import Projection


def run(run_id: str, status: str = "FINISHED", stage: str = "active", **tags: str) -> SimpleNamespace:
    named = {f"leukobench.{name}": value for name, value in tags.items()}
    info = SimpleNamespace(run_id=run_id, status=status, lifecycle_stage=stage)
    return SimpleNamespace(info=info, data=SimpleNamespace(tags=named))


class Server:
    """Answers with its runs, a page each, and remembers what it was asked and told."""

    def __init__(self, *runs: SimpleNamespace):
        self.runs, self.asked, self.told = runs, [], []

    def search_runs(self, experiments, condition, view, max_results, order_by, page_token):
        number = int(page_token or 0)
        self.asked.append((experiments, condition, view, order_by))
        page = type("Page", (list,), {})(self.runs[number : number + 1])
        page.token = str(number + 1) if number + 1 < len(self.runs) else None
        return page

    def set_terminated(self, *given, **more):
        self.told.append(("ended", *given))

    def delete_run(self, run_id):
        self.told.append(("deleted", run_id))


def over(server: Server) -> Projection:
    made = object.__new__(Projection)
    made.client, made.experiment_id, made.store = server, "7", "s"
    made._results_id, made._known, made._searched = "r", None, 0
    return made


def test_only_runs_of_this_folder_that_run_are_ended_and_only_twins_go(monkeypatch):
    server = Server(
        run("suite's own", "RUNNING"),
        run("gone", "RUNNING", attempt="a/1", digest="x"),
        run("twin", "RUNNING", attempt="b/12", digest="of b/12"),
        run("another's", "RUNNING", attempt="b/12", digest="x"),
        run("not sent", "RUNNING", attempt="c/1", digest="of c/1"),
    )
    results = SimpleNamespace(
        attempt=lambda trial_id, number: SimpleNamespace(
            name=f"{trial_id}/{number}", result=SimpleNamespace(exists=lambda: trial_id != "a")
        )
    )
    monkeypatch.setattr(projection, "is_sent", lambda attempt, store: (attempt.name, store) == ("b/12", "s"))
    monkeypatch.setattr(projection, "digest_of", lambda attempt: f"of {attempt.name}")
    over(server)._reconcile(results)
    assert server.told == [("ended", "gone", "KILLED"), ("deleted", "twin")]
    ours = "tags.`leukobench.results` = 'r' and attributes.status = 'RUNNING'"
    assert {asked[1] for asked in server.asked} == {ours} and len(server.asked) == 5, "page by page"
    assert server.asked[0][0] == ["7"] and server.asked[0][3] == ["attributes.start_time ASC"]


@pytest.mark.parametrize(("complete", "found"), [("true", True), ("false", False), (None, False)])
def test_a_folder_sent_an_attempt_before_where_a_whole_run_of_it_says_so(complete, found: bool):
    from mlflow.entities import ViewType

    server = Server(run("one"), run("two", **({"complete": complete} if complete else {})))
    attempt = SimpleNamespace(trial_id="a", number=2, folder=Path("a/attempt-2"))
    assert over(server)._sent_otherwise(attempt) is found
    ours = "tags.`leukobench.results` = 'r' and tags.`leukobench.attempt` = 'a/2'"
    assert server.asked[0][1:3] == (ours, ViewType.ALL), "also what was deleted in the browser"


@pytest.mark.parametrize(
    ("runs", "found"),
    [
        ([run("1", digest="d"), run("2", digest="d")], ("1", False)),
        ([run("1", digest="d"), run("2", digest="d", complete="true")], ("2", True)),
        ([run("1", digest="d", complete="true"), run("2", digest="d", complete="true")], ("1", True)),
        ([run("1", "RUNNING", digest="d", complete="true")], ("1", False)),
        ([run("1", stage="deleted", digest="d", complete="true")], ("1", True)),
        ([run("1", stage="deleted", digest="d"), run("2", digest="d")], ("2", False)),
        ([run("1", stage="deleted", digest="d")], None),
        ([run("1", digest="e", complete="true")], None),
    ],
)
def test_of_two_runs_of_an_attempt_the_whole_one_counts_or_the_first(runs, found):
    assert over(Server(*runs))._find("d") == found


def test_few_are_searched_one_by_one_and_many_listed_once(monkeypatch):
    monkeypatch.setattr(projection, "FEW", 2)
    server = Server(run("1", digest="a"))
    made = over(server)
    for digest in "abcd":
        made._find(digest)
    asked = ["= 'a'", "= 'b'", "!= ''"]
    assert [one[1] for one in server.asked] == [f"tags.`leukobench.digest` {how}" for how in asked]


@pytest.mark.parametrize(
    ("foreign", "again", "sent_before", "known", "sent"),
    [
        (False, False, False, {"d": ("1", True)}, True),
        (True, False, False, None, True),
        (False, False, True, {"d": ("1", True)}, False),
        (False, True, True, {"d": ("1", True)}, True),
        (True, True, True, None, True),
    ],
)
def test_after_another_process_wrote_the_store_is_asked_anew(
    monkeypatch, foreign, again, sent_before, known, sent
):
    @contextmanager
    def held():
        yield foreign

    marked, made = [], over(Server())
    made._known, made._lock = {"d": ("1", True)}, SimpleNamespace(held=held)
    made._content = lambda attempt, record: "content"
    made._send = lambda *given: given[1:] == ("record", "content")
    monkeypatch.setattr(projection, "is_sent", lambda attempt, store: sent_before)
    monkeypatch.setattr(projection, "mark_sent", lambda *given: marked.append(given))
    attempt = SimpleNamespace(record=lambda: "record")
    assert made.send(attempt, again) is sent and made._known == known
    assert marked == [(attempt, "s")] * sent
