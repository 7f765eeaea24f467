"""The verdict on configurations: what fails, what is new, what cannot be compared, what is said of it."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from comparison_equipment import (
    SLOT,
    matched,
    measurement,
    only,
    predicted,
    record,
    some_right,
    trial,
    trial_pairs,
)
from equipment.results.records import some_metrics

from bench.compare.discordance import Clusters
from bench.compare.judging import judge
from bench.compare.learning import Compared
from bench.compare.matching import group
from bench.compare.measurement import Epoch, Pair, TrialPairs
from bench.compare.metrics import Values
from bench.compare.output.format import outcome
from bench.compare.speed import JudgedTrial, judge_speed
from bench.compare.thresholds import Thresholds
from bench.compare.trial_verdicts import judged_trial, reason_of, unpaired_trial
from bench.compare.verdict import (
    DifferenceVerdict,
    EpochChange,
    Learning,
    Memory,
    PhaseChange,
    Speed,
    Status,
    TrialVerdict,
    Verdict,
)
from bench.errors import ExitCode
from bench.trials.record import Resumed


def test_a_newly_failing_trial_is_a_regression():
    of = trial()
    done, broken = measurement(of, record(of)), measurement(of, record(of, failure=("nan-loss", "no number")))
    verdict = matched([done], [broken])
    found = only(verdict)
    assert (found.status, found.regression) == (Status.FAILED, True)
    assert "nan-loss in train: no number; it was done before" in found.reason
    assert verdict.exit_code == ExitCode.REGRESSION
    both = matched([broken], [broken])
    assert (only(both).regression, both.exit_code) == (False, ExitCode.NOT_ENOUGH_EVIDENCE)
    assert outcome(both) == "Nothing was judged: 1 of 1 trials failed"
    assert outcome(matched([], [broken])) == "Nothing was judged: 1 of 1 trials failed", "new and failed"
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


@pytest.mark.parametrize("tried", [True, False])
def test_a_seed_that_the_baseline_has_not_done_does_not_newly_fail(tried: bool):
    """Whether it failed there as well, or was never tried."""
    one, other = trial(), trial(seed=1)
    failed = measurement(other, record(other, failure=("crashed", "a signal")))
    pair = Pair(*(measurement(one, record(one)) for _ in range(2)))
    found = only(judge(group([pair], [failed] if tried else [], [failed])))
    assert (found.status, found.regression, found.failed) == (Status.JUDGED, False, 1)


def test_a_seed_that_failed_once_and_was_done_once_does_not_newly_fail():
    """In one pair the candidate failed, in another one the baseline."""
    one, other = trial(seed=0), trial(seed=1)
    pairs = [Pair(measurement(one, record(one)), measurement(one, record(one)))]
    done, failed = (measurement(other, record(other, failure=why)) for why in (None, ("crashed", "a signal")))
    found = only(judge(group(pairs, [done, failed], [failed, done])))
    assert (found.status, found.regression, found.failed) == (Status.JUDGED, False, 1)
    assert only(judge(group(pairs, [done], [failed]))).status is Status.FAILED


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
    assert outcome(verdict) == "Nothing was judged: no trial could be compared"


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
        (
            [TrialVerdict("k", "b", Status.FAILED), TrialVerdict("k", "c", Status.NEW)],
            ExitCode.NOT_ENOUGH_EVIDENCE,
        ),
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


FAILED, STOPPED = ("crashed", "a signal"), ("interrupted", "ctrl-c")
EARLIER = ("nan-loss", "no number")


@pytest.mark.parametrize(
    ("old", "new", "status", "regression", "reason"),
    [
        ([None], [FAILED], Status.FAILED, True, "crashed in train: a signal; it was done before"),
        ([FAILED], [FAILED], Status.FAILED, False, "crashed in train: a signal; it failed before, too"),
        ([], [FAILED], Status.FAILED, False, "crashed in train: a signal; it is new"),
        ([], [EARLIER, FAILED], Status.FAILED, False, "crashed in train: a signal (2 attempts); it is new"),
        ([], [FAILED, None], Status.NEW, False, "the baseline has not done it"),
        ([], [None], Status.NEW, False, "the baseline has not done it"),
        ([STOPPED], [None], Status.NEW, False, "the baseline has not done it"),
        ([FAILED], [None], Status.NEW, False, "the baseline failed: crashed in train: a signal"),
        (
            *([EARLIER, FAILED], [None], Status.NEW, False),
            "the baseline failed: crashed in train: a signal (2 attempts)",
        ),
        ([None], [], Status.GONE, False, "the candidate has not done it"),
        ([None], [STOPPED], Status.GONE, False, "the candidate was interrupted in it"),
        ([FAILED], [], Status.GONE, False, "only the baseline tried it: crashed in train: a signal"),
        (
            *([EARLIER, FAILED], [], Status.GONE, False),
            "only the baseline tried it: crashed in train: a signal (2 attempts)",
        ),
    ],
)
def test_what_becomes_of_a_trial_without_pairs(old, new, status: Status, regression: bool, reason: str):
    of = trial()
    sides = [tuple(measurement(of, record(of, failure=why)) for why in side) for side in (old, new)]
    found = unpaired_trial(TrialPairs("k", "a", of.settings, (), *sides, notes=("a note",)))
    assert (found.status, found.regression, found.reason) == (status, regression, reason)
    assert (found.failed, found.notes) == (new.count(FAILED) + new.count(EARLIER), ("a note",))
    other = unpaired_trial(TrialPairs("k", "a", of.settings, (), *sides, not_comparable="other images"))
    assert (other.status, other.regression, other.reason) == (Status.NOT_COMPARABLE, False, "other images")


def test_a_failure_is_told_as_far_as_it_is_known():
    of = trial()
    bare = record(of, failure=FAILED)
    early = msgspec.structs.replace(bare, failure=msgspec.structs.replace(bare.failure, phase=None))
    unknown = msgspec.structs.replace(bare, failure=None)
    for content, said in ((early, "crashed: a signal"), (unknown, "failed: without a reason")):
        pairs = TrialPairs("k", "a", of.settings, (), (), (measurement(of, content),))
        assert unpaired_trial(pairs).reason == f"{said}; it is new"


@pytest.mark.parametrize(
    ("accuracies", "said"),
    [
        ([(0.5, 0.6)], "external test: 50.0 and 60.0 % balanced accuracy, mean of 1 pair"),
        ([(0.5, 0.6), (0.7, 0.9)], "external test: 60.0 and 75.0 % balanced accuracy, mean of 2 pairs"),
        (
            [(0.5, 0.6), (0.7, None), (None, 0.9)],
            "external test: 50.0 and 60.0 % balanced accuracy, mean of 1 pair",
        ),
        ([(None, None)], None),
    ],
)
def test_the_external_test_is_told_and_not_judged(accuracies, said: str | None):
    of = trial()
    pairs = [
        Pair(*(measurement(of, record(of, external=one and some_metrics(one))) for one in both))
        for both in accuracies
    ]
    found = only(judge([TrialPairs("k", "a", of.settings, tuple(pairs))]))
    assert [note for note in found.notes if note.startswith("external")] == ([said] if said else [])


def test_curves_are_means_over_the_pairs_of_the_epochs_that_all_have():
    of = trial()

    def side(*losses: float, **more: float):
        epochs = [Epoch(number, {"loss": loss, **more}) for number, loss in enumerate(losses, start=1)]
        return replace(measurement(of, record(of)), epochs=tuple(epochs))

    pairs = [
        Pair(side(1.0, 2.0, 3.0, accuracy=0.5), side(4.0, 5.0, 6.0, accuracy=0.5)),
        Pair(side(3.0, 4.0, 5.0, accuracy=0.7), side(6.0, 9.0)),
        Pair(side(9.0), side()),
    ]
    found = only(judge([TrialPairs("k", "a", of.settings, tuple(pairs))])).curves
    assert found == (
        EpochChange(1, {"accuracy": 0.6, "loss": 2.0}, {"loss": 5.0}),
        EpochChange(2, {"accuracy": 0.6, "loss": 3.0}, {"loss": 7.0}),
    )
    assert only(judge([TrialPairs("k", "a", of.settings, tuple(pairs[2:]))])).curves == ()


@pytest.mark.parametrize(
    ("changes", "tests"),
    [
        ({}, {"regression": False, "speed": Speed.SAME, "memory": Memory.SAME, "learning": Learning.SAME}),
        ({"speed": Speed.SLOWER}, {"regression": True}),
        ({"speed": Speed.FASTER}, {"regression": False}),
        ({"speed": None}, {"regression": False, "speed": Speed.INCONCLUSIVE}),
        ({"memory": Memory.LARGER}, {"regression": True}),
        ({"memory": Memory.SMALLER}, {"regression": False}),
        ({"memory": None}, {"regression": False, "memory": None}),
        ({"learning": Learning.WORSE}, {"regression": True, "learning": Learning.WORSE}),
        ({"learning": Learning.BETTER}, {"regression": False, "learning": Learning.BETTER}),
    ],
)
def test_what_makes_a_trial_a_regression(changes: dict, tests: dict):
    of = trial()
    pairs = trial_pairs(of, [10.0], [10.0])
    own = {"speed": Speed.SAME, "memory": Memory.SAME, "learning": Learning.SAME, **changes}
    difference = DifferenceVerdict("accuracy", own["learning"], 0.9, 0.9, 0.0, None, None, None, (0.0,))
    timed = JudgedTrial((), own["speed"], own["memory"], {})
    clusters = Clusters(np.zeros(7), np.full(7, 3))
    found = judged_trial(
        pairs, timed, None, [difference], {"accuracy": Compared(np.ones(1), np.ones(1), clusters, False)}
    )
    assert {name: getattr(found, name) for name in tests} == tests
    assert (found.images, found.sources, found.pairs, found.failed) == (21, 7, 1, 0)
    bare = judged_trial(pairs, None, None, [], "why")
    assert (bare.speed, bare.memory, bare.learning, bare.notes) == (
        *(Speed.NOT_COMPARABLE, Memory.NOT_COMPARABLE, Learning.NOT_COMPARABLE),
        ("learning: why",),
    )
    assert (bare.images, bare.sources, bare.regression) == (0, 0, False)


def test_what_is_noted_of_pairs_that_do_not_count():
    of, why = trial(), ("Other processes used 1.00 of its 2 cores during train.",)
    calm = trial_pairs(of, [10.0] * 3, [10.0] * 3).pairs
    busy = trial_pairs(of, [10.0], [10.0], disturbed=why).pairs
    summed = trial_pairs(of, [10.0], [10.0], resumed=Resumed(from_epoch=1, attempts=(1, 2), lost_s=0.0)).pairs
    few = "learning: the predictions of one side are missing or damaged"
    left_out = "with the disturbed pairs, which do not count: speed inconclusive"
    not_summed = "the times of 1 pairs do not count: one of their runs resumed training from a checkpoint"
    for pairs, said in (
        (calm, ()),
        ((*busy, *busy), ("too few pairs were undisturbed, so all count",)),
        ((*calm, *busy), (left_out,)),
        ((*calm, *summed), (not_summed,)),
        ((*calm, *busy, *summed), (left_out, not_summed)),
    ):
        notes = only(judge([TrialPairs("k", "a", of.settings, tuple(pairs), notes=("its own",))])).notes
        assert notes == ("its own", few, *said)


def test_failures_beside_pairs_are_told():
    of = trial()
    broken = tuple(measurement(of, record(of, failure=why)) for why in (EARLIER, FAILED))
    pairs = trial_pairs(of, [10.0] * 2, [10.0] * 2).pairs
    verdict = judge([TrialPairs("k", "a", of.settings, pairs, candidate_only=broken)])
    assert (
        only(verdict).notes[-1] == "crashed in train: a signal (2 attempts) of the candidate, beside 2 pairs"
    )
    assert (verdict.baseline, verdict.candidate, only(verdict).failed) == ("baseline", "candidate", 2)
