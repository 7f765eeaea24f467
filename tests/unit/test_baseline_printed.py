"""What `baseline save`, `list` and `show` print."""

import json
from pathlib import Path

import pytest
from comparison_equipment import SLOT, add, record, trial
from equipment.results.records import some_metrics

from bench.commands.main import main
from bench.compare.differences import Fingerprint
from bench.journal.results import SuiteResults

HERE = Fingerprint(model=SLOT.model, cores=2, gpus=())
OTHERS = Fingerprint(model=SLOT.model, cores=4, gpus=())


@pytest.fixture
def measured(tmp_path: Path, monkeypatch) -> SuiteResults:
    """A configuration with three trainings that are done and one that failed, one with one, and one with none."""
    monkeypatch.setattr(Fingerprint, "of_machine", classmethod(lambda cls: HERE))
    monkeypatch.setenv("COLUMNS", "120")
    results = SuiteResults(tmp_path, "cells")
    vgg, lenet, failed = trial("VGG16"), trial("LeNet5"), trial("AlexNet")
    for seconds, accuracy in ((10, 0.89), (11, 0.9), (12, 0.91)):
        add(results, vgg, record(vgg, seconds, test=some_metrics(accuracy)))
    add(results, vgg, record(vgg, failure=("crashed", "x")))
    add(results, lenet, record(lenet, 20.04, test=some_metrics(0.8)))
    add(results, failed, record(failed, failure=("crashed", "x")))
    return results


def said(capsys, *arguments: str, code: int = 0) -> list[list[str]]:
    """The words of the lines on standard output."""
    assert main(["baseline", *arguments]) == code
    return [line.split() for line in capsys.readouterr().out.splitlines() if line.strip(" ─")]


def test_a_baseline_is_shown_with_its_machine_and_its_configurations(
    measured: SuiteResults, capsys, monkeypatch
):
    folder = ("--results", str(measured.results))
    assert main(["baseline", "save", "v1", str(measured.folder), *folder]) == 0
    printed = capsys.readouterr()
    assert printed.out == (
        f"Saved 6 attempts of cells as v1 in {measured.results}/baselines/v1. Compare with it as baseline:v1.\n"
    )
    assert printed.err == ""
    shown = json.loads((measured.results / "baselines" / "v1" / "baseline.json").read_text())
    first, machine, headings, *rows = said(capsys, "show", "v1", *folder)
    assert first == ["v1:", "cells,", "saved", shown["saved_at"]]
    assert " ".join(machine) == "Machine: model A processor, cores 2, gpus none"
    assert headings == ["trial", "done", "of", "fit", "s", "accuracy", "%"]
    # Student's t of two degrees of freedom: 4.303 * 1 / sqrt(3) = 2.48.
    assert {" ".join(row[-6:]) for row in rows if "vgg16" in row[0]} == {
        "3 4 12.0 [9.5–14.5] 90.0 [87.5–92.5]"
    }
    assert {" ".join(row[-4:]) for row in rows if "lenet5" in row[0]} == {"1 1 21.0 80.0"}
    assert {" ".join(row[-4:]) for row in rows if "alexnet" in row[0]} == {"0 1 — —"}
    assert len(rows) == 3
    monkeypatch.setattr(Fingerprint, "of_machine", classmethod(lambda cls: OTHERS))
    assert " ".join(said(capsys, "show", "v1", *folder)[2]) == (
        "Times are not compared with this machine's: number of cores 2 and 4"
    )
    assert main(["baseline", "show", "v1", *folder, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["machine"] == {"model": "A processor", "cores": 2, "gpus": []}
    assert document["baseline"]["refusal"] == "number of cores 2 and 4"
    vgg, *_ = (one for one in document["configurations"] if "vgg16" in one["label"])
    assert (vgg["done"], vgg["attempts"], vgg["fit_s"]) == (3, 4, [11.0, 12.0, 13.0])
    assert vgg["accuracy"] == [0.89, 0.9, 0.91]


def test_baselines_are_listed_with_what_speaks_against_their_times(
    measured: SuiteResults, capsys, monkeypatch
):
    folder = ("--results", str(measured.results))
    assert main(["baseline", "list", *folder]) == 0
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith(f"{measured.results} has no baselines; `")
    for name, machine in (("a", HERE), ("b", OTHERS), ("c", Fingerprint(model="Another"))):
        monkeypatch.setattr(Fingerprint, "of_machine", classmethod(lambda cls, machine=machine: machine))
        assert main(["baseline", "save", name, str(measured.folder), *folder]) == 0
        told = capsys.readouterr().err
        warning = (
            "warning: another machine made these records, so runs of this machine are compared with them in "
        )
        warning += "learning only"
        assert (warning in " ".join(told.split())) == (name == "c")
    monkeypatch.setattr(Fingerprint, "of_machine", classmethod(lambda cls: HERE))
    (measured.results / "baselines" / "stray").mkdir()
    headings, *rows = said(capsys, "list", *folder)
    assert headings == ["baseline", "suite", "attempts", "saved", "times"]
    assert [" ".join([*row[:3], *row[4:]]) for row in rows] == [
        "a cells 6 comparable here",
        "b cells 6 number of cores 4 and 2",
        "c cells 6 measured on another machine",
    ]
    assert main(["baseline", "list", *folder, "--json"]) == 0
    printed = capsys.readouterr()
    assert [one["refusal"] for one in json.loads(printed.out)] == [
        None,
        "number of cores 4 and 2",
        "measured on another machine",
    ]
    assert printed.err.startswith(f"warning: {measured.results}/baselines/stray: no saved baseline")
    assert main(["baseline", "show", "c", *folder]) == 0
    assert "Machine: another one\n" in capsys.readouterr().out
