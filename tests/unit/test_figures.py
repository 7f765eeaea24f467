"""What a record says of steady training, canary and trace, from journals written by hand."""

import pytest

from bench.journal.history import Stretch
from bench.records.measured import figures_of
from wbc.observer import APART, PHASES

SECOND = 10**9


def event(t: float, kind: str, **content) -> dict:
    return {"t": int(t * SECOND), "cpu": 0, "event": kind, **content}


def ended(t: float, phase: str, **figures) -> dict:
    return event(t, "phase_ended", phase=phase, figures=figures)


def blocks(stage: int, count: int, pace: float = 0.25) -> dict:
    rows = [[index * 4 * pace, index, 1, 4, 4 * pace, pace] for index in range(count)]
    return event(50, "blocks", stage=stage, blocks=rows)


def epochs(count: int, stage: int = 0, seconds: float = 2.0) -> list[dict]:
    """Epochs of four steps of ten images, a second of validation after each, from 10 s on."""
    pace = {"stage": stage, "steps": 4, "images": 40, "steps_s": seconds, "data_wait_s": 0.5}
    return [
        event(10 + (index + 1) * (seconds + 1), "epoch", epoch=index + 1, validation_s=1.0, **pace)
        for index in range(count)
    ]


def stretch(*events: dict, compile_s: float | None = None) -> Stretch:
    begun = event(10, "phase_started", phase="train")
    return Stretch(None, None, [begun, *events], {"compile": {"first_step_s": compile_s}})


def test_the_last_stretch_that_is_long_enough_speaks():
    first = stretch(*epochs(12), compile_s=3.0)
    found = figures_of([first, stretch(blocks(0, 4), compile_s=5.0)])["steady"]
    assert found["images_per_s"] == 20 and found["compile_s"] == 3.0, "the second was too short"
    assert (found["settled_step"], found["settled_s"]) == (12, 9.0)
    assert found["data_wait_share"] == pytest.approx(0.25)
    found = figures_of([first, stretch(*epochs(3), blocks(0, 20), compile_s=5.0)])["steady"]
    assert (found["images_per_s"], found["compile_s"], found["step_s"]) == (4, 5.0, 1.0)


def test_of_two_stages_the_last_one_counts():
    both = stretch(blocks(0, 40, pace=0.01), blocks(1, 20))
    assert figures_of([both])["steady"]["images_per_s"] == 4
    short = figures_of([stretch(blocks(0, 40, pace=0.01), blocks(1, 4))])
    assert short["steady"] is None
    assert "too short to settle: 4 stretches of steps" in short["unavailable"]["steady"]
    cut = stretch(*epochs(15, stage=0, seconds=1.0), *epochs(10, stage=1))
    assert figures_of([cut])["steady"]["images_per_s"] == 20


def test_what_is_missing_has_a_reason():
    found = figures_of([stretch()])
    assert found["steady"] is found["profile"] is found["canary"] is None
    assert set(found["unavailable"]) == {"steady"}
    never = [[index, index, 1, 4, 100 * 0.8**index, 0.0] for index in range(40)]
    found = figures_of([stretch(event(1, "blocks", stage=0, blocks=never))])
    assert "did not settle" in found["unavailable"]["steady"]


def test_the_canary_sings_before_and_after_and_not_in_attempts_before():
    before = ended(1, "canary", gflops=200.0)
    assert figures_of([stretch(before)])["canary"] == {
        **{"before_gflops": 200.0, "after_gflops": None, "reference_gflops": None}
    }
    after = ended(90, "canary", gflops=150.0)
    found = figures_of([stretch(ended(0, "canary", gflops=1.0)), stretch(before, after)])["canary"]
    assert (found["before_gflops"], found["after_gflops"]) == (200.0, 150.0)


def test_a_canary_that_could_not_sing_has_a_reason_and_spoils_nothing():
    before, after = ended(1, "canary", gflops=200.0), ended(90, "canary", unavailable="OOM: no room")
    found = figures_of([stretch(before, after)])
    assert (found["canary"]["before_gflops"], found["canary"]["after_gflops"]) == (200.0, None)
    assert found["unavailable"]["canary"] == "OOM: no room"


def test_a_trace_is_there_or_the_reason():
    traced = {"steps": 15, "wall_s": 1.0, "input_stall": 0.1, "trace": "trace/x"}
    assert figures_of([stretch(ended(9, "profile", **traced))])["profile"] == traced
    unknown = figures_of([stretch(ended(9, "profile", **{**traced, "input_stall": None}))])
    assert "does not show" in unknown["unavailable"]["input_stall"]
    assert "input_stall" not in figures_of([stretch(ended(9, "profile", **traced))])["unavailable"]
    found = figures_of([stretch(ended(9, "profile", unavailable="only TensorFlow's"))])
    assert (found["profile"], found["unavailable"]["profile"]) == (None, "only TensorFlow's")


def test_phases_are_known_in_their_order():
    assert set(PHASES) >= APART
    assert PHASES.index("canary") < PHASES.index("data")
    *_, evaluate, save, profile, teardown = PHASES
    assert (evaluate, save, profile, teardown) == ("evaluate", "save", "profile", "teardown")
