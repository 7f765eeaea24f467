"""Tables as the thesis has them, contrasts, and what stands beside the published figures."""

import csv
import math

import numpy as np
import pandas as pd
import pytest
from equipment.results.journals import Course, trial_of, write_attempt
from equipment.results.records import a_failure, a_record, a_runtime, a_trial, write_record
from equipment.results.suites import CLASSES, thesis_suite

from bench.errors import InputError
from bench.journal.results import SuiteResults
from bench.report.frame import configurations_frame, trials_frame
from bench.report.gather import all_tables
from bench.report.selection import recorded_ids, select_folder
from bench.report.tables.departures import departures_table
from bench.report.tables.formats import amount, as_latex, as_markdown, duration, durations, points
from bench.report.tables.reference import accuracies_beside, require_reference
from bench.report.tables.table import Table, write_tables
from wbc.evaluation.intervals import difference_interval, mean_interval, t_interval, wilson
from wbc.reference import thesis

NETWORKS = ("VGG16", "ResNet50", "DenseNet121")


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> tuple[SuiteResults, list[str]]:
    """Three networks as in the thesis, two replicates."""
    root = tmp_path_factory.mktemp("thesis")
    return thesis_suite(root, networks=NETWORKS, seeds=2, telemetry=False)


@pytest.fixture(scope="module")
def trials(suite) -> pd.DataFrame:
    return trials_frame(*suite)


@pytest.fixture(scope="module")
def tables(trials) -> dict[str, Table]:
    made = all_tables("thesis", trials, configurations_frame(trials), "thesis-2018")
    return {table.file: table for table in made}


def written(table: Table) -> list[dict[str, str]]:
    headings, rows = table.written()
    return [dict(zip(headings, row, strict=True)) for row in rows]


def test_a_table_a_mode_and_epoch_count_as_in_the_thesis(trials, tables):
    names = [name for name in tables if name.startswith("accuracy-")]
    assert names == ["accuracy-transfer-100", "accuracy-scratch-100", "accuracy-transfer-5000"]
    *networks, mean = written(tables["accuracy-scratch-100"])
    assert [row["network"] for row in networks] == list(NETWORKS)
    assert mean["network"] == "mean of 3"
    seeds = trials[(trials["network"] == "VGG16") & (trials["mode"] == "scratch")]
    own = seeds["accuracy of MONOCYTE"]
    interval, images = t_interval(own.to_numpy()), seeds[["low of MONOCYTE", "high of MONOCYTE"]].mean()
    # Other seeds and other test images would both change the mean.
    low = max(0, own.mean() - np.hypot(own.mean() - interval.low, own.mean() - images["low of MONOCYTE"]))
    high = min(1, own.mean() + np.hypot(interval.high - own.mean(), images["high of MONOCYTE"] - own.mean()))
    expected = f"{own.mean() * 100:.1f} [{low * 100:.0f}–{high * 100:.0f}]"
    assert networks[0]["MONOCYTE %"] == expected
    shares = [float(row["MONOCYTE %"].split()[0]) for row in networks]
    assert float(mean["MONOCYTE %"]) == pytest.approx(np.mean(shares), abs=0.06)


def test_training_time_as_the_thesis_reports_it(trials, tables):
    rows = written(tables["training-time-by-mode"])
    assert [(row["mode"], row["time"]) for row in rows[:4]] == [
        ("transfer", clock) for clock in ("fit, wall", "fit, CPU", "result, wall", "result, CPU")
    ]
    frame = tables["training-time-by-mode"].frame
    first = frame[(frame["mode"] == "transfer") & (frame["epochs"] == 100)].iloc[0]
    own = (
        trials[(trials["mode"] == "transfer") & (trials["epochs"] == 100)].groupby("network")["fit_s"].mean()
    )
    assert (first["fastest"], first["slowest"]) == (own.idxmin(), own.idxmax())
    assert first["mean_s"] == pytest.approx(own.mean())
    assert first["total_s"] == pytest.approx(own.sum())
    by_phase = written(tables["time-by-phase"])
    assert "features" in by_phase[0]
    assert all(row["features"] == "" for row in by_phase if row["mode"] == "scratch")


