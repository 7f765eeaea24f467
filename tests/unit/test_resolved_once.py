"""What of a suite is looked up for which trials: weights, images, folds; and what the suite says of itself."""

from pathlib import Path

import msgspec
import pytest

from bench.devices.device import Device, Slot
from bench.devices.machine import Choice
from bench.suite import resolve
from bench.suite.file import load_suite
from bench.suite.matrix import expand
from bench.suite.resolve import ResolvedSuite, resolve_suite
from bench.trials.settings import Runtime
from wbc.errors import InputError
from wbc.specification import WeightsSource

RUNTIME = Runtime(wbc="0123", tensorflow="2.16.1", keras="3.3.3", device="one processor")
BLOCK = '[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\n'
SLOT = Choice((Slot("cpu:0", (Device("cpu", "P"),), (0,)),), named=True)


@pytest.fixture(autouse=True)
def here(folder: Path) -> Path:
    return folder


def resolved(text: str, **options) -> ResolvedSuite:
    Path("mine.toml").write_text(text)
    more = {"runtime": RUNTIME, "choose_devices": lambda *given, **named: SLOT, **options}
    return resolve_suite(Path("mine.toml"), Path("results/cache"), **more)


def combined(text: str, **options):
    Path("mine.toml").write_text(text)
    return expand(*load_suite(Path("mine.toml")), **options)


def test_weights_are_looked_up_once_for_each_network_with_its_options_and_size(monkeypatch):
    asked = []

    def locate(weights, name, options, *, image_size, weights_folder) -> WeightsSource:
        asked.append((weights, name, options.get("alpha", 1.0), image_size, weights_folder))
        return WeightsSource("file", Path("w.h5"), sha256="-".join(map(str, asked[-1][:4])))

    monkeypatch.setattr(resolve, "locate_weights", locate)
    text = (
        '[data]\nimage_size = [160, 192]\n[weights]\npath = "mine"\n[[matrix]]\nmode = "transfer"\nepochs = [1, 2]\n'
        'weights = ["imagenet", "other.h5"]\nbackbone = [{ name = "MobileNet", alpha = 0.5 }, "MobileNet"]\n'
    )
    trials = resolved(text).trials
    found = {
        (one.settings.weights.sha256, one.settings.image_size, one.settings.options.get("alpha", 1.0))
        for one in trials
    }
    points = [
        (weights, alpha, size)
        for weights in ("imagenet", "other.h5")
        for alpha in (0.5, 1.0)
        for size in (160, 192)
    ]
    assert sorted(asked) == sorted((w, "MobileNet", a, size, Path("mine")) for w, a, size in points)
    assert found == {(f"{w}-MobileNet-{a}-{size}", size, a) for w, a, size in points}
    assert {one.settings.weights.name for one in trials} == {"imagenet", "other.h5"}


@pytest.mark.parametrize(
    ("given", "key", "there", "expected"),
    [
        (None, "", False, None),
        (None, "", True, "weights"),
        (None, '[weights]\npath = "mine"\n', True, "mine"),
        (Path("w"), '[weights]\npath = "mine"\n', True, "w"),
    ],
)
def test_which_folder_of_weights_is_searched(monkeypatch, given, key: str, there: bool, expected):
    searched = []

    def locate(*given, image_size, weights_folder) -> WeightsSource:
        searched.append(weights_folder)
        return WeightsSource("random")

    monkeypatch.setattr(resolve, "locate_weights", locate)
    if there:
        Path("weights").mkdir()
    resolved(f"{key}[data]\nimage_size = 32\n{BLOCK.replace('scratch', 'transfer')}", weights=given)
    assert searched == [expected and Path(expected)]


