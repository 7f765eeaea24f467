"""What `init` prints of a folder and of its suite, with a look that reads nothing."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.commands.main import main
from bench.errors import command
from bench.suite.starter import Seen
from wbc.data.layout import FolderOptions
from wbc.data.reading import Reading

PLENTY = {"a": 100, "b": 300}


@pytest.fixture
def asked(folder: Path, monkeypatch):
    """Run `init cells` on a folder in which something is seen; what it prints, and what the suite is made of."""
    made: list[tuple[Any, ...]] = []

    def init(
        *arguments: str, counts: dict[str, int] = PLENTY, splits: dict[str, int] | None = None, prefix: str = "",
        downloads: int = 0, warnings: tuple[str, ...] = (), datasets: tuple[Any, ...] = (),
    ) -> list[tuple[Any, ...]]:  # fmt: skip
        seen = Seen(counts, splits or {}, (30, 40, 50), True, False, prefix, 2)
        resolved = SimpleNamespace(
            datasets=list(datasets),
            trials=[SimpleNamespace(id="x"), SimpleNamespace(id="y"), SimpleNamespace(id="z")],
            warnings=list(warnings),
            downloads=[SimpleNamespace(path=Path(f"/keras/{number}.h5")) for number in range(downloads)],
        )
        made.clear()
        monkeypatch.setattr("bench.suite.starter.look", lambda *given: made.append(given) or seen)
        monkeypatch.setattr(
            "bench.suite.starter.suite_text", lambda *given: made.append(given) or "the suite"
        )
        monkeypatch.setattr(
            "bench.suite.starter.write_suite",
            lambda path, text, check: (made.append((path, text)), check(path)),
        )
        monkeypatch.setattr(
            "bench.suite.resolve.resolve_suite", lambda *given: made.append(given) or resolved
        )
        assert main(["init", "cells", *arguments]) == 0
        return made

    return init


def lines(capsys) -> list[str]:
    """What is printed below the sentences on the folder."""
    said = capsys.readouterr().out.splitlines()
    return said[next(number for number, line in enumerate(said) if line.startswith("balance:")) + 1 :]


def test_a_suite_is_written_and_what_is_next(asked, capsys):
    made = asked()
    assert lines(capsys)[-3:] == [
        "Wrote cells.toml: 3 trials. Next:",
        f"  {command()} plan cells.toml     # what would run, and for how long",
        f"  {command()} run cells.toml      # run it; the same command resumes",
    ]
    look, text, written, resolved = made
    assert look[0] == Path("cells") and text[1:5] == (
        Path("cells"),
        "cells",
        "quick",
        f"{command()} init cells",
    )
    assert written == (Path("cells.toml"), "the suite") and resolved == (
        Path("cells.toml"),
        Path("results/cache"),
    )
    assert look[1:] == text[5:] == (FolderOptions(), Reading())
    look, text, *_ = asked("--group", "folder", "--white", "9", "--pages", "2")
    assert look[1:] == text[5:] == (FolderOptions("folder"), Reading(9.0, pages=2))
    made = asked("--preset", "thorough", "-o", "other.toml", "--results", "my results")
    assert made[1][2:5] == ("other", "thorough", f"{command()} init cells --preset thorough")
    assert made[3] == (Path("other.toml"), Path("my results/cache"))
    assert [line.partition("#")[0].strip() for line in lines(capsys)[-2:]] == [
        f"{command()} {verb} other.toml --results 'my results'" for verb in ("plan", "run")
    ]


@pytest.mark.parametrize(("least", "few"), [(99, True), (100, False)])
def test_few_images_of_a_class_are_warned_of(asked, capsys, least: int, few: bool):
    asked(counts={"a": 300, "b": least})
    assert ("There are few images of a class: intervals will be wide." in lines(capsys)) is few


@pytest.mark.parametrize(
    ("downloads", "said"), [(0, []), (1, ["0.h5"]), (3, ["0.h5, 1.h5, 2.h5"]), (4, ["0.h5, 1.h5, 2.h5, ..."])]
)
def test_weights_that_will_be_downloaded_are_named(asked, capsys, downloads: int, said: list[str]):
    asked(downloads=downloads)
    head = "Weights that Keras will download: "
    assert [line.removeprefix(head) for line in lines(capsys) if line.startswith(head)] == said


def test_what_a_folder_makes_one_think_of(asked, capsys):
    asked(prefix="P1", warnings=("The images are odd.",))
    said = lines(capsys)
    names = "Names share beginnings such as P1: if these are patients or slides, set group."
    assert "The images are odd." in said and names in said
    asked("--group", "folder", prefix="P1")
    assert names not in lines(capsys)
    asked(splits={"train": 300, "test": 100})
    check = f"  {command()} data check cells     # are test images near-duplicates of training images?"
    assert lines(capsys)[-1] == check


def test_the_document_of_a_first_suite(asked, capsys):
    asked("--json", splits={"train": 300, "test": 100}, warnings=("odd",))
    assert json.loads(capsys.readouterr().out) == {
        **{
            "suite": "cells.toml",
            "counts": PLENTY,
            "splits": {"train": 300, "test": 100},
            "sides": [30, 40, 50],
        },
        **{"trials": ["x", "y", "z"], "warnings": ["odd"]},
    }


@pytest.mark.parametrize(("images", "splits"), [(3000, True), (3001, False)])
def test_a_small_folder_is_split_at_once_and_what_that_shows_is_said(
    asked, capsys, images: int, splits: bool
):
    made = SimpleNamespace(settings={"notes": ["Three images are alike."]})
    sets = [SimpleNamespace(prepare=lambda show: prepared.append(callable(show)) or made)]
    prepared: list[bool] = []
    asked(counts={"a": images - 1000, "b": 1000}, datasets=tuple(sets))
    assert prepared == [True] * splits
    assert ("note: Three images are alike." in lines(capsys)) is splits
