"""A small suite that is run once, in real processes with a real MLflow store, and looked at by many tests."""

import pytest
from command import Bench, Ran, bench, inside, tiny_suite  # noqa: F401  fixtures


@pytest.fixture(scope="session")
def ran(tmp_path_factory) -> Ran:
    folder = tmp_path_factory.mktemp("tiny")
    recorded, suite = Bench(folder, recorded=True), tiny_suite(folder, watched=True)
    return Ran(recorded, suite, recorded("run", suite))
