"""`predict`: a kept model, a folder of images, a differential count."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from bench.commands.main import main
from bench.worker.jsonl import EventWriter
from bench.worker.recorder import Recorder
from wbc import experiment
from wbc.data.appearance import Appearance
from wbc.evaluation.counting import differential_count
from wbc.evaluation.predictions import Predictions
from wbc.optimizer import OptimizerSpecification
from wbc.specification import Specification


def test_the_intervals_cover_a_known_mix():
    rng = np.random.default_rng(7)
    mix = np.array([0.55, 0.3, 0.1, 0.05])
    rates = np.array(
        [[0.9, 0.04, 0.03, 0.03], [0.05, 0.9, 0.03, 0.02], [0.1, 0.1, 0.75, 0.05], [0.2, 0, 0, 0.8]]
    )
    counted, corrected, draws = 0, 0, 200
    for _ in range(draws):
        confusion = np.array([rng.multinomial(110, row) for row in rates])
        true = rng.choice(4, 300, p=mix)
        predicted = (rng.random(300)[:, None] > rates[true].cumsum(axis=1)[:, :-1]).sum(axis=1)
        found = differential_count(predicted, "abcd", confusion.tolist())
        assert sum(one.corrected[0] for one in found) == pytest.approx(1)
        counted += sum(
            low <= share <= high
            for (_, low, high), share in zip([one.share for one in found], mix @ rates, strict=True)
        )
        corrected += sum(
            low <= share <= high
            for (_, low, high), share in zip([one.corrected for one in found], mix, strict=True)
        )
    assert counted / (4 * draws) >= 0.93
    assert corrected / (4 * draws) >= 0.93


def test_a_perfect_classifier_needs_no_correction():
    (a, b) = differential_count([0] * 30 + [1] * 10, "ab", [[50, 0], [0, 50]])
    assert (a.count, a.share[0], a.corrected[0]) == (30, 0.75, 0.75)
    assert b.corrected[1] < 0.25 < b.corrected[2]
    assert differential_count([0, 1], "ab")[0].corrected is None


def test_images_of_another_stain_are_far():
    rng = np.random.default_rng(0)
    base = rng.integers(100, 140, (60, 16, 16, 3)).astype("float64") + rng.normal(0, 5, (60, 1, 1, 3))
    training, fresh = np.uint8(base[:40]), np.uint8(base[40:])
    appearance = Appearance.of(training)
    assert (appearance.distances(fresh) <= appearance.limit).all()
    assert (appearance.distances(fresh[..., ::-1] // np.array([1, 2, 1], np.uint8)) > appearance.limit).all()


def test_a_folder_is_predicted_as_in_the_trial_and_strange_images_are_marked(noisy_images, tmp_path, capsys):
    specification = Specification(
        data_folder=noisy_images,
        manifest=noisy_images / "manifest.json",
        image_size=32,
        network="LeNet5",
        mode="scratch",
        epochs=1,
        batch_size=4,
        optimizer=OptimizerSpecification("Adam", 1e-3, 0.0),
        save_model=True,
    )
    folder = tmp_path / "attempt-1"
    folder.mkdir()
    recorder = Recorder(EventWriter(folder / "events.jsonl"), folder)
    experiment.run(specification, recorder)
    recorder.events.close()
    kept = Predictions.read_csv(folder / "predictions.csv")
    strange = tmp_path / "strange.png"
    Image.new("RGB", (32, 32), (0, 255, 0)).save(strange)
    torn = tmp_path / "torn.png"
    torn.write_text("no image")
    files = [str(noisy_images / file) for file in kept.files]
    assert (
        main(["predict", str(folder), *files, str(strange), str(torn), "-o", str(tmp_path / "said.csv")]) == 0
    )
    told = capsys.readouterr()
    assert "Differential count of 6 images" in told.out
    assert "1 of 6 images have other colors" in told.err and "torn.png cannot be read" in told.err
    with (tmp_path / "said.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["unlike"] for row in rows] == ["no"] * 5 + ["yes"]
    said = [[float(row[name]) for name in kept.classes] for row in rows[:5]]
    np.testing.assert_allclose(said, kept.probabilities, atol=1e-6)
    about = json.loads((folder / "model.json").read_text())
    assert about["takes"] == "raw pixels"


def test_what_is_no_kept_model_is_said(tmp_path, capsys):
    assert main(["predict", str(tmp_path), str(tmp_path)]) == 2
    assert "save_model = true" in capsys.readouterr().err
