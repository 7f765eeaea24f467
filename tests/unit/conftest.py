"""Fixtures of the unit tests."""

from pathlib import Path

import pytest
from bccd_equipment import bccd  # noqa: F401  a fixture


@pytest.fixture(scope="session")
def noisy_images(tmp_path_factory) -> Path:
    """A small data set of two classes; see `training_equipment.draw_noisy_images`."""
    from training_equipment import draw_noisy_images

    return draw_noisy_images(tmp_path_factory.mktemp("noisy"))
