"""What the tests of the real BCCD share."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit"))


@pytest.fixture(scope="session")
def fields_cache(tmp_path_factory) -> Path:
    """Folder that keeps which photographs show one field, because the search takes most of the time."""
    return tmp_path_factory.mktemp("fields")
