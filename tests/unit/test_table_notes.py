"""The sentences below the report's tables, whole: a word or a number that is wrong there misleads whoever reads it."""

from typing import Any

import pandas as pd
import pytest
from test_table_columns import HEAD

from bench.report.tables import accuracy_time, contrasts, costs, exported, external, latency, table
from bench.report.tables.published import published_table
from wbc.reference import bloodmnist

NOTES = [
    (
        costs._EXPLAINED,
        "Fit: first step and training with its validation, as the thesis timed it (in CPU seconds). Result: what a "
        "person waits, from the start of the process to the test metrics.",
    ),
    (
        costs._WITHIN,
        "Steady images/s: with the interval within the run. Other runs may differ by more: repeat with more seeds.",
    ),
    (table.BETWEEN_RUNS, "In brackets: 95 % interval of the mean over replicates (Student's t)."),
    (
        accuracy_time._EXPLAINED,
        "Time to an accuracy: seconds of feature extraction, first step and training with its validation, without "
        "checkpoints, up to the first epoch from which on the validation accuracy is never below the target. Never: it "
        "is below after the last epoch. The best is each trial's own.",
    ),
    (
        accuracy_time._SEEDS,
        "Over replicates: the median, with never as longer than any time. Its interval is from ranks: from six "
        "replicates on one of 95 %; of 2, 3, 4 and 5 the range, which holds the median of all seeds in 50, 75, 88 and "
        "94 % of cases.",
    ),
    (
        contrasts._NOTE,
        "Only configurations that differ in nothing else. In brackets: 95 % intervals, over replicates and test images "
        "together, else of the one test split. Differences are computed as if the two had different test images; with "
        "the same images their intervals are somewhat too wide.",
    ),
    (
        exported._NOTE,
        "Accuracy of all test images, one at a time; agreement: share of them of which both say the same. Latency: "
        "median of one image, on the processor for exported networks. int8: ranges from 100 training images.",
    ),
    (
        latency._EXPLAINED,
        "Seconds of a call from uint8 pixels to probabilities, with so many images at once, after warm-up and in "
        "turns: the median and the 95th and 99th percentile, where there were 20 and 100 calls. Images/s: over the "
        "time of all calls.",
    ),
]


@pytest.mark.parametrize(("note", "said"), NOTES)
def test_a_note_of_every_such_table(note: str, said: str):
    assert note == said


@pytest.mark.parametrize(
    ("column", "did", "took"),
    [
        ("features_found", "used features that another trial had extracted", "extracted its own"),
        ("pixels_found", "used pixels that another trial had decoded", "decoded its own"),
        ("training_shared", "began where a shorter training had ended", "trained all its epochs"),
    ],
)
def test_shared_work_is_explained(column: str, did: str, took: str):
    assert costs.shared_note(pd.DataFrame({column: [1.0, 1.0]})) == [
        f"2 trials {did}. Their times count what that took, as if each had {took}, so their intervals do not show how "
        "much that varies. As run: what they took themselves."
    ]


def test_disturbed_trials_are_pointed_to():
    rest = "The report's table of trials says why."
    found = [costs.disturbed_note(pd.DataFrame({"disturbed": ["x"] * count})) for count in (1, 2)]
    assert found == [
        [f"1 trial was disturbed: its times may not be its own. {rest}"],
        [f"2 trials were disturbed: their times may not be their own. {rest}"],
    ]


def test_the_notes_of_other_tests():
    row: dict[str, Any] = {**HEAD, "balanced_accuracy": 0.9, "external_balanced_accuracy": 0.7}
    row |= {
        f"{name}_{end}": 0.5
        for name in ("external_balanced_accuracy_t95", "balanced_accuracy")
        for end in ("low", "high")
    }
    found = external.external_table("s", pd.DataFrame([{**row, "external_images": 9.0}]))
    assert found.notes == (
        "In brackets the 95 % interval: over replicates where there are several, else of one test.",
    )
    published = bloodmnist()
    assert published_table("s", pd.DataFrame([HEAD])).notes == (
        f"Published: {published['source']}. Accuracy is the share of all 3,421 test images, AUC the mean over classes "
        "of one against the rest. In brackets the 95 % interval of one test (Wilson).",
        f"{published['checked']}.",
        "No configuration that is done was trained on BloodMNIST: its eight classes.",
    )
