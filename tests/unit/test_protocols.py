"""Protocols: what each sets, what goes before what, and that a shuffled evaluation is an honest one."""

import csv
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from equipment.results.records import a_record, write_record

from bench.journal.history import history
from bench.journal.results import SuiteResults
from bench.records.fold import fold
from bench.report.frame import trials_frame
from bench.suite.combination import Combination
from bench.suite.file import load_suite
from bench.suite.matrix import expand
from bench.suite.resolve import resolve_suite
from bench.tracking.points import points_of
from bench.trials.metrics import Metrics
from bench.trials.settings import Runtime
from bench.worker.jsonl import EventWriter
from bench.worker.recorder import Recorder
from wbc.evaluation.metrics import binary_accuracy
from wbc.evaluation.predictions import Predictions, generator_order
from wbc.experiment import evaluate
from wbc.protocols import PROTOCOLS, settings_of
from wbc.specification import Specification, WeightsSource

RUNTIME = Runtime(wbc="w", tensorflow="2.21.0", keras="3.15.1", device="cpu")
CLASSES = ["EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL"]
SUITE = (
    '[data]\nimage_size = 32\n[training]\nmode = ["transfer", "scratch"]\nweights = "random"\nepochs = 1\n'
)


BLOCK = '[[matrix]]\nbackbone = "LeNet5"\nprotocol = "thesis-2018"\n'


def combinations_of(folder: Path, text: str) -> list[Combination]:
    path = folder / "suite.toml"
    path.write_text(text)
    return expand(*load_suite(path))


def trials_of(folder: Path, text: str):
    path = folder / "suite.toml"
    path.write_text(text)
    return resolve_suite(path, folder / "cache", runtime=RUNTIME).trials


