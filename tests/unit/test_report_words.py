"""What differs between trials, in words; contrasts of one thing; intervals of seeds and images together."""

import pandas as pd
import pytest
from equipment.results.journals import Course, trial_of, write_attempt
from equipment.results.records import some_settings

from bench.journal.results import SuiteResults
from bench.report.frame import configurations_frame, share_of, trials_frame
from bench.report.names import apart_from, flat, rate, variants
from bench.report.tables.contrasts import contrast_tables
from bench.report.tables.costs import memory_table
from bench.report.tables.table import Column, Table
from bench.trials.settings import EarlyStoppingSettings, OptimizerSettings

SECONDS = {"startup": 1.0, "compile": 1.0, "train": 30.0, "evaluate": 1.0, "teardown": 0.1}
RMSPROP = {"name": "RMSprop", "learning_rate": 1e-5, "decay": 1e-3}
ADAM = {"name": "Adam", "learning_rate": 1e-3, "decay": 0.0, "beta_1": 0.9}
STOPPING = {"patience": 5, "monitor": "validation_loss", "restore_best": True}


def adam(**changes) -> OptimizerSettings:
    return OptimizerSettings(**{**ADAM, **changes})


def said(*settings) -> list[str]:
    return [variant for variant, _ in variants([flat(one) for one in settings])]


def test_an_optimizer_is_its_name_and_rate():
    other = OptimizerSettings(**RMSPROP)
    assert said(some_settings(optimizer=adam()), some_settings(optimizer=other)) == [
        "Adam 1e-3",
        "RMSprop 1e-5",
    ]
    alike = said(some_settings(optimizer=adam()), some_settings(optimizer=adam(beta_1=0.5)))
    assert alike == ["Adam 1e-3 beta 1 0.9", "Adam 1e-3 beta 1 0.5"], "what else differs is said"
    assert said(some_settings(optimizer=adam()), some_settings(optimizer=adam())) == ["", ""]


@pytest.mark.parametrize(("value", "text"), [(1e-3, "1e-3"), (0.00025, "2.5e-4"), (0.01, "1e-2"), (1, "1e0")])
def test_rates_read_like_those_of_papers(value, text):
    assert rate(value) == text


def test_what_the_images_differ_in_is_said():
    def on(**data):
        return some_settings(data=data)

    assert said(on(), on(max_images_per_class=50), on(basophils=True), on(fold=1, folds=5)) == [
        "",
        "pilot of 50 images per class",
        "basophils",
        "5 folds",
    ]
    tested = [on(test_name="site-b", test_digest=digest * 32) for digest in ("ab", "cd")]
    assert said(on(), *tested) == ["", "external test site-b (ababab)", "external test site-b (cdcdcd)"]


def test_switches_are_words():
    stopping = EarlyStoppingSettings(**STOPPING)
    assert said(some_settings(early_stopping=None), some_settings(early_stopping=stopping)) == [
        "no early stopping",
        "early stopping",
    ]
    later = EarlyStoppingSettings(**{**STOPPING, "patience": 9})
    assert said(some_settings(early_stopping=later), some_settings(early_stopping=stopping)) == [
        "early stopping: patience 9",
        "early stopping: patience 5",
    ]
    assert said(some_settings(deterministic=True), some_settings(deterministic=False)) == [
        "deterministic",
        "not deterministic",
    ]


def test_what_differs_shows_even_where_epochs_differ_too():
    few, many = (
        some_settings(epochs=5, optimizer=OptimizerSettings(**RMSPROP)),
        some_settings(epochs=25, optimizer=adam()),
    )
    assert said(few, many) == ["RMSprop 1e-5", "Adam 1e-3"]


def test_hashes_but_one_setting():
    base = flat(some_settings(epochs=5, optimizer=adam()))
    longer = flat(some_settings(epochs=25, optimizer=adam()))
    both = flat(some_settings(epochs=25, optimizer=OptimizerSettings(**RMSPROP)))
    assert apart_from(base)["but_epochs"] == apart_from(longer)["but_epochs"]
    assert apart_from(base)["but_epochs"] != apart_from(both)["but_epochs"]
    assert apart_from(base)["but_mode"] != apart_from(longer)["but_mode"]
    of_modes = ("mode", "weights.name", "dropout", "head_epochs", "unfreeze", "freeze_batch_norm")
    for name in (*of_modes, "finetune_optimizer.name"):
        other = apart_from({**base, name: "another"})
        assert other["but_mode"] == apart_from(base)["but_mode"] and other != apart_from(base), name


