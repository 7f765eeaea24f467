"""What verbs leave on a terminal: short tables, each thing said once, and all of it in files."""

from io import StringIO

import pandas as pd
import pytest
from equipment.results.journals import Course, trial_of, write_attempt
from equipment.results.records import write_record
from equipment.results.suites import thesis_suite
from equipment.results.tables import make_tables
from msgspec.structs import replace

from bench.commands.main import main
from bench.commands.report import print_brief, write_brief
from bench.commands.terminal import WIDTH, Terminal, _chosen, _pieces, print_table
from bench.journal.results import SuiteResults
from bench.records.fold import finish
from bench.report.tables.summary import majority_line
from bench.report.tables.table import Column, Table

NETWORKS = ("VGG16", "ResNet50")
PLAN = (("transfer", 20), ("scratch", 20))
WRONG = ("gpu-oom", "no room")
WHY = "Other processes used 1.5 of its 2 cores during train."


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> tuple[SuiteResults, list[str]]:
    """Four trials that are done, one of them disturbed; one failed, one did not run."""
    results, ids = thesis_suite(
        tmp_path_factory.mktemp("results"), networks=NETWORKS, plan=PLAN, cells_a_class=2, telemetry=False
    )
    attempt = results.attempts(ids[1])[0]
    write_record(attempt, replace(attempt.record(), disturbed=(WHY,)))
    failed = trial_of("VGG19", "transfer", 20)
    course = Course({"startup": 1.0, "train": 3.0}, 0.5, 9.0, None, failure=WRONG, stopped_at=3)
    finish(write_attempt(results, failed, course))
    return results, [*ids, failed.id, trial_of("Xception", "transfer", 20).id]


def brief(suite: tuple[SuiteResults, list[str]], width: int) -> list[str]:
    out = StringIO()
    print_brief(Terminal(file=out, width=width), write_brief(*suite, suite[1]))
    return [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]


def test_a_run_ends_with_one_table_its_failures_and_a_count(suite):
    lines = brief(suite, 120)
    (heading,) = [line for line in lines if "network" in line]
    for name in ("balanced %", "accuracy %", "loss", "fit s", "result s", "images/s", "status"):
        assert name in heading
    assert sum("VGG16" in line for line in lines) == 2, "a row a trial"
    assert max(map(len, lines)) <= 120
    failed = [line for line in lines if "gpu-oom" in line]
    assert "failed: gpu-oom" in failed[0] and failed[1].endswith("gpu-oom: no room") and len(failed) == 2
    assert sum("disturbed" in line for line in lines) == 1
    assert "1 of 6 trials was disturbed" in lines[-1]
    assert not any(WHY in line for line in lines)
    assert any("Always naming the largest class comes to 25.0 % accuracy" in line for line in lines)


def test_a_narrow_terminal_gets_fewer_columns_and_still_one_table(suite):
    lines = brief(suite, 64)
    (heading,) = [line for line in lines if "network" in line]
    assert "accuracy %" in heading and "images/s" not in heading
    assert any("Columns that do not fit" in line and "images/s" in line for line in lines)


def test_the_largest_class_is_a_floor_only_of_the_same_test_images():
    alike = pd.DataFrame({"images of A": [8, 8, None], "images of B": [2, 2, None]})
    assert majority_line(alike).startswith(
        "Always naming the largest class comes to 80.0 % accuracy and 50.0 %"
    )
    assert majority_line(pd.DataFrame({"images of A": [8, 7], "images of B": [2, 2]})) == ""
    assert majority_line(pd.DataFrame({"status": ["not run"]})) == ""


def test_repeated_trials_are_one_row_of_means(tmp_path):
    results, ids = thesis_suite(
        tmp_path, networks=NETWORKS, plan=PLAN, cells_a_class=2, seeds=3, telemetry=False
    )
    lines = brief((results, ids), 100)
    assert "means over replicates" in lines[0]
    assert sum("VGG16" in line for line in lines) == 2


@pytest.mark.parametrize(("width", "lines"), [(34, True), (35, False)])
def test_no_number_is_cut_where_names_leave_no_room(width: int, lines: bool):
    """Names take 10 and 7 characters, and two more each; the heading of the values has 10."""
    frame = pd.DataFrame({"network": ["a" * 12, "b"], "mode": ["x", "scratch"], "share": ["81.0", "7.5"]})
    frame["epochs"] = "5"  # the same for all, so it stands above them
    columns = {"network": Column("network"), "mode": Column("mode"), "epochs": Column("epochs")}
    columns["share"] = Column("balanced %")
    out = StringIO()
    print_table(Terminal(file=out, width=width), Table("A title", "file", frame, columns, notes=("a note",)))
    said = out.getvalue()
    assert "81.0" in said and "7.5" in said and said.endswith("a note\n")
    in_lines = f"A title (epochs 5)\n{'a' * 12} x\n  balanced %: 81.0\nb scratch\n  balanced %: 7.5\n"
    assert said.startswith(in_lines) is lines


