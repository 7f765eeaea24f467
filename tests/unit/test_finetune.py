from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from training_equipment import Keeping, Notes

from wbc import experiment
from wbc.errors import InputError
from wbc.networks.build import build_backbone
from wbc.optimizer import OptimizerSpecification
from wbc.specification import Augmentation, Checkpointing, EarlyStopping, Specification, WeightsSource
from wbc.training import finetune


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> WeightsSource:
    keras.utils.set_random_seed(9)
    path = tmp_path_factory.mktemp("weights") / "lenet.weights.h5"
    build_backbone("LeNet5", {}, 32).save_weights(path)
    return WeightsSource("file", path)


def specification_of(noisy_images, weights, **more) -> Specification:
    return Specification(
        data_folder=noisy_images,
        manifest=noisy_images / "manifest.json",
        image_size=32,
        network="LeNet5",
        mode="finetune",
        weights=weights,
        head_epochs=2,
        epochs=2,
        batch_size=4,
        optimizer=OptimizerSpecification("Adam", 1e-3, 0.0),
        seed=3,
        deterministic=True,
        **more,
    )


class Stages(Keeping):
    """Remembers which stage epochs and blocks are of."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.told, self.blocks = [], []

    def epoch_ended(self, epoch, metrics, validation_s, **pace):
        super().epoch_ended(epoch, metrics, validation_s, **pace)
        self.told.append((epoch, pace["stage"]))

    def blocks_timed(self, stage, made):
        self.blocks.append(stage)


@pytest.fixture(scope="module")
def uninterrupted(noisy_images, weights, tmp_path_factory) -> dict[str, tuple[Specification, Stages]]:
    """Experiments and what they reported: with features extracted once, and with images that change."""
    found = {}
    for name, augmentation in (
        ("features", None),
        ("augmented", Augmentation(rotation=20.0, brightness=0.1)),
    ):
        notes = Stages(tmp_path_factory.mktemp(name))
        checkpoint = Checkpointing(notes.folder / "now", every_epochs=1, tag="first")
        more = {"augmentation": augmentation, "checkpoint": checkpoint}
        specification = specification_of(noisy_images, weights, **more)
        experiment.run(specification, notes)
        found[name] = specification, notes
    return found


@pytest.mark.parametrize("name", ["features", "augmented"])
def test_two_stages_are_one_training(uninterrupted, name):
    specification, notes = uninterrupted[name]
    assert list(notes.epochs) == [1, 2, 3, 4], "numbered through"
    assert ("features" in notes.phases) == (specification.augmentation is None)
    assert notes.phases["train"]["images"] == 4 * 11 - 2 * 4
    assert notes.phases["train"]["recompile_s"] > 0
    assert notes.told == [(1, 0), (2, 0), (3, 1), (4, 1)] and notes.blocks == [0, 1], "epochs and blocks"


@pytest.mark.parametrize(
    ("name", "after"),
    [("features", 2), ("features", 3), ("augmented", 1), ("augmented", 3)],
)
def test_it_goes_on_in_either_stage_as_if_it_had_not_been_killed(uninterrupted, name, after):
    specification, whole = uninterrupted[name]
    checkpoint = Checkpointing(whole.folder / f"{after}", every_epochs=1, tag="second")
    resumed = Notes()
    experiment.run(replace(specification, checkpoint=checkpoint), resumed)
    assert resumed.from_before == (after, "first")
    assert resumed.epochs == {epoch: whole.epochs[epoch] for epoch in range(after + 1, 5)}
    np.testing.assert_array_equal(resumed.probabilities, whole.probabilities)
    assert ("features" in resumed.phases) == (specification.augmentation is None and after < 3)


def test_the_first_stage_leaves_the_backbone_as_it_was_and_the_second_only_its_last_layers(
    noisy_images, weights, monkeypatch
):
    before = {}
    train_head = finetune._train_head

    def watched(backbone, head, *others):
        before["start"] = [layer.get_weights() for layer in backbone.layers]
        train_head(backbone, head, *others)
        before["middle"] = [layer.get_weights() for layer in backbone.layers]
        before["backbone"] = backbone

    monkeypatch.setattr(finetune, "_train_head", watched)
    specification = specification_of(noisy_images, weights, unfreeze=2)
    experiment.run(specification, Notes())

    def changed(old, new) -> list[bool]:
        return [any(np.any(a != b) for a, b in zip(x, y, strict=True)) for x, y in zip(old, new, strict=True)]

    end = [layer.get_weights() for layer in before["backbone"].layers]
    names = [layer.name for layer in before["backbone"].layers]
    assert not any(changed(before["start"], before["middle"]))
    moved = [name for name, did in zip(names, changed(before["start"], end), strict=True) if did]
    assert moved == ["s4", "c5"]


def backbone_with_normalization() -> keras.Model:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            layers.Conv2D(2, 1, name="a"),
            layers.BatchNormalization(name="b"),
            layers.ReLU(),
            layers.Conv2D(2, 1, name="c"),
            layers.BatchNormalization(name="d"),
        ]
    )


@pytest.mark.parametrize(
    ("count", "freeze", "trainable"),
    [
        ("all", True, ["a", "c"]),
        ("all", False, ["a", "b", "c", "d"]),
        (1, True, ["c"]),
        (2, False, ["c", "d"]),
    ],
)
def test_which_layers_are_unfrozen(count, freeze, trainable):
    backbone = backbone_with_normalization()
    finetune.unfreeze(backbone, count, freeze)
    assert [layer.name for layer in backbone.layers if layer.trainable_weights] == trainable
    statistics = backbone.get_layer("d").moving_mean
    before = np.array(statistics)
    backbone(np.random.default_rng(0).random((2, 4, 4, 3), np.float32), training=True)
    assert np.array_equal(before, np.array(statistics)) == freeze


def test_more_layers_than_there_are():
    with pytest.raises(InputError, match="has 2 layers"):
        finetune.unfreeze(backbone_with_normalization(), 3, True)


def test_early_stopping_goes_on_too_and_gives_back_the_best_epoch(noisy_images, weights, tmp_path):
    # At this rate the validation loss soon rises, so that it stops before its twelve epochs are over.
    plain = replace(
        specification_of(noisy_images, weights, early_stopping=EarlyStopping(patience=2)),
        mode="scratch",
        weights=None,
        epochs=12,
        optimizer=OptimizerSpecification("SGD", 0.2, 0.0),
    )
    whole, resumed, after = Keeping(tmp_path), Notes(), Notes()
    writing = replace(plain, checkpoint=Checkpointing(tmp_path / "now", every_epochs=1, tag="first"))
    experiment.run(writing, whole)
    losses = {epoch: metrics["validation_loss"] for epoch, metrics in whole.epochs.items()}
    best = min(losses, key=losses.get)
    assert whole.phases["train"]["stopped_early"] and len(losses) == best + 2 < 12
    assert whole.phases["train"]["best_epoch"] == best

    exact = replace(plain, epochs=best, early_stopping=None)
    at_best = Notes()
    experiment.run(exact, at_best)
    np.testing.assert_array_equal(whole.probabilities, at_best.probabilities)

    stopped = Checkpointing(tmp_path / f"{best + 1}", every_epochs=1, tag="first")
    experiment.run(replace(plain, checkpoint=stopped), resumed)
    assert list(resumed.epochs) == [best + 2]
    experiment.run(writing, after)
    assert after.epochs == {}
    for notes in (resumed, after):
        np.testing.assert_array_equal(notes.probabilities, whole.probabilities)
        assert notes.phases["train"]["best_epoch"] == best
