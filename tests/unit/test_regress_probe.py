"""What a side's interpreter tells of itself, in this process."""

import json
import platform
import sys
from types import SimpleNamespace

import pytest

from bench.regress import probe
from bench.regress.side_notes import SideNote, differences


@pytest.fixture
def told(monkeypatch, capsys):
    def run(*modules: str) -> dict:
        monkeypatch.setattr(sys, "path", list(sys.path))
        probe.main(list(modules))
        return json.loads(capsys.readouterr().out)

    return run


def test_it_tells_its_python_its_packages_and_the_settings_that_it_knows(told):
    found = told("json")
    assert (found["python"], found["problem"]) == (platform.python_version(), None)
    assert found["packages"]["scikit-learn"] and not any("_" in name for name in found["packages"])
    assert {"data_folder", "mode", "epochs"} <= set(found["settings"])


def test_the_first_module_that_cannot_be_imported_is_the_problem(told, tmp_path, monkeypatch):
    (tmp_path / "breaks.py").write_text(f"raise ValueError('no\\n room ' + {600 * 'x'!r})")
    monkeypatch.syspath_prepend(tmp_path)
    said = "breaks cannot be imported: ValueError: no room "
    assert told("json", "breaks", "nosuch")["problem"] == said + "x" * (500 - len(said))
    missing = "nosuch cannot be imported: ModuleNotFoundError: No module named 'nosuch'"
    assert told("nosuch", "breaks")["problem"] == missing


def test_names_are_normalized_and_the_first_of_two_counts(told, monkeypatch):
    names = [("Some_Pkg.x", "1"), ("some-pkg-x", "2"), (None, "3")]
    found = [SimpleNamespace(metadata={"Name": name}, version=version) for name, version in names]
    monkeypatch.setattr(probe.metadata, "distributions", lambda: found)
    assert told()["packages"] == {"some-pkg-x": "1"}


def test_folders_of_the_users_are_searched_last(told, monkeypatch):
    monkeypatch.setattr(sys, "path", ["/own", "/mine", f"{sys.prefix}/lib", "/lib"])
    monkeypatch.setenv("PYTHONPATH", f"/own:/mine:{sys.prefix}/lib:/elsewhere")
    probe.main([])
    assert sys.path == ["/own", f"{sys.prefix}/lib", "/lib", "/mine"]


def note(**changes) -> SideNote:
    usual = {"label": "a", "interpreter": "/python", "python": "3.11.4", "code": "v1", "wbc": "0", "key": "k"}
    return SideNote(**{**usual, "packages": {"keras": "3.3"}, **changes})


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, {}),
        ({"packages": {"numpy": "2.0"}}, {"keras": ("3.3", ""), "numpy": ("", "2.0")}),
        ({"python": "3.12.0"}, {"python": ("3.11.4", "3.12.0")}),
        ({"code": "v2"}, {"wbc": ("v1", "v2")}),
        ({"wbc": "1"}, {"wbc": ("v1", "v1")}),
    ],
)
def test_what_differs_between_two_sides(changes: dict, found: dict):
    assert differences(note(), note(**changes)) == found
