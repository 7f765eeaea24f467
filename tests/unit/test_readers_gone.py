"""A reader that is gone, a closed stream, a loop of links, a locale without letters: no verdict and no traceback."""

import errno
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.commands import compare, predict
from bench.commands.main import main
from bench.commands.output import print_document
from bench.errors import DiskError
from bench.trials.datasets import DataSets
from wbc.data.layout import names
from wbc.data.pipeline.splitting import require_sources
from wbc.errors import InputError


@dataclass
class Said:
    """A document."""

    text: str


def test_a_document_that_nobody_reads_does_not_end_its_verb(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as unread:
        monkeypatch.setattr(sys, "stdout", unread)
        print_document(Said("a"))
        assert os.path.samestat(os.fstat(writing), Path(os.devnull).stat())
        print_document(Said("b" * 100_000))


def test_help_that_nobody_reads_is_no_finding(monkeypatch):
    def ends_as_typer_does(*given, **more):
        raise SystemExit(1)

    monkeypatch.setattr("bench.commands.main.app", ends_as_typer_does)
    assert main(["--help"]) == 0


def test_what_is_written_to_a_closed_stream_goes_nowhere(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["--version"]) == 0
    assert sys.stdout.name == sys.stderr.name == os.devnull


def test_a_loop_of_links_is_a_folder_that_cannot_be_used(tmp_path: Path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert DataSets(tmp_path / "a", None).cache == tmp_path / "a"
    told = DiskError.of(OSError(errno.ELOOP, "Too many levels of symbolic links", "a"))
    assert told is not None and told.what == (
        "a file or folder cannot be used: a: Too many levels of symbolic links"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (b"\xc3\x84pfel", ("this locale cannot read the names in x", "Set LC_ALL=C.UTF-8, or PYTHONUTF8=1.")),
        (b"\xc4pfel", ("the name '\\udcc4pfel' in x is not UTF-8", "Rename the file or folder.")),
    ],
)
def test_a_name_is_not_blamed_for_the_locale(monkeypatch, name: bytes, said: tuple[str, str]):
    broken = name.decode("ascii", "surrogateescape")  # as in a locale that knows no letters but these
    monkeypatch.setattr(names.os, "fsencode", lambda text: name)
    with pytest.raises(InputError) as caught:
        names.check_name(Path("x") / broken)
    assert (caught.value.what, caught.value.way_out) == said


@pytest.mark.parametrize(("count", "said"), [(5, "0, 1, 2, 3, 4 need"), (6, "6 parts need")])
def test_many_parts_are_counted_not_listed(count: int, said: str):
    with pytest.raises(InputError, match=said):
        require_sources({"a": ["x"], "b": ["x"]}, [str(number) for number in range(count)])


@pytest.mark.parametrize(
    ("reason", "said"),
    [("a/b.png is no image", "a/b.png is no image"), ("is cut", "a/b.png cannot be read: is cut")],
)
def test_an_image_that_is_not_predicted_is_named_once(capsys, reason: str, said: str):
    predict._tell(1, {"a/b.png": reason}, [], on_stdout=True)
    assert capsys.readouterr().err == f"warning: {said}\n"


@pytest.mark.parametrize(
    ("done", "chosen"),
    [({"c": True}, "c"), ({"d": True}, "d"), ({}, "d"), ({"c": True, "d": True}, "c")],
)
def test_of_a_trial_in_two_suites_one_that_is_done_is_compared(
    monkeypatch, tmp_path: Path, done: dict[str, bool], chosen: str
):
    for suite in ("c", "d"):
        (tmp_path / suite / "trials").mkdir(parents=True)

    def results(folder: Path, suite: str):
        return SimpleNamespace(
            suite=suite, trial_ids=lambda: ["svm-1", "mlp-2"], is_done=lambda one: done.get(suite, False)
        )

    monkeypatch.setattr("bench.journal.results.SuiteResults", results)
    monkeypatch.setattr(compare, "side_of", lambda *given: (_ for _ in ()).throw(InputError("nothing")))
    found = compare._trials_of("svm", tmp_path)
    assert {one: suite.suite for one, suite in found.items()} == {"svm-1": chosen}


@pytest.mark.parametrize("parent", ["trial", "trials", "trialz"])
def test_a_folder_is_a_trial_where_it_is_below_that_of_trials(monkeypatch, tmp_path: Path, parent: str):
    monkeypatch.setattr(compare, "side_of", lambda *given: "results")
    folder = tmp_path / "suite" / parent / "svm-1"
    folder.mkdir(parents=True)
    found = compare._trials_of(str(folder), tmp_path)
    if parent != "trials":
        assert found is None
    else:
        assert {one: (suite.suite, suite.folder) for one, suite in found.items()} == {
            "svm-1": ("suite", tmp_path / "suite")
        }
