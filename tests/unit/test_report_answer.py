"""The answer: which configuration is named, and that no sentence is said where it is false."""

import tomllib
from dataclasses import replace as changed
from pathlib import Path

import numpy as np
import pytest
from equipment.results.records import a_record, a_trial
from equipment.results.suites import CLASSES, thesis_suite
from msgspec.structs import replace

from bench.compare.noninferiority import non_inferior
from bench.journal.runs import noted_run
from bench.report import answer
from bench.report.answer import Decision, SameImages, decide, same_images, sentences
from bench.report.gather import gather
from bench.report.pareto import Candidate
from bench.report.selection import select_folder
from bench.report.winner import _toml, _training, epochs_said, suite_of, winner_of
from bench.suite.file import load_suite
from bench.suite.resolve import resolve_suite
from bench.trials.settings import EarlyStoppingSettings
from wbc.evaluation.metrics import score
from wbc.evaluation.predictions import Predictions


def candidate(name: str, accuracy: float, seconds: float, mode: str = "transfer") -> Candidate:
    return Candidate(name, name, mode, mode, accuracy, None, None, seconds, None, 3, name)


def images(seeds: int = 3, count: int = 4000, spread: float = 0.0, **accuracies: float) -> SameImages:
    """Right and wrong answers: the first so many of the images are right, fewer or more by seed."""
    right = {}
    for name, accuracy in accuracies.items():
        rows = [
            np.arange(count) < round(count * (accuracy + spread * (seed - (seeds - 1) / 2)))
            for seed in range(seeds)
        ]
        right[name] = np.array(rows, float)
    return SameImages(right, [str(number) for number in range(count)])


def asked(*found: Candidate, **options):
    made = images(**options, **{one.configuration: one.accuracy for one in found})
    decision = decide(found, made)
    return decision, " ".join(sentences(decision, found))


def test_the_fastest_that_is_as_good_is_worth_its_time():
    quick, slow = candidate("quick", 0.949, 5), candidate("slow", 0.95, 600)
    decision, said = asked(quick, slow)
    assert decision.named is quick
    assert "quick, transfer is worth its time: 94.9 % balanced accuracy in 5.00 s." in said
    assert "The most accurate, slow, transfer, has 0.1 points more and takes 120 times as long" in said
    assert "No other configuration is better by 2 points or more" in said
    assert "cannot tell" not in said


def test_times_of_several_kinds_of_device_are_not_set_beside_each_other():
    quick, slow = candidate("quick", 0.949, 5), candidate("slow", 0.95, 600)
    decision, said = asked(changed(quick, device="A100"), changed(slow, device="T4"))
    assert decision.named.label == "slow" and decision.shown is None and not decision.is_fastest
    assert answer.more_seeds(decision) == 0
    best = changed(slow, device="T4")
    assert decision == Decision(best, best, 2, None, None, None, 0, False, 0.02, 0, False, None, True)
    assert said == (
        "slow, transfer is the most accurate of 2: 95.0 % balanced accuracy in 10.0 min. "
        "Whether a faster one is as good is not told: trials ran on several kinds of device."
    )
    assert asked(*(changed(one, device="T4") for one in (quick, slow)))[0].named.label == "quick"


def test_a_fast_one_that_is_worse_is_never_named():
    quick, slow = candidate("quick", 0.90, 5), candidate("slow", 0.95, 600)
    decision, said = asked(quick, slow)
    assert decision.named is slow and "quick" not in said
    assert "is worth its time: 95.0 % balanced accuracy, the most accurate of 2," in said
    assert "points more" not in said


