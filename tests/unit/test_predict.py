"""`predict`: a kept model, a folder of images, a differential count."""

import csv
import json
from dataclasses import asdict

import keras
import numpy as np
import pytest
from equipment.results.records import a_record, a_trial, some_metrics, write_record
from PIL import Image
from scipy.stats import binom
from training_equipment import small_training

from bench.commands.main import main
from bench.commands.predict import exceeds_chance
from bench.journal.results import SuiteResults
from bench.journal.runs import runs_file
from bench.worker.artifacts import LIKENESS_FILE, MODEL_FILE
from bench.worker.jsonl import EventWriter
from bench.worker.predict import Answer, _likeness
from bench.worker.recorder import Recorder
from wbc import experiment
from wbc.evaluation.counting import _solve, differential_count
from wbc.evaluation.intervals import wilson
from wbc.evaluation.likeness import Likeness, Space, allowed, looks_of
from wbc.evaluation.predictions import Predictions
from wbc.networks.penultimate import features_and_outputs


@pytest.mark.parametrize(
    ("mix", "right", "tested", "images"),
    [
        ([0.55, 0.3, 0.1, 0.05], [0.9, 0.9, 0.75, 0.8], 110, 300),
        ([0.25, 0.25, 0.25, 0.25], [0.99, 0.99, 0.99, 0.99], 20, 100),
        ([0.9, 0.08, 0.01, 0.01], [0.7, 0.9, 0.99, 0.6], 40, 400),
    ],
)
def test_the_intervals_cover_a_known_mix(mix, right, tested, images):
    rng = np.random.default_rng(7)
    mix = np.array(mix)
    rates = np.repeat(1 - np.array(right), 4).reshape(4, 4) / 3
    np.fill_diagonal(rates, right)
    corrected, draws = 0, 100
    for _ in range(draws):
        confusion = np.array([rng.multinomial(tested, row) for row in rates])
        true = rng.choice(4, images, p=mix)
        predicted = (rng.random(images)[:, None] > rates[true].cumsum(axis=1)[:, :-1]).sum(axis=1)
        found = differential_count(predicted, "abcd", confusion.tolist())
        assert sum(one.corrected[0] for one in found) == pytest.approx(1)
        corrected += sum(
            low <= share <= high
            for (_, low, high), share in zip([one.corrected for one in found], mix, strict=True)
        )
    assert corrected / (4 * draws) >= 0.95


@pytest.mark.parametrize("images", [20, 100, 300])
def test_the_intervals_cover_what_is_counted(images):
    """By the probability of every count, so without chance."""
    counts = np.arange(images + 1)
    found = [differential_count([0] * count + [1] * (images - count), "ab")[0].share for count in counts]
    for share in (0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 0.97):
        inside = np.array([low <= share <= high for _, low, high in found])
        assert binom.pmf(counts, images, share)[inside].sum() >= 0.95


def test_a_perfect_classifier_needs_no_correction():
    (a, b) = differential_count([0] * 30 + [1] * 10, "ab", [[50, 0], [0, 50]])
    assert (a.count, a.share[0], a.corrected[0]) == (30, 0.75, 0.75)
    assert b.corrected[1] < 0.25 < b.corrected[2]
    assert differential_count([0, 1], "ab")[0].corrected is None


def test_a_matrix_of_few_images_is_not_taken_for_certain():
    """Half of very many images; the shares that are predicted right are drawn from Beta(5.5, 0.5), 98 % in all."""
    (a, _) = differential_count([0] * 5000 + [1] * 5000, "ab", [[5, 0], [0, 5]])
    right, other = np.random.default_rng(1).beta(5.5, 0.5, (2, 100_000))
    true = ((0.5 - (1 - other)) / (right + other - 1)).clip(0, 1)
    assert a.corrected == (0.5, *(pytest.approx(end, abs=0.06) for end in np.quantile(true, [0.01, 0.99])))


def test_true_shares_explain_predicted_ones_and_are_none_below_0():
    """The nearest of all that sum to 1, found by hand: what is too much is taken off all that stay above 0."""
    rates = np.array([[0.8, 0.1, 0.1], [0.0, 0.7, 0.3], [0.2, 0.2, 0.6]])
    true = np.array([0.5, 0.3, 0.2])
    plain = np.eye(3)
    predicted = [true @ rates, [1.2, -0.1, -0.1], [0.7, 0.5, -0.2], [0.25, 0.25, 0.2]]
    found = _solve(np.array(predicted), np.stack([rates, plain, plain, plain]))
    assert found == pytest.approx(np.array([true, [1, 0, 0], [0.6, 0.4, 0], [0.35, 0.35, 0.3]]), abs=1e-9)


