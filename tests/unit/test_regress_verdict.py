"""From a session to its verdict, without processes: what runs, and what counts."""

import math
import signal
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from comparison_equipment import SLOT, add, measurement, noisy, record, trial, trial_pairs
from equipment.results import records
from regress_equipment import SIDES, Listener, Runner, a_pair

from bench.compare.differences import Fingerprint
from bench.compare.judging import judge
from bench.compare.reading import Side
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Speed, Verdict
from bench.errors import ExitCode, InterruptedRun
from bench.journal.results import SuiteResults
from bench.plan.decide import PlannedTrial
from bench.regress import schedule, verdict
from bench.regress.pairs import PairedRuns, PairJournal, Run
from bench.regress.schedule import Budget, PairSchedule
from bench.regress.verdict import CUT_SHORT, against_recorded, noise_elsewhere, too_few, with_pairs

CONFIGURATIONS = [records.a_trial("LeNet5", epochs=epochs) for epochs in (1, 2, 3)]
TRIALS = [trial(seed=seed) for seed in (0, 1)]


def known(*runs: int) -> Side:
    """A baseline with so many runs of each trial."""
    trials = [of for of, number in zip(TRIALS, runs, strict=True) for _ in range(number)]
    return Side("baseline:v1", tuple(measurement(of, record(of)) for of in trials))


@dataclass
class Candidate:
    """Stands in for `bench.regress.pair_runner.PairRunner`: every run is done at once."""

    results: SuiteResults
    cores: int
    now: float = 0.0
    ran: list[int] = field(default_factory=list)
    places: list = field(default_factory=list)

    def planned(self, name, trial, expected) -> PlannedTrial:
        assert name == "candidate"
        return PlannedTrial(trial, "again", "", True, expected)

    def run_one(self, name, trial, expected=None) -> Run:
        assert name == "candidate"
        self.ran.append(trial.settings.seed)
        self.now += 20.0
        content = record(trial, slot=msgspec.structs.replace(SLOT, cores=tuple(range(self.cores))))
        return Run("candidate", trial.id, add(self.results, trial, content).number)

    def record_of(self, run: Run):
        return run.of({"candidate": self.results}).record()

    def clock(self) -> float:
        return self.now


def a_session(folder: Path, key: str = "new", seconds: float | None = None, cores: int = 2):
    results = {name: SuiteResults(folder, name) for name in ("baseline", "candidate")}
    runner = Candidate(results["candidate"], cores)
    return SimpleNamespace(
        trials=TRIALS,
        keys=("", key),
        results=results,
        journal=PairJournal(folder),
        folder=folder,
        sides={"candidate": SimpleNamespace(label=key)},
        runner=runner,
        schedule=SimpleNamespace(budget=Budget(seconds, runner.clock)),
        speaker=Listener(),
        request=SimpleNamespace(thresholds=Thresholds(), pairs=None),
        place=Fingerprint(kind="cpu", model=SLOT.model, cores=cores),
    )


def judged(session, baseline: Side | None = None):
    return against_recorded(session, baseline or known(2, 1))


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
    fresh.journal.begin_afresh()
    (verdict,) = judged(fresh).trials
    assert len(fresh.runner.ran) == 3 and verdict.pairs == 3
    resumed = a_session(tmp_path, "new")
    judged(resumed)
    assert resumed.runner.ran == [], "what came before the new beginning is forgotten for good"


def test_a_baseline_with_too_few_runs_is_said_before_anything_runs(tmp_path: Path):
    session = a_session(tmp_path)
    judged(session)
    (said,) = session.speaker.said
    assert said.startswith("baseline:v1 has 3 runs of vgg16-scratch-3e: times need 7.")
    assert too_few(TRIALS, {of.key: 2 for of in TRIALS}, "old", 4) == ""


def test_it_says_how_many_runs_come(tmp_path: Path):
    session = a_session(tmp_path)
    judged(session)
    assert session.speaker.plans == [2, 1]


