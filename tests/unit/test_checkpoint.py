import io
import json
import os
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from timing_equipment import Clock
from training_equipment import Interrupted, Notes

from wbc import experiment
from wbc.errors import InputError
from wbc.optimizer import OptimizerSpecification
from wbc.specification import (
    Checkpointing,
    Explaining,
    Exporting,
    FeatureCache,
    Profiling,
    Specification,
    WeightsSource,
)
from wbc.training.checkpoint import FILE, CheckpointCallback, Checkpoints, identity_of
from wbc.training.checkpoint_file import UnusableCheckpointError, read_arrays, read_meta, write_checkpoint

EPOCHS = 4


def specification_of(data: Path, folder: Path | None, mode: str, tag: str = "", **more) -> Specification:
    return Specification(
        data_folder=data,
        manifest=data / "manifest.json",
        image_size=32,
        preprocessing="network",
        network="LeNet5",
        mode=mode,
        epochs=EPOCHS,
        batch_size=4,
        optimizer=OptimizerSpecification("Adam", 1e-3, 1e-3),
        seed=3,
        deterministic=True,
        checkpoint=folder and Checkpointing(folder, every_epochs=1, tag=tag),
        **more,
    )


@pytest.fixture(scope="module", params=["transfer", "scratch"])
def alone(request, noisy_images) -> tuple[str, Notes]:
    """The mode of an experiment, and what it reports where nothing comes between."""
    notes = Notes()
    experiment.run(specification_of(noisy_images, None, request.param), notes)
    return request.param, notes


def test_an_interrupted_experiment_goes_on_as_if_it_had_not_been(noisy_images, tmp_path, alone):
    """`make chaos` kills processes; what is on the disk is the same."""
    mode, whole = alone
    with pytest.raises(Interrupted):
        experiment.run(
            specification_of(noisy_images, tmp_path / "c", mode, "attempt-1"), Notes(break_after=3)
        )

    resumed = Notes()
    experiment.run(specification_of(noisy_images, tmp_path / "c", mode, tag="attempt-2"), resumed)
    assert resumed.from_before == (2, "attempt-1")
    assert resumed.epochs == {epoch: whole.epochs[epoch] for epoch in (3, 4)}, "to the last bit"
    np.testing.assert_array_equal(resumed.probabilities, whole.probabilities)
    assert resumed.saved == [3, 4]
    assert resumed.phases["train"]["images"] == 2 * 11 - 4, "what the interrupted one did is not counted"
    assert resumed.phases["train"]["checkpoint_s"] > 0
    assert whole.phases["train"]["checkpoint_s"] == 0
    assert whole.from_before is None

    after = Notes()  # the last epoch was on the disk already: killed while it was evaluated
    experiment.run(specification_of(noisy_images, tmp_path / "c", mode, tag="attempt-3"), after)
    assert (after.from_before, after.epochs) == ((4, "attempt-2"), {})
    np.testing.assert_array_equal(after.probabilities, whole.probabilities)
    assert after.phases["train"]["images"] == after.phases["train"]["steps"] == 0
    assert list(after.phases)[-3:] == ["compile", "train", "evaluate"]


def test_one_that_goes_on_from_fewer_epochs_has_the_result_of_a_run_of_its_own(noisy_images, tmp_path, alone):
    """To the last bit: `share_prefix`."""
    mode, whole = alone
    short, long = Notes(), Notes()
    plain = specification_of(noisy_images, None, mode)
    leaving = Checkpointing(tmp_path, tag="short/attempt-1", at_end=True)
    experiment.run(replace(plain, epochs=2, checkpoint=leaving), short)
    assert short.saved == [2]
    experiment.run(replace(plain, checkpoint=replace(leaving, at_end=False, tag="long/attempt-1")), long)
    assert long.from_before == (2, "short/attempt-1")
    assert {**short.epochs, **long.epochs} == whole.epochs
    np.testing.assert_array_equal(long.probabilities, whole.probabilities)