def test_transfer_against_scratch_and_few_epochs_against_many(tables):
    (resnet,) = [row for row in written(tables["transfer-against-scratch"]) if row["network"] == "ResNet50"]
    assert resnet["difference"].startswith("−")
    frame = tables["epochs-compared"].frame
    assert set(zip(frame["from"], frame["to"], strict=True)) == {(100, 5000)}
    row = frame.iloc[0]
    assert row["difference"] == pytest.approx(row["second_accuracy"] - row["first_accuracy"])
    assert row["times_longer"] == pytest.approx(row["second_fit_s"] / row["first_fit_s"])
    hours = (row["second_fit_s"] - row["first_fit_s"]) / 3600
    assert row["points_per_hour"] == pytest.approx(row["difference"] / hours)


def test_beside_the_published_figures(tables):
    rows = {(row["network"], row["mode"], row["epochs"]): row for row in written(tables["reference"])}
    assert rows["DenseNet121", "transfer", "100"]["theirs %"].startswith("98.0 [")
    right = 100 * (36 + 81 + 55 + 53) / 440
    assert rows["ResNet50", "transfer", "5000"]["theirs %"].startswith(f"{right:.1f}")
    assert rows["VGG16", "scratch", "100"]["exceeds"] == "yes", "chance against what a network learnt"
    assert rows["DenseNet121", "transfer", "100"]["exceeds"] == "no"
    assert any("shuffled" in note for note in tables["reference"].notes)
    times = written(tables["reference-time"])
    assert {row["metric"] for row in times} == {"mean", "fastest", "slowest", "total"}
    total = next(row for row in times if row["mode"] == "scratch" and row["metric"] == "total")
    assert total["theirs"] == f"{thesis()['training_time_s']['scratch_100']['total'] / 60:.0f} min"
    assert {row["theirs"].split()[-1] for row in times} == {"min"}, "one unit a column"


def test_what_forty_cells_cannot_show_does_not_exceed():
    """A difference that 110 images per class would show, and ten cells do not, is called by its name."""
    test = {
        f"{prefix}{name}": value
        for name in CLASSES
        for prefix, value in (("accuracy of ", 0.64), ("low of ", 0.57), ("high of ", 0.70))
    }
    head = {"network": "VGG16", "weights": "imagenet", "mode": "transfer", "epochs": 100, "variant": ""}
    head |= {"configuration": "its key", "device": ""}
    frame = accuracies_beside(pd.DataFrame([{**head, "status": "done", **test}]))
    row = frame[frame["class"] == "EOSINOPHIL"].iloc[0]
    theirs = thesis()["table_5_2_transfer_100_per_class_percent"]["VGG16"][0] / 100
    assert row["difference"] == pytest.approx(0.64 - theirs)
    assert row["exceeds"] == "only if images counted"
    by_trial = wilson(theirs * 10, 10)
    assert (row["theirs_low"], row["theirs_high"]) == (by_trial.low, by_trial.high)
    assert row["difference_low"] < row["difference_images_low"]
    assert row["difference_images_high"] < 0 < row["difference_high"]


def test_other_classes_have_nothing_beside_them(tmp_path):
    results, ids = thesis_suite(
        tmp_path, networks=("VGG16",), plan=(("transfer", 3),), classes=("cat", "dog"), telemetry=False
    )
    trials = trials_frame(results, ids)
    (table,) = [
        one
        for one in all_tables("s", trials, configurations_frame(trials), "thesis-2018")
        if one.file == "reference"
    ]
    assert table.frame.empty and "no counterpart" not in table.title
    assert "counterpart" in table.notes[0]
    assert "counterpart" in table.markdown() and table.latex().startswith("%")


