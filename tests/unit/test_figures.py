"""What a record says of steady training, reference work and trace, from journals written by hand."""

from pathlib import Path

import pytest

from bench.errors import DamagedAttempt
from bench.journal.events import Blocks, Epoch, PhaseEnded, PhaseStarted, WorkerEvent
from bench.journal.history import Stretch
from bench.journal.results import Attempt
from bench.records.measured import profile_of, reference_work_of
from bench.records.steady import pace_of
from bench.trials.phases import CompilePhase, Phases
from wbc.observer import APART, PHASES

SECOND = 10**9


def ended(t: float, phase: str, **figures) -> PhaseEnded:
    return PhaseEnded(t=int(t * SECOND), phase=phase, figures=figures)


def blocks(stage: int, count: int, pace: float = 0.25) -> Blocks:
    rows = tuple((index * 4 * pace, index, 1, 4, 4 * pace, pace) for index in range(count))
    return Blocks(t=50 * SECOND, stage=stage, blocks=rows)


def epochs(count: int, stage: int = 0, seconds: float = 2.0) -> list[Epoch]:
    """Epochs of four steps of ten images, a second of validation after each, from 10 s on."""
    pace = {"stage": stage, "steps": 4, "images": 40, "steps_s": seconds, "data_wait_s": 0.5}
    return [
        Epoch(
            t=int((10 + (index + 1) * (seconds + 1)) * SECOND),
            epoch=index + 1,
            metrics={},
            validation_s=1.0,
            **pace,
        )
        for index in range(count)
    ]


def stretch(*events: WorkerEvent, compile_s: float | None = None) -> Stretch:
    begun = PhaseStarted(t=10 * SECOND, phase="train")
    compiled = CompilePhase(wall_s=9.0, cpu_s=9.0, first_step_s=compile_s)
    return Stretch(Attempt(Path("attempt-1")), None, [begun, *events], Phases(compile=compiled))


def test_the_last_stretch_that_is_long_enough_speaks():
    first = stretch(*epochs(12), compile_s=3.0)
    found, _ = pace_of([first, stretch(blocks(0, 4), compile_s=5.0)])
    assert found.images_per_s == 20 and found.compile_s == 3.0, "the second was too short"
    assert (found.settled_step, found.settled_s) == (12, 9.0)
    assert found.data_wait_share == pytest.approx(0.25)
    found, _ = pace_of([first, stretch(*epochs(3), blocks(0, 20), compile_s=5.0)])
    assert (found.images_per_s, found.compile_s, found.step_s) == (4, 5.0, 1.0)


def test_of_two_stages_the_last_one_counts():
    both, _ = pace_of([stretch(blocks(0, 40, pace=0.01), blocks(1, 20))])
    assert both.images_per_s == 4
    short, reason = pace_of([stretch(blocks(0, 40, pace=0.01), blocks(1, 4))])
    assert short is None
    assert "too short to settle: 4 stretches of steps" in reason
    cut, _ = pace_of([stretch(*epochs(15, stage=0, seconds=1.0), *epochs(10, stage=1))])
    assert cut.images_per_s == 20


def test_what_is_missing_has_a_reason():
    none, reason = pace_of([stretch()])
    assert none is None and "nothing was trained in steps" in reason
    assert profile_of(stretch().events) == (None, {})
    assert reference_work_of(stretch().events, None, None) == (None, "")
    never = tuple((float(index), index, 1, 4, 100 * 0.8**index, 0.0) for index in range(40))
    _, reason = pace_of([stretch(Blocks(t=SECOND, stage=0, blocks=never))])
    assert "did not settle" in reason


def test_the_reference_work_is_measured_before_and_after():
    before, after = ended(1, "reference_work", gflops=200.0), ended(90, "reference_work", gflops=150.0)
    found, _ = reference_work_of([before], None, None)
    assert (found.before_gflops, found.after_gflops, found.reference_gflops) == (200.0, None, None)
    found, reason = reference_work_of([before, after], None, None)
    assert (found.before_gflops, found.after_gflops, reason) == (200.0, 150.0, "")


def test_a_reference_work_that_failed_has_a_reason_and_spoils_nothing():
    before = ended(1, "reference_work", gflops=200.0)
    after = ended(90, "reference_work", unavailable="OOM: no room")
    found, reason = reference_work_of([before, after], None, None)
    assert (found.before_gflops, found.after_gflops) == (200.0, None)
    assert reason == "OOM: no room"


def test_the_clocks_stand_beside_the_reference_work_they_belong_to():
    both = [ended(1, "reference_work", gflops=200.0), ended(90, "reference_work", gflops=150.0)]
    found, _ = reference_work_of(both, None, None, [1500.0, 1400.0])
    assert (found.before_clock_mhz, found.after_clock_mhz) == (1500.0, 1400.0)
    found, _ = reference_work_of(both, None, None, [1500.0])
    assert (found.before_clock_mhz, found.after_clock_mhz) == (1500.0, None)
    failed = [ended(1, "reference_work", unavailable="full"), both[1]]
    found, reason = reference_work_of(failed, None, None)
    assert (found.before_gflops, found.after_gflops, reason) == (None, 150.0, "full")
    twice = [failed[0], ended(90, "reference_work", unavailable="full")]
    assert reference_work_of(twice, None, None) == (None, "full"), "a reason is said once"


TRACED = {"steps": 15, "wall_s": 1.0, "input_stall": 0.1, "kinds": {"dense": 1.0}, "top": []}
TRACED |= {"kernel_busy": None, "copies_s": None, "trace": "trace/x"}


def test_a_trace_is_there_or_the_reason():
    profile, missing = profile_of([ended(9, "profile", **TRACED)])
    assert (profile.steps, profile.input_stall, profile.trace, missing) == (15, 0.1, "trace/x", {})
    _, missing = profile_of([ended(9, "profile", **{**TRACED, "input_stall": None})])
    assert "does not show" in missing["input_stall"]
    profile, missing = profile_of([ended(9, "profile", unavailable="only TensorFlow's")])
    assert (profile, missing) == (None, {"profile": "only TensorFlow's"})
    again = [ended(8, "profile", unavailable="full"), ended(9, "profile", **TRACED)]
    assert profile_of(again)[0].steps == 15 and profile_of(again[::-1])[1] == {"profile": "full"}
    with pytest.raises(DamagedAttempt, match=r"the figures of the phase profile are damaged: .*steps"):
        profile_of([ended(9, "profile", **{**TRACED, "steps": "many"})])


def test_phases_are_known_in_their_order():
    assert set(PHASES) >= APART
    assert PHASES.index("reference_work") < PHASES.index("data")
    assert PHASES[PHASES.index("evaluate") :] == (
        "evaluate",
        "latency",
        "explain",
        "save",
        "export",
        "profile",
        "teardown",
    )


def test_a_record_has_a_place_for_every_phase():
    assert Phases.__struct_fields__ == PHASES
