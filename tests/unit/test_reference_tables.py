"""What stands beside the published figures: every column, and what is compared with what."""

import math
from typing import Any

import pandas as pd
import pytest
from equipment.results.records import a_trial
from test_table_columns import HEAD, NAN, rows_of

from bench.report.tables import departures, reference
from bench.report.tables.reference import accuracies_beside, reference_tables, times_beside
from wbc.errors import InputError
from wbc.evaluation.intervals import Interval, wilson
from wbc.reference import thesis

THEIRS = (
    "Theirs: Tables 5.1 and 5.2 and appendix D of the thesis, 440 test images augmented from 40 cells, "
    "eleven images each, ten cells per class. Exceeds: the 95 % interval of the difference excludes 0 "
    "even if each of their cells counts once; 'only if images counted': it does if the eleven images of a "
    "cell were independent of one another. Our own interval is that of our test split, by its sources."
)
SCRATCH = (
    "The published accuracies from scratch compare shuffled predictions with files in directory order "
    "(appendix G). They are at chance level whatever the networks learned, so a difference from them says "
    "nothing about the networks."
)
TIMES = (
    "CPU seconds of first step and training, as the thesis timed them, on its machine ({}, {}). Other "
    "machines, other times; mean and total compare only where the same eight networks ran."
)
NONE = (
    "No configuration that is done has a counterpart in the thesis: its networks, with 100 or 5000 "
    "epochs, and its classes."
)

CLASSES = ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL")


def trial(network: str = "VGG16", share: float = 0.9, **changes: Any) -> dict[str, Any]:
    """A trial that is done, with the same accuracy in each class, and bounds of five points."""
    head = {**HEAD, "network": network, "epochs": 100, "configuration": network, "status": "done"}
    values = {"accuracy of ": share, "low of ": share - 0.05, "high of ": share + 0.05}
    return {
        **head,
        **{f"{prefix}{name}": one for name in CLASSES for prefix, one in values.items()},
        **changes,
    }


def test_a_row_a_class_and_one_for_their_mean():
    frame = accuracies_beside(
        pd.DataFrame([trial(share=0.8), trial(share=0.9), trial(status="failed", share=0.0)])
    )
    assert frame["class"].tolist() == ["mean of classes", *CLASSES]
    theirs = [value / 100 for value in thesis()["table_5_2_transfer_100_per_class_percent"]["VGG16"]]
    mean, first, *_ = frame.to_dict("records")
    assert first["theirs"] == pytest.approx(theirs[0]) and mean["theirs"] == pytest.approx(sum(theirs) / 4)
    assert (first["ours"], first["ours_low"], first["ours_high"], first["replicates"]) == (
        pytest.approx(0.85),
        pytest.approx(0.80),
        pytest.approx(0.90),
        2,
    )
    by_cell, by_image = wilson(theirs[0] * 10, 10), wilson(theirs[0] * 110, 110)
    assert (first["theirs_low"], first["theirs_high"]) == (by_cell.low, by_cell.high)
    # Newcombe's interval of a difference, from the bounds of both.
    for name, interval in (("difference", by_cell), ("difference_images", by_image)):
        low = first["difference"] - math.hypot(0.05, interval.high - theirs[0])
        high = first["difference"] + math.hypot(0.05, theirs[0] - interval.low)
        assert (first[f"{name}_low"], first[f"{name}_high"]) == (pytest.approx(low), pytest.approx(high))


def test_after_5000_epochs_theirs_are_those_of_the_published_matrix():
    rows = accuracies_beside(pd.DataFrame([trial(epochs=5000)])).to_dict("records")[1:]
    (entry,) = [
        one for one in thesis()["appendix_d_transfer"] if (one["backbone"], one["epochs"]) == ("VGG16", 5000)
    ]
    expected = [row[index] / sum(row) for index, row in enumerate(entry["confusion_matrix"])]
    assert [one["theirs"] for one in rows] == pytest.approx(expected) and 0 < min(expected) < 1


