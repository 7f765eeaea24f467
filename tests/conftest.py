"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real images and weights, which are committed nowhere."""
    folder = Path(os.environ.get("LEUKOBENCH_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no real images: LEUKOBENCH_SHARED names {folder}, which is not there")
    return folder
