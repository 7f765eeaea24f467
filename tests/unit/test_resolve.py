"""What a worker is told beside its settings, by what the suite asks for and what the trial is."""

from pathlib import Path

import pytest

from bench.devices.device import Device, Slot
from bench.devices.machine import Choice
from bench.suite import resolve
from bench.suite.resolve import _cache_of, _saves, resolve_suite
from bench.suite.schema import CacheTable
from bench.trials.layout import why_unusable
from bench.trials.settings import Runtime
from wbc.errors import InputError
from wbc.specification import WeightsSource

RUNTIME = Runtime(wbc="0123", tensorflow="2.16.1", keras="3.3.3", scikit_learn="1.5", device="one processor")
USUAL = "[data]\nimage_size = 32\n"
NETWORK = '[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\n'
METHOD = '[[matrix]]\nbackbone = "KNN"\nmode = "classical"\n'


def told(folder: Path, text: str, **options: bool) -> list[dict]:
    """What the worker of each trial is told."""
    path = folder / "mine.toml"
    path.write_text(text)
    found = resolve_suite(path, folder / "cache", "cpu", runtime=RUNTIME, **options)
    return [trial.specification for trial in found.trials]


def test_what_nobody_asked_for_is_not_done(tmp_path: Path):
    for one in told(tmp_path, USUAL + NETWORK + METHOD):
        assert {name: one[name] for name in ("export", "explain", "profile", "targets")} == dict.fromkeys(
            ("export", "explain", "profile", "targets")
        )
        assert (one["reference_work"], one["latency"]) == (True, True) and "external_folder" not in one


@pytest.mark.parametrize("off", ["reference_work", "latency"])
def test_the_reference_work_and_the_latency_are_switched_off_each_by_its_own_key(tmp_path: Path, off: str):
    (one,) = told(tmp_path, f"[telemetry]\n{off} = false\n{USUAL}{NETWORK}")
    assert {name for name in ("reference_work", "latency") if not one[name]} == {off}


def test_methods_of_scikit_learn_are_neither_exported_nor_explained(tmp_path: Path):
    asked = '[suite]\nexport = ["onnx"]\nexplain = ["grad-cam"]\n[profile]\nsteps = 3\n'
    network, method = told(tmp_path, asked + USUAL + NETWORK + METHOD)
    assert (network["export"], network["explain"]) == ({"formats": ["onnx"]}, {"what": ["grad-cam"]})
    assert method["export"] is method["explain"] is None
    assert network["profile"] == method["profile"] == {"steps": 3}


FROZEN = '[[matrix]]\nbackbone = "LeNet5"\nmode = "transfer"\nweights = "random"\n'


@pytest.mark.parametrize(
    ("cache", "in_pairs", "place", "limit"),
    [
        ("", False, None, None),
        ("features = false\n", False, None, None),
        ("features = true\n", True, None, None),
        ("features = true\n", False, "cache/features", 20 * 10**9),
        ('pixels = true\nlimit = "3 GB"\n', False, "cache/features", 3 * 10**9),
        ('features = true\npath = "PLACE/kept"\n', False, "kept", 20 * 10**9),
    ],
)
def test_where_features_and_pixels_are_shared(tmp_path: Path, cache: str, in_pairs: bool, place, limit):
    text = f"{USUAL}[cache]\n{cache.replace('PLACE', str(tmp_path))}{FROZEN}"
    (one,) = told(tmp_path, text, in_pairs=in_pairs)
    found = one.get("feature_cache") or {}
    assert (found.get("folder"), found.get("limit_bytes")) == (place and str(tmp_path / place), limit)


