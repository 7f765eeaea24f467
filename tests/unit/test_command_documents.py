"""What commands print as JSON, which trials and results they work on, and where their files go."""

import json
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from equipment.results.records import a_trial
from equipment.results.suites import thesis_suite
from equipment.suites import FEW_CELLS

from bench.commands import plan
from bench.commands.main import main
from bench.commands.target import choose_ids, find_target
from bench.commands.terminal import messages
from bench.devices.device import Device, Slot
from bench.errors import (
    ExitCode,
    InputError,
)
from bench.journal.results import SuiteResults
from bench.plan.decide import PlannedTrial, Prediction
from bench.worker.jsonl import EventWriter

SUITE = (
    FEW_CELLS
    + """
[suite]
name = "mine"
[[matrix]]
mode = "classical"
backbone = ["KNN", "SVM"]
"""
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> SuiteResults:
    return thesis_suite(
        tmp_path_factory.mktemp("recorded"),
        networks=("VGG16",),
        plan=(("transfer", 20), ("scratch", 20)),
        cells_a_class=2,
        telemetry=False,
    )[0]


def document(capsys, *arguments: str, code: int = 0) -> Any:
    """What a verb prints with --json: one document, and nothing else on standard output."""
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_quiet_leaves_results_alone(recorded, capsys):
    assert main(["report", str(recorded.folder), "-q"]) == 0
    printed = capsys.readouterr()
    assert "VGG16" in printed.out and printed.err == ""
    assert main(["report", str(recorded.folder)]) == 0
    assert "report.html" in capsys.readouterr().err
    assert not messages().quiet, "the next command is not quiet"


def test_no_page_replaces_that_of_trials_that_ran_otherwise(recorded, capsys, tmp_path):
    suite = tmp_path / "suite.toml"
    suite.write_text(SUITE.replace('"mine"', f'"{recorded.suite}"'))
    chosen = ["report", str(suite), "-o", str(tmp_path / "there"), "--results"]
    assert main([*chosen, str(recorded.folder.parent)]) == 2
    assert f"report {recorded.folder}` shows the 2 trials that ran." in capsys.readouterr().err
    assert main([*chosen, str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert f"there are no results of {recorded.suite} in {tmp_path / 'none'}" in said
    assert not (tmp_path / "there").exists() and not (tmp_path / "none" / recorded.suite / "report").exists()


def test_output_says_where_files_go(recorded, capsys, tmp_path):
    assert main(["report", str(recorded.folder), "-o", str(tmp_path / "there")]) == 0
    assert (tmp_path / "there" / "report.html").is_file()
    assert main(["compare", *[str(recorded.folder)] * 2, "--output", str(tmp_path / "verdict")]) in (0, 4)
    assert (tmp_path / "verdict" / "regression.json").is_file()


def test_a_suite_is_found_by_its_file_its_name_and_its_results(folder: Path):
    (folder / "suites").mkdir()
    file = folder / "suites" / "mine.toml"
    file.write_text(SUITE)
    results = Path("results")
    by_file = find_target("suites/mine.toml", results)
    assert (by_file.name, by_file.suite, by_file.folder) == (
        "mine",
        Path("suites/mine.toml"),
        results / "mine",
    )
    (folder / "other.toml").write_text(SUITE)
    assert find_target("other", results).name == "mine", "a file in the current folder, by its name"
    shipped = find_target("demo", results)
    assert shipped.name == "demo" and shipped.require_suite().is_file()

    (results / "mine" / "trials").mkdir(parents=True)
    for given in ("mine", "results/mine", "results", str(folder / "results" / "mine")):
        target = find_target(given, results)
        assert (target.name, target.suite) == ("mine", None)
        assert target.folder.resolve() == folder / "results" / "mine"
        with pytest.raises(InputError, match="suite file is not known"):
            target.require_suite()
    journal = EventWriter(results / "mine" / "runs.jsonl")
    journal.write("run_started", path=str(file))
    journal.close()
    assert find_target("mine", Path("elsewhere").parent / "results").require_suite() == file
    file.unlink()
    with pytest.raises(InputError, match="no longer there"):
        find_target("results/mine", results).require_suite()


def test_results_in_another_folder_are_worked_on_there(folder: Path):
    (folder / "kept" / "mine" / "trials").mkdir(parents=True)
    assert find_target("kept/mine", Path("results")).results == Path("kept")
    (folder / "kept" / "yours" / "trials").mkdir(parents=True)
    with pytest.raises(InputError) as caught:
        find_target("kept", Path("results"))
    assert "results of mine, yours" in caught.value.way_out


def test_only_chooses_trials(recorded, capsys):
    ids = [path.name for path in recorded.trials.iterdir()]
    assert choose_ids(ids, None) == ids
    assert len(choose_ids(ids, "*transfer*")) == 1
    with pytest.raises(InputError, match="no trial matches --only resnet"):
        choose_ids(ids, "resnet*")
    found = document(capsys, "report", str(recorded.folder), "--only", "*scratch*")
    (trials,) = [table for table in found["tables"] if table["file"] == "trials"]
    assert len(trials["rows"]) == 1
    same = [str(recorded.folder)] * 2
    assert len(document(capsys, "compare", *same, "--only", "*scratch*", code=4)["trials"]) == 1
    assert main(["compare", *same, "--only", "resnet*"]) == 2


def test_document_of_a_plan(folder: Path, capsys):
    (folder / "mine.toml").write_text(SUITE)
    found = document(capsys, "plan", "mine", "--devices", "cpu")
    assert (found["suite"], found["slots"]) == ("mine", ["cpu:0"])
    assert [one["status"] for one in found["trials"]] == ["new", "new"]
    assert found["trials"][0]["id"].startswith("knn-classical")
    assert found["total_s"] == found["work_s"] == sum(one["predicted_s"] for one in found["trials"])
    assert len(document(capsys, "plan", "mine", "--why", "svm")["trials"]) == 1


def test_document_of_a_report(recorded, capsys):
    found = document(capsys, "report", str(recorded.folder))
    assert Path(found["page"]).is_file() and found["suite"] == recorded.suite
    (trials,) = [table for table in found["tables"] if table["file"] == "trials"]
    assert len(trials["rows"]) == 2
    assert {len(row) for row in trials["rows"]} == {len(trials["columns"])}


def test_document_of_a_comparison_is_its_file(recorded, capsys, tmp_path):
    found = document(capsys, "compare", *[str(recorded.folder)] * 2, "-o", str(tmp_path), code=4)
    assert found == json.loads((tmp_path / "regression.json").read_text())


def test_documents_of_baselines(recorded, capsys):
    results = ("--results", str(recorded.results))
    saved = document(capsys, "baseline", "save", "old", str(recorded.folder), *results)
    assert (saved["name"], saved["attempts"]) == ("old", 2)
    assert document(capsys, "baseline", "list", *results) == [saved]
    shown = document(capsys, "baseline", "show", "old", *results)
    assert shown["baseline"] == saved
    assert [one["done"] for one in shown["configurations"]] == [1, 1]
    half = document(capsys, "baseline", "save", "half", str(recorded.folder), "--only", "*scratch*", *results)
    assert half["attempts"] == 1


def test_a_comparison_with_itself_says_so(recorded, capsys, tmp_path):
    results = ("--results", str(recorded.results), "-o", str(tmp_path))
    document(capsys, "baseline", "save", "itself", str(recorded.folder), *results[:2])
    for sides in (["baseline:itself"] * 2, ["baseline:itself", str(recorded.folder)]):
        found = document(capsys, "compare", *sides, *results, code=4)
        assert (
            "Both sides are the same runs: each is compared with itself, which shows nothing."
            in found["notes"]
        )
    assert main(["compare", "itself", str(recorded.folder), *results]) == 2
    assert "did you mean baseline:itself?" in capsys.readouterr().err


def test_documents_of_data_sets(tmp_path, capsys):
    made = str(tmp_path / "made")
    sizes = ("--train-per-class", "2", "--validation-per-class", "1", "--test-per-class", "1")
    synth = document(capsys, "data", "synth", made, *sizes, "--image-size", "64")
    assert synth["images"] == 16 and set(synth["counts"]["train"].values()) == {2}
    checked = document(capsys, "data", "check", made)
    assert checked["data"]["digest"] == synth["digest"] and checked["leaks"] == []
    assert checked["sizes"] == [[64, 64, 16]]
    (tmp_path / "made" / "train" / "MONOCYTE" / "bad.png").write_bytes(b"no image")
    (bad,) = document(capsys, "data", "check", made, code=ExitCode.FINDINGS)["unreadable"]
    assert bad[0] == "train/MONOCYTE/bad.png"


def test_a_contact_sheet_goes_where_output_says(tmp_path, capsys):
    made = tmp_path / "made"
    sizes = ("--train-per-class", "2", "--validation-per-class", "1", "--test-per-class", "1")
    assert main(["data", "synth", str(made), *sizes, "--image-size", "32"]) == 0
    assert main(["data", "show", str(made), "-o", str(tmp_path / "sheet.png"), "--images", "1"]) == 0
    assert (tmp_path / "sheet.png").stat().st_size > 0
    split = ("data", "prepare", str(made / "train"), str(tmp_path / "split"), "--no-near-duplicates")
    assert main([*split, "-o", str(tmp_path / "stages" / "sheet.png")]) == 2, "too few images to split"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "sheet.png"]


def test_a_plan_adds_up_what_its_trials_take(monkeypatch):
    """Two slots: 30 minutes beside 20 and 15; one trial is done."""
    needs_module = import_module("bench.plan.needs")  # by a name, `bench.plan` is a function
    slots = [Slot(f"gpu:{number}", (Device("gpu", "X"),) * 2, (number,)) for number in (0, 1)]
    seconds = (1200.0, 1800.0, 900.0)
    planned = [
        PlannedTrial(a_trial(seed=seed), "new", "", prediction=Prediction(takes, "a guess"))
        for seed, takes in enumerate(seconds)
    ]
    done = PlannedTrial(a_trial(seed=9), "done", "")
    of = {
        one.trial.id: needs_module.Needs(features=10.0 * seed, memory=2.0**seed, device=0.0, disk=3.0 + seed)
        for seed, one in enumerate(planned)
    }
    asked = []

    def needs_of(trial, images, kind, replicas):
        asked.append((images, kind, replicas))
        return of[trial.id]

    def too_large(trials, slot):
        assert list(trials) == [(one.trial, of[one.trial.id]) for one in planned] and slot is slots[0]
        return ["x is too large"]

    monkeypatch.setattr(needs_module, "needs_of", needs_of)
    monkeypatch.setattr(needs_module, "too_large", too_large)
    predictor = SimpleNamespace(images=lambda trial: {"train": trial.settings.seed})
    found = plan._needs([*planned, done], slots, predictor)
    assert found == plan.Needs(
        **{"waiting": planned, "total_s": 2100.0, "work_s": 3900.0, "memory": 4.0 + 2.0},
        **{"features": 20.0, "disk": 3.0 + 4.0 + 5.0, "problems": ["x is too large"]},
    )
    assert asked == [({"train": seed}, "gpu", 2) for seed in range(3)]
    assert plan._needs([done], slots, predictor) == plan.Needs([], 0.0, 0.0, 0.0, 0.0, 0, [])
