"""Which file a suite is read from, and what a message says of a key that stands nowhere or elsewhere."""

from pathlib import Path

import pytest

from bench.suite.file import (
    MOST_KEYS,
    Source,
    _place_of,
    find_shipped,
    load_suite,
    name_of,
    shipped_suites,
    usable,
)
from bench.suite.schema import TrainingTable
from wbc.errors import InputError

BLOCK = '[[matrix]]\nbackbone = "LeNet5"\n'


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("seeds", "seeds belongs in [suite]."),
        ("seed", "seeds belongs in [suite]."),
        ("epochs", "epochs belongs in [training]."),
        ("mode", "mode belongs in [training]."),
        ("image_size", "image_size belongs in [data]."),
        ("split_seed", "split_seed belongs in [data]."),
        ("gpus_per_trial", "gpus_per_trial belongs in [devices]."),
        ("retries", "retries belongs in [limits]."),
        ("off_every", "off_every belongs in [telemetry]."),
        ("share_prefix", "share_prefix belongs in [cache]."),
        ("clock", "clock belongs in [thesis]."),
        ("backbone", "backbone belongs in [[matrix]]."),
        ("model", "backbone belongs in [[matrix]]."),
        ("lr", 'learning_rate belongs in the optimizer: optimizer = { name = "Adam", learning_rate = ... }.'),
        ("beta_1", 'beta_1 belongs in the optimizer: optimizer = { name = "Adam", beta_1 = ... }.'),
        ("matrix", ""),
        ("nothing", ""),
    ],
)
def test_a_key_belongs_into_one_table(name: str, place: str):
    assert _place_of(name) == place


def refused(folder: Path, text: str) -> InputError:
    path = folder / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_suite(path)
    return caught.value


def test_of_many_keys_that_are_known_the_first_are_listed(tmp_path: Path):
    known = list(TrainingTable.model_fields)
    said = refused(tmp_path, f"[training]\nzzz = 1\n{BLOCK}").way_out
    assert len(known) > MOST_KEYS == 16
    assert said == f"Known here: {', '.join(known[:16])} and {len(known) - 16} more."


@pytest.mark.parametrize(
    ("more", "follows"),
    [
        ("", ""),
        ("zzy = 1\n", " There is 1 more problem."),
        ("zzy = 1\nzzx = 1\n", " There are 2 more problems."),
    ],
)
def test_the_first_problem_is_told_and_the_others_are_counted(tmp_path: Path, more: str, follows: str):
    said = refused(tmp_path, f"[profile]\nzzz = 1\n{more}{BLOCK}")
    assert said.what == f"{tmp_path}/mine.toml, line 2: profile.zzz: there is no such key"
    assert said.way_out == f"Known here: steps.{follows}"


@pytest.mark.parametrize(("option", "before"), [("", ""), ("--data", "--data: ")])
@pytest.mark.parametrize("letters", [60, 61])
def test_a_long_path_that_is_none_is_told_in_part(option: str, before: str, letters: int):
    text = "\0" + "x" * (letters - 1)
    shown = text if letters == 60 else text[:60] + "..."
    with pytest.raises(InputError) as caught:
        usable(Path(text), option)
    assert caught.value.what == f"{before}the folder {shown!r} cannot be used: embedded null byte"
    assert usable(Path("nowhere")) == Path("nowhere")


def test_an_error_names_file_line_and_key_as_far_as_they_are_known(tmp_path: Path):
    source = Source(tmp_path / "a.toml", "[data]\npath = 1\n")
    for keys, place in (
        (("data", "path"), ", line 2: data.path: "),
        (("data", "x"), ", line 1: data.x: "),
        (("other",), ": other: "),
        ((), ": "),
    ):
        error = source.error(keys, "is wrong", "Mend it.")
        assert (error.what, error.way_out) == (f"{tmp_path}/a.toml{place}is wrong", "Mend it.")
    assert source.folder(("data", "path"), "") is source.folder(("data", "path"), None) is None
    assert source.folder(("data", "path"), "~/x") == Path.home() / "x"


def test_a_bare_name_is_that_of_a_suite_that_comes_along_unless_a_file_has_it(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = shipped_suites()
    assert list(known)[:3] == ["bccd", "classical", "demo"] and "thesis" in known
    assert known["demo"].name == "demo.toml" and find_shipped(Path("demo")) == known["demo"]
    for path in ("demo.toml", "x/demo", "./x/../demo", "nosuch"):
        assert find_shipped(Path(path)) == Path(path)
    Path("demo").write_text(BLOCK)
    assert find_shipped(Path("demo")) == Path("demo")
    assert load_suite(Path("demo"))[1].text == BLOCK


def test_a_mark_before_the_text_is_passed_over_and_a_file_without_letters_is_a_suite(tmp_path: Path):
    path = tmp_path / "--.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BLOCK.encode())
    assert name_of(*load_suite(path)) == "suite"
