"""Which source goes into which split, and which originals and copies a split takes."""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from wbc.errors import InputError

DEFAULT_FRACTIONS: Mapping[str, float] = MappingProxyType({"train": 0.6, "validation": 0.15, "test": 0.25})
"""Share of the sources of every class that each split gets."""

NONE_STAY: Mapping[str, str] = MappingProxyType({})
"""Every source is assigned anew."""


def split_sources(
    classes_by_source: Mapping[str, Collection[str]],
    fractions: Mapping[str, float] = DEFAULT_FRACTIONS,
    seed: int = 0,
    stay: Mapping[str, str] = NONE_STAY,
) -> dict[str, str]:
    """Assign every source to a split, stratified by class.

    A source is what must stay together, such as all images of one field of view. A source with images of
    several classes counts for each of them. Sources are assigned class by class, the rarest class first. Each
    goes to the split that is furthest below its target (iterative stratification: Sechidis, Tsoumakas and
    Vlahavas, ECML PKDD 2011). The targets are whole numbers of sources, at least one per split.

    Args:
        classes_by_source: Source -> the classes of its images. The order does not matter.
        fractions: Split -> share, in the order of the splits. The shares are positive and their sum is 1.
        seed: Another seed assigns the sources differently.
        stay: Source -> split of those that are assigned already.

    Returns:
        Source -> split, ordered by source.

    Raises:
        InputError: A class has fewer sources than there are splits, or shares its sources with other classes
            so that a split would lack it.
        ValueError: The fractions are not positive or do not sum to 1.
    """
    if min(fractions.values(), default=0) <= 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise ValueError(f"fractions must be positive and sum to 1, not {dict(fractions)}")
    names = sorted(classes_by_source)
    sources = {name: sorted(set(classes_by_source[name])) for name in names}
    counts = Counter(label for labels in sources.values() for label in labels)
    require_sources(classes_by_source, fractions)

    rng = np.random.default_rng(seed)
    shuffled = [names[index] for index in rng.permutation(len(names))]
    missing = {label: _targets(counts[label], fractions) for label in counts}
    splits = {name: stay[name] for name in names if name in stay}
    for name, split in splits.items():
        for label in sources[name]:
            missing[label][split] -= 1
    while any(unassigned := _unassigned(sources, splits)):
        rarest = min(unassigned, key=lambda label: (unassigned[label], label))
        for name in shuffled:
            if name in splits or rarest not in sources[name]:
                continue
            split = _neediest(missing, rarest, sources[name], fractions)
            splits[name] = split
            for label in sources[name]:
                missing[label][split] -= 1
    splits.update({name: next(iter(fractions)) for name in names if name not in splits})  # without any class
    for label in sorted(counts):
        reached = {splits[name] for name in names if label in sources[name]}
        if len(reached) < len(fractions):
            raise _too_few(label, counts[label], fractions)
    return {name: splits[name] for name in names}


def require_sources(classes_by_source: Mapping[str, Collection[str]], splits: Collection[str]) -> None:
    """Make sure that every class has a source for every split.

    Raises:
        InputError: One has fewer.
    """
    counts = Counter(label for labels in classes_by_source.values() for label in set(labels))
    for label in sorted(counts):
        if counts[label] < len(splits):
            raise _too_few(label, counts[label], splits)


def _too_few(label: str, count: int, fractions: Collection[str]) -> InputError:
    parts = ", ".join(fractions) if len(fractions) <= 5 else f"{len(fractions)} parts"
    return InputError(
        f"class {label} has too few sources: {count}, but {parts} need one each",
        f"Add images of {label} from at least {len(fractions)} different sources (patients, slides or "
        "photographs), or leave the class out.",
    )


def _targets(count: int, fractions: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers near the shares of `count`, at least one each, that sum to `count`."""
    targets = {split: max(1, int(count * share)) for split, share in fractions.items()}
    while sum(targets.values()) != count:
        step = 1 if sum(targets.values()) < count else -1
        able = [split for split in fractions if targets[split] + step >= 1]
        split = max(able, key=lambda split: step * (count * fractions[split] - targets[split]))
        targets[split] += step
    return targets


def _unassigned(sources: Mapping[str, list[str]], splits: Mapping[str, str]) -> Counter[str]:
    """Class -> number of its sources that have no split yet."""
    return Counter(label for name, labels in sources.items() if name not in splits for label in labels)


def _neediest(
    missing: Mapping[str, Mapping[str, int]], rarest: str, labels: list[str], fractions: Mapping[str, float]
) -> str:
    """The split that lacks most sources of the rarest class; on a tie, of the source's other classes."""

    def need(split: str) -> tuple[int, int]:
        return missing[rarest][split], sum(missing[label][split] for label in labels)

    return max(fractions, key=need)


@dataclass(frozen=True)
class Quota:
    """How many images of each class a split takes."""

    images_per_class: int | Mapping[str, int] | None = None
    """Images of each class by class name, or one number for all; None: every original, `times` times."""
    times: int = 1
    """How often each original is used, itself included."""
    originals: int | None = None
    """Originals of each class at most; None: all."""
    balanced: bool = False
    """Without a number of images: every class gets as many as the largest class has originals."""
    copies: bool = False
    """Whether augmented copies may make up for missing originals."""

    @classmethod
    def of_total(
        cls, images: int, classes: Sequence[str], originals: int | None = None, copies: bool = False
    ) -> "Quota":
        """A total number of images, spread evenly over the classes; the first classes get the remainder."""
        each, rest = divmod(images, len(classes))
        counts = {name: each + (number < rest) for number, name in enumerate(classes)}
        return cls(counts, originals=originals, copies=copies)

    def wanted(self, class_name: str, available: int, largest: int) -> int:
        """Number of images of a class.

        Args:
            class_name: The class.
            available: Number of its originals that are used.
            largest: The same number of the class that has most.
        """
        if isinstance(self.images_per_class, int):
            return self.images_per_class
        if self.images_per_class is not None:
            return self.images_per_class[class_name]
        return largest if self.balanced else available * self.times


def choose_images(
    originals: Mapping[str, Sequence[str]], quota: Quota, split: str, seed: int
) -> list[tuple[tuple[str, str], int]]:
    """Choose the originals and copies of a split.

    Args:
        originals: Class -> names of its originals in this split.
        quota: How many are wanted.
        split: Its name, for messages.
        seed: Decides which originals are taken, and which get one copy more than others.

    Returns:
        ((class, name of the original), number of the augmented copy, 0 for the original itself), by class.

    Raises:
        InputError: More images are wanted than there are originals, and no copies are allowed.
    """
    chosen = []
    used = {}
    for name, found in originals.items():
        order = image_rng(seed, name, 0).permutation(len(found))
        used[name] = [found[index] for index in order][: quota.originals]
    largest = max(map(len, used.values()))
    for name, names in used.items():
        wanted = quota.wanted(name, len(names), largest)
        if wanted > len(names) and not quota.copies:
            raise InputError(
                f"{wanted} images of {name} are asked for in {split}, which has {len(names)} originals of it",
                "Ask for fewer images: only the protocol thesis-2018 puts augmented copies there.",
            )
        for number in range(wanted):
            copy, index = divmod(number, len(names))
            chosen.append(((name, names[index]), copy))
    return chosen


def image_rng(seed: int, name: str, copy: int) -> np.random.Generator:
    """A random generator for one image, so that the order of the images does not matter."""
    return np.random.default_rng([seed, copy, *hashlib.sha256(name.encode()).digest()])
