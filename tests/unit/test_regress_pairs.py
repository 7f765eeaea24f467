"""The journal of a comparison."""

import json
from pathlib import Path

import pytest
from comparison_equipment import SLOT
from equipment.results.records import a_failure, a_record, phases, write_record
from regress_equipment import SIDES, a_pair

from bench.compare.differences import Fingerprint
from bench.errors import InputError
from bench.journal.results import SuiteResults
from bench.regress.pairs import PairJournal, Run, first_side, seconds_of
from bench.trials.origin import MachineFacts, Provenance


@pytest.fixture
def results(tmp_path: Path):
    return {name: SuiteResults(tmp_path, name) for name in ("baseline", "candidate")}


def recorded(pair, results):
    """A pair whose attempts have records."""
    for run in pair.runs:
        attempt = run.of(results)
        attempt.folder.mkdir(parents=True, exist_ok=True)
        write_record(attempt, a_record(failure=None if pair.status == "done" else a_failure()))
    return pair


def test_pairs_come_back_as_they_were_kept(tmp_path: Path, results):
    journal = PairJournal(tmp_path)
    pairs = [
        recorded(pair, results)
        for pair in (a_pair(), a_pair("aa", number=1), a_pair(number=2, status="failed", disturbed=("x",)))
    ]
    for pair in pairs:
        journal.append(pair)
    assert journal.read(SIDES, results) == pairs


def test_pairs_of_other_sides_are_left_out(tmp_path: Path, results):
    journal = PairJournal(tmp_path)
    journal.append(recorded(a_pair(), results))
    assert journal.read(("old", "newer"), results) == []


def test_noise_of_the_same_baseline_counts_whatever_the_candidate(tmp_path: Path, results):
    journal = PairJournal(tmp_path)
    journal.append(recorded(a_pair("aa"), results))
    assert len(journal.read(("old", "newer"), results)) == 1


def test_a_pair_whose_attempt_was_deleted_is_left_out(tmp_path: Path, results):
    journal = PairJournal(tmp_path)
    pair = recorded(a_pair(), results)
    journal.append(pair)
    pair.candidate.of(results).result.unlink()
    assert journal.read(SIDES, results) == []


def test_a_journal_is_read_by_later_versions(tmp_path: Path, results):
    journal, pair = PairJournal(tmp_path), a_pair(number=1, disturbed=("x",))
    journal.append(pair)
    journal.append_run("new", pair.candidate)
    journal.begin_afresh()
    lines = [json.loads(line) for line in journal.path.read_text().splitlines()]
    old, new = (
        {"side": side, "trial_id": "trial", "attempt": n} for side, n in (("baseline", 3), ("candidate", 4))
    )
    assert [{name: value for name, value in line.items() if name not in ("t", "cpu")} for line in lines] == [
        {"event": "begun", "format": 1},
        {
            **{
                "event": "pair",
                "kind": "ab",
                "trial_key": "key",
                "sides": ["old", "new"],
                "first": pair.first,
            },
            **{"baseline": old, "candidate": new, "seconds": 20.0, "status": "done", "disturbed": ["x"]},
        },
        {"event": "run", "side_key": "new", "run": new},
        {"event": "afresh"},
    ]


def test_a_pair_takes_what_all_phases_of_its_attempts_take():
    assert seconds_of(a_record(phases=phases(startup=1.0, train=20.0, evaluate=300.0))) == 321.0


def test_nothing_counts_from_before_a_new_beginning(tmp_path: Path, results):
    journal = PairJournal(tmp_path)
    journal.begin_afresh()
    assert not journal.path.exists(), "there is nothing to forget"
    journal.append(recorded(a_pair(), results))
    journal.begin_afresh()
    journal.append(recorded(a_pair(number=1), results))
    assert [pair.baseline.attempt for pair in journal.read(SIDES, results)] == [3]


def test_a_torn_line_costs_no_other(tmp_path: Path, results):
    journal = PairJournal(tmp_path)
    journal.append(recorded(a_pair(), results))
    with journal.path.open("ab") as file:
        file.write(b'{"event": "pair", "kind": "ab", "trial')
    journal.append(recorded(a_pair(number=1), results))
    assert len(journal.read(SIDES, results)) == 2


def test_either_side_goes_first_equally_often_and_chance_decides_which():
    orders = ["".join(first_side(number, f"trial {one}")[0] for number in range(8)) for one in range(200)]
    assert all(sorted(order[n : n + 2]) == ["b", "c"] for order in orders for n in range(0, 8, 2))
    firsts = [order[n] for order in orders for n in range(0, 8, 2)]
    assert 340 < firsts.count("b") < 460
    # The same after a resume, with a later version as well: the first byte of `sha256sum` is odd or not.
    assert "".join(first_side(number, "a trial")[0] for number in range(8)) == "bccbcbbc"
    assert "".join(first_side(number)[0] for number in range(8)) == "bccbbcbc"


@pytest.mark.parametrize(
    ("place", "there"),
    [
        (Fingerprint(kind="cpu", model="A processor", cores=2), 1),
        (Fingerprint(kind="cpu", model="A processor", cores=4), 0),
        (Fingerprint(kind="gpu"), 0),
        (Fingerprint(host="here"), 1),
        (Fingerprint(host="there"), 0),
    ],
)
def test_pairs_of_another_device_do_not_count(tmp_path: Path, results, place, there):
    journal, pair = PairJournal(tmp_path), recorded(a_pair(), results)
    for run in pair.runs:
        provenance = Provenance(machine=MachineFacts(fingerprint="here"))
        write_record(run.of(results), a_record(slot=SLOT, provenance=provenance))
    journal.append(pair)
    journal.append_run("new", pair.candidate)
    assert len(journal.read(SIDES, results, place)) == there
    assert len(journal.runs("new", results, place)) == there


def test_single_runs_are_those_of_their_side_since_the_last_beginning(tmp_path: Path, results):
    journal, runs = PairJournal(tmp_path), recorded(a_pair(), results).runs
    journal.append_run("new", runs[1])
    journal.append_run("newer", runs[0])
    journal.append_run("new", Run("candidate", "trial", 99))  # its attempt is not there
    assert journal.runs("new", results) == [runs[1]]
    assert journal.read(SIDES, results) == []
    journal.begin_afresh()
    assert journal.runs("new", results) == []


@pytest.mark.parametrize("other", [0, 99])
def test_a_journal_of_another_format_is_refused_with_its_file(tmp_path: Path, results, other: int):
    journal = PairJournal(tmp_path)
    journal.append(recorded(a_pair(), results))
    first, *rest = journal.path.read_text().splitlines()
    journal.path.write_text("\n".join([first.replace('"format": 1', f'"format": {other}'), *rest, ""]))
    with pytest.raises(InputError, match=f"{journal.path} has format {other}"):
        journal.read(SIDES, results)


def test_a_run_whose_record_has_another_format_does_not_count(tmp_path: Path, results):
    journal, pair = PairJournal(tmp_path), recorded(a_pair(), results)
    journal.append(pair)
    journal.append_run("new", pair.candidate)
    result = pair.candidate.of(results).result
    result.write_text(result.read_text().replace('"format": 1', '"format": 7', 1))
    assert journal.read(SIDES, results) == journal.runs("new", results) == []
