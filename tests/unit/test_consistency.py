from pathlib import Path

import pytest

from bench.suite.resolve import resolve_suite
from bench.trials.settings import Runtime
from wbc.errors import InputError
from wbc.specification import USUAL_AUGMENTATION, EarlyStopping, Specification

SMALL = "[data]\nimage_size = 32\ntrain_images_per_class = 2\n"


@pytest.fixture
def resolve(tmp_path, monkeypatch):
    """From the text of a suite to what it resolves to; beside it lie weights of LeNet5."""
    import h5py

    monkeypatch.chdir(tmp_path)
    with h5py.File("lenet.weights.h5", "w") as file:
        file["data"] = [1.0]

    def resolved(text: str):
        Path("suite.toml").write_text(text)
        runtime = Runtime(wbc="w", tensorflow="2.21.0", keras="3.15.1", device="cpu")
        return resolve_suite(Path("suite.toml"), tmp_path / "cache", runtime=runtime)

    return resolved


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[training]\nweights = "random"\n[[matrix]]\nbackbone = "LeNet5"\nmode = "finetune"\n',
            ["line 5: training.weights", "starts from pretrained weights, but these are random"],
        ),
        (
            '[[matrix]]\nbackbone = "LeNet5"\nmode = "finetune"\nweights = "random"\n',
            ["line 7: matrix[1].weights", "starts from pretrained weights, but these are random"],
        ),
        (
            '[[matrix]]\nbackbone = "LeNet5"\nweights = "random"\naugmentation = true\n',
            ["line 7: matrix[1].augmentation", "once"],
        ),
        (
            '[training]\ndropout = 0.2\n[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\n',
            ["line 5: training.dropout", "no meaning", 'mode = "transfer" or "finetune"'],
        ),
        (
            '[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\nunfreeze = 2\n',
            ["line 7: matrix[1].unfreeze", "no meaning"],
        ),
        (
            '[[matrix]]\nbackbone = "SVM"\nmode = "classical"\nl2 = 0.1\n',
            ["line 7: matrix[1].l2", "no meaning", '"classical"'],
        ),
        (
            '[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\nearly_stopping = { patience = 0 }\n',
            ["line 7: matrix[1].early_stopping", "patience"],
        ),
        ('[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\naugmentation = { turn = 3 }\n', ["turn"]),
        ('[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\ndropout = 1.0\n', ["dropout"]),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place_and_the_reason(resolve, text, said):
    with pytest.raises(InputError) as error:
        resolve(SMALL + text)
    for part in said:
        assert part in str(error.value)


def test_settings_reach_the_trials_that_they_mean_something_to(resolve):
    text = SMALL + (
        "[training]\nepochs = 3\ndropout = [0.2, 0.4]\nhead_epochs = 4\nl2 = 1e-4\n"
        'optimizer = { name = "Adam", learning_rate = 1e-3 }\nweights = "lenet.weights.h5"\n'
        "early_stopping = [false, true]\n"
        '[[matrix]]\nbackbone = "LeNet5"\nmode = ["transfer", "scratch"]\n'
        '[[matrix]]\nbackbone = "LeNet5"\nmode = "finetune"\nunfreeze = 2\naugmentation = true\n'
    )
    trials = resolve(text).trials
    by_mode = {
        mode: [trial for trial in trials if trial.settings.mode == mode]
        for mode in ("transfer", "scratch", "finetune")
    }
    counts = {mode: len(of_mode) for mode, of_mode in by_mode.items()}
    assert counts == {"transfer": 4, "scratch": 2, "finetune": 4}, "a scratch trial knows no dropout"
    assert by_mode["scratch"][0].settings.dropout is None
    assert by_mode["transfer"][0].settings.unfreeze is None
    last = by_mode["finetune"][-1]
    assert last.settings.finetune_optimizer.learning_rate == pytest.approx(1e-4)
    assert (last.epochs, by_mode["scratch"][0].epochs) == (4 + 3, 3), "of both stages"
    assert last.settings.weights.name == "lenet.weights.h5"
    specification = Specification.from_json(last.specification)
    assert specification.augmentation == USUAL_AUGMENTATION
    assert specification.early_stopping == EarlyStopping()
    assert specification.second_optimizer.learning_rate == pytest.approx(1e-4)
    assert (specification.head_epochs, specification.unfreeze, specification.dropout) == (4, 2, 0.4)
    assert Specification.from_json(by_mode["scratch"][0].specification).early_stopping is None
    own = 'mode = "finetune"\nfinetune_optimizer = { name = "SGD", learning_rate = 0.5 }\n'
    weights = '[training]\nweights = "lenet.weights.h5"\n'
    (trial,) = resolve(f'{SMALL}{weights}[[matrix]]\nbackbone = "LeNet5"\n{own}').trials
    second = trial.settings.finetune_optimizer
    assert (second.name, second.learning_rate, trial.settings.optimizer.name) == ("SGD", 0.5, "RMSprop")


def test_pixels_that_are_scaled_twice_are_warned_of_once(resolve):
    text = SMALL + '[training]\nmode = "scratch"\nepochs = [1, 2]\n[[matrix]]\nbackbone = "EfficientNetB0"\n'
    assert resolve(text).warnings == []
    (warning,) = resolve(text.replace("[data]\n", '[data]\npreprocessing = "rescale"\n')).warnings
    assert "EfficientNetB0 scales its pixels itself" in warning
    assert resolve(text.replace("EfficientNetB0", "VGG16") + 'preprocessing = "rescale"\n').warnings == []