@pytest.mark.parametrize(("seeds", "count"), [(1, 4000), (3, 60)])
def test_too_few_seeds_or_images_cannot_tell_and_say_what_it_takes(seeds, count):
    quick, slow = candidate("quick", 0.94, 5), candidate("slow", 0.95, 600)
    decision, said = asked(quick, slow, seeds=seeds, count=count, spread=0.02)
    assert decision.named is slow and decision.shown is None
    assert "slow, transfer is the most accurate of 2" in said and "worth its time" not in said
    assert "we cannot tell: quick, transfer has 1.0 points less in 5.00 s, 120 times faster." in said
    assert "It would take about" in said or "both together" in said
    assert "No other configuration is better" not in said


def test_the_effort_names_only_what_would_do():
    takes = next(iter(non_inferior(images(a=0.95, b=0.94).right, [str(n) for n in range(4000)]).values()))
    few = changed(takes, images_needed=None, seeds_needed=12)
    assert answer._effort(few) == "It would take about 12 seeds."
    both = changed(takes, images_needed=1234, seeds_needed=12)
    assert answer._effort(both) == "It would take about 1,200 test images or 12 seeds."
    neither = changed(takes, images_needed=None, seeds_needed=None)
    assert "It would take" not in answer._effort(neither)


def test_nothing_faster_is_close():
    quick, slow = candidate("quick", 0.80, 5), candidate("slow", 0.95, 600)
    decision, said = asked(quick, slow, seeds=1)
    assert decision.shown is None or decision.named is slow
    assert "we cannot tell" not in said


def test_where_the_most_accurate_is_the_fastest_no_faster_one_is_looked_for():
    found = candidate("quick", 0.95, 5), candidate("slow", 0.945, 600)
    decision, said = asked(*found, seeds=1)
    assert decision.shown is None and decision.is_fastest
    assert "None of the others is faster." in said and "No faster configuration" not in said
    decision = decide(found, images(quick=0.95))
    assert decision.uncompared == 1 and answer.doubt(decision) == "None of the others is faster."
    assert decide(found[:1], images()).uncompared == 0, "there is nothing to compare it with"
    decision, said = asked(candidate("quick", 0.80, 5), candidate("slow", 0.95, 600), seeds=1, count=60)
    assert not decision.is_fastest and "None of the others is faster." not in said


def test_only_those_that_were_compared_are_said_to_be_no_better(monkeypatch):
    monkeypatch.setattr(answer, "MOST_COMPARED", 2)
    found = candidate("quick", 0.949, 5), candidate("slow", 0.95, 600), candidate("third", 0.94, 700)
    decision = decide(found, images(quick=0.949, slow=0.95))
    assert answer.proof(decision).startswith("None of the 2 most accurate configurations is better")
    late = candidate("quick", 0.95, 500), candidate("slow", 0.96, 600), candidate("early", 0.945, 5)
    decision = decide(late, images(seeds=1, count=60, quick=0.95, slow=0.96))
    assert decision.close and "No faster configuration" not in answer.doubt(decision)
    decision = decide(late, images(quick=0.95))
    assert (
        decision.faster is None
        and answer.doubt(decision) == "Whether a faster one is as good cannot be told."
    )
    far = candidate("quick", 0.7, 500), candidate("slow", 0.96, 600)
    assert answer.doubt(decide(far, images(quick=0.7))).startswith("No faster configuration comes within")


def test_more_seeds_are_proposed_where_they_would_do():
    def proposed(*found: Candidate, needed: int | None = None, **options) -> int:
        decision = asked(*found, **options)[0]
        if decision.takes is not None:
            decision = changed(decision, takes=changed(decision.takes, seeds_needed=needed))
        return answer.more_seeds(decision)

    close = candidate("quick", 0.94, 5), candidate("slow", 0.95, 600)
    assert [proposed(*close, seeds=1, needed=needed) for needed in (7, None, 57)] == [7, 0, 0]
    open_one = asked(*close, seeds=1)[0]
    assert answer.more_seeds(changed(open_one, takes=None, close=False)) == 5, "two more than three"
    assert answer.more_seeds(changed(open_one, takes=None, close=True)) == 0, "predictions are missing"
    assert proposed(candidate("quick", 0.949, 5), candidate("slow", 0.95, 600)) == 0, "it is told"
    assert answer.more_seeds(None) == 0 and proposed(candidate("only", 0.9, 5)) == 0


