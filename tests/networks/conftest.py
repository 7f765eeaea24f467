"""Finds what starts `python -m bench`, and what the unit tests train with."""

import sys
from pathlib import Path

import pytest

for folder in ("end_to_end", "unit"):
    sys.path.append(str(Path(__file__).parents[1] / folder))

from training_equipment import draw_noisy_images  # noqa: E402


@pytest.fixture(scope="session")
def noisy_images(tmp_path_factory) -> Path:
    """A small data set of two classes."""
    return draw_noisy_images(tmp_path_factory.mktemp("noisy"))
