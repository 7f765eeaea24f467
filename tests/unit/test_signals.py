"""Signals that ask a run to stop: at once, or when it is safe."""

import os
import selectors
import signal

import pytest

from bench.errors import InterruptedRun
from bench.runner.signals import Interruption, interruptible


def readable(interruption: Interruption) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(interruption, selectors.EVENT_READ)
        return bool(selector.select(0))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_outside_of_what_is_held_a_signal_raises_at_once(number: signal.Signals):
    before = signal.getsignal(number)
    with interruptible() as interruption:
        with pytest.raises(InterruptedRun) as caught:
            os.kill(os.getpid(), number)
        assert caught.value.exit_code == 128 + number
        assert (interruption.number, interruption.count) == (number, 1)
        with pytest.raises(InterruptedRun):
            interruption.raise_if_asked()
    assert signal.getsignal(number) is before


def test_within_it_signals_are_counted_and_the_first_one_is_raised_at_its_end():
    with interruptible() as interruption:
        reached = []
        with pytest.raises(InterruptedRun) as caught, interruption.held():
            assert not readable(interruption)
            os.kill(os.getpid(), signal.SIGTERM)
            assert readable(interruption)
            interruption.clear()
            assert not readable(interruption)
            os.kill(os.getpid(), signal.SIGINT)
            reached.append((interruption.number, interruption.count))
        assert reached == [(signal.SIGTERM, 2)] and caught.value.exit_code == 128 + signal.SIGTERM


def test_where_no_signal_came_nothing_is_raised():
    with interruptible() as interruption:
        with interruption.held():
            interruption.raise_if_asked()
        assert (interruption.number, interruption.count, readable(interruption)) == (None, 0, False)
        descriptor = interruption.fileno()
    with pytest.raises(OSError):
        os.fstat(descriptor)
    assert signal.set_wakeup_fd(-1) == -1


def test_an_error_within_goes_before_the_signal():
    with interruptible() as interruption:
        with pytest.raises(ZeroDivisionError), interruption.held():
            os.kill(os.getpid(), signal.SIGINT)
            raise ZeroDivisionError
        with pytest.raises(InterruptedRun):
            os.kill(os.getpid(), signal.SIGINT)
        assert interruption.count == 2


def test_signals_that_come_faster_than_they_are_read_are_no_warning(monkeypatch):
    asked: list[tuple] = []
    monkeypatch.setattr(signal, "set_wakeup_fd", lambda *given, **more: asked.append((*given, more)) or -1)
    with interruptible() as interruption:
        pass
    assert asked == [(interruption._write_end, {"warn_on_full_buffer": False}), (-1, {})]
