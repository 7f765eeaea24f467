"""What the tests of the real BCCD share."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit"))


@pytest.fixture(scope="session")
def fields_cache(tmp_path_factory) -> Path:
    """Where it is kept which photographs show one field: the search takes most of the time of an import."""
    return tmp_path_factory.mktemp("fields")
