"""What a trial is called, and which settings its names depend on."""

from dataclasses import asdict

import msgspec
import pytest
from equipment.results.records import a_runtime, a_trial, some_settings

from bench.suite.schema import DataKeys, TrainingTable
from bench.trials import runtime
from bench.trials.layout import is_reserved
from bench.trials.readable import network_in_words, words_of
from bench.trials.runtime import backend_problems, require_backends
from bench.trials.settings import DataSettings, Runtime, Settings
from bench.trials.trial import Trial
from wbc.classical.catalog import METHODS
from wbc.errors import InputError
from wbc.specification import USUAL_AUGMENTATION

USUAL = asdict(USUAL_AUGMENTATION)


def test_the_id_is_readable_and_ends_in_a_hash():
    trial = a_trial("MobileNet", mode="transfer", epochs=100, seed=3, data={"split_seed": 2})
    assert trial.id.startswith("mobilenet-transfer-100e-s3-split2-")
    assert len(trial.id.rpartition("-")[2]) == 8
    assert trial.label == "mobilenet-transfer-100e"
    assert a_trial(mode="classical", epochs=0).id.startswith("vgg16-classical-s0-")


def test_the_key_depends_on_settings_and_the_id_on_the_runtime_too():
    one, other = a_trial(), a_trial(runtime=a_runtime(keras="3.16.0"))
    assert one.key == other.key and one.id != other.id
    assert a_trial(batch_size=8).key != one.key


def test_a_setting_without_a_meaning_is_no_part_of_the_key():
    assert some_settings().key == some_settings(dropout=None, head_epochs=None).key
    # Never to stop early is a choice; to have no epochs at all is none.
    assert some_settings(early_stopping=None).key != some_settings().key


@pytest.mark.parametrize(("head_epochs", "epochs"), [(None, 3), (0, 3), (2, 5)])
def test_epochs_are_those_of_all_stages(head_epochs: int | None, epochs: int):
    assert a_trial(epochs=3, head_epochs=head_epochs).epochs == epochs


def test_names_of_folders_are_no_part_of_the_key():
    one, renamed = some_settings(), some_settings(data={"name": "cells", "test_name": "others"})
    assert (one.key, one.configuration_key) == (renamed.key, renamed.configuration_key)
    assert one.flat()["data.digest"] and renamed.flat()["data.test_name"] == "others"


