"""A model that was kept: loaded again it says the same, and MLflow's own flavour finds it."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from equipment.attempts import read_events
from PIL import Image

from bench.journal.results import Attempt
from bench.tracking.artifacts import write_flavor
from bench.worker.artifacts import MODEL_FILE, SIGNATURE_FILE, write_packages
from bench.worker.jsonl import EventWriter
from bench.worker.recorder import Recorder
from wbc import experiment
from wbc.data.loading import load_pixels
from wbc.data.manifest import Manifest
from wbc.data.pipeline.decoding import read_upright
from wbc.data.reading import Reading
from wbc.evaluation.predictions import Predictions
from wbc.networks.preprocessing import preprocess
from wbc.observer import APART
from wbc.optimizer import OptimizerSpecification
from wbc.specification import Specification
from wbc.training.classifier import Classifier
from wbc.training.session import Distribution

LOAD = """
import sys
sys.modules["wbc"] = sys.modules["bench"] = None  # importing either is an error
from pathlib import Path
import mlflow.keras
import numpy as np
for folder in map(Path, sys.argv[1:]):
    model = mlflow.keras.load_model(str(folder / "flavor"))
    for name in ("", "-large"):
        np.save(folder / f"said{name}.npy", model(np.load(folder / f"pixels{name}.npy")))
"""
"""In a process that can import nothing of ours."""

MODES = ["scratch", "transfer", "own", "rescaled", "padded"]
"""`own` is a user's network with a scaling of its own, from scratch. The last two train on images of another size,
cut and padded to squares."""

LARGE = (53, 41)
"""Height and width of the files of the last two."""

OWN = """
import keras


def small(shape, classes):
    inputs = keras.Input(shape)
    maps = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    maps = keras.layers.GlobalAveragePooling2D()(maps)
    return keras.Model(inputs, keras.layers.Dense(classes, "softmax")(maps))


def scale(pixels):
    return pixels[..., ::-1] / 64 - [1, 2, 3]
"""


def specification_of(noisy_images: Path, mode: str, **more) -> Specification:
    if mode == "own":
        options = {"build": "own_network_of_a_user:small", "preprocess": "own_network_of_a_user:scale"}
        more |= {"network": "Small", "options": options}
        mode = "scratch"
    manifest = "manifest.json"
    if mode in ("rescaled", "padded"):
        fit = {"rescaled": "crop", "padded": "pad"}[mode]
        noisy_images, manifest = large_images(noisy_images, fit), f"{fit}.json"
        mode = "scratch"
        if fit == "crop":
            more |= {"preprocessing": "rescale"}
    return Specification(
        data_folder=noisy_images,
        manifest=noisy_images / manifest,
        mode=mode,
        batch_size=4,
        optimizer=OptimizerSpecification("Adam", 1e-3, 0.0),
        **{"network": "LeNet5", "image_size": 32, **more},
    )


def large_images(noisy_images: Path, fit: str) -> Path:
    """The same images stretched to `LARGE`, beside a manifest that says how they become square."""
    folder = noisy_images.with_name(f"{noisy_images.name}-large")
    folder.mkdir(exist_ok=True)
    manifest = Manifest.read(noisy_images)
    for image in manifest.images:
        with Image.open(noisy_images / image.file) as opened:
            opened.resize(LARGE[::-1], Image.Resampling.NEAREST).save(folder / image.file)
    Manifest(manifest.images, manifest.classes, {"reading": {"fit": fit}}).write(folder)
    (folder / "manifest.json").rename(folder / f"{fit}.json")
    return folder


@pytest.fixture(scope="module")
def kept(noisy_images, tmp_path_factory) -> dict[str, tuple[Attempt, Specification]]:
    """Mode -> an attempt whose model was kept, and its specification."""
    found = {}
    modules = tmp_path_factory.mktemp("modules")
    (modules / "own_network_of_a_user.py").write_text(OWN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(modules)
        for mode in MODES:
            folder = tmp_path_factory.mktemp(mode)
            specification = specification_of(noisy_images, mode, epochs=2, save_model=True)
            recorder = Recorder(EventWriter(folder / "events.jsonl"), folder)
            experiment.run(specification, recorder)
            recorder.events.close()
            found[mode] = (Attempt(folder), specification)
    return found


SCALINGS = ["VGG16", "MobileNet", "DenseNet121", "EfficientNetB0", "AlexNet", "ResNeXt50", "rescale"]
"""Networks with a preprocessing each, on a body of one layer; the last is the thesis' 1/255."""

