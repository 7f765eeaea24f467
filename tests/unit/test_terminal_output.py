"""What verbs print of tables, suites, plans and machines, and what they say of names that are not there."""

import json
import re
from contextlib import contextmanager
from importlib import import_module
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from equipment.results.records import a_failure, a_record, a_trial
from equipment.results.suites import thesis_suite
from equipment.suites import FEW_CELLS
from image_folders import split_folder, write_color

from bench.commands import compare, plan, report
from bench.commands.main import main
from bench.commands.target import find_target
from bench.commands.terminal import MOST_ROWS, Terminal, print_table
from bench.errors import InputError, InterruptedRun
from bench.journal.results import SuiteResults
from bench.plan.decide import PlannedTrial, Prediction
from bench.report.tables.table import Table
from bench.trials.datasets import DataSet
from bench.worker.predict import Answer


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> tuple[SuiteResults, list[str]]:
    """Two networks in two modes."""
    return thesis_suite(
        tmp_path_factory.mktemp("recorded"),
        networks=("VGG16", "ResNet50"),
        plan=(("transfer", 9), ("scratch", 9)),
        cells_a_class=2,
        telemetry=False,
    )


def said(capsys, *arguments: str, code: int = 2) -> str:
    """What a verb says on standard error."""
    assert main(list(arguments)) == code
    return capsys.readouterr().err


@pytest.mark.parametrize("count", [MOST_ROWS, MOST_ROWS + 1])
def test_a_table_has_so_many_rows_and_names_what_is_equal_once(count: int):
    frame = pd.DataFrame(
        {"network": [f"n{number}" for number in range(count)], "mode": "transfer", "fit_s": 1.0}
    )
    frame.loc[1, "fit_s"] = 100.0
    out = StringIO()
    print_table(Terminal(file=out, width=100), Table("A title", "t", frame, notes=("a note",)))
    lines = [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]
    assert (
        " ".join(out.getvalue().split()).startswith("A title (mode transfer) ")
        and lines[-1].strip() == "a note"
    )
    rows = [line for line in lines if re.match(r"\s*n\d", line)]
    assert len(rows) == MOST_ROWS == 60
    assert (f"{MOST_ROWS} of {count} rows; all are in t.csv." in [line.strip() for line in lines]) is (
        count > 60
    )
    assert rows[0].index("1.0") + len("1.0") == rows[1].index("100.0") + len("100.0"), (
        "numbers end at one place"
    )
    one = StringIO()
    print_table(Terminal(file=one, width=100), Table("A title", "t", frame.head(1)))
    heading = [line.split() for line in one.getvalue().splitlines() if "network" in line]
    assert heading == [["network", "mode", "fit", "s"]]
    assert "A title" in [line.strip() for line in one.getvalue().splitlines()]