def test_names_are_stable():
    # Results on disk are found by them: change these with a new format only.
    assert some_settings().key.startswith("4d7ce88242d21b86")
    assert a_trial().id == "vgg16-scratch-3e-s0-0621c629"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"optimizer": {"name": "Adam", "learning_rate": 1e-3, "decay": 0.0}}, "adam1e-3-"),
        ({"optimizer": {"name": "Adam", "learning_rate": 0.02, "decay": 0.1, "rho": 0.8}}, "adam0.02-decay0.1-rho0.8-"),
        ({"image_size": 48, "batch_size": 8, "l2": 1e-4}, "48px-batch8-l2-1e-4-"),
        ({"early_stopping": {"patience": 5, "monitor": "accuracy", "restore_best": True}}, "stop5-accuracy-"),
        ({"protocol": "thesis-2018", "mode": "transfer", "preprocessing": "rescale"}, "thesis-2018-wall-"),
        ({"mode": "transfer", "weights": {"name": "random"}, "dropout": 0.5}, "random-"),
        ({"mode": "scratch", "weights": {"name": "none"}, "jit_compile": True}, "xla-"),
        ({"data": {"max_images_per_class": 50, "basophils": True}}, "pilot50-basophils-"),
        ({"data": {"train_images_per_class": 60, "data_seed": 0, "margin": 0.1}}, ""),
        ({"data": {"train_images_per_class": 61, "margin": 0.0}}, "train61-margin0-"),
        ({"data": {"background": "keep"}}, ""),
        ({"data": {"background": "remove"}}, "background-remove-"),
        ({"augmentation": USUAL}, "augmented-"),
        ({"augmentation": {**USUAL, "flip_vertical": False, "shift": 0.2}},
         "augmented-rotation20-shift0.2-flip-horizontal-brightness0.08-contrast0.12-"),
        ({"class_weight": "balanced"}, "balanced-"),
        ({"class_weight": {"A": 2.0}}, "weighted-classes-"),
        ({"early_stopping": {"patience": 7, "monitor": "validation_loss", "restore_best": False}}, "stop7-last-"),
        ({"mode": "finetune", "freeze_batch_norm": False}, "trains-batch-norm-"),
        ({"mode": "finetune", "freeze_batch_norm": True}, ""),
        ({"deterministic": True, "jit_compile": False}, "deterministic-no-xla-"),
        ({"jit_compile": "auto"}, ""),
        ({"precision": "mixed_float16", "loop": "compiled"}, "mixed-float16-compiled-"),
        ({"backend": "jax"}, "jax-"),
        ({"binary_accuracy": True}, "binary-accuracy-"),
        ({"binary_accuracy": False}, ""),
        ({"protocol": "thesis-2018", "mode": "scratch", "binary_accuracy": False},
         "thesis-2018-network-categorical-crossentropy-no-binary-accuracy-wall-"),
        ({"l1": 0.0099}, "l1-9.9e-3-"),
        ({"l1": 0.01}, "l1-0.01-"),
        ({"steps_per_execution": 8, "unfreeze": 3}, "unfreeze3-execution8-"),
        ({"optimizer": {"name": "SGD", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True}},
         "sgd0.1-decay1e-3-momentum0.9-nesterov-"),
        ({"optimizer": {"name": "Adam", "learning_rate": "search"}}, "adam-search-decay1e-3-"),
        ({"data": {"fold": 2, "folds": 5}}, "fold2of5-"),
        ({"data": {"test_name": "other", "test_digest": "abcdef0123"}}, "external-abcdef-"),
        ({"dropout": 0.25, "head_epochs": 7}, "dropout0.25-head7-"),
        ({"mode": "transfer", "weights": {"name": "own.weights.h5"}}, "own-"),
        ({"mode": "features", "weights": {"name": "own.h5"}}, "own-"),
    ],
)  # fmt: skip
def test_what_differs_from_the_defaults_is_in_the_id(changes: dict, words: str):
    trial = a_trial(**{"image_size": 224, "weights": {"name": "imagenet"}, **changes})
    mode = trial.settings.mode
    assert trial.id == f"vgg16-{mode}-3e-s0-{words}{trial.id[-8:]}"
    assert trial.key == Trial.of("VGG16", trial.settings, a_runtime(), {}).key


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("RandomForest", {"features": "hog"}, "random forest on HOG features"),
        ("KNN", {"features": "pixels", "neighbors": 7}, "nearest neighbors on pixels with neighbors 7"),
        ("DecisionTree", {"min_leaf": 3}, "decision tree with min leaf 3"),
        ("SVM", {"C": 0.5, "kernel": "linear"}, "SVM with C 0.5, kernel linear"),
        ("SVM", {"features": "color"}, "SVM on colors"),
        ("SVM", {"features": "cell"}, "SVM on measures of the cell"),
        ("MLP", {}, "MLP"),
    ],
)
def test_a_classical_method_is_named_in_words(name: str, options: dict, words: str):
    label = METHODS[name].label(options)
    settings = some_settings(network=name, options=options, mode="classical", epochs=0)
    assert network_in_words(label, settings) == words
    assert network_in_words("MobileNet-alpha0.5", some_settings(network="MobileNet")) == "MobileNet-alpha0.5"


def test_sweeps_that_differ_in_the_data_alone_share_no_name():
    changes = [{}, {"max_images_per_class": 50}, {"max_images_per_class": 60}, {"basophils": True}]
    changes += [{"fold": 1, "folds": folds} for folds in (3, 5)]
    changes += [{"test_name": "other", "test_digest": digest * 32} for digest in ("ab", "cd")]
    trials = [a_trial(data=change) for change in changes]
    for names in ([trial.id[:-9] for trial in trials], [trial.key for trial in trials]):
        assert len(set(names)) == len(trials)