PIXELS = np.random.default_rng(4).integers(0, 256, (3, 8, 8, 3), np.uint8)


@pytest.fixture(scope="module")
def scaled(tmp_path_factory) -> dict[str, tuple[Attempt, np.ndarray]]:
    """Preprocessing -> an attempt that kept a model with it, and what that said of `PIXELS`."""
    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    body = keras.Model(inputs, keras.layers.Dense(2, "softmax", kernel_initializer="ones")(pooled))
    found = {}
    for name in SCALINGS:
        network, how = ("VGG16", name) if name == "rescale" else (name, "network")
        scale = partial(preprocess, name=network, how=how)
        # Probabilities that differ, whatever the scaling.
        spread = 1 / max(1.0, float(np.abs(scale(PIXELS)).max()))
        body.layers[-1].set_weights([spread * np.float32([[1, -2], [3, 1], [-1, 2]]), np.float32([0.1, 0])])
        folder = tmp_path_factory.mktemp(name)
        recorder = Recorder(EventWriter(folder / "events.jsonl"), folder)
        about = {"network": network, "preprocessing": how, "image_size": 8, "classes": ["a", "b"]}
        about |= {"mode": "scratch", "reading": {}, "likeness": None}
        recorder.trained(Classifier(body, {}, 4, scale, Distribution()), about)
        recorder.events.close()
        np.save(folder / "pixels.npy", PIXELS)
        np.save(folder / "pixels-large.npy", PIXELS.repeat(2, 1).repeat(2, 2))
        found[name] = Attempt(folder), np.asarray(body(scale(PIXELS)))
        write_flavor(found[name][0], folder / "flavor")
    return found


