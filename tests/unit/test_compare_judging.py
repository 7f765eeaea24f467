"""The verdict: speed, learning, what fails, what is new, what cannot be compared."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from comparison_equipment import (
    SLOT,
    measurement,
    noisy,
    record,
    steady,
    trial,
    trial_pairs,
    write_predictions,
)
from equipment.results.records import phases

from bench.compare.counted_pairs import counting
from bench.compare.judging import judge
from bench.compare.matching import match, shared_runs
from bench.compare.measurement import Measurement, Pair, TrialPairs, read_images
from bench.compare.metrics import METRICS, phase_changes, phase_seconds, values_of
from bench.compare.output.files import write_verdict
from bench.compare.output.format import changed_operations, outcome
from bench.compare.reading import Side
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Learning, Memory, Speed, Status
from bench.errors import ExitCode, InputError
from bench.regress.planning import MOST, plan_pairs
from bench.regress.stopping import next_look
from bench.trials import measured
from bench.trials.origin import Environment, MachineFacts, Provenance
from bench.trials.record import Resumed


def predicted(tmp_path, rights, sources=(), sures=None) -> TrialPairs:
    """Pairs with these predictions: a (baseline, candidate) of right images each; times that are the same."""
    of = trial()
    pairs = []
    for number, sides in enumerate(rights):
        both = []
        for side, right in enumerate(sides):
            path = tmp_path / f"{number}-{side}.csv"
            sure = 0.9 if sures is None else sures[side] + 0.001 * number
            write_predictions(path, right, sources, sure)
            both.append(measurement(of, record(of, noisy(10, 1, 2 * number + side, 0.001)[0]), path))
        pairs.append(Pair(*both))
    return TrialPairs(of.key, "a trial", of.settings, tuple(pairs))


def some_right(images: int, share: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(images) < share


def replace_disturbed(pair: Pair) -> Pair:
    content = msgspec.structs.replace(pair.candidate.record, disturbed=("another process took a core",))
    return replace(pair, candidate=replace(pair.candidate, record=content))


def only(verdict):
    (found,) = verdict.trials
    return found


def test_ten_percent_more_time_is_slower_and_says_where():
    verdict = judge([trial_pairs(trial(), noisy(10, 10, 0), noisy(11, 10, 1))])
    found = only(verdict)
    assert (found.status, found.speed, found.regression) == (Status.JUDGED, Speed.SLOWER, True)
    assert verdict.exit_code == ExitCode.REGRESSION
    assert "steps (+0." in found.reason and "import" not in found.reason
    fit = found.metrics[0]
    assert fit.low < fit.ratio < fit.high
    assert 1.07 < fit.ratio < 1.11
    assert fit.evidence >= fit.bar and fit.spread < 0.02 and found.evidence["slower"] >= fit.bar
    faster = only(judge([trial_pairs(trial(), noisy(11, 10, 0), noisy(10, 10, 1))]))
    assert (faster.speed, faster.regression) == (Speed.FASTER, False)


def test_the_same_times_are_the_same():
    found = only(judge([trial_pairs(trial(), noisy(10, 8, 0), noisy(10, 8, 1))]))
    assert found.speed is Speed.SAME


def test_noise_is_inconclusive():
    trials = [trial_pairs(trial(), noisy(10, 6, 0, 0.2), noisy(10, 6, 1, 0.2))]
    verdict = judge(trials)
    assert only(verdict).speed is Speed.INCONCLUSIVE
    assert verdict.exit_code == ExitCode.NOT_ENOUGH_EVIDENCE
    after = next_look(verdict)
    assert not after.clear and after.helped == {trials[0].key: False}
    busy = [trials[0].with_pairs([replace_disturbed(pair) for pair in trials[0].pairs])]
    assert next_look(judge(busy)).helped == {trials[0].key: False}


def test_more_pairs_are_not_asked_for_where_they_are_one_training(tmp_path):
    old = some_right(60, 0.9, 0)
    new = old ^ some_right(60, 0.05, 2)
    trials = [predicted(tmp_path, [(old, new)] * 8)]
    verdict = judge(trials)
    assert (only(verdict).speed, only(verdict).learning) == (Speed.SAME, Learning.INCONCLUSIVE)
    after = next_look(verdict)
    assert (after.clear, after.helped) == (False, {}) and "more seeds" in after.why
    other = [replace(only(verdict), key="other", speed=Speed.INCONCLUSIVE), only(verdict)]
    assert next_look(replace(verdict, trials=tuple(other))).helped == {"other": False}
    several = [(some_right(60, 0.9, seed), some_right(60, 0.9, 50 + seed)) for seed in range(8)]
    varied = [predicted(tmp_path, several)]
    assert next_look(judge(varied)).helped == {varied[0].key: True}


def test_a_change_that_does_not_count_is_no_regression():
    """Two percent, seen beyond doubt."""
    found = only(judge([trial_pairs(trial(), noisy(10, 12, 0, 0.002), noisy(10.2, 12, 1, 0.002))]))
    assert found.speed is Speed.SAME
    assert max(metric.evidence for metric in found.metrics) > 100


def test_few_pairs_claim_nothing():
    found = only(judge([trial_pairs(trial(), [10.0] * 5, [20.0] * 5)]))
    assert found.speed is Speed.INCONCLUSIVE
    assert "5 pairs: to show a change it takes 7 or more" in found.metrics[0].note
    assert only(judge([trial_pairs(trial(), [10.0] * 9, [20.0] * 9)])).speed is Speed.SLOWER


def test_disturbed_pairs_are_left_out_counted_and_run_again():
    calm = trial_pairs(trial(), noisy(10, 6, 0), noisy(10, 6, 1))
    bad = trial_pairs(trial(), [10.0] * 2, [40.0] * 2, disturbed=("another process took a core",))
    both = calm.with_pairs([*calm.pairs, *bad.pairs])
    found = only(judge([both]))
    assert (found.pairs, found.disturbed, found.speed) == (8, 2, Speed.SAME)
    assert "with the disturbed pairs, which do not count: speed same" in found.notes
    never_quiet = calm.with_pairs([replace_disturbed(pair) for pair in calm.pairs])
    verdict = judge([never_quiet])
    assert only(verdict).speed is Speed.SAME
    assert any("so all count" in note for note in only(verdict).notes)
    few = calm.with_pairs([*bad.pairs, *calm.pairs[:2]])
    assert any("undisturbed" in note for note in only(judge([few])).notes)


def test_signs_that_the_software_under_test_has_a_share_in_leave_out_no_pair():
    """Whoever is slower waits longer, and its own reference work may be slower, too."""
    for reason, left_out in (
        ("Its threads waited for cores longer than by themselves in 30% of train.", 0),
        ("The reference work was 25% slower than its best: 150 of 200 GFLOP/s.", 0),
        ("Other processes used 0.50 of its 2 cores during train.", 2),
    ):
        marked = trial_pairs(trial(), [10.0] * 2, [40.0] * 2, disturbed=(reason,))
        calm = trial_pairs(trial(), noisy(10, 6, 0), noisy(10, 6, 1))
        found = only(judge([calm.with_pairs([*calm.pairs, *marked.pairs])]))
        assert (found.pairs, found.disturbed) == (8, left_out)
        assert len(found.metrics[0].ratios) == 8 - left_out


def test_whether_a_disturbed_pair_counts_is_decided_once_and_for_all():
    """By what came before it: else a later look could choose among the pairs anew."""
    calm = trial_pairs(trial(), noisy(10, 6, 0), noisy(10, 6, 1)).pairs
    bad = [replace_disturbed(pair) for pair in calm]
    of = trial_pairs(trial(), [], [])
    pairs = [bad[0], bad[1], calm[2], calm[3], calm[4], bad[5]]
    for number in range(1, 7):
        counted = counting(of.with_pairs(pairs[:number]))
        assert counted == tuple(one for one in pairs[:number] if one is not bad[5])


def test_times_of_resumed_runs_never_count(tmp_path):
    of = trial()
    calm = trial_pairs(of, noisy(10, 8, 0), noisy(10, 8, 1))
    summed = Resumed(from_epoch=2, attempts=(1, 2), lost_s=3.0)
    bad = trial_pairs(of, [10.0] * 8, [40.0] * 8, resumed=summed)
    found = only(judge([calm.with_pairs([*calm.pairs, *bad.pairs])]))
    assert (found.pairs, found.speed, len(found.metrics[0].ratios)) == (16, Speed.SAME, 8)
    assert any("8 pairs do not count: one of their runs was interrupted" in note for note in found.notes)
    alone = only(judge([bad]))
    assert (alone.speed, alone.metrics, alone.phases) == (Speed.INCONCLUSIVE, (), ())


def test_pairs_are_judged_in_the_order_of_time():
    of = trial()
    pairs = trial_pairs(of, noisy(10, 4, 0), noisy(10, 4, 1)).pairs
    dated = [
        replace(
            pair,
            baseline=replace(
                pair.baseline, record=msgspec.structs.replace(pair.baseline.record, started_at=at)
            ),
        )
        for pair, at in zip(pairs, ("2026-02-04", "2026-02-02", "2026-02-03", "2026-02-05"), strict=True)
    ]
    assert counting(trial_pairs(of, [], []).with_pairs(dated)) == (dated[1], dated[2], dated[0], dated[3])


def test_figures_from_different_sources_are_not_mixed():
    of = trial()
    with_steady = measurement(of, record(of, 10, steady=steady(50.0)))
    without = measurement(of, record(of, 10))
    values = values_of(METRICS["throughput"], [Pair(with_steady, without)])
    assert values.baseline == values.candidate
    both = values_of(METRICS["throughput"], [Pair(with_steady, with_steady)])
    assert both.baseline == [50.0]
    assert values_of(METRICS["peak_memory"], [Pair(without, without)]) is None


def test_phases_do_not_overlap():
    of = trial()
    content = record(of, 10, steady=steady(1.0, data_wait_share=0.25))
    seconds = phase_seconds(content)
    assert sum(seconds.values()) == pytest.approx(20.5)
    assert seconds["validation"] == pytest.approx(1.0)
    assert seconds["waiting"] == pytest.approx(9 / 4)


def test_a_planned_number_of_pairs_finds_what_it_was_planned_for():
    thresholds = Thresholds()
    noise = [
        trial_pairs(trial(epochs=n), noisy(10, 3, n, 0.03), noisy(10, 3, n + 50, 0.03)) for n in range(1, 5)
    ]
    plan = plan_pairs(noise, 4, thresholds)
    assert 10 < plan.pairs < 40 and plan.basis == 12
    assert plan.detectable[plan.metric] <= 0.1
    assert "A against A differs" in str(plan)
    quiet = [trial_pairs(trial(), noisy(10, 3, 1, 0.002), noisy(10, 3, 2, 0.002))]
    assert plan_pairs(quiet, 4, thresholds).pairs < plan.pairs
    assert plan_pairs([], 4, thresholds).metric is None
    loud = [trial_pairs(trial(), noisy(10, 3, 1, 0.9), noisy(10, 3, 2, 0.9))]
    assert plan_pairs(loud, 4, thresholds).pairs == MOST
    assert f"{MOST} pairs or more" in str(plan_pairs(loud, 4, thresholds))


def test_worse_with_one_network_a_side(tmp_path):
    old = some_right(600, 0.95, 0)
    new = old & some_right(600, 0.78, 1)
    found = only(judge([predicted(tmp_path, [(old, new)])]))
    assert (found.learning, found.regression, found.images) == (Learning.WORSE, True, 600)
    accuracy = found.differences[0]
    assert accuracy.low < accuracy.difference < accuracy.high < 0
    assert abs(accuracy.difference) > accuracy.bar > 0.14  # five points are assumed of one training
    assert "one network per side cannot show" in accuracy.note
    better = only(judge([predicted(tmp_path, [(new, old)])]))
    assert better.learning is Learning.BETTER


def test_one_network_a_side_is_not_the_software(tmp_path):
    """Beyond doubt for these two networks, but no more than another seed might make of it."""
    old = some_right(2000, 0.95, 0)
    new = old & some_right(2000, 0.96, 1)
    found = only(judge([predicted(tmp_path, [(old, new)])]))
    assert int((new & ~old).sum()) == 0 and int((old & ~new).sum()) > 50
    assert found.learning is Learning.INCONCLUSIVE
    assert "might differ as much; more seeds" in found.differences[0].note
    several = [(old, old & some_right(2000, 0.95, 10 + number)) for number in range(6)]
    assert only(judge([predicted(tmp_path, several)])).learning is Learning.WORSE


def test_the_same_images_right(tmp_path):
    seeds = [(old := some_right(1500, 0.95, n), old ^ some_right(1500, 0.01, 10 + n)) for n in range(5)]
    assert only(judge([predicted(tmp_path, seeds)])).learning is Learning.SAME


def test_one_network_a_side_is_never_the_same_unless_to_the_bit(tmp_path):
    old = some_right(4000, 0.95, 0)
    new = old ^ (np.arange(4000) == 7)
    found = only(judge([predicted(tmp_path, [(old, new)])]))
    assert found.learning is Learning.INCONCLUSIVE and found.differences[1].low is None


def test_too_few_images_for_the_margin_says_how_many(tmp_path):
    old = some_right(60, 0.9, 0)
    new = old ^ some_right(60, 0.05, 2)
    found = only(judge([predicted(tmp_path, [(old, new)])]))
    assert found.learning is Learning.INCONCLUSIVE
    assert "60 test images are too few for a margin of 2 points; it takes about" in found.differences[0].note


def test_identical_to_the_bit_is_the_same_however_few(tmp_path):
    old = some_right(12, 0.9, 0)
    found = only(judge([predicted(tmp_path, [(old, old)] * 4)]))
    assert found.learning is Learning.SAME
    assert found.differences[0].note == "identical to the bit"


def test_clustered_images_are_judged_by_source(tmp_path):
    """Fifty wrong images, but all of one source cell."""
    old = np.ones(200, bool)
    new = old.copy()
    new[:50] = False
    sources = [f"s{number // 50}" for number in range(200)]
    found = only(judge([predicted(tmp_path, [(old, new)], sources)]))
    assert found.learning is Learning.INCONCLUSIVE
    assert (found.images, found.sources) == (200, 4)
    alone = only(judge([predicted(tmp_path, [(old, new)])]))
    assert alone.learning is Learning.WORSE


def test_seeds_that_disagree_are_no_evidence(tmp_path):
    """What training varies by from seed to seed must not pass for the software's difference."""
    base = some_right(1000, 0.9, 0)
    rights = []
    shares = [(0.99, 0.9), (0.91, 0.99), (0.99, 0.93), (0.92, 0.99), (0.99, 0.94), (0.9, 0.98)]
    for seed, (old, new) in enumerate(shares):
        rights.append((base & some_right(1000, old, 10 + seed), base & some_right(1000, new, 20 + seed)))
    found = only(judge([predicted(tmp_path, rights)]))
    assert found.learning is Learning.INCONCLUSIVE
    assert found.differences[0].bar > abs(found.differences[0].difference)
    worse = [(old, old & some_right(1000, 0.92, 30 + n)) for n, (old, _) in enumerate(rights)]
    assert only(judge([predicted(tmp_path, worse)])).learning is Learning.WORSE


