"""What a run of a suite does from its file to its outcome, with an engine that starts no process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from equipment.results.records import a_trial
from scheduler_equipment import SLOTS, Clock, Notes, ScriptedEngine

from bench.devices.lease import Leased
from bench.devices.machine import Choice
from bench.errors import InputError
from bench.journal.results import SuiteResults
from bench.journal.runs import last_start, state_of_runs
from bench.runner import suite as runner
from bench.runner.suite import Outcome, RunOptions, run_suite
from bench.trials.limits import Limits


def trial(network: str, epochs: int = 1, **script):
    return a_trial(network, specification={"takes": 0.0, **script}, epochs=epochs)


class Bench:
    """A suite of two trials, a place with two slots, and what became of each step."""

    def __init__(self, folder: Path):
        self.folder, self.results = folder, SuiteResults(folder / "results", "cells")
        self.trials = [trial("LeNet5"), trial("VGG16")]
        self.suite = SimpleNamespace(
            **{"name": "cells", "description": "of cells", "margin": 0.03, "path": Path("mine.toml")},
            **{"trials": self.trials, "chosen": self.trials, "downloads": [], "warnings": ["a warning"]},
            datasets=[SimpleNamespace(warning="odd images"), SimpleNamespace(warning="")],
            devices=Choice(tuple(SLOTS), named=True, note="a note of the devices"),
            limits=Limits(retries=0),
            share_prefix=False,
            with_weights=lambda: self.done.append("weights") or self.suite,
        )
        self.done: list[object] = []
        self.behind = False
        self.notes = Notes()
        self.notes.plan = lambda plan, slots: self.done.append(("plan", len(plan), len(slots)))
        self.leased = Leased(tuple(SLOTS), {"gpu:7": "another run"})
        self.engine = ScriptedEngine(Clock(), self.notes)

    def choose(self, *given):
        raise AssertionError("the suite is resolved already")

    @contextmanager
    def hold(self, choice: Choice, results: Path, suite: str) -> Iterator[Leased]:
        self.done.append(("hold", choice is self.suite.devices, results, suite))
        try:
            yield self.leased
        finally:
            self.done.append("let go")

    @contextmanager
    def start(self, slots, suite, results, say) -> Iterator[ScriptedEngine]:
        self.done.append(("engine", len(slots), suite is self.suite, results))
        self.engine.slots = slots
        yield self.engine

    def run(self, monkeypatch, options: RunOptions | None = None, **more) -> Outcome:
        def resolved(*given, choose_devices):
            self.done.append(("resolve", *given))
            return self.suite

        @contextmanager
        def recording(results, say):
            self.notes.catch_up = lambda: self.done.append("catch up")
            yield self.notes
            self.done.append("sent")

        def is_behind(results, runs):
            self.done.append(("behind", runs))
            return self.behind

        site = SimpleNamespace(choose=self.choose, hold=self.hold, engine=self.start)
        predictor = SimpleNamespace(predict=lambda plan: self.done.append("predict") or list(plan))
        for name, value in {
            "ThisMachine": lambda: site,
            "resolve_suite": resolved,
            "require_backends": lambda *given: self.done.append(("backends", *given[1:])),
            "prepare_data": lambda sets, trials, say: self.done.append(("data", len(sets), len(trials))),
            "Predictor": lambda folder, kind: self.done.append(("kind", folder, kind)) or predictor,
            "origin": lambda gpu: {"host": "here", "driver": f"gpu {gpu}"},
            "RecordingProcess": recording,
            "is_behind": is_behind,
            "copy_note": lambda folder: "a note of a copy",
            "damage_note": lambda folder: "",
            "other_file": lambda results, path: f"another file than {path.name}",
        }.items():
            monkeypatch.setattr(runner, name, value)
        return run_suite(Path("mine"), self.folder / "results", self.notes, options or RunOptions(), **more)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_run_from_its_file_to_its_outcome(bench: Bench, monkeypatch):
    results = bench.folder / "results"
    (bench.results.trials).mkdir(parents=True)
    (bench.results.trials / "stray").touch()
    options = RunOptions("gpu", Path("images"), Path("weights"), "*", fresh=False)
    outcome = bench.run(monkeypatch, options, report=lambda found: bench.done.append(found.trial_ids))
    ids = [one.id for one in bench.trials]
    assert (outcome.suite_ids, outcome.trial_ids, outcome.failed) == (ids, ids, [])
    assert outcome.cautions == ("odd images",) and outcome.results.folder == bench.results.folder
    assert bench.done == [
        ("resolve", Path("mine"), results / "cache", "gpu", Path("images"), Path("weights"), "*"),
        ("backends", 1, "gpu"),
        ("hold", True, results, "cells"),
        ("data", 2, 2),
        ("kind", results, "gpu"),
        "predict",
        ("plan", 2, 2),
        ("behind", True),
        ("engine", 2, True, results),
        ids,
        "sent",
        "let go",
    ]
    assert bench.notes.said == [
        "cells: 2 trials, 0 done before, on 2 slots of Stand-in",
        "a warning",
        "a note of the devices",
        "gpu:7 is in use by another run.",
        "a note of a copy",
        "another file than mine.toml",
        f"{bench.results.trials}/stray does not belong to the results and is passed over.",
    ]
    start = last_start(bench.results)
    assert (start.trials, start.exclusive, start.file) == (tuple(ids), False, "mine.toml")
    assert (start.path, start.description, start.margin) == (str(Path.cwd() / "mine.toml"), "of cells", 0.03)
    assert (start.host, start.driver) == ("here", "gpu False"), "a suite runs on no device of its own"
    assert state_of_runs(bench.results) == "done"


def test_what_is_done_is_not_run_again_unless_asked(bench: Bench, monkeypatch):
    bench.run(monkeypatch)
    planned = runner.make_plan
    monkeypatch.setattr(
        runner,
        "make_plan",
        lambda chosen, results, trials, fresh: (
            bench.done.append(("chosen", len(chosen), len(trials))) or planned(chosen, results, trials, fresh)
        ),
    )
    for fresh, waiting in ((False, 0), (True, 1)):
        bench.suite.chosen, bench.done, bench.notes.said = bench.trials[:1], [], []
        outcome = bench.run(monkeypatch, RunOptions(fresh=fresh))
        assert (outcome.trial_ids, len(outcome.suite_ids)) == ([bench.trials[0].id], 2)
        assert ("data", 2, waiting) in bench.done and ("behind", fresh) in bench.done
        assert ("chosen", 1, 2) in bench.done, "earlier results are of trials that the suite asks for no more"
        assert bench.notes.said[0] == f"cells: 1 trial, {1 - waiting} done before, on 2 slots of Stand-in"
    assert [len(bench.results.attempts(one.id)) for one in bench.trials] == [2, 1]


def test_trials_that_fail_are_told(bench: Bench, monkeypatch):
    bench.trials[1] = trial("VGG16", ends=["nan-loss"])
    assert bench.run(monkeypatch).failed == [bench.trials[1].id]
    assert state_of_runs(bench.results) == "failed"


def test_what_was_not_asked_for_has_not_failed(bench: Bench, monkeypatch):
    bench.suite.chosen = bench.trials[:1]
    assert bench.run(monkeypatch).failed == [] and state_of_runs(bench.results) == "done"


def test_a_run_that_measures_alone_takes_one_slot(bench: Bench, monkeypatch):
    bench.suite.limits = replace(bench.suite.limits, exclusive=True)
    bench.run(monkeypatch)
    assert ("plan", 2, 1) in bench.done and {slot for _, slot in bench.engine.placed} == {"gpu:0"}
    assert bench.notes.said[0].endswith("on Stand-in") and last_start(bench.results).exclusive


@pytest.mark.parametrize("behind", [True, False])
def test_what_a_store_lacks_is_sent_first(bench: Bench, monkeypatch, behind: bool):
    bench.behind = behind
    bench.run(monkeypatch)
    assert ("catch up" in bench.done) is behind


@pytest.mark.parametrize("missing", [True, False])
def test_weights_that_are_missing_are_fetched(bench: Bench, monkeypatch, missing: bool):
    bench.suite.downloads = ["a file"] * missing
    bench.run(monkeypatch)
    assert ("weights" in bench.done) is missing


@pytest.mark.parametrize("shared", [True, False])
def test_trials_go_on_from_each_other_where_the_suite_says_so(bench: Bench, monkeypatch, shared: bool):
    bench.trials[:] = [trial("VGG16", 2), trial("VGG16", 1)]
    bench.suite.share_prefix = shared
    bench.leased = Leased(tuple(SLOTS[:1]), {})
    bench.run(monkeypatch)
    order = [attempt.trial().settings.epochs for attempt in bench.results.all_attempts()]
    sent = bench.notes.sent
    assert sorted(order) == [1, 2] and len(sent) == 2
    first = bench.results.attempts(bench.trials[1].id)[0].trial().specification["checkpoint"]
    assert first.get("at_end", False) is shared


def test_a_trial_leaves_nothing_for_one_that_was_not_asked_for(bench: Bench, monkeypatch):
    bench.trials[:] = [trial("VGG16", 2), trial("VGG16", 1)]
    bench.suite.share_prefix, bench.suite.chosen = True, bench.trials[1:]
    bench.run(monkeypatch)
    (only,) = bench.results.all_attempts()
    assert "at_end" not in only.trial().specification["checkpoint"]


def test_a_report_that_fails_is_told_when_all_is_sent(bench: Bench, monkeypatch):
    def fails(outcome: Outcome) -> None:
        raise InputError("no room for it")

    with pytest.raises(InputError, match="no room for it"):
        bench.run(monkeypatch, report=fails)
    assert bench.done[-2:] == ["sent", "let go"] and state_of_runs(bench.results) == "done"


def test_an_engine_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(InputError) as caught:
        run_suite(tmp_path / "x", tmp_path, Notes(), RunOptions(engine="slurm"))
    assert (caught.value.what, caught.value.way_out) == (
        "there is no engine 'slurm'",
        "There is: local, ray.",
    )
