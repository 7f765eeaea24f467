"""A candidate against a recorded baseline, without processes: what runs, and what counts."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from comparison_equipment import SLOT, add, measurement, record, trial
from regress_equipment import Listener

from bench.compare.reading import Side
from bench.compare.thresholds import Thresholds
from bench.journal.results import SuiteResults
from bench.plan.decide import PlannedTrial
from bench.regress.pair_schedule import Budget
from bench.regress.pairs import PairJournal, Run
from bench.regress.recorded import CUT_SHORT, against_recorded, runs_wanted, too_few

TRIALS = [trial(seed=seed) for seed in (0, 1)]


def known(*runs: int) -> Side:
    """A baseline with so many runs of each trial."""
    trials = [of for of, number in zip(TRIALS, runs, strict=True) for _ in range(number)]
    return Side("baseline:v1", tuple(measurement(of, record(of)) for of in trials))


@dataclass
class Candidate:
    """Stands in for `bench.regress.execute.PairRunner`: every run is done at once."""

    results: SuiteResults
    cores: int
    now: float = 0.0
    ran: list[int] = field(default_factory=list)
    places: list = field(default_factory=list)

    def planned(self, name, trial, expected) -> PlannedTrial:
        return PlannedTrial(trial, "again", "", True, expected)

    def run_one(self, name, trial, expected=None) -> Run:
        self.ran.append(trial.settings.seed)
        self.now += 20.0
        content = record(trial, slot={**SLOT, "cores": list(range(self.cores))})
        return Run("candidate", trial.id, add(self.results, trial, content).number)

    def clock(self) -> float:
        return self.now


def a_session(folder: Path, key: str = "new", seconds: float | None = None, cores: int = 2):
    results = {name: SuiteResults(folder, name) for name in ("baseline", "candidate")}
    runner = Candidate(results["candidate"], cores)
    return SimpleNamespace(
        comparison=SimpleNamespace(
            trials=TRIALS,
            keys=("", key),
            results=results,
            journal=PairJournal(folder),
            folder=folder,
            sides={"candidate": SimpleNamespace(label=key)},
        ),
        runner=runner,
        course=SimpleNamespace(listener=Listener(), budget=Budget(seconds, runner.clock)),
        place={"kind": "cpu", "model": SLOT["model"], "cores": cores},
    )


def judged(session, baseline: Side | None = None):
    said = session.course.listener.say
    return against_recorded(session, baseline or known(2, 1), None, Thresholds(), said)


def test_what_another_candidate_ran_does_not_count(tmp_path: Path):
    for key in ("new", "newer"):
        session = a_session(tmp_path, key)
        (verdict,) = judged(session).trials
        assert session.runner.ran == [0, 1, 0] and verdict.pairs == 3
    again = a_session(tmp_path, "new")
    judged(again)
    assert again.runner.ran == []
    elsewhere = a_session(tmp_path, "new", cores=4)
    judged(elsewhere)
    assert len(elsewhere.runner.ran) == 3, "on another device"
    fresh = a_session(tmp_path, "new")
    fresh.comparison.journal.begin_afresh()
    (verdict,) = judged(fresh).trials
    assert len(fresh.runner.ran) == 3 and verdict.pairs == 3
    resumed = a_session(tmp_path, "new")
    judged(resumed)
    assert resumed.runner.ran == [], "what came before the new beginning is forgotten for good"


@pytest.mark.parametrize(
    ("runs", "repeats", "wanted"),
    [
        ((2, 1), None, [2, 1]),
        ((5, 5), 4, [2, 2]),
        ((1, 1), 8, [1, 1]),
        ((3, 0), None, [3, 1]),
        ((4, 4), 1, [1, 1]),
    ],
)
def test_the_candidate_runs_as_often_as_it_finds_partners(runs, repeats, wanted):
    there = {of.key: number for of, number in zip(TRIALS, runs, strict=True)}
    assert list(runs_wanted(TRIALS, there, repeats).values()) == wanted


def test_a_baseline_with_too_few_runs_is_said_before_anything_runs(tmp_path: Path):
    session = a_session(tmp_path)
    judged(session)
    (said,) = session.course.listener.said
    assert said.startswith("baseline:v1 has 3 runs of vgg16-scratch-3e: times need 4.")
    assert too_few(TRIALS, {of.key: 2 for of in TRIALS}, "old", 4) == ""


def test_it_says_how_many_runs_come(tmp_path: Path):
    session = a_session(tmp_path)
    judged(session)
    assert session.course.listener.plans == [2, 1]


def test_a_run_that_would_pass_the_budget_is_not_begun_after_a_resume_either(tmp_path: Path):
    judged(a_session(tmp_path), known(1, 1))
    session = a_session(tmp_path, seconds=10.0)
    verdict = judged(session, known(2, 2))
    assert session.runner.ran == [] and CUT_SHORT in verdict.notes


def test_every_trial_runs_once_whatever_the_budget(tmp_path: Path):
    session = a_session(tmp_path, seconds=1.0)
    verdict = judged(session, known(3, 3))
    assert session.runner.ran == [0, 1] and CUT_SHORT in verdict.notes
