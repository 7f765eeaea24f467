"""Records as tables: what is missing stays empty, what failed is a row that says why."""

import csv
import math
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from equipment.results.records import a_failure, a_record, a_trial, some_metrics, times, write_record
from equipment.results.tables import make_tables

from bench.journal.results import SuiteResults, latest_of
from bench.report.frame import configurations_frame, trials_frame
from bench.report.tables.table import Table, write_tables
from bench.trials.phases import BuildPhase, Phases
from bench.trials.record import Throughput
from bench.trials.trial import Trial

TIMES = ("fit_s", "fit_cpu_s", "result_s", "train_images_per_s", "feature_images_per_s", "parameters")


@pytest.fixture
def results(tmp_path: Path) -> SuiteResults:
    return SuiteResults(tmp_path / "results", "suite")


def trial(network: str = "VGG16", *, seed: int = 0, split: int = 0, **settings) -> Trial:
    content = {
        "data": {"source": "bccd", "split_seed": split, "digest": f"{split}"},
        "weights": {"name": "imagenet", "sha256": network},
        "mode": "transfer",
        "epochs": 3,
        "batch_size": 16,
        "seed": seed,
        **settings,
    }
    return a_trial(network, **content)


def record(results: SuiteResults, of: Trial, accuracy: float | None = 0.5, failure: tuple = ()) -> str:
    """An attempt at a trial that is over: done with an accuracy, or failed with (kind, message)."""
    attempt = results.new_attempt(of)
    done = not failure
    per_class = {"EOSINOPHIL": accuracy, "MONOCYTE": 1.0}
    content = a_record(
        failure=a_failure(*failure) if failure else None,
        phases=Phases(build=BuildPhase(wall_s=10.0, cpu_s=20.0, parameters=1_250_000)) if done else Phases(),
        fit_time=times(10.0, 20.0) if done else None,
        time_to_result=times(10.0, 20.0) if done else None,
        throughput=Throughput(train_images_per_s=40.0 if done else None, feature_images_per_s=None),
        test=some_metrics(accuracy, loss=1.0, per_class_accuracy=per_class) if done else None,
    )
    write_record(attempt, content)
    return of.id


def test_a_done_trial(results: SuiteResults):
    row = trials_frame(results, [record(results, trial(), 0.8)]).iloc[0]
    assert (row["network"], row["weights"], row["mode"], row["epochs"]) == (
        "VGG16",
        "imagenet",
        "transfer",
        3,
    )
    assert (row["status"], row["reason"], row["variant"], row["seeds"]) == ("done", "", "", "")
    assert (row["balanced_accuracy"], row["accuracy of EOSINOPHIL"], row["test_loss"]) == (0.8, 0.8, 1.0)
    assert (row["fit_s"], row["fit_cpu_s"], row["result_s"]) == (10, 20, 10)
    assert (row["train_images_per_s"], row["parameters"]) == (40, 1_250_000)
    assert math.isnan(row["feature_images_per_s"])


def test_a_failed_trial_is_a_row_with_its_reason(results: SuiteResults):
    ids = [record(results, trial("VGG19"), failure=("memory", "too large")), record(results, trial())]
    frame = trials_frame(results, ids)
    assert frame["trial"].tolist() == ids
    failed = frame.iloc[0]
    assert (failed["status"], failed["reason"]) == ("failed", "memory: too large")
    assert failed[[*TIMES, "test_accuracy", "balanced_accuracy", "accuracy of MONOCYTE"]].isna().all()
    (table,) = make_tables(results, ids)
    headings, (first, second) = table.written()
    assert first[headings.index("reason")] == "memory: too large"
    assert first[headings.index("accuracy %")] == ""
    assert second[headings.index("accuracy %")] == "50.0"


def test_a_trial_that_did_not_run_is_a_row(results: SuiteResults):
    ids = [record(results, trial()), trial("VGG19").id]
    frame = trials_frame(results, ids)
    assert frame["status"].tolist() == ["done", "not run"]
    assert frame.iloc[1].drop(["trial", "status"]).isna().all()


def test_nothing_ran(results: SuiteResults):
    tables = make_tables(results, [trial().id, trial("VGG19").id])
    assert [table.file for table in tables] == ["trials"]
    assert tables[0].frame["status"].tolist() == ["not run", "not run"]
    assert "not run" in tables[0].markdown()
    assert len(write_tables(tables, results.report)) == 3


def test_everything_failed(results: SuiteResults):
    ids = [record(results, trial(seed=seed), failure=("memory", "too large")) for seed in range(2)]
    (table,) = make_tables(results, ids)
    assert table.markdown().count("memory: too large") == 2
    replicates = configurations_frame(table.frame)
    assert replicates[["replicates", "failed"]].values.tolist() == [[0, 2]]
    assert replicates["balanced_accuracy"].isna().all()


def test_the_done_attempt_counts_before_later_failures(results: SuiteResults):
    record(results, trial(), failure=("memory", "first"))
    assert latest_of(results.attempts(trial().id))[1].attempt == 1
    record(results, trial(), 0.5)
    record(results, trial(), 0.75)
    record(results, trial(), failure=("memory", "last"))
    results.new_attempt(trial())
    assert latest_of(results.attempts(trial().id))[1].attempt == 3
    assert latest_of(results.attempts("another")) is None


