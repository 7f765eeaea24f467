"""What a comparison's pairs are judged by: what `auto` asks for, and what reaches the verdict."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from comparison_equipment import measurement, record, trial
from equipment.results.records import a_trial
from regress_equipment import Listener, a_pair

from bench.compare.differences import Fingerprint
from bench.compare.reading import Side
from bench.compare.thresholds import Thresholds
from bench.regress import verdict
from bench.regress.stopping import Next

THRESHOLDS = Thresholds(change=0.04)


@pytest.mark.parametrize("regressions", [(), ("one",)])
def test_auto_measures_the_noise_that_no_other_comparison_has(monkeypatch, regressions: tuple):
    """Eight pairs over two configurations; one of the first is there. Nothing where something is slower."""
    calls: list[tuple[Any, ...]] = []
    found = SimpleNamespace(regressions=regressions)

    def noting(name: str, answer: Any = None):
        return lambda *given, **named: calls.append((name, *given, *([named] if named else []))) or answer

    evidence = SimpleNamespace(
        elsewhere=[SimpleNamespace(baseline=SimpleNamespace(key="k0"))], noise=lambda pairs: ("noise", pairs)
    )
    schedule = SimpleNamespace(
        groups={"a": ["k0", "k1"], "b": ["k2"]},
        pairs=["a pair"],
        count=lambda kind: 3,
        cut_short=False,
        measure_noise=noting("measure"),
    )
    speaker = Listener()
    session = SimpleNamespace(
        schedule=schedule, speaker=speaker, request=SimpleNamespace(thresholds=THRESHOLDS)
    )
    monkeypatch.setattr(verdict.Evidence, "of", lambda asked: evidence)
    for name, answer in (
        ("first_pairs", None),
        ("deal", None),
        ("judge_pairs", found),
        ("plan_pairs", "the plan"),
        ("after_look", Next({}, "all is clear")),
    ):
        monkeypatch.setattr(verdict, name, noting(name, answer))
    assert verdict.until_clear(session) is found
    measured = [] if regressions else [("measure", {"k0": 3, "k2": 4})]
    assert calls == [
        ("first_pairs", session, 1),
        ("deal", session, evidence, {"a": False, "b": False}, {"suspects_only": True}),
        ("judge_pairs", session, evidence),
        *measured,
        ("plan_pairs", ("noise", ["a pair"]), 2, THRESHOLDS),
        ("judge_pairs", session, evidence, "the plan"),
        ("after_look", found, schedule, -1),
    ]
    assert speaker.said == ["the plan", "3 pairs: all is clear."]


def test_pairs_are_judged_with_their_noise_their_looks_and_what_differs(monkeypatch, tmp_path: Path):
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    monkeypatch.setattr(verdict, "judge", lambda *given, **named: calls.append((given, named)))
    monkeypatch.setattr(verdict, "side_differences", lambda sides: {"of": sides})
    sides = {name: SimpleNamespace(label=f"the {name}") for name in ("baseline", "candidate")}
    pairs = [a_pair()]
    session = SimpleNamespace(
        schedule=SimpleNamespace(pairs=pairs, cut_short=True),
        sides=sides,
        folder=tmp_path,
        request=SimpleNamespace(thresholds=THRESHOLDS),
    )
    evidence = SimpleNamespace(trials=lambda pairs: ("trials", pairs), noise=lambda pairs: ("noise", pairs))
    verdict.judge_pairs(session, evidence, "a note")
    notes = [
        "a note",
        "1 pair of baseline and candidate ran, and 0 of the baseline with itself.",
        "The budget was spent before every pair had run.",
    ]
    named = {
        "noise": ("noise", pairs),
        "baseline": "the baseline",
        "candidate": "the candidate",
        "differences": {"of": sides},
        "notes": notes,
        "looks": tmp_path,
    }
    assert calls == [((("trials", pairs), THRESHOLDS), named)]


def test_noise_of_other_comparisons_is_that_of_these_trials_here(monkeypatch, tmp_path: Path):
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(verdict, "noise_elsewhere", lambda *given: asked.append(given) or ["a pair"])
    place, trials = Fingerprint(cores=2), [a_trial(seed=seed) for seed in (0, 1)]
    session = SimpleNamespace(
        trials=trials, place=place, keys=("old", "new"), folder=tmp_path, results={"baseline": "b"}
    )
    evidence = verdict.Evidence.of(session)
    assert asked == [(tmp_path, "old", {one.key for one in trials}, place)]
    assert (evidence.results, evidence.elsewhere) == ({"baseline": "b"}, ["a pair"])


@pytest.mark.parametrize("machine", [Fingerprint(), Fingerprint(model="P")])
def test_saved_runs_are_judged_by_trial_and_by_machine(monkeypatch, tmp_path: Path, machine: Fingerprint):
    """Those of other trials are left out, and a machine is looked at where the baseline's is known."""
    own, other = trial(), trial("LeNet5")
    saved = Side("baseline:v1", tuple(measurement(of, record(of)) for of in (own, other)), machine, ("torn",))
    ran = Side("candidate", (measurement(own, record(own)),))
    matched: list[tuple[Side, Side]] = []
    judged: list[dict[str, Any]] = []
    wanted: list[dict[str, int]] = []
    here = Fingerprint(model="here")
    monkeypatch.setattr(verdict, "match", lambda *sides: matched.append(sides) or "matched")
    monkeypatch.setattr(verdict, "judge", lambda *given, **named: judged.append({"given": given, **named}))
    monkeypatch.setattr(verdict, "_run_missing", lambda session, runs: wanted.append(runs) or True)
    monkeypatch.setattr(verdict, "_attempts", lambda session: {own.key: ["an attempt"]})
    monkeypatch.setattr(verdict, "read_attempts", lambda attempts, name: ran)
    monkeypatch.setattr(verdict, "machine_of", lambda measurements: here)
    session = SimpleNamespace(
        speaker=Listener(),
        trials=[own],
        folder=tmp_path,
        sides={"candidate": SimpleNamespace(label="the candidate")},
        request=SimpleNamespace(thresholds=THRESHOLDS, pairs=None),
    )
    verdict.against_recorded(session, saved)
    ((old, new),) = matched
    assert [one.key for one in old.measurements] == [own.key] and wanted == [{own.key: 1}]
    assert new.machine == (here if machine else Fingerprint())
    assert judged == [
        {
            "given": ("matched", THRESHOLDS),
            "baseline": "baseline:v1",
            "candidate": "the candidate",
            "notes": [verdict.UNPAIRED, verdict.CUT_SHORT, "torn"],
            "looks": tmp_path,
        }
    ]