def test_a_name_with_many_words_is_cut():
    changes = {
        "optimizer": {"name": "SGD", "learning_rate": 0.123, "decay": 0.1, "momentum": 0.7, "nesterov": True}
    }
    sizes = {
        "image_size": 999,
        "batch_size": 1234,
        "l1": 0.123,
        "l2": 0.456,
        "dropout": 0.789,
        "head_epochs": 77,
    }
    assert 60 < len(a_trial(**changes, **sizes, backend="jax", deterministic=True).id) < 140


@pytest.mark.parametrize(("length", "kept"), [(66, True), (67, False)])
def test_words_are_eighty_characters_at_most(length: int, kept: bool):
    """The second one has 13, and a dash is between them."""
    settings = some_settings(
        mode="transfer", image_size=224, weights={"name": "w" * length}, deterministic=True
    )
    assert words_of(settings) == ["w" * length, *(["deterministic"] if kept else [])]


def test_places_of_files_change_nothing():
    settings = some_settings()
    here, there = (
        Trial.of("VGG16", settings, a_runtime(), {"data_folder": folder}) for folder in ("/here", "/there")
    )
    assert here.id == there.id and here == there and len({here, there}) == 1
    assert here.without_specification().specification == {}
    assert "specification" not in msgspec.to_builtins(here.without_specification())


def test_the_flat_view_names_settings_by_their_place():
    flat = a_trial(optimizer={"name": "Adam"}, early_stopping=None).flat()
    assert flat["optimizer.name"] == "Adam"
    assert flat["early_stopping"] is None
    assert flat["weights.sha256"] is None
    assert flat["tensorflow"] == "2.21.0"
    assert "dropout" not in flat and "jax" not in flat


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"data": {"split_seed": 4}},
        {"data": {"data_seed": 5}},
        {"data": {"digest": "e" * 64}},
        {"data": {"fold": 2}},
    ],
)
def test_replicates_are_of_one_configuration(changes: dict):
    one, other = a_trial(), a_trial(**changes)
    assert one.key != other.key
    assert one.settings.configuration_key == other.settings.configuration_key
    assert one.configuration_key == other.configuration_key


def test_other_settings_and_other_runtimes_are_other_configurations():
    assert a_trial(epochs=4).configuration_key != a_trial().configuration_key
    other = a_trial(runtime=a_runtime(tensorflow="2.20.0"))
    assert other.settings.configuration_key == a_trial().settings.configuration_key
    assert other.configuration_key != a_trial().configuration_key


@pytest.mark.parametrize(
    ("mode", "backend", "kept"),
    [
        ("scratch", "tensorflow", ["wbc", "tensorflow", "keras", "device"]),
        ("transfer", "torch", ["wbc", "keras", "device", "torch"]),
        ("classical", None, ["wbc", "device", "scikit_learn"]),
    ],
)
def test_a_trial_depends_on_what_it_uses(mode: str, backend: str | None, kept: list[str]):
    whole = Runtime(wbc="w", tensorflow="2", keras="3", device="d", scikit_learn="1", jax="", torch="2.5")
    assert list(whole.of(mode, backend).versions()) == kept


def test_settings_survive_the_way_to_the_disk_and_back():
    settings = some_settings(
        options={"alpha": 0.5, "classes": 4, "top": True, "pooling": "max"},
        unfreeze="all",
        jit_compile=False,
        early_stopping={"patience": 3, "monitor": "loss", "restore_best": True},
        data={"groups": {"ROUND": ["LYMPHOCYTE", "MONOCYTE"]}, "test_cells_per_class": None},
    )
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings


def test_every_key_of_a_suite_has_a_place_in_the_settings():
    """A key without one would be lost on the way, and two different trials would have one name."""
    settings, data = (
        {field.name for field in msgspec.structs.fields(kind)} for kind in (Settings, DataSettings)
    )
    assert set(TrainingTable.model_fields) <= settings
    assert set(DataKeys.model_fields) <= settings | data