def test_without_predictions_nothing_is_shown():
    quick, slow = candidate("quick", 0.95, 5), candidate("slow", 0.95, 600)
    decision = decide([quick, slow], images(quick=0.95))
    said = " ".join(sentences(decision, [quick, slow]))
    assert "worth its time" not in said
    assert "1 configuration has no readable predictions" in said


def test_one_configuration_is_compared_with_nothing():
    only = candidate("only", 0.9, 5)
    decision = decide([only], SameImages())
    assert sentences(decision, [only]) == [
        "only, transfer comes to 90.0 % balanced accuracy in 5.00 s. It is the only one that is done."
    ]
    assert decide([], SameImages()) is None and answer.in_one_sentence(None) == ""


def test_what_is_not_shown_to_be_better_than_one_class_is_not_worth_its_time():
    quick, slow = (
        changed(candidate(name, accuracy, seconds), low=accuracy - 0.06, high=accuracy + 0.06)
        for name, accuracy, seconds in (("quick", 0.3, 5), ("slow", 0.301, 600))
    )
    made = changed(images(quick=0.3, slow=0.301), classes=4)
    decision = decide([quick, slow], made)
    floor = "to be better than always naming one class, which comes to 25.0 %: try more epochs"
    assert sentences(decision, [quick, slow])[0].startswith(
        "slow, transfer is the most accurate of 2: 30.1 %"
    )
    assert f"None of them is shown {floor}" in sentences(decision, [quick, slow])[1]
    assert f"None of them is shown {floor}" in answer.in_one_sentence(decision)
    assert answer.more_seeds(decision) == 0
    alone = decide([quick], changed(images(quick=0.3), classes=4))
    assert f"It is not shown {floor}" in answer.in_one_sentence(alone)
    # As soon as one is better, it is about its time again, at both sides of the edge.
    for low, worth in ((0.25, False), (0.2501, True)):
        decision = decide([quick, changed(slow, low=low)], made)
        assert ("worth its time" in answer.headline(decision)) is worth
        assert (answer.learned_nothing(decision) == "") is worth


def test_the_floor_is_said_only_where_it_is_one():
    svm, network = candidate("SVM", 0.6, 2, "classical"), candidate("net", 0.9, 60)
    assert "The best classical method, SVM, classical, comes to 60.0 %" in asked(svm, network)[1]
    assert "classical method" not in asked(candidate("SVM", 0.95, 2, "classical"), network)[1]
    assert "classical method" not in asked(candidate("quick", 0.6, 2), network)[1]
    assert answer.majority(0.808, 4) == (
        "Always naming the largest class comes to 80.8 % accuracy and 25.0 % balanced accuracy."
    )
    assert answer.majority(None, 4) == ""


def test_the_mean_of_the_images_is_the_balanced_accuracy(tmp_path):
    """Images are weighted by class, and rows of all configurations are the same trainings."""
    results, ids = thesis_suite(tmp_path, networks=("VGG16", "ResNet50"), plan=(("transfer", 9),), seeds=2)
    # One class loses three quarters of its images.
    for trial in ids:
        path = results.attempts(trial)[0].predictions
        head, *lines = path.read_text().splitlines()
        kept = [line for n, line in enumerate(lines) if f"/{CLASSES[0]}/" not in line or n % 4 == 0]
        path.write_text("\n".join([head, *kept]) + "\n")
    contents = gather(results, ids)
    found = same_images(results, contents.trials, contents.found)
    assert {values.shape[0] for values in found.right.values()} == {2}
    for one in contents.found:
        for row, trial in zip(
            found.right[one.configuration],
            contents.trials[contents.trials["configuration"] == one.configuration]["trial"],
            strict=True,
        ):
            read = Predictions.read_csv(results.attempts(trial)[0].predictions)
            assert np.nanmean(row) == pytest.approx(score(read)["balanced_accuracy"])
    assert set(found.sources) and len(set(found.sources)) < len(found.sources)


