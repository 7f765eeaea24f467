"""Fixtures that every test may use."""

import gc
import os
import shutil
from pathlib import Path

import pytest
from equipment.nvml.stand_in import StandIn, build_library

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Nothing that is imported and collected is garbage; to look for some took a quarter of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()  # nor do later searches look there
        gc.enable()


@pytest.fixture(autouse=True)
def _polite(monkeypatch) -> None:
    """What makes way for trials would slow every later test of this process."""
    monkeypatch.setattr(os, "nice", lambda more: 0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real images and weights, which are committed nowhere."""
    folder = Path(os.environ.get("LEUKOBENCH_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no real images: LEUKOBENCH_SHARED names {folder}, which is not there")
    return folder


@pytest.fixture(scope="session")
def gcc() -> None:
    """What is built of C for a test needs a compiler."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc (Debian: apt install gcc libc6-dev)")


@pytest.fixture(scope="session")
def nvml_library(gcc, tmp_path_factory) -> Path:
    """The folder with the stand-in for NVIDIA's library."""
    folder = tmp_path_factory.mktemp("nvml")
    build_library(folder)
    return folder


@pytest.fixture
def nvml(nvml_library: Path, tmp_path: Path) -> StandIn:
    """A machine with two GPUs, for child processes that are started with its `environment`."""
    return StandIn(nvml_library, tmp_path / "gpus.txt")
