"""Time to an accuracy: when it is reached for good, what had been spent, and what seeds make of it."""

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from comparison_equipment import measurement, record, trial
from equipment.results.journals import Course, trial_of, write_attempt

from bench.compare.accuracy_time import accuracy_time_changes
from bench.compare.measurement import Pair
from bench.compare.output.format import time_row
from bench.journal.events import Checkpointed, Epoch, PhaseStarted
from bench.journal.history import Stretch, history
from bench.journal.results import Attempt, SuiteResults
from bench.records.accuracy_time import Moment, first_kept, moments_of, over_seeds, times_to_accuracy
from bench.records.fold import finish
from bench.report.figures.accuracy_time import to_accuracy
from bench.report.figures.figure import Colors
from bench.report.frame import configurations_frame, trials_frame
from bench.report.sections import trial_table
from bench.report.tables.accuracy_time import accuracy_time_table, accuracy_times
from bench.telemetry.trace import Header, Series, Trace
from bench.tracking.points import points_of
from bench.trials.record import decode_record
from wbc.evaluation.metrics import score
from wbc.evaluation.predictions import Predictions

S = 10**9


def moments(*accuracies: float) -> list[Moment]:
    """An epoch of two seconds each, after five seconds of features."""
    return [Moment(n, one, 2.0 * n, 5 + 2.0 * n, 10.0 * n) for n, one in enumerate(accuracies, start=1)]


def test_a_target_is_reached_when_the_accuracy_stays():
    course = moments(0.5, 0.92, 0.7, 0.91, 1.0, 0.95)
    eighty, ninety, ninety_five, asked, more = times_to_accuracy(course, [0.6, 0.99])
    assert (ninety.epoch, ninety.fit_s, ninety.work_s, ninety.joules) == (4, 8.0, 13.0, 40.0)
    assert (eighty.epoch, ninety_five.epoch) == (4, 5), "0.92 did not last"
    assert (asked.epoch, asked.target, asked.of_best) == (2, "accuracy 60 %", None)
    assert (more.epoch, more.work_s, more.fit_s, more.joules) == ("never", "never", "never", "never")
    assert [one.target for one in (eighty, ninety_five)] == ["80 % of best", "95 % of best"]


def test_the_best_itself_is_kept_only_where_it_lasts_to_the_end():
    assert first_kept(moments(0.2, 0.9, 0.9), 0.9).epoch == 2
    assert first_kept(moments(0.9, 0.9, 0.2), 0.9) is None
    assert first_kept(moments(0.9 - 1e-9), 0.9).epoch == 1 and first_kept(moments(0.9 - 3e-9), 0.9) is None
    assert times_to_accuracy([]) == ()


def stretch(*events, features_s: float = 0.0) -> Stretch:
    made = Stretch(Attempt(Path("attempt-1")), None, events)
    if features_s:
        phases = {"features": {"wall_s": features_s, "cpu_s": features_s}}
        made = replace(made, phases=msgspec.convert(phases, type(made.phases)))
    return made


def epoch(number: int, at: float, accuracy: float) -> Epoch:
    return Epoch(t=round(at * S), epoch=number, metrics={"validation_accuracy": accuracy})


def test_checkpoints_are_left_out_and_attempts_add_up():
    first = stretch(
        PhaseStarted(t=2 * S, phase="features"),
        PhaseStarted(t=5 * S, phase="compile"),
        epoch(1, 8, 0.5),
        Checkpointed(t=10 * S, epoch=1, seconds=2.0),
        epoch(2, 13, 0.6),
        Checkpointed(t=14 * S, epoch=2, seconds=1.0),
        features_s=3.0,
    )
    second = stretch(
        PhaseStarted(t=100 * S, phase="features"),
        PhaseStarted(t=103 * S, phase="compile"),
        epoch(3, 105, math.nan),
        features_s=3.0,
    )
    found = moments_of([first, second])
    assert [one.fit_s for one in found] == [3.0, 6.0, 8.0]
    assert [one.work_s for one in found] == [6.0, 9.0, 14.0], "features were extracted twice"
    assert [one.accuracy for one in found] == [0.5, 0.6, 0.0]
    assert [one.joules for one in found] == [None, None, None]


def test_joules_are_those_of_the_same_work():
    header = Header(0.1, 2, 2, (), ("gpu:0/energy_j",), ("gpu:0",), {})
    # 100 W from the start on.
    series = Series([t * S for t in range(21)], [100.0 * t for t in range(21)])
    events = (
        PhaseStarted(t=2 * S, phase="features"),
        PhaseStarted(t=5 * S, phase="compile"),
        epoch(1, 8, 0.5),
        epoch(2, 11, 0.9),
    )
    found = moments_of([stretch(*events)], [Trace(header, counters={"gpu:0/energy_j": series})])
    assert [one.joules for one in found] == pytest.approx([600.0, 900.0])
    assert moments_of([stretch(*events)], [Trace(header)])[0].joules is None


