"""How long a plan says that trials take."""

import json
from pathlib import Path

import pytest
from equipment.results.records import a_failure, a_record, a_runtime, a_trial, phases, write_record
from plan_equipment import KNOWN, real

from bench.journal.results import SuiteResults
from bench.plan import predict
from bench.plan.decide import PlannedTrial
from bench.plan.needs import needs_of
from bench.plan.predict import Predictor, _features_of
from bench.trials.layout import ENTRY
from bench.trials.phases import DataPhase, EvaluatePhase, TrainPhase
from bench.trials.trial import Trial
from wbc.networks.facts import facts_of


@pytest.fixture
def results(tmp_path: Path) -> SuiteResults:
    return SuiteResults(tmp_path / "results", "suite")


def finished(results: SuiteResults, of: Trial, train_s: float, epochs: int, images: int):
    made = results.new_attempt(of)
    took = phases(
        startup=5.0,
        data=DataPhase(wall_s=1.0, cpu_s=1.0, train_images=images, validation_images=0, test_images=440),
        train=TrainPhase(wall_s=train_s, cpu_s=train_s, images=images * epochs - 16),
        evaluate=EvaluatePhase(wall_s=2.0, cpu_s=2.0, images=440),
    )
    write_record(made, a_record(phases=took, epochs=epochs))


def test_time_comes_from_earlier_trials_like_it_scaled_to_epochs_and_images(results: SuiteResults):
    finished(results, real(epochs=10), train_s=50.0, epochs=10, images=4392)
    prediction = Predictor(results.results, "gpu")(real(epochs=100))
    assert prediction.basis == "1 earlier trial like it"
    assert prediction.seconds == pytest.approx(5 + (1 * 5272 / 4832) + 500 + 2)


def test_only_the_first_of_trials_that_share_features_is_predicted_to_extract_them(results: SuiteResults):
    cache = {"manifest": "nowhere", "feature_cache": {"folder": "x", "limit_bytes": 1}}

    def transfer(epochs: int, cached: bool = True, **changes) -> PlannedTrial:
        changes = {**KNOWN, "mode": "transfer", "network": "VGG16", "image_size": 64, **changes}
        specification = cache if cached else {"manifest": "nowhere"}
        trial = a_trial(specification=specification, **{**changes, "epochs": epochs})
        return PlannedTrial(trial, "new", "never run")

    predictor = Predictor(results.results, "cpu")
    first, second, other, own = predictor.predict(
        [transfer(10), transfer(10), transfer(10, image_size=128), transfer(10, cached=False)]
    )
    assert first.seconds == own.seconds > 10 + second.seconds
    assert other.seconds > first.seconds and "another trial" not in first.prediction.basis
    assert (
        second.prediction.basis
        == "the network's size, roughly, without the features, which another trial extracts"
    )