@pytest.fixture(scope="module")
def said(kept, scaled) -> dict[str, np.ndarray]:
    """Mode or preprocessing -> what its model says of the images when another process loads it."""
    named = {name: attempt.folder for name, (attempt, _) in {**kept, **scaled}.items()}
    folders = list(named.values())
    for attempt, specification in kept.values():
        write_flavor(attempt, attempt.folder / "flavor")
        np.save(attempt.folder / "pixels.npy", pixels_of(specification))
        manifest = Manifest.read_file(specification.manifest)
        raw = [read_upright(specification.data_folder / one.file) for one in manifest.split("test")]
        np.save(attempt.folder / "pixels-large.npy", np.stack(raw))
    done = subprocess.run([sys.executable, "-c", LOAD, *folders], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {mode: np.load(folder / "said.npy") for mode, folder in named.items()}


def pixels_of(specification: Specification) -> np.ndarray:
    manifest = Manifest.read_file(specification.manifest)
    reading = Reading.of(manifest.settings)
    return load_pixels(specification.data_folder, manifest.split("test"), specification.image_size, reading)


def is_within(event: dict, phase: str, events: list[dict]) -> bool:
    began, ended = (one["t"] for one in events if one.get("phase") == phase)
    return began < event["t"] < ended


@pytest.mark.parametrize("mode", MODES)
def test_it_says_the_same_as_before(kept, said, mode):
    attempt, _ = kept[mode]
    (event,) = [one for one in read_events(attempt.events) if one["event"] == "model_saved"]
    assert is_within(event, "save", read_events(attempt.events))
    assert event["input"] == {"shape": [-1, -1, -1, 3], "dtype": "uint8"}
    assert event["output"] == {"shape": [-1, 2], "dtype": "float32"}
    assert event["bytes"] == (attempt.folder / "model.keras").stat().st_size
    assert not list(attempt.folder.glob("*.partial"))
    wanted = Predictions.read_csv(attempt.predictions).probabilities
    np.testing.assert_allclose(said[mode], wanted, rtol=0, atol=1e-6)
    raw = np.load(attempt.folder / "said-large.npy")
    np.testing.assert_allclose(raw, wanted, rtol=0, atol=1e-6)
    sizes = {np.load(attempt.folder / f"pixels{name}.npy").shape[1:3] for name in ("", "-large")}
    assert len(sizes) == (2 if mode in ("rescaled", "padded") else 1)


@pytest.mark.parametrize("name", SCALINGS)
def test_every_preprocessing_is_part_of_what_is_kept(scaled, said, name):
    _, wanted = scaled[name]
    assert np.ptp(wanted) > 0.01
    np.testing.assert_allclose(said[name], wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_mlflow_loads_it_by_its_own_flavour(kept, said, mode):
    import mlflow
    from mlflow.models import Model

    attempt, specification = kept[mode]
    flavor = attempt.folder / "flavor"
    about = Model.load(str(flavor / "MLmodel"))
    (tensor,) = about.signature.inputs.inputs
    assert (tensor.type, tensor.shape) == (np.dtype("uint8"), (-1, -1, -1, 3))
    assert about.metadata["classes"] == ["a", "b"]
    assert about.metadata["preprocessing"] == specification.preprocessing
    pinned = (flavor / "requirements.txt").read_text().split()
    assert f"keras=={keras.__version__}" in pinned
    loaded = mlflow.pyfunc.load_model(str(flavor))
    np.testing.assert_allclose(loaded.predict(pixels_of(specification)), said[mode], atol=1e-6)
    with pytest.raises(mlflow.exceptions.MlflowException, match="schema"):
        loaded.predict(np.zeros((1, 8, 8, 3), np.float32))


def test_mlflow_reads_what_is_known_of_a_kept_model_without_loading_it(tmp_path: Path):
    from mlflow.models import Model

    attempt = Attempt(tmp_path)
    about = {"classes": ["a", "b"], "preprocessing": "network", "network": "VGG16", "keras": "3.9"}
    about |= {"backend": "jax", "python": "3.12.1", "requirements": ["keras==3.9", "jax==0.5"]}
    about |= {
        "input": {"dtype": "uint8", "shape": [-1, 8, 8, 3]},
        "output": {"dtype": "float32", "shape": [-1, 2]},
    }
    (attempt.folder / SIGNATURE_FILE).write_text(json.dumps(about))
    (attempt.folder / MODEL_FILE).write_bytes(b"kept")
    write_flavor(attempt, flavor := tmp_path / "flavor")
    assert (flavor / "data" / "model.keras").readlink() == attempt.folder / MODEL_FILE
    assert (flavor / "data" / "keras_module.txt").read_text() == "keras"
    assert (flavor / "requirements.txt").read_text() == "keras==3.9\njax==0.5\n"
    found = Model.load(str(flavor / "MLmodel"))
    assert found.metadata == {name: about[name] for name in ("classes", "preprocessing", "network")}
    wanted = {"data": "data", "keras_version": "3.9", "keras_backend": "jax", "save_exported_model": False}
    assert found.flavors["keras"] == wanted
    python = {"loader_module": "mlflow.keras", "python_version": "3.12.1"}
    assert found.flavors["python_function"] == python
    tensors = [
        (tensor.type.name, tensor.shape)
        for schema in (found.signature.inputs, found.signature.outputs)
        for tensor in schema.inputs
    ]
    assert tensors == [("uint8", (-1, 8, 8, 3)), ("float32", (-1, 2))]


def test_a_model_that_cannot_be_written_does_not_spoil_the_result(tmp_path):
    class Unwritable:
        def save(self, path, fit):
            raise ValueError("a layer of the user's own cannot be saved")

    recorder = Recorder(EventWriter(tmp_path / "events.jsonl"), tmp_path)
    recorder.trained(Unwritable(), {"reading": {}})
    recorder.events.close()
    (event,) = read_events(tmp_path / "events.jsonl")
    assert (event["event"], event["reason"]) == (
        "model_not_saved",
        "ValueError: a layer of the user's own cannot be saved",
    )


@pytest.mark.parametrize("phase", sorted(APART - {"reference_work", "teardown"}))
def test_the_peak_of_memory_leaves_out_what_follows_the_evaluation(tmp_path, monkeypatch, phase):
    peak = [1]
    monkeypatch.setattr("bench.worker.recorder.peak_of_process", lambda: peak[0])
    recorder = Recorder(EventWriter(tmp_path / "events.jsonl"), tmp_path)
    recorder.finished(SimpleNamespace(memory=dict))
    recorder.phase_started("evaluate")
    recorder.phase_started(phase)
    peak[0] = 2
    recorder.describe_memory()
    recorder.events.close()
    assert read_events(tmp_path / "events.jsonl")[-1]["process_peak"] == 1


def test_packages(tmp_path):
    write_packages(tmp_path)
    listed = dict(line.split("==") for line in (tmp_path / "packages.txt").read_text().splitlines())
    assert listed["keras"] == keras.__version__
    assert listed["numpy"] == np.__version__