def test_a_loss_that_rises_is_worse_though_the_same_images_are_right(tmp_path):
    rights = [(right := some_right(1000, 0.95, n), right ^ some_right(1000, 0.002, 40 + n)) for n in range(6)]
    found = only(judge([predicted(tmp_path, rights, sures=(0.95, 0.8))]))
    accuracy, loss = found.differences
    assert (accuracy.verdict, loss.verdict, found.learning) == (
        Learning.SAME,
        Learning.WORSE,
        Learning.WORSE,
    )
    assert loss.difference > 0.05


def test_other_test_images_are_not_comparable(tmp_path):
    of = trial()
    paths = tmp_path / "a.csv", tmp_path / "b.csv"
    write_predictions(paths[0], [True] * 10)
    write_predictions(paths[1], [True] * 10, files="other")
    pair = Pair(*(measurement(of, record(of), path) for path in paths))
    found = only(judge([TrialPairs(of.key, "a trial", of.settings, (pair,))]))
    assert found.learning is Learning.NOT_COMPARABLE
    assert any("different test images" in note for note in found.notes)


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


def test_new_and_gone_name_the_nearest_trial():
    one, other = trial(epochs=3), trial(epochs=5)
    verdict = matched([measurement(one, record(one))], [measurement(other, record(other))])
    assert [found.status for found in verdict.trials] == [Status.GONE, Status.NEW]
    assert "epochs 3, there 5" in verdict.trials[0].notes[0]
    assert verdict.exit_code == ExitCode.NOT_ENOUGH_EVIDENCE


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