@pytest.mark.parametrize("what", ["features", "pixels"])
def test_a_cache_that_cannot_be_kept_is_told(tmp_path: Path, what: str):
    (tmp_path / "cache").touch()
    with pytest.raises(InputError) as caught:
        told(tmp_path, f"{USUAL}[cache]\n{what} = true\n{FROZEN}")
    assert caught.value.what == (
        f"{what} cannot be kept in {tmp_path}/cache/features: {tmp_path}/cache is a file"
    )
    text = f'{USUAL}[cache]\n{what} = true\npath = "{tmp_path}/cache/deep"\n{FROZEN}'
    with pytest.raises(InputError, match=r"mine\.toml, line 5: cache\.path: "):
        told(tmp_path, text)


SHARED = {"folder": "/cache/features", "limit_bytes": 9}


@pytest.mark.parametrize(
    ("features", "pixels", "mode", "expected"),
    [
        (False, False, "transfer", {}),
        (True, False, "transfer", {"feature_cache": SHARED}),
        (True, False, "scratch", {}),
        (False, True, "scratch", {"feature_cache": {**SHARED, "features": False, "pixels": True}}),
        (True, True, "transfer", {"feature_cache": {**SHARED, "features": True, "pixels": True}}),
        (True, True, "scratch", {"feature_cache": {**SHARED, "features": False, "pixels": True}}),
    ],
)
def test_what_a_trial_shares_with_others(features: bool, pixels: bool, mode: str, expected: dict):
    assert _cache_of(SHARED, CacheTable(features=features, pixels=pixels), mode) == expected
    assert _cache_of({}, CacheTable(features=features, pixels=pixels), mode) == {}


@pytest.mark.parametrize(
    ("asked", "mode", "in_pairs", "expected"),
    [
        ("best", "scratch", False, "best"),
        ("best", "scratch", True, False),
        ("best", "features", False, False),
        ("best", "classical", False, False),
        (True, "classical", True, True),
        (True, "scratch", False, True),
        (False, "scratch", False, False),
    ],
)
def test_which_models_are_kept(asked, mode: str, in_pairs: bool, expected):
    assert _saves(asked, mode, in_pairs) == expected


def test_why_a_folder_cannot_be_made_or_written(tmp_path: Path):
    (tmp_path / "file").touch()
    assert why_unusable(tmp_path / "new" / "deep", written=True) == ""
    for written in (True, False):
        assert why_unusable(tmp_path / "file" / "deep", written) == f"{tmp_path}/file is a file"
    (tmp_path / "link").symlink_to("nowhere")
    for folder in (tmp_path / "link", tmp_path / "link" / "deep"):
        assert why_unusable(folder, written=True) == f"{tmp_path}/link is a link to nothing"


FREE = '[[matrix]]\nbackbone = "LeNet5"\n'


@pytest.mark.parametrize(
    ("text", "given", "asked"),
    [
        (FREE, None, (["all"], 1, {"tensorflow"}, "")),
        (f'{FREE}backend = ["jax", "torch"]\n', None, (["all"], 1, {"jax", "torch"}, "")),
        (METHOD, "cpu:2", ("cpu:2", 1, {"tensorflow"}, "")),
        (
            f'[devices]\nuse = ["gpu:0", "gpu:1"]\ngpus_per_trial = 2\naccelerator = "A100"\n{FREE}',
            *(None, (["gpu:0", "gpu:1"], 2, {"tensorflow"}, "A100")),
        ),
    ],
)
def test_what_a_suite_asks_of_devices(
    tmp_path: Path, monkeypatch, text: str, given: str | None, asked: tuple
):
    seen = []

    def choose(wanted, per_trial, *, backends, accelerator) -> Choice:
        seen.append((wanted, per_trial, backends, accelerator))
        return Choice((Slot("cpu:0", (Device("cpu", "P"),), (0,)),), named=True)

    path = tmp_path / "mine.toml"
    path.write_text(f"[data]\nimage_size = 32\n{text}")
    monkeypatch.setattr(resolve, "locate_weights", lambda *given, **more: WeightsSource("random"))
    resolve_suite(path, tmp_path, given, runtime=RUNTIME, choose_devices=choose)
    assert seen == [asked]
