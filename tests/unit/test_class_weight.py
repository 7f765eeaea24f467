"""How much images of each class count in training."""

from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image
from training_equipment import Notes, draw_noisy_images

from bench.suite.file import load_suite
from bench.suite.resolve import resolve_suite
from bench.trials.settings import Runtime
from wbc import experiment
from wbc.errors import InputError
from wbc.optimizer import OptimizerSpecification
from wbc.specification import Specification
from wbc.training.batches import class_weights, training_batches

UNEVEN = np.eye(3, dtype=np.float32)[[0, 0, 0, 1]]
CLASSES = ("a", "b", "c")


def test_balanced_classes_weigh_the_same_and_an_image_weighs_one_on_average():
    weights = class_weights("balanced", UNEVEN, CLASSES)
    of_images = UNEVEN @ weights
    assert of_images.mean() == pytest.approx(1)
    assert of_images[:3].sum() == pytest.approx(of_images[3])
    assert weights[2] == 1, "a class without training images"
    assert class_weights("balanced", np.eye(3, dtype=np.float32), CLASSES) == pytest.approx(np.ones(3))


def test_a_table_names_classes():
    assert class_weights({"b": 2.5}, UNEVEN, CLASSES) == pytest.approx([1, 2.5, 1])
    with pytest.raises(InputError, match="'d', but the classes are a, b, c"):
        class_weights({"d": 2.0}, UNEVEN, CLASSES)


@pytest.mark.parametrize(("replicas", "fill"), [(1, False), (2, False), (1, True)])
def test_batches_carry_the_weights_and_padding_weighs_nothing(replicas, fill):
    weights = np.array([1, 4, 1], np.float32)
    made = training_batches(UNEVEN, UNEVEN, 3, 0, lambda batch: batch, 0, replicas, None, fill, weights)
    first, last = next(made), next(made)
    for _, targets, given in (first, last):
        share = given / (targets @ weights)
        assert share.sum() == pytest.approx(len(share))
    assert len(last[0]) == (3 if fill else 2 if replicas == 2 else 1)
    assert len(next(training_batches(UNEVEN, UNEVEN, 3, 0, lambda batch: batch))) == 2


def test_a_class_that_weighs_all_is_what_the_network_learns(tmp_path):
    notes = Notes()
    specification = Specification(
        draw_noisy_images(tmp_path),
        tmp_path / "manifest.json",
        32,
        "LeNet5",
        "scratch",
        epochs=4,
        batch_size=4,
        optimizer=OptimizerSpecification("Adam", 3e-3, 0.0),
        class_weight={"b": 1e4},
    )
    experiment.run(specification, notes)
    assert (notes.probabilities.argmax(axis=1) == 1).all()


def resolved(folder, line: str):
    path = folder / "suite.toml"
    path.write_text(f'[training]\nmode = "scratch"\n{line}\n[[matrix]]\nbackbone = "LeNet5"\n')
    runtime = Runtime(wbc="0123", tensorflow="2", keras="3", device="one processor")
    return resolve_suite(path, folder / "cache", runtime=runtime).trials


def test_classes_are_named_in_either_unicode_form(tmp_path):
    for split in ("train", "validation", "test"):
        for name in ("rot", "grün"):
            (tmp_path / "set" / split / normalize("NFC", name)).mkdir(parents=True)
            Image.new("RGB", (8, 8), (len(split), len(name), 9)).save(
                tmp_path / "set" / split / normalize("NFC", name) / f"{split}.png"
            )
    apart = normalize("NFD", "grün")
    data = f'[data]\npath = "{tmp_path / "set"}"\ngroups = {{ one = ["rot"], two = ["{apart}"] }}\n'
    (trial,) = resolved(tmp_path, f"class_weight = {{ two = 2 }}\n{data}")
    assert trial.settings.data.groups == {"one": ("rot",), "two": ("grün",)}
    (trial,) = resolved(
        tmp_path, f'class_weight = {{ "{apart}" = 2 }}\n[data]\npath = "{tmp_path / "set"}"\n'
    )
    assert trial.settings.class_weight == {"grün": 2.0}


def test_a_suite_without_it_makes_the_trials_that_it_made(tmp_path):
    (plain,), (off,) = resolved(tmp_path, ""), resolved(tmp_path, "class_weight = false")
    assert plain == off and "class_weight" not in plain.settings.flat()
    swept = resolved(tmp_path, 'class_weight = ["Balanced", false, { EOSINOPHIL = 2 }]')
    assert [trial.settings.class_weight for trial in swept] == ["balanced", None, {"EOSINOPHIL": 2.0}]
    assert len({trial.key for trial in swept}) == 3 and plain in swept
    assert "-balanced-" in swept[0].id and "-weighted-classes-" in swept[2].id


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('class_weight = "even"', "'even' is not \"balanced\", false or a table"),
        (
            "class_weight = { EOSINOFIL = 2 }",
            r"line 3: training.class_weight: class_weight names 'EOSINOFIL', but the classes are EOSINOPHIL, .*\n"
            "Did you mean EOSINOPHIL?",
        ),
        ("class_weight = { a = -1 }", "the weight of a is -1, not a number above 0"),
        ('optimizer = { name = "Adam", learning_rate = "seek" }', "is neither a learning rate above 0 nor"),
        ('[[matrix]]\nmode = "finetune"\nfinetune_optimizer = { lr = "search" }\n', "first stage only"),
    ],
)
def test_wrong_values_are_refused(tmp_path, line, said):
    if "finetune" in line:
        (tmp_path / "x.h5").write_bytes(b"")
        line += f'backbone = "VGG16"\nweights = "{tmp_path / "x.h5"}"'
    with pytest.raises(InputError, match=said):
        resolved(tmp_path, line)


def test_a_rate_that_is_searched_is_in_id_and_settings(tmp_path):
    (trial,) = resolved(tmp_path, 'optimizer = { name = "adam", lr = "search" }')
    assert trial.settings.optimizer.learning_rate == "search" and "-adam-search-" in trial.id
    assert load_suite(tmp_path / "suite.toml")[0].training.optimizer[0].learning_rate == "search"