def powered(*watts: float, gpus: int | None = None) -> Trace:
    """A trace of GPUs with a steady power, read each second up to 20 s; the last ones may not be read."""
    names = tuple(f"gpu:{number}" for number in range(gpus or len(watts)))
    counters = {
        f"{name}/energy_j": Series([n * S for n in range(21)], [power * n for n in range(21)])
        for name, power in zip(names, watts, strict=False)
    }
    return Trace(Header(0.1, 2, 2, (), tuple(counters), names, {}), counters=counters)


@pytest.mark.parametrize("reached", ["startup", "compile"])
def test_joules_of_all_gpus_and_of_all_attempts_add_up(reached: str):
    first = stretch(
        PhaseStarted(t=2 * S, phase="compile"), epoch(1, 5, 0.5), Checkpointed(t=7 * S, epoch=1, seconds=2.0)
    )
    nothing = stretch(PhaseStarted(t=1 * S, phase=reached))
    second = stretch(
        PhaseStarted(t=1 * S, phase="features"), PhaseStarted(t=4 * S, phase="compile"), epoch(2, 6, 0.6)
    )
    found = moments_of([first, nothing, second], [powered(100.0, 50.0), powered(9.0), powered(20.0)])
    assert [one.joules for one in found] == pytest.approx([150 * 3, 150 * 5 + 20 * 5])
    assert [one.fit_s for one in found] == [3.0, 5.0], "the checkpoint is no part of it, its energy is"
    half = moments_of([first, second], [powered(100.0, gpus=2), powered(20.0)])
    assert [one.joules for one in half] == [None, None], "one of two counters was not read"


def test_never_is_longer_than_any_time_over_seeds():
    assert over_seeds([4.0]).coverage is None
    some = over_seeds([3.0, "never", 5.0])
    assert (some.median, some.low, some.high) == (5.0, 3.0, "never")
    assert (some.reached, some.count, some.coverage) == (2, 3, 0.75)
    assert over_seeds([3.0, "never"]).median == "never"
    assert over_seeds(["never", "never"]).low == "never"


@pytest.mark.parametrize(
    ("count", "median", "low", "high", "coverage"),
    [
        (1, 1, None, None, None),
        (2, 1.5, 1, 2, 0.5),
        (3, 2, 1, 3, 0.75),
        (5, 3, 1, 5, 0.9375),
        (6, 3.5, 1, 6, 0.95),
        (8, 4.5, 1, 8, 0.95),
        (9, 5, 2, 8, 0.95),
        (12, 6.5, 3, 10, 0.95),
    ],
)
def test_an_interval_over_seeds_by_ranks(count, median, low, high, coverage):
    """At most 2.5 % of fair coins come up so rarely (binomial): 1 of 2^8 + 8 of 2^8 with eight is too many."""
    found = over_seeds([float(number) for number in range(count, 0, -1)])
    assert (found.median, found.low, found.high, found.coverage) == (median, low, high, coverage)
    assert (found.reached, found.count) == (count, count)


def test_the_interval_over_seeds_holds_the_median_as_often_as_it_says():
    rng = np.random.default_rng(7)
    for count in (2, 3, 5, 6, 10, 20):
        held = 0
        for _ in range(1500):
            # A third of the seeds never gets there; the median of all is exp(0.43).
            times = rng.lognormal(size=count)
            found = over_seeds(["never" if time > 1.54 else float(time) for time in times])
            low, high = (math.inf if one == "never" else one for one in (found.low, found.high))
            held += low <= 1.0 <= high
        assert held / 1500 >= found.coverage - 0.02, count


def course(accuracy: float, pace: float, failure: tuple[str, str] | None = None) -> Course:
    seconds = {
        "startup": 4.0,
        "features": 6.0,
        "compile": 2.0,
        "train": 30.0,
        "evaluate": 1.0,
        "teardown": 0.5,
    }
    labels = np.array([0, 1, 2, 3] * 5)
    shares = np.full((20, 4), 0.1)
    shares[np.arange(20), labels] = 0.7
    names = tuple(f"{number}.png" for number in range(20))
    test = score(Predictions(names, names, labels, shares, ("A", "B", "C", "D")))
    return Course(seconds, accuracy, pace, test, "", failure)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> tuple[SuiteResults, list[str]]:
    """One configuration with three seeds that are asked for an accuracy, which one of them never reaches."""
    made, ids = SuiteResults(tmp_path_factory.mktemp("times"), "demo"), []
    for seed, accuracy in enumerate((0.9, 0.92, 0.6)):
        of = trial_of("VGG16", "transfer", 60, seed)
        attempt = write_attempt(made, of, course(accuracy, 6.0), seed=seed)
        content = msgspec.json.decode((attempt.folder / "trial.json").read_bytes())
        content["specification"]["targets"] = [0.8]
        (attempt.folder / "trial.json").write_bytes(msgspec.json.encode(content))
        finish(attempt)
        ids.append(of.id)
    return made, ids