def test_a_run_that_would_pass_the_budget_is_not_begun_after_a_resume_either(tmp_path: Path):
    judged(a_session(tmp_path), known(1, 1))
    session = a_session(tmp_path, seconds=10.0)
    verdict = judged(session, known(2, 2))
    assert session.runner.ran == [] and CUT_SHORT in verdict.notes


def test_a_run_takes_what_the_last_one_took(tmp_path: Path):
    """Two runs that train 100 and 10 s are there; of 45 s another trial's first run takes 20."""
    session = a_session(tmp_path, seconds=45.0)
    for seconds in (100.0, 10.0):
        attempt = add(session.results["candidate"], TRIALS[0], record(TRIALS[0], seconds, slot=SLOT))
        session.journal.append_run("new", Run("candidate", TRIALS[0].id, attempt.number))
    found = judged(session, known(3, 0))
    assert session.runner.ran == [1, 0] and CUT_SHORT not in found.notes
    assert session.speaker.said[0] == (
        "baseline:v1 lacks 1 of the suite's trials; the candidate runs them once."
    )


def test_a_trial_that_the_budget_has_no_room_for_does_not_keep_another_from_its_run(tmp_path: Path):
    """Of 45 s, where a run of one takes 100 and of the other 10."""
    session = a_session(tmp_path, seconds=45.0)
    for of, seconds in zip(TRIALS, (100.0, 10.0), strict=True):
        attempt = add(session.results["candidate"], of, record(of, seconds, slot=SLOT))
        session.journal.append_run("new", Run("candidate", of.id, attempt.number))
    found = judged(session, known(2, 2))
    assert session.runner.ran == [1] and CUT_SHORT in found.notes


def test_every_trial_runs_once_whatever_the_budget(tmp_path: Path):
    session = a_session(tmp_path, seconds=1.0)
    verdict = judged(session, known(3, 3))
    assert session.runner.ran == [0, 1] and CUT_SHORT in verdict.notes


