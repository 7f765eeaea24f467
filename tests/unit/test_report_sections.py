"""Sentences and tables of the page's own parts, each with a case in which it would be false."""

from dataclasses import replace

import pandas as pd
import pytest

from bench.errors import command
from bench.report.sections import (
    balance,
    gone,
    independence,
    leaks,
    mistakes_said,
    next_steps,
    off_the_front,
    trial_table,
)
from wbc.data.manifest import ImageEntry, Manifest


def manifest(*images: tuple[str, str, str, str]) -> Manifest:
    """Of images as (split, class, source, hash)."""
    entries = tuple(
        ImageEntry(f"{split}/{name}/{number}.png", split, name, source, sha256)
        for number, (split, name, source, sha256) in enumerate(images)
    )
    return Manifest(entries, ("A", "B"))


APART = (("train", "A", "1", "x"), ("train", "B", "2", "y"), ("test", "A", "3", "z"), ("test", "B", "4", "w"))


def test_leaks_are_said_where_there_are_some():
    assert leaks(manifest(*APART), "data") == (
        "No file and no source is in two splits. Near-duplicates are another question: "
        f"{command()} data check data looks for them."
    )
    test, beside = (
        "so the test contains what was seen before.",
        "so validation, though not the test, contains what",
    )
    for more, said in (
        ([("test", "A", "1", "v")], f"1 source is in more than one split, {test}"),
        ([("test", "A", "1", "x")], f"1 file and 1 source are in more than one split, {test}"),
        (
            [("test", "A", "1", "x"), ("test", "A", "2", "y")],
            f"2 files and 2 sources are in more than one split, {test}",
        ),
        ([("test", "A", "9", "x")], f"1 file is in more than one split, {test}"),
        ([("validation", "A", "1", "v")], f"1 source is in more than one split, {beside} was seen before."),
    ):
        assert leaks(manifest(*APART, *more), "data") == said


def test_balance_is_of_the_training_images():
    assert balance(manifest(*APART)) == "All classes have as many training images."
    more = manifest(*APART, ("train", "A", "5", "u"), ("train", "A", "6", "t"))
    assert balance(more) == "A has 3.0 times as many training images as B."
    assert balance(manifest(*APART[2:])) == ""
    assert balance(manifest(APART[0])) == "No training image is of the class B."
    three = replace(manifest(APART[0]), classes=("A", "B", "C"))
    assert balance(three) == "No training image is of the classes B, C."


def test_augmented_test_images_are_no_sources():
    assert independence(manifest(*APART)) == ""
    copies = manifest(*APART, ("test", "A", "3", "k"))
    assert independence(copies) == (
        "The 3 test images come from 2 sources. Intervals count sources, not images."
    )
    assert "from 1 source." in independence(manifest(("test", "A", "3", "k"), ("test", "A", "3", "l")))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (lambda: gone(0), ""),
        (lambda: gone(1), "1 image is not in the data set any more, or has changed."),
        (lambda: gone(2), "2 images are not in the data set any more, or have changed."),
        (lambda: mistakes_said("VGG16", 0, 90), "VGG16: none of 90 test images."),
        (
            lambda: mistakes_said("VGG16", 3, 90),
            "VGG16: 3 of 90 test images. Those with the highest predicted probability:",
        ),
        (lambda: off_the_front(2, 2, 2), ""),
        (
            lambda: off_the_front(2, 3, 2),
            "Everything else takes at least as long without being more accurate.",
        ),
        (lambda: off_the_front(18, 18, 15), "The front goes on: 3 more are slower and more accurate."),
    ],
)
def test_sentences_fit_their_numbers(said, expected):
    assert said() == expected


def trials(**columns) -> pd.DataFrame:
    usual = {"trial": ["a", "b"], "network": ["VGG16", "VGG19"], "mode": ["transfer"] * 2, "epochs": [9, 9]}
    usual |= {"weights": ["imagenet"] * 2, "variant": ["", ""], "seeds": ["", ""], "status": ["done"] * 2}
    usual |= {"balanced_accuracy": [0.9, 0.8], "split_low": [0.85, 0.7], "split_high": [0.95, 0.9]}
    return pd.DataFrame({**usual, "result_s": [90.0, 8.0], "reason": ["", ""], **columns})


def test_only_settings_that_differ_are_columns():
    assert trial_table(trials()).headings == ["network", "balanced %", "time to result"]
    other = trial_table(trials(epochs=[9, 90]))
    assert other.headings == ["network", "epochs", "balanced %", "time to result"]
    assert "differs in" in trial_table(trials(variant=["Adam 1e-3", "SGD"])).headings


def test_early_stopping_shows_in_the_epochs_that_were_run():
    assert "epochs run" not in trial_table(trials(epochs_run=[9, 9])).headings
    assert "epochs run" in trial_table(trials(epochs_run=[9, 4])).headings


def test_marks_open_their_reasons():
    table = trial_table(
        trials(status=["done", "failed"], reason=["", "gpu-oom: no room"], disturbed=["Others.", None])
    )
    marks = [row[-1] for row in table.rows]
    assert [(one.text, one.reason) for one in marks] == [
        ("disturbed", "Others."),
        ("failed", "gpu-oom: no room"),
    ]
    assert "notes" not in trial_table(trials()).headings


def test_numbers_sort_as_numbers():
    times = [row[-1].order for row in trial_table(trials()).rows]
    assert times == [90.0, 8.0]
    assert trial_table(trials()).rows[0][1].text == "90.0 [85–95]"


RUN = ("Run what is not done; what is done stays.", "run demo")
SEEDS = (
    "Repeat trials with more seeds, for a firmer answer: in the suite's [suite].",
    "seeds = [0, 1, 2, 3, 4]",
)
KEPT = ("The network is kept. Load it with keras.models.load_model.", "m.keras")
LOST = (
    "The network was not kept, or is removed. Train it again, and keep it: in [suite] of the suite above.",
    "save_model = true",
)
SAVE = ("Keep these results, to compare later ones with them.", "baseline save before demo")
LOOK = ("Look at every trial's curves and files.", "ui")


@pytest.mark.parametrize(
    ("status", "model", "seeds", "steps"),
    [
        (["done", "done"], "m.keras", 0, [KEPT, SAVE, LOOK]),
        (["done", "failed"], "", 5, [RUN, SEEDS, LOST, SAVE, LOOK]),
        (["done", "done"], None, 0, [SAVE, LOOK]),  # a classical method has no network
        (["not run", "not run"], "", 0, [RUN]),
    ],
)
def test_the_next_steps_fit_what_is_done(status, model, seeds, steps):
    found = next_steps("leukobench run demo --reference x", trials(status=status), model, seeds)
    verbs = {"run demo", "baseline save before demo", "ui"}
    assert [(one.why, one.command) for one in found] == [
        (why, f"{command()} {what}" if what in verbs else what) for why, what in steps
    ]
    assert next_steps("", trials(status=["not run"] * 2), "", 0)[0].command == f"{command()} run SUITE"