def test_a_report_says_where_its_files_are(recorded, capsys):
    results, _ = recorded
    assert said(capsys, "report", str(results.folder), code=0).splitlines()[-2:] == [
        f"Tables (CSV, Markdown, LaTeX): {results.report}/tables",
        f"Report: {results.report}/report.html",
    ]
    assert main(["report", "--all", "--results", str(results.results)]) == 0
    printed = capsys.readouterr()
    headings = [line.split() for line in printed.out.splitlines() if "answer" in line]
    assert headings[0] == ["suite", "done", "answer"] and "4 of 4" in printed.out
    assert printed.err.endswith(f"Page: {results.results}/suites.html\n")
    assert main(["report", "--all", "--results", str(results.results), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (line,) = document["suites"]
    assert (line["suite"], line["done"], line["total"]) == ("thesis", 4, 4)
    assert document["page"] == f"{results.results}/suites.html"
    assert said(capsys, "report", "demo", "--all") == (
        "error: report takes a suite or --all, not both\nhint: Leave one of them out.\n"
    )
    assert said(capsys, "report") == (
        "error: report needs a suite\nhint: Name one, or give --all for a page over all of them.\n"
    )


@pytest.mark.parametrize(("trials", "tried"), [(2, True), (3, False)])
def test_the_page_of_a_large_run_is_left_to_report(tmp_path: Path, monkeypatch, trials: int, tried: bool):
    def fail(*given, **more):
        raise ValueError("no room")

    assert report.QUICK_TRIALS == 200
    monkeypatch.setattr(report, "QUICK_TRIALS", 2)
    monkeypatch.setattr("bench.report.report.make_report", fail)
    (tmp_path / "mine.toml").write_text('[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\n')
    out = StringIO()
    results, ids = SuiteResults(tmp_path, "mine"), [str(number) for number in range(trials)]
    assert report.write_page(Terminal(file=out), results, ids, tmp_path / "mine.toml") is None
    said = "warning: the report could not be written: ValueError: no room\n"
    assert out.getvalue() == (said if tried else "")


def test_parts_of_ids_that_name_no_trial_or_several(recorded, capsys, monkeypatch):
    results, _ = recorded
    own = ("--results", str(results.results))
    vgg = [one for one in results.trial_ids() if "vgg16" in one]
    assert said(capsys, "compare", "nosuch", "vgg16", *own) == (
        f"error: no id of a trial has the part nosuch\nhint: Ids look like {vgg[0]}.\n"
    )
    several = "error: vgg16 is a part of 2 trials' ids\nhint: Name one:\n"
    assert said(capsys, "compare", "vgg16", "resnet50-transfer", *own) == f"{several}{vgg[0]}\n{vgg[1]}\n"
    assert compare.SHOWN_TRIALS == 8
    monkeypatch.setattr(compare, "SHOWN_TRIALS", 2)
    assert said(capsys, "compare", "vgg16", "resnet50-transfer", *own) == f"{several}{vgg[0]}\n{vgg[1]}\n"
    monkeypatch.setattr(compare, "SHOWN_TRIALS", 1)
    assert said(capsys, "compare", "vgg16", "resnet50-transfer", *own) == f"{several}{vgg[0]}\n...\n"
    for sides in ((str(results.folder), "vgg16-transfer"), ("vgg16-transfer", str(results.folder))):
        assert said(capsys, "compare", *sides, *own) == (
            f"error: vgg16-transfer names a trial, but {results.folder} names results\n"
            "hint: Compare two trials, or two results.\n"
        )


@pytest.mark.parametrize(
    ("given", "way_out"),
    [
        ("demp", "did you mean demo?"),
        ("mines", "did you mean mine?"),
        ("suites/other", "did you mean suites/others.toml?"),
        ("kept/your", "did you mean kept/yours?"),
    ],
)
def test_names_that_are_like_others(folder: Path, given: str, way_out: str):
    for path in ("results/mine/trials", "kept/yours/trials", "suites"):
        (folder / path).mkdir(parents=True)
    (folder / "suites" / "others.toml").touch()
    with pytest.raises(InputError) as caught:
        find_target(given, Path("results"))
    assert caught.value.what == f"there is neither a folder nor a suite {given}"
    assert caught.value.way_out == way_out


def test_names_that_are_like_no_other(folder: Path):
    with pytest.raises(InputError) as caught:
        find_target("qqqqqq", Path("results"))
    assert (
        caught.value.way_out.startswith("Suites that come with leukobench: ")
        and "demo" in caught.value.way_out
    )
    (folder / "my images").mkdir()
    with pytest.raises(InputError) as caught:
        find_target("my images", Path("results"))
    assert caught.value.what == "my images holds no trials, so it is no results folder of a suite"
    assert caught.value.way_out.endswith("init 'my images' writes a suite for them.")


def test_everything_that_decides_on_a_trial(capsys):
    records = [a_record(failure=a_failure()), a_record(failure=a_failure(phase=None)), None, a_record()]
    attempts = [
        SimpleNamespace(number=number, folder=Path(f"attempt-{number}"), record=lambda record=record: record)
        for number, record in enumerate(records, start=1)
    ]
    one = PlannedTrial(a_trial(epochs=3), "failed", "it failed", prediction=Prediction(90.0, "runs here"))
    plan._explain(Terminal(width=200), one, SimpleNamespace(attempts=lambda trial_id: attempts))
    lines = [" ".join(re.sub(r"[│┃]", " ", line).split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[:6] == [
        f"{one.trial.id}: failed, it failed",
        "predicted to take 2 min, from runs here",
        "attempt 1: failed, crashed in train: it broke (attempt-1)",
        "attempt 2: failed, crashed: it broke (attempt-2)",
        "attempt 3: no result (attempt-3)",
        "attempt 4: done (attempt-4)",
    ]
    assert "what it depends on value" in lines and "epochs 3" in lines and f"key {one.trial.key}" in lines


CLASSICAL = f'{FEW_CELLS}\n[[matrix]]\nmode = "classical"\nbackbone = ["KNN", "SVM"]\n'
TRANSFER = f'{FEW_CELLS}\n[[matrix]]\nmode = "transfer"\nbackbone = "VGG16"\n'


def test_a_plan_says_what_it_needs_of_images_and_weights(folder: Path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(folder / "keras"))
    (folder / "mine.toml").write_text(CLASSICAL)
    assert main(["plan", "mine", "--devices", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip().startswith("mine: 2 trials on ") and "2 to run, 0 done." in lines
    assert "Images: synthetic, 1 set, 0 prepared." in lines
    assert not any("Keras will download" in line or "External" in line for line in lines)
    (folder / "mine.toml").write_text(TRANSFER)
    monkeypatch.setattr("bench.trials.pretrained.unavailable", lambda downloads: [])
    assert main(["plan", "mine", "--devices", "cpu"]) == 0
    assert "Keras will download the ImageNet weights of VGG16.\n" in capsys.readouterr().out
    lacking = [InputError("no weights", "Fetch them.")]
    monkeypatch.setattr("bench.trials.pretrained.unavailable", lambda downloads: lacking)
    assert main(["plan", "mine", "--devices", "cpu"]) == 2
    printed = capsys.readouterr()
    assert (
        "Keras will download" not in printed.out and printed.err == "error: no weights\nhint: Fetch them.\n"
    )
    assert main(["plan", "mine", "--devices", "cpu", "--json"]) == 2
    assert len(json.loads(capsys.readouterr().out)["errors"]) == 1


def test_a_plan_counts_the_prepared_images_of_each_source(folder: Path, capsys, monkeypatch):
    split_folder(folder / "cells", write_color)
    data = '[data]\nsource = ["folder", "synthetic"]\npath = "cells"\nimage_size = 32\n'
    (folder / "mine.toml").write_text(f'{data}[[matrix]]\nmode = "classical"\nbackbone = "KNN"\n')
    monkeypatch.setattr(DataSet, "ready", property(lambda one: one.source == "folder"))
    assert main(["plan", "mine", "--devices", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Images: folder, 1 set, 1 prepared." in lines and "Images: synthetic, 1 set, 0 prepared." in lines


@pytest.mark.parametrize("ended", [None, InterruptedRun(2)])
def test_mlflow_is_shown_until_it_is_interrupted(folder: Path, capsys, monkeypatch, ended):
    asked = []

    def wait() -> None:
        if ended is not None:
            raise ended

    @contextmanager
    def served(results, port):
        asked.append((results, port))
        yield SimpleNamespace(address="http://x", wait=wait)

    monkeypatch.setattr("bench.tracking.server.served", served)
    monkeypatch.setattr("bench.tracking.saved_view.saved_views", lambda results, at: {"a": f"{at}/a"})
    monkeypatch.setattr("bench.tracking.sync.recorded_suites", lambda results: ["a"])
    monkeypatch.setattr("bench.journal.damage.warnings_of", lambda results: [f"{results.suite} is odd"])
    assert main(["ui", "--results", "there", "--port", "5001"]) == (5 if ended is None else 0)
    printed = capsys.readouterr()
    assert printed.out == "MLflow shows there at http://x  (Ctrl-C ends it)\n  a: http://x/a\n"
    assert printed.err == "warning: a is odd\n" + (
        "error: MLflow's server ended by itself\n" if ended is None else ""
    )
    assert main(["ui"]) == (5 if ended is None else 0)
    assert asked == [(Path("there"), 5001), (Path("results"), None)]


def test_an_interruption_before_anything_began(monkeypatch):
    entry = import_module("bench.__main__")
    monkeypatch.setattr("bench.worker.startup.own_packages_first", lambda: None)
    monkeypatch.setattr("bench.commands.main.main", lambda: 7)
    assert entry.run() == 7

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.worker.startup.own_packages_first", interrupted)
    assert entry.run() == 130


def test_predictions_go_to_standard_output_or_to_a_file(tmp_path: Path, capsys, monkeypatch):
    about = {"takes": "raw pixels", "classes": ["a", "b"], "image_size": 32, "backend": "tensorflow"}
    (tmp_path / "model.keras").touch()
    (tmp_path / "model.json").write_text(json.dumps(about))
    shares = [[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]]
    answer = Answer(["x.png", "y.png", "z.png"], shares, [0.5, 1.0, 1.5], 0.05, {"torn.png": "no image"})
    monkeypatch.setattr("bench.commands.predict._ask", lambda kept, files: answer)
    given = ["predict", str(tmp_path), str(tmp_path / "model.json")]
    text = "file,predicted,unlike,distance,a,b\nx.png,a,no,0.5,0.75,0.25\n"
    text += "y.png,a,no,1,0.5,0.5\nz.png,b,yes,1.5,0.25,0.75\n"
    assert main(given) == 0
    printed = capsys.readouterr()
    assert printed.out == text and "Differential count of 3 images" in printed.err
    assert "warning: torn.png cannot be read: no image\n" in printed.err
    assert printed.err.endswith(
        "note: 1 of 3 images are marked as unlike the training images. Chance marks 5.0%.\n"
    )
    assert main([*given, "-o", str(tmp_path / "new" / "said.csv")]) == 0
    assert (tmp_path / "new" / "said.csv").read_text() == text
    assert "Differential count of 3 images" in capsys.readouterr().out
    assert main([*given, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["model"] == str(tmp_path / "model.keras") and document["unreadable"] == {
        "torn.png": "no image"
    }
    assert (document["false_flags"], document["another_kind"]) == (0.05, False)
    assert document["predictions"][2] == {
        **{
            "file": "z.png",
            "predicted": "b",
            "probabilities": {"a": 0.25, "b": 0.75},
            "unlike": True,
            "distance": 1.5,
        }
    }
    assert [(one["name"], one["count"]) for one in document["count"]] == [("a", 2), ("b", 1)]
