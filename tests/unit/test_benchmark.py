"""What `make benchmark` runs and how it is read; the runs themselves take hours."""

import tomllib
from argparse import Namespace

import pytest
from benchmarks import page
from benchmarks.comparisons import Metric, Place, comparisons

from bench.suite.schema import SuiteFile

SHORT = Namespace(
    seeds=1, suite_epochs=[1, 2], command_epochs=1, loop_epochs=1, scratch_epochs=1, devices="cpu"
)


def test_every_suite_that_it_runs_is_valid(tmp_path):
    asked = Namespace(seeds=3, suite_epochs=[100, 300], command_epochs=30, loop_epochs=30, scratch_epochs=4)
    asked.devices = "cpu"
    place = Place(tmp_path, tmp_path, tmp_path)
    found = {one.name: one for one in comparisons(asked)}
    assert set(found) == {"command", "loop", "scratch", "suite", "slots-transfer", "slots-scratch"}
    for one in found.values():
        SuiteFile.model_validate(tomllib.loads(one.ours.__self__.suite(place)))


def test_more_than_one_means_that_leukobench_is_faster():
    seconds = Metric("s", "a time", "s", 1.0)
    rate = Metric("s", "a rate", "images/s", 1.0, is_rate=True)
    assert seconds.speedup({"s": 2.0}, {"s": 6.0}) == pytest.approx(3.0)
    assert rate.speedup({"s": 2.0}, {"s": 6.0}) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("ratio", "said"), [(5.0, "met"), (4.9, "missed")])
def test_a_target_is_met_by_the_median_over_pairs(ratio, said):
    metric = Metric("s", "a time", "s", 5.0)
    pairs = [{"ours": {"s": 1.0}, "theirs": {"s": ratio * by}} for by in (0.8, 1, 1, 1, 1, 1, 1.2)]
    line = page.row(metric, pairs)
    assert line.endswith(f"| {said} |")
    assert f"| {ratio:.2f} | {0.8 * ratio:.2f} – {1.2 * ratio:.2f} | 7 |" in line


def test_accuracies_are_compared_on_the_same_images():
    pair = {"better": {"100 0 A/x.png": 1, "100 0 A/y.png": 0, "300 0 A/x.png": 1, "300 0 A/y.png": 0}}
    assert "+50.0 points" in page.accuracy([pair])


def test_accuracies_are_compared_where_one_side_is_the_script():
    for one in comparisons(SHORT):
        by_script = one.theirs.__name__ == "by_hand"
        assert by_script or not one.accuracies
        side = {"wall_s": 1.0, "fit_s": 1.0, "step_s": 1.0, "images_per_s": 1.0}
        pair = {
            "first": "ours",
            "load": 0.0,
            "ours": side,
            "theirs": side,
            "better": {"1 0 x": 0, "1 0 y": 1},
        }
        assert ("leukobench less script" in page.page([(one, [pair])], {})) is one.accuracies


def test_a_share_of_the_bandwidth_stands_beside_the_pairs_where_it_was_measured():
    loop = next(one for one in comparisons(SHORT) if one.name == "loop")
    pair = {
        "first": "ours",
        "load": 0.0,
        "ours": {"step_s": 0.01, "of_bandwidth": 0.25},
        "theirs": {"step_s": 0.02},
    }
    said = page.page([(loop, [pair])], {})
    assert "| ours of_bandwidth | theirs of_bandwidth |" in said
    assert "| 0.01 | 0.02 | 0.25 | – |" in said
