"""Conventions of the command line: help, errors, streams, JSON documents, and what a verb is asked to work on."""

import ast
import errno
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from equipment.results.suites import thesis_suite
from typer.main import get_command

from bench.commands.main import app, main
from bench.commands.output import print_error
from bench.commands.target import choose_ids, find_target
from bench.commands.terminal import messages
from bench.errors import (
    DamagedAttempt,
    DiskError,
    ExitCode,
    InputError,
    InterruptedRun,
    InUse,
    ResultsError,
    command,
    exit_code_of,
)
from bench.journal.results import SuiteResults
from bench.worker.jsonl import EventWriter

REPOSITORY = Path(__file__).resolve().parents[2]

SUITE = """
[suite]
name = "mine"
[data]
source = "synthetic"
image_size = 32
train_images_per_class = 2
validation_images_per_class = 1
test_images_per_class = 1
[[matrix]]
mode = "classical"
backbone = ["KNN", "SVM"]
"""


def verbs(program: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every verb of the program, with the words that name it."""
    program = program or get_command(app)
    inner = getattr(program, "commands", None)
    if inner is None:
        yield path, program
    for name, one in (inner or {}).items():
        yield from verbs(one, (*path, name))


VERBS = dict(verbs())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_option_has_help_that_is_not_cut(path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for one in VERBS[path].params:
        assert one.help and one.help.endswith("."), one.name
    assert main([*path, "-h"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "..." not in text.split("Options:")[1]
    assert main([*path, "--help"]) == 0
    assert capsys.readouterr().out == text


def test_each_option_has_one_meaning():
    meanings: dict[str, set[str]] = {}
    for verb in VERBS.values():
        for one in verb.params:
            if one.param_type_name == "option":
                for name in one.opts:
                    meanings.setdefault(name, set()).add(one.help)
    # Where the output goes; what it is, a folder, a table or a picture, differs.
    assert {" ".join(re.findall("^Write|to this", said)) for said in meanings["-o"]} == {"Write to this"}
    assert {said.split("to this ")[1].split()[0].strip(".,") for said in meanings["-o"]} == {"folder", "file"}
    del meanings["-o"], meanings["--output"]
    assert {name: said for name, said in meanings.items() if len(said) > 1} == {}
    assert {"-q", "-v", "--json", "--only"} <= meanings.keys()


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_is_quiet_or_verbose_and_prints_json_if_it_prints_a_table(path):
    options = {name for one in VERBS[path].params for name in one.opts}
    assert {"-q", "--quiet", "-v", "--verbose"} <= options
    assert ("--json" in options) == (path not in {("ui",), ("data", "show")})
    documented = re.findall(r"`([a-z ]+)`", (REPOSITORY / "docs" / "json.md").read_text())
    assert ("--json" in options) == (" ".join(path) in documented)


def test_messages_name_options_that_exist():
    known = {
        name for verb in VERBS.values() for one in verb.params for name in (*one.opts, *one.secondary_opts)
    }
    known |= {"--help", "--calibrate", "--install-completion"}
    others = {"--governor", "--cpuset-cpus", "--python", "--xla"}  # of other programs
    for path in (*(REPOSITORY / "bench").rglob("*.py"), *(REPOSITORY / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", node.value))
                assert named <= known | others, f"{path}: {named - known}"


def test_help_loads_nothing_slow():
    code = (
        "import sys\n"
        "from bench.commands.main import main\n"
        "main(['regress', '--help'])\n"
        "print('loaded', *{name.split('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split()) - {"loaded"}
    slow = {
        "mlflow",
        "msgspec",
        "numpy",
        "pandas",
        "plotly",
        "psutil",
        "rich",
        "scipy",
    }  # Typer needs pydantic
    assert "typer" in loaded and loaded & slow == set()


def test_a_command_without_its_arguments_asks_for_help(capsys):
    assert main(["baseline"]) == 2
    printed = capsys.readouterr()
    assert printed.out.startswith("Usage:") and "error:" not in printed.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "~nosuch-user/x"], "cannot be found"),
        (["report", "a" * 5000], "cannot be used"),
        (["plan", "deep.toml"], "nested too deeply"),
        (["data", "show", "[bold]cells", "-o", "sheet.xyz"], "is not the name of a picture"),
        (["data", "show", "[bold]cells", "-o", "[bold]cells"], "is not the name of a picture"),
    ],
)
def test_odd_arguments_are_wrong_input(arguments, said, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep.toml").write_text("x = " + "[" * 5000)
    (tmp_path / "[bold]cells").mkdir()
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and said in printed and "Traceback" not in printed


def test_names_of_classes_and_folders_are_no_markup(tmp_path: Path, capsys):
    from PIL import Image

    folder = tmp_path / "[" / "bold]"
    for split in ("train", "validation", "test"):
        for number, name in enumerate(("[bold]x", "[red]y[")):
            (folder / split / name).mkdir(parents=True)
            color = (100 * number, 30, 60 if split == "test" else 200)
            Image.new("RGB", (9, 9), color).save(folder / split / name / f"{split}{number}.png")
    main(["data", "check", str(folder)])
    printed = capsys.readouterr()
    assert "[bold]x" in printed.out and "[red]y[" in printed.out and "Traceback" not in printed.err


def test_completion_names_the_verbs(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/leukobench"])
    words = {"_LEUKOBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "leukobench re", "COMP_CWORD": "1"}
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main([])
    assert capsys.readouterr().out.split() == ["report", "regress"]


@pytest.mark.parametrize(
    ("started", "name"),
    [
        ("/opt/venv/bin/leukobench", "leukobench"),
        ("/src/bench/__main__.py", "python -m bench"),
        ("/home/me/notebook.py", "leukobench"),
        ("", "leukobench"),
    ],
)
def test_messages_name_the_command_that_was_started(started, name, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", [started])
    assert command() == name
    assert main(["run", "--frehs"]) == 2
    assert f"hint: See {name} run --help." in capsys.readouterr().err
    assert main(["baseline", "list", "--results", str(tmp_path)]) == 0
    assert f"`{name} baseline save NAME SUITE`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("wrong"), 2),
        (ResultsError("no answer"), 5),
        (InUse("another run"), 2),
        (DamagedAttempt("cut"), 5),
        (DiskError.of(OSError(errno.ENOSPC, "No space left", "x")), 5),
        (InterruptedRun(signal.SIGINT), 130),
        (InterruptedRun(signal.SIGTERM), 143),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError(), 5),
    ],
)
def test_every_kind_of_error_has_an_exit_code(error, code):
    assert exit_code_of(error) == code


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (InputError("this is wrong", "Do that."), 2, "error: this is wrong\nhint: Do that.\n"),
        (ResultsError("no answer"), 5, "error: no answer\n"),
        (InUse("a run is here", "Wait."), 2, "error: a run is here\nhint: Wait.\n"),
        (OSError(errno.EROFS, "Read-only file system", "a"), 5, "a: Read-only file system"),
        (
            OSError(errno.ENOSPC, "No space left", "a"),
            5,
            "error: cannot write (a): No space left\nhint: Free",
        ),
        (InterruptedRun(signal.SIGTERM), 143, "hint: Repeat the command without --fresh to resume."),
        (KeyboardInterrupt(), 130, ""),
        (ZeroDivisionError("x"), 5, "ZeroDivisionError: x\nerror: this is a bug of leukobench\n"),
    ],
)
def test_an_error_is_one_line_and_a_hint(raised, code, said, monkeypatch, capsys, folder):
    def fail(*_, **__):
        raise raised

    monkeypatch.setattr("bench.commands.target.find_target", fail)
    assert main(["plan", "demo"]) == code
    printed = capsys.readouterr()
    assert said in printed.err and printed.out == ""
    assert ("Traceback" in printed.err) == isinstance(raised, ZeroDivisionError)


def test_a_verbose_error_says_where_it_was_raised(capsys, folder):
    assert main(["plan", "nowhere", "-v"]) == 2
    assert "Traceback" in capsys.readouterr().err
    assert main(["plan", "nowhere"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_without_a_way_out_is_one_line(capsys):
    print_error("it is wrong")
    assert capsys.readouterr().err == "error: it is wrong\n"


def test_quiet_leaves_results_alone(recorded, capsys):
    assert main(["report", str(recorded.folder), "-q"]) == 0
    printed = capsys.readouterr()
    assert "VGG16" in printed.out and printed.err == ""
    assert main(["report", str(recorded.folder)]) == 0
    assert "report.html" in capsys.readouterr().err
    assert not messages().quiet, "the next command is not quiet"


def test_output_says_where_files_go(recorded, capsys, tmp_path):
    assert main(["report", str(recorded.folder), "-o", str(tmp_path / "there")]) == 0
    assert (tmp_path / "there" / "report.html").is_file()
    assert main(["compare", *[str(recorded.folder)] * 2, "--output", str(tmp_path / "verdict")]) in (0, 4)
    assert (tmp_path / "verdict" / "regression.json").is_file()


# What a verb is asked to work on


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


# Documents


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
