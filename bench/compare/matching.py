"""Which measurements of two sides belong together, and what differs where none do."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from bench.compare.differences import device_difference
from bench.compare.measurement import Measurement, Pair, TrialPairs
from bench.compare.reading import Side
from bench.trials.settings import REPLICATE_SETTINGS, is_of_replicate

FILES = {
    "data.digest": "the images",
    "data.test_digest": "the images of the external test",
    "weights.sha256": "the pretrained weights",
}
"""Settings that tell with which files a trial ran -> what these are."""

NEAR = 3
"""The nearest trial is named if it differs in at most so many settings."""

_T = TypeVar("_T")


def match(baseline: Side, candidate: Side) -> list[TrialPairs]:
    """Pair the measurements of both sides.

    Trials are matched by key. Of each trial, the k-th attempt that is done is paired with the k-th of the
    other side. Trials that differ in seed or split only are pairs of one configuration.

    Returns:
        A `TrialPairs` for every configuration of either side, in the baseline's order.
    """
    pairs: list[Pair] = []
    rest: tuple[list[Measurement], list[Measurement]] = ([], [])
    keys = dict.fromkeys(one.key for side in (baseline, candidate) for one in side.measurements)
    by_key = [_by(lambda one: one.key, side.measurements) for side in (baseline, candidate)]
    for key in keys:
        both = [side.get(key, []) for side in by_key]
        done = [[one for one in side if one.done] for side in both]
        matched = list(zip(*done, strict=False))
        pairs += [Pair(*pair) for pair in matched]
        for number, side in enumerate(done):
            rest[number].extend(side[len(matched) :])
            rest[number].extend(one for one in both[number] if not one.done)
    return group(pairs, *rest, baseline.machine.difference(candidate.machine))


def shared_runs(baseline: Side, candidate: Side) -> str:
    """A sentence where runs of one side are runs of the other, too; empty where none are."""
    known = {_run(one): one.record for one in baseline.measurements}
    shared = sum(known.get(_run(one)) == one.record for one in candidate.measurements)
    if not shared:
        return ""
    if shared == len(baseline.measurements) == len(candidate.measurements):
        return "Both sides are the same runs: each is compared with itself, which shows nothing."
    return (
        f"{shared} of {len(candidate.measurements)} runs of {candidate.name} are runs of {baseline.name}, too. "
        "A run that is compared with itself shows nothing."
    )


def group(
    pairs: Iterable[Pair],
    baseline_only: Iterable[Measurement] = (),
    candidate_only: Iterable[Measurement] = (),
    machines: str = "",
) -> list[TrialPairs]:
    """Join pairs to configurations.

    Args:
        pairs: Of trials with the same key.
        baseline_only: Measurements without a partner, and those that are not done.
        candidate_only: Likewise.
        machines: What differs between the machines; times are then not compared.
    """
    of_pairs = _by(lambda pair: configuration_of(pair.baseline), pairs)
    old, new = _by(configuration_of, baseline_only), _by(configuration_of, candidate_only)
    trials = []
    for key in dict.fromkeys((*of_pairs, *old, *new)):
        mine, alone = of_pairs.get(key, []), (*old.get(key, []), *new.get(key, []))
        trial = (mine[0].baseline if mine else alone[0]).record.trial
        devices = machines or device_difference([p.baseline for p in mine], [p.candidate for p in mine])
        trials.append(
            TrialPairs(
                key=key,
                label=trial.label,
                settings=trial.settings,
                pairs=tuple(mine),
                baseline_only=tuple(old.get(key, [])),
                candidate_only=tuple(new.get(key, [])),
                speed_not_comparable=f"measured on different machines: {devices}" if devices else "",
            )
        )
    return _with_unique_labels(_explained(trials))


def configuration_of(measurement: Measurement) -> str:
    """Key of a measurement's configuration: the same on both sides, whatever runs it."""
    return measurement.settings.configuration_key


def _run(measurement: Measurement) -> tuple[str, int, str | None]:
    record = measurement.record
    return record.trial.id, record.attempt, record.started_at


