"""What commands hand over of what they were given."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from equipment.suites import FEW_CELLS

from bench.commands.main import main
from bench.compare.thresholds import Thresholds
from bench.errors import InputError
from bench.regress.session import RegressRequest
from bench.regress.side_request import SideRequest
from bench.runner.suite import RunOptions
from bench.tracking.sync import Synced
from wbc.data.layout import FolderOptions
from wbc.data.pipeline.stages import Stages
from wbc.data.prepare import PrepareSettings
from wbc.data.reading import Reading
from wbc.data.synthetic import SyntheticSettings

Calls = list[tuple[tuple[Any, ...], dict[str, Any]]]


@pytest.fixture
def caught(monkeypatch) -> Callable[..., Calls]:
    """Put a function in the place of another one: it notes what it is given, and answers or stops the command."""

    def replace(name: str, answer: Any = None) -> Calls:
        calls: Calls = []

        def noting(*given: Any, **named: Any) -> Any:
            calls.append((given, named))
            if answer is None:
                raise InputError("stopped here", "")
            return answer

        module, _, function = name.rpartition(".")
        monkeypatch.setattr(import_module(module), function, noting)
        return calls

    return replace


@pytest.fixture
def suite(folder: Path) -> Path:
    """The file of a suite in the current folder, and results that a side may be."""
    (folder / "mine.toml").write_text(f'{FEW_CELLS}\n[[matrix]]\nmode = "classical"\nbackbone = "KNN"\n')
    (folder / "old" / "trials").mkdir(parents=True)
    return Path("mine.toml")


def test_regress_by_default(suite: Path, caught):
    calls = caught("bench.regress.verdict.run_regress")
    assert main(["regress", "mine.toml"]) == 2
    assert calls[0][0][0] == RegressRequest(suite, budget_s=1800.0)
    assert main(["regress", "mine.toml", "--pairs", "3"]) == 2
    assert calls[1][0][0] == RegressRequest(suite, pairs=3, budget_s=None)


def test_regress_with_everything(suite: Path, caught):
    calls = caught("bench.regress.verdict.run_regress")
    given = ["--baseline", "tensorflow==2.20.0", "--candidate", "tensorflow==2.21.0", "--pairs", "7"]
    given += [
        "--baseline-with",
        "keras==3.3.3",
        "--candidate-with",
        "keras==3.4.0",
        "--candidate-with",
        "h5py",
    ]
    given += ["--baseline-python", "a/python", "--candidate-python", "b/python", "--budget", "2h", "--fresh"]
    given += ["--baseline-revision", "r1", "--candidate-revision", "r2", "--change", "4", "--margin", "1.5"]
    given += ["--environments", "envs", "--python-version", "3.12", "--name", "mine", "--data", "images"]
    given += [
        "--weights",
        "w",
        "--devices",
        "cpu",
        "--results",
        "there",
        "--only",
        "knn*",
        "--baseline-results",
        "old",
    ]
    assert main(["regress", "mine.toml", *given]) == 2
    ((request, _), _) = calls[0]
    assert request == RegressRequest(
        suite,
        SideRequest("tensorflow==2.20.0", ("keras==3.3.3",), Path("a/python"), "r1"),
        SideRequest("tensorflow==2.21.0", ("keras==3.4.0", "h5py"), Path("b/python"), "r2"),
        baseline_results="old",
        results=Path("there"),
        name="mine",
        pairs=7,
        budget_s=7200.0,
        fresh=True,
        thresholds=Thresholds(change=0.04, margin=0.015),
        devices="cpu",
        data=Path("images"),
        weights=Path("w"),
        only="knn*",
        environments=Path("envs"),
        python="3.12",
    )


@pytest.mark.parametrize(("side", "other"), [("baseline", "candidate"), ("candidate", "baseline")])
def test_what_is_said_of_one_side_is_not_of_the_other(suite: Path, caught, side: str, other: str):
    calls = caught("bench.regress.verdict.run_regress")
    given = ["", "x", "-with", "keras==3.3.3", "-python", "a/python", "-revision", "r1"]
    given = [f"--{side}{one}" if number % 2 == 0 else one for number, one in enumerate(given)]
    assert main(["regress", "mine.toml", *given]) == 2
    ((request, *_), _) = calls[0]
    assert getattr(request, side) == SideRequest("x", ("keras==3.3.3",), Path("a/python"), "r1")
    assert getattr(request, other) == SideRequest()


@pytest.mark.parametrize(
    "sides", [["--baseline", "x"], ["--candidate", "x"], ["--baseline-results", "old"], ["--candidate-revision", "r"]]
)  # fmt: skip
def test_versions_name_all_sides(suite: Path, caught, capsys, sides: list[str]):
    calls = caught("bench.regress.versions.run_versions")
    assert main(["regress", "mine.toml", "--versions", "2.20", "2.21", *sides]) == 2
    assert "--versions names all sides" in capsys.readouterr().err and not calls
    assert main(["regress", "mine.toml", "--versions", "2.20", "2.21", "--name", "both"]) == 2
    assert calls[0][0][:2] == (RegressRequest(suite, name="both", budget_s=1800.0), ["2.20", "2.21"])


def test_what_regress_found_is_shown_and_goes_where_output_says(suite: Path, caught):
    verdict = SimpleNamespace(verdict="the verdict", folder=Path("regress/a"), history="the history")
    caught("bench.regress.verdict.run_regress", verdict)
    caught("bench.regress.versions.run_versions", verdict)
    shown = caught("bench.commands.compare.show", 4)
    of_versions = caught("bench.commands.history.show", 3)
    assert main(["regress", "mine.toml"]) == 4
    assert main(["regress", "mine.toml", "-o", "there", "--json"]) == 4
    assert [given for given, _ in shown] == [
        ("the verdict", Path("regress/a"), False),
        ("the verdict", Path("there"), True),
    ]
    assert main(["regress", "mine.toml", "--versions", "1", "2"]) == 3
    assert main(["regress", "mine.toml", "--versions", "1", "2", "--json", "-o", "there"]) == 3
    assert [given for given, _ in of_versions] == [
        ([("the history", Path("regress/a"))], False),
        ([("the history", Path("there"))], True),
    ]


def test_compare_hands_over_both_sides_in_their_order(suite: Path, caught, folder: Path):
    (folder / "new" / "trials").mkdir(parents=True)
    calls = caught("bench.compare.compare.compare_sides")
    assert main(["compare", "old", "new"]) == 2
    assert calls[0][0] == (
        "old",
        "new",
        Path("results"),
        Thresholds(),
        None,
        Path("results/compare/old-vs-new"),
    )
    given = ["--results", "there", "--only", "vgg*", "--change", "4", "--margin", "1.5", "-o", "out"]
    assert main(["compare", "baseline:v1", "mlflow:x", *given]) == 2
    thresholds = Thresholds(change=0.04, margin=0.015)
    assert calls[1][0] == ("baseline:v1", "mlflow:x", Path("there"), thresholds, "vgg*", Path("out"))


def test_history_reads_the_results_and_ends_with_the_worst_code(
    suite: Path, caught, monkeypatch, folder: Path
):
    calls = caught("bench.regress.kept.histories")
    assert main(["history", "old", "--only", "vgg*", "--change", "4", "--margin", "1.5"]) == 2
    assert main(["history", "--results", "old"]) == 2
    assert [given for given, _ in calls] == [
        (Path("old"), Thresholds(change=0.04, margin=0.015), "vgg*"),
        (Path("old"), Thresholds(), None),
    ]
    output = import_module("bench.compare.output.history")  # by a name, `bench.compare` is a function
    monkeypatch.setattr(output, "document", lambda one: one.suite)
    written: list[Path] = []
    monkeypatch.setattr(output, "write_history", lambda one, to: written.append(to) or [to / "history.json"])
    for codes, worst in (([0, 4], 4), ([4, 3, 0], 3), ([3, 1, 4], 1), ([0], 0), ([], 0)):
        found = [SimpleNamespace(suite=f"s{number}", exit_code=code) for number, code in enumerate(codes)]
        caught("bench.regress.kept.histories", found or ())
        assert main(["history", "old", "--json"]) == worst
        assert written == [Path(f"old/history/s{number}") for number in range(len(codes))]
        written.clear()
        assert main(["history", "old", "-o", "out", "--json"]) == worst
        alone = [Path("out")] if len(codes) == 1 else [Path(f"out/s{number}") for number in range(len(codes))]
        assert written == alone
        written.clear()


def test_a_folder_without_results_has_no_history(folder: Path, capsys):
    assert main(["history", "nowhere"]) == 2
    assert capsys.readouterr().err == (
        "error: there is no results folder nowhere\nhint: Give the folder that `regress` wrote to.\n"
    )


def test_run_hands_over_what_overrides_the_suite(suite: Path, caught):
    calls = caught("bench.runner.suite.run_suite")
    assert main(["run", "mine.toml"]) == 2
    given = [
        "--data",
        "d",
        "--weights",
        "w",
        "--devices",
        "cpu:2",
        "--results",
        "there",
        "--only",
        "knn",
        "--fresh",
    ]
    assert main(["run", "mine.toml", *given, "--engine", "ray", "--address", "head:1"]) == 2
    (first, _), (second, _) = calls
    usual = RunOptions(None, None, None, None, False, "local", None)
    assert (*first[:2], first[3]) == (suite, Path("results"), usual)
    assert (*second[:2], second[3]) == (
        suite,
        Path("there"),
        RunOptions("cpu:2", Path("d"), Path("w"), "knn", True, "ray", "head:1"),
    )
    assert first[2].needed == ("bench.report.report", "bench.report.models", "scipy.special")


def test_sync_says_what_was_sent(suite: Path, caught, capsys, monkeypatch):
    nice: list[int] = []
    monkeypatch.setattr("os.nice", nice.append)
    calls = caught(
        "bench.tracking.sync.sync", [Synced("a", 1, 0, ["torn"]), Synced("b", 12, 3, ["torn", "odd"])]
    )
    assert main(["sync", "mine", "--results", "there", "--only", "vgg*", "--check"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "a: 1 attempt, none sent now\nb: 12 attempts, 3 sent now\n"
    assert printed.err.endswith("warning: torn\nwarning: odd\n") and printed.err.count("torn") == 1
    given, named = calls[0]
    assert given == (Path("there"), "mine", True) and named["only"] == "vgg*" and nice == [10]
    assert main(["sync", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"suite": "a", "attempts": 1, "sent": 0, "damaged": ["torn"]},
        {"suite": "b", "attempts": 12, "sent": 3, "damaged": ["torn", "odd"]},
    ]
    assert calls[1][0] == (Path("results"), None, False) and calls[1][1]["only"] is None


def test_baseline_save_hands_over_its_name_and_its_suite(suite: Path, caught):
    calls = caught("bench.compare.baseline.save")
    assert main(["baseline", "save", "v1", "old"]) == 2
    assert main(["baseline", "save", "v1", "old", "--replace", "--only", "vgg*", "--results", "there"]) == 2
    assert [given for given, _ in calls] == [
        (Path("results"), "v1", Path("old"), False, None),
        (Path("there"), "v1", Path("old"), True, "vgg*"),
    ]


@pytest.mark.parametrize("cache", ["results/cache/near-duplicates", None])
def test_prepare_hands_over_each_setting(folder: Path, caught, cache: str | None):
    if cache:
        (folder / "results" / "cache").mkdir(parents=True)
    calls = caught("wbc.data.prepare.prepare")
    assert main(["data", "prepare", "from", "to"]) == 2
    given = [
        "--split-seed",
        "3",
        "--no-near-duplicates",
        "--no-crop",
        "--crop-margin",
        "0.2",
        "--image-size",
        "64",
    ]
    given += ["--background", "remove", "--train", "5", "--validation", "6", "--test", "7", "--per-class"]
    given += [
        "--protocol",
        "thesis-2018",
        "--fit",
        "pad",
        "--pages",
        "each",
        "--group",
        "folder",
        "--white",
        "4095",
    ]
    assert main(["data", "prepare", "from", "to", *given]) == 2
    (first, _), (second, _) = calls
    place = cache and Path(cache)
    assert first[:4] == (Path("from"), Path("to"), PrepareSettings(), place)
    stages = Stages(False, 0.2, 64, "remove", Reading(4095, 0.0, None, "pad"))
    settings = PrepareSettings(3, False, stages, 5, 6, 7, True, "thesis-2018", FolderOptions("folder"), True)
    assert second[:4] == (Path("from"), Path("to"), settings, place)


def test_check_show_and_synth_hand_over_what_they_are_given(folder: Path, caught):
    calls = caught("wbc.data.check.check_folder")
    assert main(["data", "check", "cells", "--test-path", "others", "--group", "folder", "--white", "9"]) == 2
    ((root, _, *rest), _) = calls[0]
    assert (root, *rest) == (Path("cells"), FolderOptions("folder"), Reading(white=9), Path("others"))
    caught("wbc.data.folders.inspect_folder", "the manifest")
    shown = caught("wbc.data.contact_sheet.sheet_of_manifest")
    assert main(["data", "show", "cells"]) == 2
    assert main(["data", "show", "cells", "--split", "test", "--images", "3"]) == 2
    assert [given for given, _ in shown] == [
        (Path("cells"), "the manifest", 8, "train"),
        (Path("cells"), "the manifest", 3, "test"),
    ]
    made = caught("wbc.data.synthetic.generate")
    assert main(["data", "synth", "to"]) == 2
    given = ["--train-per-class", "4", "--validation-per-class", "5", "--test-per-class", "6"]
    assert main(["data", "synth", "to", *given, "--image-size", "32", "--seed", "7"]) == 2
    assert [given[1] for given, _ in made] == [
        SyntheticSettings(60, 15, 30, 224, 0),
        SyntheticSettings(4, 5, 6, 32, 7),
    ]


def test_collections_come_from_where_they_are_said_to_be(folder: Path, caught, capsys, monkeypatch):
    calls = caught("wbc.data.collections.fetch_collection", 17_092)
    given = ["--from", "here", "--sha256", "ab"]
    assert main(["data", "fetch", "pbc", "to", *given]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "to: 17,092 images of pbc; the hash of the archive is right." and len(said) == 2
    monkeypatch.setenv("LEUKOBENCH_DATA_URL", "http://mirror")
    assert main(["data", "fetch", "pbc", "to", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"folder": "to", "new_files": 17_092}
    assert [one[:5] for one, _ in calls] == [
        ("pbc", Path("to"), None, "ab", Path("here")),
        ("pbc", Path("to"), "http://mirror", None, None),
    ]
    copied, loaded = (caught(f"wbc.data.bccd.download.{name}_bccd", 3) for name in ("copy", "download"))
    assert main(["data", "fetch", "bccd", "to", "--from", "here"]) == 0
    assert capsys.readouterr().out == "to: BCCD is complete, 3 files are new; every SHA-256 is right.\n"
    monkeypatch.setenv("LEUKOBENCH_BCCD_URL", "http://other")
    assert main(["data", "bccd", "to", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"folder": "to", "new_files": 3}
    assert copied[0][0][:2] == (Path("here"), Path("to")) and loaded[0][0][:2] == (Path("to"), "http://other")
    assert main(["data", "fetch", "bccd", "to", "--sha256", "ab"]) == 2
    assert main(["data", "fetch", "pcb", "to"]) == 2
    assert "there is no collection 'pcb'" in capsys.readouterr().err and len(calls) == 2
