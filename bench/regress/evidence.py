"""What the runs of a comparison have to say, in the form that is judged."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.compare.matching import group
from bench.compare.measurement import Measurement, Pair, TrialPairs
from bench.compare.reading import measurement_of
from bench.journal.results import SuiteResults
from bench.regress.pairs import ANYWHERE, Kind, PairedRuns, PairJournal
from bench.regress.sides import NAMES, SideName
from bench.trials.trial import Trial

Results = Mapping[SideName, SuiteResults]


class Evidence:
    """Turns pairs of attempts into pairs of measurements; each record is read once.

    Args:
        results: Where the attempts of both sides lie.
        elsewhere: Pairs of the baseline against itself from other comparisons.
    """

    def __init__(self, results: Results, elsewhere: Sequence[Pair] = ()):
        self.results, self.elsewhere = results, list(elsewhere)
        self._read: dict[Path, Measurement | None] = {}

    def trials(self, pairs: Iterable[PairedRuns]) -> list[TrialPairs]:
        """Baseline against candidate: every configuration, those that failed too."""
        return _grouped(_latest(pairs, "ab"), self._measured)

    def noise(self, pairs: Iterable[PairedRuns]) -> list[TrialPairs]:
        """The baseline against itself: of this comparison, and what is known from others."""
        own = [one for one in _latest(pairs, "aa") if one.status == "done"]
        return group([*self.elsewhere, *(Pair(*map(self._measured, one.runs())) for one in own)])

    def _measured(self, run) -> Measurement:
        folder = run.of(self.results)
        if folder.folder not in self._read:
            self._read[folder.folder] = measurement_of(folder)
        found = self._read[folder.folder]
        assert found is not None, "pairs are kept once their records are written"
        return found


def noise_elsewhere(
    regress_folder: Path,
    own: str,
    baseline_key: str,
    trial_keys: set[str],
    place: Mapping[str, Any] = ANYWHERE,
) -> list[Pair]:
    """Pairs of the same baseline against itself in other comparisons: the kept record of the noise.

    Args:
        regress_folder: Folder of all comparisons.
        own: Name of the comparison for which they are wanted.
        baseline_key: See `bench.regress.sides.Side.key`.
        trial_keys: Trials of which they may be.
        place: Fingerprint of where they must have run.
    """
    found = []
    for journal in sorted(regress_folder.glob("*/pairs.jsonl")):
        if journal.parent.name == own:
            continue
        results: Results = {name: SuiteResults(journal.parent, name) for name in NAMES}
        for pair in PairJournal(journal.parent).read((baseline_key, baseline_key), results, place):
            if pair.kind == "aa" and pair.status == "done" and pair.trial_key in trial_keys:
                both = [measurement_of(run.of(results)) for run in pair.runs()]
                found += [Pair(*both)] if all(both) else []
    return found


def shared_out(wanted: Mapping[str, int], keys: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Pairs of configurations as pairs of their trials: seeds and splits take their share.

    Args:
        wanted: Key of a configuration -> pairs in all.
        keys: Key of a configuration -> keys of its trials.
    """
    shares = {}
    for configuration, number in wanted.items():
        own = keys[configuration]
        for position, key in enumerate(own):
            shares[key] = number // len(own) + (position < number % len(own))
    return shares


def configurations(trials: Iterable[Trial]) -> dict[str, list[str]]:
    """Key of each configuration -> keys of its trials, which differ in seed or split only."""
    found: dict[str, list[str]] = defaultdict(list)
    for trial in trials:
        found[trial.settings.configuration_key].append(trial.key)
    return dict(found)


def _latest(pairs: Iterable[PairedRuns], kind: Kind) -> list[PairedRuns]:
    """The pairs of a kind, without failures that a later pair of the same trial has made good."""
    own = [one for one in pairs if one.kind == kind]
    last = {one.trial_key: one.status for one in own}
    return [one for one in own if one.status == "done" or last[one.trial_key] != "done"]


def _grouped(pairs: Sequence[PairedRuns], measured) -> list[TrialPairs]:
    done, alone = [], ([], [])
    for one in pairs:
        both = [measured(run) for run in one.runs()]
        if one.status == "done":
            done.append(Pair(*both))
        else:
            for side, measurement in zip(alone, both, strict=True):
                side.append(measurement)
    return group(done, *alone)
