"""What networks report of their size and time, as trained by Keras."""

import time
from pathlib import Path

import pytest

from wbc import experiment
from wbc.data.synthetic import SyntheticSettings, generate
from wbc.specification import Specification


class Figures:
    """An observer that keeps the figures of phases."""

    def __init__(self):
        self.of = {}

    def phase_ended(self, phase, **figures):
        self.of[phase] = figures

    def __getattr__(self, name):
        return lambda *values, **more: None


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    generate(folder, SyntheticSettings(5, 1, 2, image_size=32)).write(folder)
    return folder


@pytest.mark.parametrize("mode", ["transfer", "scratch"])
def test_size_and_time_hold_the_frozen_part(drawn: Path, mode: str):
    figures, began = Figures(), time.perf_counter()
    experiment.run(
        Specification(drawn, drawn / "manifest.json", 32, "LeNet5", mode, epochs=1, batch_size=4), figures
    )
    took = time.perf_counter() - began
    evaluated = figures.of["evaluate"]
    assert evaluated["model_bytes"] == 4 * figures.of["build"]["parameters"]
    assert evaluated["inference_batch_size"] == 4
    assert evaluated["inference_batches"] >= 1
    assert 0 < evaluated["inference_s"] < took
