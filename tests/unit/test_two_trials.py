"""Two trials of a suite: paired by the same test images, and their cost."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from equipment.results.records import a_trial
from equipment.results.suites import thesis_suite
from msgspec import structs
from scipy.stats import binomtest

from bench.commands.compare import _show_trials
from bench.commands.main import main
from bench.compare.discordance import Clusters
from bench.compare.two_trials import Side, TwoTrials, _differ, compare_trials, mcnemar
from wbc.errors import InputError
from wbc.evaluation.predictions import Predictions


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    return thesis_suite(folder, networks=("VGG16", "ResNet50"), plan=(("transfer", 100), ("scratch", 100)))


def rewrite(attempt, right: np.ndarray, sources: list[str] | None = None) -> None:
    """Predictions that are right where it is said."""
    known = Predictions.read_csv(attempt.predictions)
    labels = known.labels
    predicted = np.where(right, labels, (labels + 1) % len(known.classes))
    probabilities = np.eye(len(known.classes))[predicted] * 0.96 + 0.01
    replace(known, probabilities=probabilities, sources=sources or known.sources).write_csv(
        attempt.predictions
    )


def two(suite, share: float, sources: list[str] | None = None):
    """The second is wrong where the first is right for a share of the images."""
    results, ids = suite
    one, other = (results.latest(ids[number]) for number in (0, 1))
    count = len(Predictions.read_csv(one[0].predictions).labels)
    right = np.ones(count, bool)
    rewrite(one[0], right, sources)
    rewrite(other[0], np.arange(count) % 100 >= 100 * share, sources)
    return compare_trials(one, other), count


def test_a_difference_is_paired_and_its_sign_is_that_of_the_second(suite):
    found, count = two(suite, 0.1)
    assert found.images == count and found.only_second == 0
    assert found.difference == pytest.approx(found.second.balanced_accuracy - found.first.balanced_accuracy)
    assert found.low < found.difference < found.high < 0
    assert found.sentence.startswith(f"{found.first.trial} is better by")
    names = {name for name, *_ in found.differ}
    assert "network" in names and "mode" not in names
    assert found.p is None, "eleven images of each cell"


def test_times_of_several_kinds_of_device_are_not_compared(suite, capsys):
    results, ids = suite
    (one, ours), (other, theirs) = (results.latest(ids[number]) for number in (0, 1))
    assert compare_trials((one, ours), (other, theirs)).other_device == ""
    slot = structs.replace(theirs.slot, model="Another GPU")
    elsewhere = structs.replace(theirs, slot=slot)
    found = compare_trials((one, ours), (other, elsewhere))
    assert found.other_device == f"device {ours.slot.model} and Another GPU"
    _show_trials(found, as_json=False)
    said = capsys.readouterr().out
    assert f"Their times are not compared: {found.other_device}." in said and "times as long" not in said


def with_data(trial, **changes):
    """The record, its images with other settings."""
    attempt, record = trial
    settings = record.trial.settings
    settings = structs.replace(settings, data=structs.replace(settings.data, **changes))
    return attempt, structs.replace(record, trial=structs.replace(record.trial, settings=settings))


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"digest": "else"}, False),  # images that were replaced under the same names
        ({"digest": "else", "image_size": 99}, True),  # the same images, in another size
        ({"digest": "else", "name": "moved", "image_size": 99}, True),
        ({"digest": "else", "image_size": 99, "data_seed": 7}, False),  # other drawings
        ({"name": "renamed"}, True),
    ],
)
def test_images_of_the_same_names_may_be_others(suite, changes, same: bool):
    results, ids = suite
    one, other = (results.latest(ids[number]) for number in (0, 1))
    if same:
        assert compare_trials(one, with_data(other, **changes)).left_out == 0
    else:
        with pytest.raises(InputError) as caught:
            compare_trials(one, with_data(other, **changes))
        assert (caught.value.what, caught.value.way_out) == (
            "the trials were not tested on the same images",
            "Compare trials of one data set and one split.",
        )


def test_images_that_one_was_not_tested_on_are_left_out_and_counted(suite, capsys):
    found, count = two(suite, 0.1)
    results, ids = suite
    one, other = (results.latest(ids[number]) for number in (0, 1))
    known = Predictions.read_csv(other[0].predictions)
    fewer = {name: getattr(known, name)[3:] for name in ("files", "labels", "probabilities", "sources")}
    whole = other[0].predictions.read_bytes()
    try:
        replace(known, **fewer).write_csv(other[0].predictions)
        found = compare_trials(one, other)
    finally:
        other[0].predictions.write_bytes(whole)
    assert (found.images, found.left_out) == (count - 3, 3)
    _show_trials(found, as_json=False)
    said = "3 test images of one that the other was not tested on are left out.\n"
    assert said in capsys.readouterr().out


def test_equal_predictions_do_not_tell_trials_apart(suite):
    found, _ = two(suite, 0.0)
    assert found.difference == 0 and found.low < 0 < found.high
    assert "do not tell them apart" in found.sentence


def test_sources_make_the_interval_wider_and_without_them_mcnemar_counts(suite):
    count = len(Predictions.read_csv(suite[0].latest(suite[1][0])[0].predictions).labels)
    apart, _ = two(suite, 0.1, [str(number) for number in range(count)])
    together, _ = two(suite, 0.1, [str(number // 40) for number in range(count)])
    assert together.high - together.low > apart.high - apart.low
    assert together.p is None and apart.p == pytest.approx(mcnemar(apart.only_first, 0))


@pytest.mark.parametrize(
    ("difference", "low", "high", "said"),
    [
        (
            0.1,
            0.001,
            0.2,
            "b is better by 10.0 points of balanced accuracy, [+0.1 to +20.0] with 95 % confidence, on ",
        ),
        (0.1, 0.0, 0.2, "The same 50 images do not tell them apart: the second is better by 10.0 points"),
        (-0.1, -0.2, 0.0, "The same 50 images do not tell them apart: the second is worse by 10.0 points"),
        (-0.1, -0.2, -0.001, "a is better by 10.0 points of balanced accuracy, [-20.0 to -0.1] with 95 %"),
        (0.0, -0.1, 0.1, "The same 50 images do not tell them apart: no difference, [-10.0 to +10.0]."),
    ],
)
def test_which_is_better_is_said_where_the_interval_leaves_out_nought(difference, low, high, said):
    sides = (Side(name, 0.9, 0.9, 1.0, 1.0, ()) for name in "ab")
    assert TwoTrials(*sides, (), 50, 50, 3, 4, difference, low, high, "", None).sentence.startswith(said)


def test_an_interval_of_balanced_accuracies_by_hand(suite):
    """Every image weighs as the classes that are there share the images."""
    results, ids = suite
    one, other = (results.latest(ids[number]) for number in (0, 1))
    labels = Predictions.read_csv(one[0].predictions).labels
    rng = np.random.default_rng(4)
    rights = [rng.random(len(labels)) < share for share in (0.9, 0.7)]
    for (attempt, _), right in zip((one, other), rights, strict=True):
        rewrite(attempt, right, [str(number) for number in range(len(labels))])
    found = compare_trials(one, other)
    each = [[right[labels == label].mean() for label in np.unique(labels)] for right in rights]
    assert [side.balanced_accuracy for side in (found.first, found.second)] == pytest.approx(
        np.mean(each, axis=1)
    )
    assert [side.accuracy for side in (found.first, found.second)] == pytest.approx(
        [one.mean() for one in rights]
    )
    assert (found.only_first, found.only_second) == (
        int((rights[0] & ~rights[1]).sum()),
        int((rights[1] & ~rights[0]).sum()),
    )
    weights = len(labels) / len(np.unique(labels)) / np.bincount(labels)[labels]
    clusters = Clusters((rights[1] * 1.0 - rights[0]) * weights, np.ones(len(labels), int))
    half = clusters.half(0.95)
    assert (found.low, found.high) == pytest.approx((clusters.mean - half, clusters.mean + half))
    for way in (1, -1):
        rewrite(one[0], np.full(len(labels), way < 0), ["one"] * len(labels))
        rewrite(other[0], np.full(len(labels), way > 0), ["one"] * len(labels))
        edge = compare_trials(one, other)
        assert edge.difference == way and (edge.high, edge.low)[way < 0] == way, "never more than all images"


def test_mcnemar_is_exact():
    assert mcnemar(0, 0) == 1 and mcnemar(5, 5) == 1
    assert mcnemar(0, 6) == mcnemar(6, 0) == pytest.approx(2 * 0.5**6)
    assert mcnemar(2, 7) == mcnemar(7, 2) == pytest.approx(float(binomtest(2, 9).pvalue))
    assert mcnemar(1, 1) == 1.0


def test_other_images_are_refused(suite):
    results, ids = suite
    one, other = (results.latest(ids[number]) for number in (0, 2))
    known = Predictions.read_csv(other[0].predictions)
    replace(known, files=[f"other/{name}" for name in known.files]).write_csv(other[0].predictions)
    with pytest.raises(InputError, match="not tested on the same images") as caught:
        compare_trials(one, other)
    assert caught.value.way_out == "Compare trials of one data set and one split."
    other[0].predictions.unlink()
    with pytest.raises(InputError, match="has no predictions"):
        compare_trials(one, other)


def test_other_classes_are_refused_and_named(suite):
    results, ids = suite
    one, other = (results.latest(ids[number]) for number in (1, 3))
    known = Predictions.read_csv(other[0].predictions)
    kept = known.classes
    replace(known, classes=[*kept[:-1], "OTHER"]).write_csv(other[0].predictions)
    with pytest.raises(InputError) as caught:
        compare_trials(one, other)
    replace(known, classes=kept).write_csv(other[0].predictions)
    named = ", ".join(kept)
    assert caught.value.what == (
        f"the trials tell other classes apart: {named}, and {', '.join([*kept[:-1], 'OTHER'])}"
    )


def test_settings_that_differ_are_told_with_both_values_or_that_one_is_not_set():
    one, other = a_trial("VGG16", l1=0.5, epochs=3), a_trial("VGG16", epochs=4)
    found = _differ(one, other)
    assert set(found) == {("epochs", "3", "4"), ("l1", "0.5", "not set")}
    assert set(_differ(other, one)) == {("epochs", "4", "3"), ("l1", "not set", "0.5")}
    assert _differ(one, one) == ()


def test_on_the_command_line_parts_of_ids_are_enough(suite, capsys, monkeypatch):
    results, ids = suite
    monkeypatch.chdir(results.results.parent)
    folder = str(results.results)
    count = len(Predictions.read_csv(results.latest(ids[0])[0].predictions).labels)
    two(suite, 0.1, [str(number) for number in range(count)])
    assert main(["compare", "vgg16-transfer", "resnet50-transfer", "--results", folder, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["first"]["trial"] == ids[0] and content["difference"] < 0
    paths = [str(Path(folder) / "thesis" / "trials" / ids[number]) for number in (0, 1)]
    assert main(["compare", *paths, "--results", folder]) == 0
    said = capsys.readouterr().out
    assert "is better by" in said and "balanced accuracy %" in said and "times as long" in said
    assert main(["compare", "vgg16", "resnet50-transfer", "--results", folder]) == 2
    assert "is a part of 2 trials' ids" in capsys.readouterr().err
    for pair in (["nosuch", "resnet50-transfer"], ["resnet50-transfer", "nosuch"]):
        assert main(["compare", *pair, "--results", folder]) == 2
        said = capsys.readouterr().err
        assert "no id of a trial has the part nosuch" in said and "demo" not in said
    assert main(["compare", folder + "/thesis", "resnet50-transfer", "--results", folder]) == 2
    assert "resnet50-transfer names a trial, but" in capsys.readouterr().err
    assert main(["compare", "nosuch", "neither", "--results", folder]) == 2
