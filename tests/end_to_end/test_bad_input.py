"""What a user may get wrong on the way to a run: exit code 2, one message, nothing written."""

import json
from pathlib import Path

import pytest
from command import Bench, InProcess, tiny_suite


def fails(bench: Bench, *arguments) -> str:
    done = bench(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not bench.results.exists(), "nothing may be written"
    return done.stderr


@pytest.fixture
def imagenet_suite(tmp_path: Path) -> Path:
    path = tmp_path / "imagenet.toml"
    path.write_text('[data]\nimage_size = 32\n[[matrix]]\nbackbone = "VGG16"\nepochs = 1\n')
    return path


def test_weights_that_cannot_be_had(inside: InProcess, imagenet_suite: Path, tmp_path: Path):
    keras = {"KERAS_HOME": str(tmp_path / "keras")}
    plan = inside("plan", imagenet_suite, **keras)
    assert plan.returncode == 2, "as run"
    assert "its weights are not here" in " ".join(plan.stdout.split()), "in the row of the trial"
    run = inside("run", imagenet_suite, **keras)
    assert run.returncode == 2
    assert run.stderr and run.stderr in plan.stderr, "the same lines"
    assert "VGG16.weights.h5" in run.stderr and "--weights DIR" in run.stderr
    document = json.loads(inside("plan", imagenet_suite, "--json", **keras).stdout)
    assert "VGG16.weights.h5" in document["errors"][0]
    assert not inside.results.exists()


def test_a_wrong_backbone_names_its_line(inside: InProcess, tmp_path: Path):
    path = tmp_path / "suite.toml"
    path.write_text('[[matrix]]\nmode = "scratch"\nbackbone = "DenseNet1211"\n')
    message = fails(inside, "run", path)
    assert "line 3" in message
    assert "did you mean DenseNet121?" in message


def test_missing_bccd_folder(inside: InProcess, tmp_path: Path):
    path = tmp_path / "suite.toml"
    path.write_text('[data]\nsource = "bccd"\n[[matrix]]\nmode = "scratch"\nbackbone = "LeNet5"\n')
    assert str(tmp_path / "nowhere") in fails(inside, "run", path, "--data", tmp_path / "nowhere")


def test_an_option_that_is_none(bench: Bench, tmp_path: Path):
    assert "--frehs" in fails(bench, "run", tiny_suite(tmp_path), "--frehs")


def test_no_trial_matches(inside: InProcess, tmp_path: Path):
    assert "no trial matches" in fails(inside, "run", tiny_suite(tmp_path), "--only", "vgg*")
