"""Pairs without processes: who runs first and within which limits, whether both fit, and what is kept of them."""

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from comparison_equipment import add, record, trial
from equipment.results.records import phases

from bench.devices.device import Device, Slot
from bench.journal.results import SuiteResults
from bench.plan.decide import PlannedTrial, Prediction
from bench.records.disturbance import OWN_SIGNS
from bench.regress import pair_runner
from bench.regress.pair_runner import AGAIN, PairRunner
from bench.regress.pairs import PairJournal, Run, first_side
from bench.trials.limits import Limits

SLOT = Slot("cpu:0", (Device("cpu", "A processor"),), (0,))
TRIAL = trial()
LIMITS = Limits(retries=2, exclusive=True, checkpoint_s=7.0, checkpoint_epochs=3)


def side(name: str, takes_turns: bool = True) -> SimpleNamespace:
    return SimpleNamespace(key=f"key of {name}", takes_turns=takes_turns, trial=lambda trial, model: trial)


def a_runner(folder: Path, results: Mapping[str, Any] | None = None, **changes: Any) -> PairRunner:
    given = {
        "sides": {name: side(name) for name in ("baseline", "candidate")},
        "results": results or {name: SuiteResults(folder, name) for name in ("baseline", "candidate")},
        "links": (None, None),
        "journal": PairJournal(folder),
        "slot": SLOT,
        "limits": LIMITS,
        "telemetry": None,
        "watcher": SimpleNamespace(say=lambda said: None),
        "other_users": None,
        "interruption": SimpleNamespace(held=held),
    }
    return PairRunner(**{**given, **changes})


@contextmanager
def held():
    yield


@pytest.mark.parametrize("turns", [True, False])
@pytest.mark.parametrize("kind", ["ab", "aa"])
def test_both_orders_and_which_run_is_whose(tmp_path: Path, monkeypatch, kind: str, turns: bool):
    """What is first is drawn for the kind, the candidate and the trial; of A against A both are the baseline's."""
    kept: list[tuple[Any, ...]] = []
    monkeypatch.setattr(PairRunner, "keep", lambda self, *given: kept.append(given))
    monkeypatch.setattr(PairRunner, "_fits", lambda self, *given: True)
    runs: list[Run] = []

    def run(name: str) -> Run:
        runs.append(Run(name, "t", len(runs)))
        return runs[-1]

    monkeypatch.setattr(PairRunner, "_run_in_turns", lambda self, names, *given: list(map(run, names)))
    monkeypatch.setattr(PairRunner, "run_one", lambda self, name, *given: run(name))
    runner = a_runner(tmp_path, sides={name: side(name, turns) for name in ("baseline", "candidate")})
    for number in range(24):
        kept.clear(), runs.clear()
        runner.run_pair(kind, TRIAL, number)
        first = first_side(number, f"{kind} key of candidate {TRIAL.key}")
        second = "candidate" if first == "baseline" else "baseline"
        assert [one.side for one in runs] == (["baseline"] * 2 if kind == "aa" else [first, second])
        both = runs if first == "baseline" else runs[::-1]
        assert kept == [(kind, TRIAL, first, *both)]


@pytest.mark.parametrize(
    ("retries", "turns", "left"), [(0, True, 0), (1, True, 0), (2, True, 1), (3, True, 2), (2, False, 2)]
)
def test_a_pair_that_failed_in_turns_has_been_tried_once(
    tmp_path: Path, monkeypatch, retries: int, turns: bool, left: int
):
    within: list[Limits] = []
    monkeypatch.setattr(PairRunner, "keep", lambda self, *given: None)
    monkeypatch.setattr(PairRunner, "_fits", lambda self, *given: turns)
    monkeypatch.setattr(PairRunner, "_run_in_turns", lambda self, *given: None)
    monkeypatch.setattr(
        PairRunner, "run_one", lambda self, name, trial, expected, limits: within.append(limits) or name
    )
    a_runner(tmp_path, limits=Limits(retries=retries, stall_s=9.0)).run_pair("ab", TRIAL, 0)
    assert within == [Limits(retries=left, stall_s=9.0)] * 2


