"""Names in a results folder: no suite lies where something of ours does."""

from pathlib import Path

import pytest

from bench.compare import baseline
from bench.errors import InputError
from bench.journal.results import SuiteResults
from bench.journal.runs import noted_run, other_file
from bench.suite.file import load_suite, name_of
from bench.trials.layout import RESERVED, is_reserved

SUITE = '[[matrix]]\nmode = "classical"\nbackbone = "KNN"\n'


@pytest.mark.parametrize("name", [*RESERVED, "Baselines", "mlflow.db", "mlflow.db-wal", ".hidden"])
def test_a_suite_is_not_called_like_a_folder_of_ours(tmp_path: Path, name: str):
    path = tmp_path / "suite.toml"
    path.write_text(f'[suite]\nname = "{name}"\n{SUITE}')
    with pytest.raises(InputError, match=r"uses itself|name"):
        name_of(*load_suite(path))
    assert is_reserved(name)


def test_other_names_are_free(tmp_path: Path):
    path = tmp_path / "my-cells.toml"
    path.write_text(SUITE)
    assert name_of(*load_suite(path)) == "my-cells"


def test_files_whose_names_differ_in_letters_are_different_suites(tmp_path: Path):
    names = []
    for stem in ("ünï", "uni", "ünî", "n", "日本", "日", "u\u0308nï"):
        (tmp_path / f"{stem}.toml").write_text(SUITE)
        names.append(name_of(*load_suite(tmp_path / f"{stem}.toml")))
    assert names[1] == "uni" and names[0].startswith("uni-") and names[-1] == names[0], (
        "one text, spelled twice"
    )
    assert len(set(names[:-1])) == 6 and all(name.isascii() for name in names)


def test_only_a_saved_baseline_is_replaced(tmp_path: Path):
    """Whatever else lies there is not deleted."""
    mine = tmp_path / "baselines" / "cells"
    mine.mkdir(parents=True)
    (mine / "only-copy.txt").write_text("mine")
    with pytest.raises(InputError, match="is not a saved baseline"):
        baseline.save(tmp_path, "cells", tmp_path / "nowhere", replace=True)
    assert (mine / "only-copy.txt").read_text() == "mine"


def test_two_suite_files_in_one_folder_are_told_of_each_other(tmp_path: Path):
    results = SuiteResults(tmp_path, "suite")
    results.folder.mkdir()
    first, second = tmp_path / "клетки.toml", tmp_path / "细胞.toml"
    for path in (first, second):
        path.write_text(SUITE)
    assert other_file(results, first) == ""
    with noted_run(results, [], False, path=str(first.resolve())):
        pass
    assert other_file(results, first) == ""
    assert str(first) in other_file(results, second)
    first.unlink()
    assert other_file(results, second) == "", "the file was renamed"