def test_features_that_an_earlier_run_left_are_not_predicted_to_be_extracted_again(results: SuiteResults):
    cache = results.results / "cache" / "features"
    shared = {"manifest": "nowhere", "feature_cache": {"folder": str(cache), "limit_bytes": 1}}

    def transfer(**changes) -> Trial:
        settings = {**KNOWN, "network": "VGG16", "image_size": 64, **changes}
        return a_trial(specification=shared, **settings)

    made = results.new_attempt(transfer(epochs=5))
    (cache / "a-key").mkdir(parents=True)
    (cache / "a-key" / ENTRY).write_text(
        json.dumps({"made_by": f"{made.folder.parent.name}/{made.folder.name}"})
    )
    for name, content in {"0": "[", "1": '{"made_from": {"files": []}, "made_by": 1}', "2": "{}"}.items():
        (cache / name).mkdir()  # damaged, or of pixels: each comes before the features
        (cache / name / ENTRY).write_text(content)
    asked = [
        transfer(epochs=7),
        transfer(epochs=7, batch_size=4),
        transfer(epochs=7, runtime=a_runtime(keras="9")),
    ]
    found, *others = Predictor(results.results, "cpu").predict(
        [PlannedTrial(one, "new", "never run") for one in asked]
    )
    assert (
        found.prediction.basis
        == "the network's size, roughly, without the features, which an earlier run left"
    )
    assert [one.prediction.basis for one in others] == ["the network's size, roughly"] * 2
    assert all(one.seconds > 10 + found.seconds for one in others)
    (cache / "a-key" / ENTRY).unlink()
    (again,) = Predictor(results.results, "cpu").predict([PlannedTrial(asked[0], "new", "never run")])
    assert again.seconds > 10 + found.seconds


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        ({"epochs": 9, "seed": 1, "optimizer": {"name": "SGD"}}, True),
        ({"data": {"digest": "another"}}, False),
        *(
            ({name: value}, False)
            for name, value in {
                **{"network": "VGG19", "options": {"alpha": 0.5}, "image_size": 64, "preprocessing": "none"},
                **{
                    "backend": "jax",
                    "precision": "mixed",
                    "deterministic": True,
                    "replicas": 2,
                    "batch_size": 8,
                },
            }.items()
        ),
        ({"weights": {"name": "mine"}}, False),
        ({"weights": {"sha256": "0123"}}, False),
        ({"runtime": a_runtime(wbc="fedcba9876543210")}, False),
    ],
)
def test_what_shared_features_depend_on(changes: dict, shared: bool):
    cache = {"feature_cache": {"folder": "x"}}
    usual, other = (_features_of(a_trial(specification=cache, **some)) for some in ({}, changes))
    assert usual is not None and (usual == other) is shared
    for none in ({}, {"feature_cache": None}, {"feature_cache": {"features": False, "pixels": True}}):
        assert _features_of(a_trial(specification=none)) is None


@pytest.mark.parametrize("manifest", [None, "{torn", "{}", "[]"])
def test_the_users_own_images_are_counted_where_there_is_no_manifest_that_can_be_read(
    results: SuiteResults, tmp_path: Path, manifest: str | None
):
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    for part, number in {"train": 5, "validation": 2, "test": 3}.items():
        (tmp_path / "own" / part / "a").mkdir(parents=True)
        for index in range(number):
            (tmp_path / "own" / part / "a" / f"{index}.png").touch()
    own = a_trial(
        specification={"manifest": str(tmp_path / "manifest.json"), "data_folder": str(tmp_path / "own")},
        **{**KNOWN, "data": {"source": "folder"}},
    )
    assert Predictor(results.results, "cpu").images(own) == {"train": 5, "validation": 2, "test": 3}


