"""The split of source cells into training, validation and test part."""

from collections import Counter
from collections.abc import Collection, Mapping
from types import MappingProxyType

import numpy as np

from wbc.errors import InputError

DEFAULT_FRACTIONS: Mapping[str, float] = MappingProxyType({"train": 0.6, "validation": 0.15, "test": 0.25})
"""Share of the groups of every class that each part gets."""


def split_groups(
    classes_by_group: Mapping[str, Collection[str]],
    fractions: Mapping[str, float] = DEFAULT_FRACTIONS,
    seed: int = 0,
) -> dict[str, str]:
    """Give every group a part, stratified by class.

    A group is what must stay together: all images of one source cell, or of one field with several cells.
    A group with images of several classes counts for each of them. Groups are dealt class by class, the
    rarest first, each to the part that is furthest below its target (iterative stratification:
    Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011). The targets are whole numbers of groups, at least
    one per part.

    Args:
        classes_by_group: Name of the group -> the classes of its images.
        fractions: Part -> share, in the order of the parts; the shares are positive and their sum is 1.
        seed: Another seed deals the groups otherwise. The order of `classes_by_group` is of no account.

    Returns:
        Name of the group -> part, ordered by name.

    Raises:
        InputError: A class has fewer groups than there are parts, or shares all of them with other classes in
            such a way that one part would lack it.
        ValueError: The fractions are not positive or do not sum to 1.
    """
    if min(fractions.values(), default=0) <= 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise ValueError(f"fractions must be positive and sum to 1, not {dict(fractions)}")
    names = sorted(classes_by_group)
    groups = {name: sorted(set(classes_by_group[name])) for name in names}
    counts = Counter(label for labels in groups.values() for label in labels)
    for label in sorted(counts):
        if counts[label] < len(fractions):
            raise _too_few(label, counts[label], fractions)

    generator = np.random.default_rng(seed)
    shuffled = [names[index] for index in generator.permutation(len(names))]
    missing = {label: _targets(counts[label], fractions) for label in counts}
    parts: dict[str, str] = {}
    while any(open_groups := _open_groups(groups, parts)):
        rarest = min(open_groups, key=lambda label: (open_groups[label], label))
        for name in shuffled:
            if name in parts or rarest not in groups[name]:
                continue
            part = _neediest(missing, rarest, groups[name], fractions)
            parts[name] = part
            for label in groups[name]:
                missing[label][part] -= 1
    parts.update({name: next(iter(fractions)) for name in names if name not in parts})  # without any class
    for label in sorted(counts):
        reached = {parts[name] for name in names if label in groups[name]}
        if len(reached) < len(fractions):
            raise _too_few(label, counts[label], fractions)
    return {name: parts[name] for name in names}


def _too_few(label: str, count: int, fractions: Mapping[str, float]) -> InputError:
    cells = "1 source cell" if count == 1 else f"{count} source cells"
    return InputError(
        f"class {label} has too few source cells: {cells}, not enough for {', '.join(fractions)}",
        f"Add images of {label} (at least {len(fractions)} different cells) or leave the class out.",
    )


def _targets(count: int, fractions: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers near the shares of `count`, at least one each, that sum to `count`."""
    targets = {part: max(1, int(count * share)) for part, share in fractions.items()}
    while sum(targets.values()) != count:
        step = 1 if sum(targets.values()) < count else -1
        able = [part for part in fractions if targets[part] + step >= 1]
        part = max(able, key=lambda part: step * (count * fractions[part] - targets[part]))
        targets[part] += step
    return targets


def _open_groups(groups: Mapping[str, list[str]], parts: Mapping[str, str]) -> Counter:
    """Class -> number of its groups that have no part yet."""
    return Counter(label for name, labels in groups.items() if name not in parts for label in labels)


def _neediest(
    missing: Mapping[str, Mapping[str, int]], rarest: str, labels: list[str], fractions: Mapping[str, float]
) -> str:
    """The part that lacks most groups of the rarest class; among equals, of the group's other classes."""

    def need(part: str) -> tuple[int, int]:
        return missing[rarest][part], sum(missing[label][part] for label in labels)

    return max(fractions, key=need)