def _by(key: Callable[[_T], str], values: Iterable[_T]) -> dict[str, list[_T]]:
    found: dict[str, list[_T]] = defaultdict(list)
    for value in values:
        found[key(value)].append(value)
    return dict(found)


def _explained(trials: Sequence[TrialPairs]) -> list[TrialPairs]:
    """Say why configurations have no pairs: other images, other weights, or which settings."""
    explained: list[TrialPairs] = []
    joined: set[str] = set()
    for trial in trials:
        if trial.key in joined:
            continue
        if trial.pairs or not trial.baseline_only:
            explained.append(trial)
        elif trial.candidate_only:
            why = _other_files(trial.baseline_only, trial.candidate_only)
            explained.append(replace(trial, not_comparable=why))
        elif (other := _same_but_files(trial, trials, joined)) is not None:
            # Weights of other content make another key; such a trial is neither new nor gone.
            joined.add(other.key)
            why = _other_files(trial.baseline_only, other.candidate_only)
            explained.append(replace(trial, candidate_only=other.candidate_only, not_comparable=why))
        else:
            explained.append(trial)
    return [_near(trial, explained) for trial in explained if trial.key not in joined]


def _same_but_files(trial: TrialPairs, trials: Sequence[TrialPairs], joined: set[str]) -> TrialPairs | None:
    """A trial of the candidate alone that differs in nothing but the files it ran with."""
    return next(
        (
            one
            for one in trials
            if not one.pairs
            and one.candidate_only
            and not one.baseline_only
            and one.key not in joined
            and set(_differing(trial, one)) <= FILES.keys()
        ),
        None,
    )


def _other_files(old: Sequence[Measurement], new: Sequence[Measurement]) -> str:
    """The files that differ between trials with the same settings; empty if a key is on both sides."""
    if {one.key for one in old} & {one.key for one in new}:
        return ""
    before, after = old[0].settings.flat(), new[0].settings.flat()
    others = [
        name for name in REPLICATE_SETTINGS if name not in FILES and before.get(name) != after.get(name)
    ]
    if others:
        return "; ".join(f"no {name.rpartition('.')[2]} is on both sides" for name in others)
    return "; ".join(
        f"{what} differ ({str(before.get(name))[:8]} and {str(after.get(name))[:8]})"
        for name, what in FILES.items()
        if before.get(name) != after.get(name)
    )


def _near(trial: TrialPairs, trials: Sequence[TrialPairs]) -> TrialPairs:
    """Note in what a new or gone trial differs from the nearest one of the other side."""
    if trial.pairs or (trial.baseline_only and trial.candidate_only):
        return trial
    side = "candidate" if trial.baseline_only else "baseline"
    others = [
        (differing, one)
        for one in trials
        if one is not trial
        and (one.pairs or (one.candidate_only if side == "candidate" else one.baseline_only))
        and len(differing := _differing(trial, one)) <= NEAR
    ]
    if not others:
        return trial
    differing, one = min(others, key=lambda found: len(found[0]))
    mine, its = trial.settings.flat(), one.settings.flat()
    said = ", ".join(f"{name} {mine.get(name)}, there {its.get(name)}" for name in differing)
    return replace(trial, notes=(f"nearest trial of the {side}: {one.label} ({said})",))


def _differing(one: TrialPairs, other: TrialPairs) -> list[str]:
    """The settings, by flat name, in which two configurations differ."""
    mine, its = one.settings.flat(), other.settings.flat()
    return [
        name
        for name in dict.fromkeys((*mine, *its))
        if mine.get(name) != its.get(name) and not is_of_replicate(name)
    ]


def _with_unique_labels(trials: list[TrialPairs]) -> list[TrialPairs]:
    """Add to equal labels the settings that tell the trials apart."""
    named = []
    for trial in trials:
        alike = [one for one in trials if one.label == trial.label]
        names = dict.fromkeys(name for one in alike for name in _differing(trial, one))
        mine = trial.settings.flat()
        said = ", ".join(f"{name.rpartition('.')[2]} {mine.get(name)}" for name in names)
        named.append(replace(trial, label=f"{trial.label} ({said})" if said else trial.label))
    return named
