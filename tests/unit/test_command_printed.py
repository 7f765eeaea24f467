"""What commands leave on a terminal, to the word: two trials, a plan, a run, progress, narrow tables, errors."""

import errno
import io
import json
import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from equipment.results.records import a_failure, a_record, a_trial, some_metrics, write_record
from rich.console import Console

import bench
from bench.commands import plan
from bench.commands.compare import _done, _show_trials
from bench.commands.main import main
from bench.commands.progress import Progress
from bench.commands.run import _trial
from bench.commands.terminal import Terminal, print_rows, print_troubles, warn
from bench.compare.two_trials import Side, TwoTrials
from bench.devices.device import Device, Slot
from bench.errors import DiskError, ExitCode, InputError
from bench.journal.results import SuiteResults
from bench.plan.decide import PlannedTrial, Prediction
from bench.runner.suite import Outcome
from bench.trials.record import Resumed

needs_module = import_module("bench.plan.needs")  # by a name, `bench.plan` is a function
SLOTS = [Slot(f"cpu:{number}", (Device("cpu", "A processor"),), (number,)) for number in (0, 1)]
FIRST, SECOND = Side("one", 0.92345, 0.91234, 100.0, 80.0, ()), Side("two", 0.81, 0.8, 250.0, None, ())
TWO = TwoTrials(
    FIRST, SECOND, (("network", "VGG16", "LeNet5"),), 50, 50, 3, 4, -0.1, -0.2, -0.05, "", 0.01234
)


