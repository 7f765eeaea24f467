"""What callbacks report while Keras trains, to the step."""

from types import SimpleNamespace

import numpy as np
import pytest
from timing_equipment import Clock

from wbc.errors import TrainingDivergedError
from wbc.observer import Observer
from wbc.training import callbacks
from wbc.training.callbacks import ReportingCallback


class Told:
    """Remembers what it is told."""

    def __init__(self, held: float = 0.0):
        self.said, self.held = [], held

    def pause(self):
        return self.held

    def __getattr__(self, name):
        return lambda *values, **more: self.said.append((name, *values, more))

    def of(self, name: str) -> list[tuple]:
        return [values for said, *values in self.said if said == name]


def test_who_observes_holds_nothing_unless_it_says_so():
    class Silent(Observer): ...

    assert Silent().pause() == 0.0


def test_progress_is_told_once_a_second():
    told, clock = Told(), Clock(100.0)
    reporting = ReportingCallback(told, images=90, batch_size=10, epochs=3, clock=clock)
    reporting.on_epoch_begin(0)
    for step, seconds in enumerate((0.0, 0.5, 0.375, 0.125, 0.875, 0.125, 0.5)):
        clock.passes(seconds)
        reporting.on_train_batch_begin(step)
    # One second after the start, and one after that: steps done, of those of three epochs.
    assert told.of("heartbeat") == [[3, 27, {}], [5, 27, {}]]
    reporting.on_epoch_end(0, {"loss": 1.0})
    told.said.clear()
    reporting.on_epoch_begin(1)
    clock.passes(0.875)
    reporting.on_train_batch_begin(0)
    assert not told.of("heartbeat"), "an epoch was told, which counts"
    clock.passes(0.125)
    reporting.on_train_batch_begin(1)
    assert told.of("heartbeat") == [[8, 27, {}]]


def test_several_steps_in_a_call_are_told_together():
    told, clock = Told(), Clock()
    reporting = ReportingCallback(told, images=80, batch_size=10, epochs=2, clock=clock, stride=2)
    reporting.on_epoch_begin(0)
    for call in range(4):
        clock.passes(1.0)
        reporting.on_train_batch_begin(2 * call)
    assert told.of("heartbeat") == [[done, 16, {}] for done in (0, 2, 4, 6)]
    reporting.on_epoch_end(0, {"loss": 1.0})
    figures = reporting.figures()
    assert (figures["images"], figures["steps"]) == (80 - 20, 8 - 2)


def test_a_first_call_has_no_more_images_than_there_are():
    reporting = ReportingCallback(Told(), images=7, batch_size=10, epochs=2, clock=Clock())
    for epoch in range(2):
        reporting.on_epoch_begin(epoch)
        reporting.on_train_batch_begin(0)
        reporting.on_epoch_end(epoch, {"loss": 1.0})
    figures = reporting.figures()
    assert (figures["images"], figures["steps"]) == (7, 1)


def test_an_epoch_is_told_with_its_pace_and_its_stage(monkeypatch):
    told, clock = Told(held=30.0), Clock()
    reporting = ReportingCallback(told, images=20, batch_size=10, epochs=1, clock=clock)
    reporting.begin_stage(1)
    clock.passes(1.0)
    monkeypatch.setattr(callbacks, "memory_in_use", lambda backend: 4096)
    reporting.on_epoch_begin(6)
    reporting.on_train_batch_begin(0)
    clock.passes(5.0)
    reporting.on_train_batch_begin(1)
    clock.passes(2.0)
    reporting.on_test_begin()
    clock.passes(0.5)
    reporting.on_test_end()
    reporting.on_epoch_end(6, {"loss": 1, "val_accuracy": 0.25})
    pace = {"stage": 1, "steps": 1, "images": 10, "steps_s": 2.0, "data_wait_s": 0.0, "device": 4096}
    assert told.of("epoch_ended") == [[7, {"loss": 1.0, "validation_accuracy": 0.25}, 0.5, pace]]
    told.said.clear()
    monkeypatch.setattr(callbacks, "memory_in_use", lambda backend: None)
    clock.passes(30.0)  # what the observer held
    reporting.on_epoch_begin(7)
    reporting.on_epoch_end(7, {"loss": 1.0})
    assert "device" not in told.said[-1][-1]
    reporting.end()
    assert reporting.figures()["between_s"] == 0.0


def test_the_first_step_is_told_with_its_seconds_and_what_was_compiled():
    told, clock = Told(), Clock()
    reporting = ReportingCallback(told, images=10, batch_size=10, epochs=2, clock=clock)
    reporting.compile_figures = {"jit_compile": False}
    reporting.on_epoch_begin(0)
    reporting.on_train_batch_begin(0)
    clock.passes(5.0)
    reporting.on_test_begin()
    first = {"jit_compile": False, "batch_size": 10, "first_step_s": 5.0}
    assert told.said == [("phase_ended", "compile", first), ("phase_started", "train", {})]


def test_without_a_step_the_phases_are_told_all_the_same():
    told = Told()
    reporting = ReportingCallback(told, images=10, batch_size=5, epochs=0, clock=Clock())
    reporting.end_stage()
    reporting.end()
    assert told.said == [("phase_ended", "compile", {"batch_size": 5}), ("phase_started", "train", {})]
    figures = reporting.figures()
    assert set(figures.values()) == {0}


def test_the_device_is_waited_for_once_an_epoch():
    """Its metric is asked for at the end of the steps, and only the first of them."""
    asked = []

    class Metric:
        def __init__(self, name):
            self.name = name

        def __array__(self, dtype=None, copy=None):
            asked.append(self.name)
            return np.zeros(())

    reporting = ReportingCallback(Told(), images=10, batch_size=5, epochs=1, clock=Clock())
    reporting.set_model(SimpleNamespace(metrics_variables=[Metric("loss"), Metric("accuracy")]))
    reporting.on_epoch_begin(0)
    reporting.on_train_batch_begin(0)
    assert asked == []
    reporting.on_test_begin()
    reporting.on_test_end()
    reporting.on_epoch_end(0, {"loss": 1.0})
    assert asked == ["loss"]


@pytest.mark.parametrize("loss", [float("inf"), float("nan")])
def test_an_epoch_whose_loss_is_no_number_is_told_before_training_ends(loss):
    told = Told()
    reporting = ReportingCallback(told, images=1, batch_size=1, epochs=1, clock=Clock())
    with pytest.raises(TrainingDivergedError) as caught:
        reporting.on_epoch_end(2, {"loss": loss})
    assert str(caught.value) == f"the loss is {loss} after epoch 3" and told.of("epoch_ended")[0][0] == 3
