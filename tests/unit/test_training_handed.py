"""What the modes of training hand to their parts, and what a stage takes from a checkpoint; nothing is trained."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from training_equipment import Notes, small_training

from wbc.data.loading import Split
from wbc.optimizer import OptimizerSpecification
from wbc.specification import EarlyStopping, Explaining, Exporting
from wbc.training import finetune, fitting, transfer
from wbc.training.fitting import Fitting, Stage
from wbc.training.session import Distribution

PLAIN = small_training(Path())
STOPPING = EarlyStopping(patience=2)
SECOND = OptimizerSpecification("SGD", 0.5, 0.0)


class Parts:
    """Remembers what its parts are asked, in order."""

    def __init__(self):
        self.asked: list[tuple] = []

    def __getitem__(self, name: str):
        return lambda *given, **more: self.asked.append((name, *given, *more.items())) or f"a {name}"


@pytest.fixture
def parts() -> Parts:
    return Parts()


def test_a_single_stage_has_all_that_the_experiment_says(parts: Parts, monkeypatch):
    def made(*given):
        parts.asked.append(("Fitting", *given))
        return SimpleNamespace(
            footprint="memory", **{name: parts[name] for name in ("search", "begin", "train", "end")}
        )

    monkeypatch.setattr(fitting, "Fitting", made)
    asked = replace(PLAIN, epochs=7, early_stopping=STOPPING)
    splits = {"train": range(11)}
    assert fitting.fit("model", splits, asked, "prepare", "observer", "devices", "beside") == "memory"
    stage = Stage(0, 7, PLAIN.optimizer, 0, STOPPING)
    assert parts.asked == [
        ("Fitting", asked, "devices", 11, 7, "observer", "beside"),
        ("search", stage, "model", splits, "prepare"),
        ("begin",),
        ("train", stage, "model", splits, "prepare"),
        ("end",),
    ]


def progress(epoch: int, finished: bool = False) -> SimpleNamespace:
    return SimpleNamespace(epoch=epoch, finished=finished)


@pytest.mark.parametrize(
    ("before", "done"),
    [(None, 3), (progress(5), 5), (progress(7), 7), (progress(8), None), (progress(5, True), None)],
)
def test_a_stage_goes_on_from_its_checkpoint_unless_that_is_its_end(
    parts: Parts, monkeypatch, before, done: int | None
):
    """Epochs 4 to 8, 11 images in batches of 16, beside a backbone; a search found the rate 0.25."""
    asked = replace(PLAIN, batch_size=16)
    made = Fitting(asked, Distribution(), 11, 8, Notes(), "backbone")
    stopping = SimpleNamespace(restore_best=parts["restore_best"])
    monkeypatch.setattr(
        fitting, "EarlyStoppingCallback", lambda settings: stopping if settings is STOPPING else None
    )
    monkeypatch.setattr(
        fitting,
        "Footprint",
        lambda *given: (
            parts.asked.append(("Footprint", *given)) or SimpleNamespace(callback=lambda: "memory")
        ),
    )
    writing = SimpleNamespace(seconds=2.0, cpu_s=0.5)
    made.checkpoints = SimpleNamespace(
        restore=lambda *given: parts["restore"](*given) and before,
        callback=lambda *given: parts["writing"](*given) and writing,
    )
    made.reporting = SimpleNamespace(begin_stage=parts["begin_stage"], end_stage=parts["end_stage"])
    made._compile, made._fit = parts["compile"], parts["fit"]
    made.learning_rate, made.checkpoint_s, made.checkpoint_cpu_s = 0.25, 1.0, 0.25
    stage = Stage(3, 8, SECOND, 1, STOPPING)
    splits = {"train": range(11)}
    made.train(stage, "model", splits, "prepare")
    begun = [("begin_stage", 1), ("compile", "model", stage, 1), ("restore", "model", 1, [stopping])]
    trained = [
        ("writing", 1, [stopping], 0.25),
        ("Footprint", "model", 11, 1, "backbone"),
        ("fit", "model", splits, "prepare", done, 8, [made.reporting, "memory", stopping, writing]),
        ("end_stage",),
    ]
    assert parts.asked == [
        *begun,
        *([] if done is None else trained),
        ("restore_best", "model"),
    ]
    assert (made.checkpoint_s, made.checkpoint_cpu_s) == ((1.0, 0.25) if done is None else (3.0, 0.75))
    assert (made.footprint is None) is (done is None)


def two_splits() -> dict[str, Split]:
    """Eleven images of three classes to train on, and two to validate with."""
    labels = np.arange(11) % 3
    train = Split(np.arange(11.0)[:, None], labels, [], ("a", "b", "c"))
    return {"train": train, "validation": Split(np.zeros((2, 1)), labels[:2], [], ("a", "b", "c"))}


@pytest.mark.parametrize(("asked", "jit"), [(None, True), (True, True), (False, False)])
def test_the_compiled_loop_goes_on_after_the_epochs_that_are_done(parts: Parts, monkeypatch, asked, jit):
    made = Fitting(
        replace(PLAIN, loop="compiled", seed=5, jit_compile=asked, class_weight={"b": 2.0}),
        *(Distribution(), 11, 8, Notes()),
    )
    given = {}

    def loop(model, arrays, validation, batch_size, seed, jit):
        given.update(arrays=arrays, validation=validation, rest=(model, batch_size, seed, jit))
        return SimpleNamespace(jit="on", evaluate=parts["evaluate"], fit=parts["fit"])

    monkeypatch.setattr(fitting, "CompiledEpochs", loop)
    monkeypatch.setattr(fitting, "_dispatch_figures", lambda model, callbacks: {"callbacks": callbacks})
    splits = two_splits()
    made._fit("model", splits, None, 5, 8, ["writing"])
    assert parts.asked == [("evaluate",), ("fit", 5, 8, 3, ["writing"])]
    assert given["rest"] == ("model", 4, 5, jit)
    inputs, targets, weights = given["arrays"]
    assert inputs is splits["train"].inputs and (targets == splits["train"].targets).all()
    assert weights.tolist() == [1, 2, 1] * 3 + [1, 2]
    assert given["validation"][0] is splits["validation"].inputs
    assert made.reporting.compile_figures == {
        **{"callbacks": ["writing"], "jit_compile": "on", "steps_per_execution": 3}
    }


def test_fit_goes_on_after_the_epochs_that_are_done(parts: Parts, monkeypatch):
    made = Fitting(PLAIN, Distribution(), 11, 8, Notes())
    monkeypatch.setattr(fitting, "_dispatch_figures", lambda model, callbacks: {})
    made._batches = lambda *given: parts["batches"](*given) and (lambda: iter(["a batch"]))
    made.distribution = SimpleNamespace(replicas=1, feed=lambda batches: list(batches()))
    made._time_steps = lambda *given: parts["time"](*given) and SimpleNamespace(watch=lambda batches: batches)
    model = SimpleNamespace(jit_compile=False, evaluate=lambda *given, **more: None, fit=parts["fit"])
    splits = two_splits()
    made._fit(model, splits, lambda batch: batch, 5, 8, ["writing"])
    timed, batches, (name, fed, *more) = parts.asked
    assert timed == ("time", 3, 3) and batches[1:3] == (model, splits["train"]) and batches[-1] == 5
    told = dict(more)
    assert (name, fed, told["steps_per_epoch"], told["initial_epoch"], told["epochs"]) == (
        *("fit", ["a batch"], 3, 5, 8),
    )
    assert told["callbacks"] == ["writing"] and len(told["validation_data"].inputs) == 2


BACKBONE = {"output_shape": (None, 2, 2, 3), "input_shape": (None, 32, 32, 3)}


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({}, False),
        ({"reference_work": True}, False),
        ({"save_model": True}, True),
        ({"latency": True}, True),
        ({"explain": Explaining(Path("x"), ("grad-cam",))}, True),
        ({"export": Exporting(Path("x"), ("onnx",))}, True),
    ],
)
def test_transfer_keeps_the_backbone_where_pixels_come_again(parts: Parts, monkeypatch, more, kept: bool):
    backbone = SimpleNamespace(trainable=True, **BACKBONE)
    split = SimpleNamespace(classes=("a", "b", "c"))
    splits = {"train": split, "test": split}
    monkeypatch.setattr(transfer, "open_session", lambda asked: SimpleNamespace(building=nullcontext))
    monkeypatch.setattr(
        transfer, "build_backbone", lambda *given: parts["build_backbone"](*given) and backbone
    )
    monkeypatch.setattr(transfer, "size_figures", lambda head, frozen: {"of": (head, frozen)})
    monkeypatch.setattr(transfer, "extract_features", lambda *given: ("features", "cost"))
    for name in ("build_head", "penalize_kernels", "fit", "Classifier", "examples_of", "preprocessing_of"):
        monkeypatch.setattr(transfer, name, parts[name])
    asked = replace(
        PLAIN, mode="transfer", options={"alpha": 0.5}, weights="weights", dropout=0.125, batch_size=9, **more
    )
    observer = Notes()
    assert transfer.train(asked, splits, observer) == "a Classifier"
    assert backbone.trainable is False and splits == {}
    assert observer.phases["build"] == {"of": ("a build_head", backbone)}
    by_name = {name: given for name, *given in parts.asked}
    assert by_name["build_backbone"] == ["LeNet5", {"alpha": 0.5}, 32, "weights"]
    assert by_name["build_head"] == [(2, 2, 3), 3, 0.125]
    assert by_name["penalize_kernels"] == ["a build_head", asked]
    head, features, given, prepare, told, _, beside = by_name["fit"]
    assert (head, features, given, prepare, told, beside) == (
        *("a build_head", "features", asked, transfer.as_is, observer),
        ("beside", backbone),
    )
    *given, extractor, scale, examples = by_name["Classifier"]
    assert given[:4] == ["a build_head", "features", 9, transfer.as_is] and given[5:] == ["cost", "a fit"]
    assert extractor == ("extractor", backbone if kept else None)
    assert (scale, examples) == (("scale", "a preprocessing_of"), ("examples", "a examples_of"))


@pytest.mark.parametrize(("head_epochs", "resumed_in", "heads"), [(2, 0, 1), (2, 1, 0), (0, 0, 0)])
def test_fine_tuning_trains_the_head_first_unless_it_has_no_epochs_or_is_trained(
    parts: Parts, monkeypatch, head_epochs: int, resumed_in: int, heads: int
):
    backbone = type(
        "Backbone", (), {**BACKBONE, "__call__": lambda self, inputs: inputs, "trainable": True}
    )()
    made = SimpleNamespace(checkpoints=SimpleNamespace(stage=resumed_in), footprint="memory")
    for name in ("search", "begin", "train", "end"):
        setattr(made, name, parts[name])

    def whole(inputs, outputs, name):
        return name

    monkeypatch.setattr(finetune, "keras", SimpleNamespace(Input=lambda shape: shape, Model=whole))
    monkeypatch.setattr(finetune, "open_session", lambda asked: SimpleNamespace(building=nullcontext))
    monkeypatch.setattr(finetune, "build_backbone", lambda *given: backbone)
    monkeypatch.setattr(finetune, "build_head", lambda *given: parts["build_head"](*given) and (lambda x: x))
    monkeypatch.setattr(finetune, "size_figures", lambda model: {})
    monkeypatch.setattr(finetune, "preprocessing_of", lambda asked: "prepare")
    monkeypatch.setattr(finetune, "Fitting", lambda *given: parts["Fitting"](*given) and made)
    monkeypatch.setattr(finetune, "_train_head", lambda *given: parts["head"](given[0].trainable))
    for name in ("unfreeze", "penalize_kernels"):
        monkeypatch.setattr(finetune, name, parts[name])
    monkeypatch.setattr(finetune, "Classifier", SimpleNamespace(of_pixels=parts["Classifier"]))
    asked = replace(
        PLAIN,
        **{"mode": "finetune", "epochs": 5, "head_epochs": head_epochs},
        **{"unfreeze": 4, "freeze_batch_norm": True, "early_stopping": STOPPING},
    )
    split = SimpleNamespace(classes=("a", "b", "c"), __len__=lambda: 11)
    splits = {"train": type("Split", (), {"classes": "abc", "__len__": lambda self: 11})(), "test": split}
    observer = Notes()
    assert finetune.train(asked, splits, observer) == "a Classifier"
    unfrozen, penalty = ("unfreeze", backbone, 4, True), ("penalize_kernels", "finetuned", asked)
    alone = [
        penalty,
        ("search", Stage(0, 0, PLAIN.optimizer), "finetuned", splits, "prepare"),
        ("begin",),
    ]
    first, second, (_, own, devices, *fitted), *middle, trained, end, classifier = parts.asked
    assert first == ("build_head", (2, 2, 3), 3, 0.5) and second == unfrozen
    assert [own, *fitted] == [asked, 11, head_epochs + 5, observer]
    assert middle == ([("head", False), unfrozen, penalty] if heads else alone)
    assert asked.second_optimizer != asked.optimizer
    stage = Stage(head_epochs, head_epochs + 5, asked.second_optimizer, 1, STOPPING)
    assert trained == ("train", stage, "finetuned", splits, "prepare") and end == ("end",)
    assert classifier == ("Classifier", "finetuned", splits, asked, devices, "memory")


@pytest.mark.parametrize(
    ("replicas", "fills", "metrics"),
    [
        (1, False, ["metrics"]),
        (1, True, ["metrics", "weighted_metrics"]),
        (2, False, ["weighted_metrics"]),
        (2, True, ["weighted_metrics"]),
    ],
)
def test_where_batches_are_padded_metrics_know_which_images_count(monkeypatch, replicas, fills, metrics):
    compiled, built = [], []
    model = SimpleNamespace(
        compile=lambda **how: compiled.append(how), trainable_variables="variables", optimizer=None
    )
    model.optimizer = SimpleNamespace(build=built.append)
    monkeypatch.setattr(fitting, "compiles_shapes", lambda of: fills and bool(compiled))
    monkeypatch.setattr(fitting, "build_optimizer", lambda optimizer: ("built", optimizer))
    monkeypatch.setattr(fitting, "_metrics", lambda specification: ["accuracy"])
    monkeypatch.setattr(fitting, "_dispatch_figures", lambda of, callbacks: (of, callbacks))
    of = SimpleNamespace(
        specification=replace(PLAIN, loss="a loss", jit_compile=fills),
        distribution=SimpleNamespace(replicas=replicas),
        reporting=SimpleNamespace(),
        _with_rate=lambda stage: stage.optimizer,
    )
    Fitting._compile(of, model, Stage(0, 1, SECOND), 3)
    usual = {"optimizer": ("built", SECOND), "loss": "a loss", "jit_compile": fills, "steps_per_execution": 3}
    assert compiled == [{**usual, name: ["accuracy"]} for name in metrics]
    assert built == ["variables"] and of.reporting.compile_figures == (model, [of.reporting])
