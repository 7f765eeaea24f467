"""Open a comparison: the suite, both sides, and where everything of it lies."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import InputError
from bench.journal.results import SuiteResults
from bench.regress.environments import Environments
from bench.regress.packages import differing
from bench.regress.pairs import PairJournal
from bench.regress.side_request import Ask, SideMaker
from bench.regress.sides import NAMES, Side, SideName
from bench.suite.resolve import ResolvedSuite
from bench.trials.trial import Trial
from bench.worker.files import write_json

REGRESS = "regress"
"""Folder of all comparisons in the results folder."""


@dataclass(frozen=True)
class Comparison:
    """Two sides that run the same trials.

    Attributes:
        name: Also of its folder.
        folder: `<results>/regress/<name>`.
        sides: Both; the candidate alone where the baseline was recorded before.
        results: Where the attempts of each lie.
        trials: What is run, as the harness' own environment would run it.
        journal: The pairs.
    """

    name: str
    folder: Path
    sides: Mapping[SideName, Side]
    results: Mapping[SideName, SuiteResults]
    trials: Sequence[Trial]
    journal: PairJournal

    @property
    def keys(self) -> tuple[str, str]:
        """Of both sides; the baseline's is empty where it was recorded before."""
        old, new = (self.sides[name].key if name in self.sides else "" for name in NAMES)
        return old, new

    def differences(self) -> dict[str, tuple[str, str]]:
        """What differs between the sides: packages, Python, the code; name -> both. Nothing with one side."""
        if len(self.sides) < 2:
            return {}
        baseline, candidate = (self.sides[name] for name in NAMES)
        found = differing(baseline.packages, candidate.packages)
        if baseline.version != candidate.version:
            found["python"] = (baseline.version, candidate.version)
        if baseline.code.wbc != candidate.code.wbc or baseline.code.folder != candidate.code.folder:
            found["wbc"] = (baseline.code.label, candidate.code.label)
        return found

    def describe(self) -> None:
        """Write down what the sides are, for people and for `compare`."""
        sides = {
            name: {
                "label": side.label,
                "interpreter": str(side.interpreter),
                "python": side.version,
                "code": side.code.label,
                "wbc": side.code.wbc,
                "key": side.key,
                "packages": dict(side.packages),
            }
            for name, side in self.sides.items()
        }
        write_json(self.folder / "sides.json", sides)


def open_comparison(
    suite: ResolvedSuite,
    trials: Sequence[Trial],
    asks: dict[SideName, Ask],
    results_folder: Path,
    environments: Environments,
    name: str | None,
    say: Callable[[str], None],
) -> Comparison:
    """Make the sides, and look up where the comparison lies; it is made if it is new.

    Args:
        suite: The suite.
        trials: Those of its trials that are asked for.
        asks: What is asked of the sides; without a baseline, one was recorded before.
        results_folder: Where results are kept.
        environments: Builds and keeps environments.
        name: Of the comparison; None: made from the suite and the sides.
        say: Is told what takes time.

    Raises:
        InputError: A side cannot be had.
    """
    gpu = suite.devices.slots[0].kind == "gpu"
    sides = SideMaker(environments, results_folder / "cache", trials, gpu, say).both(asks)
    chosen = name or name_of_comparison(suite.name, {name: ask.label for name, ask in asks.items()})
    folder = results_folder / REGRESS / chosen
    folder.mkdir(parents=True, exist_ok=True)
    results = {side: SuiteResults(folder, side) for side in NAMES}
    comparison = Comparison(chosen, folder, sides, results, trials, PairJournal(folder))
    comparison.describe()
    return comparison


def name_of_comparison(suite: str, labels: Mapping[SideName, str]) -> str:
    """`regression-tensorflow-2.20.0-vs-tensorflow-2.21.0` and the like."""
    words = [re.sub(r"[^A-Za-z0-9.+]+", "-", labels.get(name, "recorded")).strip("-.") for name in NAMES]
    return f"{suite}-{words[0][-60:].strip('-.')}-vs-{words[1][-60:].strip('-.')}"


def check_name(name: str | None) -> None:
    """Raise InputError if it would not do as the name of a folder."""
    if name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", name):
        raise InputError(
            f"a comparison cannot be called {name!r}",
            "Its name has letters, digits, dots, + and -; it becomes a folder below results/regress/.",
        )
