"""A small suite that is run once, in real processes with a real MLflow store, and looked at by many tests."""

from pathlib import Path

import pytest
from command import Bench, InProcess, Ran, tiny_suite


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def inside(tmp_path: Path) -> InProcess:
    """For the same results folder as `bench`."""
    return InProcess(tmp_path)


@pytest.fixture(scope="session")
def ran(tmp_path_factory) -> Ran:
    folder = tmp_path_factory.mktemp("tiny")
    bench, suite = Bench(folder, recorded=True), tiny_suite(folder, watched=True)
    return Ran(bench, suite, bench("run", suite))
