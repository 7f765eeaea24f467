"""The same trials through Keras with other backends, where they are installed."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from command import TINY, UNWATCHED, Bench

MATRIX = """
[[matrix]]
mode = ["transfer", "scratch"]
backbone = {backbone}
backend = "{backend}"
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_trials_of_other_backends_train_and_repeat_to_the_last_bit(
    bench: Bench, tmp_path: Path, backend: str
):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed in this environment")
    settings = TINY.split("[[matrix]]")[0].format(epochs=1)
    suite = tmp_path / "tiny.toml"
    backbones = '["LeNet5", { name = "MobileNet", alpha = 0.25 }]'
    suite.write_text(settings + MATRIX.format(backbone=backbones, backend=backend) + UNWATCHED)
    done = bench("run", suite, KERAS_BACKEND="tensorflow")
    assert done.returncode == 0, done.stdout + done.stderr
    trials = sorted((bench.results / "tiny" / "trials").iterdir())
    assert len(trials) == 4
    for trial in trials:
        record = json.loads((trial / "attempt-1" / "result.json").read_text())
        environment = record["environment"]
        assert environment["backend"] == backend, "what the shell says must not change a trial"
        # PyTorch names its build as well, its package need not: 2.15.0+cu132.
        told, installed = environment[backend], record["trial"]["runtime"][backend]
        assert told == installed or told.startswith(f"{installed}+")
        assert "tensorflow" not in record["trial"]["runtime"]

    again = bench("run", suite, "--fresh", "--only", "lenet5-*")
    assert again.returncode == 0, again.stdout + again.stderr
    for trial in (one for one in trials if one.name.startswith("lenet5")):
        first, second = ((trial / f"attempt-{number}" / "predictions.csv").read_text() for number in (1, 2))
        assert first == second, "deterministic = true has a meaning here too"