def test_the_name_of_weights_in_a_folder_is_that_of_their_file(monkeypatch):
    source = WeightsSource("file", Path("a/b/own.h5"), sha256="01")
    monkeypatch.setattr(resolve, "locate_weights", lambda *given, **named: source)
    text = f'[data]\nimage_size = 32\n{BLOCK.replace("scratch", "transfer")}weights = "a/b/own.h5"\n'
    (trial,) = resolved(text).trials
    assert msgspec.to_builtins(trial.settings.weights) == {"name": "own.h5", "sha256": "01"}


def test_what_a_suite_says_of_itself():
    usual = resolved(f"[data]\nimage_size = 32\n{BLOCK}")
    assert (usual.description, usual.margin, usual.share_prefix, usual.path) == (
        "",
        0.02,
        False,
        Path("mine.toml"),
    )
    text = (
        '[suite]\ndescription = "of cells"\nmargin = 3.5\nexport = ["onnx", "litert-int8"]\n'
        'explain = ["filters", "grad-cam"]\n'
        f"targets = [0.9, 0.8, 0.9]\n[data]\nimage_size = 32\n[cache]\nshare_prefix = true\n{BLOCK}"
    )
    own = resolved(text)
    assert (own.description, own.margin, own.share_prefix) == ("of cells", pytest.approx(0.035), True)
    (told,) = (one.specification for one in own.trials)
    assert (told["export"], told["explain"]) == (
        {"formats": ["onnx", "litert-int8"]},
        {"what": ["filters", "grad-cam"]},
    )
    assert told["targets"] == [0.8, 0.9]


def test_only_chooses_without_losing_the_others():
    text = f"[suite]\nseeds = [3, 4]\n[data]\nimage_size = 32\n{BLOCK}"
    found = resolved(text, only="*-s4-*")
    assert [one.settings.seed for one in found.trials] == [3, 4]
    assert [one.settings.seed for one in found.chosen] == [4]


def test_a_folder_that_the_command_line_names_is_where_images_come_from():
    assert [one.source for one in combined(BLOCK, folder_given=True)] == ["folder"]
    assert [one.source for one in combined(BLOCK)] == ["synthetic"]
    with pytest.raises(InputError, match="a folder of images is named too"):
        combined(f'[data]\nsource = "synthetic"\n{BLOCK}', folder_given=True)
    bccd = combined(f'[data]\nsource = "bccd"\n{BLOCK}', folder_given=True)
    assert [one.source for one in bccd] == ["bccd"]


def test_each_fold_is_trained_with_every_seed():
    """Drawn images have no folds: they may be drawn anew."""
    text = f'[suite]\nseeds = [5, 6]\n[data]\nsource = ["bccd", "synthetic"]\nfolds = 2\n{BLOCK}'
    found = [(one.source, one.data.get("folds"), one.data.get("fold"), one.seed) for one in combined(text)]
    folds = [("bccd", 2, fold, seed) for fold in (1, 2) for seed in (5, 6)]
    assert found == [*folds, *(("synthetic", None, None, seed) for seed in (5, 6))]


@pytest.mark.parametrize(
    ("given", "of_block", "found"),
    [
        ("", "", ("binary_crossentropy", True)),
        ('[thesis]\nloss = "categorical_crossentropy"\n', "", ("categorical_crossentropy", True)),
        ("", "thesis.binary_accuracy = false\n", ("binary_crossentropy", False)),
        (
            '[thesis]\nloss = "categorical_crossentropy"\n',
            'thesis = { loss = "binary_crossentropy", binary_accuracy = false }\n',
            ("binary_crossentropy", False),
        ),
    ],
)
def test_what_is_written_out_has_precedence_over_the_protocol(given: str, of_block: str, found: tuple):
    """Wherever it is written; the protocol fills in the rest."""
    text = f'[training]\nprotocol = "thesis-2018"\n{given}{BLOCK}{of_block}'
    (one,) = combined(text)
    assert (one.loss, one.binary_accuracy) == found
    assert (one.preprocessing, one.evaluation, one.clock) == ("rescale", "shuffled", "process")