def test_every_configuration_gets_its_first_pairs_whatever_the_budget(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(verdict, "judge_pairs", lambda *judged: None)
    runner = Runner()
    schedule = PairSchedule(runner, [], Listener(), Budget(30.0, runner.clock), CONFIGURATIONS)
    session = SimpleNamespace(
        trials=CONFIGURATIONS,
        folder=tmp_path / "own",
        keys=SIDES,
        results={},
        schedule=schedule,
        place=Fingerprint(),
        request=SimpleNamespace(thresholds=Thresholds()),
    )
    with_pairs(session, 6)
    assert len(runner.ran) == 3 and schedule.cut_short
    with_pairs(session, 1)
    assert len(runner.ran) == 3, "one pair each is there"


@dataclass
class Dealt:
    """What became of `auto`."""

    verdict: Verdict
    runner: Runner
    said: list[str]


def dealt(
    monkeypatch,
    tmp_path: Path,
    slow: int | None,
    seconds: float | None,
    noise: float = 0.01,
    earlier: int = 0,
    outcome=lambda trial, number: {},
) -> Dealt:
    """`auto` over three trials, one of which may take 10 % longer on the candidate.

    Args:
        slow: Which one; None: none.
        seconds: The budget; a pair takes 20.
        noise: Of the times, a share.
        earlier: Pairs of each trial that are there already.
        outcome: Of each pair.
    """
    times = {
        of.key: (noisy(10, 60, n, noise), noisy(11 if n == slow else 10, 60, 50 + n, noise))
        for n, of in enumerate(CONFIGURATIONS)
    }

    class Measured:
        elsewhere = ()

        def trials(self, pairs):
            found = []
            for of in CONFIGURATIONS:
                number = sum(one.kind == "ab" and one.trial_key == of.key for one in pairs)
                old, new = (side[:number] for side in times[of.key])
                made = trial_pairs(of, old, new)
                found.append(replace(made, key=of.settings.configuration_key, label=of.id))
            return found

        def noise(self, pairs):
            return []

    runner, speaker = Runner(outcome), Listener()
    there = [a_pair("ab", of.key, number) for of in CONFIGURATIONS for number in range(earlier)]
    pairs = PairSchedule(runner, there, Listener(), Budget(seconds, runner.clock), CONFIGURATIONS)
    monkeypatch.setattr(verdict.Evidence, "of", lambda session: Measured())
    judged = lambda session, evidence, *notes: judge(evidence.trials(pairs.pairs))  # noqa: E731
    monkeypatch.setattr(verdict, "judge_pairs", judged)
    request = SimpleNamespace(thresholds=Thresholds())
    session = SimpleNamespace(schedule=pairs, speaker=speaker, request=request, folder=tmp_path)
    return Dealt(verdict.until_clear(session), runner, speaker.said)


def test_auto_follows_the_slow_trial_and_measures_no_noise_once_it_is_found(monkeypatch, tmp_path: Path):
    found = dealt(monkeypatch, tmp_path, slow=1, seconds=3600.0)
    assert [one.label for one in found.verdict.regressions] == [CONFIGURATIONS[1].id]
    pairs = [one.pairs for one in found.verdict.trials]
    assert pairs[1] >= 9 and sum(pairs) - pairs[1] <= 8
    assert {kind for kind, *_ in found.runner.ran} == {"ab"}
    assert found.said[-1] == f"{sum(pairs)} pairs: a regression is shown."


def test_auto_runs_nothing_where_earlier_pairs_are_clear(monkeypatch, tmp_path: Path):
    found = dealt(monkeypatch, tmp_path, slow=1, seconds=3600.0, earlier=12)
    assert found.runner.ran == [] and found.said[-1] == "36 pairs: a regression is shown."


def test_auto_that_is_never_clear_ends_with_the_budget(monkeypatch, tmp_path: Path):
    found = dealt(monkeypatch, tmp_path, slow=None, seconds=600.0, noise=0.3)
    ran = [kind for kind, *_ in found.runner.ran]
    assert 600.0 - 20.0 < found.runner.now <= 600.0 and 0 < ran.count("aa") * 20.0 <= 100.0
    assert found.verdict.exit_code == ExitCode.NOT_ENOUGH_EVIDENCE
    assert found.said[-1] == f"{ran.count('ab')} pairs: 3 trials are inconclusive; the budget is spent."
    looks = [
        int(said.partition(" pairs: ")[0]) for said in found.said[1:-1] if said.endswith("; more pairs.")
    ]
    assert len(looks) == len(found.said) - 2
    assert all(later == math.ceil(1.5 * look) for look, later in pairwise(looks)), "looks at learning"


def test_auto_that_is_never_clear_ends_with_the_most_pairs(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(schedule, "MOST", 9)
    found = dealt(monkeypatch, tmp_path, slow=None, seconds=None, noise=0.3)
    assert [one.pairs for one in found.verdict.trials] == [9, 9, 9]
    assert found.said[-1] == "27 pairs: 3 trials are inconclusive."


def test_auto_that_is_interrupted_runs_nothing_more(monkeypatch, tmp_path: Path):
    asked = []

    def outcome(trial, number):
        asked.append(number)
        if len(asked) == 5:
            raise InterruptedRun(signal.SIGINT)
        return {}

    with pytest.raises(InterruptedRun):
        dealt(monkeypatch, tmp_path, slow=None, seconds=3600.0, outcome=outcome)
    assert len(asked) == 5


def test_auto_ends_where_all_is_the_same_and_noise_takes_a_sixth(monkeypatch, tmp_path: Path):
    found = dealt(monkeypatch, tmp_path, slow=None, seconds=900.0)
    trials = found.verdict.trials
    assert {one.speed for one in trials} == {Speed.SAME} and not found.verdict.regressions
    noise = [one for one in found.runner.ran if one[0] == "aa"]
    assert 0 < len(noise) * 20.0 <= 900.0 / 6
    assert max(one.pairs for one in trials) <= 16, "what is decided gets no more pairs"
    assert found.said[-1] == f"{sum(one.pairs for one in trials)} pairs: every trial is clear."


def test_noise_that_another_device_showed_is_not_this_ones(tmp_path: Path):
    of, folder = trial(), tmp_path / "other"
    results = SuiteResults(folder, "baseline")
    runs = [Run("baseline", of.id, add(results, of, record(of)).number) for _ in range(2)]
    PairJournal(folder).append(PairedRuns("aa", of.key, ("old", "old"), "baseline", *runs, 20.0, "done"))
    found = [
        len(noise_elsewhere(tmp_path / "own", "old", {of.key}, Fingerprint(cores=cores, kind="cpu")))
        for cores in (2, 4)
    ]
    assert found == [1, 0]


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, 1),
        ({"kind": "ab"}, 0),
        ({"status": "failed"}, 0),
        ({"trial_key": "of another trial"}, 0),
        ({"sides": ("old", "new")}, 0),
        ({"sides": ("new", "new")}, 0),
    ],
)
def test_noise_is_whole_pairs_of_the_same_baseline_in_other_comparisons(
    tmp_path: Path, changes: dict, counts: int
):
    of, folder = trial(), tmp_path / "other"
    results = SuiteResults(folder, "baseline")
    runs = [Run("baseline", of.id, add(results, of, record(of)).number) for _ in range(2)]
    pair = PairedRuns("aa", of.key, ("old", "old"), "baseline", *runs, 20.0, "done")
    PairJournal(folder).append(msgspec.structs.replace(pair, **changes))
    assert len(noise_elsewhere(tmp_path / "own", "old", {of.key})) == counts
    assert noise_elsewhere(folder, "old", {of.key}) == [], "its own are no others"