def test_every_setting_that_differs_from_the_thesis_is_a_row():
    trial = a_trial("LeNet5", epochs=3, evaluation="aligned", optimizer={"rho": 0.8, "epsilon_outside": True})
    other = a_trial("VGG16", epochs=100, data={"background": "keep"})
    rows = {
        (row["setting"], row["ours"]): (row["theirs"], row["trials"])
        for row in written(departures_table("s", [trial, other]))
    }
    assert rows["network", "LeNet5"] == ("one of its eight", "1 of 2")
    assert rows["epochs", "3"] == ("100", "1 of 2")
    assert rows["evaluation", "aligned"] == ("shuffled", "1 of 2")
    assert rows["optimizer.rho", "0.8"] == ("0.9", "1 of 2")
    assert rows["optimizer.epsilon_outside", "false"] == ("true", "1 of 2")
    assert rows["data.background", "keep"] == ("remove", "1 of 2")
    assert rows["data.test_copies", "not set"] == ("11", "2 of 2")
    assert rows["keras", "3.15.1"] == ("2.2.2", "2 of 2")
    assert not {"image_size", "batch_size", "optimizer.learning_rate"} & {name for name, _ in rows}


def test_unknown_references_are_refused():
    require_reference(None)
    with pytest.raises(InputError, match="thesis-2017"):
        require_reference("thesis-2017")


def test_what_was_not_measured_has_a_reason(tmp_path):
    results, ids = thesis_suite(
        tmp_path, networks=("VGG16",), plan=(("transfer", 3),), energy=False, telemetry=False
    )
    trials = trials_frame(results, ids)
    (cost,) = [one for one in all_tables("s", trials, configurations_frame(trials)) if one.file == "cost"]
    headings, (row,) = cost.written()
    assert "energy" not in headings
    assert any("no energy counter" in note for note in cost.notes)
    assert dict(zip(headings, row, strict=True))["memory"] == "3.17 GiB"


def test_older_records_have_no_cost_and_no_zero(tmp_path):
    results = SuiteResults(tmp_path, "old")
    trial = trial_of("VGG16", "scratch", 3)
    seconds = {"startup": 1.0, "compile": 1.0, "train": 3.0, "evaluate": 1.0, "teardown": 0.1}
    test = {
        "images": 2,
        "accuracy": 0.5,
        "balanced_accuracy": 0.5,
        "loss": 1.0,
        "per_class_accuracy": {"a": 0.5},
    }
    write_attempt(results, trial, Course(seconds, 0.5, 3.0, test, predictions="file\n"))
    trials = trials_frame(results, [trial.id])
    assert trials["status"].tolist() == ["done"]
    assert not {"energy_j", "steady_images_per_s", "cpu_utilization"} & set(trials)
    assert all_tables("old", trials, configurations_frame(trials))


def test_intervals_of_sums():
    shares = [(0.8, 0.7, 0.9)] * 4
    interval = mean_interval(shares)
    assert (interval.low, interval.high) == (pytest.approx(0.75), pytest.approx(0.85))
    one = (0.9, wilson(9, 10).low, wilson(9, 10).high)
    two = (0.5, wilson(5, 10).low, wilson(5, 10).high)
    between, back = difference_interval(one, two), difference_interval(two, one)
    assert (between.low, between.high) == (pytest.approx(-back.high), pytest.approx(-back.low))
    # Newcombe (1998), table II, example (a) for 56/70 and 48/80: 0.0524 to 0.3339.
    first, second = wilson(56, 70), wilson(48, 80)
    newcombe = difference_interval((56 / 70, first.low, first.high), (48 / 80, second.low, second.high))
    assert (newcombe.low, newcombe.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.004, "4.00 ms"), (7.125, "7.12 s"), (83.4, "83.4 s"), (599, "9.98 min"), (64800, "18.0 h")],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ((49.2, 90.6, None), ["49.2 s", "90.6 s", ""]),
        ((120.0, 5400.0), ["2.00 min", "90.0 min"]),
        ((49.2, 36000.0), ["0.82 min", "600 min"]),
        ((0.004, 0.05), ["4.00 ms", "50.0 ms"]),
        ((0.05, 49.2), ["0.05 s", "49.2 s"]),
        ((0.0, 1e7), ["0.00 h", "2778 h"]),
        ((), []),
    ],
)
def test_durations_of_a_column_have_one_unit(seconds, said):
    write = durations(seconds)
    assert [write(value) for value in seconds] == said


def test_nothing_is_written_of_nothing():
    for write in (duration, amount("J"), points):
        assert write(math.nan) == ""
    assert amount("B", 1024)(3.4e9) == "3.17 GiB"
    assert points(-0.045, -0.2, 0.1) == "−4.5 [−20 to +10]"


