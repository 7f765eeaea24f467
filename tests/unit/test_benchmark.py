"""What `make benchmark` runs and how it is read; the runs themselves take hours."""

import importlib.util
import sys
import tomllib
from argparse import Namespace
from pathlib import Path

import pytest

from bench.suite.schema import SuiteFile

FILE = Path(__file__).parents[1] / "benchmarks" / "run.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("benchmark_run", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_suite_that_it_runs_is_valid(benchmark, tmp_path):
    asked = Namespace(seeds=3, suite_epochs=[100, 300], command_epochs=30, loop_epochs=30, scratch_epochs=4)
    asked.devices = "cpu"
    place = benchmark.Place(tmp_path, tmp_path, tmp_path)
    found = {one.name: one for one in benchmark.comparisons(asked)}
    assert set(found) == {"command", "loop", "scratch", "suite", "slots-transfer", "slots-scratch"}
    for one in found.values():
        SuiteFile.model_validate(tomllib.loads(one.ours.__self__.suite(place)))


def test_more_than_one_means_that_leukobench_is_faster(benchmark):
    seconds = benchmark.Metric("s", "a time", "s", 1.0)
    rate = benchmark.Metric("s", "a rate", "images/s", 1.0, is_rate=True)
    assert seconds.speedup({"s": 2.0}, {"s": 6.0}) == pytest.approx(3.0)
    assert rate.speedup({"s": 2.0}, {"s": 6.0}) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("ratio", "said"), [(5.0, "met"), (4.9, "missed")])
def test_a_target_is_met_by_the_median_over_pairs(benchmark, ratio, said):
    metric = benchmark.Metric("s", "a time", "s", 5.0)
    pairs = [{"ours": {"s": 1.0}, "theirs": {"s": ratio * by}} for by in (0.8, 1, 1, 1, 1, 1, 1.2)]
    line = benchmark.row(metric, pairs)
    assert line.endswith(f"| {said} |")
    assert f"| {ratio:.2f} | {0.8 * ratio:.2f} – {1.2 * ratio:.2f} | 7 |" in line


def test_accuracies_are_compared_on_the_same_images(benchmark):
    pair = {"better": {"100 0 A/x.png": 1, "100 0 A/y.png": 0, "300 0 A/x.png": 1, "300 0 A/y.png": 0}}
    assert "+50.0 points" in benchmark.accuracy([pair])
