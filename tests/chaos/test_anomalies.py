"""The short form of `make anomalies`: one call fails, and the same command comes to the undisturbed result."""

import pytest
from equipment.faults.forked import Forked
from equipment.faults.points import FULL, Bed, Point, build, unsafe_renames

POINTS = (
    Point("used", "harness", "mkdir", 3, "ENOSPC"),
    Point("used", "harness", "open", 5, "EIO"),
    Point("used", "harness", "write", 20, "EINTR"),
    Point("used", "harness", "write", 30, "ENOSPC"),
    Point("used", "harness", "fsync", 3, "ENOSPC"),  # the end of an attempt, whose telemetry still goes on
    Point("used", "harness", "fsync", 10, "EIO"),
    Point("used", "harness", "rename", 4, "ENOSPC"),
    Point("used", "harness", "rename", 5, "end"),
    Point("used", "worker", "open", 2, "ENOSPC"),
    Point("used", "worker", "write", 1, "EIO"),
    Point("used", "worker", "write", 12, "ENOSPC"),
    Point("used", "worker", "write", 12, FULL),
    Point("used", "worker", "write", 18, "end"),
    Point("used", "worker", "fsync", 2, "EIO"),
    Point("used", "worker", "rename", 1, "end"),
    Point("used", "sampler", "open", 1, "ENOSPC"),
    Point("used", "sampler", "write", 3, "EIO"),
    Point("used", "sampler", "write", 3, FULL),
    Point("used", "recorder", "mkdir", 1, "ENOSPC"),
    Point("used", "recorder", "open", 9, "EIO"),
    Point("used", "recorder", "write", 40, "ENOSPC"),
    Point("used", "recorder", "write", 40, FULL),
    Point("used", "recorder", "write", 80, "end"),
    Point("used", "recorder", "fsync", 8, "EIO"),
)
"""The short form: each kind of call of each process."""


@pytest.fixture(scope="module")
def bed(gcc, tmp_path_factory):
    folder = tmp_path_factory.mktemp("anomalies")
    forked = Forked(build(folder), folder)
    yield Bed(folder, forked)
    forked.close()


@pytest.fixture(scope="module")
def expected(bed: Bed) -> dict[str, str]:
    """What the undisturbed run comes to; it is also the first, from which later ones know what to import."""
    bed.begin("used")
    bed.begin("used")
    ended = bed.run(shim=True)
    assert ended.returncode == 0, ended.stderr
    assert bed.losses(bed.state()) == []
    assert unsafe_renames(bed.calls()) == []
    return bed.state()


@pytest.fixture(scope="module")
def writes(bed: Bed, expected: dict[str, str]) -> list[str]:
    """The files that the harness writes to, in its order."""
    bed.begin("used")
    assert bed.run(shim=True).returncode == 0
    return [call.path for call in bed.calls() if (call.role, call.call) == ("harness", "write")]


@pytest.mark.parametrize("point", POINTS, ids=lambda point: "-".join(map(str, point)))
def test_a_call_that_fails_loses_nothing(bed: Bed, expected: dict[str, str], point: Point):
    assert bed.tried(point, expected) == []


@pytest.mark.parametrize(
    ("written", "code", "said"),
    [
        ("attempt-1/runner.jsonl", 5, "error: cannot write"),
        ("attempt-1/result.", 5, "error: cannot write"),
        ("runs.jsonl", 5, "error: cannot write"),
        ("report/tables/", 5, "error: cannot write"),
        ("report/report.html", 0, "warning: the report could not be written"),
    ],
)
def test_a_disk_that_is_full_at_the_end_is_a_warning_only_where_every_record_is_there(
    bed: Bed, expected: dict[str, str], writes: list[str], written: str, code: int, said: str
):
    numbers = [number for number, path in enumerate(writes, start=1) if written in path]
    number = numbers[0] if "report" in written else numbers[-1]
    bed.begin("used")
    ended = bed.run(Point("used", "harness", "write", number, FULL).aim)
    assert (ended.returncode, "Traceback" in ended.stderr) == (code, False), ended.stderr
    assert said in ended.stderr
    if code == 0:
        assert bed.state() == expected
    assert bed.run().returncode == 0 and bed.losses(expected) == []


def test_a_point_beyond_the_last_call_is_none(bed: Bed, expected: dict[str, str]):
    assert bed.tried(Point("used", "worker", "rename", 1000, "EIO"), expected) is None
