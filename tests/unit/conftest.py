"""Fixtures of the unit tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bccd_equipment import bccd  # noqa: F401  a fixture

from bench.errors import ResultsError
from wbc.errors import InputError

MOST = 900
"""Characters of a message; nobody reads more."""


@pytest.fixture(autouse=True)
def messages(monkeypatch) -> Iterator[None]:
    """Every error for people that the test raises, caught or not: each must be short, and of whole sentences."""
    found: list[tuple[str, str]] = []

    def noting(kind: type[InputError] | type[ResultsError]):
        begin = kind.__init__

        def begin_and_note(self, *arguments, **options):
            begin(self, *arguments, **options)
            found.append((self.what, str(self)))

        return begin_and_note

    for kind in (InputError, ResultsError):
        monkeypatch.setattr(kind, "__init__", noting(kind))
    yield
    for what, text in found:
        assert len(text) <= MOST, text
        rest = text.removeprefix(what)
        assert not rest or what.endswith((".", "!", "?", ":")) or rest.startswith(".\n"), text


@pytest.fixture(scope="session")
def noisy_images(tmp_path_factory) -> Path:
    """A small data set of two classes; see `training_equipment.draw_noisy_images`."""
    from training_equipment import draw_noisy_images

    return draw_noisy_images(tmp_path_factory.mktemp("noisy"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
