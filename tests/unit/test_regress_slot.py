"""A comparison takes one device and leaves the others free."""

from pathlib import Path

import pytest

from bench.devices.device import Device, Slot
from bench.devices.machine import Choice
from bench.errors import ResultsError
from bench.regress.comparison import one_slot

SLOTS = tuple(
    Slot(f"gpu:{number}", (Device("gpu", "A100", f"GPU-{number}", number),), (0,)) for number in (0, 1)
)
ALL = Choice(SLOTS, named=True)


@pytest.fixture(autouse=True)
def leases(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("LEUKOBENCH_LEASES", str(tmp_path))


def test_the_first_free_gpu_is_taken_and_no_other(tmp_path: Path):
    with one_slot(ALL, tmp_path) as first, one_slot(ALL, tmp_path) as second:
        assert [first.name, second.name] == ["gpu:0", "gpu:1"]


def test_where_all_are_in_use_it_says_by_whom(tmp_path: Path):
    with (
        one_slot(ALL, tmp_path),
        one_slot(ALL, tmp_path),
        pytest.raises(ResultsError, match="gpu:1 is in use by process"),
        one_slot(ALL, tmp_path),
    ):
        pass


def test_it_is_given_back(tmp_path: Path):
    for _ in range(2):
        with one_slot(ALL, tmp_path) as slot:
            assert slot.name == "gpu:0"