def of_backend(name: str | None, jit: bool | str = False, **versions: str) -> Trial:
    mode = {} if name else {"mode": "classical", "network": "SVM"}
    return a_trial(runtime=a_runtime(**versions), backend=name, jit_compile=jit, **mode)


@pytest.mark.parametrize(
    ("trials", "replicas", "kind", "said"),
    [
        ([of_backend("tensorflow")], 1, "cpu", []),
        ([of_backend(None, tensorflow="")], 2, "gpu", []),
        ([of_backend("tensorflow", tensorflow=""), of_backend(None)], 1, "cpu", ["TensorFlow is not installed, and 1"]),
        ([of_backend("torch"), of_backend("jax", jax="0.5")], 1, "cpu", ["PyTorch is not installed, and 1 of 2"]),
        ([of_backend("jax", jax="0.5")], 1, "gpu", []),
        ([of_backend("jax", jax="0.5")], 2, "gpu", ['backend = "jax" run on one device each, not on 2']),
        ([of_backend("jax")], 2, "gpu", ["JAX is not installed"]),
        ([of_backend("tensorflow", "auto")], 1, "gpu", []),
        ([of_backend("tensorflow", "auto")], 2, "cpu", []),
        ([of_backend("tensorflow", "auto"), of_backend("tensorflow")], 2, "gpu", ["1 of 2 trials train on 2 GPUs"]),
        ([of_backend("tensorflow", True)], 2, "gpu", []),
    ],
)  # fmt: skip
def test_backends_that_trials_cannot_use(trials, replicas: int, kind: str, said: list[str]):
    found = [one.what for one in backend_problems(trials, replicas, kind)]
    assert len(found) == len(said) and all(words in one for words, one in zip(said, found, strict=True))
    if said:
        with pytest.raises(InputError):
            require_backends(trials, replicas, kind)
    else:
        require_backends(trials, replicas, kind)


def test_trials_run_on_one_processor_where_nothing_is_said():
    jax, undecided = of_backend("jax", jax="0.5"), of_backend("tensorflow", "auto")
    assert backend_problems([jax, undecided]) == backend_problems([undecided], 2) == []
    require_backends([jax, undecided])
    require_backends([undecided], 2)


RESERVED = (
    *("cache", "mlartifacts", "baselines", "compare", "regress", "history", "machine", "environments"),
    *("gpu-check", "suites.html", "report", "mlflow.db", "mlflow.db-wal", ".x", "Cache", "MLflow.db.lock"),
)


@pytest.mark.parametrize("name", [*RESERVED, "demo", "cached", "features", "x.mlflow.db", "x.y"])
def test_names_that_a_results_folder_uses_itself(name: str):
    assert is_reserved(name) is (name in RESERVED)


def test_the_runtime_is_what_is_installed(monkeypatch):
    versions = {"tensorflow-cpu": "2.9", "jax": "0.5", "scikit-learn": "1.7", "keras": "3.1"}
    monkeypatch.setattr(runtime, "version_of", versions.get)
    monkeypatch.setattr(runtime, "source_digest", lambda: "0123456789abcdef-and-more")
    found = {"wbc": "0123456789abcdef", "tensorflow": "2.9", "keras": "3.1", "device": "A card"}
    found |= {"scikit_learn": "1.7", "jax": "0.5", "torch": ""}
    assert runtime.find_runtime("A card").versions() == found
    assert runtime.installed_backends() == ["tensorflow", "jax"]
    monkeypatch.setattr(runtime, "version_of", lambda name: None)
    nothing = dict.fromkeys(found, "") | {"wbc": "0123456789abcdef"}
    assert runtime.find_runtime("").versions() == nothing and runtime.installed_backends() == []


def test_the_version_of_a_package_that_is_not_installed_is_unknown():
    assert runtime.version_of("no-such-package") is None
    assert runtime.version_of("msgspec") == msgspec.__version__
