"""The measure of `make anomalies`: which calls are tried, and what a loss of power would undo."""

from equipment.faults.points import Call, all_points, unsafe_renames


def test_a_loss_of_power_is_replayed():
    def call(kind: str, path: str, other: str = "") -> Call:
        return Call("worker", 1, kind, 0, path, other)

    whole = [
        call("open", "/r/result.json.partial"),
        call("write", "/r/result.json.partial"),
        call("fsync", "/r/result.json.partial"),
        call("rename", "/r/result.json.partial", "/r/result.json"),
        call("fsync", "/r"),
    ]
    assert unsafe_renames(whole) == []
    (unsynced,) = unsafe_renames([*whole[:2], *whole[3:]])
    assert "renamed before result.json.partial was synced" in unsynced
    (nameless,) = unsafe_renames(whole[:-1])
    assert nameless == "the folder of /r/result.json was never synced"
    late = [*whole[:3], call("write", "/r/result.json.partial"), *whole[3:]]
    assert len(unsafe_renames(late)) == 1


def test_every_point_comes_once_and_every_kind_early():
    counts = {
        ("used", "worker", "write"): 1000,
        ("used", "harness", "rename"): 2,
        ("empty", "recorder", "open"): 5,
    }
    points = list(all_points(counts, seed=1))
    assert len(set(points)) == len(points) == 4 * 1007
    assert {point[:3] for point in points[:3]} == set(counts)
    assert list(all_points(counts, seed=1)) == points


def test_of_the_kinds_that_take_longest_one_comes_for_all_others():
    kinds = [
        (start, role, "write") for start in ("used", "empty") for role in ("harness", "worker", "recorder")
    ]
    starts = [point.start for point in all_points(dict.fromkeys(kinds, 50), seed=1)][:100]
    assert starts.count("empty") == 25