def test_what_cannot_be_used_is_passed_over_with_a_reason(noisy_images, tmp_path, caplog):
    file = tmp_path / FILE
    specification = replace(specification_of(noisy_images, tmp_path, "scratch"), epochs=1)
    first = Notes()
    experiment.run(specification, first)
    content = file.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    meta = read_meta(file)
    older = {**meta, "keras": "3.0.0"}
    unusable = {
        "flipped": (lambda: file.write_bytes(bytes(flipped)), "cannot be read"),
        "torn": (lambda: file.write_bytes(content[: len(content) // 2]), "cannot be read"),
        "older": (lambda: write_checkpoint(file, older, {}), "written with keras 3.0.0"),
        "other": (lambda: write_checkpoint(file, {**meta, "specification": "x"}, {}), "another experiment"),
    }
    for spoil, said in unusable.values():
        spoil()
        caplog.clear()
        assert Checkpoints(specification, first).found is None
        assert said in caplog.text and "training starts anew" in caplog.text
    file.write_bytes(content)
    assert Checkpoints(specification, first).found.epoch == 1
    assert Checkpoints(replace(specification, seed=4), first).found is None, (
        "another seed, another experiment"
    )

    write_checkpoint(file, meta, {"model": [np.zeros(2)], "optimizer": []})
    caplog.clear()
    again = Notes()
    experiment.run(specification, again)
    assert "variables of the model" in caplog.text
    assert again.from_before is None and again.epochs == first.epochs


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    file = tmp_path / "deep" / "x"
    write_checkpoint(file, {"epoch": 1}, {"model": [np.arange(3)]})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_checkpoint(file, {"epoch": 2}, {"model": [np.arange(4)]})
    assert [path.name for path in file.parent.iterdir()] == ["x"]
    assert read_meta(file)["epoch"] == 1
    assert read_arrays(file)["model"][0].tolist() == [0, 1, 2]
    assert read_meta(tmp_path / "none") is None
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(UnusableCheckpointError):
        read_meta(tmp_path / "text")


@pytest.mark.parametrize(
    ("every", "written"),
    [
        ({"every_epochs": 2}, [2, 4]),
        ({"every_s": 25.0}, [3]),
        ({"every_epochs": 4, "every_s": 25.0}, [3]),
        ({}, []),
    ],
)
def test_when_a_checkpoint_is_due(tmp_path, monkeypatch, every, written):
    notes, now = Notes(), [0.0]
    monkeypatch.setattr(CheckpointCallback, "write", lambda self, epoch: None)
    callback = CheckpointCallback(Checkpointing(tmp_path, **every), {}, notes, clock=lambda: now[0])
    for epoch in range(5):
        now[0] += 10
        callback.on_epoch_end(epoch)
    assert notes.saved == written


def test_the_settings_come_as_json(tmp_path):
    text = json.dumps(asdict(specification_of(tmp_path, tmp_path / "c", "scratch", tag="t")), default=str)
    specification = Specification.from_json(json.loads(text))
    assert specification.checkpoint == Checkpointing(tmp_path / "c", every_epochs=1, tag="t")
    assert Specification.from_json({**json.loads(text), "checkpoint": None}).checkpoint is None


@pytest.mark.parametrize(
    ("settings", "stops", "written"),
    [
        ({}, None, []),
        ({"every_epochs": 2}, None, [2, 4]),
        ({"every_epochs": 1}, None, [1, 2, 3, 4, 5]),
        ({"every_s": 10.0}, None, [1, 2, 3, 4, 5]),
        ({"every_s": 10.1}, None, [2, 4]),
        ({"every_s": 10.1, "every_epochs": 3}, None, [2, 4]),
        ({"every_s": 40.0, "every_epochs": 3}, None, [3]),
        ({"at_end": True}, None, [5]),
        ({"at_end": True}, 3, [3]),
        ({"every_epochs": 2, "at_end": True}, None, [2, 4, 5]),
    ],
)
def test_when_a_checkpoint_is_written(tmp_path, monkeypatch, settings, stops, written):
    """Five epochs of ten seconds; writing takes two."""
    clock, told = Clock(), []
    observer = SimpleNamespace(checkpointed=lambda epoch, seconds, cpu_s: told.append((epoch, seconds)))
    made = CheckpointCallback(Checkpointing(tmp_path, **settings), {}, observer, clock=clock)
    monkeypatch.setattr(made, "write", lambda epoch: clock.passes(2.0))
    made.set_model(model := SimpleNamespace(stop_training=False))
    made.set_params({"epochs": 5})
    for epoch in range(5):
        clock.passes(10.0)
        model.stop_training = epoch + 1 == stops
        made.on_epoch_end(epoch)
        if model.stop_training:
            break
    assert told == [(epoch, 2.0) for epoch in written] and made.seconds == 2.0 * len(written)


def test_a_checkpoint_that_cannot_be_written_is_not_told_and_not_tried_at_once_again(
    tmp_path, monkeypatch, caplog
):
    clock, told, tried = Clock(), [], []
    observer = SimpleNamespace(checkpointed=lambda *said: told.append(said))
    made = CheckpointCallback(Checkpointing(tmp_path, every_s=15.0), {}, observer, clock=clock)

    def full(epoch: int) -> None:
        tried.append(epoch)
        clock.passes(1.0)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(made, "write", full)
    for epoch in range(4):
        clock.passes(10.0)
        made.on_epoch_end(epoch)
    assert (tried, told, made.seconds) == ([2, 4], [], 2.0)
    assert [one.getMessage() for one in caplog.records] == [
        f"The checkpoint after epoch {epoch} could not be written: [Errno 28] No space left on device"
        for epoch in tried
    ]


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"data_folder": Path("elsewhere")}, True),
        ({"checkpoint": Checkpointing(Path("other"), tag="2")}, True),
        ({"external_folder": Path("x"), "external_manifest": Path("y")}, True),
        ({"save_model": True, "reference_work": True, "latency": True, "targets": (0.9,)}, True),
        ({"explain": Explaining(Path("x"), ("filters",)), "export": Exporting(Path("x"), ("onnx",))}, True),
        ({"profile": Profiling(Path("x"), 3), "feature_cache": FeatureCache(Path("x"), 9)}, True),
        ({"epochs": 40}, True),
        ({"epochs": 40, "mode": "finetune"}, False),
        ({"epochs": 40, "mode": "features"}, True),
        ({"seed": 4}, False),
        ({"batch_size": 5}, False),
        ({"network": "VGG16"}, False),
        ({"dropout": 0.4}, False),
        ({"replicas": 2}, False),
        ({"weights": WeightsSource("file", Path("a/net.h5"), sha256="1")}, True),
        ({"weights": WeightsSource("file", Path("b/net.h5"), searched=(Path("a"),))}, True),
        ({"weights": WeightsSource("folder", Path("a/net.h5"))}, False),
        ({"weights": WeightsSource("file", Path("a/other.h5"))}, False),
        ({"weights": WeightsSource("random")}, False),
    ],
)
def test_what_makes_it_another_experiment(noisy_images, tmp_path, changed, same):
    mode = changed.get("mode", "scratch")
    weights = WeightsSource("file", Path("a/net.h5")) if "weights" in changed else None
    one = specification_of(noisy_images, tmp_path, mode, weights=weights)
    assert (identity_of(replace(one, **changed)) == identity_of(one)) is same


