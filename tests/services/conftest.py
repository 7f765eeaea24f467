"""A browser for every test here; what needs one says so when there is none."""

import os
import shutil
from collections.abc import Iterator

import pytest
from servers import MlflowServer, Postgres, postgres, postgres_binaries, running
from team import team_server

CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium; LEUKOBENCH_CHROMIUM goes before the search."""
    path = os.environ.get("LEUKOBENCH_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("no Chromium (Debian: apt install chromium; else LEUKOBENCH_CHROMIUM=PATH)")
    return path


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator:
    """A headless Chromium, one for all tests: each opens a page or context of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_OPTIONS))
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgres]:
    """A private PostgreSQL."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server (Debian: apt install postgresql)")
    with postgres(binaries) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def team(cluster: Postgres, tmp_path_factory) -> Iterator[MlflowServer]:
    """The set-up of docs/team.md."""
    with running(team_server(tmp_path_factory.mktemp("team"), cluster)) as server:
        yield server
