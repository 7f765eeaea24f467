"""Mode `features`: a method of scikit-learn on what the head of transfer learning would get."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from training_equipment import Notes

from bench.report.winner import suite_of
from bench.suite.resolve import resolve_suite
from bench.trials.settings import Runtime
from wbc import experiment
from wbc.classical.methods import calibration_folds
from wbc.classical.train import ClassicalClassifier
from wbc.data.loading import Split, load_split
from wbc.data.manifest import Manifest
from wbc.data.synthetic import SyntheticSettings, generate
from wbc.errors import InputError
from wbc.specification import FITTED_MODES, Exporting, FittedClassifier, Specification

RUNTIME = Runtime(wbc="w", tensorflow="2.21.0", keras="3.15.1", device="cpu", scikit_learn="1.9.1")
SUITE = """
[training]
mode = "features"
weights = "random"
epochs = [2, 3]
[[matrix]]
backbone = "LeNet5"
classifier = ["SVM", { name = "RandomForest", trees = 7 }]
[[matrix]]
mode = "transfer"
backbone = "LeNet5"
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    generate(folder, SyntheticSettings(12, 2, 5, image_size=32)).write(folder)
    return folder


def splits_of(folder: Path) -> dict[str, Split]:
    manifest = Manifest.read_file(folder / "manifest.json")
    return {name: load_split(manifest, name, folder, 32) for name in ("train", "validation", "test")}


def asked(folder: Path, mode: str, name: str = "SVM", **more: object) -> Specification:
    base = Specification(
        folder, folder / "manifest.json", 32, "LeNet5", mode, preprocessing="rescale", seed=3
    )
    return replace(base, classifier=FittedClassifier(name, more), latency=True)


@pytest.fixture(scope="module")
def seen_by_the_head(images: Path) -> dict[str, np.ndarray]:
    specification = replace(asked(images, "transfer"), epochs=1)
    head = experiment.load_trainer("transfer")(specification, splits_of(images), Notes())
    return {name: split.inputs.reshape(len(split.inputs), -1) for name, split in head.splits.items()}


def fitted(folder: Path, name: str, **options: object) -> tuple[ClassicalClassifier, Notes]:
    notes = Notes()
    return experiment.load_trainer("features")(
        asked(folder, "features", name, **options), splits_of(folder), notes
    ), notes


@pytest.fixture(scope="module")
def neighbors(images: Path) -> tuple[ClassicalClassifier, Notes]:
    return fitted(images, "KNN")


def test_the_method_gets_the_features_that_the_head_gets(neighbors, seen_by_the_head):
    trained, notes = neighbors
    assert trained.features.keys() == {"train", "test"}, "nothing is chosen by validation images"
    for name, features in trained.features.items():
        assert np.abs(features - seen_by_the_head[name]).max() < 1e-6 and np.ptp(features) > 0
    assert list(notes.phases) == ["build", "features", "train"]
    assert notes.phases["features"]["images"] == 4 * (12 + 5)
    assert notes.phases["build"]["trainable_parameters"] == 0 < notes.phases["build"]["forward_macs"]
    assert not {"trained_forward_flops", "training_flops"} & notes.phases["build"].keys(), (
        "no network is trained"
    )
    test = trained.predict("test", Notes())
    assert np.allclose(trained.answer(trained.examples), test[: len(trained.examples)], atol=1e-6)
    assert trained.cost().model_bytes > 4 * notes.phases["build"]["parameters"], "backbone and method"


@pytest.mark.parametrize(("name", "options"), [("SVM", {}), ("RandomForest", {"trees": 30})])
def test_methods_predict_as_scikit_learn_does_by_hand(images, seen_by_the_head, name, options):
    trained, notes = fitted(images, name, **options)
    training = splits_of(images)["train"]
    scale = StandardScaler().fit(seen_by_the_head["train"])
    folds = calibration_folds(training.labels, [image.source for image in training.images], 3)
    machine = CalibratedClassifierCV(SVC(C=10.0, random_state=3), cv=folds, ensemble=False)
    by_hand = machine if name == "SVM" else RandomForestClassifier(30, random_state=3)
    by_hand.fit(scale.transform(seen_by_the_head["train"]), training.labels)
    expected = by_hand.predict_proba(scale.transform(seen_by_the_head["test"]))
    assert np.abs(trained.predict("test", notes) - expected).max() < 1e-6
    again, _ = fitted(images, name, **options)
    assert (again.predict("test", notes) == trained.predict("test", notes)).all()


def test_what_needs_a_network_says_why_it_is_not_there(neighbors, tmp_path):
    trained, _ = neighbors
    with pytest.raises(InputError, match=r"no \.keras file"):
        trained.save(tmp_path / "model.keras", "stretch")
    with pytest.raises(InputError, match="is no network"):
        trained.export(Exporting(tmp_path, ("onnx",)), *3 * [np.empty(0)])


def resolve(folder: Path, text: str):
    path = folder / "suite.toml"
    path.write_text(text)
    return resolve_suite(path, folder / "cache", runtime=RUNTIME).trials


def test_a_suite_names_network_and_method(tmp_path):
    *found, _, _ = resolve(tmp_path, SUITE)
    assert [trial.network for trial in found] == ["LeNet5-SVM", "LeNet5-RandomForest-trees7"], (
        "without epochs"
    )
    svm, forest = found
    assert svm.id.startswith("lenet5-svm-features-s0-random-") and svm.epochs == 0
    assert forest.specification["classifier"] == {"name": "RandomForest", "options": {"trees": 7}}
    assert Specification.from_json(forest.specification).classifier == FittedClassifier(
        "RandomForest", {"trees": 7}
    )
    assert forest.specification["save_model"] is False and "features" in FITTED_MODES
    assert not {"optimizer.name", "dropout", "loss"} & svm.flat().keys()
    assert {"tensorflow", "keras", "scikit_learn", "preprocessing"} <= svm.flat().keys()
    (again,) = resolve(tmp_path, suite_of(forest.settings, [0], "again", None))
    assert again.key == forest.key


def test_other_trials_keep_their_keys(tmp_path):
    other = SUITE.replace('mode = "features"', 'mode = "transfer"').replace('classifier = ["SVM"', '# ["SVM"')
    *_, before = resolve(tmp_path, other)
    assert "classifier" not in before.settings.flat() and before.key == resolve(tmp_path, SUITE)[-1].key
    assert before.runtime.scikit_learn is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"SVM"', '"SVN"', "unknown method 'SVN' (did you mean SVM?)"),
        ("trees = 7", "tree = 7", "RandomForest has no option 'tree'"),
        ("trees = 7", 'features = "hog"', "RandomForest gets the features of the network"),
        ("[[matrix]]\nbackbone", "[[matrix]]\ndropout = 0.1\nbackbone", 'no meaning for mode = "features"'),
        (
            'mode = "transfer"\n',
            'mode = "transfer"\nclassifier = "SVM"\n',
            'no meaning for mode = "transfer"',
        ),
        ('backbone = "LeNet5"', 'backbone = "SVM"', 'classifier of mode = "features"'),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, old, new, said):
    assert old in SUITE
    with pytest.raises(InputError) as caught:
        resolve(tmp_path, SUITE.replace(old, new))
    assert said in str(caught.value)
