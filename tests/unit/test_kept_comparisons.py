"""A comparison as it is kept: which pairs count, under which name, from which side's packages a side
starts, and which comparisons make a chain of versions."""

from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from comparison_equipment import add, record, trial
from equipment.results import records
from versions_equipment import Script, interpreters

from bench.errors import InputError
from bench.journal.results import SuiteResults
from bench.regress import side_request
from bench.regress.kept import longest_chain, read_kept
from bench.regress.pairs import PairedRuns, PairJournal, Run
from bench.regress.side_notes import SideNote, SidesNote
from bench.regress.side_request import SideRequest, make_chain


def a_note(key: str) -> SideNote:
    plain = {"interpreter": "i", "python": "3.12", "code": "c", "wbc": "w", "packages": {}}
    return SideNote(label=f"version {key}", key=key, **plain)


def a_comparison(folder: Path, suite: str = "cells") -> Path:
    """Two pairs of each of two trials, one of them with other sides; and one of the baseline with itself."""
    folder.mkdir()
    note = SidesNote(suite=suite, baseline=a_note("old"), candidate=a_note("new"))
    (folder / "sides.json").write_bytes(msgspec.json.encode(note))
    results = {name: SuiteResults(folder, name) for name in ("baseline", "candidate")}
    for of, sides in (
        (trial(), ("old", "new")),
        (trial("LeNet5"), ("old", "new")),
        (trial(), ("new", "old")),
    ):
        runs = [Run(name, of.id, add(one, of, record(of)).number) for name, one in results.items()]
        PairJournal(folder).append(PairedRuns("ab", of.key, sides, "baseline", *runs, 20.0, "done"))
    of = trial()
    runs = [Run("baseline", of.id, add(results["baseline"], of, record(of)).number) for _ in range(2)]
    PairJournal(folder).append(PairedRuns("aa", of.key, ("old", "old"), "baseline", *runs, 20.0, "done"))
    return folder


def test_pairs_of_both_sides_count_and_noise_does_not(tmp_path: Path):
    found = read_kept(a_comparison(tmp_path / "mine"))
    assert (found.suite, found.pairs, [len(one.pairs) for one in found.trials]) == ("cells", 2, [1, 1])
    assert (found.baseline.label, found.candidate.label) == ("version old", "version new")
    assert read_kept(a_comparison(tmp_path / "other", suite="")).suite == "other"


@pytest.mark.parametrize(("only", "networks"), [("lenet*", ["LeNet5"]), ("vgg", ["VGG16"]), ("resnet", None)])
def test_only_some_trials_of_a_comparison(tmp_path: Path, only: str, networks):
    found = read_kept(a_comparison(tmp_path / "mine"), only)
    assert (found and [one.settings.network for one in found.trials]) == networks


def test_what_names_no_two_sides_is_no_comparison(tmp_path: Path):
    folder = a_comparison(tmp_path / "mine")
    note = SidesNote(suite="cells", candidate=a_note("new"))
    (folder / "sides.json").write_bytes(msgspec.json.encode(note))
    assert read_kept(folder) is None
    (folder / "sides.json").write_text("{torn")
    with pytest.raises(InputError, match=r"sides\.json cannot be read"):
        read_kept(folder)
    (folder / "sides.json").unlink()
    assert read_kept(folder) is None


class Packages:
    """In place of `Environments`: takes what is preferred, and keeps what it was asked."""

    def __init__(self):
        self.preferred: list[dict[str, str]] = []

    def resolve(self, title, requirements, preferred) -> list[str]:
        self.preferred.append(dict(line.split("==") for line in preferred.split()))
        return [requirements[0], "numpy==1.26.4"]

    def build(self, title, pins, check) -> Path:
        return Path("/environments") / "-".join(pins) / "bin" / "python"


def test_a_package_that_any_side_asks_for_is_left_free_for_all(tmp_path: Path, monkeypatch):
    """And what an interpreter has, the next side prefers."""
    Script({}).install(monkeypatch)
    here = {"numpy": "2.0", "keras": "3.9", "pillow": "9"}
    monkeypatch.setattr(side_request, "installed", lambda: dict(here))
    (python,) = interpreters(tmp_path, ["python18"])
    packages = Packages()
    asked = [SideRequest("keras==3.8"), SideRequest("pandas==2"), SideRequest(python=Path(python))]
    requests = [("candidate", one) for one in (*asked, SideRequest("h5py==3"))]
    make_chain(requests, packages, tmp_path, [records.a_trial(backend="tensorflow")], False)
    usual = {"numpy": "2.0", "pillow": "9"}
    assert packages.preferred == [
        usual,
        {**usual, "numpy": "1.26.4"},
        {**usual, "numpy": "2.1", "tensorflow": "2.18.0"},
    ]
    assert "keras" not in {name for one in packages.preferred for name in one}


def kept(baseline: str, candidate: str, pairs: int = 1) -> SimpleNamespace:
    return SimpleNamespace(
        baseline=SimpleNamespace(label=baseline), candidate=SimpleNamespace(label=candidate), pairs=pairs
    )


@pytest.mark.parametrize(
    ("comparisons", "chain"),
    [
        ([], []),
        ([kept("a", "a", 9)], []),
        ([kept("b", "c"), kept("a", "b")], ["ab", "bc"]),
        ([kept("a", "b", 2), kept("a", "b", 3)], ["ab3"]),
        ([kept("a", "c", 50), kept("a", "b"), kept("b", "c")], ["ab", "bc"]),
        ([kept("a", "b", 2), kept("a", "c", 3)], ["ac3"]),
        ([kept("a", "b", 2), kept("c", "b", 3), kept("b", "d", 1)], ["cb3", "bd"]),
        ([kept("a", "b", 3), kept("b", "c", 2), kept("c", "a", 1)], ["ab3", "bc2"]),
        ([kept("a", "b", 1), kept("b", "c", 2), kept("c", "a", 3)], ["bc2", "ca3"]),
    ],
)
def test_the_longest_chain_of_versions_and_of_equal_ones_that_with_most_pairs(comparisons, chain):
    found, left = longest_chain(comparisons)
    named = [
        f"{one.baseline.label}{one.candidate.label}{one.pairs if one.pairs > 1 else ''}" for one in found
    ]
    assert named == chain and len(left) == len(comparisons) - len(found)
    assert not any(one in found for one in left)
