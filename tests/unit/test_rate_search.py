"""The range test: what it takes from a curve, and that it leaves training as it was."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from training_equipment import Keeping, Notes, draw_noisy_images

from wbc import experiment
from wbc.errors import TrainingDivergedError
from wbc.optimizer import SEARCH, OptimizerSpecification
from wbc.specification import Checkpointing, Specification
from wbc.training import fitting as fitting_module
from wbc.training.fitting import Fitting, Stage
from wbc.training.rate_search import LOWEST, STEPS, RangeTest, best_rate, rates, smoothed
from wbc.training.session import open_session


def curve(best: float, noise: float = 0.0) -> list[tuple[float, float]]:
    """Losses that are lowest at a rate."""
    rng = np.random.default_rng(0)
    return [(rate, 1 + 0.3 * np.log10(rate / best) ** 2 + rng.normal(0, noise)) for rate in rates()]


@pytest.mark.parametrize("best", [1e-3, 1e-2, 1e-1])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_tenth_of_the_rate_with_the_lowest_loss(best, noise):
    assert best / 10 / 2.5 <= best_rate(curve(best, noise)) <= best / 10 * 2.5


def test_the_rate_has_one_digit_and_bounds():
    assert best_rate(curve(1e-9)) >= LOWEST
    assert best_rate([(1e-6, 2.0)]) == LOWEST
    rate = best_rate(curve(0.037))
    assert rate == float(f"{rate:.0e}")


def test_smoothed_losses_begin_where_losses_do():
    assert smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])


def test_smoothed_losses_by_hand():
    assert smoothed([1.0, 2.0, 4.0]) == pytest.approx([1.0, 0.56 / 0.36, (0.8 * 0.56 + 0.8) / (1 - 0.8**3)])


def test_rates_rise_by_the_same_factor():
    found = np.array(rates())
    assert (len(found), found[0], found[-1]) == (100, pytest.approx(1e-6), pytest.approx(1.0))
    assert np.ptp(np.diff(np.log(found))) < 1e-9


def test_the_first_ten_losses_are_passed_over_where_there_are_more():
    """The lowest of them is the very first one."""
    falling = [0.0, *[5.0] * 9, 4.0, 9.0, 9.0]
    tried = [(10.0**number, loss) for number, loss in enumerate(falling)]
    assert best_rate(tried) == 10.0**9
    assert best_rate(tried[:10]) == 10.0**8 and best_rate(tried[:2]) == 1.0


def ends(losses: list[float]) -> list[int]:
    """The steps after which a range test asks to end."""
    test, asked = RangeTest(), []
    model = SimpleNamespace(stop_training=False, optimizer=SimpleNamespace(), reset_metrics=lambda: None)
    test.set_model(model)
    for step, loss in enumerate(losses):
        test.on_train_batch_begin(step)
        assert model.optimizer.learning_rate == rates()[step]
        test.on_train_batch_end(step, {"loss": loss})
        asked += [step] * model.stop_training
        model.stop_training = False
    assert test.curve == [(rates()[step], loss) for step, loss in enumerate(losses) if np.isfinite(loss)]
    return asked


def test_a_range_test_ends_once_the_smoothed_loss_is_twice_its_best():
    """The best of those from the sixth on; a loss of before that is passed over, and none ends it before the tenth."""
    for begin in ([1.0] * 10, [0.001, *[1.0] * 9]):
        at_ten = smoothed(begin)
        edge = (2 * min(at_ten[5:]) * (1 - 0.8**11) - 0.8 * at_ten[9] * (1 - 0.8**10)) / 0.2
        assert ends([*begin, 0.999 * edge]) == [] and ends([*begin, 1.001 * edge]) == [10]
    assert ends([*[1.0] * 9, 1e3]) == [] and ends([*[1.0] * 9, 1e3, 1e3]) == [10]
    assert ends([1.0, float("nan"), 1.0]) == [1]


def specification(folder, rate: float | str = SEARCH, **more) -> Specification:
    return Specification(
        folder,
        folder / "manifest.json",
        32,
        "LeNet5",
        "scratch",
        epochs=2,
        batch_size=4,
        optimizer=OptimizerSpecification("Adam", rate, 0.0),
        deterministic=True,
        **more,
    )


def run(folder, rate: float | str = SEARCH, notes: Notes | None = None, **more) -> Notes:
    notes = notes or Notes()
    experiment.run(specification(folder, rate, **more), notes)
    return notes


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    return draw_noisy_images(folder)


def test_a_search_leaves_training_as_it_was_and_is_not_repeated(images, tmp_path, monkeypatch, capsys):
    whole, kept = Keeping(tmp_path), Checkpointing(tmp_path / "now", every_epochs=1, tag="1")
    run(images, notes=whole, checkpoint=kept)
    assert capsys.readouterr().out == "", "Keras draws no bars"
    found = whole.phases["search"]
    assert 10 <= found["steps"] == len(found["curve"]) <= STEPS
    assert [rate for rate, _ in found["curve"]] == pytest.approx(rates()[: found["steps"]], rel=1e-3)
    plain = run(images, found["learning_rate"])
    assert "search" not in plain.phases
    assert np.array_equal(whole.probabilities, plain.probabilities)
    assert whole.epochs == plain.epochs

    monkeypatch.setattr(fitting_module, "best_rate", lambda curve: 1.0)  # a second search would find this
    rest = run(images, checkpoint=Checkpointing(tmp_path / "1", every_epochs=1, tag="2"))
    assert rest.from_before == (1, "1") and "search" not in rest.phases
    assert np.array_equal(rest.probabilities, whole.probabilities)


def test_a_loss_that_is_never_finite_is_reported(images):
    asked = specification(images)
    distribution = open_session(asked)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2, kernel_initializer="ones")])
    splits = {"train": FakeSplit()}
    searched = Fitting(asked, distribution, 4, 1, Notes())
    searched.observer.phase_started = lambda name: None
    with pytest.raises(TrainingDivergedError, match="at any learning rate"):
        searched.search(Stage(0, 1, asked.optimizer), model, splits, lambda batch: batch)


class FakeSplit:
    inputs = np.full((4, 2), np.nan, np.float32)
    targets = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
    classes = ("a", "b")

    def __len__(self):
        return 4