@pytest.mark.parametrize(
    ("peaks", "names", "needed"),
    [
        ({}, ("baseline", "candidate"), 0),
        ({"baseline": 3e9, "candidate": 5e9}, ("baseline", "candidate"), 8e9),
        ({"baseline": 3e9}, ("baseline", "candidate"), 6e9),
        ({"candidate": 5e9}, ("baseline", "candidate"), 10e9),
        ({"baseline": 3e9, "candidate": 5e9}, ("baseline", "baseline"), 6e9),
    ],
)
def test_two_runs_take_their_own_peaks_or_that_of_the_other_side(
    tmp_path: Path, monkeypatch, peaks: dict, names: tuple, needed: float
):
    def latest(peak: float | None):
        memory = SimpleNamespace(process_peak=peak) if peak else None
        return lambda trial_id: (None, SimpleNamespace(memory=memory))

    results = {name: SimpleNamespace(latest=latest(peaks.get(name))) for name in ("baseline", "candidate")}
    for free, fits in ((needed - 1, False), (needed, True)):
        monkeypatch.setattr(pair_runner, "free_memory", lambda free=free: free)
        told: list[str] = []
        runner = a_runner(tmp_path, results, watcher=SimpleNamespace(say=told.append))
        assert runner._fits(names, TRIAL) is fits
        assert told == (
            []
            if fits
            else [
                f"{TRIAL.id}: the two runs of a pair take {needed / 1e9:.1f} GB of memory together, and "
                f"{free / 1e9:.1f} GB are free: they run one after the other."
            ]
        )
        monkeypatch.setattr(pair_runner, "free_memory", lambda: 1e15)
        assert runner._fits(names, TRIAL) is fits, "once too large, always too large"


def test_every_run_is_a_fresh_one(tmp_path: Path):
    expected = Prediction(9.0, "its earlier runs")
    assert a_runner(tmp_path).planned("baseline", TRIAL, expected) == PlannedTrial(
        TRIAL, "again", "every run of a comparison is a fresh one", True, expected
    )


@pytest.mark.parametrize(("kind", "other"), [("ab", "candidate"), ("aa", "baseline")])
@pytest.mark.parametrize("failed", [False, True])
def test_what_is_kept_of_a_pair(tmp_path: Path, kind: str, other: str, failed: bool):
    runner = a_runner(tmp_path)
    outside, own = "others were busy", f"{OWN_SIGNS[0]} for it"
    contents = [
        record(TRIAL, phases=phases(startup=1.0, train=2.0), disturbed=(own, outside)),
        record(
            TRIAL, phases=phases(startup=30.0), failure=("crashed", "x") if failed else None, disturbed=("z",)
        ),
    ]
    runs = []
    for name, content in zip(("baseline", other), contents, strict=True):
        attempt = add(runner.results[name], TRIAL, content)
        runs.append(Run(name, TRIAL.id, attempt.number))
    pair = runner.keep(kind, TRIAL, "candidate", *runs)
    assert (pair.kind, pair.trial_key, pair.first, pair.runs) == (kind, TRIAL.key, "candidate", tuple(runs))
    assert pair.sides == ("key of baseline", f"key of {other}")
    assert (pair.seconds, pair.status) == (33.0, "failed" if failed else "done")
    assert pair.disturbed == (f"baseline: {outside}", "candidate: z")
    assert runner.journal.read(pair.sides, runner.results) == [pair]


class Over(Exception):
    """Where a test ends."""


@pytest.mark.parametrize("names", [("candidate", "baseline"), ("baseline", "baseline")])
@pytest.mark.parametrize(
    ("retries", "repeated"), [(2, {"host-oom", "crashed", "stalled"}), (0, {"host-oom"})]
)
def test_the_two_of_a_pair_have_their_own_places_and_no_checkpoints(
    tmp_path: Path, monkeypatch, retries: int, repeated: set[str], names: tuple[str, str]
):
    """Neither is tried again alone, and the machine is waited for before the first one only."""
    made: list[tuple[Any, ...]] = []

    def rounds(plan: list):
        raise Over
        yield

    def scheduler(self, *given: Any) -> SimpleNamespace:
        made.append(given)
        return SimpleNamespace(rounds=rounds)

    monkeypatch.setattr(PairRunner, "_scheduler", scheduler)
    limits = replace(LIMITS, retries=retries)
    with pytest.raises(Over):
        a_runner(tmp_path, limits=limits)._run_in_turns(names, TRIAL, None)
    within = replace(limits, retries=0, checkpoint_s=None, checkpoint_epochs=None)
    assert [(name, own, place) for name, own, _, place, _ in made] == [
        (names[0], within, 0),
        (names[1], replace(within, exclusive=False), 1),
    ]
    watchers = [one[2] for one in made]
    second = AGAIN if names[0] == names[1] else names[1]
    assert [(one.side, one.label, one.number) for one in watchers] == [
        (names[0], names[0], 0),
        (names[1], second, 1),
    ]
    assert all(set(one.repeated) == repeated for one in watchers)