@pytest.mark.parametrize(
    ("low", "high", "exceeds"),
    [(0.0, 0.2, False), (1e-9, 0.2, True), (-0.2, 0.0, False), (-0.2, -1e-9, True), (-0.1, 0.1, False)],
)
def test_an_interval_that_ends_at_0_does_not_exclude_it(low: float, high: float, exceeds: bool):
    assert reference._excludes_0(Interval(low, high, "t")) is exceeds


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 5),
        ({"epochs": 99}, 0),
        ({"epochs": 5000}, 5),
        ({"mode": "scratch"}, 5),
        ({"mode": "scratch", "epochs": 5000}, 0),
        ({"mode": "finetune"}, 0),
        ({"network": "LeNet5"}, 0),
        ({"network": "LeNet5", "epochs": 5000}, 0),
        ({"low of MONOCYTE": NAN}, 3),
        ({"accuracy of OTHER": 0.5}, 0),
    ],
)
def test_only_what_has_a_counterpart_is_compared(changes: dict[str, Any], count: int):
    assert len(accuracies_beside(pd.DataFrame([trial(**changes)]))) == count
    two = pd.DataFrame([trial(**{"configuration": "x", **changes}), trial("VGG19")])
    assert len(accuracies_beside(two)) == (0 if "accuracy of OTHER" in changes else count + 5)


def test_classes_are_known_in_any_case_and_all_are_needed():
    lower = {name.replace("MONOCYTE", "Monocyte"): value for name, value in trial().items()}
    assert accuracies_beside(pd.DataFrame([lower]))["class"].tolist()[3] == "Monocyte"
    three = {name: value for name, value in trial().items() if "MONOCYTE" not in name}
    assert accuracies_beside(pd.DataFrame([three])).empty
    assert accuracies_beside(pd.DataFrame([trial()]).drop(columns="variant")).empty
    no_bounds = pd.DataFrame([trial()]).drop(columns=["low of MONOCYTE"])
    assert "MONOCYTE" not in accuracies_beside(no_bounds)["class"].tolist()


@pytest.mark.parametrize(
    ("share", "half", "exceeds"),
    [
        (0.99, 0.001, "yes"),
        (0.70, 0.001, "only if images counted"),
        (0.56, 0.001, "no"),
        (0.10, 0.001, "yes"),
    ],
)
def test_what_exceeds(share: float, half: float, exceeds: str):
    """Theirs: half of ten cells, and of 110 images."""
    by_cell, by_image = (reference._theirs(0.5, count) for count in (10, 110))
    assert reference._judged((share, share - half, share + half), by_cell, by_image)["exceeds"] == exceeds