def test_the_margin_of_a_suite_reaches_the_page_and_is_kept_for_its_results_folder(tmp_path):
    table = load_suite_text(tmp_path, "[suite]\nmargin = 7.5\n[[matrix]]\nbackbone = 'LeNet5'\n").suite
    assert table.margin == 7.5
    results, ids = thesis_suite(tmp_path, networks=("VGG16", "ResNet50"), plan=(("transfer", 9),), seeds=2)
    assert gather(results, ids).decision.margin == 0.02
    assert gather(results, ids, margin=0.075).decision.margin == 0.075
    assert select_folder(results.folder).margin == 0.02
    with noted_run(results, ids, False, margin=0.075, description="for people"):
        pass
    selected = select_folder(results.folder)
    assert (selected.margin, selected.description) == (0.075, "for people")


def load_suite_text(folder, content: str):
    path = folder / "suite.toml"
    path.write_text(content)
    return load_suite(path)[0]


def test_epochs_that_were_run_are_said():
    trial = a_trial("VGG16", epochs=25)
    assert epochs_said([25, 25], trial.settings) == "It trained for all 25 epochs."
    stopped = replace(
        trial.settings,
        early_stopping=EarlyStoppingSettings(patience=3, monitor="validation_loss", restore_best=True),
    )
    assert epochs_said([4, 6], stopped) == "Early stopping ended it after 4 to 6 of 25 epochs."
    assert "Early stopping" not in epochs_said([4], trial.settings)
    some = epochs_said([4, 25, 6], stopped)
    assert some == "2 of 3 trainings ended by early stopping after 4 to 6 of 25 epochs, the others later."


def test_the_suite_to_copy_names_the_same_trial(tmp_path):
    """Written, loaded and expanded again, it is the configuration of a shipped suite, whatever its settings."""
    written = tmp_path / "first.toml"
    written.write_text(
        '[suite]\nname = "first"\nseeds = [3, 4]\n[data]\nimage_size = 48\ntrain_images_per_class = 9\n'
        '[training]\nweights = "random"\n'
        'optimizer = { name = "Adam", learning_rate = 2e-3, learning_rate_decay = 1e-3 }\n'
        "early_stopping = { patience = 7 }\ndropout = 0.25\n"
        '[[matrix]]\nmode = ["transfer", "scratch"]\nepochs = 5\nbackbone = { name = "MobileNet", alpha = 0.25 }\n'
        '[[matrix]]\nmode = "scratch"\naugmentation = true\nbackbone = "LeNet5"\nepochs = 3\n'
        '[[matrix]]\nmode = "classical"\nbackbone = "KNN"\n'
    )
    resolved = resolve_suite(written, tmp_path / "cache", "cpu")
    assert len(resolved.trials) == 8
    for trial in resolved.trials:
        again = tmp_path / f"{trial.id}.toml"
        again.write_text(suite_of(trial.settings, [trial.settings.seed], "first", None))
        assert load_suite(again)[0].suite.name == "first-winner"
        found = resolve_suite(again, tmp_path / "cache", "cpu").trials
        assert [one.key for one in found] == [trial.key], again.read_text()


def test_the_winner_shows_all_settings():
    record = a_record(a_trial("VGG16"))
    winner = winner_of([record], "s", None)
    names = dict(winner.settings)
    assert names["network"] == "VGG16" and names["seeds"] == "0" and "mode" in names
    assert winner.model == ""