def test_another_manifest_is_another_experiment_wherever_it_lies(noisy_images, tmp_path):
    one = specification_of(noisy_images, tmp_path, "scratch")
    content = (noisy_images / "manifest.json").read_text()
    for name, text, same in (("same", content, True), ("other", content.replace('"a"', '"c"'), False)):
        (tmp_path / name).write_text(text)
        assert (identity_of(replace(one, manifest=tmp_path / name)) == identity_of(one)) is same
    found = identity_of(one)
    import keras
    import tensorflow as tf

    assert (found["keras"], found["tensorflow"]) == (keras.__version__, tf.__version__)
    assert len(found["specification"]) == 64 and len(found) == 3


def archive(path: Path, meta: str | None, arrays: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        if meta is not None:
            made.writestr("meta.json", meta)
        for name, content in arrays.items():
            made.writestr(name, content)
    return path


def array_file(array: np.ndarray) -> bytes:
    written = io.BytesIO()
    np.save(written, array)
    return written.getvalue()


@pytest.mark.parametrize(
    ("meta", "arrays"),
    [
        ('{"arrays": {"model": 1}}', {}),  # a member is missing
        ('{"arrays": {"model": 1}}', {"model/00000.npy": b"no array"}),
        ('{"arrays": {"model": 1}}', {"model/00000.npy": array_file(np.array([{}, 1], object))}),
        ("{", {}),
        ("{}", {}),
        (None, {}),
    ],
)
def test_whatever_is_wrong_with_a_file_is_one_error(tmp_path, meta, arrays):
    with pytest.raises(UnusableCheckpointError, match=r"^it cannot be read \(.+\)$"):
        read_arrays(archive(tmp_path / "x", meta, arrays))
    with pytest.raises(UnusableCheckpointError):
        read_arrays(tmp_path)


def test_a_file_that_ends_early_is_that_error(tmp_path, monkeypatch):
    file = tmp_path / "x"
    write_checkpoint(file, {}, {"model": [np.arange(3)]})

    def ends(*arguments, **options):
        raise EOFError("no more bytes")

    monkeypatch.setattr(np.lib.format, "read_array", ends)
    with pytest.raises(UnusableCheckpointError, match="no more bytes"):
        read_arrays(file)


def test_a_checkpoint_is_a_plain_archive(tmp_path):
    """Any program reads it: stored, not compressed, with numbered arrays of one group each."""
    file = tmp_path / "x"
    groups = {"model": [np.arange(3.0), np.float32(2.5)], "callback0": []}
    write_checkpoint(file, {"epoch": 3}, groups)
    with zipfile.ZipFile(file) as opened:
        assert opened.namelist() == ["meta.json", "model/00000.npy", "model/00001.npy"]
        assert {member.compress_type for member in opened.infolist()} == {zipfile.ZIP_STORED}
        assert json.loads(opened.read("meta.json")) == {"epoch": 3, "arrays": {"model": 2, "callback0": 0}}
    found = read_arrays(file)
    assert found.keys() == groups.keys() and found["callback0"] == []
    assert [array.tolist() for array in found["model"]] == [[0.0, 1.0, 2.0], 2.5]
    with pytest.raises(ValueError, match="pickle"):
        write_checkpoint(file, {}, {"model": [np.array([{}], object)]})
    assert read_meta(file)["epoch"] == 3, "the one before"


def test_a_checkpoint_of_a_later_stage_that_does_not_fit_is_no_reason_to_start_anew(noisy_images, tmp_path):
    import keras

    specification = specification_of(noisy_images, tmp_path, "finetune")
    progress = {"epoch": 5, "stage": 1, "tag": "t", "finished": False, "callbacks": [], "learning_rate": None}
    meta = {**identity_of(specification), **progress}
    write_checkpoint(tmp_path / FILE, meta, {"model": [np.zeros(2)], "optimizer": []})
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    told = []
    found = Checkpoints(specification, SimpleNamespace(resumed=lambda *said: told.append(said)))
    assert (found.epoch, found.stage, found.path) == (5, 1, tmp_path / FILE)
    assert found.restore(model, 0) is None and found.found is not None, "of another stage"
    with pytest.raises(InputError) as caught:
        found.restore(model, 1)
    why = "its variables of the model are not those of this experiment"
    said = f"the checkpoint {tmp_path / FILE} cannot be used: {why}"
    assert (caught.value.what, caught.value.way_out) == (said, "Delete it.")
    off = Checkpoints(replace(specification, checkpoint=None), None)
    assert (off.path, off.found, off.epoch, off.stage, off.callback(), off.identity) == (
        *(None, None, 0, 0, None),
        {},
    )
    assert told == []
