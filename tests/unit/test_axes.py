"""What TensorFlow offers as settings of a trial: precision, several steps in a call."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from training_equipment import Notes, draw_noisy_images, small_training

from bench.errors import InputError
from bench.suite.resolve import resolve_suite
from bench.trials.settings import Runtime
from wbc import experiment
from wbc.data.loading import load_split
from wbc.data.manifest import Manifest

SUITE = """
[data]
source = "synthetic"
[training]
weights = "drawn-cells"
{training}
[[matrix]]
mode = "{mode}"
backbone = "LeNet5"
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return draw_noisy_images(tmp_path_factory.mktemp("images"))


def trials_of(tmp_path: Path, training: str, mode: str = "transfer", **options):
    path = tmp_path / "suite.toml"
    path.write_text(SUITE.format(training=training, mode=mode))
    runtime = Runtime(wbc="0123", tensorflow="2", keras="3", device="one processor")
    return resolve_suite(path, tmp_path / "cache", runtime=runtime, **options).trials


@pytest.mark.parametrize(
    ("training", "words", "specified"),
    [
        ('precision = ["float32", "mixed_bfloat16"]', ["", "mixed-bfloat16-"], {"precision": "mixed_bfloat16"}),
        ("steps_per_execution = [1, 8]", ["", "execution8-"], {"steps_per_execution": 8}),
        ('batch_size = [16, "largest"]', ["", "batchlargest-"], {"batch_size": "largest"}),
        ('jit_compile = ["auto", true]', ["", "xla-"], {"jit_compile": True}),
    ],
)  # fmt: skip
def test_an_axis_is_swept_and_its_default_changes_no_trial(tmp_path, training, words, specified):
    (plain,) = trials_of(tmp_path, "")
    usual, changed = trials_of(tmp_path, training)
    assert usual == plain and usual.specification == plain.specification
    assert plain.id.split("-s0-")[1][:-8] + words[1] == changed.id.split("-s0-")[1][:-8]
    assert specified.items() <= changed.specification.items()
    assert changed.key != plain.key
    assert all(changed.flat()[name] == value for name, value in specified.items())


@pytest.mark.parametrize(
    ("training", "mode", "said"),
    [
        ('precision = "float16"', "transfer", "precision: 'float16' is not one of .*mixed_float16"),
        (
            'precision = "mixed_float16"\nbackend = "jax"',
            "transfer",
            "precision: .*jax.*with TensorFlow only",
        ),
        ('steps_per_execution = 8\nbackend = "torch"', "transfer", "steps_per_execution: .*TensorFlow only"),
        (
            'steps_per_execution = 8\nloop = "compiled"',
            "transfer",
            "steps_per_execution: .*many steps in one",
        ),
        ("batch_size = 0", "transfer", "batch_size: "),
        ('batch_size = "largest"', "features", "batch_size: .*in no batches"),
        ("steps_per_execution = 8", "features", "steps_per_execution: has no meaning"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, training, mode, said):
    with pytest.raises(InputError, match=said):
        trials_of(tmp_path, training, mode)


def test_sides_of_an_upgrade_check_have_batches_of_one_size(tmp_path):
    with pytest.raises(InputError, match="batch_size: two versions may find room for other batches"):
        trials_of(tmp_path, 'batch_size = "largest"', in_pairs=True)


@pytest.mark.parametrize(
    ("mode", "precision"), [("scratch", "mixed_bfloat16"), ("transfer", "mixed_float16")]
)
def test_layers_compute_in_the_precision_and_weights_stay(images, precision, mode):
    specification = replace(small_training(images), mode=mode, precision=precision)
    manifest = Manifest.read(images)
    splits = {name: load_split(manifest, name, images, 32) for name in ("train", "validation", "test")}
    trained = experiment.load_trainer(mode)(specification, splits, Notes())
    policies = {layer.compute_dtype for layer in trained.model.layers if layer.weights}
    half = precision.removeprefix("mixed_")
    assert policies == ({half, "float32"} if mode == "transfer" else {half})
    assert {str(one.dtype) for one in trained.model.trainable_variables} == {"float32"}
    probabilities = trained.predict("test", Notes())
    assert probabilities.dtype == np.float32 and np.allclose(probabilities.sum(axis=1), 1, atol=0.02)
    assert keras.config.dtype_policy().name == "float32", "of the next model"


def test_several_steps_in_a_call_are_the_same_steps(images):
    seen = {}
    for asked in (1, 4):
        notes = Notes()
        plain = replace(small_training(images), epochs=2, batch_size=2, steps_per_execution=asked)
        experiment.run(plain, notes)
        seen[asked] = notes
    one, several = seen[1], seen[4]
    assert one.phases["compile"]["steps_per_execution"] == 1
    assert several.phases["compile"]["steps_per_execution"] == 3, (
        "4 do not divide 6 steps: it would train more"
    )
    assert several.phases["compile"]["batch_size"] == 2
    assert np.allclose(one.probabilities, several.probabilities, atol=1e-5)
    for epoch, metrics in one.epochs.items():
        assert several.epochs[epoch] == pytest.approx(metrics, rel=1e-4)
    counts = [(notes.phases["train"]["steps"], notes.phases["train"]["images"]) for notes in (one, several)]
    assert counts == [(12 - 1, 22 - 2), (12 - 3, 22 - 6)], "but those of the first call"
