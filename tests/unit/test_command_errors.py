"""What the command line says of wrong input and of errors: one line, a hint and an exit code."""

import ast
import errno
import re
import signal
import sys
from pathlib import Path

import pytest
from command_equipment import VERBS

from bench.commands.main import main
from bench.commands.output import print_error
from bench.errors import (
    DamagedAttempt,
    DiskError,
    InputError,
    InterruptedRun,
    InUse,
    ResultsError,
    command,
    exit_code_of,
)

REPOSITORY = Path(__file__).resolve().parents[2]


def test_messages_name_options_that_exist():
    known = {
        name for verb in VERBS.values() for one in verb.params for name in (*one.opts, *one.secondary_opts)
    }
    known |= {"--help", "--calibrate", "--install-completion"}
    others = {"--governor", "--cpuset-cpus", "--python", "--xla", "--node-name"}  # of other programs
    for path in (*(REPOSITORY / "bench").rglob("*.py"), *(REPOSITORY / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", node.value))
                assert named <= known | others, f"{path}: {named - known}"


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
        (InterruptedRun(signal.SIGTERM), 143, "hint: Repeat the command to resume."),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
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


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_results_that_could_not_be_written_are_refused_at_once(tmp_path, monkeypatch, capsys, verb: str):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(
        '[data]\nimage_size = 32\n[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\n'
    )
    Path("results/mine").mkdir(parents=True)
    Path("results/mine/trials").touch()
    assert main([verb, "mine.toml", "--devices", "cpu"]) == 5
    trials = tmp_path / "results" / "mine" / "trials"
    assert capsys.readouterr().err == (
        f"error: cannot write to results/mine/trials: {trials} is a file\nhint: Give --results another folder.\n"
    )
