"""The suites that come with leukobench."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.plan.needs import needs_of
from bench.plan.predict import Predictor
from bench.report.tables.departures import departures_of
from bench.suite.file import load_suite
from bench.suite.matrix import expand
from bench.suite.resolve import resolve_suite

SUITES = sorted((Path(__file__).parents[2] / "suites").glob("*.toml"))

COMBINATIONS = {
    "bccd": 9,
    "classical": 15,
    "demo": 5,
    "epsilon": 12,
    "preparation": 6,
    "preprocessing": 6,
    "regression": 12,
    "thesis": 26,
    "thesis-2018": 4,
    "thesis-exact": 24,
}


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_is_valid_and_named_like_its_file(path: Path):
    suite, file = load_suite(path)
    assert suite.suite.name == path.stem
    assert suite.suite.description
    assert len(expand(suite, file)) == COMBINATIONS[path.stem]


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_can_be_planned(path: Path, shared: Path, tmp_path: Path):
    images = shared / "data" / "bccd" if load_suite(path)[0].data.source == ["bccd"] else None
    resolved = resolve_suite(path, tmp_path / "cache", "cpu", images, shared / "weights")
    predictor = Predictor(tmp_path, "cpu")
    for trial in resolved.trials:
        needs = needs_of(trial, predictor.images(trial))
        assert needs.memory > 0 and needs.disk > 0
        assert predictor(trial).seconds > 0


def test_the_exact_suite_differs_from_the_thesis_in_versions_only(shared: Path, tmp_path: Path):
    path = next(path for path in SUITES if path.stem == "thesis-exact")
    trials = resolve_suite(path, tmp_path, "cpu", shared / "data" / "bccd", shared / "weights").trials
    assert {name for trial in trials for name, *_ in departures_of(trial)} == {"tensorflow", "keras"}
    usual = next(path for path in SUITES if path.stem == "thesis")
    trials = resolve_suite(usual, tmp_path, "cpu", shared / "data" / "bccd", shared / "weights").trials
    differing = {name for trial in trials for name, *_ in departures_of(trial)}
    assert {"data.background", "preprocessing", "evaluation", "optimizer.epsilon_outside"} <= differing


def test_each_is_counted_here():
    assert set(COMBINATIONS) == {path.stem for path in SUITES}


def test_a_suite_of_synthetic_images_is_resolved_without_numpy(tmp_path: Path):
    """It takes longer to load than the suite."""
    suite = tmp_path / "small.toml"
    suite.write_text('[training]\nmode = "scratch"\n[[matrix]]\nbackbone = "LeNet5"\n')
    code = f"""
import sys
from pathlib import Path
from bench.suite.resolve import resolve_suite
resolve_suite(Path({str(suite)!r}), Path("cache"), "cpu")
print("numpy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == ["False"], done.stderr