def test_the_correction_is_that_of_the_continuity_corrected_interval():
    """Newcombe (1998), table I, method 4."""
    for right, total, low, high in ((81, 263, 0.2535, 0.3682), (15, 148, 0.0598, 0.1644), (0, 20, 0, 0.2005)):
        found = wilson(right, total, continuity=True)
        assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def blurred(images: np.ndarray) -> np.ndarray:
    return images.repeat(2, 1).repeat(2, 2)[:, :32, :32]


OTHER_KINDS = {
    "another stain": lambda images: np.uint8(images * np.array([0.85, 1, 0.75])),
    "colors swapped": lambda images: images[..., ::-1],
    "larger": blurred,
    "pale": lambda images: 128 + images // 2,
}


@pytest.fixture(scope="module")
def likeness() -> tuple[Likeness, np.ndarray]:
    """Of noisy images of two classes whose features say nothing, and further images like them."""
    rng = np.random.default_rng(0)
    base = rng.normal([200, 120, 160], 25, (900, 32, 32, 3)) + rng.normal(0, 6, (900, 1, 1, 3))
    images, features = np.uint8(base.clip(0, 255)), rng.normal(0, 1, (900, 20))
    looks = looks_of(images[:400])
    found = Likeness.of(
        (looks[:300], looks[300:]), (features[:300], features[300:400]), list(np.arange(300) % 2)
    )
    return Likeness.from_json(json.loads(json.dumps(asdict(found)))), images[400:]


