"""What an experiment is unless something else is said, how it is read again, and what only TensorFlow can do."""

import hashlib
import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import pytest

from wbc.errors import InputError
from wbc.optimizer import OptimizerSpecification
from wbc.specification import (
    Augmentation,
    Checkpointing,
    EarlyStopping,
    Explaining,
    Exporting,
    FeatureCache,
    FittedClassifier,
    Profiling,
    Specification,
    WeightsSource,
    picture_of,
)

USUAL = {
    **{"data_folder": Path("data"), "manifest": Path("m.json"), "image_size": 32, "network": "LeNet5"},
    **{"mode": "scratch", "epochs": 0, "preprocessing": "network", "options": {}, "weights": None},
    **{"batch_size": 16, "seed": 0, "loss": "categorical_crossentropy", "binary_accuracy": False},
    **{"evaluation": "aligned", "l1": 0.0, "l2": 0.0, "dropout": 0.5, "class_weight": None},
    **{
        "classifier": None,
        "early_stopping": None,
        "augmentation": None,
        "head_epochs": 10,
        "unfreeze": "all",
    },
    **{"freeze_batch_norm": True, "finetune_optimizer": None, "deterministic": False, "jit_compile": "auto"},
    **{"precision": "float32", "steps_per_execution": 1, "loop": "fit", "replicas": 1},
    **{"backend": "tensorflow", "checkpoint": None, "save_model": False, "reference_work": False},
    **{
        "external_folder": None,
        "external_manifest": None,
        "latency": False,
        "targets": None,
        "explain": None,
    },
    **{"export": None, "profile": None, "feature_cache": None},
}


def test_what_is_usual():
    module = import_module("wbc.specification")
    made = asdict(module.Specification(Path("data"), Path("m.json"), 32, "LeNet5", "scratch"))
    assert made.pop("optimizer") == asdict(OptimizerSpecification())
    assert made == USUAL
    assert asdict(module.EarlyStopping()) == {
        "patience": 10,
        "monitor": "validation_loss",
        "restore_best": True,
    }
    nothing = dict.fromkeys(["rotation", "shift", "zoom", "brightness", "contrast", "saturation"], 0.0)
    assert asdict(module.Augmentation()) == nothing | {"flip_horizontal": False, "flip_vertical": False}
    assert asdict(module.USUAL_AUGMENTATION) == {
        **{"rotation": 20.0, "shift": 0.1, "zoom": 0.0, "flip_horizontal": True, "flip_vertical": True},
        **{"brightness": 0.08, "contrast": 0.12, "saturation": 0.15},
    }
    assert asdict(module.WeightsSource("random")) == {
        **{"kind": "random", "path": None, "url": None, "sha256": None, "searched": ()},
    }
    assert asdict(module.FittedClassifier()) == {"name": "SVM", "options": {}}
    assert asdict(module.Checkpointing(Path("c"))) == {
        **{"folder": Path("c"), "every_epochs": None, "every_s": None, "at_end": False, "tag": ""},
    }
    assert asdict(module.FeatureCache(Path("c"), 9)) == {
        **{
            "folder": Path("c"),
            "limit_bytes": 9,
            "tag": "",
            "made_on": {},
            "features": True,
            "pixels": False,
        },
    }


def test_the_words_that_a_suite_may_use():
    module = import_module("wbc.specification")
    assert module.MODES == ("transfer", "scratch", "finetune", "features", "classical")
    found = [sorted(one) for one in (module.PRETRAINED_MODES, module.KERAS_FREE_MODES, module.FITTED_MODES)]
    assert found == [["features", "finetune", "transfer"], ["classical"], ["classical", "features"]]
    assert (module.LOOPS, module.BEST) == (("fit", "compiled"), "best")
    assert module.PRECISIONS == ("float32", "mixed_float16", "mixed_bfloat16")
    assert module.MONITORS == ("validation_loss", "validation_accuracy", "loss", "accuracy")
    assert (module.EXPLANATIONS, module.FORMATS) == (("grad-cam", "filters"), ("onnx", "litert-int8"))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {
            **{"external_folder": Path("e"), "external_manifest": Path("e.json")},
            **{"weights": WeightsSource("file", Path("a/net.h5")), "targets": [0.5]},
            **{
                "optimizer": OptimizerSpecification("Adam", 0.1),
                "finetune_optimizer": OptimizerSpecification("SGD"),
            },
            **{"classifier": FittedClassifier("MLP", {"hidden": 3}), "early_stopping": EarlyStopping(3)},
            **{"augmentation": Augmentation(zoom=0.5), "checkpoint": Checkpointing(Path("c"), 2, tag="t")},
            **{
                "feature_cache": FeatureCache(Path("f"), 7, made_on={"a": 1}),
                "profile": Profiling(Path("p"), 3),
            },
            **{"explain": Explaining(Path("x"), ["filters"]), "export": Exporting(Path("o"), ["onnx"])},
        },
    ],
)
def test_an_experiment_is_read_as_it_was_written(more):
    whole = Specification(Path("data"), Path("m.json"), 32, "LeNet5", "scratch", **more)
    content = json.loads(json.dumps(asdict(whole), default=str))
    assert Specification.from_json(content) == whole
    with pytest.raises(TypeError, match="unknown"):
        Specification.from_json({**content, "unknown": 1})


def test_the_second_optimizer_is_its_own_or_a_tenth_of_the_first():
    own = OptimizerSpecification("SGD", 0.5)
    both = {"optimizer": OptimizerSpecification("Adam", 0.25)}
    made = Specification(Path(), Path(), 32, "VGG16", "finetune", **both)
    assert made.second_optimizer == OptimizerSpecification("Adam", 0.025)
    assert (
        Specification(
            Path(), Path(), 32, "VGG16", "finetune", finetune_optimizer=own, **both
        ).second_optimizer
        is own
    )


@pytest.mark.parametrize(("mode", "uses"), [("scratch", True), ("features", True), ("classical", False)])
def test_which_modes_need_keras(mode, uses):
    assert Specification(Path(), Path(), 32, "SVM", mode).uses_keras is uses


def test_what_another_backend_lacks_is_refused_with_a_way_out():
    Specification(Path(), Path(), 32, "LeNet5", "scratch", backend="jax").check_backend()
    Specification(Path(), Path(), 32, "LeNet5", "scratch", replicas=2).check_backend()
    asked = Specification(Path(), Path(), 32, "LeNet5", "scratch", backend="jax", replicas=2)
    with pytest.raises(InputError) as caught:
        asked.check_backend()
    assert caught.value.what.startswith("replicas = 2 is not supported by backend = 'jax': ")
    assert caught.value.way_out == 'Remove replicas, or set backend = "tensorflow".'


def test_pictures_of_files_of_one_name_have_different_names():
    assert picture_of("test/a/1.png") == hashlib.sha256(b"test/a/1.png").hexdigest()[:16] + ".png"