def contrasts(tmp_path, *trials) -> dict[str, Table]:
    results = SuiteResults(tmp_path, "s")
    test = {
        "images": 90,
        "accuracy": 0.9,
        "loss": 1.0,
        "balanced_accuracy": 0.9,
        "per_class_accuracy": {"a": 0.9},
    }
    for trial in trials:
        write_attempt(results, trial, Course(SECONDS, 0.9, 9.0, test, predictions="file\n"))
    frame = configurations_frame(trials_frame(results, [trial.id for trial in trials]))
    return {table.file: table for table in contrast_tables("s", frame)}


def test_epochs_are_compared_only_where_nothing_else_differs(tmp_path):
    alone = contrasts(tmp_path / "alone", trial_of("VGG16", "transfer", 5), trial_of("VGG16", "transfer", 25))
    assert len(alone["epochs-compared"].frame) == 1
    mixed = (
        trial_of("VGG16", "transfer", 5, optimizer=RMSPROP),
        trial_of("VGG16", "transfer", 25, optimizer=ADAM, early_stopping=STOPPING),
    )
    assert "epochs-compared" not in contrasts(tmp_path / "mixed", *mixed)


def test_modes_are_compared_only_where_nothing_else_differs(tmp_path):
    own = {"dropout": 0.5}  # has a meaning in one of both only
    alone = contrasts(
        tmp_path / "a", trial_of("VGG16", "transfer", 5, **own), trial_of("VGG16", "scratch", 5)
    )
    assert len(alone["transfer-against-scratch"].frame) == 1
    mixed = (trial_of("VGG16", "transfer", 5), trial_of("VGG16", "scratch", 5, optimizer=ADAM))
    assert "transfer-against-scratch" not in contrasts(tmp_path / "b", *mixed)


def test_equal_seeds_do_not_hide_how_few_the_images_are(tmp_path):
    """Two seeds that agree have a spread of 0; other test images would still change the result."""
    results = SuiteResults(tmp_path, "s")
    from equipment.results.suites import CLASSES, _test_files, predictions_of

    from wbc.evaluation.metrics import score

    trials = [trial_of(network, "transfer", 5, seed) for network in ("VGG16", "VGG19") for seed in (0, 1)]
    for trial, accuracy in zip(trials, (0.9, 0.9, 0.1, 0.95), strict=True):
        test = score(predictions_of(_test_files(CLASSES, 10), CLASSES, accuracy, 0))
        write_attempt(results, trial, Course(SECONDS, 0.9, 9.0, test, predictions="file\n"))
    (row, wide) = configurations_frame(trials_frame(results, [one.id for one in trials])).to_dict("records")
    share, low, high = share_of(row)
    assert row["balanced_accuracy_t95_low"] == pytest.approx(share)
    assert low == pytest.approx(row["split_low"]) and high == pytest.approx(row["split_high"])
    assert high - low > 0.05
    assert share_of(wide)[1:] == (0, 1), "no share is below or above"


def test_columns_of_one_heading_do_not_replace_each_other():
    frame = pd.DataFrame({"a": ["x"], "b": ["y"]})
    headings, rows = Table("t", "t", frame, {"a": Column("same"), "b": Column("same")}).written()
    assert (headings, rows) == (["same", "same"], [["x", "y"]])


def test_the_weights_and_their_memory_are_two_columns():
    row = {
        "network": "VGG16",
        "weights": "imagenet",
        "mode": "transfer",
        "epochs": 5,
        "variant": "",
        "device": "",
    }
    frame = pd.DataFrame([{**row, "replicates": 1, "memory_weights": 2**30, "memory_total": 2**31}])
    headings, (values,) = memory_table("s", frame).written()
    shown = dict(zip(headings, values, strict=True))
    assert shown["weights"] == "imagenet" and shown["memory of weights"] == "1.00 GiB"
