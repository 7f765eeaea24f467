"""Combinations of a suite, and what a trial's key and id depend on."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import msgspec
import numpy as np
import pytest
from PIL import Image

from bench.suite.combination import DEFAULTS, Combination
from bench.suite.file import load_suite
from bench.suite.matrix import expand
from bench.suite.resolve import ResolvedSuite, resolve_suite
from bench.trials.limits import Limits
from bench.trials.sampling import TelemetrySettings
from bench.trials.settings import Runtime, digest_of
from wbc.data import SPLITS
from wbc.errors import InputError
from wbc.reference import thesis
from wbc.specification import Specification, WeightsSource

RUNTIME = Runtime(wbc="0123", tensorflow="2.16.1", keras="3.3.3", device="one processor")
SMALL = '[training]\nmode = "scratch"\nepochs = 1\n[data]\nimage_size = 32\n'
BLOCK = '[[matrix]]\nbackbone = "LeNet5"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def combinations(text: str) -> list[Combination]:
    path = Path("suite.toml")
    path.write_text(text)
    return expand(*load_suite(path))


def resolve(text: str, runtime: Runtime = RUNTIME, **options) -> ResolvedSuite:
    path = Path("suite.toml")
    path.write_text(text)
    return resolve_suite(path, Path("results/cache"), runtime=runtime, **options)


def only_trial(text: str, runtime: Runtime = RUNTIME, **options):
    (trial,) = resolve(text, runtime, **options).trials
    return trial


def image_folder(root: Path) -> Path:
    """Two classes of noise, one image per split and class."""
    noise = np.random.default_rng(0)
    for split in SPLITS:
        for name in ("A", "B"):
            (root / split / name).mkdir(parents=True)
            pixels = noise.integers(0, 256, (12, 12, 3), np.uint8)
            Image.fromarray(pixels).save(root / split / name / "1.png")
    return root


def test_product_within_a_block():
    found = combinations(
        '[suite]\nseeds = [0, 7]\n[[matrix]]\nmode = ["transfer", "scratch"]\n'
        'backbone = ["LeNet5", "VGG16"]\nepochs = [1, 2, 3]\n'
    )
    points = {(one.backbone.name, one.mode, one.epochs, one.seed) for one in found}
    assert len(found) == len(points) == 2 * 2 * 3 * 2
    assert [one.seed for one in found[:2]] == [0, 7], "replicates of a trial are next to each other"
    assert [one.backbone.name for one in found] == ["LeNet5"] * 12 + ["VGG16"] * 12


@pytest.mark.parametrize("mode", ["scratch", "transfer", "finetune"])
def test_seeds_reach_the_worker(mode: str):
    weights = "" if mode == "scratch" else 'weights = "drawn-cells"\n'
    text = f'[suite]\nseeds = [3, 7]\n[data]\nimage_size = 32\n{BLOCK}mode = "{mode}"\n{weights}'
    read = [
        Specification.from_json(json.loads(json.dumps(trial.specification))) for trial in resolve(text).trials
    ]
    assert [one.seed for one in read] == [3, 7]


def test_the_head_is_that_of_the_thesis_where_nothing_else_is_asked_for():
    trial = only_trial(
        SMALL.replace('mode = "scratch"\n', "") + BLOCK + 'mode = "transfer"\nweights = "drawn-cells"\n'
    )
    assert trial.specification["dropout"] == thesis()["settings"]["transfer"]["dropout"] == 0.5


def test_devices_that_train_a_trial_together_are_in_its_slot_and_its_settings():
    suite = resolve('[devices]\nuse = "cpu"\ngpus_per_trial = 2\n' + SMALL + BLOCK)
    assert suite.devices.slots[0].replicas == suite.trials[0].settings.replicas == 2


def test_union_over_blocks():
    found = combinations(
        '[[matrix]]\nbackbone = ["LeNet5", "VGG16"]\nepochs = [1, 2]\n'
        '[[matrix]]\nbackbone = "VGG19"\nepochs = 9\n'
    )
    assert [one.block for one in found] == [0, 0, 0, 0, 1]
    assert (found[-1].backbone.name, found[-1].epochs) == ("VGG19", 9)


def test_a_block_overrides_the_suite_and_the_suite_the_defaults():
    shared = "[data]\nimage_size = 64\n[training]\nepochs = 5\nbatch_size = 8\n"
    first, second = combinations(shared + BLOCK + BLOCK + "epochs = 6\n")
    assert (first.epochs, first.batch_size) == (5, 8)
    assert (second.epochs, second.batch_size) == (6, 8)
    assert first.image_size == second.image_size == 64
    for key in DEFAULTS.keys() - {"epochs", "batch_size", "image_size"}:
        assert getattr(first, key) == DEFAULTS[key]


@pytest.mark.parametrize(
    ("suite", "block", "key", "values"),
    [
        ("[data]\nimage_size = 64\n", "image_size = 32\n", "image_size", [64, 32]),
        ('[thesis]\nclock = "wall"\n', '[matrix.thesis]\nclock = "process"\n', "clock", ["wall", "process"]),
    ],
)
def test_a_block_overrides_each_table_of_the_suite(suite: str, block: str, key: str, values: list):
    assert [getattr(one, key) for one in combinations(suite + BLOCK + BLOCK + block)] == values


def test_defaults_are_those_of_the_thesis():
    (one,) = combinations(BLOCK)
    assert (one.epochs, one.optimizer.specification("LeNet5").name) == (
        100,
        "RMSprop",
    )
    assert one.optimizer.specification("LeNet5").learning_rate == 1e-5


def test_a_list_in_training_is_a_sweep_until_a_block_says_otherwise():
    found = combinations("[training]\nepochs = [5, 6]\n" + BLOCK + BLOCK + "epochs = 7\n")
    assert [one.epochs for one in found] == [5, 6, 7]


def test_sweeps_in_data():
    found = combinations('[data]\nsource = "synthetic"\nimage_size = [32, 64]\ndata_seed = [0, 1]\n' + BLOCK)
    points = [(one.image_size, one.data) for one in found]
    assert points == [(size, {"data_seed": seed}) for size in (32, 64) for seed in (0, 1)]
    found = combinations('[data]\nsource = "bccd"\nsplit_seed = [0, 1, 2]\n' + BLOCK)
    assert [one.data for one in found] == [{"split_seed": seed} for seed in range(3)]


def test_data_keys_go_to_the_sources_that_have_them():
    found = combinations('[data]\nsource = ["synthetic", "bccd"]\ndata_seed = 3\nsplit_seed = 4\n' + BLOCK)
    assert [(one.source, one.data) for one in found] == [
        ("synthetic", {"data_seed": 3}),
        ("bccd", {"split_seed": 4}),
    ]


def test_the_source_follows_from_a_path():
    assert combinations(BLOCK)[0].source == "synthetic"
    assert combinations('[data]\npath = "x"\n' + BLOCK)[0].source == "folder"


def test_the_same_trial_named_twice_is_one_trial():
    text = SMALL + BLOCK + '[[matrix]]\nbackbone = "LeNet5"\nepochs = [1, 2]\nmode = "scratch"\n'
    assert len(combinations(text)) == 3
    assert [trial.settings.epochs for trial in resolve(text).trials] == [1, 2]
    assert len(resolve(SMALL + BLOCK + BLOCK).trials) == 1


def test_a_default_that_is_written_out_is_the_same_trial():
    optimizer = 'optimizer = { name = "RMSprop", learning_rate = 1e-5, learning_rate_decay = 1e-3 }\n'
    assert only_trial(SMALL + BLOCK).id == only_trial(SMALL + BLOCK + "batch_size = 16\n" + optimizer).id


def test_data_sets_are_looked_up_once():
    resolved = resolve(SMALL.replace("32", "[32, 64]") + BLOCK + "epochs = [1, 2]\n")
    assert len(resolved.trials) == 4
    assert len(resolved.datasets) == 2


def test_the_name_of_a_suite_is_its_file_name():
    assert resolve(SMALL + BLOCK).name == "suite"
    assert resolve('[suite]\nname = "mine"\n' + SMALL + BLOCK).name == "mine"


@pytest.mark.parametrize("part", ["wbc", "tensorflow", "keras", "device"])
def test_the_key_does_not_change_with_the_runtime_but_the_id_does(part: str):
    one = only_trial(SMALL + BLOCK)
    other = only_trial(SMALL + BLOCK, msgspec.structs.replace(RUNTIME, **{part: "another"}))
    assert one.key == other.key
    assert one.id != other.id


@pytest.mark.parametrize(
    "change",
    [
        "[suite]\nseeds = 1\n" + SMALL,
        SMALL.replace("epochs = 1", "epochs = 2"),
        SMALL.replace("32", "64"),
        SMALL + "data_seed = 1\n",
        SMALL.replace("epochs = 1", "epochs = 1\nbatch_size = 8"),
        SMALL.replace("epochs = 1", "epochs = 1\ndeterministic = true"),
        SMALL.replace("epochs = 1", 'epochs = 1\noptimizer = { name = "RMSprop", learning_rate = 1e-4 }'),
        SMALL.replace("[data]", '[data]\npreprocessing = "rescale"'),
    ],
)
def test_key_and_id_change_with_the_settings(change: str):
    one, other = only_trial(SMALL + BLOCK), only_trial(change + BLOCK)
    assert one.key != other.key
    assert one.id != other.id


def test_key_changes_with_the_bytes_of_the_weights_and_not_with_their_place():
    text = SMALL.replace('"scratch"', '"transfer"\nweights = "{}"') + BLOCK
    places = [Path("one/my.h5"), Path("two/my.h5"), Path("three/my.h5")]
    for place, value in zip(places, (1, 2, 1), strict=True):
        place.parent.mkdir()
        with h5py.File(place, "w") as file:
            file["kernel"] = np.full(3, value, np.float32)
    shutil.copy(places[0], places[2])
    one, two, three = (only_trial(text.format(place)) for place in places)
    assert one.key != two.key
    assert (one.key, one.id) == (three.key, three.id)


def test_moving_a_folder_changes_nothing(folder: Path):
    text = SMALL.replace("[data]\n", '[data]\nsource = "folder"\n') + BLOCK
    old = image_folder(folder / "old" / "trials")
    before = only_trial(text, data=old)
    new = folder / "new" / "place" / "trials"
    new.parent.mkdir(parents=True)
    old.rename(new)
    after = only_trial(text, data=new)
    assert (before.key, before.id) == (after.key, after.id)
    assert before.specification["data_folder"] != after.specification["data_folder"]
    assert str(folder) not in json.dumps(after.settings.flat())


def test_another_image_makes_other_trials(folder: Path):
    text = SMALL.replace("[data]\n", '[data]\nsource = "folder"\n') + BLOCK
    root = image_folder(folder / "trials")
    before = only_trial(text, data=root)
    shutil.copy(root / "train/A/1.png", root / "train/A/again.png")
    assert only_trial(text, data=root).key != before.key


def test_the_id_is_a_readable_file_name():
    trial = only_trial(SMALL + '[[matrix]]\nbackbone = { name = "MobileNet", alpha = 0.5 }\n')
    assert trial.id.startswith("mobilenet-alpha0.5-scratch-1e-s0-")
    assert "/" not in trial.id
    assert trial.to_json()["id"] == trial.id
    assert json.loads(json.dumps(trial.to_json())) == trial.to_json()


def test_digests_do_not_depend_on_the_order_of_keys():
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 1.5})


def test_resolving_writes_nothing(folder: Path):
    resolve(SMALL + BLOCK)
    assert [path.name for path in folder.iterdir()] == ["suite.toml"]


def test_weights_that_were_downloaded_change_the_ids_of_their_trials_alone(monkeypatch):
    monkeypatch.setenv("KERAS_HOME", "keras")
    text = '[training]\nmode = ["transfer", "scratch"]\n[[matrix]]\nbackbone = "VGG16"\n'
    before = resolve(text, only="transfer")
    (download,) = before.downloads
    assert (download.network, download.options, download.image_size) == ("VGG16", {}, 224)
    assert download.url == download.source.url and download.path == download.source.path.resolve()
    place = Path("elsewhere/vgg16.h5")
    found = WeightsSource("keras-cache", place, sha256="0123")
    monkeypatch.setattr("bench.suite.resolve.fetch", lambda downloads: {download.path: found})
    after = before.with_weights()
    (transfer, scratch), (old, same) = after.trials, before.trials
    assert scratch == same
    assert (transfer.key != old.key, transfer.id != old.id) == (True, True)
    assert (old.settings.weights.sha256, transfer.settings.weights.sha256) == (None, "0123")
    assert transfer.specification["weights"] == {"kind": "keras-cache", "path": str(place.resolve())}
    assert transfer.specification["manifest"] == old.specification["manifest"]
    assert after.chosen == [transfer]
    assert after.downloads == []
    assert resolve(text, only="scratch").downloads == [], "a run of these needs no weights"


@pytest.mark.parametrize("key", ["epochs = 3", 'optimizer = "adam"', 'class_weight = "balanced"', "l2 = 0.1"])
@pytest.mark.parametrize("block", ['mode = "features"\nweights = "random"', 'mode = "classical"'])
def test_a_shared_setting_that_no_block_uses_is_refused(key, block):
    backbone = "KNN" if "classical" in block else "LeNet5"
    unused = f'[[matrix]]\n{block}\nbackbone = "{backbone}"\n'
    with pytest.raises(InputError, match="has no meaning for mode"):
        combinations(f"[training]\n{key}\n{unused}")
    other = '[[matrix]]\nmode = "transfer"\nbackbone = "LeNet5"\n'
    assert len(combinations(f"[training]\n{key}\n{unused}{other}")) == 2


ASKED = """
[suite]
targets = [0.9, 0.8]
save_model = true
export = ["onnx"]
explain = ["grad-cam"]
[training]
epochs = 7
batch_size = 5
l1 = 0.01
l2 = 0.02
dropout = 0.3
class_weight = "balanced"
early_stopping = true
deterministic = true
[data]
source = "synthetic"
image_size = 32
[weights]
[devices]
use = "cpu"
exclusive = true
[limits]
trial = "1h"
stall = "7m"
retries = 4
checkpoint = "30s"
quiet = "9s"
[telemetry]
interval = "200ms"
off_every = 3
reference_work = false
latency = false
[profile]
steps = 3
[[matrix]]
mode = "transfer"
weights = "random"
backbone = "LeNet5"
"""


def test_a_worker_is_told_every_setting_of_its_trial_and_what_is_asked_for_beside():
    suite = resolve(ASKED)
    (trial,) = suite.trials
    settings, told = msgspec.to_builtins(trial.settings), trial.specification
    assert (told["epochs"], told["batch_size"], told["l1"], told["l2"], told["dropout"]) == (
        7,
        5,
        0.01,
        0.02,
        0.3,
    )
    elsewhere = {"data", "weights", "protocol", "clock", "sources"}
    assert {key: value for key, value in told.items() if key in settings and key not in elsewhere} == {
        key: value for key, value in settings.items() if key not in elsewhere
    }
    asked = {
        "targets": [0.8, 0.9],
        "save_model": True,
        "export": {"formats": ["onnx"]},
        "explain": {"what": ["grad-cam"]},
        "profile": {"steps": 3},
        "reference_work": False,
        "latency": False,
    }
    assert {key: told[key] for key in asked} == asked
    assert suite.telemetry == TelemetrySettings(0.2, True, 3)
    assert suite.limits == Limits(
        trial_s=3600.0, stall_s=420.0, retries=4, checkpoint_s=30.0, exclusive=True, quiet_s=9.0
    )
    by_epochs = resolve(ASKED.replace('checkpoint = "30s"', "checkpoint_epochs = 2")).limits
    assert by_epochs == replace(suite.limits, checkpoint_s=None, checkpoint_epochs=2)


@pytest.mark.parametrize("tested", [False, True])
def test_how_files_are_read_is_a_part_of_the_images(folder: Path, tested: bool):
    """Of the own images, and of those of an external test."""
    image_folder(folder / "cells")
    image_folder(folder / "others")
    place = '[data]\nimage_size = 32\npath = "cells"\n' + ('test_path = "others"\n' if tested else "")
    training = '[training]\nmode = "scratch"\nepochs = 1\n'
    fits = {fit: only_trial(f'{place}fit = "{fit}"\n{training}{BLOCK}') for fit in ("squash", "crop", "pad")}
    data = {fit: trial.settings.data for fit, trial in fits.items()}
    assert only_trial(f"{place}{training}{BLOCK}").key == fits["squash"].key
    assert len({one.digest for one in data.values()}) == len({trial.key for trial in fits.values()}) == 3
    assert {fit: one.reading for fit, one in data.items()} == {
        "squash": None,
        "crop": {"fit": "crop"},
        "pad": {"fit": "pad"},
    }
    if tested:
        assert len({one.test_digest for one in data.values()}) == 3


def test_a_block_may_have_ten_thousand_trials():
    seeds = f"[suite]\nseeds = {list(range(2000))}\n"
    folder = '[data]\npath = "x"\nfolds = 5\n'
    assert len(combinations(seeds + folder + BLOCK)) == 10_000
    with pytest.raises(InputError, match=r"line 6: matrix\[1\]: its lists multiply to 20,000 trials"):
        combinations(seeds + folder.replace("5", "10") + BLOCK)
