"""Comparisons that were kept, and the history of versions that they make together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import msgspec

from bench.compare.differences import Fingerprint
from bench.compare.judging import judge
from bench.compare.measurement import TrialPairs
from bench.compare.steps import History, among, make_history
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Verdict
from bench.errors import InputError, ResultsError
from bench.journal.results import SuiteResults
from bench.plan.decide import matches
from bench.regress.pairs import PairJournal
from bench.regress.side_notes import SIDES, SideNote, SidesNote, differences
from bench.regress.sides import NAMES
from bench.regress.verdict import Evidence
from bench.trials.layout import REGRESS


@dataclass(frozen=True)
class Kept:
    """A comparison of two sides that ran."""

    folder: Path
    suite: str
    baseline: SideNote
    candidate: SideNote
    trials: tuple[TrialPairs, ...]
    pairs: int

    def verdict(self, thresholds: Thresholds) -> Verdict:
        """What its pairs show."""
        return judge(
            self.trials,
            thresholds,
            baseline=self.baseline.label,
            candidate=self.candidate.label,
            differences=differences(self.baseline, self.candidate),
            looks=self.folder,
        )


def read_kept(folder: Path, only: str | None = None) -> Kept | None:
    """The comparison in a folder; None where no pair of the sides that it names is there.

    Args:
        folder: `<results>/regress/<name>`.
        only: Only trials whose id matches this pattern; None: all.

    Raises:
        InputError: Something in it cannot be read.
    """
    try:
        note = msgspec.json.decode((folder / SIDES).read_bytes(), type=SidesNote)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        way_out = "Running the comparison again writes it anew."
        raise InputError(f"{folder / SIDES} cannot be read: {error}", way_out) from None
    if note.baseline is None or note.candidate is None:
        return None
    results = {name: SuiteResults(folder, name) for name in NAMES}
    pairs = PairJournal(folder).read((note.baseline.key, note.candidate.key), results)
    trials = tuple(
        trial for trial in Evidence(results).trials(pairs) if only is None or matches(trial.label, only)
    )
    if not trials:
        return None
    compared = sum(one.kind == "ab" for one in pairs)
    return Kept(folder, note.suite or folder.name, note.baseline, note.candidate, trials, compared)


def read_all(results: Path, only: str | None = None) -> tuple[list[Kept], list[str]]:
    """Every comparison in a results folder, and what could not be read: sentences."""
    found, troubles = [], []
    for journal in sorted((results / REGRESS).glob("*/pairs.jsonl")):
        try:
            kept = read_kept(journal.parent, only)
        except (InputError, ResultsError) as error:
            troubles.append(f"Left out: {error.what}.")
            continue
        if kept is not None:
            found.append(kept)
    return found, troubles


def histories(results: Path, thresholds: Thresholds, only: str | None = None) -> list[History]:
    """The history of every suite that kept comparisons tell of.

    It is the longest chain of versions, each of which is the candidate of one comparison and the baseline of the next.

    Raises:
        InputError: There is no comparison of two sides that ran and have different names.
    """
    kept, troubles = read_all(results, only)
    if not kept:
        raise InputError(
            f"{results / REGRESS} has no comparison of two sides" + (f" with trials {only}" if only else ""),
            "Run `regress SUITE --versions ...` first, or give --results.",
        )
    suites: dict[str, list[Kept]] = defaultdict(list)
    for one in kept:
        suites[one.suite].append(one)
    found = []
    for suite, own in sorted(suites.items()):
        chosen, left = longest_chain(own)
        if not chosen:
            continue
        notes = [*troubles, *(f"Not in the chain, so not drawn: {one.folder.name}." for one in left)]
        found.append(history_of(suite, chosen, thresholds, notes))
    if not found:
        raise InputError(
            f"both sides of every comparison in {results / REGRESS} have the same name, so they are one version",
            "Compare two versions: `regress SUITE --versions ...`.",
        )
    return found


def history_of(
    suite: str, chain: Sequence[Kept], thresholds: Thresholds, notes: Iterable[str] = ()
) -> History:
    """The history that neighbors make.

    Args:
        suite: Its name.
        chain: In order of versions.
        thresholds: What to judge by; error rates are those of the whole history.
        notes: What a reader should know besides.
    """
    shared = among(thresholds, len(chain))
    verdicts = [one.verdict(shared) for one in chain]
    return make_history(suite, verdicts, thresholds, [*notes, *_differing_places(chain)])


def longest_chain(comparisons: Sequence[Kept]) -> tuple[list[Kept], list[Kept]]:
    """The longest chain of versions, oldest first, and the comparisons that are not in it.

    Versions are told apart by their labels. Of several comparisons of the same two, the one with most pairs counts;
    where versions follow each other in a circle, those with fewest pairs are left out.
    """
    edges: dict[tuple[str, str], Kept] = {}
    for one in sorted(comparisons, key=lambda one: -one.pairs):
        edge = one.baseline.label, one.candidate.label
        before = {**edges, edge: one}
        if edge not in edges and edge[0] != edge[1] and _order(before) is not None:
            edges[edge] = one
    best: dict[str, list[Kept]] = {}
    for version in _order(edges) or []:
        ways = [[*best[old], one] for (old, new), one in edges.items() if new == version]
        best[version] = max(ways, key=_weight, default=[])
    chain = max(best.values(), key=_weight, default=[])
    return chain, [one for one in comparisons if one not in chain]


def _weight(chain: Sequence[Kept]) -> tuple[int, int]:
    return len(chain), sum(one.pairs for one in chain)


def _order(edges: Iterable[tuple[str, str]]) -> list[str] | None:
    """Versions in an order in which each comes after those that it was compared with; None in a circle."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for old, new in edges:
        sorter.add(new, old)
    try:
        return list(sorter.static_order())
    except CycleError:
        return None


def _differing_places(chain: Sequence[Kept]) -> list[str]:
    """Notes where a version had two environments, or neighbors were measured on different machines."""
    notes = []
    for before, after in pairwise(chain):
        if found := differences(before.candidate, after.baseline):
            shown = ", ".join(
                f"{name} {old or 'none'} and {new or 'none'}" for name, (old, new) in found.items()
            )
            notes.append(f"{before.candidate.label} ran in two environments, with {shown}.")
    places = {
        Fingerprint.of_record(side.record): None
        for one in chain
        for trial in one.trials
        for pair in trial.pairs
        for side in pair.sides
    }
    first, *others = places or [Fingerprint()]
    if said := next(filter(None, map(first.difference, others)), ""):
        notes.append(f"Not all were measured in one place: {said}.")
    return notes