def test_a_record_holds_never_as_a_word(results):
    made, ids = results
    attempt = made.attempts(ids[2])[-1]
    content = msgspec.json.decode(attempt.result.read_bytes())
    asked = content["time_to_accuracy"][-1]
    assert asked["epoch"] == asked["work_s"] == asked["fit_s"] == "never"
    back = decode_record(attempt.result.read_bytes(), attempt.result)
    assert [one.target for one in back.time_to_accuracy][-1] == "accuracy 80 %"
    reached = made.attempts(ids[0])[-1].record().time_to_accuracy[-1]
    assert reached.work_s - reached.fit_s == pytest.approx(6.0), "the features"
    points = dict(point[:2] for point in points_of(back, history(attempt)))
    assert points["time_to_accuracy/80_reached"] == 0
    assert "time_to_accuracy/80_work_s" not in points
    assert points["time_to_accuracy/90_of_best_work_s"] == back.time_to_accuracy[1].work_s


def test_a_trial_that_failed_has_no_time_to_an_accuracy(tmp_path):
    made = SuiteResults(tmp_path, "demo")
    failed = replace(course(0.9, 6.0, ("nan-loss", "diverged")), stopped_at=20)
    attempt = write_attempt(made, trial_of("VGG16", "transfer", 60), failed)
    assert attempt.record().time_to_accuracy == ()
    assert "did not come to its end" in attempt.record().unavailable["time_to_accuracy"]


def test_the_report_shows_it_in_the_main_table_a_table_and_a_figure(results):
    trials = trials_frame(*results)
    shown = trial_table(trials)
    place = shown.headings.index("to accuracy 80 %")
    assert "to 90 % of best" in shown.headings and shown.numeric[place]
    assert [row[place].text for row in shown.rows][-1] == "never"
    assert [row[place].order for row in shown.rows][-1] == math.inf
    assert len(configurations_frame(trials)) == 1
    headings, rows = accuracy_time_table("demo", trials).written()
    asked = dict(zip(headings, rows[-1], strict=True))
    assert asked["reached by"] == "2 of 3"
    assert asked["time"].endswith("– never]") and not asked["time"].startswith("never")
    drawn = to_accuracy(accuracy_times(trials), Colors(["VGG16"]))
    assert [one["name"] for one in drawn.data][-1] == "accuracy 80 %"
    alone = trials[trials["trial"] == results[1][2]]
    hollow = to_accuracy(accuracy_times(alone), Colors(["VGG16"])).data[-1]
    assert hollow["marker"]["symbol"][0].endswith("-open") and "never" in hollow["text"][0]


def test_both_sides_of_a_pair_are_asked_for_the_accuracy_of_the_baseline():
    of = trial("VGG16")
    old = replace(measurement(of, record(of)), moments=tuple(moments(0.5, 0.9, 1.0)))
    slow = replace(measurement(of, record(of)), moments=tuple(moments(0.5, 0.6, 0.9)))
    lost = replace(measurement(of, record(of)), moments=tuple(moments(0.5, 0.5, 0.5)))
    _eighty, ninety, most = accuracy_time_changes([Pair(old, slow)])
    assert (ninety.baseline, ninety.candidate) == (9.0, 11.0)
    assert ninety.ratio == pytest.approx(11 / 9) and ninety.low is None
    assert (most.candidate, most.ratio) == ("never", "never"), "its own best would have been reached"
    _, ninety, _ = accuracy_time_changes([Pair(old, slow), Pair(old, lost), Pair(lost, old)])
    assert (ninety.baseline_reached, ninety.candidate_reached, ninety.pairs) == (3, 2, 3)
    assert (ninety.ratio, ninety.high, ninety.coverage) == (pytest.approx(11 / 9), "never", 0.75)
    assert time_row(ninety)[0] == "90% of the baseline's best"
    assert accuracy_time_changes([Pair(measurement(of, record(of)), old)]) == ()


def test_a_time_that_one_side_never_reaches_is_the_longest_or_the_shortest():
    of = trial("VGG16")
    stays, falls, none = (
        replace(measurement(of, record(of)), moments=tuple(moments(*course)))
        for course in ((0.5, 1.0), (1.0, 0.5), ())
    )

    def ninety(*pairs: Pair):
        return next(one for one in accuracy_time_changes(pairs) if one.of_best == 0.9)

    gained, lost, both = (
        ninety(pair) for pair in (Pair(falls, stays), Pair(stays, falls), Pair(falls, falls))
    )
    assert (gained.baseline, gained.candidate, gained.ratio) == ("never", 9.0, 0.0)
    assert (lost.baseline, lost.candidate, lost.ratio) == (9.0, "never", "never")
    assert (both.ratio, both.low, both.high, both.coverage, both.pairs) == ("never", None, None, None, 1)
    mixed = ninety(Pair(falls, falls), Pair(stays, stays), Pair(falls, stays), Pair(stays, none))
    assert (mixed.baseline_reached, mixed.candidate_reached, mixed.pairs) == (1, 2, 3)
    assert (mixed.ratio, mixed.low, mixed.high, mixed.coverage) == (0.5, 0.0, 1.0, 0.5)
