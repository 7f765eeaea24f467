"""Which original goes into which split: by usual shares, or as one of several folds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wbc.data.pipeline.splitting import DEFAULT_FRACTIONS, NONE_STAY, require_sources, split_sources
from wbc.data.pipeline.stages import Original
from wbc.errors import InputError, command

HELD_OUT = {"train": 0.8, "validation": 0.2}
"""How the images that are not in the tested fold are shared."""


@dataclass(frozen=True)
class Splitting:
    """How originals are split.

    Raises:
        InputError: There are fewer than two folds, or no such fold.
    """

    split_seed: int = 0
    folds: int | None = None
    """Number of folds; None: one split by usual shares."""
    fold: int | None = None
    """The fold that is the test, from 1."""

    def __post_init__(self) -> None:
        if self.folds is not None and not (self.folds >= 2 and 1 <= (self.fold or 0) <= self.folds):
            raise InputError(f"fold {self.fold} of {self.folds} is asked for", "Give 2 folds or more.")


def split_by(
    originals: Sequence[Original], splitting: Splitting, stay: Mapping[str, str] = NONE_STAY
) -> dict[str, str]:
    """Source -> split.

    In `k` folds every source is tested in exactly one of the `k` splittings. The folds do not depend on which
    of them is asked for.

    Args:
        originals: The originals.
        splitting: How.
        stay: Source -> split, or fold, of those that are assigned already.

    Raises:
        InputError: A class has too few sources, or a split or fold misses its share of a class badly.
    """
    if splitting.folds is None:
        return split_originals(originals, splitting.split_seed, stay)
    fold_of = folds_of(splitting.folds, originals, splitting.split_seed, stay)
    rest = [one for one in originals if fold_of[one.source] != str(splitting.fold)]
    trained = split_sources(classes_by_source(rest), HELD_OUT, splitting.split_seed)
    _check_shares(rest, trained, HELD_OUT)
    return dict.fromkeys(fold_of, "test") | trained


def check_sources(originals: Sequence[Original], splitting: Splitting) -> None:
    """Make sure that every class has enough sources, before the search for near-duplicates, which finds no more.

    Raises:
        InputError: A class has fewer sources than there are splits or folds, or a fold leaves it too few for training
            and validation.
    """
    free = [one for one in originals if splitting.folds or not one.split]
    splits = [split for split in DEFAULT_FRACTIONS if split != "test" or len(free) == len(originals)]
    folds = list(map(str, range(1, splitting.folds + 1))) if splitting.folds else splits
    require_sources(classes_by_source(free), folds)
    if splitting.folds == 2:  # one half is tested; the other one is for training and validation
        require_sources(classes_by_source(free), ["train", "validation", *folds])


def folds_of(
    folds: int, originals: Sequence[Original], seed: int, stay: Mapping[str, str] = NONE_STAY
) -> dict[str, str]:
    """Source -> number of the fold in which it is tested; see `split_by`."""
    shares = {str(number): 1 / folds for number in range(1, folds + 1)}
    fold_of = split_sources(classes_by_source(originals), shares, seed, stay)
    _check_shares(originals, fold_of, shares, "fold ")
    return fold_of


def split_originals(
    originals: Sequence[Original], seed: int, stay: Mapping[str, str] = NONE_STAY
) -> dict[str, str]:
    """Source -> split; see `split_sources`. Splits of the author's stay; validation is taken out of the rest.

    Raises:
        InputError: A class has too few sources, or a split misses its share of a class badly.
    """
    fixed = {original.source: original.split for original in originals if original.split}
    fractions = DEFAULT_FRACTIONS
    if fixed:
        whole = sum(DEFAULT_FRACTIONS[split] for split in ("train", "validation"))
        fractions = {split: DEFAULT_FRACTIONS[split] / whole for split in ("train", "validation")}
    free = [one for one in originals if one.source not in fixed]
    split_of = {**split_sources(classes_by_source(free), fractions, seed, stay), **fixed}
    _check_shares(free, split_of, fractions)
    return split_of


def classes_by_source(originals: Sequence[Original]) -> dict[str, set[str]]:
    """Source -> the classes of its originals."""
    classes_of: dict[str, set[str]] = {}
    for original in originals:
        classes_of.setdefault(original.source, set()).add(original.class_name)
    return classes_of


def _check_shares(
    originals: Sequence[Original],
    split_of: Mapping[str, str],
    fractions: Mapping[str, float],
    called: str = "",
) -> None:
    """Refuse a split that has far more or far fewer images of a class than its share."""
    images = Counter((one.class_name, split_of[one.source]) for one in originals)
    for name in sorted({one.class_name for one in originals}):
        own = [one.source for one in originals if one.class_name == name]
        for split, share in fractions.items():
            got, wanted = images[name, split], share * len(own)
            if abs(got - wanted) > max(2, 0.3 * len(own)) or got < 0.25 * wanted - 1:
                ((source, largest),) = Counter(own).most_common(1)
                raise InputError(
                    f"{called}{split} would get {got} of {len(own)} images of {name}, but its share is "
                    f"{wanted:.0f}: {largest} images are one source ({source}), which cannot be split",
                    f"If they do not show the same thing, `{command()} data prepare FROM TO --no-near-duplicates` "
                    "splits without looking for that, and suites take TO. Or say what belongs together: --group, or "
                    "group in [data].",
                )
