"""What a comparison asks for and holds: one device, which leaves the others free."""

import sys
from pathlib import Path

import pytest
from regress_equipment import Listener

from bench.devices.device import Device, Slot
from bench.devices.machine import Choice
from bench.errors import InputError, ResultsError
from bench.regress.session import RegressRequest, first_free_slot
from bench.regress.side_request import SideRequest
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
