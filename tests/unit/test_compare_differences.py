"""What differs between two sides: software, drivers, places."""

import msgspec
import pytest
from comparison_equipment import (
    matched,
    measurement,
    record,
    trial,
)

from bench.compare.differences import Fingerprint, software_changes
from bench.compare.judging import judge
from bench.compare.matching import match
from bench.compare.reading import Side
from bench.trials.origin import Environment, MachineFacts, Provenance


def test_what_changed():
    of = trial()
    environments = [
        Environment(python="3.11.7", packages={"keras": "3.3.3", "x": "1"}),
        Environment(python="3.11.7", packages={"keras": "3.15.1", "y": "2"}),
    ]
    old, new = (measurement(of, record(of, environment=one)) for one in environments)
    changes = {(one.name, one.baseline, one.candidate) for one in matched([old], [new]).changes}
    assert changes == {("keras", "3.3.3", "3.15.1"), ("x", "1", "none"), ("y", "none", "2")}


def test_what_is_told_twice_is_said_once():
    of = trial()
    packages = [{"typing_extensions": "1", "numpy": "2"}, {"typing_extensions": "3", "numpy": "2"}]
    provenance = Provenance(machine=MachineFacts(driver="570", fingerprint="f"))
    old, new = (
        measurement(of, record(of, provenance=provenance, environment=Environment(packages=one)))
        for one in packages
    )
    trials = match(Side("old", (old,)), Side("new", (new,)))
    (change,) = judge(trials, differences={"typing-extensions": ("1", "3")}).changes
    assert (change.name, change.baseline, change.candidate) == ("typing_extensions", "1", "3")
    bare = measurement(of, record(of))
    assert matched([bare], [new]).changes == ()  # a side that lists no packages does not differ in them


@pytest.mark.parametrize(
    ("provenance", "driver"),
    [
        (Provenance(driver="570"), "570"),
        (Provenance(driver="570", machine=MachineFacts(fingerprint="f")), "570"),
        (Provenance(driver="570", machine=MachineFacts(driver="580", fingerprint="f")), "580"),
    ],
)
def test_the_driver_is_the_machines_or_the_one_of_an_older_record(provenance: Provenance, driver: str):
    of = trial()
    old, new = (measurement(of, record(of, provenance=one)) for one in (Provenance(driver="1"), provenance))
    changes = {one.name: (one.baseline, one.candidate) for one in matched([old], [new]).changes}
    assert changes["driver"] == ("1", driver)


PLACE = Fingerprint(kind="cpu", model="A", replicas=1, cores=2, gpus=("X", "X"), memory_gb=8, host="h")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"kind": None}, ""),
        ({"kind": "gpu"}, "kind of device cpu and gpu"),
        ({"cores": 4, "host": "i"}, "number of cores 2 and 4, machine h and i"),
        ({"gpus": ("X",)}, "GPUs X, X and X"),
        ({"gpus": ()}, "GPUs X, X and none"),
        ({"memory_gb": 0, "replicas": 0}, "number of devices 1 and 0, memory in GB 8 and 0"),
    ],
)
def test_places_differ_in_what_both_tell(change: dict, said: str):
    other = msgspec.structs.replace(PLACE, **change)
    assert PLACE.difference(other) == said and bool(other.difference(PLACE)) == bool(said)
    assert PLACE and not Fingerprint()


def test_software_is_told_by_its_own_version_once():
    of = trial()

    def side(packages: dict[str, str], **told):
        return [
            measurement(
                of, record(of, environment=Environment(packages=packages), provenance=Provenance(**told))
            )
        ]

    old = side({"numpy": "1", "keras": "3", "old": "1"}, commit="a")
    new = side({"numpy": "2", "keras": "3", "new": "1"}, commit="b", leukobench="9")
    found = {one.name: (one.baseline, one.candidate) for one in software_changes(old, new)}
    assert found == {"numpy": ("1", "2"), "old": ("1", "none"), "new": ("none", "1"), "commit": ("a", "b")}
    known = {
        "tensorflow": ("1", "2"),
        "tensorflow-cpu": ("1", "2"),
        "other-cpu": ("1", "2"),
        "NumPy": ("3", "4"),
    }
    found = {one.name: (one.baseline, one.candidate) for one in software_changes(old, new, known)}
    assert found["numpy"] == ("3", "4") and "tensorflow-cpu" not in found and found["other-cpu"] == ("1", "2")
    varied = software_changes([*old, *new], new)
    assert {one.name: (one.baseline, one.candidate) for one in varied}["commit"] == ("a, b", "b")
