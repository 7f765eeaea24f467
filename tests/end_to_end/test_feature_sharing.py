"""Two workers that need the same features at once."""

import json

from command import Bench, tiny_suite


def test_two_trials_at_once_extract_features_once(bench: Bench, tmp_path):
    suite = tiny_suite(tmp_path, "[1, 2]", '"transfer"', more="[cache]\nfeatures = true\n")
    ran = bench("run", suite, "--devices", "cpu:2")
    assert ran.returncode == 0, ran.stderr
    paths = sorted((bench.results / "tiny" / "trials").glob("*/attempt-1/result.json"))
    records = [json.loads(path.read_text()) for path in paths]
    assert [record["status"] for record in records] == ["done", "done"]
    features = [record["phases"]["features"] for record in records]
    made_by = [one.get("made_by") for one in features]
    maker = made_by.index(None)
    assert made_by[1 - maker] == f"{records[maker]['trial']['id']}/attempt-1"
    assert features[0]["wall_s"] == features[1]["wall_s"], "both count what the extraction took"
    (entry,) = (bench.results / "cache" / "features").glob("*/entry.json")
    assert {path.name for path in entry.parent.iterdir()} >= {"train.npy", "validation.npy", "test.npy"}