def test_means_over_replicates(results: SuiteResults):
    ids = [record(results, trial(split=split), accuracy) for split, accuracy in enumerate((0.5, 0.75, 1.0))]
    ids.append(record(results, trial(split=3), failure=("memory", "too large")))
    ids.append(record(results, trial("VGG19"), 0.25))
    ids.append(trial("VGG19", split=1).id)
    trials, means = make_tables(results, ids)
    assert trials.frame["seeds"].tolist()[:5] == ["split 0", "split 1", "split 2", "split 3", "split 0"]
    first, second = means.frame.to_dict("records")
    assert (first["network"], first["replicates"], first["failed"]) == ("VGG16", 3, 1)
    assert first["balanced_accuracy"] == 0.75
    assert (first["accuracy_low"], first["accuracy_high"]) == (0.5, 1.0)
    assert first["accuracy of EOSINOPHIL"] == 0.75
    assert (first["fit_s"], first["epochs"]) == (10, 3)
    assert (second["network"], second["replicates"], second["failed"]) == ("VGG19", 1, 0)


def test_settings_that_differ_keep_configurations_apart(results: SuiteResults):
    ids = [
        record(results, trial(seed=seed, batch_size=size), size / 100) for size in (8, 16) for seed in (0, 1)
    ]
    trials, means = make_tables(results, ids)
    assert trials.frame["variant"].tolist() == [
        "batch size 8",
        "batch size 8",
        "batch size 16",
        "batch size 16",
    ]
    assert trials.frame["seeds"].tolist() == ["seed 0", "seed 1"] * 2
    assert means.frame["replicates"].tolist() == [2, 2]
    assert means.frame["balanced_accuracy"].tolist() == [0.08, 0.16]


def test_no_means_without_replicates(results: SuiteResults):
    tables = make_tables(results, [record(results, trial()), record(results, trial("VGG19"))])
    assert [table.file for table in tables] == ["trials"]


def test_markdown_escapes_and_stays_on_a_line(results: SuiteResults):
    odd = "a | b\nand\r\nc"
    (table,) = make_tables(results, [record(results, trial(), failure=("wrong|input", odd))])
    title, blank, *lines = table.markdown().splitlines()
    assert (title, blank) == ("### suite: every trial", "")
    assert len(lines) == 3
    assert "wrong\\|input: a \\| b and c" in lines[2]
    unescaped = [line.replace("\\|", "").count("|") for line in lines]
    assert len(set(unescaped)) == 1


def test_what_is_missing_is_empty_and_never_zero():
    frame = pd.DataFrame(
        {
            "network": ["a", "b"],
            "status": ["done", "failed"],
            "test_accuracy": [0.0, float("nan")],
            "fit_s": [float("nan"), 2.0],
            "result_s": [float("nan")] * 2,
        }
    )
    headings, rows = Table("t", "t", frame).written()
    assert headings == ["network", "status", "accuracy %", "fit s"]
    assert rows == [["a", "done", "0.0", ""], ["b", "failed", "", "2.0"]]


def test_status_is_no_news_when_all_is_done(results: SuiteResults):
    (table,) = make_tables(results, [record(results, trial())])
    headings, _ = table.written()
    assert not {"status", "reason", "failed"} & set(headings)


def test_written_files(results: SuiteResults):
    third = 1 / 3
    ids = [
        record(results, trial(), third),
        record(results, trial("VGG19"), failure=("memory", 'say "no", then\nstop')),
    ]
    paths = [Path(path) for path in write_tables(make_tables(results, ids), results.report)]
    files = sorted(path.name for path in (results.report / "tables").iterdir())
    assert files == ["trials.csv", "trials.md", "trials.tex"]
    with paths[0].open(newline="") as file:
        done, failed = csv.DictReader(file)
    assert float(done["test_accuracy"]) == third, "full precision"
    assert failed["reason"] == 'memory: say "no", then\nstop'
    assert {failed[name] for name in (*TIMES, "test_accuracy", "accuracy of MONOCYTE")} == {""}
    assert "33.3" in paths[1].read_text()


def test_both_evaluations_of_a_trial_stand_side_by_side_and_only_where_there_are_two(results: SuiteResults):
    plain = record(results, trial(), 0.9)
    (table,) = make_tables(results, [plain])
    headings, _ = table.written()
    assert not {"aligned %", "shuffled %", "val. %", "binary %", "clock", "timed s"} & set(headings)

    thesis = record(results, trial("VGG19", clock="process"), 0.25)
    (attempt,) = results.attempts(thesis)
    evaluations = {"aligned": some_metrics(0.93), "shuffled": some_metrics(0.25)}
    last = {"validation_accuracy": 0.92, "validation_binary_accuracy": 0.96}
    write_record(attempt, msgspec.structs.replace(attempt.record(), evaluations=evaluations, last_epoch=last))
    (table,) = make_tables(results, [plain, thesis])
    headings, rows = table.written()
    first, second = (dict(zip(headings, row, strict=True)) for row in rows)
    assert (first["aligned %"], first["shuffled %"], first["binary %"]) == ("90.0", "", "")
    assert (second["aligned %"], second["shuffled %"]) == ("93.0", "25.0")
    assert (second["val. %"], second["binary %"]) == ("92.0", "96.0")
    assert (first["clock"], first["timed s"]) == ("wall", "10.0")
    assert (second["clock"], second["timed s"]) == ("process", "20.0"), "CPU seconds, as the thesis had them"
