"""A small suite that is run once, in real processes with a real MLflow store, and looked at by many tests."""

from pathlib import Path

import pytest
from command import Bench, Ran, tiny_suite


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def ran(tmp_path_factory) -> Ran:
    folder = tmp_path_factory.mktemp("tiny")
    bench, suite = Bench(folder), tiny_suite(folder)
    return Ran(bench, suite, bench("run", suite))