def test_images_of_a_folder_that_a_run_splits_are_counted_so_that_epochs_count(
    results: SuiteResults, tmp_path: Path
):
    for name in ("one", "two"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for index in range(200):
            (tmp_path / "own" / name / f"{index}.png").touch()
    predictor = Predictor(results.results, "cpu")

    def own(epochs: int = 10, **data) -> Trial:
        place = {"manifest": f"nowhere{len(data)}", "data_folder": str(tmp_path / "own")}
        data = {"source": "folder", "split_seed": 0, **data}
        return a_trial(specification=place, **{**KNOWN, "data": data, "epochs": epochs})

    assert predictor.images(own()) == {"train": 240, "validation": 60, "test": 100}
    assert predictor.images(own(max_images_per_class=50)) == {"train": 60, "validation": 15, "test": 25}
    assert predictor.images(own(folds=5, fold=1)) == {"train": 256, "validation": 64, "test": 80}
    assert predictor(own(1000)).seconds > predictor(own(10)).seconds + 60


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"source": "bccd"}, (1000, 50, 50)),
        ({"source": "bccd", "train_images_per_class": 60}, (240, 50, 50)),
        ({"source": "bccd", "train_images_per_class": 60, "groups": {"a": ["x"], "b": ["y"]}}, (120, 50, 50)),
        (KNOWN["data"], (4392, 440, 440)),
    ],
)
def test_images_that_the_settings_ask_for(results: SuiteResults, data: dict, expected: tuple[int, int, int]):
    found = Predictor(results.results, "cpu").images(real(data=data))
    assert found == dict(zip(("train", "validation", "test"), expected, strict=True))


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_the_parts_of_a_prediction_by_hand(results: SuiteResults, kind: str):
    """The start, reading 5,272 images, tracing, the backbone's work, and steps that update what is trained."""
    facts = facts_of("VGG16", {}, 64)
    speed, moved = {"cpu": (3e10, 8e9), "gpu": (2e12, 3e11)}[kind]
    begun = 8 + 5272 / 300
    traced, whole = 0.03 * facts.layers, 0.1 * facts.layers
    extracted = 5272 * facts.multiply_accumulates / speed
    steps, update = 10 * 274, 24 / moved
    passes = 10 * (3 * 4392 + 440) * facts.multiply_accumulates / speed
    expected = {
        "transfer": begun + traced + extracted + steps * (0.006 + facts.features * 256 * update),
        "scratch": begun + whole + passes + steps * (0.006 + facts.parameters * update),
        "finetune": begun
        + whole
        + extracted
        + 3 * 274 * 0.006
        + passes
        + steps * (0.006 + facts.parameters * update),
        "features": begun + traced + extracted + 6 * 4392**2 * facts.features / 1e9,
        "classical": begun + 5272 / 20,
    }
    predictor = Predictor(results.results, kind)
    for mode, seconds in expected.items():
        more = {
            "finetune": {"head_epochs": 3},
            "features": {"classifier": {"name": "SVM", "options": {}}},
        }.get(mode, {})
        network = "SVM" if mode == "classical" else "VGG16"
        of = real(network=network, mode=mode, epochs=10, image_size=64, **more)
        assert predictor(of).seconds == pytest.approx(seconds), mode
    forest = real(
        network="VGG16", mode="features", image_size=64, classifier={"name": "RandomForest", "options": {}}
    )
    assert predictor(forest).seconds == pytest.approx(begun + traced + extracted)
    own = predictor(real(network="Own", mode="scratch", epochs=10))
    assert own.seconds == pytest.approx(8 + 60 + 10 * 4392 / 300)
    few = real(network="VGG16", mode="scratch", epochs=10, image_size=64, batch_size=8000)
    assert predictor(few).seconds == pytest.approx(
        begun + whole + passes + 10 * (0.006 + facts.parameters * update)
    )


@pytest.mark.parametrize(
    ("known", "of_data"),
    [
        ({"train_images": 2000, "validation_images": 200, "test_images": 436}, 2.0),
        ({"train_images": 2200, "test_images": 436}, 2.0),
        ({"train_images": 2636}, 2.0),
        ({}, 1.0),
    ],
)
def test_phases_of_an_earlier_trial_grow_with_what_they_work_on(
    results: SuiteResults, known: dict, of_data: float
):
    """5,272 images are wanted, of which 4,392 are trained on and 440 tested."""
    took = phases(
        startup=5.0,
        data=DataPhase(wall_s=1.0, cpu_s=1.0, **known),
        features=10.0,
        train=TrainPhase(wall_s=40.0, cpu_s=40.0, images=100),
        evaluate=EvaluatePhase(wall_s=2.0, cpu_s=2.0, images=110),
    )
    write_record(results.new_attempt(real()), a_record(phases=took, epochs=10))
    train = 40 * 4392 * 100 / (known["train_images"] * 10) if known else 40
    found = Predictor(results.results, "gpu")(real())
    assert found.seconds == pytest.approx(5 + of_data * 11 + train + 8)
    shared = Predictor(results.results, "gpu")(real(), ", without the features")
    assert shared.seconds == pytest.approx(5 + of_data * 1 + train + 8)
    assert shared.basis == "1 earlier trial like it, without the features"


@pytest.mark.parametrize(("epochs", "times"), [(0, 100), (1, 100), (2, 50), (100, 1)])
def test_training_grows_with_epochs(results: SuiteResults, epochs: int, times: float):
    """A classifier that was fitted at once has none."""
    took = phases(
        data=DataPhase(wall_s=0.0, cpu_s=0.0, train_images=4392, validation_images=440, test_images=440),
        train=TrainPhase(wall_s=3.0, cpu_s=3.0, images=100),
    )
    write_record(results.new_attempt(real()), a_record(phases=took, epochs=epochs))
    assert Predictor(results.results, "gpu")(real()).seconds == pytest.approx(3 * times)


