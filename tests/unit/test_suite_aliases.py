"""A suite as people type it: other names are taken, and what is wrong is named before what follows from it."""

from pathlib import Path

import pytest

from bench.suite.aliases import KEYS, OF_THESIS, WORDS, plain
from bench.suite.file import line_of, load_suite
from bench.suite.matrix import expand
from bench.suite.schema import (
    AugmentationTable,
    EarlyStoppingTable,
    MatrixBlock,
    Optimizer,
    SuiteFile,
    SuiteTable,
    ThesisTable,
)
from wbc.errors import InputError

TYPED = """\
[training]
seed = 3
backend = "pytorch"
mode = "fine-tuning"
optimizer = { name = "adam", lr = 1e-3, beta1 = 0.8 }
early_stopping = { monitor = "val_loss", restore_best_weights = false, patience = 2 }
augmentation = { horizontal_flip = true, rotation_range = 10, width_shift_range = 0.1, height_shift_range = 0.1 }
batch-size = 8

[[matrix]]
model = "VGG16"
Epochs = 4
"""

CANONICAL = """\
[suite]
seeds = [3]
[training]
backend = "torch"
mode = "finetune"
optimizer = { name = "Adam", learning_rate = 1e-3, beta_1 = 0.8 }
early_stopping = { monitor = "validation_loss", restore_best = false, patience = 2 }
augmentation = { flip_horizontal = true, rotation = 10, shift = 0.1 }
batch_size = 8

[[matrix]]
backbone = "VGG16"
epochs = 4
"""


def loaded(folder: Path, text: str) -> SuiteFile:
    path = folder / "suite.toml"
    path.write_text(text)
    return load_suite(path)[0]


def refused(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as error:
        loaded(folder, text)
    return f"{error.value.what} | {error.value.way_out}"


def test_names_of_keras_are_those_of_the_schema(tmp_path):
    assert loaded(tmp_path, TYPED) == loaded(tmp_path, CANONICAL)


def test_every_alias_leads_to_a_key_and_hides_none():
    tables = (SuiteTable, MatrixBlock, Optimizer, EarlyStoppingTable, AugmentationTable)
    known = {key for table in tables for key in table.model_fields} | {"path"}
    assert set(KEYS.values()) <= known
    assert not KEYS.keys() & known
    assert all(plain(word) == word for word in WORDS)
    assert set(OF_THESIS) == set(ThesisTable.model_fields)


def test_two_names_of_one_key_must_agree(tmp_path):
    block = '[[matrix]]\nbackbone = "VGG16"\n'
    text = f'[training]\noptimizer = {{ name = "Adam", lr = 1e-3, learning_rate = 1e-4 }}\n{block}'
    assert "lr and learning_rate are the same setting" in refused(tmp_path, text)
    assert loaded(tmp_path, text.replace("1e-4", "1e-3")).training.optimizer[0].learning_rate == 1e-3


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('[training]\nclock = "wall"\n[thesis]\nclock = "process"\n', "clock"),
        ("[training]\nseed = 1\n[suite]\nseed = 2\n", "seed"),
        ('[[matrix]]\nbackbone = "VGG16"\nclock = "wall"\nthesis = { clock = "process" }\n', "clock"),
    ],
)
def test_a_key_at_two_places_must_agree(tmp_path, text, name):
    block = '[[matrix]]\nbackbone = "VGG16"\n'
    assert f"{name} stands in two tables" in refused(tmp_path, text + block)


def test_what_is_no_table_of_the_thesis_is_said(tmp_path):
    assert "thesis" in refused(tmp_path, '[[matrix]]\nbackbone = "VGG16"\nclock = "wall"\nthesis = 3\n')


