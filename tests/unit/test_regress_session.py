"""What a comparison asks for and holds: one device, which leaves the others free."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from regress_equipment import Listener, a_pair

from bench.devices.device import Device, Slot
from bench.devices.machine import Choice
from bench.errors import InputError, ResultsError
from bench.regress import kept
from bench.regress.session import (
    RegressRequest,
    _left,
    first_free_slot,
    introduction,
    keys_of,
    name_of,
    side_differences,
)
from bench.regress.side_request import SideRequest
from bench.regress.sides import NAMES, Code, Side
from bench.regress.verdict import run_regress

SLOTS = tuple(
    Slot(f"gpu:{number}", (Device("gpu", "A100", f"GPU-{number}", number),), (0,)) for number in (0, 1)
)
ALL = Choice(SLOTS, named=True)


@pytest.fixture(autouse=True)
def leases(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("LEUKOBENCH_LEASES", str(tmp_path))


def test_the_first_free_gpu_is_taken_and_no_other(tmp_path: Path):
    with first_free_slot(ALL, tmp_path) as first, first_free_slot(ALL, tmp_path) as second:
        assert [first.name, second.name] == ["gpu:0", "gpu:1"]


def test_where_all_are_in_use_it_says_by_whom(tmp_path: Path):
    with (
        first_free_slot(ALL, tmp_path),
        first_free_slot(ALL, tmp_path),
        pytest.raises(ResultsError, match="gpu:1 is in use by process"),
        first_free_slot(ALL, tmp_path),
    ):
        pass


def test_it_is_given_back(tmp_path: Path):
    for _ in range(2):
        with first_free_slot(ALL, tmp_path) as slot:
            assert slot.name == "gpu:0"


def asked(tmp_path: Path, baseline: SideRequest, recorded: str | None = None, **options) -> None:
    candidate = SideRequest(python=Path(sys.executable))
    suite = tmp_path / "no.toml"
    run_regress(RegressRequest(suite, baseline, candidate, recorded, tmp_path, **options), Listener())


def test_options_that_would_do_nothing_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="is for environments that are built"):
        asked(tmp_path, SideRequest(), python="3.12")
    with pytest.raises(InputError, match="given twice"):
        asked(tmp_path, SideRequest("baseline:v1"), str(tmp_path))
    with pytest.raises(InputError, match="nothing else can be asked"):
        asked(tmp_path, SideRequest(""), str(tmp_path))


KERAS = SideRequest("keras")


def request(baseline: SideRequest, candidate: SideRequest = KERAS, **options) -> RegressRequest:
    recorded = options.pop("recorded", None)
    return RegressRequest(Path("suite.toml"), baseline, candidate, recorded, Path("results"), **options)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (request(SideRequest()), ""),
        (request(SideRequest(), SideRequest()), "nothing to compare"),
        (request(SideRequest("keras"), SideRequest()), ""),
        (request(SideRequest(revision="v1"), SideRequest()), ""),
        (request(SideRequest(), SideRequest(python=Path("p"))), ""),
        (request(SideRequest(), name="a b"), "cannot be called 'a b'"),
        (request(SideRequest(), name="A.b_c+d-1"), ""),
        (request(SideRequest(), name=".a"), "cannot be called"),
        (request(SideRequest("baseline:v1"), SideRequest()), ""),
        (request(SideRequest(), SideRequest(), recorded="results/a"), ""),
        (request(SideRequest("baseline:v1"), recorded="results/a"), "given twice"),
        (request(SideRequest("baseline:v1", more=("keras",))), "nothing else can be asked"),
        (request(SideRequest("keras"), recorded="results/a"), "nothing else can be asked"),
        (request(SideRequest(revision="v1"), recorded="results/a"), "nothing else can be asked"),
        (request(SideRequest(" ")), "--baseline is empty"),
        (request(SideRequest("keras", more=("",))), "--baseline-with is empty"),
        (request(SideRequest(), SideRequest(revision="")), "--candidate-revision is empty"),
        (request(SideRequest("keras", python=Path("p"))), "nothing is installed"),
        (request(SideRequest(more=("keras",))), "adds to what --baseline asks for"),
        (request(SideRequest("-r x")), "is no requirement"),
        (request(SideRequest("keras\n")), "is no requirement"),
        (request(SideRequest("./a.whl")), ""),
        (request(SideRequest(), python="3.12"), ""),
        (request(SideRequest(), SideRequest(python=Path("p")), python="3.12"), "is for environments that are built"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(asked: RegressRequest, said: str):
    if not said:
        asked.check()
        return
    with pytest.raises(InputError, match=re.escape(said)):
        asked.check()


def test_saved_results_take_the_place_of_the_baseline():
    saved, given, none = (
        request(SideRequest("baseline:v1")),
        request(SideRequest(), recorded="results/a"),
        request(SideRequest("keras")),
    )
    assert [one.recorded for one in (saved, given, none)] == ["baseline:v1", "results/a", None]
    assert [list(one.sides) for one in (saved, given, none)] == [["candidate"], ["candidate"], [*NAMES]]


def side(label: str, **packages: str) -> Side:
    code = Code(Path("/code") / label, f"the code of {label}", label)
    return Side("candidate", label, Path("/python"), code, "3.11", packages)


@pytest.mark.parametrize(
    ("sides", "said"),
    [
        (
            ("old", "new"),
            "What differs: keras 1 -> 2, torch none -> 1, wbc the code of old -> the code of new.",
        ),
        (("old", "old"), "Nothing differs between the sides: A is compared with A."),
        (("new",), "The baseline is a saved result; only the candidate runs."),
    ],
)
def test_what_is_said_before_anything_runs(monkeypatch, sides, said: str):
    known = {"old": side("old", keras="1"), "new": side("new", keras="2", torch="1")}
    monkeypatch.setattr(Side, "lacks", lambda self, trials: [f"{self.label} lacks it"])
    made = dict(zip(NAMES[-len(sides) :], map(known.get, sides), strict=True))
    suite = SimpleNamespace(warnings=["a warning"], devices=SimpleNamespace(note="a note"))
    lines = introduction("name", made, [None], suite, SLOTS[0])
    labels = " against ".join(sides)
    assert lines == [
        f"name: {labels}, 1 trial, on A100",
        said,
        "a warning",
        "a note",
        *(f"{one} lacks it" for one in sides),
    ]
    suite.devices.note = ""
    assert introduction("name", made, [None] * 2, suite, SLOTS[0])[:1] == [
        f"name: {labels}, 2 trials, on A100"
    ]
    assert "" not in introduction("name", made, [], suite, SLOTS[0])
    keys = keys_of(made)
    assert keys == (
        ("", made["candidate"].key) if len(sides) < 2 else tuple(one.key for one in made.values())
    )
    assert bool(side_differences(made)) == said.startswith("What differs")


def test_a_comparison_is_named_for_its_sides():
    asked = {"baseline": SideRequest("tensorflow==2.20.0"), "candidate": SideRequest(revision="v1/x")}
    assert name_of("s", asked) == "s-tensorflow-2.20.0-vs-revision-v1-x"
    assert name_of("s", {"candidate": SideRequest()}) == "s-recorded-vs-this-environment"
    long = {"baseline": SideRequest("a" * 61), "candidate": SideRequest("b" * 60)}
    assert name_of("s", long) == f"s-{'a' * 60}-vs-{'b' * 60}"


@pytest.mark.parametrize(
    ("budget", "whole", "left"),
    [(None, True, None), (100.0, False, 100.0), (100.0, True, 60.0), (30.0, True, 0.0)],
)
def test_what_is_left_of_a_budget(budget, whole: bool, left):
    assert (
        _left(request(SideRequest(), budget_s=budget, whole_budget=whole), [a_pair(), a_pair("aa")]) == left
    )


def test_a_comparison_that_cannot_be_read_costs_itself_alone(tmp_path: Path, monkeypatch):
    for name in "abcd":
        (tmp_path / "regress" / name).mkdir(parents=True)
        (tmp_path / "regress" / name / "pairs.jsonl").touch()

    def read(folder: Path, only: str | None):
        assert only == "pattern"
        if folder.name in "ac":
            raise (InputError if folder.name == "a" else ResultsError)(f"{folder.name} is torn")
        return None if folder.name == "b" else folder.name

    monkeypatch.setattr(kept, "read_kept", read)
    found = kept.read_all(tmp_path, "pattern")
    assert found == (["d"], ["Left out: a is torn.", "Left out: c is torn."])