@pytest.mark.parametrize("shape", [(2, 32, 32, 3), (2, 7, 21, 3), (1, 1, 1, 3)])
def test_looks_are_the_spread_of_colors_and_of_what_each_halving_takes_away(shape: tuple[int, ...]):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for image, looks in zip(images, looks_of(images), strict=True):
        gray, wanted = image.mean(axis=2), [*image.mean((0, 1)), *image.std((0, 1))]
        for _ in range(5):
            half = gray[: len(gray) // 2 * 2, : gray.shape[1] // 2 * 2]
            if half.size:
                gray = half.reshape(len(half) // 2, 2, -1, 2).mean(axis=(1, 3))
            wanted.append(np.log1p((half - np.kron(gray, np.ones((2, 2)))).std()) if half.size else 0.0)
        assert looks == pytest.approx(wanted, rel=1e-12, abs=1e-9)


def test_images_like_the_training_images_are_flagged_at_the_stated_rate(likeness):
    found, fresh = likeness
    features = np.random.default_rng(1).normal(0, 1, (500, 20))
    assert 0.02 < found.rate <= 0.05
    flagged = int((found.distances(fresh, features) > 1).sum())
    assert not exceeds_chance(flagged, 500, found.rate)


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_images_of_another_kind_are_flagged(likeness, kind):
    found, fresh = likeness
    features = np.random.default_rng(1).normal(0, 1, (500, 20))
    assert (found.distances(OTHER_KINDS[kind](fresh), features) > 1).mean() > 0.9


def test_images_that_look_usual_are_flagged_by_what_the_network_makes_of_them(likeness):
    found, fresh = likeness
    features = np.random.default_rng(1).normal(0, 1, (500, 20)) + 3
    assert (found.distances(fresh, features) > 1).mean() > 0.9


def test_few_held_out_images_state_a_higher_rate():
    assert [allowed(count, 0.025) for count in (5, 39, 79)] == [5, 39, 78]
    looks, features = np.random.default_rng(0).normal(0, 1, (45, 11)), np.eye(45)
    found = Likeness.of((looks[:40], looks[40:]), (features[:40], features[40:]), [0] * 40)
    assert found.rate == pytest.approx(2 / 6)


def test_a_long_description_is_projected():
    features = np.random.default_rng(0).normal(0, 1, (80, 2000))
    found = Space.of(features[:60], [0, 1] * 30, 0.1, features[60:])
    assert found.projected and len(found.mean) == 512
    assert (found.distances(features[60:] + 2) > found.limit).all()


@pytest.mark.parametrize("nested", [False, True])
def test_features_are_what_enters_the_last_layer(nested):
    inputs = keras.Input((6, 6, 3))
    maps = keras.layers.Conv2D(5, 3, activation="relu", name="maps")(inputs)
    body = keras.Model(inputs, maps)
    if nested:
        maps = body(inputs)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 1)(maps)))
    batch = np.random.default_rng(0).normal(0, 1, (3, 6, 6, 3)).astype("float32")
    features, outputs = features_and_outputs(model, batch)
    np.testing.assert_allclose(features, np.asarray(body(batch)).mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(outputs, np.asarray(model(batch)), rtol=1e-6)


def test_a_folder_is_predicted_as_in_the_trial_and_strange_images_are_marked(noisy_images, tmp_path, capsys):
    folder = tmp_path / "attempt-1"
    folder.mkdir()
    recorder = Recorder(EventWriter(folder / "events.jsonl"), folder)
    experiment.run(small_training(noisy_images, save_model=True), recorder)
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
    assert "1 of 6 images are marked as unlike" in told.err and "torn.png is not an image" in told.err
    with (tmp_path / "said.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["unlike"] for row in rows] == ["no"] * 5 + ["yes"]
    said = [[float(row[name]) for name in kept.classes] for row in rows[:5]]
    np.testing.assert_allclose(said, kept.probabilities, atol=1e-6)
    assert float(rows[5]["distance"]) > 1 >= max(float(row["distance"]) for row in rows[:5])
    about = json.loads((folder / "model.json").read_text())
    assert about["takes"] == "raw pixels"


def test_the_count_is_corrected_by_the_confusion_of_the_record_beside_the_model(
    tmp_path, capsys, monkeypatch
):
    results = SuiteResults(tmp_path, "suite")
    attempt = results.new_attempt(a_trial())
    confusion = ((90, 6, 4), (10, 80, 10), (0, 15, 85))
    write_record(attempt, a_record(test=some_metrics(classes=("a", "b", "c"), confusion_matrix=confusion)))
    (attempt.folder / "model.keras").touch()
    about = {"takes": "raw pixels", "classes": ["a", "b", "c"], "image_size": 32, "backend": "tensorflow"}
    (attempt.folder / "model.json").write_text(json.dumps(about))
    counted = [50, 30, 20]
    said = np.repeat(np.eye(3), counted, axis=0).tolist()
    answer = Answer([f"{number}.png" for number in range(100)], said, [None] * 100)
    monkeypatch.setattr("bench.commands.predict._ask", lambda kept, files: answer)
    assert main(["predict", str(attempt.folder), str(attempt.folder / "model.json"), "--json"]) == 0
    count = json.loads(capsys.readouterr().out)["count"]
    right = np.linalg.inv(np.array(confusion).T / 100) @ (np.array(counted) / 100)
    z, n = 1.959964, 100
    for one, share, expected in zip(count, np.array(counted) / n, right, strict=True):
        spread = z * np.sqrt(z**2 - 2 - 1 / n + 4 * share * (n * (1 - share) + 1))
        low = (2 * n * share + z**2 - 1 - spread) / (2 * (n + z**2))
        assert one["share"][:2] == pytest.approx([share, low], abs=1e-6)
        assert one["corrected"][0] == pytest.approx(expected, abs=1e-9)
        assert one["corrected"][1] < expected < one["corrected"][2]
    about["classes"] = ["a", "b", "d"]  # another model's
    (attempt.folder / "model.json").write_text(json.dumps(about))
    assert main(["predict", str(attempt.folder), str(attempt.folder / "model.json"), "--json"]) == 0
    assert {one["corrected"] for one in json.loads(capsys.readouterr().out)["count"]} == {None}


def test_a_folder_holds_every_file_that_may_be_an_image(tmp_path, capsys, monkeypatch):
    (tmp_path / "model.keras").touch()
    about = {"takes": "raw pixels", "classes": ["a", "b"], "image_size": 32, "backend": "tensorflow"}
    (tmp_path / "model.json").write_text(json.dumps(about))
    cells = tmp_path / "cells"
    (cells / "slide").mkdir(parents=True)
    images = ["A.JFIF", "b.gif", "c.png", "no suffix", "slide/d.tif"]
    for name in (*images, "labels.csv", "Thumbs.db", ".hidden.png"):
        (cells / name).touch()
    asked: list[list[str]] = []

    def ask(kept, files):
        asked.append(files)
        return Answer(files, [[1.0, 0.0]] * len(files), [None] * len(files))

    monkeypatch.setattr("bench.commands.predict._ask", ask)
    assert main(["predict", str(tmp_path), str(cells), "--json"]) == 0
    assert asked == [[str(cells / name) for name in images]]


def test_a_folder_of_strange_images_is_warned_of(tmp_path, capsys, monkeypatch):
    (tmp_path / "model.keras").touch()
    about = {"takes": "raw pixels", "classes": ["a", "b"], "image_size": 32, "backend": "tensorflow"}
    (tmp_path / "model.json").write_text(json.dumps(about))
    answer = Answer([f"{number}.png" for number in range(9)], [[1.0, 0.0]] * 9, [2.0] * 9, 0.05)
    monkeypatch.setattr("bench.commands.predict._ask", lambda kept, files: answer)
    assert main(["predict", str(tmp_path), str(tmp_path / "model.json")]) == 0
    assert "9 of 9 images are not like the training images" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_model_that_gives_no_probabilities_is_refused(tmp_path, capsys, monkeypatch, wrong: float):
    (tmp_path / "model.keras").touch()
    about = {"takes": "raw pixels", "classes": ["a", "b"], "image_size": 32, "backend": "tensorflow"}
    (tmp_path / "model.json").write_text(json.dumps(about))
    answer = Answer(["1.png", "2.png"], [[1.0, 0.0], [0.5, wrong]], [None] * 2)
    monkeypatch.setattr("bench.commands.predict._ask", lambda kept, files: answer)
    assert main(["predict", str(tmp_path), str(tmp_path / "model.json")]) == 2
    assert f"{tmp_path}/model.keras gives no probabilities for 2.png" in capsys.readouterr().err


def test_what_is_no_kept_model_is_said(tmp_path, capsys):
    assert main(["predict", str(tmp_path), str(tmp_path)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "save_model = true" in said and "scikit-learn" in said and "run SUITE --fresh" in said


def test_a_suite_or_its_results_lead_to_the_models_in_them(tmp_path, capsys, monkeypatch):
    suite = SuiteResults(tmp_path, "demo")
    file = tmp_path / "my suite.toml"
    file.touch()
    attempts = [
        suite.new_attempt(a_trial(name)) for name in ("LeNet5", "VGG16", "VGG19", "Xception", "ResNet50")
    ]
    journal = EventWriter(runs_file(suite))
    journal.write("run_started", path=str(file))
    journal.close()

    def told(folder) -> str:
        assert main(["predict", str(folder), str(tmp_path)]) == 2
        return capsys.readouterr().err

    assert f"run '{file}' --fresh" in told(suite.folder) and f"run '{file}' --fresh" in told(tmp_path)
    for number, attempt in enumerate(attempts, start=1):
        (attempt.folder / MODEL_FILE).touch()
        expected = sorted(str(one.folder) for one in attempts[:number])
        named = f"Give the folder of an attempt below it: {', '.join(expected[:2])}"
        named += f" and {number - 2} more." if number > 2 else "."
        assert named in told(tmp_path) and named in told(suite.folder) and named in told(suite.trials)
    assert str(attempts[0].folder) in told(attempts[0].folder.parent)
    file.write_text('[suite]\nname = "demo"\n[[matrix]]\nbackbone = "LeNet5"\n')
    monkeypatch.setattr("bench.commands.predict.DEFAULT_RESULTS", tmp_path)
    assert named in told(file) and named in told("demo")
    SuiteResults(tmp_path, "other").new_attempt(a_trial("VGG16"))
    assert named in told(tmp_path), "also of several suites"


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        ("{", "model.json is damaged"),
        ("[]", "model.json is damaged"),
        ('{"takes": "raw pixels"}', "model.json is damaged: KeyError('classes')"),
        ('{"takes": "scaled pixels: a scaling of yours"}', "it takes scaled pixels: a scaling of yours"),
        ("{}", "it takes scaled pixels of an earlier version"),
    ],
)
def test_a_model_that_cannot_be_asked_says_why(tmp_path, capsys, signature, said):
    (tmp_path / "model.keras").touch()
    (tmp_path / "model.json").write_text(signature)
    assert main(["predict", str(tmp_path), str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"{torn",
        b"[]",
        b'{"unavailable": "too few images"}',
        b'"a reason"',
        b'{"looks": 1, "features": 2}',
    ],
)
def test_likeness_that_is_missing_damaged_or_unknown_is_none(tmp_path, content: bytes | None):
    if content is not None:
        (tmp_path / LIKENESS_FILE).write_bytes(content)
    assert _likeness(tmp_path / "model.keras") is None