def test_the_brief_leaves_the_tables_of_the_whole_suite(suite):
    results, ids = suite
    write_brief(results, ids, ids[:1])
    table = (results.report / "tables" / "trials.csv").read_text()
    assert all(trial in table for trial in ids)
    assert WHY in table and "gpu-oom: no room" in table


def test_wide_tables_come_in_two_pieces_at_most_and_say_what_is_left_out(suite):
    for table in make_tables(*suite):
        out = StringIO()
        print_table(Terminal(file=out, width=60), table)
        said = out.getvalue()
        assert 1 <= sum("network" in line for line in said.splitlines()) <= 2
        assert f"see {table.file}.md" in " ".join(said.split())


def test_report_prints_every_table_once_or_twice(suite, capsys, monkeypatch):
    results, _ = suite
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["report", str(results.folder)]) == 0
    printed = capsys.readouterr()
    said = printed.out
    pieces = said.split(f"{results.suite}: ")[1:]
    assert len(pieces) > 5
    for piece in pieces:
        assert sum(line.count("─" * 10) > 0 for line in piece.splitlines()) <= 2
    assert max(map(len, said.splitlines())) <= 100
    assert WHY not in said and "gpu-oom: no room" in said
    assert printed.err.splitlines()[-1] == f"Report: {results.report / 'report.html'}"


def test_off_a_terminal_lines_are_of_a_width_of_their_own(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert Terminal(file=StringIO()).width == WIDTH
    monkeypatch.setenv("COLUMNS", "161")
    assert Terminal(file=StringIO()).width == 161


@pytest.mark.parametrize("verb", [[], ["data"], ["baseline"]])
def test_no_summary_of_a_verb_is_cut(verb, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*verb, "--help"]) == 0
    commands = capsys.readouterr().out.split("Commands:")[1].splitlines()
    assert len(commands) > 3
    assert [line for line in commands if line.endswith("...")] == []


@pytest.mark.parametrize("verb", ["sync", "ui"])
def test_what_loads_mlflow_says_so_at_once_on_a_terminal(verb, tmp_path, capsys, monkeypatch):
    import sys

    from bench.errors import InputError

    def first(*_, **__):
        said = capsys.readouterr().err.replace("\x1b[?25l", "")  # a status line hides the cursor
        assert said == ("Loading MLflow ...\n" if sys.stderr.isatty() else "")
        raise InputError("said", "enough")

    monkeypatch.setattr("os.nice", lambda more: 0)
    monkeypatch.setattr("bench.tracking.sync.sync", first)
    monkeypatch.setattr("bench.tracking.server.served", first)
    for terminal in (True, False):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        assert main([verb, "--results", str(tmp_path)]) == 2
        capsys.readouterr()


@pytest.mark.parametrize(
    ("room", "kept", "pieces"),
    [
        (10, [1], [[0], [1], [2], [3]]),
        (16, [0, 1], [[0, 1], [2], [3]]),
        (19, [1, 2], [[0, 1], [2], [3]]),
        (20, [1, 2], [[0, 1], [2, 3]]),
        (43, [0, 1, 2, 3], [[0, 1, 2, 3]]),
    ],
)
def test_columns_that_fit(room: int, kept: list[int], pieces: list[list[int]]):
    """Two characters stand between columns; `balanced %` comes first, then `accuracy %`, `status`, `fit s`."""
    headings, widths = ["status", "balanced %", "accuracy %", "fit s"], [6, 6, 9, 7]
    assert _chosen(range(4), headings, widths, room) == kept
    assert _pieces(range(4), widths, room) == pieces


@pytest.mark.parametrize(("pieces", "first"), [(1, "balanced %"), (2, "fit s")])
def test_only_a_table_in_one_piece_chooses_its_columns(pieces: int, first: str):
    frame = pd.DataFrame(
        {"network": ["a", "b"], "seconds": ["1" * 12, "2" * 12], "share": ["3" * 12, "4" * 12]}
    )
    columns = {"network": Column("network"), "seconds": Column("fit s"), "share": Column("balanced %")}
    out = StringIO()
    print_table(Terminal(file=out, width=28), Table("title", "file", frame, columns), pieces=pieces)
    heading = next(line for line in out.getvalue().splitlines() if "network" in line)
    assert first in heading
    assert ("Columns that do not fit: fit s" in " ".join(out.getvalue().split())) is (pieces == 1)
