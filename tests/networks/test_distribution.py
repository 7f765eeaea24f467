"""Two replicas on two logical devices of the processor, in a process of their own: TensorFlow fixes its
devices when it first uses them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wbc.errors import InputError
from wbc.optimizer import OptimizerSpecification
from wbc.specification import Checkpointing, Specification
from wbc.training.session import Distribution

EPOCHS = 2


@pytest.fixture(scope="module")
def found(noisy_images, tmp_path_factory) -> dict:
    """What `experiments` found in its own process."""
    folder = tmp_path_factory.mktemp("replicas")
    process = subprocess.run(
        [sys.executable, __file__, str(noisy_images), str(folder)], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_two_replicas_train_as_one_device_does(found):
    one, two = found["scratch-1-5"], found["scratch-2-5"]  # the last of 11 images is alone for 2 replicas
    np.testing.assert_allclose(two["probabilities"], one["probabilities"], atol=2e-5)
    assert two["figures"]["train"]["images"] == one["figures"]["train"]["images"]
    for epoch in range(EPOCHS):
        ours, theirs = two["epochs"][epoch], one["epochs"][epoch]
        assert ours["validation_accuracy"] == pytest.approx(theirs["validation_accuracy"])
        assert ours["validation_loss"] == pytest.approx(theirs["validation_loss"], rel=1e-4)
        # Keras weighs the means of batches by their filled size, which shows where batches are few.
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=0.2)


def test_features_and_predictions_come_in_their_order(found):
    one, two = found["transfer-1-4"], found["transfer-2-4"]
    assert np.shape(two["probabilities"]) == (5, 2)
    # Dropout draws for every share by itself, so the heads differ; what they see does not.
    np.testing.assert_allclose(found["features-2"], found["features-1"], atol=1e-6)
    assert one["figures"]["features"] == two["figures"]["features"]


def test_a_checkpoint_of_two_replicas_is_gone_on_from(found):
    whole, resumed = found["transfer-2-4"], found["resumed"]
    assert resumed["from"] == [1, "first"]
    assert resumed["epochs"] == whole["epochs"][1:]
    assert resumed["probabilities"] == whole["probabilities"]


def test_fewer_devices_than_replicas_are_an_error_of_the_set_up(found):
    assert "needs 3 devices at once, but TensorFlow sees 2" in found["too_few"]


def test_a_keras_that_sums_instead_of_averaging_is_an_error_of_the_set_up(monkeypatch):
    monkeypatch.setattr("keras.__version__", "3.3.3")
    with pytest.raises(InputError, match=r"Keras 3\.3\.3 sums the gradients"):
        Distribution(2)
    assert Distribution(1).strategy is None


def experiments(data: Path, folder: Path) -> dict:
    import tensorflow as tf

    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)

    sys.path.append(str(Path(__file__).parents[1] / "unit"))
    from training_equipment import Interrupted, Notes

    from wbc import experiment
    from wbc.errors import InputError
    from wbc.evaluation.cost import BatchTimer
    from wbc.networks.build import build_backbone
    from wbc.training.classifier import predict
    from wbc.training.session import Distribution

    def specification(mode: str, replicas: int, batch_size: int = 4) -> Specification:
        return Specification(
            data_folder=data,
            manifest=data / "manifest.json",
            image_size=32,
            network="LeNet5",
            mode=mode,
            epochs=EPOCHS,
            batch_size=batch_size,
            optimizer=OptimizerSpecification("SGD", 0.05, 0.0),
            seed=3,
            deterministic=True,
            replicas=replicas,
        )

    def run(specification: Specification) -> dict:
        notes = Notes()
        experiment.run(specification, notes)
        return {
            "from": notes.from_before,
            "epochs": list(notes.epochs.values()),
            "probabilities": notes.probabilities.tolist(),
            "figures": notes.phases,
        }

    found = {
        f"{mode}-{replicas}-{size}": run(specification(mode, replicas, size))
        for mode, size in (("scratch", 5), ("transfer", 4))
        for replicas in (1, 2)
    }
    tf.keras.utils.set_random_seed(0)
    pixels = np.random.default_rng(0).random((7, 32, 32, 3), np.float32)
    weights = None
    for replicas in (1, 2):
        distribution = Distribution(replicas)
        with distribution.scope():
            backbone = build_backbone("LeNet5", {}, 32)
            weights = weights or backbone.get_weights()
            backbone.set_weights(weights)
        features = predict(backbone, pixels, 3, lambda batch: batch, Notes(), BatchTimer(), distribution)
        found[f"features-{replicas}"] = features.tolist()

    writing = replace(
        specification("transfer", 2), checkpoint=Checkpointing(folder, every_epochs=1, tag="first")
    )
    try:
        experiment.run(writing, Notes(stop_after_checkpoint=1))
    except Interrupted:
        found["resumed"] = run(writing)
    try:
        Distribution(3)
    except InputError as error:
        found["too_few"] = str(error)
    return found


if __name__ == "__main__":
    print(json.dumps(experiments(Path(sys.argv[1]), Path(sys.argv[2]))))
