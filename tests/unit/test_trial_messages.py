"""What is said of trials and their images that cannot be run as asked, to the word."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.errors import command
from bench.journal.results import SuiteResults
from bench.trials import datasets, runtime
from bench.trials.datasets import DataSets
from bench.trials.limits import bytes_of, seconds_of
from bench.trials.record import FORMAT, _refuse_other_format
from bench.trials.sampling import TelemetrySettings
from wbc.data.manifest import ImageEntry, Manifest
from wbc.errors import DataKeyError, InputError


def said(call, *given, **more) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        call(*given, **more)
    return caught.value.what, caught.value.way_out


def of_backend(name: str, version: str | None = "1.0", jit_compile: object = True) -> SimpleNamespace:
    settings = SimpleNamespace(backend=name, jit_compile=jit_compile)
    return SimpleNamespace(settings=settings, runtime=SimpleNamespace(**{name or "x": version}))


CLASSICAL = SimpleNamespace(settings=SimpleNamespace(backend=None, jit_compile=None), runtime=None)


@pytest.mark.parametrize(
    ("name", "title", "install"),
    [
        ("tensorflow", "TensorFlow", "make run, or pip install 'leukobench[cpu]'"),
        ("jax", "JAX", "pip install jax (with GPUs: pip install 'jax[cuda12]')"),
    ],
)
def test_a_backend_that_is_not_installed(monkeypatch, name: str, title: str, install: str):
    trials = [of_backend(name, None), of_backend(name, None), CLASSICAL]
    for others, more in ((["torch", "jax"], " Backends that are installed: torch, jax."), ([], "")):
        monkeypatch.setattr(runtime, "installed_backends", lambda others=others: others)
        (problem,) = runtime.backend_problems(trials, 1, "cpu")
        assert problem.what == f'{title} is not installed, and 2 of 3 trials have backend = "{name}"'
        assert problem.way_out == f"Install it next to leukobench: {install}.{more}"


@pytest.mark.parametrize(
    ("trial", "replicas", "kind", "what", "way_out"),
    [
        (of_backend("jax"), 1, "gpu", None, None),
        (
            *(of_backend("jax"), 2, "gpu"),
            'trials with backend = "jax" run on one device each, not on 2: training one model on several devices needs '
            "TensorFlow's MirroredStrategy",
            "Set gpus_per_trial = 1, or choose other trials with --only.",
        ),
        (of_backend("tensorflow"), 2, "gpu", None, None),
        (of_backend("tensorflow", jit_compile="auto"), 2, "cpu", None, None),
        (of_backend("tensorflow", jit_compile="auto"), 1, "gpu", None, None),
        (
            *(of_backend("tensorflow", jit_compile="auto"), 2, "gpu"),
            '1 of 2 trials train on 2 GPUs with jit_compile = "auto", which means XLA on one GPU and no XLA on '
            "several: a comparison with one GPU would compare XLA too",
            "Set jit_compile = false (or true) in [training].",
        ),
    ],
)
def test_what_several_devices_cannot_do(
    trial, replicas: int, kind: str, what: str | None, way_out: str | None
):
    found = runtime.backend_problems([trial, CLASSICAL], replicas, kind)
    assert [(one.what, one.way_out) for one in found] == ([] if what is None else [(what, way_out)])


@pytest.mark.parametrize(
    ("most", "folds", "key", "what", "way_out"),
    [
        (7, 5, "max_images_per_class", "7 are too few: no room", "Raise it, or remove it."),
        (None, 5, "folds", "no room", "Do that."),
        (None, None, None, "no room", "Do that."),
    ],
)
def test_sources_that_do_not_suffice(monkeypatch, most, folds, key: str | None, what: str, way_out: str):
    def check(originals, splitting):
        raise InputError("no room", "Do that.")

    monkeypatch.setattr("wbc.data.pipeline.folds.check_sources", check)
    with pytest.raises(InputError) as caught:
        datasets._check_sources([], SimpleNamespace(folds=folds), most)
    assert (caught.value.what, caught.value.way_out) == (what, way_out)
    assert (caught.value.key if isinstance(caught.value, DataKeyError) else None) == key


def images(*splits: str, classes: tuple[str, ...] = ("a", "b")) -> Manifest:
    entries = [
        ImageEntry(f"{n}.png", split, classes[n % 2], str(n), str(n)) for n, split in enumerate(splits)
    ]
    return Manifest(tuple(entries), classes)


def test_folders_that_are_split_or_not(tmp_path: Path, monkeypatch):
    assert said(DataSets(tmp_path, None).find, "folder", {}, 32) == (
        'source = "folder" needs a path',
        'Add path = "FOLDER" to [data], or give --data FOLDER.',
    )
    own = DataSets(tmp_path, tmp_path / "cells")
    found = [images("train", "validation", "test")]
    monkeypatch.setattr(DataSets, "_inspect", lambda self, folder, external=False: found[0])
    assert said(own.find, "folder", {"split_seed": 0, "folds": 3}, 32) == (
        f"{tmp_path}/cells is split by its author, so folds and split_seed has no meaning",
        "Remove it, or give a folder with one folder of images per class.",
    )
    found[0] = images("", "")
    assert said(own.find, "folder", {}, 32) == (
        f"{tmp_path}/cells is not split into train/, validation/ and test/ yet",
        f"Split it with: {command()} data prepare {tmp_path}/cells data/cells\n"
        "Or let each run split it: split_seed = 0 in [data], or folds = 5 for cross-validation.",
    )


@pytest.mark.parametrize(
    ("classes", "said_"),
    [
        (("a", "c"), "there has no b; there has c, which training has not"),
        (("a",), "there has no b"),
        (("a", "b", "c"), "there has c, which training has not"),
    ],
)
def test_classes_of_an_external_test_that_differ(tmp_path: Path, monkeypatch, classes, said_: str):
    finder = DataSets(tmp_path, tmp_path / "cells", test_path=Path("there"))
    monkeypatch.setattr(DataSets, "_inspect", lambda self, folder, external=False: Manifest((), classes))
    base = SimpleNamespace(classes=("a", "b"))
    assert said(finder.with_external_test, base) == (
        f"the classes differ: {said_}",
        "Name classes alike in both folders. groups in [data] joins classes, and leaves out the others.",
    )


def test_a_record_of_another_format(tmp_path: Path):
    path = tmp_path / "result.json"
    assert said(_refuse_other_format, b'{"format": 99}', path) == (
        f"{path} has format 99; this version of leukobench reads format {FORMAT} only",
        "Read it with the version that wrote it, or run the trial again into another --results folder.",
    )
    for content in (f'{{"format": {FORMAT}}}', '{"format": true}', '{"format": "9"}', "torn", "{}"):
        _refuse_other_format(content.encode(), path)


def test_why_a_trial_is_not_sampled():
    assert TelemetrySettings(enabled=False).reason_off("x") == (
        "it is switched off ([telemetry] enabled = false)"
    )
    some = TelemetrySettings(off_every=3, without=frozenset({"x"}))
    assert some.reason_off("x") == "this replicate shows what telemetry costs ([telemetry] off_every = 3)"
    assert some.reason_off("y") == TelemetrySettings().reason_off("x") == ""


def test_amounts_and_times_that_are_none():
    assert said(bytes_of, "20") == ("'20' is not an amount of memory", 'Write "500 MB" or "20 GB".')
    for text in ("x", "30S", "1 M"):
        assert said(seconds_of, text) == (f"{text!r} is not a time", 'Write "30s", "90m", "12h" or "2d".')


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("100ms", 0.1), (" 30 s ", 30.0), ("1.5m", 90.0), ("12h", 43_200.0), ("2d", 172_800.0)],
)
def test_times_as_people_write_them(text: str, seconds: float):
    assert seconds_of(text) == pytest.approx(seconds)


def test_results_that_cannot_be_locked(tmp_path: Path):
    from bench.errors import ResultsError

    (tmp_path / "file").touch()
    with pytest.raises(ResultsError) as caught, SuiteResults(tmp_path / "file", "s").lock():
        pass
    assert caught.value.what == f"cannot write to {tmp_path}/file: {tmp_path}/file is a file"
    results = SuiteResults(tmp_path, "s")
    with results.lock():
        holder = (tmp_path / ".lock").read_text().strip()
        with pytest.raises(ResultsError) as caught, results.lock():
            pass
    assert caught.value.what == f"{tmp_path} is in use by another run (process {holder})" and holder.isdigit()
    assert caught.value.way_out == "Wait for it, or give --results another folder."