@pytest.mark.parametrize(("epochs", "seconds"), [(1, 5.0), (100, 302.0)])
def test_a_single_step_is_scaled_to_epochs_alone(results: SuiteResults, epochs: int, seconds: float):
    """What training took beside it is the end of an epoch."""
    took = phases(
        data=DataPhase(wall_s=0.0, cpu_s=0.0, train_images=4, validation_images=4, test_images=4),
        train=TrainPhase(wall_s=3.0, cpu_s=3.0, images=0),
        evaluate=EvaluatePhase(wall_s=2.0, cpu_s=2.0, images=0),
    )
    write_record(results.new_attempt(real()), a_record(phases=took, epochs=1))
    assert Predictor(results.results, "gpu")(real(epochs=epochs)).seconds == pytest.approx(seconds)


def test_a_prediction_is_the_median_of_the_last_five_that_are_done(results: SuiteResults):
    """The latest are those that started last, wherever they lie; one that does not say when was before all others."""
    for day, seconds in ((7, 900.0), (None, 1.0), (2, 1.0), (3, 10.0), (4, 20.0), (5, 30.0), (6, 40.0)):
        took = phases(startup=seconds)
        started = day and f"2026-01-0{day}T00:00:00.000+00:00"
        write_record(results.new_attempt(real()), a_record(phases=took, epochs=10, started_at=started))
    write_record(results.new_attempt(real()), a_record(failure=a_failure()))
    found = Predictor(results.results, "gpu")(real())
    assert (found.seconds, found.basis) == (30.0, "5 earlier trials like it")


@pytest.mark.parametrize("other", [{"image_size": 64}, {"mode": "scratch"}, {"network": "VGG16"}])
def test_trials_unlike_it_say_nothing(results: SuiteResults, other):
    finished(results, real(**other), train_s=50.0, epochs=10, images=4392)
    assert "size" in Predictor(results.results, "gpu")(real()).basis


@pytest.mark.parametrize(
    ("runtime", "basis"),
    [
        ({"device": "a processor"}, "the network's size, roughly"),
        ({"tensorflow": "2.16.1"}, "1 earlier trial like it"),
    ],
)
def test_trials_on_another_device_say_nothing_and_those_of_other_versions_do(
    results: SuiteResults, runtime: dict, basis: str
):
    other = a_trial(runtime=a_runtime(**runtime), specification={"manifest": "nowhere"}, **KNOWN)
    finished(results, other, train_s=50.0, epochs=10, images=4392)
    assert Predictor(results.results, "gpu")(real()).basis == basis


def test_without_earlier_trials_larger_networks_and_more_epochs_take_longer(results: SuiteResults):
    predictor = Predictor(results.results, "cpu")

    def seconds(**changes) -> float:
        return predictor(real(**changes)).seconds

    assert seconds(network="VGG16", mode="scratch") > seconds(network="MobileNet", mode="scratch")
    assert seconds(epochs=5000) > seconds(epochs=100) > seconds(epochs=100, image_size=64)


def test_features_of_resnet50_alone_take_2_gigabytes(results: SuiteResults):
    images = {"train": 4394, "validation": 0, "test": 0}
    assert needs_of(real(), images).features == pytest.approx(4394 * 7 * 7 * 2048 * 4, rel=0.01)
    needs = needs_of(real(mode="scratch"), images)
    assert needs.features == 0
    assert needs.memory > 4394 * 224 * 224 * 3


def test_of_an_unknown_network_images_and_epochs_alone_are_known(results: SuiteResults, monkeypatch):
    monkeypatch.setattr(predict, "facts_of", lambda *given: None)
    found = Predictor(results.results, "gpu")(real())
    assert found.basis == "images and epochs alone: an unknown network"