def named(gap: float, draw: np.random.Generator, seeds: int = 3, count: int = 300) -> str:
    """The configuration that is named where a fast one is truly worse by `gap`, on classes of 80 and 20 %."""
    labels = (np.arange(count) >= 0.8 * count).astype(np.int64)
    weights = answer._equal_classes(labels)
    hardness = draw.random(count)
    right = {}
    for name, accuracy in (("quick", 0.92 - gap), ("slow", 0.92)):
        trained = accuracy + draw.normal(0, 0.01, (seeds, 1))
        # Networks tend to be wrong on the same images.
        noise = 0.7 * hardness + 0.3 * draw.random((seeds, count))
        threshold = np.quantile(0.7 * draw.random(20_000) + 0.3 * draw.random(20_000), trained.clip(0, 1))
        right[name] = (noise < threshold).astype(float) * weights
    made = SameImages(right, [str(number) for number in range(count)])
    found = [
        candidate(name, float(np.mean(values)), seconds)
        for (name, values), seconds in zip(right.items(), (5, 600), strict=True)
    ]
    decision = decide(found, made)
    return decision.named.label if decision.shown else "none"


def test_a_configuration_that_is_5_points_worse_is_never_worth_its_time():
    draw = np.random.default_rng(0)
    assert [named(0.05, draw) for _ in range(20)].count("quick") == 0


def test_at_the_margin_it_is_named_in_at_most_5_percent():
    draw = np.random.default_rng(1)
    assert sum(named(0.02, draw) == "quick" for _ in range(300)) <= 0.05 * 300 + 8


def test_equals_are_told_with_enough_seeds_and_images():
    draw = np.random.default_rng(2)
    assert sum(named(-0.01, draw, seeds=5, count=4000) == "quick" for _ in range(20)) >= 15


CORRECTED = {"protocol": "corrected", "loss": "categorical_crossentropy", "binary_accuracy": False}
CORRECTED |= {"evaluation": "aligned", "clock": "wall"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("protocol", "thesis-2018"), ("loss", "binary_crossentropy"), ("binary_accuracy", True),
     ("evaluation", "shuffled"), ("clock", "process")],
)  # fmt: skip
def test_one_setting_of_the_thesis_is_written_with_the_others(key: str, value: object):
    usual = replace(a_trial().settings, **CORRECTED)
    assert "thesis" not in _training(usual)
    found = _training(replace(usual, **{key: value}))
    assert found["thesis"] == {**CORRECTED, key: value} and not CORRECTED.keys() & found.keys()


@pytest.mark.parametrize(
    ("source", "folder", "path"),
    [("folder", "my cells", True), ("bccd", "x", False), ("folder", None, False)],
)
def test_the_suite_of_the_answer_names_a_folder_of_the_users(source: str, folder: str | None, path: bool):
    trial = a_trial()
    settings = replace(trial.settings, data=replace(trial.settings.data, source=source))
    text = suite_of(settings, [0], "cells", folder and Path(folder))
    assert ('path = "my cells"' in text.splitlines()) is path


@pytest.mark.parametrize(
    ("epochs", "done", "said"),
    [
        (0, [0], ""),
        (1, [1], "It trained for 1 epoch."),
        (9, [9, 9], "It trained for all 9 epochs."),
        (9, [4, 4], "It ended after 4 of 9 epochs."),
        (9, [4, 7], "It ended after 4 to 7 of 9 epochs."),
        (9, [4, 9, 7], "2 of 3 trainings ended after 4 to 7 of 9 epochs, the others later."),
    ],
)
def test_how_many_epochs_were_run(epochs: int, done: list[int], said: str):
    settings = replace(a_trial().settings, epochs=epochs, early_stopping=None)
    assert epochs_said(done, settings) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a-b_1": 2, "a.b": 0.5, "Größe": 1e-05}, '{ a-b_1 = 2, "a.b" = 0.5, "Größe" = 1e-05 }'),
        (["é", True, False], '["é", true, false]'),
        ('a"b\x7f', '"a\\"b\\u007f"'),
        ("", '""'),
    ],
)
def test_values_as_toml(value, said: str):
    assert _toml(value) == said
    assert tomllib.loads(f"x = {said}")["x"] == value