def words(text: str) -> list[str]:
    """The words of each line that has some."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip(" ─━│┃┏┓┗┛")]


def test_two_trials(capsys):
    assert _show_trials(TWO, as_json=False) == 0
    assert words(capsys.readouterr().out) == [
        "one two",
        "balanced accuracy % 91.2 80.0",
        "accuracy % 92.3 81.0",
        "images that it alone predicts right 3 4",
        "time to result 1.67 min 4.17 min",
        "network VGG16 LeNet5",
        TWO.sentence,
        "McNemar's exact test: p = 0.0123.",
        "The second takes 2.50 times as long to its result; once each.",
    ]
    disturbed = replace(FIRST, disturbed=("Others trained.", "It was hot."))
    second = replace(SECOND, fit_s=60.0)
    assert (
        _show_trials(replace(TWO, first=disturbed, second=second, sources=7, p=None, other_device="x"), False)
        == 0
    )
    assert words(capsys.readouterr().out)[5:] == [
        "fit time 80.0 s 60.0 s",
        "network VGG16 LeNet5",
        TWO.sentence,
        "The images have 7 sources, so the interval is over sources, not images.",
        "Their times are not compared: x.",
        "one was disturbed: Others trained. It was hot.",
    ]
    for changes in ({"first": replace(FIRST, result_s=None)}, {"second": replace(SECOND, result_s=None)}):
        _show_trials(replace(TWO, **changes), as_json=False)
        said = capsys.readouterr().out
        assert "time to result" not in said and "times as long" not in said
    _show_trials(TWO, as_json=True)
    assert json.loads(capsys.readouterr().out)["only_second"] == 4


def test_only_trials_that_are_done_are_compared(tmp_path: Path):
    results = SuiteResults(tmp_path, "s")
    of = a_trial()
    write_record(results.new_attempt(of), a_record(of, failure=a_failure()))
    for trial_id in (of.id, "nosuch"):
        with pytest.raises(InputError) as caught:
            _done(results, trial_id)
        assert (caught.value.what, caught.value.way_out) == (
            f"{trial_id} is not done",
            "Compare trials that are done.",
        )
    write_record(results.new_attempt(of), a_record(of))
    assert _done(results, of.id)[0].number == 2


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        (
            {},
            ["2 to run, 1 done.", "ABOUT", "Memory: 1.5 GB, 2.0 GB are free. Disk: 0.2 GB, 0.4 GB are free."],
        ),
        (
            {"features": 1.1e8},
            ["2 to run, 1 done.", "ABOUT", "Memory: 1.5 GB (0.1 GB of it features), 2.0 GB are free. "],
        ),
        ({"features": 1e8}, ["2 to run, 1 done.", "ABOUT", "Memory: 1.5 GB, 2.0 GB are free. "]),
        ({"memory": 2.1e9}, ["There is less memory free than that: use fewer slots or images."]),
        ({"disk": 0.5e9}, ["There is less disk space free than that."]),
        ({"problems": ["x is too large"]}, ["x is too large"]),
        ({"waiting": []}, ["0 to run, 3 done."]),
    ],
)
def test_what_a_plan_takes(needed: dict, said: list[str], capsys, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(needs_module, "free_memory", lambda: 2e9)
    monkeypatch.setattr(needs_module, "free_disk", lambda folder: 0.4e9)
    monkeypatch.setattr("time.time", lambda: 0.0)
    monkeypatch.setenv("TZ", "UTC")
    trials = [
        PlannedTrial(a_trial(seed=number), "new", "", prediction=Prediction(1800.0, basis))
        for number, basis in enumerate(("a guess", "runs here", "a guess"))
    ]
    usual = {"waiting": trials[:2], "total_s": 3600.0, "work_s": 7200.0, "memory": 1.5e9, "features": 0.0}
    needs = plan.Needs(**{**usual, "disk": 0.2e9, "problems": [], **needed})
    plan._print_totals(Terminal(width=300), trials, SLOTS, needs, tmp_path)
    found = capsys.readouterr().out.splitlines()
    about = (
        "About 1 h on cpu:0, cpu:1, until Thursday 01:00; 2 h of work. Predicted from: a guess; runs here."
    )
    for line in said:
        expected = about if line == "ABOUT" else line
        assert any(one.startswith(expected) for one in found), (expected, found)
    quiet = not needed or needed.keys() <= {"features", "waiting"}
    assert len(found) == (1 if needed == {"waiting": []} else 3 if quiet else 4)


@pytest.mark.parametrize(
    ("days", "until"), [(5.99, "Tuesday 23:45;"), (6, "Wednesday 7 January 1970 00:00;")]
)
def test_a_plan_of_almost_a_week_names_the_date(days: float, until: str, capsys, monkeypatch, tmp_path: Path):
    monkeypatch.setattr("time.time", lambda: 0.0)
    monkeypatch.setattr("time.localtime", __import__("time").gmtime)
    trial = PlannedTrial(a_trial(), "new", "", prediction=Prediction(1.0, "x"))
    needs = plan.Needs([trial], days * 86_400, 1.0, 0.0, 0.0, 0.0, [])
    plan._print_totals(Terminal(width=300), [trial], SLOTS, needs, tmp_path)
    assert f"until {until}" in capsys.readouterr().out


def test_the_trials_of_a_plan(capsys):
    lacks = a_trial("VGG16", specification={"weights": {"kind": "download"}}, weights={"name": "imagenet"})
    trials = [
        PlannedTrial(lacks, "new", "it is new", prediction=Prediction(90.0, "x")),
        PlannedTrial(lacks, "done", "as it was"),
        PlannedTrial(a_trial("LeNet5"), "failed", "it failed"),
    ]
    plan._print_trials(Terminal(width=200), "mine", trials, "A processor")
    title, headings, first, second, third, weights = words(capsys.readouterr().out)
    assert title == "mine: 3 trials on A processor" and headings == "trial status takes why"
    assert first == f"{lacks.id} new 2 min it is new; its weights are not here"
    assert second == f"{lacks.id} done as it was" and third.endswith(" failed it failed")
    assert weights == "Weights that trials start from: imagenet 2, none 1."


@pytest.mark.parametrize(("width", "table"), [(18, True), (17, False)])
def test_rows_stand_in_lines_of_their_own_where_a_table_does_not_fit(width: int, table: bool):
    """Four letters stay whole, twelve may be broken to ten, and two characters belong to each column."""
    out = io.StringIO()
    rows = [("abcd", "x" * 12), ("b", "")]
    print_rows(Terminal(file=out, width=width), ("name", "text"), rows, "A title")
    if table:
        assert words(out.getvalue())[:2] == ["A title", "name text"]
    else:
        assert out.getvalue() == f"A title\nabcd\n  text: {'x' * 12}\nb\n"


def test_warnings_are_said_once(capsys):
    warn(["a", "b", "a"])
    warn([])
    assert capsys.readouterr().err == "warning: a\nwarning: b\n"


def colored(monkeypatch) -> None:
    """A narrow terminal with colors."""
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "40"}.items():
        monkeypatch.setenv(name, value)


def test_sentences_are_neither_colored_word_by_word_nor_broken(capsys, monkeypatch):
    colored(monkeypatch)
    said = "12 of 3.5 images [bold] are in '/a/b', and this line is longer than the terminal is wide"
    Terminal().say(said)
    Progress(Terminal()).say(f"at once {said}")
    print_troubles(Terminal(), pd.DataFrame({"trial": ["x"], "status": ["failed"], "reason": [said]}))
    _show_trials(replace(TWO, other_device=said), as_json=False)
    warn([said])
    printed = capsys.readouterr()
    for line in (
        f"\n{said}",
        f"at once {said}",
        f"x: {said}",
        f"Their times are not compared: {said}.",
        TWO.sentence,
    ):
        assert line in f"\n{printed.out}", line
    assert f"warning: {said}" in printed.err


class Shown:
    """Progress where no terminal is."""

    def __init__(self) -> None:
        self.now, self.out = 0.0, io.StringIO()
        self.progress = Progress(Console(file=self.out, width=200), lambda: self.now)

    def ended(self, planned: PlannedTrial, record, again: bool = False) -> str:
        self.progress.trial_started(planned, SLOTS[0])
        self.now += 10.0
        self.progress.trial_ended(planned, SLOTS[0], record, again)
        return self.out.getvalue().splitlines()[-1]


def test_how_a_trial_ended():
    shown, planned = Shown(), PlannedTrial(a_trial(), "new", "")
    name = f"1/3 {planned.trial.id} on cpu:0:"
    shown.progress.plan([planned] * 3, SLOTS[:1])
    assert (
        shown.ended(planned, a_record(test=some_metrics(0.875)))
        == f"{name} test accuracy 87.5%, 10 s; about 20 s left"
    )
    went_on = a_record(test=None, resumed=Resumed(from_epoch=7, attempts=(1,), lost_s=0.0, trial="shorter"))
    assert shown.ended(planned, went_on) == (
        f"2{name[1:]} done, resumed from epoch 7 of shorter, 10 s; about 10 s left"
    )
    stopped = a_record(failure=a_failure("interrupted", "a signal came"))
    assert shown.ended(planned, stopped) == f"3{name[1:]} a signal came, 10 s"


def test_trials_that_take_turns_are_awaited_one_after_the_other():
    shown = Shown()
    for slot, seconds in zip(SLOTS, (100.0, 80.0), strict=True):
        shown.progress.trial_started(
            PlannedTrial(a_trial(), "new", "", prediction=Prediction(seconds, "x")), slot
        )
    assert shown.progress._eta() == "about 3 min left", "before a plan there is one at a time: 180 s"
    shown.progress.plan([], SLOTS)
    assert shown.progress._eta() == "about 2 min left", "100 s, and 80 s beside it"
    shown.now = 40.0
    assert shown.progress._eta() == "about 60 s left"


def test_a_run_ends_with_what_failed_and_where_the_page_is(folder: Path, capsys, monkeypatch):
    results = SuiteResults(Path("results"), "mine")
    done, failed = a_trial(), a_trial("LeNet5")
    write_record(results.new_attempt(done), a_record(done))
    write_record(results.new_attempt(failed), a_record(failed, failure=a_failure("gpu-oom", "no room")))
    (folder / "mine.toml").write_text('[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\n')
    ids = [done.id, failed.id]

    def run_suite(file, to, progress, options, report):
        outcome = Outcome(results, ids, ids, ids[1:] if options.only is None else ids, ("odd images",))
        report(outcome)
        return outcome

    monkeypatch.setattr("bench.runner.suite.run_suite", run_suite)
    assert main(["run", "mine.toml"]) == 3
    printed = capsys.readouterr()
    assert "failed: gpu-oom" in printed.out
    assert printed.err.splitlines() == [
        "warning: odd images",
        "1 trial failed; repeat the command to try again.",
        "Report: results/mine/report/report.html",
    ]
    assert main(["run", "mine.toml", "--json", "--only", "*"]) == 3
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert (document["failed"], document["page"]) == (ids, "results/mine/report/report.html")
    assert [one["status"] for one in document["trials"]] == ["done", "failed"]
    assert (document["trials"][0]["accuracy"], document["trials"][1]["reason"]) == (0.9, "gpu-oom: no room")
    assert document["answer"] and "2 trials failed; repeat" in printed.err
    monkeypatch.setattr("bench.commands.report.QUICK_TRIALS", 1)
    assert main(["run", "mine.toml", "--results", "my results"]) == 3
    tables = (
        "Tables: results/mine/report/tables; for a report: leukobench report mine.toml --results 'my results'"
    )
    assert capsys.readouterr().err.splitlines()[-1].replace("python -m bench", "leukobench") == tables


def test_a_trial_of_a_run_as_a_document():
    row = {"trial": "x", "status": "done", "reason": "", "test_accuracy": 0.9, "balanced_accuracy": 0.8}
    found = _trial({**row, "test_loss": 0.5, "fit_s": 1.5, "result_s": float("nan")})
    assert (found.id, found.status, found.reason) == ("x", "done", None)
    assert (found.accuracy, found.balanced_accuracy, found.loss) == (0.9, 0.8, 0.5)
    assert (found.fit_s, found.time_to_result_s) == (1.5, None)


def test_exit_codes_are_those_of_the_documentation():
    assert {one.name: one.value for one in ExitCode} == {
        **{"OK": 0, "FINDINGS": 1, "WRONG_INPUT": 2, "TRIALS_FAILED": 3, "NOT_ENOUGH_EVIDENCE": 4},
        **{"OUR_FAILURE": 5, "SIGINT": 130, "SIGTERM": 143},
    }
    assert ExitCode.REGRESSION == 1


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT"])
def test_a_full_disk(name: str):
    number = getattr(errno, name)
    found = DiskError.of(OSError(number, os.strerror(number), "x.json"))
    assert found.what == f"cannot write (x.json): {os.strerror(number)}"
    assert found.way_out == "Free some space, then repeat the command; a run without --fresh resumes."
    assert DiskError.of(OSError(number, "full")).what == "cannot write: full"


def test_only_what_a_person_can_remove_is_an_error_of_the_disk():
    names = (
        "EROFS",
        "EACCES",
        "EPERM",
        "ENOENT",
        "ENOTDIR",
        "EEXIST",
        "EISDIR",
        "ENAMETOOLONG",
        "EIO",
        "EINTR",
        "ESTALE",
    )
    for name in names:
        found = DiskError.of(OSError(getattr(errno, name), "said", "x"))
        assert (found.what, found.way_out) == ("a file or folder cannot be used: x: said", ""), name
    assert DiskError.of(OSError(errno.EIO, "said")).what == "a file or folder cannot be used: said"
    assert DiskError.of(OSError(errno.EMFILE, "said")) is None is DiskError.of(OSError("odd"))


def test_another_system_than_linux_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.platform", "darwin")
    assert main(["plan", "demo"]) == 2
    assert capsys.readouterr().err == (
        "error: leukobench runs on Linux only: it measures through Linux interfaces\nhint: Use WSL 2.\n"
    )
    monkeypatch.undo()
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"leukobench {bench.__version__}\n"


def test_records_from_python(tmp_path: Path):
    results = SuiteResults(tmp_path, "s")
    done, failed = a_trial(), a_trial("LeNet5")
    write_record(results.new_attempt(done), a_record(done))
    write_record(results.new_attempt(failed), a_record(failed, failure=a_failure()))
    found = bench.Results(tmp_path / "s", (done.id, failed.id, "not-run"))
    assert [one.trial.id for one in found.records()] == [done.id, failed.id]
    assert found.failed == (failed.id, "not-run") and found.record("not-run") is None
    assert found.frame()["status"].tolist() == ["done", "failed", "not run"]
    loaded = bench.load_results(str(tmp_path / "s"))
    assert (loaded.folder, set(loaded.trial_ids)) == (tmp_path / "s", {done.id, failed.id})
    for name, said in (("", "mine"), ('[suite]\nname = "its-own"\ndescription = "of cells"\n', "its-own")):
        (tmp_path / "mine.toml").write_text(f'{name}[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\n')
        suite = bench.load_suite(tmp_path / "mine.toml")
        assert (suite.name, suite.path) == (said, tmp_path / "mine.toml")
    assert suite.description == "of cells" and suite.definition.matrix


def test_an_answer_that_needs_a_network_is_read(monkeypatch, capsys, tmp_path: Path):
    from bench.commands.predict import _tell, _warn_of_unlike

    count = [SimpleNamespace(name="a", count=3, share=(0.75, 0.3, 0.95), corrected=(0.8, 0.4, 1.0))]
    count.append(SimpleNamespace(name="b", count=1, share=(0.25, 0.05, 0.7), corrected=None))
    _tell(4, {"x.png": "torn"}, count, on_stdout=True)
    printed = capsys.readouterr()
    found = [" ".join(one.replace("│", " ").replace("┃", " ").split()) for one in printed.out.splitlines()]
    assert [one for one in found if one and one[0].isalnum()] == [
        "Differential count of 4 images",
        "class images % [95 %] corrected % [95 %]",
        "a 3 75.0 [30.0 to 95.0] 80.0 [40.0 to 100.0]",
        "b 1 25.0 [5.0 to 70.0] no test images known",
    ]
    assert printed.err == "warning: x.png cannot be read: torn\n"
    assert "│ a     │      3 │" in printed.out, "names on the left, numbers on the right"
    _tell(4, {}, count, on_stdout=False)
    assert "Differential count" in capsys.readouterr().err
    for given, said in (
        (
            (0, 9, None, False),
            "note: it is not known what the training images look like, so none is marked as unlike\n",
        ),
        ((0, 9, 0.05, False), ""),
        (
            (1, 9, 0.05, False),
            "note: 1 of 9 images are marked as unlike the training images. Chance marks 5.0%.\n",
        ),
    ):
        _warn_of_unlike(*given)
        assert capsys.readouterr().err == said