def test_more_memory_is_a_regression_and_less_is_not_faster():
    def pairs(old: int, new: int):
        of = trial()
        sides = [
            [
                measurement(of, record(of, seconds, memory=measured.Memory(process_peak=size)))
                for seconds in noisy(10, 12, seed)
            ]
            for seed, size in ((0, old), (1, new))
        ]
        return TrialPairs(of.key, "a trial", of.settings, tuple(map(Pair, *sides)))

    verdict = judge([pairs(1000, 1080)])
    found = only(verdict)
    assert (found.speed, found.memory, found.regression) == (Speed.SAME, Memory.LARGER, True)
    assert verdict.exit_code == ExitCode.REGRESSION and outcome(verdict) == "Regression: a trial larger"
    assert found.reason == "peak memory +8.0%"
    less = judge([pairs(1080, 1000)])
    assert (only(less).speed, only(less).memory) == (Speed.SAME, Memory.SMALLER)
    assert less.exit_code == ExitCode.OK
    assert only(judge([pairs(1000, 1000)])).memory is Memory.SAME


def test_a_phase_is_named_only_where_it_is_shown():
    """Of many phases some differ by two standard errors, whatever was changed: that is no news."""
    of = trial()
    names = ("startup", "reference_work", "data", "build", "features", "compile", "evaluate", "save")

    def pairs(seed: int, slower: float = 0.0):
        rng = np.random.default_rng(seed)
        sides = [
            [
                measurement(
                    of, record(of, phases=phases(**{n: 5 + rng.normal(0, 0.1) for n in names}, profile=more))
                )
                for more in 5 + extra + 0.1 * rng.standard_normal(4)
            ]
            for extra in (0.0, slower)
        ]
        return tuple(map(Pair, *sides))

    named = sum(any(one.clear for one in phase_changes(pairs(seed))) for seed in range(60))
    assert named <= 8  # of 3 that are expected
    assert next(one for one in phase_changes(pairs(1, 3.0)) if one.clear).phase == "profile"