def test_decay_is_not_guessed(tmp_path):
    said = refused(
        tmp_path, 'matrix = [{ backbone = "VGG16", optimizer = { name = "AdamW", decay = 1e-4 } }]\n'
    )
    assert "decay may mean two things" in said
    assert "learning_rate_decay" in said and "weight_decay" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[[matrix]]\nbackbon = "VGG16"\n',
            "matrix[1].backbon: there is no such key | Did you mean backbone?",
        ),
        ('[[matrices]]\nbackbone = "VGG16"\n', "matrices: there is no such key | Did you mean matrix?"),
        ('[[matrix]]\nmodels = "VGG16"\n', "matrix[1].models: there is no such key | Did you mean backbone?"),
        ('[training]\nlr = 1e-3\n[[matrix]]\nbackbone = "VGG16"\n', "belongs in the optimizer"),
        ('[suite]\nepochs = 3\n[[matrix]]\nbackbone = "VGG16"\n', "epochs belongs in [training]."),
        ('[data]\nseed = 3\n[[matrix]]\nbackbone = "VGG16"\n', "seeds belongs in [suite]."),
        (
            '[evaluation]\naccuracy = true\n[[matrix]]\nbackbone = "VGG16"\n',
            "evaluation: there is no such table | Known here: ",
        ),
        (
            '[training]\nearly_stopping = { restore_best_weight = true }\n[[matrix]]\nbackbone = "VGG16"\n',
            "Did you mean restore_best?",
        ),
    ],
)
def test_an_unknown_key_is_reported_before_what_it_makes_missing(tmp_path, text, said):
    assert said in refused(tmp_path, text)


def test_settings_of_the_thesis_have_a_table_and_are_found_where_they_were(tmp_path):
    block = '[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\n'
    new = loaded(tmp_path, f'[thesis]\nprotocol = ["corrected", "thesis-2018"]\nclock = "wall"\n{block}')
    old = loaded(tmp_path, f'[training]\nprotocol = ["corrected", "thesis-2018"]\nclock = "wall"\n{block}')
    assert new == old
    table = loaded(tmp_path, f'{block}[matrix.thesis]\nprotocol = "thesis-2018"\n')
    inline = loaded(tmp_path, f'{block}thesis = {{ protocol = "thesis-2018" }}\n')
    before = loaded(tmp_path, f'{block}protocol = "thesis-2018"\n')
    assert table == inline == before
    (combination,) = expand(*load_suite(tmp_path / "suite.toml"))
    assert (combination.protocol, combination.clock, combination.loss) == (
        "thesis-2018",
        "process",
        "binary_crossentropy",
    )


def test_messages_name_the_line_of_a_key_under_another_name(tmp_path):
    assert line_of(TYPED, ("training", "optimizer")) == 5
    assert line_of(TYPED, ("matrix", 0, "backbone")) == 11
    assert line_of(TYPED, ("matrix", 0, "epochs")) == 12
    assert (
        line_of('[[matrix]]\nbackbone = "A"\n[matrix.thesis]\nclock = 3\n', ("matrix", 0, "thesis", "clock"))
        == 4
    )
    assert line_of("[training]\nclock = 3\n", ("thesis", "clock")) == 2
    assert "line 2: thesis.clock" in refused(
        tmp_path, '[training]\nclock = "sun"\n[[matrix]]\nbackbone = "VGG16"\n'
    )


def test_other_names_of_keys_and_words():
    """Those of Keras, PyTorch and the habits of people."""
    assert KEYS == {
        **{
            "seed": "seeds",
            "lr": "learning_rate",
            "beta1": "beta_1",
            "beta2": "beta_2",
            "class_name": "name",
        },
        **{"restore_best_weights": "restore_best", "horizontal_flip": "flip_horizontal"},
        **{"vertical_flip": "flip_vertical", "rotation_range": "rotation", "width_shift_range": "shift"},
        **{"height_shift_range": "shift", "zoom_range": "zoom", "data_augmentation": "augmentation"},
        **{"class_weights": "class_weight", "dropout_rate": "dropout", "img_size": "image_size"},
        **{"directory": "path", "model": "backbone"},
    }
    assert WORDS == {
        **{
            "valloss": "validation_loss",
            "valaccuracy": "validation_accuracy",
            "valacc": "validation_accuracy",
        },
        **{"acc": "accuracy", "pytorch": "torch", "tf": "tensorflow", "finetuning": "finetune"},
        **{"transferlearning": "transfer", "fromscratch": "scratch"},
    }
