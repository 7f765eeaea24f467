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
from scipy.stats import norm, t

from bench.compare.discordance import Clusters
from bench.compare.judging import judge
from bench.compare.learning import Compared, compared, content_of, judge_learning, learning_of
from bench.compare.matching import match
from bench.compare.measurement import Measurement, Pair, TrialPairs
from bench.compare.reading import Side
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Learning, Memory, Speed
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


def test_another_look_is_one_at_other_trainings_that_are_tested():
    accuracy, other = made([0.1, 0.2]), made([0.1, 0.3])
    one = {"a": {"accuracy": accuracy, "loss": accuracy}}
    contents = [
        content_of(found)
        for found in (
            one,
            {"b": one["a"]},
            {"a": {"accuracy": accuracy, "loss": other}},
            {"a": {"accuracy": other, "loss": accuracy}},
            {"a": {"accuracy": accuracy, "loss": replace(accuracy, baseline=accuracy.candidate)}},
            {"a": {"accuracy": accuracy}},
        )
    ]
    assert len(set(contents)) == len(contents) and {len(content) for content in contents} == {16}
    same = replace(other, identical=True)
    assert content_of({**one, "b": {"accuracy": same, "loss": same}}) == contents[0]
    assert content_of({"b": {"accuracy": same, "loss": same}}) == content_of({}) == ""


IMAGES = 400


def made(differences: list[float]) -> Compared:
    """Trainings whose means differ by this, in images half of which differ by a tenth more, the others by less."""
    spread = np.array(differences)
    by_image = np.resize([spread.mean() + 0.1, spread.mean() - 0.1], IMAGES)
    clusters = Clusters(by_image, np.ones(IMAGES, int))
    return Compared(np.full(len(spread), 0.75), 0.75 + spread, clusters, False)


def judged(
    accuracy: Compared, loss: Compared | None = None, thresholds: Thresholds | None = None, beside: int = 0
):
    """Accuracy and loss of a trial that is judged beside others."""
    loss = loss or replace(accuracy, candidate=accuracy.baseline)
    others = {str(number): {"accuracy": accuracy, "loss": loss} for number in range(beside)}
    found = judge_learning({"a": {"accuracy": accuracy, "loss": loss}, **others}, thresholds or Thresholds())
    return found["a"]


@pytest.mark.parametrize("beside", [0, 3])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 7])
def test_an_interval_and_a_bar_by_hand(number: int, beside: int):
    """The images and the trainings add in squares; the rate of errors is shared by all that is tested."""
    differences = [-0.03, -0.01, -0.02, 0.01, 0.0, -0.05, 0.02][:number]
    accuracy, loss = judged(made(differences), beside=beside)
    level = 0.01 * 0.8 / (2 * (1 + beside))
    residuals = IMAGES * 0.01

    def half(confidence: float, assumed: bool, resolution: int) -> float:
        error = np.sqrt(residuals + resolution) / (IMAGES + 2 * resolution)
        images = t.ppf((1 + confidence) / 2, IMAGES - 1) * error
        if assumed:
            return np.hypot(images, norm.ppf((1 + confidence) / 2) * 0.05 / np.sqrt(number))
        spread = np.std(differences, ddof=1) if resolution else 0.0
        return np.hypot(images, t.ppf((1 + confidence) / 2, number - 1) * spread / np.sqrt(number))

    mean, wide = np.mean(differences), half(0.95, number < 2, 1)
    assert (accuracy.difference, accuracy.low, accuracy.high) == pytest.approx(
        (mean, mean - wide, mean + wide)
    )
    assert (accuracy.baseline, accuracy.candidate) == pytest.approx((0.75, 0.75 + mean))
    assert accuracy.pairs == pytest.approx(tuple(differences))
    assert accuracy.bar == pytest.approx(max(0.02, half(1 - level, number < 4, 1)))
    assert (loss.low is None, loss.high is None, loss.bar is None) == (number < 2, number < 2, number < 4)
    if number > 1:
        assert (loss.low, loss.high) == pytest.approx((-half(0.95, False, 0), half(0.95, False, 0)))
    if number > 3:
        assert loss.bar == pytest.approx(max(0.05, half(1 - level, False, 0)))


@pytest.mark.parametrize(
    ("difference", "accuracy", "loss"),
    [
        (0.25, Learning.BETTER, Learning.WORSE),
        (0.249, Learning.SAME, Learning.SAME),
        (0.0, Learning.SAME, Learning.SAME),
        (-0.249, Learning.SAME, Learning.SAME),
        (-0.25, Learning.WORSE, Learning.BETTER),
    ],
)
def test_a_difference_of_the_margin_is_no_longer_the_same(difference: float, accuracy, loss):
    """Trainings that vary in nothing, and more images than leave a doubt."""
    images = Clusters(np.full(10**6, difference), np.ones(10**6, int))
    found = Compared(np.full(5, 0.5), np.full(5, 0.5 + difference), images, False)
    said = judged(found, found, Thresholds(margin=0.25, loss_margin=0.25))
    assert [one.verdict for one in said] == [accuracy, loss]
    assert [one.bar for one in said] == [0.25, 0.25]
    for name, edge in (("margin", 0), ("loss_margin", 1)):
        other = judged(found, found, replace(Thresholds(margin=0.25, loss_margin=0.25), **{name: 0.5}))
        assert other[edge].bar == 0.5 and other[1 - edge].bar == 0.25


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1, "; one network per side cannot"),
        (2, "; 2 networks per side"),
        (3, "; 3 networks per side"),
        (4, ""),
    ],
)
def test_why_learning_is_inconclusive(number: int, said: str):
    noisy = [0.015, -0.02, 0.02, -0.015][:number]

    def note(image: float, images: int) -> str:
        by_image = np.resize([image + 0.1, image - 0.1], images)
        clusters = Clusters(by_image, np.ones(images, int))
        found = Compared(np.full(number, 0.75), 0.75 + np.array(noisy), clusters, False)
        (accuracy, _) = judged(found)
        assert accuracy.verdict is Learning.INCONCLUSIVE
        assert (said in accuracy.note) and ("per side" in accuracy.note) == (number < 4)
        return accuracy.note

    many = 100_000
    tell = "neither a difference nor equivalence within 2 points is shown; more seeds would help"
    cannot = " cannot show how training varies from run to run; more seeds would"
    assert note(0.0, many) in (tell, f"{tell}{said.removesuffix(' cannot')}{cannot}")
    assert note(0.001, many).startswith("these networks differ, but networks of the same side might")
    half = Clusters(np.resize([0.1, -0.1], many), np.ones(many, int)).half(0.95)
    assert note(0.99 * half, many).startswith("neither") and note(1.01 * half, many).startswith("these")
    assert note(0.0, 200).startswith("200 test images are too few for a margin of 2 points; it takes about ")


def test_the_margin_of_the_loss_is_named_in_nats():
    images = Clusters(np.resize([2.0, -2.0], 100), np.ones(100, int))
    found = Compared(np.full(5, 1.0), 1.0 + np.array([0.5, -0.5, 0.5, -0.5, 0.0]), images, False)
    assert "100 test images are too few for a margin of 0.05 nats" in judged(found, found)[1].note
