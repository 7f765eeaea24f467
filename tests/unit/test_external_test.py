"""Networks that are tested on the images of another folder as well: `test_path`."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from comparison_equipment import add, record, trial
from equipment.results.records import some_metrics
from image_folders import class_folder, color, split_folder, write_color
from PIL import Image

from bench.commands.main import main
from bench.compare.compare import compare_sides
from bench.compare.thresholds import Thresholds
from bench.journal.results import SuiteResults
from bench.report.frame import configurations_frame, trials_frame
from bench.report.tables.external import external_table
from bench.tracking.points import points_of
from bench.tracking.tags_and_params import params_of
from bench.trials.datasets import DataSets
from bench.trials.metrics import Metrics
from wbc import experiment
from wbc.data.layout import FolderOptions
from wbc.data.manifest import Manifest
from wbc.data.reading import Reading
from wbc.data.synthetic import SyntheticSettings, generate
from wbc.errors import InputError
from wbc.evaluation.metrics import score
from wbc.evaluation.predictions import Predictions
from wbc.specification import Specification


def other_folder(root: Path, classes: tuple[str, ...] = ("one", "two"), seed: int = 99) -> Path:
    rng = np.random.default_rng(seed)
    for name in classes:
        (root / name).mkdir(parents=True)
        for index in range(4):
            write_color(root / name / f"{index}.png", rng)
    return root


def found(own: Path, other: Path, cache: Path, **more):
    sets = DataSets(cache, own, test_path=other, **more)
    return sets.with_external_test(sets.find("folder", {}, 32))


def test_all_images_of_an_unsplit_folder_are_tested(tmp_path: Path):
    own, other = split_folder(tmp_path / "own", write_color), other_folder(tmp_path / "other")
    (tmp_path / "cache").mkdir()
    dataset = found(own, other, tmp_path / "cache")
    manifest = dataset.prepare()
    assert len(manifest.images) == 14, "its own images are as without it"
    external = Manifest.read_file(dataset.external.manifest)
    assert len(external.split("test")) == len(external.images) == 8 and dataset.external.images == other
    assert external.classes == manifest.classes and "external test" not in dataset.warning
    assert dataset.ready
    dataset.external.manifest.unlink()
    assert not dataset.ready


def test_the_test_split_of_a_split_folder_is_tested(tmp_path: Path):
    own = split_folder(tmp_path / "own", write_color)
    rng = np.random.default_rng(5)
    other = split_folder(tmp_path / "other", lambda path, _: write_color(path, rng))
    (tmp_path / "cache").mkdir()
    external = found(own, other, tmp_path / "cache").external.prepare()
    assert {image.file.split("/")[0] for image in external.images} == {"test"} and len(external.images) == 4


def test_images_are_part_of_the_identity_and_the_name_of_their_folder_is_not(tmp_path: Path):
    own, other = split_folder(tmp_path / "own", write_color), other_folder(tmp_path / "other")

    def identity(folder: Path | None) -> tuple[str, str]:
        sets = DataSets(tmp_path / "cache", own, test_path=folder)
        data = sets.with_external_test(sets.find("folder", {}, 32)).settings
        settings = msgspec.structs.replace(trial().settings, data=data)
        return settings.key, settings.configuration_key

    first = identity(other)
    other.rename(tmp_path / "renamed")
    assert identity(tmp_path / "renamed") == first
    assert identity(None) != first
    (tmp_path / "renamed" / "one" / "0.png").unlink()
    after = identity(tmp_path / "renamed")
    assert after[0] != first[0] and after[1] != first[1]


def test_classes_that_differ_are_named(tmp_path: Path):
    own = split_folder(tmp_path / "own", write_color, classes=("one", "three", "two"))
    other = other_folder(tmp_path / "other", ("one", "Two", "two"))
    with pytest.raises(
        InputError, match=r"other has no three; .*other has Two, which training has not"
    ) as caught:
        found(own, other, tmp_path / "cache")
    assert "groups" in caught.value.way_out
    groups = {"first": ["one"], "second": ["two"]}
    dataset = found(own, other, tmp_path / "cache", groups=groups)
    assert dataset.external.classes == dataset.classes == ("first", "second")


def test_the_key_of_the_suite_is_named(tmp_path: Path, capsys):
    own, other = split_folder(tmp_path / "own", write_color), other_folder(tmp_path / "other", ("one", "2"))
    text = f'[data]\npath = "{own}"\ntest_path = "{other}"\nimage_size = 32\n'
    text += '[[matrix]]\nmode = "classical"\nbackbone = "SVM"\n'
    (tmp_path / "suite.toml").write_text(text)
    command = ["plan", str(tmp_path / "suite.toml"), "--results", str(tmp_path / "results")]
    assert main(command) == 2
    assert "line 3: data.test_path: the classes differ" in capsys.readouterr().err
    (other / "2").rename(other / "two")
    assert main(command) == 0
    assert f"External test: the images of {other}." in " ".join(capsys.readouterr().out.split())


def test_what_both_folders_have_is_warned_of(tmp_path: Path):
    own, other = split_folder(tmp_path / "own", write_color), other_folder(tmp_path / "other")
    (other / "one" / "again.png").write_bytes((own / "train" / "one" / "o0.png").read_bytes())
    said = found(own, other, tmp_path / "cache").warning
    assert "1 image of" in said and "one/again.png = train/one/o0.png" in said
    for folder in (own / "train" / "one", other / "two"):
        (folder / "P7_a.png").write_bytes(next(folder.glob("*0.png")).read_bytes())
    options = FolderOptions(group="^(P[0-9]+)_|(.*)")
    said = found(own, other, tmp_path / "cache", options=options).warning
    assert "in both folders, such as" in said


def test_a_declared_white_is_for_the_folder_with_more_than_eight_bits(tmp_path: Path):
    def deep(path: Path, rng: np.random.Generator) -> None:
        Image.fromarray((color(rng)[..., 0].astype(np.uint16)) << 4).save(path)

    own, other = split_folder(tmp_path / "own", deep), other_folder(tmp_path / "other")
    (tmp_path / "cache").mkdir()
    dataset = found(own, other, tmp_path / "cache", reading=Reading(white=5000, fit="pad"))
    assert Reading.of(dataset.prepare().settings) == Reading(white=5000, fit="pad")
    assert Reading.of(dataset.external.prepare().settings) == Reading(fit="pad")


def test_scales_that_differ_are_warned_of(tmp_path: Path):
    def deep(most: int):
        def write(path: Path, rng: np.random.Generator) -> None:
            pixels = rng.integers(0, most, (12, 12), np.uint16)
            Image.fromarray(pixels).save(path)

        return write

    own, other = split_folder(tmp_path / "own", deep(3000)), split_folder(tmp_path / "other", deep(14000))
    (tmp_path / "cache").mkdir()
    said = found(own, other, tmp_path / "cache").warning
    assert "White was taken for 4095" in said and "but for 16383" in said
    declared = found(own, other, tmp_path / "cache", reading=Reading(white=16383))
    assert "White" not in declared.warning


def test_a_table_of_labels_is_read_where_it_is(tmp_path: Path):
    own, other = class_folder(tmp_path / "own"), other_folder(tmp_path / "other")
    lines = [f"{path.relative_to(own)},{path.parent.name}" for path in sorted(own.rglob("*.png"))]
    (own / "labels.csv").write_text("\n".join(["file,label", *lines]))
    sets = DataSets(tmp_path / "cache", own, options=FolderOptions(labels="labels.csv"), test_path=other)
    dataset = sets.with_external_test(sets.find("folder", {"split_seed": 0}, 32))
    assert dataset.external.classes == dataset.classes


class Notes:
    """An observer that keeps what it is told of predictions."""

    def __init__(self) -> None:
        self.own = self.external = None

    def evaluated(self, metrics, evaluations):
        self.own = metrics

    def externally_evaluated(self, predictions, metrics):
        self.external = (predictions, metrics)

    def __getattr__(self, name):
        return lambda *values, **more: None


def test_a_trained_classifier_predicts_both(tmp_path: Path):
    own, other = tmp_path / "own", tmp_path / "other"
    for folder, seed in ((own, 0), (other, 7)):
        folder.mkdir()
        generate(folder, SyntheticSettings(2, 1, 2, 32, seed)).write(folder)
    alone = Specification(own, own / "manifest.json", 32, "DecisionTree", "classical")
    both = replace(alone, external_folder=other, external_manifest=other / "manifest.json")
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in vars(both).items()}
    plain["optimizer"] = vars(both.optimizer)
    assert Specification.from_json(plain) == both
    first, second = Notes(), Notes()
    experiment.run(alone, first)
    experiment.run(both, second)
    assert first.external is None and second.own == first.own
    predictions, metrics = second.external
    assert predictions.files == [image.file for image in Manifest.read(other).split("test")]
    assert score(predictions) == metrics and metrics["images"] == 8
    swapped = replace(Manifest.read(other), classes=("x", "y"))
    (tmp_path / "swapped").mkdir()
    swapped.write(tmp_path / "swapped")
    with pytest.raises(InputError, match="the external test has the classes"):
        experiment.run(replace(both, external_manifest=tmp_path / "swapped" / "manifest.json"), Notes())


def external(share: float) -> Metrics:
    labels = np.repeat([0, 1], 50)
    right = np.arange(100) % 50 < share * 50
    said = np.where(right, labels, 1 - labels)
    names = [str(number) for number in range(100)]
    return msgspec.convert(score(Predictions(names, names, labels, np.eye(2)[said], ["a", "b"])), Metrics)


def test_one_table_has_both(tmp_path: Path):
    results = SuiteResults(tmp_path, "suite")
    for seed, share in ((0, 0.6), (1, 0.8)):
        add(results, trial(seed=seed), record(trial(seed=seed), external=external(share)))
    ids = [trial(seed=seed).id for seed in (0, 1)]
    frame = trials_frame(results, ids)
    assert list(frame["external_balanced_accuracy"]) == [0.6, 0.8]
    table = external_table("suite", configurations_frame(frame))
    (row,) = table.frame.to_dict("records")
    assert row["external_balanced_accuracy"] == pytest.approx(0.7)
    assert row["shown_low"] == 0 and row["shown_high"] == 1, "Student's t over two replicates"
    assert row["change"] == pytest.approx(0.7 - row["balanced_accuracy"])
    heads, rows = table.written()
    assert "external test, balanced %" in heads and "70.0" in str(rows)
    single = external_table("suite", configurations_frame(trials_frame(results, ids[:1]))).frame.iloc[0]
    assert 0.5 < single["shown_low"] < 0.6 < single["shown_high"] < 0.7
    add(results, trial("LeNet5"), record(trial("LeNet5")))
    assert external_table("suite", configurations_frame(trials_frame(results, [trial("LeNet5").id]))) is None


def test_mlflow_has_metrics_and_digest(tmp_path: Path):
    of = trial(
        digest="d1", data={"source": "folder", "digest": "d1", "test_digest": "e" * 64, "test_name": "B"}
    )
    done = record(of, external=external(0.8))
    attempt = add(SuiteResults(tmp_path, "suite"), of, done)
    from bench.journal.history import history

    points = {key: value for key, value, *_ in points_of(done, history(attempt))}
    assert points["test/external_balanced_accuracy"] == 0.8 == points["test/external_accuracy_a"]
    assert params_of(done)["data.test_digest"] == "e" * 64


def test_a_comparison_notes_both_sides(tmp_path: Path):
    for name, share in (("a", 0.8), ("b", 0.6)):
        results = SuiteResults(tmp_path / name, "suite")
        for seed in (0, 1):
            one = trial(seed=seed)
            content = record(one, external=external(share), test=some_metrics(0.9))
            add(results, one, content, [True] * 20)
    sides = [str(tmp_path / name / "suite") for name in "ab"]
    verdict = compare_sides(*sides, tmp_path, Thresholds())
    (judged,) = verdict.trials
    assert "external test: 80.0 and 60.0 % balanced accuracy, mean of 2 pairs" in judged.notes


@pytest.mark.parametrize("unsplit", [False, True])
def test_data_check_searches_for_the_external_images(tmp_path: Path, capsys, unsplit: bool):
    rng = np.random.default_rng(3)

    def write(path: Path, _: np.random.Generator) -> None:
        Image.fromarray(color(rng, 48, 48)).save(path)

    own = tmp_path / "own"
    split_folder(own if not unsplit else own / "x", write, counts={"train": 3, "test": 2})
    if unsplit:
        own = own / "x" / "train"
    other = split_folder(tmp_path / "other" / "y", write, counts={"train": 3}) / "train"
    command = ["data", "check", str(own), "--test-path", str(other)]
    assert main(command) == 0
    assert "external test" in capsys.readouterr().out
    first = next(own.rglob("o0.png"))
    Image.open(first).transpose(Image.Transpose.ROTATE_90).save(other / "one" / "turned.png")
    assert main(command) == 1
    assert "turned.png" in capsys.readouterr().out