def predictions(count: int = 400, right: float = 0.97, seed: int = 0) -> Predictions:
    """Of a good classifier: `count` images, sorted by class as folders are."""
    noise = np.random.default_rng(seed)
    labels = np.repeat(np.arange(4), count // 4)
    said = np.where(noise.random(count) < right, labels, (labels + 1) % 4)
    return Predictions(
        files=[f"test/{CLASSES[label]}/{index}.png" for index, label in enumerate(labels)],
        sources=[str(index) for index in range(count)],
        labels=labels,
        probabilities=np.where(np.eye(4)[said] > 0, 0.91, 0.03).astype(np.float32),
        classes=CLASSES,
    )


def specification(**settings) -> Specification:
    return Specification(
        data_folder=Path(),
        manifest=Path(),
        image_size=32,
        preprocessing="rescale",
        network="LeNet5",
        mode="scratch",
        epochs=1,
        **settings,
    )


class Events:
    """Stands for `bench.worker.jsonl.EventWriter`."""

    def __init__(self):
        self.written: list[dict] = []

    def write(self, event, **content):
        self.written.append({"event": event, **json.loads(json.dumps(content))})


def test_corrected_is_the_default_and_changes_nothing(tmp_path):
    transfer, scratch = combinations_of(tmp_path, SUITE + '[[matrix]]\nbackbone = "LeNet5"\n')
    for training in (transfer, scratch):
        assert training.protocol == "corrected"
        assert (training.loss, training.evaluation) == ("categorical_crossentropy", "aligned")
        assert (training.preprocessing, training.clock) == ("network", "wall")
        assert training.binary_accuracy is False


def test_the_thesis_did_it_to_models_from_scratch_only(tmp_path):
    text = SUITE + '[[matrix]]\nbackbone = "LeNet5"\nprotocol = "thesis-2018"\n'
    transfer, scratch = combinations_of(tmp_path, text)
    assert (transfer.loss, transfer.evaluation, transfer.binary_accuracy) == (
        "categorical_crossentropy",
        "aligned",
        False,
    )
    assert (scratch.loss, scratch.evaluation, scratch.binary_accuracy) == (
        "binary_crossentropy",
        "shuffled",
        True,
    )
    for training in (transfer, scratch):
        assert (training.preprocessing, training.clock) == ("rescale", "process")


def test_what_a_suite_says_goes_before_its_protocol(tmp_path):
    text = SUITE.replace("[data]\n", '[data]\npreprocessing = "network"\n')
    block = '[[matrix]]\nbackbone = "LeNet5"\nprotocol = ["corrected", "thesis-2018"]\nloss = {}\n'
    found = combinations_of(tmp_path, text + block.format('"categorical_crossentropy"'))
    assert [one.protocol for one in found] == 2 * ["corrected", "thesis-2018"]
    assert {one.loss for one in found} == {"categorical_crossentropy"}
    assert {one.preprocessing for one in found} == {"network"}
    assert found[-1].evaluation == "shuffled"
    assert (
        len(
            combinations_of(
                tmp_path, text + block.format('["categorical_crossentropy", "binary_crossentropy"]')
            )
        )
        == 8
    )


def test_a_departure_makes_another_trial_and_reaches_the_experiment(tmp_path):
    block = '[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\nprotocol = "thesis-2018"\n'
    whole, aligned = trials_of(tmp_path, SUITE + block + block + 'evaluation = "aligned"\n')
    assert whole.key != aligned.key
    assert whole.settings.evaluation == whole.specification["evaluation"] == "shuffled"
    assert aligned.specification["loss"] == "binary_crossentropy"
    content = json.loads(json.dumps(whole.specification))
    assert Specification.from_json(content).binary_accuracy is True
    assert Specification.from_json(content).weights is None
    placed = {**content, "weights": {"kind": "file", "path": "/a/net.h5"}}
    assert Specification.from_json(placed).weights == WeightsSource("file", Path("/a/net.h5"))


def test_a_protocols_name_stands_for_what_it_sets_and_departures_are_named(tmp_path):
    block = '[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\n'
    text = SUITE + block + 'protocol = ["corrected", "thesis-2018"]\n' + block
    trials = trials_of(tmp_path, text + 'protocol = "thesis-2018"\nevaluation = "aligned"\n')
    results = SuiteResults(tmp_path / "results", "suite")
    for trial in trials:
        write_record(results.new_attempt(trial), a_record())
    frame = trials_frame(results, [trial.id for trial in trials])
    assert frame["variant"].tolist() == [
        "protocol corrected",
        "protocol thesis-2018",
        "protocol thesis-2018, evaluation aligned",
    ]


def test_unknown_protocols_are_no_protocols():
    with pytest.raises(ValueError, match="thesis-2017"):
        settings_of("thesis-2017", "scratch")
    assert {frozenset(settings_of(name, "scratch")) for name in PROTOCOLS} == {
        frozenset(settings_of("corrected", "transfer"))
    }


def test_a_generators_order_is_a_permutation_of_its_seed():
    order = generator_order(440, 3)
    assert sorted(order) == list(range(440))
    assert (order == generator_order(440, 3)).all()
    assert (order != generator_order(440, 4)).any()
    assert (order == np.arange(440)).mean() < 0.05


def test_the_same_predictions_are_good_aligned_and_chance_shuffled(tmp_path):
    good = predictions()
    scores = []
    for seed in range(25):
        events = Events()
        metrics = evaluate(good, specification(evaluation="shuffled", seed=seed), Recorder(events, tmp_path))
        both = events.written[-1]["evaluations"]
        assert metrics == both["shuffled"]
        assert both["aligned"]["accuracy"] > 0.95
        scores.append(metrics["accuracy"])
    deviation = np.sqrt(0.25 * 0.75 / 400)
    assert abs(np.mean(scores) - 0.25) < 4 * deviation / np.sqrt(25)
    assert np.std(scores) < 2 * deviation


def test_the_figures_of_a_shuffled_evaluation_can_be_worked_out_again(tmp_path):
    events = Events()
    metrics = evaluate(predictions(), specification(evaluation="shuffled"), Recorder(events, tmp_path))
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    with (tmp_path / "shuffled.csv").open(newline="") as file:
        pairs = [(row["file"], row["shown"]) for row in csv.DictReader(file)]
    assert [file for file, _ in pairs] == list(rows), "directory order"
    assert sorted(shown for _, shown in pairs) == sorted(rows)
    right = [rows[file]["true"] == rows[shown]["predicted"] for file, shown in pairs]
    assert np.mean(right) == pytest.approx(metrics["accuracy"])
    aligned = [row["true"] == row["predicted"] for row in rows.values()]
    assert np.mean(aligned) == pytest.approx(events.written[-1]["evaluations"]["aligned"]["accuracy"])


def test_an_aligned_evaluation_writes_no_order(tmp_path):
    events = Events()
    metrics = evaluate(predictions(), specification(), Recorder(events, tmp_path))
    assert list(events.written[-1]["evaluations"]) == ["aligned"]
    assert "binary_accuracy" not in metrics
    assert not (tmp_path / "shuffled.csv").exists()


def test_a_uniform_model_has_a_binary_accuracy_of_three_quarters_as_in_keras():
    import keras

    uniform = predictions()
    uniform = Predictions(
        uniform.files, uniform.sources, uniform.labels, np.full((400, 4), 0.25, "float32"), CLASSES
    )
    assert binary_accuracy(uniform) == 0.75
    for one in (uniform, predictions(right=0.6)):
        targets = np.eye(4, dtype="float32")[one.labels]
        metric = keras.metrics.BinaryAccuracy()
        metric.update_state(targets, one.probabilities)
        assert float(metric.result()) == pytest.approx(binary_accuracy(one))


def test_a_record_keeps_both_evaluations_and_mlflow_gets_them(tmp_path):
    (trial,) = trials_of(tmp_path, SUITE.replace('["transfer", "scratch"]', '"scratch"') + BLOCK)
    attempt = SuiteResults(tmp_path / "results", "suite").new_attempt(trial)
    recorder = Recorder(EventWriter(attempt.events), attempt.folder)
    metrics = evaluate(predictions(), specification(evaluation="shuffled"), recorder)
    recorder.events.close()
    runner = EventWriter(attempt.runner_events)
    runner.write("started", pid=1, at="2026-01-01T00:00:00+00:00")
    runner.write("ended", exit_code=0, cpu_s=1.0, stopped={})
    runner.close()

    record = fold(attempt)
    assert record.test == record.evaluations["shuffled"] == msgspec.convert(metrics, Metrics)
    assert record.evaluations["aligned"].accuracy > 0.95
    sent = {name: value for name, value, *_ in points_of(record, history(attempt))}
    assert sent["test/accuracy"] == sent["test/shuffled_accuracy"] == metrics["accuracy"]
    assert sent["test/aligned_accuracy"] == record.evaluations["aligned"].accuracy

    evaluate(predictions(), specification(), Recorder(EventWriter(attempt.events), attempt.folder))
    assert fold(attempt).evaluations is None, "one evaluation is the test itself"
