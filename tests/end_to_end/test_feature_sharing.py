"""Trials that share work: two workers that need the same pixels and features at once; the epochs of a shorter trial."""

import json

from command import Bench, InProcess, tiny_suite


def test_two_trials_at_once_decode_images_and_extract_features_once(bench: Bench, tmp_path):
    suite = tiny_suite(tmp_path, "[1, 2]", '"transfer"', more="[cache]\nfeatures = true\npixels = true\n")
    ran = bench("run", suite, "--devices", "cpu:2")
    assert ran.returncode == 0, ran.stderr
    paths = sorted((bench.results / "tiny" / "trials").glob("*/attempt-1/result.json"))
    records = [json.loads(path.read_text()) for path in paths]
    assert [record["status"] for record in records] == ["done", "done"]
    for phase in ("data", "features"):
        told = [record["phases"][phase] for record in records]
        made_by = [one.get("made_by") for one in told]
        maker = made_by.index(None)
        assert made_by[1 - maker] == f"{records[maker]['trial']['id']}/attempt-1"
        assert told[0]["wall_s"] == told[1]["wall_s"], "both count what making them took"
    entries = list((bench.results / "cache" / "features").glob("*/entry.json"))
    assert len(entries) == 2
    for entry in entries:
        assert {path.name for path in entry.parent.iterdir()} >= {"train.npy", "validation.npy", "test.npy"}


def test_a_trial_goes_on_from_the_last_epoch_of_a_shorter_one(bench: Bench, inside: InProcess, tmp_path):
    suite = tiny_suite(tmp_path, "[1, 3]", '"scratch"', more="[cache]\nshare_prefix = true\n")
    ran = bench("run", suite, "--devices", "cpu:2")
    assert ran.returncode == 0, ran.stderr
    paths = (bench.results / "tiny" / "trials").glob("*/attempt-1/result.json")
    short, long = sorted((json.loads(path.read_text()) for path in paths), key=lambda one: one["epochs"])
    assert (short["epochs"], short["resumed"], long["epochs"]) == (1, None, 3)
    assert (long["resumed"]["from_epoch"], long["resumed"]["trial"]) == (1, short["trial"]["id"])
    assert "began where a shorter training had ended" in inside("report", suite).stdout
    assert not list((bench.results / "tiny" / "trials").glob("*/checkpoint"))