def test_training_times_beside_the_published_ones():
    def of(network: str, seconds: float, **changes: Any) -> dict[str, Any]:
        times = {"fit_s": 1.0, "fit_cpu_s": seconds, "result_s": 2.0, "result_cpu_s": 3.0}
        return {**HEAD, "network": network, "epochs": 100, "variant": "", **times, **changes}

    frame = pd.DataFrame(
        [of("VGG16", 600.0), of("VGG19", 1200.0), of("LeNet5", 1.0), of("VGG16", 9.0, epochs=7)]
    )
    theirs = thesis()["training_time_s"]["transfer_100"]
    found = times_beside(frame).to_dict("records")
    assert [one["metric"] for one in found] == [
        one for one in ("mean", "fastest", "slowest", "total") if one in theirs
    ]
    ours = {one["metric"]: one["ours_s"] for one in found}
    assert ours == {"mean": 900.0, "fastest": 600.0, "slowest": 1200.0, "total": 1800.0}
    for one in found:
        seconds = (
            theirs[one["metric"]][1] if isinstance(theirs[one["metric"]], list) else theirs[one["metric"]]
        )
        assert one["theirs_s"] == seconds and one["times"] == pytest.approx(seconds / one["ours_s"])
        assert (one["networks"], one["epochs"], one["device"]) == (2, 100, "A100")
    trials = pd.DataFrame(
        [trial("VGG16"), trial("VGG19", 0.8), trial("VGG16", mode="scratch", configuration="s")]
    )
    whole, classes, times = reference_tables("s", trials, frame)
    assert [(table.title, table.file) for table in (whole, classes, times)] == [
        ("s: accuracy beside the thesis of 2018, mean of the classes", "reference"),
        ("s: accuracy beside the thesis of 2018, each class", "reference-classes"),
        ("s: training time beside the thesis of 2018", "reference-time"),
    ]
    assert [(row["network"], row["ours %"]) for row in rows_of(whole)] == [
        ("VGG16", "90.0 [88–92]"),
        ("VGG19", "80.0 [78–82]"),
        ("VGG16", "90.0 [88–92]"),
        ("mean of 2", "85.0"),
    ]
    assert len(rows_of(classes)) == 12 and "class" in rows_of(classes)[0] and "class" not in rows_of(whole)[0]
    assert whole.notes == classes.notes == (THEIRS, SCRATCH)
    machine = thesis()["machine"]
    assert times.notes == (TIMES.format(machine["cpu"], " and ".join(machine["gpus"])),)
    row = next(one for one in rows_of(times) if one["metric"] == "fastest")
    assert row["ours"].startswith("VGG16, ") and row["theirs"].startswith(theirs["fastest"][0])
    assert row["theirs / ours"] == f"{theirs['fastest'][1] / 600:.1f}"
    only = reference_tables("s", trials.iloc[:2], frame.iloc[:0].assign(replicates=pd.Series(dtype=int)))
    assert [table.file for table in only] == ["reference", "reference-classes"] and len(only[0].notes) == 1
    (none,) = reference_tables("s", trials.iloc[:0], frame.iloc[:0])
    assert (none.title, none.file) == ("s: beside the thesis of 2018", "reference")
    assert none.notes == (NONE,)
    (none,) = reference_tables("s", trials.assign(epochs=7), frame)
    assert (none.title, none.file) == ("s: beside the thesis of 2018", "reference")
    assert none.notes[0].startswith("No configuration that is done has a counterpart")


def test_references_that_are_known():
    for name in (None, "thesis-2018", "bloodmnist"):
        reference.require_reference(name)
    for name, way_out in (
        ("xyz", "Known: thesis-2018, bloodmnist."),
        ("bloodmnst", "Did you mean bloodmnist?"),
    ):
        with pytest.raises(InputError) as caught:
            reference.require_reference(name)
        assert caught.value.what == f"there are no published results {name!r}"
        assert caught.value.way_out.lower() == way_out.lower()


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), (True, "true"), (False, "false"), (1e-05, "1e-05"), (3, "3"), ("a", "a")],
)
def test_values_as_the_table_of_settings_spells_them(value: Any, text: str):
    assert departures._spelled(value) == text


def test_a_setting_may_be_a_table():
    flat = {"stopping.patience": 5, "stopping.restore": None, "decay": None}
    assert departures._value(flat, "stopping") == ("patience 5, restore none", True)
    assert departures._value(flat, "decay") == (None, True) and departures._value(flat, "other") == (
        None,
        False,
    )
    assert departures._value(flat, "optimizer.epsilon_outside") == (False, True)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"mode": "transfer", "epochs": 100}, None),
        ({"mode": "transfer", "epochs": 5000}, None),
        ({"mode": "transfer", "epochs": 7}, ("epochs", "100 or 5000", "7")),
        ({"mode": "scratch", "epochs": 100}, None),
        ({"mode": "scratch", "epochs": 5000}, ("epochs", "100", "5000")),
        ({"mode": "finetune", "epochs": 7}, ("mode", "transfer or scratch", "finetune")),
    ],
)
def test_modes_and_epochs_of_the_thesis(changes: dict[str, Any], found: tuple[str, str, str] | None):
    said = departures.departures_of(a_trial("VGG16", **changes))
    assert [one for one in said if one[0] in ("network", "mode", "epochs")] == ([found] if found else [])