def traced(of, milliseconds: dict[str, float]) -> Measurement:
    """A measurement with a trace of ten steps."""
    top = tuple(
        measured.Operation(op=name, self_s=0.01 * value, share=0.1) for name, value in milliseconds.items()
    )
    profile = measured.Profile(
        steps=10, wall_s=1.0, input_stall=None, kinds={}, top=top, kernel_busy=None, copies_s=None, trace="x"
    )
    return measurement(of, record(of, 10.0, profile=profile))


def test_operations_that_take_longer_are_named(tmp_path):
    of, noise = trial(), noisy(1, 32, 3, 0.05)
    pairs = [
        Pair(
            traced(of, {"Conv2D": 5 * a, "Softmax": 3 * b, "Tiny": 0.001, "Old": 1.0}),
            traced(of, {"Conv2D": 5 * c, "Softmax": 4.5 * d, "Tiny": 0.002, "New": 1.0}),
        )
        for a, b, c, d in zip(*[iter(noise)] * 4, strict=True)
    ]
    verdict = judge([TrialPairs("key", "lenet", of.settings, tuple(pairs))])
    first, second = verdict.trials[0].operations
    assert (first.operation, first.clear, first.up, first.pairs) == ("Softmax", True, 8, 8)
    assert first.ratio == pytest.approx(1.5, rel=0.1) and first.difference_ms == pytest.approx(1.5, rel=0.2)
    assert (second.operation, second.clear) == ("Conv2D", False)
    files = {path.name: path.read_text() for path in write_verdict(verdict, tmp_path)}
    assert all("Softmax" in files[name] for name in ("summary.md", "regression.json", "regression.html"))
    assert changed_operations(verdict)[0].startswith("lenet: Softmax 3")


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


@pytest.mark.parametrize("share", ["nan", "-5", "7", "0.05"])
def test_probabilities_that_cannot_be_are_refused(tmp_path, share):
    path = tmp_path / "predictions.csv"
    write_predictions(path, [True, True, True])
    path.write_text(path.read_text().replace("0.9,", f"{share},", 1))
    with pytest.raises(InputError, match="cannot be read"):
        read_images(path)


def test_damaged_predictions_cost_their_trial_alone(tmp_path):
    of, another = trial("VGG16"), trial("LeNet5")
    sides = []
    for side in ("old", "new"):
        found = []
        for one in (of, another):
            path = tmp_path / f"{side}-{one.network}.csv"
            write_predictions(path, [True] * 10)
            found.append(Measurement(record(one), path))
        sides.append(tuple(found))
    (tmp_path / "new-VGG16.csv").write_bytes(b"\xff\x00,,")
    verdict = judge(match(Side("old", sides[0]), Side("new", sides[1])))
    damaged, whole = sorted(verdict.trials, key=lambda one: one.images)
    assert (damaged.label, whole.label) == (of.label, another.label)
    assert any("new-VGG16.csv cannot be read" in note for note in damaged.notes)
    assert whole.images == 10
