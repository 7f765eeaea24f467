"""Pairs are asked for by configuration, and run by cell."""

from regress_equipment import a_cell

from bench.compare.matching import configuration_of
from bench.compare.measurement import Measurement
from bench.regress.evidence import configurations, shared_out

CELLS = [a_cell(seed) for seed in (0, 1, 2)]


def test_seeds_are_one_configuration_as_the_verdict_has_it():
    (found,) = configurations(CELLS).items()
    assert found[1] == [cell.key for cell in CELLS]
    record = {"cell": CELLS[1].to_json(), "status": "done"}
    assert found[0] == configuration_of(Measurement(CELLS[1].key, "", record))


def test_seeds_share_the_pairs_of_their_configuration():
    groups = configurations(CELLS)
    (key,) = groups
    assert list(shared_out({key: 7}, groups).values()) == [3, 2, 2]
    assert list(shared_out({key: 2}, groups).values()) == [1, 1, 0]