ODD = 'a|b & 50 % of $x_1^2 #{<img src=x onerror=alert(1)>} \\end{table} ~ "q"'


def test_latex_keeps_text_as_text():
    latex = as_latex(ODD, ["network", ODD], [["VGG16", ODD]], [ODD])
    body = "\n".join(latex.splitlines()[1:])
    assert body.count(r"\end{table}") == 1
    stripped = body.replace(r"\%", "").replace(r"\&", "").replace(r"\$", "").replace(r"\#", "")
    stripped = stripped.replace(r"\_", "").replace(r"\{", "").replace(r"\}", "")
    assert not set("%$#_<>|~^") & set(stripped)
    assert stripped.count("&") == 2, "one between the columns in head and row"
    assert stripped.count("{") == stripped.count("}")


def test_markdown_keeps_text_as_text():
    markdown = as_markdown("t", ["network", ODD], [["VGG16", "[x](javascript:alert(1)) `c` *b*"]])
    assert "<img" not in markdown
    lines = markdown.splitlines()[2:]
    assert {line.replace("\\|", "").count("|") for line in lines} == {3}
    assert "](" not in lines[2] and r"\`c\`" in lines[2]


def test_tables_of_an_earlier_report_go(suite, tables, tmp_path):
    results = SuiteResults(tmp_path, "s")
    write_tables(tables.values(), results.report)
    folder = results.report / "tables"
    assert {path.suffix for path in folder.iterdir()} == {".csv", ".md", ".tex"}
    with (folder / "reference-classes.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 4 * len(tables["reference"].frame.query("replicates > 0"))
    write_tables([tables["trials"]], results.report)
    assert sorted(path.name for path in folder.iterdir()) == ["trials.csv", "trials.md", "trials.tex"]


def test_a_folder_is_a_suite_without_its_file(suite):
    results, ids = suite
    selected = select_folder(results.folder)
    assert sorted(selected.trial_ids) == sorted(ids)
    assert selected.notes == ()
    with pytest.raises(InputError, match="thesis"):
        select_folder(results.results)


def test_a_trial_is_found_by_a_suite_that_does_not_know_its_weights(tmp_path):
    results = SuiteResults(tmp_path, "s")
    ran = a_trial("VGG16", weights={"name": "imagenet", "sha256": "0123"})
    results.new_attempt(ran)
    asked = [
        a_trial("VGG16", weights={"name": "imagenet"}),
        a_trial("VGG16", weights={"name": "imagenet"}, seed=1),
    ]
    assert asked[0].id != ran.id
    assert recorded_ids(results, asked) == [ran.id, asked[1].id]


def test_of_trials_asked_for_alike_the_latest_counts(tmp_path):
    """Runs by two versions of TensorFlow are no replicates of one another."""
    results = SuiteResults(tmp_path, "s")
    seconds = {"startup": 1.0, "compile": 1.0, "train": 3.0, "evaluate": 1.0, "teardown": 0.1}
    test = {
        "images": 2,
        "accuracy": 0.5,
        "balanced_accuracy": 0.5,
        "loss": 1.0,
        "per_class_accuracy": {"a": 0.5},
    }
    course = Course(seconds, 0.5, 3.0, test, predictions="file\n")
    older, newer, failed = (
        a_trial("VGG16", a_runtime(tensorflow=version)) for version in ("2.21.0", "2.22.0", "2.23.0")
    )
    assert older.key == newer.key and older.id != newer.id
    write_attempt(results, older, course, seed=1)
    write_attempt(results, newer, course, seed=2)
    broken = Course(seconds, 0.5, 3.0, None, failure=("crashed", "killed"), stopped_at=1)
    write_attempt(results, failed, broken, seed=3)
    selected = select_folder(results.folder)
    assert selected.trial_ids == [newer.id], "the failed one is later, but says nothing"
    assert "2 older trials" in selected.notes[0]
    again = results.new_attempt(newer)
    again.runner_events.write_text('{"at": "2999-01-01T00:00:00+00:00"}\n')
    write_record(again, a_record(newer, failure=a_failure()))
    assert select_folder(results.folder).trial_ids == [newer.id], (
        "it is done, although its last attempt failed"
    )