@pytest.mark.parametrize(
    ("pairs", "cut_short", "said"),
    [
        ([], False, ["0 pairs of baseline and candidate ran, and 0 of the baseline with itself."]),
        (
            [a_pair(), a_pair("aa"), a_pair("aa", disturbed=("x",), status="failed")],
            False,
            ["1 pair of baseline and candidate ran, and 2 of the baseline with itself."],
        ),
        (
            [a_pair(disturbed=("x",)), a_pair(status="failed"), a_pair(status="failed", disturbed=("x",))],
            True,
            [
                "3 pairs of baseline and candidate ran, and 0 of the baseline with itself.",
                "2 pairs disturbed; where that was the exception, others ran in their place.",
                "2 pairs failed.",
                "The budget was spent before every pair had run.",
            ],
        ),
    ],
)
def test_what_ran_is_summed_up(pairs, cut_short: bool, said: list[str]):
    assert verdict._summary(pairs, cut_short) == said


def test_a_failure_counts_until_a_later_pair_of_the_trial_is_done():
    one, other = (
        [a_pair(trial_key=key, number=number, status=status) for number, status in enumerate(states)]
        for key, states in (("a", ("failed", "done", "failed", "done")), ("b", ("done", "failed", "failed")))
    )
    noise = a_pair("aa", "b", 9)
    assert verdict._latest([*one, *other, noise], "ab") == [one[1], one[3], *other]
    assert verdict._latest([*one, *other, noise], "aa") == [noise]


def test_too_few_runs_are_named_for_each_configuration():
    few, more = TRIALS, records.a_trial("LeNet5", epochs=9)
    known = {few[0].key: 1, few[1].key: 0, more.key: 3}
    assert too_few([*few, more], known, "old", 1) == ""
    assert too_few([*few, more], known, "old", 3).startswith(
        "old has 1 run of vgg16-scratch-3e: times need 3."
    )
    assert f"1 run of vgg16-scratch-3e, 3 runs of {more.label}: times need 4." in too_few(
        [*few, more], known, "old", 4
    )
