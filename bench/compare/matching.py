"""Which measurements of two sides belong together, and what differs where none do."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from bench.compare.fingerprint import difference, difference_of
from bench.compare.measurement import Measurement, Pair, TrialPairs
from bench.compare.reading import Side
from bench.trials.settings import REPLICATE_SETTINGS, digest_of, flatten

FILES = ("data.digest", "weights.sha256")
"""Settings that say with which files a trial ran."""
NEAR = 3
"""So many differing settings still make the nearest trial worth naming."""


def match(baseline: Side, candidate: Side) -> list[TrialPairs]:
    """Pair the measurements of both sides.

    Trials are matched by key; of each the k-th attempt that is done pairs with the k-th of the other side.
    Trials that differ in seed or split only are pairs of one configuration.

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
    machines = difference(baseline.machine, candidate.machine)
    return group(pairs, *rest, machines)


def group(
    pairs: Iterable[Pair],
    baseline_only: Iterable[Measurement] = (),
    candidate_only: Iterable[Measurement] = (),
    machines: str = "",
) -> list[TrialPairs]:
    """Join pairs to configurations.

    Args:
        pairs: Of trials with the same key.
        baseline_only: What found no partner or is not done.
        candidate_only: Likewise.
        machines: In what the machines differ; their times are then not compared.
    """
    of_pairs = _by(lambda pair: configuration_of(pair.baseline), pairs)
    old = _by(configuration_of, baseline_only)
    new = _by(configuration_of, candidate_only)
    trials = []
    for key in dict.fromkeys((*of_pairs, *old, *new)):
        mine, alone = of_pairs.get(key, []), (*old.get(key, []), *new.get(key, []))
        some = mine[0].baseline if mine else alone[0]
        devices = machines or difference_of([p.baseline for p in mine], [p.candidate for p in mine])
        trials.append(
            TrialPairs(
                key=key,
                label=some.label,
                settings=some.settings,
                pairs=tuple(mine),
                baseline_only=tuple(old.get(key, [])),
                candidate_only=tuple(new.get(key, [])),
                speed_not_comparable=f"measured on different machines: {devices}" if devices else "",
            )
        )
    return _named(_explained(trials))


def configuration_of(measurement: Measurement) -> str:
    """Hash of a trial's settings without those that only repeat it."""
    return digest_of(
        {name: value for name, value in _flat(measurement).items() if name not in REPLICATE_SETTINGS}
    )


def _flat(measurement: Measurement) -> dict[str, Any]:
    return flatten(measurement.settings)


def _by(key, values: Iterable) -> dict[str, list]:
    found: dict[str, list] = defaultdict(list)
    for value in values:
        found[key(value)].append(value)
    return dict(found)


def _explained(trials: Sequence[TrialPairs]) -> list[TrialPairs]:
    """Say why configurations without pairs have none: other images, other weights, or which settings."""
    from dataclasses import replace

    explained, joined = [], set()
    for trial in trials:
        if trial.key in joined:
            continue
        if not trial.pairs and trial.baseline_only and trial.candidate_only:
            why = _other_files(trial.baseline_only, trial.candidate_only)
            explained.append(replace(trial, not_comparable=why) if why else trial)
            continue
        if trial.pairs or not trial.baseline_only:
            explained.append(trial)
            continue
        # A weights file of another content makes another key: such a trial is neither new nor gone.
        other = next(
            (
                one
                for one in trials
                if not one.pairs
                and one.candidate_only
                and not one.baseline_only
                and one.key not in joined
                and set(_differing(trial, one)) <= set(FILES) | set(REPLICATE_SETTINGS)
            ),
            None,
        )
        if other is None:
            explained.append(trial)
            continue
        joined.add(other.key)
        why = _other_files(trial.baseline_only, other.candidate_only)
        explained.append(replace(trial, candidate_only=other.candidate_only, not_comparable=why))
    return [_near(trial, explained) for trial in explained if trial.key not in joined]


def _other_files(old: Sequence[Measurement], new: Sequence[Measurement]) -> str:
    """Which files of trials with the same settings differ; empty if a done one has its key on both sides."""
    if {one.key for one in old} & {one.key for one in new}:
        return ""
    before, after = _flat(old[0]), _flat(new[0])
    said = {"data.digest": "the images", "weights.sha256": "the pretrained weights"}
    found = [
        f"{words} are others ({str(before.get(name))[:8]} and {str(after.get(name))[:8]})"
        for name, words in said.items()
        if before.get(name) != after.get(name)
    ]
    others = [
        name for name in REPLICATE_SETTINGS if name not in FILES and before.get(name) != after.get(name)
    ]
    if others:
        found = [f"no {name.rpartition('.')[2]} is on both sides" for name in others]
    return "; ".join(found)


def _near(trial: TrialPairs, trials: Sequence[TrialPairs]) -> TrialPairs:
    """Name what tells a new or gone trial from the nearest one of the other side."""
    from dataclasses import replace

    if trial.pairs or (trial.baseline_only and trial.candidate_only):
        return trial
    side = "candidate" if trial.baseline_only else "baseline"
    others = [
        (differing, one)
        for one in trials
        if one is not trial
        and (one.pairs or (one.candidate_only if side == "candidate" else one.baseline_only))
        if len(differing := _differing(trial, one)) <= NEAR
    ]
    if not others:
        return trial
    differing, one = min(others, key=lambda found: len(found[0]))
    mine, its = flatten(trial.settings), flatten(one.settings)
    said = ", ".join(f"{name} {mine.get(name)}, there {its.get(name)}" for name in differing)
    return replace(trial, notes=(*trial.notes, f"nearest trial of the {side}: {one.label} ({said})"))


def _differing(one: TrialPairs, other: TrialPairs) -> list[str]:
    mine, its = flatten(one.settings), flatten(other.settings)
    return [
        name
        for name in dict.fromkeys((*mine, *its))
        if mine.get(name) != its.get(name) and name not in REPLICATE_SETTINGS
    ]


def _named(trials: list[TrialPairs]) -> list[TrialPairs]:
    """Where labels are alike, add the settings that tell the trials apart."""
    from dataclasses import replace

    named = []
    for trial in trials:
        alike = [one for one in trials if one.label == trial.label]
        if len(alike) == 1:
            named.append(trial)
            continue
        names = dict.fromkeys(name for one in alike for name in _differing(trial, one))
        mine = flatten(trial.settings)
        said = ", ".join(f"{name.rpartition('.')[2]} {mine.get(name)}" for name in names)
        named.append(replace(trial, label=f"{trial.label} ({said})" if said else trial.label))
    return named
