"""How sides, and versions in a row, are made: what is asked of uv, in which order, and what is looked at."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from regress_equipment import TRIALS, Listener

from bench.compare.thresholds import Thresholds
from bench.errors import InputError
from bench.regress import side_request, versions
from bench.regress.environments import preferences, requirements_of
from bench.regress.session import RegressRequest
from bench.regress.side_request import SideRequest, make_chain, make_sides
from bench.regress.sides import Code, Side, modules_of
from bench.regress.versions import parse_versions

TREE, TAG = (Code(Path(f"/code/{name}"), name, "hash") for name in ("tree", "tag"))
INSTALLED = {"numpy": "2.0", "keras": "3.0", "tensorflow-cpu": "2.20"}


class Environments:
    """Stands in for uv: it finds the pins it is told, and builds at once."""

    def __init__(self, *pins: list[str]):
        self.pins, self.calls = list(pins), []

    def resolve(self, title: str, requirements: list[str], preferred: str) -> list[str]:
        self.calls.append(("resolve", title, requirements, preferred))
        return self.pins.pop(0)

    def build(self, title: str, pins: list[str], check: Callable[[Path], Any]) -> Path:
        self.calls.append(("build", title, pins))
        check(Path("/checked"))
        return Path(f"/env/{title}")


@pytest.fixture
def looks(monkeypatch) -> list[tuple[Any, ...]]:
    """What interpreters were looked at; each has the packages that are installed here."""
    found: list[tuple[Any, ...]] = []

    def inspect(name: str, label: str, interpreter: Path, code: Code, modules: Any = ()) -> Side:
        found.append((name, label, interpreter, code, modules))
        return Side(name, label, interpreter, code, "3.11", INSTALLED)

    monkeypatch.setattr(side_request, "inspect", inspect)
    monkeypatch.setattr(side_request, "installed", lambda: dict(INSTALLED))
    monkeypatch.setattr(side_request, "working_tree", lambda cache: TREE)
    monkeypatch.setattr(side_request, "revision", lambda name, cache: TAG)
    return found


def test_an_interpreter_is_looked_at_once_with_each_code(looks, tmp_path: Path):
    here, there = SideRequest(python=Path("/p")), SideRequest(python=Path("/p"), revision="v1")
    asked = [
        ("baseline", here),
        ("candidate", there),
        ("candidate", here),
        ("candidate", SideRequest(python=Path("/q"))),
    ]
    sides = make_chain(asked, Environments(), tmp_path, TRIALS, gpu=False)
    modules = modules_of(TRIALS)
    assert looks == [
        ("baseline", "/p", Path("/p"), TREE, modules),
        ("candidate", "/p, revision v1", Path("/p"), TAG, modules),
        ("candidate", "/q", Path("/q"), TREE, modules),
    ]
    assert [(one.name, one.label, one.interpreter, one.code) for one in sides] == [
        ("baseline", "/p", Path("/p"), TREE),
        ("candidate", "/p, revision v1", Path("/p"), TAG),
        ("candidate", "/p", Path("/p"), TREE),
        ("candidate", "/q", Path("/q"), TREE),
    ]


@pytest.mark.parametrize("gpu", [False, True])
def test_each_side_takes_the_versions_of_the_one_before_it_and_all_are_found_before_one_is_built(
    looks, tmp_path: Path, gpu: bool
):
    old, new = SideRequest("keras==3.1"), SideRequest("keras==3.2", ("h5py==3",), revision="v1")
    made = Environments(["keras==3.1", "numpy==1.26", "a @ file:///x"], ["keras==3.2", "numpy==1.26"])
    sides = make_chain(
        [("baseline", old), ("candidate", new)], made, tmp_path, TRIALS, gpu, ["version A", "version B"]
    )
    backends = sorted({trial.settings.backend for trial in TRIALS if trial.settings.backend})
    asked = ["keras==3.1", "keras==3.2", "h5py==3"]
    assert made.calls == [
        (
            "resolve",
            "version A",
            requirements_of(["keras==3.1"], backends, gpu),
            preferences(INSTALLED, asked),
        ),
        (
            "resolve",
            "version B",
            requirements_of(["keras==3.2", "h5py==3"], backends, gpu),
            preferences({**INSTALLED, "numpy": "1.26"}, asked),
        ),
        ("build", "version A", ["keras==3.1", "numpy==1.26", "a @ file:///x"]),
        ("build", "version B", ["keras==3.2", "numpy==1.26"]),
    ]
    assert [(one.name, one.label, one.interpreter, one.code) for one in sides] == [
        ("baseline", "keras==3.1", Path("/env/version A"), TREE),
        ("candidate", "keras==3.2, h5py==3, revision v1", Path("/env/version B"), TAG),
    ]
    modules = modules_of(TRIALS)
    assert [one[2:] for one in looks] == [
        (Path("/checked"), TREE, modules),
        (Path("/env/version A"), TREE, ()),
        (Path("/checked"), TAG, modules),
        (Path("/env/version B"), TAG, ()),
    ]


def test_sides_are_called_by_their_names(looks, tmp_path: Path):
    made = Environments(["keras==3.1"])
    found = make_sides(
        {"baseline": SideRequest("keras==3.1"), "candidate": SideRequest()}, made, tmp_path, TRIALS, False
    )
    assert [call[:2] for call in made.calls] == [("resolve", "baseline"), ("build", "baseline")]
    assert [(name, one.label) for name, one in found.items()] == [
        ("baseline", "keras==3.1"),
        ("candidate", "this environment"),
    ]


@pytest.mark.parametrize("name", [None, "mine"])
def test_each_version_is_compared_with_the_one_before_it(monkeypatch, tmp_path: Path, name: str | None):
    """All share the rates of errors; each has the budget, with what earlier pairs took."""
    calls: list[tuple[Any, ...]] = []
    listener = Listener()
    sides = [Side("candidate", label, Path("/p"), TREE, "3.11", {}) for label in ("A", "B", "C")]
    monkeypatch.setattr(versions, "_make", lambda *given: (SimpleNamespace(name="cells"), sides))

    def run(request: RegressRequest, speaker: Listener, made: dict[str, Side]) -> SimpleNamespace:
        calls.append((request, {side: (one.name, one.label) for side, one in made.items()}))
        return SimpleNamespace(verdict="verdict", folder=tmp_path / f"{len(calls)}")

    monkeypatch.setattr(versions, "run_regress", run)
    monkeypatch.setattr(versions, "write_verdict", lambda *given: calls.append(given))
    monkeypatch.setattr(versions, "read_kept", lambda folder: folder.name)
    monkeypatch.setattr(versions, "history_of", lambda *given: given)
    thresholds = Thresholds(change=0.04)
    asked = RegressRequest(Path("s.toml"), results=tmp_path, name=name, thresholds=thresholds, budget_s=60.0)
    texts = ["keras==1", "keras==2", "keras==3"]
    found = versions.run_versions(asked, texts, listener)
    requests = parse_versions(texts)
    (first, made), written, (second, other), rewritten = calls
    for request, old, new in ((first, requests[0], requests[1]), (second, requests[1], requests[2])):
        assert request == replace(
            asked,
            baseline=old,
            candidate=new,
            whole_budget=True,
            thresholds=replace(thresholds, alpha_speed=0.015, alpha_memory=0.005, alpha_learning=0.005),
            name=versions.name_of(name or "cells", request.sides),
        )
    assert made == {"baseline": ("baseline", "A"), "candidate": ("candidate", "B")}
    assert other == {"baseline": ("baseline", "B"), "candidate": ("candidate", "C")}
    assert (written, rewritten) == (("verdict", tmp_path / "1"), ("verdict", tmp_path / "3"))
    assert listener.said == ["1 of 2: A against B", "2 of 2: B against C"]
    assert found.history == ("cells", ["1", "3"], thresholds)
    assert found.folder == tmp_path / "history" / (name or "cells")
    monkeypatch.setattr(versions, "read_kept", lambda folder: None)
    with pytest.raises(InputError) as caught:
        versions.run_versions(asked, texts, listener)
    assert (caught.value.what, caught.value.way_out) == (
        "A against B ended without a pair, so the versions make no line",
        f"The trials say why in {tmp_path}/5. Mend it and repeat the command: the rest is kept.",
    )
