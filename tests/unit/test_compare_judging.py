"""The verdict on configurations: what fails, what is new, what cannot be compared, what is said of it."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from comparison_equipment import (
    SLOT,
    measurement,
    only,
    predicted,
    record,
    some_right,
    trial,
)

from bench.compare.judging import judge
from bench.compare.matching import group, match, shared_runs
from bench.compare.measurement import Pair
from bench.compare.metrics import Values
from bench.compare.output.format import outcome
from bench.compare.reading import Side
from bench.compare.speed import judge_speed
from bench.compare.thresholds import Thresholds
from bench.compare.trial_verdicts import reason_of
from bench.compare.verdict import Learning, Memory, PhaseChange, Speed, Status, TrialVerdict, Verdict
from bench.errors import ExitCode
from bench.trials.origin import Environment, MachineFacts, Provenance


def matched(old, new):
    return judge(match(Side("old", tuple(old)), Side("new", tuple(new))))


def test_a_newly_failing_trial_is_a_regression():
    of = trial()
    done, broken = measurement(of, record(of)), measurement(of, record(of, failure=("nan-loss", "no number")))
    verdict = matched([done], [broken])
    found = only(verdict)
    assert (found.status, found.regression) == (Status.FAILED, True)
    assert "nan-loss in train: no number; it was done before" in found.reason
    assert verdict.exit_code == ExitCode.REGRESSION
    both = matched([broken], [broken])
    assert (only(both).regression, both.exit_code) == (False, ExitCode.TRIALS_FAILED)
    assert "both sides" not in outcome(matched([], [broken])), "new and failed"
    assert only(matched([broken], [done])).status is Status.NEW


def test_a_seed_that_newly_fails_is_a_regression_though_others_are_done():
    one, other = trial(seed=0), trial(seed=1)
    old = [measurement(of, record(of, 10 + n)) for of in (one, other) for n in range(7)]
    new = [measurement(one, record(one, 10 + n)) for n in range(7)]
    failed = measurement(other, record(other, failure=("crashed", "a signal")))
    verdict = matched(old, [*new, failed])
    found = only(verdict)
    assert (found.status, found.regression, found.speed) == (Status.FAILED, True, Speed.SAME)
    assert "1 of its seeds or splits: crashed in train: a signal, done before" in found.reason
    again = measurement(other, record(other, 10))
    assert only(matched(old, [*new, failed, again])).status is Status.JUDGED  # a retry was done


def test_a_seed_that_failed_once_and_was_done_once_does_not_newly_fail():
    """In one pair the candidate failed, in another one the baseline."""
    one, other = trial(seed=0), trial(seed=1)
    pairs = [Pair(measurement(one, record(one)), measurement(one, record(one)))]
    done, failed = (measurement(other, record(other, failure=why)) for why in (None, ("crashed", "a signal")))
    found = only(judge(group(pairs, [done, failed], [failed, done])))
    assert (found.status, found.regression, found.failed) == (Status.JUDGED, False, 1)
    assert only(judge(group(pairs, [done], [failed]))).status is Status.FAILED


def test_new_and_gone_name_the_nearest_trial():
    one, other = trial(epochs=3), trial(epochs=5)
    verdict = matched([measurement(one, record(one))], [measurement(other, record(other))])
    assert [found.status for found in verdict.trials] == [Status.GONE, Status.NEW]
    assert "epochs 3, there 5" in verdict.trials[0].notes[0]
    assert verdict.exit_code == ExitCode.NOT_ENOUGH_EVIDENCE


def test_a_trial_that_differs_in_more_than_three_settings_is_not_near():
    changes = {"epochs": 5, "batch_size": 7, "l1": 0.1, "l2": 0.1}
    one = measurement(trial(), record(trial()))
    for number in (3, 4):
        other = trial(**dict(list(changes.items())[:number]))
        (gone, _) = matched([one], [measurement(other, record(other))]).trials
        assert bool(gone.notes) is (number == 3)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"digest": "d1"}, "the images differ (d0 and d1)"),
        ({"weights": {"name": "none", "sha256": "abc"}}, "the pretrained weights differ"),
    ],
)
def test_other_files_are_not_comparable(settings, why):
    one, other = trial(), trial(**settings)
    verdict = matched([measurement(one, record(one))], [measurement(other, record(other))])
    assert only(verdict).status is Status.NOT_COMPARABLE
    assert why in only(verdict).reason
    assert verdict.exit_code == ExitCode.NOT_ENOUGH_EVIDENCE


def test_another_device_is_refused_for_time_but_not_for_learning(tmp_path):
    right = some_right(100, 0.9, 0)
    pairs = predicted(tmp_path, [(right, right)] * 5)
    slot = msgspec.structs.replace(SLOT, model="Another processor")
    old = [pair.baseline for pair in pairs.pairs]
    new = [
        replace(pair.candidate, record=msgspec.structs.replace(pair.candidate.record, slot=slot))
        for pair in pairs.pairs
    ]
    verdict = matched(old, new)
    found = only(verdict)
    assert (found.speed, found.memory, found.learning) == (
        Speed.NOT_COMPARABLE,
        Memory.NOT_COMPARABLE,
        Learning.SAME,
    )
    assert any("A processor and Another processor" in note for note in found.notes)
    assert verdict.exit_code == ExitCode.OK


def test_where_nothing_at_all_is_compared_there_is_no_evidence():
    of = trial()
    elsewhere = record(of, slot=msgspec.structs.replace(SLOT, model="Another processor"))
    verdict = matched([measurement(of, record(of))] * 5, [measurement(of, elsewhere)] * 5)
    assert (only(verdict).speed, only(verdict).learning) == (Speed.NOT_COMPARABLE, Learning.NOT_COMPARABLE)
    assert verdict.exit_code == ExitCode.NOT_ENOUGH_EVIDENCE
    assert outcome(verdict) == "Not enough evidence: no trial could be compared"


def test_a_run_that_is_on_both_sides_is_named():
    of = trial()
    old, same, new = (measurement(of, record(of, 10.0, attempt=number)) for number in (1, 1, 2))
    assert shared_runs(Side("a", (old,)), Side("b", (new,))) == ""
    assert "Both sides are the same runs" in shared_runs(Side("a", (old,)), Side("b", (same,)))
    assert "1 of 2 runs of b are runs of a, too" in shared_runs(Side("a", (old,)), Side("b", (same, new)))


def test_seeds_are_paired_and_joined():
    trials = [trial(seed=seed) for seed in (0, 1)]
    old = [measurement(of, record(of, 10 + of.settings.seed)) for of in trials for _ in range(2)]
    new = [measurement(of, record(of, 10 + of.settings.seed)) for of in reversed(trials) for _ in range(3)]
    (found,) = match(Side("old", tuple(old)), Side("new", tuple(new)))
    assert len(found.pairs) == 4 and len(found.candidate_only) == 2
    assert all(pair.baseline.key == pair.candidate.key for pair in found.pairs)


def test_what_changed():
    of = trial()
    environments = [
        Environment(python="3.11.7", packages={"keras": "3.3.3", "x": "1"}),
        Environment(python="3.11.7", packages={"keras": "3.15.1", "y": "2"}),
    ]
    old, new = (measurement(of, record(of, environment=one)) for one in environments)
    changes = {(one.name, one.baseline, one.candidate) for one in matched([old], [new]).changes}
    assert changes == {("keras", "3.3.3", "3.15.1"), ("x", "1", "none"), ("y", "none", "2")}


def test_what_is_told_twice_is_said_once():
    of = trial()
    packages = [{"typing_extensions": "1", "numpy": "2"}, {"typing_extensions": "3", "numpy": "2"}]
    provenance = Provenance(machine=MachineFacts(driver="570", fingerprint="f"))
    old, new = (
        measurement(of, record(of, provenance=provenance, environment=Environment(packages=one)))
        for one in packages
    )
    trials = match(Side("old", (old,)), Side("new", (new,)))
    (change,) = judge(trials, differences={"typing-extensions": ("1", "3")}).changes
    assert (change.name, change.baseline, change.candidate) == ("typing_extensions", "1", "3")
    bare = measurement(of, record(of))
    assert matched([bare], [new]).changes == ()  # a side that lists no packages does not differ in them


@pytest.mark.parametrize(
    ("provenance", "driver"),
    [
        (Provenance(driver="570"), "570"),
        (Provenance(driver="570", machine=MachineFacts(fingerprint="f")), "570"),
        (Provenance(driver="570", machine=MachineFacts(driver="580", fingerprint="f")), "580"),
    ],
)
def test_the_driver_is_the_machines_or_the_one_of_an_older_record(provenance: Provenance, driver: str):
    of = trial()
    old, new = (measurement(of, record(of, provenance=one)) for one in (Provenance(driver="1"), provenance))
    changes = {one.name: (one.baseline, one.candidate) for one in matched([old], [new]).changes}
    assert changes["driver"] == ("1", driver)


SAME = TrialVerdict("k", "a", Status.JUDGED, Speed.SAME, Memory.SAME, Learning.SAME, pairs=8)


@pytest.mark.parametrize(
    ("trials", "code"),
    [
        ([SAME], ExitCode.OK),
        ([], ExitCode.NOT_ENOUGH_EVIDENCE),
        ([SAME, replace(SAME, speed=Speed.INCONCLUSIVE)], ExitCode.NOT_ENOUGH_EVIDENCE),
        ([SAME, replace(SAME, memory=Memory.INCONCLUSIVE)], ExitCode.NOT_ENOUGH_EVIDENCE),
        ([SAME, replace(SAME, learning=Learning.INCONCLUSIVE)], ExitCode.NOT_ENOUGH_EVIDENCE),
        ([SAME, replace(SAME, speed=Speed.FASTER, memory=Memory.SMALLER)], ExitCode.OK),
        ([SAME, replace(SAME, speed=Speed.NOT_COMPARABLE)], ExitCode.OK),
        (
            [replace(SAME, speed=Speed.NOT_COMPARABLE, learning=Learning.NOT_COMPARABLE)],
            ExitCode.NOT_ENOUGH_EVIDENCE,
        ),
        ([SAME, TrialVerdict("k", "b", Status.NEW)], ExitCode.OK),
        ([TrialVerdict("k", "b", Status.GONE)], ExitCode.NOT_ENOUGH_EVIDENCE),
        ([SAME, TrialVerdict("k", "b", Status.FAILED)], ExitCode.TRIALS_FAILED),
        ([replace(SAME, regression=True), TrialVerdict("k", "b", Status.FAILED)], ExitCode.REGRESSION),
    ],
)
def test_exit_codes(trials: list[TrialVerdict], code: ExitCode):
    assert Verdict("old", "new", tuple(trials)).exit_code is code


def test_the_reason_names_phases_that_changed_clearly_and_by_much():
    slower = judge_speed({"a": {"fit_time": Values(np.ones(9), np.full(9, 1.2))}}, Thresholds())["a"].metrics
    phases = [
        PhaseChange("train", "steps", 10.0, 20.0, True),
        PhaseChange("data", "input", 10.0, 15.0, False),
        PhaseChange("evaluate", "evaluation", 10.0, 11.0, True),
        PhaseChange("save", "saving the model", 40.0, 30.0, True),
    ]
    assert reason_of(slower, [], phases) == "fit time +20.0%; in steps (+10.00 s)"
