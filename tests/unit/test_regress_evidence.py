"""Pairs are asked for by configuration, and run by trial."""

from pathlib import Path

from comparison_equipment import add, record, trial
from regress_equipment import a_trial

from bench.compare.matching import configuration_of
from bench.compare.measurement import Measurement
from bench.journal.results import SuiteResults
from bench.regress.evidence import configurations, noise_elsewhere, shared_out
from bench.regress.pairs import PairedRuns, PairJournal, Run

TRIALS = [a_trial(seed) for seed in (0, 1, 2)]


def test_seeds_are_one_configuration_as_the_verdict_has_it():
    (found,) = configurations(TRIALS).items()
    assert found[1] == [trial.key for trial in TRIALS]
    record = {"trial": TRIALS[1].to_json(), "status": "done"}
    assert found[0] == configuration_of(Measurement(TRIALS[1].key, "", record))


def test_seeds_share_the_pairs_of_their_configuration():
    groups = configurations(TRIALS)
    (key,) = groups
    assert list(shared_out({key: 7}, groups).values()) == [3, 2, 2]
    assert list(shared_out({key: 2}, groups).values()) == [1, 1, 0]


def test_noise_that_another_device_showed_is_not_this_ones(tmp_path: Path):
    of, folder = trial(), tmp_path / "other"
    results = SuiteResults(folder, "baseline")
    runs = [Run("baseline", of.id, add(results, of, record(of)).number) for _ in range(2)]
    PairJournal(folder).append(PairedRuns("aa", of.key, ("old", "old"), "baseline", *runs, 20.0, "done"))
    found = [
        len(noise_elsewhere(tmp_path, "own", "old", {of.key}, {"cores": cores, "kind": "cpu"}))
        for cores in (2, 4)
    ]
    assert found == [1, 0]
