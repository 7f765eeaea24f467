"""Conventions of the command line: help, errors, streams, JSON documents, and what a verb is asked to work on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_equipment import VERBS

from bench.commands.main import main

REPOSITORY = Path(__file__).resolve().parents[2]


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


def test_completion_names_the_verbs(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/leukobench"])
    words = {"_LEUKOBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "leukobench re", "COMP_CWORD": "1"}
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main([])
    assert capsys.readouterr().out.split() == ["report", "regress"]
