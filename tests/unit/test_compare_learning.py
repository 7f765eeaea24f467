"""Verdicts on learning: the same test images, by sources and seeds."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from comparison_equipment import (
    measurement,
    only,
    predicted,
    record,
    some_right,
    trial,
    write_predictions,
)

from bench.compare.discordance import Clusters
from bench.compare.judging import judge
from bench.compare.learning import Compared, compared, judge_learning, learning_of
from bench.compare.matching import match
from bench.compare.measurement import Measurement, Pair, TrialPairs, read_images
from bench.compare.reading import Side
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Learning, Memory, Speed
from bench.errors import InputError
from bench.regress.stopping import next_look


def test_more_pairs_are_not_asked_for_where_they_are_one_training(tmp_path):
    old = some_right(60, 0.9, 0)
    new = old ^ some_right(60, 0.05, 2)
    trials = [predicted(tmp_path, [(old, new)] * 8)]
    verdict = judge(trials)
    assert (only(verdict).speed, only(verdict).learning) == (Speed.SAME, Learning.INCONCLUSIVE)
    after = next_look(verdict)
    assert after.helped == {} and "more seeds" in after.why
    for unclear in ({"speed": Speed.INCONCLUSIVE}, {"memory": Memory.INCONCLUSIVE}):
        other = [replace(only(verdict), key="other", **unclear), only(verdict)]
        assert next_look(replace(verdict, trials=tuple(other))).helped == {"other": False}
    several = [(some_right(60, 0.9, seed), some_right(60, 0.9, 50 + seed)) for seed in range(8)]
    varied = [predicted(tmp_path, several)]
    assert next_look(judge(varied)).helped == {varied[0].key: True}


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


def test_one_pair_that_is_identical_to_the_bit_is_not_all(tmp_path):
    alike, before, after = some_right(60, 0.9, 0), some_right(60, 0.9, 1), some_right(60, 0.9, 2)
    found = only(judge([predicted(tmp_path, [(alike, alike), (before, after)])]))
    assert found.learning is Learning.INCONCLUSIVE
    assert found.differences[0].note != "identical to the bit"


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


def test_worse_accuracy_is_worse_though_the_loss_is_better():
    def said(*verdicts: Learning) -> Learning:
        return learning_of([SimpleNamespace(verdict=one) for one in verdicts])

    assert said(Learning.WORSE, Learning.BETTER) is said(Learning.BETTER, Learning.WORSE) is Learning.WORSE
    assert said(Learning.SAME, Learning.BETTER) is Learning.BETTER
    assert said(Learning.SAME, Learning.INCONCLUSIVE) is Learning.SAME


def test_one_training_whose_images_are_told_in_another_order_counts_once(tmp_path):
    right = some_right(20, 0.9, 0)
    pairs = []
    for name in ("one", "again"):
        (tmp_path / name).mkdir()
        pairs += predicted(tmp_path / name, [(right, right)]).pairs
    other = tmp_path / "again" / "0-1.csv"
    head, *rows = other.read_text().splitlines()
    other.write_text("\n".join([head, *reversed(rows)]) + "\n")
    assert len(compared(pairs)["accuracy"].baseline) == 1


def test_images_are_paired_by_name_whatever_their_order(tmp_path):
    old, new = some_right(300, 0.8, 0), some_right(300, 0.8, 0) ^ some_right(300, 0.05, 1)
    pairs = predicted(tmp_path, [(old, new)])
    straight = compared(pairs.pairs)
    head, *rows = (tmp_path / "0-1.csv").read_text().splitlines()
    (tmp_path / "0-1.csv").write_text("\n".join([head, *reversed(rows)]) + "\n")
    turned = compared(predicted_from(pairs))
    for metric in ("accuracy", "loss"):
        assert turned[metric].clusters.error() == pytest.approx(straight[metric].clusters.error())
        assert not turned[metric].identical
    assert straight["accuracy"].clusters.error() * 300 < 1.1 * np.sqrt((old ^ new).sum() + 1)


def predicted_from(pairs: TrialPairs) -> list[Pair]:
    """The same pairs, with predictions that are read anew."""
    return [Pair(replace(one.baseline), replace(one.candidate)) for one in pairs.pairs]


def learned(differences: list[float]) -> Learning:
    """The verdict on trainings whose accuracy differs by this, in 10,000 images that tell no more."""
    spread = np.array(differences)
    found = Compared(
        np.full(len(spread), 0.9),
        0.9 + spread,
        Clusters.of(np.full(10_000, spread.mean()), [f"s{number}" for number in range(10_000)]),
        False,
    )
    return judge_learning({"a": {"accuracy": found, "loss": found}}, Thresholds())["a"][0].verdict


def test_the_same_is_shown_by_two_one_sided_tests():
    """The half width with 5 trainings is 1.04 standard deviations at a rate of 4 % a side; 1.34 at 2 %."""
    for sd, expected in ((0.0172, Learning.SAME), (0.0197, Learning.INCONCLUSIVE)):
        assert learned([sd * one for one in (-1.0, -1.0, 0.0, 1.0, 1.0)]) is expected
    assert learned([0.016, 0.018, 0.019, 0.02, 0.022]) is Learning.INCONCLUSIVE, "the mean counts as well"


def test_with_three_trainings_a_side_how_they_vary_is_assumed():
    assert [learned([-0.06, -0.061, -0.059, -0.06][:number]) for number in (3, 4)] == [
        Learning.INCONCLUSIVE,
        Learning.WORSE,
    ]
