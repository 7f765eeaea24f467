"""Networks in other formats: what was exported says the same, and a missing package costs no trial."""

import sys
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from bench.report.rows import EXPORT
from bench.report.tables.exported import exported_table
from bench.trials.phases import ExportPhase
from wbc import experiment
from wbc.networks.stock import raw_pixel_model
from wbc.specification import FORMATS, Exporting
from wbc.training import export as exporting
from wbc.training.export import Images, export

SIDE = 16
RNG = np.random.default_rng(0)


def bright_or_dark(count: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count) % 2
    images = RNG.integers(0, 90, (count, SIDE, SIDE, 3)) + 120 * labels[:, None, None, None]
    return images.astype(np.uint8), labels


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Tells bright from dark images."""
    inputs = keras.Input((SIDE, SIDE, 3))
    maps = keras.layers.Conv2D(4, 3, activation="relu", name="maps")(inputs)
    dense = keras.layers.Dense(2, "softmax", name="head")
    whole = keras.Model(inputs, dense(keras.layers.GlobalAveragePooling2D()(maps)))
    kernel = np.full((3, 3, 3, 4), 1 / 27)
    whole.get_layer("maps").set_weights([kernel, np.zeros(4)])
    dense.set_weights([np.array([[-5.0, 5.0]] * 4), np.array([7.0, -7.0])])
    return raw_pixel_model(whole, lambda pixels: pixels.astype("float32") / 255, SIDE, any_size=False)


@pytest.fixture(scope="module")
def images() -> Images:
    test, labels = bright_or_dark(12)
    labels[0] = 1 - labels[0]  # one is labelled wrongly
    return Images(bright_or_dark(8)[0], test, labels)


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_exported_is_asked(model, images, tmp_path, name):
    needed = exporting._NEEDED[name]
    for module in needed:
        pytest.importorskip(module)
    (found,) = export(model, Exporting(tmp_path, (name,)), images)["exports"]
    assert found.get("unavailable") is None, found
    assert found["accuracy"] == pytest.approx(11 / 12) and found["agreement"] == 1
    assert found["latency_s"] > 0 and found["images"] == 12
    assert found["bytes"] == (tmp_path / found["file"]).stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == [found["file"]]


def test_onnx_is_asked_by_the_name_of_its_first_input(monkeypatch, tmp_path):
    asked = []

    class Session:
        def __init__(self, path, providers):
            asked.append((path, providers))

        def get_inputs(self):
            return [SimpleNamespace(name="pixels"), SimpleNamespace(name="other")]

        def run(self, outputs, given):
            assert outputs is None
            return [given["pixels"] * 2, None]

    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(InferenceSession=Session))
    made = SimpleNamespace(export=lambda *given, **more: asked.append((*given, more)))
    answer = exporting._onnx(made, tmp_path / "x", None)
    assert answer(np.ones((1, 2))).tolist() == [[2, 2]]
    path = str(tmp_path / "x")
    assert asked == [(path, {"format": "onnx", "verbose": False}), (path, ["CPUExecutionProvider"])]


def test_int8_is_calibrated_on_training_images(model, images, tmp_path):
    """Ranges from black images alone let everything else overflow."""
    pytest.importorskip("ai_edge_litert")
    black = Images(np.zeros_like(images.calibration), images.test, images.labels)
    (spoiled,) = export(model, Exporting(tmp_path, ("litert-int8",)), black)["exports"]
    (right,) = export(model, Exporting(tmp_path, ("litert-int8",)), images)["exports"]
    assert spoiled["agreement"] < right["agreement"] == 1


def test_a_missing_package_is_a_reason_and_no_failure(model, images, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_NEEDED", {"onnx": ("no_such_package",), "litert-int8": ("neither",)})
    found = export(model, Exporting(tmp_path, FORMATS), images)["exports"]
    assert [one["name"] for one in found] == list(FORMATS)
    assert "no_such_package is not installed: pip install" in found[0]["unavailable"]
    assert "'leukobench[export]'" in found[1]["unavailable"] and not list(tmp_path.iterdir())


def test_a_trial_exports_after_its_evaluation(noisy_images, tmp_path, monkeypatch):
    from training_equipment import Notes, small_training

    monkeypatch.setattr(exporting, "_NEEDED", dict.fromkeys(FORMATS, ("no_such_package",)))
    notes = Notes()
    experiment.run(
        small_training(noisy_images, export=Exporting(tmp_path, FORMATS)),
        notes,
    )
    names = list(notes.phases)
    assert names.index("export") > names.index("evaluate")
    figures = notes.phases["export"]
    assert {one["name"] for one in figures["exports"]} == set(FORMATS)
    assert ExportPhase.__struct_fields__[-2:] == ("exports", "unavailable")


def test_the_table_has_the_network_and_its_formats():
    row = {"network": "LeNet5", "mode": "scratch", "epochs": 3, "weights": "none", "variant": "", "seed": 0}
    row |= {"model_mb": 2.4, "test_accuracy": 0.9, "latency_1_p50_s": 0.01}
    figures = {"mb": 0.7, "accuracy": 0.88, "agreement": 0.97, "latency_s": 0.002}
    row |= {f"{EXPORT}litert-int8 {name}": value for name, value in figures.items()}
    row |= {f"{EXPORT}onnx unavailable": "onnx is not installed"}
    table = exported_table("demo", pd.DataFrame([row]))
    headings, rows = table.written()
    assert [one[headings.index("format")] for one in rows] == ["keras", "litert-int8"]
    assert [one[headings.index("accuracy %")] for one in rows] == ["90.0", "88.0"]
    assert [one[headings.index("MB")] for one in rows] == ["2.40", "0.70"]
    assert any("onnx is not installed" in note for note in table.notes)
    assert exported_table("demo", pd.DataFrame([{"network": "LeNet5", "model_mb": 1.0}])) is None


def test_fifty_calls_are_timed_after_three(monkeypatch):
    """Each call takes as long as its number says: the median of the calls 4 to 53 is 28.5."""
    now, asked = [0.0], []

    def answer(image):
        assert image.shape == (1, SIDE, SIDE, 3)
        asked.append(int(image[0, 0, 0, 0]))
        now[0] += max(0, len(asked) - 4)  # four calls ask for the classes
        return np.array([[0.25, 0.75]] if asked[-1] in (1, 3) else [[0.75, 0.25]])

    monkeypatch.setattr(exporting.time, "perf_counter", lambda: now[0])
    pixels = np.stack([np.full((SIDE, SIDE, 3), number, np.uint8) for number in range(4)])
    images = Images(pixels, pixels, np.array([0, 1, 1, 1]))
    found = exporting._asked(answer, images, np.array([0, 0, 0, 0]))
    assert found == {"images": 4, "accuracy": 0.75, "agreement": 0.5, "latency_s": 28.5}
    assert asked == [0, 1, 2, 3] + [number % 4 for number in range(53)]


def test_only_networks_of_tensorflow_are_exported(model, images, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting.keras.backend, "backend", lambda: "jax")
    (found,) = export(model, Exporting(tmp_path, ("onnx",)), images)["exports"]
    assert found == {
        "name": "onnx",
        "unavailable": "InputError: onnx is exported from TensorFlow, not from jax",
    }
    assert exporting._NEEDED == {
        "onnx": ("tf2onnx", "onnx", "onnxruntime"),
        "litert-int8": ("ai_edge_litert",),
    }
