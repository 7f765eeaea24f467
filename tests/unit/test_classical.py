"""Classical methods: as trials of a suite, and as classifiers."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench.suite.resolve import resolve_suite
from bench.trials.settings import Runtime, WeightsSettings
from wbc import experiment
from wbc.backbones import find_backbone
from wbc.classical.catalog import METHODS
from wbc.classical.features import measure_all
from wbc.classical.methods import calibration_folds, fit_method, network_parameters
from wbc.data.synthetic import SyntheticSettings, generate
from wbc.errors import InputError
from wbc.specification import Specification

RUNTIME = Runtime(wbc="w", tensorflow="2.21.0", keras="3.15.1", device="cpu", scikit_learn="1.9.1")
ALL = '[[matrix]]\nmode = "classical"\nbackbone = ["SVM", "RandomForest", "DecisionTree", "KNN", "MLP"]\n'


class Notes:
    """An observer that remembers."""

    def __init__(self):
        self.phases, self.begun = {}, []

    def phase_started(self, phase):
        self.begun.append(phase)

    def phase_ended(self, phase, **figures):
        self.phases[phase] = figures

    def __getattr__(self, name):
        return lambda *values, **more: None


def trials(folder: Path, text: str, runtime: Runtime = RUNTIME):
    path = folder / "suite.toml"
    path.write_text(text)
    return resolve_suite(path, folder / "cache", runtime=runtime).trials


@pytest.fixture(scope="module")
def specification(tmp_path_factory) -> Specification:
    folder = tmp_path_factory.mktemp("synthetic")
    generate(folder, SyntheticSettings(10, 1, 5, image_size=48)).write(folder)
    return Specification(folder, folder / "manifest.json", 48, "SVM", "classical")


@pytest.fixture(scope="module")
def measure():
    """Measures the features of images once, because they are the same for every method."""
    known = {}

    def measure(images: np.ndarray, plausible: object = None) -> np.ndarray:
        key = images.tobytes()
        if key not in known:
            known[key] = measure_all(images)
        return known[key]

    return measure


def blobs(counts, seed=0, distance=3.0):
    """Gaussian classes of two features; features, labels, and a source for every row."""
    draw = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    features = draw.normal(size=(len(labels), 2)) + distance * np.array([labels, labels % 2]).T
    return features, labels, [str(row) for row in range(len(labels))]


def test_trials_know_no_epochs_optimizer_or_weights(tmp_path):
    shared = "[training]\nepochs = [1, 2]\nbatch_size = [8, 16]\ndeterministic = [true, false]\n"
    shared += '[data]\npreprocessing = ["rescale", "network"]\n'
    network = '[[matrix]]\nmode = "scratch"\nbackbone = "LeNet5"\n'
    every = trials(tmp_path, shared + ALL + network)
    found = [trial for trial in every if trial.settings.mode == "classical"]
    assert len(every) - len(found) == 16, "of the network"
    assert [trial.network for trial in found] == list(METHODS), "what means nothing makes no further trials"
    assert {trial.settings.epochs for trial in found} == {0}
    assert not {"optimizer", "batch_size", "preprocessing", "deterministic"} & found[0].settings.flat().keys()
    assert found[0].settings.weights == WeightsSettings(name="none", sha256=None)
    assert found[0].id.startswith("svm-classical-s0-")
    assert [trial.key for trial in trials(tmp_path, ALL)] == [trial.key for trial in found]


def test_options_and_seeds_make_trials(tmp_path):
    text = "suite.seeds = [0, 1]\n" + ALL.replace('"KNN"', '{ name = "KNN", neighbors = 3 }')
    found = trials(tmp_path, text)
    assert len(found) == 10
    assert "KNN-neighbors3" in {trial.network for trial in found}


def test_another_keras_changes_nothing_and_another_scikit_learn_does(tmp_path):
    def first(runtime: Runtime):
        return trials(tmp_path, ALL, runtime)[0]

    assert (
        first(RUNTIME).id == first(msgspec.structs.replace(RUNTIME, tensorflow="2.22.0", keras="3.16.0")).id
    )
    assert first(RUNTIME).id != first(msgspec.structs.replace(RUNTIME, scikit_learn="1.10.0")).id
    network = '[[matrix]]\nmode = "scratch"\nbackbone = "LeNet5"\n'
    (one,) = trials(tmp_path, network)
    assert one.id == trials(tmp_path, network, msgspec.structs.replace(RUNTIME, scikit_learn="1.10.0"))[0].id


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ALL + "epochs = 3\n", ["line 4: matrix[1].epochs", 'no meaning for mode = "classical"']),
        (ALL + 'optimizer = "Adam"\n', ["line 4: matrix[1].optimizer"]),
        ('[suite]\nexport = "onnx"\n' + ALL, ["line 2: suite.export", "it is of networks alone"]),
        ('[suite]\nexplain = "filters"\n' + ALL, ["line 2: suite.explain"]),
        (ALL + 'preprocessing = "rescale"\n', ["line 4: matrix[1].preprocessing"]),
        (ALL + 'weights = "imagenet"\n', ["line 4: matrix[1].weights"]),
        ('[training]\nmode = "classical"\n[[matrix]]\nbackbone = "SVM"\nbatch_size = 4\n', ["line 5"]),
        ('[[matrix]]\nbackbone = "SVM"\n', ["SVM is a classical method, but mode is 'transfer'"]),
        (
            '[[matrix]]\nmode = ["scratch", "classical"]\nbackbone = "LeNet5"\n',
            ["line 3", "LeNet5 is a network, but mode is 'classical'", "RandomForest"],
        ),
        (ALL.replace("SVM", "SVN"), ["line 3", "unknown network or method 'SVN' (did you mean SVM?)"]),
        (ALL.replace("KNN", "vgg16"), ["line 3", "did you mean VGG16?"]),
        (ALL.replace('"KNN"', '{ name = "KNN", neighbours = 3 }'), ["did you mean neighbors?"]),
        (
            ALL.replace('"SVM"', '{ name = "SVM", kernel = "rbff" }'),
            ["kernel of SVM must be one of rbf, linear, not 'rbff'"],
        ),
        (ALL.replace('"KNN"', '{ name = "KNN", neighbors = 0 }'), ["neighbors of KNN must be an integer"]),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, text, said):
    with pytest.raises(InputError) as caught:
        trials(tmp_path, text)
    for text in said:
        assert text in str(caught.value)


def test_shared_settings_hold_for_the_networks_beside(tmp_path):
    text = (
        '[data]\nimage_size = 32\n[training]\nepochs = 7\n[[matrix]]\nmode = "scratch"\nbackbone = "LeNet5"\n'
    )
    assert [trial.settings.epochs for trial in trials(tmp_path, text + ALL)] == [7, 0, 0, 0, 0, 0]


def test_names_of_both_kinds():
    assert find_backbone("SVM", "classical") is METHODS["SVM"]
    assert find_backbone("VGG16", "transfer").name == "VGG16"


def test_smallest_images():
    METHODS["KNN"].check_size(32)
    with pytest.raises(InputError, match="KNN needs images of at least 32 x 32 pixels, not 31 x 31"):
        METHODS["KNN"].check_size(31)


@pytest.mark.parametrize("name", METHODS)
def test_probabilities_of_every_method_tell_distant_classes_apart(name):
    features, labels, sources = blobs([30, 30, 30])
    pipeline = fit_method(name, {}, features, labels, sources, seed=0)
    unseen, truth, _ = blobs([50, 50, 50], seed=1)
    probabilities = pipeline.predict_proba(unseen)
    assert probabilities.shape == (150, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == truth).mean() > 0.85
    again = fit_method(name, {}, features, labels, sources, seed=0).predict_proba(unseen)
    assert (again == probabilities).all(), "a seed gives the same to the bit"


@pytest.mark.parametrize("name", METHODS)
def test_units_of_features_do_not_matter(name):
    features, labels, sources = blobs([20, 20])
    unseen, *_ = blobs([20, 20], seed=1)
    scale = np.array([1000.0, 0.001])
    one = fit_method(name, {}, features, labels, sources, seed=0).predict_proba(unseen)
    other = fit_method(name, {}, features * scale, labels, sources, seed=0).predict_proba(unseen * scale)
    np.testing.assert_allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("name", ["SVM", "RandomForest", "DecisionTree", "KNN", "MLP"])
def test_the_smaller_class_counts_as_much(name):
    """Overlapping classes, ten to one: without weights hardly anything would be predicted as the smaller one."""
    options = {"RandomForest": {"min_leaf": 20}, "DecisionTree": {"min_leaf": 40}, "KNN": {"neighbors": 41}}
    features, labels, sources = blobs([500, 50], distance=1.0)
    pipeline = fit_method(name, options.get(name, {}), features, labels, sources, seed=0)
    unseen, truth, _ = blobs([400, 400], seed=1, distance=1.0)
    predicted = pipeline.predict_proba(unseen).argmax(axis=1)
    assert (predicted[truth == 1] == 1).mean() > 0.55
    assert (pipeline.predict(unseen) == pipeline.classes_[predicted]).all()


def test_calibration_keeps_copies_of_an_image_together():
    labels = np.repeat([0, 1], 20)
    sources = [f"photograph {row // 4}" for row in range(40)]
    splits = calibration_folds(labels, sources, seed=0)
    assert len(splits) == 5
    assert sorted(np.concatenate([held for _, held in splits])) == list(range(40))
    for fitted, held in splits:
        assert not {sources[row] for row in fitted} & {sources[row] for row in held}
        assert set(labels[fitted]) == {0, 1}
    with pytest.raises(InputError, match="too few"):
        calibration_folds(np.array([0, 0, 1, 1]), ["a", "b", "c", "c"], seed=0)


def test_too_many_neighbors():
    features, labels, sources = blobs([2, 2])
    with pytest.raises(InputError, match="KNN needs 5 neighbors, but there are 4"):
        fit_method("KNN", {}, features, labels, sources, seed=0)


@pytest.mark.parametrize("counts", [[9, 9], [9, 9, 9]])
def test_the_parameters_of_the_mlp_are_those_that_it_has(counts):
    features, labels, sources = blobs(counts)
    fitted = fit_method("MLP", {"hidden": 7}, features, labels, sources, seed=0)["method"]
    held = sum(array.size for array in (*fitted.coefs_, *fitted.intercepts_))
    assert network_parameters("MLP", {"hidden": 7}, 2, len(counts)) == held
    assert network_parameters("SVM", {}, 2, 4) is None


@pytest.mark.parametrize("name", METHODS)
def test_an_experiment_from_images_to_metrics(specification, measure, name, monkeypatch):
    monkeypatch.setattr("wbc.classical.train.measure_all", measure)
    notes = Notes()
    metrics = experiment.run(replace(specification, network=name), notes)
    assert notes.begun == ["data", "build", "features", "train", "evaluate"] == list(notes.phases)
    assert notes.phases["features"]["images"] == 60, "validation images are not measured"
    assert (notes.phases["build"]["parameters"] is None) == (name != "MLP")
    assert metrics["images"] == 20
    assert metrics["balanced_accuracy"] > 0.4, "chance is 0.25"


def test_loads_neither_keras_nor_tensorflow(tmp_path):
    generate(tmp_path, SyntheticSettings(3, 1, 1, image_size=32)).write(tmp_path)
    code = f"""
import sys
from functools import cache
from pathlib import Path
import numpy as np
import bench.worker.process, bench.worker.environment, bench.worker.recorder
from wbc import experiment
from wbc.classical import train
from wbc.specification import Specification

class Silent:
    def __getattr__(self, name):
        return lambda *values, **more: None

@cache
def measured(content, shape):
    return measure(np.frombuffer(content, np.uint8).reshape(shape))

# Once, for every method sees the same images.
measure = train.measure_all
train.measure_all = lambda images, plausible: measured(images.tobytes(), images.shape)
folder = Path({str(tmp_path)!r})
for name in ("SVM", "RandomForest", "DecisionTree", "KNN", "MLP"):
    experiment.run(Specification(folder, folder / "manifest.json", 32, name, "classical"), Silent())
print(*({{"keras", "tensorflow", "torch", "jax"}} & set(sys.modules)), "done")
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["done"]
